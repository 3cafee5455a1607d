"""What the stack asks of an exchangeable part: estimator, control law, environment law, device.

Each is a protocol; nothing needs to be inherited. Parts are chosen by name in YAML and found
through Python entry points (:mod:`exostride.registry`), so that one from another package plugs in.
Every ``step`` is a pure function of its arguments and of the object's own state: no clock, no
input or output, no unseeded randomness; ``t`` is control time in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from exostride.types import (
    AssistCommand,
    DeviceReading,
    DriveApplied,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitEvent,
    GaitPhase,
    KernelOutput,
    Signal,
    TherapySettings,
)


@runtime_checkable
class PhaseEstimator(Protocol):
    """Gait phase of both legs from the exoskeleton's own sensors, causally.

    Construct with ``(period_s: float, parameters: Mapping[str, Any])``; unknown parameters raise
    :class:`~exostride.errors.ConfigError`.
    """

    requires: Signal
    """Groups of signals without which it cannot work; it may use more when they are there."""

    def step(self, t: float, state: ExoState) -> tuple[GaitPhase, Sequence[GaitEvent]]:
        """Return the phase at ``t`` and the gait events detected in this tick."""

    def reset(self) -> None:
        """Forget everything learned since construction."""


@runtime_checkable
class AssistController(Protocol):
    """Assistance law: what the joints are to do in answer to one state.

    Construct with ``(context: ControlContext, parameters: Mapping[str, Any])``.
    """

    def step(self, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> AssistCommand:
        """Return the joint command for this tick (``seq`` equal to the state's)."""

    def reset(self) -> None:
        """Forget adaptation and start bumpless from the next state."""


@runtime_checkable
class EnvironmentLaw(Protocol):
    """Belt and harness law. Construct with ``(context: ControlContext, parameters)``."""

    def step(
        self,
        t: float,
        state: ExoState,
        environment: EnvironmentState,
        phase: GaitPhase,
        settings: TherapySettings,
    ) -> EnvironmentCommand:
        """Return the belt and harness command for this tick (``seq`` equal to the state's)."""

    def reset(self) -> None:
        """Return to standing still."""


@runtime_checkable
class Device(Protocol):
    """An exoskeleton with its environment: simulated, replayed, in Gazebo, or real."""

    def configure(self, parameters: Mapping[str, Any], period_s: float) -> None:
        """Prepare for ticks of ``period_s`` seconds.

        Raises
        ------
        ConfigError
            A parameter is unknown or out of range.
        DeviceError
            The device does not answer.
        """

    def read(self, seq: int) -> DeviceReading:
        """Return all measurements of tick ``seq`` (control time ``seq × period``)."""

    def write(self, output: KernelOutput) -> DriveApplied:
        """Hand the kernel's output to drives, belt and harness; return what was really applied.

        A simulated device advances by one period in this call.
        """

    def finished(self) -> bool:
        """Return whether the device has nothing more to give (end of a replayed recording)."""

    def close(self) -> None:
        """Leave everything without torque; may be called more than once."""
