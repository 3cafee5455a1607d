"""Figures of a simulated session against what the simulation knows: the patient's joints and own effort."""

import numpy as np
import pytest

from exostride.analysis.loading import load_session
from exostride.analysis.summary import analyse
from exostride.analysis.walk import Walk
from exostride.bench import metric_truth
from exostride.bench.contribution import figures, walk
from exostride.conventions import JOINT_KINDS, SIDES
from exostride.recording.reader import BagReader
from exostride.runtime.simulate import SimulationConfig, run

TARGET_POINTS = 7.0
"""Largest error of the share that still tells a therapist who did the work."""


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walked") / "bag"
    run(SimulationConfig(patient="hemiparetic_left_mild", duration_s=30.0, bag=folder))
    return folder


@pytest.mark.slow
def test_angles_and_steps_are_the_patients_own(bag):
    """The robot's joints are several degrees from the patient's where a foot is lifted through its cuff."""
    verdicts = {v.metric: v for v in metric_truth.verdicts(bag) if v.against == "the patient"}
    of_joints = {name for name in metric_truth.OF_PATIENT if name.endswith("_deg")}
    for name in (*of_joints, "step_length_m", "foot_clearance_mm"):
        assert verdicts[name].holds, verdicts[name]
    walk = Walk(load_session(bag))
    assert walk.session.angle_rad is not None and walk.angle_rad is not None
    truth = metric_truth.truth_of(bag, walk.session)["patient_angle_rad"]
    robots, found = (
        np.degrees(angle - truth).std(axis=0) for angle in (walk.session.angle_rad, walk.angle_rad)
    )
    assert (found < 0.6).all() and (robots > 1.2).all(), (found, robots)


@pytest.mark.slow
def test_own_effort_lies_near_the_truth(bag):
    analysis = analyse(bag)
    walk = analysis.walk
    assert min(len(leg) for leg in walk.legs) >= 3
    with BagReader(bag) as reader:
        truth = reader.read("sim/truth")
    row = np.searchsorted(truth["time_s"], walk.session.time_s - 1e-6)
    velocity = truth["patient_velocity_rad_s"][row]
    own = np.maximum(truth["patient_active_torque_nm"][row] * velocity, 0.0)
    robot = np.maximum(truth["cuff_torque_nm"][row] * velocity, 0.0)
    checked = covered = 0
    for side, name in enumerate(SIDES):
        leg = walk.legs[side]
        work, help_ = (walk.integral(power, leg.start_s, leg.end_s) for power in (own, robot))
        for k, kind in enumerate(JOINT_KINDS):
            estimate = analysis.one("contribution_percent", f"{kind}_{name}")
            if not estimate.known:
                continue
            column = 3 * side + k
            share = 100.0 * float((work[:, column] / (work[:, column] + help_[:, column])).mean())
            error = abs(estimate.value - share)
            assert error <= TARGET_POINTS, (kind, name, estimate.value, share)
            checked += 1
            covered += error <= estimate.margin
    assert checked >= 3
    # Each margin is a 95 % interval: of six one may miss, more may not.
    assert covered >= checked - 1


@pytest.mark.slow
def test_share_told_while_walking_is_as_near_the_truth_as_it_says():
    """A robot with wrong friction, an estimate with wrong segments: one walk of ``bench contribution``."""
    found = walk("impedance", "hemiparetic_left_mild", 2, 14.0, 1)
    for part in ("stance", "swing"):
        f = figures(found["0"], part)
        assert f["n"] >= 20
        assert f["within_percent"] >= 90.0
        assert f["coverage_percent"] >= 90.0
        assert f["sd_points"] < 5.0, "an interval that holds because it is wide tells nothing"
