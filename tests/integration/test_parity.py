"""The ROS graph in lock-step and the virtual clock compute the same session, bit by bit."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parent))

from bags import EXACT, difference, values

from exostride import types
from exostride.runtime.simulate import SimulationConfig, run

pytestmark = [pytest.mark.ros, pytest.mark.slow]

SECONDS = 20.0
RATE_HZ = 200
PATIENT = "unimpaired"
ESTIMATOR = "default"
SESSION = (*EXACT, types.SessionState)


def of_session(found):
    """Return values by class, without the supervisor's word from before the first tick."""
    return {cls: items for cls, items in found.items() if cls in SESSION}


def same(left, right):
    assert set(left) == set(right)
    for cls, items in left.items():
        others = right[cls]
        # The recorder may be heard late by a node, and an answer be under way to it when the session ends.
        first = max(items[0].seq, others[0].seq)
        last = min(items[-1].seq, others[-1].seq)
        mine = [value for value in items if first <= value.seq <= last]
        theirs = [value for value in others if first <= value.seq <= last]
        assert len(mine) == len(theirs), cls
        assert cls is not types.AppliedTorque or len(mine) >= SECONDS * RATE_HZ
        for a, b in zip(mine, theirs, strict=True):
            assert difference(a, b) is None, (cls.__name__, a.seq, difference(a, b))


@pytest.fixture
def arguments():
    return {"patient": PATIENT, "seed": 0}


def ros_run(stack, folder, arguments):
    stack.bag = folder
    stack.start(session={"duration_s": SECONDS}, gait_phase={"estimator": ESTIMATOR}, **arguments)
    codes = stack.codes()
    stack.processes.clear()
    return codes["session"], values(folder)


def test_ros_and_virtual_clock_agree_and_ros_repeats_itself(stack, tmp_path, arguments):
    virtual = run(
        SimulationConfig(
            estimator=ESTIMATOR,
            controller="impedance",
            duration_s=SECONDS,
            bag=tmp_path / "virtual",
            **arguments,
        )
    )
    first_code, first = ros_run(stack, tmp_path / "first", arguments)
    second_code, second = ros_run(stack, tmp_path / "second", arguments)
    assert first_code == second_code == virtual.exit_code
    assert virtual.ticks >= SECONDS * RATE_HZ, virtual.session.message
    assert first[types.ExoState][-1].seq >= SECONDS * RATE_HZ
    assert len(first[types.GaitEvent]) > 20, "a session without steps proves nothing"
    on_the_belt = [value.ground_force_n[[2, 5]].sum() > 50.0 for value in first[types.SimTruth]]
    assert sum(on_the_belt) > 0.9 * len(on_the_belt)
    same(of_session(values(tmp_path / "virtual")), of_session(first))
    same(of_session(first), of_session(second))
