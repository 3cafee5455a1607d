"""What the kernel books as work, and what it takes for a drive that does not obey: known answers."""

from __future__ import annotations

from math import inf, nextafter
from typing import Any

import numpy as np
import pytest
from kernel_bench import Bench, order
from safety_world import ALL, PERIOD

from exostride.safety.limits import SafetyLimits
from exostride.types import Mode, Reason

EVERY = 0b111111
MARGIN = 25.0
"""Motor torque beyond the window and the protective part that is a runaway [N m]."""


def loose(limits: SafetyLimits, runaway_ticks: int = 1, **joint: float) -> SafetyLimits:
    """Limits under which nothing but 64 N m bounds a joint; the tank holds 128 J and is given 64 W."""
    own = {"torque_nm": 64.0, "protective_nm": 80.0, "power_w": 1e9, "slew_nm_s": 1e9, "window_nm": 1e9}
    tank = {"body_mass_kg": 64.0, "stride_work_j_kg": 0.5, "strides": 2.0, "stride_s": 1.0, "share": 1.0}
    drives = {"runaway_nm": MARGIN, "runaway_ticks": runaway_ticks}
    detect = {"drives": limits.detect.drives.model_copy(update=drives)}
    return limits.model_copy(
        update={
            "joints": tuple(j.model_copy(update={**own, **joint}) for j in limits.joints),
            "tank": limits.tank.model_copy(update=tank),
            "detect": limits.detect.model_copy(update=detect),
        }
    )


def state(speed: Any = 0.0, angle: Any = 0.25, **changes: Any) -> dict:
    return {"angle_rad": np.zeros(6) + angle, "velocity_rad_s": np.zeros(6) + speed, **changes}


class TestWork:
    SPEED = np.array([0.5, -0.5, 0.0, 0.5, -0.5, 0.0])

    @pytest.fixture
    def half(self, limits: SafetyLimits) -> Bench:
        """A kernel whose tank is half empty, so that whatever flows in is seen."""
        bench = Bench(loose(limits))
        bench.kernel.tank.account(64.0, 0.0, 0.0)
        return bench

    def books(self, bench: Bench) -> np.ndarray:
        """Work done on the patient, taken from it, and given by the budget, in ticks of 1 W."""
        tank = bench.kernel.tank
        level = 128.0 + tank.absorbed_j + tank.budget_j - tank.injected_j
        assert tank.energy_j == pytest.approx(level)
        return np.array([tank.injected_j - 64.0, tank.absorbed_j, tank.budget_j]) / PERIOD

    def train(self, bench: Bench, speed: np.ndarray, torque: float = 8.0) -> np.ndarray:
        given = order(
            bench.seq + 1, torque,
            stiffness_nm_rad=np.full(6, 16.0), damping_nms_rad=np.full(6, 4.0),
            reference_rad=np.full(6, 0.5), reference_velocity_rad_s=np.full(6, 0.25),
        )  # fmt: skip
        bench.tick(exo=state(speed), command=given)
        return self.books(bench)

    def test_mean_torque_times_mean_speed(self, half: Bench) -> None:
        """Spring 4 N m and feedforward 8 N m; damper -1 N m in one, 3 N m in the other."""
        half.tick(mode=Mode.ZERO, exo=state(self.SPEED))
        got = [self.train(half, self.SPEED) for _ in range(3)]
        faster = 2.0 * self.SPEED
        got.append(self.train(half, faster))
        want = [
            (0.0, 0.0, 0.0),
            (2 * 0.5 * 11.0 * 0.5, 2 * 0.5 * 15.0 * 0.5, 64.0),
            (2 * 11.0 * 0.5, 2 * 15.0 * 0.5, 64.0),
            (2 * 10.0 * 0.75, 2 * 16.0 * 0.75, 64.0),
        ]
        np.testing.assert_allclose(got, np.cumsum(want, axis=0), atol=1e-9)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_no_more_than_the_window_allows(self, half: Bench, sign: float) -> None:
        half.tick(mode=Mode.ZERO, exo=state(self.SPEED))
        for _ in range(3):
            self.train(half, self.SPEED, sign * 500.0)
        before = self.books(half)
        got = self.train(half, self.SPEED, sign * 500.0) - before
        np.testing.assert_allclose(got, (64.0, 64.0, 64.0), atol=1e-9)

    def test_the_budget_flows_for_ticks_of_training_only(self, half: Bench) -> None:
        budgets = []
        for mode in (Mode.ZERO, Mode.TRAIN, Mode.TRAIN, Mode.STAND, Mode.STAND, Mode.TRAIN):
            half.tick(mode=mode)
            budgets.append(self.books(half)[2])
        np.testing.assert_allclose(budgets, [0.0, 0.0, 64.0, 128.0, 128.0, 128.0], atol=1e-9)

    def test_in_the_first_tick_there_is_nothing_to_book(self, half: Bench) -> None:
        self.train(half, self.SPEED)
        assert self.books(half).tolist() == [0.0, 0.0, 0.0]

    def test_after_an_internal_error_the_drives_carry_nothing(self, half: Bench, monkeypatch) -> None:
        half.tick(mode=Mode.ZERO, exo=state(self.SPEED))
        for _ in range(3):
            self.train(half, self.SPEED)
        with monkeypatch.context() as broken:
            broken.setattr(half.kernel._source, "fill", lambda *_: 1 / 0)
            before = self.train(half, self.SPEED)
        out = half.tick(exo=state(self.SPEED))
        assert (out.mode, out.reason) == (Mode.DAMP, Reason.PERMIT_MODE | Reason.FALLBACK)
        np.testing.assert_allclose(self.books(half), before, atol=1e-9)


class TestRunaway:
    def off(self, bench: Bench, torque: Any, mode: Mode | None = Mode.DAMP, **given: Any) -> int:
        """Joints that are without power after a tick in which their motors give ``torque``."""
        motors = {"motor_torque_nm": np.zeros(6) + torque}
        gone = {"permit": None} if mode is None else {"mode": mode}
        return bench.tick(exo={**state(**given), **motors}, **gone).drive.safe_off

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    @pytest.mark.parametrize("speed", [0.0, 1.0, -1.0])
    def test_in_the_first_tick_nothing_has_been_asked_for(
        self, limits: SafetyLimits, speed: float, sign: float
    ) -> None:
        for torque, off in ((MARGIN, 0), (nextafter(MARGIN, inf), EVERY)):
            assert self.off(Bench(loose(limits)), sign * torque, None, speed=speed) == off

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_a_brake_may_do_what_it_is_told_and_as_much_again(
        self, limits: SafetyLimits, sign: float
    ) -> None:
        """At half a radian per second a damper of 16 N m s/rad brakes with 8 N m, or not at all yet."""
        for torque, off in ((-41.0, 0), (nextafter(-41.0, -inf), EVERY), (25.0, 0), (25.0 + 1e-9, EVERY)):
            bench = Bench(loose(limits, damp_nms_rad=16.0))
            bench.tick(mode=Mode.DAMP, exo=state(0.5 * sign))
            assert self.off(bench, sign * torque, speed=0.5 * sign) == off

    @pytest.mark.parametrize("joint", range(6))
    @pytest.mark.parametrize("edge", ["angle_max_rad", "angle_min_rad"])
    def test_a_wall_is_what_it_is_told(self, limits: SafetyLimits, joint: int, edge: str) -> None:
        angle = np.full(6, 0.25)
        angle[joint] = getattr(limits.joints[joint], edge)
        for beyond, off in ((0.0, 0), (1e-9, 1 << joint)):
            for sign in (1.0, -1.0):
                bench = Bench(loose(limits))
                wall = bench.tick(mode=Mode.DAMP, exo=state(angle=angle)).drive.protective_nm[joint]
                assert abs(wall) == pytest.approx(40.0)
                torque = np.zeros(6)
                torque[joint] = wall + sign * (MARGIN + beyond)
                assert self.off(bench, torque, angle=angle) == off

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_an_active_part_may_be_anywhere_in_its_window(self, limits: SafetyLimits, sign: float) -> None:
        for torque, off in ((89.0, 0), (nextafter(89.0, inf), EVERY)):
            bench = Bench(loose(limits))
            bench.tick(mode=Mode.ZERO, exo=state())
            bench.tick(exo=state())
            assert self.off(bench, sign * torque, Mode.TRAIN) == off

    def test_after_an_internal_error_only_dampers_are_at_work(
        self, limits: SafetyLimits, monkeypatch
    ) -> None:
        angle = np.full(6, 0.25)
        angle[0] = limits.joints[0].angle_max_rad
        for torque, off in ((-41.0, 0), (-41.0 - 1e-9, EVERY), (25.0, 0), (25.0 + 1e-9, EVERY)):
            bench = Bench(loose(limits, damp_nms_rad=16.0))
            bench.tick(mode=Mode.ZERO, exo=state(0.5, angle))
            wall = bench.tick(exo=state(0.5, angle)).drive.protective_nm
            with monkeypatch.context() as broken:
                broken.setattr(bench.kernel._source, "fill", lambda *_: 1 / 0)
                assert self.off(bench, wall, Mode.TRAIN, speed=0.5, angle=angle) == 0
            assert self.off(bench, torque, speed=0.5, angle=angle) == off

    @pytest.mark.parametrize("ticks", [1, 2, 3])
    def test_so_many_ticks_in_a_row(self, limits: SafetyLimits, ticks: int) -> None:
        bench = Bench(loose(limits, ticks))
        for _ in range(3):
            got = [self.off(bench, 99.0) for _ in range(ticks - 1)]
            assert got == [0] * (ticks - 1)
            assert self.off(bench, 0.0) == 0
        assert [self.off(bench, 99.0) for _ in range(ticks)] == [0] * (ticks - 1) + [EVERY]

    def test_joints_are_counted_each_by_itself(self, limits: SafetyLimits) -> None:
        bench = Bench(loose(limits, 2))
        bench.tick(mode=Mode.DAMP, exo=state())
        away = 99.0 * np.eye(6)
        assert self.off(bench, away[1] + away[4]) == 0
        assert self.off(bench, away[4] + away[5]) == 1 << 4
        assert self.off(bench, away[2] + away[5]) == 1 << 4 | 1 << 5
        assert self.off(bench, away[1]) == 1 << 4 | 1 << 5

    def test_a_joint_without_a_sample_keeps_its_count_and_hides_no_other(self, limits: SafetyLimits) -> None:
        bench = Bench(loose(limits, 2))
        bench.tick(mode=Mode.DAMP, exo=state())
        assert self.off(bench, 99.0) == 0
        assert self.off(bench, 99.0, joint_valid=EVERY & ~1) == EVERY & ~1
        assert self.off(bench, 99.0) == EVERY

    def test_a_tick_without_torques_keeps_the_count(self, limits: SafetyLimits) -> None:
        bench = Bench(loose(limits, 2))
        bench.tick(mode=Mode.DAMP, exo=state())
        assert self.off(bench, 99.0) == 0
        assert self.off(bench, 99.0, available=ALL & ~2) == 0
        assert bench.tick(mode=Mode.DAMP, exo=None).drive.safe_off == 0
        assert self.off(bench, 99.0) == EVERY

    def test_only_letting_everything_go_gives_the_power_back(self, limits: SafetyLimits) -> None:
        bench = Bench(loose(limits))
        bench.tick(mode=Mode.DAMP, exo=state())
        assert self.off(bench, 99.0 * np.eye(6)[3]) == 8
        for mode in (Mode.DAMP, Mode.HOMING, Mode.STAND, Mode.TRAIN, Mode.HOLD_STANCE, None):
            assert self.off(bench, 0.0, mode) == 8
        assert self.off(bench, 0.0, Mode.ZERO) == 0
        assert self.off(bench, 0.0, Mode.DAMP) == 0
