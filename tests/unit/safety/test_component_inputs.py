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


PRESSED = Reply(False, "the patient has pressed stop")
HELD = "can't start: the patient has pressed stop"


class TestPatient:
    """The patient's stop button: what it leads to, and what it takes to go on."""

    def press(self, desk: Desk, *requests: OperatorRequest, ticks: int = 1) -> tuple[Reply, ...]:
        """Press the button for some ticks; return the replies to what was asked for in the first."""
        desk.body["patient_stop"] = True
        replies = desk.ask(*requests)
        desk.run(ticks - 1)
        desk.body["patient_stop"] = False
        return replies

    def wish(self, desk: Desk, *wishes: int | None) -> int:
        """Have the session wish for one state after the other, each for a tick; return where that leads."""
        for desk.wish in wishes:
            desk.tick()
        return desk.state.state

    def stopping(self, desk: Desk) -> Desk:
        """Go on to STOPPING, on a belt that will be at rest."""
        desk.training().ask(want(S.STOPPING))
        assert desk.state.state == S.STOPPING
        desk.around["belt_speed_m_s"] = 0.0
        return desk

    # ------------------------------------------------------------------ at rest

    @pytest.mark.parametrize("wish", [None, S.IDLE, S.HOMING, S.STAND, S.TRAIN, S.STOPPING])
    def test_at_rest_it_leads_nowhere(self, desk: Desk, wish: int | None) -> None:
        desk.wish = wish
        self.press(desk)
        assert (desk.state.state, desk.state.action, desk.permit.mode) == (S.IDLE, Action.NONE, Mode.ZERO)
        assert desk.state.active_faults == () and not desk.state.latched

    @pytest.mark.parametrize("before", [0, 3])
    def test_held_down_at_rest_it_lets_the_session_begin_no_self_test(self, desk: Desk, before: int) -> None:
        desk.run(before)
        desk.body["patient_stop"] = True
        assert {self.wish(desk, S.HOMING) for _ in range(50)} == {S.IDLE}
        assert {self.wish(desk, S.IDLE, S.HOMING) for _ in range(10)} == {S.IDLE}
        desk.body["patient_stop"] = False
        assert self.wish(desk, S.HOMING, S.HOMING) == S.IDLE, "that wish for IDLE came while it was held"
        assert self.wish(desk, S.IDLE, S.HOMING) == S.HOMING

    @pytest.mark.parametrize("wish", [None, S.IDLE, S.HOMING])
    def test_nor_anybody_who_asks_in_each_tick(self, desk: Desk, wish: int | None) -> None:
        desk.wish = wish
        desk.body["patient_stop"] = True
        for _ in range(50):
            assert desk.ask(want(S.HOMING)) == (PRESSED,)
            assert (desk.state.state, desk.permit.mode) == (S.IDLE, Mode.ZERO)
        desk.body["patient_stop"] = False
        assert desk.ask(want(S.HOMING)) == (Reply(True, "HOMING"),)
        assert desk.state.state == S.HOMING

    @pytest.mark.parametrize(
        ("wish", "renews"),
        [(S.IDLE, True), *((one, False) for one in (S.HOMING, S.STAND, S.TRAIN, S.STOPPING, None, 99))],
    )
    def test_released_at_rest_it_waits_for_the_wish_for_idle(
        self, desk: Desk, wish: int | None, renews: bool
    ) -> None:
        desk.wish = S.IDLE
        self.press(desk)
        assert self.wish(desk, S.HOMING, S.HOMING) == S.IDLE
        assert self.wish(desk, wish) == S.IDLE
        assert self.wish(desk, S.HOMING) == (S.HOMING if renews else S.IDLE)

    def test_pressed_before_there_is_a_session(self, desk: Desk) -> None:
        self.press(desk)
        desk.run(50)
        assert self.wish(desk, S.HOMING, S.HOMING) == S.IDLE
        assert self.wish(desk, S.IDLE, S.HOMING) == S.HOMING

    # ------------------------------------------------------------------ in the self-test

    @pytest.mark.parametrize("wish", [None, S.IDLE, S.HOMING, S.STAND, S.TRAIN, S.STOPPING])
    @pytest.mark.parametrize("after", [0, 1, 20])
    def test_in_the_self_test_it_leads_to_idle(self, desk: Desk, wish: int | None, after: int) -> None:
        desk.ask(want(S.HOMING))
        desk.run(after)
        assert desk.state.state == S.HOMING
        desk.wish = wish
        self.press(desk)
        assert (desk.state.state, desk.state.action, desk.state.latched) == (S.IDLE, Action.NONE, False)
        assert desk.permit.mode == Mode.ZERO and desk.state.active_faults == ()

    def test_in_its_silence_too(self, desk: Desk) -> None:
        self.press(desk.silent())
        assert desk.state.state == S.IDLE and desk.permit.expiry_seq == desk.seq + 4

    @pytest.mark.parametrize(
        ("wish", "renews"),
        [(S.IDLE, True), *((one, False) for one in (S.HOMING, S.STAND, S.TRAIN, S.STOPPING, None, 99))],
    )
    def test_after_it_only_the_wish_for_idle_lets_the_self_test_begin(
        self, desk: Desk, wish: int | None, renews: bool
    ) -> None:
        assert self.wish(desk, S.HOMING) == S.HOMING
        self.press(desk)
        assert desk.state.state == S.IDLE
        assert self.wish(desk, S.HOMING, S.HOMING) == S.IDLE, "it wishes so as before"
        assert self.wish(desk, wish) == S.IDLE
        assert self.wish(desk, S.HOMING) == (S.HOMING if renews else S.IDLE)

    def test_held_down_it_lets_no_self_test_begin_anew(self, desk: Desk) -> None:
        desk.ask(want(S.HOMING))
        desk.body["patient_stop"] = True
        desk.tick()
        assert {self.wish(desk, S.IDLE, S.HOMING) for _ in range(50)} == {S.IDLE}
        desk.body["patient_stop"] = False
        assert self.wish(desk, S.HOMING) == S.IDLE, "that wish for IDLE came while it was held"
        assert self.wish(desk, S.IDLE, S.HOMING) == S.HOMING

    def test_a_person_may_begin_the_self_test_again(self, desk: Desk) -> None:
        desk.ask(want(S.HOMING))
        self.press(desk)
        desk.wish = S.HOMING
        desk.run(3)
        assert desk.ask(want(S.HOMING)) == (Reply(True, "HOMING"),)
        assert desk.state.state == S.HOMING

    def test_pressed_as_the_self_test_ends_it_keeps_training_away(
        self, desk: Desk, limits: SafetyLimits
    ) -> None:
        takes = desk.homed().seq
        again = Desk(limits)
        again.ask(want(S.HOMING))
        again.run(takes - 1)
        assert again.state.state == S.HOMING
        again.wish = S.TRAIN
        self.press(again)
        assert again.state.state == S.STAND
        for wish in (S.TRAIN, S.STAND, S.STOPPING, S.HOMING, S.FAULT, 99):
            assert self.wish(again, wish, S.TRAIN) == S.STAND
        assert self.wish(again, S.IDLE, S.HOMING) == S.HOMING

    # ------------------------------------------------------------------ while standing

    @pytest.mark.parametrize("wish", [None, S.HOMING, S.STAND, S.TRAIN, S.STOPPING])
    def test_while_standing_it_leads_nowhere(self, desk: Desk, wish: int | None) -> None:
        desk.homed().wish = wish
        self.press(desk)
        assert (desk.state.state, desk.state.action, desk.permit.mode) == (S.STAND, Action.NONE, Mode.STAND)

    def test_and_not_in_the_way_of_the_end(self, desk: Desk) -> None:
        desk.homed().wish = S.IDLE
        self.press(desk)
        assert desk.state.state == S.IDLE

    @pytest.mark.parametrize(
        ("wish", "renews"),
        [(S.STOPPING, True), *((one, False) for one in (S.HOMING, S.STAND, S.TRAIN, None, 99))],
    )
    def test_after_it_the_wish_to_stand_as_before_is_no_answer(
        self, desk: Desk, wish: int | None, renews: bool
    ) -> None:
        assert self.wish(desk.homed(), S.STAND) == S.STAND
        self.press(desk)
        assert self.wish(desk, S.TRAIN, S.TRAIN, wish, wish) == S.STAND
        assert self.wish(desk, S.TRAIN) == (S.TRAIN if renews else S.STAND)

    @pytest.mark.parametrize(
        "wishes", [(S.HOMING,), (S.STAND, S.HOMING), (None, S.HOMING), (S.TRAIN, S.HOMING)]
    )
    def test_nor_does_the_self_test_begin_without_a_wish_for_idle(
        self, desk: Desk, wishes: tuple[int | None, ...]
    ) -> None:
        self.press(desk.homed())
        desk.ask(want(S.IDLE))
        assert desk.state.state == S.IDLE
        assert self.wish(desk, *wishes) == S.IDLE
        assert self.wish(desk, S.IDLE, S.HOMING) == S.HOMING

    def test_held_down_it_lets_nobody_train(self, desk: Desk) -> None:
        desk.homed().body["patient_stop"] = True
        for _ in range(20):
            assert self.wish(desk, S.TRAIN, S.STOPPING) == S.STAND
            assert desk.ask(want(S.TRAIN)) == (PRESSED,) and desk.state.state == S.STAND
        desk.body["patient_stop"] = False
        assert self.wish(desk, S.TRAIN) == S.STAND, "that wish for STOPPING came while it was held"
        assert self.wish(desk, S.STOPPING, S.TRAIN) == S.TRAIN

    def test_a_person_may_ask_for_training(self, desk: Desk) -> None:
        self.press(desk.homed())
        desk.wish = S.STAND
        desk.run(3)
        assert desk.ask(want(S.TRAIN)) == (Reply(True, "TRAIN"),)
        assert desk.state.state == S.TRAIN

    # ------------------------------------------------------------------ in training

    @pytest.mark.parametrize("wish", [None, S.IDLE, S.HOMING, S.STAND, S.TRAIN, S.STOPPING])
    def test_in_training_it_leads_to_a_stop_in_good_order(self, desk: Desk, wish: int | None) -> None:
        desk.training().wish = wish
        self.press(desk)
        assert (desk.state.state, desk.state.action, desk.state.latched) == (S.STOPPING, Action.NONE, False)

    @pytest.mark.parametrize(
        ("wish", "renews"),
        [
            (S.IDLE, True), (S.STAND, True), (S.STOPPING, True),
            (S.HOMING, False), (S.TRAIN, False), (None, False), (99, False),
        ],
    )  # fmt: skip
    def test_after_it_any_wish_but_to_start_is_an_answer(
        self, desk: Desk, wish: int | None, renews: bool
    ) -> None:
        desk.training().wish = S.TRAIN
        self.press(desk)
        assert self.wish(desk, wish) == S.STOPPING
        desk.around["belt_speed_m_s"], desk.wish = 0.0, S.TRAIN
        assert S.STAND in [desk.tick().state for _ in range(200)]
        assert desk.state.state == (S.TRAIN if renews else S.STAND)

    # ------------------------------------------------------------------ people

    def test_a_start_that_is_refused_ends_nothing(self, desk: Desk) -> None:
        desk.training().wish = S.TRAIN
        self.press(desk)
        assert not desk.ask(want(S.TRAIN))[0].accepted
        desk.around["belt_speed_m_s"] = 0.0
        desk.run(200)
        assert self.wish(desk, S.TRAIN) == S.STAND

    def test_a_start_that_may_be_had_does(self, desk: Desk) -> None:
        desk.homed().wish = S.TRAIN
        self.press(desk)
        assert self.wish(desk, S.TRAIN) == S.STAND
        assert desk.ask(want(S.TRAIN))[0].accepted and desk.state.state == S.TRAIN

    @pytest.mark.parametrize("asked", [OperatorRequest(reset=True, state=S.TRAIN), want(S.STAND)])
    def test_nothing_else_does(self, desk: Desk, asked: OperatorRequest) -> None:
        desk.homed()
        self.press(desk)
        desk.ask(asked)
        assert self.wish(desk, S.TRAIN) == S.STAND

    def test_a_start_asked_for_with_the_button_down_leaves_the_first_press_in_force(self, desk: Desk) -> None:
        self.stopping(desk).body["patient_stop"] = True
        desk.run(200)
        assert desk.state.state == S.STAND and not desk.ask(want(S.TRAIN))[0].accepted
        desk.body["patient_stop"] = False
        assert self.wish(desk, S.STOPPING, S.TRAIN) == S.STAND, "pressed in STOPPING, only IDLE renews"

    @pytest.mark.parametrize(("standing", "wish"), [(False, S.HOMING), (True, S.TRAIN)])
    def test_the_words_are_there_while_it_is_down(self, desk: Desk, standing: bool, wish: int) -> None:
        if standing:
            desk.homed()
        desk.body["patient_stop"] = True
        self.wish(desk, wish)
        assert desk.state.message == "can't start: the patient has pressed stop"

    def test_held_down_until_they_stand_it_counts_as_pressed_in_training(self, desk: Desk) -> None:
        desk.training().wish = S.TRAIN
        desk.body["patient_stop"] = True
        assert self.wish(desk, S.STAND) == S.STOPPING
        desk.around["belt_speed_m_s"] = 0.0
        desk.run(200)
        desk.body["patient_stop"] = False
        assert self.wish(desk, S.TRAIN) == S.STAND
        assert self.wish(desk, S.STAND, S.TRAIN) == S.TRAIN

    def test_released_before_it_counts_as_pressed_in_training(self, desk: Desk) -> None:
        desk.training().wish = S.TRAIN
        self.press(desk, ticks=10)
        desk.around["belt_speed_m_s"] = 0.0
        desk.run(200)
        assert self.wish(desk, S.TRAIN) == S.STAND
        assert self.wish(desk, S.STAND, S.TRAIN) == S.TRAIN

    # ------------------------------------------------------------------ while the belt comes to rest

    @pytest.mark.parametrize("wish", [None, S.IDLE, S.HOMING, S.STAND, S.TRAIN, S.STOPPING])
    def test_while_the_belt_comes_to_rest_it_leads_nowhere(
        self, desk: Desk, limits: SafetyLimits, wish: int | None
    ) -> None:
        other = self.stopping(Desk(limits))
        self.stopping(desk).wish = other.wish = wish
        self.press(desk)
        other.tick()
        assert (desk.state, desk.permit) == (other.state, other.permit)
        assert (desk.state.state, desk.state.action) == (S.STOPPING, Action.NONE)
        desk.wish = None
        assert S.STAND in [desk.tick().state for _ in range(200)], "and is in the way of nothing"

    @pytest.mark.parametrize(
        ("wish", "renews"),
        [(S.IDLE, True), *((one, False) for one in (S.HOMING, S.STAND, S.TRAIN, S.STOPPING, None, 99))],
    )
    @pytest.mark.parametrize("ticks", [1, 10])
    def test_after_it_only_the_wish_for_idle_lets_training_begin(
        self, desk: Desk, wish: int | None, renews: bool, ticks: int
    ) -> None:
        self.stopping(desk).wish = S.STAND
        self.press(desk, ticks=ticks)
        assert self.wish(desk, wish, wish) == S.STOPPING
        desk.wish = None
        desk.run(200)
        assert desk.state.state == S.STAND
        assert self.wish(desk, S.TRAIN, S.TRAIN) == (S.TRAIN if renews else S.STAND)

    def test_the_session_that_ended_training_is_no_answer_to_it(self, desk: Desk) -> None:
        assert self.wish(desk.training(), S.STAND) == S.STOPPING
        desk.around["belt_speed_m_s"] = 0.0
        self.press(desk)
        desk.run(200)
        for wish in (S.STAND, S.STOPPING, S.HOMING, 99):
            assert self.wish(desk, wish, S.TRAIN, S.TRAIN) == S.STAND
            assert desk.state.message == HELD
        assert self.wish(desk, S.IDLE) == S.IDLE
        assert self.wish(desk, S.HOMING) == S.HOMING

    # ------------------------------------------------------------------ pressed again, or in the next state

    @pytest.mark.parametrize("wish", [S.STAND, S.STOPPING, S.IDLE])
    @pytest.mark.parametrize("again", ["stopping", "standing", "both"])
    def test_pressed_again_it_is_answered_as_in_training(self, desk: Desk, wish: int, again: str) -> None:
        desk.training()
        self.press(desk)
        desk.around["belt_speed_m_s"] = 0.0
        if again != "standing":
            self.press(desk, ticks=2)
        assert desk.state.state == S.STOPPING
        desk.run(200)
        if again != "stopping":
            self.press(desk, ticks=2)
        assert self.wish(desk, S.TRAIN) == S.STAND
        desk.wish = wish
        desk.tick()
        if wish == S.IDLE:
            assert self.wish(desk, S.HOMING) == S.HOMING
        else:
            assert self.wish(desk, S.TRAIN) == S.TRAIN

    @pytest.mark.parametrize("wish", [S.STAND, S.STOPPING])
    def test_pressed_while_standing_it_is_answered_as_while_the_belt_came_to_rest(
        self, desk: Desk, wish: int
    ) -> None:
        self.press(self.stopping(desk))
        desk.run(200)
        self.press(desk)
        assert self.wish(desk, wish, S.TRAIN) == S.STAND

    @pytest.mark.parametrize(("wish", "renews"), [(S.STOPPING, True), (S.STAND, False)])
    def test_pressed_at_rest_it_is_answered_as_while_standing(
        self, desk: Desk, wish: int, renews: bool
    ) -> None:
        self.press(desk.homed())
        assert desk.ask(want(S.IDLE))[0].accepted and desk.state.state == S.IDLE
        self.press(desk)
        assert self.wish(desk, S.HOMING, wish) == S.IDLE
        assert self.wish(desk, S.HOMING) == (S.HOMING if renews else S.IDLE)

    def test_a_press_that_was_answered_is_over(self, desk: Desk) -> None:
        """The session has answered the one in training: the next is one of its own."""
        desk.training()
        self.press(desk)
        assert self.wish(desk, S.STAND) == S.STOPPING
        self.press(desk)
        desk.around["belt_speed_m_s"] = 0.0
        desk.run(200)
        assert self.wish(desk, S.STAND, S.TRAIN) == S.STAND
        self.wish(desk, S.IDLE, S.HOMING)
        assert desk.state.state == S.HOMING

    # ------------------------------------------------------------------ in words

    @pytest.mark.parametrize(("where", "start"), [("rest", S.HOMING), ("stand", S.TRAIN)])
    def test_who_wishes_a_start_afterwards_is_told_why_not(self, desk: Desk, where: str, start: int) -> None:
        if where == "stand":
            desk.homed()
        words = desk.tick().message
        self.press(desk)
        assert desk.state.message == words == {"rest": "idle", "stand": "standing, legs locked"}[where]
        desk.tick()
        assert desk.state.message == words, "nobody has wished anything"
        self.wish(desk, start)
        assert desk.state.message == HELD
        desk.tick(Finding("F27", Action.WARN, "battery"))
        assert desk.state.message.startswith(f"{HELD}; ") and desk.state.message.endswith("battery")
        assert [entry.detail["active"]["F27"]["where"] for entry in desk.entries] == ["battery"]

    def test_which_outranks_what_else_blocks_it(self, desk: Desk) -> None:
        self.press(desk)
        desk.wish = S.HOMING
        desk.run(3, NO_RECORDER, NO_SPACE)
        assert desk.state.message.startswith(f"{HELD}; ")
        assert self.wish(desk, S.IDLE, S.HOMING) == S.IDLE
        assert desk.state.message.startswith(f"{BLOCKED}; ")

    @pytest.mark.parametrize("answer", ["session", "person"])
    def test_and_no_longer_when_it_starts(self, desk: Desk, answer: str) -> None:
        self.press(desk)
        self.wish(desk, S.HOMING)
        assert desk.state.message == HELD
        if answer == "session":
            self.wish(desk, S.IDLE, S.HOMING)
        else:
            assert desk.ask(want(S.HOMING)) == (Reply(True, "HOMING"),)
        assert (desk.state.state, desk.state.message) == (S.HOMING, "self-test at low torque")

    # ------------------------------------------------------------------ operators

    @pytest.mark.parametrize("asked", [S.HOMING, S.IDLE, S.STAND, S.STOPPING])
    def test_only_a_persons_start_lets_the_self_test_begin_as_the_session_wishes(
        self, desk: Desk, asked: int
    ) -> None:
        desk.ask(want(S.HOMING))
        self.press(desk)
        desk.ask(want(asked))
        desk.run(3)
        assert desk.state.state == (S.HOMING if asked == S.HOMING else S.IDLE)
        desk.ask(want(S.IDLE))
        assert desk.state.state == S.IDLE
        assert self.wish(desk, S.HOMING) == (S.HOMING if asked == S.HOMING else S.IDLE)

    @pytest.mark.parametrize("asked", [S.TRAIN, S.STAND, S.STOPPING])
    def test_and_training(self, desk: Desk, asked: int) -> None:
        self.press(desk.homed())
        desk.ask(want(asked))
        assert desk.state.state == (S.TRAIN if asked == S.TRAIN else S.STAND)
        desk.ask(want(S.STAND))
        desk.run(200)
        assert desk.state.state == S.STAND
        assert self.wish(desk, S.TRAIN) == (S.TRAIN if asked == S.TRAIN else S.STAND)

    def test_pressed_after_a_persons_start_it_holds_as_before(self, desk: Desk) -> None:
        desk.homed()
        self.press(desk)
        assert desk.ask(want(S.TRAIN)) == (Reply(True, "TRAIN"),)
        desk.wish = S.TRAIN
        self.press(desk)
        assert desk.state.state == S.STOPPING
        desk.run(200)
        assert (desk.state.state, desk.state.message) == (S.STAND, HELD)
        assert self.wish(desk, S.STAND, S.TRAIN) == S.TRAIN, "it was pressed in training"

    @pytest.mark.parametrize("start", [S.HOMING, S.TRAIN])
    def test_a_person_who_asks_as_it_is_pressed_ends_nothing(self, desk: Desk, start: int) -> None:
        desk.homed()
        if start == S.HOMING:
            desk.ask(want(S.IDLE))
        where = desk.state.state
        assert self.press(desk, want(start)) == (PRESSED,)
        assert self.press(desk, want(start)) == (PRESSED,)
        assert self.wish(desk, start, start) == where and desk.state.message == HELD

    @pytest.mark.parametrize(
        ("asked", "reply"),
        [
            (S.HOMING, PRESSED), (S.TRAIN, PRESSED), (S.IDLE, Reply(True, "already there")),
            (S.STAND, Reply(False, "no way from IDLE to STAND")),
            (S.STOPPING, Reply(False, "no way from IDLE to STOPPING")),
        ],
    )  # fmt: skip
    def test_it_outranks_them_at_rest(self, desk: Desk, asked: int, reply: Reply) -> None:
        assert self.press(desk, RESET, want(asked)) == (Reply(False, "nothing to reset"), reply)
        assert desk.state.state == S.IDLE

    @pytest.mark.parametrize(
        ("asked", "reply"),
        [
            (S.HOMING, PRESSED), (S.TRAIN, PRESSED), (S.STOPPING, Reply(True, "already there")),
            (S.STAND, Reply(False, "no way from STOPPING to STAND")),
            (S.IDLE, Reply(False, "no way from STOPPING to IDLE")),
        ],
    )  # fmt: skip
    def test_and_while_the_belt_comes_to_rest(self, desk: Desk, asked: int, reply: Reply) -> None:
        assert self.press(self.stopping(desk), want(asked), RESET) == (
            reply,
            Reply(False, "nothing to reset"),
        )
        assert desk.state.state == S.STOPPING

    @pytest.mark.parametrize("stop", ["SOFT_STOP", "E_STOP", "FAULT"])
    def test_in_a_latched_stop_it_is_no_longer_asked(self, desk: Desk, stop: str) -> None:
        desk.training().tick(SOFT if stop == "SOFT_STOP" else HARD)
        if stop == "FAULT":
            desk.around["belt_speed_m_s"] = 0.0
            desk.run(250)
        assert desk.state.state == S[stop]
        message = desk.state.message
        assert (
            self.press(desk, want(S.TRAIN), want(S.HOMING))
            == (Reply(False, f"stopped by {desk.state.cause}: {message}; reset first"),) * 2
        )
        assert desk.state.state == S[stop] and desk.state.message == message
        if stop == "FAULT":
            assert desk.ask(RESET)[0].accepted
            assert self.wish(desk, S.IDLE, S.HOMING) == S.HOMING

    @pytest.mark.parametrize("wish", [None, S.HOMING])
    def test_pressed_after_a_reset_it_is_no_wish_for_idle(self, desk: Desk, wish: int | None) -> None:
        desk.tick(SOFT)
        desk.run(200)
        assert desk.ask(RESET)[0].accepted
        desk.wish = wish
        self.press(desk, ticks=2)
        assert self.wish(desk, S.HOMING) == S.IDLE
        assert desk.state.message == "reset done; ask for IDLE first, then start again"
        assert self.wish(desk, S.IDLE, S.HOMING) == S.HOMING

    @pytest.mark.parametrize("wish", [S.IDLE, S.HOMING])
    def test_held_down_through_a_reset_it_lets_nothing_begin(self, desk: Desk, wish: int) -> None:
        desk.tick(SOFT)
        desk.run(200)
        desk.body["patient_stop"] = True
        desk.wish = wish
        assert desk.ask(RESET, want(S.HOMING))[0].accepted
        for _ in range(5):
            assert desk.ask(want(S.HOMING)) == (PRESSED,) and desk.state.state == S.IDLE
        desk.body["patient_stop"] = False
        assert self.wish(desk, S.HOMING) == S.IDLE
        assert self.wish(desk, S.IDLE, S.HOMING) == S.HOMING

    @pytest.mark.parametrize("wish", [None, S.TRAIN])
    def test_it_outranks_operators_of_the_same_tick(self, desk: Desk, wish: int | None) -> None:
        desk.training().wish = wish
        replies = self.press(desk, want(S.TRAIN), want(S.STAND), want(S.HOMING), RESET)
        assert replies == (PRESSED, Reply(True, "STOPPING"), PRESSED, Reply(False, "nothing to reset"))
        assert desk.state.state == S.STOPPING

    def test_in_the_self_test_as_well(self, desk: Desk) -> None:
        desk.ask(want(S.HOMING))
        replies = self.press(desk, want(S.HOMING), want(S.STAND), want(S.TRAIN), want(S.IDLE), want(S.STAND))
        no_way = Reply(False, "no way from HOMING to STAND")
        assert replies == (PRESSED, no_way, PRESSED, Reply(True, "IDLE"), no_way)
        assert desk.state.state == S.IDLE

    @pytest.mark.parametrize(
        ("asked", "replies", "state"),
        [
            ((S.TRAIN,), (PRESSED,), S.STAND),
            ((S.HOMING,), (PRESSED,), S.STAND),
            ((S.IDLE,), (Reply(True, "IDLE"),), S.IDLE),
            ((S.TRAIN, S.IDLE), (PRESSED, Reply(True, "IDLE")), S.IDLE),
            ((S.IDLE, S.TRAIN), (Reply(True, "IDLE"), PRESSED), S.STAND),
        ],
    )
    def test_and_while_standing(
        self, desk: Desk, asked: tuple[int, ...], replies: tuple[Reply, ...], state: int
    ) -> None:
        desk.homed()
        assert self.press(desk, *(want(one) for one in asked)) == replies
        assert desk.state.state == state

    @pytest.mark.parametrize("stop", [S.SOFT_STOP, S.E_STOP])
    def test_a_stronger_stop_is_a_stop(self, desk: Desk, stop: int) -> None:
        desk.training()
        assert self.press(desk, want(stop), want(S.TRAIN)) == (Reply(True, "stopping"), PRESSED)
        assert desk.state.state == stop

    def test_a_refusal_is_in_the_log(self, desk: Desk) -> None:
        desk.homed()
        self.press(desk, want(S.TRAIN, "anna"))
        assert [entry.detail for entry in desk.entries] == [
            {"what": "TRAIN", "operator": "anna", "accepted": False, "reply": PRESSED.message}
        ]

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
