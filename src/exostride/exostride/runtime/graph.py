"""The graph as an object: one call per tick, in the order that the ROS 2 nodes keep by waiting.

The order of a tick is part of the interface (docs/interfaces.md): read, phase, control and safety,
session on every tenth tick, write. What one stage may know of another is fixed there too: safety
sees phase, command and applied torque of the tick before, the session sees the supervisor's state
of the tick before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final

from exostride.interfaces import Device
from exostride.runtime.component import (
    ControlComponent,
    HardwareComponent,
    PhaseComponent,
    SafetyStage,
    TickInputs,
)
from exostride.runtime.faults import FaultyHardware
from exostride.runtime.session import STRIDE, SessionComponent
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    DeviceReading,
    EnvironmentCommand,
    ExoState,
    GaitEvent,
    GaitPhase,
    SafetyPermit,
    SafetyState,
    SessionState,
    StepMetrics,
    TherapySettings,
)

STAGES: Final = ("read", "phase", "control", "safety", "session", "kernel_and_device")
"""Parts of a tick whose time is counted, in order."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Everything that one tick produced; ``None`` for what did not come or has not come yet."""

    seq: int
    time_s: float
    reading: DeviceReading
    phase: GaitPhase | None
    events: Sequence[GaitEvent]
    command: AssistCommand | None
    environment_command: EnvironmentCommand | None
    permit: SafetyPermit | None
    safety: SafetyState | None
    safety_changed: bool
    session: SessionState
    session_changed: bool
    settings: TherapySettings
    settings_changed: bool
    metrics: Sequence[StepMetrics]
    applied: AppliedTorque


@dataclass(frozen=True, slots=True)
class Outage:
    """Silences a stage from tick ``start`` up to before tick ``end``, as if its process were dead."""

    stage: str
    start: int
    end: int


class Graph:
    """The components of one stack, stepped together.

    Parameters
    ----------
    hardware, phase, control, safety, session
        The components.
    outages
        Stages to silence: ``phase``, ``control``, ``safety`` or ``session``. What waits for a silent
        stage gets nothing, as after the time-out of lock-step.
    """

    def __init__(
        self,
        hardware: HardwareComponent,
        phase: PhaseComponent,
        control: ControlComponent,
        safety: SafetyStage,
        session: SessionComponent,
        outages: Sequence[Outage] = (),
    ) -> None:
        self._hardware = hardware
        self._faults = hardware.faults if isinstance(hardware, FaultyHardware) else None
        self._phase = phase
        self._control = control
        self._safety = safety
        self.session = session
        self._outages = tuple(outages)
        self._applied: AppliedTorque | None = None
        self._last_phase: GaitPhase | None = None
        self._last_command: AssistCommand | None = None
        self._safety_state: SafetyState | None = None
        self._session_state = SessionState(seq=0, time_s=0.0)
        self.stage_ns = dict.fromkeys(STAGES, 0)
        """Time spent in each stage so far [ns]: for benchmarks, of no influence on anything."""

    @property
    def device(self) -> Device:
        """The device at the end of the graph, for a view or a benchmark that looks into it."""
        return self._hardware.device

    def _silent(self, stage: str, seq: int) -> bool:
        if self._faults is not None and self._faults.silent(stage):
            return True
        return bool(self._outages) and any(o.stage == stage and o.start <= seq < o.end for o in self._outages)

    def step(self, seq: int) -> Tick:
        """Run tick ``seq``; ticks must come in order, from 0."""
        marks = [perf_counter_ns()]
        reading = self._hardware.read(seq)
        marks.append(perf_counter_ns())
        phase, events = self._step_phase(seq, reading.exo)
        marks.append(perf_counter_ns())
        command, environment_command = self._step_control(seq, reading, phase)
        marks.append(perf_counter_ns())
        before = self._safety_state
        permit, told = self._step_safety(seq, reading)
        marks.append(perf_counter_ns())
        settings, metrics, spoke = self._step_session(seq, reading, events, command, before)
        marks.append(perf_counter_ns())
        applied = self._hardware.write(reading, TickInputs(command, environment_command, permit))
        marks.append(perf_counter_ns())
        for stage, start, end in zip(STAGES, marks, marks[1:], strict=False):
            self.stage_ns[stage] += end - start
        self._applied, self._last_phase, self._last_command = applied, phase, command
        return Tick(
            seq=seq,
            time_s=reading.exo.time_s,
            reading=reading,
            phase=phase,
            events=events,
            command=command,
            environment_command=environment_command,
            permit=permit,
            safety=self._safety_state,
            safety_changed=told,
            session=self._session_state,
            session_changed=spoke,
            settings=self.session.settings,
            settings_changed=settings is not None,
            metrics=metrics,
            applied=applied,
        )

    def _step_phase(self, seq: int, exo: ExoState) -> tuple[GaitPhase | None, Sequence[GaitEvent]]:
        if self._silent("phase", seq):
            return None, ()
        phase, events = self._phase.step(exo)
        return (phase if self._faults is None else self._faults.phase(phase)), events

    def _step_control(
        self, seq: int, reading: DeviceReading, phase: GaitPhase | None
    ) -> tuple[AssistCommand | None, EnvironmentCommand | None]:
        if phase is None or self._silent("control", seq):
            return None, None
        return self._control.step(reading.exo, reading.environment, phase)

    def _step_safety(self, seq: int, reading: DeviceReading) -> tuple[SafetyPermit | None, bool]:
        if self._silent("safety", seq):
            return None, False
        recorder = None if self._faults is None else self._faults.recorder(seq)
        word = self._safety.step(
            reading.exo,
            reading.environment,
            self._applied,
            self._last_phase,
            self._last_command,
            recorder=recorder,
        )
        if word.state is not None:
            self._safety_state = word.state
        return word.permit, word.state is not None

    def _step_session(
        self,
        seq: int,
        reading: DeviceReading,
        events: Sequence[GaitEvent],
        command: AssistCommand | None,
        safety: SafetyState | None,
    ) -> tuple[TherapySettings | None, Sequence[StepMetrics], bool]:
        if self._silent("session", seq):
            return None, (), False
        out = None
        # The session reads a tick's state before the command that answers it exists.
        self.session.note(reading.exo, reading.environment, events)
        if seq % STRIDE == 0:
            out = self.session.step(seq, safety)
            self._session_state = out.state
            self._safety.request(out.state)
            if out.settings is not None:
                self._control.put_settings(out.settings)
        self.session.answer(command)
        return (None, (), False) if out is None else (out.settings, out.metrics, True)

    def close(self) -> None:
        """Leave the device without torque."""
        self._hardware.close()

    def run(self, ticks: int, observer: Callable[[Tick], bool | None] | None = None) -> Tick | None:
        """Step until ``ticks``, the session or the device is done, or ``observer`` returns ``False``.

        Returns
        -------
        Tick or None
            The last tick; ``None`` if there was none.
        """
        tick = None
        for seq in range(ticks):
            tick = self.step(seq)
            if observer is not None and observer(tick) is False:
                break
            if self.session.done or self._hardware.finished():
                break
        return tick
