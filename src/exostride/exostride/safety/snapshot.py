"""What the detectors look at in one tick, converted once."""

from __future__ import annotations

from dataclasses import dataclass

from exostride.types import (
    AppliedTorque,
    AssistCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    RecorderState,
    SessionState,
    SupervisorState,
)


@dataclass(slots=True)
class Snapshot:
    """One tick as the supervisor sees it.

    ``angle``, ``speed`` and ``quality`` come from the sample guard; ``torque``, ``cuff`` and ``load`` are
    None when the device lacks them or did not measure them in this tick.
    """

    seq: int
    exo: ExoState
    environment: EnvironmentState
    applied: AppliedTorque | None
    phase: GaitPhase | None
    command: AssistCommand | None
    session: SessionState | None
    recorder: RecorderState | None
    state: SupervisorState
    ticks_in_state: int
    angle: list[float]
    speed: list[float]
    quality: list[int]
    torque: list[float] | None = None
    cuff: list[float] | None = None
    load: list[float] | None = None

    @property
    def driven(self) -> bool:
        """Whether the controller's commands are in force."""
        return self.state in (SupervisorState.TRAIN, SupervisorState.STOPPING)
