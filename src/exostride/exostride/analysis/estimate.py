"""A figure with its spread and its uncertainty, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy import stats

from exostride.types import Vector

NO_STRIDES: Final = "no complete stride was found"
FEW_STRIDES: Final = "fewer than three strides"
NO_ANGLES: Final = "joint angles were not measured"
NO_LOADS: Final = "foot loads were not measured"
NO_GROUND_FORCE: Final = "ground forces were not measured"
NO_CUFFS: Final = "interaction torques were not measured"
NO_PELVIS: Final = "the motion of the pelvis was not measured"
NO_BELT: Final = "the speed of the belt was not recorded, or it stood still"
NO_COMMANDS: Final = "no commands of a controller were recorded"
NO_HEART: Final = "the heart rate was not measured"
NO_BODY: Final = "the body dimensions are not in the recording"
NO_TOE_OFF: Final = "toe off was not detected"
NO_OTHER_LEG: Final = "the other leg has no matching event"
NO_APPLIED: Final = "the torques of the drives were not recorded"
LITTLE_WORK: Final = "too little positive work for a share to mean anything"
UNCERTAIN: Final = "its uncertainty is larger than half the scale"
ONE_SIDE: Final = "one of the two sides has no value"
NO_SAFETY: Final = "the states of the safety supervisor were not recorded"
NO_NORM: Final = "no published norm applies at this speed or body size"
REASONS: Final = tuple(value for name, value in tuple(vars().items()) if name.isupper())
"""Every reason, for translators."""

_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure.

    Attributes
    ----------
    value
        Mean over strides, or the figure itself; NaN when it cannot be computed.
    sd
        Standard deviation between strides; NaN for figures of a whole session.
    margin
        Half-width of the 95 % confidence interval of ``value``; NaN where unknown.
    n
        Strides (or samples) behind it.
    reason
        Why ``value`` is NaN; empty otherwise.
    series, time_s
        Value of each stride and its time, for trends within a session.
    """

    value: float
    sd: float = np.nan
    margin: float = np.nan
    n: int = 0
    reason: str = ""
    series: Vector = field(default_factory=lambda: np.zeros(0))
    time_s: Vector = field(default_factory=lambda: np.zeros(0))

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not self.reason


def missing(reason: str) -> Estimate:
    """Return the estimate that says why there is none."""
    return Estimate(float("nan"), reason=reason)


def single(value: float, n: int = 1, margin: float = np.nan, reason: str = NO_STRIDES) -> Estimate:
    """Return a figure of the whole session; ``reason`` stands in when ``value`` is not finite."""
    if not np.isfinite(value):
        return missing(reason)
    return Estimate(float(value), margin=float(margin), n=n)


def standard_error(values: Vector) -> float:
    """Return the standard error of the mean of values that follow each other.

    Neighbouring strides resemble each other, so fewer of them are independent: with lag-one
    correlation r (negative ones taken as none) n (1 - r) / (1 + r) are left (Bayley & Hammersley 1946,
    J R Stat Soc Suppl 8:184).
    """
    n = len(values)
    if n < 2:
        return float("nan")
    deviation = values - values.mean()
    power = float(deviation @ deviation)
    r = float(deviation[1:] @ deviation[:-1]) / power if power > 0.0 else 0.0
    left = max(n * (1.0 - max(r, 0.0)) / (1.0 + max(r, 0.0)), 2.0)
    return float(values.std(ddof=1) / np.sqrt(left))


def over_strides(values: Vector, time_s: Vector, reason: str) -> Estimate:
    """Return the mean over strides with its 95 % interval (Student's t).

    Parameters
    ----------
    values : (n,) one a stride, NaN where it has none
    time_s : (n,) time of each stride [s]
    reason : why, when no stride has a value
    """
    finite = np.isfinite(values)
    good = values[finite]
    if not len(good):
        return missing(reason)
    sd = float(good.std(ddof=1)) if len(good) > 1 else float("nan")
    margin = float("nan")
    if len(good) >= _FEW:
        margin = float(stats.t.ppf(0.975, len(good) - 1)) * standard_error(good)
    return Estimate(float(good.mean()), sd, margin, len(good), "", good, time_s[finite])
