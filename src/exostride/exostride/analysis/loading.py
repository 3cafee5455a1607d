"""Reading a bag into a :class:`~exostride.analysis.session.Session`: only what a metric needs is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.session import SafetyEntry, Session, SettingsChange, body_of
from exostride.errors import InputError
from exostride.recording.columns import Columns
from exostride.recording.reader import BagReader
from exostride.types import GaitEvent, Signal, Vector

Matrix = NDArray[np.float64]
_WINDOW_NS: Final = 60_000_000_000

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "exo/state": (
        *(
            "time_s",
            "available",
            "joint_valid",
            "foot_valid",
            "angle_rad",
            "velocity_rad_s",
            "cuff_torque_nm",
        ),
        *("cuff_force_n", "joint_torque_nm", "foot_force_n", "foot_cop_m", "foot_load_n"),
        *("pelvis_position_m", "pelvis_velocity_m_s", "pelvis_orientation", "pelvis_gyro_rad_s"),
    ),
    "env/state": ("time_s", "belt_speed_m_s", "unloading_n", "unloading_percent"),
    "assist/command": (
        *("time_s", "reference_rad", "assistance", "stiffness_nm_rad"),
        *("contribution_percent", "contribution_sd_percent"),
    ),
    "exo/applied": (
        *("time_s", "applied_mean_nm", "reason", "mode"),
        *("command_received", "environment_received", "permit_received", "rejected_messages"),
    ),
    "patient/physio": ("time_s", "heart_rate_bpm"),
    "gait/event": ("seq", "time_s", "detected_s", "side", "kind", "confidence"),
    "safety/state": ("time_s", "state", "action", "cause", "message"),
    "session/settings": (
        *(
            "effective_seq",
            "controller",
            "environment_law",
            "belt_speed_m_s",
            "unloading_percent",
            "self_paced",
        ),
        *("goal_steps", "assistance", "cadence_scale"),
    ),
    "recorder/state": ("time_s", "dropped"),
}
"""Topics and fields that the analysis reads."""
_NARROW: Final = frozenset(
    (
        *("cuff_force_n", "joint_torque_nm", "pelvis_gyro_rad_s", "foot_force_n", "foot_cop_m"),
        *("foot_load_n", "reference_rad", "assistance", "stiffness_nm_rad", "applied_mean_nm"),
        *("contribution_percent", "contribution_sd_percent"),
    )
)
"""Fields kept with seven digits: more than any sensor gives, and half the memory of an hour."""


def bag_digest(files: Sequence[Path]) -> str:
    """Return the SHA-256 over the files of a bag, which names it wherever it lies."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def load_session(path: Path) -> Session:
    """Read a bag.

    Raises
    ------
    InputError
        The bag cannot be read, or holds no measurements of the exoskeleton.
    """
    with BagReader(path) as bag:
        have = {name: _present(bag, name) for name in FIELDS}
        if not have["exo/state"]:
            raise InputError(f"{path}: no topic exo/state; was this recorded by Exostride?")
        wanted = {name: fields for name, fields in FIELDS.items() if have[name]}
        columns = read_in_windows(bag, wanted)
        info = bag.session() or {}
        counts = {name: topic.messages or 0 for name, topic in bag.topics.items()}
        digest = bag_digest(bag.files)
    return _assemble(path, digest, columns, info, counts)


class _Growing:
    """Columns of one topic that are filled window by window, in place where their length is known."""

    def __init__(self, first: Columns, count: int) -> None:
        self._first, self._count, self._at = first, count, 0
        self._times = np.empty(count, dtype=np.int64)
        self._fixed: dict[str, NDArray[Any]] = {}
        self._loose: dict[str, list[NDArray[Any]]] = {}

    def add(self, part: Columns) -> None:
        """Append a window."""
        size = len(part)
        place = slice(self._at, self._at + size)
        self._times[place] = part.log_time
        for name, column in part.fields.items():
            if column.dtype.kind in "fiub" and name not in self._loose:
                if name not in self._fixed:
                    kind = np.float32 if name in _NARROW else column.dtype
                    self._fixed[name] = np.empty((self._count, *column.shape[1:]), dtype=kind)
                self._fixed[name][place] = column
            else:
                self._loose.setdefault(name, []).append(column)
        self._at += size

    def finish(self) -> Columns:
        """Return the whole."""
        fields = {name: column[: self._at] for name, column in self._fixed.items()}
        fields |= {name: np.concatenate(parts) for name, parts in self._loose.items()}
        return Columns(self._first.topic, self._first.type_name, self._times[: self._at], fields)


def read_in_windows(bag: BagReader, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Columns]:
    """Read topics a few minutes at a time: a long bag in one go would be in the memory twice."""
    first, last = bag.span_ns
    counts = {name: bag.topics[name if name in bag.topics else f"/{name}"].messages for name in wanted}
    if last - first <= _WINDOW_NS or any(count is None for count in counts.values()):
        found = bag.read_many(wanted)
        for columns in found.values():
            for name in _NARROW & columns.fields.keys():
                columns.fields[name] = columns.fields[name].astype(np.float32)
        return found
    growing: dict[str, _Growing] = {}
    for start in range(first, last + 1, _WINDOW_NS):
        for name, part in bag.read_many(wanted, start, start + _WINDOW_NS).items():
            if len(part) or name not in growing:
                growing.setdefault(name, _Growing(part, counts[name] or 0)).add(part)
    return {name: grown.finish() for name, grown in growing.items()}


def _present(bag: BagReader, name: str) -> bool:
    return name in bag.topics or f"/{name}" in bag.topics


def _assemble(
    path: Path, digest: str, columns: dict[str, Columns], info: dict[str, Any], counts: dict[str, int]
) -> Session:
    state = columns["exo/state"]
    keep = _usable(state)
    if len(keep) < 2:
        raise InputError(f"{path}: no measurements on exo/state")
    time_s = state["time_s"][keep]
    period = info.get("control_period_s") or float(np.median(np.diff(time_s)))
    parts = _measured(state, keep) | _others(columns, time_s)
    log_ns = state.log_time[keep]
    events, settings = (
        _events(columns.get("gait/event")),
        _settings(columns.get("session/settings"), float(period)),
    )
    safety = _safety(columns.get("safety/state"))
    columns.clear()
    return Session(
        path=path,
        digest=digest,
        info=info,
        body=body_of(info),
        period_s=float(period),
        time_s=time_s,
        log_ns=log_ns,
        events=events,
        settings=settings,
        safety=safety,
        topics=counts,
        **parts,
    )


def _channels(state: Columns) -> NDArray[np.int64]:
    """Return which groups of signals each tick really holds: measured by the device and valid, as bits."""
    joints = np.where(state["joint_valid"] == 0b111111, -1, ~int(Signal.JOINT_ANGLE))
    feet = np.where(state["foot_valid"] == 0b11, -1, ~int(Signal.FOOT_LOAD | Signal.FOOT_WRENCH))
    return np.asarray(state["available"].astype(np.int64) & joints & feet)


def _common(channels: NDArray[np.int64]) -> int:
    """Return the groups that most of the ticks with any measurement hold."""
    some = channels[channels != 0]
    return sum(int(bit) for bit in Signal if len(some) and np.mean((some & int(bit)) != 0) > 0.5)


def _usable(state: Columns) -> NDArray[np.int64]:
    """Return the rows in which everything was measured that this device measures, in rising time.

    A drop-out thereby becomes a gap in time, which the strides know how to deal with; zeros of a
    channel that failed for a moment never count as measurements.
    """
    if not len(state):
        return np.zeros(0, dtype=np.int64)
    channels = _channels(state)
    common = _common(channels)
    rows = np.flatnonzero((channels & common) == common) if common else np.zeros(0, dtype=np.int64)
    time_s = state["time_s"][rows]
    highest = np.maximum.accumulate(time_s) if len(rows) else time_s
    first = np.ones(min(1, len(rows)), dtype=bool)
    return np.asarray(rows[np.concatenate([first, time_s[1:] > highest[:-1]])])


def _measured(state: Columns, keep: NDArray[np.int64]) -> dict[str, Any]:
    available = _common(_channels(state))

    def rows(name: str, bit: Signal) -> Matrix | None:
        column = state.fields.pop(name, None)
        return _take(column, keep) if column is not None and available & bit else None

    load = rows("foot_load_n", Signal.FOOT_LOAD)
    orientation = rows("pelvis_orientation", Signal.PELVIS)
    return {
        "angle_rad": rows("angle_rad", Signal.JOINT_ANGLE),
        "velocity_rad_s": rows("velocity_rad_s", Signal.JOINT_ANGLE),
        "cuff_torque_nm": rows("cuff_torque_nm", Signal.CUFF),
        "cuff_force_n": rows("cuff_force_n", Signal.CUFF),
        "joint_torque_nm": rows("joint_torque_nm", Signal.JOINT_TORQUE),
        "pelvis_gyro_rad_s": rows("pelvis_gyro_rad_s", Signal.PELVIS),
        "foot_load_n": None if load is None else load.reshape(-1, 2, 2).sum(axis=2),
        "foot_force_n": rows("foot_force_n", Signal.FOOT_WRENCH),
        "foot_cop_m": rows("foot_cop_m", Signal.FOOT_WRENCH),
        "pelvis_m": rows("pelvis_position_m", Signal.PELVIS),
        "pelvis_velocity_m_s": rows("pelvis_velocity_m_s", Signal.PELVIS),
        "pelvis_pitch_rad": None if orientation is None else pitch(orientation),
        "pelvis_left": None if orientation is None else leftward(orientation),
    }


def pitch(orientation: Matrix) -> Vector:
    """Return the rotation about the y axis (x turning to -z positive) of quaternions xyzw, shape (N, 4)."""
    x, y, z, w = orientation.T
    return np.asarray(np.arctan2(2.0 * (w * y + x * z), 1.0 - 2.0 * (x * x + y * y)))


def leftward(orientation: Matrix) -> Matrix:
    """Return the y axis of a frame, in the world, of quaternions xyzw, shape (N, 3)."""
    x, y, z, w = orientation.T
    return np.stack([2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)], axis=1)


def _others(columns: dict[str, Columns], time_s: Vector) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = {
        "env/state": ("belt_speed_m_s", "unloading_n", "unloading_percent"),
        "assist/command": ("reference_rad", "assistance", "contribution_percent", "contribution_sd_percent"),
        "exo/applied": ("applied_mean_nm", "reason"),
        "patient/physio": ("heart_rate_bpm",),
    }
    rename = {
        **{"belt_speed_m_s": "belt_m_s", "applied_mean_nm": "applied_nm", "reason": "reason_bits"},
        "heart_rate_bpm": "heart_bpm",
    }
    for topic, fields in names.items():
        if topic in columns and len(columns[topic]):
            row = _rows(columns[topic]["time_s"], time_s)
            for name in fields:
                # Taken out of the columns, so that a long session is not held twice.
                found[rename.get(name, name)] = _take(columns[topic].fields.pop(name), row)
    if "assist/command" in columns:
        found["commanded"] = bool(np.any(columns["assist/command"]["stiffness_nm_rad"] > 0.0))
        for name in ("contribution_percent", "contribution_sd_percent"):
            if name in found and not np.isfinite(found[name]).any():
                found[name] = None
    applied = columns.get("exo/applied")
    if applied is not None and len(applied):
        flags = ("command_received", "environment_received", "permit_received")
        found["received"] = np.column_stack([applied[name] for name in flags]).astype(np.uint8)
        found["rejected"] = int(applied["rejected_messages"][-1])
    recorder = columns.get("recorder/state")
    if recorder is not None and len(recorder):
        found["dropped"] = int(recorder["dropped"][-1])
    return found


def _take(column: Matrix, row: NDArray[np.int64]) -> Matrix:
    """Return rows of a column, the column itself where these are all of them in order."""
    if len(row) == len(column) and row[0] == 0 and np.all(np.diff(row) == 1):
        return column
    return np.asarray(column[row])


def _rows(source_s: Vector, time_s: Vector) -> NDArray[np.int64]:
    """Return for each time the row of the source that was in force: the last not after it."""
    half = 1e-6
    row = np.searchsorted(source_s, time_s + half, side="right") - 1
    return np.asarray(np.clip(row, 0, len(source_s) - 1))


def _events(columns: Columns | None) -> tuple[GaitEvent, ...]:
    if columns is None:
        return ()
    rows = zip(*(columns[name] for name in FIELDS["gait/event"]), strict=True)
    return tuple(
        GaitEvent(int(seq), float(t), float(seen), int(side), int(kind), float(confidence))
        for seq, t, seen, side, kind, confidence in rows
    )


def text(value: Any) -> str:
    """Return a string column's cell as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _settings(columns: Columns | None, period_s: float) -> tuple[SettingsChange, ...]:
    if columns is None:
        return ()
    return tuple(
        SettingsChange(
            float(columns["effective_seq"][i]) * period_s,
            text(columns["controller"][i]),
            text(columns["environment_law"][i]),
            float(columns["belt_speed_m_s"][i]),
            float(columns["unloading_percent"][i]),
            bool(columns["self_paced"][i]),
            int(columns["goal_steps"][i]),
            columns["assistance"][i].copy(),
            float(columns["cadence_scale"][i]),
        )
        for i in range(len(columns))
    )


def _safety(columns: Columns | None) -> tuple[SafetyEntry, ...]:
    if columns is None:
        return ()
    return tuple(
        SafetyEntry(
            float(columns["time_s"][i]),
            int(columns["state"][i]),
            int(columns["action"][i]),
            text(columns["cause"][i]),
            text(columns["message"][i]),
        )
        for i in range(len(columns))
    )
