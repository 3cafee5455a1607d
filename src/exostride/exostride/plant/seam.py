"""Where a fault-injection layer reaches into the plant; the plant itself injects nothing.

Subclass :class:`FaultSeam` and override what a fault touches. Watchdogs, brakes and flags that belong to
firmware are attributes of the firmware (``plant.drives.link_up``, ``plant.belt.link_up``,
``plant.belt.servo_error_m_s``, ``plant.harness.cable_intact`` ...) and are set from the same place.
"""

from __future__ import annotations

from exostride.patient.interface import PatientAction
from exostride.types import DeviceReading, DriveCommand, EnvironmentCommand, Vector


class FaultSeam:
    """Passes everything on unchanged; times are physics time [s]."""

    def commands(
        self, time_s: float, drive: DriveCommand, environment: EnvironmentCommand
    ) -> tuple[DriveCommand, EnvironmentCommand]:
        """Return what reaches the firmware of a command."""
        del time_s
        return drive, environment

    def drive_torque(self, time_s: float, torque_nm: Vector) -> Vector:
        """Return the torque that the motors really make, shape (6,), at a physics step."""
        del time_s
        return torque_nm

    def load_cell(self, time_s: float, tension_n: float) -> float:
        """Return what the harness' load cell tells its firmware, at a physics step."""
        del time_s
        return tension_n

    def patient(self, time_s: float, action: PatientAction) -> PatientAction:
        """Return what the patient's joints really do until the next tick."""
        del time_s
        return action

    def channels(self, time_s: float, values: Vector, places: dict[str, slice]) -> Vector:
        """Return the measured channels of one tick; ``places`` names their parts."""
        del time_s, places
        return values

    def reading(self, time_s: float, reading: DeviceReading) -> DeviceReading:
        """Return the reading that leaves the device."""
        del time_s
        return reading

    def fault_bits(self, time_s: float) -> int:
        """Return the bits of the faults that are active now."""
        del time_s
        return 0
