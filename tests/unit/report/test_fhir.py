"""The FHIR bundle: held to the published resources, complete, and the same every time."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from typer.testing import CliRunner

from exostride.analysis.registry import REGISTRY
from exostride.analysis.summary import analyse
from exostride.bench.made_session import MadeSession, write
from exostride.cli import app
from exostride.report.fhir import SYSTEM, UCUM, UNITS, as_json, bundle


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    path = tmp_path_factory.mktemp("fhir") / "bag"
    write(MadeSession(duration_s=30.0, weakness=1.0), path)
    return analyse(path)


def resources(found, kind):
    return [e["resource"] for e in found["entry"] if e["resource"]["resourceType"] == kind]


def test_the_bundle_is_valid_r4(analysis):
    """R4B is R4 with the resources used here unchanged; the library knows every element and its type."""
    text = as_json(analysis)
    parsed = Bundle.model_validate_json(text)
    assert len(parsed.entry) == len(json.loads(text)["entry"])
    assert text == as_json(analysis)


def test_every_figure_is_there_with_value_or_reason(analysis):
    found = bundle(analysis)
    observations = resources(found, "Observation")
    rows = list(analysis.rows())
    by_code = {}
    for o in observations:
        code = o["code"]["coding"][0]
        if code["system"] == SYSTEM:
            site = o.get("bodySite", {}).get("coding", [{"code": ""}])[0]["code"]
            by_code[code["code"], site] = o
    assert len(by_code) == len(rows)
    for row in rows:
        o = by_code[row.metric.name, row.key]
        if row.estimate.known:
            quantity = o["valueQuantity"]
            assert quantity["value"] == pytest.approx(row.estimate.value, rel=1e-5, abs=1e-9)
            assert (quantity["system"], quantity["code"]) == (UCUM, UNITS[row.metric.unit])
        else:
            assert o["dataAbsentReason"]["text"] == row.estimate.reason and "valueQuantity" not in o


def test_every_reference_and_code_is_in_the_bundle(analysis):
    found = bundle(analysis)
    names = {e["fullUrl"] for e in found["entry"]}
    text = json.dumps(found)
    references = {part.split('"')[0] for part in text.split('"reference": "')[1:]}
    assert references <= names
    (codes,) = resources(found, "CodeSystem")
    known = {c["code"] for c in codes["concept"]}
    used = {
        c["code"]
        for o in resources(found, "Observation")
        for part in [o, *o.get("component", [])]
        for c in part["code"]["coding"]
        if c["system"] == SYSTEM
    }
    assert used <= known and set(REGISTRY) <= known
    (report,) = resources(found, "DiagnosticReport")
    assert "knee flexion in swing" in report["conclusion"] and len(report["result"]) > 100


def test_every_unit_has_its_ucum_code():
    assert {m.unit for m in REGISTRY.values()} <= set(UNITS)


def test_a_start_without_zone_is_left_out_not_guessed(analysis, tmp_path):
    write(MadeSession(duration_s=12.0, started="2025-03-14T10:30:00"), tmp_path / "bag")
    found = bundle(analyse(tmp_path / "bag"))
    Bundle.model_validate(found)
    assert not any("effectivePeriod" in o for o in resources(found, "Observation"))


def test_the_command_writes_it(tmp_path):
    write(MadeSession(duration_s=12.0), tmp_path / "bag")
    done = CliRunner().invoke(app, ["export", str(tmp_path / "bag"), "--to", "fhir"])
    assert done.exit_code == 0, done.output
    Bundle.model_validate_json((tmp_path / "bag.json").read_text(encoding="utf-8"))
    refused = CliRunner().invoke(app, ["export", str(tmp_path / "x.csv"), "--to", "fhir"])
    assert "needs a bag" in str(refused.exception)
