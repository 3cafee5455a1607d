"""The phase bench as one self-contained page: tables and charts, readable without the tool that made it."""

# ruff: noqa: E501 - lines of markup
from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from exostride.errors import InputError

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ title }}</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b2530}
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .7rem;border-bottom:1px solid #d5dce3;text-align:right}
th:first-child,td:first-child{text-align:left}tr.mean td{font-weight:600}td.best{background:#e3f4e6}
svg{max-width:100%;height:auto}p.note{color:#566}
</style></head><body><h1>{{ title }}</h1>{{ intro }}
{% for block in blocks %}<h2>{{ block.heading }}</h2>{% if block.note %}<p class="note">{{ block.note }}</p>{% endif %}
{% if block.rows %}<table><thead><tr>{% for h in block.head %}<th>{{ h }}</th>{% endfor %}</tr></thead><tbody>
{% for row in block.rows %}<tr{% if row.mean %} class="mean"{% endif %}>{% for c in row.cells %}<td{% if c.best %} class="best"{% endif %}>{{ c.text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>{% endif %}{% if block.chart %}{{ block.chart|safe }}{% endif %}{% endfor %}
</body></html>
"""

SCORE_NOTE = (
    "Truth: linear in time between labelled heel strikes. The first ten strides fix one constant offset a leg; "
    "what is counted comes after them, causally, in one pass. A star counts lost locks."
)


def _svg(figure: Figure) -> str:
    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue().decode()
    return text[text.index("<svg") :]


def _cell(text: str, best: bool = False) -> dict[str, Any]:
    return {"text": text, "best": best}


def _rmse(figures: dict[str, Any] | None) -> float | None:
    return None if not figures else figures.get("rmse_pct")


def _rmse_block(result: dict[str, Any]) -> dict[str, Any]:
    keys = list(dict.fromkeys(k for r in result["recordings"].values() for k in r))
    named = [(name, row, False) for name, row in result["recordings"].items()]
    named += [(f"mean {kind.replace('_', ' ')}", row, True) for kind, row in result["means"].items()]
    rows = []
    for name, row, mean in named:
        values = {key: _rmse(row.get(key)) for key in keys}
        known = [v for v in values.values() if v is not None]
        cells = [_cell(name)]
        for key in keys:
            value = values[key]
            losses = (row.get(key) or {}).get("lock_losses") or 0
            text = "–" if value is None else f"{value:.2f}" + (f" *{losses:.0f}" if losses >= 0.5 else "")
            cells.append(_cell(text, value is not None and value == min(known)))
        rows.append({"cells": cells, "mean": mean})
    return {
        "heading": "RMSE of the phase, % of the cycle",
        "note": SCORE_NOTE,
        "head": ["recording", *(k.replace("_", " ") for k in keys)],
        "rows": rows,
        "chart": _rmse_chart(result, keys),
    }


def _rmse_chart(result: dict[str, Any], keys: list[str]) -> str:
    kinds = [kind for kind in ("changing_speed", "steady") if result["means"].get(kind)]
    figure = Figure(figsize=(9.0, 0.5 + 0.42 * len(keys) * max(len(kinds), 1)), layout="constrained")
    axes = figure.subplots(max(len(kinds), 1), 1, squeeze=False)[:, 0]
    for axis, kind in zip(axes, kinds, strict=False):
        values = [_rmse(result["means"][kind].get(key)) or 0.0 for key in keys]
        colours = ["#2b7a4b" if key.startswith("default") else "#8aa0b4" for key in keys]
        axis.barh([k.replace("_", " ") for k in keys], values, color=colours)
        axis.invert_yaxis()
        axis.set_title(kind.replace("_", " "), loc="left")
        axis.set_xlabel("mean RMSE [% of the cycle]")
        axis.spines[["top", "right"]].set_visible(False)
    return _svg(figure)


def _events_block(result: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for name, row in result["recordings"].items():
        for key, figures in row.items():
            if not key.startswith("default"):
                continue
            for event, e in figures["events"].items():
                numbers = [
                    ("f1", "{:.3f}"),
                    ("median_ms", "{:+.1f}"),
                    ("mad_ms", "{:.1f}"),
                    ("delay_ms", "{:.0f}"),
                ]
                texts = ["–" if e[k] is None else form.format(e[k]) for k, form in numbers]
                cells = [name, key, event.replace("_", " "), *texts, str(e["labels"])]
                rows.append({"cells": [_cell(c) for c in cells], "mean": False})
    return {
        "heading": "Events",
        "note": "F1 within 50 ms; median and median absolute deviation of the timing error; delay of detection.",
        "head": ["recording", "signals", "event", "F1", "median [ms]", "MAD [ms]", "delay [ms]", "labels"],
        "rows": rows,
    }


def _reliability_block(result: dict[str, Any]) -> dict[str, Any]:
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="#b0bac4", lw=1)
    for key, bands in result["reliability"].items():
        axis.plot(
            [b["confidence"] for b in bands], [b["within_5_pct"] for b in bands], marker="o", label=key, ms=4
        )
    axis.set_xlabel("confidence told")
    axis.set_ylabel("share of errors below 5 %")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return {
        "heading": "Is the confidence worth its name?",
        "note": "On the diagonal it is; above it, it is too modest.",
        "chart": _svg(figure),
    }


def _stress_block(result: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "cells": [
                _cell(kind.replace("_", " ")),
                _cell(f"{row['trials']:.0f}"),
                _cell(f"{row['recovered_pct']:.1f}"),
                _cell(f"{row['strides_median']:.2f}"),
                _cell(f"{row['strides_p95']:.2f}"),
            ],
            "mean": kind == "all",
        }
        for kind, row in (*result["by_disturbance"].items(), ("all", result["all"]))
    ]
    return {
        "heading": f"Disturbed walks, estimator {result['estimator']}",
        "note": "Recovered: within five strides the error is below 10 % for two whole strides and no lock is lost after.",
        "head": ["disturbance", "trials", "recovered [%]", "strides to re-lock, median", "95 %"],
        "rows": rows,
    }


def render(result: dict[str, Any]) -> str:
    """Return the page of a scoreboard or a stress test."""
    if "by_disturbance" in result:
        blocks, title = [_stress_block(result)], "Gait phase under disturbance"
    else:
        blocks = [_rmse_block(result), _events_block(result), _reliability_block(result)]
        title = f"Gait phase estimators (default: {result['default']})"
    environment = jinja2.Environment(autoescape=True)
    return environment.from_string(_PAGE).render(title=title, intro="", blocks=blocks)


def write_html(path: Path, result: dict[str, Any]) -> None:
    """Write the page, whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(render(result), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror})") from None
