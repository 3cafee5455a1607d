"""Drag and trip of either foot: every threshold from both sides, to the tick, swing by swing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safety_faults import looks
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.detect_body import FootDetector
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.types import Action, Signal

WARN, REDUCE, STOP = Action.WARN, Action.REDUCE, Action.SOFT_STOP
LEAST = 2.0**-40
SLOW = 2.0**-8
"""A period [s] that a computer can hold exactly."""


class Foot:
    """Feeds a detector with one foot; the other one stands under its load."""

    def __init__(self, limits: SafetyLimits, side: int) -> None:
        self.limits, self.side, self.name = limits, side, ("left foot", "right foot")[side]
        self.drag_ticks = round(limits.detect.body.drag_s / PERIOD)
        self.renew()

    def renew(self, period: float = PERIOD, **changes: float) -> None:
        body = self.limits.detect.body.model_copy(update=changes)
        detect = self.limits.detect.model_copy(update={"body": body})
        self.detector = FootDetector(self.limits.model_copy(update={"detect": detect}), period)

    def tick(
        self,
        rate: float = 1.5,
        toe: float = 0.0,
        heel: float = 0.0,
        whole: float = 0.0,
        pitch: float = 0.0,
        driven: bool = True,
        **changes: Any,
    ) -> list[Finding]:
        """One tick: rate of thigh and shank together, load of toe, heel and sole, pitch rate of the trunk."""
        rates, load, force = np.zeros(6), np.full(4, 200.0), np.zeros(6)
        first = 3 * self.side
        rates[first : first + 3] = 0.25, rate - 0.25, 9.0
        load[2 * self.side : 2 * self.side + 2] = heel, toe
        force[first : first + 3] = 900.0, -900.0, whole
        state = {
            "segment_rate_rad_s": rates,
            "foot_load_n": load,
            "foot_force_n": force,
            "pelvis_gyro_rad_s": np.array([0.0, pitch, 0.0]),
        }
        (snap,) = looks(self.limits, [exo_state(1, **(state | changes))])
        found: list[Finding] = []
        self.detector.step(replace(snap, driven=driven), found)
        return found

    def swing(self, dragged: bool) -> Action:
        """One swing and the way back; return the level of its drag, which needs just so many ticks."""
        found = [self.tick(toe=40.0 * dragged) for _ in range(self.drag_ticks)]
        self.tick(rate=-1.0)
        if not dragged:
            assert found == [[]] * self.drag_ticks
            return Action.NONE
        assert found[:-1] == [[]] * (self.drag_ticks - 1)
        (told,) = found[-1]
        assert (told.fault, told.where) == ("F24a", self.name)
        return told.action

    def drags(self, **changes: Any) -> bool:
        """Whether such a foot drags, from the right tick on and for as long as it lasts, or never."""
        self.renew()
        self.tick(rate=0.0)
        found = [self.tick(**changes) for _ in range(self.drag_ticks + 3)]
        told = [Finding("F24a", WARN, self.name)]
        assert found in ([[]] * len(found), [[]] * (self.drag_ticks - 1) + [told] * 4)
        return bool(found[-1])


@pytest.fixture(params=[0, 1], ids=["left", "right"])
def foot(limits: SafetyLimits, request: pytest.FixtureRequest) -> Foot:
    return Foot(limits, request.param)


class TestDrag:
    def test_a_load_on_the_toe_or_on_the_whole_foot(self, foot: Foot) -> None:
        most = foot.limits.detect.body.drag_n
        assert not foot.drags(toe=most, whole=most)
        assert foot.drags(toe=most + LEAST) and foot.drags(whole=most + LEAST)
        assert foot.drags(toe=-90.0, whole=most + LEAST) and foot.drags(whole=-90.0, toe=most + LEAST)

    def test_a_loaded_heel_is_a_foot_that_lands(self, foot: Foot) -> None:
        most = foot.limits.detect.body.drag_n
        assert foot.drags(toe=40.0, heel=most - LEAST) and not foot.drags(toe=40.0, heel=most)

    def test_only_a_leg_that_swings_forward_drags(self, foot: Foot) -> None:
        least = foot.limits.detect.body.drag_rate_rad_s
        assert foot.drags(toe=40.0, rate=least + LEAST) and not foot.drags(toe=40.0, rate=least)

    def test_a_slow_clock_has_a_tick_at_least(self, foot: Foot) -> None:
        foot.renew(1.0)
        assert foot.tick() == []
        assert foot.tick(toe=40.0) == [Finding("F24a", WARN, foot.name)]

    def test_contact_counts_within_one_swing(self, foot: Foot) -> None:
        """A swing ends as the leg goes back, not as it only stops or is unloaded."""
        told = [Finding("F24a", WARN, foot.name)]
        for between, found in (
            ({}, told),
            ({"rate": 0.0}, told),
            ({"rate": 0.0, "toe": 40.0}, told),
            ({"heel": 99.0}, told),
            ({"rate": -LEAST}, []),
            ({"rate": -1.0}, []),
        ):
            foot.renew()
            assert [foot.tick(toe=40.0) for _ in range(foot.drag_ticks - 1)] == [[]] * (foot.drag_ticks - 1)
            assert foot.tick(**between) == []
            assert foot.tick(toe=40.0) == found, between

    def test_only_while_the_controller_drives(self, foot: Foot) -> None:
        assert [foot.tick(toe=40.0, driven=False) for _ in range(9)] == [[]] * 9
        assert not foot.detector.caught


class TestCells:
    """What a sole has for sensors."""

    def test_cells_alone(self, foot: Foot) -> None:
        bare = {"available": ALL & ~int(Signal.FOOT_WRENCH)}
        assert foot.drags(toe=40.0, **bare) and not foot.drags(whole=40.0, **bare)

    def test_the_ground_alone(self, foot: Foot) -> None:
        """In front of the ankle it is the toe that is loaded, else the heel."""
        bare = {"available": ALL & ~int(Signal.FOOT_LOAD)}
        for x, told in ((LEAST, True), (0.0, False), (-0.1, False)):
            cop = np.array([9.0, 9.0, 9.0, 9.0])
            cop[2 * foot.side] = x
            assert foot.drags(whole=40.0, foot_cop_m=cop, **bare) is told

    def test_what_is_not_measured_is_no_load(self, foot: Foot) -> None:
        """Not even the least, against thresholds of half a newton."""
        cells, sole = ({"available": ALL & ~int(s)} for s in (Signal.FOOT_WRENCH, Signal.FOOT_LOAD))
        foot.renew(drag_n=0.5)
        assert [foot.tick(**cells) for _ in range(9)] == [[]] * 9
        front, back = {"foot_cop_m": np.full(4, 0.1)}, {"foot_cop_m": np.full(4, -0.1)}
        assert [len(foot.tick(whole=0.6, **front, **sole)) for _ in range(3)] == [0, 0, 1], "no heel"
        foot.renew(trip_n=0.5)
        foot.tick(rate=4.0)
        hit = {"rate": 2.0, "whole": 10.0, "pitch": 1.0}
        assert foot.tick(**hit, **back, **sole) == foot.tick(**hit, **back, **sole) == [], "no toe"

    @pytest.mark.parametrize("change", [
        {"foot_valid": 0b10}, {"foot_valid": 0b01}, {"segment_valid": 0b011111},
        {"available": ALL & ~int(Signal.SEGMENT)},
        {"available": ALL & ~int(Signal.FOOT_LOAD | Signal.FOOT_WRENCH)},
    ])  # fmt: skip
    def test_nothing_is_known_without_them(self, foot: Foot, change: dict[str, Any]) -> None:
        assert not foot.drags(toe=40.0, whole=40.0, **change)


class TestCaught:
    def test_the_legs_answer_for_so_long(self, foot: Foot) -> None:
        answer = round(foot.limits.detect.body.drag_answer_s / PERIOD)
        assert not foot.detector.caught
        caught = []
        for _ in range(foot.drag_ticks):
            foot.tick(toe=40.0)
            caught.append(foot.detector.caught)
        assert caught == [False] * (foot.drag_ticks - 1) + [True]
        for n in range(1, answer + 2):
            foot.tick(driven=n < 5)
            assert foot.detector.caught is (n < answer), n

    def test_a_new_bout_has_no_answer(self, foot: Foot) -> None:
        assert foot.swing(True) == WARN and foot.detector.caught
        foot.tick(driven=False)
        foot.tick(rate=0.0)
        assert not foot.detector.caught


class TestSwings:
    def test_so_many_of_the_last_give_way(self, foot: Foot) -> None:
        """3 of 6 finished swings: the next drag is answered so."""
        body = foot.limits.detect.body
        assert (body.drag_steps, body.drag_of_steps) == (3, 6)
        for swings, level in (
            ("", WARN),
            ("xx", WARN),
            ("xxx", REDUCE),
            ("xx...x", REDUCE),
            ("xx....x", WARN),
            ("xxx...", REDUCE),
            ("xxx....", WARN),
        ):
            foot.renew()
            for swing in swings:
                foot.swing(swing == "x")
            assert foot.swing(True) == level, swings

    def test_so_many_stop(self, foot: Foot) -> None:
        assert foot.limits.detect.body.drag_stop_steps == 12
        for swings, level in (("x" * 11, REDUCE), ("x" * 12, STOP), (".xxxxxxxxxxx", REDUCE)):
            foot.renew()
            for swing in swings:
                foot.swing(swing == "x")
            assert foot.swing(True) == level, swings

    def test_the_longer_of_both_memories_counts(self, foot: Foot) -> None:
        """4 of the last 6 stop here."""
        for swings, level in (
            ("x.x.xx", STOP),
            (".x.x.xx", STOP),
            ("x.x.x.x", REDUCE),
            ("x.....x", WARN),
        ):
            foot.renew(drag_steps=2, drag_of_steps=6, drag_stop_steps=4)
            for swing in swings:
                foot.swing(swing == "x")
            assert foot.swing(True) == level, swings

    def test_each_foot_has_its_own(self, foot: Foot) -> None:
        other = 1 - foot.side
        for _ in range(3):
            foot.swing(True)
        assert foot.detector.levels[foot.side] == REDUCE and foot.detector.levels[other] == Action.NONE
        assert foot.swing(False) == Action.NONE
        assert foot.detector.levels[foot.side] == REDUCE


class TestTrip:
    TRUNK, TOE, BRAKE = 0.6, 60.0, 64.0

    def trip(self, foot: Foot, *ticks: dict[str, Any], **changes: Any) -> list[bool]:
        """After a tick of free swing, which of the ticks tell a trip."""
        foot.renew(SLOW, trip_decel_rad_s2=self.BRAKE)
        foot.tick(rate=4.0)
        said = []
        for tick in ticks:
            trips = [f for f in foot.tick(**{**changes, **tick}) if f.fault != "F24a"]
            assert trips in ([], [Finding("F24b", STOP, foot.name)])
            said.append(bool(trips))
        return said

    def test_toe_brake_and_trunk_together(self, foot: Foot) -> None:
        body = foot.limits.detect.body
        assert (body.trip_pitch_rad_s, body.trip_n, body.trip_ticks) == (self.TRUNK, self.TOE, 2)
        hit = {"rate": 4.0 - self.BRAKE * SLOW - LEAST, "toe": self.TOE + LEAST, "pitch": self.TRUNK + LEAST}
        assert self.trip(foot, hit, hit, hit) == [False, True, True], "it need not go on braking"
        for change in (
            {"rate": 4.0 - self.BRAKE * SLOW},
            {"toe": self.TOE},
            {"pitch": self.TRUNK},
            {"toe": 0.0, "whole": 900.0},
        ):
            assert self.trip(foot, *[hit | change] * 3) == [False] * 3, change

    def test_what_ends_before_it_is_told_begins_anew(self, foot: Foot) -> None:
        hit = {"rate": 3.0, "toe": 100.0, "pitch": 1.0}
        free, less = {"rate": 3.0, "toe": 0.0, "pitch": 1.0}, hit | {"rate": 2.0}
        assert self.trip(foot, hit, free, hit, hit) == [False] * 4, "and it has braked long ago"
        assert self.trip(foot, hit, free, less, less) == [False, False, False, True]
        assert self.trip(foot, hit, hit | {"pitch": 0.0}, hit) == [False, False, True], "the trunk follows"

    def test_only_a_swinging_leg_trips(self, foot: Foot) -> None:
        hit = {"rate": -1.0, "toe": 100.0, "pitch": 1.0}
        assert self.trip(foot, hit, hit, hit) == [False] * 3
        assert self.trip(foot, hit | {"rate": 3.0}, hit, hit, hit) == [False] * 4

    def test_a_leg_that_has_not_swung_in_this_bout_does_not_trip(self, foot: Foot) -> None:
        foot.renew(SLOW)
        hit = {"rate": 0.1, "toe": 100.0, "pitch": 1.0}
        assert [foot.tick(**tick) for tick in ({"rate": 0.5}, hit, hit, hit)] == [[]] * 4

    def test_a_foot_that_only_swings_faster_does_not_trip(self, foot: Foot) -> None:
        faster = {"rate": 4.0 + 2.0 * self.BRAKE * SLOW, "toe": 100.0, "pitch": 1.0}
        assert self.trip(foot, faster, faster) == [False, False]

    def test_the_first_tick_has_nothing_to_brake_from(self, foot: Foot) -> None:
        foot.renew(SLOW)
        assert [
            f for _ in range(4) for f in foot.tick(rate=0.7, toe=100.0, pitch=1.0) if f.fault == "F24b"
        ] == []
