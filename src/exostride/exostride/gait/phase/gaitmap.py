r"""An individual's own gait map: thigh angle and rate over phase and stride rate, learned stride by stride.

On a grid of phases the thigh angle is a straight line of the stride rate,

.. math:: \theta(\varphi, r) = a(\varphi) + b(\varphi)\,(r - \bar r), \qquad
          \dot\theta(\varphi, r) = c(\varphi) + d(\varphi)\,(r - \bar r),

the local form of the basis model of Embry et al. 2018 with one person's own coefficients. Each completed
stride is one observation of every grid point; the lines are weighted least squares with exponential
forgetting and a ridge that keeps a slope near what pure time-scaling of the curve would give, until the
person has walked at different rates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exostride.types import Vector

BINS = 64
"""Grid points of a cycle: eleven harmonics fit with room, and one stride of learning takes 60 µs."""

PHASES = np.arange(BINS) / BINS

SEARCH_FACTORS = (0.7, 0.85, 1.0, 1.15, 1.3)
"""Stride rates that a search compares, in parts of the expected one."""


class GaitMap:
    """Learned map of one leg; see the module's equations.

    Attributes
    ----------
    angle, rate : list of float, length BINS + 1
        Mean thigh angle less its mean over the cycle [rad] and thigh rate [rad/s] at the reference rate,
        closed (last equals first).
    angle_slope, rate_slope : list of float, length BINS + 1
        Their change with the stride rate [rad/Hz, rad/s/Hz].
    angle_var, rate_var : list of float, length BINS + 1
        Variance of single strides about the map [rad², rad²/s²].
    reference_hz : float
        Stride rate at which ``angle`` and ``rate`` hold.
    strides : int
        Strides learned.
    """

    __slots__ = (
        "_angle_floor",
        "_forget",
        "_n",
        "_rate_floor",
        "_ridge",
        "_seeded",
        "_sr",
        "_srr",
        "_sry",
        "_sy",
        "_var",
        "angle",
        "angle_slope",
        "angle_var",
        "rate",
        "rate_slope",
        "rate_var",
        "reference_hz",
        "strides",
    )

    def __init__(
        self, forget: float, ridge_hz: float, angle_floor_rad: float, rate_floor_rad_s: float
    ) -> None:
        self._forget = forget
        self._ridge = ridge_hz * ridge_hz
        self._angle_floor = angle_floor_rad
        self._rate_floor = rate_floor_rad_s
        self.reset()

    def reset(self) -> None:
        """Forget all strides."""
        self.strides = 0
        self._seeded = False
        self.reference_hz = 1.0
        self._n = self._sr = self._srr = 0.0
        self._sy = np.zeros((2, BINS))
        self._sry = np.zeros((2, BINS))
        self._var = np.zeros((2, BINS))

    @property
    def ready(self) -> bool:
        """Whether there is a curve to compare with."""
        return self._n > 0.0

    def seed(self, angle: Vector, rate: Vector, stride_hz: float, weight: float) -> None:
        """Start from a prior stride of the given weight (1 = one stride), shapes (BINS,)."""
        self.reset()
        self._seeded = True
        self._take(np.stack((angle, rate)), stride_hz, weight)
        self._var[0] = (4.0 * self._angle_floor) ** 2
        self._var[1] = (4.0 * self._rate_floor) ** 2
        self._publish(np.stack((angle, rate)), first=True)

    def learn(self, angle: Vector, rate: Vector, stride_hz: float) -> float:
        """Take in one completed stride, shapes (BINS,); return its misfit in standard deviations."""
        y = np.stack((angle - angle.mean(), rate))
        misfit = 0.0
        if self._seeded:
            # The prior's idea of where a cycle begins is not this person's: its curve goes, its doubt stays.
            self._n = self._sr = self._srr = 0.0
            self._sy, self._sry = np.zeros((2, BINS)), np.zeros((2, BINS))
            self._seeded = False
        if self.strides:
            residual = y - self._predict(stride_hz)
            misfit = float(np.sqrt(np.mean(residual**2 / self._variance())))
            gain = max(0.12, 1.0 / (self.strides + 2.0))
            self._var += gain * (np.minimum(residual**2, 9.0 * self._variance()) - self._var)
        else:
            self._var[0] = (3.0 * self._angle_floor) ** 2
            self._var[1] = (3.0 * self._rate_floor) ** 2
        self._take(y, stride_hz, 1.0)
        self.strides += 1
        self._publish(y, first=self.strides == 1)
        return misfit

    def _take(self, y: NDArray[np.float64], stride_hz: float, weight: float) -> None:
        keep = self._forget
        self._n = keep * self._n + weight
        self._sr = keep * self._sr + weight * stride_hz
        self._srr = keep * self._srr + weight * stride_hz * stride_hz
        self._sy = keep * self._sy + weight * y
        self._sry = keep * self._sry + weight * stride_hz * y

    def _lines(self) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        mean_r = self._sr / self._n
        mean_y = self._sy / self._n
        var_r = self._srr / self._n - mean_r * mean_r
        cov = self._sry / self._n - mean_r * mean_y
        prior = np.zeros_like(mean_y)
        prior[1] = mean_y[1] / mean_r
        # One ridge stride's worth of evidence for pure time scaling.
        weight = self._ridge / self._n
        slope = (cov + weight * prior) / (var_r + weight)
        return mean_r, mean_y, slope

    def _predict(self, stride_hz: float) -> NDArray[np.float64]:
        mean_r, mean_y, slope = self._lines()
        return mean_y + slope * (stride_hz - mean_r)

    def snapshot(self) -> tuple[object, ...]:
        """Return the accumulated evidence, for :meth:`restore`."""
        return (self.strides, self._n, self._sr, self._srr, self._sy, self._sry, self._var.copy())

    def restore(self, state: tuple[Any, ...]) -> None:
        """Go back to a snapshot; the published curves follow with the next stride learned."""
        self.strides, self._n, self._sr, self._srr, self._sy, self._sry, self._var = state

    def curve(self, phase: Vector, stride_hz: Vector) -> tuple[NDArray[np.float64], ...]:
        """Return map, its derivative by phase, and variance at phases (N,) and rates (N,), each (2, N)."""
        grid = np.arange(BINS + 1) / BINS
        at = phase % 1.0
        dr = stride_hz - self.reference_hz
        values, slopes, variances = [], [], []
        for mean, by_rate, var in (
            (self.angle, self.angle_slope, self.angle_var),
            (self.rate, self.rate_slope, self.rate_var),
        ):
            y = np.array(mean)
            z = np.array(by_rate)
            dy = np.gradient(y, grid)
            dz = np.gradient(z, grid)
            values.append(np.interp(at, grid, y) + dr * np.interp(at, grid, z))
            slopes.append(np.interp(at, grid, dy) + dr * np.interp(at, grid, dz))
            variances.append(np.interp(at, grid, np.array(var)))
        return np.stack(values), np.stack(slopes), np.stack(variances)

    def search(
        self, tail: NDArray[np.float64], offset: float, offset_sd: float, stride_hz: float
    ) -> tuple[float, float, float, float]:
        """Return phase and rate now that explain recent samples best, the offset then, and the misfit.

        Parameters
        ----------
        tail : (3, K) time [s], thigh angle [rad] and rate [rad/s]
        offset, offset_sd : expected offset of the angle and its standard deviation [rad]
        stride_hz : rate to search around [Hz]

        Returns
        -------
        phase [cycle], stride rate [Hz], offset [rad], mean squared normalised residual.
        """
        ago = tail[0, -1] - tail[0]
        tables = np.array(
            (self.angle, self.rate, self.angle_slope, self.rate_slope, self.angle_var, self.rate_var)
        )
        best = (0.0, stride_hz, offset, np.inf)
        for factor in SEARCH_FACTORS:
            r = stride_hz * factor
            at = ((PHASES[:, None] - r * ago[None, :]) % 1.0) * BINS
            k = np.minimum(at.astype(int), BINS - 1)
            curves = tables[:2] + (r - self.reference_hz) * tables[2:4]
            model = curves[:, k] + (at - k) * (curves[:, k + 1] - curves[:, k])
            angle_error = tail[1] - offset - model[0]
            shift = 0.9 * angle_error.mean(axis=1)
            angle_error = angle_error - shift[:, None]
            squares = angle_error**2 / tables[4][k] + (tail[2] - model[1]) ** 2 / tables[5][k]
            cost = 0.5 * squares.mean(axis=1) + (shift / offset_sd) ** 2
            i = int(np.argmin(cost))
            if cost[i] < best[3]:
                best = (float(PHASES[i]), r, offset + float(shift[i]), float(cost[i]))
        return best

    def _variance(self) -> NDArray[np.float64]:
        smooth = (np.roll(self._var, 1, 1) + self._var + np.roll(self._var, -1, 1)) / 3.0
        smooth[0] += self._angle_floor**2
        smooth[1] += self._rate_floor**2
        return smooth

    def _publish(self, y: NDArray[np.float64], first: bool) -> None:
        mean_r, mean_y, slope = self._lines()
        var = self._variance()
        self.reference_hz = mean_r
        tables = np.concatenate((mean_y, slope, var))
        closed = np.concatenate((tables, tables[:, :1]), axis=1).tolist()
        self.angle, self.rate, self.angle_slope, self.rate_slope, self.angle_var, self.rate_var = closed
