"""The order in which the safety bench goes through its matrix."""

from __future__ import annotations

import json
from itertools import islice
from math import gcd, log
from pathlib import Path
from typing import Any

import pytest

from exostride.bench import safety
from exostride.bench.safety import _ROUND, Results, _curve_cells, _free_jobs, _matrix_jobs, summary, text
from exostride.bench.safety_cases import cases
from exostride.bench.safety_free import CURVES_EVERY, cell

SEEDS = 3


def parts(done: set[str], only: set[str] | None = None) -> list[list[str]]:
    return [[case.key for case in job.args[1]] for job in _matrix_jobs(done, only or set(), SEEDS)]  # type: ignore[attr-defined]


def test_every_case_comes_once_and_every_walk_has_its_turn() -> None:
    rounds = parts(set())
    assert sorted(key for part in rounds for key in part) == sorted(case.key for case in cases(SEEDS))
    assert [len(part) for part in rounds[: 2 * SEEDS]] == [_ROUND] * SEEDS + [2 * _ROUND] * SEEDS
    seed_of = {case.key: case.seed for case in cases(SEEDS)}
    assert [{seed_of[key] for key in part} for part in rounds] == [{n % SEEDS} for n in range(len(rounds))]


def test_what_is_known_or_not_asked_for_is_left_out() -> None:
    every = [case for case in cases(SEEDS) if case.fault == "F22"]
    done = {case.key for case in every if case.seed != 1}
    assert parts(done, {"F22"}) == [[case.key for case in every if case.seed == 1]]
    assert parts({case.key for case in every}, {"F22"}) == []


def walked(seconds: float, tripped: str = "", **more: Any) -> dict[str, Any]:
    return {
        "simulated_s": seconds + 10.0,
        "train_s": seconds,
        "tripped": tripped,
        "fell": False,
        "cramped": False,
        "reduces": {},
        **more,
    }


def numbers(jobs: Any) -> list[int]:
    return [job.args[0] for job in jobs]


def test_fault_free_walks_go_on_where_an_earlier_run_stopped(tmp_path: Path) -> None:
    file = tmp_path / "free.json"
    first = Results(file, "abc")
    first.put("cells", "0", walked(1200.0))
    first.put("cells", "2", walked(1200.0))
    assert set(json.loads(file.read_text())["cells"]) == {"0", "2"}, "written after each walk"
    again, other = Results(file, "abc"), Results(file, "abd")
    assert set(again.data["cells"]) == {"0", "2"} and not other.data["cells"], "of the same code only"
    jobs, given = _free_jobs(again, 1.0), []
    for job in jobs:
        given.append(job.args[0])  # type: ignore[attr-defined]
        if len(given) == 4:  # two at work at once have different ones; an hour is reached with the first
            again.put("cells", "1", walked(1200.0))
    assert given == [1, 3, 4, 5]


def test_curves_walk_with_everybody_and_once() -> None:
    results = Results(None, "abc")
    every = numbers(_curve_cells(results))
    assert {cell(n).patient for n in every} == {cell(n).patient for n in range(7)}
    assert {cell(n).controller for n in every} == {cell(n).controller for n in range(70)}
    assert all(n % CURVES_EVERY == 0 for n in every) and gcd(CURVES_EVERY, 7 * 5 * 3) == 1
    results.data["cells"][str(every[0])] = walked(120.0)
    assert numbers(_curve_cells(results)) == every[1:]


def test_only_the_walks_that_the_curves_need_have_copies_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "run_cell", lambda walk, curves: curves)
    needed = numbers(_curve_cells(Results(None, "abc")))
    jobs = islice(_free_jobs(Results(None, "abc"), 10.0), 300)
    found = {int(key): curves for job in jobs for _, key, curves in job()}
    assert [n for n, curves in found.items() if curves] == needed


def test_rates_come_with_their_bound() -> None:
    results = Results(None, "abc")
    results.data["cells"] = {str(n): walked(1800.0) for n in range(20)}
    free = summary(results.data)["fault_free"]
    assert (free["hours"], free["false_trips"], free["rate_per_hour"]) == (10.0, 0, 0.0)
    assert free["rate_upper_95_per_hour"] == pytest.approx(-log(0.05) / 10.0, abs=0.005)
    results.data["cells"]["20"] = walked(0.0, "F22")
    results.data["cells"]["21"] = walked(0.0, "F23", fell=True)
    free = summary(results.data)["fault_free"]
    assert (free["false_trips"], free["rate_per_hour"], free["stops_for_real_falls"]) == (1, 0.1, 1)
    assert free["rate_upper_95_per_hour"] == pytest.approx(0.474, abs=0.005)


def test_only_training_makes_hours_and_falls_that_nobody_met_are_told() -> None:
    results = Results(None, "abc")
    results.data["cells"] = {"0": walked(1800.0), "1": walked(0.0), "2": walked(0.0, "F22")}
    results.data["cells"]["3"] = walked(1800.0, falls_not_met=2)
    told = summary(results.data)
    free = told["fault_free"]
    assert (free["hours"], free["walks"], free["walks_without_training"]) == (1.0, 4, 2)
    assert (free["false_trips"], free["falls_not_met"]) == (1, 2)
    assert told["simulated_seconds"] == 3640.0
    said = "\n".join(text({**told, **results.figures}))
    assert "1.00 h of 10 h of training in 4 walks, 2 of them without any" in said
    assert "2 falls not met" in said


def test_walkers_that_never_train_do_not_make_the_bench_endless() -> None:
    results, given = Results(None, "abc"), 0
    for job in _free_jobs(results, 1.0):
        given += 1
        results.put("cells", str(job.args[0]), walked(0.0))  # type: ignore[attr-defined]
    assert given == 90, "three times the thirty walks of an hour"
