r"""Learning of a person's gait map from strides that lie behind: segmentation, alignment, evidence.

Raw heel strikes jitter by one or two per cent of the cycle when they come from the thigh alone. A whole
stride knows better where it begins than its turning point does: once the next strike is seen, the strike is
moved by the shift :math:`\delta` that maximises the likelihood of the half cycles around it under the map,

.. math:: \min_\delta \sum_{i} \frac{\left(y_i(\delta) - m(\varphi_i, r)\right)^2}{\sigma^2(\varphi_i)},

by three Gauss-Newton steps. Such labels refer to the map itself and would drift with it; a small share
(``tether``) of the raw strike keeps them tied to the event. Strikes from foot load are taken as they are.
"""

from __future__ import annotations

import math

import numpy as np

from exostride.gait.phase.gaitmap import BINS, PHASES, GaitMap
from exostride.gait.phase.history import SignalHistory
from exostride.gait.phase.settings import FilterParameters

WINDOW = np.arange(-BINS // 2, BINS // 2) / BINS
GAP_S = 0.1
"""A stride with a longer hole in its samples is not learned [s]."""
SHIFT_LIMIT = 0.12
"""An alignment that would move a strike further than this part of a cycle is not believed."""


class StrideLearner:
    """Past of one leg, its strikes and the map made of them.

    ``stride_hz`` is the rate of the last believed stride, 0 before the first;
    ``offset_rad`` the mean thigh angle of the last stride learned.
    """

    __slots__ = ("_before", "_p", "_refined", "_strikes", "map", "offset_rad", "past", "stride_hz")

    def __init__(self, parameters: FilterParameters) -> None:
        p = parameters
        self._p = p
        self.map = GaitMap(p.map_forget, p.map_ridge_hz, p.map_angle_floor_rad, p.map_rate_floor_rad_s)
        self.past = SignalHistory()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.map.reset()
        self.past.reset()
        self.pause()
        self.stride_hz = 0.0
        self.offset_rad = 0.0

    def pause(self) -> None:
        """Forget the strikes, not the map: the walker stood, or samples are missing."""
        self._strikes: list[float] = []
        self._refined: list[float] = []
        self._before: tuple[object, ...] | None = None

    @property
    def last_strike_s(self) -> float:
        """Time of the last strike [s], NaN if there is none since the last pause."""
        return self._strikes[-1] if self._strikes else math.nan

    def strike(self, at: float, exact: bool, expected: float) -> None:
        """Take in a heel strike and learn what it completes.

        Parameters
        ----------
        at : time of the strike [s]
        exact : it comes from foot load
        expected : time [s] at which the filter had its phase at zero
        """
        p = self._p
        raw, refined = self._strikes, self._refined
        gap = at - raw[-1] if raw else math.nan
        if not p.stride_min_s < gap < p.stride_max_s:
            self.pause()
            raw, refined = self._strikes, self._refined
        raw.append(at)
        refined.append(at)
        if len(raw) > 1:
            self.stride_hz = 1.0 / gap
            if exact:
                self._learn(raw[-2], at)
                self._before = None
            else:
                self._learn_aligned(at, expected)
        if len(raw) > 3:
            raw.pop(0)
            refined.pop(0)
        self.past.forget_before(raw[0] - (0.6 * gap if len(raw) > 1 else p.stride_max_s))

    def _learn_aligned(self, at: float, expected: float) -> None:
        """Replace the provisional last stride by its aligned form; take the newest in provisionally."""
        refined = self._refined
        if len(refined) > 2 and self.map.ready:
            if self._before is not None:
                self.map.restore(self._before)
            refined[-2] = self._align(refined[-3], self._strikes[-2], at)
            if self._before is not None:
                self._learn(refined[-3], refined[-2])
        self._before = self.map.snapshot() if self.map.ready else None
        end = at
        if self.map.strides and abs(expected - at) < SHIFT_LIMIT / self.stride_hz:
            end = 0.5 * (at + expected)
        self._learn(refined[-2], end)

    def _learn(self, start: float, end: float) -> None:
        if not self.past.covers(start, end, GAP_S):
            return
        angle, rate = self.past.at(start + (end - start) * PHASES)
        self.offset_rad = float(angle.mean())
        self.map.learn(angle, rate, 1.0 / (end - start))

    def _align(self, before: float, at: float, after: float) -> float:
        """Return the strike ``at`` moved to where the cycle around it fits the map best."""
        first, second = at - before, after - at
        if not self.past.covers(at - 0.6 * first, at + 0.6 * second, GAP_S):
            return at
        times = at + np.where(WINDOW < 0.0, WINDOW * first, WINDOW * second)
        rate_hz = np.where(WINDOW < 0.0, 1.0 / first, 1.0 / second)
        model, slope, variance = self.map.curve(WINDOW, rate_hz)
        slope = slope * rate_hz
        weight = slope / variance
        norm = float(np.sum(weight * slope))
        shift = 0.0
        for _ in range(3):
            y = self.past.at(times + shift)
            y[0] += model[0].mean() - y[0].mean()
            step = float(np.sum(weight * (model - y))) / norm
            shift += min(max(step, -0.1), 0.1)
        if abs(shift) > SHIFT_LIMIT * second:
            return at
        return at + (1.0 - self._p.tether) * shift
