"""Enumeration values as plain integers.

Python's flag arithmetic costs a microsecond an operation, a hundred times that of integers, and reading a
member of an enumeration ten times as much as reading a number; the kernel does dozens a tick.
"""

from __future__ import annotations

from typing import Final

from exostride.types import (
    DeviceFault,
    EnvironmentFault,
    GaitState,
    HarnessAction,
    Mode,
    Reason,
    Signal,
    SupervisorState,
)

NOT_FINITE: Final = int(Reason.NOT_FINITE)
COMMAND_STALE: Final = int(Reason.COMMAND_STALE)
COMMAND_SEQUENCE: Final = int(Reason.COMMAND_SEQUENCE)
PERMIT_MISSING: Final = int(Reason.PERMIT_MISSING)
PERMIT_MODE: Final = int(Reason.PERMIT_MODE)
PERMIT_SCALE: Final = int(Reason.PERMIT_SCALE)
TORQUE_LIMIT: Final = int(Reason.TORQUE_LIMIT)
VELOCITY_LIMIT: Final = int(Reason.VELOCITY_LIMIT)
POWER_LIMIT: Final = int(Reason.POWER_LIMIT)
SLEW_LIMIT: Final = int(Reason.SLEW_LIMIT)
WINDOW_LIMIT: Final = int(Reason.WINDOW_LIMIT)
ENERGY_TANK: Final = int(Reason.ENERGY_TANK)
RESIDUAL: Final = int(Reason.RESIDUAL)
SOFT_WALL: Final = int(Reason.SOFT_WALL)
VIRTUAL_STOP: Final = int(Reason.VIRTUAL_STOP)
CUFF_LIMIT: Final = int(Reason.CUFF_LIMIT)
SAMPLE_MISSING: Final = int(Reason.SAMPLE_MISSING)
SAMPLE_REJECTED: Final = int(Reason.SAMPLE_REJECTED)
ENVIRONMENT_STALE: Final = int(Reason.ENVIRONMENT_STALE)
ENVIRONMENT_LIMIT: Final = int(Reason.ENVIRONMENT_LIMIT)
FALLBACK: Final = int(Reason.FALLBACK)
OPPOSED: Final = int(Reason.OPPOSED)
ESTOP_TEST_A: Final = int(Reason.ESTOP_TEST_A)
ESTOP_TEST_B: Final = int(Reason.ESTOP_TEST_B)

HAS_ANGLE: Final = int(Signal.JOINT_ANGLE)
HAS_TORQUE: Final = int(Signal.JOINT_TORQUE)
HAS_CUFF: Final = int(Signal.CUFF)
HAS_LOAD: Final = int(Signal.FOOT_LOAD)
HAS_WRENCH: Final = int(Signal.FOOT_WRENCH)
HAS_PELVIS: Final = int(Signal.PELVIS)
HAS_SEGMENT: Final = int(Signal.SEGMENT)
HAS_ESTOP_TEST: Final = int(Signal.ESTOP_TEST)

ZERO: Final = int(Mode.ZERO)
DAMP: Final = int(Mode.DAMP)
HOLD_STANCE: Final = int(Mode.HOLD_STANCE)
HOMING: Final = int(Mode.HOMING)
STAND: Final = int(Mode.STAND)
TRAIN: Final = int(Mode.TRAIN)
HOLD: Final = int(HarnessAction.HOLD)
LIFT: Final = int(HarnessAction.LIFT)
UNLOAD: Final = int(HarnessAction.UNLOAD)

SENSOR_GONE: Final = int(DeviceFault.SENSOR_MISSING)
BUS_GONE: Final = int(DeviceFault.BUS_OFF | DeviceFault.SUPPLY_LOST)
BELT_FAULTS: Final = int(EnvironmentFault.BELT_WATCHDOG | EnvironmentFault.BELT_DRIVE)

WALKING: Final = int(GaitState.WALKING)
STUMBLING: Final = int(GaitState.STUMBLING)

IN_HOMING: Final = int(SupervisorState.HOMING)
IN_STAND: Final = int(SupervisorState.STAND)
IN_TRAIN: Final = int(SupervisorState.TRAIN)
IN_STOPPING: Final = int(SupervisorState.STOPPING)
IN_SOFT_STOP: Final = int(SupervisorState.SOFT_STOP)
