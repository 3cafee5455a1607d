"""Heel strikes and toe offs of one leg from whatever is measured, with plausibility checks."""

from __future__ import annotations

import math

from exostride.gait.events.load import LoadDetector
from exostride.gait.events.thigh import ThighDetector
from exostride.gait.phase.settings import EventParameters
from exostride.gait.phase.signals import LegSample
from exostride.types import EventKind


class LegEvents:
    """Events of one leg: foot load where it is measured, otherwise the thigh.

    Attributes
    ----------
    stride_s : float
        Running stride time [s], NaN before two strikes.
    exact : bool
        The last heel strike came from load cells.
    strike_s, toe_off_s : float
        Time of the last heel strike and toe off [s], NaN before the first.
    """

    __slots__ = ("_load", "_p", "_thigh", "exact", "stride_s", "strike_s", "toe_off_s")

    def __init__(self, parameters: EventParameters) -> None:
        self._p = parameters
        self._load = LoadDetector(parameters)
        self._thigh = ThighDetector(parameters)
        self.reset()

    def reset(self) -> None:
        """Forget everything seen."""
        self._load.reset()
        self._thigh.reset()
        self.stride_s = self.strike_s = self.toe_off_s = math.nan
        self.exact = False

    @property
    def contact(self) -> bool | None:
        """Whether the foot is down according to its load cells, None without them."""
        return self._load.down if self._load.ready else None

    def step(self, t: float, leg: LegSample) -> tuple[int, float, float] | None:
        """Return (kind, time [s], probability that it is real) of an event in this tick, or None."""
        found: tuple[int, float, float] | None = None
        loaded = self._p.use_foot_load and leg.load_ok
        if loaded:
            change, at = self._load.step(t, leg.heel_n, leg.toe_n)
            if change > 0:
                found = (int(EventKind.HEEL_STRIKE), at, 0.98)
                self.exact = True
            elif change < 0 and self._load.has_toe:
                found = (int(EventKind.TOE_OFF), at, 0.98)
        if leg.ok:
            turn = self._thigh.step(t, leg.rate_rad_s)
            if not math.isnan(turn) and not (loaded and self._load.ready):
                period = self.stride_s if math.isfinite(self.stride_s) else 1.2
                at = min(turn + self._p.thigh_strike_lag_cycle * period, t)
                found = (int(EventKind.HEEL_STRIKE), at, 0.9)
                self.exact = False
        return self._accept(found) if found is not None else None

    def _accept(self, found: tuple[int, float, float]) -> tuple[int, float, float] | None:
        kind, at, _ = found
        last = self.strike_s if kind == EventKind.HEEL_STRIKE else self.toe_off_s
        gap = at - last
        if gap < self._p.refractory_s:
            return None
        if kind == EventKind.TOE_OFF:
            self.toe_off_s = at
            return found
        self.strike_s = at
        if gap < 4.0:
            previous = self.stride_s
            self.stride_s = gap if not math.isfinite(previous) else previous + 0.5 * (gap - previous)
        else:
            self.stride_s = math.nan
        return found
