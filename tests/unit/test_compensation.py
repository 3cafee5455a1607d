"""The robot's own weight, friction and inertia, against the engine's known answers."""

import numpy as np
import pytest

from exostride.control.compensation import CompensationParameters, RobotCompensation
from exostride.model.anthropometry import BodyParameters
from exostride.model.dynamics import LegDynamics
from exostride.types import ExoState

T = 0.005
BODY = BodyParameters()
POSTURE = np.array([0.4, 0.6, -0.1, -0.2, 0.1, 0.15])


def state(seq, angle, velocity, valid=63):
    return ExoState(seq, seq * T, seq * T, joint_valid=valid, angle_rad=angle, velocity_rad_s=velocity)


def test_a_robot_at_rest_is_held_against_gravity():
    compensation = RobotCompensation(BODY, T)
    torque = compensation.step(state(0, POSTURE, np.zeros(6)))
    assert torque == pytest.approx(LegDynamics("exoskeleton", BODY).gravity(POSTURE))
    assert np.max(np.abs(torque)) > 3.0


def test_compensation_leaves_the_stated_share_of_the_inertia():
    parameters = CompensationParameters(friction=0.0, inertia=0.5)
    compensation = RobotCompensation(BODY, T, parameters)
    acceleration = np.array([2.0, -1.0, 3.0, -2.0, 1.0, 0.5])
    for k in range(200):
        torque = compensation.step(state(k, POSTURE, acceleration * (k * T - 0.995)))
    dynamics = LegDynamics("exoskeleton", BODY)
    carried = torque - dynamics.bias(POSTURE, acceleration * (199 * T - 0.995))
    assert carried == pytest.approx(0.5 * dynamics.inertia_torque(POSTURE, acceleration), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("angle", [np.full(6, np.nan), POSTURE])
def test_nothing_is_guessed_when_a_joint_is_not_measured(angle):
    compensation = RobotCompensation(BODY, T)
    valid = 63 if np.isnan(angle).any() else 31
    assert np.array_equal(compensation.step(state(0, angle, np.zeros(6), valid)), np.zeros(6))
