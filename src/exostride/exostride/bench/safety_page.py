"""The page of ``exostride bench safety``: faults, cases, fault-free hours and curves in one file."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from exostride.bench.safety_cases import truth_words
from exostride.bench.safety_curves import figure_svg
from exostride.bench.safety_free import stop_is_real
from exostride.safety.faults import CATALOGUE

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;"
    "text-align:left}tr.bad{background:#fdecea}h2{margin-top:2.5rem}svg{max-width:100%;height:auto}"
)
_COLUMNS = (
    "from_injection_periods",
    "from_symptom_periods",
    "bound_periods",
    "cause",
    "state",
    "latched",
    "peak_torque_nm",
    "peak_speed_rad_s",
    "peak_cuff_n",
    "min_pelvis_m",
)


_FREE_COLUMNS = ("walk", "train_s", "tripped", "fell", "cramped", "falls_not_met", "message")
_FREE_HEAD = ("walk", "training [s]", "stopped by", "really fell", "cramped", "falls not met", "in words")
_NUMBERS = ("cases", "passed", "early", "as_other", "without_symptom", "worst_periods", "bound_periods")
_FAULT_HEAD = (
    *("fault", "title", "symptom", "cases", "passed", "before the symptom", "as another fault"),
    *("not judged: reacted without a symptom", "worst", "bound"),
)


def _table(head: tuple[str, ...], rows: Iterator[tuple[tuple[Any, ...], bool]]) -> str:
    def row(cells: tuple[Any, ...], tag: str) -> str:
        return "".join(f"<{tag}>{html.escape('' if c is None else str(c))}</{tag}>" for c in cells)

    body = "".join(f"<tr{'' if good else ' class=bad'}>{row(cells, 'td')}</tr>" for cells, good in rows)
    return f"<table><tr>{row(head, 'th')}</tr>{body}</table>"


def _faults(data: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], bool]]:
    words = truth_words()
    for fault, row in data["by_fault"].items():
        title = CATALOGUE[fault].title if fault in CATALOGUE else ""
        numbers = tuple(row[name] for name in _NUMBERS)
        yield (fault, title, words.get(fault, "-"), *numbers), row["passed"] == row["cases"]


def _cases(data: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], bool]]:
    for key, r in sorted(data["results"].items()):
        verdict = r.get("skipped") or r.get("error") or ("passed" if r["passed"] else r["why"])
        good = bool(r.get("passed")) or "skipped" in r
        yield (key, verdict, *(r.get(name) for name in _COLUMNS)), good


def page(data: dict[str, Any]) -> str:
    """Return the whole page."""
    free = data["fault_free"]
    walked = (
        f"{free['hours']:.2f} h of {free['target_hours']:g} h of training in {free['walks']} walks: "
        f"{free['false_trips']} false trips ({free['rate_per_hour']} an hour, 95 % upper bound "
        f"{free['rate_upper_95_per_hour']}), {free['stops_for_real_falls']} stops for walkers that fell or "
        f"cramped, {free['falls_not_met']} falls not met."
    )
    trips = _table(
        _FREE_HEAD,
        (
            (
                (*(c[name] for name in _FREE_COLUMNS),),
                not c["falls_not_met"] and (not c["tripped"] or stop_is_real(c)),
            )
            for c in data["cells"].values()
            if "walk" in c
        ),
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Safety</title><style>{_STYLE}</style>"
        f"<h1>Safety matrix</h1><p>{data['passed']} of {data['cases']} cases passed, "
        f"{len(data['skipped'])} without a verdict; {data['simulated_seconds']:.0f} s simulated; "
        f"model {data['model_hash']}.</p>"
        f"<h2>By fault</h2>"
        f"{_table(_FAULT_HEAD, _faults(data))}"
        f"<h2>Without a fault</h2><p>{walked}</p>{trips}"
        f"<h2>Delay against false alarms</h2>{figure_svg(data['curves'])}"
        f"<h2>Cases</h2>{_table(('case', 'verdict', *_COLUMNS), _cases(data))}</html>"
    )
