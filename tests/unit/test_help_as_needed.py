"""The default law's help goes where it is not needed, comes back at once where it is, and stays there."""

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.guidance import GuidanceController
from exostride.control.impedance import ImpedanceController
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, GaitPhase, GaitState, TherapySettings

T, RATE_HZ, START = 0.005, 0.8, 0.3
CONTEXT = ControlContext(
    T, 0.9, 75.0, np.full(6, 80.0), load_reference(config_dir() / "norms" / "reference_gait.yaml")
)
LEG_NM_RAD = 120.0
SOUND_NM, WEAK_NM = 8.0, 40.0
"""What a leg lacks of the torque of its step: 4 degrees for a sound one, 19 for a weak one."""


def levels(parameters, lacking_nm):
    """Mean level of the left and the right leg in each stride; one row of ``lacking_nm`` (2,) a stride."""
    robot, ruler = ImpedanceController(CONTEXT, parameters), GuidanceController(CONTEXT)
    settings = TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5, assistance=np.full(6, START))
    angle, found, ticks = np.zeros(6), [], round(1 / RATE_HZ / T)
    for stride, lacking in enumerate(lacking_nm):
        shown = []
        for k in range(stride * ticks, (stride + 1) * ticks):
            phase = np.full(2, RATE_HZ * k * T % 1.0)
            gait = GaitPhase(k, k * T, phase, np.full(2, RATE_HZ), np.zeros(2), np.ones(2), GaitState.UNKNOWN)
            state = ExoState(k, k * T, k * T, joint_valid=63, angle_rad=angle)
            command = robot.step(k * T, state, gait, settings)
            path = ruler.step(k * T, state, gait, settings).reference_rad
            stiffness = command.stiffness_nm_rad
            pull = command.torque_nm + stiffness * (command.reference_rad - path)
            angle = path - (np.repeat(lacking, 3) - pull) / (LEG_NM_RAD + stiffness)
            shown.append(command.assistance)
        found.append(np.mean(shown, axis=0).reshape(2, 3).mean(axis=1))
    return np.array(found)


@pytest.fixture(scope="module")
def story():
    """Sixty sound strides, then thirty in which the left leg is weak."""
    return levels({}, np.array([[SOUND_NM, SOUND_NM]] * 60 + [[WEAK_NM, SOUND_NM]] * 30))


def test_help_of_a_sound_walker_is_gone_within_sixty_strides(story):
    assert story[0] == pytest.approx(START, abs=0.05)
    assert story[59].max() < 0.05 * START


def test_help_is_back_within_five_strides_when_a_leg_weakens_and_stays(story):
    settles = story[-5:, 0].mean()
    assert settles > 0.3
    assert story[64, 0] >= 0.5 * settles
    assert story[-1, 0] == pytest.approx(settles, abs=0.03), "it does not fade from who needs it"


def test_the_other_leg_is_left_alone(story):
    assert story[60:, 1].max() < 0.05 * START


def test_a_robot_that_never_forgets_never_leaves():
    kept = levels({"forgetting": 1.0}, np.full((30, 2), SOUND_NM))
    assert kept[-1].min() > 0.9 * START


def test_what_is_held_to_the_path_is_the_patients_joint_and_not_the_robots():
    """A foot hangs by 15 degrees in a robot's foot that is where it should be."""
    hangs = np.radians(15.0) * np.array([0.0, 0.0, -1.0, 0.0, 0.0, 0.0])
    robot, ruler = ImpedanceController(CONTEXT, {}), GuidanceController(CONTEXT)
    settings = TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5, assistance=np.full(6, START))
    robot._lift.step = lambda track, path: _hanging(robot._lift, hangs)
    path, pulled = np.zeros(6), []
    for k in range(round(5 / RATE_HZ / T)):
        phase = np.full(2, RATE_HZ * k * T % 1.0)
        gait = GaitPhase(k, k * T, phase, np.full(2, RATE_HZ), np.zeros(2), np.ones(2), GaitState.UNKNOWN)
        state = ExoState(k, k * T, k * T, joint_valid=63, angle_rad=path)
        command = robot.step(k * T, state, gait, settings)
        path = ruler.step(k * T, state, gait, settings).reference_rad
        pulled.append(command.stiffness_nm_rad * (command.reference_rad - state.angle_rad))
    last = np.array(pulled[-round(1 / RATE_HZ / T) :]).mean(axis=0)
    assert last[2] > 5.0
    assert np.abs(last[[0, 1, 3, 4, 5]]).max() < 1.0


def _hanging(lift, worn_rad):
    """Return that no foot needs a lift, and tell how the patient lies in the robot."""
    lift.worn_rad = worn_rad
    return np.zeros(6), np.zeros(6)
