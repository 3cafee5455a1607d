"""Limits: complete, sourced, and only ever tightened."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from safety_world import ROOT

from exostride.errors import ConfigError
from exostride.safety.limits import JointLimits, SafetyLimits, from_mapping, load_limits, plain, tighten

DEFAULT = ROOT / "config" / "limits" / "default.yaml"


def mapping() -> dict:
    return yaml.safe_load(DEFAULT.read_text())


def test_every_field_states_unit_source_and_direction(limits: SafetyLimits) -> None:
    def walk(model) -> None:
        for name, info in type(model).model_fields.items():
            value = getattr(model, name)
            if isinstance(value, tuple):
                for item in value:
                    walk(item)
            elif hasattr(type(value), "model_fields"):
                walk(value)
            else:
                assert info.description, name
                assert info.json_schema_extra["unit"], name
                assert info.json_schema_extra["tighter"] in ("lower", "raise", None), name

    walk(limits)


def test_joint_limits_lie_inside_the_mechanical_stops(limits: SafetyLimits) -> None:
    table = yaml.safe_load((ROOT / "urdf" / "joints.yaml").read_text())["exoskeleton"]
    for joint, kind in zip(limits.joints, ("hip", "knee", "ankle") * 2, strict=True):
        row = table[kind]
        assert row["lower"] <= joint.angle_min_rad < joint.angle_max_rad <= row["upper"]
        assert joint.torque_nm < joint.protective_nm <= row["effort"]
        assert joint.velocity_rad_s <= row["velocity"]
        assert joint.armature_kg_m2 == row["armature"]


def test_soft_walls_stay_out_of_the_reference_gait(limits: SafetyLimits) -> None:
    import numpy as np

    from exostride.gait.reference import load_reference

    reference = load_reference(ROOT / "config" / "norms" / "reference_gait.yaml")
    for speed in (0.3, 0.6, 1.0, 1.3):
        angles = reference.angles(np.linspace(0, 1, 101), speed, 0.9)
        for column, joint in enumerate(limits.joints[:3]):
            assert angles[:, column].min() > joint.angle_min_rad + joint.wall_low_rad
            assert angles[:, column].max() < joint.angle_max_rad - joint.wall_high_rad


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"joints": None}, "expected a mapping of hip"),
        ({"joints": {"hip": {}}}, "missing ['knee', 'ankle']"),
        ({"surprise": 1}, "surprise: unknown key"),
    ],
)
def test_damaged_file_is_named(change: dict, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({**mapping(), **change}, "limits.yaml")
    assert words in str(caught.value)
    assert "limits.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wall_low_rad": 0.6, "angle_max_rad": 0.2}, "no free range"),
        ({"protective_nm": 10.0}, "a wall could lose"),
        ({"cuff_nm": 60.0}, "cuff_nm must be above"),
        ({"hold_nm": 100.0}, "hold_nm must not exceed"),
    ],
)
def test_inconsistent_joint_is_refused(change: dict, words: str) -> None:
    data = mapping()
    data["joints"]["hip"].update(change)
    with pytest.raises(ConfigError, match=words):
        from_mapping(data, "limits.yaml")


def test_the_belt_can_rest_before_the_legs_are_let_go() -> None:
    data = mapping()
    data["detect"]["stops"]["belt_timeout_s"] = data["belt"]["speed_m_s"] / data["belt"]["stop_m_s2"]
    from_mapping(data, "limits.yaml")
    data["detect"]["stops"]["belt_timeout_s"] -= 0.01
    with pytest.raises(ConfigError, match=r"belt_timeout_s must be at least 3\.33 s"):
        from_mapping(data, "limits.yaml")


def test_tank_follows_from_the_reference_gait_work(limits: SafetyLimits) -> None:
    tank = limits.tank
    assert tank.capacity_j == pytest.approx(2 * 75 * 0.78)
    assert tank.refill_w == pytest.approx(tank.capacity_j / tank.stride_s)


def test_a_patient_tightens_kind_then_single_joint(limits: SafetyLimits) -> None:
    joints = {
        "knee_left": {"angle_max_rad": 0.8},
        "knee": {"angle_max_rad": 1.0, "torque_nm": 40, "hold_nm": 30},
    }
    tight = tighten(limits, {"joints": joints, "belt": {"speed_m_s": 0.8}}, "patient")
    assert [tight.joints[i].angle_max_rad for i in (1, 4)] == [0.8, 1.0]
    assert tight.joints[1].torque_nm == tight.joints[4].torque_nm == 40.0
    assert tight.joints[0] == limits.joints[0]
    assert tight.belt.speed_m_s == 0.8
    assert load_limits(DEFAULT) == limits


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"joints": {"knee": {"torque_nm": 61.0}}},
            "joints.knee.torque_nm = 61: would loosen the limit; must be at most 60",
        ),
        ({"joints": {"knee": {"angle_min_rad": -0.04}}}, "must be at least -0.03"),
        ({"joints": {"knee": {"inertia_kg_m2": 0.3}}}, "belongs to the device"),
        ({"joints": {"knee": {"torque": 5.0}}}, "joints.knee.torque: unknown key"),
        ({"joints": {"knee": {"torque_nm": "low"}}}, "must be a number"),
        ({"joints": {"knee": {"torque_nm": True}}}, "must be a number"),
        ({"joints": {"elbow": {}}}, "joints.elbow: expected a mapping for a kind"),
        ({"joints": {"knee": 3}}, "joints.knee: expected a mapping"),
        ({"joints": 3}, "joints: unknown or not a mapping"),
        ({"belt": 3}, "belt: unknown or not a mapping"),
        ({"brakes": {}}, "brakes: unknown"),
        ({"joints": {"knee": {"torque_nm": -5.0}}}, "greater than 0"),
    ],
)
def test_patient_file_cannot_loosen(limits: SafetyLimits, change: dict, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tighten(limits, change, "patient.yaml")
    assert words in str(caught.value)


def test_equal_device_value_is_allowed(limits: SafetyLimits) -> None:
    same = limits.joints[1].inertia_kg_m2
    assert tighten(limits, {"joints": {"knee": {"inertia_kg_m2": same}}}, "p") == limits


@pytest.mark.parametrize("name", ["torque_nm", "angle_min_rad"])
def test_a_patient_may_repeat_the_value_there_is(limits: SafetyLimits, name: str) -> None:
    same = getattr(limits.joints[1], name)
    assert tighten(limits, {"joints": {"knee": {name: same}}}, "p") == limits


KINDS = "hip, knee, ankle"
NAMES = "hip_left, knee_left, ankle_left, hip_right, knee_right, ankle_right"


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        (None, f"expected a mapping of {KINDS}"),
        ({"hip": {}}, f"unknown none, missing ['knee', 'ankle']; expected {KINDS}"),
        (
            {"hip": {}, "knee": {}, "ankle": {}, "toe": {}, 3: {}},
            f"unknown ['3', 'toe'], missing none; expected {KINDS}",
        ),
    ],
)
def test_wrong_joints_of_a_file_are_told_in_one_line(joints: dict | None, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({**mapping(), "joints": joints}, "limits.yaml")
    assert str(caught.value) == f"limits.yaml: joints: {words}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"belt": {"speed_m_s": 9.0}}, "belt.speed_m_s = 9: would loosen the limit; must be at most 2"),
        ({"tank": {"stride_s": 0.5}}, "tank.stride_s = 0.5: would loosen the limit; must be at least 0.985"),
        (
            {"belt": {"stop_m_s2": 0.5}},
            "belt.stop_m_s2: belongs to the device and can't be set for a patient",
        ),
        ({"belt": {"speed_m_s": "fast"}}, "belt.speed_m_s = 'fast': must be a number"),
        ({"joints": {"knee_left": {"torque": 5.0}}}, "joints.knee_left.torque: unknown key"),
        ({"joints": {"elbow": {}}}, f"joints.elbow: expected a mapping for a kind or one of {NAMES}"),
        ({"joints": {"knee": {}, 3: {}}}, f"joints.3: expected a mapping for a kind or one of {NAMES}"),
        ({"brakes": {}}, "brakes: unknown or not a mapping; known are joints, timing, tank, belt, detect"),
        ({"belt": {"speed_m_s": -1.0}}, "belt.speed_m_s = -1.0: Input should be greater than 0"),
    ],
)
def test_what_a_patient_may_not_set_is_told_in_one_line(
    limits: SafetyLimits, change: dict, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        tighten(limits, change, "patient.yaml")
    assert str(caught.value) == f"patient.yaml: {words}"


def test_an_error_names_the_file_it_is_in(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("joints: 3\n")
    with pytest.raises(ConfigError) as caught:
        load_limits(file)
    assert str(caught.value) == f"{file}: joints: expected a mapping of {KINDS}"


def test_plain_values_are_those_of_the_model(limits: SafetyLimits) -> None:
    assert vars(plain(limits.timing)) == limits.timing.model_dump()


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_limits(tmp_path / "none.yaml")


def test_walls_win_over_the_active_part(limits: SafetyLimits) -> None:
    assert all(isinstance(j, JointLimits) and j.protective_nm >= j.torque_nm for j in limits.joints)
