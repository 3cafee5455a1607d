"""Walls, tank, guard, homing schedule, intake: the kernel's parts one by one."""

from __future__ import annotations

from dataclasses import replace
from math import pi, tau

import numpy as np
import pytest
from safety_world import PERIOD, exo_state

from exostride.safety.belt import EnvironmentKernel
from exostride.safety.guard import GOOD, HELD, LOST, SampleGuard
from exostride.safety.homing import HomingSchedule
from exostride.safety.intake import (
    PLACES,
    Rows,
    Sequence,
    environment_order_ok,
    exo_values,
    finite,
    joint_order,
    number,
    permit_ok,
    whole,
)
from exostride.safety.limits import SafetyLimits
from exostride.safety.tank import EnergyTank
from exostride.safety.walls import JointWall
from exostride.types import (
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    Reason,
    SafetyPermit,
)

JOINTS = range(6)


@pytest.mark.parametrize("joint", JOINTS)
class TestWall:
    def test_silent_inside_at_rest(self, limits: SafetyLimits, joint: int) -> None:
        own = limits.joints[joint]
        wall = JointWall(own)
        low, high = own.angle_min_rad + own.wall_low_rad, own.angle_max_rad - own.wall_high_rad
        for angle in np.linspace(low + 1e-9, high - 1e-9, 21):
            wall.step(angle, 0.0)
            assert wall.torque == 0.0
            assert wall.bits == 0

    @pytest.mark.parametrize("sign", [1, -1])
    def test_spring_pushes_inwards_and_is_capped(self, limits: SafetyLimits, joint: int, sign: int) -> None:
        own = limits.joints[joint]
        wall = JointWall(own)
        edge = own.angle_max_rad if sign > 0 else own.angle_min_rad
        depth = own.wall_high_rad if sign > 0 else own.wall_low_rad
        wall.step(edge - sign * (depth - 1e-9), 0.0)
        assert 0.0 <= -sign * wall.torque < 1e-3
        wall.step(edge, 0.0)
        assert -sign * wall.torque == pytest.approx(0.5 * own.protective_nm)
        assert wall.bits == Reason.SOFT_WALL
        wall.step(edge + sign * 3 * depth, 0.0)
        assert -sign * wall.torque == own.protective_nm
        wall.step(edge - sign * 0.5 * depth, -sign * 1.0)
        inward = -sign * wall.torque
        wall.step(edge - sign * 0.5 * depth, sign * 0.1)
        assert -sign * wall.torque > inward == pytest.approx(0.25 * own.protective_nm)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_virtual_stop_stops_before_the_edge(self, limits: SafetyLimits, joint: int, sign: int) -> None:
        """A free limb at any speed that the stop can hold comes to rest inside the range."""
        own = limits.joints[joint]
        wall = JointWall(own)
        middle = 0.5 * (own.angle_min_rad + own.angle_max_rad)
        edge = own.angle_max_rad if sign > 0 else own.angle_min_rad
        longest = abs(edge - middle)
        fastest = min(own.velocity_rad_s, np.sqrt(0.9 * own.protective_nm * longest / own.inertia_kg_m2))
        stopped = set()
        for start in np.linspace(0.3, fastest, 12):
            angle, speed = middle, sign * start
            for _ in range(int(4.0 / 0.001)):
                if _ % 5 == 0:
                    wall.step(angle, speed)
                    stopped.add(wall.bits & Reason.VIRTUAL_STOP)
                speed += 0.001 * wall.torque / own.inertia_kg_m2
                angle += 0.001 * speed
                assert sign * (edge - angle) > -0.01
                if sign * speed <= 0.0:
                    break
            assert sign * speed <= 0.0 or start < 0.5
        # At the light ankle the wall's own spring and damper suffice at any speed within limits.
        assert (Reason.VIRTUAL_STOP in stopped) == (joint % 3 != 2)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_stop_starts_where_it_must(self, limits: SafetyLimits, joint: int, sign: int) -> None:
        own = limits.joints[joint]
        wall = JointWall(own)
        edge = own.angle_max_rad if sign > 0 else own.angle_min_rad
        depth = own.wall_high_rad if sign > 0 else own.wall_low_rad
        room = 1.5 * depth
        critical = np.sqrt(2 * 0.6 * own.protective_nm * room / own.inertia_kg_m2)
        wall.step(edge - sign * room, sign * critical * 0.999)
        assert wall.torque == 0.0
        wall.step(edge - sign * room, sign * critical * 1.001)
        assert -sign * wall.torque == pytest.approx(0.6 * own.protective_nm, rel=0.01)
        assert wall.bits == Reason.VIRTUAL_STOP
        wall.step(edge - sign * room, -sign * critical * 2)
        assert wall.torque == 0.0

    def test_beyond_the_edge_moving_out_brakes_fully(self, limits: SafetyLimits, joint: int) -> None:
        own = limits.joints[joint]
        wall = JointWall(own)
        wall.step(own.angle_max_rad + 0.01, 2.0)
        assert wall.torque == -own.protective_nm


class TestTank:
    def test_books_add_up(self, limits: SafetyLimits) -> None:
        tank = EnergyTank(limits.tank)
        rng = np.random.default_rng(3)
        for _ in range(2000):
            tank.account(*(rng.exponential(1.5, 3) * np.array([1.0, 0.4, 0.4])))
            level = tank.initial_j + tank.absorbed_j + tank.budget_j - tank.injected_j
            assert tank.energy_j == pytest.approx(level)
            assert tank.energy_j <= limits.tank.capacity_j

    def test_overflow_is_lost(self, limits: SafetyLimits) -> None:
        tank = EnergyTank(limits.tank)
        tank.account(0.0, 50.0, 50.0)
        assert (tank.energy_j, tank.absorbed_j, tank.budget_j) == (limits.tank.capacity_j, 0.0, 0.0)

    def test_offer_falls_with_the_level_and_ends_at_zero(self, limits: SafetyLimits) -> None:
        tank = EnergyTank(limits.tank)
        full = tank.offer_w()
        assert full == pytest.approx(limits.tank.capacity_j / (3 * limits.tank.discharge_s))
        tank.account(limits.tank.capacity_j / 2, 0.0, 0.0)
        assert tank.offer_w() == pytest.approx(full / 2)
        tank.account(limits.tank.capacity_j / 2, 0.0, 0.0)
        assert tank.offer_w() == 0.0
        tank.account(1.0, 0.0, 0.0)
        assert tank.offer_w() == 0.0
        assert tank.energy_j == -1.0

    def test_six_joints_at_full_offer_leave_something_after_a_tick(self, limits: SafetyLimits) -> None:
        tank = EnergyTank(limits.tank)
        for _ in range(1000):
            tank.account(6 * tank.offer_w() * PERIOD, 0.0, 0.0)
            assert tank.energy_j > 0.0


class TestGuard:
    def make(self, limits: SafetyLimits, angle: float = 0.2, speed: float = 0.0) -> SampleGuard:
        guard = SampleGuard(limits, PERIOD)
        guard.step(0, exo_state(0, angle_rad=np.full(6, angle), velocity_rad_s=np.full(6, speed)))
        assert guard.quality == [GOOD] * 6
        return guard

    def test_missing_is_bridged_once_then_lost_then_back(self, limits: SafetyLimits) -> None:
        guard = self.make(limits, 0.2, 2.0)
        guard.step(
            1, exo_state(1, joint_valid=0b111110, velocity_rad_s=np.full(6, 2.0), angle_rad=np.full(6, 0.21))
        )
        assert guard.quality[0] == HELD
        assert guard.angle[0] == pytest.approx(0.2 + 2.0 * PERIOD)
        assert guard.missing == 1
        guard.step(
            2, exo_state(2, joint_valid=0b111110, velocity_rad_s=np.full(6, 2.0), angle_rad=np.full(6, 0.22))
        )
        assert guard.quality[0] == LOST
        assert guard.quality[1] == GOOD
        guard.step(3, exo_state(3, angle_rad=np.full(6, 0.9), velocity_rad_s=np.full(6, 2.0)))
        assert guard.quality[0] == GOOD
        assert guard.angle[0] == 0.9

    def test_first_sample_missing_is_lost(self, limits: SafetyLimits) -> None:
        guard = SampleGuard(limits, PERIOD)
        guard.step(0, exo_state(0, joint_valid=0))
        assert guard.quality == [LOST] * 6

    def test_device_without_angles_is_lost(self, limits: SafetyLimits) -> None:
        guard = SampleGuard(limits, PERIOD)
        guard.step(0, exo_state(0, available=0))
        assert guard.quality == [LOST] * 6

    def test_state_of_another_tick_counts_as_missing(self, limits: SafetyLimits) -> None:
        guard = self.make(limits)
        guard.step(1, exo_state(0))
        assert guard.missing == 0b111111
        assert guard.quality == [HELD] * 6

    @pytest.mark.parametrize("joint", JOINTS)
    def test_spike_boundary(self, limits: SafetyLimits, joint: int) -> None:
        span = limits.timing.spike_rad + limits.joints[joint].accel_rad_s2 * PERIOD**2
        for step, spike in (
            (0.999 * span, False),
            (1.001 * span, True),
            (-0.999 * span, False),
            (-1.001 * span, True),
        ):
            guard = self.make(limits)
            angle = np.full(6, 0.2)
            angle[joint] += step
            guard.step(1, exo_state(1, angle_rad=angle))
            assert bool(guard.spike >> joint & 1) == spike
            assert guard.quality[joint] == (HELD if spike else GOOD)
            assert guard.angle[joint] == pytest.approx(0.2 if spike else angle[joint])

    @pytest.mark.parametrize("joint", JOINTS)
    def test_velocity_kick_boundary(self, limits: SafetyLimits, joint: int) -> None:
        kick = 2.0 * limits.joints[joint].accel_rad_s2 * PERIOD + 1.0
        for size, spike in ((0.999 * kick, False), (-1.001 * kick, True), (1.001 * kick, True)):
            guard = self.make(limits)
            speed = np.zeros(6)
            speed[joint] = size
            guard.step(1, exo_state(1, angle_rad=np.full(6, 0.2), velocity_rad_s=speed))
            assert bool(guard.spike >> joint & 1) == spike

    def test_persistent_spike_is_a_jump(self, limits: SafetyLimits) -> None:
        guard = self.make(limits)
        angle = np.full(6, 0.2)
        angle[3] += 0.7
        seen = []
        for k in range(1, 6):
            guard.step(k, exo_state(k, angle_rad=angle))
            seen.append((guard.jump >> 3 & 1, guard.quality[3]))
        assert seen == [(0, HELD), (0, HELD), (1, LOST), (0, GOOD), (0, GOOD)]
        assert guard.angle[3] == pytest.approx(0.9)

    @pytest.mark.parametrize("turns", [1, -1, 2])
    def test_wrap_is_undone_for_good(self, limits: SafetyLimits, turns: int) -> None:
        guard = self.make(limits)
        for k in range(1, 5):
            guard.step(k, exo_state(k, angle_rad=np.full(6, 0.2 + turns * tau + 0.001 * k)))
            assert guard.angle == pytest.approx([0.2 + 0.001 * k] * 6)
            assert bool(guard.wrap) == (k == 1)
            assert guard.quality == [GOOD] * 6

    def test_half_a_turn_is_no_wrap(self, limits: SafetyLimits) -> None:
        guard = self.make(limits)
        guard.step(1, exo_state(1, angle_rad=np.full(6, 0.2 + pi)))
        assert guard.wrap == 0
        assert guard.spike == 0b111111


def problem(state: ExoState) -> str:
    return exo_values(state)[0]


class TestIntake:
    @pytest.mark.parametrize(
        "value",
        [None, 3.0, [0.0] * 6, np.zeros(5), np.zeros((6, 1)), np.zeros(6, dtype=int), np.array([None] * 6),
         np.full(6, np.nan), np.array([0, 0, np.inf, 0, 0, 0.0]), np.full(6, 1e300),
         np.zeros(6, dtype=np.float32)],
    )  # fmt: skip
    @pytest.mark.filterwarnings("ignore:overflow")
    def test_not_a_vector(self, value: object) -> None:
        assert not finite(value, 6)

    def test_a_vector(self) -> None:
        assert finite(np.arange(6.0), 6)

    def test_number_and_whole(self) -> None:
        assert number(0.0, 0.0, 1.0) and number(1, 0.0, 1.0)
        assert (
            not number(np.nan, -1, 1)
            and not number(None, -1, 1)
            and not number(1.1, 0, 1)
            and not number("1", 0, 2)
        )
        assert whole(0) and whole(7)
        assert not whole(-1) and not whole(True) and not whole(1.0) and not whole(None) and not whole(1 << 63)

    def test_every_nan_of_a_state_is_found_and_named(self) -> None:
        good = exo_state(0)
        assert problem(good) == ""
        vectors = [n for n in good.__slots__ if isinstance(getattr(good, n), np.ndarray)]
        assert len(vectors) == 18
        for name in vectors:
            for index in range(len(getattr(good, name))):
                for poison in (np.nan, np.inf, -np.inf):
                    value = getattr(good, name).copy()
                    value[index] = poison
                    assert problem(replace(good, **{name: value})).startswith(name), name
        for name in ("battery_fraction", "time_s", "stamp_s"):
            assert problem(replace(good, **{name: np.nan})) == name

    def test_nan_of_what_was_not_measured_is_no_fault(self) -> None:
        angle = np.zeros(6)
        angle[2] = np.nan
        assert problem(exo_state(0, angle_rad=angle, joint_valid=0b111011)) == ""
        assert problem(exo_state(0, cuff_torque_nm=np.full(6, np.nan), available=1)) == ""
        load = np.array([np.nan, np.nan, 1.0, 1.0])
        assert problem(exo_state(0, foot_load_n=load, foot_valid=0b10)) == ""
        assert problem(exo_state(0, foot_load_n=load, foot_valid=0b11)) == "foot_load_n[0]"

    def test_every_vector_stands_at_its_place(self) -> None:
        good = exo_state(0)
        names = [n for n in good.__slots__ if isinstance(getattr(good, n), np.ndarray)]
        own = {name: 100.0 * k + np.arange(float(len(getattr(good, name)))) for k, name in enumerate(names)}
        values = exo_values(replace(good, **own))[1]
        assert {name: values[PLACES[name]] for name in PLACES} == {k: v.tolist() for k, v in own.items()}

    def test_rows_are_read_one_after_another(self) -> None:
        rows = Rows(2, "phase", "rate_hz")
        gait = GaitPhase(1, 0.0, phase=np.array([0.1, 0.6]), rate_hz=np.array([0.8, 0.9]))
        assert rows.read(gait) == ([0.1, 0.6, 0.8, 0.9], True)
        values, sound = rows.read(replace(gait, rate_hz=np.array([np.nan, 0.9])))
        assert values[:2] == [0.1, 0.6] and values[3] == 0.9 and not sound
        for bad in (
            np.zeros(3),
            np.zeros((2, 1)),
            np.zeros(2, dtype=complex),
            np.array([None, 1.0]),
            "ab",
            1.0,
            None,
        ):
            assert rows.read(replace(gait, phase=bad)) == ([], False)
        flat = replace(gait, phase=np.zeros((2, 1)), rate_hz=np.zeros((2, 1)))
        assert rows.read(flat) == ([], False)
        assert rows.read(AssistCommand(seq=1, time_s=0.0)) == ([], False)

    def test_wrong_shapes(self) -> None:
        assert exo_values(exo_state(0, angle_rad=np.zeros(7))) == ("shape", [])
        assert exo_values(exo_state(0, angle_rad=np.zeros(6, dtype=complex))) == ("shape", [])

    @pytest.mark.parametrize(
        "name",
        [
            "torque_nm",
            "stiffness_nm_rad",
            "damping_nms_rad",
            "reference_rad",
            "reference_velocity_rad_s",
            "assistance",
        ],
    )
    def test_order_refuses_any_damaged_field(self, name: str) -> None:
        command = AssistCommand(seq=1, time_s=0.0)
        assert joint_order(command) is not None
        for bad in (np.full(6, np.nan), np.zeros(5), None):
            assert joint_order(replace(command, **{name: bad})) is None

    def test_order_of_another_kind_of_message_is_refused(self) -> None:
        assert joint_order(GaitPhase(seq=1, time_s=0.0)) is None  # type: ignore[arg-type]

    def test_order_keeps_its_fields_apart(self) -> None:
        names = ["torque_nm", "stiffness_nm_rad", "damping_nms_rad", "reference_rad"]
        rows = {
            name: 10.0 * n + np.arange(6.0) for n, name in enumerate([*names, "reference_velocity_rad_s"])
        }
        order = joint_order(replace(AssistCommand(seq=7, time_s=0.0), **rows))
        assert order is not None and order.seq == 7
        got = [order.torque, order.stiffness, order.damping, order.reference, order.speed]
        assert got == [list(10.0 * n + np.arange(6.0)) for n in range(5)]

    @pytest.mark.parametrize("name", ["stiffness_nm_rad", "damping_nms_rad"])
    def test_negative_gains_are_refused(self, name: str) -> None:
        gains = np.zeros(6)
        gains[4] = -1e-9
        assert joint_order(replace(AssistCommand(seq=1, time_s=0.0), **{name: gains})) is None

    @pytest.mark.parametrize(
        "change",
        [{"belt_speed_m_s": np.nan}, {"belt_acceleration_m_s2": -0.1}, {"belt_acceleration_m_s2": np.inf},
         {"unloading_percent": np.nan}, {"support_kind": 3}, {"harness_action": -1},
         {"belt_speed_m_s": "fast"}],
    )  # fmt: skip
    def test_environment_order(self, change: dict) -> None:
        good = EnvironmentCommand(seq=0, time_s=0.0)
        assert environment_order_ok(good)
        assert not environment_order_ok(replace(good, **change))

    @pytest.mark.parametrize(
        "change",
        [{"scale": np.nan}, {"scale": 1.01}, {"scale": -0.01}, {"mode": 6}, {"mode": -1}, {"expiry_seq": 15},
         {"expiry_seq": None}, {"belt_limit_m_s": np.inf}, {"belt_limit_m_s": -1.0}, {"harness_action": 3}],
    )  # fmt: skip
    def test_permit(self, change: dict) -> None:
        good = SafetyPermit(seq=10, time_s=0.05, mode=5, scale=1.0, expiry_seq=14)
        assert permit_ok(good, 5)
        assert permit_ok(replace(good, expiry_seq=9), 5)
        assert not permit_ok(replace(good, **change), 5)

    def test_sequence_accepts_each_once_in_order_and_not_from_the_future(self) -> None:
        order = Sequence()
        make = lambda seq: AssistCommand(seq=seq, time_s=0.0)  # noqa: E731
        assert order.accept(make(5), 5, 2)
        assert not order.accept(make(5), 5, 2)
        assert not order.accept(make(4), 6, 2)
        assert not order.accept(make(8), 7, 2)
        assert order.accept(make(8), 10, 2)
        assert not order.accept(make(9), 12, 2)
        assert not order.accept(object(), 12, 2)
        assert order.rejected == 5

    @pytest.mark.parametrize(
        "value", [None, "fast", 1j, np.nan, np.inf, 1e7, -1e7, np.zeros(2), GaitPhase(1, 0.0)]
    )
    @pytest.mark.parametrize(
        "name",
        ["belt_speed_m_s", "belt_acceleration_m_s2", "belt_target_m_s", "unloading_n", "unloading_percent",
         "guidance_torque_nm"],
    )  # fmt: skip
    def test_environment_that_cant_be_read(self, name: str, value: object) -> None:
        good = EnvironmentState(seq=0, time_s=0.0)
        assert EnvironmentKernel.readable(good)
        assert not EnvironmentKernel.readable(replace(good, **{name: value}))


class TestHoming:
    def test_pulses_last_as_long_as_the_limits_say(self, limits: SafetyLimits) -> None:
        schedule, timing = HomingSchedule(limits, PERIOD), limits.timing
        assert schedule.settle * PERIOD == pytest.approx(timing.homing_settle_s)
        assert schedule.pulse * PERIOD == pytest.approx(timing.homing_pulse_s)
        for joint in JOINTS:
            start = schedule.settle + joint * schedule.pulse
            (_, before), (_, first) = schedule.torque(start), schedule.torque(start + 1)
            assert before == 0.0 < first, "from nothing, forward first"
        slow = HomingSchedule(limits, 10.0)
        assert slow.pulse == 4, "a sine of four points at least"
        assert slow.settle == 1 + 3 + 2 * (2 + 3), "rest from a test before, and the turns of two lines"

    def test_each_joint_gets_one_full_sine(self, limits: SafetyLimits) -> None:
        schedule = HomingSchedule(limits, PERIOD)
        torque = np.zeros((schedule.end + 50, 6))
        for n in range(len(torque)):
            joint, value = schedule.torque(n)
            assert joint == schedule.joint(n)
            if joint >= 0:
                torque[n, joint] = value
            else:
                assert value == 0.0
                assert n < schedule.settle or n >= schedule.end
        peaks = np.array([j.homing_nm for j in limits.joints])
        np.testing.assert_allclose(torque.max(axis=0), peaks, rtol=1e-3)
        np.testing.assert_allclose(torque.sum(axis=0), 0.0, atol=1e-9)
        assert (np.count_nonzero(torque, axis=1) <= 1).all()
