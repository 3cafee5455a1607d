"""The supervisor's self-test by itself: gains, signs, ranges and stages, each at its boundary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safety_faults import looks
from safety_world import ALL, PERIOD, exo_state

from exostride.conventions import JOINTS
from exostride.safety.faults import Finding
from exostride.safety.homing import HomingSchedule
from exostride.safety.limits import SafetyLimits
from exostride.safety.selftest import SelfTest, Stage
from exostride.types import Action, AppliedTorque, Mode, Signal

PERMIT = 5
QUIET = PERMIT + 3
"""Ticks of silence after which the watchdog must have tripped."""
CAN = ALL | int(Signal.ESTOP_TEST)
A, B, BOTH = 1, 2, 3
MIDDLE = np.array([0.2, 0.4, 0.0, 0.2, 0.4, 0.0])


class Trial:
    """A self-test with drives that give ``gain`` of what is asked for, and ``bias`` of their own."""

    def __init__(self, limits: SafetyLimits, gain: Any = 1.0, bias: Any = 0.0) -> None:
        self.limits = limits
        self.it = SelfTest(limits, PERIOD, PERMIT)
        self.schedule = HomingSchedule(limits, PERIOD)
        self.gain, self.bias = gain, bias
        self.n = 0
        self.found: list[Finding] = []

    def tick(self, **given: Any) -> list[Finding]:
        """Run a tick as the schedule and the drives have it; ``given`` replaces what is seen."""
        joint, torque = self.schedule.torque(self.n)
        asked = np.zeros(6)
        if joint >= 0:
            asked[joint] = torque
        asked = given.get("asked", asked)
        felt = given.get("felt", self.gain * asked + self.bias)
        mode = given.get("mode", Mode.HOMING)
        open_ = given.get("open_", 0)
        state = exo_state(
            1,
            joint_torque_nm=felt * np.ones(6),
            angle_rad=given.get("angle", MIDDLE),
            available=given.get("available", ALL),
            estop_closed_a=not open_ & A,
            estop_closed_b=not open_ & B,
        )
        applied = None if given.get("silent") else AppliedTorque(0, 0.0, requested_nm=asked, mode=int(mode))
        (snap,) = looks(self.limits, [state], applied)
        snap = replace(snap, lines=given.get("lines", 0), **given.get("seen", {}))
        found: list[Finding] = []
        self.it.step(snap, found)
        self.n += 1
        self.found += found
        return found

    def pulses(self, **given: Any) -> list[Finding]:
        """Run all pulses and the calm after them."""
        for _ in range(self.schedule.end + self.schedule.settle + 1):
            self.tick(**given)
        return self.found


@pytest.fixture
def test(limits: SafetyLimits) -> Trial:
    return Trial(limits)


class TestGain:
    @pytest.mark.parametrize("bias", [0.0, 1.2])
    def test_a_sound_drive_passes_whatever_its_sensor_is_off_by(
        self, limits: SafetyLimits, bias: float
    ) -> None:
        test = Trial(limits, bias=bias)
        assert test.pulses() == [] and test.it.stage == Stage.SILENCE

    @pytest.mark.parametrize(("bound", "inside"), [("gain_low", 1.0), ("gain_high", -1.0)])
    @pytest.mark.parametrize("joint", range(6))
    def test_the_band_is_what_the_limits_say(
        self, limits: SafetyLimits, bound: str, inside: float, joint: int
    ) -> None:
        edge = getattr(limits.detect.drives, bound)
        gain = np.ones(6)
        gain[joint] = edge + 0.002 * inside
        good = Trial(limits, gain)
        assert good.pulses() == [] and good.it.stage == Stage.SILENCE
        gain[joint] = edge - 0.002 * inside
        bad = Trial(limits, gain)
        (told,) = bad.pulses()
        words = f"{JOINTS[joint].replace('_', ' ')}, gain {gain[joint]:.2f}"
        assert told == Finding("F19", Action.E_STOP, words) and bad.it.stage == Stage.PULSES

    @pytest.mark.parametrize("beyond", [False, True])
    def test_half_a_pulse_and_a_sensor_that_is_off(self, limits: SafetyLimits, beyond: bool) -> None:
        """Means of what was asked and felt that are not zero are no part of the gain."""
        edge = limits.detect.drives.gain_high + (0.002 if beyond else -0.002)
        test = Trial(limits, gain=edge, bias=-1.5)
        for n in range(test.schedule.end + test.schedule.settle + 1):
            into = (n - test.schedule.settle) % test.schedule.pulse
            test.tick(silent=into >= 0.6 * test.schedule.pulse)
        assert [f.where[-9:] for f in test.found] == (["gain 1.60"] * 6 if beyond else [])

    def test_only_the_joint_under_test_counts(self, limits: SafetyLimits) -> None:
        """What a drive gives while another one is tested says nothing about it."""
        test = Trial(limits)
        for n in range(test.schedule.end + test.schedule.settle + 1):
            joint, torque = test.schedule.torque(n)
            asked = np.zeros(6)
            if joint >= 0:
                asked[joint] = torque
            felt = asked + np.where(np.arange(6) == joint, 0.0, 1.0 + 0.4 * (n % 3))
            assert test.tick(felt=felt) == []
        assert test.it.stage == Stage.SILENCE

    def test_a_pulse_too_small_to_judge_is_not_judged(self, limits: SafetyLimits) -> None:
        for share, told in ((0.29, 0), (0.31, 6)):
            test = Trial(limits)
            most = np.array([joint.homing_nm for joint in limits.joints])
            for n in range(test.schedule.end + test.schedule.settle + 1):
                # Of one size and two signs: its standard deviation is its size.
                joint = test.schedule.joint(n)
                size = share * most * (1.0 if n % 2 else -1.0)
                test.tick(asked=np.where(np.arange(6) == joint, size, 0.0), felt=np.zeros(6))
            assert len(test.found) == told, share

    @pytest.mark.parametrize(("size", "told"), [(0.3, False), (0.3001, True)])
    @pytest.mark.parametrize("last", [False, True])
    def test_two_samples_of_a_pulse_are_judged(
        self, limits: SafetyLimits, size: float, told: bool, last: bool
    ) -> None:
        """Its first or its last, from beyond the least variance on, whatever came of the joints before."""
        test, joint = Trial(limits), 4
        at = test.schedule.settle + joint * test.schedule.pulse + (test.schedule.pulse - 2) * last
        for n in range(test.schedule.end + test.schedule.settle + 1):
            asked = np.zeros(6)
            asked[joint] = (1.0 if n % 2 else -1.0) * size * limits.joints[joint].homing_nm
            test.tick(asked=asked, felt=np.zeros(6), silent=n not in (at, at + 1))
        assert [f.where for f in test.found] == (["knee right, gain 0.00"] if told else [])

    @pytest.mark.parametrize(("gain", "told"), [(0.5, 0), (2.0, 0), (0.499, 1), (2.001, 1)])
    def test_the_ends_of_the_band_are_good(self, limits: SafetyLimits, gain: float, told: int) -> None:
        """With a band and samples that floats can be exact about."""
        drives = limits.detect.drives.model_copy(update={"gain_low": 0.5, "gain_high": 2.0})
        detect = limits.detect.model_copy(update={"drives": drives})
        test = Trial(limits.model_copy(update={"detect": detect}), gain=gain)
        at = test.schedule.settle
        for n in range(test.schedule.end + test.schedule.settle + 1):
            asked = np.eye(6)[0] * (1.5 if n % 2 else -1.5)
            test.tick(asked=asked, silent=n not in (at, at + 1))
        assert len(test.found) == told

    def test_without_torques_there_is_nothing_to_judge(self, test: Trial) -> None:
        assert test.pulses(silent=True) == [] and test.it.stage == Stage.SILENCE

    def test_one_sample_is_not_judged(self, test: Trial) -> None:
        for n in range(test.schedule.end + test.schedule.settle + 1):
            test.tick(silent=n != test.schedule.settle + 5)
        assert test.found == [] and test.it.stage == Stage.SILENCE


class TestSigns:
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_two_ticks_clearly_against_the_order(self, limits: SafetyLimits, sign: float) -> None:
        test = Trial(limits)
        clear = 0.4 * limits.joints[2].homing_nm
        asked, felt = np.zeros(6), np.zeros(6)
        asked[2], felt[2] = sign * (clear + 0.01), -sign * (clear + 0.01)
        assert test.tick(asked=asked, felt=felt) == []
        assert test.tick(asked=asked, felt=felt) == [Finding("F19", Action.E_STOP, "ankle left")]

    @pytest.mark.parametrize(("asked", "felt"), [(1.0, -0.4), (0.4, -1.0), (1.0, 1.0), (1.0, 0.0)])
    def test_what_is_not_clear_is_left_to_the_gain(
        self, limits: SafetyLimits, asked: float, felt: float
    ) -> None:
        test, most = Trial(limits), limits.joints[2].homing_nm
        one = np.eye(6)[2] * most
        for _ in range(10):
            assert test.tick(asked=asked * one, felt=felt * one) == []

    def test_gentle_pulses_along_the_order_are_no_sign(self, limits: SafetyLimits) -> None:
        joints = tuple(joint.model_copy(update={"homing_nm": 1.0}) for joint in limits.joints)
        test, one = Trial(limits.model_copy(update={"joints": joints})), np.eye(6)[3] * 0.5
        assert [test.tick(asked=one, felt=one) for _ in range(3)] == [[]] * 3
        assert [len(test.tick(asked=one, felt=-one)) for _ in range(2)] == [0, 1]

    def test_the_ticks_must_follow_each_other(self, limits: SafetyLimits) -> None:
        test = Trial(limits)
        one = np.eye(6)[4] * limits.joints[4].homing_nm
        for _ in range(3):
            assert test.tick(asked=one, felt=-one) == []
            assert test.tick(asked=one, felt=one) == []


class TestRange:
    @pytest.mark.parametrize("joint", range(6))
    @pytest.mark.parametrize(("bound", "out"), [("angle_min_rad", -1.0), ("angle_max_rad", 1.0)])
    def test_a_tenth_of_a_radian_of_play(
        self, limits: SafetyLimits, joint: int, bound: str, out: float
    ) -> None:
        edge = getattr(limits.joints[joint], bound)
        angle = MIDDLE.copy()
        angle[joint] = edge + 0.099 * out
        assert Trial(limits).tick(angle=angle) == []
        angle[joint] = edge + 0.1 * out
        assert Trial(limits).tick(angle=angle) == []
        angle[joint] = edge + 0.101 * out
        words = f"{JOINTS[joint].replace('_', ' ')} outside its range"
        test = Trial(limits)
        assert test.tick(angle=angle) == [Finding("F19", Action.E_STOP, words)]
        assert test.tick(angle=angle) == [], "looked at before a pulse moves anything, and at the end"
        test = Trial(limits)
        test.pulses()
        again = Trial(limits)
        for _ in range(again.schedule.end + again.schedule.settle):
            again.tick()
        assert [f.where for f in again.tick(angle=angle)] == [words] and again.it.stage == Stage.PULSES


def dumb(*names: str) -> list[Finding]:
    """What is told of these lines: one finding for all of them."""
    does = "does" if len(names) == 1 else "do"
    return [Finding("F21", Action.E_STOP, f"{' and '.join(names)} {does} not open")]


UNREAD: dict[str, Any] = {"exo": "garbage", "values": [], "torque": None}
"""What a snapshot has of a state that is none."""


class TestLines:
    def course(self, test: Trial, *ticks: tuple[int, int], **given: Any) -> list[list[Finding]]:
        """After a tick of rest, run ticks of which each has a line under test, and lines that are open."""
        if test.n == 0:
            assert test.tick() == []
        return [test.tick(lines=lines, open_=open_, **given) for lines, open_ in ticks]

    def end(self, test: Trial, **given: Any) -> list[Finding]:
        """Go on to the tick in which all is judged; before it nothing is."""
        while test.n < test.schedule.end + test.schedule.settle:
            assert test.tick() == []
        return test.tick(**{"available": CAN, **given})

    @pytest.mark.parametrize("opening", [0, 3, 5])
    def test_open_in_any_tick_of_its_turn_is_enough(self, test: Trial, opening: int) -> None:
        for line in (A, B):
            ticks = [(line, line if k == opening else 0) for k in range(6)]
            assert self.course(test, *ticks, (0, 0)) == [[]] * 7
        assert self.end(test) == [] and test.it.stage == Stage.SILENCE

    @pytest.mark.parametrize(("line", "name", "other"), [(A, "a", B), (B, "b", A)])
    @pytest.mark.parametrize("follows", ["nothing", "the other"])
    def test_one_that_stays_closed_is_told_once_when_its_turn_is_over(
        self, test: Trial, line: int, name: str, other: int, follows: str
    ) -> None:
        after = 0 if follows == "nothing" else other
        found = self.course(test, *[(line, 0)] * 6, (after, after), (after, after))
        assert found == [[]] * 6 + [dumb(name), []]
        assert test.it.stage == Stage.PULSES

    @pytest.mark.parametrize(("line", "name", "other"), [(A, "a", B), (B, "b", A)])
    def test_the_other_one_says_nothing_about_it(self, test: Trial, line: int, name: str, other: int) -> None:
        assert self.course(test, (line, other), (0, 0)) == [[], dumb(name)]

    @pytest.mark.parametrize(("line", "names"), [(A, "b"), (B, "a"), (0, "ab")])
    def test_open_outside_its_turn_it_was_not_tested(self, test: Trial, line: int, names: str) -> None:
        assert self.course(test, (0, BOTH), (line, BOTH), (0, BOTH)) == [[]] * 3
        assert self.end(test) == dumb(*names) and test.it.stage == Stage.PULSES
        assert test.tick(available=CAN) == dumb(*names), "nor does it pass a moment later"

    def test_the_words_for_one_line_and_for_two(self, limits: SafetyLimits) -> None:
        ends = []
        for opened in (A, B, 0):
            test = Trial(limits)
            self.course(test, (opened, opened), (0, 0))
            ends.append([found.where for found in self.end(test)])
        assert ends == [["b does not open"], ["a does not open"], ["a and b do not open"]]

    def test_a_device_that_cannot_open_them_passes(self, test: Trial) -> None:
        assert self.end(test, available=ALL) == [] and test.it.stage == Stage.SILENCE

    def test_one_that_can_do_nothing_else_is_tested(self, test: Trial) -> None:
        assert self.end(test, available=int(Signal.ESTOP_TEST)) == dumb("a", "b")

    @pytest.mark.parametrize("when", [0, 7, -1])
    def test_who_can_in_a_single_tick_is_tested(self, test: Trial, when: int) -> None:
        """In the first tick, during a test, and in the last before the judgement; withdrawn after."""
        judged = test.schedule.end + test.schedule.settle
        for n in range(judged):
            assert test.tick(available=CAN if n == when % judged else ALL) == []
        assert test.tick(available=ALL) == dumb("a", "b") and test.it.stage == Stage.PULSES
        assert test.tick(available=ALL) == dumb("a", "b"), "nor does it pass a moment later"

    @pytest.mark.parametrize("line", [0, A])
    def test_a_bit_withdrawn_at_the_judgement_hides_no_line(self, test: Trial, line: int) -> None:
        assert self.course(test, (line, line), (0, 0), (0, 0), available=CAN) == [[]] * 3
        assert self.end(test, available=ALL) == dumb(*"b" if line else "ab")

    def test_and_takes_nothing_from_lines_that_have_opened(self, test: Trial) -> None:
        assert self.course(test, (A, A), (0, 0), (B, B), (0, 0), available=CAN) == [[]] * 4
        assert self.end(test, available=ALL) == [] and test.it.stage == Stage.SILENCE

    def test_what_a_device_could_in_an_earlier_self_test(self, test: Trial) -> None:
        self.course(test, (0, 0), available=CAN)
        test.it.restart()
        test.n = 0
        assert self.end(test, available=ALL) == [] and test.it.stage == Stage.SILENCE

    def test_a_state_that_is_none_is_passed_over(self, test: Trial) -> None:
        assert self.course(test, (A, 0)) == [[]]
        assert self.course(test, (B, 0), (0, 0), seen=UNREAD) == [[], []]
        assert self.course(test, (0, 0), (0, 0)) == [dumb("a"), []]

    def test_one_when_all_is_judged(self, test: Trial) -> None:
        assert self.end(test, seen=UNREAD) == [] and test.it.stage == Stage.SILENCE

    def test_such_a_one_hides_no_line_either(self, test: Trial) -> None:
        assert self.course(test, (A, A), (0, 0), available=CAN) == [[], []]
        assert self.end(test, seen=UNREAD) == dumb("b") and test.it.stage == Stage.PULSES

    def test_lines_that_open_make_up_for_nothing_else(self, test: Trial) -> None:
        self.course(test, (A, A), (B, B))
        angle = MIDDLE + np.array([9.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        found = self.end(test, angle=angle)
        assert [f.fault for f in found] == ["F19"] and test.it.stage == Stage.PULSES

    def test_nor_does_anything_else_for_them(self, test: Trial) -> None:
        angle = MIDDLE + np.array([9.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        assert [f.fault for f in self.end(test, angle=angle)] == ["F19", "F21"]

    @pytest.mark.parametrize("line", [A, B])
    def test_restart_forgets_what_has_opened(self, test: Trial, line: int) -> None:
        self.course(test, (A, A), (B, B))
        test.it.restart()
        test.n = 0
        assert self.course(test, (line, line), (0, 0)) == [[], []]
        assert self.end(test) == dumb("b" if line == A else "a")

    def test_and_whose_turn_it_was(self, test: Trial) -> None:
        self.course(test, (A, 0))
        test.it.restart()
        assert self.course(test, (0, 0), (B, B), (0, 0)) == [[]] * 3

    @pytest.mark.parametrize("line", [A, B])
    @pytest.mark.parametrize("ticks", [1, 3])
    def test_a_turn_that_was_broken_off_is_no_turn(self, test: Trial, line: int, ticks: int) -> None:
        """Until no line is told for a tick: neither that it stays closed counts, nor that it opens."""
        broken = [test.tick(lines=line, open_=open_) for open_ in [line] + [0] * ticks]
        assert broken == [[]] * (1 + ticks)
        assert self.course(test, (0, 0), (0, 0)) == [[], []]
        assert self.end(test) == dumb("a", "b")

    @pytest.mark.parametrize(("line", "name"), [(A, "a"), (B, "b")])
    def test_after_a_tick_of_rest_the_next_is(self, test: Trial, line: int, name: str) -> None:
        assert test.tick(lines=line) == []
        assert self.course(test, (0, 0), (line, 0), (0, 0)) == [[], [], dumb(name)]

    def test_lines_that_never_rest_are_told_at_the_end(self, test: Trial) -> None:
        for n in range(test.schedule.end + test.schedule.settle):
            line = A if n % 20 < 10 else B
            assert test.tick(lines=line, open_=line, available=CAN) == []
        assert test.tick(lines=A, open_=A) == dumb("a", "b")

    def test_a_state_that_is_none_is_no_rest(self, test: Trial) -> None:
        assert test.tick(lines=0, seen=UNREAD) == []
        assert self.course(test, (A, 0), (0, 0)) == [[], []]


class TestStages:
    def silent(self, limits: SafetyLimits) -> Trial:
        test = Trial(limits)
        test.pulses()
        assert test.it.stage == Stage.SILENCE
        return test

    def test_pulses_end_with_a_calm(self, test: Trial) -> None:
        for _ in range(test.schedule.end + test.schedule.settle):
            test.tick()
            assert test.it.stage == Stage.PULSES and not test.it.void and not test.it.done
        test.tick()
        assert test.it.void and not test.it.done

    @pytest.mark.parametrize("mode", [Mode.HOLD_STANCE, Mode.DAMP])
    @pytest.mark.parametrize("when", [0, QUIET - 1])
    def test_the_watchdog_may_trip_in_any_tick_of_the_silence(
        self, limits: SafetyLimits, mode: Mode, when: int
    ) -> None:
        test = self.silent(limits)
        for k in range(QUIET):
            assert test.it.void
            assert test.tick(mode=mode if k == when else Mode.HOMING) == []
        assert test.it.stage == Stage.RETURN and not test.it.void
        test.tick(mode=Mode.STAND)
        test.tick(silent=True)
        assert not test.it.done
        assert test.tick(mode=Mode.HOMING) == [] and test.it.done
        assert test.tick(mode=Mode.DAMP) == [] and test.it.done

    def test_a_watchdog_that_does_not_trip(self, limits: SafetyLimits) -> None:
        test = self.silent(limits)
        for k in range(QUIET):
            assert bool(test.tick(silent=k == 1)) == (k == QUIET - 1)
        words = "(the watchdog did not trip in the self-test)"
        assert test.found == [Finding("F13", Action.E_STOP, words)]
        assert test.it.void, "the supervisor stays silent"

    def test_restart_forgets_everything(self, limits: SafetyLimits) -> None:
        test = Trial(limits, gain=np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.2]))
        assert len(test.pulses()) == 1
        one = np.eye(6)[2] * limits.joints[2].homing_nm
        test.tick(asked=one, felt=-one)
        test.it.restart()
        test.gain, test.n, test.found = 1.0, 0, []
        assert test.tick(asked=one, felt=-one) == []
        test.n = 0
        test.it.restart()
        assert test.pulses() == [] and test.it.stage == Stage.SILENCE
        for _ in range(QUIET):
            test.tick(mode=Mode.DAMP)
        test.it.restart()
        test.n = 0
        assert test.pulses() == [], "a trip of an earlier test"
        for _ in range(QUIET):
            test.tick()
        assert [f.fault for f in test.found] == ["F13"]
