"""OpenSim motion and storage files (``.mot``, ``.sto``).

A header of ``key=value`` lines ends with ``endheader``; then come column names and rows, separated by
white space. ``inDegrees`` says what rotations are in. OpenSim's world is x forward, y up, z right. The format
has no events; they stand in ``NAME.events.csv`` beside it, as with the recording CSV format.

Joint coordinates are those of the gait models (gait2392, Rajagopal 2016): ``hip_flexion_l``,
``knee_angle_l``, ``ankle_angle_l``, ``pelvis_tilt``. Models disagree about the sign of the knee: where the
knees of a file bend mostly to the negative side, the file is taken to count extension positive.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from exostride.conventions import SIDES
from exostride.errors import InputError
from exostride.exchange.csvfile import events_path, load_events, numbers, read_lines, save_events
from exostride.exchange.motion import (
    MotionRecording,
    canonical,
    check,
    check_unit,
    unit_of,
    write_whole,
)
from exostride.types import Vector

_COORDINATES: Final = {"hip_flexion": "hip", "knee_angle": "knee", "ankle_angle": "ankle"}
_SIDES: Final = {"l": "left", "r": "right"}
_JOINT: Final = re.compile(rf"({'|'.join(_COORDINATES)})_([lr])(_moment)?")
_FORCE: Final = re.compile(r"(?:([1-9])_)?ground_force(?:_([1-9]))?_v([xyz])")
_AXES: Final = {"x": ("x", 1.0), "y": ("z", 1.0), "z": ("y", -1.0)}
"""World axis of OpenSim: ours and its sign."""


def _translate(label: str) -> tuple[str, float] | None:
    """Return our column for a label, and the factor that goes with it (degrees apart)."""
    own = canonical(label)
    if own is not None:
        return own, 1.0
    joint = _JOINT.fullmatch(label)
    if joint is not None:
        return f"{_COORDINATES[joint[1]]}{joint[3] or ''}_{_SIDES[joint[2]]}", 1.0
    force = _FORCE.fullmatch(label)
    if force is not None:
        axis, sign = _AXES[force[3]]
        return f"plate{force[1] or force[2] or 1}_f{axis}", sign
    return None


def _header(path: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    """Return the header's values and the number of lines it takes."""
    values: dict[str, str] = {}
    for number, line in enumerate(lines[:200], 1):
        if line.strip().lower() == "endheader":
            return values, number
        key, equals, value = line.partition("=")
        if equals:
            values[key.strip().lower()] = value.strip()
    raise InputError(f"{path}: no line 'endheader'; not an OpenSim motion file")


def _in_degrees(path: Path, values: dict[str, str]) -> bool:
    stated = values.get("indegrees", "no").lower()
    if stated not in ("yes", "no"):
        raise InputError(f"{path}: inDegrees={stated}; expected yes or no")
    return stated == "yes"


def load(path: Path) -> MotionRecording:
    """Read a motion or storage file.

    Raises
    ------
    InputError
        No header, no column that can be used, or damaged rows: one line with file, line and column.
    """
    lines = read_lines(path)
    values, skip = _header(path, lines)
    degrees = _in_degrees(path, values)
    if len(lines) <= skip:
        raise InputError(f"{path}:{skip}: nothing below the header")
    labels = lines[skip].split()
    if labels[0].lower() != "time":
        raise InputError(f"{path}:{skip + 1}: column 1 is '{labels[0]}'; expected 'time'")
    table = numbers(path, lines[skip + 1 :], labels, skip + 2, separator=None)
    stated = values.get("nrows")
    if stated is not None and stated.isdigit() and int(stated) != len(table):
        raise InputError(
            f"{path}: the header says {stated} rows, there are {len(table)}; the file is cut off"
        )
    columns: dict[str, Vector] = {}
    origin: dict[str, int] = {"t": 0}
    left_out = []
    for i, label in enumerate(labels[1:], 1):
        found = _translate(label)
        if found is None or found[0] in columns:
            left_out.append(label)
            continue
        name, factor = found
        turn = np.pi / 180.0 if degrees and (unit_of(name) or "").startswith("rad") else 1.0
        columns[name] = table[:, i] * (factor * turn)
        origin[name] = i

    def locate(row: int, name: str | None) -> str:
        column = "" if name is None else f": column {origin[name] + 1} ({labels[origin[name]]})"
        return f"{path}:{skip + 2 + row}{column}"

    if not columns:
        raise InputError(
            f"{path}:{skip + 1}: no joint angle or ground force among {', '.join(labels[1:6])}, …"
        )
    for name, column in columns.items():
        check_unit(name, column, locate)
    notes = _notes(left_out) + _bend_knees_forward(columns)
    check(np.ascontiguousarray(table[:, 0]), columns, locate)
    _add_segments(columns)
    beside = events_path(path)
    events = load_events(beside) if beside.is_file() else ()
    return MotionRecording(np.ascontiguousarray(table[:, 0]), columns, events, str(path), tuple(notes))


def _notes(left_out: list[str]) -> list[str]:
    return [f"left out: {', '.join(left_out)}"] if left_out else []


def _bend_knees_forward(columns: dict[str, Vector]) -> list[str]:
    """Make knee flexion positive, where a model counts extension; return what was done, in words."""
    knees = [name for name in ("knee_left", "knee_right") if name in columns]
    if not knees or sum(float(np.sum(columns[name])) for name in knees) >= 0:
        return []
    for name in knees:
        columns[name] = -columns[name]
    for moment in [f"knee_moment_{side}" for side in SIDES if f"knee_moment_{side}" in columns]:
        columns[moment] = -columns[moment]
    return ["knee extension is positive in this file; knee angles and moments were turned about"]


def _add_segments(columns: dict[str, Vector]) -> None:
    """Add thigh, shank and foot angles where the pelvis' tilt is known: all turn about one axis."""
    tilt = columns.get("pelvis_tilt")
    if tilt is None:
        return
    for side in SIDES:
        chain = [columns.get(f"{joint}_{side}") for joint in ("hip", "knee", "ankle")]
        angle = tilt
        for segment, joint, sign in zip(("thigh", "shank", "foot"), chain, (1.0, -1.0, 1.0), strict=True):
            if joint is None:
                break
            angle = angle + sign * joint
            columns.setdefault(f"{segment}_angle_{side}", angle)


def save(path: Path, recording: MotionRecording) -> None:
    """Write a file that OpenSim opens: its names for joints and plates, rotations in radians.

    Columns that OpenSim has no name for keep ours; segment angles, which are sums of others, are written too.

    Raises
    ------
    InputError
        The file can't be written.
    """
    back = {joint: coordinate for coordinate, joint in _COORDINATES.items()}
    labels, data = ["time"], [recording.time_s]
    for name, column in recording.columns.items():
        label, factor = _label(name, back)
        labels.append(label)
        data.append(column * factor)
    head = [
        path.stem,
        "version=1",
        f"nRows={len(recording)}",
        f"nColumns={len(labels)}",
        "inDegrees=no",
        "endheader",
    ]
    rows = ["\t".join(map(repr, row)) for row in zip(*(column.tolist() for column in data), strict=True)]
    text = ("\n".join([*head, "\t".join(labels), *rows]) + "\n").encode("utf-8")

    def write(stream: BinaryIO) -> None:
        stream.write(text)

    write_whole(path, write)
    save_events(path, recording.events)


def _label(name: str, back: dict[str, str]) -> tuple[str, float]:
    parts = name.split("_")
    if parts[0] in back and len(parts) == 2:
        return f"{back[parts[0]]}_{parts[1][0]}", 1.0
    if parts[0] in back and parts[1] == "moment":
        return f"{back[parts[0]]}_{parts[2][0]}_moment", 1.0
    if parts[0].startswith("plate"):
        axis, sign = {ours: (theirs, sign) for theirs, (ours, sign) in _AXES.items()}[parts[1][1]]
        return f"ground_force_{parts[0][5:]}_v{axis}", sign
    return name, 1.0
