"""The six joint drives: impedance execution, limits, current loop, watchdog and winding temperature.

This is firmware and power electronics of the machine. It sees the kernel's last word once a control
tick and its own encoders at every physics step; it knows neither ROS nor the kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import Field, Record, record
from exostride.conventions import N_JOINTS
from exostride.plant import firmware
from exostride.plant.config import DriveConfig
from exostride.types import DeviceFault, DriveCommand, Vector

_ALL_OFF = (1 << N_JOINTS) - 1
_BITS = np.arange(N_JOINTS)
NO_FAULT = DeviceFault(0)


def _six(values: tuple[float, float, float]) -> Vector:
    return np.array(values * 2, dtype=np.float64)


class DriveBank:
    r"""Six drives, stepped together at the physics rate.

    Each executes

    .. math:: \tau^* = \mathrm{clip}(\tau_0 + K (q_r - q) + D (\dot q_r - \dot q), \tau_{lo}, \tau_{hi})
              + \tau_p - D_p \dot q,

    clipped by its rating, which falls to zero towards the speed limit for torque that would speed the joint
    up, then limited in slew and passed through a first-order current loop. Without a new command for the
    watchdog time the drive damps the joint and reports it; the next command ends that.
    """

    tripped = Field(bool)

    def __init__(self, config: DriveConfig, effort_nm: Vector, dt_s: float) -> None:
        self._config = config
        self._rating = np.minimum(_six(config.rated_nm), effort_nm)
        limit, start = _six(config.speed_limit_rad_s), config.speed_derating_start
        self._kt = _six(config.torque_constant_nm_a)
        self.record: Record = record(
            firmware.DRIVES,
            derating_start=limit * start,
            derating_span=limit * (1.0 - start),
            watchdog_damping=_six(config.watchdog_damping_nms_rad),
            short_brake=self._kt**2 / (config.resistance_ohm + config.brake_resistance_ohm),
            gain=1.0 - float(np.exp(-2.0 * np.pi * config.bandwidth_hz * dt_s)),
            slew=config.slew_nm_s * dt_s,
            watchdog_steps=max(1, round(config.watchdog_s / dt_s)),
        )
        self.torque_nm: Vector = self.record["torque"][0]
        """Torque of the electronics now [N m], shape (6,)."""
        self._unpowered: NDArray[np.int64] = self.record["unpowered"][0]
        self.reset()

    def reset(self) -> None:
        """Switch on: cold, without command, without torque."""
        self.temperature_c = np.full(N_JOINTS, self._config.ambient_c)
        self.charge_j = self._config.battery_wh * 3600.0
        self.link_up = True
        self.supply_on = True
        self._overheated = False
        self.record["rating"] = self._rating
        self.torque_nm[:] = 0.0
        self._power(0)
        self._take(DriveCommand())
        self.record["silent_steps"] = self.record["watchdog_steps"]

    @property
    def rating_nm(self) -> Vector:
        """Torque rating of each drive [N m], shape (6,)."""
        return self._rating.copy()

    @property
    def battery_fraction(self) -> float:
        """Charge left, 0 to 1."""
        return max(0.0, self.charge_j / (self._config.battery_wh * 3600.0))

    def command(self, command: DriveCommand) -> None:
        """Take the kernel's command, if the link to the drives is up; safe torque off has its own wires.

        A command with a value that is not finite counts as none (infinite bounds would be no bounds).
        """
        self._power(command.safe_off)
        if self.link_up:
            self._take(command)

    def _take(self, c: DriveCommand) -> None:
        firmware.drives_command(
            self.record,
            c.torque_nm,
            c.stiffness_nm_rad,
            c.damping_nms_rad,
            c.reference_rad,
            c.reference_velocity_rad_s,
            c.low_nm,
            c.high_nm,
            c.protective_nm,
            c.protective_damping_nms_rad,
        )

    def _power(self, safe_off: int) -> None:
        off = _ALL_OFF if not self.supply_on else safe_off
        self._unpowered[:] = (off >> _BITS) & 1 if off else 0

    @property
    def unpowered(self) -> NDArray[np.bool_]:
        """Joints without power, shape (6,); shorted windings brake them, ``-kt^2 / (R + R_brake) q'``."""
        off: NDArray[np.bool_] = self._unpowered != 0
        return off

    def step(self, q: Vector, qd: Vector) -> Vector:
        """Return the torque [N m], shape (6,), that the drives put out over the coming physics step."""
        firmware.drives_step(self.record, q, qd)
        return self.torque_nm.copy()

    def heat(self, mean_square_nm2: Vector, mean_power_w: float, period_s: float) -> None:
        """Advance winding temperature and battery by ``period_s``.

        ``mean_square_nm2`` is the mean of the squared torque over that time; the winding is one thermal mass:
        ``C dT/dt = R (tau / kt)^2 - (T - T_ambient) / R_th``.
        """
        c = self._config
        loss = c.resistance_ohm * mean_square_nm2 / self._kt**2
        goal = c.ambient_c + loss * c.thermal_resistance_k_w
        self.temperature_c = self.temperature_c + (goal - self.temperature_c) * (
            1.0 - np.exp(-period_s / c.thermal_time_constant_s)
        )
        self.charge_j -= (max(mean_power_w, 0.0) + float(loss.sum()) + c.supply_idle_w) * period_s
        if self.charge_j <= 0.0:
            self.supply_on = False
            self._power(_ALL_OFF)
        hottest = float(self.temperature_c.max())
        self._overheated = hottest > c.warning_c
        left = np.clip((c.limit_c - self.temperature_c) / (c.limit_c - c.warning_c), 0.0, 1.0)
        self.record["rating"] = self._rating * left

    @property
    def faults(self) -> DeviceFault:
        """What the drives say about themselves."""
        faults = NO_FAULT
        if self.tripped:
            faults |= DeviceFault.DRIVE_WATCHDOG
        if not self.link_up:
            faults |= DeviceFault.BUS_OFF
        if self._overheated:
            faults |= DeviceFault.OVER_TEMPERATURE
        if not self.supply_on:
            faults |= DeviceFault.SUPPLY_LOST
        if self.battery_fraction < 0.1:
            faults |= DeviceFault.BATTERY_LOW
        return faults
