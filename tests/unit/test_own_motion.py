"""The walker's own mean motion: learned over strides, by phase, and forgotten as fast."""

from types import SimpleNamespace

import numpy as np
import pytest

from exostride.control.own_motion import OwnMotion

RATE_HZ, T = 0.5, 0.01
AMPLITUDE = np.array([0.3, 0.5, 0.2] * 2)


def motion(phase, size=1.0):
    return size * AMPLITUDE * np.sin(2 * np.pi * np.repeat(phase, 3))


def walk(own, strides, size=1.0, skip=()):
    """Walk with both legs half a cycle apart; return what is known of the motion in the last tick."""
    for k in range(round(strides / RATE_HZ / T)):
        phase = (RATE_HZ * k * T + np.array([0.0, 0.5])) % 1.0
        if any(low <= phase[0] < high for low, high in skip):
            continue
        track = SimpleNamespace(
            leg_phase=phase, leg_rate_hz=np.full(2, RATE_HZ), angle_rad=motion(phase, size), walking=True
        )
        found = own.step(track)
    return phase, found


def pace(phase, size=1.0):
    return size * 2 * np.pi * RATE_HZ * AMPLITUDE * np.cos(2 * np.pi * np.repeat(phase, 3))


def test_nothing_is_known_before_a_stride_has_been_repeated():
    _, (_, along) = walk(OwnMotion(T), 1.9)
    assert np.array_equal(along, np.zeros(6))


def test_the_pace_of_a_repeated_motion_is_known_as_far_ahead_as_the_drives_are_late():
    phase, (velocity, along) = walk(OwnMotion(T), 6.3)
    assert velocity == pytest.approx(pace(phase + RATE_HZ * (0.5 * T + 0.002)), abs=0.03)
    assert np.array_equal(along, np.ones(6))


def test_what_is_quick_in_a_step_belongs_to_it():
    own, shaken = OwnMotion(T), 0.02
    for k in range(round(6.3 / RATE_HZ / T)):
        phase = (RATE_HZ * k * T + np.array([0.0, 0.5])) % 1.0
        angle = motion(phase) + shaken * np.sin(2 * np.pi * 12 * np.repeat(phase, 3))
        track = SimpleNamespace(
            leg_phase=phase, leg_rate_hz=np.full(2, RATE_HZ), angle_rad=angle, walking=True
        )
        velocity, _ = own.step(track)
    ahead = phase + RATE_HZ * (0.5 * T + 0.002)
    quick = shaken * 24 * np.pi * RATE_HZ * np.cos(24 * np.pi * np.repeat(ahead, 3))
    assert velocity == pytest.approx(pace(ahead) + quick, abs=0.15)
    assert np.abs(quick).max() > 0.6


def test_strides_that_differ_are_not_gone_along_with_and_begin_the_mean_anew():
    own = OwnMotion(T)
    walk(own, 6)
    _, (_, along) = walk(own, 2, size=2.0)
    assert np.array_equal(along, np.zeros(6))
    phase, (velocity, along) = walk(own, 2, size=2.0)
    assert velocity == pytest.approx(pace(phase, 2.0), abs=0.1), "nothing of the motion before is left"
    _, (_, along) = walk(own, 4, size=2.0)
    assert np.array_equal(along, np.ones(6))


def test_small_change_is_followed_within_a_few_strides():
    own = OwnMotion(T)
    walk(own, 6)
    phase, (velocity, along) = walk(own, 8.3, size=1.1)
    assert velocity == pytest.approx(pace(phase, 1.1), abs=0.06)
    assert along.min() > 0.5


def test_bins_that_a_quick_phase_skipped_are_filled_and_half_a_stride_teaches_nothing():
    phase, (velocity, _) = walk(OwnMotion(T), 6.3, skip=[(0.50, 0.52)])
    assert velocity == pytest.approx(pace(phase), abs=0.15), "a tenth of the largest"
    _, (_, along) = walk(OwnMotion(T), 6.3, skip=[(0.5, 0.8)])
    assert np.array_equal(along, np.zeros(6))


def stand(own, phase, seconds):
    """Stand while the rhythm turns on; return how far the robot goes along in each tick."""
    out = []
    for k in range(round(seconds / T)):
        now = (phase + RATE_HZ * (k + 1) * T) % 1.0
        still = SimpleNamespace(
            leg_phase=now, leg_rate_hz=np.full(2, RATE_HZ), angle_rad=np.zeros(6), walking=False
        )
        out.append(own.step(still)[1])
    return np.array(out)


def test_who_stands_is_let_go_softly():
    own = OwnMotion(T)
    phase, (_, along) = walk(own, 6.3)
    assert np.array_equal(along, np.ones(6))
    going = stand(own, phase, 3.0)
    assert np.abs(np.diff(going, axis=0)).max() <= 2.0 * T + 1e-9
    assert np.array_equal(going[round(0.5 / T) :], np.zeros_like(going[round(0.5 / T) :]))


def test_strides_after_a_pause_must_repeat_the_mean_before_the_robot_goes_along_again():
    own = OwnMotion(T)
    phase, _ = walk(own, 6.3)
    stand(own, phase, 3.0)
    _, (_, along) = walk(own, 1.2)
    assert along.max() == pytest.approx(1.0 / 3.0), "the mean is the one from before the pause"
    _, (_, along) = walk(own, 4)
    assert np.array_equal(along, np.ones(6))


def test_stride_that_a_pause_has_cut_in_two_is_none():
    own = OwnMotion(T)
    phase, _ = walk(own, 6.45)
    mean = own._mean.copy()
    stand(own, phase, 0.1)
    walk(own, 1.02, skip=[(0.05, 0.6)], size=0.0)
    assert np.array_equal(own._mean[0], mean[0])
