"""Clearance of the foot, drag, and the margin of stability."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis import estimate as why
from exostride.analysis.estimate import Estimate, missing, single
from exostride.analysis.metrics.kinetics import loads_n
from exostride.analysis.metrics.spatiotemporal import ankles_m
from exostride.analysis.metrics.tools import all_missing, sides
from exostride.analysis.planar import blocks, chain, segment_inertia, sole_point
from exostride.analysis.registry import Better, Group, Scope, Values, metric
from exostride.analysis.walk import Leg, Walk
from exostride.conventions import GRAVITY_M_S2, SIDES, side_slice
from exostride.types import Vector

_G = Group.STABILITY
_MID_SWING: Final = (0.25, 0.80)
"""Part of swing in which the toe passes the ground closest (after lift, before landing)."""
_DRAG_PERCENT: Final = 2.0
"""Load, part of body weight, above which a foot in mid-swing drags; load cells' noise is below 1 %."""


@metric(
    "foot_clearance_mm",
    "Foot clearance",
    "Lowest point of heel and ball in mid-swing above where the same foot stood, from joint angles.",
    "mm",
    Scope.SIDE,
    _G,
    "Winter (1992), Phys Ther 72:45-53 (minimum toe clearance)",
    sign="up positive",
    better=Better.HIGHER,
    decimals=0,
    tolerance="8 mm, read too high (the toe joint gives)",
)
def foot_clearance(walk: Walk) -> Values:
    """Compare the sole's height in mid-swing with its height when flat in stance."""
    s = walk.session
    lacking = (
        (s.angle_rad is None, why.NO_ANGLES),
        (s.pelvis_m is None or s.pelvis_left is None or walk.pitch_rad is None, why.NO_PELVIS),
        (s.body is None, why.NO_BODY),
    )
    for lacks, reason in lacking:
        if lacks:
            return all_missing(SIDES, reason)

    def of_leg(leg: Leg) -> Vector:
        heights = walk.cycles(_sole_height(walk, leg.side), leg.side)
        off = walk.fraction_of_cycle(leg.toe_off_s, leg.side)
        inside = walk.window(leg.side, off + _MID_SWING[0] * (1.0 - off), off + _MID_SWING[1] * (1.0 - off))
        low = np.where(inside, heights, np.inf).min(axis=1)
        # Where the foot stands flat its sole touches the belt, whatever the encoders' offset says.
        flat = np.median(heights[:, 15:35], axis=1)
        return np.where(np.isfinite(low), 1000.0 * (low - flat), np.nan)

    return sides(walk, of_leg, why.NO_TOE_OFF)


def _sole_height(walk: Walk, side: int) -> Vector:
    """Return the lower one of heel and ball over the ground's frame (N,) [m]."""
    s, geometry = walk.session, walk.geometry
    angles, pitch = walk.angle_rad, walk.pitch_rad
    assert angles is not None and pitch is not None and s.body is not None and geometry is not None
    hip, foot, inertia = walk.hip_m(side), geometry.foot, segment_inertia(s.body)
    out = np.empty(len(s.time_s))
    for _, _, block in blocks(len(s.time_s)):
        angle, lean = angles[block, side_slice(side)], pitch[block]
        leg = chain(angle, lean, hip[block], geometry, inertia)
        ends = (
            sole_point(leg, np.full(len(angle), x), foot.sole_z)[:, 1] for x in (foot.heel_x, foot.ball_x)
        )
        out[block] = np.minimum(*ends)
    return out


@metric(
    "foot_drag_percent",
    "Strides with foot drag",
    "Strides in which the foot bears more than 2 % of body weight in mid-swing.",
    "%",
    Scope.SIDE,
    _G,
    "threshold of this project; toe drag as in Burpee & Lewek (2015), Clin Biomech 30:1102-1107",
    better=Better.LOWER,
    decimals=0,
    tolerance="exact on known loads",
)
def foot_drag(walk: Walk) -> Values:
    """Look for load in mid-swing."""
    load, body = loads_n(walk), walk.session.body
    if load is None:
        return all_missing(SIDES, why.NO_LOADS)
    if body is None:
        return all_missing(SIDES, why.NO_BODY)
    limit = _DRAG_PERCENT / 100.0 * body.mass_kg * GRAVITY_M_S2
    out: dict[str, Estimate] = {}
    for name, leg in zip(SIDES, walk.legs, strict=True):
        out[name] = _dragged(walk, load[:, leg.side], leg, limit)
    return out


def _dragged(walk: Walk, load: NDArray[np.float64], leg: Leg, limit: float) -> Estimate:
    """Return the part of strides that drag, with Wilson's 95 % half-width."""
    known = np.isfinite(leg.toe_off_s)
    n = int(known.sum())
    if not n:
        return missing(why.NO_TOE_OFF if len(leg) else why.NO_STRIDES)
    off = walk.fraction_of_cycle(leg.toe_off_s, leg.side)
    inside = walk.window(leg.side, off + _MID_SWING[0] * (1.0 - off), off + _MID_SWING[1] * (1.0 - off))
    peak = np.where(inside, walk.cycles(load, leg.side), 0.0).max(axis=1)
    part = float(np.mean(peak[known] > limit))
    z = 1.96
    margin = z * np.sqrt(part * (1.0 - part) / n + z * z / (4.0 * n * n)) / (1.0 + z * z / n)
    return single(100.0 * part, n, 100.0 * margin)


@metric(
    "margin_of_stability_mm",
    "Margin of stability, forward",
    "At heel strike: place of the leading ankle minus the extrapolated centre of mass. The pelvis stands for "
    "the centre of mass, and the belt's speed is added to its own.",
    "mm",
    Scope.SIDE,
    _G,
    "Hof, Gazendam & Sinke (2005), J Biomech 38:1-8",
    sign="positive: the foot lands ahead of the extrapolated centre of mass",
    decimals=0,
    tolerance="30 mm against the true centre of mass",
)
def margin_of_stability(walk: Walk) -> Values:
    """Extrapolate the pelvis by its velocity over the pendulum's eigenfrequency."""
    s = walk.session
    lacking = (
        (s.angle_rad is None, why.NO_ANGLES),
        (s.pelvis_velocity_m_s is None, why.NO_PELVIS),
        (s.body is None, why.NO_BODY),
        (walk.belt is None, why.NO_BELT),
    )
    for lacks, reason in lacking:
        if lacks:
            return all_missing(SIDES, reason)
    assert s.pelvis_velocity_m_s is not None and walk.geometry is not None and walk.belt is not None
    frequency = np.sqrt(GRAVITY_M_S2 / walk.geometry.leg_length)
    ahead = ankles_m(walk)
    beyond = (s.pelvis_velocity_m_s[:, 0] + walk.belt) / frequency

    def of_leg(leg: Leg) -> Vector:
        at = np.interp(leg.end_s, s.time_s, ahead[leg.side] - beyond)
        return np.asarray(1000.0 * at)

    return sides(walk, of_leg, why.NO_STRIDES)
