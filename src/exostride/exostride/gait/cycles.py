"""Gait cycles from gait events: strides with stance, swing, steps and double support.

A stride of a leg runs from one of its heel strikes to the next (Perry & Burnfield, *Gait Analysis*,
2nd ed. 2010, ch. 1). Stance lasts from heel strike to the same leg's toe off; the step of a leg
runs from the other leg's heel strike to its own; double support is the time with both feet down,
once after each heel strike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exostride.types import EventKind, GaitEvent, Vector

STRIDE_MIN_S = 0.4
"""Shortest stride that is believed [s]: below a sprinter's."""
STRIDE_MAX_S = 4.0
"""Longest stride that is believed [s]: beyond it the walker stood in between."""


@dataclass(frozen=True, slots=True)
class Stride:
    """One stride of one leg; times in s on the events' time base, NaN where an event is missing.

    ``toe_off_s`` is the leg's own, ``opposite_toe_off_s`` and ``opposite_strike_s`` the other leg's,
    all between ``start_s`` and ``end_s``.
    """

    side: int
    index: int
    start_s: float
    end_s: float
    toe_off_s: float = np.nan
    opposite_strike_s: float = np.nan
    opposite_toe_off_s: float = np.nan

    @property
    def duration_s(self) -> float:
        """Stride time [s]."""
        return self.end_s - self.start_s

    @property
    def stance_s(self) -> float:
        """Time from heel strike to toe off [s]."""
        return self.toe_off_s - self.start_s

    @property
    def swing_s(self) -> float:
        """Time from toe off to the next heel strike [s]."""
        return self.end_s - self.toe_off_s

    @property
    def stance_fraction(self) -> float:
        """Stance over stride time, 0 to 1."""
        return self.stance_s / self.duration_s

    @property
    def step_s(self) -> float:
        """Time from the other leg's heel strike to this leg's, at the end of the stride [s]."""
        return self.end_s - self.opposite_strike_s

    @property
    def double_support_s(self) -> float:
        """Time in the stride with both feet on the ground [s]: loading and push-off together.

        Never negative: a running stride, where the foot leaves before the other lands, has none.
        """
        # A toe off after the other leg's own strike ends another stance than the one before this stride.
        before = self.opposite_toe_off_s < self.opposite_strike_s
        loading = self.opposite_toe_off_s - self.start_s if before else 0.0
        unloading = self.toe_off_s - self.opposite_strike_s
        if np.isnan(self.opposite_toe_off_s) or np.isnan(unloading):
            return float("nan")
        return float(max(loading, 0.0) + max(unloading, 0.0))

    @property
    def double_support_fraction(self) -> float:
        """Double support over stride time, 0 to 1."""
        return self.double_support_s / self.duration_s


class CycleTracker:
    """Strides from events as they come, each as soon as its closing heel strike is known.

    Events of one leg and kind must come in the order of their times; events of different legs may
    come with different detection delays. A stride shorter than ``stride_min_s`` or longer than
    ``stride_max_s`` is not reported; the later heel strike starts a new one.
    """

    def __init__(self, stride_min_s: float = STRIDE_MIN_S, stride_max_s: float = STRIDE_MAX_S) -> None:
        self._min = stride_min_s
        self._max = stride_max_s
        self._strike = [float("nan"), float("nan")]
        self._recent: list[list[list[float]]] = [[[], []], [[], []]]
        self._count = [0, 0]

    def add(self, event: GaitEvent) -> Stride | None:
        """Take one event in; return the stride that it completes, if any."""
        times = self._recent[event.side][event.kind]
        if times and event.time_s <= times[-1]:
            return None
        times.append(event.time_s)
        if event.kind != EventKind.HEEL_STRIKE:
            return None
        start, end = self._strike[event.side], event.time_s
        self._strike[event.side] = end
        stride = None
        if self._min <= end - start <= self._max:
            other = self._recent[1 - event.side]
            stride = Stride(
                side=event.side,
                index=self._count[event.side],
                start_s=start,
                end_s=end,
                toe_off_s=_between(self._recent[event.side][EventKind.TOE_OFF], start, end),
                opposite_strike_s=_between(other[EventKind.HEEL_STRIKE], start, end),
                opposite_toe_off_s=_between(other[EventKind.TOE_OFF], start, end),
            )
            self._count[event.side] += 1
        self._forget(end - 2.0 * self._max)
        return stride

    def _forget(self, before_s: float) -> None:
        for side in self._recent:
            for times in side:
                while times and times[0] < before_s:
                    times.pop(0)


def _between(times: Sequence[float], start: float, end: float) -> float:
    inside = [t for t in times if start < t < end]
    return inside[0] if inside else float("nan")


def strides(
    events: Iterable[GaitEvent], stride_min_s: float = STRIDE_MIN_S, stride_max_s: float = STRIDE_MAX_S
) -> list[Stride]:
    """Return the strides in a whole list of events, in the order of their ends.

    Unlike :class:`CycleTracker` it sees every event before it pairs them, so a toe off that was
    detected late is not missed.
    """
    ordered = sorted(events, key=lambda e: (e.time_s, e.kind))
    by_kind = {
        (side, kind): [e.time_s for e in ordered if e.side == side and e.kind == kind]
        for side in (0, 1)
        for kind in (EventKind.HEEL_STRIKE, EventKind.TOE_OFF)
    }
    out: list[Stride] = []
    for side in (0, 1):
        strikes = by_kind[side, EventKind.HEEL_STRIKE]
        index = 0
        for start, end in itertools.pairwise(strikes):
            if not stride_min_s <= end - start <= stride_max_s:
                continue
            out.append(
                Stride(
                    side,
                    index,
                    start,
                    end,
                    _between(by_kind[side, EventKind.TOE_OFF], start, end),
                    _between(by_kind[1 - side, EventKind.HEEL_STRIKE], start, end),
                    _between(by_kind[1 - side, EventKind.TOE_OFF], start, end),
                )
            )
            index += 1
    return sorted(out, key=lambda s: (s.end_s, s.side))


def normalise(
    time_s: Vector, values: NDArray[np.float64], stride: Stride, points: int = 101
) -> NDArray[np.float64]:
    """Return ``values`` over one stride at ``points`` equal parts of the cycle, 0 to 100 %.

    Parameters
    ----------
    time_s : (N,) increasing [s]
    values : (N,) or (N, K), any unit
    stride : the stride; must lie inside ``time_s``
    points : number of points, both ends included

    Returns
    -------
    (points,) or (points, K), linear interpolation; NaN where the stride leaves the recording.
    """
    at = np.linspace(stride.start_s, stride.end_s, points)
    columns = np.asarray(values, dtype=float)
    if columns.ndim == 1:
        return np.asarray(np.interp(at, time_s, columns, left=np.nan, right=np.nan))
    return np.stack([np.interp(at, time_s, c, left=np.nan, right=np.nan) for c in columns.T], axis=1)


def ideal_phase(
    time_s: Vector, strikes_s: Sequence[float] | Vector, stride_max_s: float = STRIDE_MAX_S
) -> Vector:
    """Return the phase that rises linearly in time from one heel strike to the next.

    Parameters
    ----------
    time_s : (N,) [s]
    strikes_s : heel strikes of one leg, increasing [s]
    stride_max_s : intervals longer than this are no stride

    Returns
    -------
    (N,) phase in [0, 1), NaN before the first strike, after the last, and in intervals that are no stride.
    """
    strikes = np.asarray(strikes_s, dtype=float)
    out = np.full(len(time_s), np.nan)
    if len(strikes) < 2:
        return out
    k = np.searchsorted(strikes, time_s, side="right") - 1
    inside = (k >= 0) & (k < len(strikes) - 1)
    k = np.clip(k, 0, len(strikes) - 2)
    length = strikes[k + 1] - strikes[k]
    inside &= length <= stride_max_s
    out[inside] = ((np.asarray(time_s) - strikes[k]) / length)[inside]
    return out
