"""Absolute deadlines and the statistics of a loop that keeps them; times come from the caller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class Pacer:
    """Deadlines ``start + k × period`` for the ticks of a loop.

    A loop that falls behind by more than ``slip`` periods does not hurry through the lost ticks: its
    deadlines move, and each one moved counts as missed.
    """

    def __init__(self, period_s: float, start_s: float, slip: int = 2) -> None:
        self._period = period_s
        self._slip = slip * period_s
        self._next = start_s
        self.missed = 0
        """Ticks begun more than a period late."""

    @property
    def deadline_s(self) -> float:
        """Time at which the next tick is to begin [s]."""
        return self._next

    def begin(self, now_s: float) -> float:
        """Take note that the next tick begins; return how late it is [s]."""
        late = now_s - self._next
        if late > self._period:
            self.missed += 1
        self._next += self._period
        if late > self._slip:
            self._next = now_s + self._period
        return late


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a series, in the unit of the series; not-a-number when it is empty."""

    count: int
    mean: float
    p50: float
    p99: float
    p999: float
    max: float


class Series:
    """The newest ``capacity`` values of a measurement, without allocation after the start."""

    def __init__(self, capacity: int = 1 << 17) -> None:
        self._values: NDArray[np.float32] = np.zeros(capacity, dtype=np.float32)
        self._count = 0

    def add(self, value: float) -> None:
        """Take one value in."""
        self._values[self._count % len(self._values)] = value
        self._count += 1

    def clear(self) -> None:
        """Forget everything."""
        self._count = 0

    def spread(self) -> Spread:
        """Return the percentiles of what is kept."""
        kept = self._values[: min(self._count, len(self._values))]
        if not len(kept):
            nan = float("nan")
            return Spread(0, nan, nan, nan, nan, nan)
        p50, p99, p999 = np.percentile(kept, [50.0, 99.0, 99.9])
        return Spread(self._count, float(kept.mean()), float(p50), float(p99), float(p999), float(kept.max()))
