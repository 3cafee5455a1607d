"""The kernel as a whole: modes, fallbacks, belt and harness, and safe outputs for anything."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.inbox import permit_longest
from exostride.safety.kernel import SafetyKernel
from exostride.safety.limits import SafetyLimits
from exostride.types import (
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    HarnessAction,
    KernelOutput,
    Mode,
    Reason,
    SafetyPermit,
)


def env_state(seq: int, **changes: Any) -> EnvironmentState:
    return replace(EnvironmentState(seq=seq, time_s=seq * PERIOD), **changes)


def permit(seq: int, mode: int = Mode.TRAIN, **changes: Any) -> SafetyPermit:
    base = SafetyPermit(
        seq=seq, time_s=seq * PERIOD, mode=int(mode), scale=1.0, expiry_seq=seq + 4, belt_limit_m_s=2.0
    )
    return replace(base, **changes)


def order(seq: int, torque: float = 0.0, **changes: Any) -> AssistCommand:
    return replace(AssistCommand(seq=seq, time_s=seq * PERIOD, torque_nm=np.full(6, torque)), **changes)


def belt_order(seq: int, speed: float = 0.5, **changes: Any) -> EnvironmentCommand:
    base = EnvironmentCommand(
        seq=seq, time_s=seq * PERIOD, belt_speed_m_s=speed, belt_acceleration_m_s2=0.3, unloading_percent=30.0
    )
    return replace(base, **changes)


class Bench:
    """Drives a kernel tick by tick; a None factory leaves the message out."""

    def __init__(self, limits: SafetyLimits, **options: Any) -> None:
        self.kernel = SafetyKernel(limits, PERIOD, **options)
        self.seq = -1

    def tick(self, **given: Any) -> KernelOutput:
        self.seq += 1
        k = self.seq
        mode = given.pop("mode", Mode.TRAIN)
        exo = given.pop("exo", {})
        values = {
            "exo": exo_state(k, **exo) if isinstance(exo, dict) else exo,
            "env": env_state(k),
            "command": order(k, 10.0),
            "belt": belt_order(k),
            "permit": permit(k, mode),
            **given,
        }
        return self.kernel.step(
            k, values["exo"], values["env"], values["command"], values["belt"], values["permit"]
        )

    def run(self, ticks: int, **given: Any) -> KernelOutput:
        for _ in range(ticks):
            out = self.tick(**given)
        return out

    def train(self, ticks: int = 250) -> KernelOutput:
        self.run(3, mode=Mode.STAND)
        out = self.run(ticks)
        assert out.mode == Mode.TRAIN
        return out


@pytest.fixture
def bench(limits: SafetyLimits) -> Bench:
    return Bench(limits)


def active_is_zero(out: KernelOutput) -> bool:
    return not (out.drive.low_nm.any() or out.drive.high_nm.any())


def safe(out: KernelOutput, limits: SafetyLimits) -> None:
    """Every number finite, every torque within limits, every message complete."""
    drive = out.drive
    for item in fields(drive):
        value = getattr(drive, item.name)
        if isinstance(value, np.ndarray):
            assert value.shape == (6,) and np.isfinite(value).all(), item.name
    for i, joint in enumerate(limits.joints):
        assert -joint.torque_nm <= drive.low_nm[i] <= drive.high_nm[i] <= joint.torque_nm
        assert abs(drive.protective_nm[i]) <= joint.protective_nm
        assert 0.0 <= drive.stiffness_nm_rad[i] <= joint.stiffness_nm_rad
        assert 0.0 <= drive.damping_nms_rad[i] <= joint.damping_nms_rad
        assert drive.protective_damping_nms_rad[i] in (0.0, joint.damp_nms_rad)
    belt = out.environment
    assert 0.0 <= belt.belt_speed_m_s <= limits.belt.speed_m_s
    assert 0.0 <= belt.belt_acceleration_m_s2 <= max(limits.belt.acceleration_m_s2, limits.belt.stop_m_s2)
    assert 0.0 <= belt.unloading_percent <= limits.belt.unloading_percent
    assert belt.harness_action in (0, 1, 2) and belt.support_kind in (0, 1, 2)
    assert np.isfinite(out.requested_nm).all() and out.reasons.dtype == np.uint32
    assert np.isfinite(out.tank_j) and out.mode in list(Mode)


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
        for bit in (Reason.TORQUE_LIMIT, Reason.SOFT_WALL, Reason.VELOCITY_LIMIT):
            assert out.reasons[0] & bit
        assert not out.reasons[2] & (Reason.SOFT_WALL | Reason.VELOCITY_LIMIT)

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
        assert bench.tick().mode == Mode.DAMP
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


class TestEnvironment:
    def test_limits_of_the_permit_and_of_the_machine(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        k = bench.seq + 1
        out = bench.tick(belt=belt_order(k, 9.0, belt_acceleration_m_s2=9.0, unloading_percent=500.0))
        assert out.environment.belt_speed_m_s == limits.belt.speed_m_s
        assert out.environment.belt_acceleration_m_s2 == limits.belt.acceleration_m_s2
        assert out.reason & Reason.ENVIRONMENT_LIMIT
        out = bench.tick(belt=belt_order(k + 1, -1.0))
        assert out.environment.belt_speed_m_s == 0.0
        out = bench.tick(permit=permit(k + 2, belt_limit_m_s=0.2))
        assert out.environment.belt_speed_m_s == 0.2
        assert out.environment.belt_acceleration_m_s2 == limits.belt.stop_m_s2

    def test_unloading_changes_slowly_from_what_is_measured(self, limits: SafetyLimits) -> None:
        bench = Bench(limits)
        out = bench.tick(env=env_state(0, unloading_percent=12.0), mode=Mode.STAND)
        step = limits.belt.unloading_rate_percent_s * PERIOD
        assert out.environment.unloading_percent == pytest.approx(12.0 + step)
        assert bench.run(200, mode=Mode.STAND).environment.unloading_percent == pytest.approx(30.0)

    def test_stale_environment_command_stops_the_belt(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        outs = [bench.tick(belt=None) for _ in range(4)]
        assert [o.environment.belt_speed_m_s for o in outs] == [0.5, 0.5, 0.0, 0.0]
        assert outs[2].reason & Reason.ENVIRONMENT_STALE
        assert outs[3].environment.harness_action == HarnessAction.HOLD
        assert outs[3].environment.unloading_percent == pytest.approx(30.0)

    @pytest.mark.parametrize("demand", list(HarnessAction))
    @pytest.mark.parametrize("wish", list(HarnessAction))
    def test_the_stronger_harness_action_wins(self, bench: Bench, demand: int, wish: int) -> None:
        bench.train(3)
        k = bench.seq + 1
        out = bench.tick(belt=belt_order(k, harness_action=wish), permit=permit(k, harness_action=demand))
        assert out.environment.harness_action == max(demand, wish)

    @pytest.mark.parametrize("speed", [0.5 + 0.1501, -0.0801])
    def test_contactor_opens_on_a_belt_out_of_control(self, bench: Bench, speed: float) -> None:
        bench.train()
        wrong = {"env": None}
        for n in range(6):
            wrong["env"] = env_state(bench.seq + 1, belt_speed_m_s=speed)
            out = bench.tick(**wrong)
            assert out.environment.belt_stop == (n >= 3)
        assert out.environment.belt_speed_m_s == 0.0
        assert out.reason & Reason.ENVIRONMENT_LIMIT and out.reason & Reason.FALLBACK
        assert bench.run(100).environment.belt_stop
        assert not bench.tick(mode=Mode.ZERO).environment.belt_stop

    @pytest.mark.parametrize("speed", [0.5 + 0.1499, -0.0799])
    def test_contactor_stays_closed_inside_the_band(self, bench: Bench, speed: float) -> None:
        bench.train()
        for _ in range(20):
            out = bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=speed))
        assert not out.environment.belt_stop

    def test_a_short_excess_is_forgiven(self, bench: Bench) -> None:
        bench.train()
        for _ in range(5):
            for speed in (0.9, 0.9, 0.9, 0.5):
                out = bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=speed))
        assert not out.environment.belt_stop

    def test_a_belt_that_slows_as_told_is_no_fault(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        speed = 0.5
        for _ in range(300):
            speed = max(0.0, speed - 0.8 * limits.belt.stop_m_s2 * PERIOD)
            out = bench.tick(mode=Mode.DAMP, env=env_state(bench.seq + 1, belt_speed_m_s=speed))
        assert not out.environment.belt_stop

    def test_a_belt_that_does_not_slow_is(self, bench: Bench) -> None:
        bench.train()
        ticks = 0
        while not bench.tick(
            mode=Mode.DAMP, env=env_state(bench.seq + 1, belt_speed_m_s=0.5)
        ).environment.belt_stop:
            ticks += 1
        assert 0.15 < ticks * PERIOD < 0.5


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
