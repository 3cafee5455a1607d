"""The report over many sessions: certain changes, milestones, warnings, and a cautious outlook."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from exostride.analysis.progress import (
    MILESTONES,
    Course,
    backtest,
    forecast,
    minimal_detectable_change,
    verdict,
    warning,
)
from exostride.analysis.registry import REGISTRY, Metric
from exostride.analysis.store import Entry, Store
from exostride.report import milestones, svg
from exostride.report.charts import JOINT_WORDS, SIDE_WORDS
from exostride.report.html import TEMPLATES, template
from exostride.report.language import Language

SHOWN: Final = (
    ("speed_m_s", ""),
    ("steps", ""),
    ("walking_time_s", ""),
    ("contribution_percent", "knee_left"),
    ("contribution_percent", "knee_right"),
    ("contribution_percent", "hip_left"),
    ("contribution_percent", "hip_right"),
    ("assistance_percent", "knee_left"),
    ("assistance_percent", "knee_right"),
    ("step_time_symmetry_percent", ""),
    ("weight_symmetry_percent", ""),
    ("knee_flexion_swing_deg", "left"),
    ("knee_flexion_swing_deg", "right"),
    ("foot_clearance_mm", "left"),
    ("foot_clearance_mm", "right"),
    ("unloading_percent", ""),
)
"""Figures of the progress report, the most telling first."""


def progress_page(store: Store, patient: str, language: Language) -> str:
    """Return the progress report of a patient as HTML.

    Raises
    ------
    InputError
        The store has nobody of that pseudonym.
    """
    _ = language
    entries = store.sessions(patient)
    courses = {(name, key): store.course(patient, name, key) for name, key in SHOWN}
    known = {place: course for place, course in courses.items() if len(course.known)}
    context: dict[str, Any] = {
        "_": _,
        "lang": _.tag,
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "patient": patient,
        "count": _.number(len(entries), 0),
        "first": _day(entries[0], _),
        "last": _day(entries[-1], _),
        "milestones": list(_milestones(store, patient, entries, _)),
        "warnings": list(_warnings(known, _)),
        "charts": [
            Markup(_chart(place, course, _)) for place, course in known.items() if len(course.known) > 1
        ],
        "rows": [_row(place, course, _) for place, course in known.items()],
        "forecast": _honesty([course.values for course in known.values()], _),
    }
    return template("progress.html.jinja").render(context)


def _day(entry: Entry, _: Language) -> str:
    try:
        return _.date(datetime.fromisoformat(entry.started))
    except ValueError:
        return _("date not recorded")


def _title(metric: Metric, key: str, _: Language) -> str:
    if "_" in key:
        kind, side = key.split("_")
        return f"{_(metric.title)}: {_(JOINT_WORDS[kind])}, {_(SIDE_WORDS[side])}"
    return f"{_(metric.title)}: {_(SIDE_WORDS[key])}" if key else _(metric.title)


def _milestones(store: Store, patient: str, entries: list[Entry], _: Language) -> Iterator[Markup]:
    places = dict.fromkeys((m.metric, m.key) for m in MILESTONES)
    courses = {place: store.course(patient, *place) for place in places}
    for step in milestones.shown({place: (c.values, c.better) for place, c in courses.items()}):
        day = "" if step.session is None else _day(entries[step.session], _)
        yield Markup(milestones.picture(step, day, _))


def _warnings(courses: dict[tuple[str, str], Course], _: Language) -> Iterator[str]:
    for (name, key), course in courses.items():
        said = warning(course)
        if said:
            yield f"{_title(REGISTRY[name], key, _)}: {_(said)}"


def _row(place: tuple[str, str], course: Course, _: Language) -> dict[str, str]:
    metric = REGISTRY[place[0]]
    y, limit = course.known, minimal_detectable_change(course)
    outlook = forecast(course.values)
    bounds = (
        ""
        if outlook is None
        else f"{_.number(outlook.low, metric.decimals)} … {_.number(outlook.high, metric.decimals)}"
    )
    return {
        "title": _title(metric, place[1], _),
        "unit": metric.unit,
        "first": _.number(float(y[0]), metric.decimals),
        "last": _.number(float(y[-1]), metric.decimals),
        "mdc": _.number(limit, metric.decimals) if math.isfinite(limit) else "",
        "verdict": _(verdict(course)),
        "outlook": bounds,
    }


def _honesty(courses: list[Any], _: Language) -> str:
    found = backtest(courses)
    if found is None:
        return _("The outlook could not be checked against held-out sessions yet: too few sessions.")
    return _(
        "Checked on {n} held-out figures of this patient: mean error {ours} of a figure's spread, against "
        '{naive} for "as last time" and {line} for a straight line; the 80 % interval held in {covered} %.',
        n=_.number(found.n, 0),
        ours=_.number(found.ours, 2),
        naive=_.number(found.last_value, 2),
        line=_.number(found.straight_line, 2),
        covered=_.number(100.0 * found.covered, 0),
    )


def _chart(place: tuple[str, str], course: Course, _: Language) -> str:
    metric = REGISTRY[place[0]]
    values, margins = course.values, np.nan_to_num(course.margins)
    n = len(values)
    outlook = [found for found in (forecast(values, k) for k in (1, 2)) if found is not None]
    lows = [*(values - margins)[np.isfinite(values)], *(f.low for f in outlook)]
    highs = [*(values + margins)[np.isfinite(values)], *(f.high for f in outlook)]
    pad = 0.08 * max(max(highs) - min(lows), 0.1 * abs(float(course.known[0])), 1e-3)
    span = (min(lows) - pad, max(highs) + pad)
    plot = svg.Plot(
        270, 190, (0.5, n + len(outlook) + 0.5), span, _.number, _("Session"), metric.unit, top=24
    )
    plot.axes(x_ticks=[float(v) for v in range(1, n + 1, max(1, n // 8))])
    limit = minimal_detectable_change(course)
    first = float(course.known[0])
    if math.isfinite(limit):
        edge = np.array([0.5, n + len(outlook) + 0.5])
        plot.band(edge, np.full(2, first - limit), np.full(2, first + limit), opacity=0.18)
    at = np.arange(1.0, n + 1.0)
    if outlook:
        x = np.array([float(n), *(n + k for k in range(1, len(outlook) + 1))])
        start = float(course.known[-1])
        low, high = (np.array([start, *(getattr(f, name) for f in outlook)]) for name in ("low", "high"))
        plot.band(x, low, high, svg.SUN, 0.25)
        plot.line(x, np.array([start, *(f.mean for f in outlook)]), svg.SUN, 2.0, "4 3")
    for x_at, v, m in zip(at, values, margins, strict=True):
        if np.isfinite(v) and m > 0.0:
            u = plot.x(float(x_at))
            plot.parts.append(
                svg.tag(
                    "line", x1=u, x2=u, y1=plot.y(v - m), y2=plot.y(v + m), stroke=svg.SOFT, stroke_width=1.3
                )
            )
    colour = svg.RIGHT if place[1].endswith("right") else svg.LEFT
    plot.line(at, values, colour, 2.2)
    plot.dots(at, values, colour, 3.6, 1.0)
    chart = plot.svg(_title(metric, place[1], _))
    return f"<figure>{chart}<figcaption>{_title(metric, place[1], _)}</figcaption></figure>"
