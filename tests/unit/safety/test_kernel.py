"""The kernel when something is missing or damaged: fallbacks, messages, safe outputs for anything."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_bench import Bench, active_is_zero, belt_order, env_state, order, permit, safe
from safety_world import ALL, PERIOD

from exostride.safety.inbox import permit_longest
from exostride.safety.limits import SafetyLimits
from exostride.types import HarnessAction, Mode, Reason


class TestFallbacks:
    def test_silent_supervisor_holds_then_damps(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        modes = [bench.tick(permit=None).mode for _ in range(4 + 400 + 1)]
        assert modes[:4] == [Mode.TRAIN] * 4
        assert modes[4:404] == [Mode.HOLD_STANCE] * 400
        assert modes[404] == Mode.DAMP

    def test_returning_permit_does_not_restart_motion(self, bench: Bench) -> None:
        bench.train()
        bench.run(6, permit=None)
        out = bench.tick()
        assert out.mode == Mode.HOLD_STANCE and out.reason & Reason.PERMIT_MODE
        assert bench.run(500).mode == Mode.DAMP
        assert bench.run(2, mode=Mode.STAND).mode == Mode.STAND
        assert bench.tick().mode == Mode.TRAIN

    def test_a_kernel_begun_anew_in_training_drives_nothing(self, bench: Bench) -> None:
        """The process that holds it was restarted, and permits and orders go on coming."""
        for _ in range(20):
            out = bench.tick()
            assert out.mode == Mode.DAMP and out.reason & Reason.PERMIT_MODE and active_is_zero(out)

    def test_locked_from_damp_stays_damped(self, bench: Bench) -> None:
        bench.run(2, permit=None)
        assert bench.tick().mode == Mode.DAMP

    @pytest.mark.parametrize("paced", [False, True])
    def test_permit_cannot_hold_longer_than_allowed(self, limits: SafetyLimits, paced: bool) -> None:
        longest = permit_longest(limits, PERIOD, paced)
        assert longest == 5
        assert permit_longest(limits, 0.002, True) == 12
        assert permit_longest(limits, 0.02, True) == 2
        bench = Bench(limits, paced=paced)
        out = bench.tick(permit=permit(0, Mode.STAND, expiry_seq=5))
        assert out.mode == Mode.DAMP and out.reason & Reason.NOT_FINITE

    def test_void_permit_lets_the_last_one_run_out(self, bench: Bench) -> None:
        bench.run(3, mode=Mode.STAND)
        modes = []
        for _ in range(6):
            k = bench.seq + 1
            modes.append(bench.tick(permit=permit(k, Mode.STAND, expiry_seq=k - 1)).mode)
        assert modes == [Mode.STAND] * 4 + [Mode.HOLD_STANCE] * 2
        assert bench.tick(mode=Mode.STAND).mode == Mode.STAND

    def test_silent_controller_is_bridged_then_held(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        outs = [bench.tick(command=None) for _ in range(5)]
        assert [o.mode for o in outs] == [Mode.TRAIN] * 2 + [Mode.HOLD_STANCE] * 3
        assert [o.command_age_ticks for o in outs] == [1, 2, 3, 4, 5]
        assert outs[2].reason & Reason.COMMAND_STALE
        assert bench.tick().mode == Mode.HOLD_STANCE

    def test_training_needs_a_first_command(self, bench: Bench) -> None:
        bench.run(3, mode=Mode.STAND, command=None)
        assert bench.tick(command=None).mode == Mode.HOLD_STANCE
        fresh = Bench(bench.kernel._limits)
        assert fresh.tick(command=None).mode == Mode.DAMP

    def test_hold_keeps_stance_and_damps_swing(self, bench: Bench, limits: SafetyLimits) -> None:
        load = {"foot_load_n": np.array([300.0, 300.0, 3.0, 3.0]), "angle_rad": np.array([0.1, 0.2, 0.0] * 2)}
        bench.train()
        bench.run(20, exo=load)
        out = bench.run(3, exo=load, command=None)
        assert out.mode == Mode.HOLD_STANCE
        drive = out.drive
        assert (drive.stiffness_nm_rad[:3] > 0).all() and not drive.stiffness_nm_rad[3:].any()
        assert not drive.protective_damping_nms_rad[:3].any()
        assert drive.protective_damping_nms_rad[3:].tolist() == [j.damp_nms_rad for j in limits.joints[3:]]
        np.testing.assert_allclose(drive.reference_rad, load["angle_rad"])
        assert drive.low_nm[3:].tolist() == drive.high_nm[3:].tolist() == [0.0] * 3
        np.testing.assert_allclose(drive.torque_nm[:3], 10.0)
        assert bench.run(120, exo=load, command=None).drive.torque_nm.tolist() == [0.0] * 6

    def test_stance_by_wrench_or_assumed(self, bench: Bench) -> None:
        wrench = {"available": ALL & ~8, "foot_force_n": np.array([0, 0, 500.0, 0, 0, 20.0])}
        bench.train()
        bench.run(3, exo=wrench)
        out = bench.run(3, exo=wrench, command=None)
        assert out.drive.stiffness_nm_rad[0] > 0 and out.drive.stiffness_nm_rad[3] == 0
        blind = Bench(bench.kernel._limits)
        blind.train()
        none = {"available": ALL & ~24}
        blind.run(3, exo=none)
        assert (blind.run(3, exo=none, command=None).drive.stiffness_nm_rad > 0).all()

    def test_invalid_foot_keeps_its_last_word(self, bench: Bench) -> None:
        bench.train()
        light = np.array([3.0, 3.0, 300.0, 300.0])
        bench.run(3, exo={"foot_load_n": light})
        out = bench.run(3, exo={"foot_valid": 0b10, "foot_load_n": np.full(4, 300.0)}, command=None)
        assert out.drive.stiffness_nm_rad[0] == 0

    def test_estop_damps_in_the_same_tick_and_does_not_resume(self, bench: Bench) -> None:
        for line in ("estop_closed_a", "estop_closed_b"):
            bench.train()
            out = bench.tick(exo={line: False})
            assert out.mode == Mode.DAMP and active_is_zero(out)
            assert out.environment.belt_speed_m_s == 0.0
            assert bench.tick().mode == Mode.DAMP

    @pytest.mark.parametrize(
        "damage",
        [
            {"exo": {"cuff_force_n": np.full(18, np.nan)}},
            {"exo": {"angle_rad": np.zeros(5)}},
            {"exo": None},
            {"exo": "garbage"},
            {"env": None},
            {"env": "garbage"},
            {"command": "last"},
            {"belt": "last"},
            {"permit": "last"},
        ],
    )  # fmt: skip
    def test_damage_damps_in_the_same_tick(self, bench: Bench, limits: SafetyLimits, damage: dict) -> None:
        bench.train()
        k = bench.seq + 1
        if damage == {"command": "last"}:
            damage = {"command": order(k, np.nan)}
        elif damage == {"belt": "last"}:
            damage = {"belt": belt_order(k, np.nan)}
        elif damage == {"permit": "last"}:
            damage = {"permit": permit(k, scale=np.nan)}
        out = bench.tick(**damage)
        safe(out, limits)
        assert out.mode == Mode.DAMP and active_is_zero(out)
        assert out.reason & Reason.NOT_FINITE and out.reason & Reason.FALLBACK
        assert bench.tick().mode == Mode.DAMP

    def test_nan_belt_speed_of_the_environment(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        for name in ("belt_speed_m_s", "belt_acceleration_m_s2", "belt_target_m_s", "unloading_n",
                     "unloading_percent", "guidance_torque_nm"):  # fmt: skip
            out = bench.tick(env=env_state(bench.seq + 1, **{name: np.nan}))
            assert out.mode == Mode.DAMP, name
            bench.train(3)
        out = bench.tick(env=env_state(bench.seq + 1, guidance_force_n=np.full(2, np.inf)))
        assert out.mode == Mode.DAMP

    def test_lost_joint_alone_is_damped(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        first = bench.tick(exo={"joint_valid": 0b111101})
        assert first.drive.high_nm[1] > 0.0 and first.reasons[1] & Reason.SAMPLE_MISSING
        out = bench.tick(exo={"joint_valid": 0b111101})
        assert out.drive.low_nm[1] == out.drive.high_nm[1] == 0.0
        assert out.drive.torque_nm[1] == 0.0
        assert out.drive.protective_damping_nms_rad.tolist() == [0, limits.joints[1].damp_nms_rad, 0, 0, 0, 0]
        assert out.drive.high_nm[0] > 0.0 and out.mode == Mode.TRAIN

    def test_spike_is_named(self, bench: Bench) -> None:
        bench.train()
        angle = np.zeros(6)
        angle[4] = 0.8
        out = bench.tick(exo={"angle_rad": angle})
        assert out.reasons[4] & Reason.SAMPLE_REJECTED
        assert out.drive.high_nm[4] > 0.0

    def test_an_internal_error_still_gives_safe_outputs(
        self, bench: Bench, limits: SafetyLimits, monkeypatch
    ) -> None:
        bench.train()
        monkeypatch.setattr(bench.kernel._source, "fill", lambda *_: 1 / 0)
        out = bench.tick()
        safe(out, limits)
        assert out.mode == Mode.DAMP and out.reason == Reason.FALLBACK | Reason.NOT_FINITE
        assert out.drive.protective_damping_nms_rad.tolist() == [j.damp_nms_rad for j in limits.joints]
        assert out.environment.belt_speed_m_s == 0.0 and out.environment.harness_action == HarnessAction.HOLD
        assert out.environment.belt_acceleration_m_s2 == limits.belt.stop_m_s2
        monkeypatch.undo()
        # What a drive does that damps as it was told is no runaway of it.
        speed = 4.0
        damped = {"motor_torque_nm": np.array([-j.damp_nms_rad * speed for j in limits.joints])}
        assert bench.tick(exo={"velocity_rad_s": np.full(6, speed), **damped}).mode == Mode.DAMP
        assert bench.kernel._breach == [0] * 6
        odd = bench.kernel.step("x", None, None, None, None, None)  # type: ignore[arg-type]
        safe(odd, limits)
        assert odd.environment.seq == 0


class TestMessages:
    def test_duplicates_and_old_ones_are_dropped_and_counted(self, bench: Bench) -> None:
        bench.train()
        before = bench.tick().rejected_messages
        k = bench.seq + 1
        out = bench.tick(command=order(k - 1), belt=belt_order(k - 1), permit=permit(k - 1))
        assert out.rejected_messages == before + 3
        assert out.reason & Reason.COMMAND_SEQUENCE
        assert out.mode == Mode.TRAIN
        assert (out.command_age_ticks, out.environment_age_ticks, out.permit_age_ticks) == (1, 1, 1)
        out = bench.tick(
            command=order(bench.seq + 5), belt=belt_order(bench.seq + 5), permit=permit(bench.seq + 5)
        )
        assert out.rejected_messages == before + 6

    def test_ages_before_the_first_message(self, bench: Bench) -> None:
        out = bench.tick(command=None, belt=None, permit=None)
        assert (out.command_age_ticks, out.environment_age_ticks, out.permit_age_ticks) == (1, 1, 1)
