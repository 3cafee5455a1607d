"""Event detectors against a made-up walker whose events are known exactly."""

import math
from dataclasses import replace

import numpy as np
import pytest
from gait_walker import Walker

from exostride.gait.events import FootDetector, LegEvents, LoadDetector, ThighDetector
from exostride.gait.events.thigh import Swing
from exostride.gait.phase.settings import EventParameters
from exostride.gait.phase.signals import LegSample
from exostride.types import EventKind, Signal

STRIKE, OFF = int(EventKind.HEEL_STRIKE), int(EventKind.TOE_OFF)
ALL = Signal.SEGMENT | Signal.JOINT_ANGLE | Signal.FOOT_LOAD


def detect(signals, seconds=12.0, period=0.01, walker=None, change=None):
    walker = walker or Walker()
    sample, events = LegSample(0), LegEvents(EventParameters())
    out = []
    for k in range(round(seconds / period)):
        t = k * period
        state = walker.state(k, t, signals)
        sample.read(t, change(k, state) if change else state)
        found = events.step(t, sample)
        if found:
            out.append((*found, t))
    return [e for e in out if e[0] == STRIKE], [e for e in out if e[0] == OFF], walker


def true_times(walker, phase, seconds=12.0):
    return (np.arange(0, int(seconds * walker.rate_hz) + 1) + phase) / walker.rate_hz


def errors(found, truth):
    return np.array([at - truth[np.argmin(np.abs(truth - at))] for _, at, _, _ in found])


@pytest.mark.parametrize("period", [1 / 60, 0.01, 0.005, 0.002])
def test_load_finds_every_contact_within_ten_milliseconds(period):
    strikes, offs, walker = detect(ALL, period=period)
    assert len(strikes) >= 10
    assert np.abs(errors(strikes, true_times(walker, 0.0))).max() < 0.01
    assert np.abs(errors(offs, true_times(walker, 0.62))).max() < 0.02


def test_foot_kinematics_find_every_contact():
    strikes, offs, walker = detect(Signal.SEGMENT | Signal.JOINT_ANGLE)
    assert len(strikes) >= 10
    assert len(offs) >= 10
    assert np.abs(errors(strikes, true_times(walker, 0.0))).max() < 0.06
    assert np.std(errors(strikes[1:], true_times(walker, 0.0))) < 0.005
    assert np.abs(errors(offs, true_times(walker, 0.62))).max() < 0.06


def test_thigh_alone_finds_one_strike_and_one_toe_off_a_stride_at_a_constant_lag():
    strikes, offs, walker = detect(Signal.SEGMENT)
    assert 10 <= len(strikes) <= 11
    assert 10 <= len(offs) <= 11
    assert np.std(errors(strikes[2:], true_times(walker, 0.0))) < 0.005
    assert np.abs(errors(strikes[2:], true_times(walker, 0.0))).max() < 0.1


def test_no_event_is_dated_into_the_future():
    for signals in (Signal.SEGMENT, Signal.SEGMENT | Signal.JOINT_ANGLE, ALL):
        strikes, offs, _ = detect(signals)
        assert all(at <= t for _, at, _, t in strikes + offs)


def test_kinematics_take_over_when_the_cells_fail():
    def cut(k, state):
        if k < 600:
            return state
        return replace(state, foot_valid=0)

    strikes, _, _ = detect(ALL, change=cut)
    assert len([s for s in strikes if s[1] > 6.5]) >= 4


def test_a_heel_cell_alone_gives_no_toe_off_from_load():
    detector = LoadDetector(EventParameters())
    for k in range(500):
        detector.step(k * 0.01, 400.0 if k % 100 < 40 else 0.0, 0.0)
    assert detector.ready
    assert not detector.has_toe


def test_cell_noise_in_swing_is_no_contact():
    rng = np.random.default_rng(1)
    detector = LoadDetector(EventParameters())
    changes = [
        detector.step(k * 0.01, (600.0 if k % 100 < 60 else 0.0) + rng.normal(0, 5.0), 0.0)[0]
        for k in range(1000)
    ]
    assert changes.count(1) == 9
    assert changes.count(-1) == 10


def test_shifting_weight_in_standing_is_no_step():
    detector = LoadDetector(EventParameters())
    rng = np.random.default_rng(4)
    weight = (
        350 + 80 * np.sin(np.arange(4000) * 0.02) - 100 * (np.arange(4000) > 1500) + rng.normal(0, 8, 4000)
    )
    changes = [detector.step(k * 0.005, float(x), 0.0)[0] for k, x in enumerate(weight)]
    assert not any(changes)


def test_still_thigh_and_foot_give_nothing():
    thigh, foot = ThighDetector(EventParameters()), FootDetector(EventParameters())
    rng = np.random.default_rng(2)
    for k in range(1000):
        assert thigh.step(k * 0.01, rng.normal(0, 0.1))[0] == 0
        assert foot.step(k * 0.01, rng.normal(0, 0.002), rng.normal(0, 0.002))[0] == 0


def test_repeated_sample_changes_nothing():
    foot = FootDetector(EventParameters())
    foot.step(0.0, 0.1, 0.1)
    assert foot.step(0.0, 0.5, 0.5) == (0, 0.0)


def toe(state, extra_n):
    """The state with the left toe cell reading this much."""
    load = state.foot_load_n.copy()
    load[1] = extra_n
    return replace(state, foot_load_n=load)


def test_a_foot_that_scuffs_in_early_swing_makes_no_strike():
    walker = Walker()

    def scuff(k, state):
        return toe(state, 300.0) if 0.66 < walker.phase(k * 0.01, 0) < 0.70 else state

    strikes, offs, _ = detect(ALL, walker=walker, change=scuff)
    assert len(strikes) in (10, 11)
    assert np.abs(errors(strikes, true_times(walker, 0.0))).max() < 0.01
    assert np.abs(errors(offs, true_times(walker, 0.62))).max() < 0.02


def test_a_bounce_late_in_stance_makes_no_strike_and_its_toe_off_is_taken_back():
    walker = Walker(rate_hz=0.5)

    def bounce(k, state):
        return toe(state, 0.0) if 0.46 < walker.phase(k * 0.01, 0) < 0.50 else state

    strikes, offs, _ = detect(ALL, 16.0, walker=walker, change=bounce)
    assert np.abs(errors(strikes, true_times(walker, 0.0, 16.0))).max() < 0.01
    assert all(
        np.abs(np.array([at for _, at, _, _ in offs]) - off).min() < 0.02 for off in [5.24, 9.24, 13.24]
    )


def test_a_stance_that_bounces_in_every_stride_does_not_make_a_late_scuff_a_landing():
    swing = Swing(EventParameters())
    far = []
    for k in range(4000):
        t, phase = k * 0.005, k * 0.005 / 1.25 % 1.0
        swing.step(t, 0.3 * math.cos(2.0 * math.pi * (phase - 0.05)))
        tick = round(phase * 250)
        if tick in (100, 150):  # a bounce at 0.40, toe off at 0.60
            swing.lifted(t)
        elif tick == 110:
            assert not swing.landed(t)
        elif tick == 180 and k > 3000:  # a scuff at 0.72, the thigh a quarter of its way forward
            far.append(swing.landed(t))
        elif tick == 249:
            assert swing.landed(t)
    assert far == [False] * 4


def test_a_leg_that_trembles_takes_no_step():
    walker = Walker()

    def tremble(k, state):
        if k < 600:
            return state
        sway = replace(state, segment_angle_rad=0.01 * state.segment_angle_rad)
        return toe(sway, 300.0 * (k % 40 < 20))

    strikes, _, _ = detect(ALL, 40.0, walker=walker, change=tremble)
    assert not [at for _, at, _, _ in strikes if at > 8.0]


def test_much_shorter_steps_are_strikes_again_after_two():
    walker = Walker()

    def shorter(k, state):
        return state if k < 600 else replace(state, segment_angle_rad=0.2 * state.segment_angle_rad)

    strikes, _, _ = detect(ALL, 16.0, walker=walker, change=shorter)
    late = [at for _, at, _, _ in strikes if at > 6.0]
    assert len(late) >= 6
    assert np.diff(late)[-3:] == pytest.approx(1 / walker.rate_hz, abs=0.02)


def test_one_wild_angle_costs_no_strike():
    walker = Walker()

    def wild(k, state):
        return replace(state, segment_angle_rad=np.full(6, 1e6)) if k == 500 else state

    strikes, _, _ = detect(ALL, walker=walker, change=wild)
    assert len(strikes) >= 10


@pytest.mark.parametrize(("before_rad", "size"), [(1.3, 1.0), (0.9, 0.33)])
def test_range_that_a_thigh_has_shown_before_walking_costs_two_strikes_and_no_more(before_rad, size):
    """Who sat, or had the hip moved in an assessment, walks with swings far below that range."""
    walker, begin = Walker(), 200

    def seated(k, state):
        if k < begin:
            load = np.array([100.0, 0.0, 100.0, 0.0])
            return replace(state, segment_angle_rad=np.full(6, before_rad), foot_load_n=load)
        return replace(state, segment_angle_rad=size * state.segment_angle_rad)

    strikes, _, _ = detect(ALL, 20.0, walker=walker, change=seated)
    walked = true_times(walker, 0.0, 20.0)
    walked = walked[walked > begin * 0.01 + 1.0 / walker.rate_hz]
    assert len([at for _, at, _, _ in strikes if at > walked[0] - 0.1]) >= len(walked) - 3


def test_range_of_long_ago_is_no_measure_of_a_swing():
    swing = Swing(EventParameters())
    for k in range(4000):
        t = k * 0.01
        swing.step(t, 1.3 if k < 100 else 0.15 * math.sin(2.0 * math.pi * t))
    assert swing._range == pytest.approx(0.3, abs=0.1)
