"""What stands out in a session, in words, each with the rule that found it, and exercises that answer it.

A finding is decision support: it points a therapist to something worth looking at. The texts are message
keys for the translators; numbers are filled in by the report in its language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from exostride.analysis.estimate import Estimate
from exostride.analysis.registry import REGISTRY
from exostride.analysis.summary import Analysis
from exostride.conventions import JOINTS, SIDES


class Weight(IntEnum):
    """How much a finding matters; the report shows the heaviest first."""

    NOTE = 1
    NOTABLE = 2
    IMPORTANT = 3


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    code
        Key of its rule.
    text
        Message with placeholders in braces.
    numbers
        What goes into the placeholders: value and decimals.
    metric, key
        The figure it is about.
    side
        ``left``, ``right`` or empty.
    distance
        How far from normal, in standard deviations or like units; sorts findings of one weight.
    """

    code: str
    weight: Weight
    text: str
    numbers: Mapping[str, tuple[float, int]]
    metric: str
    key: str = ""
    side: str = ""
    distance: float = 0.0


RULES: Final[Mapping[str, str]] = {
    "norm": "Mean outside the norm by more than two standard deviations, and its 95 % interval too.",
    "asymmetry": "Symmetry index beyond 10 %, and its 95 % interval too (threshold of this project).",
    "drag": "Load on the foot in mid-swing in more than 5 % of strides.",
    "clearance": "Mean foot clearance in mid-swing below 10 mm.",
    "effort": "Own effort at a joint lower than on the other side by more than both margins together.",
    "fading": (
        "Own effort in the last third of the session lower than in the first by more than twice its standard "
        "error and 5 points."
    ),
    "variable": "Stride time varies by more than 5 %, and its 95 % interval lies above that.",
    "stop": "The safety supervisor stopped the session.",
    "few": "Fewer than 20 strides of a leg: figures are uncertain.",
}
"""The rule behind every code, for people."""

_ABOVE: Final = {
    "knee_flexion_swing_deg": "More knee flexion in swing",
    "knee_flexion_loading_deg": "More knee flexion in loading",
    "knee_extension_stance_deg": "Knee stays bent in stance",
    "hip_flexion_peak_deg": "More hip flexion",
    "hip_extension_peak_deg": "Reduced hip extension",
    "dorsiflexion_stance_deg": "More dorsiflexion in stance",
    "dorsiflexion_swing_deg": "More dorsiflexion in swing",
    "stance_percent": "Long stance",
    "step_length_m": "Long step",
}
_BELOW: Final = {
    "knee_flexion_swing_deg": "Reduced knee flexion in swing",
    "knee_flexion_loading_deg": "Little knee flexion in loading",
    "knee_extension_stance_deg": "Knee overextends in stance",
    "hip_flexion_peak_deg": "Reduced hip flexion",
    "hip_extension_peak_deg": "More hip extension",
    "dorsiflexion_stance_deg": "Reduced dorsiflexion in stance",
    "dorsiflexion_swing_deg": "Foot hangs in swing",
    "stance_percent": "Short stance",
    "step_length_m": "Short step",
}
WITH_NORM: Final = "{title}, {side}: {value} {unit}, norm {mean} ± {sd}"
ASYMMETRY: Final = {
    "step_length_symmetry_percent": "Step length differs between the legs by {value} %",
    "step_time_symmetry_percent": "Step time differs between the legs by {value} %",
    "stance_time_symmetry_percent": "Stance time differs between the legs by {value} %",
    "swing_time_symmetry_percent": "Swing time differs between the legs by {value} %",
    "weight_symmetry_percent": "Weight bearing differs between the legs by {value} %",
}
TITLES: Final = tuple(dict.fromkeys([*_ABOVE.values(), *_BELOW.values()]))
DRAG: Final = "Foot touches the ground in swing, {side}: {value} % of strides"
CLEARANCE: Final = "Little room under the foot in swing, {side}: {value} mm"
EFFORT: Final = "Less own effort, {joint}: {value} % against {other} % on the other side"
FADING: Final = "Own effort fades, {joint}: from {first} % to {last} % over the session"
VARIABLE: Final = "Irregular stride time, {side}: {value} % variation"
STOP: Final = "Safety stops in this session: {value}"
FEW: Final = "Few strides were recorded ({value}): take the figures with care"
TEXTS: Final = (WITH_NORM, *ASYMMETRY.values(), DRAG, CLEARANCE, EFFORT, FADING, VARIABLE, STOP, FEW)

_ASYMMETRY_PERCENT: Final = 10.0
_DRAG_PERCENT: Final = 5.0
_CLEARANCE_MM: Final = 10.0
_VARIABLE_PERCENT: Final = 5.0
_FADING_POINTS: Final = 5.0
_FEW_STRIDES: Final = 20


def _margin(estimate: Estimate) -> float:
    return estimate.margin if np.isfinite(estimate.margin) else 0.0


def _norm_findings(analysis: Analysis) -> Iterator[Finding]:
    for name in _BELOW:
        for side in SIDES:
            estimate, norm = analysis.one(name, side), analysis.norm(name, side)
            if norm is None or not estimate.known:
                continue
            off = estimate.value - norm.mean
            if abs(off) - _margin(estimate) <= 2.0 * norm.sd:
                continue
            title = (_ABOVE if off > 0.0 else _BELOW)[name]
            distance = abs(off) / norm.sd
            decimals = REGISTRY[name].decimals
            numbers = {
                "value": (estimate.value, decimals),
                "mean": (norm.mean, decimals),
                "sd": (norm.sd, decimals),
            }
            weight = Weight.IMPORTANT if distance > 3.0 else Weight.NOTABLE
            yield Finding(f"norm:{title}", weight, WITH_NORM, numbers, name, side, side, distance)


def _asymmetries(analysis: Analysis) -> Iterator[Finding]:
    for name, text in ASYMMETRY.items():
        estimate = analysis.one(name)
        if estimate.known and abs(estimate.value) - _margin(estimate) > _ASYMMETRY_PERCENT:
            less = SIDES[1] if estimate.value > 0.0 else SIDES[0]
            numbers = {"value": (abs(estimate.value), 0)}
            yield Finding(
                "asymmetry",
                Weight.NOTABLE,
                text,
                numbers,
                name,
                "",
                less,
                abs(estimate.value) / _ASYMMETRY_PERCENT,
            )


def _feet(analysis: Analysis) -> Iterator[Finding]:
    for side in SIDES:
        drag, room = analysis.one("foot_drag_percent", side), analysis.one("foot_clearance_mm", side)
        if drag.known and drag.value > _DRAG_PERCENT:
            numbers = {"value": (drag.value, 0)}
            yield Finding(
                "drag", Weight.IMPORTANT, DRAG, numbers, "foot_drag_percent", side, side, drag.value / 5.0
            )
        elif room.known and room.value + _margin(room) < _CLEARANCE_MM:
            numbers = {"value": (room.value, 0)}
            yield Finding(
                "clearance", Weight.NOTABLE, CLEARANCE, numbers, "foot_clearance_mm", side, side, 2.5
            )


def _efforts(analysis: Analysis) -> Iterator[Finding]:
    name = "contribution_percent"
    for key in JOINTS:
        kind, side = key.split("_")
        own, other = (
            analysis.one(name, f"{kind}_{s}") for s in (side, "right" if side == "left" else "left")
        )
        if not own.known:
            continue
        if other.known and other.value - own.value > _margin(own) + _margin(other):
            numbers = {"value": (own.value, 0), "other": (other.value, 0)}
            yield Finding(
                "effort", Weight.NOTABLE, EFFORT, numbers, name, key, side, (other.value - own.value) / 10.0
            )
        third = len(own.series) // 3
        if third >= 5:
            first, last = own.series[:third], own.series[-third:]
            drop = float(first.mean() - last.mean())
            error = float(np.hypot(first.std(ddof=1), last.std(ddof=1)) / np.sqrt(third))
            if drop > max(2.0 * error, _FADING_POINTS):
                numbers = {"first": (float(first.mean()), 0), "last": (float(last.mean()), 0)}
                yield Finding("fading", Weight.NOTABLE, FADING, numbers, name, key, side, drop / 10.0)


def _others(analysis: Analysis) -> Iterator[Finding]:
    for side in SIDES:
        cv = analysis.one("stride_time_cv_percent", side)
        if cv.known and cv.value - _margin(cv) > _VARIABLE_PERCENT:
            numbers = {"value": (cv.value, 1)}
            yield Finding(
                "variable", Weight.NOTABLE, VARIABLE, numbers, "stride_time_cv_percent", side, side, 2.0
            )
    stops = analysis.one("stops")
    if stops.known and stops.value > 0.0:
        yield Finding("stop", Weight.IMPORTANT, STOP, {"value": (stops.value, 0)}, "stops", "", "", 9.0)
    fewest = min(len(leg) for leg in analysis.walk.legs)
    if fewest < _FEW_STRIDES:
        yield Finding("few", Weight.NOTE, FEW, {"value": (float(fewest), 0)}, "steps")


def findings(analysis: Analysis) -> list[Finding]:
    """Return all findings of a session, the heaviest first."""
    found = [f for rule in (_norm_findings, _asymmetries, _feet, _efforts, _others) for f in rule(analysis)]
    return sorted(found, key=lambda f: (-f.weight, -f.distance, f.code, f.key))


def title_of(finding: Finding) -> str:
    """Return the short title of a finding about a norm, empty for the others."""
    return finding.code.removeprefix("norm:") if finding.code.startswith("norm:") else ""


def rule_of(finding: Finding) -> str:
    """Return the rule that found it, in words."""
    return RULES[finding.code.partition(":")[0]]


EXERCISES: Final[Mapping[str, str]] = {
    "norm:Reduced knee flexion in swing": (
        "Walk with a raised-knee cue or visual target; lower the knee assistance step by step "
        "once the target is met."
    ),
    "norm:Foot hangs in swing": (
        "Dorsiflexor activation in sitting and standing, then walking with a heel-first cue; "
        "check the ankle assistance in swing."
    ),
    "norm:Reduced hip extension": (
        "Longer stance on the belt with a cue to push off behind; hip flexor stretching before the session."
    ),
    "norm:Reduced hip flexion": (
        "Marching in standing with support, then walking with a cue to lift the thigh."
    ),
    "norm:Knee stays bent in stance": (
        "Knee extension and weight acceptance in standing; check the unloading."
    ),
    "norm:Knee overextends in stance": (
        "Weight shifts with a slightly bent knee; slower belt until control holds."
    ),
    "norm:Short step": (
        "Walking to step targets on the short side; raise the speed only when step length holds."
    ),
    "norm:Short stance": "Weight shifts and single-leg stance with support on this side.",
    "asymmetry": "Walk to a metronome or symmetric visual feedback; give the weaker side the cue.",
    "drag": "Foot clearance support on, slower belt; practise lifting toes and knee before adding speed.",
    "clearance": "Practise stepping over a low line or light beam on this side.",
    "effort": "Lower the assistance at this joint in small steps while clearance and symmetry hold.",
    "fading": "Shorter bouts with rests; assistance that follows the effort.",
    "variable": "Rhythmic cueing at constant speed.",
}
"""Suggested exercise by finding: decision support for a qualified therapist, never an order."""
