"""Estimators on a made-up walker: right phase, asymmetry, missing legs, stops, gaps."""

from dataclasses import replace

import numpy as np
import pytest
from gait_walker import Walker

from exostride import registry
from exostride.gait.phase import prior
from exostride.gait.phase.gaitmap import BINS, PHASES
from exostride.gait.reference import FILE_NAME, load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, GaitState, Signal

NAMES = ("individual", "adaptive_oscillator", "ekf", "phase_variable", "time_based")


def make(name="individual", period=0.01, **parameters):
    return registry.load(registry.PHASE_ESTIMATORS, name)(period, parameters)


def spread(walker, t, phase, side, since):
    """Error about its own constant offset, in per cent RMS."""
    inside = t > since
    error = (phase[inside, side] - np.array([walker.phase(x, side) for x in t[inside]]) + 0.5) % 1.0 - 0.5
    mean = np.angle(np.mean(np.exp(2j * np.pi * error))) / (2 * np.pi)
    return 100 * np.sqrt(np.mean(((error - mean + 0.5) % 1.0 - 0.5) ** 2)), 100 * mean


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("individual", 0.5),
        ("adaptive_oscillator", 3.5),
        ("ekf", 3.0),
        ("phase_variable", 3.5),
        ("time_based", 1.5),
    ],
)
@pytest.mark.parametrize("period", [1 / 60, 0.005])
def test_even_walking(name, limit, period):
    walker = Walker()
    t, phase, confidence, states, _ = walker.walk(make(name, period), 20.0, period)
    for side in (0, 1):
        assert spread(walker, t, phase, side, 8.0)[0] < limit
    assert (confidence[t > 8.0].mean(axis=0) > 0.5).all()
    assert states[-1] == GaitState.WALKING


def test_individual_is_right_within_two_strides():
    walker = Walker()
    t, phase, _, _, _ = walker.walk(make(), 6.0)
    assert spread(walker, t, phase, 0, 2.2)[0] < 3.0


def test_individual_follows_a_change_of_speed():
    walker = Walker()
    # 0.7 Hz, from 10 to 15 s rising evenly to 1.0 Hz.
    rise = lambda t: 0.03 * min(max(t - 10.0, 0.0), 5.0) ** 2 + 0.3 * max(t - 15.0, 0.0)  # noqa: E731
    walker.cycle = lambda t: 0.7 * t + rise(t)
    t, phase, _, _, _ = walker.walk(make(), 25.0)
    assert spread(walker, t, phase, 0, 6.0)[0] < 3.0


def test_foot_load_sets_the_phase_to_zero_at_the_strike():
    walker = Walker()
    signals = Signal.SEGMENT | Signal.FOOT_LOAD
    t, phase, _, _, _ = walker.walk(make(), 20.0, signals=signals)
    rms, offset = spread(walker, t, phase, 0, 8.0)
    assert rms < 0.8
    assert abs(offset) < 1.0


@pytest.mark.parametrize("lag", [0.4, 0.5, 0.63])
def test_each_leg_keeps_its_own_phase(lag):
    walker = Walker(lag=lag)
    t, phase, _, _, _ = walker.walk(make(), 20.0)
    apart = (phase[t > 8.0, 0] - phase[t > 8.0, 1]) % 1.0
    assert np.abs(apart - lag).max() < 0.03


def test_hip_angle_stands_in_for_the_thigh():
    walker = Walker()
    t, phase, _, _, _ = walker.walk(make(), 20.0, signals=Signal.JOINT_ANGLE)
    assert spread(walker, t, phase, 0, 8.0)[0] < 1.0


@pytest.mark.parametrize("name", NAMES)
def test_leg_without_signals_is_half_a_cycle_off_the_other_with_low_confidence(name):
    walker = Walker()
    t, phase, confidence, _, _ = walker.walk(make(name), 15.0, sides=(1,))
    late = t > 8.0
    np.testing.assert_allclose((phase[late, 0] - phase[late, 1]) % 1.0, 0.5, atol=1e-9)
    assert (confidence[late, 0] <= 0.25 * confidence[late, 1] + 1e-9).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_signals_no_confidence(name):
    estimator = make(name)
    for k in range(300):
        gait, events = estimator.step(k * 0.01, ExoState(k, k * 0.01, k * 0.01))
        assert (gait.confidence == 0.0).all()
        assert not events
    assert gait.state == GaitState.UNKNOWN


def test_standing_holds_the_phase_and_walking_again_finds_it():
    walker = Walker()
    pause = (10.0, 15.0)
    walker.cycle = lambda t: 0.9 * (t if t < pause[0] else max(pause[0], t - (pause[1] - pause[0])))
    t, phase, confidence, states, _ = walker.walk(make(), 26.0)
    standing = (t > 13.0) & (t < 15.0)
    assert {int(s) for s, inside in zip(states, standing, strict=True) if inside} == {GaitState.STANDING}
    assert (confidence[standing] == 0.0).all()
    assert np.ptp(phase[standing], axis=0).max() < 1e-9
    assert spread(walker, t, phase, 0, 18.0)[0] < 1.5


def test_one_stride_without_samples_is_bridged():
    walker, estimator = Walker(), make()
    rows = []
    for k in range(2000):
        t = 0.01 * k
        state = walker.state(k, t)
        if 10.0 < t < 11.1:
            state = replace(state, segment_valid=0)
        gait, _ = estimator.step(t, state)
        rows.append((t, *gait.phase, *gait.confidence))
    rows = np.array(rows)
    t, phase, confidence = rows[:, 0], rows[:, 1:3], rows[:, 3:]
    assert (confidence[(t > 10.7) & (t < 11.1)] < 0.1).all()
    assert spread(walker, t, phase, 0, 12.5)[0] < 1.0


def test_swapped_legs_are_noticed_within_two_strides():
    walker, estimator = Walker(lag=0.42), make()
    rows = []
    for k in range(2400):
        t = 0.01 * k
        state = walker.state(k, t)
        if t > 12.0:
            swap = [3, 4, 5, 0, 1, 2]
            state = replace(
                state,
                segment_angle_rad=state.segment_angle_rad[swap],
                segment_rate_rad_s=state.segment_rate_rad_s[swap],
            )
        gait, _ = estimator.step(t, state)
        rows.append((t, gait.phase[0], walker.phase(t, 1 if t > 12.0 else 0)))
    t, phase, truth = np.array(rows).T
    error = (phase - truth + 0.5) % 1.0 - 0.5
    before = np.median(error[(t > 8) & (t < 12)])
    assert np.abs(error[t > 12.0 + 2.2 / 0.9] - before).max() < 0.1


def test_reset_makes_it_as_new():
    walker = Walker()
    first = make()
    once = walker.walk(first, 5.0)
    first.reset()
    again = walker.walk(first, 5.0)
    np.testing.assert_array_equal(once[1], again[1])
    assert once[4] == again[4]


def test_long_walk_keeps_no_more_than_a_few_strides():
    estimator = make(period=0.005)
    Walker().walk(estimator, 60.0, 0.005)
    leg = estimator._legs[0].estimator
    assert len(leg._learner._strikes) <= 3
    assert leg._learner.past._n < 1200


def test_movement_that_fits_no_phase_is_a_stumble_with_low_confidence():
    walker, estimator = Walker(), make()
    seen = []
    for k in range(1200):
        t = 0.01 * k
        state = walker.state(k, t)
        if 10.0 < t < 10.5:
            # Both thighs are thrown to and fro at 4 Hz, as in a trip.
            wild = 0.6 * np.sin(2 * np.pi * 4 * (t - 10.0)), 15.0 * np.cos(2 * np.pi * 4 * (t - 10.0))
            state = replace(
                state, segment_angle_rad=np.full(6, wild[0]), segment_rate_rad_s=np.full(6, wild[1])
            )
        gait, _ = estimator.step(t, state)
        seen.append((t, gait.state, gait.confidence.max()))
    trip = [row for row in seen if 10.2 < row[0] < 10.5]
    assert any(state == GaitState.STUMBLING for _, state, _ in trip)
    assert all(confidence < 0.5 for _, state, confidence in trip if state == GaitState.STUMBLING)
    assert all(state != GaitState.STUMBLING for t, state, _ in seen if t < 10.0)


def test_prior_is_the_thigh_of_the_reference_gait():
    angle = load_reference(config_dir() / "norms" / FILE_NAME).angles(PHASES, 1.2, 0.9)[:, 0]
    scaled = (angle - angle.mean()) / np.ptp(angle)
    np.testing.assert_allclose(prior.ANGLE, scaled, atol=0.01)
    numeric = np.gradient(np.tile(prior.ANGLE, 3), PHASES[1])[BINS : 2 * BINS]
    np.testing.assert_allclose(prior.SLOPE, numeric, atol=0.3)
