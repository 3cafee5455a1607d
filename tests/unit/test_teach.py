"""A walker's own path, learned from strides whose shape is known."""

from itertools import pairwise

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from exostride.bench.made_session import MadeSession, write
from exostride.cli import app
from exostride.conventions import GRAVITY_M_S2
from exostride.errors import InputError
from exostride.gait.consistent import PLAN_FILE, load_consistent
from exostride.gait.reference import FILE_NAME, fourier_matrix, load_reference
from exostride.gait.teach import own_speed
from exostride.paths import config_dir

T = 0.005
NORMS = load_reference(config_dir() / "norms" / FILE_NAME)
PHASE = np.arange(50) / 50


def a_walk(strides=12, stumble=True):
    """A leg on the norms' path with strides of unequal length, one of them a stumble."""
    curve, rng = NORMS.curve(0.7, 0.9), np.random.default_rng(0)
    lengths = rng.uniform(1.1, 1.3, strides)
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    time = np.arange(0.0, starts[-1], T)
    n = np.searchsorted(starts, time, side="right") - 1
    phase = (time - starts[n]) / lengths[n]
    angle = curve.angles(phase) + rng.normal(0.0, np.radians(0.3), (len(time), 3))
    if stumble:
        angle[n == 4] += np.radians(30.0)
    events = [(a, a + 0.64 * (b - a), b) for a, b in pairwise(starts)]
    return curve, time, angle, events, float(np.median(lengths))


def test_own_path_is_the_walkers_and_a_stumble_does_not_count():
    curve, time, angle, events, duration = a_walk()
    own = own_speed(time, angle, events, 0.7, 0.9)
    rows = np.radians([own.angle_deg[joint] for joint in ("hip", "knee", "ankle")])
    error = np.degrees(fourier_matrix(PHASE, 7) @ rows.T - curve.angles(PHASE))
    assert np.sqrt(np.mean(error**2)) < 0.5
    assert own.stance_fraction == pytest.approx(0.64, abs=1e-3)
    assert own.stride_time * np.sqrt(0.9 / GRAVITY_M_S2) == pytest.approx(duration, rel=0.01)


def test_too_little_is_said():
    _, time, angle, events, _ = a_walk()
    with pytest.raises(InputError, match="4 whole strides: a walker's own path needs 5"):
        own_speed(time, angle, events[:4], 0.7, 0.9)
    with pytest.raises(InputError, match="the belt did not move"):
        own_speed(time, angle, events, 0.0, 0.9)


def test_a_bag_becomes_a_reference(tmp_path):
    write(MadeSession(duration_s=20.0, speed_m_s=0.8), tmp_path / "bag")
    out = tmp_path / "own.yaml"
    done = CliRunner().invoke(app, ["teach", str(tmp_path / "bag"), "--side", "right", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(out.read_text())["side"] == "right"
    norms_dir = config_dir() / "norms"
    leg = yaml.safe_load(out.read_text())["leg_length_m"]
    own = load_consistent(norms_dir / PLAN_FILE, NORMS, out).curve(0.8, leg)
    expected = NORMS.curve(0.8, leg)
    error = np.degrees(own.angles(PHASE) - expected.angles(PHASE))
    assert np.sqrt(np.mean(error**2)) < 3.0
    assert own.stride_time_s == pytest.approx(expected.stride_time_s, rel=0.05)


def test_wrong_side_is_refused(tmp_path):
    done = CliRunner().invoke(app, ["teach", str(tmp_path), "--side", "both", "--out", str(tmp_path / "x")])
    assert "--side both: must be left or right" in str(done.exception)
