"""The phase bench: its arithmetic on errors that are known, and the command on made-up recordings."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from gait_walker import Walker as MadeUp
from typer.testing import CliRunner

from exostride.bench import phase_stress
from exostride.bench.phase import group, means, reliability
from exostride.bench.phase_data import KINEMATICS, LOAD, THIGH, mirrored, read_folder, read_walker, states
from exostride.bench.phase_html import render
from exostride.bench.phase_score import Run, circular_median, event_score, oracle, run, score_leg
from exostride.cli import app
from exostride.errors import InputError
from exostride.gait.cycles import ideal_phase
from exostride.gait.phase.individual import Individual

STRIDES = 24


def write(folder, name="someone", columns=("thigh_angle", "thigh_rate"), rate_hz=0.9, pad=0.0):
    walker = MadeUp(rate_hz=rate_hz)
    t = np.arange(0.0, STRIDES / rate_hz, 0.01)
    rows = [("t", *(f"{c}_right" for c in columns))]
    for k, x in enumerate(t):
        state = walker.state(k, max(float(x), pad))
        values = {
            "thigh_angle": state.segment_angle_rad[3],
            "thigh_rate": state.segment_rate_rad_s[3] if x > pad else 0.0,
            "hip": state.segment_angle_rad[3],
        }
        rows.append((f"{x:.4f}", *(f"{values[c]:.6f}" for c in columns)))
    (folder / f"{name}.csv").write_text("\n".join(",".join(r) for r in rows) + "\n")
    strikes = (np.arange(STRIDES) + walker.lag) / rate_hz
    events = [f"{s:.4f},right,heel_strike" for s in strikes if s < t[-1]]
    (folder / f"{name}.events.csv").write_text("t,side,event\n" + "\n".join(events) + "\n")
    return folder / f"{name}.csv"


@pytest.fixture
def walker(tmp_path):
    return read_walker(write(tmp_path))


def shown(walker, error):
    truth = ideal_phase(walker.time_s, walker.strikes[1], np.inf)
    phase = np.zeros((len(truth), 2))
    phase[:, 1] = (np.nan_to_num(truth) + error) % 1.0
    return Run(phase, phase, np.ones_like(phase), [], np.zeros(len(truth)))


def test_constant_offset_is_forgiven_and_printed(walker):
    score = score_leg(walker, shown(walker, 0.17), 1)
    assert score.offset == pytest.approx(0.17, abs=1e-6)
    assert np.abs(score.error[score.counted]).max() < 1e-6
    assert score.strides_to_lock == 0


def test_error_after_calibration_counts_and_calibration_does_not(walker):
    late = walker.time_s >= walker.strikes[1][10]
    score = score_leg(walker, shown(walker, np.where(late, 0.05, 0.0)), 1)
    assert np.sqrt(np.mean(score.error[score.counted] ** 2)) == pytest.approx(0.05, abs=1e-6)
    assert walker.time_s[score.counted].min() == pytest.approx(walker.strikes[1][10], abs=0.011)


def test_lock_loss_needs_a_quarter_cycle_for_half_a_stride(walker):
    start = walker.strikes[1][15]
    stride = 1 / 0.9
    for length, losses in ((0.4, 0), (0.7, 1)):
        error = np.where((walker.time_s > start) & (walker.time_s < start + length * stride), 0.3, 0.0)
        assert score_leg(walker, shown(walker, error), 1).lock_losses == losses


def test_oracle_is_exact_on_even_walking(walker):
    score = score_leg(walker, oracle(walker), 1)
    assert np.abs(score.error[score.counted]).max() < 0.02


def test_circular_median_across_the_wrap():
    error = np.array([0.98, 0.99, 0.01, 0.02, 0.0, 0.5])
    assert abs((circular_median(error) + 0.5) % 1.0 - 0.5) < 0.01


def test_event_score_pairs_one_to_one():
    true = np.array([1.0, 2.0, 3.0])
    perfect = event_score([1.01, 2.01, 3.01], true, 0, 4)
    assert (perfect["f1"], perfect["median_ms"]) == (1.0, pytest.approx(10.0))
    assert perfect["mad_ms"] == pytest.approx(0.0, abs=1e-9)
    doubled = event_score([1.0, 1.02, 2.0, 3.0], true, 0, 4)
    assert doubled["f1"] == pytest.approx(6 / 7)
    assert event_score([1.06, 2.0, 3.0], true, 0, 4)["f1"] == pytest.approx(2 / 3)
    assert event_score([1.0], np.array([]), 0, 4) is None


def test_signals_shown_are_those_of_the_group(tmp_path):
    walker = read_walker(write(tmp_path, columns=("thigh_angle", "thigh_rate", "hip")))
    assert states(walker, THIGH)[5].joint_valid == 0
    assert states(walker, KINEMATICS)[5].joint_valid == 1 << 3
    assert not walker.shows(LOAD)
    assert mirrored(walker).legs() == [0]


def test_hip_stands_in_for_the_thigh(tmp_path):
    walker = read_walker(write(tmp_path, columns=("hip",)))
    assert np.isfinite(walker.segment_angle[:, 3]).all()
    assert np.isnan(walker.segment_rate[:, 3]).all()


def test_padding_is_not_a_measurement(tmp_path):
    walker = read_walker(write(tmp_path, pad=2.0))
    assert np.isnan(walker.segment_angle[:199, 3]).all()
    assert walker.strikes[1][0] >= 2.0


def test_groups_means_and_reliability(walker):
    assert group(walker) == "steady"
    figures = {walker.name: {"a": {"rmse_pct": 2.0, "lock_losses": 0}, "b": {"rmse_pct": None}}}
    table = means([walker], figures)
    assert table["steady"]["a"]["rmse_pct"] == 2.0
    assert table["steady"]["b"]["rmse_pct"] is None
    assert not table["changing_speed"]
    bands = reliability([(0.92, True), (0.93, True), (0.94, False), (0.1, False)])
    assert bands[-1]["within_5_pct"] == pytest.approx(2 / 3)
    assert sum(b["share"] for b in bands) == pytest.approx(1.0)


def test_command_writes_what_it_prints(tmp_path):
    write(tmp_path)
    out, page = tmp_path / "f.json", tmp_path / "f.html"
    result = CliRunner().invoke(
        app,
        [
            "bench",
            "phase",
            "--data",
            str(tmp_path),
            "--estimator",
            "default",
            "--json",
            str(out),
            "--html",
            str(page),
        ],
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())
    row = figures["recordings"]["someone"]
    assert row["default"]["rmse_pct"] < 1.0
    assert row["default"]["lock_losses"] == 0
    assert row["default"]["events"]["heel_strike"]["f1"] == 1.0
    assert row["oracle_time_based"]["rmse_pct"] < 0.5
    assert "us_per_step" in row["default"]
    assert figures["means"]["steady"]["default"]["rmse_pct"] == row["default"]["rmse_pct"]
    assert "<svg" in page.read_text()
    assert f"{row['default']['rmse_pct']:.2f}" in page.read_text()


def test_bad_input_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no NAME\.csv"):
        read_folder(tmp_path)
    path = write(tmp_path)
    (tmp_path / "someone.events.csv").write_text("t,side,event\n1.0,right,toe_off\n")
    with pytest.raises(InputError, match="two labelled heel strikes"):
        read_walker(path)


@pytest.mark.parametrize("kind", phase_stress.KINDS)
def test_default_recovers_from_every_disturbance(kind):
    rng = np.random.default_rng(11)
    for _ in range(2):
        trial = phase_stress.make_trial(kind, phase_stress.made_up(rng), rng)
        recovered, strides = phase_stress.run_trial(lambda period: Individual(period, {}), trial)
        assert recovered, kind
        assert strides <= phase_stress.ALLOWED


def test_stress_does_not_call_an_estimator_recovered_that_is_not():
    class Stuck(Individual):
        def step(self, t, state):
            gait, events = super().step(min(t, 7.0), state)
            return gait, events

    rng = np.random.default_rng(12)
    trial = phase_stress.make_trial("stop_start", phase_stress.made_up(rng), rng)
    assert not phase_stress.run_trial(lambda period: Stuck(period, {}), trial)[0]


def test_stress_page_shows_every_disturbance():
    row = {"trials": 3.0, "recovered_pct": 100.0, "strides_median": 0.5, "strides_p95": 1.0}
    page = render({"estimator": "default", "by_disturbance": {"noise": row}, "all": row})
    assert "noise" in page
    assert "100.0" in page


def test_example_in_the_docs_runs(walker):
    page = (Path(__file__).parents[3] / "docs" / "phase.md").read_text(encoding="utf-8")
    scope = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], scope)
    result = run(scope["Portrait"](0.01, {}), walker, THIGH)
    score = score_leg(walker, result, 1)
    assert np.sqrt(np.mean(score.error[score.counted] ** 2)) < 0.15
