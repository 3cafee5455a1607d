r"""Time-based phase: time since the last heel strike over the duration of the last strides.

.. math:: \varphi(t) = \min\left(\frac{t - t_{HS}}{\bar T}, 0.999\right),

with the median of the last stride times below the line, as in most assistive devices that sense foot contact
(Kang et al. 2021 and Medrano et al. 2023 use it as their baseline). It can't know that a stride will be
longer than the last ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from exostride.gait.phase.base import TwoLegEstimator
from exostride.gait.phase.settings import EventParameters, ShellParameters, parse
from exostride.gait.phase.signals import LegSample


class TimeBasedParameters(ShellParameters):
    """Parameters of :class:`TimeBased`."""

    events: EventParameters = EventParameters()
    strides: int = Field(default=3, ge=1, le=20)


class TimeBasedLeg:
    """One leg; see the module's equation."""

    __slots__ = ("_last", "_p", "_times", "confidence", "lost", "phase", "rate_hz")

    def __init__(self, parameters: TimeBasedParameters) -> None:
        self._p = parameters
        self.reset()

    def reset(self) -> None:
        """Forget all strides."""
        self._times: list[float] = []
        self._last = math.nan
        self.phase = 0.0
        self.rate_hz = 0.0
        self.confidence = 0.0
        self.lost = False

    def advance(self, t: float, dt: float, leg: LegSample, walking: bool) -> None:
        """Let time pass."""
        if not self._times or not walking:
            self.confidence = 0.0
            return
        self.phase = min((t - self._last) * self.rate_hz, 0.999)
        spread = (max(self._times) - min(self._times)) * self.rate_hz
        # The error grows with the phase and with what the last strides differed by.
        sd = 0.02 + (0.02 + spread) * self.phase
        self.confidence = math.erf(0.05 / (1.4142135623730951 * sd)) if self.phase < 0.999 else 0.3

    def strike(self, at: float, t: float, exact: bool) -> None:
        """Start a new cycle at ``at``."""
        gap = at - self._last
        self._last = at
        if self._p.stride_min_s < gap < self._p.stride_max_s:
            self._times.append(gap)
            if len(self._times) > self._p.strides:
                self._times.pop(0)
            self.rate_hz = 1.0 / sorted(self._times)[len(self._times) // 2]
        else:
            self._times.clear()
        self.phase = min((t - at) * self.rate_hz, 0.999)


class TimeBased(TwoLegEstimator):
    """Time since heel strike over the median of the last stride times.

    Parameters
    ----------
    period_s : nominal sample period [s]
    parameters : see :class:`TimeBasedParameters`
    """

    def __init__(self, period_s: float, parameters: Mapping[str, Any]) -> None:
        p = parse(TimeBasedParameters, parameters, "time_based")
        super().__init__(lambda: TimeBasedLeg(p), p.events, p)
        self.period_s = period_s
