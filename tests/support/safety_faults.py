"""Faults that signals can show: how each is put into a walking world, and when it must be answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from safety_world import PERIOD, World

from exostride.safety.guard import SampleGuard
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot, Standing, look
from exostride.types import (
    AppliedTorque,
    DeviceFault,
    EnvironmentFault,
    EnvironmentState,
    ExoState,
    SupervisorState,
)

S = SupervisorState
Now = dict[str, Any]
Inject = Callable[[World, Now, int], Now]


def exo(**changes: Any) -> Inject:
    """Replace fields of the state; a callable gets the old value and the tick of the fault."""

    def inject(world: World, now: Now, k: int) -> Now:
        values = {
            name: value(getattr(now["exo"], name).copy() if hasattr(getattr(now["exo"], name), "copy")
                        else getattr(now["exo"], name), k)
            if callable(value) else value
            for name, value in changes.items()
        }  # fmt: skip
        now["exo"] = replace(now["exo"], **values)
        return now

    return inject


def env(**changes: Any) -> Inject:
    def inject(world: World, now: Now, k: int) -> Now:
        now["env"] = replace(now["env"], **changes)
        return now

    return inject


def lose(*names: str) -> Inject:
    def inject(world: World, now: Now, k: int) -> Now:
        for name in names:
            now[name] = None
        return now

    return inject


def put(index: int | slice, value: Any) -> Callable[[np.ndarray, int], np.ndarray]:
    """Add ``value`` (a number, or a function of the tick) at ``index`` of a vector."""

    def change(vector: np.ndarray, k: int) -> np.ndarray:
        vector[index] += value(k) if callable(value) else value
        return vector

    return change


def stuck(name: str, index: int) -> Inject:
    def inject(world: World, now: Now, k: int) -> Now:
        vector = getattr(now["exo"], name).copy()
        if k == 0:
            world.memory = (
                index if index >= 0 else int(vector.argmax()),
                vector.max() if index < 0 else vector[index],
            )
        vector[world.memory[0]] = world.memory[1]
        now["exo"] = replace(now["exo"], **{name: vector})
        return now

    return inject


def older(by: int) -> Inject:
    """Commands that answer a state some ticks ago, each once."""

    def inject(world: World, now: Now, k: int) -> Now:
        now["command"] = replace(now["command"], seq=world.seq - by)
        return now

    return inject


def repeated(world: World, now: Now, k: int) -> Now:
    """Each command twice: every other tick gets the one of the tick before again."""
    if k % 2:
        now["command"] = world.command
    return now


def phase(**changes: Any) -> Inject:
    def inject(world: World, now: Now, k: int) -> Now:
        if now["phase_prev"] is not None:
            values = {
                n: v(getattr(now["phase_prev"], n), k) if callable(v) else v for n, v in changes.items()
            }
            now["phase_prev"] = replace(now["phase_prev"], **values)
        return now

    return inject


def freeze_session(world: World, now: Now, k: int) -> Now:
    if k == 0:
        world.memory = now["session"].seq
    now["session"] = replace(now["session"], seq=world.memory)
    return now


def phase_free(world: World, now: Now, k: int) -> Now:
    """An estimator that has lost the walker, and a spasm strong enough to show without it."""
    now["phase_prev"] = replace(now["phase_prev"], state=0)
    return exo(cuff_torque_nm=put(4, lambda k: -min(50.0 * (k + 1), 250.0)))(world, now, k)


def falling(vector: np.ndarray, k: int) -> np.ndarray:
    vector[2] -= 0.5 * 6.0 * (k * PERIOD) ** 2
    return vector


def dropping(vector: np.ndarray, k: int) -> np.ndarray:
    vector[2] -= 6.0 * k * PERIOD
    return vector


def tipping(orientation: np.ndarray, k: int) -> np.ndarray:
    return quaternion(min(0.01 * (k + 1), 0.3))


def quaternion(tilt: float) -> np.ndarray:
    return np.array([0.0, np.sin(tilt / 2), 0.0, np.cos(tilt / 2)])


NAN = float("nan")
T = PERIOD

# id, name, injection, expected state, ticks to the state from the first tick with the fault
CASES: list[tuple[str, str, Inject, SupervisorState, int]] = [
    ("F01", "joint", exo(joint_valid=0b101111), S.SOFT_STOP, 1),
    ("F01", "all joints", exo(joint_valid=0), S.SOFT_STOP, 1),
    ("F01", "foot", exo(foot_valid=0b01), S.SOFT_STOP, 1),
    ("F01", "segment", exo(segment_valid=0b110111), S.SOFT_STOP, 1),
    ("F01", "by the device", exo(device_faults=int(DeviceFault.SENSOR_MISSING)), S.SOFT_STOP, 1),
    ("F02", "torque", stuck("joint_torque_nm", 3), S.SOFT_STOP, 9),
    ("F02", "load cell", stuck("foot_load_n", -1), S.SOFT_STOP, 9),
    ("F03", "state", exo(cuff_force_n=put(7, NAN)), S.SOFT_STOP, 0),
    ("F03", "time", exo(stamp_s=NAN), S.SOFT_STOP, 0),
    ("F03", "environment", env(belt_speed_m_s=NAN), S.SOFT_STOP, 0),
    ("F04", "every fifth", exo(angle_rad=put(4, lambda k: 0.5 * (k % 5 == 0))), S.SOFT_STOP, 10),
    ("F05", "jump", exo(angle_rad=put(2, 0.5)), S.SOFT_STOP, 2),
    ("F06", "encoder", exo(angle_rad=put(1, lambda k: 0.004 * k)), S.SOFT_STOP, 90),
    ("F06", "cuff", exo(cuff_force_n=put(slice(3, 6), 300.0)), S.SOFT_STOP, 100),
    ("F07", "stamp ahead", exo(stamp_s=lambda t, k: t + 0.1), S.SOFT_STOP, 0),
    ("F07", "stamp back", exo(stamp_s=lambda t, k: t - 0.1), S.SOFT_STOP, 0),
    ("F07", "control time", exo(time_s=lambda t, k: t + 0.003), S.SOFT_STOP, 0),
    ("F08", "command", older(1), S.SOFT_STOP, 3),
    ("F09", "command", repeated, S.SOFT_STOP, 10),
    ("F11", "both", lose("command", "env_command", "command_prev"), S.SOFT_STOP, 3),
    ("F11", "belt", lose("env_command"), S.SOFT_STOP, 3),
    ("F12", "killed", lose("phase_prev"), S.SOFT_STOP, 2),
    ("F12", "not a number", phase(phase=np.full(2, NAN)), S.SOFT_STOP, 0),
    ("F12", "time", phase(time_s=NAN), S.SOFT_STOP, 0),
    ("F12", "shape", phase(phase=np.zeros(3)), S.SOFT_STOP, 0),
    ("F12", "jumping", phase(phase=lambda p, k: (p + 0.37 * (k % 4 < 2)) % 1.0), S.SOFT_STOP, 25),
    ("F18", "torque", exo(joint_torque_nm=put(1, 60.0), motor_torque_nm=put(1, 60.0)), S.E_STOP, 1),
    ("F18", "sensor only", exo(joint_torque_nm=put(5, -60.0)), S.E_STOP, 1),
    ("F18", "speed", exo(velocity_rad_s=put(2, lambda k: min(2.0 * (k + 1), 13.0)),
                         joint_torque_nm=put(2, 12.0)), S.E_STOP, 12),
    ("F20", "channel a", exo(estop_closed_a=False), S.E_STOP, 0),
    ("F20", "channel b", exo(estop_closed_b=False), S.E_STOP, 0),
    ("F20", "both", exo(estop_closed_a=False, estop_closed_b=False), S.E_STOP, 0),
    ("F22", "knee", exo(cuff_torque_nm=put(1, lambda k: min(50.0 * (k + 1), 250.0))), S.SOFT_STOP, 9),
    ("F22", "phase lost", phase_free, S.SOFT_STOP, 9),
    ("F23", "drop", exo(pelvis_position_m=falling, pelvis_velocity_m_s=dropping), S.E_STOP, 30),
    ("F23", "low", exo(pelvis_position_m=put(2, -0.2)), S.E_STOP, 2),
    ("F23", "tilt", exo(pelvis_orientation=quaternion(0.6)), S.E_STOP, 2),
    ("F23", "tipping", exo(pelvis_orientation=tipping,
                           pelvis_gyro_rad_s=put(1, lambda k: min(0.05 * (k + 1), 2.6))), S.E_STOP, 45),
    ("F23", "forward", exo(pelvis_velocity_m_s=put(0, 1.5)), S.E_STOP, 2),
    ("F23", "sideways", exo(pelvis_position_m=put(1, 0.4)), S.E_STOP, 2),
    ("F25", "fast", env(belt_speed_m_s=1.2), S.SOFT_STOP, 4),
    ("F25", "reverse", env(belt_speed_m_s=-0.3), S.SOFT_STOP, 4),
    ("F25", "drive", env(faults=int(EnvironmentFault.BELT_DRIVE)), S.SOFT_STOP, 0),
    ("F26", "watchdog", env(faults=int(EnvironmentFault.HARNESS_WATCHDOG)), S.SOFT_STOP, 0),
    ("F26", "cell", env(faults=int(EnvironmentFault.HARNESS_LOAD_CELL)), S.SOFT_STOP, 0),
    ("F26", "cable", env(faults=int(EnvironmentFault.HARNESS_CABLE)), S.SOFT_STOP, 0),
    ("F26", "force lost", env(unloading_n=5.0), S.SOFT_STOP, 4),
    ("F27", "hot", exo(motor_temperature_c=put(2, 105.0)), S.SOFT_STOP, 0),
    ("F27", "battery", exo(battery_fraction=0.04), S.SOFT_STOP, 0),
    ("F27", "bus", exo(device_faults=int(DeviceFault.BUS_OFF)), S.SOFT_STOP, 1),
    ("F27", "drive", exo(device_faults=int(DeviceFault.DRIVE_FAULT)), S.SOFT_STOP, 0),
    ("F10", "drive watchdog", exo(device_faults=int(DeviceFault.DRIVE_WATCHDOG)), S.SOFT_STOP, 0),
    ("F37", "silent", freeze_session, S.SOFT_STOP, 401),
    ("F38", "therapist", exo(therapist_stop=True), S.SOFT_STOP, 0),
]  # fmt: skip


def inject(world: World, injection: Inject) -> int:
    start = world.seq

    def fault(world_: World, now: Now) -> Now:
        return injection(world_, now, world_.seq - start)

    world.fault = fault
    return start


def looks(
    limits: SafetyLimits, states: list[ExoState], applied: AppliedTorque | None = None
) -> list[Snapshot]:
    """Return states as detectors see them in training."""
    guard, snaps = SampleGuard(limits, PERIOD), []
    environment = EnvironmentState(0, 0.0)
    for state in states:
        guard.step(state.seq, state)
        inputs = (applied, None, None, None, None)
        standing = Standing(SupervisorState.TRAIN, 1000, 1000)
        snaps.append(look(state.seq, state, environment, inputs, standing, guard))
    return snaps
