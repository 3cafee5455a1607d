"""The treadmill's own firmware: ramp, limits, watchdog and independent over-speed stop."""

from __future__ import annotations

from math import isfinite

from exostride.compiled import Field, Record, record
from exostride.plant import firmware, status
from exostride.plant.config import BeltConfig
from exostride.types import EnvironmentCommand, EnvironmentFault


class BeltFirmware:
    """Turns commanded speeds into the set speed of the belt's servo, at every physics step.

    ``set_speed_m_s`` ramps towards ``target_m_s`` with the commanded acceleration, never faster than the
    machine's own. Without a command for the watchdog time the belt ramps to zero. Above the over-speed
    limit, or running backwards, an independent monitor stops it and keeps it stopped until :meth:`reset`.
    """

    target_m_s = Field(float)
    set_speed_m_s = Field(float)
    acceleration_m_s2 = Field(float)
    servo_error_m_s = Field(float)
    tripped = Field(bool)
    latched = Field(bool)
    contactor = Field(bool)

    def __init__(self, config: BeltConfig, dt_s: float) -> None:
        self._config = config
        self.record: Record = record(
            firmware.BELT,
            dt=dt_s,
            stop_deceleration=config.stop_deceleration_m_s2,
            speed_max=config.speed_max_m_s,
            acceleration_max=config.acceleration_max_m_s2,
            overspeed=config.overspeed_m_s,
            reverse=config.reverse_m_s,
            overspeed_deceleration=config.overspeed_deceleration_m_s2,
            watchdog_steps=max(1, round(config.watchdog_s / dt_s)),
        )
        self.reset()

    def reset(self) -> None:
        """Stand still, healthy, waiting for the first command."""
        self.link_up = True
        moving = ("target_m_s", "set_speed_m_s", "acceleration_m_s2", "servo_error_m_s")
        for name in (*moving, "silent_steps", "tripped", "latched", "contactor", "braking"):
            self.record[name] = 0
        self.record["ramp"] = self._config.acceleration_max_m_s2

    def command(self, command: EnvironmentCommand) -> None:
        """Take a commanded speed and acceleration, clipped to the machine's own limits.

        The stop contactor (``belt_stop``) has its own wires and works with the link down. A command with
        a value that is not finite counts as none.
        """
        self.contactor = command.belt_stop
        if not (self.link_up and isfinite(command.belt_speed_m_s + command.belt_acceleration_m_s2)):
            return
        firmware.belt_command(self.record, command.belt_speed_m_s, command.belt_acceleration_m_s2)

    def step(self, speed_m_s: float) -> float:
        """Return the servo's set speed [m/s] for the coming step, given the measured belt speed."""
        return firmware.belt_step(self.record, speed_m_s)

    @property
    def faults(self) -> EnvironmentFault:
        """What the belt says about itself."""
        return EnvironmentFault(status.belt_faults(self.record))
