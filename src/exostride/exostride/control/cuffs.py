r"""How the patient's legs lie in the robot's, and what the cuffs do to them, from the forces in the cuffs.

A cuff is a spring and damper: the patient's limb is displaced in it by

.. math:: k_i d_i + c_i \dot d_i = -f_i

with the force f of the robot on the patient, axis by axis in the robot's frame. In a leg's plane the
displacements of thigh, shank and foot follow from where the patient's hip lies in the robot's, h, and from
the differences \delta of the segments' angles; with \alpha, \beta, \gamma of
:mod:`exostride.control.kinematics`, e(\theta) = (\cos\theta, \sin\theta) and R(\theta) into a segment's
frame,

.. math::
    d_{thigh} &= R(\alpha)\,[h + a\,\delta_\alpha e(\alpha)] \\
    d_{shank} &= R(\beta)\,[h + L_t \delta_\alpha e(\alpha) + b\,\delta_\beta e(\beta)] \\
    d_{foot} &= R(\gamma)\,[h + L_t \delta_\alpha e(\alpha) + L_s \delta_\beta e(\beta)]
                + \delta_\gamma (-p_z, p_x)

six equations for five unknowns, solved by weighted least squares; what the turned leg leaves of the
displacements is put in again, until they fit it and not only its tangent. A leg that leans sideways by \psi
in the robot's seems shorter by 1 - \cos\psi; it is told by the cuffs' lateral displacements, which grow with
how deep each hangs below the hip. The pelvis pitches
against the robot's base in its belt, by the moment that belt and frame bear beside the drives of the hips:

.. math:: k_b\,\rho + c_b\,\dot\rho = k_f \theta + c_f \dot\theta - \tau_{hips}

The robot's torque on the patient's joints is that on its own, less what the different posture makes of the
same forces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydantic import Field

from exostride.compiled import Record, record
from exostride.config import StrictModel
from exostride.control import worn
from exostride.model.geometry import BodyGeometry
from exostride.types import ExoState, Vector

Triple = tuple[float, float, float]
Some = Any
"""A number, or an array of them over time."""
_THIGH: Final = 0.60
_SHANK: Final = 0.50
_FOOT: Final = (0.5, 0.5)
"""Where the cuffs sit: parts of thigh and shank, of the ball's place forward and of the ankle's height."""
_SURE_M: Final = np.array([0.5, 1.5, 0.5, 1.5, 0.3, 0.3]) * 1e-3
_BEFORE: Final = np.array([0.03, 0.03, 0.2, 0.2, 0.2])
"""Standard deviations of the six displacements [m], and of the unknowns before them [m, rad]."""
_WEIGHT: Final = 1.0 / _SURE_M**2
_PRIOR: Final = 1.0 / _BEFORE**2


class CuffParameters(StrictModel):
    """Stiffness and damping of thigh, shank and foot cuff (forward, left, up), of belt and frame in pitch.

    They belong to the machine and are found by pressing a still leg.
    """

    stiffness_n_m: tuple[Triple, Triple, Triple] = (
        (8000.0, 100.0, 1500.0),
        (8000.0, 60.0, 1500.0),
        (15000.0, 60.0, 15000.0),
    )
    damping_ns_m: tuple[Triple, Triple, Triple] = (
        (120.0, 10.0, 40.0),
        (100.0, 6.0, 30.0),
        (100.0, 6.0, 100.0),
    )
    belt_nm_rad: float = Field(300.0, gt=0.0)
    belt_nms_rad: float = Field(8.0, ge=0.0)
    frame_nm_rad: float = Field(75.0, ge=0.0)
    frame_nms_rad: float = Field(5.0, ge=0.0)


@dataclass(frozen=True, slots=True)
class Posture:
    """The patient's joints: angle, velocity, what of it the cuffs' yielding is, torque of the cuffs.

    They are the four ``rows``, (4, 6) in joint order or (4, N, 6) over time; ``pitch_rad`` is the pelvis'
    own.
    """

    rows: Vector
    pitch_rad: Some

    @property
    def angle_rad(self) -> Vector:
        """Angle [rad]."""
        return np.asarray(self.rows[0])

    @property
    def velocity_rad_s(self) -> Vector:
        """Velocity [rad/s]."""
        return np.asarray(self.rows[1])

    @property
    def giving_rad_s(self) -> Vector:
        """What the cuffs' yielding is of the velocity [rad/s]."""
        return np.asarray(self.rows[2])

    @property
    def cuff_nm(self) -> Vector:
        """Torque of the cuffs [N m]."""
        return np.asarray(self.rows[3])


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record of N ticks says: joints (N, 6), cuff forces (N, 18), pitch of the robot's base (N,)."""

    angle_rad: Vector
    velocity_rad_s: Vector
    cuff_torque_nm: Vector
    joint_torque_nm: Vector
    cuff_force_n: Vector
    pitch_rad: Vector
    pitch_rate_rad_s: Vector


class CuffPosture:
    """Follows the patient's posture tick by tick; see module.

    Parameters
    ----------
    geometry
        The walker's legs.
    period_s
        Control period [s].
    parameters
        The machine's cuffs.
    """

    def __init__(
        self, geometry: BodyGeometry, period_s: float, parameters: CuffParameters | None = None
    ) -> None:
        p = parameters or CuffParameters()
        stiffness, damping = np.tile(p.stiffness_n_m, (2, 1)).ravel(), np.tile(p.damping_ns_m, (2, 1)).ravel()
        self._softness = -1.0 / stiffness
        self._follow = 1.0 - np.exp(-period_s * stiffness / np.maximum(damping, 1e-9))
        thigh, shank = geometry.thigh, geometry.shank
        a, b = _THIGH * thigh, _SHANK * shank
        foot = (_FOOT[0] * geometry.foot.ball_x, _FOOT[1] * geometry.foot.sole_z)
        self._legs = np.array([thigh, shank, a, b, *foot])
        self._belt = p
        self._belt_follow = 1.0 - float(np.exp(-period_s * p.belt_nm_rad / max(p.belt_nms_rad, 1e-9)))
        self._period = period_s
        self._worn: Record = record(
            worn.WORN,
            softness=self._softness,
            follow=self._follow,
            legs=self._legs,
            weight=_WEIGHT,
            prior=_PRIOR,
            belt=p.belt_nm_rad,
            frame=p.frame_nm_rad,
            frame_damping=p.frame_nms_rad,
            belt_follow=self._belt_follow,
            period=period_s,
        )
        self._pelvis: Vector = self._worn["pelvis"]
        self._moved: Vector = self._worn["moved"][0]
        self.reset()

    def reset(self) -> None:
        """Forget the legs."""
        self._worn["started"] = 0

    def step(self, state: ExoState, pitch: float) -> Posture:
        """Return the patient's posture from a state with all signals; ``pitch`` is the robot's base's."""
        hips_nm = state.joint_torque_nm.item(0) + state.joint_torque_nm.item(3)
        rows = worn.follow(
            *(self._worn, state.angle_rad, state.velocity_rad_s, state.cuff_torque_nm, state.cuff_force_n),
            *(hips_nm, pitch, state.pelvis_gyro_rad_s.item(1)),
        )
        return Posture(rows, pitch + self._pelvis.item())

    @property
    def moved_m(self) -> Vector:
        """How far each segment lay forward, left and up in its cuff at the last step [m], (18,)."""
        return self._moved

    @property
    def legs(self) -> Vector:
        """Lengths of the legs and places of the cuffs (6,), see :func:`exostride.control.worn.posture`."""
        return self._legs

    def over_time(self, seen: Recorded) -> Posture:
        """Return the patient's posture over a whole record, as :meth:`step` does tick by tick."""
        belt = self._belt
        bears = belt.frame_nm_rad * seen.pitch_rad + belt.frame_nms_rad * seen.pitch_rate_rad_s
        tilt = (bears - seen.joint_torque_nm[:, [0, 3]].sum(axis=1)) / belt.belt_nm_rad
        pelvis = worn.followed(tilt, self._belt_follow)
        wanted = self._softness * seen.cuff_force_n
        moved = np.column_stack([worn.followed(wanted[:, k], float(self._follow[k])) for k in range(18)])
        change, torque = worn.posture(
            *(seen.angle_rad, seen.pitch_rad, moved, seen.cuff_force_n, pelvis),
            *(self._legs, _WEIGHT, _PRIOR),
        )
        giving = np.diff(change, axis=0, prepend=change[:1]) / self._period
        angle, velocity = seen.angle_rad + change, seen.velocity_rad_s + giving
        rows = np.array([angle, velocity, giving, seen.cuff_torque_nm + torque])
        return Posture(rows, seen.pitch_rad + pelvis)
