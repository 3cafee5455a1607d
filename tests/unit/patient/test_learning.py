"""Learning from step to step, forgetting, and what is left for the next session."""

import numpy as np
import pytest

from exostride.patient.learning import BINS, FULL_SESSION_STRIDES, StepLearning, consolidate, dose
from exostride.patient.profile import Learning, PatientProfile

TICKS = 200
PHASES = (np.arange(TICKS) + 0.5) / TICKS


def strides(learner, error, n):
    """Walk ``n`` strides; ``error`` of (phase, learned knee torque of the left leg) is that leg's knee's."""
    for _ in range(n):
        for phase in PHASES:
            e = np.zeros((2, 3))
            e[0, 1] = error(phase, learner)
            learner.step(np.array([phase, (phase + 0.5) % 1.0]), 1.0, e)


def test_learned_torque_goes_to_the_balance_of_error_and_forgetting():
    learner = StepLearning(Learning(rate=0.01, retention=0.9, limit=0.1))
    strides(learner, lambda phase, _: 0.2, 121)
    np.testing.assert_allclose(learner.torque[0, :, 1], 0.01 * 0.2 / (1.0 - 0.9), rtol=1e-4)
    assert not learner.torque[1].any() and not learner.torque[0, :, [0, 2]].any()


def test_it_goes_there_by_the_factor_of_retention_and_is_forgotten_by_it():
    learner = StepLearning(Learning(rate=0.01, retention=0.9, limit=0.1))
    strides(learner, lambda phase, _: 0.2, 11)
    after_ten = learner.torque[0, 5, 1]
    assert after_ten == pytest.approx(0.02 * (1.0 - 0.9**10), rel=1e-6)
    strides(learner, lambda phase, _: 0.0, 5)
    # The stride under way was still wrong and is learned from; four are forgotten after it.
    left = (0.9 * after_ten + 0.01 * 0.2) * 0.9**4
    assert learner.torque[0, 5, 1] == pytest.approx(left, rel=1e-6)


def test_a_learner_corrects_a_leg_that_follows_its_torque():
    learner = StepLearning(Learning(rate=0.02, retention=0.98, limit=0.1))
    give = 0.1  # rad per m g l x 0.1: a leg that bends by its torque

    def error(phase, known):
        torque = known.torque[0, int(phase * BINS), 1]
        return 0.15 * np.sin(2 * np.pi * phase) - torque / give

    first = np.array([error(p, learner) for p in PHASES])
    strides(learner, error, 60)
    last = np.array([error(p, learner) for p in PHASES])
    assert np.abs(last).max() < 0.3 * np.abs(first).max()


def test_error_late_in_the_cycle_teaches_the_phase_before():
    learner = StepLearning(Learning(rate=0.01, retention=0.9, limit=0.1))
    strides(learner, lambda phase, _: 0.2 if 0.5 <= phase < 0.55 else 0.0, 3)
    assert int(np.argmax(learner.torque[0, :, 1])) == int(0.5 * BINS) - 1


def test_torque_is_bounded_and_continuous_over_the_cycle():
    learner = StepLearning(Learning(rate=0.2, retention=1.0, limit=0.02))
    strides(learner, lambda phase, _: np.sin(2 * np.pi * phase), 40)
    assert np.abs(learner.torque).max() == pytest.approx(0.02)
    track = np.array([learner.step(np.full(2, p), 1.0, np.zeros((2, 3)))[0][0, 1] for p in PHASES])
    assert np.abs(np.diff(np.append(track, track[0]))).max() < 0.005


def test_a_stride_that_skipped_half_the_cycle_teaches_nothing():
    learner = StepLearning(Learning(rate=0.1, retention=0.9))
    for phase in (0.7, 0.8, 0.9, 0.95, 0.05):
        learner.step(np.full(2, phase), 1.0, np.ones((2, 3)))
    assert not learner.torque.any()


# ---------------------------------------------------------------- sessions


def patient(potential):
    return PatientProfile.model_validate(
        {
            "name": "x",
            "description": "x",
            "left": {"strength": {"knee_flexion": 0.4}},
            "learning": {"rate": 0.01, "recovery": 0.2, "potential": potential, "overnight": 0.6},
        }
    )


def weeks(profile, sessions, use):
    for _ in range(sessions):
        profile, _ = consolidate(profile, np.zeros((2, BINS, 3)), use)
    return profile


def test_one_full_session_brings_back_its_part_of_what_can_return():
    after, known = consolidate(patient(0.5), np.ones((2, BINS, 3)), dose(1.0, FULL_SESSION_STRIDES))
    assert after.left.strength.knee_flexion == pytest.approx(0.4 + 0.2 * 0.5 * 0.6)
    assert after.right == patient(0.5).right and after.left.strength.hip_flexion == 1.0
    np.testing.assert_allclose(known, 0.6)


def test_recovery_ends_at_the_potential_and_a_non_responder_stays():
    # Of the loss of 0.6, half can return.
    assert weeks(patient(0.0), 40, 1.0).left.strength.knee_flexion == 0.4
    end = weeks(patient(0.5), 200, 1.0).left.strength.knee_flexion
    assert end == pytest.approx(0.7)
    assert weeks(patient(0.5), 5, 1.0).left.strength.knee_flexion < end


def test_who_slacks_recovers_less():
    own, slack = (weeks(patient(0.5), 10, dose(e, 400)).left.strength.knee_flexion for e in (1.0, 0.4))
    assert 0.4 < slack < own
