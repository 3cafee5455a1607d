"""One leg's torque beyond its course, and the bounds that are learned for it in each bin of the stride."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from safety_world import PERIOD
from spasm_leg import FIRST, LEAST, ZERO, Course, enter, judged, learn

from exostride.safety import detect_spasm
from exostride.safety.detect_spasm import BINS, Leg, Spread
from exostride.safety.limits import SafetyLimits
from exostride.types import Action

NONE, REDUCE, STOP = Action.NONE, Action.REDUCE, Action.SOFT_STOP
GAIN = PERIOD / (0.25 + PERIOD)


class TestSpread:
    def test_a_new_one_is_empty(self) -> None:
        spread = Spread()
        assert (spread.count, spread.total, spread.square) == (0, 0.0, 0.0)
        assert (spread.passes, spread.mean, spread.variance) == (0, 0.0, 0.0)

    def test_a_pass_counts_once_by_its_mean(self) -> None:
        spread = Spread()
        for value in (1.0, 3.0, 8.0):
            spread.gather(value)
        assert (spread.count, spread.total, spread.square) == (3, 12.0, 74.0)
        spread.close()
        assert (spread.count, spread.total, spread.square) == (0, 0.0, 0.0)
        # The signal moves within the bin by its variance there: 74 / 3 - 16.
        assert (spread.passes, spread.mean) == (1, 4.0)
        assert spread.variance == pytest.approx(74.0 / 3.0 - 16.0, rel=1e-12)

    def test_mean_and_variance_are_of_all_passes_and_then_of_about_eight(self) -> None:
        spread = Spread()
        mean = variance = 0.0
        for n, value in enumerate((10.0, 14.0, 2.0, 30.0, 8.0, 8.0, 20.0, 12.0, 50.0, 3.0, 9.0)):
            spread.gather(value)
            spread.close()
            share = 1.0 / min(n + 1, 8)
            off = value - mean
            mean += share * off
            variance += share * (off * off * (1.0 - share) - variance)
            assert spread.mean == pytest.approx(mean, rel=1e-12)
            assert spread.variance == pytest.approx(variance, rel=1e-12)

    def test_the_larger_of_the_two_variances_counts(self) -> None:
        """Passes at 0 and 10 differ by a variance of 25; of 0 and 16 within a pass it is 64."""
        still, moving = Spread(), Spread()
        for values in ((0.0,), (10.0,)):
            for value in values:
                still.gather(value)
            still.close()
        assert still.variance == 25.0
        for values in ((0.0, 16.0), (2.0, 18.0)):
            for value in values:
                moving.gather(value)
            moving.close()
        assert moving.variance == 64.0

    def test_few_passes_are_doubted(self) -> None:
        spread = Spread()
        for value in (0.0, 10.0, 0.0, 10.0):
            spread.gather(value)
            spread.close()
        assert spread.passes == 4
        width = 2.0 * sqrt(spread.variance * 3.0)
        assert spread.bounds(0.0, 2.0) == pytest.approx((spread.mean - width, spread.mean + width), rel=1e-12)
        assert spread.bounds(100.0, 2.0) == (spread.mean - 100.0, spread.mean + 100.0)


def test_of_a_new_leg_nothing_is_known(leg: Leg) -> None:
    assert leg.away == ZERO and leg.bounds == FIRST
    assert (leg.lifted, leg.known, leg.provoked, leg.lost, leg.trips) == (False, False, False, False, 0)


class TestAway:
    def test_a_change_is_against_a_slow_average(self, leg: Leg) -> None:
        leg.step([1.0, 2.0, 3.0], [], None, False)
        assert leg.away == ZERO
        slow = np.array([1.0, 2.0, 3.0])
        for now in ([11.0, 2.0, -7.0], [11.0, -4.0, -7.0], [0.0, 0.0, 0.0]):
            leg.step(now, [], None, False)
            assert leg.away == pytest.approx(list(now - slow), rel=1e-12)
            slow += GAIN * (now - slow)

    def test_it_begins_anew_after_a_gap(self, leg: Leg) -> None:
        leg.step([1.0, 2.0, 3.0], [], None, False)
        leg.start()
        leg.step([11.0, 12.0, 13.0], [], None, False)
        assert leg.away == ZERO

    def test_what_is_unexpected_has_an_average_of_its_own(self, leg: Leg, course: type[Course]) -> None:
        course.known = False
        for _ in range(5):
            leg.step([10.0, 20.0, 30.0], [], 0.5, False)
            assert not leg.known
        course.known = True
        leg.step([20.0, 40.0, 60.0], [], 0.5, False)
        assert leg.known and leg.away == ZERO
        leg.step([21.0, 42.0, 63.0], [], 0.5, False)
        assert leg.away == [1.0, 2.0, 3.0]
        leg.step([21.0, 42.0, 63.0], [], 0.5, False)
        assert leg.away == pytest.approx([1.0 - GAIN, 2.0 - 2.0 * GAIN, 3.0 - 3.0 * GAIN], rel=1e-12)

    @pytest.mark.parametrize("how", ["unknown", "rest", "gap", "forget"])
    def test_which_begins_anew_when_nothing_was_expected(
        self, leg: Leg, course: type[Course], how: str
    ) -> None:
        leg.step([20.0, 40.0, 60.0], [], 0.5, False)
        if how == "unknown":
            course.known = False
            leg.step(ZERO, [], 0.5, False)
            course.known = True
        elif how == "rest":
            leg.step(ZERO, [], None, False)
            assert not leg.known
        elif how == "gap":
            leg.start()
        else:
            leg.forget()
        leg.step([21.0, 42.0, 63.0], [], 0.5, False)
        assert leg.away == ZERO

    def test_the_course_is_told_all_it_asks_for(self, limits: SafetyLimits, monkeypatch: Any) -> None:
        one = Course()
        monkeypatch.setattr(detect_spasm, "ExpectedTorque", lambda: one)
        leg = Leg(limits, PERIOD)
        leg.foot(0.0)
        leg.step([1.0, 2.0, 3.0], [4.0, 5.0], 0.25, False)
        assert one.told == [([1.0, 2.0, 3.0], [4.0, 5.0], 0.25, True)]
        assert one.pauses == 0
        leg.step(ZERO, [], None, False)
        assert len(one.told) == 1 and one.pauses == 1

    def test_what_goes_on_beyond_the_bounds_is_not_to_be_expected(
        self, limits: SafetyLimits, monkeypatch: Any
    ) -> None:
        one = Course()
        monkeypatch.setattr(detect_spasm, "ExpectedTorque", lambda: one)
        leg = Leg(limits, PERIOD)
        for phase, away, back in ((None, 200.0, 0), (0.5, 200.0, 1), (0.5, 0.0, 1), (0.5, 200.0, 2)):
            leg.step(ZERO, [], phase, False)
            judged(leg, [0.0, away, 0.0])
            assert one.taken_back == back


class TestTrips:
    @pytest.mark.parametrize(
        ("hip", "knee", "lifted", "ticks"),
        [
            (-40.1, 40.1, True, 3), (-40.1, 40.1, False, 0), (-40.0, 41.0, True, 0), (-41.0, 40.0, True, 0),
            (41.0, 41.0, True, 0), (-41.0, -41.0, True, 0), (41.0, -41.0, True, 0),
        ],
    )  # fmt: skip
    def test_a_lifted_foot_that_is_held_back_extends_the_hip_and_flexes_the_knee(
        self, leg: Leg, hip: float, knee: float, lifted: bool, ticks: int
    ) -> None:
        assert leg.trips == 0
        leg.lifted = lifted
        leg.step(ZERO, [], None, False)
        slow = np.zeros(3)
        for _ in range(3):
            # As far away from its average as asked for, whatever that has become.
            now = np.array([hip, knee, 0.0]) + slow
            leg.step(now.tolist(), [], None, False)
            slow += GAIN * (now - slow)
        assert leg.trips == ticks
        leg.step(slow.tolist(), [], None, False)
        assert leg.trips == 0

    def test_it_is_judged_before_anything_is_expected(self, leg: Leg) -> None:
        leg.lifted = True
        leg.step(ZERO, [], 0.5, False)
        leg.step([-50.0, 50.0, 0.0], [], 0.5, False)
        leg.start()
        leg.step([-50.0, 50.0, 0.0], [], 0.5, False)
        assert leg.trips == 0, "of a new average nothing is away"


class TestBins:
    @pytest.mark.parametrize(
        ("phase", "lifted", "told"),
        [
            (0.0, False, 0), (0.049, False, 0), (0.05, False, 1), (0.999, False, 19), (1.0, False, 0),
            (0.0, True, 20), (0.999, True, 39),
        ],
    )  # fmt: skip
    def test_a_stride_has_twenty_for_the_standing_foot_and_twenty_for_the_lifted(
        self, leg: Leg, phase: float, lifted: bool, told: int
    ) -> None:
        assert leg.bin == -1
        leg.lifted = lifted
        leg.step(ZERO, [], phase, False)
        assert leg.bin == told

    def test_quiet_standing_is_one_and_the_unknown_is_none(self, leg: Leg, course: type[Course]) -> None:
        leg.step(ZERO, [], None, True)
        assert leg.bin == 40
        leg.step(ZERO, [], None, False)
        assert leg.bin == -1
        leg.step(ZERO, [], 0.5, True)
        assert leg.bin == 10
        course.known = False
        leg.step(ZERO, [], 0.5, True)
        assert leg.bin == -1

    def test_a_walker_not_known_has_wide_bounds(self, leg: Leg) -> None:
        assert leg.bounds == FIRST
        leg.step(ZERO, [], 0.5, False)
        assert leg.bounds == FIRST
        assert judged(leg, [180.0, -144.0, 144.0], 9)[-1] == (NONE,) * 3
        assert judged(leg, [-180.1, 144.1, -144.1], 2) == [(NONE,) * 3, (STOP,) * 3]

    def test_after_five_passes_a_bin_has_its_own(self, leg: Leg) -> None:
        learn(leg, [0.0] * 4)
        # The fifth is learned as the sixth begins; a neighbour that has been passed oftener waits for it.
        assert [enter(leg, b) for b in range(BINS)] == [FIRST] * BINS
        learn(leg, [0.0] * 1)
        assert [enter(leg, b) for b in range(BINS)] == [LEAST] * BINS
        leg.lifted = True
        assert [enter(leg, b) for b in range(BINS)] == [FIRST] * BINS

    @pytest.mark.parametrize("lifted", [False, True])
    @pytest.mark.parametrize("special", [0, 7, 19])
    def test_it_is_as_wide_as_the_two_beside_it(self, leg: Leg, special: int, lifted: bool) -> None:
        learn(leg, [0.0] * 6, {special: 10.0}, lifted)
        wide = {special, (special + 1) % BINS, (special - 1) % BINS}
        for b in range(BINS):
            low, high, stop = enter(leg, b)[0]
            assert stop == 2.0
            assert (low, high) == pytest.approx((-15.0, 25.0) if b in wide else (-15.0, 15.0)), b

    def test_the_lifted_foot_learns_for_itself(self, leg: Leg) -> None:
        for _ in range(6):
            # By turns: a foot lifted where it had always stood would be one out of step.
            learn(leg, [0.0], {5: 10.0, 19: 6.0})
            learn(leg, [0.0], {5: -20.0, 0: 3.0}, lifted=True)
        leg.lifted = True
        assert enter(leg, 5)[1] == pytest.approx((-32.0, 12.0, 2.0))
        assert enter(leg, 19)[1] == pytest.approx((-12.0, 15.0, 2.0))
        leg.lifted = False
        assert enter(leg, 5)[1] == pytest.approx((-12.0, 22.0, 2.0))
        assert enter(leg, 0)[1] == pytest.approx((-12.0, 18.0, 2.0))

    def test_a_neighbour_not_known_yet_widens_nothing(self, leg: Leg) -> None:
        for _ in range(6):
            for b in (4, 10):
                enter(leg, b)
                judged(leg, ZERO)
        assert enter(leg, 4) == LEAST
        assert enter(leg, 5) == FIRST

    def test_an_unsteady_walker_has_wider_ones_but_never_wider_than_the_first(self, leg: Leg) -> None:
        learn(leg, [10.0, -10.0] * 4)
        spread = Spread()
        for value in [10.0, -10.0] * 4:
            spread.gather(value)
            spread.close()
        want = spread.bounds(15.0, 5.0)
        assert want[1] - want[0] > 60.0
        for b in range(BINS):
            enter(leg, b)
        assert enter(leg, 3)[0] == pytest.approx((*want, 2.0), rel=1e-9)
        learn(leg, [140.0, -140.0] * 4)
        assert enter(leg, 3) == [(low, high, 2.0) for low, high, _ in FIRST]

    def test_each_joint_learns_for_itself(self, leg: Leg) -> None:
        for _ in range(6):
            for b in range(BINS):
                enter(leg, b)
                judged(leg, [1.0, 2.0, 3.0])
        assert enter(leg, 0) == [(-14.0, 16.0, 2.0), (-10.0, 14.0, 2.0), (-9.0, 15.0, 2.0)]

    def test_a_pass_is_learned_only_when_the_next_begins(self, leg: Leg) -> None:
        learn(leg, [0.0] * 6)
        enter(leg, 3)
        before = leg.bounds
        for _ in range(50):
            leg.step(ZERO, [], 3.5 / BINS, False)
            judged(leg, [14.0, 11.0, 11.0])
        assert leg.bounds == before
        enter(leg, 4)
        assert enter(leg, 3)[0][1] > 15.0

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_an_outburst_is_learned_no_further_than_the_bounds(self, leg: Leg, sign: float) -> None:
        learn(leg, [0.0] * 6)
        want = Spread()
        for value in [0.0] * 6 + [15.0 * sign]:
            want.gather(value)
            want.close()
        enter(leg, 8)
        judged(leg, [400.0 * sign, 0.0, 0.0])
        enter(leg, 2)
        assert enter(leg, 8)[0] == pytest.approx((*want.bounds(15.0, 5.0), 2.0), rel=1e-9)

    @pytest.mark.parametrize("before", [0, 7])
    def test_quiet_standing_is_learned_five_times_a_second(self, leg: Leg, before: int) -> None:
        """The first pass begins with standing itself, and each ends as the next begins."""
        bounds = []
        for _ in range(before):
            leg.step(ZERO, [], None, False)
        for _ in range(260):
            leg.step(ZERO, [], None, True)
            judged(leg, [0.0, 3.0, 0.0])
            bounds.append(leg.bounds)
        first = next(i for i, one in enumerate(bounds) if one != FIRST)
        assert first == 199 and bounds[199] == [LEAST[0], (-9.0, 15.0, 2.0), LEAST[2]]

    def test_standing_has_no_neighbours(self, leg: Leg) -> None:
        learn(leg, [100.0] * 6, lifted=True)
        learn(leg, [100.0] * 6)
        for _ in range(240):
            leg.step(ZERO, [], None, True)
            judged(leg, ZERO)
        assert leg.bounds == LEAST

    def test_standing_that_is_left_is_counted_anew(self, leg: Leg) -> None:
        for k in range(230):
            if k == 30:
                leg.step(ZERO, [], None, False)
            leg.step(ZERO, [], None, True)
            judged(leg, ZERO)
        # Passes of 30 ticks, then from there of 40: the fifth ends at 30 + 160 = 190.
        assert leg.bounds == LEAST

    def test_nothing_is_learned_of_the_unknown(self, leg: Leg) -> None:
        learn(leg, [0.0] * 6)
        enter(leg, 3)
        leg.step(ZERO, [], None, False)
        assert leg.bounds == FIRST
        judged(leg, [14.0, 11.0, 11.0], 50)
        assert enter(leg, 3) == LEAST

    def test_the_unknown_is_not_quiet_standing(self, leg: Leg) -> None:
        for _ in range(8):
            enter(leg, 3)
            leg.step(ZERO, [], None, False)
            judged(leg, [5.0, 5.0, 5.0], 3)
        leg.step(ZERO, [], None, True)
        assert leg.bounds == FIRST

    def test_who_stood_quietly_may_do_anything_else_as_before(self, leg: Leg) -> None:
        for _ in range(240):
            leg.step(ZERO, [], None, True)
            judged(leg, ZERO)
        assert leg.bounds == LEAST
        leg.step(ZERO, [], None, False)
        assert leg.bounds == FIRST

    def test_another_walker_is_learned_from_the_beginning(self, leg: Leg, course: type[Course]) -> None:
        learn(leg, [0.0] * 6)
        made = course.made
        leg.forget()
        assert course.made == made + 1
        assert leg.bin == -1 and leg.bounds == FIRST
        assert enter(leg, 3) == FIRST
        judged(leg, [100.0, 100.0, 100.0])
        learn(leg, [0.0] * 4)
        assert [enter(leg, b) for b in range(BINS)] == [FIRST] * 3 + [enter(leg, 3)] + [FIRST] * 16
