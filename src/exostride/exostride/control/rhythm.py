r"""The controller's own rhythm: follows the estimated phase as far as that can be trusted.

A patient who walks sets the timing; a patient who can't yet needs a robot that leads. Both are one
phase-locked oscillator per leg,

.. math:: \dot\varphi = f + k\, c\, \mathrm{wrap}(\hat\varphi - \varphi) + k_x (1 - c)\,
          \mathrm{wrap}(\varphi_{other} + 1/2 - \varphi),

with the trust c in the estimate: at c = 1 it follows the estimate and its rate, at c = 0 it runs
at the cadence the therapist set and keeps the legs half a cycle apart. Trust is the estimate's confidence
beyond what a guess has, while it says that somebody walks; it is gained slowly and lost quickly, so that a
robot that leads a walker who can't is not led astray by the estimate of its own first steps; somebody who
walks already when the rhythm begins is joined at once. Estimates that bring the legs closer than a limp does
are moved apart before they are followed.

A rhythm is only worth a torque where it is that of the legs: a spring about another moment of the step fells
who walks. The hold on a leg is therefore the trust, or the lead, which grows while the belt moves and nobody
walks, and goes when somebody walks differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from exostride.types import GaitPhase, GaitState, Vector

_FASTEST_HZ: Final = 3.0
_GAIN_S: Final = 1.5
_LOSE_S: Final = 0.3
"""Time constants with which trust is gained and lost."""
_GUESS: Final = 0.5
_SURE: Final = 0.8
"""Confidence up to which an estimate is no better than a guess, and from which it is trusted wholly."""
_LIMP: Final = 0.15
"""Legs may be this far from half a cycle apart [cycle]."""
_LEAD_S: Final = 3.0
_YIELD_S: Final = 1.0
"""Times in which the lead comes while nobody walks, and goes when somebody walks differently."""
_AGREE: Final = 0.1
"""Phase difference up to which a walker goes along with the lead [cycle]."""


def wrap(difference: float) -> float:
    """Return a phase difference in [-1/2, 1/2)."""
    return (difference + 0.5) % 1.0 - 0.5


@dataclass(frozen=True, slots=True)
class RhythmSample:
    """Phase (2,) in [0, 1), rate (2,) in cycles per second, hold and trust (2,) in [0, 1], left and right."""

    phase: Vector
    rate_hz: Vector
    hold: Vector
    trust: Vector


class Rhythm:
    """Phase-locked oscillator of both legs (see module).

    Parameters
    ----------
    period_s
        Control period [s].
    follow_hz
        Gain k [1/s] with which a trusted estimate is followed.
    couple_hz
        Gain k_x [1/s] that keeps the legs half a cycle apart while the robot leads.
    """

    def __init__(self, period_s: float, follow_hz: float = 12.0, couple_hz: float = 2.0) -> None:
        self._period = period_s
        self._follow = follow_hz
        self._couple = couple_hz
        self.reset()

    def reset(self) -> None:
        """Return to the start of a left step."""
        self._phase = (0.0, 0.5)
        self._trust = [0.0, 0.0]
        self._lead = 0.0
        self._fresh = True

    def step(self, phase: GaitPhase, lead_hz: float, moving: bool = True) -> RhythmSample:
        """Advance one period.

        Parameters
        ----------
        phase
            The estimate of this tick.
        lead_hz
            The stride rate to keep when nobody else does.
        moving
            Whether the belt moves; while it stands, there is nothing to lead.
        """
        walking = phase.state == GaitState.WALKING
        if self._fresh:
            self._join(phase, walking)
        seen, rates, usable = self._estimate(phase, walking)
        confidence = phase.confidence.tolist()
        old, new, speeds = self._phase, [0.0, 0.0], [0.0, 0.0]
        for side in (0, 1):
            own, trust = old[side], self._believe(side, confidence[side] if usable[side] else 0.0)
            speed = lead_hz
            if usable[side]:
                speed += trust * (rates[side] - lead_hz) + self._follow * trust * wrap(seen[side] - own)
            speed += self._couple * (1.0 - trust) * wrap(old[1 - side] + 0.5 - own)
            # A leg may wait for the walker but never run backwards: the reference would swing back with it.
            speeds[side] = min(max(speed, 0.0), _FASTEST_HZ)
            new[side] = (own + speeds[side] * self._period) % 1.0
        apart = max((abs(wrap(seen[s] - old[s])) for s in (0, 1) if usable[s]), default=0.0)
        self._go_ahead(phase.state, moving, apart)
        self._phase = (new[0], new[1])
        hold = np.array([max(trust, self._lead) for trust in self._trust])
        return RhythmSample(np.array(new), np.array(speeds), hold, np.array(self._trust))

    def _estimate(self, phase: GaitPhase, walking: bool) -> tuple[list[float], list[float], list[bool]]:
        """Return phase and rate of both legs as far as they can be used, no closer than a limp."""
        seen, rates, trust = phase.phase.tolist(), phase.rate_hz.tolist(), phase.confidence.tolist()
        usable = [walking and isfinite(seen[s]) and isfinite(rates[s]) and isfinite(trust[s]) for s in (0, 1)]
        rates = [min(max(rates[s], 0.0), _FASTEST_HZ) if usable[s] else 0.0 for s in (0, 1)]
        if all(usable):
            off = wrap(seen[1] - seen[0] - 0.5)
            excess = 0.5 * (off - min(max(off, -_LIMP), _LIMP))
            seen = [seen[0] + excess, seen[1] - excess]
        return seen, rates, usable

    def _go_ahead(self, state: int, moving: bool, apart: float) -> None:
        """Let the lead come while nobody walks on a belt that moves, and go when somebody walks otherwise."""
        step = self._period
        if not moving:
            self._lead = max(self._lead - step / _YIELD_S, 0.0)
        elif state in (GaitState.STANDING, GaitState.UNKNOWN):
            self._lead = min(self._lead + step / _LEAD_S, 1.0)
        elif state == GaitState.WALKING and apart > _AGREE:
            self._lead = max(self._lead - step / _YIELD_S, 0.0)

    def _join(self, phase: GaitPhase, walking: bool) -> None:
        """Fall in with a walker who is under way."""
        self._fresh = False
        values = np.concatenate([phase.phase, phase.confidence])
        if walking and np.isfinite(values).all() and phase.confidence.min() > _GUESS:
            self._phase = (float(phase.phase[0]) % 1.0, float(phase.phase[1]) % 1.0)
            self._trust = [_certain(float(c)) for c in phase.confidence]

    def _believe(self, side: int, confidence: float) -> float:
        """Return the trust in the estimate of one leg."""
        goal, trust = _certain(confidence), self._trust[side]
        time_s = _GAIN_S if goal > trust else _LOSE_S
        trust += (goal - trust) * self._period / (self._period + time_s)
        self._trust[side] = trust
        return trust


def _certain(confidence: float) -> float:
    """Return how far a confidence exceeds a guess's, 0..1."""
    return min(max((confidence - _GUESS) / (_SURE - _GUESS), 0.0), 1.0)
