"""What is said of one leg's torque that leaves its bounds, tick by tick."""

from __future__ import annotations

import pytest
from safety_world import PERIOD
from spasm_leg import (
    FIRST,
    LEAST,
    STRIDE,
    ZERO,
    Course,
    body,
    enter,
    judged,
    rest,
    settle,
    strays,
    touch,
    walk,
)

from exostride.safety import detect_spasm
from exostride.safety.detect_spasm import BINS, Leg
from exostride.safety.limits import SafetyLimits
from exostride.types import Action

NONE, REDUCE, STOP = Action.NONE, Action.REDUCE, Action.SOFT_STOP


class TestFoot:
    def test_it_is_lifted_below_20_n_and_stands_from_40(self, leg: Leg) -> None:
        lifted = []
        for load in (20.0, 19.9, 20.0, 39.9, 40.0, 39.9, 20.0, 0.0):
            leg.foot(load)
            lifted.append(leg.lifted)
        assert lifted == [False, True, True, True, False, False, False, True]

    @pytest.mark.parametrize(("seconds", "ticks"), [(0.03, 6), (0.013, 3), (0.001, 1)])
    def test_after_it_has_changed_nothing_is_judged_for_a_while(
        self, limits: SafetyLimits, seconds: float, ticks: int
    ) -> None:
        leg = Leg(body(limits, spasm_impact_s=seconds), PERIOD)
        said = []
        for _ in range(ticks + 3):
            leg.foot(0.0)
            said += judged(leg, [200.0, 0.0, 0.0])
        # It is told in the second tick that is judged.
        assert [one[0] for one in said] == [NONE] * (ticks + 1) + [STOP] * 2

    def test_a_touch_begins_that_while_anew(self, leg: Leg) -> None:
        said = []
        for k in range(12):
            leg.foot(0.0 if k < 3 else 400.0)
            said += judged(leg, [200.0, 0.0, 0.0])
        assert [one[0] for one in said] == [NONE] * 10 + [STOP] * 2

    def test_a_new_leg_stands_and_is_judged_at_once(self, leg: Leg) -> None:
        leg.foot(400.0)
        assert not leg.lifted
        assert judged(leg, [200.0, 0.0, 0.0], 2) == [(NONE, NONE, NONE), (STOP, NONE, NONE)]


class TestBeyond:
    """The bounds are -10 to 30 N m for each joint, and twice as far from their middle is too far."""

    @pytest.fixture
    def leg(self, leg: Leg) -> Leg:
        leg.bounds = [(-10.0, 30.0, 2.0)] * 3
        return leg

    @pytest.mark.parametrize("joint", range(3))
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            (30.0, NONE), (30.1, REDUCE), (50.0, REDUCE), (50.1, STOP),
            (-10.0, NONE), (-10.1, REDUCE), (-30.0, REDUCE), (-30.1, STOP),
        ],
    )  # fmt: skip
    def test_a_joint_that_is_beyond_for_two_ticks_is_told(
        self, leg: Leg, joint: int, value: float, told: Action
    ) -> None:
        away = list(ZERO)
        away[joint] = value
        want = [NONE] * 3
        want[joint] = told
        assert judged(leg, away, 3) == [(NONE,) * 3, tuple(want), tuple(want)]

    def test_it_is_told_for_as_many_ticks_as_the_limits_say(self, limits: SafetyLimits) -> None:
        leg = Leg(body(limits, spasm_ticks=4, spasm_stop=3.0), PERIOD)
        leg.bounds = [(-10.0, 30.0, 3.0)] * 3
        said = judged(leg, [71.0, 60.0, 0.0], 5)
        assert [one[0] for one in said] == [NONE] * 3 + [STOP] * 2
        assert [one[1] for one in said] == [NONE] * 3 + [REDUCE] * 2

    @pytest.mark.parametrize("joint", range(3))
    @pytest.mark.parametrize(
        ("value", "seconds", "ticks"),
        [
            (50.0, 0.06, 12), (-30.0, 0.06, 12), (40.0, 0.06, 24), (-20.0, 0.06, 24), (35.0, 0.06, 48),
            (40.0, 0.025, 10), (40.0, 0.0275, 11), (50.0, 0.015, 3), (50.0, 0.005, 3), (40.0, 0.0075, 3),
        ],
    )  # fmt: skip
    def test_what_lasts_is_a_stop(
        self, limits: SafetyLimits, joint: int, value: float, seconds: float, ticks: int
    ) -> None:
        """So long at twice the bounds, twice as long at half more; a tick longer than is told at all."""
        leg = Leg(body(limits, spasm_lasts_s=seconds), PERIOD)
        leg.bounds = [(-10.0, 30.0, 2.0)] * 3
        away = list(ZERO)
        away[joint] = value
        said = [one[joint] for one in judged(leg, away, ticks + 1)]
        assert said == [NONE] + [REDUCE] * (ticks - 2) + [STOP] * 2

    def test_what_lasts_is_weighed_tick_by_tick(self, leg: Leg) -> None:
        """Twelve ticks' worth of once the bounds: a half, a quarter and a twentieth, over and over."""
        said = [one[1] for k in range(60) for one in judged(leg, [0.0, (40.0, 35.0, 31.0)[k % 3], 0.0])]
        assert said.index(STOP) + 1 == 45
        assert said[45:] == [STOP] * 15

    @pytest.mark.parametrize("joint", range(3))
    def test_a_joint_that_comes_back_begins_anew(self, leg: Leg, joint: int) -> None:
        """While another stays beyond, and when none does."""
        half_more = [40.0 * (i == joint) for i in range(3)]
        other = [31.0 * (i == (joint + 1) % 3) for i in range(3)]
        for between in (other, ZERO):
            judged(leg, ZERO)
            assert judged(leg, half_more, 23)[-1][joint] == REDUCE
            judged(leg, between)
            assert [one[joint] for one in judged(leg, half_more, 24)[-2:]] == [REDUCE, STOP]

    def test_each_joint_is_counted_for_itself(self, leg: Leg) -> None:
        said = []
        for k in range(6):
            said += judged(leg, [31.0 * (k != 2), 60.0 * (k != 1), 31.0])
        assert [one[0] for one in said] == [NONE, REDUCE, NONE, NONE, REDUCE, REDUCE]
        assert [one[1] for one in said] == [NONE, NONE, NONE, STOP, STOP, STOP]
        assert [one[2] for one in said] == [NONE] + [REDUCE] * 5

    def test_what_went_far_and_came_back_a_little_is_counted_anew(self, leg: Leg) -> None:
        said = [one for away in (60.0, 31.0, 60.0, 60.0) for one in judged(leg, [away, 0.0, 0.0])]
        assert [one[0] for one in said] == [NONE, REDUCE, REDUCE, STOP]

    @pytest.mark.parametrize("joint", range(3))
    @pytest.mark.parametrize("value", [31.0, 60.0])
    def test_a_tick_inside_ends_it(self, leg: Leg, joint: int, value: float) -> None:
        said = [judged(leg, [value * (i == joint and k % 2 == 0) for i in range(3)])[0] for k in range(8)]
        assert said == [(NONE, NONE, NONE)] * 8

    @pytest.mark.parametrize("edge", [30.0, -10.0])
    def test_on_its_bound_a_joint_is_inside(self, leg: Leg, edge: float) -> None:
        said = judged(leg, [edge, 31.0, edge], 5)
        assert said[-1] == (NONE, REDUCE, NONE)
        judged(leg, ZERO)
        judged(leg, [edge] * 3, pressed=True)
        assert not leg.provoked

    def test_a_gap_in_the_measurements_ends_it_too(self, leg: Leg) -> None:
        judged(leg, [60.0, 60.0, 60.0])
        leg.start()
        assert judged(leg, [60.0, 60.0, 60.0], 2) == [(NONE,) * 3, (STOP,) * 3]


class TestLost:
    """Who has lost their rhythm is stopped only for what goes four times as far."""

    @pytest.fixture
    def leg(self, leg: Leg) -> Leg:
        leg.bounds = [(-10.0, 30.0, 2.0)] * 3
        return leg

    @pytest.mark.parametrize(
        ("value", "told"), [(90.0, REDUCE), (90.1, STOP), (-70.0, REDUCE), (-70.1, STOP)]
    )
    def test_the_robot_gives_way_but_stops_only_for_more(self, leg: Leg, value: float, told: Action) -> None:
        said = [one[1] for one in judged(leg, [0.0, value, 0.0], 30, lost=True)]
        assert said == [NONE] + [told] * 29
        assert leg.lost

    @pytest.mark.parametrize(("joint", "most"), [(0, 180.0), (1, 144.0), (2, 144.0)])
    def test_beyond_what_stops_a_walker_not_known_it_stops(self, leg: Leg, joint: int, most: float) -> None:
        leg.bounds = [(-80.0, 80.0, 2.0)] * 3
        for value, told in ((most, REDUCE), (most + 0.1, STOP)):
            leg.start()
            away = list(ZERO)
            away[joint] = value
            assert judged(leg, away, 2, lost=True)[1][joint] == told

    def test_a_device_that_stops_later_anyway_stops_as_late(self, leg: Leg) -> None:
        leg.bounds = [(-10.0, 30.0, 4.5)] * 3
        assert judged(leg, [100.0, 0.0, 0.0], 9, lost=True)[-1][0] == REDUCE
        leg.start()
        assert judged(leg, [100.1, 0.0, 0.0], 2, lost=True)[-1][0] == STOP

    def test_only_the_tick_before_it_left_the_bounds_tells(self, leg: Leg) -> None:
        judged(leg, ZERO, lost=True)
        assert leg.lost
        judged(leg, ZERO)
        assert not leg.lost
        judged(leg, [55.0, 0.0, 0.0])
        # What goes on beyond the bounds may be why the rhythm is lost.
        assert judged(leg, [55.0, 0.0, 0.0], lost=True)[0][0] == STOP
        assert not leg.lost
        judged(leg, ZERO, lost=True)
        assert judged(leg, [55.0, 0.0, 0.0], 2, lost=True)[1][0] == REDUCE
        assert judged(leg, [55.0, 0.0, 0.0])[0][0] == REDUCE
        assert leg.lost

    def test_it_is_forgotten_after_a_gap(self, leg: Leg) -> None:
        judged(leg, [55.0, 0.0, 0.0], lost=True)
        leg.start()
        assert not leg.lost
        assert judged(leg, [55.0, 0.0, 0.0], 2)[1][0] == STOP


class TestProvoked:
    @pytest.mark.parametrize(("first", "later", "told"), [(1, 0, True), (1, 1, True), (0, 1, False)])
    def test_only_the_first_tick_beyond_tells_who_began(
        self, leg: Leg, first: int, later: int, told: bool
    ) -> None:
        assert not leg.provoked
        judged(leg, [200.0, 0.0, 0.0], pressed=bool(first))
        assert leg.provoked == bool(first)
        judged(leg, [200.0, 0.0, 0.0], 3, pressed=bool(later))
        assert leg.provoked == told

    def test_inside_nobody_provokes(self, leg: Leg) -> None:
        judged(leg, [200.0, 0.0, 0.0], pressed=True)
        judged(leg, ZERO, pressed=True)
        assert leg.provoked is False
        judged(leg, [200.0, 0.0, 0.0])
        assert not leg.provoked

    def test_after_a_gap_the_next_tick_is_the_first(self, leg: Leg) -> None:
        judged(leg, [200.0, 0.0, 0.0])
        leg.start()
        judged(leg, [200.0, 0.0, 0.0], pressed=True)
        assert leg.provoked


ALL = range(BINS)


class TestOutOfStep:
    """A foot in the air where it has always stood, or on the ground where it never was."""

    @pytest.mark.parametrize("first", [0, 1, 8, 9, 12, 19])
    def test_it_is_one_two_bins_or_more_from_where_it_was_ever_so(self, leg: Leg, first: int) -> None:
        """The foot stands in twelve bins from ``first`` on, and is in the air in the other eight."""
        standing = [(first + k) % BINS for k in range(12)]
        lifted = [(first + k) % BINS for k in range(12, BINS)]
        settle(leg, standing, lifted)
        air = [b for b in ALL if strays(leg, b, lifted=True)]
        assert air == sorted((first + k) % BINS for k in range(1, 11))
        ground = [b for b in ALL if strays(leg, b, lifted=False)]
        assert ground == sorted((first + k) % BINS for k in range(13, 19))

    @pytest.mark.parametrize("once", [0, 5, 19])
    @pytest.mark.parametrize("lifted", [True, False])
    def test_a_single_bin_excuses_itself_and_the_two_beside_it(
        self, leg: Leg, once: int, lifted: bool
    ) -> None:
        settle(leg, *((ALL, [once]) if lifted else ([once], ALL)))
        excused = {(once + k) % BINS for k in (-1, 0, 1)}
        assert {b for b in ALL if not strays(leg, b, lifted)} == excused

    @pytest.mark.parametrize(("strides", "out"), [(1, False), (5, False), (6, True)])
    def test_where_it_always_was_takes_five_passes_to_know(self, leg: Leg, strides: int, out: bool) -> None:
        """The last pass is learned as the next begins."""
        settle(leg, ALL, (), strides)
        assert strays(leg, 7, lifted=True) is out

    @pytest.mark.parametrize(("strides", "out"), [(4, True), (5, False)])
    def test_so_does_where_it_may_be_otherwise(self, leg: Leg, strides: int, out: bool) -> None:
        settle(leg, ALL, [7], strides)
        settle(leg, ALL, (), 6 - strides)
        assert strays(leg, 7, lifted=True) is out

    @pytest.mark.parametrize(("strides", "out"), [(5, True), (6, False)])
    def test_and_a_bin_beside_it(self, leg: Leg, strides: int, out: bool) -> None:
        settle(leg, ALL, [7], strides)
        settle(leg, ALL, (), 6 - strides)
        assert strays(leg, 8, lifted=True) is out
        assert strays(leg, 6, lifted=True) is out

    @pytest.mark.parametrize("standing", [False, True])
    def test_who_does_not_walk_is_not_out_of_step(self, leg: Leg, standing: bool) -> None:
        settle(leg, ALL, ())
        leg.lifted = False
        leg.step(ZERO, [], None, standing)
        enter(leg, 3)
        assert leg.known and leg.bin == 3

    @pytest.mark.parametrize(
        ("first", "b", "lifted"),
        [(0, 5, True), (0, 15, False), (15, 0, True), (5, 0, False), (15, 19, True), (5, 19, False)],
    )
    def test_the_sixth_stride_in_a_row_is_this_walkers_way(
        self, leg: Leg, first: int, b: int, lifted: bool
    ) -> None:
        standing = [(first + k) % BINS for k in range(12)]
        settle(leg, standing, [b for b in ALL if b not in standing])
        assert [strays(leg, b, lifted) for _ in range(9)] == [True] * 5 + [False] * 4

    @pytest.mark.parametrize("lifted", [True, False])
    def test_which_is_learned_as_any_other(self, leg: Leg, lifted: bool) -> None:
        settle(leg, *((ALL, ()) if lifted else ((), ALL)))
        for _ in range(5):
            assert strays(leg, 5, lifted)
        rest(leg, lifted)
        bounds = []
        for _ in range(6):
            leg.step(ZERO, [], None, False)
            bounds.append(enter(leg, 5))
            assert leg.known
            judged(leg, ZERO)
        assert bounds == [FIRST] * 5 + [LEAST]
        leg.step(ZERO, [], None, False)
        assert not strays(leg, 6, lifted), "nor is the bin beside it strange any more"

    def test_each_bin_is_counted_for_itself(self, leg: Leg) -> None:
        settle(leg, range(12), range(12, BINS))
        for _ in range(4):
            assert strays(leg, 3, lifted=True) and strays(leg, 7, lifted=True)
            assert strays(leg, 15, lifted=False)
        assert strays(leg, 3, lifted=True) and not strays(leg, 3, lifted=True)
        assert strays(leg, 7, lifted=True) and not strays(leg, 7, lifted=True)
        assert strays(leg, 15, lifted=False) and not strays(leg, 15, lifted=False)

    @pytest.mark.parametrize(("b", "lifted"), [(3, True), (16, False)])
    @pytest.mark.parametrize("before", [1, 4, 5, 6])
    def test_an_ordinary_pass_ends_the_row(self, leg: Leg, b: int, lifted: bool, before: int) -> None:
        settle(leg, range(12), range(12, BINS))
        said = [strays(leg, b, lifted) for _ in range(before)]
        assert said == [True] * min(before, 5) + [False] * (before - 5)
        assert not strays(leg, b, not lifted)
        assert [strays(leg, b, lifted) for _ in range(6)] == [True] * 5 + [False]

    def test_one_through_another_bin_does_not(self, leg: Leg) -> None:
        settle(leg, range(12), range(12, BINS))
        said = []
        for _ in range(6):
            said.append(strays(leg, 3, lifted=True))
            for other in (2, 4, 13):
                assert not strays(leg, other, lifted=other > 12)
        assert said == [True] * 5 + [False]

    def test_nor_does_one_of_a_leg_that_is_out_of_step(self, leg: Leg) -> None:
        settle(leg, range(12), range(12, BINS))
        said = []
        for _ in range(6):
            for leg.lifted in (True, False):
                leg.step(ZERO, [], None, False)
                enter(leg, 3)
                said.append(leg.known)
            touch(leg)
            touch(leg)
        assert said == [False] * 10 + [True] * 2

    def test_another_course_begins_without_any_of_it(self, leg: Leg) -> None:
        settle(leg, range(12), range(12, BINS))
        for _ in range(4):
            assert strays(leg, 3, lifted=True)
        leg.lifted = True
        enter(leg, 2)
        enter(leg, 3)
        assert not leg.known
        leg.forget()
        enter(leg, 3)
        assert leg.known and leg.bin == 23
        settle(leg, range(12), range(12, BINS))
        assert [strays(leg, 3, lifted=True) for _ in range(6)] == [True] * 5 + [False]

    def test_a_new_leg_may_change_its_foot(self, leg: Leg) -> None:
        for b in range(4):
            touch(leg)
            enter(leg, b)
            assert leg.known and leg.bin == b + BINS * (b % 2 == 0)


class TestAstray:
    """What becomes of a leg that is out of step, until its foot has changed twice.

    The foot stands in the first twelve bins, 120 ticks, and is in the air in the other eight.
    """

    @pytest.fixture
    def leg(self, leg: Leg) -> Leg:
        settle(leg, range(12), range(12, BINS))
        rest(leg, lifted=True)
        return leg

    def test_late_heel_strike(self, leg: Leg) -> None:
        """In the air up to the tick of a new stride in which the second bin begins, and on."""
        assert walk(leg, -10, 10).places == [39] * 10 + [20] * 10
        assert walk(leg, 10, 20).places == [None] * 10
        assert walk(leg, 20, 130, 20).places == [None] * 110, "it meets the ground"
        assert walk(leg, 130, 140, 130).places == [33] * 10, "it leaves the ground"
        assert walk(leg, 140, 200).places[-10:] == [39] * 10
        assert walk(leg, 200, 215, 205).places == [20] * 5 + [0] * 5 + [1] * 5

    def test_late_heel_strike_and_late_toe_off(self, leg: Leg) -> None:
        """The swing after such a stance is late, too."""
        walk(leg, 0, 160, 40)
        assert walk(leg, 160, 205, 160).places == [None] * 45
        assert walk(leg, 205, 220, 205).places == [0] * 5 + [1] * 10

    @pytest.mark.parametrize(("changes", "strides_off"), [((175,), 5), ((175, 176, 177), 4)])
    def test_a_heel_strike_that_stays_early_is_learned(
        self, leg: Leg, changes: tuple[int, ...], strides_off: int
    ) -> None:
        """In the middle of a bin in which the foot never stood, and so is first in the air; it may bounce."""
        walk(leg, 0, 120, 0)
        strides = [walk(leg, 120, 320, 120, *changes).places for _ in range(7)]
        assert [stride[54] for stride in strides] == [37] + [None] * 5 + [37]
        assert [stride[58] for stride in strides] == [None] * strides_off + [17] * (7 - strides_off)
        assert [stride[60] for stride in strides] == [None] * 5 + [18, 18]

    def test_foot_on_the_ground_in_swing(self, leg: Leg) -> None:
        walk(leg, 0, 120, 0)
        assert walk(leg, 120, 130).places == [12] * 10
        assert walk(leg, 130, 150).places == [None] * 20
        assert walk(leg, 150, 205, 150).places == [None] * 55, "it leaves the ground"
        assert walk(leg, 205, 220, 205).places == [0] * 5 + [1] * 10, "it meets the ground"

    def test_foot_that_leaves_the_ground_early(self, leg: Leg) -> None:
        walk(leg, 0, 55, 0)
        assert walk(leg, 55, 70, 55).places == [None] * 15
        assert walk(leg, 70, 95, 70).places == [None] * 25
        assert walk(leg, 95, 110, 95).places == [None] * 15, "and again"

    @pytest.mark.parametrize(
        ("loads", "believed"),
        [
            ((39.9, 0.0, 39.9), [0, 0, 0]),
            ((400.0, 400.0, 400.0), [0, 0, 0]),
            ((40.0, 20.0, 19.9), [0, 0, 1]),
        ],
    )
    def test_only_a_change_of_the_foot_counts(
        self, leg: Leg, loads: tuple[float, ...], believed: list[int]
    ) -> None:
        walk(leg, 0, 11)
        said = []
        for load in loads:
            leg.foot(load)
            enter(leg, 19)
            said.append(int(leg.known))
        assert said == believed

    def test_changes_before_it_are_none(self, leg: Leg) -> None:
        for _ in range(6):
            touch(leg)
        walk(leg, 0, 12)
        for known in (False, True, True, True):
            touch(leg)
            enter(leg, 12)
            assert leg.known is known

    def test_what_is_a_spasm_only_by_the_course_is_not_told(self, leg: Leg) -> None:
        away = [20.0, 0.0, 0.0]
        assert walk(leg, -10, -5).levels == [NONE] * 5
        assert walk(leg, -5, 0, away=away).levels == [NONE] + [REDUCE] * 4
        assert walk(leg, 0, 130, 40, away=away).levels == [NONE] * 130
        assert leg.bounds == FIRST
        # Nothing is judged for six ticks after the foot has left the ground, and one is not enough.
        assert walk(leg, 130, 140, 130, away=away).levels == [NONE] * 7 + [REDUCE] * 3

    @pytest.mark.parametrize(("joint", "most"), [(0, 180.0), (1, 144.0), (2, 144.0)])
    @pytest.mark.parametrize("changes", [(), (20,)])
    def test_what_is_one_of_anybodys_is(
        self, leg: Leg, joint: int, most: float, changes: tuple[int, ...]
    ) -> None:
        walk(leg, 0, 30, *changes)
        away = list(ZERO)
        away[joint] = -most
        assert walk(leg, 30, 60, away=away).levels == [NONE] * 30
        away[joint] = -most - 0.1
        assert walk(leg, 60, 63, away=away).levels == [NONE, STOP, STOP]

    def test_so_is_an_obstacle_before_the_foot(self, leg: Leg) -> None:
        walk(leg, 0, 30)
        leg.step([-50.0, 50.0, 0.0], [], 0.15, False)
        assert leg.trips == 1 and not leg.known

    def test_nothing_is_learned(self, limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch) -> None:
        course = Course()
        monkeypatch.setattr(detect_spasm, "ExpectedTorque", lambda: course)
        leg = Leg(limits, PERIOD)
        settle(leg, range(12), range(12, BINS))
        rest(leg, lifted=True)
        walk(leg, 0, 11)
        told, back = len(course.told), course.taken_back
        walk(leg, 11, 130, 20, away=[14.0, 11.0, 11.0])
        walk(leg, 130, 330, away=[500.0, 500.0, 500.0])
        assert (len(course.told), course.pauses, course.taken_back) == (told, 319, back)
        walk(leg, 330, 400, 330, away=[500.0, 500.0, 500.0])
        assert (len(course.told), course.pauses, course.taken_back) == (told, 389, back)
        walk(leg, 400, 401, 400)
        assert (len(course.told), course.pauses) == (told + 1, 389)
        for b in range(12):
            leg.step(ZERO, [], None, False)
            leg.lifted = False
            assert enter(leg, b) == LEAST, b
        leg.lifted = True
        assert [enter(leg, b) for b in range(12, BINS)] == [LEAST] * 8

    @pytest.mark.parametrize(("b", "lifted"), [(3, True), (16, False)])
    def test_nor_of_strides_in_a_row_before_they_are_this_walkers_way(
        self, leg: Leg, b: int, lifted: bool
    ) -> None:
        bin_ = b + BINS * lifted
        for _ in range(5):
            assert strays(leg, b, lifted, away=[100.0, 100.0, 100.0])
        spreads = [spreads[bin_] for spreads in leg._spreads]
        assert [(one.passes, one.count, one.total) for one in spreads] == [(0, 0, 0.0)] * 3
        assert not strays(leg, b, lifted, away=ZERO)
        assert leg.bin == bin_ and leg.known and leg.bounds == FIRST
        assert [(one.passes, one.count, one.mean) for one in spreads] == [(0, 2, 0.0)] * 3
        for _ in range(4):
            leg.step(ZERO, [], None, False)
            assert not strays(leg, b, lifted, away=ZERO)
            assert leg.bounds == FIRST
        leg.step(ZERO, [], None, False)
        assert not strays(leg, b, lifted) and leg.bounds == LEAST

    @pytest.mark.parametrize("away", [0.0, 100.0, 500.0])
    @pytest.mark.parametrize(("b", "lifted"), [(1, True), (13, False)])
    def test_the_tick_in_which_it_is_found_is_taken_back_once(
        self, limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch, b: int, lifted: bool, away: float
    ) -> None:
        course = Course()
        monkeypatch.setattr(detect_spasm, "ExpectedTorque", lambda: course)
        leg = Leg(limits, PERIOD)
        settle(leg, range(12), range(12, BINS))
        rest(leg, lifted)
        told = len(course.told)
        assert course.taken_back == 0
        enter(leg, b)
        assert (len(course.told), course.taken_back, course.pauses) == (told + 1, 1, 0)
        assert not leg.known and leg.bin == b + BINS * lifted and leg.bounds == FIRST
        judged(leg, [away] * 3)
        assert course.taken_back == 1
        for k in range(3):
            enter(leg, b)
            judged(leg, [away] * 3)
            assert (len(course.told), course.taken_back, course.pauses) == (told + 1, 1, k + 1)

    def test_an_ordinary_bin_takes_nothing_back(
        self, limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        course = Course()
        monkeypatch.setattr(detect_spasm, "ExpectedTorque", lambda: course)
        leg = Leg(limits, PERIOD)
        settle(leg, range(12), range(12, BINS), 12)
        assert course.taken_back == 0 and leg.known

    def test_the_tick_in_which_it_is_found_is_judged_by_the_first_bounds(self, leg: Leg) -> None:
        assert walk(leg, 0, 10).levels == [NONE] * 10
        assert walk(leg, 10, 12, away=[180.1, 0.0, 0.0]).levels == [NONE, STOP]
        assert leg.bounds == FIRST

    def test_torque_is_against_an_average_of_its_own_after_it(self, leg: Leg) -> None:
        for k in range(30):
            leg.step([30.0, 30.0, 30.0], [], k / STRIDE, False)
        touch(leg)
        touch(leg)
        leg.step([50.0, 60.0, 70.0], [], 0.7, False)
        assert leg.known and leg.away == ZERO

    def test_the_other_leg_goes_on(self, leg: Leg, limits: SafetyLimits) -> None:
        other = Leg(limits, PERIOD)
        settle(other, range(12), range(12, BINS))
        rest(other, lifted=False)
        walk(leg, 0, 30)
        assert walk(other, 100, 103, away=[20.0, 0.0, 0.0]).levels == [NONE, REDUCE, REDUCE]
        assert not leg.known and other.known
        touch(other)
        touch(other)
        walk(leg, 30, 31)
        assert not leg.known
