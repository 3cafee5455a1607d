"""What happens when a node of the real graph is killed, hangs, or is told to end."""

import resource
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parent))

from bags import values

from exostride.recording.recover import recover
from exostride.types import (
    Action,
    AppliedTorque,
    ExoState,
    Mode,
    Reason,
    SafetyState,
    SessionPhase,
    SessionState,
    SupervisorState,
)

pytestmark = [pytest.mark.ros, pytest.mark.slow]

IMPATIENT = "2"
"""Where a node is lost, the others shall not wait for ever; twice what they do without being told."""


def train(stack, duration_s=0.0, patience=IMPATIENT, **parameters):
    """Start a session of a stiff body on a belt at rest, and wait until it trains."""
    settings = {"settings": "belt_speed_m_s=0.0", "controller": "transparent", "duration_s": duration_s}
    stack.env["EXOSTRIDE_PATIENCE"] = patience
    stack.start(session={**settings, **parameters})
    stack.until("walking")
    stack.until_recorded()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_everything_and_the_bag_is_whole(stack, number):
    train(stack)
    for node in stack.processes:
        stack.signal(node, number)
    codes = stack.codes()
    expected = 130 if number == signal.SIGINT else 0
    assert set(codes.values()) <= {0, expected}, stack.logs()
    found = values(stack.bag)
    assert len(found[ExoState]) > 200
    assert (stack.bag / "metadata.yaml").is_file()


def test_a_signal_to_the_session_alone_takes_the_graph_down(stack):
    train(stack)
    stack.signal("session", signal.SIGTERM)
    codes = stack.codes()
    assert codes["session"] == 0
    assert max(v.mode for v in values(stack.bag)[AppliedTorque]) == Mode.TRAIN


@pytest.mark.parametrize("node", ["controller", "gait_phase"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_loss_of_the_command_is_a_soft_stop_and_no_deadlock(stack, node, number):
    train(stack)
    stack.signal(node, number)
    if number == signal.SIGSTOP:
        # It hangs until everything else is over; only then does it learn.
        stack.until("safety stop")
        stack.processes["session"].wait(timeout=180.0)
        stack.signal(node, signal.SIGCONT)
    codes = stack.codes()
    assert codes["session"] == 3, stack.logs()
    found = values(stack.bag)
    states = found[SafetyState]
    assert any(s.state == SupervisorState.SOFT_STOP for s in states)
    stop = next(s for s in states if s.action >= Action.SOFT_STOP)
    # The ticks in which the input is waited for are late ticks too, so F36 may stand beside the cause.
    assert {"F11", "F12"} & set(stop.active_faults)
    # One that a busy machine has delayed before is not the loss.
    first = max(a.seq for a in found[AppliedTorque] if a.command_received and a.seq < stop.seq) + 1
    assert stop.seq - first <= 4, "the supervisor reacts within 3 T and looks one tick back"
    assert found[ExoState][-1].seq - first > 100, "the clock goes on without the controller"
    assert found[SessionState][-1].phase == SessionPhase.ABORTED


def test_loss_of_the_supervisor_leaves_the_kernel_in_charge(stack):
    train(stack)
    stack.signal("safety", signal.SIGKILL)
    codes = stack.codes()
    assert codes["session"] == 1, stack.logs()
    applied = values(stack.bag)[AppliedTorque]
    first = next(a.seq for a in applied if not a.permit_received)
    fallen = next(a for a in applied if a.seq >= first and a.reason & Reason.PERMIT_MISSING)
    assert fallen.seq - first <= 5
    assert fallen.mode in (Mode.HOLD_STANCE, Mode.DAMP)
    assert all(a.mode != Mode.TRAIN for a in applied if a.seq > first + 5)


def test_loss_of_the_session_stops_training_and_ends_everything(stack):
    train(stack)
    stack.signal("session", signal.SIGKILL)
    codes = stack.codes()
    assert codes["session"] == -signal.SIGKILL
    found = values(stack.bag)
    stop = next(s for s in found[SafetyState] if s.action >= Action.SOFT_STOP)
    assert stop.cause == "F37"
    assert stop.seq - found[SessionState][-1].seq <= 2 * 200 + 40
    assert found[SafetyState][-1].state in (SupervisorState.SOFT_STOP, SupervisorState.FAULT)


def test_loss_of_the_recorder_does_not_stop_training(stack):
    train(stack, duration_s=12.0, patience="20")
    stack.signal("recorder", signal.SIGKILL)
    codes = stack.codes()
    assert codes["session"] == 0, stack.logs()
    assert "session time of 12 s is over" in stack.log("session")


def test_a_full_disk_ends_the_recording_not_the_training(stack):
    """The system refuses the recorder's writes, even that of an index; what had been written is recovered."""
    train(stack, duration_s=12.0, patience="20")
    full = sum(f.stat().st_size for f in stack.bag.glob("*.active"))
    resource.prlimit(stack.processes["recorder"].pid, resource.RLIMIT_FSIZE, (full, full))
    codes = stack.codes()
    assert codes["session"] == 0, stack.logs()
    assert codes["recorder"] == 0, stack.logs()
    assert "session time of 12 s is over" in stack.log("session")
    assert "recording ended" in stack.log("recorder")
    assert sum(f.stat().st_size for f in stack.bag.iterdir()) <= full
    kept = recover(stack.bag, stack.folder / "kept").output
    assert kept is not None
    ticks = [v.seq for v in values(kept)[ExoState]]
    assert ticks == list(range(len(ticks)))
    assert len(ticks) > 200


def test_loss_of_the_hardware_ends_everything(stack):
    train(stack)
    stack.signal("hardware", signal.SIGKILL)
    codes = stack.codes()
    assert codes["session"] == 1, stack.logs()
    assert len(values(stack.bag)[ExoState]) > 200


@pytest.mark.parametrize(
    ("parameters", "node", "message"),
    [
        ({"hardware": {"device": "nothing"}}, "hardware", "unknown device 'nothing'; available: "),
        ({"patient": "nobody"}, "safety", "unknown patient 'nobody'; available: "),
        ({"session": {"controller": "magic"}}, "controller", "unknown controller 'magic'; available: "),
        ({"gait_phase": {"estimator": "magic"}}, "gait_phase", "unknown phase estimator 'magic'"),
        ({"session": {"settings": "belt_speed_m_s=9"}}, "session", "belt_speed_m_s = 9"),
        ({"session": {"protocol": "/no/such/file.yaml"}}, "session", "/no/such/file.yaml: no such file"),
        ({"rate_hz": 1000}, "safety", "rate_hz = 1000: must be from 100 to 500 Hz"),
    ],
)
def test_bad_configuration_is_one_clear_line_and_code_2(stack, parameters, node, message):
    stack.start(**parameters)
    try:
        code = stack.processes[node].wait(timeout=180.0)
    except Exception:
        pytest.fail(stack.logs())
    assert code == 2, stack.logs()
    lines = [line for line in stack.log(node).splitlines() if message in line]
    assert len(lines) == 1, stack.log(node)
    assert "Traceback" not in stack.log(node)
