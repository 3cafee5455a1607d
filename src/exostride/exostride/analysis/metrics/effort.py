"""The patient's own share, and what the exoskeleton added."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis import estimate as why
from exostride.analysis.effort import contribution, effort_of
from exostride.analysis.estimate import missing
from exostride.analysis.metrics.tools import all_missing, joints
from exostride.analysis.registry import Better, Group, Scope, Values, metric
from exostride.analysis.walk import Walk
from exostride.conventions import JOINT_KINDS, JOINTS, SIDES, side_slice

Matrix = NDArray[np.float64]
_G = Group.EFFORT
_LARGEST_MARGIN_PERCENT: Final = 50.0
"""A share known no better than this says nothing: it is not stated."""
_SHARE = "definition of this project: C = W+pat / (W+pat + W+exo); work after Winter (2009), ch. 6"
_WORK = "Winter (2009), Biomechanics and Motor Control of Human Movement, 4th ed., ch. 6"

_STRIDE = "7 points of the virtual patient's true share; of six stated margins one may miss"
_PART = "as over the stride, from which it is cut; no test of its own"


def _share(name: str, title: str, definition: str, part: str) -> None:
    @metric(
        *(name, title, definition, "%", Scope.JOINT, _G, _SHARE),
        better=Better.HIGHER,
        decimals=0,
        tolerance=_STRIDE if part == "stride" else _PART,
    )
    def compute(walk: Walk) -> Values:
        effort = effort_of(walk)
        shares = [contribution(effort, side, part) for side in (0, 1)]
        if all(share is None for share in shares):
            return all_missing(JOINTS, effort.reason or why.NO_STRIDES)

        def of_side(side: int) -> Matrix | None:
            found = shares[side]
            return None if found is None else found.percent

        values = dict(joints(walk, of_side, why.LITTLE_WORK))
        for side, found in enumerate(shares):
            for k, kind in enumerate(JOINT_KINDS):
                key = f"{kind}_{SIDES[side]}"
                if found is not None and values[key].known:
                    strides = values[key].margin if np.isfinite(values[key].margin) else 0.0
                    margin = float(np.hypot(strides, 1.96 * found.model_sd_percent[k]))
                    sure = margin <= _LARGEST_MARGIN_PERCENT
                    values[key] = replace(values[key], margin=margin) if sure else missing(why.UNCERTAIN)
        return values


_share(
    "contribution_percent",
    "Own effort",
    "Patient's share of the positive work at the joint over a stride: 100 % is all by the patient.",
    "stride",
)
_share(
    "contribution_stance_percent", "Own effort in stance", "The same from heel strike to toe off.", "stance"
)
_share("contribution_swing_percent", "Own effort in swing", "The same from toe off to heel strike.", "swing")


def _work(name: str, title: str, definition: str, field: str, better: Better, sign: str = "") -> None:
    @metric(
        *(name, title, definition, "J", Scope.JOINT, _G, _WORK),
        sign=sign,
        better=better,
        decimals=2,
        tolerance="10 % or 0.3 J",
    )
    def compute(walk: Walk) -> Values:
        effort = effort_of(walk)
        reason = effort.reason if field == "patient_positive" else ""
        if walk.session.velocity_rad_s is None:
            reason = why.NO_ANGLES
        elif walk.session.cuff_torque_nm is None:
            reason = why.NO_CUFFS
        if reason:
            return all_missing(JOINTS, reason)

        def of_side(side: int) -> Matrix | None:
            works = effort.works(side)
            return None if works is None else np.asarray(getattr(works, field))

        return joints(walk, of_side, why.NO_STRIDES)


_work(
    "patient_work_j",
    "Work of the patient",
    "Positive work of the patient's muscles at the joint in a stride.",
    "patient_positive",
    Better.HIGHER,
)
_work(
    "assist_work_j",
    "Work of the exoskeleton",
    "Positive work of the exoskeleton on the patient at the joint in a stride.",
    "exo_positive",
    Better.LOWER,
)
_work(
    "resist_work_j",
    "Work taken by the exoskeleton",
    "Negative work of the exoskeleton on the patient at the joint in a stride (it brakes).",
    "exo_negative",
    Better.NEITHER,
    "always negative or zero",
)


@metric(
    "assistance_percent",
    "Assistance level",
    "Mean assistance set or adapted by the controller over a stride: 100 % is full support.",
    "%",
    Scope.JOINT,
    _G,
    "Emken et al. (2007), IEEE TNSRE 15:322-334 (assist as needed)",
    better=Better.LOWER,
    decimals=0,
    tolerance="0.5 percentage points",
)
def assistance(walk: Walk) -> Values:
    """Average the commanded assistance over each stride."""
    level = walk.session.assistance
    if level is None or not walk.session.commanded:
        return all_missing(JOINTS, why.NO_COMMANDS)

    def of_side(side: int) -> Matrix:
        leg = walk.legs[side]
        total = walk.integral(level[:, side_slice(side)], leg.start_s, leg.end_s)
        return np.asarray(100.0 * total / leg.duration_s[:, None])

    return joints(walk, of_side, why.NO_STRIDES)
