"""A session's figures as an HL7 FHIR R4 bundle: one Observation a figure and a DiagnosticReport over them.

Units are UCUM. Heart rate, body height and weight carry their LOINC codes; no LOINC term means what the gait
figures here mean (its step counts are those of a pedometer, or of 24 hours), so these are coded in this
project's own code system, which travels in the bundle with every definition. Identifiers follow from the
bag's hash, so the same bag makes the same bundle.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from exostride.analysis.findings import findings
from exostride.analysis.registry import Metric, ordered
from exostride.analysis.summary import Analysis, Row
from exostride.report.html import finding_words
from exostride.report.language import Language

SYSTEM: Final = "urn:exostride:metric"
SITES: Final = "urn:exostride:body-site"
PATIENTS: Final = "urn:exostride:pseudonym"
BAGS: Final = "urn:exostride:bag-sha256"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_SPACE: Final = uuid.UUID("0bb1d7d2-5f0b-5e0e-9c5c-1b1f0a5f5a10")

UNITS: Final = {
    "": "1",
    "%": "%",
    "s": "s",
    "ms": "ms",
    "m": "m",
    "mm": "mm",
    "m/s": "m/s",
    "1/min": "/min",
    "°": "deg",
    "J": "J",
    "Nm": "N.m",
    "Nm/kg": "N.m/kg",
    "Nm/°": "N.m/deg",
    "Nm·s/rad": "N.m.s/rad",
}
"""UCUM codes of the registry's units; a test holds it complete."""

STANDARD: Final = {"heart_rate_mean_bpm": ("8867-4", "Heart rate")}
"""LOINC codes by metric."""


def bundle(analysis: Analysis) -> dict[str, Any]:
    """Return a session as a FHIR R4 bundle of the type ``collection``, as plain data.

    Figures that could not be computed are Observations without a value, with the reason.
    """
    session = analysis.session
    period = _period(analysis)
    patient, device = _resource_id(analysis, "patient"), _resource_id(analysis, "device")
    rows = list(analysis.rows())
    observations = [_observation(analysis, row, patient, device, period) for row in rows]
    observations += list(_body(analysis, patient, period))
    resources: list[tuple[str, dict[str, Any]]] = [
        (_resource_id(analysis, "codes"), _code_system()),
        (patient, _patient(analysis)),
        (device, _device(analysis)),
        *((_resource_id(analysis, f"figure {i}"), o) for i, o in enumerate(observations)),
    ]
    results = [
        {"reference": f"urn:uuid:{name}"} for name, r in resources if r["resourceType"] == "Observation"
    ]
    report = _report(analysis, patient, period, results)
    resources.append((_resource_id(analysis, "report"), report))
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": BAGS, "value": session.digest},
        "entry": [{"fullUrl": f"urn:uuid:{name}", "resource": resource} for name, resource in resources],
    }


def as_json(analysis: Analysis) -> str:
    """Return the bundle as text."""
    return json.dumps(bundle(analysis), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _resource_id(analysis: Analysis, what: str) -> str:
    return str(uuid.uuid5(_SPACE, f"{analysis.session.digest} {what}"))


def _period(analysis: Analysis) -> dict[str, str]:
    """Return start and end of the session; empty where the bag does not say when it was."""
    try:
        start = datetime.fromisoformat(str(analysis.session.info.get("started", "")))
    except ValueError:
        return {}
    if start.tzinfo is None:  # FHIR wants a zone with every time of day
        return {}
    end = start + timedelta(seconds=round(analysis.session.duration_s))
    return {"start": start.isoformat(), "end": end.isoformat()}


def _patient(analysis: Analysis) -> dict[str, Any]:
    name = analysis.session.patient_id or "unnamed"
    body = analysis.session.info.get("patient", {}).get("body")
    sex = body.get("sex") if isinstance(body, dict) else None
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "identifier": [{"use": "secondary", "system": PATIENTS, "value": name}],
    }
    return found | ({"gender": sex} if sex in ("male", "female") else {})


def _device(analysis: Analysis) -> dict[str, Any]:
    version = str(analysis.session.info.get("versions", {}).get("exostride", "unknown"))
    return {
        "resourceType": "Device",
        "deviceName": [{"name": "Exostride", "type": "model-name"}],
        "version": [{"value": version}],
    }


def _code_system() -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": SYSTEM,
        "name": "ExostrideMetrics",
        "title": "Figures of robotic gait training",
        "status": "active",
        "content": "complete",
        "caseSensitive": True,
        "concept": [
            *(
                {"code": m.name, "display": m.title, "definition": f"{m.definition} Source: {m.citation}."}
                for m in ordered()
            ),
            {"code": "sd", "display": "Standard deviation between strides"},
            {"code": "margin95", "display": "Half-width of the 95 % confidence interval of the mean"},
            {"code": "n", "display": "Number of strides or samples"},
            {"code": "session", "display": "Session of robotic gait training"},
        ],
    }


def _coded(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": SYSTEM, "code": code, "display": display}], "text": display}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": float(f"{value:.6g}"), "unit": unit or "1", "system": UCUM, "code": UNITS[unit]}


def _observation(
    analysis: Analysis, row: Row, patient: str, device: str, period: dict[str, str]
) -> dict[str, Any]:
    metric, estimate = row.metric, row.estimate
    code = _coded(metric.name, metric.title)
    if metric.name in STANDARD:
        number, display = STANDARD[metric.name]
        code["coding"].append({"system": LOINC, "code": number, "display": display})
    category = "vital-signs" if metric.name in STANDARD else "exam"
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": category}]}],
        "code": code,
        "subject": {"reference": f"urn:uuid:{patient}"},
        "device": {"reference": f"urn:uuid:{device}"},
    }
    if period:
        found["effectivePeriod"] = period
    if row.key:
        words = " ".join(reversed(row.key.split("_")))
        found["bodySite"] = {"coding": [{"system": SITES, "code": row.key, "display": words}], "text": words}
    if not estimate.known:
        absent = {"coding": [{"system": _ABSENT, "code": "unknown"}], "text": estimate.reason}
        return found | {"dataAbsentReason": absent}
    found["valueQuantity"] = _quantity(estimate.value, metric.unit)
    if row.norm is not None:
        low, high = row.norm.mean - 2.0 * row.norm.sd, row.norm.mean + 2.0 * row.norm.sd
        text = f"mean ± 2 SD; {row.norm.source}"
        limits = {"low": _quantity(low, metric.unit), "high": _quantity(high, metric.unit), "text": text}
        found["referenceRange"] = [limits]
    components = list(_components(row, metric))
    return found | ({"component": components} if components else {})


def _components(row: Row, metric: Metric) -> Iterator[dict[str, Any]]:
    named = (("sd", "Standard deviation", row.estimate.sd), ("margin95", "95 % margin", row.estimate.margin))
    for code, display, value in named:
        if math.isfinite(value):
            yield {"code": _coded(code, display), "valueQuantity": _quantity(value, metric.unit)}
    if row.estimate.n:
        yield {"code": _coded("n", "Strides or samples"), "valueInteger": row.estimate.n}


def _body(analysis: Analysis, patient: str, period: dict[str, str]) -> Iterator[dict[str, Any]]:
    body = analysis.session.body
    if body is None:
        return
    for number, display, value, unit, code in (
        ("8302-2", "Body height", body.height_m, "m", "m"),
        ("29463-7", "Body weight", body.mass_kg, "kg", "kg"),
    ):
        coding = [{"system": LOINC, "code": number, "display": display}]
        found: dict[str, Any] = {
            "resourceType": "Observation",
            "status": "final",
            "category": [{"coding": [{"system": _CATEGORY, "code": "vital-signs"}]}],
            "code": {"coding": coding, "text": display},
            "subject": {"reference": f"urn:uuid:{patient}"},
            "valueQuantity": {"value": round(value, 3), "unit": unit, "system": UCUM, "code": code},
        }
        yield found | ({"effectivePeriod": period} if period else {})


def _report(
    analysis: Analysis, patient: str, period: dict[str, str], results: list[dict[str, str]]
) -> dict[str, Any]:
    words = [finding_words(f, Language())["text"] for f in findings(analysis)]
    text = "; ".join(words) or "no findings by the rules of docs/metrics.md"
    found: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": BAGS, "value": analysis.session.digest}],
        "status": "final",
        "code": _coded("session", "Session of robotic gait training"),
        "subject": {"reference": f"urn:uuid:{patient}"},
        "result": results,
        "conclusion": f"Decision support, not a diagnosis: {text}.",
    }
    if not period:
        return found
    return found | {"effectivePeriod": period, "issued": period["end"]}
