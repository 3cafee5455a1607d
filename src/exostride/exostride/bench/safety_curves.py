"""Picture of the safety bench's trade-offs: a detector's delay against its alarms without a fault."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from exostride.bench.safety_free import KNOBS
from exostride.paths import config_dir
from exostride.safety.faults import CATALOGUE
from exostride.safety.limits import load_limits

_COLUMNS: Final = 4
_LINE, _IN_FORCE = "#2a6f97", "#b5483a"


def in_force(fault: str) -> float:
    """Return the threshold that the default limits have for a fault with a trade-off, in its own unit."""
    knob = KNOBS[fault]
    detect = load_limits(config_dir() / "limits" / "default.yaml").detect
    return float(getattr(getattr(detect, knob.group), knob.name))


def _draw(axes: Axes, fault: str, points: list[dict[str, Any]]) -> None:
    """Draw one fault's points; one that found none of its faults has no delay and is left out."""
    chosen = in_force(fault)
    places: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for point in points:
        place = (point["alarms_per_hour"], point["median_delay_periods"])
        if None not in place:
            places.setdefault(place, []).append(point)
    axes.plot([x for x, _ in places], [y for _, y in places], color=_LINE, lw=1.0, alpha=0.6)
    for place, here in places.items():
        colour = _IN_FORCE if chosen in [p["threshold"] for p in here] else _LINE
        whole = all(p["found"] == p["tried"] for p in here)
        axes.plot(*place, "o", ms=5.5, color=colour, mfc=colour if whole else "white")
        words = ", ".join(_words(p) for p in here)
        axes.annotate(
            words, place, xytext=(4, 5), textcoords="offset points", fontsize=7.5, color=colour, rotation=50
        )
    axes.set_title(f"{fault}  {CATALOGUE[fault].title}\n{KNOBS[fault].name}", fontsize=9)
    axes.set_xlabel("alarms an hour without a fault", fontsize=8)
    axes.set_ylabel("median delay [periods]", fontsize=8)
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(-0.3, 2e4)
    axes.margins(y=0.25)
    axes.tick_params(labelsize=7.5)
    axes.grid(alpha=0.25, lw=0.5)


def _words(point: dict[str, Any]) -> str:
    share = "" if point["found"] == point["tried"] else f" ({point['found']}/{point['tried']})"
    return f"{point['threshold']:g}{share}"


def figure_svg(curves: dict[str, list[dict[str, Any]]]) -> str:
    """Return the curves (by fault, as `summary` gives them) as one SVG element.

    A number is a threshold, red the one in force; a hollow mark has not found all of the faults tried.
    """
    rows = -(-len(curves) // _COLUMNS)
    figure = Figure(figsize=(3.1 * _COLUMNS, 2.9 * rows), layout="constrained")
    for n, (fault, points) in enumerate(curves.items(), start=1):
        _draw(figure.add_subplot(rows, _COLUMNS, n), fault, points)
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "exostride", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def write_picture(path: Path, curves: dict[str, list[dict[str, Any]]]) -> None:
    """Write the curves as one SVG file."""
    path.write_text(figure_svg(curves), encoding="utf-8")
