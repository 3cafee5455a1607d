"""The body-weight support's own firmware: three kinds of unloading, hold, lift, and its watchdog."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from exostride.compiled import Field, Record, record
from exostride.plant import firmware, status
from exostride.plant.config import HarnessConfig
from exostride.types import EnvironmentCommand, EnvironmentFault, HarnessAction, SupportKind


@dataclass(frozen=True, slots=True)
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

    action = Field(HarnessAction)
    kind = Field(SupportKind)
    target_n = Field(float)
    confirmed = Field(bool)
    cable_intact = Field(bool)
    load_cell_ok = Field(bool)
    lift_ok = Field(bool)
    tripped = Field(bool)

    def __init__(self, config: HarnessConfig, body_weight_n: float, dt_s: float) -> None:
        self._config = config
        self.record: Record = record(
            firmware.HARNESS,
            dt=dt_s,
            gain=min(1.0, dt_s / config.force_time_constant_s),
            slew_n=config.force_slew_n_s * dt_s,
            weight=body_weight_n,
            force_max=config.force_max_n,
            spring_stiffness=config.spring_stiffness_n_m,
            rope_stiffness=config.rope_stiffness_n_m,
            rope_damping=config.rope_damping_ns_m,
            lift_n=config.lift_fraction * body_weight_n,
            lift_travel=config.lift_travel_m,
            lift_step=config.lift_speed_m_s * dt_s,
            confirm_fraction=config.confirm_fraction,
            confirm_s=config.confirm_time_s,
            hold_n=config.hold_load_fraction * body_weight_n,
            lifted_n=(config.lift_fraction - config.confirm_fraction) * body_weight_n,
            brake_time_steps=round(config.brake_time_s / dt_s),
            watchdog_steps=max(1, round(config.watchdog_s / dt_s)),
        )
        self.reset(0.0)

    def reset(self, length_m: float) -> None:
        """Switch on with a braked, just taut cable of ``length_m``."""
        self.action = HarnessAction.HOLD
        self.kind = SupportKind.CONSTANT_FORCE
        self.link_up = True
        self.cable_intact = self.load_cell_ok = self.lift_ok = True
        self.record["spring_length"] = length_m
        for name in (
            "target_n",
            "confirmed",
            "wound_m",
            "brake_steps",
            "settled_s",
            "silent_steps",
            "tripped",
        ):
            self.record[name] = 0
        firmware.harness_lock(self.record, length_m, 0.0)

    def command(self, command: EnvironmentCommand, length_m: float, tension_n: float) -> None:
        """Take an action, kind of support and unloading [% of body weight]; one not finite counts as none."""
        if not (self.link_up and isfinite(command.unloading_percent)):
            return
        kind, action = int(command.support_kind), int(command.harness_action)
        firmware.harness_command(self.record, command.unloading_percent, kind, action, length_m, tension_n)

    @property
    def law(self) -> CableLaw:
        """What the cable does now."""
        r = self.record
        return CableLaw(
            pull_n=float(r["pull_n"][0]),
            pull_stiffness_n_m=float(r["pull_stiffness_n_m"][0]),
            pull_length_m=float(r["pull_length_m"][0]),
            locked=bool(r["locked"][0]),
            hold_length_m=float(r["hold_length_m"][0]),
            inertia_kg=float(r["inertia_kg"][0]),
        )

    def step(self, length_m: float, tension_n: float) -> CableLaw:
        """Return the cable's law for the coming step, given cable length and the load cell's tension."""
        firmware.harness_step(self.record, length_m, tension_n)
        return self.law

    @property
    def faults(self) -> EnvironmentFault:
        """What the harness says about itself."""
        return EnvironmentFault(status.harness_faults(self.record))
