r"""Phase variable: the thigh angle against its integral, normalised online.

Villarreal, Poonawala & Gregg 2017 (IEEE TNSRE 25:265) and Quintero et al. 2018 (IEEE T-RO 34:686): in the
plane of thigh angle and its integral walking is nearly a circle, and the polar angle is a phase that the
walker, not a clock, moves on,

.. math:: \vartheta = \operatorname{atan2}\left(k\,\Theta,\ \theta - \gamma\right), \qquad
          \Theta = \int (\theta - \gamma)\,dt, \qquad
          k = \frac{\theta_{max} - \theta_{min}}{\Theta_{max} - \Theta_{min}},

with centre and scale from the last stride. The polar angle does not rise evenly: a table from polar angle to
phase, learned from completed strides, makes it linear in time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.gait.phase.base import TwoLegEstimator
from exostride.gait.phase.settings import EventParameters, ShellParameters, parse
from exostride.gait.phase.signals import LegSample

KNOTS = 48
SAMPLES = 1024
_GRID = np.arange(KNOTS + 1) / KNOTS


class PhaseVariableParameters(ShellParameters):
    """Parameters of :class:`PhaseVariable`."""

    events: EventParameters = EventParameters()
    leak_s: float = Field(default=4.0, gt=0.1)
    table_gain: float = Field(default=0.3, gt=0.0, le=1.0)
    smooth_s: float = Field(default=0.03, gt=0.0)


class PhaseVariableLeg:
    """One leg; see the module's equations."""

    __slots__ = (
        "_angles",
        "_centre",
        "_duration",
        "_extremes",
        "_integral",
        "_last",
        "_n",
        "_offset",
        "_p",
        "_scale",
        "_store",
        "_strides",
        "_sum",
        "_table",
        "_times",
        "confidence",
        "lost",
        "phase",
        "rate_hz",
    )

    def __init__(self, parameters: PhaseVariableParameters) -> None:
        self._p = parameters
        self._times = np.zeros(SAMPLES)
        self._angles = np.zeros(SAMPLES)
        self.reset()

    def reset(self) -> None:
        """Forget everything learned."""
        self._n = 0
        self._store = 0.0
        self._centre = math.nan
        self._integral = self._sum = self._duration = 0.0
        self._extremes = [math.inf, -math.inf, math.inf, -math.inf]
        self._scale = 2.0 * math.pi * 0.8
        self._offset = 0.0
        self._table = _GRID.tolist()
        self._last = math.nan
        self._strides = 0
        self.phase = 0.0
        self.rate_hz = 0.8
        self.confidence = 0.0
        self.lost = False

    def advance(self, t: float, dt: float, leg: LegSample, walking: bool) -> None:
        """Follow the polar angle."""
        if not leg.ok or dt <= 0.0:
            self.phase = (self.phase + self.rate_hz * dt) % 1.0
            self.confidence *= 0.98
            return
        if math.isnan(self._centre):
            self._centre = leg.angle_rad
        x = leg.angle_rad - self._centre
        self._sum += x * dt
        self._duration += dt
        self._integral += x * dt - self._integral * min(dt / self._p.leak_s, 1.0)
        low, high, least, most = self._extremes
        self._extremes = [min(low, x), max(high, x), min(least, self._integral), max(most, self._integral)]
        polar = math.atan2(self._scale * self._integral, x) / (2.0 * math.pi) % 1.0
        if t >= self._store and self._n < SAMPLES:
            self._times[self._n], self._angles[self._n] = t, polar
            self._n += 1
            self._store = t + 0.0079
        if not walking:
            self.confidence = 0.0
            return
        x = (polar - self._offset) % 1.0 * KNOTS
        i = min(int(x), KNOTS - 1)
        target = self._table[i] + (x - i) * (self._table[i + 1] - self._table[i])
        self.phase = (self.phase + self.rate_hz * dt) % 1.0
        error = (target - self.phase + 0.5) % 1.0 - 0.5
        self.phase = (self.phase + error * min(dt / self._p.smooth_s, 1.0)) % 1.0
        self.confidence = 0.0 if self._strides == 0 else min(0.2 + 0.2 * self._strides, 0.75)

    def strike(self, at: float, t: float, exact: bool) -> None:
        """Normalise by the stride that ends here, and learn the table from it."""
        gap = at - self._last
        n = self._n
        low, high, least, most = self._extremes
        self._extremes = [math.inf, -math.inf, math.inf, -math.inf]
        total, elapsed, self._sum, self._duration = self._sum, self._duration, 0.0, 0.0
        if self._p.stride_min_s < gap < self._p.stride_max_s and n > 8 and high > low:
            self.rate_hz = 1.0 / gap
            self._learn(gap)
            # Centred on the stride's mean the integral comes back after each stride; its middle is taken out.
            self._centre += 0.5 * total / max(elapsed, 1e-6)
            self._integral -= 0.5 * 0.5 * (least + most)
            if most > least:
                self._scale += 0.5 * ((high - low) / (most - least) - self._scale)
            self._strides += 1
        self._last = at
        keep = int(np.searchsorted(self._times[:n], at - 0.02))
        self._times[: n - keep] = self._times[keep:n]
        self._angles[: n - keep] = self._angles[keep:n]
        self._n = n - keep

    def _learn(self, gap: float) -> None:
        """Take the stride's polar angle over time into the table."""
        times, polar = self._times[: self._n], self._angles[: self._n]
        inside = (times >= self._last) & (times <= self._last + gap)
        if inside.sum() < 8:
            return
        turned = np.unwrap(polar[inside], period=1.0)
        if not 0.8 < turned[-1] - turned[0] < 1.2:
            return
        gain = 1.0 if self._strides == 0 else self._p.table_gain
        start = float(turned[0] % 1.0)
        self._offset = (self._offset + gain * ((start - self._offset + 0.5) % 1.0 - 0.5)) % 1.0
        rising = np.maximum.accumulate(turned - turned[0])
        phase = (times[inside] - self._last) / gap
        rising = rising / rising[-1] + 1e-6 * np.arange(len(rising))
        new = np.interp(_GRID, rising, phase)
        new[0], new[-1] = 0.0, 1.0
        self._table = ((1.0 - gain) * np.array(self._table) + gain * new).tolist()


class PhaseVariable(TwoLegEstimator):
    """Polar angle of thigh angle and its integral, one phase variable a leg.

    Parameters
    ----------
    period_s : nominal sample period [s]
    parameters : see :class:`PhaseVariableParameters`
    """

    def __init__(self, period_s: float, parameters: Mapping[str, Any]) -> None:
        p = parse(PhaseVariableParameters, parameters, "phase_variable")
        super().__init__(lambda: PhaseVariableLeg(p), p.events, p)
        self.period_s = period_s
