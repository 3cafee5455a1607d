"""Buttons, belt and harness, tick by tick: each bound from both sides, and the words for it."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter
from typing import Any

import pytest
from safety_faults import looks
from safety_world import PERIOD, exo_state

from exostride.safety.detect_environment import BeltDetector, ButtonDetector, HarnessDetector
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, AppliedTorque, EnvironmentFault, EnvironmentState, HarnessAction, Reason

FOREVER = 1e20
"""A period [s] that is endless to any time constant: a mean is what was measured last."""


@pytest.fixture
def plain_tick(limits: SafetyLimits) -> Snapshot:
    (snap,) = looks(limits, [exo_state(1)])
    return snap


class TestButtons:
    PRESSED = Finding("F20", Action.E_STOP)
    APART = Finding("F21", Action.E_STOP, "a or b alone is open")

    def told(self, detector: ButtonDetector, snap: Snapshot, **changes: Any) -> list[Finding]:
        found: list[Finding] = []
        detector.step(replace(snap, exo=replace(snap.exo, **changes)), found)
        return found

    def test_either_channel_stops_at_once(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        for a, b in ((True, True), (True, False), (False, True), (False, False)):
            found = self.told(ButtonDetector(limits, PERIOD), plain_tick, estop_closed_a=a, estop_closed_b=b)
            assert found == ([] if a and b else [self.PRESSED])

    @pytest.mark.parametrize("channel", ["estop_closed_a", "estop_closed_b"])
    def test_channels_apart_for_their_time(
        self, limits: SafetyLimits, plain_tick: Snapshot, channel: str
    ) -> None:
        ticks = round(limits.detect.stops.estop_disagree_s / PERIOD)
        detector = ButtonDetector(limits, PERIOD)
        apart = [self.told(detector, plain_tick, **{channel: False}) for _ in range(ticks + 1)]
        assert apart == [[self.PRESSED]] * (ticks - 1) + [[self.PRESSED, self.APART]] * 2
        assert self.told(detector, plain_tick) == []
        again = [self.told(detector, plain_tick, **{channel: False}) for _ in range(ticks)]
        assert again == [[self.PRESSED]] * (ticks - 1) + [[self.PRESSED, self.APART]], "counted anew"

    def test_channels_that_open_together_agree(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        detector = ButtonDetector(limits, PERIOD)
        for _ in range(100):
            found = self.told(detector, plain_tick, estop_closed_a=False, estop_closed_b=False)
            assert found == [self.PRESSED]

    def test_a_slow_clock_has_a_tick_at_least(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        detector = ButtonDetector(limits, 10.0)
        assert self.told(detector, plain_tick) == []
        assert self.told(detector, plain_tick, estop_closed_a=False) == [self.PRESSED, self.APART]

    @pytest.mark.parametrize("lines", [0, 1, 2, 3])
    def test_a_line_under_test_may_be_open(
        self, limits: SafetyLimits, plain_tick: Snapshot, lines: int
    ) -> None:
        for open_ in range(4):
            snap = replace(plain_tick, lines=lines)
            states = {"estop_closed_a": not open_ & 1, "estop_closed_b": not open_ & 2}
            found = self.told(ButtonDetector(limits, PERIOD), snap, **states)
            assert found == ([self.PRESSED] if open_ & ~lines else []), open_

    @pytest.mark.parametrize(("lines", "tested", "other"), [(1, "a", "b"), (2, "b", "a")])
    def test_under_test_lines_are_not_apart(
        self, limits: SafetyLimits, plain_tick: Snapshot, lines: int, tested: str, other: str
    ) -> None:
        """But the other one is from its first tick on."""
        ticks = round(limits.detect.stops.estop_disagree_s / PERIOD)
        detector, snap = ButtonDetector(limits, PERIOD), replace(plain_tick, lines=lines)
        opened = {f"estop_closed_{tested}": False}
        assert [self.told(detector, snap, **opened) for _ in range(ticks + 5)] == [[]] * (ticks + 5)
        both = opened | {f"estop_closed_{other}": False}
        apart = [self.told(detector, snap, **both) for _ in range(ticks)]
        assert apart == [[self.PRESSED]] * (ticks - 1) + [[self.PRESSED, self.APART]]
        assert self.told(detector, plain_tick, **both) == [self.PRESSED], "the test is over, and they agree"

    def test_the_therapist(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        found = self.told(ButtonDetector(limits, PERIOD), plain_tick, therapist_stop=True)
        assert found == [Finding("F38", Action.SOFT_STOP, "the therapist")]


class Belt:
    """Feeds a detector with a belt."""

    def __init__(self, limits: SafetyLimits, snap: Snapshot) -> None:
        self.limits, self.snap = limits, snap
        self.ticks = limits.detect.environment.belt_ticks
        self.over, self.reverse = limits.belt.over_m_s, limits.belt.reverse_m_s
        self.renew()

    def renew(self) -> None:
        self.detector = BeltDetector(self.limits, PERIOD)

    def tick(
        self, speed: float, target: float = 0.0, permit: float = 2.0, faults: int = 0, reason: int | None = 0
    ) -> list[Finding]:
        state = EnvironmentState(1, PERIOD, belt_speed_m_s=speed, belt_target_m_s=target, faults=faults)
        applied = None if reason is None else AppliedTorque(0, 0.0, reason=reason)
        found: list[Finding] = []
        self.detector.step(replace(self.snap, environment=state, applied=applied), permit, found)
        return found

    def runs_away(self, speed: float, target: float = 0.0, permit: float = 2.0) -> bool:
        """Whether such a belt is told, from the right tick on or not at all."""
        self.renew()
        found = [self.tick(speed, target, permit) for _ in range(self.ticks + 2)]
        told = [Finding("F25", Action.SOFT_STOP, f"{speed:.2f} m/s")]
        assert found in ([[]] * (self.ticks + 2), [[]] * (self.ticks - 1) + [told] * 3)
        return bool(found[-1])


@pytest.fixture
def belt(limits: SafetyLimits, plain_tick: Snapshot) -> Belt:
    return Belt(limits, plain_tick)


class TestBelt:
    def test_faster_than_target_and_permit_allow(self, belt: Belt) -> None:
        for target, permit, allowed in (
            (0.6, 2.0, 0.6),
            (0.6, 0.6, 0.6),
            (0.6, 0.25, 0.25),
            (0.0, 2.0, 0.0),
            (-0.5, 2.0, 0.0),
            (0.6, 0.0, 0.0),
        ):
            edge = allowed + belt.over
            assert not belt.runs_away(edge, target, permit), (target, permit)
            assert belt.runs_away(nextafter(edge, inf), target, permit), (target, permit)

    def test_backwards(self, belt: Belt) -> None:
        for target in (0.0, 0.6, -0.5):
            assert not belt.runs_away(-belt.reverse, target)
            assert belt.runs_away(nextafter(-belt.reverse, -inf), target)

    def test_only_ticks_in_a_row_count(self, belt: Belt) -> None:
        for _ in range(5):
            assert [belt.tick(1.0) for _ in range(belt.ticks - 1)] == [[]] * (belt.ticks - 1)
            assert belt.tick(0.0) == []

    def test_one_that_slows_down_is_allowed_half_the_stopping_ramp(self, belt: Belt) -> None:
        step = 0.5 * belt.limits.belt.stop_m_s2 * PERIOD
        for beyond, told in ((-1e-9, False), (1e-9, True)):
            belt.renew()
            belt.tick(0.8, target=0.8)
            speeds = [max(0.0, 0.8 - step * (1 + k)) + belt.over + beyond for k in range(400)]
            found = [belt.tick(speed, target=0.0) for speed in speeds]
            words = [
                [Finding("F25", Action.SOFT_STOP, f"{v:.2f} m/s")] if told and k + 1 >= belt.ticks else []
                for k, v in enumerate(speeds)
            ]
            assert found == words

    @pytest.mark.parametrize("fault", list(EnvironmentFault))
    def test_what_its_drive_says(self, belt: Belt, fault: EnvironmentFault) -> None:
        own = fault in (EnvironmentFault.BELT_WATCHDOG, EnvironmentFault.BELT_DRIVE)
        told = Finding("F25", Action.SOFT_STOP, "its drive reports a fault")
        assert belt.tick(0.0, faults=int(fault)) == [told] * own

    def test_it_is_told_once_in_a_tick(self, belt: Belt) -> None:
        for _ in range(belt.ticks):
            found = belt.tick(1.0, faults=int(EnvironmentFault.BELT_DRIVE))
        assert found == [Finding("F25", Action.SOFT_STOP, "1.00 m/s")]

    def test_the_kernels_contactor_is_told_as_it_opens(self, belt: Belt) -> None:
        """Both bits together say so; a tick without the kernel's word changes nothing."""
        limit, fallback = int(Reason.ENVIRONMENT_LIMIT), int(Reason.FALLBACK)
        told = [Finding("F25", Action.SOFT_STOP, "the kernel has opened its contactor")]
        assert belt.tick(0.0, reason=limit) == belt.tick(0.0, reason=fallback) == []
        opened = limit | fallback | int(Reason.SLEW_LIMIT)
        assert [belt.tick(0.0, reason=r) for r in (opened, opened, None, opened)] == [told, [], [], []]
        assert [belt.tick(0.0, reason=r) for r in (limit, opened, fallback, opened)] == [[], told, [], told]
        belt.renew()
        assert belt.tick(0.0, reason=opened) == told, "also in the first tick"


class Harness:
    """Feeds a detector with a harness."""

    def __init__(self, limits: SafetyLimits, snap: Snapshot) -> None:
        self.limits, self.snap = limits, snap
        self.ticks = limits.detect.environment.harness_ticks
        self.renew()

    def renew(self, period: float = PERIOD) -> None:
        self.detector = HarnessDetector(self.limits, period)

    def tick(
        self, force: float, action: HarnessAction = HarnessAction.UNLOAD, faults: int = 0
    ) -> list[Finding]:
        state = EnvironmentState(1, PERIOD, unloading_n=force, harness_action=action, faults=faults)
        found: list[Finding] = []
        self.detector.step(replace(self.snap, environment=state), found)
        return found

    def lost(self, force: float, **changes: Any) -> bool:
        """Whether such a force is told, from the right tick on and for as long as it lasts, or never."""
        found = [self.tick(force, **changes) for _ in range(40)]
        told = [Finding("F26", Action.SOFT_STOP, "force lost")]
        assert found in ([[]] * 40, [[]] * (self.ticks - 1) + [told] * (41 - self.ticks))
        return bool(found[-1])


@pytest.fixture
def harness(limits: SafetyLimits, plain_tick: Snapshot) -> Harness:
    return Harness(limits, plain_tick)


WORDS = {
    EnvironmentFault.HARNESS_WATCHDOG: "watchdog tripped",
    EnvironmentFault.HARNESS_LOAD_CELL: "load cell",
    EnvironmentFault.HARNESS_LIFT: "lift",
    EnvironmentFault.HARNESS_CABLE: "cable",
}


class TestHarness:
    @pytest.mark.parametrize("fault", list(EnvironmentFault))
    def test_what_it_says_itself(self, harness: Harness, fault: EnvironmentFault) -> None:
        told = [Finding("F26", Action.SOFT_STOP, WORDS[fault])] if fault in WORDS else []
        assert harness.tick(0.0, faults=int(fault)) == told

    def test_all_that_it_says(self, harness: Harness) -> None:
        told = [Finding("F26", Action.SOFT_STOP, words) for words in WORDS.values()]
        assert harness.tick(0.0, faults=int(sum(EnvironmentFault))) == told

    def test_a_force_below_its_share_of_the_mean(self, harness: Harness) -> None:
        share = harness.limits.detect.environment.harness_share
        for force, told in ((share * 200.0, False), (nextafter(share * 200.0, 0.0), True)):
            harness.renew(FOREVER)
            harness.tick(200.0)
            assert harness.lost(force) is told

    def test_a_force_that_never_carried_is_not_missed(self, harness: Harness) -> None:
        least = harness.limits.detect.environment.harness_n
        for mean, told in ((least, False), (nextafter(least, inf), True)):
            harness.renew(FOREVER)
            harness.tick(mean)
            assert harness.lost(0.0) is told

    @pytest.mark.parametrize("action", [HarnessAction.HOLD, HarnessAction.LIFT])
    def test_only_while_it_unloads(self, harness: Harness, action: HarnessAction) -> None:
        harness.renew(FOREVER)
        harness.tick(200.0)
        assert not harness.lost(0.0, action=action)

    def test_the_mean_comes_as_its_time_constant_says(self, harness: Harness) -> None:
        """200 N for n ticks of 5 ms is a mean of 200 (1 - (100/101)^n): above 80 N from the 52nd on."""
        assert harness.limits.detect.environment.harness_s == 0.5
        for ticks, told in ((51, False), (52, True)):
            harness.renew()
            for _ in range(ticks):
                assert harness.tick(200.0) == []
            assert harness.lost(0.0) is told

    def test_only_ticks_in_a_row_count(self, harness: Harness) -> None:
        harness.renew(FOREVER)
        harness.tick(200.0)
        for _ in range(5):
            assert [harness.tick(0.0) for _ in range(harness.ticks - 1)] == [[]] * (harness.ticks - 1)
            assert harness.tick(200.0) == []
