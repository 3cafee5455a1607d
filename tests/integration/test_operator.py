"""Operator services and action, quality of service, paced ticks and alarms, on the real graph."""

import math
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parent))

from bags import values
from client import Client
from exostride_msgs.action import RunSession
from exostride_msgs.msg import AssistCommand as AssistCommandMessage
from exostride_msgs.srv import RequestState, ResetSafety, SetTherapySettings
from rclpy.qos import QoSProfile, ReliabilityPolicy

from exostride.nodes.adapter import ADAPTERS
from exostride.types import (
    Action,
    AppliedTorque,
    EnvironmentCommand,
    ExoState,
    SafetyState,
    SessionPhase,
    SupervisorState,
    TherapySettings,
)

pytestmark = [pytest.mark.ros, pytest.mark.slow]

STILL = TherapySettings(controller="transparent", belt_speed_m_s=0.0)


@pytest.fixture
def client(stack):
    made = Client(int(stack.env["ROS_DOMAIN_ID"]))
    yield made
    made.close()


@pytest.fixture
def waiting(stack, client):
    """A graph that is up and waits for its operator; its states as they come."""
    stack.start(session={"automatic": False})
    states = client.listen("safety/state")
    stack.until("all nodes are active")
    client.until(lambda: states, "safety/state")
    return states


def as_message(settings):
    return ADAPTERS[TherapySettings].to_message(settings)


def reach(client, states, state):
    client.until(lambda: states[-1].state == state, f"state {state.name}, not {states[-1]}")


def test_settings_are_taken_whole_or_refused_whole(stack, client, waiting):
    told = client.listen("session/settings")
    taken = client.call(
        SetTherapySettings, "session/set_settings", settings=as_message(replace(STILL, cadence_scale=0.9))
    )
    assert taken.accepted
    assert not taken.problems
    client.until(lambda: told and told[-1].cadence_scale == 0.9, "the new settings")
    assert told[-1].effective_seq == taken.effective_seq > 0
    wrong = replace(STILL, belt_speed_m_s=9.0, controller="magic", cadence_scale=1.1)
    refused = client.call(SetTherapySettings, "session/set_settings", settings=as_message(wrong))
    assert not refused.accepted
    assert any("belt_speed_m_s = 9" in problem for problem in refused.problems)
    assert any("controller = magic: unknown; available: " in problem for problem in refused.problems)
    assert told[-1].cadence_scale == 0.9


def test_states_by_hand_a_stop_and_its_reset(stack, client, waiting):
    answer = client.call(RequestState, "session/request", state=int(SupervisorState.HOMING))
    assert answer.accepted, answer.message
    reach(client, waiting, SupervisorState.STAND)
    early = client.call(ResetSafety, "safety/reset", operator_id="test")
    assert not early.accepted
    assert early.message
    answer = client.call(
        RequestState, "safety/request", state=int(SupervisorState.SOFT_STOP), operator_id="test"
    )
    assert answer.accepted, answer.message
    reach(client, waiting, SupervisorState.FAULT)
    assert waiting[-1].latched
    # The cause must first have been clear for a second of control time.
    client.until(
        lambda: client.call(ResetSafety, "safety/reset", operator_id="test").accepted, "a reset that is taken"
    )
    reach(client, waiting, SupervisorState.IDLE)
    assert not client.call(RequestState, "session/request", state=99).accepted


def test_a_session_by_action_reports_and_ends_at_its_goal(stack, client, waiting):
    run = client.action(RunSession, "session/run")
    wrong = RunSession.Goal(settings=as_message(replace(STILL, unloading_percent=300.0)), duration_s=1.0)
    assert not client.wait(run.send_goal_async(wrong), "an answer").accepted
    feedback, said = [], client.listen("session/state")
    goal = RunSession.Goal(settings=as_message(STILL), duration_s=1.5)
    handle = client.wait(run.send_goal_async(goal, feedback_callback=feedback.append), "an answer")
    assert handle.accepted
    second = client.wait(run.send_goal_async(goal), "an answer")
    assert not second.accepted, "one session at a time"
    result = client.wait(handle.get_result_async(), "the session's end").result
    assert result.reached, result.message
    assert math.isclose(result.walking_s, 1.5, abs_tol=0.2)
    assert Path(result.bag) == stack.bag
    # The result may overtake the last of the feedback, which its client then no longer gives on.
    phases = [message.feedback.state.phase for message in feedback]
    assert phases
    assert phases == sorted(phases)
    client.until(lambda: said and said[-1].phase == SessionPhase.FINISHED, "the session's last word")


def test_a_session_by_action_can_be_cancelled(stack, client, waiting):
    run = client.action(RunSession, "session/run")
    goal = RunSession.Goal(settings=as_message(STILL))
    handle = client.wait(run.send_goal_async(goal), "an answer")
    reach(client, waiting, SupervisorState.TRAIN)
    client.wait(handle.cancel_goal_async(), "an answer to the cancel")
    result = client.wait(handle.get_result_async(), "the session's end").result
    assert result.message
    assert not result.reached
    reach(client, waiting, SupervisorState.IDLE)


def test_an_incompatible_quality_of_service_is_named_and_ends_the_node(stack, client):
    stack.start(session={"automatic": False})
    stack.until("all nodes are active")
    client.node.create_publisher(
        AssistCommandMessage, "assist/command", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    stack.until("topic assist/command: another node uses an incompatible quality of service", node="hardware")
    assert stack.processes["hardware"].wait(timeout=180.0) == 1


def test_a_lost_recorder_is_told(stack, client):
    stack.start(session={"settings": "belt_speed_m_s=0.0", "controller": "transparent"})
    states = client.listen("safety/state")
    stack.until("walking")
    stack.signal("recorder", signal.SIGKILL)
    client.until(lambda: any("F14" in s.active_faults for s in states), "F14")
    told = next(s for s in states if "F14" in s.active_faults)
    assert told.action == Action.WARN
    assert told.state == SupervisorState.TRAIN, "training goes on"


def test_paced_ticks_answer_in_order_and_none_is_left_out(stack):
    """Paced by the clock the graph says the same things; only what a busy machine delays may be missing."""
    settings = {"settings": "belt_speed_m_s=0.0", "controller": "transparent", "duration_s": 6.0}
    stack.start(lockstep=False, rate_hz=100, session=settings)
    assert stack.codes(timeout=120.0)["session"] in (0, 3), stack.logs()
    found = values(stack.bag)
    ticks = [v.seq for v in found[ExoState]]
    assert ticks == list(range(len(ticks)))
    assert all(v.time_s == v.seq * 0.01 for v in found[ExoState])
    applied = found[AppliedTorque]
    assert sum(a.command_received and a.permit_received for a in applied) > 0.5 * len(applied)
    assert {v.seq for v in found[EnvironmentCommand]} <= set(ticks)
    # Its first word may be lost to a recorder that has not found it yet.
    said = [v.seq for v in found[SafetyState]]
    assert said == sorted(said)
    assert set(said) <= set(ticks)
    assert {v.state for v in found[SafetyState]} >= {SupervisorState.TRAIN}
