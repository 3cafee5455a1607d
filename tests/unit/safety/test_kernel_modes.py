"""The kernel: what each mode does with the order, and how one hands over to the next."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_bench import Bench, active_is_zero, env_state, order, permit
from safety_world import PERIOD

from exostride.safety.limits import SafetyLimits
from exostride.types import HarnessAction, Mode, Reason


class TestModes:
    def test_without_any_permit_it_damps(self, bench: Bench, limits: SafetyLimits) -> None:
        out = bench.tick(permit=None)
        assert out.mode == Mode.DAMP
        assert active_is_zero(out)
        assert out.drive.protective_damping_nms_rad.tolist() == [j.damp_nms_rad for j in limits.joints]
        assert out.environment.belt_speed_m_s == 0.0
        assert out.environment.belt_acceleration_m_s2 == limits.belt.stop_m_s2
        assert out.environment.harness_action == HarnessAction.HOLD
        assert out.reason & Reason.PERMIT_MISSING and out.reason & Reason.FALLBACK

    def test_zero_is_free_even_beyond_the_wall(self, bench: Bench) -> None:
        out = bench.run(3, mode=Mode.ZERO, exo={"angle_rad": np.full(6, 1.5)})
        assert active_is_zero(out)
        assert not out.drive.protective_nm.any()
        assert not out.drive.protective_damping_nms_rad.any()
        assert out.reason & ~Reason.ENVIRONMENT_LIMIT == 0

    def test_damp_permit(self, bench: Bench) -> None:
        out = bench.run(3, mode=Mode.DAMP, permit=None)
        bench.run(2, mode=Mode.DAMP)
        out = bench.tick(permit=permit(bench.seq + 1, Mode.DAMP, harness_action=HarnessAction.LIFT))
        assert out.mode == Mode.DAMP and active_is_zero(out)
        assert out.environment.harness_action == HarnessAction.LIFT

    def test_train_passes_the_order(self, bench: Bench) -> None:
        out = bench.train()
        np.testing.assert_allclose(out.drive.torque_nm, 10.0)
        assert (out.drive.low_nm <= 10.0).all() and (out.drive.high_nm >= 10.0).all()
        np.testing.assert_allclose(out.requested_nm, 10.0)
        assert out.environment.belt_speed_m_s == 0.5
        assert out.environment.unloading_percent == pytest.approx(30.0)
        assert out.environment.harness_action == HarnessAction.UNLOAD
        assert out.reason == 0

    def test_scale_shrinks_the_order_and_says_so(self, bench: Bench) -> None:
        bench.train()
        out = bench.tick(permit=permit(bench.seq + 1, scale=0.5))
        np.testing.assert_allclose(out.drive.torque_nm, 5.0)
        np.testing.assert_allclose(out.requested_nm, 10.0)
        assert bench.tick(permit=permit(bench.seq + 1, scale=0.0)).requested_nm.tolist() == [0.0] * 6
        assert out.reason & Reason.PERMIT_SCALE

    def test_order_gains_and_references_are_limited(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        k = bench.seq + 1
        out = bench.tick(
            command=order(
                k,
                stiffness_nm_rad=np.full(6, 1e4),
                damping_nms_rad=np.full(6, 1e4),
                reference_rad=np.array([5.0, -5.0, 0.0, 5.0, -5.0, 0.0]),
                reference_velocity_rad_s=np.array([99.0, -99.0, 0.0, 99.0, -99.0, 0.0]),
            )
        )
        drive = out.drive
        assert drive.stiffness_nm_rad.tolist() == [j.stiffness_nm_rad for j in limits.joints]
        assert drive.damping_nms_rad.tolist() == [j.damping_nms_rad for j in limits.joints]
        assert drive.reference_rad.tolist()[:3] == [
            limits.joints[0].angle_max_rad,
            limits.joints[1].angle_min_rad,
            0.0,
        ]
        assert drive.reference_velocity_rad_s.tolist()[:2] == [5.0, -9.0]
        hip, knee = limits.joints[:2]
        assert out.requested_nm[:2].tolist() == pytest.approx(
            [
                hip.stiffness_nm_rad * hip.angle_max_rad + hip.damping_nms_rad * 5.0,
                knee.stiffness_nm_rad * knee.angle_min_rad - knee.damping_nms_rad * 9.0,
            ]
        ), "what was asked for within the limits of gains and references"
        for bit in (Reason.TORQUE_LIMIT, Reason.SOFT_WALL, Reason.VELOCITY_LIMIT):
            assert out.reasons[0] & bit
        assert not out.reasons[2] & (Reason.SOFT_WALL | Reason.VELOCITY_LIMIT)

    def test_a_request_beyond_all_sense_is_told_as_a_large_one(self, bench: Bench) -> None:
        bench.train()
        asked = [bench.tick(command=order(bench.seq + 1, sign * 1e8)).requested_nm[0] for sign in (1, -1)]
        assert asked == [1e6, -1e6]

    def test_handover_from_lock_is_smooth(self, bench: Bench, limits: SafetyLimits) -> None:
        """A constant push of the patient is carried by lock and controller in turn without a gap."""
        bench.run(5, mode=Mode.STAND)
        last = None
        gains = {"stiffness_nm_rad": np.full(6, 100.0), "damping_nms_rad": np.full(6, 1.0)}
        for _ in range(260):
            k = bench.seq + 1
            out = bench.tick(command=order(k, **gains), exo={"angle_rad": np.full(6, 0.05)})
            if last is not None:
                assert np.abs(out.drive.stiffness_nm_rad - last).max() < 1.0
            last = out.drive.stiffness_nm_rad
        np.testing.assert_allclose(last, 100.0)

    def test_handover_with_a_pure_torque_order(self, bench: Bench) -> None:
        out = bench.run(5, mode=Mode.STAND)
        out = bench.run(100)
        assert 0.0 < out.drive.torque_nm[0] < 10.0

    def test_handover_of_nothing_is_nothing(self, bench: Bench) -> None:
        bench.run(5, mode=Mode.STAND)
        k = bench.seq + 1
        out = bench.tick(permit=permit(k, scale=0.0))
        assert not out.drive.stiffness_nm_rad.any() and not out.drive.damping_nms_rad.any()
        assert np.isfinite(out.drive.reference_rad).all()

    def test_stand_locks_where_it_is_entered(self, bench: Bench, limits: SafetyLimits) -> None:
        angle = {"angle_rad": np.array([0.2, 0.3, 0.1] * 2)}
        out = bench.run(50, mode=Mode.STAND, exo=angle)
        np.testing.assert_allclose(out.drive.reference_rad, angle["angle_rad"])
        assert out.drive.stiffness_nm_rad.tolist() == [j.hold_stiffness_nm_rad for j in limits.joints]
        assert out.environment.belt_speed_m_s == 0.0
        assert (np.abs(out.drive.high_nm) <= [j.hold_nm for j in limits.joints]).all()

    def test_stand_leads_an_unloaded_leg_upright(self, bench: Bench, limits: SafetyLimits) -> None:
        angle = np.array([0.2, 0.3, 0.1] * 2)
        load = np.array([300.0, 300.0, 0.0, 0.0])
        out = bench.run(101, mode=Mode.STAND, exo={"angle_rad": angle, "foot_load_n": load})
        moved = limits.timing.stand_speed_rad_s * PERIOD * 101
        np.testing.assert_allclose(out.drive.reference_rad[:3], angle[:3])
        np.testing.assert_allclose(
            out.drive.reference_rad[3:], np.maximum(angle[3:] - moved, [0.0, 0.03, 0.0])
        )

    def test_homing_pulses_the_scheduled_joint_only(self, bench: Bench, limits: SafetyLimits) -> None:
        torques = np.array([bench.tick(mode=Mode.HOMING).drive.torque_nm for _ in range(640)])
        np.testing.assert_allclose(torques.max(axis=0), [j.homing_nm for j in limits.joints], rtol=1e-3)
        assert (np.count_nonzero(torques, axis=1) <= 1).all()

    def test_homing_and_stand_share_the_lock(self, bench: Bench) -> None:
        bench.run(10, mode=Mode.HOMING, exo={"angle_rad": np.full(6, 0.1)})
        out = bench.run(2, mode=Mode.STAND, exo={"angle_rad": np.full(6, 0.11)})
        np.testing.assert_allclose(out.drive.reference_rad, 0.1)

    def test_permitted_hold_stance(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        ticks = round(limits.timing.hold_stance_s / PERIOD)
        out = bench.run(ticks, mode=Mode.HOLD_STANCE)
        assert out.mode == Mode.HOLD_STANCE
        assert bench.tick(mode=Mode.HOLD_STANCE).mode == Mode.DAMP
        rolling = {"env": env_state(bench.seq + 1, belt_speed_m_s=0.5)}
        assert bench.tick(mode=Mode.HOLD_STANCE, **rolling).mode == Mode.DAMP, "legs do not lock again"
        bench.train()
        assert bench.tick(mode=Mode.HOLD_STANCE).mode == Mode.HOLD_STANCE

    @pytest.mark.parametrize("lost", [False, True])
    def test_stance_is_held_until_the_belt_rests(
        self, bench: Bench, limits: SafetyLimits, lost: bool
    ) -> None:
        """From the fastest speed the belt needs longer to rest than the legs are held on a belt at rest."""
        belt, stops = limits.belt, limits.detect.stops
        bench.train(3)
        given = {"permit": None} if lost else {"mode": Mode.HOLD_STANCE}
        speed, held = belt.speed_m_s, []
        while speed > stops.belt_rest_m_s:
            held.append(bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=speed), **given).mode)
            speed -= belt.stop_m_s2 * PERIOD
        assert len(held) * PERIOD > 1.5 * limits.timing.hold_stance_s
        assert set(held[8:]) == {Mode.HOLD_STANCE}
        assert bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=speed), **given).mode == Mode.DAMP

    def test_a_belt_that_never_rests_is_not_waited_for(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train(3)
        modes = []
        for _ in range(round(limits.detect.stops.belt_timeout_s / PERIOD) + 1):
            env = env_state(bench.seq + 1, belt_speed_m_s=-0.5)
            modes.append(bench.tick(mode=Mode.HOLD_STANCE, env=env).mode)
        assert set(modes[:-1]) == {Mode.HOLD_STANCE} and modes[-1] == Mode.DAMP
