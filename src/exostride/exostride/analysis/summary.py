"""The result of an analysis: every metric of one session, as values, JSON and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import exostride.analysis.metrics  # noqa: F401  (fills the registry)
from exostride.analysis.estimate import Estimate
from exostride.analysis.loading import load_session
from exostride.analysis.norms import Norm, norms_of
from exostride.analysis.registry import REGISTRY, Metric, ordered
from exostride.analysis.session import Session, configuration_hash
from exostride.analysis.walk import Walk

SCHEMA = 1
"""Version of the JSON form."""


@dataclass(frozen=True)
class Row:
    """One figure of a session with its declaration and norm."""

    metric: Metric
    key: str
    estimate: Estimate
    norm: Norm | None

    @property
    def name(self) -> str:
        """Metric and key in one word."""
        return f"{self.metric.name}.{self.key}" if self.key else self.metric.name


@dataclass(frozen=True)
class Analysis:
    """All metrics of a session."""

    session: Session
    walk: Walk
    values: Mapping[str, Mapping[str, Estimate]]
    norms: Mapping[tuple[str, str], Norm]

    def __getitem__(self, name: str) -> Mapping[str, Estimate]:
        """Return a metric's estimates by key (side, joint, or empty)."""
        return self.values[name]

    def one(self, name: str, key: str = "") -> Estimate:
        """Return one estimate."""
        return self.values[name][key]

    def norm(self, name: str, key: str = "") -> Norm | None:
        """Return the norm of a figure, or None."""
        return self.norms.get((name, key))

    def rows(self) -> Iterator[Row]:
        """Yield every figure in the order of the chapters."""
        for metric in ordered():
            for key, estimate in self.values[metric.name].items():
                yield Row(metric, key, estimate, self.norm(metric.name, key))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data without not-a-numbers: an unknown value is null, with its reason."""
        s = self.session
        return {
            "schema": SCHEMA,
            "bag": str(s.path),
            "bag_sha256": s.digest,
            "patient_id": s.patient_id,
            "started": s.info.get("started", ""),
            "duration_s": _plain(s.duration_s),
            "configuration_sha256": configuration_hash(s.info),
            "strides": {"left": len(self.walk.legs[0]), "right": len(self.walk.legs[1])},
            "metrics": {metric.name: self._metric(metric.name, metric) for metric in ordered()},
        }

    def _metric(self, name: str, metric: Metric) -> dict[str, Any]:
        values = {key or "all": _cell(e, self.norm(name, key)) for key, e in self.values[name].items()}
        return {"title": metric.title, "unit": metric.unit, "values": values}


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _cell(estimate: Estimate, norm: Norm | None) -> dict[str, Any]:
    if not estimate.known:
        return {"value": None, "reason": estimate.reason}
    cell: dict[str, Any] = {
        "value": _plain(estimate.value),
        "sd": _plain(estimate.sd),
        "margin95": _plain(estimate.margin),
        "n": estimate.n,
    }
    if norm is not None:
        cell["norm"] = {"mean": norm.mean, "sd": norm.sd, "source": norm.source}
    return cell


def analyse_session(session: Session) -> Analysis:
    """Compute every registered metric of a session."""
    walk = Walk(session)
    values = {name: dict(metric.compute(walk)) for name, metric in REGISTRY.items()}
    find = norms_of(walk)
    norms = {}
    for name, of_key in values.items():
        for key, estimate in of_key.items():
            norm = find(name, key) if estimate.known else None
            if norm is not None:
                norms[name, key] = norm
    return Analysis(session, walk, values, norms)


def analyse(bag: Path) -> Analysis:
    """Read a bag and compute every metric.

    Raises
    ------
    InputError
        The bag cannot be read or is not one of Exostride's.
    """
    return analyse_session(load_session(bag))


CSV_HEADER = (
    "bag",
    "patient_id",
    "started",
    "metric",
    "key",
    "value",
    "sd",
    "margin95",
    "n",
    "unit",
    "reason",
)


def as_csv(analyses: list[Analysis], header: bool = True) -> str:
    """Return one line a figure; an unknown value is empty, with its reason in the last column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(CSV_HEADER)
    for analysis in analyses:
        s = analysis.session
        for row in analysis.rows():
            e = row.estimate
            numbers = ["" if not math.isfinite(v) else repr(float(v)) for v in (e.value, e.sd, e.margin)]
            writer.writerow(
                [
                    *(s.path, s.patient_id, s.info.get("started", ""), row.metric.name, row.key),
                    *numbers,
                    *(e.n, row.metric.unit, e.reason),
                ]
            )
    return out.getvalue()
