"""What the metrics have in common: one estimate a side or joint from values per stride."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.estimate import NO_STRIDES, Estimate, missing, over_strides
from exostride.analysis.registry import Values
from exostride.analysis.walk import Leg, Walk
from exostride.conventions import JOINT_KINDS, JOINTS, SIDES

Matrix = NDArray[np.float64]


def sides(walk: Walk, of_leg: Callable[[Leg], NDArray[np.float64]], reason: str) -> Values:
    """Return one estimate a side from a value per stride."""
    out = {}
    for name, leg in zip(SIDES, walk.legs, strict=True):
        out[name] = over_strides(of_leg(leg), leg.end_s, reason) if len(leg) else missing(NO_STRIDES)
    return out


def joints(walk: Walk, of_side: Callable[[int], Matrix | None], reason: str) -> Values:
    """Return one estimate a joint from (n, 3) values per stride; None from ``of_side`` is ``reason``."""
    out: dict[str, Estimate] = {}
    for side, name in enumerate(SIDES):
        leg = walk.legs[side]
        values = of_side(side) if len(leg) else None
        for k, kind in enumerate(JOINT_KINDS):
            key = f"{kind}_{name}"
            if not len(leg):
                out[key] = missing(NO_STRIDES)
            elif values is None:
                out[key] = missing(reason)
            else:
                out[key] = over_strides(values[:, k], leg.end_s, reason)
    return {key: out[key] for key in JOINTS}


def all_missing(keys: tuple[str, ...], reason: str) -> Values:
    """Return ``reason`` for every key."""
    return dict.fromkeys(keys, missing(reason))
