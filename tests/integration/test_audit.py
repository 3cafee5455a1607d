"""The safety log of the real graph, and its anchor in the bag."""

import signal
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parent))

from bags import values

from exostride.cli import app
from exostride.errors import ExitCode
from exostride.safety.audit_chain import entries_of
from exostride.types import Action, SafetyState, SupervisorState

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def verify(*arguments):
    done = CliRunner().invoke(app, ["audit", "verify", *map(str, arguments)])
    return done.exit_code, done.output


def begin(stack, duration_s=0.0):
    """Start a session of a stiff body on a belt at rest; return its log."""
    log = stack.folder / "audit.jsonl"
    session = {"settings": "belt_speed_m_s=0.0", "controller": "transparent", "duration_s": duration_s}
    stack.env["EXOSTRIDE_PATIENCE"] = "2"
    stack.start(session=session, safety={"audit": str(log)})
    return log


def test_log_of_a_session_is_closed_and_anchored_in_its_bag(stack):
    log = begin(stack, duration_s=1.0)
    assert set(stack.codes().values()) == {0}, stack.logs()
    code, text = verify(log, "--bag", stack.bag)
    assert code == 0, text
    states = [e["detail"]["to"] for e in entries_of(log) if e["kind"] == "transition"]
    assert states[:2] == ["HOMING", "STAND"]
    assert entries_of(log)[0]["detail"]["patient"] == "stance"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:3]))
    code, text = verify(log, "--bag", stack.bag)
    assert code == 1 and "cut off" in text


def test_log_of_a_killed_supervisor_is_whole_as_far_as_it_goes(stack):
    log = begin(stack)
    stack.until("walking")
    stack.signal("safety", signal.SIGKILL)
    stack.codes()
    assert verify(log)[0] == 1, "alone it cannot tell a kill from a cut"
    code, text = verify(log, "--bag", stack.bag)
    assert code == 0, text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_log_ends_with_the_loss_of_the_hardware(stack, number):
    log = begin(stack)
    stack.until("walking")
    stack.until_recorded()
    stack.signal("hardware", number)
    others = {name: process for name, process in stack.processes.items() if name != "hardware"}
    codes = {name: process.wait(timeout=300.0) for name, process in others.items()}
    assert codes["safety"] == codes["session"] == ExitCode.FAILED, stack.logs()
    assert "no exo/state for 4 s: the hardware node is gone or hangs" in stack.log("safety")
    for given in ((log,), (log, "--bag", stack.bag)):
        code, text = verify(*given)
        assert code == 0, text
    *_, stop, faults, closing = entries_of(log)
    assert [stop["kind"], faults["kind"], closing["kind"]] == ["transition", "faults", "closed"]
    assert stop["detail"] == {
        "from": "TRAIN",
        "to": "E_STOP",
        "cause": "F10",
        "codes": ["HARDWARE_LOST"],
        "message": "the device stopped answering",
    }
    told = values(stack.bag)[SafetyState][-1]
    assert (told.state, told.action) == (SupervisorState.E_STOP, Action.E_STOP)
    assert told.cause == "F10" and told.latched


def test_hardware_that_was_told_to_rest_is_not_lost(stack):
    """The session ends in good order in the middle of training, and the clock with it."""
    log = begin(stack)
    stack.until("walking")
    stack.signal("session", signal.SIGTERM)
    assert stack.codes()["session"] == 0, stack.logs()
    assert verify(log)[0] == 0
    assert not [entry for entry in entries_of(log) if "F10" in str(entry["detail"])]
