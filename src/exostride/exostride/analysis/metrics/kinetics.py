"""Forces on the feet and moments at the joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exostride.analysis import estimate as why
from exostride.analysis.effort import effort_of
from exostride.analysis.estimate import over_strides
from exostride.analysis.metrics.tools import all_missing, joints, sides
from exostride.analysis.registry import Group, Scope, Values, metric
from exostride.analysis.walk import Leg, Walk
from exostride.conventions import GRAVITY_M_S2, JOINTS, SIDES, side_slice
from exostride.types import Vector

Matrix = NDArray[np.float64]
_G = Group.KINETICS
_WINTER = "Winter (2009), Biomechanics and Motor Control of Human Movement, 4th ed., ch. 5"


def loads_n(walk: Walk) -> Matrix | None:
    """Return the load on each foot (N, 2) [N]: load cells, or the ground's vertical force, or None."""
    s = walk.session
    if s.foot_load_n is not None:
        return s.foot_load_n
    return None if s.foot_force_n is None else s.foot_force_n[:, [2, 5]]


@metric(
    "weight_bearing_percent",
    "Weight bearing",
    "This leg's share of the impulse on both feet over its stride.",
    "%",
    Scope.SIDE,
    _G,
    "Bohannon & Larkin (1985), Phys Ther 65:1323-1325",
    tolerance="1 percentage point",
)
def weight_bearing(walk: Walk) -> Values:
    """Divide the integral of one load by that of both."""
    load = loads_n(walk)
    if load is None:
        return all_missing(SIDES, why.NO_LOADS)

    def of_leg(leg: Leg) -> Vector:
        impulse = walk.integral(load, leg.start_s, leg.end_s)
        total = impulse.sum(axis=1)
        share = np.full(len(leg), np.nan)
        np.divide(impulse[:, leg.side], total, out=share, where=total > 1.0)
        return 100.0 * share

    return sides(walk, of_leg, why.NO_LOADS)


@metric(
    "peak_load_percent",
    "Peak load",
    "Largest load on the foot in a stride, part of body weight (unloading by the harness lowers it).",
    "%",
    Scope.SIDE,
    _G,
    _WINTER,
    tolerance="3 %",
)
def peak_load(walk: Walk) -> Values:
    """Take the peak over the 101 points of each stride."""
    load, body = loads_n(walk), walk.session.body
    if load is None:
        return all_missing(SIDES, why.NO_LOADS)
    if body is None:
        return all_missing(SIDES, why.NO_BODY)
    weight = body.mass_kg * GRAVITY_M_S2
    return sides(
        walk,
        lambda leg: 100.0 * walk.cycles(load[:, leg.side], leg.side).max(axis=1) / weight,
        why.NO_STRIDES,
    )


@metric(
    "unloading_percent",
    "Body weight taken by the harness",
    "Mean unloading over the walking time, part of body weight.",
    "%",
    Scope.SESSION,
    _G,
    "Hesse (2008), NeuroRehabilitation 23:133-139",
    tolerance="1 percentage point",
)
def unloading(walk: Walk) -> Values:
    """Average over the strides of both legs."""
    values = walk.session.unloading_percent
    if values is None:
        return {"": why.missing(why.NO_BELT)}
    means = [
        walk.integral(values[:, None], leg.start_s, leg.end_s)[:, 0] / leg.duration_s
        for leg in walk.legs
        if len(leg)
    ]
    times = [leg.end_s for leg in walk.legs if len(leg)]
    if not means:
        return {"": why.missing(why.NO_STRIDES)}
    order = np.argsort(np.concatenate(times), kind="stable")
    return {"": over_strides(np.concatenate(means)[order], np.concatenate(times)[order], why.NO_STRIDES)}


def _moment(name: str, title: str, definition: str, largest: bool) -> None:
    @metric(
        *(name, title, definition, "Nm/kg", Scope.JOINT, _G, _WINTER),
        sign="flexion, dorsiflexion positive",
        decimals=2,
        tolerance="2 % RMS against a published reference solution; see docs/report.md",
    )
    def compute(walk: Walk) -> Values:
        effort, body = effort_of(walk), walk.session.body
        if effort.moments_nm is None or body is None:
            return all_missing(JOINTS, effort.moment_reason)
        moments = effort.moments_nm

        def of_side(side: int) -> Matrix:
            cycles = walk.cycles(moments[side], side) / body.mass_kg
            return np.asarray(cycles.max(axis=1) if largest else cycles.min(axis=1))

        return joints(walk, of_side, why.NO_STRIDES)


_moment(
    "flexion_moment_peak_nm_kg",
    "Largest flexion moment",
    "Largest net joint moment in a stride, by inverse dynamics; muscles, tissue and exoskeleton together.",
    True,
)
_moment(
    "extension_moment_peak_nm_kg",
    "Largest extension moment",
    "Smallest (most extending or plantarflexing) net joint moment in a stride, by inverse dynamics.",
    False,
)


@metric(
    "interaction_torque_rms_nm",
    "Interaction torque",
    "Root mean square, over a stride, of the torque of the exoskeleton on the patient.",
    "Nm",
    Scope.JOINT,
    _G,
    "Bernhardt et al. (2005), IEEE ICORR, 33-38",
    tolerance="5 % or 0.3 Nm",
)
def interaction_torque(walk: Walk) -> Values:
    """Integrate the squared cuff torque over each stride."""
    torque = walk.cuff_nm
    if torque is None:
        return all_missing(JOINTS, why.NO_CUFFS)

    def of_side(side: int) -> Matrix:
        leg = walk.legs[side]
        total = walk.integral(torque[:, side_slice(side)] ** 2, leg.start_s, leg.end_s)
        return np.asarray(np.sqrt(np.maximum(total, 0.0) / leg.duration_s[:, None]))

    return joints(walk, of_side, why.NO_STRIDES)


@metric(
    "interaction_torque_peak_nm",
    "Peak interaction torque",
    "Largest magnitude, in a stride, of the torque of the exoskeleton on the patient.",
    "Nm",
    Scope.JOINT,
    _G,
    "Bernhardt et al. (2005), IEEE ICORR, 33-38",
    tolerance="10 % or 1 Nm",
)
def interaction_peak(walk: Walk) -> Values:
    """Take the peak over the 101 points of each stride."""
    torque = walk.cuff_nm
    if torque is None:
        return all_missing(JOINTS, why.NO_CUFFS)
    return joints(
        walk, lambda side: np.abs(walk.cycles(torque[:, side_slice(side)], side)).max(axis=1), why.NO_STRIDES
    )
