"""Tone, isometric force and range of motion, as the robot assesses them."""

from __future__ import annotations

from collections.abc import Callable

from exostride.analysis import assessments
from exostride.analysis.estimate import Estimate
from exostride.analysis.registry import Better, Group, Scope, Values, metric
from exostride.analysis.walk import Walk
from exostride.conventions import JOINTS

_LANCE = "Lance (1980); robotic measurement: Schmartz et al. (2011), BMC Res Notes 4:443 (L-STIFF)"
_FORCE = "Bolliger et al. (2008), J NeuroEng Rehabil 5:23 (L-FORCE)"
_RANGE = "Norkin & White (2016), Measurement of Joint Motion, 5th ed.; end by resistance: this project"


def _both(
    name: str,
    title: str,
    definition: str,
    unit: str,
    citation: str,
    of: Callable[[Walk, int, float], Estimate],
    better: Better,
    decimals: int,
    tolerance: str,
) -> None:
    """Register a metric for both directions; braces in the texts stand for the direction."""
    for direction, sign in (("flexion", 1.0), ("extension", -1.0)):

        @metric(
            name.format(direction),
            title.format(direction),
            definition.format(direction),
            unit,
            Scope.JOINT,
            Group.ASSESSMENT,
            citation,
            better=better,
            decimals=decimals,
            tolerance=tolerance,
        )
        def compute(walk: Walk, sign: float = sign) -> Values:
            return {joint: of(walk, column, sign) for column, joint in enumerate(JOINTS)}


_both(
    "tone_{}_nms_rad",
    "Tone against {}",
    "Growth with speed of the resistance to passive {}, over three speeds (slope of a straight line). "
    "At the patient's own joint, less the leg's weight and inertia and what tissue gives when moved slowly.",
    "Nm·s/rad",
    _LANCE,
    assessments.tone,
    Better.LOWER,
    2,
    "0.5 Nm·s/rad or 20 % against the simulated reflexes and tissue; the margin is the scatter between ways",
)
_both(
    "isometric_{}_nm",
    "Isometric force in {}",
    "Largest torque in {} held for half a second against the robot, without what the leg does unasked.",
    "Nm",
    _FORCE,
    assessments.force,
    Better.HIGHER,
    0,
    "10 % or 3 Nm against the torque that the simulated muscles gave",
)
_both(
    "passive_{}_deg",
    "Passive range, {}",
    "Joint angle at which slow passive {} met the set resistance, or its bound; flexion positive.",
    "°",
    _RANGE,
    assessments.reach,
    Better.NEITHER,
    0,
    "5° against the patient's own joint (cuffs give)",
)
