"""Balance from step to step: when it decides, what it sees from either side, and what it does."""

import numpy as np
import pytest

from exostride.errors import ConfigError
from exostride.patient.interface import PatientSense
from exostride.patient.policy import Drive, Posture
from exostride.patient.step_balance import FIRST_PHASE, LIMITS, Body, StepBalance, step_state
from exostride.patient.step_law import INPUTS, POINTS, STATES, StepGains, StepLaw, make_law

BODY = Body(0.005, 0.31, 3.05)
LOAD = np.array([1.0, 0.0])


def constant_law(value):
    """Return a law that asks for ``value`` of every input whenever the first state is 1."""
    gain = np.zeros((POINTS, len(INPUTS), STATES))
    gain[:, :, 0] = -value
    return StepLaw(np.zeros((POINTS, STATES)), gain)


def drive():
    return Drive(*(np.zeros((2, 4)) for _ in range(7)))


def posture(**values):
    names = ("pitch", "roll", "pitch_rate", "roll_rate", "forward", "sideways")
    names += ("forward_velocity", "sideways_velocity", "height")
    return Posture(**(dict.fromkeys(names, 0.0) | values), load=LOAD)


def run(steps, phases, law, seen):
    def state(leg):
        seen.append(leg)
        return np.eye(STATES)[0]

    out = drive()
    for phase in phases:
        out = drive()
        steps.step([(1.0, law)], phase, state, out, LOAD)
    return out


def test_decides_twice_a_step_and_by_turns_for_either_leg():
    seen = []
    run(StepBalance(BODY), (FIRST_PHASE + 0.001 + np.arange(0.0, 2.0, 0.004)) % 1.0, constant_law(0.0), seen)
    assert seen == [0, 0, 1, 1] * 2


def test_a_rhythm_set_back_by_a_heel_strike_does_not_decide_again():
    seen = []
    run(StepBalance(BODY), [0.30, 0.32, 0.30, 0.32], constant_law(0.0), seen)
    assert seen == [0, 0]


def test_inputs_act_on_their_legs_and_stop_at_their_limits():
    steps = StepBalance(BODY)
    out = run(steps, np.linspace(0.1, 0.3, 100), constant_law(10.0), [])
    most = dict(zip(INPUTS, LIMITS.tolist(), strict=True))
    swing = [most["swing_abduction"], most["swing_hip"], most["swing_knee"], 0.0]
    stance = [most["abduction"], most["hip"], 0.0, most["ankle"]]
    assert out.angle == pytest.approx(np.array([[0.0] * 4, swing]), rel=1e-3)
    assert out.balance == pytest.approx(np.array([stance, [0.0] * 4]), rel=1e-3)
    assert steps.pace == pytest.approx(1.0 + most["pace"], rel=1e-3)


def test_a_swing_leg_that_bears_weight_is_not_moved():
    steps, out = StepBalance(BODY), drive()
    for _ in range(50):
        out = drive()
        steps.step([(1.0, constant_law(0.1))], 0.1, lambda leg: np.eye(STATES)[0], out, np.array([0.5, 0.5]))
    assert not out.angle[1].any() and out.balance[0].any()


def test_without_a_law_nothing_is_added():
    steps, out = StepBalance(BODY), drive()
    for phase in np.arange(0.0, 1.0, 0.01):
        steps.step([], phase, lambda leg: np.ones(STATES), out, LOAD)
    assert steps.pace == 1.0
    assert not out.angle.any() and not out.balance.any()


def test_mirrored_postures_are_the_same_state_of_the_other_leg():
    random = np.random.default_rng(0)
    angle, velocity, plan, rate = random.standard_normal((4, 2, 4))
    sense = PatientSense(
        time_s=0.0,
        angle_rad=angle.ravel(),
        velocity_rad_s=velocity.ravel(),
        pelvis_rate_rad_s=np.array([0.1, 0.2, 0.3]),
    )
    mirror = PatientSense(
        time_s=0.0,
        angle_rad=angle[::-1].ravel(),
        velocity_rad_s=velocity[::-1].ravel(),
        pelvis_rate_rad_s=np.array([-0.1, 0.2, -0.3]),
    )
    left = posture(pitch=0.1, roll=0.2, sideways=0.3, sideways_velocity=0.4, roll_rate=0.5, forward=0.6)
    right = posture(pitch=0.1, roll=-0.2, sideways=-0.3, sideways_velocity=-0.4, roll_rate=-0.5, forward=0.6)
    a = step_state(sense, 0.05, plan, rate, left, 0, BODY)
    b = step_state(mirror, -0.05, plan[::-1], rate[::-1], right, 1, BODY)
    assert a.shape == (STATES,) and np.array_equal(a, b)
    assert a[:4] == pytest.approx([0.6, 0.3, 0.1, 0.2])


def test_a_law_of_wrong_size_is_refused():
    gains = StepGains(mean=([0.0] * STATES,), gain=(([0.0] * STATES,),))
    with pytest.raises(ConfigError, match=r"plan\.yaml: step_balance"):
        make_law(gains, "plan.yaml")
