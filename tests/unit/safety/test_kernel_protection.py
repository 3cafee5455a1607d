"""The kernel between drive and patient: runaway, energy, walls, cuffs."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_bench import Bench, order
from safety_world import ALL

from exostride.safety.limits import SafetyLimits
from exostride.types import Mode, Reason


class TestRunaway:
    @pytest.mark.parametrize("joint", range(6))
    @pytest.mark.parametrize("sign", [1, -1])
    def test_power_is_taken_from_a_drive_that_ignores_its_window(
        self, bench: Bench, limits: SafetyLimits, joint: int, sign: int
    ) -> None:
        bench.train()
        drive = bench.tick(exo={"motor_torque_nm": np.full(6, 10.0)}).drive
        high, low = float(drive.high_nm[joint]), float(drive.low_nm[joint])
        margin = limits.detect.drives.runaway_nm
        edge = high + margin if sign > 0 else low - margin
        torque = np.full(6, 10.0)
        torque[joint] = edge - sign * 0.01
        assert bench.run(4, exo={"motor_torque_nm": torque}).drive.safe_off == 0
        torque[joint] = edge + sign * 0.01
        assert bench.tick(exo={"motor_torque_nm": torque}).drive.safe_off == 0
        out = bench.tick(exo={"motor_torque_nm": torque})
        assert out.drive.safe_off == 1 << joint
        assert out.reasons[joint] & Reason.RESIDUAL
        assert out.drive.high_nm[joint] == out.drive.low_nm[joint] == 0.0
        assert bench.run(50).drive.safe_off == 1 << joint
        assert bench.tick(mode=Mode.STAND).drive.safe_off == 1 << joint
        assert bench.tick(mode=Mode.ZERO).drive.safe_off == 0

    def test_a_single_outlier_is_no_runaway(self, bench: Bench) -> None:
        bench.train()
        for _ in range(5):
            bench.tick(exo={"motor_torque_nm": np.full(6, 500.0)})
            out = bench.tick()
        assert out.drive.safe_off == 0

    def test_lost_samples_do_not_hide_a_runaway(self, bench: Bench) -> None:
        """Every second sample missing is bridged for ever; the torque sensors may come and go, too."""
        away = {"motor_torque_nm": np.full(6, 500.0)}
        for change in ({"joint_valid": 0b111101}, {"available": ALL & ~2}):
            bench.run(3, mode=Mode.ZERO)
            bench.train()
            assert bench.tick(exo=away).drive.safe_off == 0
            assert bench.tick(exo={**away, **change}).drive.safe_off & 2 == 0
            assert bench.tick(exo=away).drive.safe_off & 2 == 2

    def test_without_torque_sensors_nothing_is_compared(self, bench: Bench) -> None:
        bench.train()
        out = bench.run(5, exo={"motor_torque_nm": np.full(6, 500.0), "available": ALL & ~2})
        assert out.drive.safe_off == 0


class TestEnergy:
    def test_injected_energy_is_bounded_whatever_the_controller_does(self, limits: SafetyLimits) -> None:
        """A drive that always pushes along the motion: injected <= initial + absorbed + budget."""
        bench = Bench(limits)
        bench.run(3, mode=Mode.STAND)
        tank = bench.kernel.tank
        rng = np.random.default_rng(0)
        lowest = np.inf
        for k in range(4000):
            if k % 40 == 0:
                speed = rng.uniform(-1, 1, 6) * np.array([3.0, 6.0, 5.0] * 2)
            out = bench.tick(exo={"velocity_rad_s": speed, "angle_rad": np.array([0.2, 0.6, 0.0] * 2),
                                  "available": ALL & ~2},
                             command=order(bench.seq + 1, torque_nm=200.0 * np.sign(speed)))  # fmt: skip
            assert tank.injected_j <= tank.initial_j + tank.absorbed_j + tank.budget_j + 1e-9
            lowest = min(lowest, out.tank_j)
        assert 0.0 < lowest < 0.7 * limits.tank.capacity_j
        assert tank.injected_j > 3 * limits.tank.capacity_j

    def test_no_budget_outside_training(self, bench: Bench) -> None:
        bench.run(50, mode=Mode.STAND)
        assert bench.kernel.tank.budget_j == 0.0
        bench.kernel.tank.account(50.0, 0.0, 0.0)
        before = bench.kernel.tank.energy_j
        bench.run(20, mode=Mode.STAND)
        assert bench.kernel.tank.energy_j == pytest.approx(before)
        bench.run(20)
        assert bench.kernel.tank.energy_j > before


class TestProtection:
    @pytest.mark.parametrize("joint", range(6))
    def test_wall_pushes_back_in_every_mode_but_zero(
        self, bench: Bench, limits: SafetyLimits, joint: int
    ) -> None:
        angle = np.array([0.2, 0.3, 0.0] * 2)
        angle[joint] = limits.joints[joint].angle_max_rad
        for mode in (Mode.DAMP, Mode.HOMING, Mode.STAND, Mode.TRAIN, Mode.HOLD_STANCE):
            bench.run(3, mode=Mode.ZERO, exo={"angle_rad": angle})
            out = bench.run(3, mode=mode, exo={"angle_rad": angle})
            assert out.drive.protective_nm[joint] == pytest.approx(-0.5 * limits.joints[joint].protective_nm)
            assert out.reasons[joint] & Reason.SOFT_WALL

    def test_no_wall_on_a_lost_joint(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train(3)
        out = bench.run(3, exo={"angle_rad": np.full(6, 1.8), "joint_valid": 0b111110})
        assert out.drive.protective_nm[0] == 0.0
        assert out.drive.protective_damping_nms_rad[0] == limits.joints[0].damp_nms_rad

    def test_lost_joint_is_not_damped_in_zero(self, bench: Bench) -> None:
        out = bench.run(4, mode=Mode.ZERO, exo={"joint_valid": 0})
        assert not out.drive.protective_damping_nms_rad.any()

    def test_patient_pressing_on_the_cuff_gets_less(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        cuff = np.array([j.cuff_nm + 1.0 for j in limits.joints])
        out = bench.tick(exo={"cuff_torque_nm": cuff})
        assert (out.drive.high_nm <= 1e-12).all() and (out.reasons & int(Reason.CUFF_LIMIT)).all()
        out = bench.tick(exo={"cuff_torque_nm": cuff, "segment_valid": 0})
        assert (out.drive.high_nm > 0).all()
        out = bench.tick(exo={"cuff_torque_nm": cuff, "available": ALL & ~4})
        assert (out.drive.high_nm > 0).all()
