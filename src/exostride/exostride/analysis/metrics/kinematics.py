"""Joint angles over the cycle: the patient's where the cuffs' forces were recorded, else the robot's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis import estimate as why
from exostride.analysis.estimate import over_strides, single
from exostride.analysis.metrics.tools import all_missing, joints
from exostride.analysis.norms import angle_band
from exostride.analysis.registry import Better, Group, Scope, Values, metric
from exostride.analysis.walk import PERCENT, Walk
from exostride.conventions import JOINT_KINDS, JOINTS, SIDES
from exostride.types import Vector

Matrix = NDArray[np.float64]
_G = Group.KINEMATICS
_PERRY = "Perry & Burnfield (2010), Gait Analysis, 2nd ed."
BANDS: Final = "Winter (1991) or Schwartz et al. (2008), matched by Froude number"
_SIGN = "flexion, dorsiflexion positive"
_HIP = "2.5° against the patient's own joint: read too far in extension, where the pelvis pitches in its belt"


@metric(
    "range_deg",
    "Range of motion in walking",
    "Largest minus smallest angle in a stride.",
    "°",
    Scope.JOINT,
    _G,
    _PERRY,
    norm=BANDS,
    better=Better.NORM,
    tolerance="1.5° against the patient's own joint",
)
def joint_range(walk: Walk) -> Values:
    """Take the range over the 101 points of each stride."""
    angles = walk.angles_deg
    if angles is None:
        return all_missing(JOINTS, why.NO_ANGLES)
    return joints(walk, lambda side: np.ptp(angles[side], axis=1), why.NO_STRIDES)


Pick = Callable[[Matrix, Walk, int], Vector]
"""From one joint's angle over the strides of a side, shape (n, 101), to a value per stride."""


def _swing(walk: Walk, side: int) -> NDArray[np.bool_]:
    off = walk.fraction_of_cycle(walk.legs[side].toe_off_s, side)
    return walk.window(side, off, np.ones_like(off))


def _extreme(values: Matrix, inside: NDArray[np.bool_], largest: bool) -> Vector:
    blank = -np.inf if largest else np.inf
    masked = np.where(inside, values, blank)
    found = masked.max(axis=1) if largest else masked.min(axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _span(first: float, last: float) -> NDArray[np.bool_]:
    return np.asarray((first <= PERCENT) & (last >= PERCENT))[None, :]


def _peak(
    joint: str, name: str, title: str, definition: str, pick: Pick, reason: str = why.NO_STRIDES
) -> None:
    @metric(
        *(name, title, definition, "°", Scope.SIDE, _G, _PERRY),
        sign=_SIGN,
        norm=BANDS,
        better=Better.NORM,
        tolerance=_HIP if joint == "hip" else "1.5° against the patient's own joint",
    )
    def compute(walk: Walk) -> Values:
        angles = walk.angles_deg
        if angles is None:
            return all_missing(SIDES, why.NO_ANGLES)
        k = JOINT_KINDS.index(joint)
        out = {}
        for side, key in enumerate(SIDES):
            leg = walk.legs[side]
            if len(leg):
                out[key] = over_strides(pick(angles[side][:, :, k], walk, side), leg.end_s, reason)
            else:
                out[key] = why.missing(why.NO_STRIDES)
        return out


_peak(
    "hip",
    "hip_flexion_peak_deg",
    "Largest hip flexion",
    "Largest hip angle in the stride.",
    lambda a, w, s: a.max(axis=1),
)
_peak(
    "hip",
    "hip_extension_peak_deg",
    "Largest hip extension",
    "Smallest hip angle in the stride.",
    lambda a, w, s: a.min(axis=1),
)
_peak(
    "knee",
    "knee_flexion_swing_deg",
    "Knee flexion in swing",
    "Largest knee angle from toe off to heel strike.",
    lambda a, w, s: _extreme(a, _swing(w, s), True),
    why.NO_TOE_OFF,
)
_peak(
    "knee",
    "knee_flexion_loading_deg",
    "Knee flexion in loading",
    "Largest knee angle in the first quarter of the stride.",
    lambda a, w, s: _extreme(a, _span(0.0, 25.0), True),
)
_peak(
    "knee",
    "knee_extension_stance_deg",
    "Knee extension in stance",
    "Smallest knee angle between 25 and 55 % of the stride.",
    lambda a, w, s: _extreme(a, _span(25.0, 55.0), False),
)
_peak(
    "ankle",
    "dorsiflexion_stance_deg",
    "Dorsiflexion in stance",
    "Largest ankle angle from heel strike to toe off.",
    lambda a, w, s: _extreme(a, ~_swing(w, s), True),
    why.NO_TOE_OFF,
)
_peak(
    "ankle",
    "dorsiflexion_swing_deg",
    "Dorsiflexion in mid-swing",
    "Smallest ankle angle in the middle third of swing: how far the toes are lifted when it matters.",
    lambda a, w, s: _extreme(a, _middle(w, s), False),
    why.NO_TOE_OFF,
)


def _middle(walk: Walk, side: int) -> NDArray[np.bool_]:
    off = walk.fraction_of_cycle(walk.legs[side].toe_off_s, side)
    return walk.window(side, off + (1.0 - off) / 3.0, off + 2.0 * (1.0 - off) / 3.0)


@metric(
    "gait_variable_score_deg",
    "Distance from normal movement",
    "Root mean square, over the cycle, of the mean angle minus the mean of healthy people at the same speed.",
    "°",
    Scope.JOINT,
    _G,
    "Baker et al. (2009), Gait Posture 30:265-269 (gait variable score)",
    norm=BANDS,
    better=Better.LOWER,
    tolerance="0.5° against a direct computation",
)
def gait_variable_score(walk: Walk) -> Values:
    """Compare each stride with the norm; the score is that of the mean stride."""
    angles, band = walk.angles_deg, angle_band(walk)
    if angles is None:
        return all_missing(JOINTS, why.NO_ANGLES)
    if band is None:
        return all_missing(JOINTS, why.NO_NORM)
    out = {}
    for side, name in enumerate(SIDES):
        for k, kind in enumerate(JOINT_KINDS):
            cycles = angles[side][:, :, k]
            if not len(cycles):
                out[f"{kind}_{name}"] = why.missing(why.NO_STRIDES)
                continue
            score = np.sqrt(np.mean((cycles.mean(axis=0) - band.mean_deg[:, k]) ** 2))
            each = np.sqrt(np.mean((cycles - band.mean_deg[:, k]) ** 2, axis=1))
            spread = over_strides(each, walk.legs[side].end_s, why.NO_STRIDES)
            out[f"{kind}_{name}"] = single(float(score), len(cycles), spread.margin)
    return {key: out[key] for key in JOINTS}


@metric(
    "tracking_error_deg",
    "Tracking error",
    "Root mean square of the controller's reference minus the measured angle over a stride.",
    "°",
    Scope.JOINT,
    _G,
    "Banala et al. (2009), IEEE TNSRE 17:2-8",
    better=Better.LOWER,
    tolerance="0.2°",
)
def tracking_error(walk: Walk) -> Values:
    """Integrate the squared error over each stride."""
    s = walk.session
    if s.angle_rad is None:
        return all_missing(JOINTS, why.NO_ANGLES)
    if s.reference_rad is None or not s.commanded:
        return all_missing(JOINTS, why.NO_COMMANDS)
    squared = (s.reference_rad - s.angle_rad) ** 2

    def of_side(side: int) -> Matrix:
        leg = walk.legs[side]
        mean = walk.integral(squared[:, 3 * side : 3 * side + 3], leg.start_s, leg.end_s)
        return np.asarray(np.degrees(np.sqrt(np.maximum(mean, 0.0) / leg.duration_s[:, None])))

    return joints(walk, of_side, why.NO_STRIDES)


_SPARC_CUT_HZ: Final = 10.0
_SPARC_LEAST: Final = 0.05
_SPARC_PADDING: Final = 4


@metric(
    "smoothness_sparc",
    "Smoothness in swing",
    "Spectral arc length of the joint's speed from toe off to heel strike; zero would be perfectly smooth.",
    "",
    Scope.JOINT,
    _G,
    "Balasubramanian et al. (2015), J NeuroEng Rehabil 12:112",
    sign="always negative; closer to zero is smoother",
    better=Better.HIGHER,
    decimals=2,
    tolerance="0.05 against closed form on a Gaussian pulse",
)
def smoothness(walk: Walk) -> Values:
    """Compute the spectral arc length of every swing on 101 points."""
    s = walk.session
    if s.velocity_rad_s is None:
        return all_missing(JOINTS, why.NO_ANGLES)
    speed = np.abs(s.velocity_rad_s)

    def of_side(side: int) -> Matrix:
        leg = walk.legs[side]
        u = np.linspace(0.0, 1.0, 101)
        at = leg.toe_off_s[:, None] + (leg.end_s - leg.toe_off_s)[:, None] * u
        values = np.stack(
            [np.interp(at.ravel(), s.time_s, speed[:, 3 * side + k]).reshape(at.shape) for k in range(3)],
            axis=2,
        )
        duration = leg.end_s - leg.toe_off_s
        out = np.full((len(leg), 3), np.nan)
        for i in np.flatnonzero(np.isfinite(duration) & (duration > 0.0)):
            out[i] = [sparc(values[i, :, k], float(duration[i]) / 100.0) for k in range(3)]
        return out

    return joints(walk, of_side, why.NO_TOE_OFF)


def sparc(speed: Vector, period_s: float) -> float:
    """Return the spectral arc length of a speed profile (N,) sampled every ``period_s``.

    Amplitude spectrum normalised to its value at zero, up to 10 Hz or the last frequency above 5 %,
    zero-padded 16-fold; arc length of amplitude over frequency (normalised to that band), negative.
    """
    size = int(2 ** (np.ceil(np.log2(len(speed))) + _SPARC_PADDING))
    amplitude = np.abs(np.fft.rfft(speed, size))
    if amplitude[0] <= 0.0:
        return float("nan")
    amplitude = amplitude / amplitude[0]
    frequency = np.fft.rfftfreq(size, period_s)
    inside = frequency <= _SPARC_CUT_HZ
    amplitude, frequency = amplitude[inside], frequency[inside]
    last = np.flatnonzero(amplitude >= _SPARC_LEAST)[-1]
    amplitude, frequency = amplitude[: last + 1], frequency[: last + 1]
    if len(frequency) < 2:
        return float("nan")
    width = frequency[-1] - frequency[0]
    return -float(np.sum(np.hypot(np.diff(frequency) / width, np.diff(amplitude))))
