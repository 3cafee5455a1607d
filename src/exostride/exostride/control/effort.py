r"""What the patient does: active joint torque and share of the work, from the robot's own sensors.

The equation of motion of the patient's leg, with the pelvis' measured orientation and specific force,

.. math:: M(q)\ddot q + C\dot q + g(q)
          = \tau_{active} + \tau_{tissue} - B\dot q + \tau_{cuff} + J^T F_{ground}

is solved for \tau_{active} by an observer of momentum (:mod:`exostride.control.disturbance`): Pinocchio's
model of the walker's legs, the torque of the cuffs, the ground's force on each sole at its centre of
pressure and the elasticity of healthy tissue (Riener & Edrich 1999) are known, the rest is the muscles'.
The leg gives in its cuffs: where the patient's joints are and how they move is told by the cuffs' forces
(:mod:`exostride.control.cuffs`). Work is formed with the motion as late as the observer is, joint by joint.
Each of these is wrong by something that does not average out; :class:`EffortParameters` states how much,
and :mod:`exostride.control.contribution` carries it into the uncertainty.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import cos, sin
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from exostride.config import StrictModel
from exostride.control.context import ControlContext
from exostride.control.contribution import ContributionMeter, Share
from exostride.control.cuffs import CuffParameters, CuffPosture
from exostride.control.disturbance import KalmanObserver, MomentumObserver
from exostride.control.kinematics import pelvis_imu_m, pelvis_roll_pitch
from exostride.conventions import GRAVITY_M_S2, JOINTS, N_JOINTS
from exostride.model.dynamics import LegDynamics
from exostride.model.joints import joint_table
from exostride.patient.passive import REFERENCE_SCALE_NM, passive_moment
from exostride.types import ExoState, Signal, Vector

_NEEDED: Final = int(
    Signal.JOINT_ANGLE | Signal.JOINT_TORQUE | Signal.CUFF | Signal.FOOT_WRENCH | Signal.PELVIS
)
_ALL: Final = (1 << N_JOINTS) - 1
_LOAD_N: Final = (30.0, 15.0)
"""Load at which a foot counts as standing, and at which it counts as lifted."""
_HIPS: Final = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
_ERRORS: Final = 8
_NO_GROUND: Final = ((0.0, 0.0, 0.0),) * 4
_TURN_S: Final = 0.02
"""Filter of the pelvis' angular acceleration."""


class EffortParameters(StrictModel):
    """Observer and what is known about its errors, one standard deviation each.

    ``segments`` is the relative error of the legs' masses and inertias (0.1: ±20 % at two SD), ``cop_m`` and
    ``pitch_rad`` the offsets of the centre of pressure and of the pelvis' pitch, ``shear_n`` what a foot
    that does not walk in the robot's plane makes of the force along it, ``tissue`` and ``damping``
    the relative errors of elasticity and damping, ``cuff`` and ``cuff_nm`` the relative error and offset of
    the cuffs' torque. ``drift_nm`` [N m/sqrt(s)] sets how fast a change of the active torque is believed
    against the shaking of the leg: low at the hip, which feels every impact of the foot;
    ``velocity_rad_s`` the noise of a joint's velocity. ``cuffs`` are the machine's, ``yielding`` the
    relative error of what they give.
    """

    observer: Literal["kalman", "momentum"] = "kalman"
    bandwidth_hz: float = Field(8.0, gt=0.0)
    drift_nm: tuple[float, float, float] = (5.0, 12.0, 25.0)
    velocity_rad_s: float = Field(0.02, gt=0.0)
    cuffs: CuffParameters = CuffParameters()
    yielding: float = Field(0.2, ge=0.0)
    segments: float = Field(0.10, ge=0.0)
    cop_m: float = Field(0.006, ge=0.0)
    shear_n: float = Field(5.0, ge=0.0)
    pitch_rad: float = Field(0.006, ge=0.0)
    tissue: float = Field(0.4, ge=0.0)
    damping: float = Field(0.3, ge=0.0)
    cuff: float = Field(0.03, ge=0.0)
    cuff_nm: float = Field(0.2, ge=0.0)
    least_work_j_kg: float = Field(0.01, ge=0.0)
    floor_percent: float = Field(0.7, ge=0.0)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What one tick knew."""

    torque_nm: Vector
    velocity_rad_s: Vector
    giving_rad_s: Vector
    tissue_nm: Vector
    drag_nm: Vector
    cuff_nm: Vector
    ground: NDArray[np.float64]
    standing: tuple[bool, bool]


class EffortMeter:
    """Estimates active torque every tick and the contribution every step; see module.

    Parameters
    ----------
    context
        Facts of the session.
    parameters
        Observer and errors.
    dynamics
        The walker's legs; those of the tables for the walker's height and mass if absent.
    """

    def __init__(
        self,
        context: ControlContext,
        parameters: EffortParameters | None = None,
        dynamics: LegDynamics | None = None,
    ) -> None:
        self._p = p = parameters or EffortParameters()
        self._dynamics = dynamics or LegDynamics("patient", context.body)
        geometry = context.geometry
        self._thigh, self._shank = geometry.thigh, geometry.shank
        self._sole = geometry.foot.sole_z
        self._tissue = context.body_mass_kg * GRAVITY_M_S2 * context.leg_length_m / REFERENCE_SCALE_NM
        rows = joint_table()
        self._damping = np.array([rows["patient_" + name].damping_nms_rad for name in JOINTS])
        self._period = context.period_s
        self._observer = self._make_observer(p)
        late = np.round(self._observer.delay_s / context.period_s).astype(int)
        self._latest = int(late.max())
        self._late = late.tolist()
        self._past: deque[_Moment] = deque(maxlen=self._latest + 1)
        self._share = context.period_s / (context.period_s + _TURN_S)
        self._cuffs = CuffPosture(geometry, context.period_s, p.cuffs)
        self._lever = (-pelvis_imu_m(context.body)).tolist()
        self.meter = ContributionMeter(
            context.period_s, _ERRORS, p.least_work_j_kg * context.body_mass_kg, p.floor_percent
        )
        self._patient = np.zeros((2 * _ERRORS + 1, N_JOINTS))
        self._robot = np.zeros((2 * _ERRORS + 1, N_JOINTS))
        self._velocity = np.zeros((2 * _ERRORS + 1, N_JOINTS))
        self.reset()

    def _make_observer(self, p: EffortParameters) -> KalmanObserver | MomentumObserver:
        if p.observer == "momentum":
            return MomentumObserver(self._period, N_JOINTS, p.bandwidth_hz)
        inertia = np.diag(self._dynamics.mass_matrix(np.zeros(N_JOINTS)))
        return KalmanObserver(self._period, np.tile(p.drift_nm, 2), p.velocity_rad_s * inertia)

    def reset(self) -> None:
        """Forget the patient."""
        self._observer.reset()
        self.meter.reset()
        self.torque_nm: Vector = np.full(N_JOINTS, np.nan)
        """Estimated active torque of the muscles [N m], (6,); not a number while it can't be told."""
        self._mass: NDArray[np.float64] | None = None
        self._cuffs.reset()
        self._spin: list[float] | None = None
        self._turning = [0.0, 0.0, 0.0]
        self._past.clear()
        self._standing = [True, True]

    @property
    def delay_ticks(self) -> int:
        """By how many ticks work is booked late."""
        return self._latest

    @property
    def standing(self) -> tuple[bool, bool]:
        """Whether each foot bears load now."""
        return self._standing[0], self._standing[1]

    @property
    def shares(self) -> list[Share]:
        """Newest contributions over stance, swing and stride."""
        return self.meter.shares

    def step(self, state: ExoState) -> Share:
        """Take one tick; return the newest contribution over a whole stride of each leg."""
        if not self._usable(state):
            self._observer.reset()
            self._mass = self._spin = None
            self._cuffs.reset()
            self.torque_nm = np.full(N_JOINTS, np.nan)
            return self.meter.shares[2]
        seen = self._cuffs.step(state, pelvis_roll_pitch(state)[1])
        q, qd = seen.angle_rad, seen.velocity_rad_s
        tissue = self._tissue * passive_moment(q.reshape(2, 3))[0].ravel()
        drag = self._damping * qd
        ground = self._ground_torque(state, q, seen.pitch_rad)
        known = seen.cuff_nm + ground[0] + tissue - drag
        # Segments move with the robot's; only between them does the leg give.
        self.torque_nm = self._observe(state, state.angle_rad, state.velocity_rad_s, known)
        self._stand(state)
        both = (self._standing[0], self._standing[1])
        self._past.append(
            _Moment(self.torque_nm, qd, seen.giving_rad_s, tissue, drag, seen.cuff_nm, ground, both)
        )
        if len(self._past) > self._latest:
            self._account()
        return self.meter.shares[2]

    def _usable(self, state: ExoState) -> bool:
        if (state.available & _NEEDED) != _NEEDED or state.joint_valid != _ALL or state.foot_valid != 3:
            return False
        parts = (
            state.angle_rad,
            state.velocity_rad_s,
            state.cuff_torque_nm,
            state.cuff_force_n,
            state.joint_torque_nm,
            state.foot_force_n,
            state.foot_cop_m,
            state.pelvis_orientation,
            state.pelvis_accel_m_s2,
            state.pelvis_gyro_rad_s,
        )
        # What is not a number is not smaller either.
        return bool(np.abs(np.concatenate(parts)).max() < 1e4)

    def _observe(self, state: ExoState, q: Vector, qd: Vector, known: Vector) -> Vector:
        """Return the observer's torque."""
        self._dynamics.set_apparent_gravity(-self._hip_acceleration(state))
        # A pelvis that pitches turns the thighs as hips would: rates are taken against the world.
        qd = qd - state.pelvis_gyro_rad_s[1] * _HIPS
        mass = self._dynamics.mass_matrix(q)
        change = np.zeros(N_JOINTS) if self._mass is None else (mass - self._mass) @ qd / self._period
        self._mass = mass
        # C' qd - g = dM/dt qd - (C qd + g), because dM/dt = C + C'.
        return self._observer.step(mass @ qd, known + change - self._dynamics.bias(q, qd))

    def _hip_acceleration(self, state: ExoState) -> Vector:
        """Return the specific force between the hips (3,) [m/s²], carried over from where the IMU sits."""
        now = state.pelvis_gyro_rad_s.tolist()
        before = now if self._spin is None else self._spin
        rate = self._share / self._period
        keep = 1.0 - self._share
        turning = [keep * t + rate * (w - v) for t, w, v in zip(self._turning, now, before, strict=True)]
        self._spin, self._turning = now, turning
        swung, turned = _cross(now, _cross(now, self._lever)), _cross(turning, self._lever)
        felt = state.pelvis_accel_m_s2.tolist()
        return np.array([f + t + c for f, t, c in zip(felt, turned, swung, strict=True)])

    def _ground_torque(self, state: ExoState, q: Vector, pitch: float) -> NDArray[np.float64]:
        """Return the ground's torque on the joints (6,), and what a unit of each error adds to it.

        Rows: torque [N m], derivative by the centre of pressure forward [N m/m], by pelvis pitch [N m/rad],
        by the force forward [N m/N].
        """
        out = []
        angles, force, cop = q.tolist(), state.foot_force_n.tolist(), state.foot_cop_m.tolist()
        for side in (0, 1):
            hip, knee, ankle = angles[3 * side : 3 * side + 3]
            fx, _, fz = force[3 * side : 3 * side + 3]
            if fz < _LOAD_N[1]:
                # A foot in the air: what its sensors show is their own error.
                out.append(_NO_GROUND)
                continue
            a = hip - pitch
            b = a - knee
            c = b + ankle
            x, z = cop[2 * side], self._sole
            # From ankle, knee and hip to the centre of pressure.
            rx, rz = x * cos(c) - z * sin(c), x * sin(c) + z * cos(c)
            kx, kz = rx + self._shank * sin(b), rz - self._shank * cos(b)
            hx, hz = kx + self._thigh * sin(a), kz - self._thigh * cos(a)
            along = fx * -sin(c) + fz * cos(c)
            # A pelvis pitched further turns the whole leg back about each joint as seen by the model.
            out.append(
                (
                    (fz * hx - fx * hz, -(fz * kx - fx * kz), fz * rx - fx * rz),
                    (along, -along, along),
                    (fz * hz + fx * hx, -(fz * kz + fx * kx), fz * rz + fx * rx),
                    (-hz, kz, -rz),
                )
            )
        return np.concatenate([np.array(out[0]), np.array(out[1])], axis=1)

    def _stand(self, state: ExoState) -> None:
        for side in (0, 1):
            limit = _LOAD_N[1] if self._standing[side] else _LOAD_N[0]
            self._standing[side] = bool(state.foot_force_n[3 * side + 2] > limit)

    def _account(self) -> None:
        """Form the powers of the moment that the slowest estimate speaks of, with every systematic error."""
        p, n = self._p, _ERRORS
        past = self._past
        then = past[0]
        torque = np.array([past[late].torque_nm[i] for i, late in enumerate(self._late)])
        patient, robot, velocity = self._patient, self._robot, self._velocity
        d = patient[1 : n + 1]
        d[0] = p.segments * (torque + then.cuff_nm + then.ground[0] + then.tissue_nm - then.drag_nm)
        d[1] = p.cop_m * then.ground[1]
        d[2] = p.pitch_rad * then.ground[2]
        d[3] = p.tissue * then.tissue_nm
        d[4] = p.damping * then.drag_nm
        d[5] = p.cuff * then.cuff_nm + p.cuff_nm
        d[6] = p.shear_n * then.ground[3]
        d[7] = 0.0
        # A cuff that reads too much hides as much of the patient's torque.
        robot[:] = then.cuff_nm
        robot[6] -= d[5]
        robot[n + 6] += d[5]
        patient[n + 1 :] = torque - d
        d += torque
        patient[0] = torque
        velocity[:] = then.velocity_rad_s
        velocity[8] -= p.yielding * then.giving_rad_s
        velocity[n + 8] += p.yielding * then.giving_rad_s
        self.meter.step(patient * velocity, robot * velocity, then.standing)


def _cross(a: list[float], b: list[float]) -> list[float]:
    """Return the cross product of two vectors."""
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
