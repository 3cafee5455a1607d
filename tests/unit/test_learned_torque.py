"""A torque that was learned for a step is for who walks: it pushes nobody who stands."""

from dataclasses import replace

import numpy as np
import pytest

from exostride.control.adaptive_rbf import AdaptiveRbfController
from exostride.control.context import ControlContext
from exostride.control.error_based import ErrorBasedController
from exostride.errors import ConfigError
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, GaitPhase, GaitState, TherapySettings

T, RATE_HZ = 0.01, 0.8
CONTEXT = ControlContext(
    T, 0.9, 75.0, np.full(6, 80.0), load_reference(config_dir() / "norms" / "reference_gait.yaml")
)
SETTINGS = TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5, assistance=np.full(6, 0.5))
LAWS = pytest.mark.parametrize("law_type", [ErrorBasedController, AdaptiveRbfController])
BEHIND_RAD = 0.3


class Session:
    """A law, and somebody whose joints stay behind the path by so much while they walk."""

    def __init__(self, law, settings=SETTINGS):
        self.law, self.settings, self.k = law, settings, 0
        self.angle = np.zeros(6)

    def go(self, seconds, walking=True):
        """Return the commands of the ticks."""
        state = GaitState.WALKING if walking else GaitState.STANDING
        settings = self.settings if walking else replace(self.settings, belt_speed_m_s=0.0)
        out = []
        for k in range(self.k, self.k + round(seconds / T)):
            t = k * T
            phase = np.array([RATE_HZ * t % 1.0, (RATE_HZ * t + 0.5) % 1.0])
            gait = GaitPhase(k, t, phase, np.full(2, RATE_HZ), np.zeros(2), np.ones(2), state)
            seen = ExoState(k, t, t, joint_valid=63, angle_rad=self.angle)
            out.append(self.law.step(t, seen, gait, settings))
            self.angle = out[-1].reference_rad - BEHIND_RAD
        self.k += len(out)
        return out


def torques(commands):
    return np.array([command.torque_nm for command in commands])


@LAWS
def test_who_stands_is_not_pushed_and_what_was_learned_waits_for_the_next_step(law_type):
    session = Session(law_type(CONTEXT))
    walked = torques(session.go(12.0)[-125:])
    assert np.abs(walked).max(axis=0).min() > 3.0, "all joints have learned something"
    stopping = torques(session.go(4.0, walking=False))
    steps = np.abs(np.diff(np.vstack([walked[-1:], stopping]), axis=0)).max()
    assert steps < 1.1 * np.abs(np.diff(walked, axis=0)).max() + 35.0 * T, "it goes softly"
    assert np.array_equal(torques(session.go(20.0, walking=False)), np.zeros((2000, 6)))
    again = torques(session.go(1.0 / RATE_HZ + 2.0))[-125:]
    assert np.abs(again).max(axis=0) == pytest.approx(np.abs(walked).max(axis=0), rel=0.3)


@LAWS
def test_joint_without_any_torque_to_learn_leaves_the_command_finite(law_type):
    session = Session(law_type(CONTEXT, {"torque_nm": [35, 30, 0]}))
    for command in session.go(4.0):
        assert np.isfinite(command.assistance).all()
        assert np.array_equal(command.torque_nm[[2, 5]], np.zeros(2))


@LAWS
@pytest.mark.parametrize("name", ["torque_nm", "stiffness_nm_rad", "damping_nms_rad"])
def test_no_parameter_of_a_joint_is_negative(law_type, name):
    with pytest.raises(ConfigError, match=name):
        law_type(CONTEXT, {name: [35, 30, -1]})


@LAWS
def test_message_that_leaves_the_level_as_it_is_does_not_restart_the_spring(law_type):
    session = Session(law_type(CONTEXT))
    faded = session.go(12.0)[-1].stiffness_nm_rad
    session.settings = replace(SETTINGS, belt_speed_m_s=0.81, assistance=SETTINGS.assistance.copy())
    assert session.go(0.05)[-1].stiffness_nm_rad == pytest.approx(faded, rel=0.1)
    session.settings = replace(SETTINGS, assistance=SETTINGS.assistance + 0.1)
    assert np.all(session.go(0.05)[-1].stiffness_nm_rad > 1.5 * faded), "a new level does"
