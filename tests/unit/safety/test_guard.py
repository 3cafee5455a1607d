"""What the kernel believes of the joint sensors, with numbers that floats are exact about.

A tick is 1/128 s. A sample may be 0.0625 rad for a spike and 1/128 rad for an acceleration of 128 rad/s^2
away from its prediction, and its speed may change by 3 rad/s. One missing sample is bridged.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter, pi, tau
from typing import Any

import numpy as np
import pytest
from safety_world import ALL, exo_state

from exostride.safety.guard import GOOD, HELD, LOST, SampleGuard
from exostride.safety.intake import exo_values
from exostride.safety.limits import SafetyLimits
from exostride.types import ExoState

PERIOD = 1.0 / 128.0
SPAN, KICK = 0.0625 + 1.0 / 128.0, 3.0
JOINTS = range(6)
EVERY = 0b111111


def make(limits: SafetyLimits, missing_ticks: int = 2) -> SampleGuard:
    timing = limits.timing.model_copy(update={"spike_rad": 0.0625})
    sensors = limits.detect.sensors.model_copy(update={"missing_ticks": missing_ticks})
    return SampleGuard(
        limits.model_copy(
            update={
                "joints": tuple(j.model_copy(update={"accel_rad_s2": 128.0}) for j in limits.joints),
                "timing": timing,
                "detect": limits.detect.model_copy(update={"sensors": sensors}),
            }
        ),
        PERIOD,
    )


@pytest.fixture
def guard(limits: SafetyLimits) -> SampleGuard:
    return make(limits)


class Feed:
    """Gives a guard one state a tick."""

    def __init__(self, guard: SampleGuard) -> None:
        self.guard = guard
        self.seq = -1

    def __call__(self, angle: Any = 0.0, speed: Any = 0.0, **changes: Any) -> SampleGuard:
        self.seq += 1
        state = exo_state(
            self.seq, angle_rad=np.zeros(6) + angle, velocity_rad_s=np.zeros(6) + speed, **changes
        )
        self.guard.step(self.seq, state)
        return self.guard


def only(joint: int, value: float) -> np.ndarray:
    return np.eye(6)[joint] * value


def masks(guard: SampleGuard) -> tuple[int, int, int, int]:
    return guard.missing, guard.spike, guard.wrap, guard.jump


def test_nothing_is_known_before_the_first_tick(guard: SampleGuard) -> None:
    assert (guard.angle, guard.speed, guard.quality) == ([0.0] * 6, [0.0] * 6, [LOST] * 6)
    assert (masks(guard), guard.problem, guard.values) == ((0, 0, 0, 0), "", [])


@pytest.mark.parametrize("angle", [0.0, 1.5])
def test_the_first_sample_is_taken_as_it_is(guard: SampleGuard, angle: float) -> None:
    feed = Feed(guard)
    for k in range(3):
        feed(angle + 0.5 * PERIOD * k, 0.5)
        assert guard.angle == [angle + 0.5 * PERIOD * k] * 6 and guard.speed == [0.5] * 6
        assert guard.quality == [GOOD] * 6 and masks(guard) == (0, 0, 0, 0)
        assert guard.problem == "" and guard.values[:6] == guard.angle


def test_what_was_told_stays_as_it_was(guard: SampleGuard) -> None:
    """Whoever has kept a list of an earlier tick does not see it change."""
    feed = Feed(guard)
    kept = []
    for k, valid in enumerate((EVERY, EVERY, 0b101010, EVERY, 0, 0, EVERY)):
        feed(0.01 * k, joint_valid=valid)
        lists = guard.angle, guard.speed, guard.quality
        kept.append((lists, tuple(values.copy() for values in lists)))
    assert all(lists == then for lists, then in kept)


class TestMissing:
    @pytest.mark.parametrize("lost", [1, 2])
    @pytest.mark.parametrize("joint", JOINTS)
    def test_one_joint_is_bridged_once_then_lost_then_taken_anew(
        self, guard: SampleGuard, joint: int, lost: int
    ) -> None:
        feed = Feed(guard)
        feed(0.25, 2.0)
        others = EVERY & ~(1 << joint)
        angles = []
        for quality in [HELD] + [LOST] * lost:
            feed(0.25 + 2.0 * PERIOD * feed.seq, 2.0, joint_valid=others)
            assert guard.quality[joint] == quality and guard.quality.count(GOOD) == 5
            assert masks(guard) == (1 << joint, 0, 0, 0)
            angles.append(guard.angle[joint])
        assert angles == [0.25 + 2.0 * PERIOD] * (1 + lost), "predicted once, then left"
        assert guard.speed == [2.0] * 6
        angle = np.full(6, 0.25 + 2.0 * PERIOD * feed.seq)
        angle[joint] = 1.5
        speed = np.full(6, 2.0)
        speed[joint] = -6.0
        feed(angle, speed)
        assert guard.quality == [GOOD] * 6 and masks(guard) == (0, 0, 0, 0)
        assert guard.angle == angle.tolist() and guard.speed == speed.tolist()

    @pytest.mark.parametrize("ticks", [1, 2, 3])
    def test_for_how_long_the_limits_say(self, limits: SafetyLimits, ticks: int) -> None:
        feed = Feed(make(limits, ticks))
        feed(0.0, 1.0)
        got = [feed(joint_valid=0).quality[0] for _ in range(4)]
        assert got == [HELD] * (ticks - 1) + [LOST] * (5 - ticks)
        assert feed.guard.angle[0] == (ticks - 1) * PERIOD

    def test_after_the_bridge_a_sample_is_judged_by_the_prediction(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        feed(0.0, 4.0)
        feed(joint_valid=0)
        end = 2 * 4.0 * PERIOD + SPAN
        feed(np.array([end, nextafter(end, 1.0), 0.0, 0.0, 0.0, 0.0]), 4.0)
        assert guard.spike & 3 == 2 and guard.quality[:2] == [GOOD, HELD]

    def test_a_sample_in_between_begins_the_count_anew(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        feed()
        for _ in range(4):
            assert feed(joint_valid=0).quality == [HELD] * 6
            assert feed().quality == [GOOD] * 6

    def test_a_joint_never_seen_is_lost(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        for _ in range(2):
            feed(0.2, 1.0, joint_valid=0b111110)
            assert guard.quality == [LOST] + [GOOD] * 5 and guard.missing == 1
            assert (guard.angle[0], guard.speed[0]) == (0.0, 0.0)

    @pytest.mark.parametrize("change", [{"available": ALL & ~1}, {"seq": 0}, {"seq": 2}, {"joint_valid": 0}])
    def test_no_angles_of_this_tick(self, guard: SampleGuard, change: dict) -> None:
        Feed(guard)(0.25, 1.0)
        guard.step(1, replace(exo_state(1, angle_rad=np.full(6, 9.0)), **change))
        assert guard.quality == [HELD] * 6 and masks(guard) == (EVERY, 0, 0, 0)
        assert guard.angle == [0.25 + PERIOD] * 6

    def test_angles_are_enough(self, guard: SampleGuard) -> None:
        for k in range(2):
            guard.step(k, exo_state(k, available=1, joint_valid=0b11111111))
            assert guard.quality == [GOOD] * 6


class TestSpike:
    SPEED = 0.125 / 128.0

    @pytest.mark.parametrize("alone", [True, False])
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("joint", JOINTS)
    def test_angle(self, limits: SafetyLimits, joint: int, sign: float, alone: bool) -> None:
        """From the prediction to exactly the span, whether or not another joint is missing in that tick."""
        for speed in (0.0, 4.0 * sign, -4.0 * sign, self.SPEED, -self.SPEED):
            for away, spike in ((SPAN, False), (SPAN + 2.0**-40, True), (0.125, True), (0.5, True)):
                feed = Feed(make(limits))
                feed(0.0, speed)
                feed(speed * PERIOD, speed)
                sample = speed * PERIOD * 2 + only(joint, sign * away)
                other = (joint + 1) % 6
                guard = feed(sample, speed, joint_valid=EVERY & ~(0 if alone else 1 << other))
                assert guard.spike == (1 << joint if spike else 0)
                assert guard.quality[joint] == (HELD if spike else GOOD)
                assert guard.angle[joint] == (2 * speed * PERIOD if spike else sample[joint])
                assert (guard.wrap, guard.jump) == (0, 0)

    @pytest.mark.parametrize("alone", [True, False])
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("joint", JOINTS)
    def test_speed(self, limits: SafetyLimits, joint: int, sign: float, alone: bool) -> None:
        for speed in (0.0, 2.0 * sign, -2.0 * sign):
            for kick, spike in ((KICK, False), (KICK + 2.0**-40, True), (9.0, True)):
                feed = Feed(make(limits))
                feed(0.0, speed)
                feed(speed * PERIOD, speed)
                other = (joint + 1) % 6
                guard = feed(
                    speed * PERIOD * 2, speed + only(joint, sign * kick),
                    joint_valid=EVERY & ~(0 if alone else 1 << other),
                )  # fmt: skip
                assert guard.spike == (1 << joint if spike else 0)
                assert guard.quality[joint] == (HELD if spike else GOOD)
                assert guard.speed[joint] == (speed if spike else speed + sign * kick)
                assert guard.angle[joint] == 2 * speed * PERIOD

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_all_joints_at_once(self, limits: SafetyLimits, sign: float) -> None:
        """A slow leg that leaps, and a leg that turns round from one tick to the next."""
        for speed, away, after in ((self.SPEED, 0.125, self.SPEED), (2.0, 0.0, -2.0)):
            feed = Feed(make(limits))
            for k in range(2):
                feed(sign * k * speed * PERIOD, sign * speed)
            guard = feed(sign * (2 * speed * PERIOD + away), sign * after)
            assert (masks(guard), guard.quality) == ((0, EVERY, 0, 0), [HELD] * 6)
            assert guard.angle == [sign * 2 * speed * PERIOD] * 6 and guard.speed == [sign * speed] * 6

    def test_what_persists_is_a_jump(self, guard: SampleGuard) -> None:
        """Two ticks are bridged, the third is the new truth but not to be used yet."""
        feed = Feed(guard)
        feed(0.0, 2.0)
        seen = []
        for _ in range(5):
            feed(only(3, 1.0) + 2.0 * PERIOD * (feed.seq + 1), 2.0)
            seen.append((guard.spike, guard.jump, guard.quality[3], guard.angle[3]))
        t = 2.0 * PERIOD
        assert seen == [
            (8, 0, HELD, t), (8, 0, HELD, 2 * t), (8, 8, LOST, 1.0 + 3 * t),
            (0, 0, GOOD, 1.0 + 4 * t), (0, 0, GOOD, 1.0 + 5 * t),
        ]  # fmt: skip
        assert guard.quality == [GOOD] * 6

    def test_a_speed_that_persists_is_a_jump_too(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        feed()
        seen = [(feed(0.0, only(2, 4.0)).jump, guard.quality[2], guard.speed[2]) for _ in range(4)]
        assert seen == [(0, HELD, 0.0), (0, HELD, 0.0), (4, LOST, 4.0), (0, GOOD, 4.0)]

    def test_spikes_now_and_then_are_no_jump(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        feed()
        for _ in range(3):
            for value in (1.0, 1.0, 0.0):
                feed(only(0, value))
                assert (guard.jump, guard.quality[0]) == (0, HELD if value else GOOD)

    def test_two_jumps_one_after_the_other(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        feed()
        jumps = [feed(value).jump for value in [1.0] * 4 + [0.0] * 4]
        assert jumps == [0, 0, EVERY, 0] * 2

    def test_a_refused_sample_is_no_sample(self, guard: SampleGuard) -> None:
        """Missing, refused, missing: the second one missing is not bridged any more."""
        feed = Feed(guard)
        feed()
        got = [feed(joint_valid=0).quality[0], feed(1.0).quality[0], feed(joint_valid=0).quality[0]]
        assert got == [HELD, HELD, LOST]


class TestWrap:
    @pytest.mark.parametrize("turns", [1, -1, 2, -3])
    @pytest.mark.parametrize("joint", JOINTS)
    def test_whole_turns_are_undone_and_told_once(self, guard: SampleGuard, joint: int, turns: int) -> None:
        """There, further on, and back; speeds and the other joints are as they were."""
        feed = Feed(guard)
        feed(0.25, 2.0)
        told = []
        for n in (0, turns, turns, 2 * turns, 0, 0):
            true = 0.25 + 2.0 * PERIOD * (feed.seq + 1)
            feed(true + only(joint, n * tau), 2.0)
            told.append(guard.wrap)
            assert guard.angle == pytest.approx([true] * 6, abs=1e-12)
            assert guard.quality == [GOOD] * 6 and guard.speed == [2.0] * 6
            assert (guard.missing, guard.spike, guard.jump) == (0, 0, 0)
        bit = 1 << joint
        assert told == [0, bit, 0, bit, bit, 0]

    def test_a_turn_whose_speed_leaps_is_believed_once_the_speed_is(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        feed()
        feed(only(1, tau), only(1, 500.0))
        assert (guard.wrap, guard.spike, guard.quality[1], guard.speed[1]) == (0, 2, HELD, 0.0)
        feed(only(1, tau))
        assert (guard.wrap, guard.spike, guard.quality[1]) == (2, 0, GOOD)
        assert guard.angle[1] == pytest.approx(0.0, abs=1e-12)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("turn", [tau, -tau])
    def test_only_what_fits_then(self, limits: SafetyLimits, turn: float, sign: float) -> None:
        for off, wrap in ((SPAN, True), (SPAN + 2.0**-40, False), (1.0, False)):
            feed = Feed(make(limits))
            feed()
            guard = feed(only(1, turn + sign * off))
            assert (guard.wrap, guard.spike) == ((2, 0) if wrap else (0, 2))
            assert guard.angle[1] == pytest.approx(sign * off if wrap else 0.0)

    @pytest.mark.parametrize("away", [pi, -pi, 0.5, -0.5, 1.5 * tau])
    def test_half_a_turn_or_less_is_a_spike(self, guard: SampleGuard, away: float) -> None:
        feed = Feed(guard)
        feed()
        assert (feed(away).wrap, guard.spike, guard.angle) == (0, EVERY, [0.0] * 6)

    def test_a_joint_lost_in_between_keeps_its_turns(self, guard: SampleGuard) -> None:
        feed = Feed(guard)
        feed()
        assert feed(tau).wrap == EVERY
        for _ in range(3):
            feed(joint_valid=0)
        assert feed(tau + 0.5).angle == pytest.approx([0.5] * 6)
        assert guard.quality == [GOOD] * 6 and guard.wrap == 0


class TestProblem:
    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"angle_rad": np.zeros(5)}, "shape"),
            ({"angle_rad": None}, "shape"),
            ({"foot_load_n": "load"}, "shape"),
            ({"battery_fraction": None}, "shape"),
            ({"battery_fraction": 10**400}, "shape"),
            ({"velocity_rad_s": np.array([0.0, 0.0, inf, 0.0, 0.0, 0.0])}, "velocity_rad_s[2]"),
        ],
    )
    def test_a_state_that_cannot_be_used_loses_every_joint_for_its_tick(
        self, guard: SampleGuard, change: dict, problem: str
    ) -> None:
        feed = Feed(guard)
        feed(0.25, 2.0)
        feed(0.25 + 2.0 * PERIOD, 2.0, joint_valid=0b011111)
        angle = guard.angle
        assert guard.missing
        bad = replace(exo_state(2), **change)
        guard.step(2, bad)
        assert (guard.problem, guard.quality, masks(guard)) == (problem, [LOST] * 6, (0, 0, 0, 0))
        assert guard.angle == angle and guard.speed == [2.0] * 6
        assert guard.values == ([] if problem == "shape" else exo_values(bad)[1])
        guard.step(3, exo_state(3, angle_rad=np.array(angle), velocity_rad_s=np.full(6, 2.0)))
        assert (guard.problem, guard.quality, guard.angle) == ("", [GOOD] * 6, angle)

    @pytest.mark.parametrize("state", [None, "state", 3.0, object()])
    def test_something_else(self, guard: SampleGuard, state: ExoState) -> None:
        guard.step(0, state)
        assert (guard.problem, guard.values, guard.quality) == ("shape", [], [LOST] * 6)
