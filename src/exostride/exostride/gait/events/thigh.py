"""Heel strike from the thigh's rate alone, causally.

At the end of swing the thigh stops rising, about 8 % of the cycle before the heel strikes (84 to
92 % in published sets). The rate is low-passed to its fundamental; its fall through zero, after a
positive swing peak, marks that turn.
"""

from __future__ import annotations

import math

from exostride.gait.phase.settings import EventParameters


class ThighDetector:
    """Turning point of the thigh at the end of swing, from a causal second-order low-pass.

    The filter is critically damped, ``H = (tau s + 1)^-2``: no overshoot, group delay ``2 tau`` at
    low frequency, which is taken off the time of the crossing.
    """

    __slots__ = ("_armed", "_p", "_peak", "_tau", "_time", "_x1", "_x2", "rate_rad_s")

    def __init__(self, parameters: EventParameters) -> None:
        self._p = parameters
        self._tau = 1.0 / (2.0 * math.pi * parameters.thigh_cutoff_hz)
        self.reset()

    def reset(self) -> None:
        """Forget the filter and the size of the swing."""
        self._x1 = self._x2 = 0.0
        self._peak = 0.0
        self._armed = False
        self._time = math.nan
        self.rate_rad_s = 0.0

    def step(self, t: float, rate_rad_s: float) -> float:
        """Take one sample of the thigh's rate; return the time [s] of the turn, NaN if there is none."""
        dt = t - self._time
        self._time = t
        if not dt > 0.0:
            if math.isnan(dt):
                self._x1 = self._x2 = rate_rad_s
            return math.nan
        gain = -math.expm1(-dt / self._tau)
        before = self._x2
        self._x1 += (rate_rad_s - self._x1) * gain
        self._x2 += (self._x1 - self._x2) * gain
        now = self._x2
        self.rate_rad_s = now
        self._peak += (0.0 - self._peak) * min(dt / self._p.thigh_memory_s, 1.0)
        self._peak = max(self._peak, now)
        if now > max(self._p.thigh_arm_fraction * self._peak, self._p.thigh_arm_minimum_rad_s):
            self._armed = True
        if self._armed and before > 0.0 >= now:
            self._armed = False
            return t - dt * (now / (now - before) if now < before else 0.0) - 2.0 * self._tau
        return math.nan
