r"""The controller's own rhythm: follows the estimated phase as far as that can be trusted.

A patient who walks sets the timing; a patient who can't yet needs a robot that leads. Both are one
phase-locked oscillator per leg,

.. math:: \dot\varphi = f + k\, c\, \mathrm{wrap}(\hat\varphi - \varphi) + k_x (1 - c)\,
          \mathrm{wrap}(\varphi_{other} + 1/2 - \varphi),

with confidence c of the estimate: at c = 1 it follows the estimate and its rate, at c = 0 it runs
at the cadence the therapist set and keeps the legs half a cycle apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exostride.types import GaitPhase, GaitState, Vector


def wrap(difference: Vector | float) -> Vector:
    """Return a phase difference in [-1/2, 1/2)."""
    return (np.asarray(difference) + 0.5) % 1.0 - 0.5


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
        self._phase = np.array([0.0, 0.5])
        self._rate = np.zeros(2)

    def step(self, phase: GaitPhase, lead_hz: float) -> RhythmSample:
        """Advance one period; ``lead_hz`` is the stride rate to keep when nobody else does."""
        good = np.isfinite(phase.phase) & np.isfinite(phase.rate_hz) & np.isfinite(phase.confidence)
        usable = good & (phase.state in (GaitState.STARTING, GaitState.WALKING))
        trust = np.where(usable, np.clip(phase.confidence, 0.0, 1.0), 0.0)
        rate = lead_hz + trust * (np.where(usable, phase.rate_hz, lead_hz) - lead_hz)
        pull = wrap(np.where(usable, phase.phase, self._phase) - self._phase)
        couple = wrap(self._phase[::-1] + 0.5 - self._phase)
        speed = rate + self._follow * trust * pull + self._couple * (1.0 - trust) * couple
        # A leg may wait for the walker but never run backwards: the reference would swing back with it.
        speed = np.clip(speed, 0.0, 3.0)
        self._phase = (self._phase + speed * self._period) % 1.0
        self._rate = speed
        return RhythmSample(self._phase, self._rate)
