"""Known answers of the window of one joint, in both directions, with numbers that floats are exact about.

A tick is 1/128 s; in it the torque may grow by 8 N m and let go by 32 N m, within 48 N m in ten ticks.
"""

from __future__ import annotations

from math import inf, nextafter
from typing import Any

import pytest

from exostride.safety.limits import SafetyLimits
from exostride.safety.shaping import JointShaper
from exostride.types import Reason

PERIOD = 1.0 / 128.0
TICKS = 10
JOINT = {
    "torque_nm": 64.0, "velocity_rad_s": 10.0, "power_w": 128.0, "slew_nm_s": 1024.0, "window_nm": 48.0,
    "comfort_nm": 32.0, "cuff_nm": 64.0,
}  # fmt: skip
TORQUE, VELOCITY, POWER = Reason.TORQUE_LIMIT, Reason.VELOCITY_LIMIT, Reason.POWER_LIMIT
SLEW, WINDOW, TANK = Reason.SLEW_LIMIT, Reason.WINDOW_LIMIT, Reason.ENERGY_TANK
WALL, OPPOSED, CUFF = Reason.SOFT_WALL, Reason.OPPOSED, Reason.CUFF_LIMIT

pytestmark = pytest.mark.parametrize("sign", [1.0, -1.0])


def above(value: float) -> float:
    return nextafter(value, inf)


class Way:
    """A shaper looked at along one direction: what is told of the other is told mirrored.

    The range ends 1.0 rad along this direction, with a wall of 0.25 rad, and 0.5 rad against it.
    """

    def __init__(self, limits: SafetyLimits, sign: float, window_s: float = TICKS * PERIOD, **joint: float):
        ends = {
            "angle_min_rad": -0.5, "angle_max_rad": 1.0, "wall_low_rad": 0.125, "wall_high_rad": 0.25,
        } if sign > 0 else {
            "angle_min_rad": -1.0, "angle_max_rad": 0.5, "wall_low_rad": 0.25, "wall_high_rad": 0.125,
        }  # fmt: skip
        timing = limits.timing.model_copy(update={"release_nm_s": 4096.0, "window_s": window_s})
        tank = limits.tank.model_copy(update={"speed_floor_rad_s": 0.5})
        own = limits.joints[0].model_copy(update={**JOINT, **ends, **joint})
        self.sign = sign
        self.shaper = JointShaper(own, limits.model_copy(update={"timing": timing, "tank": tank}), PERIOD)

    def carried(self, torque: float, ticks: int = TICKS) -> Way:
        for _ in range(ticks):
            self.shaper.close(self.sign * torque)
        return self

    def word(self, now: float = 0.0, request: float = 0.0, angle: float = 0.0, speed: float = 0.0,
             cuff: float = 0.0, **given: float) -> tuple[float, float, int]:  # fmt: skip
        """Return the least and the most torque along the direction, and the reasons."""
        values: dict[str, Any] = {"cap": inf, "offer_w": 1e9, **given}
        s, shaper = self.sign, self.shaper
        shaper.window(s * angle, s * speed, s * request, s * now, cuff=s * cuff, **values)
        return (shaper.low, shaper.high, shaper.bits) if s > 0 else (-shaper.high, -shaper.low, shaper.bits)


def most(limits: SafetyLimits, sign: float, joint: dict | None = None, **given: float) -> tuple[float, int]:
    """The most torque for a drive that has been at 60 N m for long, so that only its growth is slew's."""
    low, high, bits = Way(limits, sign, **(joint or {})).carried(60.0).word(now=60.0, **given)
    assert low == min(28.0, high)
    return high, bits & ~SLEW


def test_before_the_first_tick_nothing_is_allowed(limits: SafetyLimits, sign: float) -> None:
    shaper = Way(limits, sign).shaper
    assert (shaper.low, shaper.high, shaper.bits) == (0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("request_nm", "speed", "high", "bits"),
    [
        (100.0, 8.0, 64.0, TORQUE),
        (100.0, above(8.0), 64.0, TORQUE | VELOCITY),
        (32.0, 9.0, 32.0, 0),
        (above(32.0), 9.0, 32.0, VELOCITY),
        (0.0, 10.0, 0.0, 0),
        (above(0.0), 10.0, 0.0, VELOCITY),
        (above(0.0), 12.0, 0.0, VELOCITY),
    ],
)
def test_velocity(
    limits: SafetyLimits, sign: float, request_nm: float, speed: float, high: float, bits: int
) -> None:
    """Along a motion of 8 to 10 rad/s the torque fades from all to nothing."""
    got = most(limits, sign, {"power_w": 1e9}, request=request_nm, speed=speed)
    assert got == (pytest.approx(high), bits)


def test_power_counts_above_the_speed_floor(limits: SafetyLimits, sign: float) -> None:
    assert most(limits, sign, request=32.0, speed=4.0) == (32.0, 0)
    assert most(limits, sign, request=above(32.0), speed=4.0) == (32.0, POWER)
    weak = {"power_w": 8.0}
    assert most(limits, sign, weak, request=50.0, speed=0.5) == (64.0, 0)
    assert most(limits, sign, weak, request=50.0, speed=above(0.5)) == (pytest.approx(16.0), POWER)


def test_tank(limits: SafetyLimits, sign: float) -> None:
    for speed, offer in ((0.25, 16.0), (0.5, 16.0), (2.0, 64.0)):
        assert most(limits, sign, request=32.0, speed=speed, offer_w=offer) == (32.0, 0)
        assert most(limits, sign, request=above(32.0), speed=speed, offer_w=offer) == (32.0, TANK)


@pytest.mark.parametrize(
    ("request_nm", "angle", "high", "bits"),
    [
        (100.0, 0.75, 64.0, TORQUE),
        (100.0, above(0.75), 64.0, TORQUE | WALL),
        (32.0, 0.875, 32.0, 0),
        (above(32.0), 0.875, 32.0, WALL),
        (0.5, 1.0 - 0.25 / 128.0, 0.5, 0),
        (0.0, 1.0, 0.0, 0),
        (above(0.0), 1.5, 0.0, WALL),
    ],
)
def test_wall(
    limits: SafetyLimits, sign: float, request_nm: float, angle: float, high: float, bits: int
) -> None:
    assert most(limits, sign, request=request_nm, angle=angle) == (pytest.approx(high), bits)


@pytest.mark.parametrize(
    ("request_nm", "cuff", "high", "bits"),
    [
        (1000.0, 0.0, 64.0, TORQUE),
        (1000.0, -40.0, 64.0, TORQUE),
        (100.0, 32.0, 64.0, TORQUE),
        (100.0, above(32.0), 64.0, TORQUE | OPPOSED),
        (32.0, 48.0, 32.0, 0),
        (above(32.0), 48.0, 32.0, OPPOSED),
        (0.0, 64.0, 0.0, 0),
        (above(0.0), 64.0, 0.0, CUFF),
        (above(0.0), 80.0, 0.0, CUFF),
    ],
)
def test_cuff(
    limits: SafetyLimits, sign: float, request_nm: float, cuff: float, high: float, bits: int
) -> None:
    """A patient who resists with 32 N m or less takes nothing away, one with 64 N m or more everything."""
    assert most(limits, sign, request=request_nm, cuff=cuff) == (pytest.approx(high), bits)


def test_the_cap_stays_where_a_later_limit_is_wider(limits: SafetyLimits, sign: float) -> None:
    way = Way(limits, sign).carried(10.0)
    assert way.word(now=10.0, request=17.0, cap=16.0, angle=0.875) == (0.0, 16.0, TORQUE)


def test_every_reason_is_told(limits: SafetyLimits, sign: float) -> None:
    way = Way(limits, sign).carried(10.0)
    _, high, bits = way.word(now=60.0, request=200.0, angle=0.9, speed=9.0, cuff=48.0, offer_w=1.0)
    assert bits == TORQUE | VELOCITY | POWER | TANK | WALL | OPPOSED | SLEW | WINDOW
    assert high == pytest.approx(1.0 / 9.0), "the narrowest holds"


def test_a_torque_counts_for_exactly_the_length_of_the_window(limits: SafetyLimits, sign: float) -> None:
    way = Way(limits, sign, window_nm=28.0).carried(0.0)
    way.word(now=16.0)
    assert [way.word(now=-16.0)[0] for _ in range(TICKS)] == [-16.0] * (TICKS - 1) + [-24.0]


@pytest.mark.parametrize(("window_s", "ticks"), [(TICKS * PERIOD, TICKS), (2 * PERIOD, 2), (PERIOD, 2)])
def test_a_new_joint_comes_from_rest(limits: SafetyLimits, sign: float, window_s: float, ticks: int) -> None:
    """And the window is never shorter than from one tick to the next."""
    way = Way(limits, sign, window_s, window_nm=24.0)
    assert [way.word(now=20.0)[1] for _ in range(ticks + 1)] == [24.0] * (ticks - 1) + [28.0] * 2


def test_what_is_narrower_is_named(limits: SafetyLimits, sign: float) -> None:
    for request in (30.0, 7.0):
        way = Way(limits, sign, window_nm=8.0).carried(16.0)
        assert way.word(now=16.0, request=request)[1:] == (24.0, SLEW), "the window is no narrower"
    for request, bits in ((4.0, 0), (above(4.0), WINDOW), (8.0, WINDOW), (above(8.0), WINDOW | SLEW)):
        way = Way(limits, sign, window_nm=4.0).carried(0.0)
        assert way.word(request=request) == (-4.0, 4.0, bits)


def test_letting_go_reaches_zero_and_goes_no_further(limits: SafetyLimits, sign: float) -> None:
    for now, low in ((40.0, 8.0), (33.0, 1.0), (32.0, 0.0), (31.5, 0.0), (8.0, 0.0), (4.0, -4.0)):
        assert Way(limits, sign).carried(now).word(now=now)[0] == low


@pytest.mark.parametrize("now", [1.0, 0.5, 1e-9])
def test_what_was_carried_does_not_hold_a_small_torque_from_zero(
    limits: SafetyLimits, sign: float, now: float
) -> None:
    low, high, bits = Way(limits, sign).carried(50.0).word(now=now)
    assert (low, high) == (0.0, now + 8.0)
    assert bits == WINDOW, "zero is below what was carried less the window"
