"""Who is carried lets go: a weak leg whose owner slacks, with a stiff robot and with help as needed."""

from functools import cache

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.error_based import ErrorBasedController
from exostride.control.guidance import GuidanceController, PositionController
from exostride.control.impedance import ImpedanceController
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.patient.physiology import EffortLevel
from exostride.patient.profile import Effort
from exostride.types import ExoState, GaitPhase, GaitState, TherapySettings

T = 0.02
RATE_HZ = 0.8
CONTEXT = ControlContext(
    T, 0.9, 75.0, np.full(6, 80.0), load_reference(config_dir() / "norms" / "reference_gait.yaml")
)
NEEDED_NM, STRENGTH, OWN_NM_RAD = 15.0, 0.15, 120.0
"""Torque that a step needs, what is left of the patient's, and how stiffly the leg itself holds."""
SLACK = Effort(retention=0.97, gain=0.2, tolerance_deg=4.0, floor=0.5)


@cache
def tries(law, level=1.0, times=1.0, strides=60):
    """Effort of the leg after a training of some strides, and what the robot then gives at the knee."""
    robot, ruler = law(CONTEXT), GuidanceController(CONTEXT)
    kept = 1.0 - times * (1.0 - SLACK.retention)
    effort = EffortLevel(SLACK.model_copy(update={"retention": kept}))
    settings = TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5, assistance=np.full(6, level))
    angle, given = np.zeros(6), []
    for k in range(round(strides / RATE_HZ / T)):
        phase = np.full(2, RATE_HZ * k * T % 1.0)
        gait = GaitPhase(k, k * T, phase, np.full(2, RATE_HZ), np.zeros(2), np.ones(2), GaitState.UNKNOWN)
        state = ExoState(k, k * T, k * T, joint_valid=63, angle_rad=angle)
        command = robot.step(k * T, state, gait, settings)
        path = ruler.step(k * T, state, gait, settings).reference_rad
        # The leg settles at once where its own stiffness and the robot's bear what its muscles lack.
        stiffness = command.stiffness_nm_rad
        lacking = NEEDED_NM * (1.0 - STRENGTH * float(effort.level.mean())) - command.torque_nm
        error = (lacking - stiffness * (command.reference_rad - path)) / (OWN_NM_RAD + stiffness)
        angle = path - error
        given.append(command.torque_nm + stiffness * (command.reference_rad - angle))
        effort.feel(np.column_stack([np.zeros(2), error.reshape(2, 3)]), np.ones(2))
        if k % round(1 / RATE_HZ / T) == 0:
            effort.stride(0)
            effort.stride(1)
    return float(effort.level.mean()), float(np.mean(given[-250:], axis=0)[1])


@pytest.mark.parametrize("stiff", [GuidanceController, PositionController])
def test_who_is_led_stiffly_lets_go(stiff):
    effort, robot = tries(stiff)
    assert effort == pytest.approx(SLACK.floor, abs=0.02)
    assert robot > NEEDED_NM * (1.0 - STRENGTH) * 0.6, "the robot does what the patient left"


@pytest.mark.parametrize("adaptive", [ImpedanceController, ErrorBasedController])
@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_who_is_helped_as_needed_goes_on_trying(adaptive, times):
    effort, _ = tries(adaptive, 0.3, times)
    stiff, _ = tries(GuidanceController, 1.0, times)
    assert effort > stiff + 0.1


def test_nobody_slacks_who_can_not():
    assert tries(GuidanceController, 1.0, 0.0)[0] == 1.0
