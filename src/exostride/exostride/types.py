"""Values that flow between the components: frozen dataclasses, one per message of the graph.

Every class here has a message of the same name in ``exostride_msgs`` with the same fields in the
same order (a test compares them); ``exostride.nodes.adapter`` translates. Vectors are float64
numpy arrays in the orders of :mod:`exostride.conventions`; nobody writes into an array of a value
that somebody else holds. The unit is part of the name; frames and signs stand in the message
definitions, which are the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import N_JOINTS

Vector = NDArray[np.float64]
"""A float64 array; its length is stated where it is used."""


def zeros(n: int) -> Vector:
    """Return ``n`` zeros."""
    return np.zeros(n, dtype=np.float64)


def joints() -> Vector:
    """Return a zero vector over the six joints."""
    return np.zeros(N_JOINTS, dtype=np.float64)


# ----------------------------------------------------------------------------- enumerations


class Signal(IntFlag):
    """Groups of measurements, and tests, that a device may lack (bits of ``ExoState.available``)."""

    JOINT_ANGLE = 1
    JOINT_TORQUE = 2
    CUFF = 4
    FOOT_LOAD = 8
    FOOT_WRENCH = 16
    PELVIS = 32
    SEGMENT = 64
    ESTOP_TEST = 128


class DeviceFault(IntFlag):
    """What a device says about itself (bits of ``ExoState.device_faults``)."""

    BUS_OFF = 1
    OVER_TEMPERATURE = 2
    BATTERY_LOW = 4
    DRIVE_WATCHDOG = 8
    SENSOR_MISSING = 16
    DRIVE_FAULT = 32
    SUPPLY_LOST = 64


class EnvironmentFault(IntFlag):
    """What belt and harness say about themselves (bits of ``EnvironmentState.faults``)."""

    BELT_WATCHDOG = 1
    BELT_DRIVE = 2
    HARNESS_WATCHDOG = 4
    HARNESS_LOAD_CELL = 8
    HARNESS_LIFT = 16
    HARNESS_CABLE = 32


class SupportKind(IntEnum):
    """How the harness unloads the patient."""

    CONSTANT_FORCE = 0
    COUNTERWEIGHT = 1
    SPRING = 2


class HarnessAction(IntEnum):
    """What the harness is to do."""

    UNLOAD = 0
    HOLD = 1
    LIFT = 2


class GaitState(IntEnum):
    """What a leg, or the walker, is doing."""

    UNKNOWN = 0
    STANDING = 1
    STARTING = 2
    WALKING = 3
    STOPPING = 4
    STUMBLING = 5
    BACKWARD = 6


class EventKind(IntEnum):
    """Kind of gait event."""

    HEEL_STRIKE = 0
    TOE_OFF = 1


class Mode(IntEnum):
    """What the kernel may let through (``SafetyPermit.mode``), weakest first."""

    ZERO = 0
    DAMP = 1
    HOLD_STANCE = 2
    HOMING = 3
    STAND = 4
    TRAIN = 5


class SupervisorState(IntEnum):
    """State of the safety supervisor."""

    IDLE = 0
    HOMING = 1
    STAND = 2
    TRAIN = 3
    STOPPING = 4
    SOFT_STOP = 5
    E_STOP = 6
    FAULT = 7


class Action(IntEnum):
    """Reaction to a fault, by severity; the strongest of all active ones wins."""

    NONE = 0
    WARN = 1
    REDUCE = 2
    SOFT_STOP = 3
    E_STOP = 4


class Reason(IntFlag):
    """Why the kernel changed a request (bits of ``AppliedTorque.reasons`` and ``reason``)."""

    NOT_FINITE = 1 << 0
    COMMAND_STALE = 1 << 1
    COMMAND_SEQUENCE = 1 << 2
    PERMIT_MISSING = 1 << 3
    PERMIT_MODE = 1 << 4
    PERMIT_SCALE = 1 << 5
    TORQUE_LIMIT = 1 << 6
    VELOCITY_LIMIT = 1 << 7
    POWER_LIMIT = 1 << 8
    SLEW_LIMIT = 1 << 9
    WINDOW_LIMIT = 1 << 10
    ENERGY_TANK = 1 << 11
    RESIDUAL = 1 << 12
    SOFT_WALL = 1 << 13
    VIRTUAL_STOP = 1 << 14
    CUFF_LIMIT = 1 << 15
    SAMPLE_MISSING = 1 << 16
    SAMPLE_REJECTED = 1 << 17
    ENVIRONMENT_STALE = 1 << 18
    ENVIRONMENT_LIMIT = 1 << 19
    FALLBACK = 1 << 20
    OPPOSED = 1 << 21
    ESTOP_TEST_A = 1 << 22
    ESTOP_TEST_B = 1 << 23


class SessionPhase(IntEnum):
    """Where a session stands."""

    SETUP = 0
    HOMING = 1
    STANDING = 2
    TRAINING = 3
    STOPPING = 4
    FINISHED = 5
    ABORTED = 6


# ----------------------------------------------------------------------------- measurements


@dataclass(frozen=True, slots=True)
class ExoState:
    """Everything the exoskeleton measured at one control tick."""

    seq: int
    time_s: float
    stamp_s: float
    available: int = 0
    joint_valid: int = 0
    foot_valid: int = 0
    segment_valid: int = 0
    angle_rad: Vector = field(default_factory=joints)
    velocity_rad_s: Vector = field(default_factory=joints)
    joint_torque_nm: Vector = field(default_factory=joints)
    motor_torque_nm: Vector = field(default_factory=joints)
    cuff_torque_nm: Vector = field(default_factory=joints)
    cuff_force_n: Vector = field(default_factory=lambda: zeros(18))
    foot_force_n: Vector = field(default_factory=lambda: zeros(6))
    foot_cop_m: Vector = field(default_factory=lambda: zeros(4))
    foot_load_n: Vector = field(default_factory=lambda: zeros(4))
    pelvis_position_m: Vector = field(default_factory=lambda: zeros(3))
    pelvis_velocity_m_s: Vector = field(default_factory=lambda: zeros(3))
    pelvis_orientation: Vector = field(default_factory=lambda: np.array([0.0, 0.0, 0.0, 1.0]))
    pelvis_gyro_rad_s: Vector = field(default_factory=lambda: zeros(3))
    pelvis_accel_m_s2: Vector = field(default_factory=lambda: zeros(3))
    segment_angle_rad: Vector = field(default_factory=joints)
    segment_rate_rad_s: Vector = field(default_factory=joints)
    segment_accel_m_s2: Vector = field(default_factory=lambda: zeros(18))
    motor_temperature_c: Vector = field(default_factory=joints)
    battery_fraction: float = 1.0
    estop_closed_a: bool = True
    estop_closed_b: bool = True
    patient_stop: bool = False
    therapist_stop: bool = False
    device_faults: int = 0


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """Treadmill and harness as measured at one control tick."""

    seq: int
    time_s: float
    belt_speed_m_s: float = 0.0
    belt_acceleration_m_s2: float = 0.0
    belt_target_m_s: float = 0.0
    unloading_n: float = 0.0
    unloading_percent: float = 0.0
    support_kind: int = SupportKind.CONSTANT_FORCE
    harness_action: int = HarnessAction.UNLOAD
    harness_confirmed: bool = False
    guidance_force_n: Vector = field(default_factory=lambda: zeros(2))
    guidance_torque_nm: float = 0.0
    faults: int = 0


@dataclass(frozen=True, slots=True)
class PatientPhysio:
    """Physiological signals of the patient."""

    seq: int
    time_s: float
    heart_rate_bpm: float = 0.0
    emg: Vector = field(default_factory=lambda: zeros(12))
    skin_temperature_c: Vector = field(default_factory=joints)


@dataclass(frozen=True, slots=True)
class SimTruth:
    """What only a simulation knows: never an input of control or safety."""

    seq: int
    time_s: float
    patient_angle_rad: Vector = field(default_factory=joints)
    patient_velocity_rad_s: Vector = field(default_factory=joints)
    patient_torque_nm: Vector = field(default_factory=joints)
    patient_active_torque_nm: Vector = field(default_factory=joints)
    cuff_torque_nm: Vector = field(default_factory=joints)
    cuff_force_n: Vector = field(default_factory=lambda: zeros(18))
    drive_torque_nm: Vector = field(default_factory=joints)
    exo_angle_rad: Vector = field(default_factory=joints)
    exo_velocity_rad_s: Vector = field(default_factory=joints)
    ground_force_n: Vector = field(default_factory=lambda: zeros(6))
    ground_cop_m: Vector = field(default_factory=lambda: zeros(4))
    pelvis_position_m: Vector = field(default_factory=lambda: zeros(3))
    pelvis_velocity_m_s: Vector = field(default_factory=lambda: zeros(3))
    com_position_m: Vector = field(default_factory=lambda: zeros(3))
    com_velocity_m_s: Vector = field(default_factory=lambda: zeros(3))
    toe_clearance_m: Vector = field(default_factory=lambda: zeros(2))
    phase: Vector = field(default_factory=lambda: zeros(2))
    spasm_torque_nm: Vector = field(default_factory=joints)
    fault_bits: int = 0


# ----------------------------------------------------------------------------- gait


@dataclass(frozen=True, slots=True)
class GaitPhase:
    """Phase of both legs at one control tick; index 0 is left, 1 right."""

    seq: int
    time_s: float
    phase: Vector = field(default_factory=lambda: zeros(2))
    rate_hz: Vector = field(default_factory=lambda: zeros(2))
    stance_probability: Vector = field(default_factory=lambda: np.full(2, 0.5))
    confidence: Vector = field(default_factory=lambda: zeros(2))
    state: int = GaitState.UNKNOWN


@dataclass(frozen=True, slots=True)
class GaitEvent:
    """One heel strike or toe off."""

    seq: int
    time_s: float
    detected_s: float
    side: int
    kind: int
    confidence: float = 1.0


# ----------------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class AssistCommand:
    """What the controller asks of the joints; the drive adds K (ref − q) + D (ref' − q')."""

    seq: int
    time_s: float
    torque_nm: Vector = field(default_factory=joints)
    stiffness_nm_rad: Vector = field(default_factory=joints)
    damping_nms_rad: Vector = field(default_factory=joints)
    reference_rad: Vector = field(default_factory=joints)
    reference_velocity_rad_s: Vector = field(default_factory=joints)
    assistance: Vector = field(default_factory=joints)
    contribution_percent: Vector = field(default_factory=lambda: np.full(N_JOINTS, np.nan))
    contribution_sd_percent: Vector = field(default_factory=lambda: np.full(N_JOINTS, np.nan))


@dataclass(frozen=True, slots=True)
class EnvironmentCommand:
    """What the environment law asks of belt and harness."""

    seq: int
    time_s: float
    belt_speed_m_s: float = 0.0
    belt_acceleration_m_s2: float = 0.2
    unloading_percent: float = 0.0
    support_kind: int = SupportKind.CONSTANT_FORCE
    harness_action: int = HarnessAction.UNLOAD
    belt_stop: bool = False


@dataclass(frozen=True, slots=True)
class AppliedTorque:
    """What the kernel made of a request and what the drives then did, mean and peak over one tick."""

    seq: int
    time_s: float
    requested_nm: Vector = field(default_factory=joints)
    applied_mean_nm: Vector = field(default_factory=joints)
    applied_peak_nm: Vector = field(default_factory=joints)
    reasons: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(N_JOINTS, dtype=np.uint32))
    reason: int = 0
    mode: int = Mode.ZERO
    tank_j: float = 0.0
    command_received: bool = False
    environment_received: bool = False
    permit_received: bool = False
    command_age_ticks: int = 0
    environment_age_ticks: int = 0
    permit_age_ticks: int = 0
    rejected_messages: int = 0


# ----------------------------------------------------------------------------- safety


@dataclass(frozen=True, slots=True)
class SafetyPermit:
    """What the supervisor lets the kernel do, until ``expiry_seq``."""

    seq: int
    time_s: float
    mode: int = Mode.ZERO
    scale: float = 0.0
    expiry_seq: int = 0
    belt_limit_m_s: float = 0.0
    harness_action: int = HarnessAction.UNLOAD


@dataclass(frozen=True, slots=True)
class SafetyState:
    """State of the supervisor, with the reason in words."""

    seq: int
    time_s: float
    state: int = SupervisorState.IDLE
    action: int = Action.NONE
    latched: bool = False
    cause: str = ""
    active_faults: tuple[str, ...] = ()
    message: str = ""


# ----------------------------------------------------------------------------- session


@dataclass(frozen=True, slots=True)
class TherapySettings:
    """The whole set a therapist can tune; validated as a whole, in force from ``effective_seq``."""

    effective_seq: int = 0
    controller: str = "impedance"
    environment_law: str = "treadmill"
    belt_speed_m_s: float = 0.3
    belt_acceleration_m_s2: float = 0.1
    self_paced: bool = False
    unloading_percent: float = 30.0
    support_kind: int = SupportKind.CONSTANT_FORCE
    goal_steps: int = 100
    assistance: Vector = field(default_factory=lambda: np.full(N_JOINTS, 0.3))
    assistance_min: Vector = field(default_factory=joints)
    assistance_max: Vector = field(default_factory=lambda: np.ones(N_JOINTS))
    range_min_rad: Vector = field(default_factory=lambda: np.radians([-20.0, 0.0, -20.0] * 2))
    range_max_rad: Vector = field(default_factory=lambda: np.radians([45.0, 70.0, 20.0] * 2))
    amplitude: Vector = field(default_factory=lambda: np.ones(N_JOINTS))
    offset_rad: Vector = field(default_factory=joints)
    cadence_scale: float = 1.0
    phase_offset: Vector = field(default_factory=lambda: zeros(2))


@dataclass(frozen=True, slots=True)
class SessionState:
    """Progress of the session, and the supervisor state it asks for."""

    seq: int
    time_s: float
    phase: int = SessionPhase.SETUP
    requested_state: int = SupervisorState.IDLE
    effective_seq: int = 0
    steps: int = 0
    goal_steps: int = 0
    walking_s: float = 0.0
    distance_m: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Figures of one completed stride of one side; not-a-number where one cannot be computed."""

    seq: int
    time_s: float
    side: int
    stride: int
    stride_time_s: float = np.nan
    stance_percent: float = np.nan
    step_time_s: float = np.nan
    step_length_m: float = np.nan
    stride_length_m: float = np.nan
    cadence_steps_min: float = np.nan
    range_rad: Vector = field(default_factory=lambda: np.full(3, np.nan))
    tracking_error_rad: Vector = field(default_factory=lambda: np.full(3, np.nan))
    assist_work_j: Vector = field(default_factory=lambda: np.full(3, np.nan))
    contribution_percent: Vector = field(default_factory=lambda: np.full(3, np.nan))
    peak_interaction_nm: Vector = field(default_factory=lambda: np.full(3, np.nan))
    weight_bearing_percent: float = np.nan
    foot_clearance_m: float = np.nan


@dataclass(frozen=True, slots=True)
class RecorderState:
    """What the recorder has written and what it had to drop."""

    seq: int
    time_s: float
    recording: bool = False
    messages: int = 0
    dropped: int = 0
    bytes_written: int = 0
    disk_free_bytes: int = 0
    path: str = ""
    message: str = ""


# ----------------------------------------------------------------------------- inside the hardware process


@dataclass(frozen=True, slots=True)
class DriveCommand:
    """The kernel's last word to the six drives; the drive clamps its total torque to the limits.

    ``torque = clip(torque_nm + K (reference − q) + D (reference' − q'), low_nm, high_nm)``,
    evaluated by the drive at its own rate. ``protective_nm`` (soft wall, virtual stop, damping)
    is added outside that clip and clipped by the drive's own rating only, as is the damping torque
    ``-protective_damping q'``. Bit i of ``safe_off`` takes the power from joint i whatever its drive
    does (safe torque off, IEC 61800-5-2); its shorted windings then brake it passively.
    """

    torque_nm: Vector = field(default_factory=joints)
    stiffness_nm_rad: Vector = field(default_factory=joints)
    damping_nms_rad: Vector = field(default_factory=joints)
    reference_rad: Vector = field(default_factory=joints)
    reference_velocity_rad_s: Vector = field(default_factory=joints)
    low_nm: Vector = field(default_factory=joints)
    high_nm: Vector = field(default_factory=joints)
    protective_nm: Vector = field(default_factory=joints)
    protective_damping_nms_rad: Vector = field(default_factory=joints)
    safe_off: int = 0


@dataclass(frozen=True, slots=True)
class KernelOutput:
    """What leaves the kernel in one tick: always safe, always complete.

    A device with :attr:`Signal.ESTOP_TEST` opens the lines of the emergency stop in ``estop_test`` (bit 0
    line a, bit 1 line b) by its test output for this tick, and no other.
    """

    drive: DriveCommand
    environment: EnvironmentCommand
    requested_nm: Vector
    reasons: NDArray[np.uint32]
    reason: int
    mode: int
    tank_j: float
    command_age_ticks: int
    environment_age_ticks: int
    permit_age_ticks: int
    rejected_messages: int
    estop_test: int = 0


@dataclass(frozen=True, slots=True)
class DriveApplied:
    """What the drives really did over one tick."""

    mean_nm: Vector
    peak_nm: Vector


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One read of a device."""

    exo: ExoState
    environment: EnvironmentState
    physio: PatientPhysio | None = None
    truth: SimTruth | None = None
