"""Left against right, and how alike the strides are."""

from __future__ import annotations

import numpy as np

from exostride.analysis import estimate as why
from exostride.analysis.estimate import Estimate, missing, single
from exostride.analysis.metrics import kinetics, spatiotemporal
from exostride.analysis.metrics.tools import joints
from exostride.analysis.registry import Better, Compute, Group, Scope, Values, metric
from exostride.analysis.walk import Walk
from exostride.conventions import SIDES
from exostride.types import Vector

_ROBINSON = "Robinson, Herzog & Nigg (1987), J Manipulative Physiol Ther 10:172-176"
_SIGN = "left larger: positive"


def symmetry_index(left: Estimate, right: Estimate) -> Estimate:
    """Return 100 (L - R) / ((L + R) / 2) with its 95 % margin by first-order propagation."""
    if not (left.known and right.known):
        return missing(left.reason or right.reason)
    middle = 0.5 * (left.value + right.value)
    if abs(middle) < 1e-9:
        return missing(why.ONE_SIDE)
    value = 100.0 * (left.value - right.value) / middle
    # d/dL = 100 R / middle^2, d/dR = -100 L / middle^2.
    margin = 100.0 / middle**2 * np.hypot(right.value * left.margin, left.value * right.margin)
    return single(value, min(left.n, right.n), float(margin))


def _index(name: str, title: str, of: str, source: Compute, tolerance: str = "2 percentage points") -> None:
    @metric(
        name,
        title,
        f"Symmetry index of the {of}: 100 (left - right) / mean of both.",
        "%",
        Scope.SESSION,
        Group.SYMMETRY,
        _ROBINSON,
        sign=_SIGN,
        better=Better.ZERO,
        tolerance=tolerance,
    )
    def compute(walk: Walk) -> Values:
        values = source(walk)
        return {"": symmetry_index(values["left"], values["right"])}


_index(
    "step_length_symmetry_percent", "Step length, left to right", "step length", spatiotemporal.step_length
)
_index("step_time_symmetry_percent", "Step time, left to right", "step time", spatiotemporal.step_time)
_index(
    "stance_time_symmetry_percent", "Stance time, left to right", "stance time", spatiotemporal.stance_time
)
_index("swing_time_symmetry_percent", "Swing time, left to right", "swing time", spatiotemporal.swing_time)
_index(
    "weight_symmetry_percent", "Weight bearing, left to right", "share of the load", kinetics.weight_bearing
)


@metric(
    "stride_time_cv_percent",
    "Stride time variability",
    "Standard deviation of stride times over their mean.",
    "%",
    Scope.SIDE,
    Group.VARIABILITY,
    "Hausdorff (2005), J NeuroEng Rehabil 2:19",
    better=Better.LOWER,
    tolerance="0.5 percentage points",
)
def stride_time_cv(walk: Walk) -> Values:
    """Divide SD by mean; the margin is that of a standard deviation of normal values."""
    return {name: _cv(leg.duration_s) for name, leg in zip(SIDES, walk.legs, strict=True)}


def _cv(values: Vector) -> Estimate:
    if len(values) < 3:
        return missing(why.FEW_STRIDES if len(values) else why.NO_STRIDES)
    cv = 100.0 * float(values.std(ddof=1) / values.mean())
    return single(cv, len(values), 1.96 * cv / np.sqrt(2.0 * (len(values) - 1)))


@metric(
    "angle_variability_deg",
    "Variability of joint angles",
    "Standard deviation between strides at the same percent of the cycle, root mean square over the cycle.",
    "°",
    Scope.JOINT,
    Group.VARIABILITY,
    "Sangeux et al. (2016), Gait Posture 46:194-200 (GaitSD)",
    better=Better.LOWER,
    tolerance="0.3°",
)
def angle_variability(walk: Walk) -> Values:
    """Take the SD over strides of each point; distances of single strides give the margin."""
    angles = walk.angles_deg

    def of_side(side: int) -> np.ndarray | None:
        if angles is None or len(walk.legs[side]) < 3:
            return None
        n = len(angles[side])
        squared = np.mean((angles[side] - angles[side].mean(axis=0)) ** 2, axis=1)
        return np.asarray(squared * n / (n - 1))

    reason = why.NO_ANGLES if angles is None else why.FEW_STRIDES
    return {key: _root(value) for key, value in joints(walk, of_side, reason).items()}


def _root(square: Estimate) -> Estimate:
    """Return the root of a mean square, with the margin that follows."""
    if not square.known:
        return square
    value = float(np.sqrt(square.value))
    return single(value, square.n, square.margin / (2.0 * value) if value > 0.0 else np.nan)
