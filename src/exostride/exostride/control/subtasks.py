r"""Assistance by subtask of walking, each with a level of its own.

Meuleman, van Asseldonk, van Oort, Rietman & van der Kooij, "LOPES II: design and evaluation of an
admittance controlled gait training robot with shadow-leg approach", IEEE TNSRE 24:352 (2016); virtual
models of the subtasks after Koopman, van Asseldonk & van der Kooij, J NeuroEng Rehabil 10:3 (2013). With the
ankle p = (x, z) seen from the hip, the reference p_r and the leg's length l = |p|:

==================  ====================================  ==========================================
subtask             acts in                               virtual force on the ankle, or joint torque
==================  ====================================  ==========================================
foot clearance      swing                                 a K_z (z_r - z)^+ up, a k_a (q_r - q)^+ at the ankle
step length         second half of swing                  a K_x (x_r - x) forward
stance support      stance                                a K_l (l_r - l)^+ along the leg
weight shift        stance                                a K_w (x_r - x) at the hip: pelvis over the foot
==================  ====================================  ==========================================

\tau = J^T F. Each level fades and returns by its own error, a' = f a + g (e - e_0)^+ per stride. A robot
without frontal joints shifts weight forward only; sideways is left to the pelvis' own guidance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import same_level
from exostride.control.kinematics import Ankle, SagittalLeg, pelvis_roll_pitch
from exostride.control.tracking import Assistance, PathLaw, Track, bounded_level
from exostride.conventions import LEFT, N_JOINTS, RIGHT, SIDES, side_slice
from exostride.types import Vector

SUBTASKS: Final = ("foot_clearance", "step_length", "stance_support", "weight_shift")
_CLEARANCE, _STEP, _SUPPORT, _SHIFT = range(4)
_ROWS: Final = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [1, 0, 0, 0]], dtype=float)
"""Which subtasks (columns) a joint (hip, knee, ankle) shows as its level."""


class SubtaskParameters(StrictModel):
    """Parameters of the law; vectors over foot clearance, step length, stance support, weight shift.

    ``stiffness_n_m`` are the virtual springs at level 1, ``dead_zone_m`` the error that is left alone,
    ``gain_per_m`` and ``forgetting`` (per stride) the adaptation, ``ankle_nm_rad`` and ``ankle_nms_rad``
    the ankle's spring and damper of the clearance, ``force_n`` the largest virtual force.
    """

    stiffness_n_m: tuple[float, float, float, float] = (900.0, 350.0, 5000.0, 350.0)
    dead_zone_m: tuple[float, float, float, float] = (0.012, 0.03, 0.012, 0.03)
    gain_per_m: tuple[float, float, float, float] = (8.0, 4.0, 8.0, 4.0)
    forgetting: float = Field(0.92, gt=0.0, le=1.0)
    ankle_nm_rad: float = Field(60.0, ge=0.0)
    ankle_nms_rad: float = Field(1.5, ge=0.0)
    force_n: float = Field(150.0, gt=0.0)


class SubtaskController(PathLaw):
    """See module. ``parameters`` follow :class:`SubtaskParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = p = validate(SubtaskParameters, dict(parameters or {}), "controller subtasks")
        super().__init__(context)
        self._leg = SagittalLeg(context.geometry)
        self._stiffness = np.array(p.stiffness_n_m)
        self._dead = np.array(p.dead_zone_m)
        self._gain = np.array(p.gain_per_m)
        self._ankle_s = p.ankle_nms_rad / max(p.ankle_nm_rad, 1e-6)
        self._forget()

    def _forget(self) -> None:
        self.level = np.zeros((len(SIDES), len(SUBTASKS)))
        """Level of each leg and subtask."""
        self._start: Vector | None = None
        self._worst = np.zeros((len(SIDES), len(SUBTASKS)))
        self._last = np.zeros(2)

    def reset(self) -> None:
        """Forget adaptation."""
        super().reset()
        self._forget()

    def assist(self, track: Track) -> Assistance:
        """Return the sum of the subtasks' torques, and the ankle's spring in swing."""
        settings = track.settings
        if not same_level(self._start, settings.assistance):
            self._start = settings.assistance
            self.level = np.repeat(settings.assistance.reshape(2, 3).max(axis=1)[:, None], 4, axis=1)
        _, pitch = pelvis_roll_pitch(track.state)
        torque, stiffness, shown = np.zeros(N_JOINTS), np.zeros(N_JOINTS), np.zeros(N_JOINTS)
        for side in (LEFT, RIGHT):
            part = side_slice(side)
            if track.walking and track.leg_phase[side] < self._last[side] - 0.5:
                self._end_stride(side)
            shown[part] = (_ROWS * self.level[side]).max(axis=1)
            torque[part], stiffness[part.start + 2] = self._torque(side, track, pitch)
        self._last = track.leg_phase
        level = bounded_level(shown, settings)
        # What the bounds forbid of a joint's level is taken from its torque in proportion.
        share = np.divide(level, shown, out=np.zeros(N_JOINTS), where=shown > 1e-9)
        share = np.minimum(share, 1.0)
        stiffness = stiffness * share
        return Assistance(torque * share, stiffness, stiffness * self._ankle_s, level)

    def _torque(self, side: int, track: Track, pitch: float) -> tuple[Vector, float]:
        """Return the torque (3,) of one leg and the stiffness of its ankle."""
        p, part = self._p, side_slice(side)
        hip, knee, _ = track.angle_rad[part].tolist()
        hip_r, knee_r, _ = track.reference_rad[part].tolist()
        now, goal = self._leg.ankle(hip, knee, pitch), self._leg.ankle(hip_r, knee_r, pitch)
        error = np.array(
            [max(goal.z - now.z, 0.0), goal.x - now.x, max(goal.length - now.length, 0.0), goal.x - now.x]
        )
        acting = float(track.hold[part][0]) * self._acting(float(track.leg_phase[side]))
        self._worst[side] = np.maximum(self._worst[side], acting * np.abs(error))
        force = np.clip(acting * self.level[side] * self._stiffness * error, -p.force_n, p.force_n)
        if not track.walking:
            force[[_STEP, _SHIFT]] = 0.0
        return _joint_torque(now, force), acting[_CLEARANCE] * self.level[side, _CLEARANCE] * p.ankle_nm_rad

    def _acting(self, phase: float) -> Vector:
        """Return how much each subtask acts at a phase, 0..1, with soft edges."""
        stance = self.tracker.path.curve.stance_fraction
        edge = 0.04
        swing = min(max((phase - stance) / edge, 0.0), 1.0) * min(max((1.0 - phase) / edge, 0.0), 1.0)
        late = swing * min(max((phase - 0.5 * (1.0 + stance)) / edge, 0.0), 1.0)
        loaded = min(max(phase / edge, 0.0), 1.0) * min(max((stance - phase) / edge, 0.0), 1.0)
        return np.array([swing, late, loaded, loaded])

    def _end_stride(self, side: int) -> None:
        excess = np.maximum(self._worst[side] - self._dead, 0.0)
        self.level[side] = np.clip(self._p.forgetting * self.level[side] + self._gain * excess, 0.0, 1.0)
        self._worst[side] = 0.0


def _joint_torque(ankle: Ankle, force: Vector) -> Vector:
    """Return the torque on hip, knee, ankle [N m] of the subtasks' forces."""
    up, forward, push, shift = force.tolist()
    length = max(ankle.length, 1e-3)
    x = forward + push * ankle.x / length
    z = up + push * ankle.z / length
    hip = x * ankle.x_hip + z * ankle.z_hip + shift * ankle.x_hip
    return np.array([hip, x * ankle.x_knee + z * ankle.z_knee, 0.0])
