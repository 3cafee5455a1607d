"""Frame of the robot's assessments: one leg hangs lifted, the other is held standing, the belt stands.

A law is a sequence of :class:`Move`; it begins when the law comes into force (a change of the therapy
settings while training, see ``config/protocols/assessment.yaml``) and ends standing. The patient hangs in the
harness; the robot leads by springs about the reference, within every limit of the safety kernel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Final

import numpy as np

from exostride.control.context import ControlContext
from exostride.conventions import JOINT_KINDS, N_JOINTS, SIDES, side_slice
from exostride.model.dynamics import LegDynamics
from exostride.types import AssistCommand, ExoState, GaitPhase, TherapySettings, Vector

_ALL: Final = (1 << N_JOINTS) - 1
_RAMP_S: Final = 0.15
"""Time in which a move of constant speed takes it up and puts it down."""
_LIFT_S: Final = 2.0
_REST_S: Final = 0.5
_LIFTED_RAD: Final = 0.25
"""Hip flexion from which a leg's whole weight hangs on the robot."""
STANDING_DEG: Final = (0.0, 3.0, 0.0)
BASE_DEG: Final[Mapping[str, tuple[float, float, float]]] = {
    "hip": (30.0, 65.0, 5.0),
    "knee": (35.0, 40.0, 0.0),
    "ankle": (40.0, 40.0, 0.0),
}
"""Hip, knee and ankle of the lifted leg while one of them is assessed: the foot stays off the belt."""
RANGE_DEG: Final[Mapping[str, tuple[float, float]]] = {
    "hip": (15.0, 40.0),
    "knee": (15.0, 65.0),
    "ankle": (-20.0, 8.0),
}
"""Between which angles each joint is moved, before the therapist's own bounds."""


@dataclass(frozen=True, slots=True)
class Move:
    """From one posture to another (6,) [rad]: softly within ``duration_s``, or at a constant speed.

    ``speed_rad_s`` above zero asks for constant speed between ramps of ``ramp_s``; the duration then follows.
    """

    start_rad: Vector
    end_rad: Vector
    duration_s: float
    speed_rad_s: float = 0.0
    ramp_s: float = _RAMP_S

    @property
    def length_s(self) -> float:
        """How long it takes."""
        if self.speed_rad_s <= 0.0:
            return self.duration_s
        return self._full_s + min(self.ramp_s, self._full_s)

    @property
    def _full_s(self) -> float:
        """How long it would take without ramps."""
        return max(float(np.abs(self.end_rad - self.start_rad).max()) / self.speed_rad_s, 1e-9)

    def at(self, t: float) -> tuple[Vector, Vector]:
        """Return posture and velocity at a time within the move."""
        length = max(self.length_s, 1e-9)
        t = min(max(t, 0.0), length)
        way = self.end_rad - self.start_rad
        if self.speed_rad_s <= 0.0:
            part, rate = 0.5 * (1.0 - cos(pi * t / length)), 0.5 * pi / length * sin(pi * t / length)
        else:
            full = self._full_s
            ramp = min(self.ramp_s, full)
            if t < ramp:
                part, rate = 0.5 * t * t / ramp, t / ramp
            elif ramp == 0.0 or t <= length - ramp:
                part, rate = t - 0.5 * ramp, 1.0
            else:
                part, rate = full - 0.5 * (length - t) ** 2 / ramp, (length - t) / ramp
            part, rate = part / full, rate / full
        return np.asarray(self.start_rad + part * way), np.asarray(rate * way)


def posture(side: int, lifted_deg: Sequence[float], settings: TherapySettings) -> Vector:
    """Return both legs (6,) [rad]: one lifted, within the therapist's bounds, the other standing."""
    legs = np.radians([STANDING_DEG, STANDING_DEG])
    joints = side_slice(side)
    legs[side] = np.clip(
        np.radians(lifted_deg), settings.range_min_rad[joints], settings.range_max_rad[joints]
    )
    return np.asarray(legs.ravel())


def standing() -> Vector:
    """Return the posture of standing on both legs (6,) [rad]."""
    return np.asarray(np.radians([STANDING_DEG, STANDING_DEG]).ravel())


def bounds(column: int, settings: TherapySettings) -> tuple[float, float]:
    """Return between which angles [rad] a joint is assessed: ours, narrowed by the therapist's."""
    low, high = np.radians(RANGE_DEG[JOINT_KINDS[column % 3]])
    least, most = settings.range_min_rad[column], settings.range_max_rad[column]
    return float(np.clip(low, least, most)), float(np.clip(high, least, most))


class AssessmentLaw(ABC):
    """Follows a sequence of moves; subclasses say which.

    Parameters
    ----------
    context
        Facts of the session.
    stiffness_nm_rad, damping_nms_rad
        Of hip, knee and ankle.
    """

    def __init__(
        self,
        context: ControlContext,
        stiffness_nm_rad: Sequence[float],
        damping_nms_rad: Sequence[float],
    ) -> None:
        self.context = context
        self.leg = LegDynamics("patient", context.body)
        self._stiffness = np.tile(stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(damping_nms_rad, len(SIDES))
        self.reset()

    @abstractmethod
    def moves(self, settings: TherapySettings) -> Iterator[Move | None]:
        """Yield the moves in turn, the first from :attr:`place`; None lets a tick pass."""

    def reset(self) -> None:
        """Begin anew from the next measured posture."""
        self._queue: Iterator[Move | None] | None = None
        self._move: Move | None = None
        self._since = 0.0
        self.place: Vector = standing()
        """Where the reference stands."""
        self.seen: ExoState | None = None

    def reach(self, reference: Vector, state: ExoState) -> Vector:
        """Return the reference that the springs are to pull towards; by default the posture itself."""
        del state
        return reference

    def go(
        self, end: Vector, duration_s: float = _LIFT_S, speed_rad_s: float = 0.0, ramp_s: float = _RAMP_S
    ) -> Move:
        """Return the move from where the reference stands."""
        return Move(self.place, end, duration_s, speed_rad_s, ramp_s)

    def rest(self, duration_s: float = _REST_S) -> Move:
        """Return a pause."""
        return Move(self.place, self.place, duration_s)

    def step(self, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> AssistCommand:
        """Return the joint command in answer to ``state``."""
        del phase
        self.seen = state
        if self._queue is None:
            self._queue = self._from_here(state, settings)
            self._since = t
        reference, velocity = self._follow(t)
        reference = self.reach(reference, state)
        torque = np.zeros(N_JOINTS)
        if self.context.compensation is not None:
            torque = np.nan_to_num(self.context.compensation.step(state))
        torque = torque + self._weight(state, reference)
        limit = self.context.torque_limit_nm
        return AssistCommand(
            seq=state.seq,
            time_s=t,
            torque_nm=np.minimum(np.maximum(torque, -limit), limit),
            stiffness_nm_rad=self._stiffness,
            damping_nms_rad=self._damping,
            reference_rad=reference,
            reference_velocity_rad_s=velocity,
            assistance=np.ones(N_JOINTS),
        )

    def _weight(self, state: ExoState, reference: Vector) -> Vector:
        """Return what the weight of a lifted leg asks of its joints, (6,); nothing for a leg that stands."""
        if state.joint_valid != _ALL or not np.isfinite(state.angle_rad).all():
            return np.zeros(N_JOINTS)
        lifted = np.repeat([max(reference[3 * s], 0.0) / _LIFTED_RAD for s in range(len(SIDES))], 3)
        return np.asarray(np.minimum(lifted, 1.0) * self.leg.gravity(state.angle_rad))

    def _from_here(self, state: ExoState, settings: TherapySettings) -> Iterator[Move | None]:
        """Glide from the measured posture to standing, then run the moves, then stand."""
        seen = state.joint_valid == _ALL and np.isfinite(state.angle_rad).all()
        self.place = state.angle_rad.copy() if seen else standing()
        yield self.go(standing(), 1.0)
        yield from self.moves(settings)
        yield self.go(standing())

    def _follow(self, t: float) -> tuple[Vector, Vector]:
        assert self._queue is not None
        while True:
            if self._move is None:
                self._move = next(self._queue, None)
                if self._move is None:
                    self._since = t
                    return self.place, np.zeros(N_JOINTS)
            if t - self._since < self._move.length_s:
                # Whoever plans the next move must know where this one stands, should it be cut short.
                self.place, velocity = self._move.at(t - self._since)
                return self.place, velocity
            self._since += self._move.length_s
            self.place, self._move = self._move.end_rad, None
