r"""Extended Kalman filter over the reference gait: phase, rate, amplitude, offset.

After Thatte, Shah & Geyer 2019 (IEEE RA-L 4) and Medrano et al. 2023 (IEEE T-RO 39:2170): the measured
thigh angle is a known curve of the phase whose size follows the stride length and whose level follows the
incline,

.. math:: x = (\varphi, r, a, b), \quad \theta = a\,g(\varphi) + b + v_\theta, \quad
          \dot\theta = a\,r\,g'(\varphi) + v_\omega,

with :math:`g` the thigh's curve of the reference gait (:mod:`.prior`). The noise depends on the phase: where
the curve is steep, people differ by a shift in time,
:math:`\sigma_\theta^2 = \sigma_0^2 + (a\,g'\,\sigma_\varphi)^2`.
Heel strikes are phase-zero observations. It knows nothing of the person, so it is right from the second
stride on and never exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.gait.phase.base import TwoLegEstimator, wrap
from exostride.gait.phase.gaitmap import BINS
from exostride.gait.phase.prior import ANGLE, SLOPE
from exostride.gait.phase.settings import EventParameters, ShellParameters, parse
from exostride.gait.phase.signals import LegSample

_CURVE = [*ANGLE.tolist(), float(ANGLE[0])]
_SLOPE = [*SLOPE.tolist(), float(SLOPE[0])]
_BEND = [BINS * (_SLOPE[i + 1] - _SLOPE[i]) for i in range(BINS)]


class EkfParameters(ShellParameters):
    """Parameters of :class:`Ekf`."""

    events: EventParameters = EventParameters()
    initial_rate_hz: float = Field(default=0.8, gt=0.0)
    initial_range_rad: float = Field(default=0.6, gt=0.0)
    rate_min_hz: float = Field(default=0.2, gt=0.0)
    rate_max_hz: float = Field(default=2.2, gt=0.0)
    phase_walk: float = Field(default=0.02, ge=0.0)
    rate_walk: float = Field(default=0.1, ge=0.0)
    range_walk_rad: float = Field(default=0.05, ge=0.0)
    offset_walk_rad: float = Field(default=0.05, ge=0.0)
    angle_sd_rad: float = Field(default=0.06, gt=0.0)
    rate_sd_rad_s: float = Field(default=0.5, gt=0.0)
    shift_sd_cycle: float = Field(default=0.02, ge=0.0)
    correlation_s: float = Field(default=0.12, gt=0.0)
    strike_sd: float = Field(default=0.03, gt=0.0)
    strike_sd_load: float = Field(default=0.006, gt=0.0)
    strike_gate: float = Field(default=0.15, gt=0.0, lt=0.5)


class EkfLeg:
    """One leg; see the module's equations."""

    __slots__ = ("_cov", "_misfit", "_p", "_strikes", "_x", "confidence", "lost", "phase", "rate_hz")

    def __init__(self, parameters: EkfParameters) -> None:
        self._p = parameters
        self.reset()

    def reset(self) -> None:
        """Start with the reference walker."""
        p = self._p
        self._x = np.array([0.0, p.initial_rate_hz, p.initial_range_rad, 0.0])
        self._cov = np.diag([0.08, 0.04, 0.02, 0.04])
        self._strikes = 0
        self._misfit = 1.0
        self.phase = 0.0
        self.rate_hz = p.initial_rate_hz
        self.confidence = 0.0
        self.lost = False

    def advance(self, t: float, dt: float, leg: LegSample, walking: bool) -> None:
        """Predict, then take in angle and rate."""
        if not walking or dt <= 0.0:
            self.confidence = 0.0 if not walking else self.confidence
            return
        p, x, cov = self._p, self._x, self._cov
        r = float(x[1])
        x[0] += r * dt
        cov[0] += dt * cov[1]
        cov[:, 0] += dt * cov[:, 1]
        cov[0, 0] += p.phase_walk**2 * r * dt
        cov[1, 1] += (p.rate_walk * r) ** 2 * r * dt
        cov[2, 2] += p.range_walk_rad**2 * dt
        cov[3, 3] += p.offset_walk_rad**2 * dt
        if leg.ok:
            self._observe(leg.angle_rad, leg.rate_rad_s, max(p.correlation_s / dt, 1.0), dt)
        self._publish()

    def _observe(self, angle: float, rate: float, inflate: float, dt: float) -> None:
        p = self._p
        phase, r, a, b = self._x.tolist()
        u = phase % 1.0 * BINS
        i = min(int(u), BINS - 1)
        f = u - i
        g = _CURVE[i] + f * (_CURVE[i + 1] - _CURVE[i])
        s = _SLOPE[i] + f * (_SLOPE[i + 1] - _SLOPE[i])
        shift = p.shift_sd_cycle
        e1 = angle - a * g - b
        v1 = p.angle_sd_rad**2 + (a * s * shift) ** 2
        n1 = self._scalar(np.array([a * s, 0.0, g, 1.0]), e1, v1, inflate)
        e2 = rate - a * r * s
        v2 = p.rate_sd_rad_s**2 + (a * r * _BEND[i] * shift) ** 2
        n2 = self._scalar(np.array([a * r * _BEND[i], a * s, r * s, 0.0]), e2, v2, inflate)
        x = self._x
        x[1] = min(max(x[1], p.rate_min_hz), p.rate_max_hz)
        x[2] = min(max(x[2], 0.1), 1.6)
        self._misfit += (0.5 * (n1 + n2) - self._misfit) * min(r * dt / 0.3, 1.0)

    def _scalar(self, h: Any, error: float, variance: float, inflate: float) -> float:
        gain = self._cov @ h
        own = float(h @ gain)
        total = own + variance * inflate
        square = error * error
        if square > 9.0 * total:
            total = math.sqrt(total * square / 9.0)
        self._x += gain * (error / total)
        self._cov -= np.outer(gain, gain / total)
        return min(square / (own + variance), 25.0)

    def _publish(self) -> None:
        x = self._x
        x[0] %= 1.0
        self.phase, self.rate_hz = float(x[0]), float(x[1])
        self.lost = self._misfit > 8.0
        sd = math.sqrt(max(float(self._cov[0, 0]), 0.0) * max(self._misfit, 1.0) + 0.03**2)
        self.confidence = math.erf(0.05 / (1.4142135623730951 * sd)) * min(self._strikes / 2.0, 1.0)

    def strike(self, at: float, t: float, exact: bool) -> None:
        """Take in that the phase was zero at ``at``."""
        p, x = self._p, self._x
        ago = t - at
        error = -wrap(float(x[0] - x[1] * ago))
        self._strikes += 1
        if self._strikes == 1 or abs(error) > p.strike_gate:
            x[0] = ago * x[1]
            self._cov[0, :] = self._cov[:, 0] = 0.0
            self._cov[0, 0] = 0.03**2
        else:
            sd = p.strike_sd_load if exact else p.strike_sd
            self._scalar(np.array([1.0, -ago, 0.0, 0.0]), error, sd * sd, 1.0)
        self._publish()


class Ekf(TwoLegEstimator):
    """Extended Kalman filters over the reference gait, one a leg.

    Parameters
    ----------
    period_s : nominal sample period [s]
    parameters : see :class:`EkfParameters`
    """

    def __init__(self, period_s: float, parameters: Mapping[str, Any]) -> None:
        p = parse(EkfParameters, parameters, "ekf")
        super().__init__(lambda: EkfLeg(p), p.events, p)
        self.period_s = period_s
