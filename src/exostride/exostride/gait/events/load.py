"""Heel strike and toe off from the load under the foot: adaptive thresholds with hysteresis."""

from __future__ import annotations

import math

from exostride.gait.phase.settings import EventParameters


class LoadDetector:
    """Contact of one foot from its load cells.

    The foot is down when the load rises above ``low + f_on (high − low)`` and up when it falls below
    ``low + f_off (high − low)``, where ``low`` and ``high`` are envelopes that follow new extremes at once
    and fade towards the present load within ``load_memory_s``: drift, unloading by a harness and body
    weight need no setting. ``low`` is at most ``load_lifted_fraction`` of ``high``, so that shifting weight
    while standing is no step. The time of an event is interpolated linearly between the two samples around
    the threshold. A device with a heel cell only shows heel off, not toe off; :attr:`has_toe` tells.
    """

    __slots__ = ("_high", "_load", "_low", "_p", "_time", "_toe_high", "down", "ready")

    def __init__(self, parameters: EventParameters) -> None:
        self._p = parameters
        self.reset()

    def reset(self) -> None:
        """Forget envelopes and contact."""
        self._high = -math.inf
        self._low = math.inf
        self._toe_high = 0.0
        self._load = math.nan
        self._time = math.nan
        self.down = False
        self.ready = False

    @property
    def has_toe(self) -> bool:
        """Whether the cell under the toes has ever been loaded."""
        return self._toe_high > self._p.load_minimum_n

    def step(self, t: float, heel_n: float, toe_n: float) -> tuple[int, float]:
        """Take one sample; return (+1 contact, −1 release, 0 nothing) and the interpolated time [s]."""
        load = heel_n + toe_n
        last, last_t = self._load, self._time
        self._load, self._time = load, t
        self._toe_high = max(self._toe_high, toe_n)
        if not math.isfinite(last) or t <= last_t:
            self._high = max(self._high, load)
            self._low = min(self._low, load)
            return 0, t
        fade = min((t - last_t) / self._p.load_memory_s, 1.0)
        self._high = max(load, self._high + (load - self._high) * fade)
        self._low = min(load, self._low + (load - self._low) * fade)
        # A foot that stands all the time shows no low end: what it then bears less for is no step.
        low = min(self._low, self._p.load_lifted_fraction * self._high)
        span = self._high - low
        if span < self._p.load_minimum_n:
            self.ready = False
            return 0, t
        first = not self.ready
        self.ready = True
        on = low + self._p.load_threshold_fraction * span
        off = low + self._p.load_release_fraction * span
        if first:
            self.down = load > on
            return (1, _crossing(last_t, last, t, load, on)) if self.down and last <= on else (0, t)
        if not self.down and load > on:
            self.down = True
            return 1, _crossing(last_t, last, t, load, on)
        if self.down and load < off:
            self.down = False
            return -1, _crossing(last_t, last, t, load, off)
        return 0, t


def _crossing(t0: float, x0: float, t1: float, x1: float, level: float) -> float:
    if x1 == x0:
        return t1
    return t0 + (t1 - t0) * min(max((level - x0) / (x1 - x0), 0.0), 1.0)
