"""The file in which the safety bench keeps what it knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exostride.bench.safety import Results, summary, text
from exostride.bench.safety_page import page
from exostride.errors import InputError

GOOD: dict[str, Any] = {"passed": True, "why": "", "bound_periods": 1, "from_symptom_periods": 0}
BAD: dict[str, Any] = {**GOOD, "passed": False, "why": "after 9 periods, bound 1"}


def test_a_run_that_goes_on_sums_up_anew(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    first = Results(file, "abc")
    first.put("results", "F01@any#swing#0", GOOD)
    first.save()
    again = Results(file, "abc")
    again.put("results", "F01@any#swing#1", BAD)
    again.save()
    told = json.loads(file.read_text())
    assert (told["cases"], told["passed"]) == (2, 1)
    assert [f["case"] for f in told["failed"]] == ["F01@any#swing#1"]


def test_what_came_early_as_another_fault_or_without_a_symptom_is_told_apart() -> None:
    results = Results(None, "abc")
    early = {**GOOD, "early": True, "cause": "F22", "from_symptom_periods": -9}
    results.data["results"] = {
        "F23@any#swing#0": early,
        "F23@any#swing#1": {**GOOD, "early": False, "cause": "F23"},
        "F23@any#swing#2": {
            "skipped": "reacted without a symptom",
            "without_symptom": True,
            "bound_periods": 1,
        },
        "F23@any#swing#3": {"skipped": "no symptom", "without_symptom": False, "bound_periods": 1},
        "F23@any#swing#4": {"error": "status 9"},
    }
    told = summary(results.data)
    assert told["by_fault"]["F23"] == {
        "cases": 2,
        "passed": 2,
        "worst_periods": 0,
        "early": 1,
        "as_other": 1,
        "without_symptom": 1,
        "bound_periods": 1,
    }
    assert (told["cases"], told["early"], told["without_symptom"], len(told["skipped"])) == (2, 1, 1, 3)
    said = "\n".join(text({**told, **results.figures}))
    assert "2 of 2 cases passed, 1 of them before the symptom" in said
    assert "3 without a verdict, 1 of them since they reacted without a symptom" in said
    results.data["cells"]["0"] = {
        **{"walk": "spastic, impedance", "simulated_s": 70.0, "train_s": 61.5, "tripped": "F22"},
        **{"fell": False, "cramped": False, "falls_not_met": 1, "reduces": {}, "message": "in words"},
    }
    html = page({**summary(results.data), **results.figures, **results.data})
    assert "reacted without a symptom" in html and "1 false trips" in html and "1 falls not met" in html
    assert "<tr class=bad><td>spastic, impedance</td><td>61.5</td><td>F22</td>" in html


def test_mutants_and_coverage_stand_beside_and_stay(tmp_path: Path) -> None:
    file, mutants, coverage = (tmp_path / name for name in ("m.json", "mutants.json", "coverage.json"))
    results = Results(file, "abc")
    results.save()
    assert json.loads(file.read_text())["mutation"] == {"killed": None, "total": None, "survivors": []}
    assert json.loads(file.read_text())["coverage"] == {"line": None, "branch": None}
    mutants.write_text(json.dumps({"mutation": {"killed": 99, "total": 100, "survivors": ["a.b_1"]}}))
    coverage.write_text(json.dumps({"coverage": {"line": 100.0, "branch": 98.5}}))
    results.beside(mutants)
    results.beside(coverage)
    results.save()
    told = json.loads(file.read_text())
    assert told["mutation"] == {"killed": 99, "total": 100, "survivors": ["a.b_1"]}
    again = Results(file, "abc")
    said = "\n".join(text({**summary(again.data), **again.figures}))
    assert "mutants: 99 of 100 killed, survivors: a.b_1" in said
    assert "100.00 % of lines, 98.50 % of branches" in said
    other = Results(file, "other code")
    assert other.figures["mutation"]["total"] is None, "of the same code only"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"mutation": 3}'])
def test_a_file_without_figures_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"wrong\.json"):
        Results(None, "abc").beside(file)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json"):
        Results(None, "abc").beside(tmp_path / "none.json")
