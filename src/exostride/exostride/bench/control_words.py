"""The comparison in sentences, the same on the terminal and on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from exostride.bench.control_verdict import TARGET


def patient_line(item: Mapping[str, Any]) -> str:
    """Return what the default does for one patient at one slacking (:func:`control_verdict.by_patient`)."""
    head = f"slacking × {item['slacking']:g} {item['patient']:24s} {_word(item)}: {item['seeds']} seeds, "
    head += f"{item['levels']} levels"
    if not math.isfinite(item["assist_work_saved"]):
        return f"{head}, nothing to compare with"
    parts = [
        f"{what} {item[key]:+.3f} ({_between(item, key)})"
        for key, what in (("assist_work_saved", "assistance saved"), ("effort_gained", "effort gained"))
    ]
    return f"{head}, {_matching(item)}: {', '.join(parts)}{_lost(item)}"


def verdict_line(item: Mapping[str, Any]) -> str:
    """Return what holds for all paretic patients at one slacking (:func:`control_verdict.verdict`)."""
    part = 100.0 * item["better"] / item["patients"] if item["patients"] else 0.0
    return (
        f"slacking × {item['slacking']:g}: default better in both for {item['better']} of "
        f"{item['patients']} paretic patients ({part:.0f} %, 95 % interval {100 * item['low']:.0f}"
        f"–{100 * item['high']:.0f} %), beyond doubt for {item['surely']}; {item['unmatched']} not matched "
        f"by any level, {item['lost']} fell with the default where another law kept them up; at least "
        f"{item['seeds']} seeds. "
        f"Aimed for: {100 * TARGET:.0f} %, {'reached' if item['reached'] else 'not reached'}"
    )


def _word(item: Mapping[str, Any]) -> str:
    if item["better"]:
        return "surely better" if item["surely"] else "better"
    return "not better"


def _matching(item: Mapping[str, Any]) -> str:
    error = f"{item['tracking_error_deg']:.2f} deg"
    if item["beyond_deg"] > 0.0:
        return f"not matched, its {error} are {item['beyond_deg']:.2f} more than any level's{_draws(item)}"
    if item["below_deg"] > 0.0:
        below = f"its {error} are {item['below_deg']:.2f} less than any level's"
        return f"{below}, set against the nearest{_draws(item)}"
    return f"matched at {error}{_draws(item)}"


def _draws(item: Mapping[str, Any]) -> str:
    """Return in what part of the draws the default is matched; nothing where there are none."""
    part = item["matched_percent"]
    return f" (matched in {part:.1f} % of draws)" if math.isfinite(part) else ""


def _between(item: Mapping[str, Any], key: str) -> str:
    low, high = item[f"{key}_low"], item[f"{key}_high"]
    return f"{low:+.3f}..{high:+.3f}" if math.isfinite(low) else "too few seeds for an interval"


def _lost(item: Mapping[str, Any]) -> str:
    told = f"; fell with the default where another law kept them up in {item['lost']}" if item["lost"] else ""
    left = f"; {item['fallen_levels']} levels left out, somebody fell" if item["fallen_levels"] else ""
    return told + left
