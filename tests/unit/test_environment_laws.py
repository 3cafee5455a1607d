"""Belt and harness laws against walkers that are known."""

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.progressive import ProgressiveLaw
from exostride.control.self_paced import SelfPacedLaw
from exostride.control.settings import from_mapping
from exostride.control.treadmill import TreadmillLaw
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.runtime.protocol import make_plan
from exostride.types import EnvironmentState, ExoState, GaitPhase, GaitState, Signal

T = 0.005
REFERENCE = load_reference(config_dir() / "norms" / "reference_gait.yaml")
CONTEXT = ControlContext(T, 0.9, 75.0, np.full(6, 80.0), REFERENCE)
PROTOCOLS = sorted((config_dir() / "protocols").glob("*.yaml"))


def walker(k, x=0.0, v=0.0, z=0.9, rate=1.0):
    state = ExoState(
        k,
        k * T,
        k * T,
        available=Signal.PELVIS,
        pelvis_position_m=np.array([x, 0.0, z]),
        pelvis_velocity_m_s=np.array([v, 0.0, 0.0]),
    )
    phase = np.array([rate * k * T % 1.0, (rate * k * T + 0.5) % 1.0])
    return state, GaitPhase(k, k * T, phase, np.full(2, rate), state=GaitState.WALKING)


def run(law, settings, seconds, pelvis=lambda k: {}, harness=lambda command: command.unloading_percent):
    belt, unloading, commands = 0.0, 0.0, []
    for k in range(round(seconds / T)):
        state, phase = walker(k, **pelvis(k))
        machine = EnvironmentState(k, k * T, belt, unloading_percent=unloading)
        command = law.step(k * T, state, machine, phase, settings)
        belt, unloading = command.belt_speed_m_s, harness(command)
        commands.append(command)
    return commands


def test_harness_that_gives_too_little_is_asked_for_more_but_never_for_much_more():
    settings = from_mapping({"unloading_percent": 30.0}, "test")
    short = run(TreadmillLaw(CONTEXT), settings, 10.0, harness=lambda c: 0.9 * c.unloading_percent)
    assert 31.0 < short[-1].unloading_percent < 33.0
    broken = run(TreadmillLaw(CONTEXT), settings, 10.0, harness=lambda c: 0.0)
    assert broken[-1].unloading_percent <= 40.0


def test_unloading_goes_for_a_good_walker_and_comes_back_for_one_who_sinks():
    settings = from_mapping({"unloading_percent": 30.0, "belt_speed_m_s": 0.5}, "test")
    law = ProgressiveLaw(CONTEXT)
    commands = run(law, settings, 130.0, lambda k: {"z": 0.9 if k * T < 65.0 else 0.75})
    unloading = np.array([c.unloading_percent for c in commands])
    assert unloading[round(5 / T)] == pytest.approx(30.0, abs=0.5)
    assert unloading[round(64 / T)] == pytest.approx(18.0, abs=0.5), "six good blocks of ten strides"
    assert unloading[-1] == pytest.approx(30.0, abs=0.5)


def test_belt_waits_for_the_walker_and_follows_a_forward_one():
    settings = from_mapping({"belt_speed_m_s": 1.0, "belt_acceleration_m_s2": 0.2}, "test")
    still = run(SelfPacedLaw(CONTEXT), settings, 5.0)
    assert max(c.belt_speed_m_s for c in still) == 0.0
    forward = run(SelfPacedLaw(CONTEXT), settings, 20.0, lambda k: {"x": 0.1})
    speed = np.array([c.belt_speed_m_s for c in forward])
    assert 0.5 < speed[-1] <= 1.0
    assert np.diff(speed).max() <= 0.2 * T + 1e-12


def test_belt_finds_the_speed_of_a_walker_and_stops_for_one_who_falls_back():
    """A point that walks at 0.7 m/s over the belt; it stops walking after 40 s."""
    settings = from_mapping({"belt_speed_m_s": 1.5, "belt_acceleration_m_s2": 0.5}, "test")
    law, belt, x, speeds = SelfPacedLaw(CONTEXT), 0.0, 0.1, []
    for k in range(round(55 / T)):
        v = (0.7 if k * T < 40.0 else 0.0) - belt
        state, phase = walker(k, x=x, v=v)
        belt = law.step(k * T, state, EnvironmentState(k, k * T, belt), phase, settings).belt_speed_m_s
        x = float(np.clip(x + v * T, -0.6, 0.6))
        speeds.append(belt)
    assert np.mean(speeds[round(30 / T) : round(40 / T)]) == pytest.approx(0.7, abs=0.05)
    assert speeds[-1] == 0.0


@pytest.mark.parametrize("path", PROTOCOLS, ids=[path.stem for path in PROTOCOLS])
def test_protocols_that_come_with_the_stack_are_valid(path):
    plan = make_plan(path)
    assert plan.duration_s > 0 or plan.goal_steps > 0
    last = plan.changes[-1][0] if plan.changes else 0.0
    assert plan.duration_s == 0 or last < plan.duration_s


def test_the_hybrid_protocol_alternates_between_robot_and_free():
    plan = make_plan(config_dir() / "protocols" / "hybrid.yaml")
    laws = [plan.settings.controller, *(settings.controller for _, settings in plan.changes)]
    assert laws == ["impedance", "transparent"] * 3
