"""The state machine told in full: what it says and orders after each event, and how long it waits."""

from __future__ import annotations

import pytest
from safety_world import PERIOD

from exostride.safety.faults import Finding, Support
from exostride.safety.limits import SafetyLimits
from exostride.safety.supervisor import Facts, Orders, StateMachine, Status, Step
from exostride.types import Action, HarnessAction, Mode, SupervisorState

S = SupervisorState
REST = Facts(belt_rest=True, harness_lifted=False, estops_closed=True)
MOVING = REST._replace(belt_rest=False)
LIFTED = REST._replace(harness_lifted=True)
HOMED = REST._replace(homing_done=True)
UNLOADED = REST._replace(unloaded=True)
SOFT = Finding("F11", Action.SOFT_STOP, "joint commands")
KEPT = Finding("F38", Action.SOFT_STOP, "the therapist")
DAMPED = Finding("F03", Action.SOFT_STOP, "foot load")
BROKEN = Finding("F26", Action.SOFT_STOP, "cable")
HARD = Finding("F20", Action.E_STOP)
Event = tuple[Finding | None, SupervisorState | None, Facts]

TRAINING: tuple[Event, ...] = ((None, S.HOMING, REST), (None, None, HOMED), (None, S.TRAIN, MOVING))
SILENT = "the controller is silent: joint commands"
PRESSED = "stop button pressed by the therapist"
CABLE = "the harness fails: cable"
ESTOP = "emergency stop pressed"
RELEASED = "the locked legs are released, damped"
UNCONFIRMED = "the harness did not confirm, so the legs stay locked"


def run(limits: SafetyLimits, *events: Event, period_s: float = PERIOD) -> StateMachine:
    machine = StateMachine(limits, period_s)
    for finding, request, facts in events:
        machine.step(finding, request, facts)
    return machine


def ticks(limits: SafetyLimits, name: str) -> int:
    return round(getattr(limits.detect.stops, name) / PERIOD)


def wait(machine: StateMachine, count: int, facts: Facts, finding: Finding | None = None) -> Status:
    for _ in range(count):
        machine.step(finding, None, facts)
    return machine.status


class TestOrdinary:
    @pytest.mark.parametrize(
        ("events", "status", "orders"),
        [
            ((), Status(S.IDLE, message="idle"), Orders(Mode.ZERO, HarnessAction.HOLD, False)),
            (
                TRAINING[:1],
                Status(S.HOMING, message="self-test at low torque"),
                Orders(Mode.HOMING, HarnessAction.HOLD, False),
            ),
            (
                (*TRAINING[:1], (None, S.IDLE, REST)),
                Status(S.IDLE, message="idle"),
                Orders(Mode.ZERO, HarnessAction.HOLD, False),
            ),
            (
                TRAINING[:2],
                Status(S.STAND, message="standing, legs locked"),
                Orders(Mode.STAND, HarnessAction.UNLOAD, False),
            ),
            (
                (*TRAINING[:2], (None, S.IDLE, REST)),
                Status(S.IDLE, message="idle"),
                Orders(Mode.ZERO, HarnessAction.HOLD, False),
            ),
            (
                TRAINING,
                Status(S.TRAIN, message="training"),
                Orders(Mode.TRAIN, HarnessAction.UNLOAD, True),
            ),
            (
                (*TRAINING, (None, S.IDLE, MOVING)),
                Status(S.STOPPING, message="belt comes to rest"),
                Orders(Mode.TRAIN, HarnessAction.UNLOAD, False),
            ),
        ],
        ids=["idle", "homing", "given up", "stand", "sat down", "train", "stopping"],
    )
    def test_each_state_says_what_it_is(
        self, limits: SafetyLimits, events: tuple[Event, ...], status: Status, orders: Orders
    ) -> None:
        machine = run(limits, *events)
        assert machine.status == status and machine.orders() == orders
        assert machine.ticks == 0

    @pytest.mark.parametrize("facts", [REST, MOVING, LIFTED, UNLOADED])
    @pytest.mark.parametrize("events", [(), TRAINING[:1], TRAINING[:2], TRAINING])
    def test_nothing_happens_by_itself(
        self, limits: SafetyLimits, events: tuple[Event, ...], facts: Facts
    ) -> None:
        machine = run(limits, *events)
        before = machine.status
        count = ticks(limits, "stopping_timeout_s") + 1
        wait(machine, count, facts)
        assert machine.status is before and machine.ticks == count

    def test_the_belt_that_comes_to_rest_ends_stopping(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (None, S.STOPPING, REST))
        wait(machine, ticks(limits, "rest_s") - 1, REST)
        assert machine.status.state == S.STOPPING, "rest before it counts nothing"
        assert wait(machine, 1, REST) == Status(S.STAND, message="standing, legs locked")

    def test_a_belt_that_does_not_come_to_rest_is_a_fault(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (None, S.STOPPING, MOVING))
        wait(machine, ticks(limits, "stopping_timeout_s") - 1, MOVING)
        assert machine.status.state == S.STOPPING
        assert wait(machine, 1, MOVING) == Status(
            S.SOFT_STOP, support=Support.HOLD, cause="F25",
            message="the belt runs away: it does not come to rest",
        )  # fmt: skip

    def test_that_fault_must_be_gone_as_long_as_any_other_before_a_reset(self, limits: SafetyLimits) -> None:
        """It counts from the tick of the stop, which no detector has asked for."""
        stops = limits.detect.stops.model_copy(update={"reset_clear_s": 3.0 * limits.detect.stops.ramp_out_s})
        patient = limits.model_copy(update={"detect": limits.detect.model_copy(update={"stops": stops})})
        machine = run(patient, *TRAINING, (None, S.STOPPING, MOVING))
        assert wait(machine, ticks(patient, "stopping_timeout_s"), MOVING).state == S.SOFT_STOP
        assert wait(machine, ticks(patient, "reset_clear_s") - 1, LIFTED).state == S.FAULT
        assert machine.reset(LIFTED) == "the cause (F25) is still present or was a moment ago"
        wait(machine, 1, LIFTED)
        assert machine.reset(LIFTED) == ""

    @pytest.mark.parametrize("blocked", ["", "disk"])
    def test_after_a_reset_it_says_what_to_ask_for(self, limits: SafetyLimits, blocked: str) -> None:
        machine = run(limits, (HARD, None, REST))
        wait(machine, ticks(limits, "reset_clear_s"), REST)
        assert machine.reset(REST) == "" and (machine.ticks, machine.driven_ticks) == (0, None)
        assert machine.status == Status(message="reset; waiting for a new start", armed=False)
        machine.step(None, S.HOMING, REST._replace(start_blocked=blocked))
        assert machine.status == Status(
            message="reset done; ask for IDLE first, then start again", armed=False
        )
        machine.step(None, S.IDLE, REST)
        assert machine.status.armed is True
        machine.step(None, S.HOMING, REST)
        assert machine.status == Status(S.HOMING, message="self-test at low torque")

    def test_a_person_arms_it(self, limits: SafetyLimits) -> None:
        machine = run(limits, (HARD, None, REST))
        wait(machine, ticks(limits, "reset_clear_s"), REST)
        machine.reset(REST)
        machine.arm()
        assert machine.status == Status(message="reset; waiting for a new start")

    @pytest.mark.parametrize(
        ("events", "request_", "allowed"),
        [
            ((), S.HOMING, False),
            (TRAINING[:2], S.TRAIN, False),
            (TRAINING[:1], S.IDLE, True),
            (TRAINING[:2], S.IDLE, True),
            (TRAINING, S.STOPPING, True),
        ],
    )
    def test_only_a_start_is_blocked(
        self, limits: SafetyLimits, events: tuple[Event, ...], request_: SupervisorState, allowed: bool
    ) -> None:
        machine = run(limits, *events)
        before = machine.status
        machine.step(None, request_, REST._replace(start_blocked="disk full"))
        if allowed:
            assert machine.status.state == request_
        else:
            assert machine.status == Status(before.state, message="can't start: disk full")


class TestStops:
    @pytest.mark.parametrize(
        ("finding", "support", "cause", "message", "mode"),
        [
            (KEPT, Support.KEEP, "F38", PRESSED, Mode.TRAIN),
            (SOFT, Support.HOLD, "F11", SILENT, Mode.HOLD_STANCE),
            (DAMPED, Support.DAMP, "F03", "not a number in foot load", Mode.DAMP),
        ],
    )
    def test_the_first_step_waits_for_the_belt(
        self, limits: SafetyLimits, finding: Finding, support: Support, cause: str, message: str, mode: Mode
    ) -> None:
        machine = run(limits, *TRAINING, (finding, None, MOVING))
        assert machine.status == Status(S.SOFT_STOP, Step.BELT, support, cause, message)
        assert machine.orders() == Orders(mode, HarnessAction.HOLD, False)

    @pytest.mark.parametrize(
        ("finding", "mode"), [(KEPT, Mode.STAND), (SOFT, Mode.STAND), (DAMPED, Mode.DAMP)]
    )
    def test_harness_and_fading(self, limits: SafetyLimits, finding: Finding, mode: Mode) -> None:
        machine = run(limits, *TRAINING, (finding, None, MOVING), (None, None, REST))
        before = machine.status
        assert before.step == Step.HARNESS
        assert machine.orders() == Orders(mode, HarnessAction.LIFT, False)
        machine.step(None, None, LIFTED)
        assert machine.status == Status(
            S.SOFT_STOP, Step.FADE, before.support, before.cause, before.message, lifted=True
        )
        assert machine.orders() == Orders(mode, HarnessAction.LIFT, False, fade=True)
        wait(machine, ticks(limits, "ramp_out_s") - 1, REST)
        assert machine.status.state == S.SOFT_STOP
        assert wait(machine, 1, REST) == Status(
            S.FAULT, Step.FADE, before.support, before.cause, before.message, lifted=True
        )
        assert machine.orders() == Orders(Mode.DAMP, HarnessAction.LIFT, False)

    def test_a_harness_that_does_not_confirm(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (SOFT, None, REST))
        assert machine.status.step == Step.HARNESS, "a belt that stands is not waited for"
        wait(machine, ticks(limits, "harness_timeout_s") - 1, REST)
        assert machine.status.state == S.SOFT_STOP
        assert wait(machine, 1, REST) == Status(
            S.FAULT, Step.HARNESS, Support.HOLD, "F11", f"{SILENT}; {UNCONFIRMED}", keep_support=True
        )
        assert machine.orders() == Orders(Mode.STAND, HarnessAction.HOLD, False)
        assert machine.status.locked is True

    def test_a_failed_harness_is_told_from_its_first_tick(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (BROKEN, None, MOVING))
        assert machine.status == Status(
            S.SOFT_STOP, Step.BELT, Support.HOLD, "F26", CABLE, harness_failed=True
        )
        assert machine.orders() == Orders(Mode.HOLD_STANCE, HarnessAction.HOLD, False)
        assert wait(machine, 1, REST) == Status(
            S.FAULT, Step.HARNESS, Support.HOLD, "F26", CABLE, keep_support=True, harness_failed=True
        )
        assert machine.orders() == Orders(Mode.STAND, HarnessAction.HOLD, False)

    @pytest.mark.parametrize("lifting", [REST, LIFTED])
    def test_a_harness_that_fails_later_is_not_relied_on(self, limits: SafetyLimits, lifting: Facts) -> None:
        machine = run(limits, *TRAINING, (SOFT, None, REST), (None, None, lifting), (BROKEN, None, LIFTED))
        assert machine.status.state == S.FAULT and machine.status.locked
        assert machine.status.harness_failed is True and machine.status.cause == "F11"
        assert machine.orders() == Orders(Mode.STAND, HarnessAction.HOLD, False)

    def test_what_has_failed_stays_failed_as_other_faults_follow(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (BROKEN, None, MOVING), (SOFT, None, MOVING), (HARD, None, MOVING))
        assert machine.status.harness_failed is True
        assert machine.orders().harness == HarnessAction.HOLD

    @pytest.mark.parametrize("events", [(), TRAINING[:1]])
    def test_where_nobody_walks_a_stop_is_a_fault_at_once(
        self, limits: SafetyLimits, events: tuple[Event, ...]
    ) -> None:
        machine = run(limits, *events, (SOFT, None, MOVING))
        assert machine.status == Status(S.FAULT, Step.BELT, Support.HOLD, "F11", SILENT)
        assert machine.status.locked is False
        assert machine.orders() == Orders(Mode.DAMP, HarnessAction.HOLD, False)

    def test_a_second_stop_begins_with_the_belt_again(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (HARD, None, REST))
        wait(machine, ticks(limits, "reset_clear_s"), REST)
        machine.reset(REST)
        machine.arm()
        for event in (*TRAINING, (SOFT, None, MOVING)):
            machine.step(*event)
        assert machine.status == Status(S.SOFT_STOP, Step.BELT, Support.HOLD, "F11", SILENT)


class TestEmergencyStops:
    def test_in_training(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (HARD, None, MOVING))
        assert machine.status == Status(S.E_STOP, Step.BELT, Support.DAMP, "F20", ESTOP)
        assert machine.orders() == Orders(Mode.DAMP, HarnessAction.HOLD, False)
        assert wait(machine, 1, REST) == Status(S.FAULT, Step.BELT, Support.DAMP, "F20", ESTOP)
        assert machine.orders() == Orders(Mode.DAMP, HarnessAction.HOLD, False)

    @pytest.mark.parametrize(
        "finding", [None, HARD, Finding("F21", Action.E_STOP), SOFT, Finding("F17", Action.REDUCE)]
    )
    def test_the_belt_is_waited_for_as_long_whatever_goes_on(
        self, limits: SafetyLimits, finding: Finding | None
    ) -> None:
        machine = run(limits, *TRAINING)
        count = ticks(limits, "belt_timeout_s")
        wait(machine, count, MOVING)
        machine.step(HARD, None, MOVING)
        assert wait(machine, count - 1, MOVING, finding).state == S.E_STOP
        after = wait(machine, 1, MOVING, finding)
        assert after == Status(S.FAULT, Step.BELT, Support.DAMP, "F20", ESTOP)

    def test_out_of_a_soft_stop_it_names_itself(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (SOFT, None, REST), (None, None, LIFTED), (HARD, None, MOVING))
        assert machine.status == Status(S.E_STOP, Step.FADE, Support.DAMP, "F20", ESTOP, lifted=True)
        assert machine.orders() == Orders(Mode.DAMP, HarnessAction.LIFT, False)

    @pytest.mark.parametrize("facts", [REST, MOVING])
    def test_in_fault_the_first_cause_stays(self, limits: SafetyLimits, facts: Facts) -> None:
        machine = run(limits, (SOFT, None, REST), (HARD, None, facts))
        assert machine.status == Status(S.FAULT, Step.BELT, Support.DAMP, "F11", SILENT)

    def test_a_harness_that_fails_in_one_is_not_relied_on(self, limits: SafetyLimits) -> None:
        failing = Finding("F26", Action.E_STOP)
        machine = run(limits, *TRAINING, (SOFT, None, REST), (None, None, LIFTED), (failing, None, MOVING))
        assert machine.status.lifted and machine.status.harness_failed is True
        assert machine.orders() == Orders(Mode.DAMP, HarnessAction.HOLD, False)

    def test_it_releases_locked_legs_and_says_so_once(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING, (BROKEN, None, REST), (HARD, None, REST), (HARD, None, REST))
        assert machine.status == Status(
            S.FAULT, Step.HARNESS, Support.DAMP, "F26", f"{CABLE}; {RELEASED}", harness_failed=True
        )
        assert machine.status.locked is False


class TestReset:
    def locked(self, limits: SafetyLimits) -> StateMachine:
        machine = run(limits, *TRAINING, (SOFT, None, REST))
        wait(machine, ticks(limits, "harness_timeout_s"), REST)
        assert machine.status.locked
        return machine

    def test_locked_legs_say_what_to_do(self, limits: SafetyLimits) -> None:
        assert self.locked(limits).reset(REST) == (
            "the legs stay locked while they may carry the patient: take the load off both feet, or "
            "secure the patient and press the emergency stop"
        )

    @pytest.mark.parametrize("facts", [UNLOADED, LIFTED])
    def test_released_legs_are_told(self, limits: SafetyLimits, facts: Facts) -> None:
        machine = self.locked(limits)
        assert machine.reset(facts) == f"{RELEASED}; reset again"
        assert machine.status == Status(
            S.FAULT, Step.HARNESS, Support.HOLD, "F11", f"{SILENT}; {UNCONFIRMED}; {RELEASED}"
        )
        assert machine.orders() == Orders(Mode.DAMP, HarnessAction.HOLD, False)

    def test_a_cause_that_was_there_a_moment_ago_is_named(self, limits: SafetyLimits) -> None:
        machine = run(limits, (SOFT, None, REST))
        clear = ticks(limits, "reset_clear_s")
        for _ in range(clear):
            assert machine.reset(REST) == "the cause (F11) is still present or was a moment ago"
            machine.step(Finding("F17", Action.REDUCE), None, REST)
        assert machine.reset(REST) == "", "what merely reduces does not count"

    def test_nothing_is_reset_in_the_ordinary_path(self, limits: SafetyLimits) -> None:
        machine = run(limits, *TRAINING)
        before = machine.status
        assert machine.reset(UNLOADED) == "nothing to reset" and machine.status is before


class TestSlowClock:
    """Every wait lasts one tick at least, however long a tick is."""

    PERIOD_S = 60.0

    def machine(self, limits: SafetyLimits, *events: Event) -> StateMachine:
        return run(limits, *TRAINING, *events, period_s=self.PERIOD_S)

    def test_stopping(self, limits: SafetyLimits) -> None:
        machine = self.machine(limits, (None, S.STOPPING, MOVING))
        assert machine.status.state == S.STOPPING
        assert wait(machine, 1, MOVING).state == S.SOFT_STOP

    def test_rest(self, limits: SafetyLimits) -> None:
        stops = limits.detect.stops.model_copy(update={"stopping_timeout_s": 10.0 * self.PERIOD_S})
        patient = limits.model_copy(update={"detect": limits.detect.model_copy(update={"stops": stops})})
        machine = self.machine(patient, (None, S.STOPPING, MOVING))
        assert wait(machine, 1, REST).state == S.STAND

    def test_belt(self, limits: SafetyLimits) -> None:
        machine = self.machine(limits, (HARD, None, MOVING))
        assert machine.status.state == S.E_STOP
        assert wait(machine, 1, MOVING).state == S.FAULT

    def test_harness(self, limits: SafetyLimits) -> None:
        machine = self.machine(limits, (SOFT, None, REST))
        assert machine.status.step == Step.HARNESS
        assert wait(machine, 1, REST).state == S.FAULT

    def test_fading(self, limits: SafetyLimits) -> None:
        machine = self.machine(limits, (SOFT, None, REST), (None, None, LIFTED))
        assert machine.status.step == Step.FADE
        assert wait(machine, 1, LIFTED).state == S.FAULT

    def test_reset(self, limits: SafetyLimits) -> None:
        machine = run(limits, (SOFT, None, REST), period_s=self.PERIOD_S)
        assert machine.reset(REST) != ""
        wait(machine, 1, REST)
        assert machine.reset(REST) == ""
