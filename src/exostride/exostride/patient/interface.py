r"""What body and virtual patient say to each other once a control tick.

The patient reads its own body (true state, as a nervous system does; never the robot's sensors) and
answers with sets of torque, stiffness and damping per joint, which the body's engine executes at every
physics step:

.. math:: \tau = \tau_0 + K (q_r - q) + D (\dot q_r - \dot q)

Vectors of length 8 are in the order of :data:`DRIVEN_JOINTS`; vectors of length 6 in the order of
:data:`exostride.conventions.JOINTS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np

from exostride.conventions import N_JOINTS
from exostride.types import Vector, joints, zeros

DRIVEN_JOINTS: Final = (
    "hip_abduction_left",
    "hip_left",
    "knee_left",
    "ankle_left",
    "hip_abduction_right",
    "hip_right",
    "knee_right",
    "ankle_right",
)
"""Joints of the patient that carry muscles."""

N_DRIVEN: Final = len(DRIVEN_JOINTS)
SAGITTAL: Final = np.array([1, 2, 3, 5, 6, 7])
"""Places of the six joints of :data:`exostride.conventions.JOINTS` among the driven ones."""
SEIZED_NM: Final = 40.0
"""Torque of a spasm that takes all hold from a joint: design choice, half of what able-bodied knees need."""
FRONTAL: Final = np.array([0, 4])
"""Places of hip abduction, left and right, among the driven joints."""


def driven() -> Vector:
    """Return a zero vector over the driven joints."""
    return np.zeros(N_DRIVEN, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PatientSense:
    """True state of the patient's body at one control tick; forces are means over the last tick.

    Positions are in the world frame, the ground force is that of the ground on the foot, the cuff torque
    that of the exoskeleton on the patient, and ``pelvis_rate_rad_s`` is in the pelvis' own frame.
    """

    time_s: float
    angle_rad: Vector = field(default_factory=driven)
    velocity_rad_s: Vector = field(default_factory=driven)
    torque_nm: Vector = field(default_factory=driven)
    cuff_torque_nm: Vector = field(default_factory=joints)
    ground_force_n: Vector = field(default_factory=lambda: zeros(6))
    ground_cop_m: Vector = field(default_factory=lambda: zeros(4))
    foot_load_n: Vector = field(default_factory=lambda: zeros(4))
    toe_clearance_m: Vector = field(default_factory=lambda: zeros(2))
    pelvis_position_m: Vector = field(default_factory=lambda: zeros(3))
    pelvis_velocity_m_s: Vector = field(default_factory=lambda: zeros(3))
    pelvis_orientation: Vector = field(default_factory=lambda: np.array([0.0, 0.0, 0.0, 1.0]))
    pelvis_rate_rad_s: Vector = field(default_factory=lambda: zeros(3))
    com_position_m: Vector = field(default_factory=lambda: zeros(3))
    com_velocity_m_s: Vector = field(default_factory=lambda: zeros(3))
    belt_speed_m_s: float = 0.0
    unloading_n: float = 0.0


@dataclass(frozen=True, slots=True)
class JointDrive:
    """One set of torque, stiffness and damping over the driven joints (see the module's equation)."""

    torque_nm: Vector = field(default_factory=driven)
    stiffness_nm_rad: Vector = field(default_factory=driven)
    damping_nms_rad: Vector = field(default_factory=driven)
    reference_rad: Vector = field(default_factory=driven)
    reference_velocity_rad_s: Vector = field(default_factory=driven)


@dataclass(frozen=True, slots=True)
class PatientAction:
    """The patient's answer to one :class:`PatientSense`.

    ``active`` is what muscles do (volition, reflexes, tone, spasm), ``passive`` what tissue does; the
    engine executes their sum. ``spasm_torque_nm`` is the part of ``active`` due to spasm; ``phase`` the
    patient's own rhythm (0 at heel strike, left and right).
    """

    active: JointDrive = field(default_factory=JointDrive)
    passive: JointDrive = field(default_factory=JointDrive)
    spasm_torque_nm: Vector = field(default_factory=lambda: zeros(N_JOINTS))
    phase: Vector = field(default_factory=lambda: zeros(2))
    heart_rate_bpm: float = 0.0
    emg: Vector = field(default_factory=lambda: zeros(12))


def seized(action: PatientAction, torque_nm: Vector) -> PatientAction:
    """Return ``action`` with a spasm in it: a torque that volition cannot hold against.

    A flexor spasm inhibits the joint's extensors (Sherrington 1910, J Physiol 40:28): as its torque
    ``torque_nm`` [N m, six joints] grows, the stiffness and damping that volition gives the joint fade, until
    nothing is left of them at :data:`SEIZED_NM`. What the person had meant to do goes on.
    """
    left = driven() + 1.0
    left[SAGITTAL] -= np.minimum(np.abs(torque_nm) / SEIZED_NM, 1.0)
    active = action.active
    torque = active.torque_nm.copy()
    torque[SAGITTAL] += torque_nm
    drive = replace(
        active,
        torque_nm=torque,
        stiffness_nm_rad=left * active.stiffness_nm_rad,
        damping_nms_rad=left * active.damping_nms_rad,
    )
    return replace(action, active=drive, spasm_torque_nm=action.spasm_torque_nm + torque_nm)


class PatientModel(Protocol):
    """A virtual patient: a pure function of its senses and its own state."""

    def step(self, t: float, sense: PatientSense) -> PatientAction:
        """Return what the joints do until the next tick."""

    def reset(self) -> None:
        """Return to standing, untrained and rested."""
