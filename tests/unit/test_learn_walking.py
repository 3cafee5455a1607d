"""Practice with a therapist's hands: the pieces of feedback-error learning."""

import numpy as np
import pytest

from exostride.bench.learn_walking import Case, School, phase_mean, series, smooth
from exostride.bench.treadmill_run import TreadmillRun
from exostride.gait.reference import fourier_matrix
from exostride.paths import config_dir
from exostride.patient.gait_plan import FILE_NAME, FREE, LEG, LOAD, SAMPLES, load_plans

PHASE = np.arange(SAMPLES) / SAMPLES


def test_phase_mean_finds_the_signal_and_asks_for_every_phase():
    phase = np.linspace(0.0, 7.0, 5000)
    signal = np.sin(2 * np.pi * phase)[:, None]
    assert phase_mean(phase, signal)[:, 0] == pytest.approx(np.sin(2 * np.pi * PHASE), abs=2e-3)
    assert phase_mean(phase[:300], signal[:300]) is None


def test_phases_that_resetting_skips_get_what_lies_between():
    phase = np.linspace(0.0, 7.0, 5000)
    phase = phase[(phase % 1.0 < 0.95) | (phase % 1.0 > 0.99)]
    signal = np.sin(2 * np.pi * phase)[:, None]
    assert phase_mean(phase, signal)[:, 0] == pytest.approx(np.sin(2 * np.pi * PHASE), abs=0.02)


def test_smoothing_keeps_low_harmonics_only():
    low, high = np.cos(2 * np.pi * 3 * PHASE), np.cos(2 * np.pi * 30 * PHASE)
    assert smooth((low + high)[:, None], 16)[:, 0] == pytest.approx(low, abs=1e-12)


@pytest.mark.parametrize("unloading", [0.0, 30.0])
def test_what_is_learned_raises_the_torque_that_the_loaded_leg_gives(unloading):
    plans = load_plans(config_dir() / "norms" / FILE_NAME)
    school = School(Case(0.6, unloading, "none"), plans)
    table = school.table
    before = table[:SAMPLES, FREE] + school.case.carried * table[:SAMPLES, LOAD]
    torque = np.outer(np.sin(2 * np.pi * PHASE), [0.01, 0.02, -0.01, 0.03])
    school.add(torque)
    after = table[:SAMPLES, FREE] + school.case.carried * table[:SAMPLES, LOAD]
    assert after - before == pytest.approx(torque, abs=2e-3)
    assert table[SAMPLES] == pytest.approx(table[0])
    again = np.column_stack([fourier_matrix(PHASE, 16) @ series(after)[name] for name in LEG])
    assert again == pytest.approx(after, abs=2e-3)


def test_next_lesson_walks_with_what_was_learned():
    plans = load_plans(config_dir() / "norms" / FILE_NAME)
    # 1.0 m/s lies a hair beside the stored speed: the patient then reads a mixture, not the table itself.
    school = School(Case(1.0, 0.0, "none"), plans)

    def model():
        school.plant.reset()
        run = TreadmillRun(school.plant, school.patient, slip=False)
        run.start_in_gait(1.0)
        run.run(0.02, 1.0)
        return run.walk()["torque"][-1]

    before = model()
    assert model() == pytest.approx(before)
    school.add(np.full((SAMPLES, 4), 0.01))
    assert np.abs(model() - before).max() > 1.0
