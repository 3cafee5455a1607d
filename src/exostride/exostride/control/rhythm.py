r"""The controller's own rhythm: follows the estimated phase as far as that can be trusted.

A patient who walks sets the timing; a patient who can't yet needs a robot that leads. Both are one
phase-locked oscillator per leg,

.. math:: \dot\varphi = f + k\, c\, \mathrm{wrap}(\hat\varphi - \varphi) + k_x (1 - c)\,
          \mathrm{wrap}(\varphi_{other} + 1/2 - \varphi),

with the trust c in the estimate: at c = 1 it follows the estimate and its rate, at c = 0 it runs
at the cadence the therapist set and keeps the legs half a cycle apart. Trust is the estimate's confidence
while it says that somebody walks; it is gained slowly and lost quickly, so that a robot that leads a
walker who can't is not led astray by the estimate of its own first steps; somebody who walks already when
the rhythm begins is joined at once. However much it is
trusted, an estimate that brings the legs closer than a limp does is resisted.
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
_LIMP: Final = 0.15
"""Legs may be this far from half a cycle apart before the coupling resists [cycle]."""
_APART_HZ: Final = 20.0


def wrap(difference: float) -> float:
    """Return a phase difference in [-1/2, 1/2)."""
    return (difference + 0.5) % 1.0 - 0.5


@dataclass(frozen=True, slots=True)
class RhythmSample:
    """Phase (2,) in [0, 1) and rate (2,) in cycles per second of the legs, left and right."""

    phase: Vector
    rate_hz: Vector


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
        self._fresh = True

    def step(self, phase: GaitPhase, lead_hz: float) -> RhythmSample:
        """Advance one period; ``lead_hz`` is the stride rate to keep when nobody else does."""
        walking = phase.state == GaitState.WALKING
        if self._fresh:
            self._join(phase, walking)
        estimates = phase.phase.tolist(), phase.rate_hz.tolist(), phase.confidence.tolist()
        old, new, speeds = self._phase, [0.0, 0.0], [0.0, 0.0]
        for side in (0, 1):
            own, seen, rate, trust = old[side], *(values[side] for values in estimates)
            usable = walking and isfinite(seen) and isfinite(rate) and isfinite(trust)
            trust = self._believe(side, min(max(trust, 0.0), 1.0) if usable else 0.0)
            speed = lead_hz
            if usable:
                rate = min(max(rate, 0.0), _FASTEST_HZ)
                speed += trust * (rate - lead_hz) + self._follow * trust * wrap(seen - own)
            apart = wrap(old[1 - side] + 0.5 - own)
            speed += self._couple * (1.0 - trust) * apart
            speed += _APART_HZ * (apart - min(max(apart, -_LIMP), _LIMP))
            # A leg may wait for the walker but never run backwards: the reference would swing back with it.
            speeds[side] = min(max(speed, 0.0), _FASTEST_HZ)
            new[side] = (own + speeds[side] * self._period) % 1.0
        self._phase = (new[0], new[1])
        return RhythmSample(np.array(new), np.array(speeds))

    def _join(self, phase: GaitPhase, walking: bool) -> None:
        """Fall in with a walker who is under way."""
        self._fresh = False
        values = np.concatenate([phase.phase, phase.confidence])
        if walking and np.isfinite(values).all() and phase.confidence.min() > 0.5:
            self._phase = (float(phase.phase[0]) % 1.0, float(phase.phase[1]) % 1.0)
            self._trust = [min(float(c), 1.0) for c in phase.confidence]

    def _believe(self, side: int, confidence: float) -> float:
        """Return the trust in the estimate of one leg."""
        trust = self._trust[side]
        time_s = _GAIN_S if confidence > trust else _LOSE_S
        trust += (confidence - trust) * self._period / (self._period + time_s)
        self._trust[side] = trust
        return trust
