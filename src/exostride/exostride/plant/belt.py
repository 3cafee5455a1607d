"""The treadmill's own firmware: ramp, limits, watchdog and independent over-speed stop."""

from __future__ import annotations

from math import isfinite

from exostride.plant.config import BeltConfig
from exostride.types import EnvironmentCommand, EnvironmentFault

NO_FAULT = EnvironmentFault(0)


class BeltFirmware:
    """Turns commanded speeds into the set speed of the belt's servo, at every physics step.

    ``set_speed_m_s`` ramps towards ``target_m_s`` with the commanded acceleration, never faster than the
    machine's own. Without a command for the watchdog time the belt ramps to zero. Above the over-speed
    limit, or running backwards, an independent monitor stops it and keeps it stopped until :meth:`reset`.
    """

    def __init__(self, config: BeltConfig, dt_s: float) -> None:
        self._config = config
        self._dt = dt_s
        self._watchdog_steps = max(1, round(config.watchdog_s / dt_s))
        self.reset()

    def reset(self) -> None:
        """Stand still, healthy, waiting for the first command."""
        self.target_m_s = 0.0
        self.set_speed_m_s = 0.0
        self.acceleration_m_s2 = 0.0
        self.link_up = True
        self.servo_error_m_s = 0.0
        self._ramp = self._config.acceleration_max_m_s2
        self._silent_steps = 0
        self._tripped = False
        self._latched = False
        self._contactor = False
        self._braking = False

    def command(self, command: EnvironmentCommand) -> None:
        """Take a commanded speed and acceleration, clipped to the machine's own limits.

        The stop contactor (``belt_stop``) has its own wires and works with the link down. A command with
        a value that is not finite counts as none.
        """
        self._contactor = command.belt_stop
        if not (self.link_up and isfinite(command.belt_speed_m_s + command.belt_acceleration_m_s2)):
            return
        self._silent_steps = 0
        if self._latched:
            return
        self._tripped = False
        self.target_m_s = min(max(command.belt_speed_m_s, 0.0), self._config.speed_max_m_s)
        self._ramp = min(max(command.belt_acceleration_m_s2, 0.01), self._config.acceleration_max_m_s2)

    def step(self, speed_m_s: float) -> float:
        """Return the servo's set speed [m/s] for the coming step, given the measured belt speed."""
        self._silent_steps += 1
        c = self._config
        if self._silent_steps > self._watchdog_steps and not (self._tripped or self._latched):
            self._tripped = True
            self.target_m_s = 0.0
            self._ramp = c.stop_deceleration_m_s2
        if not self._latched and (speed_m_s > c.overspeed_m_s or speed_m_s < -c.reverse_m_s):
            self._latched = True
        if self._contactor or self._latched:
            return self._brake(speed_m_s)
        self._braking = False
        step = self._ramp * self._dt
        change = min(max(self.target_m_s - self.set_speed_m_s, -step), step)
        self.set_speed_m_s += change
        self.acceleration_m_s2 = change / self._dt
        return self.set_speed_m_s + self.servo_error_m_s

    def _brake(self, speed_m_s: float) -> float:
        """Cut the speed loop, faulty or not, and brake from the speed that is there."""
        if not self._braking:
            self._braking = True
            self.set_speed_m_s = speed_m_s
        self.target_m_s = 0.0
        step = self._config.overspeed_deceleration_m_s2 * self._dt
        change = min(max(-self.set_speed_m_s, -step), step)
        self.set_speed_m_s += change
        self.acceleration_m_s2 = change / self._dt
        return self.set_speed_m_s

    @property
    def faults(self) -> EnvironmentFault:
        """What the belt says about itself."""
        faults = NO_FAULT
        if self._tripped:
            faults |= EnvironmentFault.BELT_WATCHDOG
        if self._latched:
            faults |= EnvironmentFault.BELT_DRIVE
        return faults
