"""Whatever the sensors say, the phase stays a phase: in range, never running back, honest about gaps."""

import math
from dataclasses import replace

import numpy as np
import pytest
from gait_walker import Walker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exostride import registry
from exostride.types import ExoState, Signal

NAMES = ("individual", "adaptive_oscillator", "ekf", "phase_variable", "time_based")
PERIOD = 0.02
ODD = st.sampled_from((math.nan, math.inf, -math.inf, 1e6, 0.0))
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(gait):
    assert ((gait.phase >= 0.0) & (gait.phase < 1.0)).all()
    assert ((gait.confidence >= 0.0) & (gait.confidence <= 1.0)).all()
    assert ((gait.stance_probability >= 0.0) & (gait.stance_probability <= 1.0)).all()
    assert np.isfinite(gait.rate_hz).all()


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(
    faults=st.lists(st.tuples(st.integers(0, 599), st.integers(0, 1), ODD, st.integers(1, 40)), max_size=6),
    seed=st.integers(0, 2**16),
    rate=st.floats(0.4, 1.4),
)
def test_damaged_samples(name, faults, seed, rate):
    estimator = registry.load(registry.PHASE_ESTIMATORS, name)(PERIOD, {})
    walker, rng = Walker(rate_hz=rate), np.random.default_rng(seed)
    last = None
    for k in range(600):
        state = walker.state(k, k * PERIOD, Signal.SEGMENT | Signal.FOOT_LOAD)
        for start, side, value, length in faults:
            if start <= k < start + length:
                angle = state.segment_angle_rad.copy()
                angle[3 * side] = value
                load = state.foot_load_n.copy()
                load[2 * side] = value
                state = replace(state, segment_angle_rad=angle, foot_load_n=load)
        if rng.uniform() < 0.01:
            state = replace(state, segment_valid=0)
        gait, events = estimator.step(k * PERIOD, state)
        check(gait)
        assert all(math.isfinite(e.time_s) and e.time_s <= e.detected_s for e in events)
        if last is not None:
            back = (gait.phase - last.phase + 0.5) % 1.0 - 0.5
            # The phase runs back only in a jump, and a jump is never confident.
            assert ((back > -1e-9) | (gait.confidence < 0.25)).all()
        last = gait


@pytest.mark.parametrize("name", NAMES)
def test_noise_without_a_walker_is_never_confident(name):
    estimator = registry.load(registry.PHASE_ESTIMATORS, name)(PERIOD, {})
    rng = np.random.default_rng(3)
    for k in range(500):
        angle, rate = rng.normal(0, 0.005, 6), rng.normal(0, 0.02, 6)
        state = ExoState(
            k,
            k * PERIOD,
            k * PERIOD,
            int(Signal.SEGMENT),
            segment_valid=9,
            segment_angle_rad=angle,
            segment_rate_rad_s=rate,
        )
        gait, events = estimator.step(k * PERIOD, state)
        assert not events
        assert (gait.confidence == 0.0).all()


@pytest.mark.parametrize("name", NAMES)
def test_repeated_late_and_missing_ticks(name):
    estimator = registry.load(registry.PHASE_ESTIMATORS, name)(PERIOD, {})
    walker = Walker()
    sure = 0.0
    for k in range(500):
        gait, _ = estimator.step(k * PERIOD, walker.state(k, k * PERIOD))
        sure = gait.confidence[0]
    again, events = estimator.step(499 * PERIOD, walker.state(499, 499 * PERIOD))
    np.testing.assert_array_equal(again.phase, gait.phase)
    assert again.confidence[0] <= sure
    assert not events
    before = again.phase[0]
    late, _ = estimator.step(499 * PERIOD + 0.1, walker.state(505, 499 * PERIOD + 0.1))
    assert 0.0 <= (late.phase[0] - before) % 1.0 < 0.4
    lost, _ = estimator.step(499 * PERIOD + 5.0, walker.state(700, 499 * PERIOD + 5.0))
    assert lost.confidence[0] == 0.0
