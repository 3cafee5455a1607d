"""The figures of the impairment table, on a walk made by hand."""

import numpy as np
import pytest

from exostride.bench.impairments import Gait, asymmetry, gait_of, line, unimpaired_of
from exostride.bench.training import mean_strength
from exostride.bench.treadmill_run import FIELDS, Walk
from exostride.patient.profile import PatientProfile
from exostride.patient.profiles import load_profile

MASS_KG, STRIDE_S, STANCE = 70.0, 2.0, 0.6


def walk(knee=(60.0, 60.0), clearance_mm=(15.0, 15.0), stance=(STANCE, STANCE), shift=0.5, strides=8):
    """Return a walk whose legs bend, lift and load as told; the right leg runs ``shift`` behind the left."""
    time = np.arange(round(strides * STRIDE_S / 0.005)) * 0.005
    columns = {name: np.zeros((len(time), width)) for name, width in FIELDS.items()}
    columns["time"][:, 0] = time
    for leg in (0, 1):
        phase = (time / STRIDE_S + shift * leg) % 1.0
        swing = np.clip((phase - STANCE) / (1.0 - STANCE), 0.0, 1.0)
        loaded = phase < stance[leg]
        columns["phase"][:, leg] = phase
        columns["angle"][:, 4 * leg + 2] = np.radians(5.0 + (knee[leg] - 5.0) * np.sin(np.pi * swing))
        columns["ground_force"][:, 3 * leg + 2] = np.where(loaded, 400.0, 0.0)
        columns["clearance"][:, leg] = np.where(loaded, 0.0, 1e-3 * clearance_mm[leg])
    rows = np.concatenate([columns[name] for name in FIELDS], axis=1)
    return Walk(rows, fell=False)


def test_sides_are_told_apart():
    gait = gait_of(walk(knee=(40.0, 61.0), clearance_mm=(0.5, 15.0)), MASS_KG, STANCE, 0.0)
    assert gait.knee_deg == pytest.approx((40.0, 61.0), abs=0.1)
    assert gait.clearance_mm == pytest.approx((0.5, 15.0))
    assert gait.drag_percent == (100.0, 0.0)
    assert gait.stance_percent == pytest.approx((60.0, 60.0), abs=0.5)
    assert gait.stance_asymmetry_percent < 1.0 and gait.step_asymmetry_percent < 1.0


def test_limp_shows_in_stance_and_step_times():
    gait = gait_of(walk(stance=(0.55, 0.65), shift=0.45), MASS_KG, STANCE, 0.0)
    assert gait.stance_asymmetry_percent == pytest.approx(200.0 * 0.1 / 1.2, abs=1.0)
    # The right foot strikes 0.55 of a stride after the left, the left 0.45 after the right.
    assert gait.step_s == pytest.approx((0.45 * STRIDE_S, 0.55 * STRIDE_S), abs=0.01)
    assert gait.step_asymmetry_percent == pytest.approx(20.0, abs=1.0)


def test_a_foot_that_touches_in_mid_swing_still_has_one_strike_a_stride():
    made = walk()
    rows = made.rows.copy()
    start = sum(w for name, w in list(FIELDS.items())[: list(FIELDS).index("ground_force")])
    phase = made["phase"][:, 0]
    rows[(phase > 0.75) & (phase < 0.8), start + 2] = 80.0
    gait = gait_of(Walk(rows, False), MASS_KG, STANCE, 0.0)
    assert gait.step_s == pytest.approx((1.0, 1.0), abs=0.01)
    assert gait.stance_percent == pytest.approx((65.0, 60.0), abs=0.5)


def test_too_short_a_walk_says_nothing():
    assert gait_of(walk(strides=1), MASS_KG, STANCE, 0.0) is None
    assert "FELL after 3.0 s" in line("x", {"fell": True, "seconds": 3.0})


def test_the_sound_twin_keeps_body_and_therapy_only():
    profile = load_profile("hemiparetic_left_severe")
    twin = unimpaired_of(profile)
    assert twin.body == profile.body and twin.therapy == profile.therapy
    assert twin.left == twin.right and mean_strength(twin) == 1.0
    assert mean_strength(profile) < 1.0


def test_mean_strength_counts_the_weak_only():
    p = PatientProfile.model_validate(
        {"name": "x", "description": "x", "left": {"strength": {"knee_flexion": 0.2, "abduction": 0.6}}}
    )
    assert mean_strength(p) == pytest.approx(0.4)


def test_asymmetry_is_that_of_robinson():
    assert asymmetry((60.0, 40.0)) == pytest.approx(40.0)
    assert Gait(*[(1.0, 1.0)] * 6).step_asymmetry_percent == 0.0
