"""Frames from the description agree with the kinematics of an engine that reads the same URDF."""

import numpy as np
import pinocchio as pin
import pytest

from exostride.conventions import JOINTS
from exostride.errors import InputError
from exostride.model.convert import rotation_from_xyzw
from exostride.model.description import urdf
from exostride.model.frames import FrameTree

ANGLES = dict(zip(JOINTS, (0.4, 0.9, -0.2, -0.3, 0.1, 0.15), strict=True))


def chained(tree, angles):
    """Return each link's pose in ``base_link`` by walking down the placements."""
    placements = {p.child: p for p in [*tree.fixed(), *tree.moving(angles)]}

    def pose(link):
        if link == "base_link":
            return np.eye(3), np.zeros(3)
        placement = placements[link]
        rotation, position = pose(placement.parent)
        own = rotation_from_xyzw(placement.orientation)
        return rotation @ own, position + rotation @ placement.position_m

    return {link: pose(link) for link in placements}


def test_every_link_lies_where_pinocchio_puts_it():
    text = urdf("exoskeleton")
    model = pin.buildModelFromXML(text)
    data = model.createData()
    q = pin.neutral(model)
    for name, angle in ANGLES.items():
        q[model.joints[model.getJointId(name)].idx_q] = angle
    pin.framesForwardKinematics(model, data, q)
    found = chained(FrameTree(text), ANGLES)
    assert {"foot_left", "sole_right", "cuff_shank_left"} <= set(found)
    for link, (rotation, position) in found.items():
        expected = data.oMf[model.getFrameId(link)]
        np.testing.assert_allclose(position, expected.translation, atol=1e-12, err_msg=link)
        np.testing.assert_allclose(rotation, expected.rotation, atol=1e-12, err_msg=link)


def test_an_angle_without_a_name_is_zero():
    tree = FrameTree(urdf("exoskeleton"))
    for a, b in zip(tree.moving({}), tree.moving(dict.fromkeys(JOINTS, 0.0)), strict=True):
        np.testing.assert_array_equal(a.orientation, b.orientation)


JOINT = '<robot name="r"><joint name="j" type="{kind}">{body}</joint></robot>'
ENDS = '<parent link="a"/><child link="b"/>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<robot", "URDF: "),
        (JOINT.format(kind="prismatic", body=ENDS), "joint 'j' is prismatic"),
        (JOINT.format(kind="fixed", body='<parent link="a"/>'), "joint 'j' names no child link"),
        (JOINT.format(kind="fixed", body=ENDS + '<origin xyz="1 2"/>'), "xyz='1 2' is not three numbers"),
        (JOINT.format(kind="fixed", body=ENDS + '<origin rpy="a b c"/>'), "rpy='a b c' is not three numbers"),
    ],
)
def test_damaged_descriptions_are_named(text, words):
    with pytest.raises(InputError, match=words):
        FrameTree(text)
