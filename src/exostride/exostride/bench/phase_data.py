"""Recorded walkers as the phase bench sees them: signals by group, true heel strikes, true events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import JOINTS, SEGMENTS, SIDES
from exostride.errors import InputError
from exostride.exchange import MotionRecording, load
from exostride.types import EventKind, ExoState, Signal, Vector

THIGH, KINEMATICS, LOAD = "thigh", "kinematics", "load"
"""What an estimator is shown: thigh angle and rate alone; all joints and segments; thigh and foot load."""

EVENTS_SUFFIX = ".events.csv"
PADDING_S = 0.1
"""A leg that repeats one value for longer than this at an end of the recording was not measured there [s]."""


@dataclass(frozen=True)
class Walker:
    """One recording: what was measured and what is true.

    ``segment_*`` and ``joint_*`` have shape (N, 6), ``load`` (N, 4), NaN where nothing was measured.
    ``strikes`` and ``toe_offs`` hold the labelled times [s] of the left and the right leg.
    """

    name: str
    time_s: Vector
    segment_angle: NDArray[np.float64]
    segment_rate: NDArray[np.float64]
    joint_angle: NDArray[np.float64]
    joint_rate: NDArray[np.float64]
    load: NDArray[np.float64]
    strikes: tuple[Vector, Vector]
    toe_offs: tuple[Vector, Vector]

    @property
    def period_s(self) -> float:
        """Median sample period [s]."""
        return float(np.median(np.diff(self.time_s)))

    @property
    def stride_cv(self) -> float:
        """Coefficient of variation of the stride time over both legs; above 14 % the speed changes."""
        strides = np.concatenate([np.diff(s) for s in self.strikes])
        return float(strides.std() / strides.mean()) if len(strides) else 0.0

    def shows(self, signals: str) -> bool:
        """Return whether the recording has the signals of a group beyond the thigh's."""
        if signals == LOAD:
            return bool(np.isfinite(self.load).any())
        if signals == KINEMATICS:
            knees, shanks = self.joint_angle[:, [1, 4]], self.segment_angle[:, [1, 4]]
            return bool(np.isfinite(knees).any() or np.isfinite(shanks).any())
        return True

    def legs(self, least: int = 2) -> list[int]:
        """Return the legs whose thigh was measured and that have at least ``least`` labelled strikes."""
        return [
            side
            for side in (0, 1)
            if len(self.strikes[side]) >= least and np.isfinite(self.segment_angle[:, 3 * side]).any()
        ]


def read_walker(path: Path) -> Walker:
    """Return a recording with its events.

    Where the thigh's own angle was not recorded the hip angle stands in for it (the pelvis tilts by a few
    degrees only); its rate is then left to the estimator.

    Raises
    ------
    InputError
        The file is damaged, or has neither thigh nor hip angles, or no heel strikes.
    """
    recording = load(path)
    n = len(recording)
    angle, rate = (
        _columns(recording, SEGMENTS, "{0}_angle_{1}"),
        _columns(recording, SEGMENTS, "{0}_rate_{1}"),
    )
    joint = _columns(recording, JOINTS, "{0}_{1}")
    joint_rate = _columns(recording, JOINTS, "{0}_velocity_{1}")
    for side in (0, 1):
        if not np.isfinite(angle[:, 3 * side]).any():
            angle[:, 3 * side] = joint[:, 3 * side]
            rate[:, 3 * side] = np.nan
    load_n = np.full((n, 4), np.nan)
    for i, (part, side_name) in enumerate((p, s) for s in SIDES for p in ("heel", "toe")):
        values = recording.columns.get(f"load_{part}_{side_name}")
        if values is not None:
            load_n[:, i] = values
    spans = tuple(_measured(recording.time_s, angle, rate, joint, side) for side in (0, 1))
    walker = Walker(
        path.stem,
        recording.time_s,
        angle,
        rate,
        joint,
        joint_rate,
        load_n,
        _times(recording, EventKind.HEEL_STRIKE, spans),
        _times(recording, EventKind.TOE_OFF, spans),
    )
    if not walker.legs():
        raise InputError(
            f"{path}: no leg has both a thigh_angle_ or hip_ column and two labelled heel strikes in "
            f"{path.stem}{EVENTS_SUFFIX}"
        )
    return walker


def _columns(recording: MotionRecording, names: tuple[str, ...], pattern: str) -> NDArray[np.float64]:
    out = np.full((len(recording), 6), np.nan)
    for i, name in enumerate(names):
        values = recording.columns.get(pattern.format(*name.split("_")))
        if values is not None:
            out[:, i] = values
    return out


def _measured(
    t: Vector,
    angle: NDArray[np.float64],
    rate: NDArray[np.float64],
    joint: NDArray[np.float64],
    side: int,
) -> tuple[float, float]:
    """Blank the padding of one leg and return the time span in which it was measured.

    Motion capture pads a leg whose markers are out of sight by repeating the first or the last frame; a
    thigh that does not change in the last decimal for a tenth of a second was not measured.
    """
    thigh = angle[:, 3 * side]
    still = np.flatnonzero(np.diff(thigh) != 0.0)
    if len(still) == 0:
        return float(t[0]), float(t[-1])
    first, last = int(still[0]), int(still[-1]) + 1
    if t[first] - t[0] < PADDING_S:
        first = 0
    if t[-1] - t[last] < PADDING_S:
        last = len(t) - 1
    own = slice(3 * side, 3 * side + 3)
    for columns in (angle, rate, joint):
        columns[:first, own] = np.nan
        columns[last + 1 :, own] = np.nan
    return float(t[first]), float(t[last])


def _times(
    recording: MotionRecording, kind: EventKind, spans: tuple[tuple[float, float], ...]
) -> tuple[Vector, Vector]:
    left, right = (
        np.array(
            sorted(
                e.time_s
                for e in recording.events
                if e.side == side and e.kind == kind and spans[side][0] <= e.time_s <= spans[side][1]
            )
        )
        for side in (0, 1)
    )
    return left, right


def read_folder(folder: Path) -> list[Walker]:
    """Return every recording in ``folder`` that has labelled events, by name.

    Raises
    ------
    InputError
        The folder is missing or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one with NAME.csv and NAME{EVENTS_SUFFIX} files")
    names = sorted(path.name.removesuffix(EVENTS_SUFFIX) for path in folder.glob(f"*{EVENTS_SUFFIX}"))
    walkers = [read_walker(folder / f"{name}.csv") for name in names if (folder / f"{name}.csv").is_file()]
    if not walkers:
        raise InputError(f"{folder}: holds no NAME.csv with NAME{EVENTS_SUFFIX} beside it")
    return walkers


def states(walker: Walker, signals: str) -> list[ExoState]:
    """Return the recording as the states an estimator is shown, one a sample."""
    blank = np.zeros(6)
    n = len(walker.time_s)
    joints = walker.joint_angle if signals == KINEMATICS else np.full((n, 6), np.nan)
    segment = walker.segment_angle.copy()
    if signals != KINEMATICS:
        segment[:, [1, 2, 4, 5]] = np.nan
    load_n = walker.load if signals == LOAD else np.full((n, 4), np.nan)
    foot = np.isfinite(load_n[:, [0, 2]]) | np.isfinite(load_n[:, [1, 3]])
    bits = 1 << np.arange(6)
    joint_valid, segment_valid = np.isfinite(joints) @ bits, np.isfinite(segment) @ bits
    foot_valid = foot @ bits[:2]
    load_n = np.nan_to_num(load_n)
    out = []
    for k in range(n):
        available = (
            (int(Signal.JOINT_ANGLE) if joint_valid[k] else 0)
            | (int(Signal.SEGMENT) if segment_valid[k] else 0)
            | (int(Signal.FOOT_LOAD) if foot_valid[k] else 0)
        )
        t = float(walker.time_s[k])
        out.append(
            ExoState(
                seq=k,
                time_s=t,
                stamp_s=t,
                available=available,
                joint_valid=int(joint_valid[k]),
                foot_valid=int(foot_valid[k]),
                segment_valid=int(segment_valid[k]),
                angle_rad=joints[k],
                velocity_rad_s=walker.joint_rate[k] if joint_valid[k] else blank,
                foot_load_n=load_n[k],
                segment_angle_rad=segment[k],
                segment_rate_rad_s=walker.segment_rate[k],
            )
        )
    return out


def mirrored(walker: Walker) -> Walker:
    """Return the walker with left and right exchanged."""
    swap = [3, 4, 5, 0, 1, 2]
    return replace(
        walker,
        segment_angle=walker.segment_angle[:, swap],
        segment_rate=walker.segment_rate[:, swap],
        joint_angle=walker.joint_angle[:, swap],
        joint_rate=walker.joint_rate[:, swap],
        load=walker.load[:, [2, 3, 0, 1]],
        strikes=(walker.strikes[1], walker.strikes[0]),
        toe_offs=(walker.toe_offs[1], walker.toe_offs[0]),
    )
