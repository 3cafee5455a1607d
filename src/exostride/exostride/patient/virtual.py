"""The virtual patient: body, intention, muscles and reflexes in one step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, Record, compiled, record
from exostride.conventions import GRAVITY_M_S2
from exostride.model.geometry import body_geometry
from exostride.patient import embodied
from exostride.patient.gait_plan import ANGLE, PELVIS, PELVIS_RATE, GaitPlan, PlanCursor
from exostride.patient.interface import JointDrive, PatientAction, PatientSense, driven, seized
from exostride.patient.learning import StepLearning
from exostride.patient.muscles import Muscles, strength_matrix
from exostride.patient.passive import REFERENCE_SCALE_NM
from exostride.patient.physiology import EffortLevel, HeartRate
from exostride.patient.policy import OFFSETS, STANCE_LOAD, Drive, Posture, WalkingPolicy
from exostride.patient.profile import PatientProfile
from exostride.patient.reflexes import ClonusBursts, FlexorSpasms, StretchReflexes
from exostride.patient.rhythm import Rhythm, Stage
from exostride.patient.step_balance import Body, StepBalance, step_state
from exostride.patient.step_law import StepLaw
from exostride.types import Vector, joints

_STAND_STIFFNESS: Final = np.array([1.0, 0.9, 0.9, 0.9])
_STAND_DAMPING: Final = np.array([0.08, 0.08, 0.06, 0.06])
SHIFT_DEG: Final = 2.0
_STAND_ANGLE: Final = np.radians([0.0, 2.0, 4.0, 2.0])
_SHIFT_ANGLE: Final = np.radians([[-SHIFT_DEG, 0.0, 0.0, 0.0], [SHIFT_DEG, 0.0, 0.0, 0.0]])
"""Legs that lean to the right under the pelvis bring the weight over the left foot."""
_PITCH_GAINS: Final = (0.8, 0.25)
_ROLL_GAINS: Final = (0.6, 0.2)
_SLOWEST: Final = 1.8
"""Largest stretch of the stride time below the slowest stored speed."""
_SPEED_BLEND_S: Final = 0.15
_SPEED_FELT_M_S: Final = 0.02
"""Change of belt speed that a person notices; smaller ones leave the gait as it is."""
_TREMBLE_HZ: Final = 5.0
_SIDE: Final = np.array([1.0, -1.0])
_PELVIS: Final = PELVIS.start
_PELVIS_RATE: Final = PELVIS_RATE.start


class _Part(Protocol):
    def reset(self) -> None: ...


@compiled
def attitude(orientation: In1) -> tuple[float, float, float]:
    """Return roll, pitch, yaw [rad] of a quaternion xyzw (rotations about z, then y, then x)."""
    x, y, z, w = orientation[0], orientation[1], orientation[2], orientation[3]
    pitch = math.asin(min(max(2.0 * (w * y - z * x), -1.0), 1.0))
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    yaw = math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return roll, pitch, yaw


@compiled
def _errors(
    orientation: In1,
    position: In1,
    velocity: In1,
    spin: In1,
    row: In1,
    blend: float,
    rate: float,
    leg_m: float,
    froude_m_s: float,
    time_s: float,
) -> Vector:
    """Return the errors of :class:`Posture` in its order (9,); ``row`` is the plan's, gone on at ``rate``.

    The pelvis is meant to sway as far as the gait has taken over from standing (``blend``).
    """
    roll, pitch, _ = attitude(orientation)
    out = np.empty(9)
    out[0] = pitch - blend * row[_PELVIS]
    out[1] = roll - blend * row[_PELVIS + 1]
    out[2] = spin[1] * time_s - blend * rate * row[_PELVIS_RATE]
    out[3] = spin[0] * time_s - blend * rate * row[_PELVIS_RATE + 1]
    for i in range(2):
        out[4 + i] = position[i] / leg_m - blend * row[_PELVIS + 2 + i]
        out[6 + i] = velocity[i] / froude_m_s - blend * rate * row[_PELVIS_RATE + 2 + i]
    out[8] = position[2] / leg_m - row[_PELVIS + 4]
    return out


@dataclass(frozen=True, slots=True)
class _Gait:
    """The gait at one speed, with the robot or without; ``laws`` are those from step to step."""

    of: tuple[float, bool]
    place: tuple[int, float]
    gains: Vector
    phase_reset: float
    stride_s: float
    laws: list[tuple[float, StepLaw]]


class VirtualPatient:
    """One person on the belt: a deterministic function of their senses, their state and a seed.

    The person means to walk the plan's gait at the belt's speed, always; what comes of it depends on muscles,
    nerves and tissue. ``step`` takes the body's true state (a nervous system has it) and returns torque,
    stiffness and damping of every joint until the next tick.
    """

    def __init__(
        self,
        profile: PatientProfile,
        plan: GaitPlan,
        period_s: float,
        seed: int = 0,
        plan_in_robot: GaitPlan | None = None,
    ) -> None:
        self.profile, self.plan, self.period_s = profile, plan, period_s
        self.leg_m = body_geometry(profile.body).leg_length
        mass = profile.body.mass_kg
        self.weight_n = mass * GRAVITY_M_S2
        self.moment_nm = self.weight_n * self.leg_m
        self.time_s = float(np.sqrt(self.leg_m / GRAVITY_M_S2))
        self.froude_m_s = float(np.sqrt(self.leg_m * GRAVITY_M_S2))
        in_robot = plan_in_robot if plan_in_robot is not None else plan
        self._policies = (WalkingPolicy(plan), WalkingPolicy(in_robot))
        self._plans = (plan, in_robot)
        # Who has a weaker right leg stands on it first and steps with the left, the mirror of the others.
        weaker_right = strength_matrix(profile.right).mean() < strength_matrix(profile.left).mean()
        self.rhythm = Rhythm(period_s, 0 if weaker_right else 1)
        self._lean_angle = -_SHIFT_ANGLE if weaker_right else _SHIFT_ANGLE
        self._body = Body(period_s, self.time_s, self.froude_m_s)
        self.steps = StepBalance(self._body)
        self.muscles = Muscles(profile, period_s)
        self.stretch = StretchReflexes(profile, period_s)
        self.clonus = [ClonusBursts(s.clonus, period_s) for s in (profile.left, profile.right)]
        self.spasms = FlexorSpasms(profile, period_s, seed)
        self.heart = HeartRate(profile.heart, mass, period_s)
        self.effort = EffortLevel(profile.effort)
        self.learning = StepLearning(profile.learning)
        scale = self.moment_nm / REFERENCE_SCALE_NM
        sides = (profile.left, profile.right)
        self._has_clonus = any(s.clonus.torque_nm > 0.0 for s in sides)
        self._reflexive = self.stretch.active or self._has_clonus
        self._person: Record = record(
            embodied.PERSON,
            tissue=scale * np.array([[s.tissue.hip, s.tissue.knee, s.tissue.ankle] for s in sides]),
            healthy=scale,
            scale_nm=self.moment_nm,
            time_s=self.time_s,
            mass_kg=mass,
            full_stance=STANCE_LOAD,
            noise_keep=float(np.exp(-2.0 * np.pi * _TREMBLE_HZ * period_s)),
            noise_size=profile.motor_noise,
            reflexive=self._reflexive,
        )
        self._quiet, self._no_noise = np.zeros(2), np.zeros((2, 4))
        self._none, self._no_spasm = driven(), joints()
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Return to standing, rested."""
        parts: tuple[_Part, ...] = (
            self.rhythm,
            self.steps,
            self.muscles,
            self.stretch,
            *self.clonus,
            self.spasms,
            self.heart,
            self.effort,
            self.learning,
        )
        for part in parts:
            part.reset()
        self._cursors = (PlanCursor(self._plans[0]), PlanCursor(self._plans[1]))
        self._random = np.random.default_rng([self._seed, 7])
        self._noise = np.zeros((2, 4))
        self._tick = 0
        self.felt_error_rad = np.zeros((2, 3))
        self._worn = False
        self.speed_m_s = 0.0
        self._gait: _Gait | None = None

    def set_policy(self, flat: Vector) -> None:
        """Walk with one set of feedback gains at every speed (for fits)."""
        self._gait = None
        for policy in self._policies:
            policy.set_gains(flat)

    def wear(self, robot: bool) -> None:
        """Know at once whether the robot is on, as after minutes in it."""
        self._worn = robot

    def seed(self, seed: int) -> None:
        """Draw motor noise from another seed after the next :meth:`reset`."""
        self._seed = seed

    # ------------------------------------------------------------------ one tick

    def step(self, t: float, sense: PatientSense) -> PatientAction:
        """Return what the joints do until the next tick."""
        del t
        load = np.maximum(sense.ground_force_n[2::3], 0.0) / self.weight_n
        change = sense.belt_speed_m_s - self.speed_m_s
        if abs(change) > _SPEED_FELT_M_S:
            self.speed_m_s += change * self.period_s / _SPEED_BLEND_S
        self._feel_robot(sense)
        gait = self._gait_now()
        stride_s = gait.stride_s
        self.rhythm.step(sense.belt_speed_m_s, load, stride_s / self.steps.pace, gait.phase_reset)
        phase = self.rhythm.phases()
        rows = self._cursors[self._worn].rows(gait.place, float(phase[0]), float(phase[1]))
        loading = max(1.0 - sense.unloading_n / self.weight_n, 0.2)
        posture = self._posture(sense, rows[0], load, self.time_s / stride_s)
        policy = self._policies[self._worn]
        drive = policy.drive(rows, phase, self.time_s / stride_s, posture, gait.gains, loading)
        if self.rhythm.blend < 1.0:
            drive = self._blend_standing(drive, posture)
            self.steps.reset()
            return self._act(sense, load, drive, phase)
        self._balance_steps(sense, rows[:, ANGLE], posture, gait.laws, drive, phase)
        if self.learning.active:
            error = (drive.angle - sense.angle_rad.reshape(2, 4))[:, 1:]
            torque, rate = self.learning.step(phase, self.time_s / stride_s, error)
            drive.model[:, 1:] += torque
            drive.model_rate[:, 1:] += rate
        return self._act(sense, load, drive, phase)

    def _feel_robot(self, sense: PatientSense) -> None:
        """Notice the robot by its cuffs: what was learned for the legs in the robot is used from then on."""
        if not self._worn and sense.cuff_torque_nm.any():
            self._worn = True

    def _gait_now(self) -> _Gait:
        """Return what depends on speed and robot alone; it stays the same for most of the time."""
        now = (self.speed_m_s, self._worn)
        if self._gait is None or now != self._gait.of:
            place = self.plan.bracket(abs(self.speed_m_s) / self.froude_m_s)
            policy = self._policies[self._worn]
            gains = policy.gains(place)
            reset = float(gains[OFFSETS["phase_reset"]])
            laws = policy.plan.laws(place)
            self._gait = _Gait(now, place, gains, reset, self._stride_time(place), laws)
        return self._gait

    def _stride_time(self, place: tuple[int, float]) -> float:
        stride = self.plan.stride_time_s(place, self.leg_m)
        slowest = float(self.plan.froude[0]) * self.froude_m_s
        speed = abs(self.speed_m_s)
        return stride * min(slowest / max(speed, 1e-3), _SLOWEST) if speed < slowest else stride

    def _posture(self, sense: PatientSense, row: Vector, load: Vector, rate: float) -> Posture:
        scales = (self.leg_m, self.froude_m_s, self.time_s)
        body = (sense.pelvis_orientation, sense.pelvis_position_m, sense.pelvis_velocity_m_s)
        blend = self.rhythm.blend
        e = _errors(*body, sense.pelvis_rate_rad_s, row, blend, rate, *scales).tolist()
        return Posture(e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7], e[8], load)

    def _balance_steps(
        self,
        sense: PatientSense,
        angle: NDArray[np.float64],
        posture: Posture,
        laws: list[tuple[float, StepLaw]],
        drive: Drive,
        phase: Vector,
    ) -> None:
        def state(leg: int) -> Vector:
            yaw = attitude(sense.pelvis_orientation)[2]
            return step_state(sense, yaw, angle, drive.rate, posture, leg, self._body)

        self.steps.step(laws, float(phase[0]), state, drive, posture.load)

    def _blend_standing(self, drive: Drive, p: Posture) -> Drive:
        """Mix the gait with quiet standing: stiff legs, trunk held by both hips."""
        b = self.rhythm.blend
        a = 1.0 - b
        balance = np.zeros((2, 4))
        balance[:, 1] = -0.5 * (_PITCH_GAINS[0] * p.pitch + _PITCH_GAINS[1] * p.pitch_rate)
        balance[:, 0] = 0.5 * _SIDE * (_ROLL_GAINS[0] * p.roll + _ROLL_GAINS[1] * p.roll_rate)
        return Drive(
            model=b * drive.model,
            model_rate=b * drive.model_rate,
            balance=b * drive.balance + a * balance,
            stiffness=b * drive.stiffness + a * _STAND_STIFFNESS,
            damping=b * drive.damping + a * _STAND_DAMPING,
            angle=b * drive.angle + a * (_STAND_ANGLE + self.rhythm.shift * self._lean_angle),
            rate=b * drive.rate,
        )

    # ------------------------------------------------------------------ body

    def _act(self, sense: PatientSense, load: Vector, drive: Drive, phase: Vector) -> PatientAction:
        d, r, none = drive, embodied, self._none
        noisy = self.profile.motor_noise
        normal = self._random.standard_normal((2, 4)) if noisy else self._no_noise
        rows, emg, swing = embodied.embody(
            *(self._person, sense.angle_rad, sense.velocity_rad_s, load, self.effort.level),
            *(d.model, d.model_rate, d.balance, d.stiffness, d.damping, d.angle, d.rate),
            *(*self.muscles.volition(), *self.muscles.strength, self._noise, normal),
            *(*self.stretch.line(), self._clonus(sense, load) if self._has_clonus else self._quiet),
        )
        self.muscles.tire(rows[r.CONTRACTED].reshape(2, 4))
        self._live(rows, sense.velocity_rad_s, swing)
        action = PatientAction(
            active=JointDrive(
                rows[r.TORQUE], rows[r.STIFFNESS], rows[r.DAMPING], rows[r.ANGLE], rows[r.RATE]
            ),
            passive=JointDrive(rows[r.PASSIVE], rows[r.ELASTIC], none, sense.angle_rad, none),
            spasm_torque_nm=self._no_spasm,
            phase=phase,
            heart_rate_bpm=self.heart.bpm,
            emg=emg,
        )
        if not self.spasms.active:
            return action
        spasm = self.spasms.step().ravel()
        return seized(action, spasm) if spasm.any() else action

    def _clonus(self, sense: PatientSense, load: Vector) -> Vector:
        """Return the torque of clonus on both ankles [N m]."""
        velocity = sense.velocity_rad_s.item
        torque = [c.step(velocity(4 * i + 3), load.item(i)) for i, c in enumerate(self.clonus)]
        return np.array(torque)

    def _live(self, rows: NDArray[np.float64], velocity: Vector, swing: Vector) -> None:
        """Take note of the tick: error felt, heart, and how hard the next stride is tried."""
        self._tick += 1
        error = rows[embodied.ERROR].reshape(2, 4)
        self.felt_error_rad = error[:, 1:]
        if self._tick % self.heart.every == 0:
            self.heart.step(float(np.abs(rows[embodied.WHOLE] * velocity).sum()))
        if self.effort.slacks and self.rhythm.blend == 1.0:
            self.effort.feel(error, swing)
            for leg in (0, 1):
                if self.rhythm.struck[leg]:
                    self.effort.stride(leg)


__all__ = ["ANGLE", "Stage", "VirtualPatient", "attitude"]
