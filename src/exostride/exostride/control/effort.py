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
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from exostride.compiled import Record, record
from exostride.config import StrictModel
from exostride.control import effort_terms as terms
from exostride.control.context import ControlContext
from exostride.control.contribution import ContributionMeter, Share
from exostride.control.cuffs import CuffParameters, CuffPosture
from exostride.control.disturbance import KalmanObserver, MomentumObserver
from exostride.control.kinematics import pelvis_imu_m, pelvis_roll_pitch
from exostride.conventions import GRAVITY_M_S2, JOINTS, N_JOINTS
from exostride.model.dynamics import LegDynamics
from exostride.model.joints import joint_table
from exostride.patient.passive import REFERENCE_SCALE_NM
from exostride.types import ExoState, Signal, Vector

_NEEDED: Final = int(
    Signal.JOINT_ANGLE | Signal.JOINT_TORQUE | Signal.CUFF | Signal.FOOT_WRENCH | Signal.PELVIS
)
_ALL: Final = (1 << N_JOINTS) - 1
_HIPS: Final = slice(0, None, 3)
_LOAD_N: Final = (30.0, 15.0)
"""Load at which a foot counts as standing, and at which it counts as lifted."""
_SENSIBLE: Final = 1e4
"""No reading of a working sensor is as large."""
_SETTLED: Final = 5
"""Delays of the observer after which 3 % are left of the error with which an estimate begins anew."""
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
    relative error of what they give. Below ``least_work_j_kg`` of patient and robot together, per body mass,
    a stance or swing has no share: of a joule and a half, half a joule of error is a third.
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
    tissue: float = Field(0.2, ge=0.0)
    damping: float = Field(0.3, ge=0.0)
    cuff: float = Field(0.03, ge=0.0)
    cuff_nm: float = Field(0.2, ge=0.0)
    least_work_j_kg: float = Field(0.02, ge=0.0)
    floor_percent: float = Field(0.7, ge=0.0)


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
        geometry, rows = context.geometry, joint_table()
        errors = (p.segments, p.cop_m, p.pitch_rad, p.tissue, p.damping, p.cuff, p.cuff_nm)
        self._errors = np.array([*errors, p.shear_n, p.yielding])
        self._period = context.period_s
        share = context.period_s / (context.period_s + _TURN_S)
        self._legs: Record = record(
            terms.LEGS,
            lengths=(geometry.thigh, geometry.shank, geometry.foot.sole_z),
            damping=[rows["patient_" + name].damping_nms_rad for name in JOINTS],
            lever=-pelvis_imu_m(context.body),
            tissue=context.body_mass_kg * GRAVITY_M_S2 * context.leg_length_m / REFERENCE_SCALE_NM,
            rate=share / context.period_s,
            keep=1.0 - share,
            least_n=_LOAD_N[1],
            bound=_SENSIBLE,
        )
        self._observer = self._make_observer(p)
        self._late = np.round(self._observer.delay_s / context.period_s).astype(np.int64)
        self._latest = int(self._late.max())
        self._past = np.zeros((self._latest + 1, terms.ROWS, N_JOINTS))
        self._cuffs = CuffPosture(geometry, context.period_s, p.cuffs)
        self.meter = ContributionMeter(
            context.period_s, terms.ERRORS, p.least_work_j_kg * context.body_mass_kg, p.floor_percent
        )
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
        self._legs["turned"] = 0
        self._legs["turning"] = 0.0
        self._stood: deque[tuple[bool, bool]] = deque(maxlen=self._latest + 1)
        self._unsettled = 0
        self._place = 0
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
            self._lose()
            return self.meter.shares[2]
        seen = self._cuffs.step(state, pelvis_roll_pitch(state)[1])
        now = self._past[self._place]
        feet = (state.foot_force_n, state.foot_cop_m)
        known = terms.known(self._legs, seen.rows, seen.pitch_rad, *feet, now)
        # Segments move with the robot's; only between them does the leg give.
        now[terms.TORQUE] = self.torque_nm = self._observe(
            state, state.angle_rad, state.velocity_rad_s, known
        )
        self._stand(state)
        self._place = (self._place + 1) % (self._latest + 1)
        if self._unsettled > 0:
            self._unsettled -= 1
            return self.meter.shares[2]
        self._stood.append((self._standing[0], self._standing[1]))
        if len(self._stood) > self._latest:
            self._account()
        return self.meter.shares[2]

    def _lose(self) -> None:
        """Begin anew after a tick that tells nothing: neither moments nor works are joined across it."""
        self._observer.reset()
        self._mass = None
        self._legs["turned"] = 0
        self._cuffs.reset()
        self.torque_nm = np.full(N_JOINTS, np.nan)
        self._stood.clear()
        self._unsettled = _SETTLED * self._latest
        self.meter.interrupt()

    def _usable(self, state: ExoState) -> bool:
        if (state.available & _NEEDED) != _NEEDED or state.foot_valid != 3:
            return False
        if state.joint_valid != _ALL or state.segment_valid != _ALL:
            return False
        return terms.sensible(
            *(self._legs, state.angle_rad, state.velocity_rad_s, state.cuff_torque_nm, state.cuff_force_n),
            *(state.joint_torque_nm, state.foot_force_n, state.foot_cop_m, state.pelvis_orientation),
            *(state.pelvis_accel_m_s2, state.pelvis_gyro_rad_s),
        )

    def _observe(self, state: ExoState, q: Vector, qd: Vector, known: Vector) -> Vector:
        """Return the observer's torque; the rates of joints are taken against the world.

        A pelvis that pitches turns the thighs as hips would.
        """
        felt = terms.hip_acceleration(self._legs, state.pelvis_accel_m_s2, state.pelvis_gyro_rad_s)
        self._dynamics.set_apparent_gravity(-felt)
        mass = self._dynamics.mass_matrix(q)
        before = mass if self._mass is None else self._mass
        self._mass = mass
        world = qd.copy()
        world[_HIPS] -= state.pelvis_gyro_rad_s.item(1)
        bias = self._dynamics.bias(q, world)
        return self._observer.step(*terms.momentum(mass, before, world, known, bias, self._period))

    def _stand(self, state: ExoState) -> None:
        for side in (0, 1):
            limit = _LOAD_N[1] if self._standing[side] else _LOAD_N[0]
            self._standing[side] = state.foot_force_n.item(3 * side + 2) > limit

    def _account(self) -> None:
        """Form the powers of the moment that the slowest estimate speaks of, with every systematic error."""
        patient, robot = terms.powers(self._past, self._place, self._late, self._errors)
        self.meter.step(patient, robot, self._stood[0])
