"""Heel strikes and toe offs of one leg from whatever is measured, with plausibility checks."""

from __future__ import annotations

import math

from exostride.gait.events.foot import FootDetector
from exostride.gait.events.load import LoadDetector
from exostride.gait.events.thigh import Swing, ThighDetector
from exostride.gait.phase.settings import EventParameters
from exostride.gait.phase.signals import LegSample
from exostride.types import EventKind

_STRIKE, _OFF = int(EventKind.HEEL_STRIKE), int(EventKind.TOE_OFF)
LOAD, FOOT, THIGH = 3, 2, 1
"""Sources, the better one higher: load cells, motion of the foot, motion of the thigh."""
PROBABILITY = {LOAD: 0.98, FOOT: 0.95, THIGH: 0.85}
STRIDE_MAX_S = 4.0


class LegEvents:
    """Events of one leg from the best source that is at work: foot load, foot kinematics, thigh.

    All detectors run side by side, so that a better one that fails is replaced at once. An event is accepted
    when it lies ``refractory_s`` after the last of its kind and does not contradict the last one of the other
    kind (shortest stance and swing). A foot that touches the ground before its thigh has swung is a scuff or
    a bounce, not a heel strike (:class:`Swing`).

    Attributes
    ----------
    exact : bool
        The last heel strike came from load cells.
    stride_s : float
        Running stride time [s], NaN before two strikes.
    strides : int
        Strides that ``stride_s`` rests on.
    strike_s, toe_off_s : float
        Time of the last heel strike and toe off [s], NaN before the first.
    """

    __slots__ = (
        "_foot",
        "_foot_seen",
        "_load",
        "_off_before_s",
        "_p",
        "_swing",
        "_thigh",
        "exact",
        "stride_s",
        "strides",
        "strike_s",
        "toe_off_s",
    )

    def __init__(self, parameters: EventParameters) -> None:
        self._p = parameters
        self._load = LoadDetector(parameters)
        self._foot = FootDetector(parameters)
        self._thigh = ThighDetector(parameters)
        self._swing = Swing(parameters)
        self.reset()

    def reset(self) -> None:
        """Forget everything seen."""
        self._load.reset()
        self._foot.reset()
        self._thigh.reset()
        self._swing.reset()
        self._off_before_s = math.nan
        self._foot_seen = -math.inf
        self.stride_s = self.strike_s = self.toe_off_s = math.nan
        self.strides = 0
        self.exact = False

    @property
    def contact(self) -> bool | None:
        """Whether the foot is down according to its load cells, None without them."""
        return self._load.down if self._load.ready else None

    def step(self, t: float, leg: LegSample) -> tuple[int, float, float] | None:
        """Return (kind, time [s], probability that it is real) of an event in this tick, or None."""
        p = self._p
        found: tuple[int, float] | None = None
        source = 0
        strike_by = off_by = THIGH
        stride = self.stride_s if math.isfinite(self.stride_s) else p.initial_stride_s
        if leg.ok:
            self._swing.step(t, leg.angle_rad)
            kind, at = self._thigh.step(t, leg.rate_rad_s)
            if kind:
                lag = p.thigh_strike_lag_cycle if kind > 0 else -p.thigh_off_lag_cycle
                found, source = ((_STRIKE if kind > 0 else _OFF), at + lag * stride), THIGH
        if leg.shank_ok:
            self._foot_seen = t
            kind, at = self._foot.step(t, leg.angle_rad, leg.shank_rad)
            if kind:
                lag = p.foot_strike_lag_cycle if kind > 0 else p.foot_off_lag_cycle
                found, source = ((_STRIKE if kind > 0 else _OFF), at + lag * stride), FOOT
        if t - self._foot_seen < STRIDE_MAX_S:
            strike_by = off_by = FOOT
        if p.use_foot_load and leg.load_ok:
            change, at = self._load.step(t, leg.heel_n, leg.toe_n)
            if change > 0 and not self._swing.landed(t):
                change = 0
            elif change < 0 and self._swing.lifted(t):
                # The foot stood again where it had left: what was taken for its toe off was none.
                self.toe_off_s = self._off_before_s
            if change > 0 or (change < 0 and self._load.has_toe):
                found, source = ((_STRIKE if change > 0 else _OFF), at), LOAD
            if self._load.ready:
                strike_by = LOAD
                off_by = LOAD if self._load.has_toe else off_by
        if found is None or source < (strike_by if found[0] == _STRIKE else off_by):
            return None
        return self._accept(found[0], min(found[1], t), source)

    def _accept(self, kind: int, at: float, source: int) -> tuple[int, float, float] | None:
        p = self._p
        if kind == _OFF:
            if at - self.toe_off_s < p.refractory_s or at - self.strike_s < p.stance_min_s:
                return None
            self._off_before_s, self.toe_off_s = self.toe_off_s, at
            return kind, at, PROBABILITY[source]
        gap = at - self.strike_s
        if gap < p.refractory_s or at - self.toe_off_s < p.swing_min_s:
            return None
        self.strike_s = at
        self.exact = source == LOAD
        if gap < STRIDE_MAX_S:
            # A pause in standing must not pass for a slow stride.
            last = self.stride_s
            # Before the first true strike a shuffle may have been taken for one: cells are sure of the next.
            trusted = self.strides > 1 or (self.strides == 1 and not self.exact)
            self.stride_s = last + 0.5 * (min(gap, 1.8 * last) - last) if trusted else gap
            self.strides += 1
        else:
            self.stride_s = math.nan
            self.strides = 0
        return kind, at, PROBABILITY[source]
