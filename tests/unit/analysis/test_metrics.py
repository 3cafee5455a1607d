"""Figures of a made session against what was put into it, and right answers where there is nothing to say."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from exostride.analysis import estimate as why
from exostride.analysis.document import page
from exostride.analysis.estimate import missing, over_strides, standard_error
from exostride.analysis.loading import load_session
from exostride.analysis.metrics.kinematics import sparc
from exostride.analysis.registry import KEYS, REGISTRY
from exostride.analysis.summary import analyse_session, as_csv
from exostride.analysis.walk import Walk
from exostride.bench.made_session import MadeSession, write
from exostride.conventions import SIDES
from exostride.errors import InputError


def test_every_metric_is_declared_in_full():
    for name, metric in REGISTRY.items():
        assert metric.title and metric.definition.endswith(".") and metric.citation and metric.tolerance, name


def test_the_page_of_metrics_is_current():
    written = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m exostride.analysis.document docs/metrics.md"


def test_every_figure_has_a_value_or_a_reason(analysis):
    for row in analysis.rows():
        assert math.isfinite(row.estimate.value) != bool(row.estimate.reason), row.name
        assert set(analysis[row.metric.name]) == set(KEYS[row.metric.scope])


def test_steps_times_and_speed(analysis, made, plan):
    course = made[1]
    assert analysis.one("steps").value == sum(len(strikes) for strikes in course.strikes)
    assert analysis.one("speed_m_s").value == pytest.approx(plan.speed_m_s, rel=0.01)
    for side, name in enumerate(SIDES):
        durations = np.diff(course.strikes[side])
        assert analysis.one("stride_time_s", name).value == pytest.approx(durations.mean(), abs=0.001)
        inside = (course.time_s >= course.strikes[side][0]) & (course.time_s < course.strikes[side][-1])
        stance = 100.0 * float(np.mean(course.force_n[inside, 3 * side + 2] >= 20.0))
        assert stance == pytest.approx(100 * course.stance[side], abs=2.0)
        assert analysis.one("stance_percent", name).value == pytest.approx(stance, abs=0.3)
        cv = 100 * durations.std(ddof=1) / durations.mean()
        assert analysis.one("stride_time_cv_percent", name).value == pytest.approx(cv, abs=0.05)
    length = plan.speed_m_s * np.diff(course.strikes[0]).mean()
    assert analysis.one("stride_length_m", "left").value == pytest.approx(length, rel=0.01)
    covered = max(s[-1] for s in course.strikes) - min(s[0] for s in course.strikes)
    assert analysis.one("walking_time_s").value == pytest.approx(covered, abs=0.01)
    assert analysis.one("distance_m").value == pytest.approx(covered * plan.speed_m_s, rel=0.01)


def test_step_time_symmetry_has_sign_and_size(analysis, made):
    left, right = made[1].strikes
    of_left = (left[1:] - right).mean()
    of_right = (right[1:] - left[1:-1]).mean()
    expected = 100.0 * (of_left - of_right) / (0.5 * (of_left + of_right))
    assert expected > 5.0
    assert analysis.one("step_time_symmetry_percent").value == pytest.approx(expected, abs=0.3)


def test_joint_ranges_are_those_of_the_curves(analysis, made):
    course = made[1]
    for side, name in enumerate(SIDES):
        inside = (course.time_s >= course.strikes[side][0]) & (course.time_s <= course.strikes[side][-1])
        for k, kind in enumerate(("hip", "knee", "ankle")):
            true = np.degrees(np.ptp(course.angle_rad[inside, 3 * side + k]))
            assert analysis.one("range_deg", f"{kind}_{name}").value == pytest.approx(true, abs=1.0)
    assert analysis.one("tracking_error_deg", "knee_left").value == pytest.approx(2.0, abs=0.1)


def test_interaction_and_assistance(analysis, made, plan):
    course, period = made[1], 1.0 / plan.rate_hz
    a, b = course.strikes[0][0], course.strikes[0][-1]
    inside = (course.time_s >= a) & (course.time_s < b)
    power = np.maximum(course.cuff_nm[inside, 0] * course.velocity_rad_s[inside, 0], 0.0)
    per_stride = power.sum() * period / (len(course.strikes[0]) - 1)
    assert analysis.one("assist_work_j", "hip_left").value == pytest.approx(per_stride, rel=0.1)
    assert analysis.one("assistance_percent", "hip_left").value == pytest.approx(50.0, abs=0.5)
    assert analysis.one("interaction_torque_peak_nm", "hip_left").value == pytest.approx(
        np.abs(course.cuff_nm[inside, 0]).max(), rel=0.1
    )


def test_loads_heart_and_alarms(analysis, plan):
    left = analysis.one("weight_bearing_percent", "left").value
    right = analysis.one("weight_bearing_percent", "right").value
    assert left < 47.0 < 53.0 < right
    assert analysis.one("unloading_percent").value == pytest.approx(20.0, abs=0.01)
    assert plan.heart_rest_bpm < analysis.one("heart_rate_mean_bpm").value < plan.heart_rest_bpm + 28.0
    assert analysis.one("warnings").value == 1.0 and analysis.one("stops").value == 0.0
    assert analysis.one("missed_commands_percent").value == 0.0


def test_json_and_csv_hold_no_nan(analysis):
    text = json.dumps(analysis.as_dict(), allow_nan=False)
    assert json.loads(text)["metrics"]["steps"]["values"]["all"]["value"] > 0
    lines = as_csv([analysis]).splitlines()
    assert len(lines) == 1 + sum(len(KEYS[m.scope]) for m in REGISTRY.values())
    assert "nan" not in "".join(lines)


LACKS = {
    "cuff_torque_nm": ("assist_work_j", "knee_left", why.NO_CUFFS),
    "foot_force_n": ("flexion_moment_peak_nm_kg", "hip_left", why.NO_GROUND_FORCE),
    "body": ("foot_clearance_mm", "left", why.NO_BODY),
    "pelvis_m": ("foot_clearance_mm", "left", why.NO_PELVIS),
    "angle_rad": ("range_deg", "hip_left", why.NO_ANGLES),
    "belt_m_s": ("stride_length_m", "left", why.NO_BELT),
    "heart_bpm": ("heart_rate_mean_bpm", "", why.NO_HEART),
}


@pytest.mark.parametrize("field", LACKS)
def test_what_was_not_measured_is_said_and_not_invented(made, field):
    session = dataclasses.replace(load_session(made[0]), **{field: None})
    metric, key, reason = LACKS[field]
    found = analyse_session(session)
    assert found.one(metric, key).reason == reason
    assert found.one("steps").known


def test_without_events_every_walking_figure_has_a_reason(made):
    found = analyse_session(dataclasses.replace(load_session(made[0]), events=()))
    assert found.one("steps").reason == why.NO_STRIDES
    assert not found.one("range_deg", "knee_left").known


def test_strides_over_a_gap_are_left_out(made):
    session = load_session(made[0])
    keep = (session.time_s < 20.0) | (session.time_s > 20.1)
    names = [f.name for f in dataclasses.fields(session)]
    cut = {
        n: getattr(session, n)[keep]
        for n in names
        if isinstance(getattr(session, n), np.ndarray) and len(getattr(session, n)) == len(keep)
    }
    found = analyse_session(dataclasses.replace(session, **cut))
    whole = analyse_session(session)
    assert len(whole.walk.legs[0]) - len(found.walk.legs[0]) == 1


def test_effort_falls_when_the_machine_does_more(tmp_path):
    shares = []
    for i, level in enumerate((0.2, 0.9)):
        bag = tmp_path / str(i)
        write(MadeSession(duration_s=30.0, assistance=level, weakness=0.0), bag)
        shares.append(analyse_session(load_session(bag)).one("contribution_percent", "hip_right"))
    assert shares[0].value > shares[1].value + 10.0
    assert all(0.0 <= share.value <= 100.0 and share.margin > 0.0 for share in shares)


@pytest.mark.parametrize("field", ["foot_cop_m", "pelvis_pitch_rad", "pelvis_left", "velocity_rad_s"])
def test_half_a_measurement_is_none(made, field):
    found = analyse_session(dataclasses.replace(load_session(made[0]), **{field: None}))
    assert found.one("patient_work_j", "knee_left").reason
    assert found.one("steps").known


def test_a_share_that_the_controller_told_belongs_to_the_stride_before(made):
    session = dataclasses.replace(load_session(made[0]), foot_force_n=None)
    ends = Walk(session).legs[0].end_s
    # As the controller does: a stride's share stands from 0.1 s after its end until the next is told.
    told = np.searchsorted(ends + 0.1, session.time_s, side="right") - 1
    percent = np.where(told >= 0, 10.0 + told, np.nan)
    shares = np.tile(percent[:, None], (1, 6))
    told = dataclasses.replace(
        session, contribution_percent=shares, contribution_sd_percent=np.ones(shares.shape)
    )
    found = analyse_session(told).one("contribution_percent", "knee_left")
    known = ends + 0.3 < session.time_s[-1]
    assert found.series == pytest.approx(10.0 + np.flatnonzero(known))


def test_a_bag_of_somebody_else(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.mcap"):
        load_session(tmp_path / "empty")


def test_uncertainty_of_a_mean_knows_that_strides_resemble_each_other():
    rng = np.random.default_rng(3)
    white = rng.normal(size=4000)
    red = np.zeros(4000)
    for i in range(1, 4000):
        red[i] = 0.7 * red[i - 1] + white[i]
    assert standard_error(white) == pytest.approx(1.0 / np.sqrt(4000), rel=0.1)
    # The mean of an AR(1) process with unit innovations has SD 1 / ((1 - phi) sqrt(n)).
    assert standard_error(red) == pytest.approx(1.0 / (0.3 * np.sqrt(4000)), rel=0.15)
    assert not over_strides(np.array([np.nan]), np.zeros(1), why.NO_TOE_OFF).known
    assert missing("x").reason == "x"


def test_smoothness_of_a_bell_is_better_than_of_two():
    t = np.linspace(-1.0, 1.0, 201)
    one = sparc(np.exp(-((t / 0.25) ** 2)), 0.01)
    two = sparc(np.exp(-(((t - 0.4) / 0.15) ** 2)) + np.exp(-(((t + 0.4) / 0.15) ** 2)), 0.01)
    assert two < one < -1.0
