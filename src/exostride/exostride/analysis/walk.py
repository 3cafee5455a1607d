"""Strides of a session and its signals over the gait cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.session import Session
from exostride.analysis.toe_off import refined
from exostride.analysis.worn import Worn, pitch_of, worn_of
from exostride.conventions import GRAVITY_M_S2, LEFT, side_slice
from exostride.gait.cycles import Stride, strides
from exostride.model.geometry import BodyGeometry, body_geometry
from exostride.types import EventKind, SupervisorState, Vector

POINTS: Final = 101
"""Points of a cycle, both ends included: one a percent."""
PERCENT: Final[Vector] = np.linspace(0.0, 100.0, POINTS)
_GAP_PERIODS: Final = 4.5
"""A stride with a longer step between two ticks is not used."""
_STANDSTILL_M_S: Final = 0.02

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Leg:
    """Strides of one leg as arrays of length n [s]; NaN where an event is missing."""

    side: int
    start_s: Vector
    end_s: Vector
    toe_off_s: Vector
    other_strike_s: Vector
    other_toe_off_s: Vector

    def __len__(self) -> int:
        """Return the number of strides."""
        return len(self.start_s)

    @property
    def duration_s(self) -> Vector:
        """Stride times."""
        return self.end_s - self.start_s


def _leg(side: int, kept: Sequence[Stride]) -> Leg:
    names = ("start_s", "end_s", "toe_off_s", "opposite_strike_s", "opposite_toe_off_s")
    rows = [[getattr(stride, name) for name in names] for stride in kept if stride.side == side]
    return Leg(side, *np.array(rows, dtype=float).reshape(-1, len(names)).T)


class Walk:
    """A session cut into strides; what several metrics need is computed once, when it is asked for.

    A stride counts when it lies inside the recording, no gap in it is longer than four ticks, the supervisor
    was in TRAIN all the while (where its recorded states hold that one at all), and the belt moved (where its
    speed was recorded and it ever moves).
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        found = list(strides(session.events))
        if session.foot_load_n is not None:
            found = refined(found, session.time_s, session.foot_load_n)
        kept = [s for s in found if self._counts(s)]
        self.legs = (_leg(0, kept), _leg(1, kept))

    # ------------------------------------------------------------------ which strides count

    def _counts(self, stride: Stride) -> bool:
        t = self.session.time_s
        if stride.start_s < t[0] or stride.end_s > t[-1]:
            return False
        if any(stride.start_s < b and stride.end_s > a for a, b in self._gaps):
            return False
        if self._training and not any(a <= stride.start_s and stride.end_s <= b for a, b in self._training):
            return False
        return self.belt is None or self._travel(stride.start_s, stride.end_s) > _STANDSTILL_M_S * (
            stride.end_s - stride.start_s
        )

    @cached_property
    def _gaps(self) -> list[tuple[float, float]]:
        t = self.session.time_s
        step = np.diff(t)
        return [(t[i], t[i + 1]) for i in np.flatnonzero(step > _GAP_PERIODS * self.session.period_s)]

    @cached_property
    def _training(self) -> list[tuple[float, float]]:
        """Spans of the supervisor's state TRAIN; empty when its states are not in the bag, or never that."""
        entries = self.session.safety
        ends = [entry.time_s for entry in entries[1:]] + [float("inf")]
        spans: list[tuple[float, float]] = []
        for entry, end in zip(entries, ends, strict=False):
            if entry.state != SupervisorState.TRAIN:
                continue
            if spans and spans[-1][1] == entry.time_s:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((entry.time_s, end))
        return spans

    # ------------------------------------------------------------------ belt and body

    @cached_property
    def belt(self) -> Vector | None:
        """Belt speed (N,) [m/s], or None when it was not recorded or the belt never moved."""
        belt = self.session.belt_m_s
        return None if belt is None or np.max(np.abs(belt)) < _STANDSTILL_M_S else belt

    @cached_property
    def _position(self) -> Vector:
        """Distance walked on the belt (N,) [m]: belt travel plus the pelvis' own."""
        t = self.session.time_s
        assert self.belt is not None
        way = np.concatenate([[0.0], np.cumsum(0.5 * (self.belt[1:] + self.belt[:-1]) * np.diff(t))])
        return way if self.session.pelvis_m is None else way + self.session.pelvis_m[:, 0]

    def _travel(self, start: float, end: float) -> float:
        at = np.interp([start, end], self.session.time_s, self._position)
        return float(at[1] - at[0])

    def travel_m(self, start: Vector, end: Vector) -> Vector:
        """Return the distance walked between times [m]; NaN without a moving belt."""
        if self.belt is None:
            return np.full(len(start), np.nan)
        t = self.session.time_s
        return np.asarray(np.interp(end, t, self._position) - np.interp(start, t, self._position))

    @cached_property
    def geometry(self) -> BodyGeometry | None:
        """Lengths and masses of the patient, or None when the bag does not say."""
        return None if self.session.body is None else body_geometry(self.session.body)

    @cached_property
    def worn(self) -> Worn | None:
        """The patient's joints in the robot's; None where the cuffs' torques or the pitch are missing."""
        return worn_of(self.session, self.geometry)

    @property
    def angle_rad(self) -> Matrix | None:
        """The patient's joints (N, 6) as far as the cuffs tell them from the robot's, or None."""
        return self.session.angle_rad if self.worn is None else self.worn.angle_rad

    @property
    def pitch_rad(self) -> Vector | None:
        """Forward lean of the pelvis (N,) to which :attr:`angle_rad` belongs, or None."""
        return pitch_of(self.session) if self.worn is None else self.worn.pitch_rad

    @property
    def cuff_nm(self) -> Matrix | None:
        """Torque of the robot on the patient's joints (N, 6), or None."""
        return self.session.cuff_torque_nm if self.worn is None else self.worn.cuff_nm

    def hip_m(self, side: int) -> Matrix:
        """Return a hip centre's x and z (N, 2) [m]; needs the pelvis' motion and the body's dimensions."""
        s = self.session
        assert s.pelvis_m is not None and s.pelvis_left is not None and self.geometry is not None
        beside = self.geometry.hip_half_spacing * (1.0 if side == LEFT else -1.0)
        return np.asarray((s.pelvis_m + beside * s.pelvis_left)[:, [0, 2]])

    @cached_property
    def speed_m_s(self) -> float:
        """Mean speed over all strides; NaN without a moving belt."""
        way = np.concatenate([self.travel_m(leg.start_s, leg.end_s) for leg in self.legs])
        time = np.concatenate([leg.duration_s for leg in self.legs])
        return float(way.sum() / time.sum()) if len(way) else float("nan")

    @cached_property
    def froude_speed(self) -> float:
        """Dimensionless speed v / sqrt(g l); NaN where speed or leg length is unknown."""
        if self.geometry is None:
            return float("nan")
        return self.speed_m_s / float(np.sqrt(GRAVITY_M_S2 * self.geometry.leg_length))

    @cached_property
    def steps(self) -> int:
        """Heel strikes at which a counted stride begins or ends."""
        return sum(len(np.unique(np.concatenate([leg.start_s, leg.end_s]))) for leg in self.legs)

    @cached_property
    def strikes_detected(self) -> int:
        """All heel strikes in the recording, counted or not."""
        return sum(event.kind == EventKind.HEEL_STRIKE for event in self.session.events)

    # ------------------------------------------------------------------ signals over the cycle

    def cycles(self, values: Matrix | Vector, side: int) -> Matrix:
        """Return a signal over the strides of one leg, shape (n, 101) or (n, 101, K)."""
        leg = self.legs[side]
        at = leg.start_s[:, None] + leg.duration_s[:, None] * (PERCENT / 100.0)
        columns = values if values.ndim == 2 else values[:, None]
        flat = at.ravel()
        out = np.stack([np.interp(flat, self.session.time_s, c) for c in columns.T], axis=1)
        out = out.reshape(len(leg), POINTS, columns.shape[1])
        return out if values.ndim == 2 else out[:, :, 0]

    @cached_property
    def angles_deg(self) -> tuple[Matrix, Matrix] | None:
        """Hip, knee, ankle of the patient [deg] over the strides of each leg, shape (n, 101, 3), or None."""
        angle = self.angle_rad
        if angle is None:
            return None
        left, right = (np.degrees(self.cycles(angle[:, side_slice(s)], s)) for s in (0, 1))
        return left, right

    def running_integral(self, values: Matrix) -> Matrix:
        """Return the integral of a signal (N, K) from the first tick to each, trapezoidal."""
        out = np.zeros_like(values)
        step = 0.5 * np.diff(self.session.time_s)[:, None]
        np.cumsum(step * (values[1:] + values[:-1]), axis=0, out=out[1:])
        return out

    def between(self, total: Matrix, start: Vector, end: Vector) -> Matrix:
        """Return the growth of a running integral (N, K) over spans (n,), shape (n, K)."""
        t = self.session.time_s
        a, b = (np.stack([np.interp(at, t, c) for c in total.T], axis=1) for at in (start, end))
        return np.asarray(b - a)

    def integral(self, values: Matrix, start: Vector, end: Vector) -> Matrix:
        """Return the time integral of a signal (N, K) over spans (n,), shape (n, K)."""
        return self.between(self.running_integral(values), start, end)

    def fraction_of_cycle(self, time_s: Vector, side: int) -> Vector:
        """Return where in its stride (0 to 1) each time lies; one time a stride."""
        leg = self.legs[side]
        return np.asarray((time_s - leg.start_s) / leg.duration_s)

    def window(self, side: int, start: Vector, end: Vector) -> NDArray[np.bool_]:
        """Return which of the 101 points of each stride lie between two parts of the cycle, (n, 101)."""
        at = PERCENT / 100.0
        return np.asarray((at >= start[:, None]) & (at <= end[:, None]))
