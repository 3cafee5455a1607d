"""Toe off from the load under the foot, looking back over the whole stride.

A detector has to say at once that a foot has left the ground, and in a slow push-off the load hovers for a
fifth of a second before it does. Afterwards it is plain: swing is the longest time without load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.gait.cycles import Stride
from exostride.types import Vector

UNLOADED_N: Final = 20.0
"""Load below which a foot is off the ground, as laboratories have it for force plates."""
_SHORTEST_S: Final = 0.1
"""A foot that is never off the ground for so long drags: its toe off stays the detector's."""


def refined(found: Sequence[Stride], time_s: Vector, load_n: NDArray[np.float64]) -> list[Stride]:
    """Return the strides with their own and the other leg's toe off by the load (N, 2) on the feet."""
    own = [_released(s, time_s, load_n[:, s.side]) for s in found]
    by_leg = [
        [(s.start_s, s.end_s, at) for s, at in zip(found, own, strict=True) if s.side == side]
        for side in (0, 1)
    ]
    begins = [np.array([start for start, _, _ in leg]) for leg in by_leg]
    out = []
    for stride, at in zip(found, own, strict=True):
        other, opposite = 1 - stride.side, stride.opposite_toe_off_s
        if np.isfinite(opposite):
            i = int(np.searchsorted(begins[other], opposite, side="right")) - 1
            if i >= 0 and opposite < by_leg[other][i][1]:
                opposite = by_leg[other][i][2]
        out.append(replace(stride, toe_off_s=at, opposite_toe_off_s=opposite))
    return out


def _released(stride: Stride, time_s: Vector, load_n: Vector) -> float:
    """Return when the longest time without load of a stride begins, or the detector's toe off."""
    first, last = np.searchsorted(time_s, (stride.start_s, stride.end_s))
    off = load_n[first:last] < UNLOADED_N
    edges = np.flatnonzero(np.diff(np.concatenate([[False], off, [False]])))
    if not len(edges) or not np.isfinite(stride.toe_off_s):
        return stride.toe_off_s
    starts, ends = edges[::2] + first, edges[1::2] + first
    longest = int(np.argmax(ends - starts))
    start, end = int(starts[longest]), int(ends[longest])
    if start == first or time_s[end - 1] - time_s[start] < _SHORTEST_S:
        return stride.toe_off_s
    # Between the two ticks about the threshold, as the detector does.
    before, after = load_n[start - 1], load_n[start]
    part = (before - UNLOADED_N) / (before - after)
    return float(time_s[start - 1] + part * (time_s[start] - time_s[start - 1]))
