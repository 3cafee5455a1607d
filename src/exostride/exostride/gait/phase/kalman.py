r"""Kalman filter of one leg's phase, stride rate and angle offset, on plain floats.

State :math:`x = (\varphi, r, b)`: phase [cycle], stride rate [Hz], offset of the measured thigh angle [rad].

.. math:: \dot\varphi = r + w_\varphi, \quad \dot r = w_r, \quad \dot b = w_b, \qquad
          y_\theta = \theta(\varphi, r) + b + v_\theta, \quad y_\omega = \dot\theta(\varphi, r) + v_\omega,

with walks that scale with the rate, so that a slow walker is not treated as noisier per stride than a
fast one. Residuals of a gait model are correlated over about a tenth of a second; treating samples as
independent would make the filter sure of itself in proportion to the sampling rate, so the noise of one
sample is its variance times correlation time over sample interval. An innovation beyond three standard
deviations is down-weighted to that size (Huber).
"""

from __future__ import annotations

import math

from exostride.gait.phase.gaitmap import BINS, GaitMap
from exostride.gait.phase.settings import FilterParameters

GATE = 9.0
"""Square of the innovation, in variances, beyond which a sample's weight is reduced."""


class PhaseFilter:
    """Filter of (phase, rate, offset) against a :class:`~exostride.gait.phase.gaitmap.GaitMap`.

    ``misfit`` is a running mean of squared normalised residuals of the signals: 1 when map and noise are
    right, large when the filter is lost.
    """

    __slots__ = ("_p", "bb", "bias", "misfit", "pb", "phase", "pp", "pr", "rate_hz", "rb", "rr")

    def __init__(self, parameters: FilterParameters) -> None:
        self._p = parameters
        self.bias = 0.0
        self.start(0.0, parameters.initial_rate_hz, 0.3)

    def start(self, phase: float, rate_hz: float, phase_sd: float) -> None:
        """Start anew at a phase; the offset is kept."""
        self.phase = phase % 1.0
        self.rate_hz = rate_hz
        self.pp = phase_sd * phase_sd
        self.rr = (self._p.start_rate_sd * rate_hz) ** 2
        self.bb = self._p.start_bias_sd_rad**2
        self.pr = self.pb = self.rb = 0.0
        self.misfit = 1.0

    def predict(self, dt: float) -> None:
        """Move on by ``dt`` seconds."""
        p = self._p
        r = self.rate_hz
        self.phase += r * dt
        self.pp += dt * (2.0 * self.pr + dt * self.rr + p.phase_walk * p.phase_walk * r)
        self.pr += dt * self.rr
        self.pb += dt * self.rb
        walk = p.rate_walk * r
        self.rr += walk * walk * r * dt
        self.bb += p.bias_walk_rad * p.bias_walk_rad * dt

    def observe(
        self, gait: GaitMap, angle_rad: float, rate_rad_s: float, dt: float, doubt: float = 1.0
    ) -> None:
        """Take in one sample of thigh angle and rate; ``doubt`` multiplies the map's variance."""
        p = self._p
        inflate = doubt * max(p.correlation_s / max(dt, 1e-4), 1.0)
        reach = min(1 + int(p.slope_reach * BINS * math.sqrt(self.pp)), BINS // 10)
        dr = self.rate_hz - gait.reference_hz
        expected, slope, by_rate, i = self._expect(gait.angle, gait.angle_slope, dr, reach)
        error = angle_rad - self.bias - expected
        first = self._scalar(error, slope, by_rate, 1.0, gait.angle_var[i], inflate)
        # The second measurement at the state the first one left.
        dr = self.rate_hz - gait.reference_hz
        expected, slope, by_rate, i = self._expect(gait.rate, gait.rate_slope, dr, reach)
        error = rate_rad_s - expected
        second = self._scalar(error, slope, by_rate, 0.0, gait.rate_var[i], inflate)
        self.rate_hz = min(max(self.rate_hz, p.rate_min_hz), p.rate_max_hz)
        share = min(self.rate_hz * dt / p.misfit_cycles, 1.0)
        self.misfit += (0.5 * (first + second) - self.misfit) * share

    def _expect(
        self, a: list[float], s: list[float], dr: float, reach: int
    ) -> tuple[float, float, float, int]:
        """Read a curve of the map at this phase.

        Parameters
        ----------
        a, s
            The curve on ``BINS`` + 1 points and its slope over the stride rate.
        dr
            Stride rate less the map's [Hz].
        reach
            Bins to either side over which the slope along the phase is taken.

        Returns
        -------
        Value, its derivative by phase [1/cycle], its derivative by rate [1/Hz], and the bin.
        """
        x = self.phase % 1.0 * BINS
        i = int(x)
        if i >= BINS:
            i = BINS - 1
        f = x - i
        low, high = i - reach, i + 1 + reach
        if low < 0:
            low += BINS
        if high > BINS:
            high -= BINS
        slope = BINS / (2.0 * reach + 1.0) * (a[high] - a[low] + dr * (s[high] - s[low]))
        by_rate = s[i] + f * (s[i + 1] - s[i])
        return a[i] + f * (a[i + 1] - a[i]) + by_rate * dr, slope, by_rate, i

    def _scalar(
        self, error: float, h_phase: float, h_rate: float, h_bias: float, variance: float, inflate: float
    ) -> float:
        """Update with one scalar measurement; return the residual's square over its variance."""
        cp = self.pp * h_phase + self.pr * h_rate + self.pb * h_bias
        cr = self.pr * h_phase + self.rr * h_rate + self.rb * h_bias
        cb = self.pb * h_phase + self.rb * h_rate + self.bb * h_bias
        own = h_phase * cp + h_rate * cr + h_bias * cb
        total = own + variance * inflate
        square = error * error
        if square > GATE * total:
            total = math.sqrt(total * square / GATE)
        gain = 1.0 / total
        k = error * gain
        self.phase += cp * k
        self.rate_hz += cr * k
        self.bias += cb * k
        self.pp -= cp * cp * gain
        self.pr -= cp * cr * gain
        self.pb -= cp * cb * gain
        self.rr -= cr * cr * gain
        self.rb -= cr * cb * gain
        self.bb -= cb * cb * gain
        return min(square / (own + variance), 25.0)

    def pace(self, rate_hz: float, sd: float) -> None:
        """Take in a stride rate [Hz] known with the standard deviation ``sd`` [part of it]."""
        self._scalar(rate_hz - self.rate_hz, 0.0, 1.0, 0.0, (sd * rate_hz) ** 2, 1.0)

    def fix(self, phase: float, ago_s: float, sd: float) -> float:
        """Take in that the phase was ``phase`` ``ago_s`` seconds ago; return the innovation [cycle]."""
        error = (phase - self.phase + self.rate_hz * ago_s + 0.5) % 1.0 - 0.5
        self._scalar(error, 1.0, -ago_s, 0.0, sd * sd, 1.0)
        self.rate_hz = min(max(self.rate_hz, self._p.rate_min_hz), self._p.rate_max_hz)
        return error
