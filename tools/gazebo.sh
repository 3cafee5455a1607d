#!/usr/bin/env bash
# Gives this machine a Gazebo for Exostride, without touching the system.
#
#   tools/gazebo.sh install        make what is missing (2-3 minutes the first time, seconds afterwards)
#   tools/gazebo.sh status         say what there is; exit 0 if it is complete, 1 if not
#   tools/gazebo.sh run CMD ...    run a program of it: gzserver, gz, xvfb, or any other with its loader
#   tools/gazebo.sh remove         delete what install made
#
# A Gazebo 11 with its headers on the machine is used as it is (only our plugin is built). Otherwise the
# last one that Debian had (11.1, of bullseye) is unpacked into a directory of its own under the user's
# cache. Making that takes root, for debootstrap; using it does not. Whatever is interrupted goes on where
# it stopped.
#
# EXOSTRIDE_GAZEBO_ROOT=DIR          where it is (default: ~/.cache/exostride/gazebo)
# EXOSTRIDE_DEBIAN_MIRROR=URL        where Debian is (default: deb.debian.org, then archive.debian.org)
# EXOSTRIDE_GAZEBO_SYSTEM=0          do not use a Gazebo found on the machine
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SOURCE=${EXOSTRIDE_GAZEBO_SOURCE:-$HERE/src/exostride_gazebo/classic}
BASE=${EXOSTRIDE_GAZEBO_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/exostride/gazebo}
[[ $BASE == /* ]] || BASE=$PWD/$BASE
ROOT=$BASE/root
STAMPS=$BASE/stamps
LOG=$BASE/install.log
SUITE=bullseye
ARCH=x86_64-linux-gnu
# What a camera needs (Xvfb, software GL) is among them; headers come apart, because the package that has
# them would pull in twice as much again.
PACKAGES=(gazebo gazebo-plugin-base g++ xvfb libgl1-mesa-dri)
HEADERS=(libgazebo-dev libsdformat-dev libignition-math-dev libignition-msgs-dev libignition-transport-dev
  libignition-common-dev libignition-fuel-tools-dev libprotobuf-dev libboost1.74-dev libtinyxml-dev
  libtinyxml2-dev libtbb-dev uuid-dev)

say() { printf '[gazebo] %s\n' "$*"; }
die() { printf '[gazebo] error: %s\n' "$*" >&2; exit 1; }
digest() { sha256sum | cut -c1-16; }
stamped() { [[ -f $STAMPS/$1 && $(<"$STAMPS/$1") == "$2" ]]; }
stamp() { printf '%s\n' "$2" >"$STAMPS/$1.new"; mv "$STAMPS/$1.new" "$STAMPS/$1"; }

run() {  # run WHAT COMMAND...: one line on the terminal, the rest in the log
  local what=$1 start=$SECONDS; shift
  say "$what"
  if ! "$@" >>"$LOG" 2>&1; then
    tail -n 15 "$LOG" >&2
    die "'$what' failed; the whole output is in $LOG; run this again to go on from here"
  fi
  say "  done in $((SECONDS - start)) s"
}

# ---------------------------------------------------------------- what kind
system_gazebo() {  # a Gazebo 11 of this machine, with what it takes to build a plugin for it
  [[ ${EXOSTRIDE_GAZEBO_SYSTEM:-1} != 0 ]] && command -v gzserver >/dev/null && command -v g++ >/dev/null &&
    [[ $(gzserver --version 2>/dev/null) == *"version 11."* ]] && pkg-config --exists gazebo 2>/dev/null
}
kind() { if system_gazebo; then echo system; else echo root; fi; }

# ---------------------------------------------------------------- the root and its stages
wanted_base() { echo "$SUITE minbase"; }
wanted_packages() { printf '%s\n' "$(wanted_base)" "${PACKAGES[@]}" | digest; }
wanted_headers() { printf '%s\n' "$(wanted_packages)" "${HEADERS[@]}" | digest; }
wanted_plugin() { { wanted_headers; kind; echo "$BASE"; cat "$SOURCE"/*.cc "$SOURCE"/*.hh; } | digest; }
wanted_json() { { kind; echo "$BASE"; cat "$HERE/tools/gazebo.sh"; } | digest; }
manifest() { grep -E '^(Package|Version|Status): ' "$ROOT/var/lib/dpkg/status" | digest; }
root_is_whole() {
  stamped base "$(wanted_base)" && stamped packages "$(wanted_packages)" && stamped headers "$(wanted_headers)" &&
    [[ -x $ROOT/usr/bin/gzserver ]] && stamped manifest "$(manifest)"
}
complete() {
  { [[ $(kind) == system ]] || root_is_whole; } && [[ -f $BASE/plugin/libexostride_gazebo.so ]] && stamped plugin "$(wanted_plugin)" &&
    [[ -f $BASE/gazebo.json ]] && stamped json "$(wanted_json)"
}

mirror() {
  local url
  for url in ${EXOSTRIDE_DEBIAN_MIRROR:-http://deb.debian.org/debian http://archive.debian.org/debian}; do
    if reach "${url%/}/dists/$SUITE/Release"; then echo "${url%/}"; return; fi
  done
  return 1
}
reach() {
  if command -v curl >/dev/null; then curl -sfIL -m 15 -o /dev/null "$1"
  elif command -v wget >/dev/null; then wget -q --spider -T 15 -t 1 "$1"
  else return 0; fi  # nothing to ask with: debootstrap will say
}

need_debootstrap() {
  command -v debootstrap >/dev/null && return
  command -v apt-get >/dev/null || die "making the Gazebo root takes debootstrap; install it, then run this again"
  run "installing debootstrap" env DEBIAN_FRONTEND=noninteractive \
    bash -c 'apt-get install -y --no-install-recommends debootstrap || { apt-get update && apt-get install -y --no-install-recommends debootstrap; }'
}
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive chroot "$ROOT" "$@"; }

make_base() {
  local from=$1
  rm -rf "$ROOT"; mkdir -p "$BASE/debs"
  debootstrap --variant=minbase --cache-dir="$BASE/debs" "$SUITE" "$ROOT" "$from"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$ROOT/etc/hosts"
  printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"; chmod 755 "$ROOT/usr/sbin/policy-rc.d"
  # Its release has left support: signatures stay checked, their date does not.
  printf 'Acquire::Check-Valid-Until "false";\nAcquire::Retries "3";\n' >"$ROOT/etc/apt/apt.conf.d/90exostride"
}
make_packages() {
  cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf" 2>/dev/null || true
  inside apt-get update
  inside dpkg --configure -a
  inside apt-get install -y --no-install-recommends "${PACKAGES[@]}"
}
make_headers() {
  rm -rf "$ROOT/opt/headers"; mkdir -p "$ROOT/opt/headers"
  inside bash -c 'cd /opt/headers && apt-get download "$@" && for f in *.deb; do dpkg -x "$f" /; done && rm -rf /opt/headers' _ "${HEADERS[@]}"
}
build_in_root() {
  rm -rf "$ROOT/opt/plugin"; mkdir -p "$ROOT/opt/plugin" "$BASE/plugin"
  cp "$SOURCE"/*.cc "$SOURCE"/*.hh "$ROOT/opt/plugin/"
  inside bash -c 'cd /opt/plugin && sdf=$(ls -d /usr/include/sdformat-*) && g++ -std=c++17 -O2 -fPIC -shared -Wall -Wextra \
    -Wno-unknown-pragmas -isystem /usr/include/gazebo-11 -isystem "$sdf" $(printf -- " -isystem %s" /usr/include/ignition/*) -o libexostride_gazebo.so *.cc \
    -L/usr/lib/'"$ARCH"' -l:libgazebo_physics.so.11 -l:libgazebo_common.so.11 -l:libgazebo_transport.so.11 -Wl,--allow-shlib-undefined'
  install -m 755 "$ROOT/opt/plugin/libexostride_gazebo.so" "$BASE/plugin/.new"
  mv "$BASE/plugin/.new" "$BASE/plugin/libexostride_gazebo.so"
}
build_on_system() {
  mkdir -p "$BASE/plugin"
  # shellcheck disable=SC2046
  g++ -std=c++17 -O2 -fPIC -shared "$SOURCE"/*.cc -o "$BASE/plugin/.new" $(pkg-config --cflags --libs gazebo)
  mv "$BASE/plugin/.new" "$BASE/plugin/libexostride_gazebo.so"
}

# ---------------------------------------------------------------- how to run it, for programs
library_path() {
  echo "$ROOT/usr/lib/$ARCH:$ROOT/lib/$ARCH:$ROOT/usr/lib/$ARCH/gazebo-11/plugins:$ROOT/usr/lib/$ARCH/blas:$ROOT/usr/lib/$ARCH/lapack:$ROOT/usr/lib/$ARCH/pulseaudio:$ROOT/usr/lib"
}
loader() { echo "$ROOT"/lib/$ARCH/ld-2.*.so; }  # its link in /lib64 is absolute, and so the machine's own
write_json() {  # gzserver's command and environment; exostride.hardware.gz.installation reads it
  if [[ $(kind) == system ]]; then
    printf '{"kind": "system", "version": "%s", "gzserver": ["%s"], "environment": {}, "plugin": "%s", "xvfb": ["Xvfb"]}\n' \
      "$(gzserver --version | sed -n 's/.*version \([0-9.]*\).*/\1/p' | head -n 1)" "$(command -v gzserver)" "$BASE/plugin/libexostride_gazebo.so"
    return
  fi
  local version share=$ROOT/usr/share/gazebo-11 lib=$ROOT/usr/lib/$ARCH
  version=$(sed -n '/^Package: gazebo$/,/^$/s/^Version: //p' "$ROOT/var/lib/dpkg/status")
  cat <<JSON
{"kind": "root", "version": "$version",
 "gzserver": ["$(loader)", "--library-path", "$(library_path)", "$ROOT/usr/bin/gzserver"],
 "xvfb": ["chroot", "$ROOT", "/usr/bin/Xvfb"],
 "plugin": "$BASE/plugin/libexostride_gazebo.so",
 "environment": {
  "GAZEBO_RESOURCE_PATH": "$share", "GAZEBO_PLUGIN_PATH": "$lib/gazebo-11/plugins", "GAZEBO_MODEL_PATH": "$share/models",
  "OGRE_RESOURCE_PATH": "$lib/OGRE-1.9.0", "LIBGL_DRIVERS_PATH": "$lib/dri", "LIBGL_ALWAYS_SOFTWARE": "1",
  "SDF_PATH": "$ROOT/usr/share/sdformat/1.6", "__EGL_VENDOR_LIBRARY_DIRS": "$ROOT/usr/share/glvnd/egl_vendor.d"}}
JSON
}

install_all() {
  if complete; then say "ready: $(describe)"; return; fi
  [[ $(uname -m) == x86_64 ]] || { [[ $(kind) == system ]] || die "the Gazebo root is for x86-64; install Gazebo 11 with its headers instead"; }
  mkdir -p "$STAMPS"
  exec 9>"$BASE/lock"
  if ! flock -n 9; then say "another install is running; waiting for it"; flock 9; fi
  if complete; then say "ready: $(describe)"; return; fi
  : >"$LOG"
  if [[ $(kind) == root ]] && ! root_is_whole; then make_root; fi
  if stamped plugin "$(wanted_plugin)" && [[ -f $BASE/plugin/libexostride_gazebo.so ]]; then
    :
  elif [[ $(kind) == root ]]; then
    [[ $(id -u) == 0 ]] || die "building the plugin inside $ROOT takes root once; run:  sudo env HOME=$HOME tools/gazebo.sh install"
    run "building the plugin in the Gazebo root" build_in_root
  else
    run "building the plugin for this machine's Gazebo" build_on_system
  fi
  stamp plugin "$(wanted_plugin)"
  write_json >"$BASE/gazebo.json.new"; mv "$BASE/gazebo.json.new" "$BASE/gazebo.json"
  stamp json "$(wanted_json)"
  say "ready: $(describe)"
}
make_root() {
  [[ $(id -u) == 0 ]] || die "making the Gazebo root takes root once; run:  sudo env HOME=$HOME tools/gazebo.sh install"
  local free_mb from
  free_mb=$(df -Pm "$BASE" | awk 'NR == 2 {print $4}')
  ((free_mb > 2500)) || die "$BASE has $free_mb MB free; the Gazebo root needs 2500 (EXOSTRIDE_GAZEBO_ROOT chooses another place)"
  need_debootstrap
  if ! stamped base "$(wanted_base)"; then
    from=$(mirror) || die "no Debian mirror with $SUITE answers; with a network, or EXOSTRIDE_DEBIAN_MIRROR=URL, run this again"
    run "making a Debian $SUITE root from $from (about a minute)" make_base "$from"
    stamp base "$(wanted_base)"
  fi
  if ! stamped packages "$(wanted_packages)"; then
    run "installing Gazebo in it (300 MB, one to two minutes)" make_packages
    stamp packages "$(wanted_packages)"
  fi
  run "unpacking the headers" make_headers
  stamp headers "$(wanted_headers)"
  stamp manifest "$(manifest)"
  inside apt-get clean; rm -rf "$BASE/debs" "$ROOT"/var/lib/apt/lists/*
  chmod -R a+rX "$ROOT/usr" "$ROOT/lib" 2>/dev/null || true
}

describe() {
  if [[ $(kind) == system ]]; then echo "Gazebo of this machine, $(command -v gzserver)"
  else echo "Gazebo $(sed -n '/^Package: gazebo$/,/^$/s/^Version: //p' "$ROOT/var/lib/dpkg/status") in $ROOT"; fi
}
status() {
  if complete; then say "ready: $(describe)"; return 0; fi
  if [[ $(kind) == root ]] && ! [[ -d $ROOT ]]; then say "none; run tools/gazebo.sh install"
  else say "incomplete or out of date; run tools/gazebo.sh install"; fi
  return 1
}
run_program() {
  (($#)) || die "run what? For example:  tools/gazebo.sh run gz sdf --version"
  if [[ $(kind) == system ]]; then exec "$@"; fi
  root_is_whole || die "there is no complete Gazebo; run tools/gazebo.sh install"
  local program=$1 lib=$ROOT/usr/lib/$ARCH share=$ROOT/usr/share/gazebo-11; shift
  if [[ ${program,,} == xvfb ]]; then exec chroot "$ROOT" /usr/bin/Xvfb "$@"; fi
  export GAZEBO_RESOURCE_PATH=$share GAZEBO_PLUGIN_PATH=$BASE/plugin:$lib/gazebo-11/plugins GAZEBO_MODEL_PATH=$share/models
  export OGRE_RESOURCE_PATH=$lib/OGRE-1.9.0 LIBGL_DRIVERS_PATH=$lib/dri GAZEBO_MODEL_DATABASE_URI=
  local file=$ROOT/usr/bin/$program
  [[ -x $file ]] || die "no program '$program' in $ROOT/usr/bin"
  exec "$(loader)" --library-path "$(library_path)" "$file" "$@"
}

case ${1:-} in
  install) install_all ;;
  status) status ;;
  run) shift; run_program "$@" ;;
  remove) rm -rf --one-file-system "$BASE"; say "removed $BASE" ;;
  *) sed -n '2,17s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
