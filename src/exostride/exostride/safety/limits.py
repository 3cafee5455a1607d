"""Limits of the kernel and thresholds of the supervisor: typed, sourced, tightened per patient.

``config/limits/default.yaml`` holds every value; the field descriptions here are its reference and
feed ``docs/safety.md``. A patient's set may change a value in its safer direction only, which each
field declares; anything else is a :class:`~exostride.errors.ConfigError` that names the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from pydantic import BaseModel, Field, model_validator

from exostride.config import StrictModel, read_yaml, validate
from exostride.conventions import JOINT_KINDS, JOINTS, N_JOINTS
from exostride.errors import ConfigError
from exostride.safety.thresholds import Thresholds, limit


class JointLimits(StrictModel):
    """What one joint may do. Angles and torques: flexion and dorsiflexion positive."""

    angle_min_rad: float = limit(
        "rad", "exoskeleton's mechanical stop with a margin; a patient's own range", "raise", ge=-1.0, le=0.3
    )
    angle_max_rad: float = limit(
        "rad", "exoskeleton's mechanical stop with a margin; a patient's own range", "lower", ge=0.0, le=2.2
    )
    wall_low_rad: float = limit(
        "rad", "depth of the soft wall at the lower end; kept out of level walking", "raise", gt=0.0, le=0.6
    )
    wall_high_rad: float = limit(
        "rad", "depth of the soft wall at the upper end; kept out of level walking", "raise", gt=0.0, le=0.6
    )
    inertia_kg_m2: float = limit(
        "kg m^2", "leg beyond the joint, 75 kg (de Leva 1996), and reflected rotor", None, gt=0.0, le=10.0
    )
    armature_kg_m2: float = limit(
        "kg m^2", "reflected rotor, as urdf/joints.yaml: between motor and joint sensor", None, ge=0.0, le=1.0
    )
    torque_nm: float = limit(
        "N m", "share of able-bodied peak moment (Winter 1991) that training needs", "lower", gt=0.0, le=120.0
    )
    velocity_rad_s: float = limit(
        "rad/s", "1.3 x peak of fast walking (Winter 1991)", "lower", gt=0.0, le=15.0
    )
    power_w: float = limit(
        "W", "peak joint power of fast walking (Winter 1991) x the torque share", "lower", gt=0.0, le=500.0
    )
    slew_nm_s: float = limit(
        "N m/s", "able-bodied peak rate of joint moment, 75 kg (Winter 1991)", "lower", gt=0.0, le=5000.0
    )
    window_nm: float = limit(
        "N m", "largest change within the window, so that bursts can't pass the slew limit", "lower", gt=0.0
    )
    stiffness_nm_rad: float = limit(
        "N m/rad", "upper range of stance quasi-stiffness (Shamaei et al. 2013)", "lower", ge=0.0, le=1000.0
    )
    damping_nms_rad: float = limit("N m s/rad", "stable in the drive at 1 kHz", "lower", ge=0.0, le=50.0)
    protective_nm: float = limit(
        "N m",
        "not above the drive's rating, above torque_nm, so that a wall always wins",
        None,
        gt=0.0,
        le=120.0,
    )
    damp_nms_rad: float = limit(
        "N m s/rad", "joint sinks at 1 rad/s under torque_nm / 4, ankle 1.9", None, gt=0.0, le=50.0
    )
    hold_stiffness_nm_rad: float = limit(
        "N m/rad", "as stiffness_nm_rad, lower since the patient may oppose", "lower", ge=0.0, le=1000.0
    )
    hold_damping_nms_rad: float = limit("N m s/rad", "0.2 to 0.4 of critical", "lower", ge=0.0, le=50.0)
    hold_nm: float = limit("N m", "cap of the standing lock and of HOLD_STANCE", "lower", gt=0.0, le=120.0)
    stand_rad: float = limit("rad", "upright posture", None, ge=-0.3, le=0.5)
    homing_nm: float = limit(
        "N m", "enough for the torque sensor, too little to move a standing leg", "lower", gt=0.0, le=10.0
    )
    comfort_nm: float = limit(
        "N m",
        "cuff torque above which effort shrinks; design choice: cuff_reduce_n x lever",
        "lower",
        gt=0.0,
        le=150.0,
    )
    cuff_nm: float = limit(
        "N m", "cuff torque at which no effort is left; twice comfort (transient)", "lower", gt=0.0, le=300.0
    )
    accel_rad_s2: float = limit(
        "rad/s^2",
        "3 x peak of fast walking, heel strike included; beyond is a spike",
        None,
        gt=0.0,
        le=2000.0,
    )

    @model_validator(mode="after")
    def _consistent(self) -> JointLimits:
        if self.angle_max_rad - self.angle_min_rad <= self.wall_low_rad + self.wall_high_rad:
            raise ValueError("the soft walls leave no free range between angle_min_rad and angle_max_rad")
        if self.protective_nm < self.torque_nm:
            raise ValueError("protective_nm must be at least torque_nm, or a wall could lose")
        if self.cuff_nm <= self.comfort_nm:
            raise ValueError("cuff_nm must be above comfort_nm")
        if self.hold_nm > self.torque_nm:
            raise ValueError("hold_nm must not exceed torque_nm")
        return self


Group = TypeVar("Group", bound=BaseModel)


def plain(group: Group) -> Group:
    """Return the values of a group of limits as plain attributes, for what is read in every tick.

    Reading a field of a validated model costs as much as several multiplications.
    """
    return cast(Group, SimpleNamespace(**dict(group)))


class TimingLimits(StrictModel):
    """Ages in ticks or seconds of control time; nothing here is wall time."""

    command_max_age_ticks: int = limit(
        "ticks", "F11: the reaction starts at the third missing command", "lower", ge=0, le=4
    )
    permit_ticks: int = limit(
        "ticks",
        "permit expiry in lock-step: 5 periods after a supervisor hangs legs are held or damped",
        "lower",
        ge=1,
        le=10,
    )
    permit_paced_s: float = limit("s", "permit expiry when paced: max(2 T, this)", "lower", gt=0.0, le=0.1)
    hold_stance_s: float = limit(
        "s", "longest HOLD_STANCE on a belt at rest, then DAMP", "lower", gt=0.0, le=2.0
    )
    window_s: float = limit("s", "length of the window of window_nm", "raise", gt=0.0, le=0.5)
    release_nm_s: float = limit("N m/s", "how fast held torque fades at a fallback", None, gt=0.0, le=20000.0)
    homing_pulse_s: float = limit("s", "one test period per joint in HOMING", None, ge=0.1, le=2.0)
    homing_settle_s: float = limit("s", "calm before and after the pulses", None, ge=0.1, le=2.0)
    handover_s: float = limit(
        "s", "the controller takes over from the standing lock in this", None, ge=0.1, le=5.0
    )
    stand_speed_rad_s: float = limit(
        "rad/s", "the standing lock moves its reference at most this fast", "lower", gt=0.0, le=0.5
    )
    stance_load_n: float = limit("N", "foot load above which a leg is in stance", None, gt=0.0, le=300.0)
    spike_rad: float = limit(
        "rad", "deviation from the prediction beyond acceleration that is a spike", None, gt=0.0, le=0.3
    )


class TankLimits(StrictModel):
    """Energy that the drives may inject into the patient: injected <= initial + absorbed + budget."""

    body_mass_kg: float = limit("kg", "mass the work below is scaled with", "lower", gt=5.0, le=150.0)
    stride_work_j_kg: float = limit(
        "J/kg", "positive joint work of one leg in a fast stride: 0.78 (Winter 1991)", "lower", gt=0.0, le=1.5
    )
    strides: float = limit("strides", "capacity in strides of both legs", "lower", gt=0.0, le=3.0)
    stride_s: float = limit("s", "stride time that turns work into refill", "raise", gt=0.3, le=3.0)
    share: float = limit("1", "share of that work the robot may do: all of it", "lower", gt=0.0, le=1.0)
    discharge_s: float = limit(
        "s", "time constant with which a full tank may be emptied", "raise", ge=0.05, le=5.0
    )
    speed_floor_rad_s: float = limit("rad/s", "speed below which power is not worth dividing", None, gt=0.0)

    @property
    def capacity_j(self) -> float:
        """Energy of a full tank [J]."""
        return 2.0 * self.body_mass_kg * self.stride_work_j_kg * self.strides * self.share

    @property
    def refill_w(self) -> float:
        """Budget [W] that flows in while training."""
        return 2.0 * self.body_mass_kg * self.stride_work_j_kg * self.share / self.stride_s


class BeltLimits(StrictModel):
    """Treadmill and harness, owned by the kernel like the joints."""

    speed_m_s: float = limit(
        "m/s", "design choice: fastest training speed; a device declares its own", "lower", gt=0.0, le=2.5
    )
    acceleration_m_s2: float = limit("m/s^2", "ordinary ramp a walker can follow", "lower", gt=0.0, le=1.0)
    stop_m_s2: float = limit(
        "m/s^2", "deceleration of every protective stop: below a stumbling 1.5", None, gt=0.1, le=1.5
    )
    over_m_s: float = limit(
        "m/s", "belt above its permitted speed by this is a fault", "lower", gt=0.0, le=0.5
    )
    reverse_m_s: float = limit("m/s", "belt backwards by this is a fault", "lower", gt=0.0, le=0.5)
    over_ticks: int = limit("ticks", "for this long, then the contactor opens", "lower", ge=1, le=10)
    unloading_percent: float = limit("%", "largest share of body weight carried", "lower", gt=0.0, le=100.0)
    unloading_rate_percent_s: float = limit("%/s", "fastest change of unloading", "lower", gt=0.0, le=100.0)
    max_age_ticks: int = limit("ticks", "environment command older than this: belt to zero", "lower", ge=0)


class SafetyLimits(StrictModel):
    """Everything the kernel and the supervisor need; ``joints`` in the order of the conventions."""

    joints: tuple[JointLimits, ...] = Field(min_length=N_JOINTS, max_length=N_JOINTS)
    timing: TimingLimits
    tank: TankLimits
    belt: BeltLimits
    detect: Thresholds

    @model_validator(mode="after")
    def _belt_rests_in_time(self) -> SafetyLimits:
        # HOLD_STANCE and the first step of a SOFT_STOP last at most that long.
        needed = self.belt.speed_m_s / self.belt.stop_m_s2
        if self.detect.stops.belt_timeout_s < needed:
            raise ValueError(
                f"detect.stops.belt_timeout_s must be at least {needed:.2f} s"
                " (belt.speed_m_s / belt.stop_m_s2), or the legs would be let go on a moving belt"
            )
        return self


def from_mapping(data: Mapping[str, Any], where: str) -> SafetyLimits:
    """Return limits from a file's mapping, in which ``joints`` is given per kind (hip, knee, ankle).

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value is out of range; ``where`` names the file.
    """
    joints = data.get("joints")
    if not isinstance(joints, Mapping):
        raise ConfigError(f"{where}: joints: expected a mapping of {', '.join(JOINT_KINDS)}")
    unknown = sorted(str(key) for key in joints if key not in JOINT_KINDS)
    missing = [kind for kind in JOINT_KINDS if kind not in joints]
    if unknown or missing:
        raise ConfigError(
            f"{where}: joints: unknown {unknown or 'none'}, missing {missing or 'none'};"
            f" expected {', '.join(JOINT_KINDS)}"
        )
    return validate(SafetyLimits, {**data, "joints": tuple(joints[kind] for kind in JOINT_KINDS) * 2}, where)


def load_limits(path: Path) -> SafetyLimits:
    """Load a limits file.

    Raises
    ------
    ConfigError
        The file is missing, damaged, incomplete or out of range.
    """
    return from_mapping(read_yaml(path), str(path))


def tighten(limits: SafetyLimits, changes: Mapping[str, Any], where: str) -> SafetyLimits:
    """Return ``limits`` with a patient's ``changes`` put in, each of which must be the safer way.

    ``changes`` mirrors the limits file; ``joints`` may name a kind (``knee``) or one joint
    (``knee_left``), the single joint winning.

    Raises
    ------
    ConfigError
        A key is unknown, a value is out of range, or it would loosen the limit.
    """
    data = limits.model_dump()
    for key, value in changes.items():
        if key == "joints" and isinstance(value, Mapping):
            _tighten_joints(limits, data, value, where)
        elif key in data and isinstance(value, Mapping):
            _tighten_group(getattr(limits, key), data[key], value, f"{where}: {key}")
        else:
            raise ConfigError(f"{where}: {key}: unknown or not a mapping; known are {', '.join(data)}")
    return validate(SafetyLimits, data, where)


def _tighten_joints(
    limits: SafetyLimits, data: dict[str, Any], changes: Mapping[str, Any], where: str
) -> None:
    for key, group in sorted(changes.items(), key=lambda item: item[0] in JOINTS):
        targets = [i for i, name in enumerate(JOINTS) if key in (name, name.rsplit("_", 1)[0])]
        if not targets or not isinstance(group, Mapping):
            raise ConfigError(
                f"{where}: joints.{key}: expected a mapping for a kind or one of {', '.join(JOINTS)}"
            )
        for i in targets:
            _tighten_group(limits.joints[i], data["joints"][i], group, f"{where}: joints.{key}")


def _tighten_group(model: BaseModel, data: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    for name, value in changes.items():
        field = type(model).model_fields.get(name)
        if field is None:
            raise ConfigError(f"{where}.{name}: unknown key")
        extra = field.json_schema_extra
        direction = extra.get("tighter") if isinstance(extra, dict) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{where}.{name} = {value!r}: must be a number")
        now = getattr(model, name)
        if direction is None and value != now:
            raise ConfigError(f"{where}.{name}: belongs to the device and can't be set for a patient")
        if (direction == "lower" and value > now) or (direction == "raise" and value < now):
            word = "at most" if direction == "lower" else "at least"
            raise ConfigError(f"{where}.{name} = {value:g}: would loosen the limit; must be {word} {now:g}")
        data[name] = value
