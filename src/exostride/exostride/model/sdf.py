"""The robot description as SDF, for Gazebo: the same links, joints and inertias as in the URDF.

Both Gazebos convert URDF themselves, but weld the root of a tree to the world, drop what hangs on floating
joints, and do not agree on how links on fixed joints are merged. Here the merging is done once, as MuJoCo
does it, and links keep the names of the bodies in :func:`exostride.model.engines.load_mujoco_spec`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import WORLD
from exostride.model.description import root_link

Matrix = NDArray[np.float64]


@dataclass(slots=True)
class Link:
    """A rigid body: pose in the model with all joints zero, mass properties in its own frame, visuals."""

    name: str
    position_m: Matrix
    mass_kg: float = 0.0
    centre_m: Matrix = field(default_factory=lambda: np.zeros(3))
    inertia_kg_m2: Matrix = field(default_factory=lambda: np.zeros((3, 3)))
    """About the centre of mass, in the link's axes."""
    visuals: list[ET.Element] = field(default_factory=list)
    collisions: list[ET.Element] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hinge:
    """A revolute joint at its child's origin."""

    name: str
    parent: str
    child: str
    axis: Matrix
    lower_rad: float
    upper_rad: float
    damping_nms_rad: float
    friction_nm: float


@dataclass(frozen=True, slots=True)
class Tree:
    """Links and hinges of a URDF after its fixed joints have been merged."""

    links: dict[str, Link]
    hinges: dict[str, Hinge]
    free: tuple[str, ...]
    """Links that no joint holds."""


def _numbers(text: str | None, default: str) -> Matrix:
    return np.array([float(v) for v in (text or default).split()])


def _offset(element: ET.Element) -> Matrix:
    origin = element.find("origin")
    return np.zeros(3) if origin is None else _numbers(origin.get("xyz"), "0 0 0")


def _text(values: Iterable[float]) -> str:
    return " ".join(repr(float(v)) for v in values)


def _add_inertia(link: Link, urdf_link: ET.Element, place: Matrix) -> None:
    inertial = urdf_link.find("inertial")
    if inertial is None:
        return
    values = inertial.find("inertia").attrib  # type: ignore[union-attr]
    own = np.array(
        [[float(values["i" + "".join(sorted((a, b)))]) for b in ("x", "y", "z")] for a in ("x", "y", "z")]
    )
    mass = float(str(inertial.find("mass").get("value")))  # type: ignore[union-attr]
    centre = place + _offset(inertial)
    total = link.mass_kg + mass
    middle = (link.mass_kg * link.centre_m + mass * centre) / total

    def about(m: float, c: Matrix, i: Matrix) -> Matrix:
        d = c - middle
        return i + m * (float(d @ d) * np.eye(3) - np.outer(d, d))

    link.inertia_kg_m2 = about(link.mass_kg, link.centre_m, link.inertia_kg_m2) + about(mass, centre, own)
    link.mass_kg, link.centre_m = total, middle


def _add_visuals(link: Link, urdf_link: ET.Element, place: Matrix, colours: dict[str, str]) -> None:
    for visual in urdf_link.findall("visual"):
        name = f"{urdf_link.get('name')}_{len(link.visuals)}"
        origin = visual.find("origin")
        turn = "0 0 0" if origin is None else origin.get("rpy", "0 0 0")
        out = ET.Element("visual", name=name)
        ET.SubElement(out, "pose").text = f"{_text(place + _offset(visual))} {turn}"
        shape = visual.find("geometry")[0]  # type: ignore[index]
        holder = ET.SubElement(ET.SubElement(out, "geometry"), shape.tag)
        for key, value in shape.attrib.items():
            ET.SubElement(holder, key).text = value
        material = visual.find("material")
        rgba = colours.get("" if material is None else str(material.get("name")), "0.7 0.7 0.7 1")
        paint = ET.SubElement(out, "material")
        for kind in ("ambient", "diffuse"):
            ET.SubElement(paint, kind).text = rgba
        link.visuals.append(out)


def read_tree(urdf_text: str) -> Tree:
    """Return the links and hinges of a URDF; links on fixed joints are merged into what carries them.

    A root ``world`` is left out, and its floating joints leave their links free; any other root is free.
    """
    robot = ET.fromstring(urdf_text)
    by_name = {str(link.get("name")): link for link in robot.findall("link")}
    colours = {
        str(m.get("name")): str(m.find("color").get("rgba"))  # type: ignore[union-attr]
        for m in robot.findall("material")
    }
    below: dict[str, list[ET.Element]] = {}
    for joint in robot.findall("joint"):
        below.setdefault(str(joint.find("parent").get("link")), []).append(joint)  # type: ignore[union-attr]
    links: dict[str, Link] = {}
    hinges: dict[str, Hinge] = {}
    free: list[str] = []

    def visit(name: str, body: Link, place: Matrix) -> None:
        _add_inertia(body, by_name[name], place)
        _add_visuals(body, by_name[name], place, colours)
        for joint in below.get(name, []):
            child = str(joint.find("child").get("link"))  # type: ignore[union-attr]
            where = place + _offset(joint)
            if joint.get("type") == "fixed":
                visit(child, body, where)
                continue
            links[child] = Link(child, body.position_m + where)
            hinges[str(joint.get("name"))] = _hinge(joint, body.name, child)
            visit(child, links[child], np.zeros(3))

    root = root_link(urdf_text)
    starts = [(root, np.zeros(3))]
    if root == WORLD:
        starts = [(str(j.find("child").get("link")), _offset(j)) for j in below[WORLD]]  # type: ignore[union-attr]
    for name, place in starts:
        free.append(name)
        links[name] = Link(name, place)
        visit(name, links[name], np.zeros(3))
    return Tree(links, hinges, tuple(free))


def _hinge(joint: ET.Element, parent: str, child: str) -> Hinge:
    limit, dynamics = joint.find("limit"), joint.find("dynamics")
    assert limit is not None and dynamics is not None
    axis = joint.find("axis")
    return Hinge(
        str(joint.get("name")),
        parent,
        child,
        _numbers(None if axis is None else axis.get("xyz"), "1 0 0"),
        float(str(limit.get("lower"))),
        float(str(limit.get("upper"))),
        float(str(dynamics.get("damping"))),
        float(str(dynamics.get("friction"))),
    )


def _link_element(link: Link, height_m: float) -> ET.Element:
    out = ET.Element("link", name=link.name)
    ET.SubElement(out, "pose").text = f"{_text(link.position_m + np.array([0.0, 0.0, height_m]))} 0 0 0"
    inertial = ET.SubElement(out, "inertial")
    ET.SubElement(inertial, "pose").text = f"{_text(link.centre_m)} 0 0 0"
    ET.SubElement(inertial, "mass").text = repr(float(link.mass_kg))
    matrix = ET.SubElement(inertial, "inertia")
    for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        ET.SubElement(matrix, f"i{'xyz'[a]}{'xyz'[b]}").text = repr(float(link.inertia_kg_m2[a, b]))
    # Air does not slow limbs; both Gazebos otherwise choose for themselves.
    decay = ET.SubElement(out, "velocity_decay")
    for kind in ("linear", "angular"):
        ET.SubElement(decay, kind).text = "0"
    ET.SubElement(out, "self_collide").text = "0"
    out.extend(link.collisions)
    out.extend(link.visuals)
    return out


def _hinge_element(hinge: Hinge, *, damping: bool, friction: bool) -> ET.Element:
    out = ET.Element("joint", name=hinge.name, type="revolute")
    ET.SubElement(out, "parent").text = hinge.parent
    ET.SubElement(out, "child").text = hinge.child
    axis = ET.SubElement(out, "axis")
    ET.SubElement(axis, "xyz").text = _text(hinge.axis)
    limit = ET.SubElement(axis, "limit")
    ET.SubElement(limit, "lower").text = repr(hinge.lower_rad)
    ET.SubElement(limit, "upper").text = repr(hinge.upper_rad)
    dynamics = ET.SubElement(axis, "dynamics")
    ET.SubElement(dynamics, "damping").text = repr(hinge.damping_nms_rad if damping else 0.0)
    ET.SubElement(dynamics, "friction").text = repr(hinge.friction_nm if friction else 0.0)
    ode = ET.SubElement(ET.SubElement(out, "physics"), "ode")
    ET.SubElement(ode, "implicit_spring_damper").text = "1"
    return out


def model_element(
    tree: Tree,
    name: str,
    height_m: float,
    *,
    damping: bool = True,
    friction: bool = True,
    fixed: bool = False,
) -> ET.Element:
    """Return an SDF ``<model>`` of a tree, its roots ``height_m`` above the ground.

    ``damping`` and ``friction`` choose whether the joints' own go into the SDF; ``fixed`` welds the free
    links to the world.
    """
    model = ET.Element("model", name=name)
    ET.SubElement(model, "self_collide").text = "0"
    for link in tree.links.values():
        model.append(_link_element(link, height_m))
    for hinge in tree.hinges.values():
        model.append(_hinge_element(hinge, damping=damping, friction=friction))
    for root in tree.free if fixed else ():
        weld = ET.SubElement(model, "joint", name=f"{root}_weld", type="fixed")
        ET.SubElement(weld, "parent").text = WORLD
        ET.SubElement(weld, "child").text = root
    return model
