"""Every fault that signals can show, injected into a walking world: reaction, bound, cause, latch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safety_faults import CASES, NAN, Inject, Now, exo, inject, looks, lose, put
from safety_world import ALL, PERIOD, World, exo_state

from exostride.safety.detect_sensors import StuckDetector
from exostride.safety.faults import CATALOGUE
from exostride.types import (
    Action,
    HarnessAction,
    Mode,
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
