"""The plan that patients walk by: inside the published bands, and made by one command."""

import numpy as np
import pytest

from exostride.bench.learn_gait import entry_of
from exostride.bench.learn_walking import Case
from exostride.bench.tune_walking import read_plan
from exostride.gait.bands import bands_at
from exostride.paths import config_dir
from exostride.patient.gait_plan import ANGLE, FILE_NAME, SAMPLES, load_plans
from exostride.patient.profiles import load_profile
from exostride.patient.virtual import VirtualPatient

PATH = config_dir() / "norms" / FILE_NAME


@pytest.fixture(scope="module")
def plans():
    return load_plans(PATH)


@pytest.mark.parametrize("index", range(5))
def test_planned_angles_lie_inside_every_band_of_their_speed(plans, index):
    plan = plans[0]
    walked = np.degrees(plan.tables[index][:SAMPLES, ANGLE][:, 1:])
    for band in bands_at(float(plan.froude[index])):
        mean, sd = band.angles_deg(np.arange(SAMPLES) / SAMPLES)
        assert (np.abs(walked - mean) <= 2.0 * sd).all(), band.source


def test_a_case_writes_to_its_own_entry(plans):
    content = read_plan(PATH)
    patient = VirtualPatient(load_profile("unimpaired"), plans[0], 0.005, 0, plans[1])
    for speed in (0.14, 0.3, 0.6, 1.0, 1.3, 1.6):
        alone = entry_of(content, Case(speed, 0.0, "none"))
        worn = entry_of(content, Case(speed, 0.0, "exoskeleton"))
        assert alone["in_robot"] is worn
        assert alone["froude_speed"] == pytest.approx(speed / patient.froude_m_s, abs=1e-4)
