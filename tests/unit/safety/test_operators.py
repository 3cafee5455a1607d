"""People and other programs: buttons, operators, session and recorder, reset, loss of the hardware."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from safety_faults import Now, exo, inject, lose
from safety_world import PERIOD, World

from exostride.runtime.protocol import SessionPlan
from exostride.runtime.session import LEAD, STRIDE, SessionComponent
from exostride.runtime.timeline import Timeline
from exostride.safety.component import OperatorRequest
from exostride.types import (
    Mode,
    RecorderState,
    SessionPhase,
    SessionState,
    SupervisorState,
    TherapySettings,
)

S = SupervisorState


def test_estop_channels_that_disagree_are_a_second_fault(world: World) -> None:
    world.start(1.0)
    inject(world, exo(estop_closed_a=False))
    world.run(19)
    assert "F21" not in world.safety.active_faults
    world.run(1)
    assert "F21" in world.safety.active_faults and world.safety.cause == "F20"


@pytest.mark.parametrize("bounce", [1, 3, 10])
def test_bouncing_estop_counts_from_its_first_edge(world: World, bounce: int) -> None:
    world.start(1.0)
    inject(
        world,
        exo(
            estop_closed_a=lambda v, k: (k // bounce) % 2 == 1,
            estop_closed_b=lambda v, k: (k // bounce) % 2 == 1,
        ),
    )
    world.tick()
    assert world.safety.state == S.E_STOP
    world.fault = None
    world.run(400)
    assert world.safety.state == S.FAULT and world.history[-1][2].mode == Mode.DAMP


def test_patient_button_stops_ordinarily_and_needs_a_new_wish(world: World) -> None:
    world.start(2.0)
    inject(world, exo(patient_stop=lambda v, k: k < 10))
    world.tick()
    assert world.safety.state == S.STOPPING and not world.safety.latched
    assert world.run(1000, S.STAND).state == S.STAND
    world.run(200)
    assert world.safety.state == S.STAND, "the session still wishes TRAIN, but the patient stopped it"
    assert world.safety.message == HELD
    world.request = int(S.STAND)
    world.run(30)
    world.request = int(S.TRAIN)
    assert world.run(40, S.TRAIN).state == S.TRAIN


HELD = "can't start: the patient has pressed stop"


def test_patient_button_held_at_rest_lets_nothing_start(world: World) -> None:
    inject(world, exo(patient_stop=lambda v, k: k < 100))
    world.request = int(S.HOMING)
    world.run(50)
    for _ in range(50):
        reply = ask(world, OperatorRequest(state=S.HOMING))
        assert not reply.accepted and reply.message == "the patient has pressed stop"
    assert {(state.state, out.mode) for _, state, out in world.history} == {(S.IDLE, Mode.ZERO)}
    refused = [entry.detail["reply"] for entry in world.audit if entry.kind == "request"]
    assert refused == ["the patient has pressed stop"] * 50
    world.run(100)
    assert world.safety.state == S.IDLE and world.safety.message == HELD, "the session wishes so as before"
    world.request = int(S.IDLE)
    world.run(30)
    world.request = int(S.HOMING)
    assert world.run(40, S.HOMING).state == S.HOMING


def test_patient_button_while_the_belt_comes_to_rest_needs_the_session_to_end(world: World) -> None:
    world.start(1.0)
    world.request = int(S.STAND)
    assert world.run(100, S.STOPPING).state == S.STOPPING
    inject(world, exo(patient_stop=lambda v, k: k < 10))
    assert world.run(2000, S.STAND).state == S.STAND
    world.run(30)
    world.request = int(S.TRAIN)
    world.run(100)
    assert world.safety.state == S.STAND and world.safety.message == HELD
    assert not world.safety.latched and world.safety.active_faults == ()
    assert ask(world, OperatorRequest(state=S.TRAIN)).accepted
    assert world.safety.state == S.TRAIN and world.safety.message == "training"


def recorder(seq: int, **changes: Any) -> RecorderState:
    base = RecorderState(seq=seq, time_s=seq * PERIOD, recording=True, disk_free_bytes=10**11)
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda k: recorder(0), "F14"),
        (lambda k: recorder(k, disk_free_bytes=10**6), "F28"),
        (lambda k: recorder(k, dropped=k), "F28"),
        (recorder, ""),
    ],
)
def test_recorder_warns_and_blocks_the_next_start_only(world: World, make: Any, fault: str) -> None:
    world.start(1.0)

    def put_recorder(world_: World, now: Now, k: int) -> Now:
        now["recorder"] = make(world_.seq)
        return now

    inject(world, put_recorder)
    world.run(50)
    assert world.safety.state == S.TRAIN
    assert world.safety.active_faults == ((fault,) if fault else ())
    world.request = int(S.STAND)
    assert world.run(2000, S.STAND).state == S.STAND
    world.request = int(S.TRAIN)
    world.run(100)
    assert (world.safety.state == S.STAND) == bool(fault)
    if fault:
        assert world.safety.message.startswith("can't start")
        reply = ask(world, OperatorRequest(state=S.TRAIN))
        assert not reply.accepted and "can't start" in reply.message


def ask(world: World, *requests: OperatorRequest) -> Any:
    world.requests = requests
    world.tick()
    return world.component.replies[-1]


def test_operator_path_and_replies(world: World) -> None:
    world.run(5)
    assert ask(world, OperatorRequest(state=S.TRAIN)).message == "no way from IDLE to TRAIN"
    assert ask(world, OperatorRequest(state=S.IDLE)).message == "already there"
    assert ask(world, OperatorRequest(state=S.FAULT)).message == "state 7 can't be asked for"
    assert ask(world, OperatorRequest(state=42)).message == "state 42 can't be asked for"
    assert ask(world, OperatorRequest(state=S.HOMING, operator_id="anna")).accepted
    assert world.safety.state == S.HOMING
    entry = [e for e in world.audit if e.kind == "request"][-1]
    assert entry.detail == {"what": "HOMING", "operator": "anna", "accepted": True, "reply": "HOMING"}
    assert [e.detail["what"] for e in world.audit if e.kind == "request"][-2] == "42"


@pytest.mark.parametrize(("state", "lands"), [(S.SOFT_STOP, S.SOFT_STOP), (S.E_STOP, S.E_STOP)])
def test_operator_stops(world: World, state: int, lands: SupervisorState) -> None:
    world.start(1.0)
    assert ask(world, OperatorRequest(state=state, operator_id="anna")).accepted
    assert world.safety.state == lands and "anna" in world.safety.message
    reply = ask(world, OperatorRequest(state=S.TRAIN))
    assert not reply.accepted and "reset first" in reply.message


def test_reset_returns_to_idle_and_motion_needs_a_start(world: World) -> None:
    world.start(2.0)
    inject(world, exo(estop_closed_a=lambda v, k: k > 5, estop_closed_b=lambda v, k: k > 5))
    world.run(20)
    assert not ask(world, OperatorRequest(reset=True)).accepted
    world.run(800)
    assert world.safety.state == S.FAULT
    assert ask(
        world, OperatorRequest(reset=True, operator_id="anna"), OperatorRequest(state=S.HOMING)
    ).accepted
    world.run(300)
    assert world.safety.state == S.IDLE and world.safety.active_faults == ()
    assert world.history[-1][2].mode == Mode.ZERO
    world.request = int(S.IDLE)
    world.run(40)
    world.request = int(S.HOMING)
    assert world.run(60, S.HOMING).state == S.HOMING


def test_person_may_start_directly_after_a_reset(world: World) -> None:
    world.start(1.0)
    ask(world, OperatorRequest(state=S.E_STOP))
    world.run(800)
    ask(world, OperatorRequest(reset=True))
    world.run(10)
    ask(world, OperatorRequest(state=S.HOMING))
    assert world.safety.state == S.HOMING


def test_session_requests_take_effect_when_they_say_and_no_session_is_fine(world: World) -> None:
    def later(world_: World, now: Now) -> Now:
        now["session"] = replace(now["session"], requested_state=int(S.HOMING), effective_seq=50)
        return now

    world.fault = later
    world.run(50)
    assert world.safety.state == S.IDLE
    world.run(1)
    assert world.safety.state == S.HOMING
    again = World(world.limits)
    again.fault = lambda w, now: lose("session")(w, now, 0)
    assert again.run(20).state == S.IDLE


def test_session_cannot_ask_for_fault(world: World) -> None:
    world.request = int(S.FAULT)
    assert world.run(30).state == S.IDLE


class Led:
    """The real session in front of the world's supervisor: what it says holds from when it says."""

    def __init__(self) -> None:
        plan = SessionPlan(settings=TherapySettings(), duration_s=60.0, stand_s=0.1)
        self.session = SessionComponent(plan, PERIOD)
        self.words: Timeline[SessionState] = Timeline()

    def __call__(self, world: World, now: Now) -> Now:
        self.session.note(now["exo"], now["env"], ())
        now["session"] = self.words.at(world.seq)
        if world.seq % STRIDE == 0:
            out = self.session.step(world.seq, world.safety if world.seq else None)
            self.words.add(out.state.effective_seq, out.state)
        return now


@pytest.mark.parametrize("stop", [S.SOFT_STOP, S.E_STOP])
def test_a_stop_asked_of_the_session_stops(world: World, stop: SupervisorState) -> None:
    world.fault = led = Led()
    assert world.run(2000, S.TRAIN).state == S.TRAIN
    world.run(200)
    assert led.session.request(stop) == ""
    world.run(LEAD + 2 * STRIDE)
    assert world.safety.state == stop and world.safety.cause == "F38"
    assert world.safety.message == "stop button pressed by the session's operator"
    assert led.session.phase == SessionPhase.ABORTED
    world.run(2500, S.FAULT)
    world.run(300)
    assert world.safety.state == S.FAULT and led.session.done
    assert ask(world, OperatorRequest(reset=True)).accepted, "nobody asks for the stop any more"


def test_an_emergency_stop_asked_of_the_session_in_a_soft_stop(world: World) -> None:
    world.fault = led = Led()
    assert world.run(2000, S.TRAIN).state == S.TRAIN
    world.run(200)
    led.session.request(S.SOFT_STOP)
    world.run(100, S.SOFT_STOP)
    world.run(2 * STRIDE)
    assert world.history[-1][2].mode == Mode.TRAIN
    led.session.request(S.E_STOP)
    assert world.run(LEAD + 2 * STRIDE, S.E_STOP).state == S.E_STOP


def test_the_patients_stop_in_the_self_test_ends_the_session_and_the_next_one_trains(world: World) -> None:
    world.fault = led = Led()
    assert world.run(2000, S.HOMING).state == S.HOMING
    world.run(2 * STRIDE)

    def pressed(world_: World, now: Now) -> Now:
        now["exo"] = replace(now["exo"], patient_stop=True)
        return led(world_, now)

    world.fault = pressed
    assert world.run(1).state == S.IDLE
    world.run(20)
    world.fault = led
    world.run(LEAD + 2 * STRIDE)
    assert led.session.done and led.session.phase == SessionPhase.FINISHED
    assert world.safety.state == S.IDLE and not world.safety.latched
    assert world.history[-1][2].mode == Mode.ZERO
    plan = SessionPlan(settings=TherapySettings(), duration_s=60.0, stand_s=0.1)
    assert led.session.start(plan) == ""
    assert world.run(2000, S.TRAIN).state == S.TRAIN


@pytest.mark.parametrize("wish", [S.TRAIN, S.HOMING, S.STAND])
def test_the_patients_stop_outranks_an_operator(world: World, wish: SupervisorState) -> None:
    world.start(1.0)
    inject(world, exo(patient_stop=lambda v, k: k == 0))
    reply = ask(world, OperatorRequest(state=wish))
    assert world.safety.state == S.STOPPING
    assert reply.accepted == (wish == S.STAND)


def test_hardware_loss_is_latched_by_the_watchdog(world: World) -> None:
    world.start(1.0)
    state, entries = world.component.hardware_lost(world.seq)
    assert state.state == S.E_STOP and state.cause == "F10" and state.latched
    assert entries[0].detail["codes"] == ["HARDWARE_LOST"]
    world.tick()
    assert world.safety.latched


def test_strongest_fault_names_the_cause(world: World) -> None:
    world.start(1.0)
    inject(world, exo(estop_closed_a=False, joint_valid=0, therapist_stop=True))
    world.tick()
    assert world.safety.cause == "F20"
    assert set(world.safety.active_faults) == {"F01", "F20", "F38"}


def test_audit_tells_faults_as_they_come_and_go(world: World) -> None:
    world.start(1.0)
    inject(world, exo(battery_fraction=lambda v, k: 0.1 if k < 5 else 1.0))
    world.run(400)
    notes = [e.detail for e in world.audit if e.kind == "faults"]
    assert notes[0]["active"] == {"F27": {"code": "DEVICE", "level": "REDUCE", "where": "battery at 10%"}}
    assert notes[-1] == {"active": {}, "action": "NONE"}
