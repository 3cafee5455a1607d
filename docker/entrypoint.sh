#!/usr/bin/env bash
# demo | test | gazebo [ARG:=VALUE ...] | doctor, or any command with ROS 2 and the workspace sourced.
set -eo pipefail
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /home/exostride/ws/install/setup.bash
cd /home/exostride/ws/src/exostride
case ${1:-demo} in
  demo) exec make demo ;;
  test) exec make test ;;
  doctor) exec .venv/bin/exostride doctor ;;
  gazebo) shift; exec .venv/bin/exostride launch gazebo.launch.yaml "$@" ;;
  *) exec "$@" ;;
esac
