"""The page of ``exostride bench control``: verdict, Pareto picture and table, in one self-contained file."""

from __future__ import annotations

import html
from collections.abc import Sequence
from io import StringIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from exostride.bench.control_grid import GUIDANCE
from exostride.bench.control_verdict import Row, means
from exostride.bench.control_words import patient_line, verdict_line

COLUMNS = {
    "tracking_error_deg": ("error beyond dead-band", "deg", 1),
    "assist_work_fraction": ("assistance work", "of all", 3),
    "effort_retained": ("effort kept", "of unassisted", 2),
    "decay_strides": ("decay after recovery", "strides", 1),
    "interaction_torque_nm": ("interaction", "N m", 1),
    "clearance_mm": ("clearance", "mm", 1),
    "clear_percent": ("steps clear", "%", 0),
    "drag_steps": ("dragged", "steps", 1),
    "effort_level": ("patient tries", "of all they can", 2),
    "symmetry_index": ("stance asymmetry", "%", 1),
    "us_per_step": ("time", "µs", 0),
}
_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .55rem;text-align:right;"
    "border-bottom:1px solid #ddd}td:first-child,th:first-child,td:nth-child(2),th:nth-child(2)"
    "{text-align:left}tr.own{background:#eef6ee}tr.fell{color:#a33}svg{max-width:100%;height:auto}"
)


def page(result: dict[str, Any]) -> str:
    """Return the HTML of a result, as ``exostride bench control --json`` writes it."""
    rows: list[Row] = result["rows"]
    table = means(rows, list(COLUMNS))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Control bench</title>",
        f"<style>{_STYLE}</style><h1>Control bench</h1>",
        f"<p>{len(rows)} walks, {result['simulated_seconds']:.0f} simulated seconds; "
        f"{result['skipped']} walks of the grid not done. Model {html.escape(result['model_hash'])}.</p>",
        _verdict(result),
        "<h2>Error against assistance</h2><p>Every point is the mean of a patient's seeds; down and left is "
        f"better. The line joins the levels of fixed guidance; slacking × {_first(rows):g}.</p>",
        _pareto([row for row in table if row["slacking"] == _first(rows)], result["default"]),
        "<h2>All rows</h2>",
        _table(table, result["default"]),
        "</html>",
    ]
    return "\n".join(parts)


def _first(rows: Sequence[Row]) -> float:
    """Return the slacking that the picture shows: the first of the grid."""
    return float(rows[0]["slacking"]) if rows else 1.0


def _verdict(result: dict[str, Any]) -> str:
    lines = ["<h2>The default against fixed guidance at the same error</h2><ul>"]
    lines += [f"<li><b>{html.escape(verdict_line(item))}</b></li>" for item in result["verdict"]]
    lines += [f"<li>{html.escape(patient_line(item))}</li>" for item in result["patients"]]
    return "".join(lines) + "</ul>"


def _pareto(table: Sequence[Row], default: str) -> str:
    patients = sorted({row["patient"] for row in table})
    across = min(3, max(len(patients), 1))
    down = max(1, -(-len(patients) // across))
    figure = Figure(figsize=(4.2 * across, 3.3 * down), layout="constrained")
    grid = np.atleast_1d(figure.subplots(down, across)).ravel()
    for axes in grid[len(patients) :]:
        axes.set_visible(False)
    for axes, patient in zip(grid, patients, strict=False):
        own = [row for row in table if row["patient"] == patient and not row["falls"]]
        curve = sorted(
            (row for row in own if row["controller"].startswith(GUIDANCE)),
            key=lambda row: float(row["controller"].rsplit("_", 1)[1]),
        )
        axes.plot(
            [row["assist_work_fraction"] for row in curve],
            [row["tracking_error_deg"] for row in curve],
            "o-",
            color="0.6",
            markersize=3,
        )
        for row in own:
            if row not in curve:
                point = row["assist_work_fraction"], row["tracking_error_deg"]
                chosen = row["controller"] == default
                axes.plot(*point, "D" if chosen else "o", color="tab:green" if chosen else "tab:blue", ms=4)
                axes.annotate(row["controller"], point, fontsize=6, xytext=(3, 2), textcoords="offset points")
        axes.set_title(patient, fontsize=9)
        axes.set_xlabel("assistance work of all", fontsize=8)
        axes.set_ylabel("error beyond dead-band [deg]", fontsize=8)
        axes.tick_params(labelsize=7)
    out = StringIO()
    figure.savefig(out, format="svg")
    text = out.getvalue()
    return text[text.index("<svg") :]


def _table(table: Sequence[Row], default: str) -> str:
    heads = "".join(f"<th>{name}<br><small>{unit}</small></th>" for name, unit, _ in COLUMNS.values())
    lines = [
        f"<table><tr><th>patient</th><th>law</th><th>slacking</th><th>walks</th><th>falls</th>{heads}</tr>"
    ]
    for row in sorted(table, key=lambda r: (r["patient"], r["controller"], r["slacking"])):
        mark = "fell" if row["falls"] else ("own" if row["controller"] == default else "")
        cells = "".join(f"<td>{_number(row[key], digits)}</td>" for key, (_, _, digits) in COLUMNS.items())
        lines.append(
            f"<tr class='{mark}'><td>{html.escape(row['patient'])}</td>"
            f"<td>{html.escape(row['controller'])}</td><td>{row['slacking']:g}</td><td>{row['n']}</td><td>{row['falls']}</td>{cells}</tr>"
        )
    return "\n".join(lines) + "</table>"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"
