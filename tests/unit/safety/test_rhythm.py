"""Where both legs are in their cycles, tick by tick. Pace and period are such that every sum is exact."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import pytest

from exostride.safety.rhythm import REST_M_S, Cycle, Rhythm
from exostride.safety.snapshot import Snapshot
from exostride.types import GaitState

TICK = 1.0 / 128.0
"""Control period [s]; at one stride a second also the change of phase in it."""
LEAP = 0.25


@dataclass
class Walk:
    """Feeds a rhythm what one tick's snapshot tells it; the left leg walks at 1 Hz, the right one at 2."""

    state: GaitState = GaitState.WALKING
    speed: float = 0.5
    pace: tuple[float, float] = (1.0, 2.0)
    seen: bool = True

    def __post_init__(self) -> None:
        self.rhythm = Rhythm(LEAP, TICK)

    def tick(self, left: float, right: float) -> tuple[float | None, float | None]:
        told = SimpleNamespace(
            phase=SimpleNamespace(state=int(self.state)) if self.seen else None,
            gait=[left, right, *self.pace, 0.5, 0.5, 1.0, 1.0] if self.seen else [],
            environment=SimpleNamespace(belt_speed_m_s=self.speed),
        )
        return self.rhythm.step(cast(Snapshot, told))

    def on(self, ticks: int, start: int = 0) -> list[bool]:
        """Walk as the pace says; return whether the rhythm was lost in each of those ticks."""
        lost = []
        for k in range(start, start + ticks):
            self.tick(k * TICK % 1.0, 2 * k * TICK % 1.0)
            lost.append(self.rhythm.lost)
        return lost


def cycle_at(phase: float, pace: float = 1.0) -> Cycle:
    cycle = Cycle(LEAP, TICK)
    cycle.step(phase, pace)
    return cycle


def test_the_first_estimate_is_believed() -> None:
    cycle = Cycle(LEAP, TICK)
    assert cycle.pace_hz == 0.1 and not cycle.doubted
    assert cycle.step(1.25, 2.0) == 0.25
    assert cycle.pace_hz == 2.0 and not cycle.doubted


@pytest.mark.parametrize(("told", "pace"), [(0.0, 0.1), (0.05, 0.1), (0.125, 0.125), (-1.0, 0.1), (3.0, 3.0)])
def test_no_stride_is_slower_than_ten_seconds(told: float, pace: float) -> None:
    assert cycle_at(0.5, told).pace_hz == pace


@pytest.mark.parametrize("start", [0.25, 0.875])
@pytest.mark.parametrize(
    ("off", "believed"), [(LEAP, True), (-LEAP, True), (LEAP + TICK, False), (-LEAP - TICK, False)]
)
def test_a_phase_may_be_put_right_by_the_leap_and_no_more(start: float, off: float, believed: bool) -> None:
    cycle = cycle_at(start)
    estimate = (start + TICK + off) % 1.0
    assert cycle.step(estimate, 1.0) == (estimate if believed else start + TICK)
    assert cycle.doubted == (not believed)


def test_a_leg_that_is_alone_goes_on_at_the_pace_it_had() -> None:
    cycle = cycle_at(0.9375, pace=2.0)
    told = [cycle.step(0.4375, 3.0) for _ in range(6)]
    assert told == [(0.9375 + 2.0 * TICK * k) % 1.0 for k in range(1, 7)]
    assert cycle.pace_hz == 2.0


def test_what_leapt_is_believed_after_exactly_one_cycle() -> None:
    cycle = cycle_at(0.0)
    doubted = []
    for k in range(1, 131):
        cycle.step((k * TICK + 0.5) % 1.0, 1.0)
        doubted.append(cycle.doubted)
    assert doubted == [True] * 128 + [False] * 2


def test_doubt_begins_anew_when_the_estimate_has_come_back() -> None:
    cycle = cycle_at(0.0)
    doubted = []
    for k in range(1, 231):
        # It is right for one tick only.
        cycle.step((k * TICK + 0.5 * (k != 101)) % 1.0, 1.0)
        doubted.append(cycle.doubted)
    assert doubted == [True] * 100 + [False] + [True] * 128 + [False]


def test_nobody_who_walks_anew_is_held_to_where_they_were() -> None:
    cycle = cycle_at(0.0)
    cycle.step(0.5, 1.0)
    assert cycle.doubted
    cycle.lose()
    assert not cycle.doubted
    assert cycle.step(0.5, 1.0) == 0.5


class TestRhythm:
    def test_each_leg_has_its_own_phase_and_pace(self) -> None:
        walk = Walk()
        assert walk.tick(0.125, 0.75) == (0.125, 0.75)
        # Both leap: each goes on at its own pace.
        assert walk.tick(0.75, 0.25) == (0.125 + TICK, 0.75 + 2.0 * TICK)

    def test_a_new_walker_has_lost_nothing(self) -> None:
        assert Walk().rhythm.lost is False
        assert not any(Walk().on(300))

    def test_a_stumble_costs_one_stride_of_the_left_leg(self) -> None:
        walk = Walk()
        walk.on(4)
        walk.state = GaitState.STUMBLING
        assert walk.tick(0.5, 0.5) == (None, None)
        assert walk.rhythm.lost
        walk.state = GaitState.WALKING
        assert walk.on(129) == [True] * 127 + [False] * 2

    @pytest.mark.parametrize("leg", [0, 1])
    def test_so_does_a_leap_of_either_leg(self, leg: int) -> None:
        walk = Walk()
        walk.on(4)
        phases = [4 * TICK, 8 * TICK]
        phases[leg] += 0.5
        walk.tick(phases[0], phases[1])
        assert walk.rhythm.lost
        assert walk.on(129, start=5) == [True] * 127 + [False] * 2

    def test_who_does_not_walk_gets_their_rhythm_back_in_that_time_too(self) -> None:
        walk = Walk(state=GaitState.STUMBLING, pace=(1.0, 1.0))
        walk.tick(0.5, 0.5)
        walk.seen = False
        lost = []
        for _ in range(1290):
            assert walk.tick(0.0, 0.0) == (None, None)
            lost.append(walk.rhythm.lost)
        # Nobody has walked yet: the pace is that of the slowest stride.
        assert lost.index(False) == pytest.approx(1280, abs=1)

    @pytest.mark.parametrize(
        ("speed", "walks"),
        [(REST_M_S, True), (-REST_M_S, True), (REST_M_S - 0.001, False), (0.001 - REST_M_S, False)],
    )
    def test_nobody_walks_on_a_belt_slower_than_rest(self, speed: float, walks: bool) -> None:
        assert Walk(speed=speed).tick(0.25, 0.75) == ((0.25, 0.75) if walks else (None, None))

    @pytest.mark.parametrize(
        "state", [state for state in GaitState if state not in (GaitState.WALKING, GaitState.STUMBLING)]
    )
    def test_who_stands_does_not_walk_and_has_not_stumbled(self, state: GaitState) -> None:
        walk = Walk(state=state)
        assert walk.tick(0.25, 0.75) == (None, None)
        assert not walk.rhythm.lost

    def test_without_an_estimate_nothing_is_known(self) -> None:
        walk = Walk(seen=False)
        assert walk.tick(0.25, 0.75) == (None, None)
        assert not walk.rhythm.lost

    @pytest.mark.parametrize("place", range(4))
    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_a_number_that_is_none_is_no_phase(self, place: int, bad: float) -> None:
        walk = Walk()
        told = [0.25, 0.75, 1.0, 2.0]
        told[place] = bad
        walk.pace = (told[2], told[3])
        assert walk.tick(told[0], told[1]) == (None, None)

    def test_an_estimate_of_damaged_shape_is_not_read(self) -> None:
        walk = Walk()
        told = SimpleNamespace(
            phase=SimpleNamespace(state=int(GaitState.WALKING)),
            gait=[],
            environment=SimpleNamespace(belt_speed_m_s=0.5),
        )
        assert walk.rhythm.step(cast(Snapshot, told)) == (None, None)

    def test_both_legs_are_believed_anew_after_a_rest(self) -> None:
        walk = Walk()
        walk.on(4)
        walk.speed = 0.0
        walk.tick(0.5, 0.5)
        walk.speed = 0.5
        assert walk.tick(0.5, 0.625) == (0.5, 0.625)
        assert not walk.rhythm.lost
