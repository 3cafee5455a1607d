r"""Adaptive oscillator with event reset and decaying phase correction.

A bank of phase-locked harmonics learns the thigh angle (Righetti, Buchli & Ijspeert 2006; Ronsse et
al. 2011):

.. math:: \hat\theta = \alpha_0 + \sum_{k=1}^{K} \alpha_k \sin(k\phi + \psi_k), \quad e = \theta - \hat\theta,

.. math:: \dot\phi = \omega + \nu_\phi \, \omega \frac{e}{A} \cos\phi', \quad
          \dot\omega = \nu_\omega \, \omega^2 \frac{e}{A} \cos\phi',

with the amplitudes kept as cosine and sine parts (so that they learn linearly) and the fundamental's
own phase :math:`\phi'` for the phase-locked loop. The oscillator's phase has no fixed relation to heel
strike; each detected strike measures it and the difference is taken out with a time constant, as in
Yan et al. 2017: no jump, no steady error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from exostride.gait.phase.base import TwoLegEstimator, wrap
from exostride.gait.phase.settings import EventParameters, ShellParameters, parse
from exostride.gait.phase.signals import LegSample

_TWO_PI = 2.0 * math.pi


class AdaptiveOscillatorParameters(ShellParameters):
    """Parameters of :class:`AdaptiveOscillator`."""

    events: EventParameters = EventParameters()
    harmonics: int = Field(default=3, ge=1, le=8)
    phase_gain: float = Field(default=0.35, gt=0.0)
    rate_gain: float = Field(default=0.05, gt=0.0)
    amplitude_gain: float = Field(default=0.15, gt=0.0)
    mean_gain: float = Field(default=2.0, gt=0.0)
    initial_rate_hz: float = Field(default=0.8, gt=0.0)
    rate_min_hz: float = Field(default=0.25, gt=0.0)
    rate_max_hz: float = Field(default=2.0, gt=0.0)
    correction_time_s: float = Field(default=0.15, gt=0.0)
    strike_phase_gain: float = Field(default=0.6, gt=0.0, le=1.0)
    strike_rate_gain: float = Field(default=0.5, ge=0.0, le=1.0)


class OscillatorLeg:
    """Adaptive oscillator of one leg; see the module's equations."""

    __slots__ = (
        "_cos",
        "_error",
        "_mean",
        "_offset",
        "_p",
        "_phase",
        "_sin",
        "_stride_hz",
        "_strike_s",
        "_strikes",
        "_target",
        "confidence",
        "lost",
        "phase",
        "rate_hz",
    )

    def __init__(self, parameters: AdaptiveOscillatorParameters) -> None:
        self._p = parameters
        self.reset()

    def reset(self) -> None:
        """Forget everything learned."""
        n = self._p.harmonics
        # The thigh's fundamental is forward at heel strike: start close to it.
        self._cos = [0.0] * n
        self._sin = [0.0] * n
        self._cos[0] = 0.2
        self._mean = math.nan
        self._phase = 0.0
        self._offset = self._target = 0.0
        self._error = 0.25
        self._strikes = 0
        self._strike_s = math.nan
        self._stride_hz = 0.0
        self.rate_hz = self._p.initial_rate_hz
        self.phase = 0.0
        self.confidence = 0.0
        self.lost = False

    def advance(self, t: float, dt: float, leg: LegSample, walking: bool) -> None:
        """Move on by ``dt`` (see the module's equations)."""
        p = self._p
        if leg.ok and math.isnan(self._mean):
            self._mean = leg.angle_rad
        if not walking and leg.ok:
            self._mean += (leg.angle_rad - self._mean) * min(dt, 1.0)
            self.confidence = 0.0
            return
        omega = self.rate_hz
        if leg.ok:
            omega += self._learn(leg.angle_rad, dt)
        self._phase = (self._phase + omega * dt) % 1.0
        self._offset += (self._target - self._offset) * -math.expm1(-dt / p.correction_time_s)
        self.phase = (self._phase + self._offset) % 1.0
        trust = min(self._strikes / 3.0, 1.0)
        self.confidence = trust * math.exp(-((self._error / 0.08) ** 2))

    def _learn(self, angle: float, dt: float) -> float:
        """Adapt amplitudes and rate to one sample; return the phase correction [cycles/s]."""
        p = self._p
        predicted, c1, s1 = self._mean, 0.0, 0.0
        waves = []
        for k in range(p.harmonics):
            a = _TWO_PI * (k + 1) * self._phase
            c, s = math.cos(a), math.sin(a)
            waves.append((c, s))
            predicted += self._cos[k] * c + self._sin[k] * s
        c1, s1 = waves[0]
        amplitude = math.hypot(self._cos[0], self._sin[0]) + 0.05
        error = min(max((angle - predicted) / amplitude, -1.0), 1.0)
        slope = (self._sin[0] * c1 - self._cos[0] * s1) / amplitude
        gain = p.amplitude_gain * self.rate_hz * amplitude * error * dt * 2.0
        for k, (c, s) in enumerate(waves):
            self._cos[k] += gain * c
            self._sin[k] += gain * s
        self._mean += p.mean_gain * gain
        drive = error * slope * self.rate_hz
        self.rate_hz += _TWO_PI * p.rate_gain * drive * self.rate_hz * dt * _TWO_PI
        low, high = p.rate_min_hz, p.rate_max_hz
        if self._stride_hz > 0.0:
            # A bank with harmonics also fits the signal at half its rate: the strikes forbid that.
            low, high = max(low, 0.7 * self._stride_hz), min(high, 1.4 * self._stride_hz)
        self.rate_hz = min(max(self.rate_hz, low), high)
        return _TWO_PI * p.phase_gain * drive

    def strike(self, at: float, t: float, exact: bool) -> None:
        """Measure the oscillator's phase at a heel strike; the difference decays from now on."""
        p = self._p
        there = self._phase - self.rate_hz * (t - at)
        error = wrap(there + self._target)
        self._strikes += 1
        gap = at - self._strike_s
        self._strike_s = at
        if p.stride_min_s < gap < p.stride_max_s:
            self._stride_hz = 1.0 / gap
            self.rate_hz += p.strike_rate_gain * (self._stride_hz - self.rate_hz)
        else:
            self._stride_hz = 0.0
        if self._strikes == 1 or abs(error) > 0.2:
            self._target = self._offset = wrap(-there)
        else:
            self._target = wrap(self._target - p.strike_phase_gain * error)
            self._offset = self._target + wrap(self._offset - self._target)
        self._error += 0.3 * (abs(error) - self._error)


class AdaptiveOscillator(TwoLegEstimator):
    """Adaptive oscillators, one a leg, reset by heel strikes.

    Parameters
    ----------
    period_s : nominal sample period [s]
    parameters : see :class:`AdaptiveOscillatorParameters`
    """

    def __init__(self, period_s: float, parameters: Mapping[str, Any]) -> None:
        p = parse(AdaptiveOscillatorParameters, parameters, "adaptive_oscillator")
        super().__init__(lambda: OscillatorLeg(p), p.events, p)
        self.period_s = period_s
