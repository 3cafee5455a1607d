"""Robot and human that learn together: who forgets faster decides whether the help ever ends."""

from functools import cache

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.error_based import ErrorBasedController
from exostride.control.fading import excess
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, GaitPhase, GaitState, TherapySettings

T = 0.005
REFERENCE = load_reference(config_dir() / "norms" / "reference_gait.yaml")
CONTEXT = ControlContext(T, 0.9, 75.0, np.full(6, 80.0), REFERENCE)
STIFFNESS = 120.0


@cache
def train(robot_forgets, human_keeps=0.93, human_learns=30.0, slack=1.0, strides=70):
    """A leg on a spring that lacks 15 N m; the human learns from error and slacks, the robot likewise.

    Emken & Reinkensmeyer's human: u' = f_H u + g_H |e|, in torque. Returns both torques by stride.
    """
    law = ErrorBasedController(
        CONTEXT, {"forgetting": robot_forgets, "dead_zone_rad": 0.0, "dead_zone_sd": 0.0, "lead": 0.0}
    )
    settings = TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5, assistance=np.zeros(6))
    human, error, angle, given, tried = 0.0, 0.0, np.zeros(6), [], []
    keep = 1.0 - slack * (1.0 - human_keeps)
    for k in range(round(strides / 0.8 / T)):
        phase = np.array([0.8 * k * T % 1.0] * 2)
        gait = GaitPhase(k, k * T, phase, np.full(2, 0.8), np.zeros(2), np.ones(2), GaitState.UNKNOWN)
        state = ExoState(k, k * T, k * T, joint_valid=63, angle_rad=angle)
        command = law.step(k * T, state, gait, settings)
        error = max((15.0 - human - float(command.torque_nm[1])) / STIFFNESS, 0.0)
        angle = command.reference_rad - error
        if k % round(1 / 0.8 / T) == 0:
            human = min(max(keep * human + human_learns * error, 0.0), 15.0)
            given.append(float(command.torque_nm[1]))
            tried.append(human)
    return np.mean(given[-10:]), np.mean(tried[-10:])


def test_a_robot_that_forgets_faster_than_the_human_leaves_the_work_to_the_human():
    robot, human = train(robot_forgets=0.8)
    assert human > 2.0 * robot


def test_breaking_emkens_inequality_makes_the_assistance_permanent():
    kept, _ = train(robot_forgets=0.8)
    permanent, human = train(robot_forgets=0.9999)
    assert permanent > 2.0 * kept
    assert permanent > human, "the human slacks behind a robot that never forgets"


def test_dead_zone_takes_its_width_from_both_signs():
    errors = np.array([0.3, -0.3, 0.05, -0.05, 0.1, 0.0])
    assert excess(errors, np.full(6, 0.1)) == pytest.approx([0.2, -0.2, 0, 0, 0, 0])
