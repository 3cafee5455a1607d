"""What the kernel chooses and tells: modes to the tick, reasons, every output at its place."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from kernel_bench import Bench, belt_order, env_state, order, permit
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.kernel import SafetyKernel
from exostride.safety.limits import SafetyLimits
from exostride.safety.walls import JointWall
from exostride.types import DriveCommand, EnvironmentCommand, HarnessAction, Mode, Reason

EVERY = 0b111111
SUPPORTING = (Mode.HOLD_STANCE, Mode.HOMING, Mode.STAND, Mode.TRAIN)
JOINTS = range(6)
TOO_STIFF = {"stiffness_nm_rad": np.full(6, 1e4), "torque_nm": np.zeros(6)}


def of_joints(limits: SafetyLimits, **joint: float) -> SafetyLimits:
    return limits.model_copy(update={"joints": tuple(j.model_copy(update=joint) for j in limits.joints)})


def fresh(limits: SafetyLimits, mode: Mode = Mode.ZERO, ticks: int = 1) -> Bench:
    """A kernel that has been in a mode from the start."""
    bench = Bench(limits)
    assert bench.run(ticks, mode=mode).mode == mode
    return bench


def old(bench: Bench) -> Any:
    """An order for the joints that has come before and is refused."""
    return order(bench.seq)


class TestHold:
    HOLD, ROLL = 10, 20

    def short(self, limits: SafetyLimits, belt_timeout_s: float = ROLL * PERIOD) -> SafetyLimits:
        stops = limits.detect.stops.model_copy(update={"belt_timeout_s": belt_timeout_s})
        timing = limits.timing.model_copy(update={"hold_stance_s": self.HOLD * PERIOD})
        detect = limits.detect.model_copy(update={"stops": stops})
        return limits.model_copy(update={"timing": timing, "detect": detect})

    def held(self, bench: Bench, belt: float = 0.0) -> int:
        """For how many ticks the legs are held; then they are damped for good."""
        modes, reasons = [], set()
        for _ in range(2 * self.ROLL):
            env = env_state(bench.seq + 1, belt_speed_m_s=belt)
            out = bench.tick(mode=Mode.HOLD_STANCE, env=env, belt=belt_order(bench.seq + 1, belt))
            modes.append(out.mode)
            reasons.add(out.reason & ~Reason.ENVIRONMENT_LIMIT & ~Reason.FALLBACK)
        ticks = modes.count(Mode.HOLD_STANCE)
        assert modes == [Mode.HOLD_STANCE] * ticks + [Mode.DAMP] * (len(modes) - ticks)
        assert reasons == {0}
        return ticks

    def test_from_the_first_tick_on(self, limits: SafetyLimits) -> None:
        assert self.held(Bench(self.short(limits))) == self.HOLD

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_longer_on_a_belt_that_moves(self, limits: SafetyLimits, sign: float) -> None:
        rest = limits.detect.stops.belt_rest_m_s
        assert self.held(Bench(self.short(limits)), sign * rest) == self.HOLD
        assert self.held(Bench(self.short(limits)), sign * np.nextafter(rest, 1.0)) == self.ROLL

    def test_never_shorter_than_on_a_belt_at_rest(self, limits: SafetyLimits) -> None:
        assert self.held(Bench(self.short(limits, 2 * PERIOD)), 0.5) == self.HOLD

    @pytest.mark.parametrize("between", [Mode.STAND, Mode.DAMP, Mode.ZERO, Mode.TRAIN])
    def test_another_mode_begins_the_count_anew(self, limits: SafetyLimits, between: Mode) -> None:
        bench = fresh(self.short(limits))
        for _ in range(3):
            assert bench.run(self.HOLD, mode=Mode.HOLD_STANCE).mode == Mode.HOLD_STANCE
            assert bench.tick(mode=between).mode == between
        assert self.held(bench) == self.HOLD

    def test_a_fallback_counts_what_was_held_before(self, limits: SafetyLimits) -> None:
        bench = fresh(self.short(limits))
        bench.run(self.HOLD - 4, mode=Mode.HOLD_STANCE)
        got = [bench.tick(permit=None).mode for _ in range(5)]
        assert got == [Mode.HOLD_STANCE] * 4 + [Mode.DAMP]


class TestFallback:
    @pytest.mark.parametrize("mode", list(Mode))
    def test_without_a_permit_whoever_is_carried_is_held(self, limits: SafetyLimits, mode: Mode) -> None:
        bench = fresh(limits)
        bench.run(3, mode=mode)
        assert [bench.tick(permit=None).mode for _ in range(4)] == [mode] * 4
        out = bench.tick(permit=None)
        assert out.mode == (Mode.HOLD_STANCE if mode in SUPPORTING else Mode.DAMP)
        assert out.reason == Reason.PERMIT_MISSING | Reason.FALLBACK

    @pytest.mark.parametrize("line", ["estop_closed_a", "estop_closed_b"])
    @pytest.mark.parametrize("mode", list(Mode))
    def test_one_open_line_damps_in_any_mode(self, limits: SafetyLimits, mode: Mode, line: str) -> None:
        bench = fresh(limits)
        bench.run(3, mode=mode)
        out = bench.tick(mode=mode, exo={line: False})
        assert (out.mode, out.reason) == (Mode.DAMP, Reason.FALLBACK)

    @pytest.mark.parametrize("through", list(Mode))
    def test_training_goes_on_only_through_a_mode_that_follows_nobody(
        self, limits: SafetyLimits, through: Mode
    ) -> None:
        bench = fresh(limits)
        bench.run(2)
        assert bench.tick(exo={"estop_closed_a": False}).mode == Mode.DAMP
        out = bench.tick()
        assert (out.mode, out.reason) == (Mode.DAMP, Reason.PERMIT_MODE | Reason.FALLBACK)
        bench.tick(mode=through)
        allowed = through not in (Mode.TRAIN, Mode.HOLD_STANCE)
        out = bench.tick()
        assert (out.mode == Mode.TRAIN) is allowed and bool(out.reason & Reason.PERMIT_MODE) is not allowed

    def test_reasons_are_told_together(self, limits: SafetyLimits) -> None:
        """A refused order, with whatever else keeps the kernel from following it."""
        bench = fresh(limits)
        refused = Reason.COMMAND_SEQUENCE | Reason.FALLBACK
        bench.run(2)
        assert bench.run(2, command=order(0)).reason == Reason.COMMAND_SEQUENCE
        out = bench.tick(command=order(0))
        assert (out.mode, out.reason) == (Mode.HOLD_STANCE, refused | Reason.COMMAND_STALE)
        assert bench.tick(command=order(0), mode=Mode.HOLD_STANCE).reason == Reason.COMMAND_SEQUENCE
        bench.tick()
        out = bench.tick(belt=belt_order(0))
        assert (out.mode, out.reason) == (Mode.HOLD_STANCE, refused | Reason.PERMIT_MODE)
        bench.run(4, permit=None, command=None)
        got = bench.tick(permit=None, command=order(0), belt=None)
        assert got.reason == refused | Reason.PERMIT_MISSING
        got = bench.run(2, permit=None, command=order(0), belt=None)
        assert got.reason == refused | Reason.PERMIT_MISSING | Reason.ENVIRONMENT_STALE

    @pytest.mark.parametrize("given", [{"exo": None}, {"exo": "state"}, {"env": None}, {"command": "order"}])
    def test_damage_and_what_is_missing_besides(self, limits: SafetyLimits, given: dict) -> None:
        bench = fresh(limits)
        bench.run(3)
        if given == {"command": "order"}:
            given = {"command": order(bench.seq + 1, np.nan)}
        out = bench.tick(belt=belt_order(0), **given)
        joints = Reason.SAMPLE_REJECTED if "exo" in given else 0
        assert out.reason == Reason.NOT_FINITE | Reason.COMMAND_SEQUENCE | Reason.FALLBACK | joints

    def test_a_hold_that_nobody_has_ordered_is_at_full_strength(self, limits: SafetyLimits) -> None:
        bench = fresh(limits)
        bench.run(3, mode=Mode.STAND)
        for _ in range(3):
            bench.tick(permit=permit(bench.seq + 1, Mode.STAND, scale=0.25))
        out = bench.run(5, permit=None)
        assert out.mode == Mode.HOLD_STANCE
        assert out.drive.stiffness_nm_rad.tolist() == [j.hold_stiffness_nm_rad for j in limits.joints]


@pytest.mark.parametrize(("options", "longest"), [({}, 5), ({"paced": False}, 5), ({"paced": True}, 2)])
def test_for_how_long_a_permit_may_hold(limits: SafetyLimits, options: dict, longest: int) -> None:
    """In lock-step five ticks; by the clock 25 ms, which are two ticks of 12.5 ms."""
    for ticks in (longest, longest + 1):
        kernel = SafetyKernel(limits, 0.0125, **options)
        given = permit(0, Mode.STAND, expiry_seq=ticks - 1)
        out = kernel.step(0, exo_state(0), env_state(0), order(0), belt_order(0), given)
        assert out.mode == (Mode.STAND if ticks == longest else Mode.DAMP)
        assert bool(out.reason & Reason.NOT_FINITE) is (ticks > longest)


class TestScale:
    @pytest.mark.parametrize(("mode", "told"), [(Mode.TRAIN, True), (Mode.STAND, False)])
    def test_less_than_all_is_told_in_training(self, limits: SafetyLimits, mode: Mode, told: bool) -> None:
        for scale in (0.0, 0.5, np.nextafter(1.0, 0.0), 1.0):
            bench = fresh(limits)
            out = bench.tick(permit=permit(1, mode, scale=float(scale)), command=order(1, 1.0))
            assert out.mode == mode and out.reason == (Reason.PERMIT_SCALE if told and scale < 1.0 else 0)

    def test_and_with_it_what_else_there_is(self, limits: SafetyLimits) -> None:
        out = fresh(limits).tick(permit=permit(1, scale=0.5), belt=belt_order(0))
        assert out.reason == Reason.PERMIT_SCALE | Reason.COMMAND_SEQUENCE

    def test_the_controllers_request_is_told_as_at_full_effort(self, limits: SafetyLimits) -> None:
        for scale in (1.0, 0.5, 0.125):
            bench = fresh(limits)
            out = bench.tick(permit=permit(1, scale=scale), command=order(1, 6.0))
            assert out.requested_nm.tolist() == [6.0] * 6
            assert out.drive.torque_nm.tolist() == [6.0 * scale] * 6

    def test_the_kernels_own_lock_is_told_as_it_is(self, limits: SafetyLimits) -> None:
        bench = Bench(limits)
        bench.tick(mode=Mode.STAND, exo={"angle_rad": np.full(6, 0.1)})
        out = bench.tick(permit=permit(1, Mode.STAND, scale=0.5), exo={"angle_rad": np.full(6, 0.11)})
        want = [-0.01 * 0.5 * j.hold_stiffness_nm_rad for j in limits.joints]
        assert out.requested_nm.tolist() == pytest.approx(want)


class TestOutput:
    def test_ages_and_refused_messages(self, limits: SafetyLimits) -> None:
        bench = fresh(limits)
        bench.tick(command=None, belt=None, permit=None)
        bench.tick(command=None, belt=None)
        out = bench.tick(command=None, belt=belt_order(2), permit=permit(0))
        assert (out.command_age_ticks, out.environment_age_ticks, out.permit_age_ticks) == (3, 1, 1)
        assert out.rejected_messages == 1

    def test_every_vector_of_an_order_is_at_its_place(self, limits: SafetyLimits) -> None:
        one = np.arange(1.0, 7.0)
        bench = Bench(limits)
        angle, speed = 0.1 * one * [1, 1, 0.2, 1, 1, 0.2], 0.01 * one
        given = {
            "torque_nm": one, "stiffness_nm_rad": 10.0 * one, "damping_nms_rad": 0.5 * one,
            "reference_rad": 0.05 * one, "reference_velocity_rad_s": 0.2 * one,
        }  # fmt: skip
        bench.kernel.tank.energy_j = 100.0
        bench.tick(
            mode=Mode.ZERO, exo={"angle_rad": angle, "velocity_rad_s": speed}, command=order(0, **given)
        )
        out = bench.tick(exo={"angle_rad": angle, "velocity_rad_s": speed}, command=order(1, **given))
        drive = out.drive
        for name, value in given.items():
            assert getattr(drive, name).tolist() == value.tolist(), name
        want = one + 10.0 * one * (0.05 * one - angle) + 0.5 * one * (0.2 * one - speed)
        np.testing.assert_allclose(out.requested_nm, want)
        slew = [j.slew_nm_s * PERIOD for j in limits.joints]
        assert drive.high_nm.tolist() == pytest.approx(slew)
        assert drive.low_nm.tolist() == pytest.approx([-s for s in slew])
        assert not drive.protective_nm.any() and not drive.protective_damping_nms_rad.any()
        assert (drive.safe_off, out.mode, out.tank_j) == (0, Mode.TRAIN, 100.0)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_a_request_is_told_up_to_a_million(self, limits: SafetyLimits, sign: float) -> None:
        for asked, told in ((1e6, 1e6), (999_999.5, 999_999.5), (1_000_000.5, 1e6), (1e8, 1e6)):
            out = fresh(limits).tick(command=order(1, sign * asked))
            assert out.requested_nm.tolist() == [sign * told] * 6

    @pytest.mark.parametrize("joint", JOINTS)
    def test_a_reason_is_told_of_its_joint_and_of_all(self, limits: SafetyLimits, joint: int) -> None:
        torque = 50.0 * np.eye(6)[joint]
        out = fresh(limits).tick(command=order(1, torque_nm=torque))
        assert out.reasons.tolist() == [Reason.SLEW_LIMIT * (i == joint) for i in JOINTS]
        assert out.reason == Reason.SLEW_LIMIT and out.reasons.dtype == np.uint32

    def test_a_closed_window_leaves_the_drive_nothing_to_cut_off(self, limits: SafetyLimits) -> None:
        bench = fresh(limits)
        given = {"stiffness_nm_rad": np.full(6, 5.0), "damping_nms_rad": np.full(6, 1.0)}
        for _ in range(3):
            out = bench.tick(exo={"joint_valid": EVERY & ~2}, command=order(bench.seq + 1, 3.0, **given))
        drive, open_ = out.drive, [1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
        assert drive.torque_nm.tolist() == [3.0 * o for o in open_]
        assert drive.stiffness_nm_rad.tolist() == [5.0 * o for o in open_]
        assert drive.damping_nms_rad.tolist() == open_
        assert (
            [low < 0.0 for low in drive.low_nm]
            == [high > 0.0 for high in drive.high_nm]
            == [*map(bool, open_)]
        )

    @pytest.mark.parametrize("end", ["low_nm", "high_nm"])
    def test_a_window_of_one_side_keeps_the_order(self, limits: SafetyLimits, end: str) -> None:
        """At the end of the range only the way back is open, and the drive is told what to follow."""
        bench = fresh(limits, ticks=1)
        edge = "angle_max_rad" if end == "high_nm" else "angle_min_rad"
        angle = np.array([getattr(j, edge) for j in limits.joints])
        for _ in range(2):
            out = bench.run(3, mode=Mode.ZERO, exo={"angle_rad": angle})
            out = bench.tick(exo={"angle_rad": angle}, command=order(bench.seq + 1, 3.0))
        assert getattr(out.drive, end).tolist() == [0.0] * 6
        assert out.drive.torque_nm.tolist() == [3.0] * 6

    def test_panic_is_complete(self, limits: SafetyLimits, monkeypatch) -> None:
        """Everything of the last resort, after a contactor has been opened and a joint been cut off."""
        bench = fresh(limits)
        away = {"motor_torque_nm": 90.0 * np.eye(6)[2]}
        for _ in range(4):
            bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=9.0), exo=away)
        bench.tick(command=None, belt=None, permit=None)
        bench.tick(command=order(0), belt=None, permit=None)
        bench.tick(command=None, permit=None)
        bench.kernel.tank.energy_j = 77.0
        monkeypatch.setattr(bench.kernel._source, "fill", lambda *_: 1 / 0)
        out = bench.tick(command=None, belt=None, permit=None, exo={"joint_valid": 0})
        assert out.environment == EnvironmentCommand(
            8, 8 * PERIOD, 0.0, limits.belt.stop_m_s2, 0.0, 0, HarnessAction.HOLD, belt_stop=True
        )
        rest = DriveCommand(protective_damping_nms_rad=np.array([j.damp_nms_rad for j in limits.joints]))
        for item in fields(DriveCommand):
            if item.name != "safe_off":
                assert getattr(out.drive, item.name).tolist() == getattr(rest, item.name).tolist()
        assert out.drive.safe_off == 4
        told = int(Reason.FALLBACK | Reason.NOT_FINITE)
        assert out.requested_nm.tolist() == [0.0] * 6
        assert (out.reasons.tolist(), out.reasons.dtype, out.reason) == ([told] * 6, np.uint32, told)
        assert type(out.reason) is int and type(out.mode) is int
        assert (out.mode, out.tank_j, out.rejected_messages) == (Mode.DAMP, 77.0, 1)
        assert (out.command_age_ticks, out.environment_age_ticks, out.permit_age_ticks) == (4, 1, 4)

    @pytest.mark.parametrize("seq", [None, "8"])
    def test_panic_without_a_tick_is_tick_0(self, limits: SafetyLimits, seq: Any) -> None:
        out = fresh(limits).kernel.step(seq, None, None, order(1), None, None)  # type: ignore[arg-type]
        assert (out.environment.seq, out.environment.time_s, out.mode) == (0, 0.0, Mode.DAMP)
        assert out.reason & Reason.NOT_FINITE


class TestJoint:
    @pytest.mark.parametrize("joint", JOINTS)
    def test_a_cuff_counts_for_its_own_joint_and_if_it_was_measured(
        self, limits: SafetyLimits, joint: int
    ) -> None:
        own = of_joints(limits, comfort_nm=4.0, cuff_nm=8.0)
        mine = 1 << joint

        def closed(cuff: np.ndarray, **changes: Any) -> int:
            out = fresh(own).tick(exo={"cuff_torque_nm": cuff, **changes})
            told = [bool(bits & Reason.CUFF_LIMIT) for bits in out.reasons]
            assert told == [high == 0.0 for high in out.drive.high_nm]
            return sum(1 << i for i in JOINTS if told[i])

        assert closed(9.0 * np.eye(6)[joint]) == mine
        assert closed(np.full(6, 9.0), segment_valid=mine) == mine
        assert closed(np.full(6, 9.0), segment_valid=EVERY & ~mine) == EVERY & ~mine
        assert closed(np.full(6, 9.0), available=ALL & ~4) == 0

    def test_no_cuff_is_a_cuff_without_torque(self, limits: SafetyLimits) -> None:
        own = of_joints(limits, comfort_nm=0.25, cuff_nm=0.5)
        for changes in ({"segment_valid": 0}, {"available": ALL & ~4}):
            out = fresh(own).tick(exo=changes, command=order(1, 1.0))
            assert (out.drive.high_nm > 1.0).all() and not out.reasons.any()

    def test_missing_and_refused_samples_are_told_apart(self, limits: SafetyLimits) -> None:
        bench = fresh(limits)
        bench.tick()
        spike = 0.8 * np.eye(6)[4]
        reasons = bench.tick(
            exo={"angle_rad": spike, "joint_valid": EVERY & ~2}, command=order(2, **TOO_STIFF)
        ).reasons
        always = Reason.TORQUE_LIMIT
        assert [bits & ~Reason.SLEW_LIMIT for bits in reasons.tolist()] == [
            always, always | Reason.SAMPLE_MISSING, always, always, always | Reason.SAMPLE_REJECTED, always,
        ]  # fmt: skip
        reasons = bench.tick(
            exo={"angle_rad": spike, "joint_valid": EVERY & ~2}, command=order(3, **TOO_STIFF)
        ).reasons
        assert reasons[1] == always | Reason.SAMPLE_MISSING, "lost"
        assert reasons[4] == always | Reason.SAMPLE_REJECTED

    def test_a_joint_without_power_is_told_with_whatever_else(self, limits: SafetyLimits) -> None:
        bench = fresh(limits)
        away = {"motor_torque_nm": 500.0 * np.eye(6)[3]}
        bench.run(2, exo=away)
        given = {"exo": {"joint_valid": EVERY & ~8}, "command": order(3, **TOO_STIFF)}
        out = bench.tick(**given)
        assert out.drive.safe_off == 8
        assert out.reasons[3] == Reason.RESIDUAL | Reason.SAMPLE_MISSING | Reason.TORQUE_LIMIT
        assert not (np.delete(out.reasons, 3) & int(Reason.RESIDUAL)).any()
        assert out.drive.low_nm[3] == out.drive.high_nm[3] == 0.0

    @pytest.mark.parametrize("mode", list(Mode))
    def test_the_wall_is_heard_as_it_is(self, limits: SafetyLimits, mode: Mode) -> None:
        """Torque and reasons of each joint's wall, in every mode but ZERO, besides the window's reasons."""
        for angle, speed in ((0.25, 0.0), (1.9, 1.0), (-0.7, -1.0), (0.35, 4.0), (0.9, 4.5)):
            given = {"angle_rad": np.full(6, angle), "velocity_rad_s": np.full(6, speed)}
            bench = Bench(limits)
            bench.tick(mode=Mode.ZERO, exo=given)
            out = bench.tick(mode=mode, exo=given, command=order(1, 500.0))
            for i, joint in enumerate(limits.joints):
                wall = JointWall(joint)
                if mode != Mode.ZERO:
                    wall.step(angle, speed)
                assert out.drive.protective_nm[i] == wall.torque
                assert out.reasons[i] & wall.bits == wall.bits
                assert wall.bits & Reason.VIRTUAL_STOP == out.reasons[i] & Reason.VIRTUAL_STOP
                if mode == Mode.TRAIN:
                    assert out.reasons[i] & Reason.TORQUE_LIMIT

    @pytest.mark.parametrize("mode", list(Mode))
    def test_who_is_damped(self, limits: SafetyLimits, mode: Mode) -> None:
        """All in DAMP, the swing leg in HOLD_STANCE, a lost joint wherever there is power."""
        damp = np.array([j.damp_nms_rad for j in limits.joints])
        load = {"foot_load_n": np.array([300.0, 300.0, 3.0, 3.0]), "joint_valid": EVERY & ~2}
        bench = fresh(limits)
        bench.run(2, mode=Mode.ZERO, exo=load)
        out = bench.run(2, mode=mode, exo=load)
        where = {
            Mode.ZERO: [0, 0, 0, 0, 0, 0], Mode.DAMP: [1] * 6, Mode.HOLD_STANCE: [0, 1, 0, 1, 1, 1],
        }.get(mode, [0, 1, 0, 0, 0, 0])  # fmt: skip
        assert out.mode == mode
        assert out.drive.protective_damping_nms_rad.tolist() == (damp * where).tolist()
