"""A change of law must not be felt."""

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.guidance import GuidanceController
from exostride.control.impedance import ImpedanceController
from exostride.control.switching import Switcher, mix
from exostride.control.transparent import TransparentController
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import AssistCommand, ExoState, GaitPhase, GaitState, Signal, TherapySettings

T = 0.005
REFERENCE = load_reference(config_dir() / "norms" / "reference_gait.yaml")
CONTEXT = ControlContext(T, 0.9, 75.0, np.full(6, 80.0), REFERENCE)


def torque(command, angle, velocity):
    return (
        command.torque_nm
        + command.stiffness_nm_rad * (command.reference_rad - angle)
        + command.damping_nms_rad * (command.reference_velocity_rad_s - velocity)
    )


def test_mixture_of_commands_is_the_mixture_of_torques():
    rng = np.random.default_rng(3)
    a, b = (AssistCommand(0, 0.0, *(rng.uniform(0, 9, 6) for _ in range(5))) for _ in range(2))
    for weight in (0.0, 0.3, 1.0):
        angle, velocity = rng.normal(size=6), rng.normal(size=6)
        expected = (1 - weight) * torque(a, angle, velocity) + weight * torque(b, angle, velocity)
        assert torque(mix(a, b, weight), angle, velocity) == pytest.approx(expected)


def test_two_laws_without_a_spring_keep_the_new_reference():
    a = AssistCommand(0, 0.0, reference_rad=np.ones(6))
    b = AssistCommand(0, 0.0, reference_rad=np.full(6, 2.0))
    assert mix(a, b, 0.5).reference_rad == pytest.approx(np.full(6, 2.0))


@pytest.mark.parametrize("second", [TransparentController, ImpedanceController])
def test_torque_does_not_jump_when_a_loaded_law_is_replaced(second):
    """A leg held 0.15 rad off its path feels 45 N m; without the fade the change would drop them at once."""
    first, other, switcher = GuidanceController(CONTEXT), second(CONTEXT), Switcher(T)
    settings = TherapySettings(belt_speed_m_s=0.5)
    felt = []
    for k in range(3000):
        phase = np.array([0.8 * k * T % 1.0, (0.8 * k * T + 0.5) % 1.0])
        gait = GaitPhase(k, k * T, phase, np.full(2, 0.8), np.zeros(2), np.ones(2), GaitState.WALKING)
        angle = np.full(6, 0.15)
        state = ExoState(k, k * T, k * T, available=Signal.JOINT_ANGLE, joint_valid=63, angle_rad=angle)
        law = first if k < 1500 else other
        felt.append(torque(switcher.step(law, k * T, state, gait, settings), angle, np.zeros(6)))
    steps = np.abs(np.diff(felt, axis=0)).max(axis=1)
    # Either law alone moves its torque by so much in a tick, for a leg that stands still on a moving path.
    ordinary = max(steps[500:1490].max(), steps[2200:].max())
    assert steps[1495:2200].max() <= 1.1 * ordinary
    assert np.abs(felt[1499]).max() > 20.0


def standing_still(switcher, laws, settings=None):
    """Step one law a tick against a leg held still; return the torques felt."""
    felt = []
    for k, law in enumerate(laws):
        phase = np.array([0.8 * k * T % 1.0, (0.8 * k * T + 0.5) % 1.0])
        gait = GaitPhase(k, k * T, phase, np.full(2, 0.8), np.zeros(2), np.ones(2), GaitState.WALKING)
        angle = np.full(6, 0.15)
        state = ExoState(k, k * T, k * T, available=Signal.JOINT_ANGLE, joint_valid=63, angle_rad=angle)
        given = settings(k) if settings else TherapySettings(belt_speed_m_s=0.5)
        felt.append(torque(switcher.step(law, k * T, state, gait, given), angle, np.zeros(6)))
    return np.array(felt)


@pytest.mark.parametrize("back", [False, True])
def test_second_change_while_the_first_still_fades_is_not_felt(back):
    stiff, free, third = (
        GuidanceController(CONTEXT, {"stiffness_nm_rad": [900, 900, 900]}),
        TransparentController(CONTEXT),
        ImpedanceController(CONTEXT),
    )
    last = stiff if back else third
    felt = standing_still(Switcher(T), [stiff] * 1500 + [free] * 60 + [last] * 1000)
    steps = np.abs(np.diff(felt, axis=0)).max(axis=1)
    ordinary = max(steps[500:1490].max(), steps[2000:].max())
    assert np.abs(felt[1559]).max() > 20.0, "the first law still counts"
    assert steps[1495:].max() <= 1.1 * ordinary + 0.5


def test_law_that_fades_out_keeps_its_level_but_no_more_than_the_therapist_now_allows():
    def settings(high, after):
        level = np.full(6, 0.8)
        most = TherapySettings(belt_speed_m_s=0.5, assistance=level)
        new = TherapySettings(belt_speed_m_s=0.5, assistance=np.full(6, 0.1), assistance_max=np.full(6, high))
        return lambda k: most if k < after else new

    def switched(high):
        laws = [GuidanceController(CONTEXT), TransparentController(CONTEXT)]
        return standing_still(Switcher(T), [laws[0]] * 1000 + [laws[1]] * 10, settings(high, 1000))

    kept, bound = switched(1.0), switched(0.0)
    assert kept[1000] == pytest.approx(kept[999], abs=1.0), "a level is for the new law"
    assert np.abs(kept[1000]).max() > 20.0
    assert np.array_equal(bound[1000:], np.zeros((10, 6))), "a bound is for both"
