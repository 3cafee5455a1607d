"""Schema of ``config/plant/*.yaml``: everything about the simulated machine that is not in the URDF.

Every length-6 stiffness or damping is given in the cuff's frame as three translational values
(forward, left, up) and three rotational ones (about the same axes).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from exostride.config import StrictModel, load
from exostride.paths import config_dir

Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Three = tuple[NonNegative, NonNegative, NonNegative]
PerJoint = tuple[Positive, Positive, Positive]
"""One value per joint kind: hip, knee, ankle."""


class PhysicsConfig(StrictModel):
    """Integration: ``implicitfast`` at a fixed step."""

    timestep_s: Annotated[float, Field(ge=1e-4, le=2e-3)] = 0.001
    iterations: Annotated[int, Field(ge=1, le=200)] = 20
    line_search_iterations: Annotated[int, Field(ge=1, le=200)] = 20
    friction_to_normal_ratio: Positive = 5.0


class ContactConfig(StrictModel):
    """Shoe on belt: point contacts with Coulomb friction and a viscoelastic sole.

    ``time_constant_s``, ``damping_ratio`` and ``impedance`` are MuJoCo's ``solref`` and ``solimp``; the
    sole's compression and stiffness that come of them are measured by :mod:`exostride.plant.checks`.
    """

    friction: Positive = 0.9
    time_constant_s: Positive = 0.012
    damping_ratio: Positive = 1.0
    impedance: tuple[float, float, float, float, float] = (0.85, 0.97, 0.006, 0.5, 2.0)
    heel_radius_m: Positive = 0.020
    ball_radius_m: Positive = 0.015
    toe_radius_m: Positive = 0.010
    toe_stiffness_nm_rad: NonNegative = 25.0
    toe_damping_nms_rad: NonNegative = 0.3


class BushingConfig(StrictModel):
    """A viscoelastic six-axis coupling."""

    stiffness_n_m: Three
    damping_ns_m: Three
    stiffness_nm_rad: Three
    damping_nms_rad: Three


class CuffsConfig(StrictModel):
    """Couplings between robot and patient; left and right are alike."""

    thigh: BushingConfig
    shank: BushingConfig
    foot: BushingConfig
    pelvis: BushingConfig


class GuidanceConfig(StrictModel):
    """Compliant pelvis guidance in x, y and yaw; nothing in z.

    ``attitude_*`` is how the frame holds the robot's base in roll and pitch; a walker without the robot is
    free there.
    """

    stiffness_n_m: tuple[NonNegative, NonNegative]
    damping_ns_m: tuple[NonNegative, NonNegative]
    stiffness_nm_rad: NonNegative
    damping_nms_rad: NonNegative
    attitude_stiffness_nm_rad: tuple[NonNegative, NonNegative]
    attitude_damping_nms_rad: tuple[NonNegative, NonNegative]


class DriveConfig(StrictModel):
    """The six joint drives and their own firmware.

    The rating is the smaller of ``rated_nm`` and the URDF's effort limit. ``resistance_ohm`` and
    ``torque_constant_nm_a`` are seen at the joint (through the gear); without power the windings are
    shorted over ``brake_resistance_ohm``.
    """

    rated_nm: PerJoint
    speed_limit_rad_s: PerJoint
    speed_derating_start: Annotated[float, Field(gt=0.0, lt=1.0)]
    bandwidth_hz: Positive
    slew_nm_s: Positive
    watchdog_s: Positive
    watchdog_damping_nms_rad: PerJoint
    resistance_ohm: Positive
    brake_resistance_ohm: NonNegative
    torque_constant_nm_a: PerJoint
    thermal_resistance_k_w: Positive
    thermal_time_constant_s: Positive
    ambient_c: float
    warning_c: float
    limit_c: float
    supply_idle_w: NonNegative
    battery_wh: Positive


class BeltConfig(StrictModel):
    """Treadmill: belt, motor, and the firmware that ramps and watches it."""

    mass_kg: Positive
    servo_ns_m: Positive
    force_limit_n: Positive
    speed_max_m_s: Positive
    acceleration_max_m_s2: Positive
    stop_deceleration_m_s2: Positive
    overspeed_m_s: Positive
    reverse_m_s: Positive
    overspeed_deceleration_m_s2: Positive
    watchdog_s: Positive
    half_length_m: Positive = 20.0


class HarnessConfig(StrictModel):
    """Body-weight support on one cable over a pulley, with winch, brake and load cell."""

    pulley_height_m: Positive
    force_max_n: Positive
    force_time_constant_s: Positive
    force_slew_n_s: Positive
    spring_stiffness_n_m: Positive
    rope_stiffness_n_m: Positive
    rope_damping_ns_m: NonNegative
    brake_time_s: NonNegative
    lift_speed_m_s: Positive
    lift_fraction: Annotated[float, Field(gt=0.0, le=1.2)]
    lift_travel_m: Positive
    confirm_fraction: Annotated[float, Field(gt=0.0, lt=1.0)]
    confirm_time_s: NonNegative
    hold_load_fraction: NonNegative
    watchdog_s: Positive


class ChannelConfig(StrictModel):
    """One group of sensor channels: white noise, quantisation, bias drawn once, and delay.

    ``noise`` and ``bias`` are standard deviations, ``resolution`` the step of quantisation (0: none),
    all in the channel's unit; ``latency_s`` is rounded to physics steps.
    """

    noise: NonNegative = 0.0
    bias: NonNegative = 0.0
    resolution: NonNegative = 0.0
    latency_s: NonNegative = 0.0


class SensorsConfig(StrictModel):
    """Imperfection of every group of channels."""

    angle: ChannelConfig
    velocity: ChannelConfig
    joint_torque: ChannelConfig
    motor_torque: ChannelConfig
    cuff_force: ChannelConfig
    cuff_moment: ChannelConfig
    foot_force: ChannelConfig
    foot_cop: ChannelConfig
    foot_load: ChannelConfig
    pelvis_position: ChannelConfig
    pelvis_velocity: ChannelConfig
    pelvis_tilt: ChannelConfig
    pelvis_gyro: ChannelConfig
    pelvis_accel: ChannelConfig
    segment_angle: ChannelConfig
    segment_rate: ChannelConfig
    segment_accel: ChannelConfig
    motor_temperature: ChannelConfig
    belt_speed: ChannelConfig
    unloading: ChannelConfig
    guidance_force: ChannelConfig
    guidance_torque: ChannelConfig
    foot_contact_threshold_n: NonNegative


class PlantConfig(StrictModel):
    """The whole file."""

    physics: PhysicsConfig
    contact: ContactConfig
    cuffs: CuffsConfig
    guidance: GuidanceConfig
    drives: DriveConfig
    belt: BeltConfig
    harness: HarnessConfig
    sensors: SensorsConfig


def default_path() -> Path:
    """Return ``config/plant/default.yaml``."""
    return config_dir() / "plant" / "default.yaml"


@cache
def load_plant_config(path: Path | None = None) -> PlantConfig:
    """Load a plant file, the default one if no path is given.

    Raises
    ------
    ConfigError
        The file is missing, damaged, or a value is out of range.
    """
    return load(PlantConfig, path if path is not None else default_path())
