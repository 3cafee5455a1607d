"""The figures of ``exostride bench fading`` on walks whose levels and clearances are made up."""

from pathlib import Path

import numpy as np
import pytest

from exostride.bench import fading
from exostride.bench.control_cell import Log, Stride
from exostride.bench.control_grid import BenchConfig
from exostride.config import load
from exostride.paths import config_dir
from exostride.patient.profiles import load_profile

CONFIG = load(BenchConfig, Path(config_dir()) / "bench" / "control.yaml")
WEAK = load_profile("hemiparetic_left_mild")
TICKS = 100


def made(levels, clearance_mm=20.0, changed=-1, fell=False):
    """A walk of 100 ticks a stride; levels (n,) for both legs or (n, 2)."""
    levels = np.asarray(levels, dtype=float)
    legs = np.repeat(levels[:, None], 2, axis=1) if levels.ndim == 1 else levels
    log = Log(fell=fell)
    for k, pair in enumerate(legs):
        log.strides += [Stride(k * TICKS, (k + 1) * TICKS, side) for side in (0, 1)]
        log.level += [np.repeat(pair, 3)] * TICKS
        swing = np.arange(TICKS) >= 60
        log.load += [np.where(s, 0.0, 500.0) * np.ones(2) for s in swing]
        log.clearance += [np.broadcast_to(clearance_mm, 2) / 1e3] * TICKS
    return fading.Walk(log, changed)


@pytest.fixture
def walks(monkeypatch):
    """Answer every walk with the next one made."""
    queue = []
    monkeypatch.setattr(fading, "walk", lambda *_, **__: queue.pop(0))
    return queue


def test_fade_counts_the_strides_until_a_twentieth_is_left(walks):
    walks.append(made(CONFIG.start_level * 0.9 ** np.arange(40)))
    result = fading.fading("impedance", WEAK, 40, CONFIG, 0)
    assert result["fade_strides"] == 30, "0.9^29 is the first below 0.05"
    assert result["level_left"] == pytest.approx(0.9**39)


def test_help_that_stays_never_counts_as_faded(walks):
    walks.append(made(np.full(40, 0.2)))
    assert fading.fading("impedance", WEAK, 40, CONFIG, 0)["fade_strides"] is None


def test_help_that_comes_again_has_not_faded(walks):
    dip = np.full(40, 0.2)
    dip[5] = 0.0
    walks.append(made(dip))
    assert fading.fading("impedance", WEAK, 40, CONFIG, 0)["fade_strides"] is None
    dip[20:] = 0.0
    walks.append(made(dip))
    assert fading.fading("impedance", WEAK, 40, CONFIG, 0)["fade_strides"] == 21
    dip[20:36] = 0.2
    walks.append(made(dip))
    assert fading.fading("impedance", WEAK, 40, CONFIG, 0)["fade_strides"] is None, "four strides are no stay"


def test_clearance_is_told_for_law_transparent_robot_and_sound_body(walks):
    walks += [made(np.zeros(20), mm) for mm in ((14.0, 11.0), (2.0, 12.0), (15.0, 15.0))]
    result = fading.settling("impedance", WEAK, 20, CONFIG, 0)
    law, transparent, sound = (result[k] for k in ("law", "transparent", "sound"))
    assert law["median_mm"] == pytest.approx([14.0, 11.0])
    assert [w["off_mm"] for w in (law, transparent, sound)] == pytest.approx([-1.0, -13.0, 0.0]), (
        "left is weak"
    )
    assert [w["clear_percent"] for w in (law, transparent, sound)] == [100.0, 50.0, 100.0]
    text = "\n".join(fading.lines({"patient": "p", "seed": 0, "settles": result}))
    assert "law         clearance left 14.0, right 11.0 mm, impaired foot -1.0 mm from its sound self" in text
    assert "at least 5 mm in 100 % of steps" in text


def test_both_feet_count_where_both_are_impaired(walks):
    walks += [made(np.zeros(20), mm) for mm in ((14.0, 11.0), (2.0, 12.0), (15.0, 15.0))]
    result = fading.settling("impedance", load_profile("paraparetic"), 20, CONFIG, 0)
    assert result["law"]["off_mm"] == pytest.approx(-4.0)


def test_return_is_counted_on_the_leg_that_weakened(walks):
    left = np.concatenate([np.full(30, 0.01), 0.4 * (1.0 - 0.6 ** np.arange(1, 21))])
    walks.append(made(np.column_stack([left, np.full(50, 0.01)]), changed=30))
    result = fading.coming_back("impedance", WEAK, 30, CONFIG, 0)
    assert result["back_strides"] == 2
    assert result["settles_at"] == pytest.approx(0.4, abs=0.01)
    walks.append(made(np.full(32, 0.01), changed=30, fell=True))
    assert fading.coming_back("impedance", WEAK, 30, CONFIG, 0)["back_strides"] is None


def test_help_that_hardly_rises_has_not_come_back(walks):
    for before, end in ((0.0, 1e-6), (0.0, 0.01), (0.38, 0.4)):
        left = np.concatenate([np.full(30, before), np.full(20, end)])
        walks.append(made(np.column_stack([left, np.zeros(50)]), changed=30))
        assert fading.coming_back("impedance", WEAK, 30, CONFIG, 0)["back_strides"] is None


def test_help_of_the_other_leg_is_not_the_weak_legs(walks):
    right = np.concatenate([np.full(30, 0.01), np.full(20, 0.3)])
    walks.append(made(np.column_stack([np.full(50, 0.01), right]), changed=30))
    result = fading.coming_back("impedance", WEAK, 30, CONFIG, 0)
    assert result["settles_at"] == pytest.approx(0.01)
    assert result["back_strides"] is None


def test_help_that_comes_once_and_goes_again_counts_from_when_it_stays(walks):
    left = np.concatenate([np.full(30, 0.01), [0.4, 0.4], np.full(8, 0.05), np.full(10, 0.3)])
    walks.append(made(np.column_stack([left, np.full(50, 0.01)]), changed=30))
    assert fading.coming_back("impedance", WEAK, 30, CONFIG, 0)["back_strides"] == 11


def test_weaker_leg_is_the_profiles():
    assert fading.weaker(WEAK) == 0
    assert fading.weaker(load_profile("hemiparetic_right_severe")) == 1
    profile = load_profile("paraparetic")
    right = profile.right.model_copy(
        update={"strength": profile.right.strength.model_copy(update={"dorsiflexion": 0.2})}
    )
    assert fading.weaker(profile.model_copy(update={"right": right})) == 1
