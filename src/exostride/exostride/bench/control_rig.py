"""A walker, a law and the kernel in a loop without the supervisor, for comparing laws.

The kernel limits every law as in a session. The supervisor is left out on purpose: it would end the
session of a law that provokes it, and the table would miss the row that matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter_ns
from typing import Any, Final

from exostride.control.settings import from_mapping
from exostride.hardware.simulated import SimulatedDevice
from exostride.plant.seam import FaultSeam
from exostride.runtime.assembly.control import make_control
from exostride.runtime.assembly.phase import make_phase
from exostride.runtime.assembly.stack import StackConfig, safety_limits
from exostride.safety.kernel import SafetyKernel
from exostride.types import (
    AssistCommand,
    DeviceReading,
    EnvironmentCommand,
    GaitPhase,
    HarnessAction,
    KernelOutput,
    Mode,
    SafetyPermit,
    SimTruth,
    TherapySettings,
)

_PERMIT_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class RigSetup:
    """One walk: who, with which law, and the therapy settings by name.

    ``parameters`` are those of the law, ``stand_s`` the time to stand before training begins. ``first`` is
    the law to begin with, until :meth:`Rig.change` puts another in force.
    """

    controller: str
    patient: str
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    estimator: str = "default"
    rate_hz: int = 200
    stand_s: float = 1.0
    robot: str = "exoskeleton"
    first: str = ""


@dataclass(frozen=True, slots=True)
class RigTick:
    """What one tick gave; ``control_us`` is the wall time of the control stage."""

    seq: int
    time_s: float
    reading: DeviceReading
    truth: SimTruth
    phase: GaitPhase
    command: AssistCommand
    environment_command: EnvironmentCommand
    output: KernelOutput
    control_us: float


class Rig:
    """Steps device, phase, control and kernel; see module."""

    def __init__(self, setup: RigSetup, seam: FaultSeam | None = None) -> None:
        self.setup = setup
        stack = StackConfig(
            rate_hz=setup.rate_hz,
            patient=setup.patient,
            robot=setup.robot,
            controller_parameters={setup.controller: setup.parameters},
        )
        self.period_s = stack.period_s
        values = {"controller": setup.first or setup.controller, **setup.settings}
        self.settings: TherapySettings = from_mapping(values, "bench settings")
        self.device = SimulatedDevice()
        self.device.seam = seam
        self.device.configure(
            {"patient": setup.patient, "robot": setup.robot, "seed": setup.seed}, self.period_s
        )
        self.phase = make_phase(stack, setup.estimator, {})
        self.control = make_control(stack, self.settings)
        self._kernel = SafetyKernel(safety_limits(stack), self.period_s)
        self._stand = round(setup.stand_s / self.period_s)
        self.seq = 0

    def change(self, **values: Any) -> None:
        """Put changed therapy settings in force from the next tick on."""
        self.settings = replace(from_mapping(values, "bench settings", self.settings), effective_seq=self.seq)
        self.control.put_settings(self.settings)

    def step(self) -> RigTick:
        """Run one tick."""
        seq, self.seq = self.seq, self.seq + 1
        reading = self.device.read(seq)
        phase, _ = self.phase.step(reading.exo)
        start = perf_counter_ns()
        command, environment = self.control.step(reading.exo, reading.environment, phase)
        spent = (perf_counter_ns() - start) / 1e3
        training = seq >= self._stand
        permit = SafetyPermit(
            seq=seq,
            time_s=seq * self.period_s,
            mode=int(self._mode(seq)),
            scale=1.0,
            expiry_seq=seq + _PERMIT_TICKS,
            belt_limit_m_s=2.0 if training else 0.0,
            harness_action=int(HarnessAction.UNLOAD),
        )
        output = self._kernel.step(seq, reading.exo, reading.environment, command, environment, permit)
        self.device.write(output)
        assert reading.truth is not None, "the simulated device tells its truth"
        return RigTick(
            seq=seq,
            time_s=seq * self.period_s,
            reading=reading,
            truth=reading.truth,
            phase=phase,
            command=command,
            environment_command=environment,
            output=output,
            control_us=spent,
        )

    def _mode(self, seq: int) -> Mode:
        """Return what the kernel is permitted: it drives nobody who was not left alone for a tick before."""
        if seq < self._stand:
            return Mode.STAND
        return Mode.TRAIN if seq else Mode.ZERO

    def close(self) -> None:
        """Drop the world."""
        self.device.close()
