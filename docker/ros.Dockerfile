# For ROS 2 users: a distribution's ROS 2, Gazebo, and the workspace built with colcon. With DESKTOP=1 also RViz.
#   docker build -f docker/ros.Dockerfile --build-arg DISTRO=jazzy -t exostride:jazzy .
#   docker run --rm -it exostride:jazzy demo        docker run --rm exostride:jazzy test
# Official images of either distribution; for a clinic pin one by digest:  --build-arg BASE=ros@sha256:...
ARG DISTRO=kilted
ARG BASE=ros:${DISTRO}-ros-base-noble
FROM ${BASE}
ARG DISTRO
ARG DESKTOP=0
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl git make procps xvfb python3-venv python3-dev \
      python3-numpy python3-scipy python3-pytest python3-colcon-common-extensions ros-${DISTRO}-pinocchio \
      ros-${DISTRO}-launch-pytest ros-${DISTRO}-robot-state-publisher ros-${DISTRO}-foxglove-bridge \
 && if [ "$DESKTOP" = 1 ]; then apt-get install -y --no-install-recommends "ros-${DISTRO}-rviz2"; fi \
 && rm -rf /var/lib/apt/lists/*
# The image's own user has number 1000.
RUN id -u exostride >/dev/null 2>&1 || { userdel -r ubuntu 2>/dev/null; useradd --create-home --uid 1000 exostride; }
ENV EXOSTRIDE_GAZEBO_ROOT=/opt/exostride-gazebo
WORKDIR /home/exostride/ws/src/exostride
COPY . .
RUN source /opt/ros/${DISTRO}/setup.bash && tools/bootstrap.sh
RUN source /opt/ros/${DISTRO}/setup.bash && cd /home/exostride/ws \
 && colcon build --base-paths src/exostride/src --event-handlers console_direct+
ARG GAZEBO=1
RUN if [ "$GAZEBO" = 1 ]; then tools/gazebo.sh install; fi
COPY docker/entrypoint.sh /usr/local/bin/exostride-entrypoint
RUN chmod 755 /usr/local/bin/exostride-entrypoint && chown -R exostride:exostride /home/exostride
USER exostride
HEALTHCHECK --interval=5m --timeout=30s CMD exostride-entrypoint doctor || exit 1
ENTRYPOINT ["exostride-entrypoint"]
CMD ["demo"]
