#!/usr/bin/env bash
# Makes this checkout runnable: a virtual environment with pinned packages, ROS 2, our message types and
# the exostride package. Safe to run at any time: what is up to date is left alone, and once everything
# is in place nothing is asked of the network.
#
#   tools/bootstrap.sh            make or update .venv
#   tools/bootstrap.sh --check    exit 1 if something is out of date, change nothing
#
# PYTHON=/path/to/python3.12   the interpreter to use (3.11 or 3.12; default: the best one found)
# EXOSTRIDE_VENV=DIR           another place for the environment (default: .venv)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
VENV=${EXOSTRIDE_VENV:-$ROOT/.venv}
[[ $VENV == /* ]] || VENV=$ROOT/$VENV
CACHE=$ROOT/.cache
STAMPS=$VENV/.exostride
LOG=$CACHE/bootstrap.log
CHECK=false
case ${1:-} in
  "") ;;
  --check) CHECK=true ;;
  *) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac

say() { printf '[bootstrap] %s\n' "$*"; }
die() { printf '[bootstrap] error: %s\n' "$*" >&2; exit 1; }

# CMake and colcon split their path lists at blanks.
[[ $ROOT$VENV != *[[:space:]]* ]] || die "the path '$ROOT' contains a blank, which colcon cannot handle; move the checkout"

# ---------------------------------------------------------------- what kind of ROS 2 is there
# A sourced installation wins: its rclpy, numpy, scipy, Pinocchio and pytest are used as they are.
ROS_KIND=wheels
if [[ -n ${ROS_DISTRO:-} && -z ${_EXOSTRIDE_ENV:-} ]]; then
  case $ROS_DISTRO in
    jazzy | kilted) ROS_KIND=$ROS_DISTRO ;;
    *) say "ROS_DISTRO=$ROS_DISTRO is neither jazzy nor kilted; using the ROS 2 wheels beside it" ;;
  esac
fi

# ---------------------------------------------------------------- digests of everything that matters
digest() { sha256sum "$@" | sha256sum | cut -c1-16; }
tree_digest() { find "$@" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16; }

wanted_wheels() { echo "$ROS_KIND $(digest requirements/runtime.txt requirements/ros.txt requirements/report.txt requirements/dev.txt requirements/constraints.txt)"; }
wanted_messages() { echo "$(wanted_wheels) $(tree_digest src/exostride_msgs src/stand_ins)"; }
wanted_package() {
  echo "$(wanted_messages) $ROOT $(digest src/exostride/setup.py src/exostride/setup.cfg src/exostride/package.xml tools/ros_env.py)"
}
compiled_sources() { grep -rl --include='*.py' '^@compiled' src/exostride/exostride | LC_ALL=C sort; }
wanted_loops() { echo "$(wanted_wheels) $(compiled_sources | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -c1-16)"; }
stamped() { [[ -f $STAMPS/$1 && $(<"$STAMPS/$1") == "$2" ]]; }
stamp() { mkdir -p "$STAMPS"; printf '%s\n' "$2" >"$STAMPS/$1.new"; mv "$STAMPS/$1.new" "$STAMPS/$1"; }

venv_python_works() { [[ -x $VENV/bin/python ]] && "$VENV/bin/python" -S -c 'pass' 2>/dev/null; }
python_changed() {  # the caller asks for another version of Python than the environment has
  [[ -n ${PYTHON:-} ]] || return 1
  local want have
  want=$("$PYTHON" -S -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null) || return 1
  have=$("$VENV/bin/python" -S -c 'import sys; print(*sys.version_info[:2])')
  [[ $want != "$have" ]]
}
up_to_date() {
  venv_python_works && ! python_changed && stamped wheels "$(wanted_wheels)" &&
    stamped messages "$(wanted_messages)" && stamped package "$(wanted_package)" &&
    stamped loops "$(wanted_loops)"
}

if up_to_date; then exit 0; fi
if $CHECK; then say "out of date; run tools/bootstrap.sh"; exit 1; fi

mkdir -p "$CACHE"
# Two runs at once would step on each other; the second waits and then finds nothing to do.
exec 9>"$CACHE/bootstrap.lock"
if ! flock -n 9; then say "another bootstrap is running here; waiting for it"; flock 9; fi
if up_to_date; then exit 0; fi
: >"$LOG"

run() {  # run WHAT COMMAND...: one line on the terminal, the rest in the log
  local what=$1 start=$SECONDS; shift
  if [[ -t 1 ]]; then printf '[bootstrap] %s ...' "$what"; else say "$what"; fi
  if ! "$@" >>"$LOG" 2>&1; then
    [[ -t 1 ]] && echo
    tail -n 25 "$LOG" >&2
    die "'$what' failed; the whole output is in $LOG"
  fi
  if [[ -t 1 ]]; then printf ' %d s\n' $((SECONDS - start)); else say "  done in $((SECONDS - start)) s"; fi
}

# ---------------------------------------------------------------- the system's part
APT_UPDATED=false
need() {  # need PACKAGE... : install by apt when we may, else say the one line that mends it
  local line="apt-get install -y $*"
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    command -v apt-get >/dev/null && die "this machine lacks $*; run:  sudo $line"
    die "this machine lacks what Debian calls $*; install it and run this again"
  fi
  if ! $APT_UPDATED; then run "refreshing apt's lists" apt-get update; APT_UPDATED=true; fi
  say "this machine lacks $*; installing with apt"
  run "$line" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

suitable() {  # 3.11 or 3.12, really there (a pyenv shim can name a version that is not)
  "$1" -S -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}
find_python() {
  local candidate
  if [[ -n ${PYTHON:-} ]]; then
    suitable "$PYTHON" || die "PYTHON=$PYTHON is not a working Python 3.11 or 3.12"
    echo "$PYTHON"; return
  fi
  for candidate in python3 python3.12 python3.11 /usr/bin/python3; do
    if suitable "$candidate"; then command -v "$candidate"; return; fi
  done
  return 1
}

missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v cmake >/dev/null || missing+=(cmake)
command -v make >/dev/null || missing+=(make)
if ! python=$(find_python); then
  [[ -z ${PYTHON:-} ]] || exit 1
  missing+=(python3 python3-venv python3-dev)
else
  version=$("$python" -S -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  # Debian ships Python in pieces; an interpreter from elsewhere is whole.
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python$version-venv")
  [[ -f $("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] || missing+=("python$version-dev")
fi
((${#missing[@]} == 0)) || need "${missing[@]}"
python=$(find_python) || die "no Python 3.11 or 3.12 found; install one and name it:  PYTHON=/path/to/python3.12 make demo"

# Only PDF reports need these: without them everything else works, and the report says so.
if command -v dpkg >/dev/null; then
  pdf=()
  for package in libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-core fonts-noto-cjk; do
    dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed' || pdf+=("$package")
  done
  if ((${#pdf[@]})); then
    if [[ $(id -u) == 0 ]]; then need "${pdf[@]}"; else say "for PDF reports in all languages:  sudo apt-get install -y ${pdf[*]}"; fi
  fi
else
  say "PDF reports need Pango and fonts of the report's language from this system"
fi

# ---------------------------------------------------------------- the environment and its packages
remake=false
if ! venv_python_works; then remake=true; elif python_changed; then remake=true; fi
if $remake; then
  if [[ -e $VENV && ! -f $VENV/pyvenv.cfg ]]; then die "$VENV exists and is not a virtual environment; move it away"; fi
  rm -rf "$VENV"
  if [[ $ROS_KIND == wheels ]]; then
    run "making $VENV with $("$python" --version)" "$python" -m venv "$VENV"
  else
    run "making $VENV with $("$python" --version) on top of ROS 2 $ROS_KIND" "$python" -m venv --system-site-packages "$VENV"
  fi
fi
PY=$VENV/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK=1

install_on_wheels() {
  "$PY" -m pip install --prefer-binary -r requirements/runtime.txt -r requirements/ros.txt -r requirements/report.txt -r requirements/dev.txt -c requirements/constraints.txt
}
install_on_ros() {  # all but what the distribution owns, and nothing that would replace it
  local own='^(numpy|scipy|pin|pytest|setuptools|colcon-|ros-)'
  grep -hvE "$own" requirements/runtime.txt requirements/report.txt requirements/dev.txt >"$CACHE/requirements-on-ros.txt"
  grep -h '^wheel==' requirements/ros.txt >>"$CACHE/requirements-on-ros.txt"
  "$PY" -c 'import numpy, scipy; print(f"numpy=={numpy.__version__}\nscipy=={scipy.__version__}")' >"$CACHE/constraints-on-ros.txt"
  "$PY" -m pip install --prefer-binary -r "$CACHE/requirements-on-ros.txt" -c "$CACHE/constraints-on-ros.txt"
}
check_distribution() {
  local need_apt=()
  local reason
  reason=$("$PY" -c 'import rclpy' 2>&1 | tail -n 1) || true
  "$PY" -c 'import rclpy' 2>/dev/null ||
    die "ROS_DISTRO=$ROS_KIND is set but rclpy does not import with $python ($reason); source /opt/ros/$ROS_KIND/setup.bash and use its own Python, or unset ROS_DISTRO"
  "$PY" -c 'import numpy' 2>/dev/null || need_apt+=(python3-numpy)
  "$PY" -c 'import scipy' 2>/dev/null || need_apt+=(python3-scipy)
  "$PY" -c 'import pytest' 2>/dev/null || need_apt+=(python3-pytest)
  "$PY" -c 'import pinocchio' 2>/dev/null || need_apt+=("ros-$ROS_KIND-pinocchio")
  command -v colcon >/dev/null || need_apt+=(python3-colcon-common-extensions)
  ((${#need_apt[@]} == 0)) || need "${need_apt[@]}"
}

if ! stamped wheels "$(wanted_wheels)"; then
  if [[ $ROS_KIND == wheels ]]; then
    run "installing the pinned packages and ROS 2 wheels (some 600 MB the first time)" install_on_wheels
    run "repairing the CMake exports of the ROS 2 wheels" "$PY" tools/ros_env.py fix-exports
  else
    check_distribution
    run "installing the pinned packages beside ROS 2 $ROS_KIND" install_on_ros
  fi
  stamp wheels "$(wanted_wheels)"
fi

# ---------------------------------------------------------------- message types
# Each build goes to a prefix of its own; one rename then switches over, so that whatever runs meanwhile
# sees either the old types or the new ones.
if ! stamped messages "$(wanted_messages)"; then
  key=$(wanted_messages | sha256sum | cut -c1-12)
  prefix=$VENV/opt/ros-$key
  build_messages() {
    rm -rf "$prefix" "$CACHE/build-$key"
    local colcon=colcon env=() paths=("$ROOT/src/exostride_msgs") packages=(exostride_msgs)
    if [[ $ROS_KIND == wheels ]]; then
      colcon=$VENV/bin/colcon
      paths+=("$ROOT/src/stand_ins/tf2_msgs")
      packages+=(tf2_msgs)
      env=(AMENT_PREFIX_PATH="$VENV" CMAKE_PREFIX_PATH="$VENV" LD_LIBRARY_PATH="$VENV/lib")
    fi
    env "${env[@]}" PATH="$VENV/bin:$PATH" COLCON_LOG_LEVEL=30 "$colcon" --log-base "$CACHE/log" build \
      --base-paths "${paths[@]}" --packages-select "${packages[@]}" --merge-install \
      --build-base "$CACHE/build-$key" --install-base "$prefix" --event-handlers console_direct+ \
      --cmake-args -DPython3_EXECUTABLE="$PY" -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=MinSizeRel
    rm -rf "$CACHE/build-$key"
    "$PY" tools/ros_env.py register --checkout "$ROOT" --prefix "$prefix"
  }
  run "building the message types (a minute or two)" build_messages
  ln -sfn "ros-$key" "$VENV/opt/ros.new"
  mv -T "$VENV/opt/ros.new" "$VENV/opt/ros"
  stamp messages "$(wanted_messages)"
fi

# ---------------------------------------------------------------- our package and the ament index
install_package() {
  "$PY" -m pip install --no-deps --no-build-isolation --config-settings editable_mode=compat -e src/exostride
}
if ! stamped package "$(wanted_package)"; then
  run "installing exostride in this environment" install_package
  run "writing the ament index and the activation" "$PY" tools/ros_env.py activate --checkout "$ROOT" --ros "$ROS_KIND"
  "$PY" -c 'import rclpy, exostride_msgs.msg, exostride' || die "the environment does not import; see above and $LOG"
  for old in "$VENV"/opt/ros-*; do  # builds that nothing points to any more
    [[ $(basename "$old") == "$(readlink "$VENV/opt/ros")" ]] || rm -rf "$old"
  done
  stamp package "$(wanted_package)"
fi

# ---------------------------------------------------------------- machine code of the inner loops
# Importing a module compiles its loops (exostride/compiled.py); done here, no session waits for it.
if ! stamped loops "$(wanted_loops)"; then
  compile_loops() {
    compiled_sources | sed 's#^src/exostride/##; s#/#.#g; s#\.py$##' |
      xargs "$PY" -c 'import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]'
  }
  run "compiling inner loops" compile_loops
  stamp loops "$(wanted_loops)"
fi
say "ready: $VENV/bin/exostride --help"
