"""What the supervisor takes in: device, session, patient and operators, each with its say."""

from __future__ import annotations

from math import inf, nan, nextafter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from component_desk import Desk
from safety_world import PERIOD, exo_state

from exostride.safety.component import OperatorRequest, Reply, SafetyComponent
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Standing
from exostride.safety.walker import Walker
from exostride.types import (
    Action,
    AppliedTorque,
    AssistCommand,
    EnvironmentState,
    GaitPhase,
    HarnessAction,
    Mode,
    RecorderState,
    SessionState,
    Signal,
    SupervisorState,
)

S = SupervisorState
RESET = OperatorRequest(reset=True)
SOFT = Finding("F11", Action.SOFT_STOP, "joint commands")
HARD = Finding("F20", Action.E_STOP)
DRAGS = Finding("F24a", Action.SOFT_STOP)
BROKEN = Finding("F26", Action.SOFT_STOP, "cable")
NO_RECORDER = Finding("F14", Action.WARN)
NO_SPACE = Finding("F28", Action.WARN, "disk")
BLOCKED = "can't start: the recorder is silent; recording is at its limit: disk"


@pytest.fixture
def desk(limits: SafetyLimits) -> Desk:
    return Desk(limits)


def want(state: int, who: str = "") -> OperatorRequest:
    return OperatorRequest(state=state, operator_id=who)


class TestDetectors:
    def test_they_are_given_the_whole_tick(self, desk: Desk) -> None:
        exo, environment = exo_state(4), EnvironmentState(4, 0.02)
        messages = (
            AppliedTorque(3, 0.015),
            GaitPhase(3, 0.015),
            AssistCommand(3, 0.015),
            SessionState(0, 0.0),
            RecorderState(2, 0.01),
        )
        applied, phase, command, session, recorder = messages
        component = desk.component
        assert component.seen is None and component.replies == ()
        component.step(4, exo, environment, applied, phase, command, session, recorder=recorder)
        assert desk.asked == (4, exo, environment, messages, Standing(S.IDLE, 0, None), False, 0.0)
        assert component.seen is not None
        assert component.seen.exo is exo and component.seen.recorder is recorder

    def test_they_know_where_the_supervisor_stood(self, desk: Desk) -> None:
        desk.training()
        desk.run(3)
        belt = desk.permit.belt_limit_m_s
        desk.tick()
        assert desk.asked[4:] == (Standing(S.TRAIN, 3, 3), False, belt)
        assert belt == pytest.approx(4 * desk.limits.belt.acceleration_m_s2 * PERIOD)

    def test_they_know_of_a_permit_withheld_in_the_self_test(self, desk: Desk) -> None:
        desk.silent()
        assert desk.asked[5] is False
        desk.tick()
        assert desk.asked[4].state == S.HOMING and desk.asked[5] is True

    @pytest.mark.parametrize("walker", [None, Walker(sole_m=-0.07)])
    def test_they_are_made_for_the_patient(
        self, limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch, walker: Walker | None
    ) -> None:
        made: list[Any] = []
        monkeypatch.setattr("exostride.safety.component.Detectors", lambda *given: made.append(given))
        SafetyComponent(limits, PERIOD, walker=walker)
        assert made == [(limits, PERIOD, walker if walker is not None else Walker())]


class TestSelfTest:
    def test_a_failure_of_it_is_a_fault(self, desk: Desk, limits: SafetyLimits) -> None:
        desk.tick()
        desk.body["angle_rad"] = np.array([9.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        desk.run(3)
        assert desk.state.state == S.IDLE, "nothing is tested before HOMING"
        desk.ask(want(S.HOMING))
        desk.tick()
        assert desk.state.cause == "F19" and desk.state.latched
        assert desk.state.message == "drive or sensor reversed or mis-scaled: hip left outside its range"

    @pytest.mark.parametrize("given_up", [None, 3, 40])
    def test_it_begins_from_the_start_each_time(self, desk: Desk, given_up: int | None) -> None:
        desk.homed()
        takes = desk.seq
        assert takes > 30
        desk.ask(want(S.IDLE))
        if given_up is not None:
            desk.ask(want(S.HOMING))
            desk.run(given_up)
            desk.ask(want(S.IDLE))
        assert desk.state.state == S.IDLE
        start = desk.seq
        desk.homed()
        assert desk.seq - start == takes + 1


class TestSession:
    @pytest.mark.parametrize("stop", [(S.SOFT_STOP, Action.SOFT_STOP), (S.E_STOP, Action.E_STOP)])
    def test_its_stop_is_a_stop_button(self, desk: Desk, stop: tuple[int, Action]) -> None:
        desk.training()
        desk.wish = stop[0]
        desk.tick()
        assert (desk.state.state, desk.state.cause, desk.state.action) == (stop[0], "F38", stop[1])
        assert desk.state.message == "stop button pressed by the session's operator"

    def test_its_request_takes_effect_in_the_tick_it_names(self, desk: Desk) -> None:
        def step(seq: int) -> int:
            session = SessionState(0, 0.0, requested_state=S.HOMING, effective_seq=7)
            environment = EnvironmentState(seq, 0.0)
            out = desk.component.step(seq, exo_state(seq), environment, None, None, None, session)
            return out[1].state

        assert [step(seq) for seq in range(5, 9)] == [S.IDLE, S.IDLE, S.HOMING, S.HOMING]

    def test_it_holds_beside_an_operator_who_is_refused(self, desk: Desk) -> None:
        desk.wish = S.HOMING
        assert desk.ask(RESET) == (Reply(False, "nothing to reset"),)
        assert desk.state.state == S.HOMING

    def test_its_first_word_may_be_to_train(self, desk: Desk) -> None:
        desk.homed()
        desk.wish = S.TRAIN
        assert desk.tick().state == S.TRAIN

    def test_a_state_that_nobody_can_ask_for_is_no_request(self, desk: Desk) -> None:
        desk.training()
        desk.wish = 99
        assert desk.tick().state == S.TRAIN and desk.state.active_faults == ()


class TestPatient:
    def test_the_button_stops_and_a_fresh_wish_restarts(self, desk: Desk) -> None:
        desk.training()
        desk.wish = S.TRAIN
        assert desk.tick().state == S.TRAIN
        desk.body["patient_stop"] = True
        assert desk.tick().state == S.STOPPING
        desk.around["belt_speed_m_s"] = 0.0
        desk.run(200)
        assert desk.state.state == S.STAND, "held all along"
        desk.wish = S.STAND
        desk.tick()
        desk.wish = S.TRAIN
        assert desk.tick().state == S.STAND, "a wish of before the button was let go counts nothing"
        desk.body["patient_stop"] = False
        assert desk.run(3).state == S.STAND
        desk.wish = S.STAND
        desk.tick()
        desk.wish = S.TRAIN
        assert desk.tick().state == S.TRAIN

    def test_outside_of_training_it_stops_nothing(self, desk: Desk) -> None:
        desk.homed()
        desk.body["patient_stop"] = True
        desk.wish = S.TRAIN
        assert desk.tick().state == S.TRAIN
        assert desk.tick().state == S.STOPPING

    def test_it_outranks_operators_of_the_same_tick(self, desk: Desk) -> None:
        desk.training()
        desk.body["patient_stop"] = True
        replies = desk.ask(want(S.TRAIN), want(S.STAND), want(S.HOMING))
        assert replies == (
            Reply(False, "the patient has pressed stop"),
            Reply(True, "STOPPING"),
            Reply(False, "no way from TRAIN to HOMING"),
        )
        assert desk.state.state == S.STOPPING

    @pytest.mark.parametrize("exo", [None, SimpleNamespace(), "text"])
    def test_a_state_without_a_button_is_none_pressed(self, desk: Desk, exo: Any) -> None:
        desk.training()
        desk.exo = exo
        assert desk.tick().state == S.TRAIN


class TestOperators:
    def test_replies_in_order(self, desk: Desk) -> None:
        assert desk.ask(want(S.TRAIN), want(S.IDLE), want(S.FAULT), want(42), RESET, want(S.HOMING)) == (
            Reply(False, "no way from IDLE to TRAIN"),
            Reply(True, "already there"),
            Reply(False, "state 7 can't be asked for"),
            Reply(False, "state 42 can't be asked for"),
            Reply(False, "nothing to reset"),
            Reply(True, "HOMING"),
        )
        assert desk.state.state == S.HOMING
        desk.tick()
        assert desk.component.replies == ()

    @pytest.mark.parametrize("stop", [S.SOFT_STOP, S.E_STOP])
    @pytest.mark.parametrize(("who", "named"), [("anna", "operator anna"), ("", "operator")])
    def test_a_stop_is_told_with_its_name(self, desk: Desk, stop: int, who: str, named: str) -> None:
        desk.training()
        assert desk.ask(want(stop, who)) == (Reply(True, "stopping"),)
        assert (desk.state.state, desk.state.cause) == (stop, "F38")
        assert desk.state.message == f"stop button pressed by {named}"
        assert desk.ask(want(S.TRAIN)) == (
            Reply(False, f"stopped by F38: stop button pressed by {named}; reset first"),
        )

    def test_a_blocked_start_says_all_that_blocks_it(self, desk: Desk) -> None:
        desk.tick(NO_RECORDER, NO_SPACE, Finding("F27", Action.WARN, "battery"))
        assert desk.ask(want(S.HOMING)) == (Reply(False, BLOCKED),)
        assert desk.state.state == S.IDLE and desk.state.message.startswith(BLOCKED)
        desk.run(round(desk.limits.detect.stops.clear_s / PERIOD))
        assert desk.ask(want(S.HOMING)) == (Reply(True, "HOMING"),)
        desk.homed()
        desk.tick(NO_RECORDER, NO_SPACE)
        assert desk.ask(want(S.TRAIN)) == (Reply(False, BLOCKED),)
        assert desk.ask(want(S.IDLE)) == (Reply(True, "IDLE"),), "only a start is blocked"

    def test_a_reset_leaves_nothing_behind(self, desk: Desk) -> None:
        desk.training()
        desk.run(100, Finding("F22", Action.REDUCE))
        assert desk.permit.scale == 0.5
        desk.tick(HARD)
        desk.around["belt_speed_m_s"] = 0.0
        desk.run(250)
        assert desk.state.state == S.FAULT and desk.state.active_faults == ("F20",)
        assert desk.ask(RESET) == (Reply(True, "reset; motion needs a new start"),)
        assert (desk.state.state, desk.state.active_faults) == (S.IDLE, ())
        assert (desk.permit.scale, desk.permit.belt_limit_m_s) == (1.0, 0.0)
        desk.tick()
        assert desk.asked[6] == 0.0

    def test_effort_after_a_reset_falls_from_the_whole(self, desk: Desk) -> None:
        desk.tick(SOFT)
        desk.run(200)
        assert desk.ask(RESET, found=(Finding("F22", Action.REDUCE),))[0].accepted
        assert desk.permit.scale == pytest.approx(0.99)

    def test_a_refused_reset_forgets_nothing(self, desk: Desk) -> None:
        desk.tick(SOFT)
        assert desk.ask(RESET) == (Reply(False, "the cause (F11) is still present or was a moment ago"),)
        assert desk.state.active_faults == ("F11",) and desk.state.state == S.FAULT

    @pytest.mark.parametrize(("together", "state"), [(True, S.IDLE), (False, S.HOMING)])
    def test_a_reset_and_a_start_are_two_steps(self, desk: Desk, together: bool, state: int) -> None:
        desk.tick(SOFT)
        desk.run(200)
        if together:
            desk.ask(RESET, want(S.HOMING))
        else:
            desk.ask(RESET)
            desk.ask(want(S.HOMING))
        assert desk.state.state == state


class TestFacts:
    """What the supervisor takes for true is seen from what stands in the way of a reset."""

    def stopped(self, desk: Desk, *found: Finding) -> Desk:
        desk.around["belt_speed_m_s"] = 0.0
        desk.tick(*(found or (SOFT,)))
        desk.run(200)
        assert desk.state.state == S.FAULT
        return desk

    def message(self, desk: Desk) -> str:
        return desk.ask(RESET)[0].message

    @pytest.mark.parametrize(
        ("speed", "rests"),
        [
            (0.02, True), (-0.02, True), (0.0, True), (0, True),
            (nextafter(0.02, inf), False), (nextafter(-0.02, -inf), False),
            (nan, False), (inf, False), (None, False), ("0", False),
        ],
    )  # fmt: skip
    def test_belt(self, desk: Desk, speed: Any, rests: bool) -> None:
        self.stopped(desk).around["belt_speed_m_s"] = speed
        assert (self.message(desk) == "the belt still moves") is not rests

    @pytest.mark.parametrize("environment", [None, SimpleNamespace(), 3.0])
    def test_an_environment_that_cannot_be_read_moves(self, desk: Desk, environment: Any) -> None:
        self.stopped(desk).environment = environment
        assert self.message(desk) == "the belt still moves"

    @pytest.mark.parametrize(
        "exo",
        [
            exo_state(0, estop_closed_a=False),
            exo_state(0, estop_closed_b=False),
            exo_state(0, estop_closed_a=False, estop_closed_b=False),
            SimpleNamespace(estop_closed_a=True),
            SimpleNamespace(estop_closed_b=True),
            None,
        ],
    )
    def test_both_channels_must_be_closed(self, desk: Desk, exo: Any) -> None:
        self.stopped(desk).exo = exo
        assert self.message(desk) == "an emergency stop is still pressed"

    @pytest.mark.parametrize(
        ("load", "free"),
        [
            ([60.0, 40.0, 30.0, 70.0], True),
            ([40.0, 60.0, 70.0, 30.0], True),
            ([100.0, 0.0, 0.0, 100.0], True),
            ([60.0, 40.1, 0.0, 0.0], False),
            ([40.1, 60.0, 0.0, 0.0], False),
            ([0.0, 0.0, 60.0, 40.1], False),
            ([0.0, 0.0, 40.1, 60.0], False),
            ([100.1, 0.0, 0.0, 0.0], False),
            ([0.0, 0.0, 0.0, 100.1], False),
            (None, False),
        ],
    )
    def test_legs_are_free_with_neither_foot_loaded(
        self, desk: Desk, load: list[float] | None, free: bool
    ) -> None:
        self.stopped(desk.training(), BROKEN)
        assert desk.permit.mode == Mode.STAND
        if load is None:
            desk.body["available"] = int(sum(Signal)) & ~int(Signal.FOOT_LOAD)
        else:
            desk.body["foot_load_n"] = np.array(load)
        assert ("released" in self.message(desk)) is free

    @pytest.mark.parametrize(
        ("action", "confirmed", "carries"),
        [
            (HarnessAction.LIFT, True, True),
            (HarnessAction.LIFT, False, False),
            (HarnessAction.HOLD, True, False),
            (HarnessAction.UNLOAD, True, False),
        ],
    )
    def test_the_harness_carries_once_it_lifts_and_confirms(
        self, desk: Desk, action: int, confirmed: bool, carries: bool
    ) -> None:
        desk.training().tick(DRAGS)
        desk.around.update(belt_speed_m_s=0.0, harness_action=action, harness_confirmed=confirmed)
        desk.run(20)
        assert desk.permit.mode == Mode.STAND
        assert (desk.permit.scale < 1.0) is carries

    @pytest.mark.parametrize(
        "environment",
        [None, SimpleNamespace(), SimpleNamespace(harness_action=HarnessAction.LIFT, belt_speed_m_s=0.0)],
    )
    def test_an_environment_that_cannot_be_read_carries_nobody(self, desk: Desk, environment: Any) -> None:
        desk.training().around["belt_speed_m_s"] = 0.0
        desk.tick(DRAGS)
        desk.environment = environment
        desk.run(20)
        assert desk.permit.mode == Mode.STAND and desk.permit.scale == 1.0
