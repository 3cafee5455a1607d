"""What a finished grid says: effort kept, and the default against the curve of fixed guidance.

One walk is noisy, so laws are compared by their means over the seeds, patient by patient: the levels of
fixed guidance, joined in the order of their strength, make the curve, and the default is set against the
place on it that has the same tracking error. Where the curve passes that error more than once, its best place
counts, the one with the least assistance work and the one with the most effort, whichever they are: the
default has to better the whole curve. A default whose error is smaller than that of every level is set
against the level that comes nearest; one whose error is larger is matched by none, and nothing is claimed.
Intervals are
percentiles of a bootstrap over the seeds, which are drawn for all laws together since a seed is the same
walker's noise in each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from exostride.bench.control_grid import GUIDANCE, UNASSISTED

Row = dict[str, Any]
SOUND: Final = frozenset({"unimpaired", "child"})
"""Walkers without a paresis, whom the verdict on paretic patients leaves out."""
_KEYS: Final = ("tracking_error_deg", "assist_work_fraction", "effort_retained")
_DRAWS: Final = 2000
_LEAST_SEEDS: Final = 3
"""Seeds below which a bootstrap says nothing."""


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
    return not row["fell"] and all(np.isfinite(row[key]) for key in _KEYS)


def _level(label: str) -> float:
    return float(label.rsplit("_", 1)[1])


def _table(rows: Sequence[Row], default: str) -> tuple[NDArray[np.float64], list[int]]:
    """Return error, work and effort of the default and of the levels in order, (seeds, 1 + levels, 3).

    Only seeds in which every level was walked and the default stayed up, and levels that did in all of those.
    """
    found = {(row["controller"], row["seed"]): [row[key] for key in _KEYS] for row in rows if _good(row)}
    walked = {(row["controller"], row["seed"]) for row in rows}
    laws = {law for law, _ in walked if law.startswith(GUIDANCE + "_")}
    done = {seed for _, seed in walked if all((law, seed) in walked for law in laws)}
    seeds = sorted(seed for seed in done if (default, seed) in found)
    curve = sorted((law for law in laws if all((law, seed) in found for seed in seeds)), key=_level)
    values = [[found[law, seed] for law in (default, *curve)] for seed in seeds]
    return np.array(values, dtype=float).reshape(len(seeds), -1, 3), seeds


def _against(means: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return work saved and effort gained against the curve at the same error, and how far that is off [deg].

    ``means`` holds error, work and effort of the default and of the levels in order, (1 + levels, 3).
    """
    own, curve = means[0], means[1:]
    beyond = float(own[0] - curve[:, 0].max())
    inside = curve[:, 0].min() <= own[0] <= curve[:, 0].max()
    nearest = [int(np.argmin(np.abs(curve[:, 0] - own[0])))]
    best = _crossings(curve, float(own[0])) if inside else curve[nearest]
    return float(best[:, 1].min() - own[1]), float(own[2] - best[:, 2].max()), max(beyond, 0.0)


def _crossings(curve: NDArray[np.float64], error: float) -> NDArray[np.float64]:
    """Return the places (n, 3) at which a polyline has an error."""
    found = [point for point in curve if point[0] == error]
    for a, b in pairwise(curve):
        if (a[0] - error) * (b[0] - error) < 0.0:
            found.append(a + (error - a[0]) / (b[0] - a[0]) * (b - a))
    return np.array(found)


def by_patient(rows: Sequence[Row], default: str) -> list[dict[str, Any]]:
    """Return, for each slacking and patient, what the default saves and gains, with 95 % intervals.

    ``seeds`` and ``levels`` say how much there was to compare; ``beyond_deg`` by how much the default's error
    is larger than that of every level (0: it is matched); ``matched_percent`` in what part of the bootstrap's
    draws it was matched. With fewer than three seeds intervals are not numbers.
    """
    groups: dict[tuple[float, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["slacking"], row["patient"]].append(row)
    out = []
    for (slack, patient), group in sorted(groups.items()):
        table, seeds = _table(group, default)
        item: dict[str, Any] = {"slacking": slack, "patient": patient, "seeds": len(seeds)}
        if len(seeds) and table.shape[1] > 2:
            out.append({**item, "levels": table.shape[1] - 1, **_compared(table)})
    return out


def _compared(table: NDArray[np.float64]) -> dict[str, float]:
    """Return what a patient's walks (seeds, 1 + levels, 3) say."""
    saved, gained, beyond = _against(table.mean(axis=0))
    values = {"tracking_error_deg": float(table[:, 0, 0].mean()), "beyond_deg": beyond}
    draws = np.full((1, 3), np.nan)
    if len(table) >= _LEAST_SEEDS:
        pick = np.random.default_rng(0).integers(len(table), size=(_DRAWS, len(table)))
        draws = np.array([_against(table[seeds].mean(axis=0)) for seeds in pick])
    for key, value, column in (("assist_work_saved", saved, 0), ("effort_gained", gained, 1)):
        low, high = np.percentile(draws[:, column], [2.5, 97.5]).tolist()
        values |= {key: value, f"{key}_low": low, f"{key}_high": high}
    return {**values, "matched_percent": float(100.0 * np.mean(draws[:, 2] <= 0.0))}


def better(item: Mapping[str, Any]) -> bool:
    """Return whether the default was matched and did less of the work while the patient did more."""
    gains = item["assist_work_saved"] > 0.0 and item["effort_gained"] > 0.0
    return bool(item["beyond_deg"] <= 0.0 and gains)


def surely(item: Mapping[str, Any]) -> bool:
    """Return whether that holds for the whole of both intervals."""
    return better(item) and bool(item["assist_work_saved_low"] > 0.0 and item["effort_gained_low"] > 0.0)


def verdict(rows: Sequence[Row], default: str) -> list[dict[str, Any]]:
    """Return, for each slacking, the part of paretic patients for whom the default is better.

    All patients count whose walks there are, matched or not. The interval is Clopper-Pearson's at 95 %;
    ``surely`` counts those whose own intervals leave no doubt; ``unmatched`` those whom no fixed level kept
    on their feet, or whose error with the default is larger than that of every level.
    """
    items = by_patient(rows, default)
    out = []
    for slack in sorted({row["slacking"] for row in rows}):
        patients = {row["patient"] for row in rows if row["slacking"] == slack} - SOUND
        own = [item for item in items if item["slacking"] == slack and item["patient"] in patients]
        hits = sum(better(item) for item in own)
        low, high = _interval(hits, len(patients))
        out.append(
            {
                "slacking": slack,
                "patients": len(patients),
                "better": hits,
                "surely": sum(surely(item) for item in own),
                "low": low,
                "high": high,
                "unmatched": len(patients) - sum(item["beyond_deg"] <= 0.0 for item in own),
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
    """Return one row per controller and patient: means over seeds of what is a number, and the falls."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["controller"], row["patient"]].append(row)
    out = []
    for (controller, patient), group in groups.items():
        values: Mapping[str, float] = {key: _mean([row[key] for row in group]) for key in keys}
        falls = sum(row["fell"] for row in group)
        out.append({"controller": controller, "patient": patient, "n": len(group), "falls": falls, **values})
    return out


def _mean(values: Sequence[float | None]) -> float:
    good = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(good)) if good else float("nan")
