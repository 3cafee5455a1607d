"""The supervisor's self-test by itself: gains, signs, ranges and stages, each at its boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from safety_faults import looks
from safety_world import PERIOD, exo_state

from exostride.conventions import JOINTS
from exostride.safety.faults import Finding
from exostride.safety.homing import HomingSchedule
from exostride.safety.limits import SafetyLimits
from exostride.safety.selftest import SelfTest, Stage
from exostride.types import Action, AppliedTorque, Mode

PERMIT = 5
QUIET = PERMIT + 3
"""Ticks of silence after which the watchdog must have tripped."""
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
        state = exo_state(1, joint_torque_nm=felt * np.ones(6), angle_rad=given.get("angle", MIDDLE))
        applied = None if given.get("silent") else AppliedTorque(0, 0.0, requested_nm=asked, mode=int(mode))
        (snap,) = looks(self.limits, [state], applied)
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
