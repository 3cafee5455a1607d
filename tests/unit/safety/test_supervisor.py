"""The state machine over all states and all events."""

from __future__ import annotations

from itertools import product

import pytest
from safety_world import PERIOD

from exostride.safety.faults import CATALOGUE, PRECEDENCE, Clear, Finding, Support, sentence, stronger
from exostride.safety.limits import SafetyLimits
from exostride.safety.supervisor import STOPPED, Facts, StateMachine, Step, target_of
from exostride.types import Action, HarnessAction, Mode, SupervisorState

S = SupervisorState
REST = Facts(belt_rest=True, harness_lifted=False, estops_closed=True)
MOVING = Facts(belt_rest=False, harness_lifted=False, estops_closed=True)
LIFTED = Facts(belt_rest=True, harness_lifted=True, estops_closed=True)
HOMED = Facts(belt_rest=True, harness_lifted=False, estops_closed=True, homing_done=True)
SOFT = Finding("F11", Action.SOFT_STOP, "joint commands")
HARD = Finding("F20", Action.E_STOP)

LEGAL = {
    (S.IDLE, S.HOMING),
    (S.HOMING, S.IDLE),
    (S.HOMING, S.STAND),
    (S.STAND, S.TRAIN),
    (S.STAND, S.IDLE),
    (S.TRAIN, S.STOPPING),
    (S.STOPPING, S.STAND),
    (S.SOFT_STOP, S.FAULT),
    (S.E_STOP, S.FAULT),
    (S.STOPPING, S.SOFT_STOP),
}


def machine_in(limits: SafetyLimits, state: SupervisorState) -> StateMachine:
    """A machine brought to ``state`` by events alone."""
    m = StateMachine(limits, PERIOD)
    if state == S.IDLE:
        return m
    m.step(None, S.HOMING, REST)
    if state == S.HOMING:
        return m
    m.step(None, None, HOMED)
    if state == S.STAND:
        return m
    m.step(None, S.TRAIN, MOVING)
    if state == S.TRAIN:
        return m
    if state == S.STOPPING:
        m.step(None, S.STAND, MOVING)
    elif state == S.SOFT_STOP:
        m.step(SOFT, None, MOVING)
    elif state == S.E_STOP:
        m.step(HARD, None, MOVING)
    else:
        m.step(HARD, None, MOVING)
        m.step(None, None, REST)
    assert m.status.state == state
    return m


@pytest.mark.parametrize("state", list(S))
def test_every_state_is_reached_by_events(limits: SafetyLimits, state: SupervisorState) -> None:
    assert machine_in(limits, state).status.state == state


@pytest.mark.parametrize("state", list(S))
def test_all_states_times_all_events(limits: SafetyLimits, state: SupervisorState) -> None:
    """Only legal transitions, whatever comes; stops only escalate; a stop always wins over a request."""
    findings = [None, Finding("F24a", Action.WARN), Finding("F17", Action.REDUCE), SOFT, HARD]
    facts = [
        REST,
        MOVING,
        LIFTED,
        HOMED,
        Facts(True, False, False),
        Facts(True, False, True, start_blocked="disk"),
    ]
    for finding, request, fact in product(findings, [None, *S], facts):
        m = machine_in(limits, state)
        after = m.step(finding, request, fact).state
        if finding is HARD:
            assert after in (S.E_STOP, S.FAULT)
        elif finding is SOFT:
            assert after in STOPPED
            assert after >= state or state not in STOPPED
        elif after != state:
            assert (state, after) in LEGAL, (state, finding, request, fact, after)
        if state in STOPPED:
            assert after in STOPPED
        if after == S.TRAIN and state != S.TRAIN:
            assert (state, request) == (S.STAND, S.TRAIN) and not fact.start_blocked
        if after == S.HOMING and state != S.HOMING:
            assert (state, request) == (S.IDLE, S.HOMING) and not fact.start_blocked


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("request_", list(S))
def test_target_of(state: SupervisorState, request_: SupervisorState) -> None:
    target = target_of(state, request_)
    assert target is None or (state, target) in LEGAL
    if state == S.TRAIN:
        assert (target == S.STOPPING) == (request_ in (S.IDLE, S.STAND, S.STOPPING))


class TestSoftStop:
    def test_order_of_the_sequence(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(SOFT, None, MOVING)
        assert m.status.step == Step.BELT and m.orders().mode == Mode.HOLD_STANCE
        assert m.orders().harness == HarnessAction.HOLD and not m.orders().belt
        m.step(None, None, MOVING)
        assert m.status.step == Step.BELT
        m.step(None, None, REST)
        assert m.status.step == Step.HARNESS
        assert (m.orders().mode, m.orders().harness, m.orders().fade) == (
            Mode.STAND,
            HarnessAction.LIFT,
            False,
        )
        m.step(None, None, REST)
        m.step(None, None, LIFTED)
        assert m.status.step == Step.FADE
        assert (m.orders().mode, m.orders().harness, m.orders().fade) == (
            Mode.STAND,
            HarnessAction.LIFT,
            True,
        )
        ticks = 0
        while m.status.state == S.SOFT_STOP:
            m.step(None, None, LIFTED)
            ticks += 1
        assert ticks == round(limits.detect.stops.ramp_out_s / PERIOD)
        assert m.status.state == S.FAULT and m.status.cause == "F11"
        assert (m.orders().mode, m.orders().harness) == (Mode.DAMP, HarnessAction.LIFT)

    @pytest.mark.parametrize(
        ("fault", "mode"), [("F27", Mode.TRAIN), ("F11", Mode.HOLD_STANCE), ("F03", Mode.DAMP)]
    )
    def test_support_of_the_first_step_follows_the_fault(
        self, limits: SafetyLimits, fault: str, mode: Mode
    ) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(Finding(fault, Action.SOFT_STOP), None, MOVING)
        assert m.orders().mode == mode
        m.step(None, None, REST)
        assert m.orders().mode == (Mode.DAMP if mode == Mode.DAMP else Mode.STAND)

    def test_support_only_falls_when_faults_overlap(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(Finding("F27", Action.SOFT_STOP), None, MOVING)
        m.step(SOFT, None, MOVING)
        assert m.status.support == Support.HOLD and m.status.cause == "F27"
        m.step(Finding("F27", Action.SOFT_STOP), None, MOVING)
        assert m.status.support == Support.HOLD

    def test_belt_that_does_not_rest_goes_on_after_its_timeout(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.SOFT_STOP)
        ticks = round(limits.detect.stops.belt_timeout_s / PERIOD)
        for _ in range(ticks - 1):
            m.step(None, None, MOVING)
        assert m.status.step == Step.BELT
        m.step(None, None, MOVING)
        assert m.status.step == Step.HARNESS

    def test_harness_that_does_not_confirm_keeps_the_legs_locked(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.SOFT_STOP)
        m.step(None, None, REST)
        for _ in range(round(limits.detect.stops.harness_timeout_s / PERIOD) - 1):
            m.step(None, None, REST)
        assert m.status.state == S.SOFT_STOP
        m.step(None, None, REST)
        assert m.status.state == S.FAULT and "stay locked" in m.status.message
        assert (m.orders().mode, m.orders().harness) == (Mode.STAND, HarnessAction.HOLD)

    def test_failed_harness_is_never_relied_on(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(Finding("F26", Action.SOFT_STOP, "cable"), None, MOVING)
        assert m.orders().harness == HarnessAction.HOLD
        m.step(None, None, REST)
        assert m.status.state == S.FAULT
        assert (m.orders().mode, m.orders().harness) == (Mode.STAND, HarnessAction.HOLD)

    def test_harness_failing_while_it_lifts(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.SOFT_STOP)
        m.step(None, None, REST)
        assert m.orders().harness == HarnessAction.LIFT
        m.step(Finding("F26", Action.SOFT_STOP, "lift"), None, REST)
        assert m.status.state == S.FAULT and m.orders().mode == Mode.STAND

    def test_damped_stop_with_failed_harness_stays_damped(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(Finding("F03", Action.SOFT_STOP), None, MOVING)
        m.step(Finding("F26", Action.SOFT_STOP), None, REST)
        assert m.status.state == S.FAULT and m.orders().mode == Mode.DAMP

    @pytest.mark.parametrize("state", [S.IDLE, S.HOMING])
    def test_nobody_walks_so_nothing_is_lifted(self, limits: SafetyLimits, state: SupervisorState) -> None:
        m = machine_in(limits, state)
        m.step(SOFT, None, REST)
        assert m.status.state == S.FAULT
        assert (m.orders().mode, m.orders().harness) == (Mode.DAMP, HarnessAction.HOLD)


class TestEStop:
    def test_damps_at_once_and_faults_when_the_belt_rests(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.E_STOP)
        assert (m.orders().mode, m.orders().harness, m.orders().belt) == (
            Mode.DAMP,
            HarnessAction.HOLD,
            False,
        )
        m.step(HARD, None, MOVING)
        assert m.status.state == S.E_STOP
        m.step(None, None, REST)
        assert m.status.state == S.FAULT and m.status.cause == "F20"

    def test_faults_after_the_timeout_if_the_belt_does_not(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.E_STOP)
        for _ in range(round(limits.detect.stops.belt_timeout_s / PERIOD) - 1):
            m.step(None, None, MOVING)
        assert m.status.state == S.E_STOP
        m.step(None, None, MOVING)
        assert m.status.state == S.FAULT

    def test_escalates_a_soft_stop(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.SOFT_STOP)
        m.step(HARD, None, MOVING)
        assert m.status.state == S.E_STOP and m.status.cause == "F20"

    def test_in_fault_it_takes_the_locked_support_away(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(Finding("F26", Action.SOFT_STOP, "cable"), None, MOVING)
        m.step(None, None, REST)
        assert m.orders().mode == Mode.STAND
        m.step(HARD, None, REST)
        assert m.status.state == S.FAULT and m.status.cause == "F26" and m.orders().mode == Mode.DAMP


class TestStopping:
    def test_needs_the_belt_at_rest_for_a_while(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.STOPPING)
        assert m.orders().mode == Mode.TRAIN and not m.orders().belt
        rest = round(limits.detect.stops.rest_s / PERIOD)
        for _ in range(rest - 1):
            m.step(None, S.TRAIN, REST)
        m.step(None, S.TRAIN, MOVING)
        for _ in range(rest - 1):
            m.step(None, S.TRAIN, REST)
        assert m.status.state == S.STOPPING
        m.step(None, S.TRAIN, REST)
        assert m.status.state == S.STAND

    def test_becomes_a_soft_stop_when_it_takes_too_long(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.STOPPING)
        for _ in range(round(limits.detect.stops.stopping_timeout_s / PERIOD) - 1):
            m.step(None, None, MOVING)
        assert m.status.state == S.STOPPING
        m.step(None, None, MOVING)
        assert m.status.state == S.SOFT_STOP and m.status.cause == "F25"
        m.step(None, None, REST)
        assert (m.status.state, m.status.step) == (S.SOFT_STOP, Step.HARNESS), "it goes on like any other"


class TestReset:
    def ready(self, limits: SafetyLimits) -> StateMachine:
        m = machine_in(limits, S.FAULT)
        for _ in range(round(limits.detect.stops.reset_clear_s / PERIOD)):
            m.step(None, None, REST)
        return m

    def test_leads_to_idle_and_never_restarts(self, limits: SafetyLimits) -> None:
        m = self.ready(limits)
        assert m.reset(REST) == ""
        assert m.status.state == S.IDLE and m.status.cause == ""
        for request in (S.HOMING, S.TRAIN, S.STAND):
            m.step(None, request, REST)
            assert m.status.state == S.IDLE
        m.step(None, S.HOMING, REST)
        assert "ask for IDLE first" in m.status.message
        m.step(None, S.IDLE, REST)
        m.step(None, S.HOMING, REST)
        assert m.status.state == S.HOMING

    def test_a_person_may_arm_it_directly(self, limits: SafetyLimits) -> None:
        m = self.ready(limits)
        m.reset(REST)
        m.arm()
        m.arm()
        assert m.step(None, S.HOMING, REST).state == S.HOMING

    def test_what_stands_in_the_way_is_said(self, limits: SafetyLimits) -> None:
        assert machine_in(limits, S.STAND).reset(REST) == "nothing to reset"
        assert machine_in(limits, S.E_STOP).reset(REST) == "the stop is still in progress"
        m = self.ready(limits)
        assert m.reset(Facts(True, False, False)) == "an emergency stop is still pressed"
        assert m.reset(MOVING) == "the belt still moves"
        m.step(HARD, None, REST)
        assert "(F20) is still present" in m.reset(REST)
        for _ in range(round(limits.detect.stops.reset_clear_s / PERIOD) - 1):
            m.step(None, None, REST)
        assert "still present" in m.reset(REST)
        m.step(None, None, REST)
        assert m.reset(REST) == ""

    def locked(self, limits: SafetyLimits, fault: str = "F22") -> StateMachine:
        """A machine whose harness did not take over: the legs stay locked, the cause is gone."""
        m = machine_in(limits, S.TRAIN)
        m.step(Finding(fault, Action.SOFT_STOP), None, MOVING)
        while m.status.state != S.FAULT:
            m.step(None, None, REST)
        for _ in range(round(limits.detect.stops.reset_clear_s / PERIOD)):
            m.step(None, None, REST)
        assert m.orders().mode == Mode.STAND and m.status.locked
        return m

    def test_legs_that_may_carry_are_not_let_go(self, limits: SafetyLimits) -> None:
        m = self.locked(limits)
        assert "legs stay locked" in m.reset(REST)
        assert m.status.state == S.FAULT and m.orders().mode == Mode.STAND
        failed = self.locked(limits, "F26")
        assert "legs stay locked" in failed.reset(LIFTED), "the word of a harness that failed counts nothing"
        assert failed.orders().mode == Mode.STAND

    @pytest.mark.parametrize("facts", [REST._replace(unloaded=True), LIFTED], ids=["unloaded", "lifted"])
    def test_unloaded_legs_yield_damped_before_torque_goes(self, limits: SafetyLimits, facts: Facts) -> None:
        m = self.locked(limits)
        assert "released, damped" in m.reset(facts)
        assert m.status.state == S.FAULT and m.orders().mode == Mode.DAMP
        for _ in range(round(limits.detect.stops.reset_clear_s / PERIOD)):
            assert "a moment ago" in m.reset(REST)
            assert m.orders().mode == Mode.DAMP
            m.step(None, None, REST)
        assert m.reset(REST) == ""
        assert m.status.state == S.IDLE and m.orders().mode == Mode.ZERO

    def test_the_emergency_stop_releases_a_secured_patient(self, limits: SafetyLimits) -> None:
        m = self.locked(limits)
        for _ in range(3):
            m.step(HARD, None, REST)
        assert m.orders().mode == Mode.DAMP
        assert m.status.message.count("released, damped") == 1
        for _ in range(round(limits.detect.stops.reset_clear_s / PERIOD)):
            m.step(None, None, REST)
        assert m.reset(REST) == ""


class TestDriven:
    def run(self, m: StateMachine, n: int) -> list[int | None]:
        seen = []
        for _ in range(n):
            m.step(None, None, MOVING)
            seen.append(m.driven_ticks)
        return seen

    @pytest.mark.parametrize("state", [s for s in S if s not in (S.TRAIN, S.STOPPING)])
    def test_not_where_the_kernel_has_the_legs(self, limits: SafetyLimits, state: SupervisorState) -> None:
        assert machine_in(limits, state).driven_ticks is None

    def test_goes_on_through_an_ordinary_stop(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        assert m.driven_ticks == 0
        assert self.run(m, 3) == [1, 2, 3]
        m.step(None, S.STAND, MOVING)
        assert (m.status.state, m.ticks, m.driven_ticks) == (S.STOPPING, 0, 4)

    def test_goes_on_while_a_stop_keeps_the_controller(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(Finding("F38", Action.SOFT_STOP), None, MOVING)
        assert (m.status.state, m.ticks, m.driven_ticks) == (S.SOFT_STOP, 0, 1)
        assert self.run(m, 2) == [2, 3]
        m.step(SOFT, None, MOVING)
        assert m.driven_ticks is None, "the stance is held from here"

    def test_ends_as_the_lock_takes_over(self, limits: SafetyLimits) -> None:
        m = machine_in(limits, S.TRAIN)
        m.step(Finding("F38", Action.SOFT_STOP), None, MOVING)
        m.step(None, None, REST)
        assert m.status.step == Step.HARNESS and m.driven_ticks is None


class TestStart:
    @pytest.mark.parametrize(("state", "request_"), [(S.IDLE, S.HOMING), (S.STAND, S.TRAIN)])
    def test_blocked_start_says_why(self, limits: SafetyLimits, state, request_) -> None:
        m = machine_in(limits, state)
        m.step(None, request_, Facts(True, False, True, start_blocked="little space left"))
        assert m.status.state == state and m.status.message == "can't start: little space left"


class TestCatalogue:
    def test_every_fault_of_kernel_and_supervisor_has_a_row(self) -> None:
        expected = {f"F{n:02}" for n in (*range(1, 15), *range(16, 29), 36, 37, 38)} - {"F24"} | {
            "F24a",
            "F24b",
        }
        assert set(CATALOGUE) == expected
        assert set(PRECEDENCE) == expected
        assert len({row.code for row in CATALOGUE.values()}) == len(CATALOGUE)

    @pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
    def test_rows_are_complete(self, row) -> None:
        assert row.title and row.words and row.code.isupper()
        assert (row.bound > 0) != (row.bound_s > 0.0)
        assert row.bound_ticks(0.005) >= 1
        if row.clear == Clear.HYSTERESIS:
            assert row.action < Action.SOFT_STOP or row.id == "F24a"

    def test_precedence(self) -> None:
        assert stronger(HARD, SOFT) and not stronger(SOFT, HARD)
        assert stronger(Finding("F26", Action.SOFT_STOP), SOFT)
        assert not stronger(SOFT, SOFT)

    def test_sentence(self) -> None:
        assert sentence(SOFT) == "the controller is silent: joint commands"
        assert sentence(HARD) == "emergency stop pressed"
