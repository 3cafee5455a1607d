"""What the spasm detector tells of its legs and asks of them: legs and observer are stand-ins."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from safety_world import ALL, PERIOD, exo_state

from exostride.safety import detect_spasm
from exostride.safety.detect_spasm import SpasmDetector
from exostride.safety.expected import signals
from exostride.safety.faults import Finding
from exostride.safety.intake import exo_values
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.safety.walker import Walker
from exostride.types import Action, GaitState, Signal, SupervisorState

NONE, REDUCE, STOP = Action.NONE, Action.REDUCE, Action.SOFT_STOP
CALM = detect_spasm._CALM
PERSON = Walker(sole_m=-0.1)
SETTLE = 3
CUFF = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
TORQUE = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
PITCH = 0.1


class OneLeg:
    """Says what it is told to say."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self.made_with = (limits, period_s)
        self.levels = CALM
        self.away = [0.0, 0.0, 0.0]
        self.lifted = self.provoked = self.lost = False
        self.trips = self.started = self.forgotten = 0
        self.loads: list[float] = []
        self.steps: list[tuple[Any, ...]] = []
        self.judged: list[tuple[bool, bool]] = []

    def start(self) -> None:
        self.started += 1

    def forget(self) -> None:
        self.forgotten += 1

    def foot(self, load_n: float) -> None:
        self.loads.append(load_n)

    def step(self, *told: Any) -> None:
        self.steps.append(told)

    def judge(self, pressed: bool, lost: bool) -> tuple[Action, Action, Action]:
        self.judged.append((pressed, lost))
        return self.levels


class Observer:
    """Always says the same."""

    settle_ticks = SETTLE

    def __init__(self, *made_with: Any) -> None:
        self.made_with = made_with
        self.steps: list[tuple[Any, ...]] = []
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def step(self, *told: Any) -> list[float]:
        self.steps.append(told)
        return TORQUE


class Bench:
    """A detector between stand-ins, and one tick after another of a walker."""

    def __init__(self, limits: SafetyLimits, patch: pytest.MonkeyPatch) -> None:
        self.legs: list[OneLeg] = []
        self.observer = Observer()

        def leg(*made_with: Any) -> OneLeg:
            self.legs.append(OneLeg(*made_with))
            return self.legs[-1]

        def observer(*made_with: Any) -> Observer:
            self.observer.made_with = made_with
            return self.observer

        patch.setattr(detect_spasm, "Leg", leg)
        patch.setattr(detect_spasm, "WalkerTorque", observer)
        self.detector = SpasmDetector(limits, PERIOD, PERSON)
        force = np.array([1.0, 2.0, 300.0, 3.0, 4.0, 500.0])
        self.values = exo_values(exo_state(0, foot_force_n=force, segment_angle_rad=np.arange(6.0)))[1]
        self.speed, self.doing, self.phase = 0.5, GaitState.WALKING, (0.25, 0.75)
        self.state, self.in_state, self.driven = SupervisorState.TRAIN, 1000, True

    def tick(
        self,
        unfollowed: Sequence[bool] = (),
        *caught: bool,
        cuff: list[float] | None = CUFF,
        foot_valid: int = 0b11,
        available: int = ALL,
    ) -> list[Finding]:
        snap = SimpleNamespace(
            exo=SimpleNamespace(foot_valid=foot_valid, available=available),
            environment=SimpleNamespace(belt_speed_m_s=self.speed),
            phase=SimpleNamespace(state=int(self.doing)),
            gait=[*self.phase, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0],
            cuff=cuff,
            values=self.values,
            pitch=PITCH,
            state=int(self.state),
            ticks_in_state=self.in_state,
            driven=self.driven,
        )
        found: list[Finding] = []
        self.detector.step(cast(Snapshot, snap), found, unfollowed, *caught)
        return found

    def settled(self) -> Bench:
        for _ in range(SETTLE):
            assert self.tick() == []
        return self


@pytest.fixture
def bench(limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(limits, monkeypatch)


def changed(limits: SafetyLimits, group: str, **values: float) -> SafetyLimits:
    part = getattr(limits.detect, group).model_copy(update=values)
    return limits.model_copy(update={"detect": limits.detect.model_copy(update={group: part})})


class TestObserver:
    def test_it_is_of_this_person_and_as_fast_as_the_limits_say(
        self, limits: SafetyLimits, bench: Bench
    ) -> None:
        assert bench.observer.made_with == (PERSON, PERIOD, limits.detect.body.spasm_hz)
        assert [leg.made_with for leg in bench.legs] == [(limits, PERIOD)] * 2

    def test_it_begins_anew_and_settles_before_anything_is_judged(self, bench: Bench) -> None:
        for k in range(6):
            bench.tick()
            assert bench.observer.steps[-1] == (bench.values, PITCH, CUFF, 1)
            assert [len(leg.judged) for leg in bench.legs] == [max(0, k + 1 - SETTLE)] * 2
            assert bench.observer.resets == 1
        assert [leg.started for leg in bench.legs] == [1, 1]

    @pytest.mark.parametrize(
        "lost",
        [{"cuff": None}, {"foot_valid": 0b01}, {"foot_valid": 0b10}]
        + [
            {"available": ALL & ~int(one)}
            for one in (Signal.CUFF, Signal.FOOT_WRENCH, Signal.PELVIS, Signal.SEGMENT)
        ],
        ids=str,
    )
    def test_a_tick_without_a_measurement_is_bridged_and_two_are_not(self, bench: Bench, lost: Any) -> None:
        bench.settled().tick()
        bench.legs[0].levels = (STOP, STOP, STOP)
        assert bench.tick(**lost) == []
        assert len(bench.observer.steps) == SETTLE + 1
        assert len(bench.tick()) == 1
        assert bench.observer.steps[-1][3] == 2
        assert len(bench.tick()) == 1
        assert bench.observer.steps[-1][3] == 1
        assert bench.observer.resets == 1
        assert bench.tick(**lost) == bench.tick(**lost) == []
        assert [bool(bench.tick()) for _ in range(SETTLE + 2)] == [False] * SETTLE + [True] * 2
        assert bench.observer.resets == 2
        assert [leg.started for leg in bench.legs] == [2, 2]

    def test_more_are_bridged_where_the_limits_say_so(
        self, limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench(changed(limits, "sensors", missing_ticks=3), monkeypatch).settled()
        for _ in range(2):
            bench.tick(foot_valid=0)
        bench.tick()
        assert bench.observer.steps[-1][3] == 3 and bench.observer.resets == 1

    def test_no_other_signal_is_needed(self, bench: Bench) -> None:
        needed = Signal.CUFF | Signal.FOOT_WRENCH | Signal.PELVIS | Signal.SEGMENT
        bench.settled().tick(available=int(needed))
        assert len(bench.legs[0].judged) == 1


class TestLegs:
    def test_each_is_told_its_own(self, bench: Bench) -> None:
        bench.settled().tick()
        left, right = bench.legs
        assert (left.loads, right.loads) == ([300.0], [500.0])
        one, other, pelvis = signals(bench.values, PITCH)
        assert left.steps == [(TORQUE[:3], one + other + pelvis, 0.25, False)]
        assert right.steps == [(TORQUE[3:], other + one + pelvis, 0.75, False)]
        assert left.judged == right.judged == [(False, False)]

    @pytest.mark.parametrize(
        ("state", "ticks", "stands"),
        [
            (SupervisorState.STAND, 201, True), (SupervisorState.STAND, 200, False),
            (SupervisorState.TRAIN, 1000, False), (SupervisorState.HOMING, 1000, False),
        ],
    )  # fmt: skip
    def test_who_stands_does_so_after_the_lock_has_taken_over(
        self, bench: Bench, state: SupervisorState, ticks: int, stands: bool
    ) -> None:
        """The handover takes a second."""
        bench.state, bench.in_state, bench.driven = state, ticks, False
        bench.settled()
        bench.legs[1].levels = (REDUCE, NONE, NONE)
        found = bench.tick()
        assert [leg.steps[0][3] for leg in bench.legs] == [stands, stands]
        assert found == [Finding("F22", REDUCE, "hip right")] * stands

    def test_nobody_is_judged_who_neither_stands_nor_is_driven(self, bench: Bench) -> None:
        bench.settled()
        for leg in bench.legs:
            leg.levels, leg.trips = (STOP, STOP, STOP), 9
        assert len(bench.tick()) == 2
        bench.driven = False
        assert bench.tick() == []

    def test_nobody_walks_on_a_belt_at_rest(self, bench: Bench) -> None:
        bench.speed = 0.0
        bench.settled().tick()
        assert [leg.steps[0][2] for leg in bench.legs] == [None, None]

    def test_a_stumble_is_told_for_a_stride(self, bench: Bench) -> None:
        bench.settled().tick()
        bench.doing = GaitState.STUMBLING
        bench.tick()
        bench.doing = GaitState.WALKING
        for _ in range(210):
            bench.tick()
        for leg in bench.legs:
            lost = [lost for _, lost in leg.judged]
            assert not lost[0] and all(lost[1:200]) and not any(lost[203:])

    @pytest.mark.parametrize(("leap", "lost"), [(0.19, False), (0.21, True)])
    def test_so_is_a_leap_of_the_phase(self, bench: Bench, leap: float, lost: bool) -> None:
        bench.settled().tick()
        bench.phase = (0.25 + PERIOD, 0.75 + PERIOD + leap)
        bench.tick()
        assert [leg.judged[-1] for leg in bench.legs] == [(False, lost)] * 2
        assert bench.legs[1].steps[-1][2] == pytest.approx(0.75 + PERIOD + leap * (not lost))


class TestPressed:
    @pytest.mark.parametrize("joint", range(6))
    def test_a_drive_that_does_not_follow_presses_its_leg_and_the_other_while_that_is_young(
        self, bench: Bench, joint: int
    ) -> None:
        bench.settled()
        stuck = [i == joint for i in range(6)]
        for k in range(30):
            bench.tick(stuck if k < 25 else ())
        own, other = bench.legs[joint // 3], bench.legs[1 - joint // 3]
        assert [pressed for pressed, _ in own.judged] == [True] * 25 + [False] * 5
        assert [pressed for pressed, _ in other.judged] == [True] * 20 + [False] * 10

    def test_it_is_young_for_a_tick_at_least(
        self, limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench(changed(limits, "drives", tracking_reduce_s=0.001), monkeypatch).settled()
        for _ in range(3):
            bench.tick([True] + [False] * 5)
        assert [pressed for pressed, _ in bench.legs[1].judged] == [True, False, False]

    @pytest.mark.parametrize("joint", [0, 3])
    def test_it_is_counted_while_the_observer_settles_and_in_a_gap(self, bench: Bench, joint: int) -> None:
        for k in range(22):
            bench.tick([i == joint for i in range(6)], foot_valid=0 if k == 10 else 0b11)
        other = bench.legs[1 - joint // 3]
        assert [pressed for pressed, _ in other.judged] == [True] * 16 + [False] * 2


class TestPace:
    @pytest.mark.parametrize(
        ("speeds", "forgotten"),
        [
            ((0.0, 0.1, 0.0, -0.1, 0.0), [0, 0, 0, 0, 0]),
            ((0.0, 0.11, 0.11, 0.11), [0, 1, 1, 1]),
            ((0.5, 0.35, 0.35), [0, 1, 1]),
            ((0.0, 0.06, 0.12, 0.12), [0, 0, 1, 1]),
            ((0.0, 0.2, 0.4, 0.4, 0.6), [0, 1, 1, 1, 2]),
        ],
    )
    def test_another_speed_is_another_course(
        self, bench: Bench, speeds: tuple[float, ...], forgotten: list[int]
    ) -> None:
        """It is compared with that at which the course began, one tick after the one before was forgotten."""
        bench.settled()
        counts = []
        for speed in speeds:
            bench.speed = speed
            bench.tick()
            counts.append([leg.forgotten for leg in bench.legs])
        assert counts == [[n, n] for n in forgotten]


DOWN = [-5.0, 5.0, 0.0]
"""The hip extends and the knee flexes, as before an obstacle."""


def told(bench: Bench, side: int = 1, *caught: bool, **of_leg: Any) -> list[Finding]:
    """Return what is said of one leg that is so in its second tick."""
    bench.settled().tick()
    for name, value in of_leg.items():
        setattr(bench.legs[side], name, value)
    return bench.tick((), *caught)


class TestTold:
    @pytest.mark.parametrize(
        ("levels", "action", "where"),
        [
            ((REDUCE, NONE, NONE), REDUCE, "hip {0}"),
            ((NONE, REDUCE, NONE), REDUCE, "knee {0}"),
            ((NONE, NONE, STOP), STOP, "ankle {0}"),
            ((REDUCE, NONE, REDUCE), REDUCE, "hip {0}, ankle {0}"),
            ((REDUCE, STOP, REDUCE), STOP, "knee {0}"),
            ((STOP, STOP, STOP), STOP, "hip {0}, knee {0}, ankle {0}"),
        ],
    )
    @pytest.mark.parametrize("side", [0, 1])
    def test_a_spasm_is_told_of_the_joints_that_are_furthest(
        self, bench: Bench, side: int, levels: Any, action: Action, where: str
    ) -> None:
        name = ("left", "right")[side]
        assert told(bench, side, levels=levels) == [Finding("F22", action, where.format(name))]

    def test_both_legs_are_told_left_first(self, bench: Bench) -> None:
        bench.settled()
        bench.legs[0].levels, bench.legs[1].levels = (NONE, REDUCE, NONE), (STOP, NONE, NONE)
        assert bench.tick() == [Finding("F22", REDUCE, "knee left"), Finding("F22", STOP, "hip right")]

    def test_a_calm_leg_is_not_told(self, bench: Bench) -> None:
        assert told(bench) == []
        assert told(bench, levels=(NONE, NONE, NONE), lifted=True, away=DOWN, trips=1) == []

    @pytest.mark.parametrize(("caught", "fault"), [((), "F22"), ((False,), "F22"), ((True,), "F24b")])
    def test_a_walker_whose_foot_was_caught_saves_themselves(
        self, bench: Bench, caught: tuple[bool, ...], fault: str
    ) -> None:
        found = told(bench, 1, *caught, levels=(REDUCE, NONE, NONE))
        assert found == [Finding(fault, REDUCE, "hip right")]

    @pytest.mark.parametrize("levels", [(REDUCE, NONE, NONE), (STOP, REDUCE, NONE)])
    def test_an_answer_to_a_drive_is_the_drives_fault(self, bench: Bench, levels: Any) -> None:
        found = told(bench, 1, True, levels=levels, provoked=True, lifted=True, away=DOWN, trips=9)
        assert found == [Finding("F17", levels[0], "hip right")]


class TestTrip:
    @pytest.mark.parametrize(
        ("levels", "away", "trip"),
        [
            ((REDUCE, REDUCE, NONE), DOWN, True),
            ((STOP, NONE, NONE), DOWN, True),
            ((NONE, NONE, STOP), DOWN, True),
            ((REDUCE, NONE, REDUCE), DOWN, False),
            ((NONE, REDUCE, REDUCE), DOWN, False),
            ((REDUCE, REDUCE, NONE), [5.0, 5.0, 0.0], False),
            ((REDUCE, REDUCE, NONE), [-5.0, -5.0, 0.0], False),
            ((REDUCE, REDUCE, NONE), [0.0, 5.0, 0.0], False),
            ((REDUCE, REDUCE, NONE), [-5.0, 0.0, 0.0], False),
        ],
    )
    @pytest.mark.parametrize("lifted", [True, False])
    def test_both_joints_of_a_lifted_leg_against_each_other(
        self, bench: Bench, levels: Any, away: list[float], trip: bool, lifted: bool
    ) -> None:
        found = told(bench, 0, levels=levels, away=away, lifted=lifted)
        if trip and lifted:
            assert found == [Finding("F24b", STOP, "left foot")]
        else:
            assert [one.fault for one in found] == ["F22"] and found[0].action == max(levels)

    @pytest.mark.parametrize(("ticks", "trip"), [(1, False), (2, True), (3, True)])
    @pytest.mark.parametrize("levels", [CALM, (NONE, NONE, NONE)])
    @pytest.mark.parametrize("provoked", [False, True])
    def test_a_torque_that_only_an_obstacle_makes_for_two_ticks(
        self, bench: Bench, levels: Any, ticks: int, trip: bool, provoked: bool
    ) -> None:
        found = told(bench, levels=levels, trips=ticks, lost=True, provoked=provoked)
        assert found == [Finding("F24b", STOP, "right foot")] * trip

    @pytest.mark.parametrize(("ticks", "action"), [(0, REDUCE), (1, REDUCE), (2, STOP)])
    def test_who_lost_their_rhythm_is_stopped_only_when_it_is_sure(
        self, bench: Bench, ticks: int, action: Action
    ) -> None:
        found = told(bench, levels=(REDUCE, REDUCE, NONE), away=DOWN, lifted=True, lost=True, trips=ticks)
        assert found == [Finding("F24b", action, "right foot")]

    def test_who_stands_does_not_trip(self, bench: Bench) -> None:
        bench.state, bench.driven = SupervisorState.STAND, False
        assert told(bench, trips=9) == []
        found = told(bench, levels=(REDUCE, REDUCE, NONE), away=DOWN, lifted=True, trips=9)
        assert found == [Finding("F22", REDUCE, "hip right, knee right")]
