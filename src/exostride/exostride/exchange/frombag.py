"""A session's bag as a motion recording, for programs that know nothing of ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from exostride.conventions import JOINTS, SEGMENTS, SIDES
from exostride.errors import InputError
from exostride.exchange.motion import MotionEvent, MotionRecording
from exostride.recording.columns import Columns
from exostride.recording.reader import BagReader
from exostride.types import EventKind, Signal, Vector

_FIELDS: Final = (
    "time_s",
    "available",
    "joint_valid",
    "segment_valid",
    "foot_valid",
    "angle_rad",
    "velocity_rad_s",
    "segment_angle_rad",
    "segment_rate_rad_s",
    "foot_load_n",
    "foot_force_n",
)


def load(path: Path) -> MotionRecording:
    """Return what the exoskeleton measured in a session, and the events found in it.

    Joint and segment angles and rates, heel and toe loads, and ground forces as ``plate1`` (left foot) and
    ``plate2`` (right foot). A column is there when it was measured in every tick.

    Raises
    ------
    InputError
        The bag can't be read, or holds no measurements.
    """
    with BagReader(path) as bag:
        state = bag.read("exo/state", _FIELDS)
        events: tuple[MotionEvent, ...] = ()
        if "/gait/event" in bag.topics:
            events = _events(bag.read("gait/event", ["time_s", "side", "kind"]))
    # Ticks in which nothing at all was measured lie behind the end of a replayed recording.
    measured = (state["joint_valid"] | state["segment_valid"] | state["foot_valid"]) != 0
    if np.count_nonzero(measured) < 2:
        raise InputError(f"{path}: no measurements on /exo/state")
    time_s = state["time_s"][measured]
    columns = _columns(state, measured)
    left_out = (
        "torques, belt, harness, phase and settings stay in the bag: motion formats have no place for them",
    )
    return MotionRecording(time_s, columns, events, str(path), left_out)


def _columns(state: Columns, rows: Any) -> dict[str, Vector]:
    columns: dict[str, Vector] = {}
    available = int(np.bitwise_and.reduce(state["available"][rows]))

    def take(name: str, field: str, column: int) -> None:
        columns[name] = np.ascontiguousarray(state[field][rows, column])

    joints = int(np.bitwise_and.reduce(state["joint_valid"][rows]))
    for i, name in enumerate(JOINTS):
        if joints >> i & 1:
            joint, side = name.split("_")
            take(name, "angle_rad", i)
            take(f"{joint}_velocity_{side}", "velocity_rad_s", i)
    segments = int(np.bitwise_and.reduce(state["segment_valid"][rows]))
    for i, name in enumerate(SEGMENTS):
        if segments >> i & 1:
            part, side = name.split("_")
            take(f"{part}_angle_{side}", "segment_angle_rad", i)
            take(f"{part}_rate_{side}", "segment_rate_rad_s", i)
    feet = int(np.bitwise_and.reduce(state["foot_valid"][rows]))
    for i, side in enumerate(SIDES):
        if feet >> i & 1 and available & Signal.FOOT_LOAD:
            take(f"load_heel_{side}", "foot_load_n", 2 * i)
            take(f"load_toe_{side}", "foot_load_n", 2 * i + 1)
        if feet >> i & 1 and available & Signal.FOOT_WRENCH:
            for axis, letter in enumerate("xyz"):
                take(f"plate{i + 1}_f{letter}", "foot_force_n", 3 * i + axis)
    return columns


def _events(table: Columns) -> tuple[MotionEvent, ...]:
    rows = zip(table["time_s"].tolist(), table["side"].tolist(), table["kind"].tolist(), strict=True)
    return tuple(sorted((MotionEvent(t, s, EventKind(k)) for t, s, k in rows), key=lambda e: e.time_s))
