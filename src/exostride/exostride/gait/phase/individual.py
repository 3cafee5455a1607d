r"""The default estimator: a Kalman filter over the person's own gait map, learned while walking.

One leg at a time:

1. Heel strikes (from foot load, foot kinematics or the thigh's turn) cut the past into strides. From the
   first turn on there is a guess of the thigh's curve (:mod:`.prior`); each completed stride makes the map
   more the person's own (:mod:`.learner`, :mod:`.gaitmap`).
2. A filter of phase, stride rate and angle offset (:mod:`.kalman`) follows the thigh against that map, in the
   manner of the gait-phase EKF of Medrano et al. 2023 and the basis model of Embry et al. 2018, with the
   individual's curve in place of a population's and its own spread in place of a fixed noise.
3. Strikes are phase-zero observations: sharp ones from foot load, soft ones from the thigh, whose curve they
   shaped already. Load cells also carry the first strides from standing, whose curve is not yet the person's:
   the first lift puts the leg at toe off, its swing's duration tells the first rate, each stride's duration
   the next one's, and what the young map says of the angle counts the less the worse it fits.
4. A running mean of the normalised residuals tells when the filter is lost. Then all phases of the map are
   compared with the last third of a cycle, at several rates, and the best one is taken if it explains the
   signal clearly better (innovation test and global re-lock).

The confidence is :math:`P(|e| < 5\,\%) = \mathrm{erf}(0.05/(\sqrt2\,\sigma))` with the filter's own variance,
widened by the misfit and, while few strides are known, by the uncertainty of the map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.gait.phase import prior
from exostride.gait.phase.base import TwoLegEstimator, wrap
from exostride.gait.phase.kalman import PhaseFilter
from exostride.gait.phase.learner import StrideLearner
from exostride.gait.phase.prior import FirstSwing
from exostride.gait.phase.settings import EventParameters, FilterParameters, parse
from exostride.gait.phase.signals import LegSample

TAIL_CYCLE = 0.3
"""Part of a cycle that a re-lock looks back at."""
TAIL_SAMPLES = 16
RATE_CHANGE = (0.55, 1.8)
"""Stride rate that is believed, in parts of the last stride's."""
MOST_DOUBTS = 3.0
"""Strikes in a row, weighed with the misfit, that may contradict a filter whose curve fits."""
GUESS_S = 0.3
"""Time of movement that a first guess looks at [s]."""


class IndividualParameters(FilterParameters):
    """Parameters of :class:`Individual`."""

    events: EventParameters = EventParameters()
    seed_weight: float = Field(default=0.3, gt=0.0, le=2.0)
    strike_sd: float = Field(default=0.02, gt=0.0)
    strike_sd_load: float = Field(default=0.004, gt=0.0)
    pace_sd: float = Field(default=0.1, gt=0.0)
    young_doubt: float = Field(default=3.0, ge=0.0)
    strike_gate: float = Field(default=0.12, gt=0.0, lt=0.5)
    strike_reach: float = Field(default=0.05, gt=0.0, lt=0.5)
    trusted_gate: float = Field(default=0.22, gt=0.0, lt=0.5)
    trusted_misfit: float = Field(default=2.5, gt=0.0)
    lost_misfit: float = Field(default=6.0, gt=1.0)
    relock_gain: float = Field(default=0.4, gt=0.0, lt=1.0)
    relock_every_s: float = Field(default=0.06, gt=0.0)
    confidence_floor_cycle: float = Field(default=0.016, gt=0.0)
    confidence_map_cycle: float = Field(default=0.05, ge=0.0)
    confidence_inflation: float = Field(default=2.0, gt=0.0)


class IndividualLeg:
    """One leg; see the module's description."""

    __slots__ = (
        "_awaiting",
        "_doubts",
        "_exact",
        "_filter",
        "_first",
        "_learner",
        "_lifted_s",
        "_p",
        "_searched",
        "confidence",
        "lost",
        "phase",
        "rate_hz",
        "relocks",
    )

    def __init__(self, parameters: IndividualParameters) -> None:
        self._p = parameters
        self._learner = StrideLearner(parameters)
        self._first = FirstSwing()
        self.reset()

    def reset(self) -> None:
        """Forget everything learned."""
        self._learner.reset()
        self._first.reset()
        self._filter = PhaseFilter(self._p)
        self._exact = False
        self._awaiting = False
        self._lifted_s = -math.inf
        self._searched = -math.inf
        self._doubts = 0.0
        self.relocks = 0
        self.lost = False
        self.phase = 0.0
        self.rate_hz = self._p.initial_rate_hz
        self.confidence = 0.0

    def advance(self, t: float, dt: float, leg: LegSample, walking: bool) -> None:
        """Move on by ``dt`` and take in the sample."""
        learner, f = self._learner, self._filter
        gait = learner.map
        fresh = leg.ok and dt > 0.0
        if fresh:
            learner.past.add(t, leg.angle_rad, leg.rate_rad_s)
            if not gait.strides:
                self._first.add(leg.angle_rad, leg.rate_rad_s, dt)
        if not walking:
            self._rest(fresh)
            return
        f.predict(dt)
        self.lost = False
        if fresh and not gait.ready and t - self._searched > self._p.relock_every_s:
            self._searched = t
            self._guess(t)
        if leg.lifted_s > self._lifted_s:
            self._lifted_s = leg.lifted_s
            if leg.contact is False and not self._exact and not gait.strides:
                f.start(self._p.stance_fraction + (t - leg.lifted_s) * f.rate_hz, f.rate_hz, 0.08)
        if gait.ready and fresh:
            f.observe(gait, leg.angle_rad, leg.rate_rad_s, dt, self._doubt())
            self._bound()
            if f.misfit > self._p.lost_misfit:
                self.lost = gait.strides > 1
                if t - self._searched > self._p.relock_every_s:
                    self._relock(t)
        f.phase %= 1.0
        self._publish(leg)

    def _doubt(self) -> float:
        """Return by how much the map's variance is too small while strikes are exact and the map is young."""
        if not self._exact:
            return 1.0
        return max(self._filter.misfit, 1.0) * (1.0 + self._p.young_doubt / max(self._learner.map.strides, 1))

    def _bound(self) -> None:
        """Keep the rate near that of the last stride: a walker who slows down further is stopping."""
        last = self._learner.stride_hz
        if last and not (self._exact and self._learner.map.strides < 2):
            f = self._filter
            f.rate_hz = min(max(f.rate_hz, RATE_CHANGE[0] * last), RATE_CHANGE[1] * last)

    def _rest(self, fresh: bool) -> None:
        """Stand: the phase holds, the next movement starts a search."""
        if fresh:
            self._filter.misfit = 2.0 * self._p.lost_misfit
        self._learner.pause()
        self.rate_hz = 0.0
        self.confidence = 0.0
        self.lost = False

    def _publish(self, leg: LegSample) -> None:
        f = self._filter
        self.rate_hz = f.rate_hz
        phase = f.phase
        if leg.load_ok and (self._exact or leg.contact is False):
            # The cells have not seen the strike yet, so the cycle is not over, whatever the filter says.
            if 0.5 < phase < 0.9:
                self._awaiting = True
            elif self._awaiting and phase < 0.2:
                phase = 0.999
        self.phase = phase
        strides = self._learner.map.strides
        if not self._learner.map.ready:
            self.confidence = 0.0
            return
        p = self._p
        spread = p.confidence_map_cycle / (1.0 + strides)
        variance = p.confidence_inflation * f.pp * max(f.misfit, 1.0)
        sd = math.sqrt(variance + p.confidence_floor_cycle * p.confidence_floor_cycle + spread * spread)
        self.confidence = math.erf(0.05 / (1.4142135623730951 * sd))
        if f.misfit > p.lost_misfit:
            self.confidence *= 0.3

    def _relock(self, t: float) -> None:
        """Search the whole map for the phase that explains the last part of a cycle best."""
        f, learner = self._filter, self._learner
        self._searched = t
        if not learner.map.strides:
            self._guess(t)
            return
        around = learner.stride_hz or learner.map.reference_hz
        tail = learner.past.tail(t - TAIL_CYCLE / around)
        n = tail.shape[1]
        if n < 6:
            return
        tail = tail[:, np.linspace(0, n - 1, min(n, TAIL_SAMPLES)).astype(int)]
        p = self._p
        phase, rate_hz, offset, misfit = learner.map.search(
            tail, learner.offset_rad, p.start_bias_sd_rad, around
        )
        if misfit < p.relock_gain * f.misfit:
            f.start(phase, rate_hz, 0.04)
            f.bias = offset
            f.misfit = misfit
            self.relocks += 1

    def _guess(self, t: float) -> None:
        """Look for the prior's curve in the last samples, before any stride is known."""
        f, learner = self._filter, self._learner
        tail = learner.past.tail(t - GUESS_S)
        n = tail.shape[1]
        if n < 6 or tail[0, -1] - tail[0, 0] < 0.7 * GUESS_S:
            return
        found = prior.search(tail[:, np.linspace(0, n - 1, min(n, TAIL_SAMPLES)).astype(int)])
        if found is None:
            return
        phase, rate_hz, reach, f.bias = found
        learner.map.seed(reach * prior.ANGLE, reach * rate_hz * prior.SLOPE, rate_hz, self._p.seed_weight)
        f.start(phase, rate_hz, 0.08)

    def strike(self, at: float, t: float, exact: bool) -> None:
        """Take in a heel strike: a phase-zero observation now, the end of a stride to learn from."""
        p, f, learner = self._p, self._filter, self._learner
        self._exact = exact
        self._awaiting = False
        apart = wrap(f.phase - f.rate_hz * (t - at))
        trusted = not exact and learner.map.strides > 1 and f.misfit < p.trusted_misfit
        if not learner.map.strides:
            guess = self._first.seed(learner.map, p.seed_weight)
            if guess is not None:
                f.bias = guess[1]
                rate_hz = guess[0]
                if exact and at > self._lifted_s:
                    # The first swing, timed by the cells, tells the rate better than its range does.
                    rate_hz = min(
                        max((1.0 - p.stance_fraction) / (at - self._lifted_s), p.rate_min_hz), rate_hz
                    )
                f.start((t - at) * rate_hz, rate_hz, 0.04)
        elif abs(apart) < p.strike_gate:
            f.fix(0.0, t - at, p.strike_sd_load if exact else p.strike_sd)
            self._doubts = 0.0
        elif trusted and self._doubts < MOST_DOUBTS and abs(apart) < p.trusted_gate:
            # A thigh may turn twice at the end of swing. The curve of a whole stride outvotes one turn.
            self._doubts += max(f.misfit, 0.2)
        else:
            gap = at - learner.last_strike_s
            rate_hz = 1.0 / gap if p.stride_min_s < gap < p.stride_max_s else f.rate_hz
            f.start((t - at) * rate_hz, rate_hz, 0.03)
            f.bias = learner.offset_rad
            self._doubts = 0.0
            apart, trusted = 0.0, False
        expected = at - apart / f.rate_hz
        if trusted:
            most = p.strike_reach / f.rate_hz
            at = expected + min(max(at - expected, -most), most)
        first = learner.map.strides == 0
        learner.strike(at, exact, expected)
        if exact and learner.stride_hz:
            f.pace(learner.stride_hz, p.pace_sd)
        if first and learner.map.strides:
            f.bias = learner.offset_rad


class Individual(TwoLegEstimator):
    """Kalman filters over each leg's own gait map.

    Parameters
    ----------
    period_s : nominal sample period [s]
    parameters : see :class:`IndividualParameters`
    """

    def __init__(self, period_s: float, parameters: Mapping[str, Any]) -> None:
        p = parse(IndividualParameters, parameters, "individual")
        super().__init__(lambda: IndividualLeg(p), p.events, p)
        self.period_s = period_s
