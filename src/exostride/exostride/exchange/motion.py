"""A motion recording in memory: named columns over time, and the checks that every format shares."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from exostride.errors import InputError
from exostride.types import EventKind, Vector

_SIDE = "(?:left|right)"
COLUMN_UNITS: Final = (
    (re.compile(rf"(?:hip|knee|ankle)_{_SIDE}"), "rad"),
    (re.compile(rf"(?:hip|knee|ankle)_velocity_{_SIDE}"), "rad/s"),
    (re.compile(rf"(?:hip|knee|ankle)_moment_{_SIDE}"), "N m"),
    (re.compile(rf"(?:thigh|shank|foot)_angle_{_SIDE}"), "rad"),
    (re.compile(rf"(?:thigh|shank|foot)_rate_{_SIDE}"), "rad/s"),
    (re.compile(r"pelvis_tilt"), "rad"),
    (re.compile(rf"load_(?:heel|toe)_{_SIDE}"), "N"),
    (re.compile(rf"(?:hee|toe)_[xyz]_{_SIDE}"), "m"),
    (re.compile(r"sacrum_[xyz]"), "m"),
    (re.compile(r"plate[1-9]_f[xyz]"), "N"),
)
"""Columns that a recording may have, with their units.

Angles: flexion and dorsiflexion positive. Segment angles: in the sagittal plane of the world, lower end
forward positive (foot: toe up). ``pelvis_tilt``: backward lean positive. Markers: laboratory frame.
Plates: ground on foot.
"""

_ALIASES: Final = re.compile(rf"(hip|knee|ankle)_angle_({_SIDE})")
_LARGEST: Final = {"rad": 3.5, "rad/s": 35.0}
"""No joint or segment of a walker turns further or faster; in degrees nearly every step does."""
_GAP: Final = 4.5
"""A pause of more sample periods than this is a gap."""


@dataclass(frozen=True, slots=True)
class MotionEvent:
    """One heel strike or toe off that somebody labelled."""

    time_s: float
    side: int
    kind: EventKind


@dataclass(frozen=True, slots=True)
class MotionRecording:
    """Named columns over time."""

    time_s: Vector
    """Strictly increasing [s]."""
    columns: Mapping[str, Vector]
    """By the names of :data:`COLUMN_UNITS`, in their units; every value is finite."""
    events: tuple[MotionEvent, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)
    """What the file holds that was left out, or had to be interpreted, in words."""

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def period_s(self) -> float:
        """Median time between samples [s]."""
        return float(np.median(np.diff(self.time_s)))

    def has(self, *names: str) -> bool:
        """Return whether all columns are there."""
        return all(name in self.columns for name in names)


def unit_of(name: str) -> str | None:
    """Return the unit of a column, or ``None`` when there is no such column."""
    return next((unit for pattern, unit in COLUMN_UNITS if pattern.fullmatch(name)), None)


def canonical(name: str) -> str | None:
    """Return the name of a column by its name or alias, or ``None`` when it is unknown."""
    alias = _ALIASES.fullmatch(name)
    if alias is not None:
        name = f"{alias[1]}_{alias[2]}"
    return name if unit_of(name) else None


def examples() -> list[str]:
    """Return every column of the left side, to suggest a name."""
    kinds = [f"{joint}{what}" for joint in ("hip", "knee", "ankle") for what in ("", "_velocity", "_moment")]
    kinds += [f"{segment}_{what}" for segment in ("thigh", "shank", "foot") for what in ("angle", "rate")]
    kinds += ["load_heel", "load_toe", *(f"{m}_{axis}" for m in ("hee", "toe") for axis in "xyz")]
    both = [f"{kind}_{side}" for kind in kinds for side in ("left", "right")]
    return [*both, "pelvis_tilt", *(f"sacrum_{a}" for a in "xyz"), *(f"plate1_f{a}" for a in "xyz")]


def suggest(name: str) -> str:
    """Return a hint at what an unknown column may have been meant to be."""
    near = difflib.get_close_matches(name, examples(), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


Locate = Callable[[int, str | None], str]
"""Names the place of a row (from 0) and column in the file, for an error."""


def check(time_s: Vector, columns: Mapping[str, Vector], locate: Locate) -> None:
    """Refuse what can't be a walker's recording.

    Parameters
    ----------
    time_s, columns
        As in :class:`MotionRecording`.
    locate
        Names a place in the file.

    Raises
    ------
    InputError
        Fewer than two samples, a missing value, time that does not increase, a gap, or degrees.
    """
    if len(time_s) < 2:
        raise InputError(f"{locate(0, None)}: fewer than two samples")
    for name, values in [("t", time_s), *columns.items()]:
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(f"{locate(int(bad[0]), name)}: missing value; fill the gap or cut the recording")
    steps = np.diff(time_s)
    back = np.flatnonzero(steps <= 0)
    if len(back):
        row = int(back[0]) + 1
        raise InputError(
            f"{locate(row, 't')}: time {time_s[row]:g} s does not come after {time_s[row - 1]:g} s"
        )
    period = float(np.median(steps))
    gaps = np.flatnonzero(steps > _GAP * period)
    if len(gaps):
        row = int(gaps[0]) + 1
        raise InputError(
            f"{locate(row, 't')}: gap of {steps[row - 1]:.3g} s after {time_s[row - 1]:g} s "
            f"(samples are {period:.3g} s apart); cut the recording there"
        )
    for name, values in columns.items():
        check_unit(name, values, locate)


def check_unit(name: str, values: Vector, locate: Locate) -> None:
    """Refuse an angle or rate that can only be in degrees."""
    unit = unit_of(name) or ""
    limit = _LARGEST.get(unit)
    if limit is None:
        return
    row = int(np.argmax(np.abs(values)))
    if abs(values[row]) > limit:
        raise InputError(
            f"{locate(row, name)}: {values[row]:g} looks like {unit.replace('rad', 'deg')}; expected {unit}"
        )


def longest_run(valid: NDArray[np.bool_]) -> slice:
    """Return the longest stretch of consecutive true values (empty when there is none)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(np.int8)))
    if not len(edges):
        return slice(0, 0)
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    return slice(int(starts[best]), int(ends[best]))


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file at once: it is whole or not there.

    Raises
    ------
    InputError
        It can't be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror})") from None
    finally:
        partial.unlink(missing_ok=True)
