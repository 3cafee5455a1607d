"""URDF text of the exoskeleton, the patient or both, from the one xacro."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, get_args
from xml.dom import minidom
from xml.etree import ElementTree

import xacro

from exostride.conventions import WORLD
from exostride.errors import InputError
from exostride.model.anthropometry import BodyParameters
from exostride.model.joints import free_joint_name
from exostride.paths import urdf_dir

XACRO_NAME = "exostride.urdf.xacro"

ModelName = Literal["exoskeleton", "patient", "coupled"]
MODEL_NAMES: tuple[ModelName, ...] = get_args(ModelName)

DEFAULT_BODY = BodyParameters()


@lru_cache(maxsize=64)
def urdf(model: ModelName, body: BodyParameters = DEFAULT_BODY) -> str:
    """Return the URDF of ``model`` for ``body``.

    ``exoskeleton`` has the root ``base_link``, ``patient`` the root ``patient_pelvis``; ``coupled`` holds
    both trees below a root ``world`` without mass, each on a floating joint. Nothing ties the two:
    the cuffs are forces of the plant.

    Raises
    ------
    InputError
        The description is missing or damaged.
    """
    path = urdf_dir() / XACRO_NAME
    try:
        document = xacro.process_file(str(path), mappings={"model": model, **body.xacro_arguments()})
    except xacro.XacroException as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    _drop_comments(document)
    text: str = document.documentElement.toprettyxml(indent="  ")
    return '<?xml version="1.0"?>\n' + text


def _drop_comments(node: Any) -> None:
    for child in list(node.childNodes):
        if child.nodeType == minidom.Node.COMMENT_NODE:
            node.removeChild(child)
        else:
            _drop_comments(child)


def root_link(text: str) -> str:
    """Return the name of the link that no joint has as child."""
    robot = ElementTree.fromstring(text)
    children = {joint.find("child").get("link") for joint in robot.iter("joint")}  # type: ignore[union-attr]
    roots = [str(link.get("name")) for link in robot.findall("link") if link.get("name") not in children]
    if len(roots) != 1:
        raise InputError(f"URDF: expected one root link, found {', '.join(roots) or 'none'}")
    return roots[0]


def with_free_root(text: str) -> str:
    """Return ``text`` with its root link on a floating joint below ``world``.

    A URDF root is fixed by convention: MuJoCo welds it to the world and forgets its mass. With a
    root ``world`` already there, the text comes back as it was.
    """
    root = root_link(text)
    if root == WORLD:
        return text
    robot = ElementTree.fromstring(text)
    joint = ElementTree.SubElement(robot, "joint", name=free_joint_name(root), type="floating")
    ElementTree.SubElement(joint, "parent", link=WORLD)
    ElementTree.SubElement(joint, "child", link=root)
    ElementTree.SubElement(robot, "link", name=WORLD)
    return ElementTree.tostring(robot, encoding="unicode")
