"""What there is of Gazebo on this machine: Gazebo 11 as ``tools/gazebo.sh`` made it, or a modern one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exostride.errors import DeviceError
from exostride.hardware.gz.modern import PROBE

INSTALL_HINT = "run tools/gazebo.sh install"


@dataclass(frozen=True, slots=True)
class Installation:
    """How to run Gazebo here; of Gazebo 11 ``tools/gazebo.sh install`` writes it.

    ``gzserver`` is the command before the world file, ``plugin`` that of Gazebo 11.
    """

    kind: str
    version: str
    gzserver: tuple[str, ...]
    xvfb: tuple[str, ...]
    plugin: Path
    environment: Mapping[str, str]
    flags: tuple[str, ...] = ("--verbose", "--seed", "1")

    def display(self) -> tuple[str, ...]:
        """Return the command of an X server; one within Gazebo's root takes root, or a namespace of users."""
        if self.xvfb[0] != "chroot":
            return self.xvfb
        own = None if os.geteuid() == 0 else shutil.which("Xvfb")
        if own:
            return (own,)
        # Where chroot lies is not in everybody's PATH.
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
        inside = (shutil.which("chroot", path=path) or "chroot", *self.xvfb[1:])
        return inside if os.geteuid() == 0 else ("unshare", "--map-root-user", *inside)


def cache_dir() -> Path:
    """Return where ``tools/gazebo.sh`` puts what it makes."""
    named = os.environ.get("EXOSTRIDE_GAZEBO_ROOT")
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "exostride" / "gazebo"


def find_installation() -> Installation:
    """Return the Gazebo of this machine.

    Raises
    ------
    DeviceError
        There is none, or what was installed is no longer complete.
    """
    file = cache_dir() / "gazebo.json"
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found = Installation(
            kind=str(data["kind"]),
            version=str(data["version"]),
            gzserver=tuple(map(str, data["gzserver"])),
            xvfb=tuple(map(str, data["xvfb"])),
            plugin=Path(data["plugin"]),
            environment={str(k): str(v) for k, v in data["environment"].items()},
        )
    except FileNotFoundError:
        raise DeviceError(f"there is no Gazebo for Exostride on this machine; {INSTALL_HINT}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(f"{file}: {error}; {INSTALL_HINT}") from None
    missing = [p for p in (found.gzserver[0], found.gzserver[-1], found.plugin) if not Path(p).is_file()]
    if missing:
        raise DeviceError(f"{missing[0]} is missing; {INSTALL_HINT}")
    return found


def find_modern() -> Installation:
    """Return the modern Gazebo (gz sim) of this machine: an interpreter that has its Python bindings.

    Those of ``EXOSTRIDE_GZ_PYTHON``, this one, and the machine's own are asked, in this order.

    Raises
    ------
    DeviceError
        None of them has the bindings.
    """
    package = str(Path(__file__).parents[3])
    named = os.environ.get("EXOSTRIDE_GZ_PYTHON")
    candidates = [named] if named else [sys.executable, "/usr/bin/python3"]
    keep = {"PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))}
    keep.update({k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH" or k.startswith("GZ_")})
    for python in candidates:
        try:
            asked = subprocess.run(
                [python, "-c", PROBE],
                check=False,
                env={**os.environ, **keep},
                capture_output=True,
                text=True,
                timeout=8.0,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if asked.returncode == 0:
            command = (python, "-m", "exostride.hardware.gz.modern")
            version = asked.stdout.strip()
            return Installation("gz", version, command, ("Xvfb",), Path(), keep, flags=())
    raise DeviceError(
        f"no modern Gazebo: {' and '.join(candidates)} cannot import gz.sim; install Gazebo Harmonic or "
        "later with its Python bindings, name its interpreter in EXOSTRIDE_GZ_PYTHON, or set gazebo:=classic"
    )


def find() -> Installation:
    """Return the Gazebo 11 of this machine, or if there is none its modern one.

    Raises
    ------
    DeviceError
        There is neither.
    """
    try:
        return find_installation()
    except DeviceError as classic:
        try:
            return find_modern()
        except DeviceError:
            raise DeviceError(
                f"{classic}, or install Gazebo Harmonic or later with its Python bindings "
                "(EXOSTRIDE_GZ_PYTHON names an interpreter that has them)"
            ) from None
