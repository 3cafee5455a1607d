"""Learning balance from step to step: the map is found, and the regulator steadies it."""

import numpy as np
import pytest

from exostride.bench.learn_steps import Practice, StepMap, entry, identify, regulator
from exostride.bench.learn_walking import Case
from exostride.paths import config_dir
from exostride.patient.gait_plan import FILE_NAME, load_plans
from exostride.patient.step_balance import Decision
from exostride.patient.step_law import INPUTS, POINTS, STATES, StepGains, StepLaw, make_law


def unstable_map():
    """Return a map whose first two states grow unless the inputs that reach them hold them."""
    random = np.random.default_rng(3)
    a = np.array([0.3 * np.eye(STATES) for _ in range(POINTS)])
    a[:, :2, :2] = [[1.1, 0.2], [-0.2, 1.1]]
    b = 0.3 * random.standard_normal((POINTS, STATES, len(INPUTS)))
    mean = random.standard_normal((POINTS, STATES))
    return StepMap(mean, np.full((POINTS, STATES), 0.02), a, b)


def walks_of(steps, number, seed=0):
    """Return walks of a map with random inputs and a little noise."""
    random = np.random.default_rng(seed)
    out = []
    for _ in range(number):
        error, walk = 0.02 * random.standard_normal(STATES), []
        for i in range(12):
            j = i % POINTS
            u = 0.01 * random.standard_normal(len(INPUTS))
            walk.append(Decision(j, steps.mean[j] + error, u))
            error = steps.a[j] @ error + steps.b[j] @ u + 1e-4 * random.standard_normal(STATES)
        out.append(walk)
    return out


def test_map_is_found_in_walks():
    true = unstable_map()
    found = identify(walks_of(true, 200))
    assert found.a == pytest.approx(true.a, abs=0.05)
    assert found.b == pytest.approx(true.b, abs=0.05)
    assert found.after_a_step(None) == pytest.approx(true.after_a_step(None), rel=0.05)


def test_regulator_of_the_found_map_steadies_the_true_one():
    true = unstable_map()
    law = regulator(identify(walks_of(true, 200)), 1.0)
    assert true.after_a_step(None) > 1.2
    assert true.after_a_step(law) < 0.8


def test_a_cautious_law_asks_for_less():
    steps = unstable_map()
    bold, cautious = (np.abs(regulator(steps, c).gain).sum() for c in (1.0, 10.0))
    assert cautious < bold


def test_entry_is_read_back():
    law = regulator(unstable_map(), 1.0)
    again = make_law(StepGains.model_validate(entry(law)), "here")
    assert again.mean == pytest.approx(law.mean, abs=1e-5)
    assert again.gain == pytest.approx(law.gain, abs=1e-4)


def test_a_law_of_no_gain_walks_as_no_law():
    plans = load_plans(config_dir() / "norms" / FILE_NAME)
    practice = Practice(Case(1.0, 0.0, "none"), plans, 1.0, 0.0)
    nothing = StepLaw(np.zeros((POINTS, STATES)), np.zeros((POINTS, len(INPUTS), STATES)))
    ends = []
    for law in (None, nothing):
        assert practice.walk(law, 0, 1.0, 0.0) == pytest.approx(1.0, abs=0.01)
        ends.append(practice.plant.data.qpos.copy())
    assert np.array_equal(*ends)
