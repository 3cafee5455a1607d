"""The benchmark's arithmetic on grids whose answer is known, and its memory of walks that are done."""

import json
import math

import numpy as np
import pytest

from exostride.bench import control_curve
from exostride.bench.control import Store, run_grid, walked
from exostride.bench.control_cell import Log, Stride, _decay, clearances, slacking
from exostride.bench.control_grid import BenchConfig, Cell, cells
from exostride.bench.control_page import page
from exostride.bench.control_verdict import better, by_patient, means, surely, verdict, with_effort
from exostride.bench.control_words import patient_line, verdict_line
from exostride.patient.profiles import load_profile

CONFIG = BenchConfig(controllers=("impedance", "transparent"), patients=("unimpaired", "weak"), seeds=(0, 1))


def row(controller, patient="weak", seed=0, error=3.0, work=0.3, patient_j=50.0, fell=False):
    return {
        "controller": controller,
        "patient": patient,
        "seed": seed,
        "slacking": 1.0,
        "fell": fell,
        "tracking_error_deg": error,
        "assist_work_fraction": work,
        "patient_work_j_stride": patient_j,
        "decay_strides": 5.0,
        "interaction_torque_nm": 4.0,
        "clearance_mm": 12.0,
        "clear_percent": 100.0,
        "effort_level": 0.9,
        "drag_steps": 0,
        "symmetry_index": 2.0,
        "us_per_step": 100.0,
        "simulated_seconds": 10.0,
    }


def grid(default_work=0.15, patient="weak", seed=0):
    return [
        row("transparent", patient, seed, 5.0, 0.1, 100.0),
        row("guidance_0.1", patient, seed, 4.0, 0.2, 90.0),
        row("guidance_0.5", patient, seed, 2.0, 0.4, 60.0),
        row("impedance", patient, seed, 3.0, default_work, 85.0),
    ]


def test_effort_is_measured_against_the_same_walker_without_assistance():
    rows = with_effort(grid() + grid(seed=1)[1:])
    assert [r["effort_retained"] for r in rows[:4]] == pytest.approx([1.0, 0.9, 0.6, 0.85])
    assert all(np.isnan(r["effort_retained"]) for r in rows[4:]), "another seed is another walk"


def test_default_is_compared_at_the_same_error_on_the_curve():
    (item,) = by_patient(with_effort(grid()), "impedance")
    assert item["assist_work_saved"] == pytest.approx(0.3 - 0.15)
    assert item["effort_gained"] == pytest.approx(0.85 - 0.75)
    assert item["beyond_deg"] == 0.0
    assert better(item)
    assert not surely(item), "one seed leaves a doubt"
    (worse,) = by_patient(with_effort(grid(default_work=0.35)), "impedance")
    assert not better(worse)


def test_curve_that_has_an_error_twice_counts_with_its_best_place():
    bent = [*grid(), row("guidance_0.8", error=4.0, work=0.12, patient_j=80.0)]
    (item,) = by_patient(with_effort(bent), "impedance")
    assert item["levels"] == 3
    assert item["assist_work_saved"] == pytest.approx(0.26 - 0.15), "between 0.4 and 0.12"
    assert item["effort_gained"] == pytest.approx(0.85 - 0.75), "between 0.9 and 0.6"


def test_smaller_error_than_every_level_is_set_against_the_nearest():
    near = [{**r, "tracking_error_deg": 1.5} if r["controller"] == "impedance" else r for r in grid()]
    (item,) = by_patient(with_effort(near), "impedance")
    assert item["assist_work_saved"] == pytest.approx(0.4 - 0.15)
    assert item["effort_gained"] == pytest.approx(0.85 - 0.6)
    assert item["below_deg"] == pytest.approx(0.5)
    assert better(item)
    assert "0.50 less than any level's" in patient_line(item)


def test_an_error_that_no_level_has_is_no_match():
    far = [{**r, "tracking_error_deg": 4.5} if r["controller"] == "impedance" else r for r in grid()]
    rows = with_effort(far)
    (item,) = by_patient(rows, "impedance")
    assert item["beyond_deg"] == pytest.approx(0.5)
    assert not better(item)
    assert "0.50 more than any level's" in patient_line(item)
    (item,) = verdict(rows, "impedance")
    assert (item["patients"], item["better"], item["unmatched"]) == (1, 0, 1)


def test_level_that_a_walker_fell_with_is_no_part_of_the_curve():
    fallen = [row("guidance_0.2", error=3.0, work=0.1, patient_j=99.0, fell=True)]
    (item,) = by_patient(with_effort(grid() + fallen), "impedance")
    assert item["levels"] == 2
    assert item["assist_work_saved"] == pytest.approx(0.3 - 0.15)


def test_verdict_counts_paretic_patients_and_says_how_sure_it_is():
    rows = with_effort(grid() + grid(0.35, "spastic") + grid(patient="unimpaired"))
    (item,) = verdict(rows, "impedance")
    assert (item["patients"], item["better"], item["unmatched"]) == (2, 1, 0)
    assert item["low"] < 0.05
    assert item["high"] > 0.95


def test_every_patient_has_an_interval_over_the_seeds():
    rows = with_effort([r for seed in range(5) for r in grid(0.15 + 0.01 * seed, seed=seed)])
    (item,) = by_patient(rows, "impedance")
    assert item["assist_work_saved"] == pytest.approx(0.3 - 0.17)
    # Student's interval of these five means is 0.13 -+ 2.78 x 0.0158 / sqrt(5).
    assert item["assist_work_saved_low"] == pytest.approx(0.11, abs=0.003)
    assert item["assist_work_saved_high"] == pytest.approx(0.15, abs=0.003)
    assert item["matched_percent"] == 100.0
    assert surely(item)
    assert by_patient(rows, "impedance") == [item], "the same draws every time"
    few = with_effort([r for r in rows if r["seed"] < 4])
    (four,) = by_patient(few, "impedance")
    assert np.isnan(four["assist_work_saved_low"]), "four seeds know no 95 % interval"


def test_interval_of_few_seeds_holds_about_as_often_as_it_says():
    rng, held, plain = np.random.default_rng(3), [], []
    for saved in rng.normal(0.02, 0.01, (400, 5)):
        draws = saved[control_curve.picks(5)].mean(axis=1)
        low, high = control_curve.interval(draws, 5)
        held.append(low <= 0.02 <= high)
        low, high = np.percentile(draws, [2.5, 97.5])
        plain.append(low <= 0.02 <= high)
    assert 0.9 <= np.mean(held) <= 0.98
    assert np.mean(plain) < 0.87, "percentiles as they are would be too narrow"


def test_fall_with_the_default_alone_counts_against_it_whatever_the_other_seeds_say():
    rows = [r for seed in range(6) for r in grid(0.15, seed=seed)]
    rows = [{**r, "fell": True} if (r["controller"], r["seed"]) == ("impedance", 5) else r for r in rows]
    (item,) = by_patient(with_effort(rows), "impedance")
    assert (item["seeds"], item["lost"]) == (5, 1)
    assert not item["better"]
    assert verdict(with_effort(rows), "impedance")[0]["lost"] == 1
    both = [{**r, "fell": r["fell"] or (r["controller"], r["seed"]) == ("transparent", 5)} for r in rows]
    (item,) = by_patient(with_effort(both), "impedance")
    assert (item["seeds"], item["lost"]) == (5, 1), "the levels kept this walker up, the default did not"
    assert not item["better"]
    nobody = [{**r, "fell": r["seed"] == 5} for r in rows]
    (item,) = by_patient(with_effort(nobody), "impedance")
    assert (item["seeds"], item["lost"]) == (5, 0), "who falls with every law is not its fault"


def test_who_falls_without_help_but_not_with_the_default_is_not_lost():
    rows = [r for seed in range(6) for r in grid(0.15, seed=seed)]
    rows = [{**r, "fell": (r["controller"], r["seed"]) == ("transparent", 5)} for r in rows]
    (item,) = by_patient(with_effort(rows), "impedance")
    assert (item["seeds"], item["lost"]) == (5, 0)


def test_a_match_that_many_draws_do_not_have_is_not_beyond_doubt():
    rows = [r for seed in range(5) for r in grid(0.01, seed=seed)]
    errors = (3.0, 3.5, 4.0, 4.2, 4.6)
    rows = [
        {**r, "tracking_error_deg": errors[r["seed"]], "patient_work_j_stride": 95.0}
        if r["controller"] == "impedance"
        else r
        for r in rows
    ]
    (item,) = by_patient(with_effort(rows), "impedance")
    assert item["better"] and item["assist_work_saved_low"] > 0.0 and item["effort_gained_low"] > 0.0
    assert 50.0 < item["matched_percent"] < 97.5
    assert not item["surely"]
    assert f"matched in {item['matched_percent']:.1f} % of draws" in patient_line(item)


def test_verdict_says_whether_what_was_aimed_for_is_reached():
    patients = [f"weak{k}" for k in range(5)]
    four = [r for k, p in enumerate(patients) for r in grid(0.15 if k else 0.35, p)]
    three = [r for k, p in enumerate(patients) for r in grid(0.15 if k > 1 else 0.35, p)]
    (good,), (bad,) = (verdict(with_effort(rows), "impedance") for rows in (four, three))
    assert (good["better"], good["reached"], bad["better"], bad["reached"]) == (4, True, 3, False)
    assert "for 4 of 5 paretic patients (80 %" in verdict_line(good)
    assert verdict_line(bad).endswith("not reached")


def test_seed_whose_curve_is_not_walked_yet_does_not_count():
    begun = [r for r in grid(0.5, seed=1) if r["controller"] != "guidance_0.5"]
    (item,) = by_patient(with_effort(grid() + begun), "impedance")
    assert (item["seeds"], item["levels"]) == (1, 2)
    assert item["assist_work_saved"] == pytest.approx(0.3 - 0.15)


def test_seeds_are_drawn_for_all_laws_together():
    rows = []
    for seed, shift in enumerate((0.0, 0.1, 0.2, 0.3, 0.35)):
        rows += [{**r, "assist_work_fraction": r["assist_work_fraction"] + shift} for r in grid(seed=seed)]
    (item,) = by_patient(with_effort(rows), "impedance")
    bounds = item["assist_work_saved_low"], item["assist_work_saved_high"]
    assert bounds == pytest.approx((0.15, 0.15)), "what a seed does to every law is no doubt about the saving"


def test_means_keep_slackings_apart():
    rows = [row("impedance", work=0.2), {**row("impedance", work=0.4), "slacking": 2.0}]
    assert [r["assist_work_fraction"] for r in means(rows, ["assist_work_fraction"])] == [0.2, 0.4]


def test_who_is_impaired_slacks_as_much_as_asked_and_nobody_else():
    weak, sound = load_profile("hemiparetic_left_mild"), load_profile("unimpaired")
    given_back = [1.0 - slacking(weak, times, CONFIG).effort.retention for times in (0.0, 0.5, 1.0, 2.0)]
    assert given_back == pytest.approx([0.0, 0.015, 0.03, 0.06])
    assert slacking(sound, 2.0, CONFIG) == sound


def test_patient_whom_nothing_keeps_upright_is_not_matched():
    rows = [{**r, "fell": True} if r["controller"].startswith("guidance") else r for r in grid()]
    (item,) = verdict(with_effort(rows), "impedance")
    assert (item["patients"], item["better"], item["unmatched"]) == (1, 0, 1)


def test_grid_takes_every_seed_of_the_references_and_the_default_first():
    order = cells(CONFIG)
    assert len(order) == len({cell.key for cell in order}) == 2 * 2 * (2 + 7)
    slacking = [c.slacking for c in cells(CONFIG.model_copy(update={"slacking": (1.0, 0.0)}))]
    assert slacking == [1.0] * 36 + [0.0] * 36, "every seed of one slacking before the next"
    assert [cell.controller for cell in order[:2]] == ["transparent", "impedance"]
    assert all(cell.seed == 0 for cell in order[:18])


def test_finished_walks_are_remembered_and_a_torn_line_is_not_used(tmp_path):
    path = tmp_path / "cells.jsonl"
    cell = Cell("impedance", "weak", 3)
    store = Store(path, "key")
    store.put(cell, {**row("impedance"), "decay_strides": float("nan")})
    with path.open("a") as file:
        file.write('{"fingerprint": "key", "cell": "torn", "ro')
    again = Store(path, "key")
    assert set(again.rows) == {cell.key}
    assert np.isnan(again.rows[cell.key]["decay_strides"])
    assert Store(path, "another model").rows == {}


def test_who_slacks_no_differently_walks_once(tmp_path):
    config = CONFIG.model_copy(
        update={"patients": ("unimpaired", "foot_drop"), "slacking": (1.0, 0.0), "seeds": (0,)}
    )
    who = {name: load_profile(name) for name in config.patients}
    assert walked(Cell("impedance", "unimpaired", 0, slacking=0.0), config, who["unimpaired"]).slacking == 1.0
    assert walked(Cell("impedance", "foot_drop", 0, slacking=0.0), config, who["foot_drop"]).slacking == 0.0
    store = Store(tmp_path / "cells.jsonl", "key")
    for cell in cells(config):
        if walked(cell, config, who[cell.patient]) == cell:
            store.put(cell, {**row(cell.label, cell.patient), "slacking": cell.slacking})
    rows, left = run_grid(config, store, 0.0, 1)
    assert (len(rows), left) == (36, 0)
    assert sum(r["patient"] == "unimpaired" and r["slacking"] == 0.0 for r in rows) == 9
    assert len(store.rows) == 27


def test_what_is_missing_is_walked_and_kept_and_no_budget_begins_no_walk(tmp_path, monkeypatch):
    config = CONFIG.model_copy(
        update={
            "patients": ("foot_drop",),
            "slacking": (1.0,),
            "seeds": (0, 1),
            "controllers": ("impedance",),
        }
    )

    def as_walked(cell, _):
        return {**row(cell.label, cell.patient, cell.seed), "slacking": cell.slacking}

    monkeypatch.setattr("exostride.bench.control.run_cell", as_walked)
    todo = {cell.key: cell for cell in cells(config)}
    kept, *missing = todo
    store = Store(tmp_path / "cells.jsonl", "key")
    store.put(todo[kept], {**as_walked(todo[kept], config), "tracking_error_deg": 77.0})

    rows, left = run_grid(config, store, 0.0, 2)
    assert (len(rows), left) == (1, len(missing))

    rows, left = run_grid(config, store, math.inf, 2)
    assert (len(rows), left) == (len(todo), 0)
    assert {(r["controller"], r["seed"]) for r in rows} == {(c.label, c.seed) for c in todo.values()}
    assert [r["tracking_error_deg"] for r in rows].count(77.0) == 1, "what is kept is not walked again"
    assert set(Store(tmp_path / "cells.jsonl", "key").rows) == set(todo)


def levels_after_recovery(levels):
    """A walk of 100 ticks a stride, recovered after the second."""
    log = Log(level=[np.full(6, level) for level in levels for _ in range(100)])
    log.strides = [Stride(100 * k, 100 * (k + 1), 0) for k in range(len(levels))]
    return _decay(log, 200)


def test_decay_is_the_strides_until_the_help_has_gone_most_of_its_way():
    fading = 0.4 * np.exp(-np.arange(-2, 30) / 5.0)
    assert levels_after_recovery(fading) == pytest.approx(5.0, abs=1.0)
    assert levels_after_recovery(np.full(32, 0.005)) == 0.0, "no help, nothing to wait for"
    assert np.isnan(levels_after_recovery(np.full(32, 0.3))), "help that stays does not decay"


def test_page_holds_every_row_and_its_picture():
    rows = with_effort(grid())
    result = {
        "simulated_seconds": 40.0,
        "skipped": 2,
        "model_hash": "abc",
        "default": "impedance",
        "verdict": verdict(rows, "impedance"),
        "patients": by_patient(rows, "impedance"),
        "rows": rows,
    }
    text = page(result)
    assert text.count("<svg") == 1
    assert all(name in text for name in ("guidance_0.5", "transparent", "2 walks of the grid not done"))
    assert all(
        line in text for line in (patient_line(result["patients"][0]), verdict_line(result["verdict"][0]))
    )
    json.dumps(result["verdict"])


def test_a_heel_that_bounces_after_its_strike_is_no_swing():
    lifted = np.zeros(100, dtype=bool)
    lifted[3] = lifted[60:95] = True
    height = np.where(np.arange(100) >= 60, 0.02, -0.03)
    log = Log(
        load=[np.full(2, 0.0 if up else 400.0) for up in lifted], clearance=[np.full(2, h) for h in height]
    )
    left, right = clearances(log, [Stride(0, 100, 0)])
    assert left == pytest.approx([20.0])
    assert len(right) == 0
