"""Stances, swings and figures of the engines' comparison, and its going on where it was."""

import json

import numpy as np
import pytest

from exostride.bench import engines
from exostride.bench.engines_walk import Figures, Foot, Scene, Watch, compared, helped, lowest, spans
from exostride.errors import InputError

PERIOD_S = 0.01
STANCE = 0.6


def test_bounces_belong_to_what_was_before_and_cut_ends_are_left_out():
    loaded = np.array([1] * 5 + [0] * 4 + [1] + [0] * 5 + [1] * 6 + [0] + [1] * 3 + [0] * 9, dtype=bool)
    assert spans(loaded, 3) == [(5, 15, False), (15, 25, True)]


def watched(left_swing_m):
    """Return what was seen of a walk of 4 s whose left sole is so high in swing."""
    watch = Watch()
    for k in range(400):
        phase = np.array([k % 100, (k + 50) % 100]) / 100
        stance = phase[0] < STANCE
        force = [600.0 if stance else 0.0, 0.0 if stance else 400.0]
        height = [0.0 if stance else left_swing_m(k), 0.02 if stance else 0.0]
        watch._rows.append(np.array([*force, *height, 0.4 if k > 50 else 0.1, 0.95, *phase]))
    return watch.figures(PERIOD_S, 0.4, STANCE, 8, 2.0)


def test_figures_are_of_whole_stances_at_full_speed():
    figures = watched(lambda k: 0.03)
    assert figures.stances == 6  # the left one at the start is cut off, the right one at the end
    assert figures.stance_time_s == pytest.approx(0.5)
    assert figures.peak_force_n == pytest.approx(500.0)
    assert figures.left == Foot(2, pytest.approx(30.0), pytest.approx(30.0), 100.0, 0)
    assert figures.upright


def test_a_swing_counts_by_its_lowest_point_in_its_middle():
    figures = watched(lambda k: 0.0 if k % 100 < 65 else (0.003 if k > 200 and k % 100 == 80 else 0.012))
    assert figures.left == Foot(2, pytest.approx(7.5), pytest.approx(3.0), 50.0, 0)


def test_a_foot_that_drags_has_swings_too():
    phase = np.arange(500) % 100 / 100
    height = np.where(np.arange(500) < 300, 0.2, 9.0)
    seen = lowest(phase, height, np.ones(500, dtype=bool), STANCE)
    assert list(seen) == [0.2, 0.2, 9.0]
    assert Foot.of(seen).drag_steps == 2


def figures(stance=1.0, peak=500.0, clearance=10.0):
    foot = {"swings": 9, "clearance_mm": clearance, "least_mm": 1.0, "clear_percent": 50.0, "drag_steps": 2}
    return {
        "stance_time_s": stance,
        "peak_force_n": peak,
        "stances": 10,
        "left": foot,
        "right": foot,
        "steps": 12,
        "upright": True,
        "times_real_time": 1.0,
    }


def test_differences_are_relative_to_mujoco():
    sides = {"mujoco": figures(), "gazebo": figures(1.05, 450.0)}
    part = compared(Scene("unimpaired", "transparent", 20.0), sides)
    assert part["stance_time_difference_pct"] == pytest.approx(5.0)
    assert part["peak_force_difference_pct"] == pytest.approx(10.0)
    assert part["gazebo"]["stances"] == 10


def test_help_is_against_the_law_that_gives_none():
    scenes = [Scene("foot_drop", law, 20.0, 0.3) for law in ("transparent", "foot_drop")]
    rows = {"mujoco": [figures(), figures(clearance=14.0)], "gazebo": [figures(), figures(clearance=9.0)]}
    part = helped(scenes, rows)
    assert part["mujoco"]["raised_mm"] == [0.0, 4.0] and part["gazebo"]["raised_mm"] == [0.0, -1.0]
    assert (part["speed_m_s"], part["unloading_percent"]) == (0.3, 30.0)


@pytest.fixture
def made(monkeypatch):
    """Pieces that have been made, instead of walks of minutes."""
    made = []

    def free(timestep_s, seconds):
        made.append(timestep_s)
        speeds = {"mujoco": 2.0, "gazebo": 1.0}
        error = {"max_joint_error_rad": 4e-4, "worst_joint": "knee_left", "least_sweep_deg": 32.0}
        return {"timestep_s": timestep_s, "seconds": seconds, "times_real_time": speeds, **error}

    def walk(engine, scene):
        made.append((engine, scene.patient, scene.controller))
        foot = Foot(0, np.nan, np.nan, np.nan, 0)
        return Figures(1.0, 500.0, 10, foot, foot, 12, True, 1.0)

    monkeypatch.setattr(engines, "no_contact", free)
    monkeypatch.setattr(engines, "walk", walk)
    return made


def test_the_command_goes_on_where_its_budget_ended(made, tmp_path, capsys):
    file = tmp_path / "engines.json"
    engines.command(walks=None, budget=0.0, json_file=file)
    assert not made and "goes on from here" in capsys.readouterr().err
    engines.command(walks=["unimpaired:transparent"], assist="", json_file=file)
    assert len(made) == 4
    engines.command(walks=["unimpaired:transparent"], json_file=file)
    assert len(made) == 4 + 6, "only what was missing"
    result = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert result["no_contact"]["max_joint_error_rad"] == 4e-4
    assert set(result["contact"]) == {"stance_time_difference_pct", "peak_force_difference_pct", "walks"}
    assert result["assistance"]["gazebo"]["clearance_mm"] == [None] * 3


def test_pieces_of_another_model_are_made_anew(made, tmp_path, monkeypatch):
    file = tmp_path / "engines.json"
    engines.command(seconds=0.0, walks=None, json_file=file)
    monkeypatch.setattr(engines, "model_hash", lambda: "another")
    engines.command(seconds=0.0, walks=None, json_file=file)
    assert len(made) == 4


@pytest.mark.parametrize("text", ["[]", "{", '{"model": 1}'])
def test_a_file_of_something_else_is_not_written_over(tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"other\.json"):
        engines.command(seconds=0.0, walks=None, json_file=file)
    assert file.read_text() == text


def test_a_walk_without_a_law_is_refused():
    with pytest.raises(InputError, match="PATIENT:CONTROLLER"):
        engines.command(walks=["unimpaired"])
