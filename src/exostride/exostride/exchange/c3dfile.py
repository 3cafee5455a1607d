"""C3D files of motion laboratories, through the ``ezc3d`` library.

What can be had: the sagittal component of hip, knee and ankle angles by their usual labels (``LHipAngles``;
flexion and dorsiflexion positive, as Vicon's models have it), heel, toe and sacrum markers in laboratory
axes, vertical and horizontal force of each plate at the instants of the frames, and labelled events. What
can't: joint moments of other programs (files do not say whether they are per kilogram), and rates, which no
laboratory stores. Files that we write hold both: moments as points as Vicon has them, and by name in N m.

Models leave the first and last frames without angles. A recording is the longest run of frames in which
all its joint angles are valid; its time stays that of the file, so that events agree.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import ezc3d
import numpy as np

from exostride.conventions import SIDES
from exostride.errors import InputError
from exostride.exchange.motion import MotionEvent, MotionRecording, check, longest_run, unit_of
from exostride.types import EventKind, Vector

_ANGLE: Final = re.compile(
    r"(L|R|LEFT|RIGHT)[ _]?(HIP|KNEE|ANKLE|THIGH|SHANK|FOOT)[ _]?ANGLES?", re.IGNORECASE
)
_MOMENT: Final = re.compile(r"(?:L|R|LEFT|RIGHT)[ _]?(?:HIP|KNEE|ANKLE)[ _]?MOMENTS?", re.IGNORECASE)
_MARKERS: Final = {
    "LHEE": "hee_{}_left",
    "RHEE": "hee_{}_right",
    "LTOE": "toe_{}_left",
    "RTOE": "toe_{}_right",
    "SACR": "sacrum_{}",
}
_ANGLE_UNITS: Final = {"deg": np.pi / 180.0, "degree": np.pi / 180.0, "degrees": np.pi / 180.0, "rad": 1.0}
_LENGTH_UNITS: Final = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
_KEY: Final = 0x50
_BLOCK: Final = 512
_DEC: Final = b"\x55"
_MIPS: Final = b"\x56"
_EVENTS: Final = {"foot strike": EventKind.HEEL_STRIKE, "foot off": EventKind.TOE_OFF}
_MOMENT_COLUMN: Final = re.compile(r"(hip|knee|ankle)_moment_(left|right)")
_ANGLE_COLUMN: Final = re.compile(r"(hip|knee|ankle|thigh|shank|foot)(?:_angle)?_(left|right)")


def _texts(group: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of labels; files with more than 255 continue them under ``LABELS2`` and so on."""
    found: list[str] = []
    for name in (key, *(f"{key}{i}" for i in range(2, 10))):
        if name not in group:
            break
        found += [str(text).strip() for text in group[name]["value"]]
    return found


def _unit(
    path: Path, group: Mapping[str, Any], key: str, factors: Mapping[str, float], default: str
) -> float:
    texts = _texts(group, key) if key in group else []
    stated = (texts[0] if texts and texts[0] else default).lower()
    if stated not in factors:
        raise InputError(f"{path}: POINT:{key} is '{stated}'; expected one of {', '.join(factors)}")
    return factors[stated]


def load(path: Path) -> MotionRecording:
    """Read a C3D file.

    Raises
    ------
    InputError
        The file is damaged, or nothing in it can be used.
    """
    _check_size(path)
    try:
        file = ezc3d.c3d(str(path), extract_forceplat_data=_has_plates(path))
        points = file["parameters"]["POINT"]
        data, rate = np.asarray(file["data"]["points"]), float(points["RATE"]["value"][0])
        first = int(file["header"]["points"]["first_frame"])
    except Exception as error:
        raise InputError(f"{path}: not a C3D file that can be read ({_line(error)})") from None
    frames = data.shape[2] if data.ndim == 3 else 0
    if frames < 2 or not rate > 0:
        raise InputError(f"{path}: fewer than two frames")
    labels = [label.split(":")[-1] for label in _texts(points, "LABELS")]
    columns, notes = _points(path, points, labels, data)
    columns.update(_plates(file, frames))
    columns.update(_analogs(file, frames))
    if any(map(_MOMENT.fullmatch, labels)) and not any(map(_MOMENT_COLUMN.fullmatch, columns)):
        notes.append("left out: joint moments (the file does not say whether they are per kilogram)")
    time_s = (first + np.arange(frames)) / rate
    run = _usable(path, columns)
    kept: dict[str, Vector] = {}
    for name, column in columns.items():
        if np.all(np.isfinite(column[run])):
            kept[name] = np.ascontiguousarray(column[run])
        else:
            notes.append(f"left out: {name} has gaps")
    if run != slice(0, frames):
        notes.append(f"frames {run.start + 1} to {run.stop} of {frames}: joint angles are missing outside")

    def locate(row: int, name: str | None) -> str:
        return f"{path}: frame {run.start + row + 1}" + (f", {name}" if name else "")

    check(time_s[run], kept, locate)
    return MotionRecording(time_s[run], kept, _events(path, file), str(path), tuple(notes))


def _check_size(path: Path) -> None:
    """Refuse a file that is shorter than its header says: the library would read zeros as motion.

    Words of the header (https://www.c3d.org): 2 points, 3 analogue values a frame, 4 and 5 first and last
    frame, 7 and 8 scale (negative: data are floats), 9 first block of data; blocks have 512 bytes.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(_BLOCK)
        if not head:
            raise InputError(f"{path}: empty file")
        if len(head) < _BLOCK or head[1] != _KEY:
            raise InputError(f"{path}: not a C3D file (wrong first bytes)")
        stream.seek((head[0] - 1) * _BLOCK + 3)
        processor = stream.read(1)
    order = ">" if processor == _MIPS else "<"
    points, analogs, first, last = struct.unpack_from(order + "4H", head, 2)
    (start,) = struct.unpack_from(order + "H", head, 16)
    # The sign bit is where it belongs in all three number formats that C3D knows, DEC's included.
    sign = head[12] if order == ">" else head[13 if processor == _DEC else 15]
    width = 4 if sign & 0x80 else 2
    needed = (start - 1) * _BLOCK + (last - first + 1) * (4 * points + analogs) * width
    if last < first or size < needed:
        raise InputError(f"{path}: cut off or damaged: {size} bytes, its header needs {max(needed, 0)}")


def _has_plates(path: Path) -> bool:
    """Return whether the file declares force plates: asking ``ezc3d`` for none is an error."""
    plates = ezc3d.c3d(str(path))["parameters"].get("FORCE_PLATFORM", {})
    used = plates["USED"]["value"] if "USED" in plates else []
    return bool(len(used) and used[0])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _points(
    path: Path, group: Mapping[str, Any], labels: Sequence[str], data: Any
) -> tuple[dict[str, Vector], list[str]]:
    columns: dict[str, Vector] = {}
    notes: list[str] = []
    for i, label in enumerate(labels[: data.shape[1]]):
        angle = _ANGLE.fullmatch(label)
        if angle is not None:
            factor = _unit(path, group, "ANGLE_UNITS", _ANGLE_UNITS, "deg")
            part, side = angle[2].lower(), "left" if angle[1][0] in "lL" else "right"
            name = f"{part}_{side}" if part in ("hip", "knee", "ankle") else f"{part}_angle_{side}"
            columns.setdefault(name, data[0, i] * factor)
        elif label.upper() in _MARKERS:
            factor = _unit(path, group, "UNITS", _LENGTH_UNITS, "mm")
            for axis, letter in enumerate("xyz"):
                columns[_MARKERS[label.upper()].format(letter)] = data[axis, i] * factor
    return columns, notes


def _plates(file: Any, frames: int) -> dict[str, Vector]:
    """Return the force of every plate on the foot at the instants of the frames."""
    columns = {}
    for number, plate in enumerate(file["data"].get("platform", [])[:9], 1):
        force = np.asarray(plate["force"])
        step = force.shape[1] // frames
        if step and plate["unit_force"] == "N":
            for axis, letter in enumerate("xyz"):
                columns[f"plate{number}_f{letter}"] = force[axis, : step * frames : step]
    return columns


def _analogs(file: Any, frames: int) -> dict[str, Vector]:
    """Return analogue channels that carry the name of one of our columns (files that we wrote)."""
    data = np.asarray(file["data"]["analogs"])
    group = file["parameters"].get("ANALOG", {})
    if data.ndim != 3 or data.shape[2] < frames:
        return {}
    step = data.shape[2] // frames
    labels = _texts(group, "LABELS")[: data.shape[1]]
    return {
        label: data[0, i, : step * frames : step]
        for i, label in enumerate(labels)
        if unit_of(label) is not None
    }


def _usable(path: Path, columns: Mapping[str, Vector]) -> slice:
    angles = [column for name, column in columns.items() if _ANGLE_COLUMN.fullmatch(name)]
    chosen = angles or list(columns.values())
    if not chosen:
        raise InputError(f"{path}: no joint angles, no known markers and no force plates")
    run = longest_run(np.all(np.isfinite(np.array(chosen)), axis=0))
    if run.stop - run.start < 2:
        raise InputError(f"{path}: no two frames in which all joint angles are valid")
    return run


def _events(path: Path, file: Any) -> tuple[MotionEvent, ...]:
    group = file["parameters"].get("EVENT", {})
    if "TIMES" not in group or "LABELS" not in group or "CONTEXTS" not in group:
        return ()
    times = np.asarray(group["TIMES"]["value"], dtype=np.float64)
    labels, contexts = _texts(group, "LABELS"), _texts(group, "CONTEXTS")
    if times.ndim != 2 or times.shape[0] != 2:
        raise InputError(f"{path}: EVENT:TIMES is damaged")
    events = []
    for label, context, minutes, seconds in zip(labels, contexts, times[0], times[1], strict=False):
        kind, side = _EVENTS.get(label.lower()), context.lower()
        if kind is not None and side in SIDES:
            # Stored as float32: to a tenth of a millisecond it is what was labelled.
            events.append(
                MotionEvent(round(60.0 * float(minutes) + float(seconds), 4), SIDES.index(side), kind)
            )
    return tuple(sorted(events, key=lambda event: event.time_s))


# ---------------------------------------------------------------------------- writing


def save(path: Path, recording: MotionRecording) -> None:
    """Write a C3D file: angles (degrees), moments (N mm), markers (mm) as points, the rest as channels.

    An analogue channel has the name and unit of its column; moments are there, too, in N m.

    Raises
    ------
    InputError
        The samples are not evenly spaced, which C3D can't express, or the file can't be written.
    """
    count = len(recording)
    rate = (count - 1) / float(recording.time_s[-1] - recording.time_s[0])
    even = recording.time_s[0] + np.arange(count) / rate
    worst = int(np.argmax(np.abs(even - recording.time_s)))
    if abs(even[worst] - recording.time_s[worst]) > 0.1 / rate:
        where = f"see {recording.time_s[worst]:g} s"
        raise InputError(f"{path}: samples are not evenly spaced ({where}), which C3D can't express")
    file = ezc3d.c3d()
    labels, points = _points_out(recording)
    others = [n for n in recording.columns if not (_ANGLE_COLUMN.fullmatch(n) or unit_of(n) == "m")]
    parameters = file["parameters"]
    parameters["POINT"]["RATE"]["value"] = [rate]
    parameters["POINT"]["UNITS"]["value"] = ["mm"]
    parameters["POINT"]["LABELS"]["value"] = labels
    file.add_parameter("POINT", "ANGLE_UNITS", ["deg"])
    file["header"]["points"]["first_frame"] = round(float(recording.time_s[0]) * rate)
    file["data"]["points"] = points
    parameters["ANALOG"]["RATE"]["value"] = [rate]
    parameters["ANALOG"]["LABELS"]["value"] = others
    parameters["ANALOG"]["UNITS"]["value"] = [unit_of(name) or "" for name in others]
    file["data"]["analogs"] = np.array([recording.columns[name] for name in others]).reshape(
        1, len(others), count
    )
    _events_out(file, recording.events)
    if any(_MOMENT.fullmatch(label) for label in labels):
        file.add_parameter("POINT", "MOMENT_UNITS", ["Nmm"])
    partial = path.with_name(f".{path.stem}.partial.c3d")
    try:
        file.write(str(partial))
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: can't be written ({_line(error)})") from None
    finally:
        partial.unlink(missing_ok=True)


def _points_out(recording: MotionRecording) -> tuple[list[str], Any]:
    labels: list[str] = []
    rows: list[list[Vector]] = []
    nothing = np.zeros(len(recording))
    for name, column in recording.columns.items():
        angle = _ANGLE_COLUMN.fullmatch(name)
        if angle is not None:
            labels.append(f"{angle[2][0].upper()}{angle[1].capitalize()}Angles")
            rows.append([np.degrees(column), nothing, nothing])
        moment = _MOMENT_COLUMN.fullmatch(name)
        if moment is not None:
            labels.append(f"{moment[2][0].upper()}{moment[1].capitalize()}Moment")
            rows.append([column * 1e3, nothing, nothing])
    for label, pattern in _MARKERS.items():
        names = [pattern.format(letter) for letter in "xyz"]
        if recording.has(*names):
            labels.append(label)
            rows.append([recording.columns[name] * 1e3 for name in names])
    points = np.ones((4, len(rows), len(recording)))
    for i, row in enumerate(rows):
        points[:3, i] = row
    return labels, points


def _events_out(file: Any, events: Sequence[MotionEvent]) -> None:
    if not events:
        return
    names = {kind: label.title() for label, kind in _EVENTS.items()}
    file.add_parameter("EVENT", "USED", [len(events)])
    file.add_parameter("EVENT", "LABELS", [names[event.kind] for event in events])
    file.add_parameter("EVENT", "CONTEXTS", [SIDES[event.side].capitalize() for event in events])
    file.add_parameter("EVENT", "TIMES", np.array([[0.0] * len(events), [event.time_s for event in events]]))
