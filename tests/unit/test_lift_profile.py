"""The learned lift of a foot over its swing."""

import pytest

from exostride.control.lift_profile import PARTS, LiftProfile

COUNT, FIRST, LAST, GOAL_M = 80, 20, 56, 0.015


def swings(profile, low_m, begin, end, times=20):
    """Let a foot swing that is as low as told in the ticks from ``begin`` to ``end``, and high elsewhere."""
    for _ in range(times):
        profile.learn([low_m if begin <= k < end else 0.04 for k in range(COUNT)], FIRST, LAST, GOAL_M)


@pytest.fixture
def profile():
    return LiftProfile(gain_per_m=20.0, forgetting=0.95, slack_m=0.003)


def test_only_the_part_that_lacks_clearance_is_lifted_and_the_way_up_to_it(profile):
    swings(profile, 0.005, 40, 50)
    assert profile.level[4] == 1.0
    assert profile.level[3] > 0.3, "a foot must be on its way up before it would be low"
    assert profile.level[:3].max() == 0.0
    assert profile.level[5:].max() == 0.0
    assert profile.at(45 / COUNT) > 0.9 > profile.at(0.9) == 0.0


def test_foot_that_lands_asks_for_nothing(profile):
    swings(profile, 0.0, LAST, COUNT)
    swings(profile, 0.0, 0, FIRST)
    assert profile.highest == 0.0


def test_lift_goes_when_it_is_not_needed_even_where_nothing_is_measured(profile):
    swings(profile, 0.0, FIRST, LAST)
    assert profile.highest == 1.0
    swings(profile, 0.04, 0, COUNT, times=40)
    assert profile.highest == 0.0


def test_what_is_just_high_enough_is_kept_for_long_and_forgotten_in_the_end(profile):
    swings(profile, 0.0, FIRST, LAST)
    swings(profile, GOAL_M + 0.001, 0, COUNT, times=5)
    assert 0.7 < profile.highest < 0.8
    swings(profile, GOAL_M + 0.001, 0, COUNT, times=60)
    assert profile.highest < 0.05


def test_levels_stay_between_none_and_all_and_a_short_swing_harms_nothing(profile):
    swings(profile, -1.0, 0, COUNT)
    assert profile.level.max() == 1.0
    profile.learn([0.0, 0.0, 0.0], 1, 2, GOAL_M)
    profile.learn([], 0, 0, GOAL_M)
    assert profile.level.shape == (PARTS,)
    assert profile.level.min() >= 0.0
