"""The robot description: body parameters, masses, inertias, frames and the committed files."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pinocchio as pin
import pytest
import xacro
from hypothesis import given, settings
from hypothesis import strategies as st

from exostride.conventions import CUFFS, JOINT_AXES, JOINTS, SEGMENTS, SIDES
from exostride.errors import ConfigError, InputError
from exostride.model import generate
from exostride.model.anthropometry import BodyParameters, body_parameters, ratio_table
from exostride.model.description import MODEL_NAMES, XACRO_NAME, root_link, urdf, with_free_root
from exostride.model.engines import load_mujoco_spec, load_pinocchio
from exostride.model.geometry import body_geometry, link_masses
from exostride.model.joints import PATIENT_JOINTS, joint_table
from exostride.paths import urdf_dir

ADULT = BodyParameters()


def any_body():
    def build(height, index, sex, ratios, measured):
        expected = body_geometry(BodyParameters(height_m=height, mass_kg=20 * height**2))
        lengths = {
            "thigh_length_m": expected.thigh,
            "shank_length_m": expected.shank,
            "foot_length_m": expected.foot.length,
            "foot_width_m": expected.foot.width,
            "hip_spacing_m": 2 * expected.hip_half_spacing,
        }
        given = {name: factor * lengths[name] for name, factor in measured.items()}
        return BodyParameters(height_m=height, mass_kg=index * height**2, sex=sex, ratios=ratios, **given)

    factor = st.floats(0.601, 1.599)
    names = ["thigh_length_m", "shank_length_m", "foot_length_m", "foot_width_m", "hip_spacing_m"]

    return st.builds(
        build,
        st.floats(1.0, 2.1),
        st.floats(10.01, 59.99),
        st.sampled_from(["male", "female"]),
        st.sampled_from(["de_leva", "dempster"]),
        st.dictionaries(st.sampled_from(names), factor),
    )


def links(text):
    return {link.get("name"): link for link in ElementTree.fromstring(text).findall("link")}


def inertia(link):
    """Mass, centre and 3x3 inertia about the centre."""
    element = link.find("inertial")
    i = {k: float(v) for k, v in element.find("inertia").attrib.items()}
    matrix = np.array(
        [[i["ixx"], i["ixy"], i["ixz"]], [i["ixy"], i["iyy"], i["iyz"]], [i["ixz"], i["iyz"], i["izz"]]]
    )
    centre = np.array([float(v) for v in element.find("origin").get("xyz").split()])
    return float(element.find("mass").get("value")), centre, matrix


def combine(*parts):
    mass = sum(m for m, _, _ in parts)
    centre = sum(m * c for m, c, _ in parts) / mass
    matrix = np.zeros((3, 3))
    for m, c, i in parts:
        d = c - centre
        matrix += i + m * (d @ d * np.eye(3) - np.outer(d, d))
    return mass, centre, matrix


# -- body parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"height_m": 3.0}, ["height_m", "3 m", "1 to 2.1 m"]),
        ({"height_m": 0.99}, ["height_m", "1 to 2.1 m"]),
        ({"height_m": 175.0}, ["height_m", "1 to 2.1 m"]),
        ({"mass_kg": 300.0}, ["mass_kg", "300 kg", "183.8 kg", "body mass index"]),
        ({"height_m": 1.0, "mass_kg": 9.0}, ["mass_kg", "10.0 to 60.0 kg"]),
        ({"thigh_length_m": 42.0}, ["thigh_length_m", "m"]),
        ({"hip_spacing_m": 0.0}, ["hip_spacing_m", "m"]),
        ({"shoe_sole_m": 0.2}, ["shoe_sole_m", "0 to 0.06 m"]),
        ({"lateral_offset_m": 0.0}, ["lateral_offset_m", "0.05 to 0.25 m"]),
        ({"sex": "other"}, ["sex", "'male' or 'female'"]),
        ({"height": 1.7}, ["height: unknown key"]),
        ({"mass_kg": float("nan")}, ["mass_kg"]),
    ],
)
def test_bad_values_give_one_line_that_names_value_and_range(values, words):
    with pytest.raises(ConfigError) as error:
        body_parameters("patients/anna.yaml", **values)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("patients/anna.yaml: ")
    for word in words:
        assert word in message


def test_limits_themselves_are_allowed():
    assert body_parameters(height_m=1.0, mass_kg=10.0).height_m == 1.0
    assert body_parameters(height_m=2.1, mass_kg=90.0).height_m == 2.1


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ("height:=3", "1 to 2.1 m"),
        ("mass:=500", "body mass index"),
        ("sex:=x", "male or female"),
        ("model:=arm", "exoskeleton, patient or coupled"),
        ("ratios:=x", "de_leva or dempster"),
    ],
)
def test_the_xacro_alone_refuses_bad_values_too(argument, word):
    name, value = argument.split(":=")
    with pytest.raises(xacro.XacroException, match=word):
        xacro.process_file(str(urdf_dir() / XACRO_NAME), mappings={name: value})


# -- masses and inertias ---------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, derandomize=True)
@given(any_body())
def test_segments_sum_to_the_body_mass_and_every_inertia_is_possible(body):
    text = urdf("patient", body)
    assert sum(link_masses(text).values()) == pytest.approx(body.mass_kg, rel=1e-12)
    for name, link in links(text).items():
        if link.find("inertial") is None:
            continue
        mass, _, matrix = inertia(link)
        a, b, c = np.sort(np.diag(matrix))
        assert mass > 0, name
        assert a > 0, name
        assert c <= a + b, f"{name}: no body has these principal moments"


@settings(max_examples=25, deadline=None, derandomize=True)
@given(any_body())
def test_split_thigh_and_foot_together_are_the_tabulated_ones(body):
    table = ratio_table()
    legs = table["de_leva"][body.sex]["legs"] if body.ratios == "de_leva" else table["dempster"]["legs"]
    if body.ratios == "de_leva":
        upper = table["de_leva"][body.sex]["upper"]
        pairs = {"upper_arm", "forearm", "hand"}
        share = sum((2 if k in pairs else 1) * row["mass"] for k, row in upper.items())
    else:
        share = table["dempster"]["upper_mass"]
    unit = body.mass_kg / (share + 2 * sum(row["mass"] for row in legs.values()))
    part = links(urdf("patient", body))
    geometry = body_geometry(body)

    thigh = combine(inertia(part["patient_hip_left_link"]), inertia(part["patient_thigh_left"]))
    radii = np.array(legs["thigh"]["rg"]) * geometry.thigh
    assert thigh[0] == pytest.approx(legs["thigh"]["mass"] * unit)
    assert thigh[1] == pytest.approx([0, 0, -legs["thigh"]["com"] * geometry.thigh], abs=1e-12)
    assert thigh[2] == pytest.approx(np.diag(thigh[0] * radii**2), abs=1e-12)

    mass, centre, matrix = inertia(part["patient_toe_left_link"])
    axis = np.array([geometry.foot.ball_x, 0, geometry.foot.toe_axis_z])
    foot = combine(inertia(part["patient_foot_left"]), (mass, centre + axis, matrix))
    sagittal, transverse, longitudinal = np.array(legs["foot"]["rg"]) * geometry.foot.length
    assert foot[0] == pytest.approx(legs["foot"]["mass"] * unit)
    assert foot[1][0] == pytest.approx(geometry.foot.heel_x + legs["foot"]["com"] * geometry.foot.length)
    expected = foot[0] * np.array([longitudinal, transverse, sagittal]) ** 2
    assert foot[2] == pytest.approx(np.diag(expected), abs=1e-12)


def test_the_adult_matches_published_shares_of_the_body():
    """Thigh 14.16 %, shank 4.33 %, foot 1.37 % (de Leva 1996, men); centre of mass near 55 %."""
    masses = link_masses(urdf("patient"))
    assert masses["patient_thigh_left"] + masses["patient_hip_left_link"] == pytest.approx(0.1416 * 72)
    assert masses["patient_shank_right"] == pytest.approx(0.0433 * 72)
    assert masses["patient_foot_left"] + masses["patient_toe_left_link"] == pytest.approx(0.0137 * 72)
    model = load_pinocchio("patient")
    centre = pin.centerOfMass(model, model.createData(), pin.neutral(model))
    barefoot = body_geometry().standing_height - ADULT.shoe_sole_m
    assert 0.54 <= (centre[2] + barefoot) / ADULT.height_m <= 0.58
    assert centre[1] == pytest.approx(0, abs=1e-12)


def test_the_robot_weighs_what_such_devices_weigh():
    assert 14.0 <= sum(link_masses(urdf("exoskeleton")).values()) <= 18.0


# -- geometry --------------------------------------------------------------------------------------


def test_lengths_follow_stature_and_measurements_override_them():
    body = BodyParameters(height_m=1.6, mass_kg=60.0)
    geometry = body_geometry(body)
    assert geometry.thigh == pytest.approx(0.245 * 1.6)
    assert geometry.shank == pytest.approx(0.246 * 1.6)
    assert geometry.standing_height == pytest.approx(0.530 * 1.6 + 0.02)
    assert geometry.foot.length == pytest.approx(0.152 * 1.6)
    assert geometry.foot.ball_x - geometry.foot.heel_x == pytest.approx(0.7 * geometry.foot.length)
    measured = body_geometry(body.model_copy(update={"thigh_length_m": 0.37, "hip_spacing_m": 0.19}))
    assert measured.thigh == 0.37
    assert measured.hip_half_spacing == 0.095
    assert measured.shank == geometry.shank


@pytest.mark.parametrize("body", [ADULT, BodyParameters(height_m=1.1, mass_kg=18.0, sex="female")])
def test_robot_and_patient_coincide_when_both_stand(body):
    model = load_pinocchio("coupled", body)
    data = model.createData()
    pin.framesForwardKinematics(model, data, pin.neutral(model))

    def where(name):
        assert model.existFrame(name), name
        return data.oMf[model.getFrameId(name)].translation

    for name in [*CUFFS, "heel_left", "ball_right", "sole_left", "sole_right"]:
        np.testing.assert_allclose(where(name), where(f"patient_{name}"), atol=1e-12)
    for joint in JOINTS:
        outward = 1 if joint.endswith("left") else -1
        offset = data.oMi[model.getJointId(joint)].translation - where(f"patient_{joint}")
        np.testing.assert_allclose(offset, [0, outward * body.lateral_offset_m, 0], atol=1e-12)
    for side in SIDES:
        for name in (f"imu_{s}_{side}" for s in ("thigh", "shank", "foot")):
            where(name)
        where(f"load_cell_heel_{side}")
        where(f"load_cell_toe_{side}")
    lowest = body_geometry(body).standing_height
    for name in ("patient_heel_left", "patient_ball_left", "patient_toe_tip_left"):
        assert where(name)[2] == pytest.approx(-lowest)
    assert where("patient_toe_tip_right")[0] > where("patient_ball_right")[0] > where("patient_heel_right")[0]


# What each joint's positive direction does to a point below it, as (frame, axis of motion, sign).
MOVES = {
    "hip": ("patient_sole", 0, +1),
    "knee": ("patient_sole", 0, -1),
    "ankle": ("patient_ball", 2, +1),
    "toe": ("patient_toe_tip", 2, +1),
}


@pytest.mark.parametrize("side", SIDES)
def test_positive_angles_flex_dorsiflex_and_abduct(side):
    model = load_pinocchio("coupled")
    data = model.createData()

    def displacement(joint, frame):
        q = pin.neutral(model)
        pin.framesForwardKinematics(model, data, q)
        before = data.oMf[model.getFrameId(frame)].translation.copy()
        q[model.joints[model.getJointId(joint)].idx_q] = 0.1
        pin.framesForwardKinematics(model, data, q)
        return data.oMf[model.getFrameId(frame)].translation - before

    for kind, (frame, axis, sign) in MOVES.items():
        assert sign * displacement(f"patient_{kind}_{side}", f"{frame}_{side}")[axis] > 1e-3
        if kind != "toe":
            robot = f"{frame.removeprefix('patient_')}_{side}"
            assert sign * displacement(f"{kind}_{side}", robot)[axis] > 1e-3
    outward = 1 if side == "left" else -1
    assert outward * displacement(f"patient_hip_abduction_{side}", f"patient_sole_{side}")[1] > 1e-2


def test_joints_have_the_agreed_axes_order_and_the_tables_limits():
    for model, names in (("exoskeleton", JOINTS), ("patient", PATIENT_JOINTS)):
        robot = ElementTree.fromstring(urdf(model))
        hinges = {j.get("name"): j for j in robot.findall("joint") if j.get("type") == "revolute"}
        assert tuple(hinges) == tuple(names)
        assert list(load_pinocchio(model).names)[2:] == list(names)
        for name, joint in hinges.items():
            row = joint_table()[name]
            limit = {k: float(v) for k, v in joint.find("limit").attrib.items()}
            assert limit == {
                "lower": row.lower_rad,
                "upper": row.upper_rad,
                "effort": row.effort_nm,
                "velocity": row.velocity_rad_s,
            }
            assert row.lower_rad < 0 < row.upper_rad
            kind = name.removeprefix("patient_").rsplit("_", 1)[0]
            if kind in JOINT_AXES:
                axis = tuple(float(v) for v in joint.find("axis").get("xyz").split())
                assert axis == JOINT_AXES[kind]


def test_the_robots_stops_lie_inside_the_patients():
    table = joint_table()
    for name in JOINTS:
        robot, patient = table[name], table[f"patient_{name}"]
        assert patient.lower_rad < robot.lower_rad < robot.upper_rad < patient.upper_rad


# -- files and engines -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "model"), generate.FILES.items())
def test_committed_urdf_is_what_the_xacro_gives(name, model):
    committed = (urdf_dir() / name).read_text(encoding="utf-8")
    assert committed == generate.file_text(model), "run python -m exostride.model.generate"


def test_the_command_line_xacro_gives_the_committed_robot():
    """A ROS user's `xacro exostride.urdf.xacro`, without arguments and from another folder."""
    folder = urdf_dir()
    script = "import sys, xacro; sys.argv[0] = 'xacro'; xacro.main()"
    run = [sys.executable, "-c", script, str(folder / XACRO_NAME)]
    text = subprocess.run(run, capture_output=True, text=True, check=True, cwd="/").stdout
    committed = (folder / "exostride.urdf").read_text(encoding="utf-8")

    def canonical(xml):
        return ElementTree.canonicalize(xml, strip_text=True)

    assert canonical(text) == canonical(committed)


def test_check_reports_an_outdated_file(tmp_path):
    for name, model in generate.FILES.items():
        (tmp_path / name).write_text(generate.file_text(model), encoding="utf-8")
    assert generate.outdated(tmp_path) == []
    changed = tmp_path / "exostride.urdf"
    changed.write_text(changed.read_text(encoding="utf-8").replace("1.1", "1.2"), encoding="utf-8")
    assert generate.outdated(tmp_path) == [changed]


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_no_machine_path_no_find_no_mesh(model):
    text = urdf(model)
    for word in ("$(", "package://", "file:", str(urdf_dir()), "<!--"):
        assert word not in text


def test_free_root_is_added_once_and_two_roots_are_refused():
    text = urdf("exoskeleton")
    assert root_link(text) == "base_link"
    once = with_free_root(text)
    assert root_link(once) == "world"
    assert with_free_root(once) == once
    assert root_link(urdf("coupled")) == "world"
    with pytest.raises(InputError, match="one root link"):
        root_link('<robot name="r"><link name="a"/><link name="b"/></robot>')


def test_mujoco_spec_is_ready_to_extend():
    spec = load_mujoco_spec("coupled", visuals=False)
    spec.worldbody.add_geom(name="floor", type=0, size=[5, 5, 0.1], contype=0, conaffinity=1)
    model = spec.compile()
    names = {model.geom(i).name for i in range(model.ngeom)}
    contacts = {f"{s}_contact" for s in SEGMENTS if s.startswith("foot")}
    contacts |= {f"patient_{s}_{side}_contact" for s in ("foot",) for side in SIDES}
    contacts |= {f"patient_toe_{side}_link_contact" for side in SIDES}
    assert names == contacts | {"floor"}
    for name in contacts:
        assert model.geom(name).contype[0] == (1 if name.startswith("patient_") else 0)
        assert model.geom(name).conaffinity[0] == 0
    alone = load_mujoco_spec("exoskeleton").compile()
    assert alone.geom("foot_left_contact").contype[0] == 1
    for name in JOINTS:
        row = joint_table()[name]
        joint = model.joint(name)
        assert joint.range == pytest.approx([row.lower_rad, row.upper_rad])
        assert model.jnt_limited[joint.id]
        assert model.jnt_actfrcrange[joint.id] == pytest.approx([-row.effort_nm, row.effort_nm])
        assert joint.damping[0] == row.damping_nms_rad
        assert joint.frictionloss[0] == row.friction_nm
