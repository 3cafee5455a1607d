# ruff: noqa: PLR1730 - a comparison is several times faster than min() and max() in the per-sample path
"""A first guess of the thigh's curve, until a person's own is known.

The shape is the thigh angle of the reference gait (:mod:`exostride.gait.reference`) at 1.2 m/s, scaled to a
range of one; its steepest rise is 5.0 ranges a cycle, nearly the same at all speeds, so that the range of
the angle and the peak of the rate together tell the stride rate before a stride is complete.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exostride.gait.phase.gaitmap import BINS, PHASES, GaitMap

# Schwartz et al. 2008 (J Biomech 41:1639) and Winter 1991, by the fit in config/norms/reference_gait.yaml.
_COS = np.array([0.4726, -0.0811, 0.0019, -0.0009, -0.0078, 0.0030])
_SIN = np.array([-0.1264, -0.0367, 0.0463, -0.0059, 0.0087, 0.0016])
_K = 2.0 * np.pi * np.arange(1, 7)
_C, _S = np.cos(np.outer(PHASES, _K)), np.sin(np.outer(PHASES, _K))

ANGLE = _C @ _COS + _S @ _SIN
"""Thigh angle over :data:`~exostride.gait.phase.gaitmap.PHASES` in ranges, mean zero."""
SLOPE = _C @ (_SIN * _K) - _S @ (_COS * _K)
"""Its derivative by phase [ranges per cycle]."""
STEEPEST = float(SLOPE.max())
PEAK = float(ANGLE.max())

RATE_HZ = (0.35, 1.4)
"""Stride rates that a first guess may have [Hz]."""
RANGE_RAD = (0.12, 1.4)
"""Ranges of the thigh angle that a first guess may have [rad]."""

SEARCH_RATES_HZ = (0.5, 0.7, 0.9, 1.1)
SEARCH_RANGES_RAD = (0.45, 0.65, 0.9)
SEARCH_ANGLE_SD_RAD = 0.08
SEARCH_RATE_SD_RAD_S = 0.7
SEARCH_OFFSET_SD_RAD = 0.25
FIT_LIMIT = 9.0


class FirstSwing:
    """Range of the thigh angle and peak of its rate before the first stride is known."""

    __slots__ = ("_high", "_low", "_peak", "_smooth")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self._low, self._high = np.inf, -np.inf
        self._smooth = self._peak = 0.0

    def add(self, angle_rad: float, rate_rad_s: float, dt: float) -> None:
        """Take in one sample; the rate is smoothed over 30 ms."""
        if angle_rad < self._low:
            self._low = angle_rad
        if angle_rad > self._high:
            self._high = angle_rad
        self._smooth += (rate_rad_s - self._smooth) * min(dt / 0.03, 1.0)
        if self._smooth > self._peak:
            self._peak = self._smooth

    def seed(self, gait: GaitMap, weight: float) -> tuple[float, float] | None:
        """Give the map a first curve; return (stride rate [Hz], offset [rad]), or None if nothing moved."""
        reach = min(max(self._high - self._low, self._peak / (STEEPEST * RATE_HZ[1])), RANGE_RAD[1])
        if not reach > RANGE_RAD[0]:
            return None
        rate_hz = min(max(self._peak / (STEEPEST * reach), RATE_HZ[0]), RATE_HZ[1])
        gait.seed(reach * ANGLE, reach * rate_hz * SLOPE, rate_hz, weight)
        return rate_hz, float(self._high - reach * PEAK)


def search(tail: NDArray[np.float64]) -> tuple[float, float, float, float] | None:
    """Return phase and rate now, range and offset of the prior curve that explain recent samples best.

    Before the first strike nothing is known of the person: phases, three ranges and four rates are compared
    on angle and rate, the offset free within a posture's reach.

    Parameters
    ----------
    tail : (3, K) time [s], thigh angle [rad] and rate [rad/s]

    Returns
    -------
    phase [cycle], stride rate [Hz], range [rad], offset [rad]; ``None`` if nothing fits within three
    standard deviations of what people differ by.
    """
    ago = tail[0, -1] - tail[0]
    best: tuple[float, float, float, float] | None = None
    least = FIT_LIMIT
    for rate_hz in SEARCH_RATES_HZ:
        at = ((PHASES[:, None] - rate_hz * ago[None, :]) % 1.0 * BINS).astype(int) % BINS
        for reach in SEARCH_RANGES_RAD:
            curve = tail[1] - reach * ANGLE[at]
            offset = curve.mean(axis=1)
            angle = (curve - offset[:, None]) / SEARCH_ANGLE_SD_RAD
            rate = (tail[2] - reach * rate_hz * SLOPE[at]) / SEARCH_RATE_SD_RAD_S
            cost = (angle**2 + rate**2).mean(axis=1) + (offset / SEARCH_OFFSET_SD_RAD) ** 2
            i = int(np.argmin(cost))
            if cost[i] < least:
                least = float(cost[i])
                best = float(PHASES[i]), rate_hz, reach, float(offset[i])
    return best
