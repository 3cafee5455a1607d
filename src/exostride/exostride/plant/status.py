"""What belt and harness say of themselves, read from their records in one compiled call."""

from __future__ import annotations

from typing import Final

from exostride.compiled import compiled
from exostride.plant.firmware import Belt, Harness
from exostride.types import EnvironmentFault

_BELT_WATCHDOG: Final = int(EnvironmentFault.BELT_WATCHDOG)
_BELT_DRIVE: Final = int(EnvironmentFault.BELT_DRIVE)
_HARNESS_WATCHDOG: Final = int(EnvironmentFault.HARNESS_WATCHDOG)
_LOAD_CELL: Final = int(EnvironmentFault.HARNESS_LOAD_CELL)
_LIFT: Final = int(EnvironmentFault.HARNESS_LIFT)
_CABLE: Final = int(EnvironmentFault.HARNESS_CABLE)


@compiled
def belt_faults(belt: Belt) -> int:
    """Return the belt's bits of :class:`~exostride.types.EnvironmentFault`."""
    b = belt[0]
    return (_BELT_WATCHDOG if b.tripped else 0) | (_BELT_DRIVE if b.latched else 0)


@compiled
def harness_faults(harness: Harness) -> int:
    """Return the harness' bits of :class:`~exostride.types.EnvironmentFault`."""
    h = harness[0]
    lifting = (0 if h.load_cell_ok else _LOAD_CELL) | (0 if h.lift_ok else _LIFT)
    return (_HARNESS_WATCHDOG if h.tripped else 0) | lifting | (0 if h.cable_intact else _CABLE)


@compiled
def machine(belt: Belt, harness: Harness) -> tuple[float, float, int, int, bool, int]:
    """Return the belt's acceleration and target, support, action and its confirmation, and faults of both."""
    b, h = belt[0], harness[0]
    faults = belt_faults(belt) | harness_faults(harness)
    return b.acceleration_m_s2, b.target_m_s, h.kind, h.action, h.confirmed != 0, faults
