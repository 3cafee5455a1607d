"""Drives: tracking, runaway, wrong signs, heat, and what the self-test of HOMING finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from safety_faults import Inject, Now, exo, inject, looks, lose, put
from safety_world import PERIOD, World, exo_state

from exostride.safety.detect_drives import RunawayDetector
from exostride.safety.faults import Finding
from exostride.types import (
    Action,
    AppliedTorque,
    AssistCommand,
    DeviceFault,
    Mode,
    SupervisorState,
)

S = SupervisorState


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


def test_tracking_backs_off_then_stops(world: World) -> None:
    world.start(3.0)
    inject(world, exo(cuff_torque_nm=put(0, 0.0)))
    reduce_ticks = round(world.limits.detect.drives.tracking_reduce_s / PERIOD)
    stop_ticks = round(world.limits.detect.drives.tracking_stop_s / PERIOD)

    def saturate(world_: World, now: Now, k: int) -> Now:
        asked = now["applied_prev"].applied_mean_nm.copy()
        asked[3] = 2.0 * asked[3] + 60.0  # 30 N m more than is given, at half the effort too
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


def push(torque_nm: float) -> Inject:
    """A law that adds a torque to what it asks of the right hip."""

    def more(world_: World, now: Now, k: int) -> Now:
        asked = now["command"].torque_nm.copy()
        asked[3] += torque_nm
        now["command"] = replace(now["command"], torque_nm=asked)
        return now

    return more


def before(world: World) -> AssistCommand:
    """Return the last command as the controller sent it: what the kernel is asked for may be another."""
    assert world.command is not None
    return replace(world.command, torque_nm=np.zeros(6))


def test_a_law_that_asks_for_far_too_much_is_stopped_though_effort_shrinks(world: World) -> None:
    """The injected fault: 120 N m more; half of it, which is given then, is not what was asked for."""
    world.start(3.0)
    inject(world, lambda w, now, k: {**push(120.0)(w, now, k), "command_prev": before(w)})
    world.run(20 + 2)
    assert world.safety.action == Action.REDUCE and world.safety.active_faults == ("F17",)
    world.run(round(world.limits.detect.drives.tracking_stop_s / PERIOD))
    assert world.safety.state == S.SOFT_STOP and world.safety.cause == "F17"


def test_giving_way_for_another_reason_is_no_tracking_error(world: World) -> None:
    world.start(3.0)
    both = exo(battery_fraction=0.1)
    inject(world, lambda w, now, k: both(w, push(60.0)(w, now, k), k))
    world.run(500)
    assert world.history[-1][0].scale == world.limits.detect.stops.reduce_scale
    assert {s.active_faults for _, s, _ in world.history[-500:]} == {("F27",)}


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
