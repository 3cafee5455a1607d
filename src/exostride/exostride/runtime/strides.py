"""Figures of every completed stride while the session runs.

Positions are measured on the belt: walking distance is belt travel plus the pelvis' own travel.
Work is that of the exoskeleton on the patient at the cuffs, positive part only. The full analysis
of a recording, with definitions and citations, is the task of :mod:`exostride.analysis`; here stand
the figures that a therapist needs to see at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import LEFT, side_slice
from exostride.gait.cycles import STRIDE_MAX_S, CycleTracker, Stride
from exostride.types import (
    AssistCommand,
    EnvironmentState,
    ExoState,
    GaitEvent,
    Signal,
    StepMetrics,
    Vector,
)


@dataclass(slots=True)
class _Row:
    exo: ExoState
    environment: EnvironmentState
    command: AssistCommand | None = None


class StrideMeter:
    """Turns states, commands and gait events into :class:`~exostride.types.StepMetrics`.

    Parameters
    ----------
    period_s
        Control period [s].
    """

    def __init__(self, period_s: float) -> None:
        self._period = period_s
        self._tracker = CycleTracker()
        # A stride is closed some ticks after its heel strike, hence the second of margin.
        self._rows: deque[_Row] = deque(maxlen=round((STRIDE_MAX_S + 1.0) / period_s))

    def push(self, exo: ExoState, environment: EnvironmentState) -> None:
        """Take the states of one tick; ticks must come in order."""
        self._rows.append(_Row(exo, environment))

    def answer(self, command: AssistCommand | None) -> None:
        """Take the command that answered the tick pushed last."""
        if self._rows:
            self._rows[-1].command = command

    def event(self, event: GaitEvent, seq: int) -> StepMetrics | None:
        """Take a gait event; return the figures of the stride it completes, stamped with tick ``seq``."""
        stride = self._tracker.add(event)
        return None if stride is None else self._measure(stride, seq)

    def _between(self, start_s: float, end_s: float) -> list[_Row]:
        return [row for row in self._rows if start_s <= row.exo.seq * self._period < end_s]

    def _measure(self, stride: Stride, seq: int) -> StepMetrics:
        rows = self._between(stride.start_s, stride.end_s)
        basic = StepMetrics(
            seq=seq,
            time_s=seq * self._period,
            side=stride.side,
            stride=stride.index + 1,
            stride_time_s=stride.duration_s,
            stance_percent=100.0 * stride.stance_fraction,
            step_time_s=stride.step_s,
            cadence_steps_min=120.0 / stride.duration_s,
        )
        # Fewer rows than this are a remnant of a stride that began before the recording did.
        if len(rows) < 0.9 * stride.duration_s / self._period:
            return basic
        step_rows = [r for r in rows if r.exo.seq * self._period >= stride.opposite_strike_s]
        joints = side_slice(stride.side)
        angles = np.array([r.exo.angle_rad[joints] for r in rows])
        cuffs = _cuffs(rows, joints)
        return StepMetrics(
            seq=basic.seq,
            time_s=basic.time_s,
            side=basic.side,
            stride=basic.stride,
            stride_time_s=basic.stride_time_s,
            stance_percent=basic.stance_percent,
            step_time_s=basic.step_time_s,
            cadence_steps_min=basic.cadence_steps_min,
            stride_length_m=_travel(rows, self._period),
            step_length_m=_travel(step_rows, self._period) if step_rows else float("nan"),
            range_rad=np.ptp(angles, axis=0),
            tracking_error_rad=_tracking_error(rows, joints),
            assist_work_j=_positive_work(rows, cuffs, joints, self._period),
            contribution_percent=_contribution(rows, joints),
            peak_interaction_nm=np.full(3, np.nan) if cuffs is None else np.abs(cuffs).max(axis=0),
            weight_bearing_percent=_weight_bearing(rows, stride.side),
        )


def _travel(rows: list[_Row], period_s: float) -> float:
    """Return belt travel plus pelvis travel over ``rows`` [m]."""
    belt = sum(row.environment.belt_speed_m_s for row in rows) * period_s
    if not rows[0].exo.available & rows[-1].exo.available & Signal.PELVIS:
        return belt
    return belt + float(rows[-1].exo.pelvis_position_m[0] - rows[0].exo.pelvis_position_m[0])


def _cuffs(rows: list[_Row], joints: slice) -> NDArray[np.float64] | None:
    if not all(row.exo.available & Signal.CUFF for row in rows):
        return None
    return np.array([row.exo.cuff_torque_nm[joints] for row in rows])


def _tracking_error(rows: list[_Row], joints: slice) -> Vector:
    errors = [
        row.command.reference_rad[joints] - row.exo.angle_rad[joints]
        for row in rows
        if row.command is not None
    ]
    if not errors:
        return np.full(3, np.nan)
    return np.asarray(np.sqrt(np.mean(np.square(errors), axis=0)))


def _positive_work(
    rows: list[_Row], cuffs: NDArray[np.float64] | None, joints: slice, period_s: float
) -> Vector:
    if cuffs is None:
        return np.full(3, np.nan)
    velocity = np.array([row.exo.velocity_rad_s[joints] for row in rows])
    return np.asarray(np.maximum(cuffs * velocity, 0.0).sum(axis=0) * period_s)


def _contribution(rows: list[_Row], joints: slice) -> Vector:
    """Return the controller's latest estimate in the stride."""
    for row in reversed(rows):
        if row.command is not None:
            return row.command.contribution_percent[joints].copy()
    return np.full(3, np.nan)


def _weight_bearing(rows: list[_Row], side: int) -> float:
    """Return this leg's share of the load on both feet, over the stride [%]."""
    if all(row.exo.available & Signal.FOOT_LOAD for row in rows):
        loads = np.array([row.exo.foot_load_n for row in rows]).reshape(-1, 2, 2).sum(axis=(0, 2))
    elif all(row.exo.available & Signal.FOOT_WRENCH for row in rows):
        loads = np.array([row.exo.foot_force_n[[2, 5]] for row in rows]).sum(axis=0)
    else:
        return float("nan")
    total = float(loads.sum())
    return 100.0 * float(loads[0 if side == LEFT else 1]) / total if total > 1e-6 else float("nan")
