"""The stages of one control tick as pure objects; nodes and the virtual-clock runner wrap the same ones.

A component knows ticks, not clocks: its ``step`` takes the values of one tick and returns those it
answers with. :class:`HardwareComponent` is the only one that touches the outside, through its
device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from exostride.control.pace import BeltPace
from exostride.control.switching import Switcher
from exostride.interfaces import AssistController, Device, EnvironmentLaw, PhaseEstimator
from exostride.runtime.timeline import Timeline
from exostride.safety.audit import AuditEntry
from exostride.safety.component import OperatorRequest, Reply, SafetyComponent
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    DeviceReading,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitEvent,
    GaitPhase,
    KernelOutput,
    RecorderState,
    SafetyPermit,
    SafetyState,
    SessionState,
    TherapySettings,
)

if TYPE_CHECKING:  # the robot's dynamics take a second to load, and only the controller needs them
    from exostride.control.effort import EffortMeter


class Kernel(Protocol):
    """The last word on torque; see :mod:`exostride.safety`."""

    def step(
        self,
        seq: int,
        exo: ExoState,
        environment: EnvironmentState,
        command: AssistCommand | None,
        environment_command: EnvironmentCommand | None,
        permit: SafetyPermit | None,
    ) -> KernelOutput:
        """Return the safe output of this tick, whatever came or did not come."""


@dataclass(frozen=True, slots=True)
class TickInputs:
    """What the graph answered to one state; ``None`` where nothing came in time.

    ``refused`` counts messages of other ticks that were dropped since the start.
    """

    command: AssistCommand | None = None
    environment: EnvironmentCommand | None = None
    permit: SafetyPermit | None = None
    refused: int = 0


class HardwareComponent:
    """Device and kernel: reads a tick's measurements, then writes what the kernel makes of the answers.

    Parameters
    ----------
    device
        A configured device.
    kernel
        The safety kernel.
    period_s
        Control period [s].
    """

    def __init__(self, device: Device, kernel: Kernel, period_s: float) -> None:
        self._device = device
        self._kernel = kernel
        self._period = period_s

    @property
    def device(self) -> Device:
        """The device, for a view or a benchmark that looks into it."""
        return self._device

    def read(self, seq: int) -> DeviceReading:
        """Return all measurements of tick ``seq``."""
        return self._device.read(seq)

    def write(self, reading: DeviceReading, inputs: TickInputs) -> AppliedTorque:
        """Run the kernel on the answers to ``reading``, hand its output to the device, and report both."""
        seq = reading.exo.seq
        out = self._kernel.step(
            seq, reading.exo, reading.environment, inputs.command, inputs.environment, inputs.permit
        )
        done = self._device.write(out)
        return AppliedTorque(
            seq=seq,
            time_s=seq * self._period,
            requested_nm=out.requested_nm,
            applied_mean_nm=done.mean_nm,
            applied_peak_nm=done.peak_nm,
            reasons=out.reasons,
            reason=int(out.reason),
            mode=int(out.mode),
            tank_j=float(out.tank_j),
            command_received=inputs.command is not None,
            environment_received=inputs.environment is not None,
            permit_received=inputs.permit is not None,
            command_age_ticks=int(out.command_age_ticks),
            environment_age_ticks=int(out.environment_age_ticks),
            permit_age_ticks=int(out.permit_age_ticks),
            rejected_messages=int(out.rejected_messages) + inputs.refused,
        )

    def finished(self) -> bool:
        """Return whether the device has nothing more to give."""
        return self._device.finished()

    def close(self) -> None:
        """Leave the device without torque."""
        self._device.close()


class PhaseComponent:
    """A phase estimator at the control period."""

    def __init__(self, estimator: PhaseEstimator, period_s: float) -> None:
        self._estimator = estimator
        self._period = period_s

    def step(self, exo: ExoState) -> tuple[GaitPhase, Sequence[GaitEvent]]:
        """Return phase and events of the tick of ``exo``."""
        return self._estimator.step(exo.seq * self._period, exo)

    def reset(self) -> None:
        """Forget the walker."""
        self._estimator.reset()


class ControlComponent:
    """Assistance law and environment law, chosen and tuned by the therapy settings in force.

    Parameters
    ----------
    controllers, laws
        Make an assistance law, or an environment law, by name; called once per name, outside of
        :meth:`step`, because building one may take long.
    period_s
        Control period [s].
    initial
        Settings from tick 0 on.
    effort
        Estimates what the patient does, for every law alike; ``None`` leaves it unknown.

    Raises
    ------
    InputError
        The settings name a law that does not exist.
    """

    def __init__(
        self,
        controllers: Callable[[str], AssistController],
        laws: Callable[[str], EnvironmentLaw],
        period_s: float,
        initial: TherapySettings,
        effort: EffortMeter | None = None,
    ) -> None:
        self._effort = effort
        self._make_controller = controllers
        self._make_law = laws
        self._controllers: dict[str, AssistController] = {}
        self._laws: dict[str, EnvironmentLaw] = {}
        self._period = period_s
        self._settings: Timeline[TherapySettings] = Timeline()
        self._switcher = Switcher(period_s)
        self._pace = BeltPace()
        self._active_law = ""
        self.late = 0
        """Settings that came after the tick they were to hold from."""
        self._seq = -1
        self.put_settings(initial)

    def put_settings(self, settings: TherapySettings) -> None:
        """Take settings in, to hold from their ``effective_seq`` on.

        Raises
        ------
        InputError
            They name a law that does not exist; the settings in force stay.
        """
        if settings.controller not in self._controllers:
            self._controllers[settings.controller] = self._make_controller(settings.controller)
        if settings.environment_law not in self._laws:
            self._laws[settings.environment_law] = self._make_law(settings.environment_law)
        if self._seq >= 0 and settings.effective_seq <= self._seq:
            self.late += 1
        self._settings.add(settings.effective_seq, settings)

    def step(
        self, exo: ExoState, environment: EnvironmentState, phase: GaitPhase
    ) -> tuple[AssistCommand, EnvironmentCommand]:
        """Return both commands in answer to ``exo``; a law newly chosen takes over from the one before."""
        self._seq = exo.seq
        settings = self._settings.at(exo.seq)
        if settings is None:
            raise ValueError(f"no therapy settings are in force at tick {exo.seq}")
        controller = self._controllers[settings.controller]
        law = self._laws[settings.environment_law]
        if self._active_law != settings.environment_law:
            law.reset()
            self._active_law = settings.environment_law
        t = exo.seq * self._period
        paced = self._pace.step(settings, environment, phase)
        command = self._switcher.step(controller, t, exo, phase, paced)
        if self._effort is not None:
            share = self._effort.step(exo)
            command = AssistCommand(
                command.seq,
                command.time_s,
                command.torque_nm,
                command.stiffness_nm_rad,
                command.damping_nms_rad,
                command.reference_rad,
                command.reference_velocity_rad_s,
                command.assistance,
                share.percent,
                share.sd_percent,
            )
        return command, law.step(t, exo, environment, phase, settings)


@dataclass(frozen=True, slots=True)
class Word:
    """What the supervisor says in one tick.

    ``state`` is there when it is to be told: when anything but the time has changed, and once a second.
    ``replies`` answer the operator's requests in order.
    """

    permit: SafetyPermit
    state: SafetyState | None
    audit: tuple[AuditEntry, ...]
    replies: tuple[Reply, ...]


class SafetyStage:
    """The supervisor, and what of its state is worth telling.

    Parameters
    ----------
    component
        The supervisor.
    period_s
        Control period [s].
    """

    def __init__(self, component: SafetyComponent, period_s: float) -> None:
        self._component = component
        self._every = round(1.0 / period_s)
        self._told: SafetyState | None = None
        self._requests: Timeline[SessionState] = Timeline()

    def request(self, state: SessionState) -> None:
        """Take the session's word in, to hold from its ``effective_seq`` on."""
        self._requests.add(state.effective_seq, state)

    def step(
        self,
        exo: ExoState,
        environment: EnvironmentState,
        applied: AppliedTorque | None,
        phase: GaitPhase | None,
        command: AssistCommand | None,
        operator: Sequence[OperatorRequest] = (),
        recorder: RecorderState | None = None,
    ) -> Word:
        """Return the supervisor's word at the tick of ``exo``; the other answers are of the tick before."""
        seq = exo.seq
        permit, state, audit = self._component.step(
            seq,
            exo,
            environment,
            applied,
            phase,
            command,
            self._requests.at(seq),
            operator,
            recorder=recorder,
        )
        tell = seq % self._every == 0 or self._told is None or _differ(state, self._told)
        if tell:
            self._told = state
        return Word(permit, state if tell else None, audit, self._component.replies)

    def hardware_lost(self, seq: int) -> tuple[SafetyState, tuple[AuditEntry, ...]]:
        """Latch that no state of tick ``seq`` or later comes; return what is to be told and written of it."""
        self._told, entries = self._component.hardware_lost(seq)
        return self._told, entries


def _differ(a: SafetyState, b: SafetyState) -> bool:
    return (a.state, a.action, a.latched, a.cause, a.active_faults, a.message) != (
        b.state,
        b.action,
        b.latched,
        b.cause,
        b.active_faults,
        b.message,
    )
