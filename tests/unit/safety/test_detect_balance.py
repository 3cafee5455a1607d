"""A fall that begins, sign by sign and tick by tick, and a walker who only leans."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest
from safety_faults import looks
from safety_world import ALL, PERIOD, exo_state

from exostride.conventions import GRAVITY_M_S2
from exostride.safety.detect_body import BalanceDetector
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.types import Action, EnvironmentState, HarnessAction, Signal, SupervisorState

S = SupervisorState
LEAST = 2.0**-30
LOW, DROPPING = "pelvis too low", "pelvis dropping"
TILTED, TIPPING = "trunk tilted", "trunk tipping over"
BEYOND, LEANS = (
    "centre of mass beyond the feet",
    Finding("F23", Action.REDUCE, "centre of mass near the edge"),
)
QUARTER = GRAVITY_M_S2 / 16.0
"""Height [m] of a pelvis whose speed counts for a quarter of a second."""


def fall(words: str) -> Finding:
    return Finding("F23", Action.E_STOP, words)


class Body:
    """Feeds a detector with a pelvis; thresholds are numbers that a computer can hit exactly."""

    def __init__(self, limits: SafetyLimits) -> None:
        changes = {
            "fall_drop_m": 0.125,
            "fall_tilt_rad": 0.625,
            "fall_tilt_rate_rad_s": 2.5,
            "xcom_m": 0.375,
            "xcom_reduce_m": 0.125,
        }
        body = limits.detect.body.model_copy(update=changes)
        self.limits = limits.model_copy(update={"detect": limits.detect.model_copy(update={"body": body})})
        self.ticks = body.fall_ticks
        self.renew()

    def renew(self, period: float = PERIOD) -> None:
        self.detector = BalanceDetector(self.limits, period)

    def tick(
        self,
        at: tuple[float, float, float] = (0.0, 0.0, QUARTER),
        speed: tuple[float, float, float] = (0.0, 0.0, 0.0),
        tilt: tuple[float, float] = (0.0, 0.0),
        gyro: tuple[float, float, float] = (0.0, 0.0, 0.0),
        available: int = ALL,
        **changes: Any,
    ) -> list[Finding]:
        """One tick; ``tilt`` are the halves of the angles about x and y."""
        exo = exo_state(
            1,
            available=available,
            pelvis_position_m=np.array(at),
            pelvis_velocity_m_s=np.array(speed),
            pelvis_orientation=np.array([*tilt, 0.4, 0.8]),
            pelvis_gyro_rad_s=np.array(gyro),
        )
        (snap,) = looks(self.limits, [exo])
        found: list[Finding] = []
        self.detector.step(replace(snap, **changes), found)
        return found

    def falls(self, **changes: Any) -> str:
        """Return the words for such a pelvis, told from the right tick on; empty if it is none."""
        self.renew()
        self.tick()
        found = [self.tick(**changes) for _ in range(self.ticks + 2)]
        told = [f for f in found[-1] if f.action == Action.E_STOP]
        assert [[f for f in now if f.action == Action.E_STOP] for now in found] == [[]] * (self.ticks - 1) + [
            told
        ] * 3
        return told[0].where if told else ""


@pytest.fixture
def body(limits: SafetyLimits) -> Body:
    return Body(limits)


class TestSigns:
    def test_the_pelvis_below_its_walking_height(self, body: Body) -> None:
        """Also where a single tick in between is not."""
        for z, words in ((1.0 - 0.125, ""), (1.0 - 0.125 - LEAST, LOW)):
            body.renew()
            assert body.tick(at=(0.0, 0.0, 1.0)) == []
            assert body.tick(at=(0.0, 0.0, z)) == []
            assert body.tick(at=(0.0, 0.0, 1.0)) == []
            assert body.tick(at=(0.0, 0.0, z - 0.01 * bool(words))) == []
            found = body.tick(at=(0.0, 0.0, z - 0.01 * bool(words)))
            assert found == ([fall(words)] if words else [])

    def test_the_pelvis_dropping(self, body: Body) -> None:
        most = body.limits.detect.body.fall_speed_m_s
        assert body.falls(speed=(0.0, 0.0, -most)) == ""
        assert body.falls(speed=(0.0, 0.0, -most - LEAST)) == DROPPING
        assert body.falls(speed=(0.0, 0.0, most + LEAST)) == "", "upwards"

    @pytest.mark.parametrize("signs", [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)])
    def test_the_trunk_tilted_to_any_side(self, body: Body, signs: tuple[float, float]) -> None:
        """3, 4 and 5 sixteenths: a tilt of 0.625."""
        a, b = signs
        assert body.falls(tilt=(a * 3 / 16, b * 4 / 16)) == ""
        assert body.falls(tilt=(a * (3 / 16 + LEAST), b * 4 / 16)) == TILTED
        assert body.falls(tilt=(a * 3 / 16, b * (4 / 16 + LEAST))) == TILTED

    @pytest.mark.parametrize("signs", [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0)])
    def test_the_trunk_tipping_over(self, body: Body, signs: tuple[float, float]) -> None:
        """Beyond half of that tilt, at 1.5, 2 and 2.5 rad/s; turning about the vertical is none."""
        a, b = signs
        half = 5 / 64
        slanted, fast = (a * (2 * half + LEAST), 0.0), (a * 1.5, b * (2.0 + LEAST), 0.0)
        assert body.falls(tilt=slanted, gyro=(a * 1.5, b * 2.0, 0.0)) == ""
        assert body.falls(tilt=slanted, gyro=fast) == TIPPING
        assert body.falls(tilt=slanted, gyro=(a * (1.5 + LEAST), b * 2.0, 0.0)) == TIPPING
        assert body.falls(tilt=(0.0, b * 2 * half), gyro=fast) == ""
        assert body.falls(tilt=slanted, gyro=(0.0, 0.0, 9.0)) == ""

    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_the_centre_of_mass_beyond_the_feet(self, body: Body, axis: int, sign: float) -> None:
        """Where it is, and where its speed takes it, over a pendulum of a quarter of a second."""

        def there(x: float, v: float) -> dict[str, Any]:
            at, speed = [0.0, 0.0, QUARTER], [0.0, 0.0, 0.0]
            at[axis], speed[axis] = sign * x, sign * v
            return {"at": tuple(at), "speed": tuple(speed)}

        assert body.falls(**there(0.375, 0.0)) == body.falls(**there(0.125, 1.0)) == ""
        assert body.falls(**there(0.375 + LEAST, 0.0)) == BEYOND
        assert body.falls(**there(0.125, 1.0 + LEAST)) == BEYOND
        assert body.falls(**there(0.5, -1.0)) == "" and body.falls(**there(0.5, 0.0)) == BEYOND

    def test_the_body_tells_more_than_the_centre_of_mass(self, body: Body) -> None:
        assert body.falls(at=(9.0, 0.0, QUARTER), tilt=(0.5, 0.0)) == TILTED

    def test_only_ticks_in_a_row_count(self, body: Body) -> None:
        for _ in range(4):
            assert body.tick(tilt=(0.5, 0.0)) == []
            assert body.tick() == []


class TestHeight:
    def test_it_follows_a_walker_slowly(self, body: Body) -> None:
        """A clock so slow that it follows by half: from 1 to 0.9375 is 0.96875."""
        assert body.limits.detect.body.height_s == 3.0
        for z, told in ((0.84375, False), (0.84375 - LEAST, True)):
            body.renew(3.0)
            assert body.tick(at=(0.0, 0.0, 1.0)) == body.tick(at=(0.0, 0.0, 0.9375)) == []
            found = [body.tick(at=(0.0, 0.0, z)) for _ in range(4)]
            assert found == ([[], *[[fall(LOW)]] * 3] if told else [[]] * 4), "not into a fall"


class TestLean:
    def test_a_lean_for_so_long_gives_way(self, body: Body) -> None:
        """It is told while it lasts, and only ticks in a row count."""
        for x, told in ((0.125, False), (0.125 + LEAST, True)):
            body.renew()
            found = [body.tick(at=(x, 0.0, QUARTER)) for _ in range(4)]
            assert found == ([[], *[[LEANS]] * 3] if told else [[]] * 4)
        body.renew()
        for _ in range(4):
            assert body.tick(at=(0.0, -0.2, QUARTER)) == body.tick() == []

    def test_a_fall_comes_first(self, body: Body) -> None:
        leaning, falling = (0.2, 0.0, QUARTER), (0.5, 0.0, QUARTER)
        found = [body.tick(at=at) for at in (leaning, leaning, falling, falling, leaning)]
        assert found == [[], [LEANS], [LEANS], [fall(BEYOND)], [LEANS]]

    def test_how_far_it_is_to_the_edge(self, body: Body) -> None:
        assert body.detector.margin_m == 0.0
        body.tick(at=(0.0, 0.0625, QUARTER))
        assert body.detector.margin_m == 0.3125
        body.tick(at=(0.0, 0.0, 0.95), speed=(0.5, 0.25, 0.0))
        assert body.detector.margin_m == pytest.approx(0.375 - 0.5 * sqrt(0.95 / 9.81))
        body.tick(at=(0.0, 0.0, 0.1), speed=(0.5, 0.25, 0.0))
        assert body.detector.margin_m == pytest.approx(0.375 - 0.5 * sqrt(0.3 / 9.81)), "never so low"


def carried(action: HarnessAction, confirmed: bool) -> dict[str, Any]:
    environment = EnvironmentState(1, PERIOD, harness_action=action, harness_confirmed=confirmed)
    return {"state": S.SOFT_STOP, "environment": environment, "driven": False}


class TestUpright:
    @pytest.mark.parametrize(
        ("change", "upright"),
        [
            ({"state": S.TRAIN, "driven": True}, True),
            ({"state": S.STOPPING, "driven": True}, True),
            ({"state": S.STAND, "driven": False}, True),
            ({"state": S.IDLE, "driven": False}, False),
            ({"state": S.HOMING, "driven": False}, False),
            ({"state": S.E_STOP, "driven": False}, False),
            (carried(HarnessAction.HOLD, True), True),
            (carried(HarnessAction.LIFT, False), True),
            (carried(HarnessAction.LIFT, True), False),
            (carried(HarnessAction.LIFT, True) | {"driven": True}, False),
        ],
    )
    def test_a_fall_is_one_of_a_walker_on_their_feet(
        self, body: Body, change: dict[str, Any], upright: bool
    ) -> None:
        body.tick()
        found = [body.tick(tilt=(0.5, 0.0), **change) for _ in range(2)]
        assert found == [[], [fall(TILTED)] if upright else []]

    def test_who_was_off_their_feet_begins_anew(self, body: Body) -> None:
        lying = {"state": S.IDLE, "driven": False, "at": (0.0, 0.0, 0.4)}
        body.tick(at=(0.0, 0.0, 0.95))
        assert body.tick(at=(0.0, 0.0, 0.4)) == body.tick(**lying) == []
        assert [body.tick(at=(0.0, 0.0, 0.4)) for _ in range(4)] == [[]] * 4, "another height"
        for sign in ({"tilt": (0.5, 0.0)}, {"at": (0.2, 0.0, 0.4)}):
            assert body.tick(**sign) == body.tick(**lying) == body.tick(**sign) == []
            assert len(body.tick(**sign)) == 1
            assert body.tick(**lying) == []

    def test_who_cannot_be_seen_does_not_fall(self, body: Body) -> None:
        blind = {"available": ALL & ~int(Signal.PELVIS), "tilt": (0.5, 0.0)}
        assert [body.tick(**blind) for _ in range(5)] == [[]] * 5
