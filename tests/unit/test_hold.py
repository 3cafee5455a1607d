"""A law holds legs in a guessed posture only as long as their own posture does not refute the guess."""

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.path import STANDING_RAD
from exostride.control.tracking import Tracker
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, GaitPhase, GaitState, Signal, TherapySettings

T = 0.005
REFERENCE = load_reference(config_dir() / "norms" / "reference_gait.yaml")
CONTEXT = ControlContext(T, 0.9, 75.0, np.full(6, 80.0), REFERENCE)
STILL = TherapySettings(belt_speed_m_s=0.0)


def held(knee_rad: float, *, joint: int = 4) -> np.ndarray:
    """Return the hold (6,) on somebody who has stood for 5 s, in the tick in which one joint has moved."""
    tracker = Tracker(CONTEXT)
    for k in range(1001):
        angle = STANDING_RAD.copy()
        angle[joint] += knee_rad if k == 1000 else 0.0
        seen = ExoState(k, k * T, k * T, available=Signal.JOINT_ANGLE, joint_valid=63, angle_rad=angle)
        still = GaitPhase(k, k * T, np.zeros(2), np.zeros(2), np.ones(2), np.zeros(2), GaitState.STANDING)
        track = tracker.step(k * T, seen, still, STILL)
    return track.hold


def test_who_stands_is_held():
    assert held(0.0) == pytest.approx(np.ones(6))
    assert held(0.3) == pytest.approx(np.ones(6)), "nobody stands quite still"


@pytest.mark.parametrize(("joint", "free"), [(4, [3, 4, 5]), (0, [0, 1, 2])])
def test_leg_that_takes_a_step_is_let_go_and_the_other_is_held(joint, free):
    hold = held(0.58, joint=joint)
    assert np.all(hold[free] == 0.0)
    assert np.delete(hold, free) == pytest.approx(np.ones(3))


def test_leg_is_let_go_gradually():
    holds = [held(x)[4] for x in (0.4, 0.44, 0.48, 0.52)]
    assert np.all(np.diff(holds) < 0.0)
    assert 0.0 < holds[-1] < holds[0] < 1.0


def test_trusted_phase_holds_however_far_the_leg_is():
    tracker, settings = Tracker(CONTEXT), TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5)
    for k in range(2000):
        phase = np.array([0.9 * k * T % 1.0, (0.9 * k * T + 0.5) % 1.0])
        walks = GaitPhase(k, k * T, phase, np.full(2, 0.9), np.full(2, 0.5), np.ones(2), GaitState.WALKING)
        seen = ExoState(
            k, k * T, k * T, available=Signal.JOINT_ANGLE, joint_valid=63, angle_rad=np.full(6, 1.2)
        )
        track = tracker.step(k * T, seen, walks, settings)
    assert np.abs(track.error_rad).max() > 0.6
    assert track.hold.min() > 0.95


def test_phase_that_is_hardly_trusted_is_a_guess_too():
    tracker, settings = Tracker(CONTEXT), TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5)
    for k in range(2000):
        phase = np.array([0.9 * k * T % 1.0, (0.9 * k * T + 0.5) % 1.0])
        walks = GaitPhase(
            k, k * T, phase, np.full(2, 0.9), np.full(2, 0.5), np.full(2, 0.62), GaitState.WALKING
        )
        seen = ExoState(
            k, k * T, k * T, available=Signal.JOINT_ANGLE, joint_valid=63, angle_rad=np.full(6, 1.2)
        )
        track = tracker.step(k * T, seen, walks, settings)
    assert np.all(track.hold == 0.0)
