"""The newest value of everything the live view shows."""

from __future__ import annotations

from dataclasses import dataclass

from exostride.types import (
    AppliedTorque,
    AssistCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    RecorderState,
    SafetyState,
    SessionState,
    StepMetrics,
)


@dataclass(slots=True)
class Timing:
    """Timing of the control loop, as the hardware node's diagnostics give it."""

    period_p50_ms: float = float("nan")
    period_p99_ms: float = float("nan")
    missed: int = 0
    times_real_time: float = float("nan")


@dataclass(slots=True)
class Snapshot:
    """Latest values, ``None`` until the first has come; written by whoever feeds the view."""

    title: str = "Exostride"
    exo: ExoState | None = None
    environment: EnvironmentState | None = None
    phase: GaitPhase | None = None
    command: AssistCommand | None = None
    applied: AppliedTorque | None = None
    safety: SafetyState | None = None
    session: SessionState | None = None
    recorder: RecorderState | None = None
    left: StepMetrics | None = None
    right: StepMetrics | None = None
    timing: Timing | None = None

    def put_metrics(self, metrics: StepMetrics) -> None:
        """Keep the newest stride of each side."""
        if metrics.side == 0:
            self.left = metrics
        else:
            self.right = metrics
