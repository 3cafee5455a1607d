"""What is said of one leg's torque that leaves its bounds, tick by tick."""

from __future__ import annotations

import pytest
from safety_world import PERIOD
from spasm_leg import ZERO, body, judged

from exostride.safety.detect_spasm import Leg
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

    @pytest.mark.parametrize(("seconds", "ticks"), [(0.06, 12), (0.02, 4), (0.015, 3), (0.005, 3)])
    def test_what_lasts_is_a_stop(self, limits: SafetyLimits, seconds: float, ticks: int) -> None:
        """It lasts for a tick longer than what is told at all, whatever the limits say."""
        leg = Leg(body(limits, spasm_lasts_s=seconds), PERIOD)
        leg.bounds = [(-10.0, 30.0, 2.0)] * 3
        said = [one[2] for one in judged(leg, [0.0, 0.0, 31.0], ticks + 1)]
        assert said == [NONE] + [REDUCE] * (ticks - 2) + [STOP] * 2

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
    """Who has lost their rhythm is stopped only for what goes two and a half times as far."""

    @pytest.fixture
    def leg(self, leg: Leg) -> Leg:
        leg.bounds = [(-10.0, 30.0, 2.0)] * 3
        return leg

    @pytest.mark.parametrize(
        ("value", "told"), [(60.0, REDUCE), (60.1, STOP), (-40.0, REDUCE), (-40.1, STOP)]
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
        leg.bounds = [(-10.0, 30.0, 4.0)] * 3
        assert judged(leg, [90.0, 0.0, 0.0], 9, lost=True)[-1][0] == REDUCE
        leg.start()
        assert judged(leg, [90.1, 0.0, 0.0], 2, lost=True)[-1][0] == STOP

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
