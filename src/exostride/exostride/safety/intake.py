"""What the kernel lets in: plain finite floats of the right shape and sequence, nothing else.

Everything here must survive any object at all: a wrong type or shape counts as "not there".
"""

from __future__ import annotations

from math import isfinite
from operator import attrgetter
from typing import Any

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


def exo_problem(exo: ExoState) -> str:
    """Return the first field that is not finite or has the wrong shape, empty if there is none.

    Groups that the device lacks are skipped, and so are the values of joints, feet and segments
    whose valid bit says that they were not measured.
    """
    vectors = _VECTORS(exo)
    flat = np.concatenate(vectors)
    if flat.dtype.char != "d" or list(map(len, vectors)) != _LENGTHS:
        return "shape"
    if isfinite(float(flat.dot(flat)) + exo.battery_fraction + exo.time_s + exo.stamp_s):
        return ""
    return _slow_problem(exo)


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


_ORDER = attrgetter(
    "torque_nm",
    "stiffness_nm_rad",
    "damping_nms_rad",
    "reference_rad",
    "reference_velocity_rad_s",
    "assistance",
)
_SIX = (N_JOINTS,)


def joint_order(command: AssistCommand) -> JointOrder | None:
    """Return the command as floats, or None if any field in use is not six finite numbers."""
    try:
        vectors = _ORDER(command)
    except AttributeError:
        return None
    for vector in vectors:
        if type(vector) is not np.ndarray or vector.shape != _SIX or vector.dtype.char != "d":
            return None
    flat = np.concatenate(vectors)
    if not flat.dot(flat) < _HUGE_SQUARE:
        return None
    values = flat.tolist()
    order = JointOrder(command.seq, values)
    return None if min(order.stiffness) < 0.0 or min(order.damping) < 0.0 else order


def environment_order_ok(command: EnvironmentCommand) -> bool:
    """Return whether every field is a finite number in any sensible range."""
    return (
        number(command.belt_speed_m_s, -_HUGE, _HUGE)
        and number(command.belt_acceleration_m_s2, 0.0, _HUGE)
        and number(command.unloading_percent, -_HUGE, _HUGE)
        and command.support_kind in (0, 1, 2)
        and command.harness_action in (0, 1, 2)
    )


def permit_ok(permit: SafetyPermit, longest: int) -> bool:
    """Return whether a permit is well-formed and does not hold longer than ``longest`` ticks."""
    return (
        whole(permit.expiry_seq)
        and permit.expiry_seq - permit.seq < longest
        and permit.mode in (0, 1, 2, 3, 4, 5)
        and number(permit.scale, 0.0, 1.0)
        and number(permit.belt_limit_m_s, 0.0, _HUGE)
        and permit.harness_action in (0, 1, 2)
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
