"""What a finished grid says: effort kept, and the default against the curve of fixed guidance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import beta, t

from exostride.bench.control_grid import GUIDANCE, UNASSISTED

Row = dict[str, Any]
SOUND = "unimpaired"
"""The patient without an impairment, whom the verdict on paretic patients leaves out."""


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
    keys = ("tracking_error_deg", "assist_work_fraction", "effort_retained")
    return not row["fell"] and all(np.isfinite(row[key]) for key in keys)


def against_curve(rows: Sequence[Row], default: str) -> list[dict[str, Any]]:
    """Return, for each patient and seed, the default beside fixed guidance at the same tracking error.

    The curve of assistance work and effort over tracking error is linear between levels. Where the default's
    error lies outside the levels' range, the nearest level stands for the curve, and ``inside`` is false.
    """
    groups: dict[tuple[str, int, float], list[Row]] = defaultdict(list)
    for row in rows:
        if _good(row):
            groups[_walk(row)].append(row)
    found = []
    for (patient, seed, slacking), group in sorted(groups.items()):
        own = next((row for row in group if row["controller"] == default), None)
        curve = [row for row in group if row["controller"].startswith(GUIDANCE)]
        if own is None or len(curve) < 2:
            continue
        curve.sort(key=lambda row: row["tracking_error_deg"])
        error = [row["tracking_error_deg"] for row in curve]
        at = own["tracking_error_deg"]
        work = float(np.interp(at, error, [row["assist_work_fraction"] for row in curve]))
        effort = float(np.interp(at, error, [row["effort_retained"] for row in curve]))
        found.append(
            {
                "patient": patient,
                "seed": seed,
                "slacking": slacking,
                "tracking_error_deg": at,
                "inside": bool(error[0] <= at <= error[-1]),
                "beyond_deg": max(at - error[-1], error[0] - at, 0.0),
                "assist_work_saved": work - own["assist_work_fraction"],
                "effort_gained": own["effort_retained"] - effort,
                "better": bool(own["assist_work_fraction"] < work and own["effort_retained"] > effort),
            }
        )
    return found


def by_patient(rows: Sequence[Row], default: str) -> list[dict[str, Any]]:
    """Return, for each slacking and patient, the mean over seeds of what the default saves and gains.

    Intervals are Student's at 95 % over the seeds; with one seed they are unknown. ``outside`` counts seeds
    whose error lies beyond the levels of fixed guidance, ``beyond_deg`` by how much at most.
    """
    groups: dict[tuple[float, str], list[dict[str, Any]]] = defaultdict(list)
    for pair in against_curve(rows, default):
        groups[pair["slacking"], pair["patient"]].append(pair)
    out = []
    for (slack, patient), group in sorted(groups.items()):
        item: dict[str, Any] = {"slacking": slack, "patient": patient, "seeds": len(group)}
        for key in ("assist_work_saved", "effort_gained"):
            values = np.array([pair[key] for pair in group])
            mean, half = float(values.mean()), float("nan")
            if len(values) > 1:
                half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
            item[key], item[f"{key}_low"], item[f"{key}_high"] = mean, mean - half, mean + half
        item["outside"] = sum(not pair["inside"] for pair in group)
        item["beyond_deg"] = max(pair["beyond_deg"] for pair in group)
        out.append(item)
    return out


def verdict(rows: Sequence[Row], default: str) -> list[dict[str, Any]]:
    """Return, for each slacking, the part of paretic patients for whom the default is better.

    A patient counts by the mean over their seeds. The interval is Clopper-Pearson's at 95 %. ``unmatched``
    counts patients whom no fixed level kept on their feet, or whose error with the default lies beyond those
    of all levels in every seed: there is no level to compare with.
    """
    pairs = against_curve(rows, default)
    out = []
    for slacking in sorted({row["slacking"] for row in rows}):
        patients = {row["patient"] for row in rows if row["slacking"] == slacking} - {SOUND}
        better = []
        for patient in sorted(patients):
            own = [p for p in pairs if p["patient"] == patient and p["slacking"] == slacking and p["inside"]]
            if own:
                saved = np.mean([p["assist_work_saved"] for p in own])
                gained = np.mean([p["effort_gained"] for p in own])
                better.append(bool(saved > 0.0 and gained > 0.0))
        low, high = _interval(sum(better), len(better))
        out.append(
            {
                "slacking": slacking,
                "patients": len(better),
                "better": sum(better),
                "low": low,
                "high": high,
                "unmatched": len(patients) - len(better),
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
