"""Where Exostride's own files are: configuration, robot description, launch files, executables."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from exostride.errors import InputError

SHARE_VARIABLE = "EXOSTRIDE_SHARE"
BRINGUP = "exostride_bringup"
_MARKERS = Path("share") / "ament_index" / "resource_index" / "packages"


def ament_prefixes() -> list[Path]:
    """Return the existing prefixes of ``AMENT_PREFIX_PATH``, first one first."""
    entries = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(entry) for entry in entries if entry and Path(entry).is_dir()]


def package_prefix(package: str) -> Path:
    """Return the prefix under which a ROS 2 package is installed, by the ament index.

    Raises
    ------
    InputError
        No prefix of ``AMENT_PREFIX_PATH`` has the package.
    """
    prefixes = ament_prefixes()
    for prefix in prefixes:
        if (prefix / _MARKERS / package).is_file():
            return prefix
    searched = ", ".join(map(str, prefixes)) or "nothing: AMENT_PREFIX_PATH is empty"
    raise InputError(
        f"package '{package}' is not in the ament index (searched {searched}); "
        "run tools/bootstrap.sh, or source the workspace that has it"
    )


def package_share(package: str) -> Path:
    """Return ``<prefix>/share/<package>`` of a ROS 2 package; :class:`InputError` if it is not installed."""
    return package_prefix(package) / "share" / package


def package_executable(package: str, executable: str) -> Path:
    """Return ``<prefix>/lib/<package>/<executable>`` as ``ros2 run`` would.

    Raises
    ------
    InputError
        The package is not installed or has no such executable file.
    """
    folder = package_prefix(package) / "lib" / package
    file = folder / executable
    if file.is_file() and os.access(file, os.X_OK):
        return file
    known = sorted(entry.name for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []
    raise InputError(
        f"package '{package}' has no executable '{executable}' in {folder}; "
        f"there are: {', '.join(known) or 'none'}"
    )


def _complete(folder: Path) -> bool:
    return (folder / "config").is_dir() and (folder / "launch").is_dir()


def share() -> Path:
    """Return the folder that holds ``config/``, ``launch/`` and ``urdf/``.

    Looked for, in this order: the environment variable ``EXOSTRIDE_SHARE``; the source checkout that this
    package is imported from; ``exostride_bringup`` in the ament index; the prefix of this Python.

    Raises
    ------
    InputError
        It is in none of these places, or ``EXOSTRIDE_SHARE`` names a folder without them.
    """
    named = os.environ.get(SHARE_VARIABLE)
    if named:
        folder = Path(named).expanduser()
        if not _complete(folder):
            raise InputError(f"{SHARE_VARIABLE}={named}: has no config/ and launch/; correct or unset it")
        return folder.resolve()
    places = [Path(__file__).resolve().parents[3]]
    places += [prefix / "share" / BRINGUP for prefix in (*ament_prefixes(), Path(sys.prefix))]
    for folder in places:
        if _complete(folder):
            return folder
    raise InputError(
        "config/ and launch/ of Exostride were not found; run from a checkout after tools/bootstrap.sh, "
        f"source a workspace with {BRINGUP}, or set {SHARE_VARIABLE}"
    )


def config_dir() -> Path:
    """Return the folder of the configuration files."""
    return share() / "config"


def launch_dir() -> Path:
    """Return the folder of the launch files."""
    return share() / "launch"


def urdf_dir() -> Path:
    """Return the folder of the robot description."""
    return share() / "urdf"
