"""Heel strike and toe off from the thigh's rate alone, causally; whether a leg has swung, from its angle.

At the end of swing the thigh stops rising, about 8 % of the cycle before the heel strikes (84 to 92 % in
published sets). The rate is low-passed towards its fundamental; its fall through zero after a positive
swing peak marks that turn. The peak itself, when the thigh swings forward fastest, follows toe off by a few
per cent of the cycle.
"""

from __future__ import annotations

import math

from exostride.gait.phase.settings import EventParameters

FURTHEST_RAD = 1.6
"""No thigh of a walker is further from the vertical [rad]."""
SHORTER = 0.7
"""What is left of the usual swing with each stance in a row that no swing led to."""
SHORTEST = 0.2
"""The least part of the range seen that may pass for the usual swing,"""
STANDING_RAD = 0.07
"""and the least range: a leg that trembles takes no step."""


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


class Swing:
    """Whether a leg has swung since its foot was lifted: its thigh has gone forward as it does in a swing.

    Between toe off and heel strike a thigh goes forward through 0.7 of its range in walking at any speed
    (Schwartz 2008). A foot that comes down where it left has scuffed or bounced: a landing needs
    ``swing_fraction`` of the walker's swings so far, or of the range seen of late, before the second. Either
    gives way when stance follows stance without a swing: who sat or was moved before walking has shown a
    range that no step has.
    """

    __slots__ = (
        "_angle",
        "_down_s",
        "_far",
        "_high",
        "_low",
        "_odd",
        "_origin",
        "_p",
        "_refused",
        "_share",
        "_swings",
        "_time",
        "_usual",
    )

    def __init__(self, parameters: EventParameters) -> None:
        self._p = parameters
        self.reset()

    def reset(self) -> None:
        """Forget swings and foot."""
        self._high, self._low = -math.inf, math.inf
        self._origin = self._angle = self._time = math.nan
        self._far = self._usual = 0.0
        self._share = 1.0
        self._down_s = -math.inf
        self._refused = False
        self._odd = 0
        self._swings = 0

    def step(self, t: float, angle_rad: float) -> None:
        """Take one sample of the thigh's angle."""
        angle = min(max(angle_rad, -FURTHEST_RAD), FURTHEST_RAD)
        dt = t - self._time
        self._time, self._angle = t, angle
        if not math.isfinite(self._high):
            self._high = self._low = angle
        fade = min(max(dt / self._p.thigh_memory_s, 0.0), 1.0) if math.isfinite(dt) else 0.0
        self._high = max(angle, self._high + (angle - self._high) * fade)
        self._low = min(angle, self._low + (angle - self._low) * fade)
        self._far = max(self._far, angle - self._origin)

    def lifted(self, t: float) -> bool:
        """Take note that the foot has left the ground.

        Returns
        -------
        Whether it had stood again since a landing that was refused: the toe off before that was none.
        """
        if t - self._down_s < self._p.stance_min_s:
            return False
        again, self._refused = self._refused, False
        if again:
            self._odd += 1
            if self._odd > 1:
                # A stance that bounces once a stride is one. Refused one after another, with no landing
                # between them, they are the walker's new, shorter steps.
                shorter = SHORTER * (SHORTER if self._odd == 2 else 1.0)
                self._share = max(shorter * self._share, SHORTEST)
                self._usual = max(shorter * self._usual, SHORTEST * self._range, STANDING_RAD)
        self._origin, self._far = self._angle, 0.0
        return again

    def landed(self, t: float) -> bool:
        """Return whether the foot, which touches the ground now, comes from a swing (or nothing is known)."""
        self._down_s = t
        if not math.isfinite(self._origin) or t - self._time > self._p.swing_min_s:
            return True
        known, far = self._swings > 1, self._far
        usual = self._usual
        if not known:
            usual = max(self._share * self._range, min(self._range, STANDING_RAD))
        self._refused = far < self._p.swing_fraction * usual
        if not self._refused:
            self._odd = 0
            self._usual += 0.3 * (min(far, 1.5 * usual) - usual) if known else far - self._usual
            self._swings += 1
        return not self._refused

    @property
    def _range(self) -> float:
        return self._high - self._low
