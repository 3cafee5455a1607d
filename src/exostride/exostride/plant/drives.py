"""The six joint drives: impedance execution, limits, current loop, watchdog and winding temperature.

This is firmware and power electronics of the machine. It sees the kernel's last word once a control
tick and its own encoders at every physics step; it knows neither ROS nor the kernel.
"""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import N_JOINTS
from exostride.plant.config import DriveConfig
from exostride.types import DeviceFault, DriveCommand, Vector

_ALL_OFF = (1 << N_JOINTS) - 1
_BITS = np.arange(N_JOINTS)
NO_FAULT = DeviceFault(0)


def _six(values: tuple[float, float, float]) -> Vector:
    return np.array(values * 2, dtype=np.float64)


def _finite(c: DriveCommand) -> bool:
    """Return whether every value of a command is finite (infinite bounds would be no bounds)."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = c.torque_nm + c.stiffness_nm_rad + c.damping_nms_rad + c.reference_rad
        total = total + c.reference_velocity_rad_s + c.low_nm + c.high_nm
        total = total + c.protective_nm + c.protective_damping_nms_rad
        return isfinite(float(total.sum()))


class DriveBank:
    r"""Six drives, stepped together at the physics rate.

    Each executes

    .. math:: \tau^* = \mathrm{clip}(\tau_0 + K (q_r - q) + D (\dot q_r - \dot q), \tau_{lo}, \tau_{hi})
              + \tau_p - D_p \dot q,

    clipped by its rating, which falls to zero towards the speed limit for torque that would speed the joint
    up, then limited in slew and passed through a first-order current loop. Without a new command for the
    watchdog time the drive damps the joint and reports it; the next command ends that.
    """

    def __init__(self, config: DriveConfig, effort_nm: Vector, dt_s: float) -> None:
        self._config = config
        self._dt = dt_s
        self._rating = np.minimum(_six(config.rated_nm), effort_nm)
        limit, start = _six(config.speed_limit_rad_s), config.speed_derating_start
        self._derating = list(zip((limit * start).tolist(), (limit * (1.0 - start)).tolist(), strict=True))
        self._watchdog_damping = _six(config.watchdog_damping_nms_rad)
        self._gain = 1.0 - float(np.exp(-2.0 * np.pi * config.bandwidth_hz * dt_s))
        self._slew = config.slew_nm_s * dt_s
        self._kt = _six(config.torque_constant_nm_a)
        self._short_brake = self._kt**2 / (config.resistance_ohm + config.brake_resistance_ohm)
        self._watchdog_steps = max(1, round(config.watchdog_s / dt_s))
        self.reset()

    def reset(self) -> None:
        """Switch on: cold, without command, without torque."""
        self._torque = [0.0] * N_JOINTS
        self._ratings: list[float] = self._rating.tolist()
        self.temperature_c = np.full(N_JOINTS, self._config.ambient_c)
        self.charge_j = self._config.battery_wh * 3600.0
        self.link_up = True
        self.supply_on = True
        self.unpowered: NDArray[np.bool_] | None = None
        self._silent_steps = self._watchdog_steps
        self._tripped = False
        self._overheated = False
        self._set(DriveCommand())

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

        A command with a value that is not finite counts as none.
        """
        self._power(command.safe_off)
        if not (self.link_up and _finite(command)):
            return
        self._silent_steps = 0
        self._tripped = False
        self._set(command)

    def _power(self, safe_off: int) -> None:
        off = _ALL_OFF if not self.supply_on else safe_off
        self.unpowered = (off >> _BITS) & 1 == 1 if off else None

    def without_power(self, torque_nm: Vector, qd: Vector) -> Vector:
        """Return the torque with joints under safe torque off braked by their shorted windings only.

        ``tau = -kt^2 / (R + R_brake) q'``, whatever the drive's electronics do.
        """
        if self.unpowered is None:
            return torque_nm
        return np.where(self.unpowered, -self._short_brake * qd, torque_nm)

    def _set(self, c: DriveCommand) -> None:
        # At a step only the measured state changes, so the constant part is summed once.
        constant = (
            c.torque_nm
            + c.stiffness_nm_rad * c.reference_rad
            + c.damping_nms_rad * c.reference_velocity_rad_s
        )
        self._sets: list[tuple[float, ...]] = list(
            zip(
                constant.tolist(),
                c.stiffness_nm_rad.tolist(),
                c.damping_nms_rad.tolist(),
                c.low_nm.tolist(),
                c.high_nm.tolist(),
                c.protective_nm.tolist(),
                c.protective_damping_nms_rad.tolist(),
                strict=True,
            )
        )

    def step(self, q: Vector, qd: Vector) -> Vector:
        """Return the torque [N m], shape (6,), that the drives put out over the coming physics step."""
        self._silent_steps += 1
        if self._silent_steps > self._watchdog_steps and not self._tripped:
            self._tripped = True
            self._set(DriveCommand(protective_damping_nms_rad=self._watchdog_damping))
        # Plain floats and comparisons: for six joints they cost a fifth of what array operations do.
        gain, slew = self._gain, self._slew
        made: list[float] = []
        for command, angle, v, rating, derating, torque in zip(
            self._sets, q.tolist(), qd.tolist(), self._ratings, self._derating, self._torque, strict=True
        ):
            constant, stiffness, damping, low, high, protective, protective_damping = command
            wish = constant - stiffness * angle - damping * v
            if wish < low or wish > high:
                wish = min(max(wish, low), high)
            wish = wish + protective - protective_damping * v
            if wish > rating:
                wish = rating
            elif wish < -rating:
                wish = -rating
            start, span = derating
            if (v > start or v < -start) and wish * v > 0.0:
                wish *= max(0.0, 1.0 - (abs(v) - start) / span)
            change = gain * (wish - torque)
            if change > slew:
                change = slew
            elif change < -slew:
                change = -slew
            made.append(torque + change)
        self._torque = made
        return np.array(made)

    @property
    def torque_nm(self) -> Vector:
        """Torque of the electronics now [N m], shape (6,)."""
        return np.array(self._torque)

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
        self._ratings = (self._rating * left).tolist()

    @property
    def faults(self) -> DeviceFault:
        """What the drives say about themselves."""
        faults = NO_FAULT
        if self._tripped:
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
