r"""Figures over sessions: what changed for certain, where it stands still, and where it may go.

The standard error of measurement comes from the sessions themselves: second differences take out level
and slope, so :math:`SEM^2 = \overline{(y_{i-1} - 2 y_i + y_{i+1})^2} / 6`. A change counts when it
exceeds the minimal detectable change :math:`MDC_{95} = 1.96 \sqrt 2\, SEM` (Weir 2005, J Strength
Cond Res 19:231-240).

The forecast is a straight line through the recent sessions (weights halve every four), whose slope is
shrunk by how sure it is (positive part of James & Stein 1961) and damped with distance (Gardner &
McKenzie 1985, Manage Sci 31:1237-1246). Its honesty is measured: :func:`backtest` forecasts every
session from those before it and compares with "as last time" and with a plain line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from exostride.analysis.registry import Better
from exostride.types import Vector

HALF_LIFE_SESSIONS: Final = 4.0
DAMPING: Final = 0.85
_LEAST_FOR_DIFFERENCES: Final = 4
_LEAST_FOR_LINE: Final = 3
_PLATEAU_SESSIONS: Final = 5
_ROUNDING: Final = 1e-6
"""Relative change below which two figures are the same one, computed twice."""


@dataclass(frozen=True)
class Course:
    """One figure over sessions, oldest first; NaN where a session has no value.

    ``margins`` are half-widths of the 95 % intervals within each session.
    """

    values: Vector
    margins: Vector
    better: Better = Better.NEITHER

    @property
    def known(self) -> Vector:
        """The finite values."""
        return self.values[np.isfinite(self.values)]


def measurement_error(course: Course) -> float:
    """Return the standard error of measurement between sessions; NaN when nothing is known of it.

    With fewer than four values it is that within the sessions, which is too small: bodies vary by the day.
    """
    y = course.known
    if len(y) >= _LEAST_FOR_DIFFERENCES:
        return float(np.sqrt(np.mean(np.diff(y, 2) ** 2) / 6.0))
    inside = course.margins[np.isfinite(course.values) & np.isfinite(course.margins)] / 1.96
    return float(np.sqrt(np.mean(inside**2))) if len(inside) else float("nan")


def minimal_detectable_change(course: Course) -> float:
    """Return MDC95; NaN when the measurement error is unknown."""
    return 1.96 * float(np.sqrt(2.0)) * measurement_error(course)


def gain(change: float, better: Better, start: float = 0.0) -> float:
    """Return a change as gain: positive is better; NaN where neither way is."""
    if better == Better.HIGHER:
        return change
    if better == Better.LOWER:
        return -change
    if better == Better.ZERO:
        return abs(start) - abs(start + change)
    return float("nan")


class Verdict:
    """What can be said of a course: message keys."""

    BETTER: Final = "better than at the start"
    WORSE: Final = "worse than at the start"
    SAME: Final = "no certain change"
    CHANGED: Final = "changed"
    UNKNOWN: Final = "too few sessions"


VERDICTS: Final = (Verdict.BETTER, Verdict.WORSE, Verdict.SAME, Verdict.CHANGED, Verdict.UNKNOWN)
PLATEAU: Final = "no certain change over the last five sessions"
SETBACK: Final = "worse than the two sessions before"
WARNINGS: Final = (PLATEAU, SETBACK)


def verdict(course: Course) -> str:
    """Return whether the last value differs from the first by more than MDC95, and which way."""
    y, limit = course.known, minimal_detectable_change(course)
    if len(y) < 2 or not np.isfinite(limit):
        return Verdict.UNKNOWN
    change = float(y[-1] - y[0])
    if abs(change) <= max(limit, _ROUNDING * float(np.abs(y).max())):
        return Verdict.SAME
    won = gain(change, course.better, float(y[0]))
    if not np.isfinite(won):
        return Verdict.CHANGED
    return Verdict.BETTER if won > 0.0 else Verdict.WORSE


def warning(course: Course) -> str:
    """Return :data:`SETBACK`, :data:`PLATEAU` or empty.

    A setback: the last value is worse than the mean of the two before by more than MDC95 (for a mean of
    two the limit is smaller by the root of 3/4). A plateau: after an earlier gain, no two of the last five
    values differ by more than MDC95.
    """
    y, limit = course.known, minimal_detectable_change(course)
    if len(y) < _LEAST_FOR_LINE or not np.isfinite(limit):
        return ""
    before = float(y[-3:-1].mean())
    if gain(float(y[-1]) - before, course.better, before) < -limit * np.sqrt(0.75):
        return SETBACK
    if len(y) > _PLATEAU_SESSIONS:
        recent = y[-_PLATEAU_SESSIONS:]
        earlier = gain(float(recent[0] - y[0]), course.better, float(y[0]))
        if np.isfinite(earlier) and earlier > limit and float(np.ptp(recent)) <= limit:
            return PLATEAU
    return ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast: mean and the bounds of its 80 % interval."""

    mean: float
    low: float
    high: float


def forecast(values: Vector, ahead: int = 1) -> Forecast | None:
    """Return what a figure may be ``ahead`` sessions on; None with fewer than three values."""
    y = values[np.isfinite(values)]
    n = len(y)
    if n < _LEAST_FOR_LINE:
        return None
    mean, error, freedom = _line_ahead(y, ahead)
    half = float(stats.t.ppf(0.9, freedom) * max(error, _past_error(y) * np.sqrt(ahead)))
    return Forecast(mean, mean - half, mean + half)


def _line_ahead(y: Vector, ahead: int) -> tuple[float, float, float]:
    """Return the damped line's mean, its standard error for one new session, and its degrees of freedom."""
    n = len(y)
    x = np.arange(n) - (n - 1.0)
    w = 0.5 ** (-x / HALF_LIFE_SESSIONS)
    centre = float(w @ x / w.sum())
    spread = float(w @ (x - centre) ** 2)
    middle = float(w @ y / w.sum())
    slope = float(w @ ((x - centre) * y) / spread)
    rest = y - middle - slope * (x - centre)
    count = float(w.sum() ** 2 / (w @ w))
    freedom = max(count - 2.0, 1.0)
    variance = float(w @ rest**2 / w.sum()) * count / freedom
    slope_error = variance * float((w**2) @ (x - centre) ** 2) / spread**2
    trust = max(0.0, 1.0 - slope_error / slope**2) if slope != 0.0 else 0.0
    way = float(np.sum(DAMPING ** np.arange(1, ahead + 1)))
    mean = middle + trust * slope * (way - centre)
    # Of one new session: its own scatter, the level's error, the slope's error over the way.
    error = np.sqrt(variance * (1.0 + 1.0 / count) + slope_error * (ahead - centre) ** 2)
    return mean, float(error), freedom


def _past_error(y: Vector) -> float:
    """Return the root mean square by which earlier forecasts missed the next session; 0 when there are none.

    A straight line through a bent course fits well and forecasts badly; its misses know that.
    """
    misses = []
    for k in range(_LEAST_FOR_LINE, len(y)):
        found = _line_ahead(y[:k], 1)
        misses.append(found[0] - float(y[k]))
    return float(np.sqrt(np.mean(np.square(misses)))) if misses else 0.0


def last_value(values: Vector) -> float:
    """Return the naive forecast: as last time."""
    return float(values[-1])


def straight_line(values: Vector) -> float:
    """Return the forecast of a line through all values."""
    x = np.arange(len(values), dtype=float)
    slope, start = np.polyfit(x, values, 1)
    return float(start + slope * len(values))


@dataclass(frozen=True, slots=True)
class Backtest:
    """Mean absolute errors of forecasts of held-out sessions, and how often the 80 % interval held."""

    n: int
    ours: float
    last_value: float
    straight_line: float
    covered: float


def backtest(courses: Sequence[Vector]) -> Backtest | None:
    """Forecast every session from those before it; None when no course is long enough.

    Errors of different figures are made comparable by the spread of each course.
    """
    errors: list[tuple[float, float, float, float]] = []
    rivals: tuple[Callable[[Vector], float], ...] = (last_value, straight_line)
    for course in courses:
        y = course[np.isfinite(course)]
        scale = float(y.std()) if len(y) else 0.0
        for k in range(_LEAST_FOR_LINE, len(y)):
            found = forecast(y[:k])
            if found is None or scale == 0.0:
                continue
            true = float(y[k])
            misses = [abs(rival(y[:k]) - true) / scale for rival in rivals]
            held = float(found.low <= true <= found.high)
            errors.append((abs(found.mean - true) / scale, misses[0], misses[1], held))
    if not errors:
        return None
    ours, naive, line, covered = (float(v) for v in np.mean(errors, axis=0))
    return Backtest(len(errors), ours, naive, line, covered)


@dataclass(frozen=True)
class Milestone:
    """A figure that was reached for the first time."""

    text: str
    metric: str
    key: str
    level: float


SPEED_HOME: Final = "Walking speed of 0.4 m/s: out of the house with help (Perry et al. 1995)"
SPEED_TOWN: Final = "Walking speed of 0.8 m/s: about town on one's own (Perry et al. 1995)"
STEPS: Final = "{level} steps in one session"
EVEN: Final = "Step time even to within 10 %"
MILESTONES: Final = (
    Milestone(SPEED_HOME, "speed_m_s", "", 0.4),
    Milestone(SPEED_TOWN, "speed_m_s", "", 0.8),
    *(Milestone(STEPS, "steps", "", float(n)) for n in (100, 250, 500, 1000, 2000)),
    Milestone(EVEN, "step_time_symmetry_percent", "", 10.0),
)


def reached(milestone: Milestone, values: Vector, better: Better) -> int | None:
    """Return the first session (from 0) that reached a milestone which the first session had not, or None."""
    there = np.abs(values) <= milestone.level if better == Better.ZERO else values >= milestone.level
    there = there & np.isfinite(values)
    if not there.any() or there[0]:
        return None
    return int(np.argmax(there))
