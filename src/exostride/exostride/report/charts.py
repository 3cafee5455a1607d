"""The charts of a session report."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.estimate import Estimate
from exostride.analysis.metrics.kinetics import loads_n
from exostride.analysis.norms import angle_band, load_band
from exostride.analysis.summary import Analysis
from exostride.analysis.walk import PERCENT
from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS, SIDES
from exostride.report import svg
from exostride.report.language import Language

JOINT_WORDS: Final = {"hip": "Hip", "knee": "Knee", "ankle": "Ankle"}
SIDE_WORDS: Final = {"left": "Left", "right": "Right"}
ANGLE_AXIS: Final = {
    "hip": "Extension – flexion [°]",
    "knee": "Extension – flexion [°]",
    "ankle": "Plantar – dorsiflexion [°]",
}
_ANGLE_RANGE: Final = {"hip": (-25.0, 45.0), "knee": (-10.0, 80.0), "ankle": (-35.0, 25.0)}
Array = NDArray[np.float64]


def effort_figure(analysis: Analysis, _: Language) -> str:
    """Return both legs with a ring at each joint: how much of the work was the patient's own."""
    parts = [_legs()]
    described = []
    for side, x, text_x, anchor in (("left", 168.0, 124.0, "end"), ("right", 252.0, 296.0, "start")):
        parts.append(
            svg.label(text_x, 22, _(SIDE_WORDS[side]), 15, anchor, svg.SIDE_COLOUR[side], font_weight=700)
        )
        for kind, y in zip(JOINT_KINDS, (62.0, 172.0, 278.0), strict=True):
            estimate = analysis.one("contribution_percent", f"{kind}_{side}")
            parts.append(_ring(x, y, estimate, svg.SIDE_COLOUR[side]))
            name = _(JOINT_WORDS[kind])
            value, more = effort_words(estimate, _)
            parts.append(svg.label(text_x, y - 8, name, 13, anchor, svg.SOFT))
            parts.append(svg.label(text_x, y + 14, value, 22, anchor, svg.INK, font_weight=700))
            parts.append(svg.label(text_x, y + 31, more, 12, anchor, svg.SOFT))
            described.append(f"{name} {_(SIDE_WORDS[side])}: {value} {more}")
    return svg.picture(420, 330, "".join(parts), _("Own effort at each joint"), "; ".join(described))


def effort_words(estimate: Estimate, _: Language) -> tuple[str, str]:
    """Return a share and its interval in words."""
    if not estimate.known:
        return _.number(np.nan), _("not known")
    low, high = (min(max(estimate.value + s * estimate.margin, 0.0), 100.0) for s in (-1.0, 1.0))
    value = f"{_.number(estimate.value, 0)} %"
    if not np.isfinite(estimate.margin):
        return value, ""
    return value, f"{_.number(low, 0)}–{_.number(high, 0)} %"


def _legs() -> str:
    limb: dict[str, Any] = {
        "fill": "none",
        "stroke": "#e6ebf0",
        "stroke_width": 34,
        "stroke_linecap": "round",
        "stroke_linejoin": "round",
    }
    trunk = svg.tag("path", d="M176 44 Q210 22 244 44 L252 62 Q210 84 168 62 Z", fill="#e6ebf0")
    legs = [svg.tag("path", d=f"M{x} 62 L{x} 172 L{x} 278", **limb) for x in (168, 252)]
    feet = [
        svg.tag("path", d=f"M{x} 296 q{dx} 0 {2 * dx} 8", **{**limb, "stroke_width": 22})
        for x, dx in ((168, -8), (252, 8))
    ]
    return trunk + "".join(legs) + "".join(feet)


def _ring(x: float, y: float, estimate: Estimate, colour: str) -> str:
    radius, width = 19.0, 8.0
    parts = [svg.tag("circle", cx=x, cy=y, r=radius, fill="#fff", stroke="#cfd7df", stroke_width=width)]
    if estimate.known:
        share = min(max(estimate.value / 100.0, 0.0), 1.0)
        margin = estimate.margin / 100.0 if np.isfinite(estimate.margin) else 0.0
        low, high = max(share - margin, 0.0), min(share + margin, 1.0)
        if share > 0.005:
            parts.append(
                svg.tag(
                    "path",
                    d=svg.arc(x, y, radius, 0.0, share),
                    fill="none",
                    stroke=colour,
                    stroke_width=width,
                )
            )
        if high - low > 0.005:
            # The thin outer arc is the interval: it reads in grey as well.
            parts.append(
                svg.tag(
                    "path",
                    d=svg.arc(x, y, radius + width / 2 + 3, low, high),
                    fill="none",
                    stroke=svg.INK,
                    stroke_width=1.6,
                )
            )
    else:
        parts.append(svg.label(x, y + 5, "?", 15, "middle", svg.SOFT))
    return "".join(parts)


def balance(left: Estimate, right: Estimate, title: str, unit: str, decimals: int, _: Language) -> str:
    """Return two bars that grow from the middle to the left and to the right."""
    width, height, centre, reach = 420.0, 58.0, 210.0, 150.0
    parts = [svg.label(centre, 14, title, 13, "middle", svg.SOFT)]
    largest = max([abs(e.value) for e in (left, right) if e.known] or [1.0]) or 1.0
    for estimate, side, sign in ((left, "left", -1.0), (right, "right", 1.0)):
        colour = svg.SIDE_COLOUR[side]
        anchor = "end" if sign < 0 else "start"
        if not estimate.known:
            parts.append(svg.label(centre + sign * 12, 41, _("not known"), 13, anchor, svg.SOFT))
            continue
        size = reach * abs(estimate.value) / largest
        x = centre - size - 1 if sign < 0 else centre + 1
        parts.append(svg.tag("rect", x=x, y=24.0, width=size, height=24.0, rx=3, fill=colour))
        text = f"{_.number(estimate.value, decimals)} {unit}".strip()
        parts.append(svg.label(centre + sign * (size + 8), 41, text, 13, anchor, svg.INK, font_weight=700))
    parts.append(svg.tag("line", x1=centre, x2=centre, y1=20, y2=52, stroke=svg.INK, stroke_width=1.4))
    return svg.picture(width, height, "".join(parts), title, "")


def angle_chart(analysis: Analysis, joint: str, _: Language) -> str:
    """Return a joint's mean angle over the cycle, both legs, with the norm's band."""
    k = JOINT_KINDS.index(joint)
    angles, band = analysis.walk.angles_deg, angle_band(analysis.walk)
    low, high = _ANGLE_RANGE[joint]
    curves = (
        []
        if angles is None
        else [c[:, :, k].mean(axis=0) if len(c) else np.full(101, np.nan) for c in angles]
    )
    for curve in curves:
        if np.isfinite(curve).any():
            low, high = min(low, float(np.nanmin(curve)) - 3.0), max(high, float(np.nanmax(curve)) + 3.0)
    plot = svg.Plot(
        340, 250, (0.0, 100.0), (low, high), _.number, _("Gait cycle [%]"), _(ANGLE_AXIS[joint]), top=22
    )
    plot.axes(x_ticks=(0, 20, 40, 60, 80, 100))
    if band is not None:
        mean, sd = band.mean_deg[:, k], band.sd_deg[:, k]
        plot.band(PERCENT, mean - 2.0 * sd, mean + 2.0 * sd, opacity=0.16)
        plot.band(PERCENT, mean - sd, mean + sd, opacity=0.22)
    for side, curve in zip(SIDES, curves, strict=False):
        plot.line(PERCENT, curve, svg.SIDE_COLOUR[side], 2.4, svg.SIDE_DASH[side])
        _toe_off(plot, analysis, side)
    return plot.svg(f"{_(JOINT_WORDS[joint])}: {_('Joint angle over the gait cycle')}")


def _toe_off(plot: svg.Plot, analysis: Analysis, side: str) -> None:
    off = analysis.one("stance_percent", side)
    if off.known:
        plot.vertical(off.value, svg.SIDE_COLOUR[side])


def load_chart(analysis: Analysis, _: Language) -> str | None:
    """Return the load on each foot over the cycle [% of body weight], or None when it is unknown."""
    load, body = loads_n(analysis.walk), analysis.session.body
    if load is None or body is None or not any(len(leg) for leg in analysis.walk.legs):
        return None
    weight = body.mass_kg * GRAVITY_M_S2
    curves = [
        100.0 * analysis.walk.cycles(load[:, s], s).mean(axis=0) / weight
        for s in (0, 1)
        if len(analysis.walk.legs[s])
    ]
    band = load_band(analysis.walk)
    tops = [110.0, *(float(c.max()) + 5.0 for c in curves)]
    if band is not None:
        tops.append(float((band.mean_percent + 2.0 * band.sd_percent).max()) + 5.0)
    plot = svg.Plot(340, 250, (0.0, 100.0), (0.0, max(tops)), _.number)
    plot.x_label, plot.y_label, plot.top = _("Gait cycle [%]"), _("Load [% of body weight]"), 22
    plot.axes(x_ticks=(0, 20, 40, 60, 80, 100))
    for width, opacity in ((2.0, 0.16), (1.0, 0.22)) if band is not None else ():
        assert band is not None
        low, high = (band.mean_percent + s * width * band.sd_percent for s in (-1.0, 1.0))
        plot.band(PERCENT, np.maximum(low, 0.0), np.maximum(high, 0.0), opacity=opacity)
    sides = [name for s, name in enumerate(SIDES) if len(analysis.walk.legs[s])]
    for side, curve in zip(sides, curves, strict=True):
        plot.line(PERCENT, curve, svg.SIDE_COLOUR[side], 2.4, svg.SIDE_DASH[side])
    return plot.svg(_("Load on each foot over the gait cycle"))


def course_chart(
    analysis: Analysis, metric: str, kind: str, _: Language, y_label: str, span: tuple[float, float]
) -> str | None:
    """Return a joint's figure stride by stride over the session, both sides; None when unknown."""
    estimates = {side: analysis.one(metric, f"{kind}_{side}" if kind else side) for side in SIDES}
    if not any(len(e.series) for e in estimates.values()):
        return None
    end = max(float(e.time_s[-1]) for e in estimates.values() if len(e.time_s))
    minutes = end > 120.0
    unit = 60.0 if minutes else 1.0
    plot = svg.Plot(
        270,
        200,
        (0.0, end / unit),
        span,
        _.number,
        _("Time [min]") if minutes else _("Time [s]"),
        y_label,
        top=22,
    )
    plot.axes()
    for side, e in estimates.items():
        if not len(e.series):
            continue
        plot.dots(e.time_s / unit, e.series, svg.SIDE_COLOUR[side], 1.6, 0.35)
        plot.line(e.time_s / unit, _running(e.series), svg.SIDE_COLOUR[side], 2.2, svg.SIDE_DASH[side])
    return plot.svg(f"{_(JOINT_WORDS[kind]) if kind else ''}: {y_label}")


def _running(values: Array, width: int = 9) -> Array:
    """Return a centred running mean whose window shrinks at the ends."""
    n = len(values)
    half = min(width // 2, max(n // 4, 0))
    total = np.concatenate([[0.0], np.cumsum(values)])
    i = np.arange(n)
    a, b = np.maximum(i - half, 0), np.minimum(i + half + 1, n)
    return np.asarray((total[b] - total[a]) / (b - a))
