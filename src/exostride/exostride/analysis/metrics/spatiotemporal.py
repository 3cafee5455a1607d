"""Steps, speed, times and lengths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exostride.analysis import estimate as why
from exostride.analysis.estimate import over_strides, single
from exostride.analysis.metrics.tools import all_missing, sides
from exostride.analysis.planar import blocks, chain, segment_inertia
from exostride.analysis.registry import Better, Compute, Group, Scope, Values, metric
from exostride.analysis.walk import Leg, Walk
from exostride.conventions import SIDES, side_slice
from exostride.types import Vector

_PERRY = "Perry & Burnfield (2010), Gait Analysis, 2nd ed., ch. 1"
_G = Group.SPATIOTEMPORAL
SPEED_NORM = "BMClab treadmill data, 51 adults (CC BY 4.0), by speed and leg length"


@metric(
    "steps",
    "Steps",
    "Heel strikes of both legs at which a counted stride begins or ends.",
    "",
    Scope.SESSION,
    _G,
    _PERRY,
    better=Better.HIGHER,
    decimals=0,
    tolerance="exact on the events recorded",
)
def steps(walk: Walk) -> Values:
    """Count steps."""
    return {"": single(walk.steps, n=walk.steps) if walk.steps else why.missing(why.NO_STRIDES)}


@metric(
    "walking_time_s",
    "Walking time",
    "Time covered by counted strides of either leg.",
    "s",
    Scope.SESSION,
    _G,
    _PERRY,
    better=Better.HIGHER,
    decimals=0,
    tolerance="0.1 s",
)
def walking_time(walk: Walk) -> Values:
    """Measure the union of all strides' spans."""
    spans = sorted((a, b) for leg in walk.legs for a, b in zip(leg.start_s, leg.end_s, strict=True))
    total, reached = 0.0, -np.inf
    for a, b in spans:
        total += max(0.0, b - max(a, reached))
        reached = max(reached, b)
    return {"": single(total, n=len(spans)) if spans else why.missing(why.NO_STRIDES)}


@metric(
    "distance_m",
    "Distance",
    "Belt travel plus the pelvis' own travel over the walking time.",
    "m",
    Scope.SESSION,
    _G,
    _PERRY,
    better=Better.HIGHER,
    decimals=0,
    tolerance="1 %",
)
def distance(walk: Walk) -> Values:
    """Multiply mean speed and walking time, which is the travel over the strides' union."""
    time = walking_time(walk)[""]
    if not time.known:
        return {"": time}
    return {"": single(walk.speed_m_s * time.value, time.n, reason=why.NO_BELT)}


@metric(
    "speed_m_s",
    "Speed",
    "Distance over time, over all counted strides.",
    "m/s",
    Scope.SESSION,
    _G,
    _PERRY,
    better=Better.HIGHER,
    decimals=2,
    tolerance="1 %",
)
def speed(walk: Walk) -> Values:
    """Average the speed of every stride of both legs."""
    values = np.concatenate([walk.travel_m(leg.start_s, leg.end_s) / leg.duration_s for leg in walk.legs])
    times = np.concatenate([leg.end_s for leg in walk.legs])
    order = np.argsort(times, kind="stable")
    reason = why.NO_BELT if len(values) else why.NO_STRIDES
    return {"": over_strides(values[order], times[order], reason)}


@metric(
    "cadence_steps_min",
    "Cadence",
    "120 over the stride time: steps a minute.",
    "1/min",
    Scope.SESSION,
    _G,
    _PERRY,
    norm=SPEED_NORM,
    better=Better.NORM,
    decimals=0,
    tolerance="1 %",
)
def cadence(walk: Walk) -> Values:
    """Average over the strides of both legs."""
    times = np.concatenate([leg.end_s for leg in walk.legs])
    values = np.concatenate([120.0 / leg.duration_s for leg in walk.legs])
    order = np.argsort(times, kind="stable")
    return {"": over_strides(values[order], times[order], why.NO_STRIDES)}


def _per_side(
    name: str, title: str, definition: str, unit: str, decimals: int, tolerance: str, norm: str = ""
) -> Callable[[Compute], Compute]:
    """Return the decorator of a metric with a value a side."""
    return metric(
        *(name, title, definition, unit, Scope.SIDE, _G, _PERRY),
        norm=norm,
        better=Better.NORM if norm else Better.NEITHER,
        decimals=decimals,
        tolerance=tolerance,
    )


@_per_side(
    "stride_time_s",
    "Stride time",
    "From a heel strike to the next of the same leg.",
    "s",
    2,
    "10 ms",
    SPEED_NORM,
)
def stride_time(walk: Walk) -> Values:
    """Take the strides' durations."""
    return sides(walk, lambda leg: leg.duration_s, why.NO_STRIDES)


@_per_side("step_time_s", "Step time", "From the other leg's heel strike to this leg's.", "s", 2, "10 ms")
def step_time(walk: Walk) -> Values:
    """Take the time from the other leg's heel strike to the end of the stride."""
    return sides(walk, lambda leg: leg.end_s - leg.other_strike_s, why.NO_OTHER_LEG)


@_per_side(
    "stance_percent",
    "Stance",
    "Heel strike to toe off of the same leg, part of the stride.",
    "%",
    1,
    "2 percentage points",
    SPEED_NORM,
)
def stance(walk: Walk) -> Values:
    """Divide stance by stride time."""
    return sides(walk, lambda leg: 100.0 * (leg.toe_off_s - leg.start_s) / leg.duration_s, why.NO_TOE_OFF)


@_per_side("swing_time_s", "Swing time", "Toe off to heel strike of the same leg.", "s", 2, "20 ms")
def swing_time(walk: Walk) -> Values:
    """Take the time from toe off to the end of the stride."""
    return sides(walk, lambda leg: leg.end_s - leg.toe_off_s, why.NO_TOE_OFF)


@_per_side("stance_time_s", "Stance time", "Heel strike to toe off of the same leg.", "s", 2, "20 ms")
def stance_time(walk: Walk) -> Values:
    """Take the time from heel strike to toe off."""
    return sides(walk, lambda leg: leg.toe_off_s - leg.start_s, why.NO_TOE_OFF)


@_per_side(
    "double_support_percent",
    "Double support",
    "Both feet on the ground (after each of the two heel strikes), part of the stride.",
    "%",
    1,
    "3 percentage points",
)
def double_support(walk: Walk) -> Values:
    """Add loading and unloading double support."""

    def of_leg(leg: Leg) -> Vector:
        loading = np.maximum(leg.other_toe_off_s - leg.start_s, 0.0)
        unloading = np.maximum(leg.toe_off_s - leg.other_strike_s, 0.0)
        return np.asarray(100.0 * (loading + unloading) / leg.duration_s)

    return sides(walk, of_leg, why.NO_TOE_OFF)


@_per_side("stride_length_m", "Stride length", "Distance walked during a stride.", "m", 2, "1 %", SPEED_NORM)
def stride_length(walk: Walk) -> Values:
    """Take belt and pelvis travel over each stride."""
    return sides(walk, lambda leg: walk.travel_m(leg.start_s, leg.end_s), why.NO_BELT)


@_per_side(
    "step_length_m",
    "Step length",
    "Distance between the ankles in walking direction at this leg's heel strike (angles and leg lengths).",
    "m",
    2,
    "5 mm",
)
def step_length(walk: Walk) -> Values:
    """Take the leading ankle's place minus the trailing one's at the end of each stride."""
    s = walk.session
    if s.angle_rad is None:
        return all_missing(SIDES, why.NO_ANGLES)
    if s.body is None:
        return all_missing(SIDES, why.NO_BODY)
    place = ankles_m(walk)

    def of_leg(leg: Leg) -> Vector:
        ahead = place[leg.side] - place[1 - leg.side]
        return np.asarray(np.interp(leg.end_s, s.time_s, ahead))

    return sides(walk, of_leg, why.NO_STRIDES)


def ankles_m(walk: Walk) -> tuple[Vector, Vector]:
    """Return both ankles' place in front of the hips (N,) [m]; needs angles and body dimensions."""
    s, angles, pitch = walk.session, walk.angle_rad, walk.pitch_rad
    assert angles is not None and s.body is not None and walk.geometry is not None
    inertia, places = segment_inertia(s.body), np.empty((2, len(s.time_s)))
    for _, _, block in blocks(len(s.time_s)):
        size = block.stop - block.start
        lean = np.zeros(size) if pitch is None else pitch[block]
        for side in (0, 1):
            angle = angles[block, side_slice(side)]
            leg = chain(angle, lean, np.zeros((size, 2)), walk.geometry, inertia)
            places[side, block] = leg.joint_m[:, 2, 0]
    return places[0], places[1]
