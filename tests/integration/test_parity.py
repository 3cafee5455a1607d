"""The ROS graph in lock-step and the virtual clock compute the same session, bit by bit."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parent))

from bags import difference, values

from exostride import types
from exostride.runtime.simulate import SimulationConfig, run

pytestmark = [pytest.mark.ros, pytest.mark.slow]

SECONDS = 20.0
PATIENT = "unimpaired"
EXACT = (
    types.ExoState,
    types.EnvironmentState,
    types.GaitPhase,
    types.GaitEvent,
    types.AssistCommand,
    types.EnvironmentCommand,
    types.SafetyPermit,
    types.AppliedTorque,
    types.SimTruth,
    types.SessionState,
    types.StepMetrics,
)


def of_session(found):
    """Return values by class, without the supervisor's word from before the first tick."""
    return {cls: items for cls, items in found.items() if cls in EXACT}


def same(left, right):
    assert set(left) == set(right)
    for cls, items in left.items():
        others = right[cls]
        # The last answer may still be under way to the recorder when the session ends.
        assert abs(len(items) - len(others)) <= 1, cls
        for a, b in zip(items, others, strict=False):
            assert difference(a, b) is None, (cls.__name__, a.seq, difference(a, b))


@pytest.fixture
def arguments():
    return {"patient": PATIENT, "seed": 3}


def ros_run(stack, folder, arguments):
    stack.bag = folder
    stack.start(session={"duration_s": SECONDS}, **arguments)
    codes = stack.codes(timeout=240.0)
    stack.processes.clear()
    return codes["session"], values(folder)


def test_ros_and_virtual_clock_agree_and_ros_repeats_itself(stack, tmp_path, arguments):
    virtual = run(
        SimulationConfig(
            estimator="adaptive_oscillator",
            controller="impedance",
            duration_s=SECONDS,
            bag=tmp_path / "virtual",
            **arguments,
        )
    )
    first_code, first = ros_run(stack, tmp_path / "first", arguments)
    second_code, second = ros_run(stack, tmp_path / "second", arguments)
    assert first_code == second_code == virtual.exit_code
    assert virtual.ticks > 1000
    assert len(first[types.GaitEvent]) > 4, "a session without steps proves nothing"
    same(of_session(values(tmp_path / "virtual")), of_session(first))
    same(of_session(first), of_session(second))
