"""The kernel's word on belt and harness by itself, with numbers that floats are exact about.

A tick is 1/128 s. In it a belt that is told to stop loses at least 0.6 of 0.75 m/s^2, and the unloading
changes by half a percent.
"""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, nan, nextafter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from exostride.safety.belt import EnvironmentKernel
from exostride.safety.limits import SafetyLimits
from exostride.types import (
    EnvironmentCommand,
    EnvironmentState,
    HarnessAction,
    Mode,
    Reason,
    SafetyPermit,
    SupportKind,
)

PERIOD = 1.0 / 128.0
STALE, LIMIT, FALLBACK = Reason.ENVIRONMENT_STALE, Reason.ENVIRONMENT_LIMIT, Reason.FALLBACK
UNLOAD, HOLD, LIFT = HarnessAction.UNLOAD, HarnessAction.HOLD, HarnessAction.LIFT
MOVING = (Mode.TRAIN, Mode.STAND, Mode.HOMING)
CALM = EnvironmentCommand(0, 0.0, belt_speed_m_s=1.0, belt_acceleration_m_s2=0.25, unloading_percent=32.0)


def permit(belt_limit_m_s: float = 2.0, harness_action: int = UNLOAD) -> SafetyPermit:
    return SafetyPermit(0, 0.0, int(Mode.TRAIN), 1.0, 9, belt_limit_m_s, harness_action)


def seen(speed: float = 0.0, percent: float = 32.0) -> EnvironmentState:
    return EnvironmentState(0, 0.0, belt_speed_m_s=speed, unloading_percent=percent)


class Belt(EnvironmentKernel):
    """The same, told only what a test is about."""

    def word(self, state: EnvironmentState | None = None, mode: Mode = Mode.TRAIN, age: int = 0,
             seq: int = 0, **given: Any) -> EnvironmentCommand:  # fmt: skip
        return self.step(seq, state, int(mode), given.get("permit", permit()), age)

    def told(self, **order: Any) -> Belt:
        assert self.take(replace(CALM, **order)) is True
        return self


@pytest.fixture
def belt(limits: SafetyLimits) -> Belt:
    own = limits.belt.model_copy(
        update={
            "speed_m_s": 2.0, "acceleration_m_s2": 0.5, "stop_m_s2": 0.75, "over_m_s": 0.125,
            "reverse_m_s": 0.0625, "over_ticks": 4, "unloading_percent": 64.0,
            "unloading_rate_percent_s": 64.0, "max_age_ticks": 2,
        }
    )  # fmt: skip
    return Belt(limits.model_copy(update={"belt": own}), PERIOD)


def ramp_and_speed(word: EnvironmentCommand) -> tuple[float, float]:
    return word.belt_acceleration_m_s2, word.belt_speed_m_s


class TestNothing:
    def test_nothing_has_happened_yet(self, belt: Belt) -> None:
        assert (belt.stopped, belt.bits) == (False, 0)

    def test_nothing_known_is_a_belt_at_rest_and_a_harness_that_holds(self, belt: Belt) -> None:
        word = belt.word(mode=Mode.DAMP, seq=192, permit=None)
        assert word == EnvironmentCommand(
            192, 1.5, 0.0, 0.75, 0.0, SupportKind.CONSTANT_FORCE, HOLD, belt_stop=False
        )
        assert word.belt_stop is False and belt.bits == STALE

    def test_every_field_of_an_order_in_force(self, belt: Belt) -> None:
        belt.told(support_kind=SupportKind.SPRING)
        word = belt.word(seen(), seq=64)
        assert word == EnvironmentCommand(64, 0.5, 1.0, 0.25, 32.0, SupportKind.SPRING, UNLOAD)
        assert belt.bits == 0

    def test_an_order_that_cannot_be_used_leaves_the_last(self, belt: Belt) -> None:
        belt.told()
        assert belt.take(replace(CALM, belt_speed_m_s=nan)) is False
        assert belt.word(seen()).belt_speed_m_s == 1.0


BOUNDS = {
    "belt_speed_m_s": 1e3, "belt_target_m_s": 1e3, "belt_acceleration_m_s2": 1e6, "unloading_n": 1e6,
    "unloading_percent": 1e4, "guidance_torque_nm": 1e6,
}  # fmt: skip


class TestReadable:
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("name", list(BOUNDS))
    def test_numbers_within_sense(self, name: str, sign: float) -> None:
        edge = BOUNDS[name]
        assert EnvironmentKernel.readable(replace(seen(), **{name: sign * edge})) is True
        assert EnvironmentKernel.readable(replace(seen(), **{name: sign * nextafter(edge, inf)})) is False
        for bad in (nan, sign * inf, "1", None, np.zeros(2)):
            assert EnvironmentKernel.readable(replace(seen(), **{name: bad})) is False

    def test_force_is_a_vector_of_two(self) -> None:
        for force, good in ((np.ones(2), True), (np.ones(3), False), (np.full(2, nan), False), (None, False)):
            assert EnvironmentKernel.readable(replace(seen(), guidance_force_n=force)) is good

    def test_something_else_with_the_same_fields_is_none(self) -> None:
        state = seen()
        same = SimpleNamespace(**{item.name: getattr(state, item.name) for item in fields(state)})
        assert EnvironmentKernel.readable(same) is False  # type: ignore[arg-type]


class TestOrder:
    def test_age(self, belt: Belt) -> None:
        """An order may be two ticks old; then the belt stops and the unloading stays."""
        belt.told(harness_action=LIFT, unloading_percent=40.0)
        word = belt.word(seen(), age=2)
        assert (word.belt_speed_m_s, word.harness_action, belt.bits) == (1.0, LIFT, 0)
        word = belt.word(seen(), age=3)
        assert (*ramp_and_speed(word), word.harness_action, belt.bits) == (0.75, 0.0, HOLD, STALE)
        assert word.unloading_percent == 32.5

    @pytest.mark.parametrize("mode", list(Mode))
    def test_the_belt_runs_in_training_only(self, belt: Belt, mode: Mode) -> None:
        word = belt.told().word(mode=mode)
        assert ramp_and_speed(word) == ((0.25, 1.0) if mode == Mode.TRAIN else (0.75, 0.0))

    def test_the_belt_rests_without_a_permit(self, belt: Belt) -> None:
        assert ramp_and_speed(belt.told().word(permit=None)) == (0.75, 0.0)

    @pytest.mark.parametrize("demand", [UNLOAD, HOLD, LIFT, None])
    @pytest.mark.parametrize("wish", [UNLOAD, HOLD, LIFT, None])
    @pytest.mark.parametrize("mode", list(Mode))
    def test_harness(self, belt: Belt, mode: Mode, wish: int | None, demand: int | None) -> None:
        """The supervisor's word or more; the law's only where the patient is meant to be carried by it."""
        if wish is not None:
            belt.told(harness_action=wish)
        given = None if demand is None else permit(harness_action=demand)
        lead = HOLD if demand is None else demand
        listens = demand is not None and mode in MOVING and wish is not None
        assert belt.word(mode=mode, permit=given).harness_action == max(lead, wish if listens else HOLD)

    @pytest.mark.parametrize(
        ("speed", "most", "wanted", "limited"),
        [
            (1.0, 2.0, 1.0, False),
            (2.0, 2.0, 2.0, False),
            (2.5, 3.0, 2.0, True),
            (1.0, 1.0, 1.0, False),
            (1.25, 1.0, 1.0, True),
            (0.0, 1.0, 0.0, False),
            (-0.5, 1.0, 0.0, True),
            (0.5, 0.0, 0.0, True),
        ],
    )
    def test_speed(self, belt: Belt, speed: float, most: float, wanted: float, limited: bool) -> None:
        word = belt.told(belt_speed_m_s=speed).word(permit=permit(most))
        assert ramp_and_speed(word) == (0.25, wanted)
        assert belt.bits == (LIMIT if limited else 0)

    def test_a_ramp_has_a_least_only_where_the_belt_is_to_slow_down(self, belt: Belt) -> None:
        belt.told(belt_acceleration_m_s2=0.0)
        for _ in range(2):
            assert ramp_and_speed(belt.word()) == (0.0, 1.0) and belt.bits == 0
        belt.told(belt_acceleration_m_s2=0.0, belt_speed_m_s=nextafter(1.0, 0.0))
        assert belt.word().belt_acceleration_m_s2 == pytest.approx(0.02) and belt.bits == LIMIT

    @pytest.mark.parametrize(
        ("ramp", "wanted", "bits"),
        [(0.01, 0.02, LIMIT), (0.02, 0.02, 0), (0.5, 0.5, 0), (nextafter(0.5, 1.0), 0.5, LIMIT)],
    )
    def test_ramp(self, belt: Belt, ramp: float, wanted: float, bits: int) -> None:
        belt.told().word()
        word = belt.told(belt_speed_m_s=0.5, belt_acceleration_m_s2=ramp).word()
        assert ramp_and_speed(word) == (pytest.approx(wanted), 0.5)
        assert belt.bits == bits

    @pytest.mark.parametrize(
        ("speed", "most", "ramp"),
        [
            (1.0, nextafter(1.0, 0.0), 0.75),
            (1.0, 1.0, 0.25),
            (1.5, 1.0, 0.25),
            (nextafter(0.5, 1.0), 0.5, 0.75),
            (0.5, 0.5, 0.25),
        ],
    )
    def test_a_permit_below_the_speed_slows_as_in_a_stop(
        self, belt: Belt, speed: float, most: float, ramp: float
    ) -> None:
        belt.told().word()
        assert ramp_and_speed(belt.told(belt_speed_m_s=speed).word(permit=permit(most))) == (ramp, most)

    def test_every_reason_is_told(self, belt: Belt) -> None:
        belt.word(seen(9.0))
        assert belt.bits == LIMIT | STALE
        belt.told(belt_speed_m_s=9.0).word(age=9)
        assert belt.bits == STALE, "an order too old is limited by nothing"
        for _ in range(3):
            belt.word(seen(9.0), mode=Mode.DAMP, age=9, permit=None)
        assert belt.bits == LIMIT | FALLBACK | STALE
        belt.told(unloading_percent=99.0).word(seen(9.0))
        assert belt.bits == LIMIT | FALLBACK


class TestWatch:
    def stopped(self, belt: Belt, speeds: list[float], **given: Any) -> list[bool]:
        return [belt.word(seen(speed), **given).belt_stop for speed in speeds]

    @pytest.mark.parametrize("wrong", [nextafter(1.125, 2.0), nextafter(-0.0625, -1.0)])
    def test_the_fourth_tick_in_a_row_opens_the_contactor(self, belt: Belt, wrong: float) -> None:
        belt.told().word()
        assert self.stopped(belt, [1.125, -0.0625] * 4) == [False] * 8 and belt.bits == 0
        assert self.stopped(belt, [wrong] * 3 + [1.0] + [wrong] * 3) == [False] * 7
        assert belt.bits == LIMIT
        belt.word(None)
        assert belt.bits == 0, "a tick that was not seen tells nothing"
        word = belt.word(seen(wrong))
        assert word.belt_stop is True and belt.stopped is True
        assert ramp_and_speed(word) == (0.75, 0.0)
        assert belt.bits == LIMIT | FALLBACK

    def test_counted_from_the_first_tick_on(self, belt: Belt) -> None:
        assert self.stopped(belt, [9.0] * 4) == [False] * 3 + [True]

    def test_only_a_permit_to_let_everything_go_closes_it_again(self, belt: Belt) -> None:
        belt.told()
        assert self.stopped(belt, [9.0] * 4)[-1]
        for mode in Mode:
            for given in (None, permit()):
                if mode == Mode.ZERO and given is not None:
                    continue
                word = belt.word(seen(0.0), mode=mode, permit=given)
                assert word.belt_stop is True and ramp_and_speed(word) == (0.75, 0.0)
                assert belt.bits == LIMIT | FALLBACK
        word = belt.word(seen(0.0), mode=Mode.ZERO)
        assert (word.belt_stop, belt.stopped, belt.bits) == (False, False, 0)
        assert ramp_and_speed(belt.word(seen(0.0))) == (0.25, 1.0)

    @pytest.mark.parametrize(("mode", "ramp"), [(Mode.DAMP, 0.75), (Mode.TRAIN, 0.25)])
    def test_a_belt_that_slows_down_may_lag_behind_its_ramp(
        self, belt: Belt, mode: Mode, ramp: float
    ) -> None:
        """Six tenths of the ramp are asked for, down to the speed ordered, and one eighth is left above."""
        belt.told().word()
        belt.told(belt_speed_m_s=0.5)
        goal = 0.5 if mode == Mode.TRAIN else 0.0
        for n in range(1, 500):
            slowest = max(goal, 1.0 - (n - 1) * 0.6 * ramp * PERIOD)
            near = 1e-9 if n % 2 else -1e-9
            belt.word(seen(slowest + 0.125 + near), mode=mode)
            assert belt.bits == (LIMIT if near > 0.0 else 0), n

    def test_a_faster_order_counts_at_once(self, belt: Belt) -> None:
        belt.told(belt_speed_m_s=0.5).word()
        belt.told(belt_speed_m_s=1.5).word()
        belt.word(seen(1.625))
        assert belt.bits == 0
        belt.word(seen(nextafter(1.625, 2.0)))
        assert belt.bits == LIMIT


class TestUnloading:
    @pytest.mark.parametrize(
        ("measured", "start"), [(-3.0, 0.0), (0.0, 0.0), (10.0, 10.0), (64.0, 64.0), (70.0, 64.0)]
    )
    def test_begins_where_it_is_seen_first(self, belt: Belt, measured: float, start: float) -> None:
        assert belt.word(seen(percent=measured)).unloading_percent == start
        assert belt.word(seen(percent=50.0)).unloading_percent == start, "and then the kernel's own"

    def test_without_a_measurement_from_nothing(self, belt: Belt) -> None:
        belt.told()
        assert [belt.word(None).unloading_percent for _ in range(3)] == [0.5, 1.0, 1.5]
        assert belt.word(seen(percent=10.0)).unloading_percent == 10.5, "until there is one"

    @pytest.mark.parametrize(
        ("goal", "way", "bits"),
        [
            (33.25, [32.5, 33.0, 33.25, 33.25], 0),
            (31.25, [31.5, 31.25, 31.25], 0),
            (64.0, [32.5, 33.0, 33.5], 0),
            (nextafter(64.0, 99.0), [32.5, 33.0, 33.5], LIMIT),
            (0.0, [31.5, 31.0, 30.5], 0),
            (-5e-324, [31.5, 31.0, 30.5], LIMIT),
        ],
    )
    def test_goes_to_the_order_half_a_percent_a_tick(
        self, belt: Belt, goal: float, way: list[float], bits: int
    ) -> None:
        belt.told(unloading_percent=goal)
        for step in way:
            assert belt.word(seen()).unloading_percent == step
            assert belt.bits == bits

    @pytest.mark.parametrize(("goal", "end"), [(90.0, 64.0), (-10.0, 0.0)])
    def test_ends_at_its_limits(self, belt: Belt, goal: float, end: float) -> None:
        belt.told(unloading_percent=goal)
        for _ in range(70):
            word = belt.word(seen())
        assert word.unloading_percent == end

    def test_stays_with_its_kind_while_there_is_no_order(self, belt: Belt) -> None:
        belt.told(unloading_percent=40.0, support_kind=SupportKind.COUNTERWEIGHT).word(seen())
        word = belt.word(seen(), mode=Mode.DAMP, permit=None, age=9)
        assert (word.unloading_percent, word.support_kind) == (32.5, SupportKind.COUNTERWEIGHT)

    def test_follows_the_order_in_any_mode(self, belt: Belt) -> None:
        """Whoever has fallen back is still carried as the law says."""
        belt.told(unloading_percent=40.0)
        assert belt.word(seen(), mode=Mode.DAMP, permit=None).unloading_percent == 32.5
