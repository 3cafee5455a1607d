"""The reference from the consistent gait, and a walker's own path beside it."""

import numpy as np
import pytest
import yaml

from exostride.conventions import GRAVITY_M_S2
from exostride.errors import ConfigError
from exostride.gait.consistent import PLAN_FILE, load_consistent
from exostride.gait.reference import FILE_NAME, derivative, load_reference
from exostride.paths import config_dir
from exostride.patient.gait_plan import ANGLE, load_plan
from exostride.runtime.assembly.control import control_context, reference_of
from exostride.runtime.assembly.stack import StackConfig

NORMS = load_reference(config_dir() / "norms" / FILE_NAME)
PLAN = config_dir() / "norms" / PLAN_FILE
PHASE = np.arange(40) / 40
LEG_M = 0.9


@pytest.fixture(scope="module")
def reference():
    return load_consistent(PLAN, NORMS)


@pytest.fixture(scope="module")
def walker():
    return load_plan(PLAN)


@pytest.mark.parametrize("leg_m", [0.68, 0.95])
@pytest.mark.parametrize("speed", [0.15, 0.3, 0.47, 0.8, 1.3])
def test_robot_leads_along_what_a_body_of_that_size_can_walk(reference, walker, speed, leg_m):
    curve = reference.curve(speed, leg_m)
    place = walker.bracket(NORMS.froude_speed(speed, leg_m))
    expected = np.array([walker.rows(place, p, p)[0, ANGLE][1:] for p in PHASE])
    assert curve.angles(PHASE) == pytest.approx(expected, abs=2e-3)
    assert curve.stride_time_s == pytest.approx(walker.stride_time_s(place, leg_m), rel=1e-9)


def test_below_the_slowest_speed_only_the_stride_gets_longer(reference):
    slow, slower = reference.curve(0.12, LEG_M), reference.curve(0.10, LEG_M)
    assert slower.angles(PHASE) == pytest.approx(slow.angles(PHASE))
    assert slower.stride_time_s / slow.stride_time_s == pytest.approx(0.12 / 0.10, rel=1e-6)


def own_file(tmp_path, reference, shift_deg=5.0, **changes):
    """A walker at 0.5 m/s who flexes the knee by ``shift_deg`` more than the consistent gait."""
    curve = reference.curve(0.5, LEG_M)
    angle = np.degrees(curve.angle)
    angle[1, 0] += shift_deg
    froude = NORMS.froude_speed(0.5, LEG_M)
    speed = {
        "froude_speed": froude,
        "stride_time": float(curve.stride_time_s / np.sqrt(LEG_M / GRAVITY_M_S2)) * 1.1,
        "stance_fraction": curve.stance_fraction + 0.02,
        "strides": 10,
        "angle_deg": dict(zip(("hip", "knee", "ankle"), angle.tolist(), strict=True)),
        **changes,
    }
    path = tmp_path / "own.yaml"
    path.write_text(
        yaml.safe_dump({"made_by": "a test", "side": "right", "leg_length_m": LEG_M, "speeds": [speed]})
    )
    return path


@pytest.mark.parametrize("speed", [0.3, 0.5, 0.8])
def test_a_walkers_own_way_goes_along_to_other_speeds(tmp_path, reference, speed):
    own = load_consistent(PLAN, NORMS, own_file(tmp_path, reference))
    mine, usual = own.curve(speed, LEG_M), reference.curve(speed, LEG_M)
    difference = np.degrees(mine.angles(PHASE) - usual.angles(PHASE))
    assert difference == pytest.approx(np.tile([0.0, 5.0, 0.0], (len(PHASE), 1)), abs=1e-9)
    assert mine.rate == pytest.approx(derivative(mine.angle))
    assert mine.stride_time_s == pytest.approx(1.1 * usual.stride_time_s)
    assert mine.stance_fraction == pytest.approx(usual.stance_fraction + 0.02)


def test_damaged_files_are_refused_by_name(tmp_path, reference):
    short = own_file(tmp_path, reference, angle_deg={"hip": [1.0], "knee": [1.0], "ankle": [1.0]})
    with pytest.raises(ConfigError, match=r"angle_deg\.hip: needs \d+ coefficients"):
        load_consistent(PLAN, NORMS, short)
    with pytest.raises(ConfigError, match="stance_fraction"):
        load_consistent(PLAN, NORMS, own_file(tmp_path, reference, stance_fraction=2.0))


def test_the_stack_chooses_its_reference_by_name(tmp_path, reference):
    def angles(name):
        return reference_of(name).curve(0.5, LEG_M).angles(PHASE)

    assert angles("plan") == pytest.approx(reference.curve(0.5, LEG_M).angles(PHASE))
    assert angles("norms") == pytest.approx(NORMS.curve(0.5, LEG_M).angles(PHASE))
    assert np.abs(angles(str(own_file(tmp_path, reference))) - angles("plan")).max() > 0.05
    shipped = control_context(StackConfig(patient="unimpaired")).reference.curve(0.5, LEG_M)
    assert shipped.angles(PHASE) == pytest.approx(angles("plan")), "the plan is what ships"
    with pytest.raises(ConfigError, match="reference = 'plam': must be plan, norms, or the file"):
        reference_of("plam")
