"""Limits of kernel and state machine at their boundary: on it, and one step of a float to either side."""

from __future__ import annotations

from math import inf, nextafter

import numpy as np
import pytest

from exostride.safety.belt import EnvironmentKernel
from exostride.safety.faults import Finding
from exostride.safety.limits import BeltLimits, JointLimits, SafetyLimits, TankLimits, TimingLimits
from exostride.safety.shaping import JointShaper
from exostride.safety.supervisor import Facts, StateMachine
from exostride.safety.tank import EnergyTank
from exostride.safety.walls import JointWall
from exostride.types import (
    Action,
    EnvironmentCommand,
    EnvironmentState,
    Mode,
    Reason,
    SafetyPermit,
    SupervisorState,
)

PERIOD = 0.005
JOINTS = range(6)


def inside(value: float) -> float:
    return nextafter(value, 0.0)


def outside(value: float) -> float:
    return nextafter(value, inf if value >= 0.0 else -inf)


def window(limits: SafetyLimits, joint: int, **given: float) -> JointShaper:
    """The window of a drive that has been at the request for long, at rest in the middle of its range."""
    own = limits.joints[joint]
    middle = 0.5 * (own.angle_min_rad + own.angle_max_rad)
    values = {"angle": middle, "speed": 0.0, "request": 0.0, "cap": 1e9, "cuff": 0.0, "offer_w": 1e9, **given}
    shaper = JointShaper(own, limits, PERIOD)
    for _ in range(12):
        shaper._note(values["request"])
    shaper.window(now=values["request"], **values)
    return shaper


@pytest.mark.parametrize("joint", JOINTS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
class TestWindow:
    def test_torque(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        most = limits.joints[joint].torque_nm
        for value, beyond in ((inside(most), False), (most, False), (outside(most), True)):
            shaper = window(limits, joint, request=sign * value)
            assert bool(shaper.bits & Reason.TORQUE_LIMIT) is beyond
            assert max(shaper.high, -shaper.low) <= most

    def test_cuff(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        own = limits.joints[joint]
        for cuff, bit in ((inside(own.cuff_nm), Reason.OPPOSED), (own.cuff_nm, Reason.CUFF_LIMIT),
                          (outside(own.cuff_nm), Reason.CUFF_LIMIT)):  # fmt: skip
            shaper = window(limits, joint, request=sign * 10.0, cuff=sign * cuff)
            assert shaper.bits & (Reason.OPPOSED | Reason.CUFF_LIMIT) == bit
            assert (shaper.high if sign > 0 else -shaper.low) <= 1e-9
        for cuff in (inside(own.comfort_nm), own.comfort_nm):
            shaper = window(limits, joint, request=sign * own.torque_nm, cuff=sign * cuff)
            assert not shaper.bits & (Reason.OPPOSED | Reason.CUFF_LIMIT)

    def test_velocity(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        most = limits.joints[joint].velocity_rad_s
        for speed in (most, outside(most)):
            shaper = window(limits, joint, request=sign * 1.0, speed=sign * speed)
            assert shaper.bits & Reason.VELOCITY_LIMIT
            assert (shaper.high if sign > 0 else -shaper.low) == 0.0
        shaper = window(limits, joint, request=sign * 1.0, speed=sign * inside(most))
        assert 0.0 < (shaper.high if sign > 0 else -shaper.low) < 1e-9

    def test_edge_of_the_range(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        own = limits.joints[joint]
        edge = own.angle_max_rad if sign > 0 else own.angle_min_rad
        for angle in (edge, nextafter(edge, sign * inf)):
            shaper = window(limits, joint, request=sign * 1.0, angle=angle)
            assert shaper.bits & Reason.SOFT_WALL
            assert (shaper.high if sign > 0 else -shaper.low) == 0.0
        shaper = window(limits, joint, request=sign * 1.0, angle=nextafter(edge, -sign * inf))
        assert 0.0 < (shaper.high if sign > 0 else -shaper.low) < 1e-9

    def test_request_of_exactly_the_power_limit(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        own, speed = limits.joints[joint], 0.75 * limits.joints[joint].velocity_rad_s
        most = own.power_w / speed
        for value, beyond in ((inside(most), False), (most, False), (outside(most), True)):
            shaper = window(limits, joint, request=sign * value, speed=sign * speed)
            assert bool(shaper.bits & Reason.POWER_LIMIT) is beyond


def test_a_wall_begins_at_exactly_its_depth(limits: SafetyLimits) -> None:
    """With ends and depths that floats can be exact about, from both sides, while moving outwards."""
    own = limits.joints[1].model_copy(
        update={"angle_min_rad": -0.5, "angle_max_rad": 1.0, "wall_low_rad": 0.125, "wall_high_rad": 0.25}
    )
    wall = JointWall(own)
    assert (wall.torque, wall.bits) == (0.0, 0), "nothing before the first step"
    for angle, speed in ((0.75, 0.25), (-0.375, -0.25)):
        wall.step(angle, speed)
        assert (wall.torque, wall.bits) == (0.0, 0)
        wall.step(nextafter(angle, speed * inf), speed)
        assert wall.bits == Reason.SOFT_WALL and wall.torque * speed < 0.0


def test_a_stop_brakes_from_beyond_its_share_on(limits: SafetyLimits) -> None:
    """3 N m are asked for to stop half a radian before the end, and are six tenths of what there is."""
    own = limits.joints[1].model_copy(
        update={"angle_max_rad": 1.0, "wall_high_rad": 0.25, "inertia_kg_m2": 0.75, "protective_nm": 5.0}
    )
    wall = JointWall(own)
    wall.step(0.5, 2.0)
    assert (wall.torque, wall.bits) == (0.0, 0)
    wall.step(0.5, nextafter(2.0, inf))
    assert wall.bits == Reason.VIRTUAL_STOP and wall.torque == pytest.approx(-3.0)


@pytest.mark.parametrize("joint", JOINTS)
def test_wall_and_stop_by_the_formula(limits: SafetyLimits, joint: int) -> None:
    """The protective torque against its definition, over the whole range and beyond, at any speed."""
    own = limits.joints[joint]
    wall = JointWall(own)

    def inward(room: float, out: float, depth: float) -> tuple[float, int]:
        stiffness = 0.5 * own.protective_nm / depth
        torque, bits = 0.0, 0
        if room < depth:
            bits |= Reason.SOFT_WALL
            torque = stiffness * (depth - room) + 1.4 * np.sqrt(stiffness * own.inertia_kg_m2) * max(out, 0.0)
        brake = 0.5 * own.inertia_kg_m2 * out**2 / max(room, 1e-3)
        if out > 0.0 and brake > 0.6 * own.protective_nm:
            bits |= Reason.VIRTUAL_STOP
            torque = max(torque, brake)
        return min(torque, own.protective_nm), bits

    edges = (own.angle_min_rad, own.angle_max_rad)
    near = [edge + d for edge in edges for d in (-0.1, -1e-3, 0.0, 5e-4, 1e-3, 2e-3)]
    for angle in [*near, *np.linspace(edges[0] - 0.05, edges[1] + 0.05, 60).tolist()]:
        for speed in (0.0, 0.1, -0.1, 0.5, -0.5, 0.9, -0.9, 2.0, -2.0, 5.0, -5.0, 9.0, -9.0):
            wall.step(angle, speed)
            up, down = edges[1] - angle, angle - edges[0]
            if up < down:
                torque, bits = inward(up, speed, own.wall_high_rad)
                torque = -torque
            else:
                torque, bits = inward(down, -speed, own.wall_low_rad)
            assert wall.torque == pytest.approx(torque, abs=1e-9), (angle, speed)
            assert wall.bits == bits, (angle, speed)


class TestTank:
    @pytest.mark.parametrize("energy", [-1.0, -5e-324, 0.0])
    def test_an_empty_tank_offers_nothing(self, limits: SafetyLimits, energy: float) -> None:
        tank = EnergyTank(limits.tank)
        tank.energy_j = energy
        assert tank.offer_w() == 0.0

    @pytest.mark.parametrize("energy", [1e-300, 0.5, 1.0, 2.0])
    def test_a_little_offers_a_little(self, limits: SafetyLimits, energy: float) -> None:
        tank = EnergyTank(limits.tank)
        tank.energy_j = energy
        assert tank.offer_w() == pytest.approx(energy / (3.0 * limits.tank.discharge_s))

    def test_never_above_its_capacity(self, limits: SafetyLimits) -> None:
        tank = EnergyTank(limits.tank)
        tank.account(0.0, 5.0, 5.0)
        assert (tank.energy_j, tank.absorbed_j, tank.budget_j) == (limits.tank.capacity_j, 0.0, 0.0)
        tank.account(3.0, 2.0, 5.0)
        assert (tank.energy_j, tank.absorbed_j, tank.budget_j) == (limits.tank.capacity_j, 2.0, 1.0)
        tank.account(4.0, 1.0, 0.5)
        assert (tank.injected_j, tank.absorbed_j, tank.budget_j) == (7.0, 3.0, 1.5)
        assert tank.energy_j == pytest.approx(limits.tank.capacity_j - 2.5)
        assert (tank.initial_j, tank.refill_w) == (limits.tank.capacity_j, limits.tank.refill_w)

    def test_starts_full_and_with_nothing_booked(self, limits: SafetyLimits) -> None:
        tank = EnergyTank(limits.tank)
        assert (tank.energy_j, tank.injected_j, tank.absorbed_j, tank.budget_j) == (
            limits.tank.capacity_j, 0.0, 0.0, 0.0,
        )  # fmt: skip


class TestBelt:
    PERMIT = SafetyPermit(
        seq=0, time_s=0.0, mode=int(Mode.TRAIN), scale=1.0, expiry_seq=9, belt_limit_m_s=9.0
    )

    def word(self, limits: SafetyLimits, measured: float = 0.0, **order: float) -> tuple:
        belt = EnvironmentKernel(limits, PERIOD)
        assert belt.take(EnvironmentCommand(seq=0, time_s=0.0, **order))
        state = EnvironmentState(seq=0, time_s=0.0, belt_speed_m_s=measured, unloading_percent=89.9)
        return belt, belt.step(0, state, int(Mode.TRAIN), self.PERMIT, 0)

    @pytest.mark.parametrize(
        ("field", "limit"),
        [
            ("belt_speed_m_s", "speed_m_s"),
            ("belt_acceleration_m_s2", "acceleration_m_s2"),
            ("unloading_percent", "unloading_percent"),
        ],
    )
    def test_order(self, limits: SafetyLimits, field: str, limit: str) -> None:
        most = getattr(limits.belt, limit)
        calm = {"belt_speed_m_s": 0.1, "belt_acceleration_m_s2": 0.1}
        for value, beyond in ((inside(most), False), (most, False), (outside(most), True)):
            belt, word = self.word(limits, **{**calm, field: value})
            assert bool(belt.bits & Reason.ENVIRONMENT_LIMIT) is beyond
            assert getattr(word, field) <= most

    @pytest.mark.parametrize("age", [-1, 0, 1])
    def test_age(self, limits: SafetyLimits, age: int) -> None:
        belt, _ = self.word(limits, belt_speed_m_s=0.1)
        belt.step(9, None, int(Mode.TRAIN), self.PERMIT, limits.belt.max_age_ticks + age)
        assert bool(belt.bits & Reason.ENVIRONMENT_STALE) is (age > 0)

    def test_over_speed_and_reverse(self, limits: SafetyLimits) -> None:
        belt_limits = limits.belt
        for speed, wrong in (
            (inside(belt_limits.over_m_s), False), (belt_limits.over_m_s, False),
            (outside(belt_limits.over_m_s), True), (-belt_limits.reverse_m_s, False),
            (outside(-belt_limits.reverse_m_s), True),
        ):  # fmt: skip
            belt = EnvironmentKernel(limits, PERIOD)
            state = EnvironmentState(seq=0, time_s=0.0, belt_speed_m_s=speed)
            for tick in range(belt_limits.over_ticks):
                assert belt.stopped is False
                belt.step(tick, state, int(Mode.DAMP), None, 0)
            assert belt.stopped is wrong


class TestStateMachine:
    MOVING = Facts(belt_rest=False, harness_lifted=False, estops_closed=True)
    RESTING = Facts(belt_rest=True, harness_lifted=False, estops_closed=True)

    def test_a_cause_that_stays_does_not_hold_up_the_timeout(self, limits: SafetyLimits) -> None:
        machine = StateMachine(limits, PERIOD)
        ticks = round(limits.detect.stops.belt_timeout_s / PERIOD)
        for n in range(ticks + 1):
            state = machine.step(Finding("F18", Action.E_STOP), None, self.MOVING).state
            assert state == (SupervisorState.FAULT if n == ticks else SupervisorState.E_STOP), n

    def test_a_failed_harness_is_remembered_in_an_emergency_stop(self, limits: SafetyLimits) -> None:
        machine = StateMachine(limits, PERIOD)
        assert machine.step(Finding("F26", Action.E_STOP), None, self.RESTING).harness_failed

    def test_words_and_causes(self, limits: SafetyLimits) -> None:
        machine = StateMachine(limits, PERIOD)
        status = machine.step(None, SupervisorState.HOMING, self.RESTING)
        assert (status.cause, status.message) == ("", "self-test at low torque")
        machine.step(Finding("F20", Action.E_STOP), None, self.RESTING)
        for _ in range(round(limits.detect.stops.reset_clear_s / PERIOD) + 1):
            machine.step(None, None, self.RESTING)
        assert machine.reset(self.RESTING) == ""
        assert machine.status.message == "reset; waiting for a new start"
        assert not machine.status.armed

    @pytest.mark.parametrize("short", [-1, 0])
    def test_reset_needs_the_cause_gone_for_so_long(self, limits: SafetyLimits, short: int) -> None:
        machine = StateMachine(limits, PERIOD)
        machine.step(Finding("F20", Action.E_STOP), None, self.RESTING)
        for _ in range(round(limits.detect.stops.reset_clear_s / PERIOD) + short):
            machine.step(None, None, self.RESTING)
        assert bool(machine.reset(self.RESTING)) is (short < 0)


@pytest.mark.parametrize("model", [JointLimits, TimingLimits, TankLimits, BeltLimits])
def test_every_limit_that_a_file_may_set_has_bounds_that_bite(limits: SafetyLimits, model: type) -> None:
    """One step of a float beyond the range that a field declares is refused, on it is not."""
    from pydantic import ValidationError

    groups = [*limits.joints, limits.timing, limits.tank, limits.belt]
    good = next(group for group in groups if type(group) is model).model_dump()
    for name, field in model.model_fields.items():
        for rule in field.metadata:
            for kind, away in (("ge", -inf), ("gt", None), ("le", inf)):
                bound = getattr(rule, kind, None)
                if bound is None:
                    continue
                whole = field.annotation is int
                step = int(np.sign(away)) if whole and away else 0
                bad = bound if away is None else bound + step if whole else nextafter(bound, away)
                with pytest.raises(ValidationError, match=name):
                    model(**{**good, name: bad})
