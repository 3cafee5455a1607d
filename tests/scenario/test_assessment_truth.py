"""The robot's assessments in the whole simulated stack, against what the simulation knows of the patient."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from exostride.analysis import assessments
from exostride.analysis.loading import load_session
from exostride.analysis.walk import Walk
from exostride.conventions import JOINTS
from exostride.errors import ExitCode
from exostride.model.joints import joint_table
from exostride.recording.reader import BagReader
from exostride.runtime.protocol import make_plan
from exostride.runtime.simulate import SimulationConfig, run

PROTOCOL = """
name: one assessment
duration_s: {length}
settings: {{controller: transparent, belt_speed_m_s: 0.0, unloading_percent: 80.0}}
changes:
  - after_s: 9.5
    settings: {{controller: {law}}}
"""


def assessed(folder, law, length_s, patient):
    """Run one assessment; return its walk, the ticks' truth, and the exit code."""
    file = folder / f"{law}.yaml"
    file.write_text(PROTOCOL.format(law=law, length=9.5 + length_s))
    make_plan(file)
    bag = folder / law
    done = run(
        SimulationConfig(
            patient=patient,
            protocol=file,
            duration_s=length_s + 30.0,
            device_parameters={"instruction": "assess"},
            bag=bag,
        )
    )
    walk = Walk(load_session(bag))
    with BagReader(bag) as reader:
        truth = reader.read("sim/truth")
    row = np.searchsorted(truth["time_s"], walk.session.time_s - 1e-6)
    return walk, {name: column[row] for name, column in truth.fields.items()}, done.exit_code


@pytest.mark.slow
def test_tone_is_that_of_the_simulated_reflexes_and_tissue(tmp_path):
    """Against the same figure of the true torque; where nothing is spastic that is the tissue's damping."""
    walk, truth, code = assessed(tmp_path, "passive_movement", 127.0, "hemiparetic_left_mild")
    assert code == ExitCode.OK
    own = assessments.Motion(
        truth["patient_angle_rad"], truth["patient_velocity_rad_s"], truth["patient_torque_nm"]
    )
    found = {}
    for column, joint in enumerate(JOINTS):
        for sign in (1.0, -1.0):
            ways = [way for way in assessments.passes(walk.session, own, column) if way.sign == sign]
            true, _ = assessments.growth(ways)
            if joint not in ("knee_left", "ankle_left"):
                tissue = joint_table()[f"patient_{joint}"].damping_nms_rad
                assert true == pytest.approx(tissue, abs=0.1), (joint, sign)
            tone = assessments.tone(walk, column, sign)
            tolerance = max(0.5, 0.2 * abs(true))
            assert tone.known and abs(tone.value - true) <= tolerance, (joint, sign, tone.value, true)
            found[joint, sign] = tone.value
    # The paretic side's knee extensors and calf are the spastic ones: they resist, and only on that side.
    assert found["knee_left", 1.0] > found["knee_right", 1.0] + 5.0
    assert found["ankle_left", 1.0] > 1.5 * found["ankle_right", 1.0]


@pytest.mark.slow
def test_range_is_that_of_the_patients_own_joint(tmp_path):
    walk, truth, code = assessed(tmp_path, "range_of_motion", 88.0, "hemiparetic_left_mild")
    assert code == ExitCode.OK
    angle = np.degrees(truth["patient_angle_rad"])
    for column, joint in enumerate(JOINTS):
        for sign, extreme in ((1.0, np.max), (-1.0, np.min)):
            places = assessments.moving_alone(walk.session, column)
            true = float(extreme(np.concatenate([angle[p, column] for p in places])))
            found = assessments.reach(walk, column, sign)
            assert found.known and abs(found.value - true) <= 5.0, (joint, sign, found.value, true)


@pytest.mark.slow
def test_force_is_that_of_the_pushing_muscles(tmp_path):
    """The left leg, held for 32 s; where it was stronger than the robot there is no figure."""
    walk, truth, code = assessed(tmp_path, "isometric_hold", 36.0, "hemiparetic_left_severe")
    assert code == ExitCode.OK
    held = assessments.held(walk.session, 0)
    width = round(0.5 / walk.session.period_s)
    known = 0
    for column in range(3):
        for sign in (1.0, -1.0):
            found = assessments.force(walk, column, sign)
            true = uniform_filter1d(sign * truth["patient_active_torque_nm"][held, column], width).max()
            if found.known:
                assert abs(found.value - true) <= max(3.0, 0.1 * true), (column, sign, found.value, true)
                known += 1
            else:
                assert found.reason == assessments.STRONGER
    assert known >= 3
