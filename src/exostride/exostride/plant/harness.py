"""The body-weight support's own firmware: three kinds of unloading, hold, lift, and its watchdog."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from exostride.conventions import GRAVITY_M_S2
from exostride.plant.config import HarnessConfig
from exostride.types import EnvironmentCommand, EnvironmentFault, HarnessAction, SupportKind

NO_FAULT = EnvironmentFault(0)


@dataclass(slots=True)
class CableLaw:
    """What the cable does over the coming physics step.

    Tension of the winch ``pull_n + pull_stiffness_n_m * (length - pull_length_m)`` plus, when locked, that
    of the rope ``rope_stiffness_n_m * (length - hold_length_m) + damping``; never less than nothing.
    ``inertia_kg`` is what hangs on the other end (counterweight).
    """

    pull_n: float = 0.0
    pull_stiffness_n_m: float = 0.0
    pull_length_m: float = 0.0
    locked: bool = False
    hold_length_m: float = 0.0
    inertia_kg: float = 0.0


class HarnessFirmware:
    """Turns commands into a :class:`CableLaw`, at every physics step.

    UNLOAD keeps the set tension: as a regulated force, as a counterweight (its inertia is felt), or as a
    spring tuned to give it at the length at which it was set. HOLD brakes the winch; rope and harness
    remain as a stiff one-sided spring. LIFT winds the braked rope in until ``lift_fraction`` of body weight
    hangs in it.
    Each action is confirmed when it is complete and the load is carried. Without a command for the watchdog
    time the winch brakes.
    """

    def __init__(self, config: HarnessConfig, body_weight_n: float, dt_s: float) -> None:
        self._config = config
        self._weight = body_weight_n
        self._dt = dt_s
        self._watchdog_steps = max(1, round(config.watchdog_s / dt_s))
        self._gain = min(1.0, dt_s / config.force_time_constant_s)
        self.law = CableLaw()
        self.reset(0.0)

    def reset(self, length_m: float) -> None:
        """Switch on with a braked, just taut cable of ``length_m``."""
        self.action = HarnessAction.HOLD
        self.kind = SupportKind.CONSTANT_FORCE
        self.target_n = 0.0
        self.confirmed = False
        self.link_up = True
        self.cable_intact = True
        self.load_cell_ok = True
        self.lift_ok = True
        self._set_n = 0.0
        self._actual_n = 0.0
        self._spring_length = length_m
        self._wound_m = 0.0
        self._brake_steps = 0
        self._settled_s = 0.0
        self._silent_steps = 0
        self._tripped = False
        self._lock(length_m, 0.0)

    def command(self, command: EnvironmentCommand, length_m: float, tension_n: float) -> None:
        """Take an action, kind of support and unloading [% of body weight]; one not finite counts as none."""
        if not (self.link_up and isfinite(command.unloading_percent)):
            return
        self._silent_steps = 0
        self._tripped = False
        percent = min(max(command.unloading_percent, 0.0), 100.0)
        self.target_n = min(percent / 100.0 * self._weight, self._config.force_max_n)
        kind = SupportKind(command.support_kind)
        if kind is not self.kind:
            self.kind = kind
            self._spring_length = length_m
        self._request(HarnessAction(command.harness_action), length_m, tension_n)

    def _request(self, action: HarnessAction, length_m: float, tension_n: float) -> None:
        if action is self.action:
            return
        locked_before = self.action is not HarnessAction.UNLOAD
        self.action = action
        self.confirmed = False
        self._settled_s = 0.0
        if action is HarnessAction.UNLOAD:
            # Take over bumpless from the braked cable.
            self._set_n = self._actual_n = min(max(tension_n, 0.0), self._config.force_max_n)
            self._spring_length = length_m
            self.law.locked = False
        elif not locked_before:
            self._brake_steps = round(self._config.brake_time_s / self._dt)
        if action is HarnessAction.LIFT:
            self._wound_m = 0.0

    def _lock(self, length_m: float, tension_n: float) -> None:
        self.law.locked = True
        self.law.hold_length_m = length_m - max(tension_n, 0.0) / self._config.rope_stiffness_n_m
        self._set_n = self._actual_n = 0.0
        self.law.pull_n = self.law.pull_stiffness_n_m = self.law.inertia_kg = 0.0

    def step(self, length_m: float, tension_n: float) -> CableLaw:
        """Return the cable's law for the coming step, given cable length and the load cell's tension."""
        self._silent_steps += 1
        if self._silent_steps > self._watchdog_steps and not self._tripped:
            self._tripped = True
            if self.action is HarnessAction.UNLOAD:
                self._request(HarnessAction.HOLD, length_m, tension_n)
        if self.action is HarnessAction.UNLOAD:
            self._unload(length_m)
        elif not self.law.locked:
            self._brake_steps -= 1
            if self._brake_steps <= 0:
                self._lock(length_m, tension_n)
        elif self.action is HarnessAction.LIFT:
            self._lift(tension_n)
        self._confirm(tension_n)
        if not self.cable_intact:
            self.law.locked = False
            self.law.pull_n = self.law.pull_stiffness_n_m = self.law.inertia_kg = 0.0
        return self.law

    def _unload(self, length_m: float) -> None:
        if self._set_n != self.target_n:
            slew = self._config.force_slew_n_s * self._dt
            self._set_n += min(max(self.target_n - self._set_n, -slew), slew)
        self._actual_n += self._gain * (self._set_n - self._actual_n)
        law = self.law
        law.pull_n = self._actual_n
        law.pull_length_m = self._spring_length
        law.pull_stiffness_n_m = self._config.spring_stiffness_n_m if self.kind is SupportKind.SPRING else 0.0
        law.inertia_kg = self._actual_n / GRAVITY_M_S2 if self.kind is SupportKind.COUNTERWEIGHT else 0.0
        # A slack spring or one set on a moving walker is re-tuned while its force is being changed.
        if abs(self.target_n - self._set_n) > 1e-9:
            self._spring_length = length_m

    def _lift(self, tension_n: float) -> None:
        c = self._config
        if (
            not self.lift_ok
            or tension_n >= c.lift_fraction * self._weight
            or self._wound_m >= c.lift_travel_m
        ):
            return
        step = c.lift_speed_m_s * self._dt
        self.law.hold_length_m -= step
        self._wound_m += step

    def _confirm(self, tension_n: float) -> None:
        c = self._config
        if self.action is HarnessAction.UNLOAD:
            tolerance = max(c.confirm_fraction * self.target_n, 0.02 * self._weight)
            # Spring and counterweight give the set force on average only.
            good = self._set_n == self.target_n and (
                self.kind is not SupportKind.CONSTANT_FORCE or abs(tension_n - self.target_n) < tolerance
            )
        elif self.action is HarnessAction.HOLD:
            good = self.law.locked and tension_n >= c.hold_load_fraction * self._weight
        else:
            good = self.law.locked and tension_n >= (c.lift_fraction - c.confirm_fraction) * self._weight
        good = good and self.cable_intact and self.load_cell_ok
        self._settled_s = self._settled_s + self._dt if good else 0.0
        self.confirmed = good and self._settled_s >= c.confirm_time_s

    @property
    def faults(self) -> EnvironmentFault:
        """What the harness says about itself."""
        faults = NO_FAULT
        if self._tripped:
            faults |= EnvironmentFault.HARNESS_WATCHDOG
        if not self.load_cell_ok:
            faults |= EnvironmentFault.HARNESS_LOAD_CELL
        if not self.lift_ok:
            faults |= EnvironmentFault.HARNESS_LIFT
        if not self.cable_intact:
            faults |= EnvironmentFault.HARNESS_CABLE
        return faults
