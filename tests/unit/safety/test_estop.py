"""The self-test of the emergency stop: one line open at a time, excused no longer than needed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_bench import Bench
from safety_world import ALL, PERIOD, World, exo_state

from exostride.safety.detectors import Detectors
from exostride.safety.estop import TestedLines as Lines
from exostride.safety.estop import reasons, told
from exostride.safety.homing import HomingSchedule
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Standing
from exostride.safety.walker import Walker
from exostride.types import (
    Action,
    AppliedTorque,
    EnvironmentState,
    KernelOutput,
    Mode,
    Reason,
    Signal,
    SupervisorState,
)

S = SupervisorState
A, B, BOTH = 1, 2, 3
CAN = ALL | int(Signal.ESTOP_TEST)
BITS = int(Reason.ESTOP_TEST_A | Reason.ESTOP_TEST_B)
LONGEST_S = 0.1
"""Within which of its first test tick a line that does not open must be told."""
RATES = (0.01, 0.005, 0.002)


def lines(open_: int) -> dict[str, bool]:
    """The fields of a state in which these lines are open."""
    return {"estop_closed_a": not open_ & A, "estop_closed_b": not open_ & B}


def settling(limits: SafetyLimits, seconds: float) -> SafetyLimits:
    return limits.model_copy(update={"timing": limits.timing.model_copy(update={"homing_settle_s": seconds})})


class TestWords:
    def test_the_kernels_reason_names_the_line(self) -> None:
        assert [reasons(n) for n in (0, A, B)] == [0, Reason.ESTOP_TEST_A, Reason.ESTOP_TEST_B]
        assert [told(reasons(n)) for n in (0, A, B, BOTH)] == [0, A, B, BOTH]

    def test_no_other_reason_does(self) -> None:
        assert told(sum(Reason) & ~BITS) == 0
        assert told(1 << 24) == told(1 << 31) == 0
        assert told(sum(Reason)) == BOTH


class TestExcuse:
    @pytest.fixture
    def tested(self) -> Lines:
        """Lines that are opened for two ticks, and excused for three after the last."""
        schedule: Any = SimpleNamespace(open=2, rest=3)
        return Lines(schedule)

    @staticmethod
    def course(tested: Lines, *steps: int, homing: bool = True) -> list[int]:
        seen = []
        for n in steps:
            tested.step(n, homing)
            seen.append(tested.lines)
        return seen

    def test_before_any_test_no_line_is(self, tested: Lines) -> None:
        assert tested.lines == 0
        assert self.course(tested, 0, 0, 0) == [0, 0, 0]

    @pytest.mark.parametrize("line", [A, B])
    @pytest.mark.parametrize("homing", [True, False])
    def test_the_rest_is_exact_and_outlasts_the_self_test(
        self, tested: Lines, line: int, homing: bool
    ) -> None:
        assert self.course(tested, line) == [line]
        assert self.course(tested, 0, 0, 0, 0, homing=homing) == [line, line, 0, 0]

    def test_each_tick_of_test_begins_the_rest_anew(self, tested: Lines) -> None:
        assert self.course(tested, A, 0, A, 0, 0, 0, 0) == [A, A, A, A, A, 0, 0]

    @pytest.mark.parametrize("line", [A, B])
    def test_a_test_without_end_is_excused_for_its_ticks_and_the_rest(self, tested: Lines, line: int) -> None:
        assert self.course(tested, *[line] * 8) == [line] * 4 + [0] * 4

    def test_ticks_here_and_there_are_counted_together(self, tested: Lines) -> None:
        assert self.course(tested, A, 0, 0, 0, A, 0, 0, 0) == [A, A, A, 0, A, A, A, 0]
        assert self.course(tested, A, A, A) == [0, 0, 0]

    def test_each_line_has_its_own_ticks(self, tested: Lines) -> None:
        assert self.course(tested, A, A, B, B, 0, 0, 0) == [A, A, B, B, B, B, 0], "one line at a time"
        assert self.course(tested, A, B) == [0, 0]

    @pytest.mark.parametrize("line", [A, B])
    def test_outside_the_self_test_they_are_renewed(self, tested: Lines, line: int) -> None:
        assert self.course(tested, *[line] * 8)[-1] == 0
        assert self.course(tested, line, line, homing=False) == [0, 0], "and no word of a test counts"
        assert self.course(tested, *[line] * 5) == [line] * 4 + [0]

    def test_one_half_spent_is_renewed_too(self, tested: Lines) -> None:
        self.course(tested, A, B)
        self.course(tested, 0, homing=False)
        assert self.course(tested, A, A, A, A, A) == [A] * 4 + [0]
        assert self.course(tested, B, B, B, B, B) == [B] * 4 + [0]

    def test_both_lines_at_once_are_no_test(self, tested: Lines) -> None:
        assert self.course(tested, BOTH, BOTH) == [0, 0]
        assert self.course(tested, A, BOTH, BOTH, BOTH) == [A, A, A, 0]
        assert self.course(tested, A) == [A], "nor do they spend anything"

    def test_cleared_it_excuses_nothing_and_goes_on(self, tested: Lines) -> None:
        self.course(tested, A)
        tested.clear()
        assert tested.lines == 0 and not tested.closed(exo_state(0, **lines(A)))
        assert self.course(tested, 0, 0) == [0, 0]
        assert self.course(tested, A, 0, 0, 0) == [A, A, A, 0]

    @pytest.mark.parametrize("excused", [0, A, B])
    @pytest.mark.parametrize("open_", [0, A, B, BOTH])
    def test_closed_is_what_is_open_for_no_reason(self, tested: Lines, excused: int, open_: int) -> None:
        self.course(tested, excused)
        assert tested.closed(exo_state(0, **lines(open_))) is (not open_ & ~excused)

    def test_it_is_as_long_as_the_schedule_says(self, limits: SafetyLimits) -> None:
        schedule = HomingSchedule(limits, PERIOD)
        tested = Lines(schedule)
        seen = self.course(tested, *[B] * 50)
        assert seen == [B] * (schedule.open + schedule.rest - 1) + [0] * (51 - schedule.open - schedule.rest)


class TestSchedule:
    @staticmethod
    def turns(schedule: HomingSchedule) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for n in range(schedule.end + 3 * schedule.settle):
            found.setdefault(schedule.lines(n), []).append(n)
        return found

    @pytest.mark.parametrize("period", RATES)
    @pytest.mark.parametrize("settle_s", [0.0, 0.1, 0.14, 0.17, 0.18, 0.3, 2.0])
    def test_one_line_after_the_other_before_any_pulse(
        self, limits: SafetyLimits, period: float, settle_s: float
    ) -> None:
        schedule = HomingSchedule(settling(limits, settle_s), period)
        turns = self.turns(schedule)
        assert set(turns) == {0, A, B}, "never both, and each of them"
        for line in (A, B):
            first, last = turns[line][0], turns[line][-1]
            assert turns[line] == list(range(first, last + 1)) and len(turns[line]) == schedule.open
        assert turns[A][0] > schedule.rest, "a tick of calm, and the rest of a test that was broken off"
        assert turns[B][0] - turns[A][-1] - 1 == schedule.rest, "the first has had its rest"
        rested = turns[B][-1] + schedule.rest
        assert rested + 1 == schedule.settle, "and so has the second before the first pulse"
        assert not any(schedule.joint(n) >= 0 for n in range(rested + 1))
        assert schedule.torque(schedule.settle)[0] == 0

    @pytest.mark.parametrize(
        ("period", "open_", "rest", "first"), [(0.01, 4, 3, 16), (0.005, 8, 6, 32), (0.002, 20, 15, 80)]
    )
    def test_40_ms_open_and_30_ms_to_close(
        self, limits: SafetyLimits, period: float, open_: int, rest: int, first: int
    ) -> None:
        schedule = HomingSchedule(limits, period)
        assert (schedule.open, schedule.rest) == (open_, rest)
        assert self.turns(schedule)[A][0] == first and schedule.settle * period == pytest.approx(0.3)

    def test_a_slow_clock_has_two_ticks_of_test_and_three_of_rest(self, limits: SafetyLimits) -> None:
        schedule = HomingSchedule(limits, 10.0)
        assert (schedule.open, schedule.rest, schedule.settle) == (2, 3, 1 + 3 + 2 * 5)
        turns = [0] * 5 + [A, A, 0, 0, 0] + [B, B, 0, 0, 0] + [0, 0]
        assert [schedule.lines(n) for n in range(-1, 16)] == turns

    @pytest.mark.parametrize(("settle_s", "settle"), [(0.1, 35), (0.17, 35), (0.175, 35), (0.18, 36)])
    def test_a_calm_too_short_for_the_lines_is_made_long_enough(
        self, limits: SafetyLimits, settle_s: float, settle: int
    ) -> None:
        """For a tick of calm, 6 ticks of rest from a test before, and two turns of 14 ticks."""
        schedule = HomingSchedule(settling(limits, settle_s), PERIOD)
        assert schedule.settle == settle
        assert next(n for n in range(settle) if schedule.lines(n)) == settle - 28


class Machine(Bench):
    """A kernel in HOMING, and a device that opens the line that it is told to."""

    def __init__(self, limits: SafetyLimits, period: float = PERIOD) -> None:
        super().__init__(limits)
        self.kernel = type(self.kernel)(limits, period)
        self.schedule = HomingSchedule(limits, period)
        self.tested = 0

    def tick(self, **given: Any) -> KernelOutput:
        given.setdefault("mode", Mode.HOMING)
        exo = given.pop("exo", {})
        if isinstance(exo, dict):
            exo = {"available": CAN, **lines(self.tested), **exo}
        out = super().tick(exo=exo, **given)
        self.tested = out.estop_test
        return out

    def until(self, line: int, into: int = 0, **given: Any) -> KernelOutput:
        """Go on to the tick of HOMING that is so far into the turn of a line."""
        turn = next(n for n in range(self.schedule.settle) if self.schedule.lines(n) == line)
        out = self.run(turn + into - self.seq, **given)
        assert self.schedule.lines(self.seq) == out.estop_test
        return out


@pytest.fixture
def machine(limits: SafetyLimits) -> Machine:
    return Machine(limits)


class TestKernel:
    @pytest.mark.parametrize("period", RATES)
    @pytest.mark.parametrize("settle_s", [0.1, 0.3])
    def test_it_opens_what_the_schedule_says_and_goes_on(
        self, limits: SafetyLimits, period: float, settle_s: float
    ) -> None:
        machine = Machine(settling(limits, settle_s), period)
        for n in range(machine.schedule.settle + 20):
            out = machine.tick()
            assert out.mode == Mode.HOMING, n
            assert out.estop_test == machine.schedule.lines(n)
            assert out.reason & BITS == reasons(out.estop_test) and not out.reason & Reason.FALLBACK
            assert out.estop_test == 0 or not out.drive.torque_nm.any(), "no pulse meanwhile"

    def test_a_device_that_cannot_is_not_asked_to(self, machine: Machine) -> None:
        for _ in range(machine.schedule.settle):
            out = machine.tick(exo={"available": ALL})
            assert (out.mode, out.estop_test, out.reason & BITS) == (Mode.HOMING, 0, 0)

    @pytest.mark.parametrize("open_", [A, B, BOTH])
    def test_its_lines_act_at_once_at_any_time(self, machine: Machine, open_: int) -> None:
        for _ in range(machine.schedule.settle):
            machine.run(3, exo={"available": ALL})
            assert machine.tick(exo={"available": ALL, **lines(open_)}).mode == Mode.DAMP
            assert machine.tick(exo={"available": ALL}).mode == Mode.HOMING

    @pytest.mark.parametrize("mode", [mode for mode in Mode if mode != Mode.HOMING])
    def test_no_other_mode_opens_one(self, machine: Machine, mode: Mode) -> None:
        machine.run(3, mode=Mode.STAND)
        for _ in range(120):
            out = machine.tick(mode=mode)
            assert (out.mode, out.estop_test, out.reason & BITS) == (mode, 0, 0)

    @pytest.mark.parametrize("line", [A, B])
    def test_in_every_tick_of_the_turn_the_other_line_stops(self, limits: SafetyLimits, line: int) -> None:
        schedule = HomingSchedule(limits, PERIOD)
        for into in range(schedule.open + schedule.rest):
            for open_ in (BOTH & ~line, BOTH):
                machine = Machine(limits)
                machine.until(line, into)
                out = machine.tick(exo=lines(open_))
                assert (out.mode, out.estop_test) == (Mode.DAMP, 0), (into, open_)

    @pytest.mark.parametrize("line", [A, B])
    def test_before_its_turn_a_line_stops(self, machine: Machine, line: int) -> None:
        machine.until(line, -1)
        assert machine.tick(exo=lines(line)).mode == Mode.DAMP, "in the tick that would open it"

    @pytest.mark.parametrize("line", [A, B])
    def test_until_its_rest_is_over_it_may_stay_open(self, machine: Machine, line: int) -> None:
        machine.until(line, machine.schedule.open - 1)
        late = [machine.tick(exo=lines(line)) for _ in range(machine.schedule.rest + 1)]
        assert [out.mode for out in late] == [Mode.HOMING] * machine.schedule.rest + [Mode.DAMP]
        assert late[-1].reason & Reason.FALLBACK

    def test_a_line_that_was_tested_is_excused_no_more_while_the_other_is(self, machine: Machine) -> None:
        machine.until(B)
        assert machine.tick(exo=lines(A)).mode == Mode.DAMP

    def test_a_line_may_close_and_open_again_within_its_turn(self, machine: Machine) -> None:
        """Contacts bounce."""
        machine.until(A, 2)
        for n in range(5):
            assert machine.tick(exo=lines(A if n % 2 else 0)).mode == Mode.HOMING

    @pytest.mark.parametrize("mode", [Mode.ZERO, Mode.STAND, Mode.HOLD_STANCE])
    def test_a_self_test_that_is_broken_off_is_no_stop(self, limits: SafetyLimits, mode: Mode) -> None:
        machine = Machine(limits)
        machine.until(A, 3)
        outs = [machine.tick(mode=mode, exo=lines(A)) for _ in range(machine.schedule.rest + 1)]
        assert [out.mode for out in outs] == [mode] * machine.schedule.rest + [Mode.DAMP]
        assert not any(out.estop_test for out in outs)

    def test_the_next_self_test_opens_them_again(self, machine: Machine) -> None:
        machine.until(B, 4)
        machine.run(10, mode=Mode.STAND)
        again = [machine.tick() for _ in range(machine.schedule.settle)]
        assert [out.estop_test for out in again] == [machine.schedule.lines(n) for n in range(len(again))]
        assert {out.mode for out in again} == {Mode.HOMING}

    def test_a_state_that_cannot_be_read_opens_nothing(self, machine: Machine) -> None:
        machine.until(A, 3)
        out = machine.tick(exo={"angle_rad": np.full(6, np.nan)})
        assert (out.mode, out.estop_test, out.reason & BITS) == (Mode.DAMP, 0, 0)
        assert machine.tick(exo="garbage").estop_test == 0

    def test_a_device_that_loses_its_test_output_meanwhile(self, machine: Machine) -> None:
        """Its last line still may be open for the rest."""
        machine.until(A, 3)
        can_not = {"available": ALL}
        outs = [machine.tick(exo=can_not | lines(A)) for _ in range(machine.schedule.rest + 1)]
        assert [out.estop_test for out in outs] == [0] * len(outs)
        assert [out.mode for out in outs] == [Mode.HOMING] * machine.schedule.rest + [Mode.DAMP]

    def test_an_error_of_the_kernel_excuses_nothing(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.until(A, 3)
        with monkeypatch.context() as broken:
            broken.setattr(machine.kernel._source, "fill", lambda *tick: 1 / 0)
            out = machine.tick()
            assert (out.mode, out.estop_test, out.reason & BITS) == (Mode.DAMP, 0, 0)
        assert machine.tick(exo=lines(A)).mode == Mode.DAMP


class Watch:
    """All detectors, told by the kernel which line it tests, and what they find about the lines."""

    def __init__(self, limits: SafetyLimits, period: float = PERIOD) -> None:
        self.detectors = Detectors(limits, period, Walker())
        self.schedule = HomingSchedule(limits, period)
        self.period, self.seq = period, 0

    def tick(self, word: int | None = 0, open_: int = 0, state: S = S.HOMING) -> list[str]:
        """Run a tick; ``word`` is the line that the kernel says it tested in the tick before."""
        k, self.seq = self.seq, self.seq + 1
        before = {"seq": k - 1, "time_s": (k - 1) * self.period}
        applied = None if word is None else AppliedTorque(**before, reason=reasons(word) | 1)
        exo = exo_state(k, self.period, available=CAN, **lines(open_))
        standing = Standing(state, k, None)
        inputs = (applied, None, None, None, None)
        environment = EnvironmentState(k, k * self.period)
        snap, found = self.detectors.step(k, exo, environment, inputs, standing, False, 1.0)
        self.lines = snap.lines
        return [f.fault for f in found if f.fault in ("F20", "F21")]

    def run(self, ticks: int, **given: Any) -> list[list[str]]:
        return [self.tick(**given) for _ in range(ticks)]


@pytest.fixture
def watch(limits: SafetyLimits) -> Watch:
    return Watch(limits)


class TestSupervisorsExcuse:
    @pytest.mark.parametrize("line", [A, B])
    def test_the_line_under_test_and_its_rest(self, watch: Watch, line: int) -> None:
        schedule = watch.schedule
        assert watch.run(schedule.open, word=line, open_=line) == [[]] * schedule.open
        assert watch.lines == line
        assert watch.run(schedule.rest, open_=line) == [[]] * (schedule.rest - 1) + [["F20"]]
        assert watch.lines == 0

    @pytest.mark.parametrize("line", [A, B])
    @pytest.mark.parametrize("both", [False, True])
    def test_the_other_line_stops_at_once(self, limits: SafetyLimits, line: int, both: bool) -> None:
        other = BOTH if both else BOTH & ~line
        for before in range(8):
            watch = Watch(limits)
            watch.run(before, word=line, open_=line)
            assert watch.tick(word=line, open_=other) == ["F20"]

    @pytest.mark.parametrize("state", [state for state in S if state != S.HOMING])
    @pytest.mark.parametrize("line", [A, B])
    def test_outside_homing_the_kernels_word_excuses_nothing(self, watch: Watch, state: S, line: int) -> None:
        for _ in range(5):
            assert "F20" in watch.tick(word=line, open_=line, state=state) and watch.lines == 0

    def test_without_its_word_nothing_is(self, watch: Watch) -> None:
        assert watch.tick(open_=A) == ["F20"]
        assert watch.tick(word=None, open_=B) == ["F20"]
        assert watch.tick(word=None, open_=A) == ["F20"]

    def test_a_word_about_both_lines_is_none(self, watch: Watch) -> None:
        assert watch.tick(word=BOTH, open_=A) == watch.tick(word=BOTH, open_=B) == ["F20"]

    @pytest.mark.parametrize("period", RATES)
    def test_a_kernel_that_tells_of_a_test_for_ever(self, limits: SafetyLimits, period: float) -> None:
        watch = Watch(limits, period)
        longest = watch.schedule.open + watch.schedule.rest - 1
        found = watch.run(longest + 5, word=A, open_=A)
        assert found[:longest] == [[]] * longest and all("F20" in told for told in found[longest:])

    def test_an_answer_lost_in_between_is_bridged(self, watch: Watch) -> None:
        for word in (A, A, None, A, None, None, A, 0, 0):
            assert watch.tick(word=word, open_=A) == []
        assert watch.lines == A

    def test_a_self_test_that_is_broken_off(self, watch: Watch) -> None:
        """The line closes a moment later, in another state."""
        watch.run(3, word=A, open_=A)
        rest = watch.schedule.rest
        assert watch.run(rest, open_=A, state=S.IDLE) == [[]] * (rest - 1) + [["F20"]]


class Whole:
    """Supervisor, kernel and a device with test outputs, of which some lines may be stuck or pressed."""

    def __init__(self, limits: SafetyLimits, can: bool = True) -> None:
        self.world = World(limits, tests_lines=can)
        self.world.fault = self._lines
        self.schedule = HomingSchedule(limits, PERIOD)
        self.stuck = self.pressed = 0
        self.exo: Any = {}
        self.lost: set[str] = set()
        self.world.request = int(S.HOMING)

    def _lines(self, world: World, now: dict[str, Any]) -> dict[str, Any]:
        open_ = world.tested & ~self.stuck | self.pressed
        if isinstance(self.exo, dict):
            now["exo"] = replace(now["exo"], **lines(open_), **self.exo)
        else:
            now["exo"] = self.exo
        return now | dict.fromkeys(self.lost)

    def tick(self) -> KernelOutput:
        self.world.tick()
        return self.world.history[-1][2]

    def until(self, line: int, into: int = 0) -> KernelOutput:
        """Go on to a tick of the turn of a line."""
        out = self.tick()
        while out.estop_test != line:
            assert self.world.seq < 200 and not self.state.latched, self.state
            out = self.tick()
        for _ in range(into):
            out = self.tick()
        return out

    def passes(self) -> bool:
        """Go on until HOMING has come and gone; return whether it has led to STAND."""
        for _ in range(700):
            self.tick()
            if self.state.state not in (S.IDLE, S.HOMING):
                break
        return bool(self.state.state == S.STAND)

    @property
    def state(self) -> Any:
        return self.world.safety

    @property
    def why(self) -> tuple[Action, str, str]:
        """What a latched stop is told by."""
        assert self.state.latched, self.state
        return Action(self.state.action), self.state.cause, self.state.message


@pytest.fixture
def whole(limits: SafetyLimits) -> Whole:
    return Whole(limits)


class TestSupervisor:
    def test_a_sound_device_passes_and_each_line_was_open_alone(self, whole: Whole) -> None:
        assert whole.passes()
        opened = [out.estop_test for _, _, out in whole.world.history]
        assert opened.count(A) == opened.count(B) == whole.schedule.open and BOTH not in opened
        assert {state.state for _, state, _ in whole.world.history} <= {S.IDLE, S.HOMING, S.STAND}
        assert not any(state.active_faults for _, state, _ in whole.world.history)

    def test_a_device_without_test_outputs_passes(self, limits: SafetyLimits) -> None:
        whole = Whole(limits, can=False)
        assert whole.passes()
        assert not any(out.estop_test for _, _, out in whole.world.history)

    @pytest.mark.parametrize("settle_s", [0.1, 0.175])
    def test_with_as_little_calm_as_may_be(self, limits: SafetyLimits, settle_s: float) -> None:
        assert Whole(settling(limits, settle_s)).passes()

    @pytest.mark.parametrize("line", [A, B])
    def test_a_line_that_does_not_open_is_told_at_once(self, whole: Whole, line: int) -> None:
        whole.stuck = line
        whole.until(line)
        first = whole.world.seq - 1
        while not whole.state.latched:
            whole.tick()
        assert whole.state.seq - first <= LONGEST_S / PERIOD
        name = "ab"[line - 1]
        assert whole.why[:2] == (Action.E_STOP, "F21")
        assert f"emergency stop line {name} does not open" in whole.why[2]
        assert whole.world.history[-1][2].mode == Mode.DAMP

    @pytest.mark.parametrize("line", [A, B])
    def test_opened_for_its_last_tick_alone_it_has_opened(self, whole: Whole, line: int) -> None:
        whole.stuck = line
        whole.until(line, whole.schedule.open - 1)
        whole.stuck = 0
        whole.tick()
        assert whole.passes()

    @pytest.mark.parametrize("line", [A, B])
    @pytest.mark.parametrize("into", [0, 3, 7, 11])
    def test_who_presses_during_a_test_stops_the_machine_in_that_tick(
        self, whole: Whole, line: int, into: int
    ) -> None:
        whole.until(line, into)
        whole.pressed = BOTH
        assert whole.tick().mode == Mode.DAMP
        assert whole.why[:2] == (Action.E_STOP, "F20")

    @pytest.mark.parametrize("line", [A, B])
    def test_a_line_that_does_not_close_again(self, whole: Whole, line: int) -> None:
        whole.until(line)
        whole.pressed = line
        for _ in range(whole.schedule.open + whole.schedule.rest - 1):
            assert whole.tick().mode == Mode.HOMING and not whole.state.latched
        assert whole.tick().mode == Mode.DAMP and whole.why[:2] == (Action.E_STOP, "F20")

    def test_lost_answers_in_between_are_no_stop(self, whole: Whole) -> None:
        for line in (A, B):
            whole.until(line, 2)
            whole.lost = {"applied_prev"}
            whole.tick()
            whole.lost = set()
        assert whole.passes()

    @pytest.mark.parametrize("into", [0, 3, 9])
    @pytest.mark.parametrize("line", [A, B])
    def test_a_self_test_that_is_broken_off_is_no_stop(self, whole: Whole, line: int, into: int) -> None:
        whole.until(line, into)
        whole.world.request = int(S.IDLE)
        for _ in range(30):
            assert whole.tick().estop_test == 0
            assert (whole.state.state, whole.state.active_faults) == (S.IDLE, ())

    @pytest.mark.parametrize("away", [1, 3, 6, 8, 40])
    @pytest.mark.parametrize("into", [0, 3, 7, 12])
    def test_begun_anew_it_passes(self, whole: Whole, away: int, into: int) -> None:
        whole.until(A, into)
        self.again(whole, away)

    @pytest.mark.parametrize("line", [A, B])
    @pytest.mark.parametrize("away", [1, 2, 7])
    def test_with_as_little_calm_as_may_be_too(self, limits: SafetyLimits, line: int, away: int) -> None:
        whole = Whole(settling(limits, 0.1))
        whole.until(line, whole.schedule.open - 1)
        self.again(whole, away)

    @staticmethod
    def again(whole: Whole, away: int) -> None:
        """Break the self-test off for so many ticks, and see the next one pass."""
        whole.world.request = int(S.IDLE)
        for _ in range(away):
            whole.tick()
        whole.world.request = int(S.HOMING)
        whole.tick()
        assert whole.passes(), whole.state

    def test_each_self_test_tests_anew(self, whole: Whole) -> None:
        assert whole.passes()
        whole.world.request = int(S.IDLE)
        whole.tick()
        whole.world.request = int(S.HOMING)
        whole.stuck = B
        assert not whole.passes() and whole.why[:2] == (Action.E_STOP, "F21")
        assert "emergency stop line b does not open" in whole.why[2]

    @pytest.mark.parametrize("never", [A, B, BOTH])
    def test_a_line_that_was_never_tested_is_told_at_the_end(
        self, whole: Whole, monkeypatch: pytest.MonkeyPatch, never: int
    ) -> None:
        """A kernel whose schedule has lost a line, or that has no such test at all."""
        schedule = whole.world.kernel._source._schedule
        rightly = schedule.lines
        monkeypatch.setattr(schedule, "lines", lambda n: rightly(n) & ~never)
        assert not whole.passes() and whole.why[:2] == (Action.E_STOP, "F21")
        words = {A: "a does not open", B: "b does not open", BOTH: "a and b do not open"}[never]
        assert f"emergency stop line {words}" in whole.why[2]

    @pytest.mark.parametrize(("kept", "words"), [(1, "a and b do"), (36, "b does"), (-1, "")])
    def test_a_device_that_withdraws_its_test_outputs(self, whole: Whole, kept: int, words: str) -> None:
        """Before the turns of its lines, in the first of them, and when both have opened."""
        self.judging(whole, kept % (whole.schedule.end + whole.schedule.settle))
        whole.exo = {"available": ALL}
        assert whole.passes() is (not words)
        if words:
            assert whole.why[:2] == (Action.E_STOP, "F21")
            assert f"emergency stop line {words} not open" in whole.why[2]

    @pytest.mark.parametrize("kept", [0, 1])
    def test_and_only_when_it_is_judged(
        self, whole: Whole, monkeypatch: pytest.MonkeyPatch, kept: int
    ) -> None:
        """Of one that never could, nothing was missed."""
        monkeypatch.setattr(whole.world.kernel._source._schedule, "lines", lambda n: 0)
        can_not = {"available": ALL}
        whole.exo = {} if kept else can_not
        self.judging(whole, whole.schedule.end + whole.schedule.settle)
        whole.exo = can_not
        assert whole.passes() is (not kept)
        assert not kept or whole.why[:2] == (Action.E_STOP, "F21")

    @pytest.mark.parametrize("every", [2, 3])
    def test_a_bit_that_flickers_hides_no_line_that_is_stuck(self, whole: Whole, every: int) -> None:
        whole.stuck = BOTH
        for n in range(700):
            whole.exo = {} if n % every else {"available": ALL}
            whole.tick()
            if whole.state.latched:
                break
        assert whole.why[:2] == (Action.E_STOP, "F21")

    @staticmethod
    def judging(whole: Whole, ticks: int) -> None:
        """Go on for so many ticks of the self-test."""
        while whole.world.component._selftest._ticks < ticks:
            whole.tick()

    @pytest.mark.parametrize(
        "exo", [{"angle_rad": np.full(6, np.nan)}, {"angle_rad": np.zeros(5)}, "garbage"]
    )
    def test_a_state_that_cannot_be_read_when_it_is_judged(self, whole: Whole, exo: Any) -> None:
        self.judging(whole, whole.schedule.end + whole.schedule.settle)
        whole.exo = exo
        assert whole.tick().mode == Mode.DAMP
        assert whole.why[:2] == (Action.SOFT_STOP, "F03")

    @pytest.mark.parametrize(
        "exo", [{"angle_rad": np.full(6, np.nan)}, {"angle_rad": np.zeros(5)}, "garbage"]
    )
    def test_one_that_cannot_be_read_during_a_test(self, whole: Whole, exo: Any) -> None:
        whole.until(A, 2)
        whole.exo = exo
        assert whole.tick().mode == Mode.DAMP
        assert whole.why[:2] == (Action.SOFT_STOP, "F03")
