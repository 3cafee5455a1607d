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


def test_nothing_is_known_before_a_whole_stride():
    _, (_, _, known) = walk(OwnMotion(T), 0.9)
    assert np.array_equal(known, np.zeros(6))


def test_a_repeated_motion_is_known_with_its_velocity():
    phase, (angle, velocity, known) = walk(OwnMotion(T), 6.3)
    assert angle == pytest.approx(motion(phase), abs=0.02)
    slope = 2 * np.pi * RATE_HZ * AMPLITUDE * np.cos(2 * np.pi * np.repeat(phase, 3))
    assert velocity == pytest.approx(slope, abs=0.08), "a twentieth of the largest"
    assert np.array_equal(known, np.ones(6))


def test_motion_is_read_as_far_ahead_as_the_drives_are_late():
    phase, (angle, _, _) = walk(OwnMotion(T), 6.3)
    assert angle == pytest.approx(motion(phase + RATE_HZ * (0.5 * T + 0.002)), abs=0.005)


@pytest.mark.parametrize(("away", "share"), [(0.0, 1.0), (0.04, 1.0), (0.10, 0.5), (0.2, 0.0), (-0.2, 0.0)])
def test_joint_that_departs_from_the_mean_is_let_go(away, share):
    own = OwnMotion(T)
    phase, (angle, _, _) = walk(own, 6.3)
    there = angle + np.array([away, 0, 0, 0, 0, 0])
    _, _, along = own.step(
        SimpleNamespace(leg_phase=phase, leg_rate_hz=np.full(2, RATE_HZ), angle_rad=there, walking=True)
    )
    assert along == pytest.approx([share, 1, 1, 1, 1, 1], abs=0.02)


def test_another_motion_replaces_it_within_a_few_strides():
    own = OwnMotion(T)
    walk(own, 5)
    phase, (angle, _, _) = walk(own, 8.3, size=0.5)
    assert angle == pytest.approx(motion(phase, 0.5), abs=0.02)


def test_bins_that_a_quick_phase_skipped_are_filled_and_half_a_stride_teaches_nothing():
    phase, (angle, _, _) = walk(OwnMotion(T), 6.3, skip=[(0.50, 0.52)])
    assert angle == pytest.approx(motion(phase), abs=0.03)
    _, (_, _, known) = walk(OwnMotion(T), 6.3, skip=[(0.5, 0.8)])
    assert np.array_equal(known, np.zeros(6))
