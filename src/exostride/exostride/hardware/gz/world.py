"""The SDF world of a session, made of the same compiled model that MuJoCo runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

import numpy as np

from exostride.hardware.gz.terrain import PERIOD_M, Terrain, bumps, stairs
from exostride.model.anthropometry import BodyParameters
from exostride.model.description import urdf
from exostride.model.sdf import Tree, model_element, read_tree
from exostride.plant.world import World

MODEL = "exostride"
BELT = "belt"
_UNTIL_FIRST_COMMAND = (2e4, 1e3)
"""Stiffness and damping of a contact point; every command brings those of its step."""


@dataclass(frozen=True, slots=True)
class OdeOptions:
    """How Gazebo's ODE integrates."""

    solver: Literal["quick", "world"] = "quick"
    iterations: int = 200
    """Fewer leave the light toes behind: at 80 they stuck at half the angle that they should bend to."""
    sor: float = 1.3
    joint_erp: float = 0.2
    joint_cfm: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Names that frames are made of, in their order."""

    joints: tuple[str, ...]
    """Hinges in the order of MuJoCo's degrees of freedom, then the belt if it moves."""
    links: tuple[str, ...]
    free: tuple[str, ...]
    contacts: tuple[str, ...]
    """Contact points that are read: the five of each shoe first, in the plant's order."""


def _names(model: Any, kind: str, count: int) -> list[str]:
    return [getattr(model, kind)(i).name for i in range(count)]


def touching_geoms(world: World) -> list[int]:
    """Return MuJoCo's geoms that touch the ground: the shoes' points in order, then what falls on it."""
    model = world.model
    points = [int(g) for g in world.g_points]
    falls = [g for g in range(model.ngeom) if model.geom(g).name.endswith("_fall")]
    return points + falls


def layout(world: World, tree: Tree, *, contact: bool = True) -> Layout:
    """Return the names and order that both ends use; without ``contact`` no contact points are read."""
    model = world.model
    hinges = tuple(name for name in _names(model, "joint", model.njnt) if name in tree.hinges)
    bodies = tuple(name for name in _names(model, "body", model.nbody) if name in tree.links)
    moving = (BELT,) if world.belt_v >= 0 else ()
    contacts = tuple(model.geom(g).name for g in touching_geoms(world)) if contact else ()
    return Layout(hinges + moving, bodies, tuple(b for b in bodies if b in tree.free), contacts)


def robot_tree(body: BodyParameters, world: World) -> Tree:
    """Return the links and hinges of the model of a world."""
    return read_tree(urdf("coupled" if world.has_robot else "patient", body))


def sub(parent: ET.Element, tag: str, text: object = None, **attributes: str) -> ET.Element:
    """Add a child element with text and attributes, and return it."""
    out = ET.SubElement(parent, tag, attributes)
    if text is not None:
        out.text = str(text)
    return out


def surface(collision: ET.Element, friction: float, stiffness: float, damping: float) -> None:
    """Give a collision Coulomb friction and a viscoelastic surface."""
    ode_surface = sub(collision, "surface")
    ode = sub(sub(ode_surface, "friction"), "ode")
    sub(ode, "mu", friction)
    sub(ode, "mu2", friction)
    contact = sub(sub(ode_surface, "contact"), "ode")
    sub(contact, "kp", stiffness)
    sub(contact, "kd", damping)
    # Neither a layer in which nothing pushes back nor a bound on how fast a contact may give.
    sub(contact, "min_depth", 0)
    sub(contact, "max_vel", 100)


def _add_points(tree: Tree, world: World, friction: float) -> None:
    model = world.model
    for geom in touching_geoms(world):
        link = tree.links[model.body(int(model.geom_bodyid[geom])).name]
        collision = ET.Element("collision", name=model.geom(geom).name)
        place = " ".join(repr(float(v)) for v in model.geom_pos[geom])
        sub(collision, "pose", f"{place} 0 0 0")
        sphere = sub(sub(collision, "geometry"), "sphere")
        sub(sphere, "radius", repr(float(model.geom_size[geom, 0])))
        surface(collision, friction, *_UNTIL_FIRST_COMMAND)
        link.collisions.append(collision)


def add_belt_link(model: ET.Element, mass_kg: float, half_length_m: float) -> ET.Element:
    """Add the belt's link, its top at z = 0, with mass and picture, and return it."""
    link = sub(model, "link", name=BELT)
    sub(link, "pose", "0 0 -0.1 0 0 0")
    inertial = sub(link, "inertial")
    sub(inertial, "mass", mass_kg)
    matrix = sub(inertial, "inertia")
    for a in ("ixx", "iyy", "izz"):
        sub(matrix, a, mass_kg)
    visual = sub(link, "visual", name=BELT)
    sub(sub(sub(visual, "geometry"), "box"), "size", f"{2.0 * half_length_m} 0.7 0.2")
    paint = sub(visual, "material")
    sub(paint, "ambient", "0.25 0.27 0.3 1")
    sub(paint, "diffuse", "0.25 0.27 0.3 1")
    return link


def _belt_model(
    world: World, mass_kg: float, half_length_m: float, friction: float, terrain: Terrain
) -> ET.Element:
    out = ET.Element("model", name=BELT)
    if world.belt_v < 0:
        sub(out, "static", "1")
    link = add_belt_link(out, mass_kg, half_length_m)
    collision = sub(link, "collision", name=BELT)
    sub(sub(sub(collision, "geometry"), "box"), "size", f"{2.0 * half_length_m} 2 0.2")
    surface(collision, friction, 1e12, 0.0)
    for slat in bumps(terrain, half_length_m):
        if slat.tag == "collision":
            surface(slat, friction, 1e12, 0.0)
        link.append(slat)
    if world.belt_v >= 0:
        joint = sub(out, "joint", name=BELT, type="prismatic")
        sub(joint, "parent", "world")
        sub(joint, "child", BELT)
        sub(sub(joint, "axis"), "xyz", "1 0 0")
    return out


def _physics(options: OdeOptions, dt_s: float) -> ET.Element:
    physics = ET.Element("physics", name="lockstep", type="ode")
    sub(physics, "max_step_size", repr(dt_s))
    sub(physics, "real_time_update_rate", 0)
    ode = sub(physics, "ode")
    solver = sub(ode, "solver")
    sub(solver, "type", options.solver)
    sub(solver, "iters", options.iterations)
    sub(solver, "sor", options.sor)
    sub(solver, "use_dynamic_moi_rescaling", 0)
    constraints = sub(ode, "constraints")
    sub(constraints, "cfm", options.joint_cfm)
    sub(constraints, "erp", options.joint_erp)
    sub(constraints, "contact_max_correcting_vel", 100)
    sub(constraints, "contact_surface_layer", 0)
    return physics


def _plugin(names: Layout, damping: dict[str, float], library: str, timeout_s: float) -> ET.Element:
    plugin = ET.Element("plugin", name="exostride_lockstep", filename=library)
    sub(plugin, "model", MODEL)
    sub(plugin, "timeout", timeout_s)
    sub(plugin, "belt_period", PERIOD_M)
    for name in names.joints:
        sub(plugin, "joint", name, damping=repr(damping.get(name, 0.0)))
    for name in names.links:
        sub(plugin, "link", name, free="1" if name in names.free else "0")
    for name in names.contacts:
        sub(plugin, "contact", name)
    return plugin


def session_world(
    world: World,
    tree: Tree,
    *,
    belt: tuple[float, float],
    friction: float,
    damping: dict[str, float],
    library: str,
    timeout_s: float,
    options: OdeOptions,
    terrain: Terrain,
    camera: ET.Element | None = None,
    hang: bool = False,
    contact: bool = True,
) -> tuple[str, Layout]:
    """Return the SDF text of a session and the layout of its frames.

    ``belt`` is mass [kg] and half length [m], ``damping`` what the firmware of a joint does in silence
    [N m s/rad], ``library`` the plugin's file. ``hang`` holds the pelves in the air: no ground, no dry
    friction in the joints. Without ``contact`` nothing touches: that is then the plant's, as over a modern
    Gazebo.
    """
    dt_s = float(world.model.opt.timestep)
    if contact:
        _add_points(tree, world, friction)
    names = layout(world, tree, contact=contact)
    sdf = ET.Element("sdf", version="1.6")
    root = sub(sdf, "world", name="session")
    sub(root, "gravity", " ".join(repr(a) for a in terrain.gravity()))
    root.append(_physics(options, dt_s))
    scene = sub(root, "scene")
    sub(scene, "ambient", "0.5 0.5 0.5 1")
    sub(scene, "background", "0.86 0.9 0.94 1")
    sub(scene, "shadows", "0")
    root.append(sun())
    if not hang:
        root.append(_belt_model(world, belt[0], belt[1], friction, terrain))
    for model in stairs(terrain):
        for collision in model.iter("collision"):
            surface(collision, friction, 1e12, 0.0)
        root.append(model)
    # Joints' own damping is part of the commands, taken implicitly, as MuJoCo takes it.
    height = world.geometry.standing_height
    root.append(model_element(tree, MODEL, height, damping=False, friction=not hang, fixed=hang))
    if camera is not None:
        root.append(camera)
    root.append(_plugin(names, damping, library, timeout_s))
    ET.indent(sdf)
    return '<?xml version="1.0"?>\n' + ET.tostring(sdf, encoding="unicode"), names


def sun() -> ET.Element:
    """Return the light of a world."""
    light = ET.Element("light", name="sun", type="directional")
    sub(light, "pose", "0 0 5 0 0 0")
    sub(light, "diffuse", "0.8 0.8 0.8 1")
    sub(light, "specular", "0.1 0.1 0.1 1")
    sub(light, "direction", "-0.4 0.5 -0.8")
    return light


def addresses(world: World, names: Layout) -> tuple[Any, Any, Any, Any, Any]:
    """Return MuJoCo's addresses of the joints (position, velocity), links (body) and free links (q, v)."""
    model = world.model
    ids = [model.joint(name).id for name in names.joints]
    free = [model.joint(f"{name}_free").id for name in names.free]
    return (
        np.array(model.jnt_qposadr)[ids],
        np.array(model.jnt_dofadr)[ids],
        np.array([model.body(name).id for name in names.links]),
        np.array(model.jnt_qposadr)[free],
        np.array(model.jnt_dofadr)[free],
    )
