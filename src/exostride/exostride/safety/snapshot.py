"""What the detectors look at in one tick, converted once."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2
from typing import NamedTuple

from exostride.conventions import N_JOINTS
from exostride.safety import codes
from exostride.safety.guard import SampleGuard
from exostride.safety.intake import COMMAND_ROWS, PLACES, Rows
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

Inputs = tuple[
    AppliedTorque | None, GaitPhase | None, AssistCommand | None, SessionState | None, RecorderState | None
]
_APPLIED_ROWS = Rows(N_JOINTS, "requested_nm", "applied_mean_nm", "applied_peak_nm")
_PHASE_ROWS = Rows(2, "phase", "rate_hz", "stance_probability", "confidence")
_TORQUE, _CUFF, _LOAD = PLACES["joint_torque_nm"], PLACES["cuff_torque_nm"], PLACES["foot_load_n"]
_ORIENTATION, _GYRO = PLACES["pelvis_orientation"], PLACES["pelvis_gyro_rad_s"]


class Standing(NamedTuple):
    """Where the supervisor stood at the end of the tick before."""

    state: SupervisorState
    ticks: int
    """Spent in that state, or in that step of a SOFT_STOP."""
    driven_ticks: int | None = None
    """Ticks since the controller's commands came into force, 0 in the first; None when they are not."""


@dataclass(slots=True)
class Snapshot:
    """One tick as the supervisor sees it.

    ``angle``, ``speed`` and ``quality`` come from the sample guard; ``torque``, ``cuff`` and ``load`` are
    None when the device lacks them or did not measure them in this tick. ``values`` are all vectors of the
    state (:data:`exostride.safety.intake.PLACES`), empty when it can't be read. ``orders``, ``done`` and
    ``gait`` are those of command, applied torque and phase one after another, empty when they did not come
    or have the wrong shape; ``damaged`` names those that are not finite or have the wrong shape.
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
    driven: bool
    """Whether the controller's commands are in force: TRAIN, STOPPING, and a SOFT_STOP that keeps them."""
    angle: list[float]
    speed: list[float]
    quality: list[int]
    values: list[float]
    orders: list[float]
    done: list[float]
    gait: list[float]
    damaged: tuple[str, ...]
    torque: list[float] | None = None
    cuff: list[float] | None = None
    load: list[float] | None = None
    pitch: float = 0.0
    """Of the pelvis, forward [rad]; 0 without its sensor."""
    pitch_rate: float = 0.0
    """Of the pelvis, forward [rad/s]; 0 without its sensor."""
    driven_ticks: int = 0
    """Ticks since the controller's commands came into force, which the lock hands over to in the first."""
    lines: int = 0
    """Line of the emergency stop that may be open because it is tested: 1 for a, 2 for b, 0 for none."""


def look(
    seq: int,
    exo: ExoState,
    environment: EnvironmentState,
    inputs: Inputs,
    standing: Standing,
    guard: SampleGuard,
) -> Snapshot:
    """Return a tick as the detectors see it; ``guard`` has just taken ``exo`` in."""
    applied, phase, command, session, recorder = inputs
    driven = standing.driven_ticks is not None
    damaged: tuple[str, ...] = ()
    orders: list[float] = []
    done: list[float] = []
    gait: list[float] = []
    sound = True
    if command is not None:
        orders, sound = COMMAND_ROWS.read(command)
        damaged = () if sound else ("AssistCommand",)
    if applied is not None:
        done, sound = _APPLIED_ROWS.read(applied)
        damaged = damaged if sound else (*damaged, "AppliedTorque")
    if phase is not None and driven:
        gait, sound = _PHASE_ROWS.read(phase)
        damaged = damaged if sound else (*damaged, "GaitPhase")
    snap = Snapshot(
        seq, exo, environment, applied, phase, command, session, recorder,
        standing.state, standing.ticks, driven,
        guard.angle, guard.speed, guard.quality, guard.values, orders, done, gait, damaged,
        driven_ticks=standing.driven_ticks or 0,
    )  # fmt: skip
    if not guard.problem:
        _measure(snap)
    return snap


def _measure(snap: Snapshot) -> None:
    """Put in what the device has measured in this tick."""
    exo, values = snap.exo, snap.values
    have = exo.available
    if have & codes.HAS_TORQUE:
        snap.torque = values[_TORQUE]
    if have & codes.HAS_CUFF and exo.segment_valid == 0b111111:
        snap.cuff = values[_CUFF]
    if have & codes.HAS_LOAD and exo.foot_valid == 0b11:
        snap.load = values[_LOAD]
    if have & codes.HAS_PELVIS:
        x, y, z, w = values[_ORIENTATION]
        snap.pitch = atan2(2.0 * (w * y - z * x), 1.0 - 2.0 * (x * x + y * y))
        snap.pitch_rate = values[_GYRO.start + 1]
