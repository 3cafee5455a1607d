"""Where the robot description lies: in a source tree, or in an installed ROS workspace."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from exostride.errors import InputError

XACRO_NAME = "exostride.urdf.xacro"


@cache
def description_directory() -> Path:
    """Return the folder that holds ``exostride.urdf.xacro`` and its tables.

    The source tree around this file is looked at first, so that code and description are of one
    version, then ``share/exostride_bringup/urdf`` of every prefix in ``AMENT_PREFIX_PATH``.

    Raises
    ------
    InputError
        Neither has it.
    """
    candidates = [parent / "urdf" for parent in Path(__file__).resolve().parents]
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            candidates.append(Path(prefix) / "share" / "exostride_bringup" / "urdf")
    for candidate in candidates:
        if (candidate / XACRO_NAME).is_file():
            return candidate
    raise InputError(
        f"{XACRO_NAME} not found: run from a checkout of Exostride, or source the workspace that has "
        "the package exostride_bringup"
    )
