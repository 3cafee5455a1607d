"""What all estimators share: two legs, events, missing samples, gait states, a phase that never jumps back.

An estimator of the phase of *one* leg is a :class:`LegEstimator`; :class:`TwoLegEstimator` makes a
:class:`~exostride.interfaces.PhaseEstimator` of two of them. The legs are estimated apart, each
against its own past, so a hemiparetic walker's legs need not be half a cycle apart. Only a leg
without any signal borrows from the other, with low confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from exostride.gait.events import LegEvents
from exostride.gait.phase.activity import LegActivity, overall
from exostride.gait.phase.settings import EventParameters, ShellParameters
from exostride.gait.phase.signals import LegSample
from exostride.types import EventKind, ExoState, GaitEvent, GaitPhase, GaitState, Signal

BORROWED_CONFIDENCE = 0.2
"""Share of the other leg's confidence when a leg without signals takes the opposite phase."""


_TRUST = {GaitState.WALKING: 1.0, GaitState.BACKWARD: 0.0}
"""What remains of an estimator's confidence in a gait state; half of it in all others."""


class LegEstimator(Protocol):
    """Phase of one leg.

    ``phase`` in [0, 1), ``rate_hz`` in strides/s, ``confidence`` the probability that the error is
    below 5 % of the cycle, ``lost`` true while the movement fits no phase.
    """

    phase: float
    rate_hz: float
    confidence: float
    lost: bool

    def reset(self) -> None:
        """Forget everything learned."""

    def advance(self, t: float, dt: float, leg: LegSample, walking: bool) -> None:
        """Move on by ``dt``; ``leg.ok`` is false when there is no fresh sample."""

    def strike(self, at: float, t: float, exact: bool) -> None:
        """Take note at ``t`` of a heel strike that happened at ``at``; ``exact``: seen by load cells."""


def wrap(error: float) -> float:
    """Return a phase difference wrapped to [-0.5, 0.5)."""
    return (error + 0.5) % 1.0 - 0.5


class _Leg:
    """One leg's sample, events, estimator and output."""

    __slots__ = ("activity", "confidence", "estimator", "events", "freshness", "phase", "rate_hz", "sample")

    def __init__(
        self, side: int, estimator: LegEstimator, events: EventParameters, shell: ShellParameters
    ) -> None:
        self.sample = LegSample(side)
        self.events = LegEvents(events)
        self.activity = LegActivity(shell)
        self.estimator = estimator
        self.reset()

    def reset(self) -> None:
        self.sample.reset()
        self.events.reset()
        self.activity.reset()
        self.estimator.reset()
        self.phase = 0.0
        self.rate_hz = 0.0
        self.confidence = 0.0
        self.freshness = math.inf


def _state(leg: _Leg) -> GaitState:
    state = leg.activity.state
    return GaitState.STUMBLING if leg.estimator.lost and state == GaitState.WALKING else state


class TwoLegEstimator:
    """A phase estimator of both legs made of one :class:`LegEstimator` a leg.

    Parameters
    ----------
    make : returns a new estimator of one leg
    events, shell : parameters of the event detectors and of the shell

    Notes
    -----
    The published phase follows the estimator's with a speed between 0 and ``rate + correction_rate``
    (cycles/s): it never runs back. Only when the two are more than a quarter cycle apart does it
    jump, and then the confidence is zero in that tick.
    """

    requires: Signal = Signal.SEGMENT | Signal.JOINT_ANGLE
    """Either group is enough: the thigh's own angle, or the hip's in its place."""

    def __init__(
        self, make: Callable[[], LegEstimator], events: EventParameters, shell: ShellParameters
    ) -> None:
        self._shell = shell
        self._legs = tuple(_Leg(side, make(), events, shell) for side in (0, 1))
        self._time = math.nan

    def reset(self) -> None:
        """Forget everything learned since construction."""
        for leg in self._legs:
            leg.reset()
        self._time = math.nan

    def step(self, t: float, state: ExoState) -> tuple[GaitPhase, Sequence[GaitEvent]]:
        """Return the phase of both legs at ``t`` and the events detected in this tick."""
        dt = t - self._time
        repeated = dt <= 0.0
        if not math.isfinite(dt):
            dt = 0.0
        if not repeated:
            self._time = t
        if dt > self._shell.gap_reset_s:
            self.reset()
            self._time, dt = t, 0.0
        events: list[GaitEvent] = []
        if not repeated:
            for leg in self._legs:
                self._step_leg(leg, t, dt, state, events)
            self._couple()
        return self._output(t, state.seq, repeated), events

    def _step_leg(self, leg: _Leg, t: float, dt: float, state: ExoState, events: list[GaitEvent]) -> None:
        sample = leg.sample
        sample.read(t, state)
        leg.freshness = 0.0 if sample.ok else leg.freshness + dt
        found = leg.events.step(t, sample) if sample.ok or sample.load_ok else None
        sample.contact, sample.lifted_s = leg.events.contact, leg.events.toe_off_s
        walking = leg.activity.step(t, dt, sample, leg.events)
        estimator = leg.estimator
        estimator.advance(t, dt, sample, walking)
        # A step backward is no stride: its landings are not heel strikes, and nobody learns from them.
        if found is not None and leg.activity.state != GaitState.BACKWARD:
            kind, at, probability = found
            if kind == EventKind.HEEL_STRIKE:
                estimator.strike(at, t, leg.events.exact)
            events.append(GaitEvent(state.seq, at, t, sample.side, kind, probability))
        self._follow(leg, dt)

    def _follow(self, leg: _Leg, dt: float) -> None:
        estimator = leg.estimator
        shell = self._shell
        confidence = estimator.confidence * _TRUST.get(leg.activity.state, 0.5)
        if leg.freshness > 0.0:
            confidence *= max(1.0 - leg.freshness / shell.gap_reset_s, 0.0)
        error = wrap(estimator.phase - leg.phase)
        if abs(error) > 0.25:
            leg.phase = estimator.phase % 1.0
            confidence = 0.0
        else:
            leg.phase = (
                leg.phase + min(max(error, 0.0), (estimator.rate_hz + shell.correction_rate) * dt)
            ) % 1.0
        leg.rate_hz = estimator.rate_hz
        leg.confidence = min(max(confidence, 0.0), 1.0)

    def _couple(self) -> None:
        left, right = self._legs
        for leg, other in ((left, right), (right, left)):
            if leg.freshness > self._shell.gap_hold_s and other.freshness == 0.0:
                leg.phase = (other.phase + 0.5) % 1.0
                leg.rate_hz = other.rate_hz
                leg.confidence = BORROWED_CONFIDENCE * other.confidence

    def _output(self, t: float, seq: int, repeated: bool) -> GaitPhase:
        left, right = self._legs
        scale = 0.5 if repeated else 1.0
        return GaitPhase(
            seq,
            t,
            np.array((left.phase, right.phase)),
            np.array((left.rate_hz, right.rate_hz)),
            np.array((left.activity.stance(left.phase), right.activity.stance(right.phase))),
            np.array((scale * left.confidence, scale * right.confidence)),
            overall(_state(left), _state(right)),
        )
