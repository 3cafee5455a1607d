"""What the kernel lets in: plain finite floats of the right shape and sequence, nothing else.

Everything here must survive any object at all: a wrong type or shape counts as "not there".
"""

from __future__ import annotations

from itertools import accumulate
from math import isfinite
from operator import attrgetter
from typing import Any, Final

import numpy as np

from exostride.conventions import N_JOINTS
from exostride.types import AssistCommand, EnvironmentCommand, ExoState, SafetyPermit, Signal

_EXO_FIELDS: tuple[tuple[str, int, int], ...] = (
    ("angle_rad", 6, Signal.JOINT_ANGLE),
    ("velocity_rad_s", 6, Signal.JOINT_ANGLE),
    ("joint_torque_nm", 6, Signal.JOINT_TORQUE),
    ("motor_torque_nm", 6, Signal.JOINT_TORQUE),
    ("cuff_torque_nm", 6, Signal.CUFF),
    ("cuff_force_n", 18, Signal.CUFF),
    ("foot_load_n", 4, Signal.FOOT_LOAD),
    ("foot_force_n", 6, Signal.FOOT_WRENCH),
    ("foot_cop_m", 4, Signal.FOOT_WRENCH),
    ("pelvis_position_m", 3, Signal.PELVIS),
    ("pelvis_velocity_m_s", 3, Signal.PELVIS),
    ("pelvis_orientation", 4, Signal.PELVIS),
    ("pelvis_gyro_rad_s", 3, Signal.PELVIS),
    ("pelvis_accel_m_s2", 3, Signal.PELVIS),
    ("segment_angle_rad", 6, Signal.SEGMENT),
    ("segment_rate_rad_s", 6, Signal.SEGMENT),
    ("segment_accel_m_s2", 18, Signal.SEGMENT),
    ("motor_temperature_c", 6, 0),
)
_VALID_BITS = {
    Signal.JOINT_ANGLE: "joint_valid",
    Signal.JOINT_TORQUE: "joint_valid",
    Signal.FOOT_LOAD: "foot_valid",
    Signal.FOOT_WRENCH: "foot_valid",
    Signal.CUFF: "segment_valid",
    Signal.SEGMENT: "segment_valid",
}
_OWNERS = {"joint_valid": 6, "foot_valid": 2, "segment_valid": 6}
_HUGE = 1e9
_HUGE_SQUARE = _HUGE * _HUGE
_VECTORS = attrgetter(*(name for name, _, _ in _EXO_FIELDS))
_LENGTHS = [n for _, n, _ in _EXO_FIELDS]
PLACES: Final = {
    name: slice(end - n, end) for (name, n, _), end in zip(_EXO_FIELDS, accumulate(_LENGTHS), strict=True)
}
"""Where each vector of an :class:`ExoState` stands in the list that :func:`exo_values` returns."""


def finite(value: object, n: int) -> bool:
    """Return whether ``value`` is a float64 vector of length ``n`` with finite, sensible entries."""
    good = type(value) is np.ndarray and value.shape == (n,) and value.dtype.char == "d"
    return good and bool(value.dot(value) < _HUGE_SQUARE)  # type: ignore[attr-defined]


def number(value: object, low: float, high: float) -> bool:
    """Return whether ``value`` is a finite real number from ``low`` to ``high``."""
    return isinstance(value, (float, int)) and low <= value <= high


def whole(value: object) -> bool:
    """Return whether ``value`` is a whole number that can be a tick."""
    return type(value) is int and 0 <= value < 1 << 62


class Rows:
    """Reads the same vectors of one length from every message of a kind.

    Parameters
    ----------
    length
        What each vector must have.
    names
        Fields of the message.
    """

    __slots__ = ("_fields", "_lengths")

    def __init__(self, length: int, *names: str) -> None:
        self._fields = attrgetter(*names)
        self._lengths = [length] * len(names)

    def read(self, message: object) -> tuple[list[float], bool]:
        """Return the values one vector after another, and whether all are finite and of sensible size.

        There are no values if a field is missing or is no vector of floats of that length.
        """
        try:
            vectors = self._fields(message)
            flat = np.concatenate(vectors)
            fits = list(map(len, vectors)) == self._lengths
        except (AttributeError, TypeError, ValueError):
            return [], False
        if not fits or flat.dtype.char != "d" or flat.ndim != 1:
            return [], False
        return flat.tolist(), bool(flat.dot(flat) < _HUGE_SQUARE)


def exo_values(exo: ExoState) -> tuple[str, list[float]]:
    """Return what is wrong with a state and the values of all its vectors, at :data:`PLACES`.

    Wrong is the first field that is not finite or has the wrong shape (then there are no values); nothing
    wrong is empty. Groups that the device lacks are skipped, and so are the values of joints, feet and
    segments whose valid bit says that they were not measured.
    """
    vectors = _VECTORS(exo)
    flat = np.concatenate(vectors)
    if flat.dtype.char != "d" or list(map(len, vectors)) != _LENGTHS:
        return "shape", []
    if isfinite(float(flat.dot(flat)) + exo.battery_fraction + exo.time_s + exo.stamp_s):
        return "", flat.tolist()
    return _slow_problem(exo), flat.tolist()


def _slow_problem(exo: ExoState) -> str:
    """Return the first measured value that is not finite; called only when something is not."""
    for name, n, group in _EXO_FIELDS:
        if group and not exo.available & group:
            continue
        owner = _VALID_BITS.get(Signal(group)) if group else "joint_valid"
        value = getattr(exo, name)
        if owner is None:
            if not np.isfinite(value).all():
                return name
            continue
        per = n // _OWNERS[owner]
        for i in range(n):
            if getattr(exo, owner) >> (i // per) & 1 and not isfinite(value[i]):
                return f"{name}[{i}]"
    for name in ("battery_fraction", "time_s", "stamp_s"):
        if not isfinite(getattr(exo, name)):
            return name
    return ""


class JointOrder:
    """An accepted joint command as plain floats."""

    __slots__ = ("damping", "reference", "seq", "speed", "stiffness", "torque")

    def __init__(self, seq: int, values: list[float]) -> None:
        self.seq = seq
        self.torque, self.stiffness, self.damping = values[0:6], values[6:12], values[12:18]
        self.reference, self.speed = values[18:24], values[24:30]


COMMAND_ROWS: Final = Rows(
    N_JOINTS,
    "torque_nm",
    "stiffness_nm_rad",
    "damping_nms_rad",
    "reference_rad",
    "reference_velocity_rad_s",
    "assistance",
)
"""The vectors of an :class:`AssistCommand` that somebody acts on."""


def joint_order(command: AssistCommand) -> JointOrder | None:
    """Return the command as floats, or None if any field in use is not six finite numbers."""
    values, sound = COMMAND_ROWS.read(command)
    if not sound:
        return None
    order = JointOrder(command.seq, values)
    return None if min(order.stiffness) < 0.0 or min(order.damping) < 0.0 else order


def _choice(value: Any, n: int) -> bool:
    """Return whether ``value`` is one of the first ``n`` of an enumeration's numbers."""
    return isinstance(value, int) and 0 <= value < n


def environment_order_ok(command: EnvironmentCommand) -> bool:
    """Return whether every field is a finite number in any sensible range."""
    return (
        number(command.belt_speed_m_s, -_HUGE, _HUGE)
        and number(command.belt_acceleration_m_s2, 0.0, _HUGE)
        and number(command.unloading_percent, -_HUGE, _HUGE)
        and _choice(command.support_kind, 3)
        and _choice(command.harness_action, 3)
    )


def permit_ok(permit: SafetyPermit, longest: int) -> bool:
    """Return whether a permit is well-formed and does not hold longer than ``longest`` ticks."""
    return (
        whole(permit.expiry_seq)
        and permit.expiry_seq - permit.seq < longest
        and _choice(permit.mode, 6)
        and number(permit.scale, 0.0, 1.0)
        and number(permit.belt_limit_m_s, 0.0, _HUGE)
        and _choice(permit.harness_action, 3)
    )


class Sequence:
    """Accepts messages of one topic in order, once each, and never from the future."""

    __slots__ = ("last", "rejected")

    def __init__(self) -> None:
        self.last = -1
        self.rejected = 0

    def accept(self, message: Any, seq: int, longest_age: int) -> bool:
        """Return whether ``message`` is new, not from the future and not older than ``longest_age``."""
        number_: Any = getattr(message, "seq", None)
        if whole(number_) and self.last < number_ <= seq and seq - number_ <= longest_age:
            self.last = number_
            return True
        self.rejected += 1
        return False

    def age(self, seq: int) -> int:
        """Return how many ticks before ``seq`` the last message was of; all and one more without any."""
        return max(0, seq - self.last)
