"""A whole session on a virtual clock: one process, no ROS, deterministic, faster than real time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import ConfigDict, Field

from exostride.config import StrictModel
from exostride.errors import DeviceError, ExitCode
from exostride.recording.session_info import SessionInfo, git_state
from exostride.recording.writer import BagWriter, WriterOptions
from exostride.runtime.assembly.control import make_control
from exostride.runtime.assembly.hardware import make_device, make_hardware
from exostride.runtime.assembly.phase import make_phase
from exostride.runtime.assembly.safety import make_safety
from exostride.runtime.assembly.stack import SIMULATED, StackConfig, configuration_files, patient_record
from exostride.runtime.graph import Graph, Tick
from exostride.runtime.protocol import limit_of, make_plan
from exostride.runtime.session import SessionComponent, verdict
from exostride.types import (
    SafetyState,
    SessionState,
    StepMetrics,
    TherapySettings,
)

__all__ = ["SimulationConfig", "SimulationResult", "Tick", "build", "run"]


_ENDING_S = 60.0
"""Longest time for the end of a session [s of control time]."""


class SimulationConfig(StrictModel):
    """One session on the virtual clock.

    ``duration_s`` is the control time at which the session is brought to its end in good order, the belt
    slowed and the patient stood; with a goal it ends before. None: a minute, or what the protocol takes.
    ``overrides`` are single therapy settings by name, put over the protocol's; ``settings`` is a whole set in
    place of them. ``faults`` are injected, each as :mod:`exostride.safety.injection` writes them.
    ``walking_s`` and ``goal_steps`` replace the protocol's goals unless 0. ``controller`` replaces that of
    the settings unless empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    device: str = "simulated"
    patient: str = "hemiparetic_left_mild"
    robot: str = "exoskeleton"
    controller: str = ""
    estimator: str = "default"
    protocol: Path | None = None
    settings: TherapySettings | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)
    duration_s: float | None = Field(None, gt=0.0)
    walking_s: float = Field(0.0, ge=0.0)
    goal_steps: int = Field(0, ge=0)
    rate_hz: int = 200
    seed: int = Field(0, ge=0)
    bag: Path | None = None
    limits: Path | None = None
    faults: tuple[str, ...] = ()
    device_parameters: dict[str, Any] = Field(default_factory=dict)
    estimator_parameters: dict[str, Any] = Field(default_factory=dict)
    controller_parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def ticks(self) -> int:
        """Most ticks to run."""
        return round((limit_of(self.duration_s, self.protocol) + _ENDING_S) * self.rate_hz)


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What came of a session.

    ``us_per_tick`` gives the mean time of each stage of :data:`exostride.runtime.graph.STAGES` [µs].
    """

    ticks: int
    time_s: float
    wall_s: float
    steps: int
    metrics: tuple[StepMetrics, ...]
    session: SessionState
    safety: SafetyState | None
    exit_code: ExitCode
    bag: Path | None
    us_per_tick: dict[str, float]


class _Recorder:
    """Writes every value of a tick into a bag, at its control time."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer
        self._first = True

    def __call__(self, tick: Tick) -> None:
        reading = tick.reading
        values: list[Any] = [reading.environment, reading.physio, reading.truth, reading.exo]
        values += [*tick.events, tick.phase, tick.command, tick.environment_command, tick.permit]
        values += [tick.safety if tick.safety_changed else None, *tick.metrics]
        values += [tick.session if tick.session_changed else None, tick.applied]
        now = round(tick.time_s * 1e9)
        if self._first or tick.settings_changed:
            self._writer.write_value(tick.settings, now, tick.time_s)
            self._first = False
        for value in values:
            if value is not None:
                self._writer.write_value(value, now)


def build(config: SimulationConfig) -> Graph:
    """Return the graph of a configuration, ready for tick 0.

    Raises
    ------
    ExostrideError
        A name is unknown, a value out of range, or a file damaged: one line that says which.
    """
    overrides = dict(config.overrides)
    if config.controller:
        overrides.setdefault("controller", config.controller)
    plan = make_plan(
        config.protocol,
        overrides,
        config.settings,
        config.walking_s or None,
        config.goal_steps or None,
        limit_s=limit_of(config.duration_s, config.protocol),
    )
    stack = StackConfig(
        rate_hz=config.rate_hz,
        lockstep=True,
        patient=config.patient,
        robot=config.robot,
        limits=config.limits,
        controller_parameters={plan.settings.controller: config.controller_parameters},
    )
    parameters = {**_device_defaults(config), **config.device_parameters}
    phase = make_phase(stack, config.estimator, config.estimator_parameters)
    control = make_control(stack, plan.settings)
    safety = make_safety(stack)
    session = SessionComponent(plan, stack.period_s)
    device = make_device(config.device, parameters, stack.period_s, config.faults)
    return Graph(make_hardware(stack, device), phase, control, safety, session)


def _device_defaults(config: SimulationConfig) -> dict[str, Any]:
    """Return what a simulated device is told about the session; others have parameters of their own."""
    if config.device not in SIMULATED:
        return {}
    return {"patient": config.patient, "robot": config.robot, "seed": config.seed}


def _open_bag(config: SimulationConfig) -> BagWriter | None:
    if config.bag is None:
        return None
    info = SessionInfo(
        configuration=config.model_dump(mode="json", exclude={"settings"}),
        patient=patient_record(config.patient, config.device),
        seeds={"seed": config.seed},
        control_period_s=1.0 / config.rate_hz,
        runner="virtual",
        git=git_state(Path(__file__).parent),
        files=configuration_files(config.protocol, config.limits),
    )
    return BagWriter(config.bag, info, WriterOptions(sync_interval_s=None))


def run(config: SimulationConfig, observer: Callable[[Tick], bool | None] | None = None) -> SimulationResult:
    """Run one session and return what came of it.

    Parameters
    ----------
    config
        The session.
    observer
        Called with every tick; ``False`` from it ends the run.

    Raises
    ------
    ExostrideError
        The configuration is wrong or the bag can't be written; nothing half-made is left behind.
    """
    graph = build(config)
    writer = _open_bag(config)
    record = _Recorder(writer) if writer is not None else None
    metrics: list[StepMetrics] = []

    def watch(tick: Tick) -> bool:
        metrics.extend(tick.metrics)
        if record is not None:
            record(tick)
        return observer is None or observer(tick) is not False

    start = perf_counter()
    try:
        last = graph.run(config.ticks, watch)
    finally:
        graph.close()
        if writer is not None:
            writer.close()
    if last is None:
        raise DeviceError(f"device {config.device}: gave not one sample")
    ticks = last.seq + 1
    return SimulationResult(
        ticks=ticks,
        time_s=ticks / config.rate_hz,
        wall_s=perf_counter() - start,
        steps=last.session.steps,
        metrics=tuple(metrics),
        session=last.session,
        safety=last.safety,
        exit_code=verdict(last.session, last.safety),
        bag=config.bag,
        us_per_tick={stage: ns / ticks / 1e3 for stage, ns in graph.stage_ns.items()},
    )
