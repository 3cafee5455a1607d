"""The recent past of one leg's thigh signals, in arrays of constant size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exostride.types import Vector

CAPACITY = 4096
"""Samples kept: more than two strides of the longest duration at the storing rate."""

STORE_PERIOD_S = 0.0039
"""Samples closer together than this are not stored [s]: 250 Hz shows a thigh's motion in full."""


class SignalHistory:
    """Times, thigh angles and rates of the recent past; the oldest half is dropped when full."""

    __slots__ = ("_angle", "_n", "_next", "_rate", "_time")

    def __init__(self) -> None:
        self._time = np.zeros(CAPACITY)
        self._angle = np.zeros(CAPACITY)
        self._rate = np.zeros(CAPACITY)
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self._n = 0
        self._next = -np.inf

    def add(self, t: float, angle_rad: float, rate_rad_s: float) -> None:
        """Store one sample; times must increase."""
        if t < self._next:
            return
        if self._n == CAPACITY:
            self._drop(CAPACITY // 2)
        n = self._n
        self._time[n] = t
        self._angle[n] = angle_rad
        self._rate[n] = rate_rad_s
        self._n = n + 1
        self._next = t + STORE_PERIOD_S

    def forget_before(self, t: float) -> None:
        """Drop samples older than ``t``, but the last one of them, so that ``t`` can be interpolated."""
        n = int(np.searchsorted(self._time[: self._n], t)) - 1
        if n > 0:
            self._drop(n)

    def _drop(self, count: int) -> None:
        keep = self._n - count
        for column in (self._time, self._angle, self._rate):
            column[:keep] = column[count : self._n]
        self._n = keep

    def covers(self, start: float, end: float, gap_s: float) -> bool:
        """Return whether samples span [start, end] with no hole longer than ``gap_s``."""
        times = self._time[: self._n]
        if self._n < 8 or times[0] > start or times[-1] < end:
            return False
        first, last = np.searchsorted(times, (start, end))
        inside = times[max(first - 1, 0) : last + 1]
        return bool(np.diff(inside).max(initial=0.0) <= gap_s)

    def at(self, times: Vector) -> NDArray[np.float64]:
        """Return angle [rad] and rate [rad/s] at ``times`` (N,), linearly interpolated, shape (2, N)."""
        known = self._time[: self._n]
        return np.stack(
            (np.interp(times, known, self._angle[: self._n]), np.interp(times, known, self._rate[: self._n]))
        )

    def tail(self, since: float) -> NDArray[np.float64]:
        """Return time, angle and rate of the samples from ``since`` on, shape (3, N)."""
        first = int(np.searchsorted(self._time[: self._n], since))
        span = slice(first, self._n)
        return np.stack((self._time[span], self._angle[span], self._rate[span]))
