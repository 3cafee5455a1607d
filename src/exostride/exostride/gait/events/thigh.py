"""Heel strike and toe off from the thigh's rate alone, causally.

At the end of swing the thigh stops rising, about 8 % of the cycle before the heel strikes (84 to 92 % in
published sets). The rate is low-passed towards its fundamental; its fall through zero after a positive
swing peak marks that turn. The peak itself, when the thigh swings forward fastest, follows toe off by a few
per cent of the cycle.
"""

from __future__ import annotations

import math

from exostride.gait.phase.settings import EventParameters


class ThighDetector:
    """Turning point and fastest swing of the thigh, from a causal second-order low-pass of its rate.

    The filter is critically damped, ``H = (tau s + 1)^-2``: no overshoot, group delay ``2 tau`` at low
    frequency, which is taken off the times.
    """

    __slots__ = ("_armed", "_p", "_peak", "_rise", "_rise_t", "_tau", "_time", "_x1", "_x2")

    def __init__(self, parameters: EventParameters) -> None:
        self._p = parameters
        self._tau = 1.0 / (2.0 * math.pi * parameters.thigh_cutoff_hz)
        self.reset()

    def reset(self) -> None:
        """Forget the filter and the size of the swing."""
        self._x1 = self._x2 = 0.0
        self._peak = 0.0
        self._armed = False
        self._rise = self._rise_t = 0.0
        self._time = math.nan

    def step(self, t: float, rate_rad_s: float) -> tuple[int, float]:
        """Take one sample; return (+1 forward turn, −1 fastest swing, 0 nothing) and the time [s]."""
        dt = t - self._time
        self._time = t
        if not dt > 0.0:
            if math.isnan(dt):
                self._x1 = self._x2 = rate_rad_s
            return 0, t
        p = self._p
        gain = -math.expm1(-dt / self._tau)
        before = self._x2
        self._x1 += (rate_rad_s - self._x1) * gain
        now = before + (self._x1 - before) * gain
        self._x2 = now
        self._peak = max(now, self._peak * (1.0 - min(dt / p.thigh_memory_s, 1.0)))
        if now > max(p.thigh_arm_fraction * self._peak, p.thigh_arm_minimum_rad_s):
            self._armed = True
        if not self._armed:
            return 0, t
        if now > self._rise:
            self._rise, self._rise_t = now, t
            return 0, t
        delay = 2.0 * self._tau
        if self._rise_t > -1e8 and now < 0.9 * self._rise:
            at, self._rise_t = self._rise_t, -1e9
            return -1, at - delay
        if before > 0.0 >= now:
            self._armed = False
            self._rise, self._rise_t = 0.0, 0.0
            return 1, t - dt * now / (now - before) - delay
        return 0, t
