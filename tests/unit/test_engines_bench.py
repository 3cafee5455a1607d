"""Stances, swings and figures of the engines' comparison."""

import numpy as np
import pytest

from exostride.bench import engines_walk
from exostride.bench.engines_walk import Figures, Watch, spans


def test_bounces_belong_to_what_was_before_and_cut_ends_are_left_out():
    loaded = np.array([1] * 5 + [0] * 4 + [1] + [0] * 5 + [1] * 6 + [0] + [1] * 3 + [0] * 9, dtype=bool)
    assert spans(loaded, 3) == [(5, 15, False), (15, 25, True)]


def test_figures_are_of_whole_stances_at_full_speed():
    watch = Watch()
    period = 0.01
    for k in range(400):
        stance = k % 100 < 60
        force = [600.0 if stance else 0.0, 0.0 if stance else 400.0]
        height = [0.0 if stance else 0.03, 0.02 if stance else 0.0]
        watch._rows.append(np.array([*force, *height, 0.4 if k > 50 else 0.1, 0.95]))
    figures = watch.figures(period, 0.4, 8, 2.0)
    assert figures.stances == 6  # the left one at the start is cut off, the right one at the end
    assert figures.stance_time_s == pytest.approx(0.5)
    assert figures.peak_force_n == pytest.approx(500.0)
    assert figures.clearance_mm == pytest.approx((30.0, 20.0))
    assert figures.upright


def test_differences_are_relative_to_mujoco(monkeypatch):
    def walk(engine, *_):
        stance, peak = (1.0, 500.0) if engine == "mujoco" else (1.05, 450.0)
        return Figures(stance, peak, 10, (10.0, 12.0), 12, True, 1.0)

    monkeypatch.setattr(engines_walk, "walk", walk)
    part = engines_walk.compared("unimpaired", "transparent", 20.0)
    assert part["stance_time_difference_pct"] == pytest.approx(5.0)
    assert part["peak_force_difference_pct"] == pytest.approx(10.0)
    assert part["gazebo"]["stances"] == 10
