"""Heel strike and toe off from the motion of the ankle relative to the hip, causally.

Zeni, Richards & Higginson 2008 (Gait & Posture 27:710): the foot is furthest forward of the pelvis at heel
strike and furthest back at toe off. Their markers are replaced by forward kinematics of thigh and shank in
the sagittal plane, and their look at the whole trial by a turning-point detector with hysteresis.
"""

from __future__ import annotations

import math

from exostride.gait.phase.settings import EventParameters


class FootDetector:
    """Turning points of the ankle's fore-aft position in thigh lengths, ``x = sin(thigh) + sin(shank)``.

    A turn is believed once the ankle has come back from its extreme by ``foot_return_fraction`` of its
    running range; its time is that of the extreme, by a parabola through the samples around it. Thigh and
    shank are taken as equally long: a few per cent of difference move no turning point.
    """

    __slots__ = (
        "_best",
        "_best_t",
        "_direction",
        "_high",
        "_last",
        "_left",
        "_low",
        "_origin",
        "_p",
        "_pending",
        "_time",
    )

    def __init__(self, parameters: EventParameters) -> None:
        self._p = parameters
        self.reset()

    def reset(self) -> None:
        """Forget position and range."""
        self._time = math.nan
        self._last = math.nan
        self._direction = 0
        self._high = -math.inf
        self._low = math.inf
        self._best = self._best_t = self._left = math.nan
        self._origin = math.nan
        self._pending = False

    def step(self, t: float, thigh_rad: float, shank_rad: float) -> tuple[int, float]:
        """Take one sample; return (+1 furthest forward, −1 furthest back, 0 nothing) and the time [s]."""
        x = math.sin(thigh_rad) + math.sin(shank_rad)
        dt = t - self._time
        if not 0.0 < dt < self._p.foot_memory_s:
            if dt != 0.0:
                self.reset()
                self._time, self._last = t, x
                self._best, self._best_t, self._origin = x, t, x
                self._high = self._low = x
            return 0, t
        fade = dt / self._p.foot_memory_s
        self._high = max(x, self._high + (x - self._high) * fade)
        self._low = min(x, self._low + (x - self._low) * fade)
        need = self._p.foot_return_fraction * max(self._high - self._low, self._p.foot_range_minimum)
        found = self._turn(t, x, need, dt)
        self._time, self._last = t, x
        return found

    def _turn(self, t: float, x: float, need: float, dt: float) -> tuple[int, float]:
        if self._direction == 0:
            # Which way the foot goes is not known before it has moved by a part of the threshold.
            moved = x - self._origin
            if abs(moved) > 0.5 * need:
                self._direction = 1 if moved > 0.0 else -1
                self._best, self._best_t, self._left = x, t, self._last
            return 0, t
        sign = self._direction
        if sign * (x - self._best) > 0.0:
            self._best, self._best_t, self._left = x, t, self._last
            self._pending = True
            return 0, t
        if self._pending:
            # First sample past the extreme: a parabola places the extreme between the samples.
            curve = self._left - 2.0 * self._best + x
            if abs(curve) > 1e-12:
                self._best_t += dt * min(max(0.5 * (self._left - x) / curve, -1.0), 1.0)
            self._pending = False
        if sign * (self._best - x) < need:
            return 0, t
        at = self._best_t
        self._direction = -sign
        self._best, self._best_t, self._left = x, t, self._last
        return sign, at
