"""Every fault that signals can show, injected into a walking world: reaction, bound, cause, latch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safety_faults import CASES, NAN, Inject, Now, env, exo, inject, lose, put
from safety_world import ALL, PERIOD, World, exo_state

from exostride.safety.component import OperatorRequest
from exostride.safety.detect_drives import RunawayDetector
from exostride.safety.detect_sensors import StuckDetector
from exostride.safety.faults import CATALOGUE, Finding
from exostride.safety.guard import SampleGuard
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot, look
from exostride.types import (
    Action,
    AppliedTorque,
    DeviceFault,
    EnvironmentState,
    ExoState,
    HarnessAction,
    Mode,
    RecorderState,
    SupervisorState,
)

S = SupervisorState


@pytest.mark.parametrize(
    ("fault", "name", "injection", "state", "ticks"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES]
)
def test_fault_is_caught_in_time_and_latched(
    world: World, fault: str, name: str, injection: Inject, state: SupervisorState, ticks: int
) -> None:
    world.start(2.0)
    start = inject(world, injection)
    world.run(ticks + 1, state)
    assert world.safety.state == state
    assert world.safety.cause == fault
    assert world.safety.message.startswith(CATALOGUE[fault].words)
    assert world.safety.latched and fault in world.safety.active_faults
    assert world.safety.action == (Action.E_STOP if state == S.E_STOP else Action.SOFT_STOP)
    permit, _, out = world.history[-1]
    assert permit.belt_limit_m_s == 0.0 and out.environment.belt_speed_m_s == 0.0
    assert permit.harness_action == HarnessAction.HOLD
    if state == S.E_STOP:
        assert out.mode == Mode.DAMP and not out.drive.high_nm.any()
    codes = [e.detail["codes"] for e in world.audit if e.kind == "transition"]
    assert codes[-1] == [CATALOGUE[fault].code]
    world.run(700)
    assert world.safety.latched and world.safety.cause == fault
    assert world.safety.state in (S.SOFT_STOP, S.FAULT, S.E_STOP)
    assert start > 0


@pytest.mark.parametrize(("seed", "stride_s"), [(0, 0.9), (1, 1.4), (2, 2.2)])
def test_the_same_walk_without_a_fault_trips_nothing(world: World, seed: int, stride_s: float) -> None:
    again = World(world.limits, seed=seed, stride_s=stride_s).start(12.0)
    assert {s.active_faults for _, s, _ in again.history} == {()}
    assert all(s.action == Action.NONE for _, s, _ in again.history)


def test_ordinary_session_from_idle_to_idle(world: World) -> None:
    world.start(3.0)
    world.request = int(S.STAND)
    assert world.run(2000, S.STAND).state == S.STAND
    world.request = int(S.TRAIN)
    assert world.run(100, S.TRAIN).state == S.TRAIN
    world.request = int(S.IDLE)
    assert world.run(2000, S.IDLE).state == S.IDLE
    path = [(e.detail["from"], e.detail["to"]) for e in world.audit if e.kind == "transition"]
    assert [a for a, _ in path] == [
        "IDLE",
        "HOMING",
        "STAND",
        "TRAIN",
        "STOPPING",
        "STAND",
        "TRAIN",
        "STOPPING",
        "STAND",
    ]
    assert path[-1] == ("STAND", "IDLE")


# ------------------------------------------------------------------ faults with a course of their own


def test_stuck_encoder_is_told_by_its_twin(world: World) -> None:
    world.start(2.0)

    def both(world_: World, now: Now, k: int) -> Now:
        if k == 0:
            world_.memory = (now["exo"].angle_rad[1], now["exo"].velocity_rad_s[1])
        angle, speed = now["exo"].angle_rad.copy(), now["exo"].velocity_rad_s.copy()
        angle[1], speed[1] = world_.memory
        now["exo"] = replace(now["exo"], angle_rad=angle, velocity_rad_s=speed)
        return now

    inject(world, both)
    world.run(80, S.SOFT_STOP)
    assert world.safety.cause == "F02" and "angle of knee left" in world.safety.message


def looks(
    limits: SafetyLimits, states: list[ExoState], applied: AppliedTorque | None = None
) -> list[Snapshot]:
    """Return states as detectors see them in training."""
    guard, snaps = SampleGuard(limits, PERIOD), []
    environment = EnvironmentState(0, 0.0)
    for state in states:
        guard.step(state.seq, state)
        inputs = (applied, None, None, None, None)
        snaps.append(look(state.seq, state, environment, inputs, (S.TRAIN, 1000), guard))
    return snaps


@pytest.mark.parametrize(
    ("rate", "available", "stuck"), [(0.01, ALL, False), (1.0, ALL & ~64, False), (1.0, ALL, True)]
)
def test_a_joint_held_by_dry_friction_beside_a_biased_gyro_is_not_stuck(
    world: World, rate: float, available: int, stuck: bool
) -> None:
    """Nor is one that has no twin; one whose twin really moves is."""
    detector, found = StuckDetector(world.limits, PERIOD), []
    moving = np.array([rate, 0.0, 0.0, 0.0, 0.0, 0.0])
    cells = {"available": available & ~(2 | 8)}
    states = [exo_state(k, segment_rate_rad_s=moving, **cells) for k in range(round(20.0 / PERIOD))]
    for snap in looks(world.limits, states):
        detector.step(snap, found)
    assert bool(found) == stuck


def test_a_joint_that_was_not_measured_is_no_runaway_in_that_tick(world: World) -> None:
    """Its torque is not judged, and what was counted before still counts."""
    needed = world.limits.detect.drives.runaway_ticks
    assert needed == 2
    far = np.array([0.0, 60.0, 0.0, 0.0, 0.0, 0.0])
    valid = (0b111111, 0b111101, 0b111111)
    states = [exo_state(k, joint_torque_nm=far, joint_valid=bits) for k, bits in enumerate(valid)]
    detector, told = RunawayDetector(world.limits, PERIOD), []
    for snap in looks(world.limits, states, AppliedTorque(0, 0.0)):
        found: list[Finding] = []
        detector.step(snap, found)
        told.append([f.fault for f in found])
    assert told == [[], [], ["F18"]]


def test_wrap_is_unwrapped_and_training_goes_on(world: World) -> None:
    world.start(2.0)
    inject(world, exo(angle_rad=put(1, 2 * np.pi)))
    world.run(300)
    assert world.safety.state == S.TRAIN
    assert any("F05" in s.active_faults and s.action == Action.WARN for _, s, _ in world.history)
    assert world.safety.active_faults == ()


def test_single_spikes_only_warn(world: World) -> None:
    world.start(2.0)
    inject(world, exo(angle_rad=put(4, lambda k: 0.5 * (k % 12 == 0))))
    world.run(200)
    assert world.safety.state == S.TRAIN and "F04" in world.safety.active_faults


def test_nan_in_commands_is_damped_in_the_same_tick(world: World) -> None:
    for name in ("command", "env_command"):
        again = World(world.limits).start(1.0)

        def poison(world_: World, now: Now, k: int, name: str = name) -> Now:
            field = "torque_nm" if name == "command" else "belt_speed_m_s"
            value = np.full(6, NAN) if name == "command" else NAN
            now[name] = replace(now[name], **{field: value})
            return now

        inject(again, poison)
        again.tick()
        assert again.history[-1][2].mode == Mode.DAMP
        again.tick()
        assert again.safety.state == S.SOFT_STOP and again.safety.cause == "F03"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (("command_prev", {"reference_rad": np.full(6, NAN)}), "AssistCommand"),
        (("session", {"requested_state": 99}), "SessionState"),
        (("applied_prev", {"applied_mean_nm": np.full(6, NAN)}), "AppliedTorque"),
        (("exo", None), "ExoState.shape"),
    ],
)  # fmt: skip
def test_damaged_messages_are_named(world: World, what: tuple[str, Any], words: str) -> None:
    world.start(1.0)

    def damage(world_: World, now: Now, k: int) -> Now:
        name, changes = what
        now[name] = replace(now[name], **changes) if changes else "garbage"
        return now

    inject(world, damage)
    world.tick()
    assert world.safety.cause == "F03" and words in world.safety.message


@pytest.mark.parametrize("lost", [("permit",), ("permit", "command", "env_command", "command_prev")])
def test_silent_supervisor_is_held_by_the_kernel_and_latched_on_return(
    world: World, lost: tuple[str, ...]
) -> None:
    world.start(2.0)

    def silence(world_: World, now: Now, k: int) -> Now:
        if k < 30:
            for name in lost:
                now[name] = False if name == "permit" else None
        return now

    start = inject(world, silence)
    world.run(31)
    modes = [out.mode for _, _, out in world.history[start:]]
    first = next(n for n, mode in enumerate(modes) if mode != Mode.TRAIN)
    assert first <= 4 and modes[first] == Mode.HOLD_STANCE
    assert world.safety.state == S.SOFT_STOP
    assert world.safety.cause == ("F13" if lost == ("permit",) else "F16")


def test_short_permit_loss_is_seen_by_the_kernels_word(world: World) -> None:
    """The kernel reports a missing permit even if the age has already recovered."""
    world.start(1.0)

    def claim(world_: World, now: Now, k: int) -> Now:
        now["applied_prev"] = replace(now["applied_prev"], reason=8)
        return now

    inject(world, claim)
    world.tick()
    assert world.safety.cause == "F13"


def test_all_inputs_late_together_is_overload(world: World) -> None:
    world.start(1.0)

    def stall(world_: World, now: Now, k: int) -> Now:
        now["applied_prev"] = replace(
            now["applied_prev"], command_age_ticks=1, environment_age_ticks=1, permit_age_ticks=1
        )
        return now

    inject(world, stall)
    world.tick()
    assert world.safety.active_faults == ("F36",) and world.safety.action == Action.WARN
    world.run(2)
    assert world.safety.state == S.SOFT_STOP and world.safety.cause == "F36"


def test_missing_applied_torque_is_survived(world: World) -> None:
    world.start(1.0)
    inject(world, lose("applied_prev"))
    world.run(10)
    assert world.safety.state == S.TRAIN


def test_tracking_backs_off_then_stops(world: World) -> None:
    world.start(3.0)
    inject(world, exo(cuff_torque_nm=put(0, 0.0)))
    reduce_ticks = round(world.limits.detect.drives.tracking_reduce_s / PERIOD)
    stop_ticks = round(world.limits.detect.drives.tracking_stop_s / PERIOD)

    def saturate(world_: World, now: Now, k: int) -> Now:
        asked = now["applied_prev"].applied_mean_nm.copy()
        asked[3] += 30.0
        now["applied_prev"] = replace(now["applied_prev"], requested_nm=asked)
        return now

    inject(world, saturate)
    world.run(reduce_ticks - 1)
    assert world.safety.active_faults == ()
    world.run(1)
    assert world.safety.action == Action.REDUCE and world.safety.active_faults == ("F17",)
    world.run(100)
    assert world.history[-1][0].scale == pytest.approx(world.limits.detect.stops.reduce_scale)
    world.run(stop_ticks - reduce_ticks - 100)
    assert world.safety.state == S.SOFT_STOP and world.safety.cause == "F17"


def test_lost_command_does_not_break_tracking(world: World) -> None:
    world.start(3.0)
    inject(world, lose("command_prev"))
    world.run(50)
    assert world.safety.state == S.TRAIN


def test_joint_that_the_walker_moves_fast_is_no_runaway(world: World) -> None:
    world.start(3.0)
    inject(world, exo(velocity_rad_s=put(2, lambda k: min(0.5 * (k + 1), 13.0))))
    world.run(35)
    assert "F18" not in world.safety.active_faults


def test_reversed_drive_is_found_while_training(world: World) -> None:
    world.start(3.0)

    def reverse(world_: World, now: Now, k: int) -> Now:
        mean = np.full(6, 24.0)
        now["applied_prev"] = replace(now["applied_prev"], applied_mean_nm=mean, applied_peak_nm=mean)
        torque = now["exo"].joint_torque_nm.copy()
        torque[:] = 24.0
        torque[4] = -24.0
        now["exo"] = replace(now["exo"], joint_torque_nm=torque)
        return now

    inject(world, reverse)
    world.run(2)
    assert (
        world.safety.state == S.E_STOP
        and world.safety.cause == "F19"
        and "knee right" in world.safety.message
    )


@pytest.mark.parametrize("factor", [-1.0, 0.3, 2.0])
def test_wrong_sign_or_scale_is_found_in_homing(world: World, factor: float) -> None:
    def scale(world_: World, now: Now) -> Now:
        torque = now["exo"].joint_torque_nm.copy()
        torque[2] *= factor
        now["exo"] = replace(now["exo"], joint_torque_nm=torque)
        return now

    world.fault = scale
    world.request = int(S.HOMING)
    world.run(1000, S.E_STOP)
    assert world.safety.cause == "F19" and "ankle left" in world.safety.message
    assert ("gain" in world.safety.message) == (factor > 0.0), "a wrong sign shows in the first pulse"
    world.run(5)
    assert world.safety.state == S.FAULT


def test_posture_out_of_range_is_found_in_homing(world: World) -> None:
    world.fault = lambda w, now: exo(angle_rad=put(1, 2.0), available=63)(w, now, 0)
    world.request = int(S.HOMING)
    world.run(1000, S.E_STOP)
    assert world.safety.cause == "F19" and "knee left outside its range" in world.safety.message


def test_homing_without_torque_sensors_passes(world: World) -> None:
    world.fault = lambda w, now: exo(available=int(now["exo"].available) & ~2)(w, now, 0)
    world.start(0.1)


def test_kernel_whose_watchdog_does_not_trip_fails_homing(world: World) -> None:
    def pretend(world_: World, now: Now) -> Now:
        if now["applied_prev"] is not None:
            now["applied_prev"] = replace(now["applied_prev"], mode=int(Mode.HOMING))
        return now

    world.fault = pretend
    world.request = int(S.HOMING)
    world.run(1000, S.FAULT)
    assert world.safety.cause == "F13" and "watchdog did not trip" in world.safety.message


def test_estop_channels_that_disagree_are_a_second_fault(world: World) -> None:
    world.start(1.0)
    inject(world, exo(estop_closed_a=False))
    world.run(19)
    assert "F21" not in world.safety.active_faults
    world.run(1)
    assert "F21" in world.safety.active_faults and world.safety.cause == "F20"


@pytest.mark.parametrize("bounce", [1, 3, 10])
def test_bouncing_estop_counts_from_its_first_edge(world: World, bounce: int) -> None:
    world.start(1.0)
    inject(
        world,
        exo(
            estop_closed_a=lambda v, k: (k // bounce) % 2 == 1,
            estop_closed_b=lambda v, k: (k // bounce) % 2 == 1,
        ),
    )
    world.tick()
    assert world.safety.state == S.E_STOP
    world.fault = None
    world.run(400)
    assert world.safety.state == S.FAULT and world.history[-1][2].mode == Mode.DAMP


def test_patient_button_stops_ordinarily_and_needs_a_new_wish(world: World) -> None:
    world.start(2.0)
    inject(world, exo(patient_stop=lambda v, k: k < 10))
    world.tick()
    assert world.safety.state == S.STOPPING and not world.safety.latched
    assert world.run(1000, S.STAND).state == S.STAND
    world.run(200)
    assert world.safety.state == S.STAND, "the session still wishes TRAIN, but the patient stopped it"
    world.request = int(S.STAND)
    world.run(30)
    world.request = int(S.TRAIN)
    assert world.run(40, S.TRAIN).state == S.TRAIN


@pytest.mark.parametrize(
    ("reading", "level"),
    [
        (exo(motor_temperature_c=put(2, 85.0)), Action.REDUCE),
        (exo(battery_fraction=0.1), Action.REDUCE),
        (exo(device_faults=int(DeviceFault.OVER_TEMPERATURE)), Action.REDUCE),
        (exo(device_faults=int(DeviceFault.BATTERY_LOW)), Action.REDUCE),
        (exo(cuff_force_n=put(slice(0, 3), 170.0)), Action.REDUCE),
    ],
)
def test_derating_and_its_hysteresis(world: World, reading: Inject, level: Action) -> None:
    world.start(2.0)
    start = inject(world, reading)
    world.run(120)
    assert world.safety.state == S.TRAIN and world.safety.action == level
    assert world.history[-1][0].scale < 1.0
    world.fault = lambda w, now: now
    world.run(100)
    world.run(500)
    assert world.safety.active_faults == () and world.history[-1][0].scale == 1.0
    assert start > 0


def drag(toe_n: float) -> Inject:
    def scrape(world_: World, now: Now, k: int) -> Now:
        load = now["exo"].foot_load_n.copy()
        for side, offset in enumerate((0.0, 0.5)):
            if 0.65 < (world_.phase + offset) % 1.0 < 0.95 and side == 0:
                load[2 * side + 1] = toe_n + world_.rng.normal()
        now["exo"] = replace(now["exo"], foot_load_n=load)
        return now

    return scrape


def test_foot_drag_warns_then_slows_the_belt_then_stops(world: World) -> None:
    world.start(2.0)
    inject(world, drag(40.0))
    world.run(round(2.0 * world.stride_s / PERIOD))
    warned = [s for _, s, _ in world.history if s.action == Action.WARN]
    assert warned and all(s.active_faults == ("F24a",) and "left foot" in s.message for s in warned)
    world.run(round(5.0 * world.stride_s / PERIOD))
    reduced = [(p, s, o) for p, s, o in world.history if s.action == Action.REDUCE]
    assert reduced and all(p.scale == 1.0 for p, _, _ in reduced), "assistance is what a dragging foot needs"
    assert min(o.environment.belt_speed_m_s for _, _, o in reduced) < 0.55
    world.run(round(20.0 * world.stride_s / PERIOD), S.SOFT_STOP)
    assert world.safety.cause == "F24a"


def test_balance_that_goes_slows_the_belt_and_holds_the_harness_and_comes_back(world: World) -> None:
    world.start(2.0)
    before = world.history[-1]
    inject(world, exo(pelvis_velocity_m_s=put(1, lambda k: 0.8 * (k < 40))))
    world.run(40)
    permit, state, out = world.history[-1]
    assert (state.active_faults, state.action, state.latched) == (("F23",), Action.REDUCE, False)
    assert permit.scale == 1.0, "a walker who staggers needs all the support there is"
    assert before[0].harness_action == HarnessAction.UNLOAD
    assert permit.harness_action == out.environment.harness_action == HarnessAction.HOLD
    assert out.environment.belt_speed_m_s < 0.9 * before[2].environment.belt_speed_m_s
    world.run(400)
    assert world.safety.active_faults == ()
    assert world.history[-1][0].harness_action == HarnessAction.UNLOAD


@pytest.mark.parametrize("lifted", [False, True])
def test_a_fall_is_seen_in_a_soft_stop_until_the_harness_carries(world: World, lifted: bool) -> None:
    world.start(2.0)
    inject(world, exo(therapist_stop=True))
    world.run(20)
    assert world.safety.state == S.SOFT_STOP
    carried = {"harness_action": HarnessAction.LIFT, "harness_confirmed": lifted}
    both = exo(therapist_stop=True, pelvis_position_m=put(2, -0.2))
    inject(world, lambda w, now, k: env(**carried)(w, both(w, now, k), k))
    world.run(10)
    assert (world.safety.state == S.E_STOP) == (not lifted)
    assert ("F23" in world.safety.active_faults) == (not lifted)


def test_a_light_touch_is_no_drag(world: World) -> None:
    world.start(2.0)
    inject(world, drag(20.0))
    world.run(1500)
    assert world.safety.active_faults == ()


def test_rare_drags_are_forgotten(world: World) -> None:
    world.start(2.0)
    stride = round(world.stride_s / PERIOD)

    def sometimes(world_: World, now: Now, k: int) -> Now:
        return drag(40.0)(world_, now, k) if (k // stride) % 4 == 0 else now

    inject(world, sometimes)
    world.run(16 * stride)
    assert {s.action for _, s, _ in world.history} == {Action.NONE, Action.WARN}


def test_a_walkers_own_jerks_are_learned(world: World) -> None:
    """A jerk at the same phase of every stride does not trip, once known or not; elsewhere it does."""
    world.start(1.0)

    def jerky(world_: World, now: Now, k: int) -> Now:
        if 0.40 < world_.phase < 0.44:
            return exo(cuff_torque_nm=put(1, 90.0))(world_, now, k)
        return now

    inject(world, jerky)
    world.run(round(14.0 * world.stride_s / PERIOD))
    assert world.safety.state == S.TRAIN and world.safety.active_faults == ()
    while not 0.10 < world.phase < 0.12:
        world.tick()
    inject(world, exo(cuff_torque_nm=put(1, 90.0)))
    world.run(8)
    assert world.safety.cause == "F22" and "knee left" in world.safety.message


def test_trip_is_told_from_drag_by_shank_and_trunk(world: World) -> None:
    world.start(2.0)
    while not 0.72 < world.phase < 0.75:
        world.tick()

    def block(world_: World, now: Now, k: int) -> Now:
        load, rate = now["exo"].foot_load_n.copy(), now["exo"].segment_rate_rad_s.copy()
        load[1] += 150.0
        rate[:2] *= max(0.0, 1.0 - 0.4 * (k + 1))
        gyro = now["exo"].pelvis_gyro_rad_s.copy()
        gyro[1] += 0.3 * (k + 1)
        now["exo"] = replace(now["exo"], foot_load_n=load, segment_rate_rad_s=rate, pelvis_gyro_rad_s=gyro)
        return now

    inject(world, block)
    world.run(20, S.SOFT_STOP)
    assert world.safety.cause == "F24b" and "left foot" in world.safety.message
    assert world.history[-1][2].mode == Mode.TRAIN, "swing torque is never dropped in a trip"
    assert world.history[-1][2].environment.belt_speed_m_s == 0.0


@pytest.mark.parametrize("missing", [16 | 8, 32, 64, 4, 2])
def test_detectors_do_without_signals_the_device_lacks(world: World, missing: int) -> None:
    world.fault = lambda w, now: exo(available=int(now["exo"].available) & ~missing)(w, now, 0)
    world.start(3.0)
    assert {s.active_faults for _, s, _ in world.history} == {()}


def test_missing_cuffs_and_feet_are_bridged_for_a_tick(world: World) -> None:
    world.start(2.0)
    inject(
        world,
        exo(
            segment_valid=lambda v, k: 0b111110 if k == 0 else v,
            foot_valid=lambda v, k: 0b01 if k == 0 else v,
        ),
    )
    world.run(2)
    assert world.safety.action == Action.WARN and world.safety.active_faults == ("F01",)
    world.run(250)
    assert world.safety.active_faults == ()


def test_one_missing_sample_is_bridged(world: World) -> None:
    world.start(2.0)
    inject(world, exo(joint_valid=lambda v, k: 0b110111 if k == 0 else v))
    world.run(3)
    assert world.safety.active_faults == ("F01",) and world.safety.action == Action.WARN
    world.run(250)
    assert world.safety.state == S.TRAIN and world.safety.active_faults == ()


def test_homing_waits_for_the_kernel_to_come_back(world: World) -> None:
    """After the watchdog's trip the self-test ends only when the kernel is in HOMING again."""
    slow = world

    def held(world_: World, now: Now) -> Now:
        applied = now["applied_prev"]
        if applied is not None and 600 <= world_.seq < 700:
            now["applied_prev"] = replace(applied, mode=int(Mode.HOLD_STANCE))
        return now

    slow.fault = held
    slow.request = int(S.HOMING)
    slow.run(1000, S.STAND)
    assert slow.safety.state == S.STAND and 700 <= slow.seq <= 702


def recorder(seq: int, **changes: Any) -> RecorderState:
    base = RecorderState(seq=seq, time_s=seq * PERIOD, recording=True, disk_free_bytes=10**11)
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda k: recorder(0), "F14"),
        (lambda k: recorder(k, disk_free_bytes=10**6), "F28"),
        (lambda k: recorder(k, dropped=k), "F28"),
        (recorder, ""),
    ],
)
def test_recorder_warns_and_blocks_the_next_start_only(world: World, make: Any, fault: str) -> None:
    world.start(1.0)

    def put_recorder(world_: World, now: Now, k: int) -> Now:
        now["recorder"] = make(world_.seq)
        return now

    inject(world, put_recorder)
    world.run(50)
    assert world.safety.state == S.TRAIN
    assert world.safety.active_faults == ((fault,) if fault else ())
    world.request = int(S.STAND)
    assert world.run(2000, S.STAND).state == S.STAND
    world.request = int(S.TRAIN)
    world.run(100)
    assert (world.safety.state == S.STAND) == bool(fault)
    if fault:
        assert world.safety.message.startswith("can't start")
        reply = ask(world, OperatorRequest(state=S.TRAIN))
        assert not reply.accepted and "can't start" in reply.message


# ------------------------------------------------------------------ operators, reset, hardware loss


def ask(world: World, *requests: OperatorRequest) -> Any:
    world.requests = requests
    world.tick()
    return world.component.replies[-1]


def test_operator_path_and_replies(world: World) -> None:
    world.run(5)
    assert ask(world, OperatorRequest(state=S.TRAIN)).message == "no way from IDLE to TRAIN"
    assert ask(world, OperatorRequest(state=S.IDLE)).message == "already there"
    assert ask(world, OperatorRequest(state=S.FAULT)).message == "state 7 can't be asked for"
    assert ask(world, OperatorRequest(state=42)).message == "state 42 can't be asked for"
    assert ask(world, OperatorRequest(state=S.HOMING, operator_id="anna")).accepted
    assert world.safety.state == S.HOMING
    entry = [e for e in world.audit if e.kind == "request"][-1]
    assert entry.detail == {"what": "HOMING", "operator": "anna", "accepted": True, "reply": "HOMING"}
    assert [e.detail["what"] for e in world.audit if e.kind == "request"][-2] == "42"


@pytest.mark.parametrize(("state", "lands"), [(S.SOFT_STOP, S.SOFT_STOP), (S.E_STOP, S.E_STOP)])
def test_operator_stops(world: World, state: int, lands: SupervisorState) -> None:
    world.start(1.0)
    assert ask(world, OperatorRequest(state=state, operator_id="anna")).accepted
    assert world.safety.state == lands and "anna" in world.safety.message
    reply = ask(world, OperatorRequest(state=S.TRAIN))
    assert not reply.accepted and "reset first" in reply.message


def test_reset_returns_to_idle_and_motion_needs_a_start(world: World) -> None:
    world.start(2.0)
    inject(world, exo(estop_closed_a=lambda v, k: k > 5, estop_closed_b=lambda v, k: k > 5))
    world.run(20)
    assert not ask(world, OperatorRequest(reset=True)).accepted
    world.run(800)
    assert world.safety.state == S.FAULT
    assert ask(
        world, OperatorRequest(reset=True, operator_id="anna"), OperatorRequest(state=S.HOMING)
    ).accepted
    world.run(300)
    assert world.safety.state == S.IDLE and world.safety.active_faults == ()
    assert world.history[-1][2].mode == Mode.ZERO
    world.request = int(S.IDLE)
    world.run(40)
    world.request = int(S.HOMING)
    assert world.run(60, S.HOMING).state == S.HOMING


def test_person_may_start_directly_after_a_reset(world: World) -> None:
    world.start(1.0)
    ask(world, OperatorRequest(state=S.E_STOP))
    world.run(800)
    ask(world, OperatorRequest(reset=True))
    world.run(10)
    ask(world, OperatorRequest(state=S.HOMING))
    assert world.safety.state == S.HOMING


def test_session_requests_take_effect_when_they_say_and_no_session_is_fine(world: World) -> None:
    def later(world_: World, now: Now) -> Now:
        now["session"] = replace(now["session"], requested_state=int(S.HOMING), effective_seq=50)
        return now

    world.fault = later
    world.run(50)
    assert world.safety.state == S.IDLE
    world.run(1)
    assert world.safety.state == S.HOMING
    again = World(world.limits)
    again.fault = lambda w, now: lose("session")(w, now, 0)
    assert again.run(20).state == S.IDLE


def test_session_cannot_ask_for_a_stop_state(world: World) -> None:
    world.request = int(S.FAULT)
    assert world.run(30).state == S.IDLE


def test_hardware_loss_is_latched_by_the_watchdog(world: World) -> None:
    world.start(1.0)
    state, entries = world.component.hardware_lost(world.seq)
    assert state.state == S.E_STOP and state.cause == "F10" and state.latched
    assert entries[0].detail["codes"] == ["HARDWARE_LOST"]
    world.tick()
    assert world.safety.latched


def test_strongest_fault_names_the_cause(world: World) -> None:
    world.start(1.0)
    inject(world, exo(estop_closed_a=False, joint_valid=0, therapist_stop=True))
    world.tick()
    assert world.safety.cause == "F20"
    assert set(world.safety.active_faults) == {"F01", "F20", "F38"}


def test_audit_tells_faults_as_they_come_and_go(world: World) -> None:
    world.start(1.0)
    inject(world, exo(battery_fraction=lambda v, k: 0.1 if k < 5 else 1.0))
    world.run(400)
    notes = [e.detail for e in world.audit if e.kind == "faults"]
    assert notes[0]["active"] == {"F27": {"code": "DEVICE", "level": "REDUCE", "where": "battery at 10%"}}
    assert notes[-1] == {"active": {}, "action": "NONE"}
