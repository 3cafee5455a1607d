"""The metrics: each declared once, with definition, unit, sign and source, beside the code that computes it.

``docs/metrics.md`` is printed from here (``python -m exostride.analysis.document``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from exostride.analysis.estimate import Estimate
from exostride.analysis.walk import Walk
from exostride.conventions import JOINTS, SIDES


class Scope(StrEnum):
    """What a metric has one value of."""

    SESSION = "session"
    SIDE = "side"
    JOINT = "joint"


class Group(StrEnum):
    """Chapter of the report."""

    SPATIOTEMPORAL = "Walking"
    SYMMETRY = "Symmetry"
    VARIABILITY = "Regularity"
    KINEMATICS = "Joint movement"
    KINETICS = "Forces and loading"
    EFFORT = "Effort and assistance"
    STABILITY = "Balance and foot clearance"
    ASSESSMENT = "Assessments by the robot"
    PHYSIOLOGY = "Heart"
    SAFETY = "Safety"
    TIMING = "Control timing"


class Better(StrEnum):
    """Which way a metric should go in training; empty where neither is better in itself."""

    HIGHER = "higher"
    LOWER = "lower"
    ZERO = "zero"
    NORM = "norm"
    NEITHER = ""


Values = Mapping[str, Estimate]
Compute = Callable[[Walk], Values]

KEYS: Final[Mapping[Scope, tuple[str, ...]]] = {
    Scope.SESSION: ("",),
    Scope.SIDE: SIDES,
    Scope.JOINT: JOINTS,
}


@dataclass(frozen=True)
class Metric:
    """Declaration of one metric.

    Attributes
    ----------
    name
        Key in JSON and CSV; ends with the unit where it has one.
    title, definition
        For people; both are translated.
    unit
        As printed; empty for a plain number.
    sign
        What a positive value means, where that is not plain.
    citation
        Where the definition comes from.
    norm
        Where its normal values come from; empty when there are none.
    tolerance
        How closely it meets the truth of the virtual patient or of a reference recording in the tests.
    """

    name: str
    title: str
    definition: str
    unit: str
    scope: Scope
    group: Group
    citation: str
    compute: Compute
    sign: str = ""
    norm: str = ""
    better: Better = Better.NEITHER
    decimals: int = 1
    tolerance: str = ""


REGISTRY: Final[dict[str, Metric]] = {}


def metric(
    name: str,
    title: str,
    definition: str,
    unit: str,
    scope: Scope,
    group: Group,
    citation: str,
    *,
    sign: str = "",
    norm: str = "",
    better: Better = Better.NEITHER,
    decimals: int = 1,
    tolerance: str = "",
) -> Callable[[Compute], Compute]:
    """Register the decorated function as the metric ``name``.

    Raises
    ------
    ValueError
        The name is taken.
    """

    def register(compute: Compute) -> Compute:
        if name in REGISTRY:
            raise ValueError(f"metric {name} is declared twice")
        REGISTRY[name] = Metric(
            *(name, title, definition, unit, scope, group, citation, compute),
            *(sign, norm, better, decimals, tolerance),
        )
        return compute

    return register


def ordered() -> list[Metric]:
    """Return all metrics by chapter, in the order of their declaration within it."""
    chapters = list(Group)
    return sorted(REGISTRY.values(), key=lambda m: chapters.index(m.group))
