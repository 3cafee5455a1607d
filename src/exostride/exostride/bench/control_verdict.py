"""What a finished grid says: effort kept, and the default against the curve of fixed guidance.

Patient by patient and slacking by slacking (:mod:`exostride.bench.control_curve` says how), then over the
paretic patients. A walker who fell with the default, or stood still, but walked in the transparent robot or
with any level counts against it, whatever the seeds say in which they stayed up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from exostride.bench.control_curve import compare
from exostride.bench.control_grid import GUIDANCE, UNASSISTED

Row = dict[str, Any]
SOUND: Final = frozenset({"unimpaired", "child"})
"""Walkers without a paresis, whom the verdict on paretic patients leaves out."""
TARGET: Final = 0.8
"""Part of the paretic patients for whom the default was meant to be better."""
SURE_PERCENT: Final = 97.5
"""Part of the draws in which the default must be matched: as much doubt as one side of an interval leaves."""
_KEYS: Final = ("tracking_error_deg", "assist_work_fraction", "effort_retained")
_FEWEST_LEVELS: Final = 2
"""Levels that make a curve."""


def _walk(row: Row) -> tuple[str, int, float]:
    return row["patient"], row["seed"], row["slacking"]


def with_effort(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with ``effort_retained``: the patient's work beside their own without assistance.

    Not a number where the patient fell without assistance, because then there is nothing to compare with.
    """
    alone = {
        _walk(row): row["patient_work_j_stride"]
        for row in rows
        if row["controller"] == UNASSISTED and not row["fell"]
    }
    return [{**row, "effort_retained": _ratio(row, alone.get(_walk(row)))} for row in rows]


def _ratio(row: Row, alone: float | None) -> float:
    if alone is None or not alone > 0.0 or row["fell"]:
        return float("nan")
    return float(row["patient_work_j_stride"] / alone)


def _good(row: Row) -> bool:
    return _stood(row) and bool(np.isfinite(row["effort_retained"]))


def _stood(row: Row) -> bool:
    """Return whether somebody walked and went on walking, whatever they did without assistance."""
    return not row["fell"] and all(np.isfinite(row[key]) for key in _KEYS if key != "effort_retained")


def _level(label: str) -> float:
    return float(label.rsplit("_", 1)[1])


def _table(rows: Sequence[Row], default: str) -> tuple[NDArray[np.float64], int, int]:
    """Return error, work and effort of the default and of the levels in order, (seeds, 1 + levels, 3).

    Only seeds in which every level was walked and the default stayed up, and levels that did in all of those.
    Then the number of seeds in which the default did not keep its walker walking and the transparent robot or
    any level did, and that of the levels left out.
    """
    found = {(row["controller"], row["seed"]): [row[key] for key in _KEYS] for row in rows if _good(row)}
    stood = {(row["controller"], row["seed"]) for row in rows if _stood(row)}
    walked = {(row["controller"], row["seed"]) for row in rows}
    laws = {law for law, _ in walked if law.startswith(GUIDANCE + "_")}
    done = {seed for _, seed in walked if all((law, seed) in walked for law in (*laws, default))}
    seeds = sorted(seed for seed in done if (default, seed) in found)
    lost = sum(
        (default, seed) not in stood and any((law, seed) in stood for law in (UNASSISTED, *laws))
        for seed in done
    )
    curve = sorted((law for law in laws if all((law, seed) in found for seed in seeds)), key=_level)
    values = [[found[law, seed] for law in (default, *curve)] for seed in seeds]
    table = np.array(values, dtype=float).reshape(len(seeds), 1 + len(curve), 3)
    return table, lost, len(laws) - len(curve)


def by_patient(rows: Sequence[Row], default: str) -> list[dict[str, Any]]:
    """Return, for each slacking and patient, what the default saves and gains, with 95 % intervals.

    ``seeds`` and ``levels`` say how much there was to compare, ``lost`` in how many seeds the default did not
    keep its walker walking and the transparent robot or a level did, ``fallen_levels`` with how many levels
    somebody fell. ``matched`` says whether the default's error is not larger than every level's
    (``beyond_deg``, ``below_deg`` and ``matched_percent`` are those of
    :class:`~exostride.bench.control_curve.Comparison`). What there are too few walks for is not a number.
    """
    groups: dict[tuple[float, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["slacking"], row["patient"]].append(row)
    out = []
    for (slack, patient), group in sorted(groups.items()):
        table, lost, fallen = _table(group, default)
        item: dict[str, Any] = {"slacking": slack, "patient": patient, "seeds": len(table)}
        item |= {"levels": table.shape[1] - 1, "lost": lost, "fallen_levels": fallen}
        item |= _compared(table)
        out.append({**item, "better": better(item), "surely": surely(item)})
    return out


def _compared(table: NDArray[np.float64]) -> dict[str, Any]:
    """Return what a patient's walks (seeds, 1 + levels, 3) say."""
    nan = float("nan")
    if not len(table) or table.shape[1] <= _FEWEST_LEVELS:
        names = [*_KEYS, "beyond_deg", "below_deg", "matched_percent"]
        for name in ("assist_work_saved", "effort_gained"):
            names += [name, f"{name}_low", f"{name}_high"]
        return {"matched": False, **dict.fromkeys(names, nan)}
    found = compare(table)
    own = dict(zip(_KEYS, table[:, 0].mean(axis=0).tolist(), strict=True))
    return {
        **own,
        "matched": found.beyond_deg <= 0.0,
        "beyond_deg": found.beyond_deg,
        "below_deg": found.below_deg,
        "matched_percent": found.matched_percent,
        "assist_work_saved": found.saved,
        "assist_work_saved_low": found.saved_between[0],
        "assist_work_saved_high": found.saved_between[1],
        "effort_gained": found.gained,
        "effort_gained_low": found.gained_between[0],
        "effort_gained_high": found.gained_between[1],
    }


def better(item: Mapping[str, Any]) -> bool:
    """Return whether the default was matched, lost nobody, and did less work while the patient did more."""
    gains = item["assist_work_saved"] > 0.0 and item["effort_gained"] > 0.0
    return bool(item["matched"] and not item["lost"] and gains)


def surely(item: Mapping[str, Any]) -> bool:
    """Return whether that holds for the whole of both intervals, and the match in all but a few draws."""
    above = item["assist_work_saved_low"] > 0.0 and item["effort_gained_low"] > 0.0
    return better(item) and bool(above and item["matched_percent"] >= SURE_PERCENT)


def verdict(rows: Sequence[Row], default: str) -> list[dict[str, Any]]:
    """Return, for each slacking, the part of paretic patients for whom the default is better.

    All patients count whose walks there are, matched or not. The interval is Clopper-Pearson's at 95 %;
    ``surely`` counts those whose own intervals and match leave no doubt; ``unmatched`` those whom no fixed
    level kept on their feet, or whose error with the default is larger than that of every level; ``lost``
    those who fell with the default where another law kept them walking. ``reached`` says whether the part is
    as large as was aimed for.
    """
    items = by_patient(rows, default)
    out = []
    for slack in sorted({row["slacking"] for row in rows}):
        own = [item for item in items if item["slacking"] == slack and item["patient"] not in SOUND]
        hits = sum(better(item) for item in own)
        low, high = _interval(hits, len(own))
        out.append(
            {
                "slacking": slack,
                "patients": len(own),
                "better": hits,
                "surely": sum(surely(item) for item in own),
                "low": low,
                "high": high,
                "unmatched": sum(not item["matched"] for item in own),
                "lost": sum(item["lost"] > 0 for item in own),
                "seeds": min((item["seeds"] for item in own), default=0),
                "reached": bool(own) and hits >= TARGET * len(own),
            }
        )
    return out


def _interval(hits: int, n: int) -> tuple[float, float]:
    if n == 0:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(0.975, hits + 1, n - hits))
    return low, high


def means(rows: Sequence[Row], keys: Sequence[str]) -> list[Row]:
    """Return means over seeds of what is a number, and falls, by slacking, patient and controller."""
    groups: dict[tuple[float, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["slacking"], row["patient"], row["controller"]].append(row)
    out = []
    for (slack, patient, controller), group in sorted(groups.items()):
        values: Mapping[str, float] = {key: _mean([row[key] for row in group]) for key in keys}
        falls = sum(row["fell"] for row in group)
        name = {"slacking": slack, "patient": patient, "controller": controller}
        out.append({**name, "n": len(group), "falls": falls, **values})
    return out


def _mean(values: Sequence[float | None]) -> float:
    good = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(good)) if good else float("nan")
