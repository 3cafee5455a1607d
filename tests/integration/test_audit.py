"""The safety log of the real graph, and its anchor in the bag."""

import signal

import pytest
from typer.testing import CliRunner

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

from exostride.cli import app
from exostride.safety.audit_chain import entries_of

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def verify(*arguments):
    done = CliRunner().invoke(app, ["audit", "verify", *map(str, arguments)])
    return done.exit_code, done.output


def test_log_of_a_session_is_closed_and_anchored_in_its_bag(stack):
    log = stack.folder / "audit.jsonl"
    session = {"settings": "belt_speed_m_s=0.0", "controller": "transparent", "duration_s": 1.0}
    stack.start(session=session, safety={"audit": str(log)})
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
    log = stack.folder / "audit.jsonl"
    session = {"settings": "belt_speed_m_s=0.0", "controller": "transparent", "duration_s": 0.0}
    stack.env["EXOSTRIDE_PATIENCE"] = "2"
    stack.start(session=session, safety={"audit": str(log)})
    stack.until("walking")
    stack.signal("safety", signal.SIGKILL)
    stack.codes()
    assert verify(log)[0] == 1, "alone it cannot tell a kill from a cut"
    code, text = verify(log, "--bag", stack.bag)
    assert code == 0, text
