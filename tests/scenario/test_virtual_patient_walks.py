"""The virtual patient walks on the simulated treadmill by their own joint torques."""

import numpy as np
import pytest

from exostride.bench.walking import SETTLING_S, band_figures, guidance_figures, leg_strides, make_run
from exostride.conventions import GRAVITY_M_S2

pytestmark = pytest.mark.slow
MASS_KG = 72.0


@pytest.mark.parametrize("robot", ["none", "exoskeleton"])
@pytest.mark.parametrize("speed", [0.6, 1.0, 1.3])
def test_unimpaired_patient_walks_inside_the_bands(speed, robot):
    run = make_run("unimpaired", robot, 1.0, 0)
    run.start_in_gait(speed)
    assert run.run(SETTLING_S + 10.0, speed)
    walk = run.walk()
    strides = leg_strides(walk, 0, MASS_KG, SETTLING_S)
    for source, figures in band_figures(strides, speed / run.patient.froude_m_s).items():
        inside = [v for k, v in figures.items() if not k.startswith("vertical")]
        assert min(inside) >= 90.0, (source, figures)
    guidance = guidance_figures(walk, SETTLING_S, MASS_KG * GRAVITY_M_S2, len(strides), run.patient.leg_m)
    assert guidance["horizontal_percent_bw_rms"] <= 5.0


def test_starts_from_standing_walks_slowly_unloaded_and_stops():
    run = make_run("unimpaired", "none", 1.0, 0)
    assert run.run(2.0, 0.0, unloading_percent=30.0)
    assert run.run(15.0, 0.3, 0.1, 30.0)
    assert len(leg_strides(run.walk(), 1, MASS_KG, 2.0)) >= 4
    assert run.run(6.0, 0.0, 0.1, 30.0)
    assert np.abs(run.walk()["velocity"][-100:]).max() < 0.3


def test_foot_drop_lowers_the_toe_on_its_own_side_only():
    run = make_run("foot_drop", "none", 1.0, 0)
    speed = 0.6 * float(np.sqrt(run.patient.leg_m / 0.9475))
    run.start_in_gait(speed)
    run.run(12.0, speed)
    walk = run.walk()
    swing_left = walk["ground_force"][:, 2] < 1.0
    swing_right = walk["ground_force"][:, 5] < 1.0
    assert walk["angle"][swing_left, 3].mean() < walk["angle"][swing_right, 7].mean() - np.radians(3.0)
