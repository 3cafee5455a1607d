"""The SDF world of a session for a modern Gazebo (gz sim, DART): the same links and joints as for Gazebo 11.

It differs in what the engine offers. Every tree of links is a model of its own, since only whole models can
be placed. Nothing collides: DART's contact is rigid and its forces are not to be had through the bindings, so
the soles are a law of force of the plant, as cuffs are (:mod:`exostride.hardware.gz.engine`). The belt is a
body on a slide joint that takes the soles' reaction; terrain that has to be touched is not offered.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

from exostride.errors import ConfigError
from exostride.hardware.gz.terrain import PERIOD_M, Terrain
from exostride.hardware.gz.world import BELT, Layout, add_belt_link, layout, sub, sun
from exostride.model.sdf import Link, Tree, model_element
from exostride.plant.world import World


def tree_below(tree: Tree, root: str) -> Tree:
    """Return the part of a tree that hangs on ``root``, its links placed relative to it."""
    start = tree.links[root].position_m
    links = {root: tree.links[root]}
    hinges = {}
    for name, hinge in tree.hinges.items():  # in order from the root outwards
        if hinge.parent in links:
            links[hinge.child], hinges[name] = tree.links[hinge.child], hinge
    moved = {
        name: Link(
            name, link.position_m - start, link.mass_kg, link.centre_m, link.inertia_kg_m2, link.visuals
        )
        for name, link in links.items()
    }
    return Tree(moved, hinges, (root,))


def _physics(dt_s: float) -> ET.Element:
    physics = ET.Element("physics", name="lockstep", type="dart")
    sub(physics, "max_step_size", repr(dt_s))
    sub(physics, "real_time_factor", 0)
    return physics


def _belt(world: World, mass_kg: float, half_length_m: float) -> ET.Element:
    out = ET.Element("model", name=BELT)
    if world.belt_v < 0:
        sub(out, "static", "1")
    add_belt_link(out, mass_kg, half_length_m)
    if world.belt_v >= 0:
        joint = sub(out, "joint", name=BELT, type="prismatic")
        sub(joint, "parent", "world")
        sub(joint, "child", BELT)
        axis = sub(joint, "axis")
        sub(axis, "xyz", "1 0 0")
        limit = sub(axis, "limit")
        sub(limit, "lower", -1e16)
        sub(limit, "upper", 1e16)
    return out


def modern_world(
    world: World,
    tree: Tree,
    *,
    belt: tuple[float, float],
    damping: dict[str, float],
    timeout_s: float,
    terrain: Terrain,
    friction: bool = True,
) -> tuple[str, str, Layout]:
    """Return SDF text, layout (JSON, for the server's end) and layout of a session.

    Raises
    ------
    ConfigError
        The terrain has things to step on, which only Gazebo 11 can do.
    """
    if terrain.bump_m > 0.0 or terrain.steps > 0:
        raise ConfigError("this world has things to step on, which needs Gazebo 11: set gazebo:=classic")
    dt_s = float(world.model.opt.timestep)
    names = layout(world, tree, contact=False)
    sdf = ET.Element("sdf", version="1.9")
    root = sub(sdf, "world", name="session")
    sub(root, "gravity", " ".join(repr(a) for a in terrain.gravity()))
    root.append(_physics(dt_s))
    sub(root, "plugin", filename="gz-sim-physics-system", name="gz::sim::systems::Physics")
    # So that people may watch: scene and poses on Gazebo's own topics, for `gz sim -g`.
    sub(root, "plugin", filename="gz-sim-scene-broadcaster-system", name="gz::sim::systems::SceneBroadcaster")
    root.append(sun())
    root.append(_belt(world, *belt))
    models = {}
    for start in tree.free:
        part = tree_below(tree, start)
        element = model_element(part, start, 0.0, damping=False, friction=friction)
        place = tree.links[start].position_m.copy()
        place[2] += world.geometry.standing_height
        pose = ET.Element("pose")
        pose.text = " ".join(repr(float(v)) for v in place) + " 0 0 0"
        element.insert(0, pose)
        root.append(element)
        models.update(dict.fromkeys([*part.links, *part.hinges], start))
    ET.indent(sdf)
    text = '<?xml version="1.0"?>\n' + ET.tostring(sdf, encoding="unicode")
    return text, _layout_json(tree, names, models, damping, timeout_s, dt_s), names


def _layout_json(
    tree: Tree,
    names: Layout,
    models: dict[str, str],
    damping: dict[str, float],
    timeout_s: float,
    dt_s: float,
) -> str:
    joints: list[dict[str, Any]] = []
    for name in names.joints:
        if name == BELT:
            joints.append({"name": BELT, "model": BELT})
            continue
        hinge = tree.hinges[name]
        axis = [float(v) for v in hinge.axis]
        joints.append(
            {"name": name, "model": models[name], "parent": hinge.parent, "child": hinge.child, "axis": axis}
        )
    return json.dumps(
        {
            "joints": joints,
            "links": [{"name": name, "model": models[name]} for name in names.links],
            "free": list(names.free),
            "damping": [damping.get(name, 0.0) for name in names.joints],
            "belt": names.joints.index(BELT) if BELT in names.joints else -1,
            "belt_period": PERIOD_M,
            "timeout_s": timeout_s,
            "timestep_s": dt_s,
        }
    )
