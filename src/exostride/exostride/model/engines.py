"""The same URDF as a Pinocchio model and as a MuJoCo specification, with the same dynamics.

Both get free joints on every root and the reflected rotor inertia of :mod:`exostride.model.joints`.
"""

from __future__ import annotations

import mujoco
import pinocchio as pin

from exostride.model.anthropometry import BodyParameters
from exostride.model.description import DEFAULT_BODY, ModelName, urdf, with_free_root
from exostride.model.joints import joint_table

GEOM_GROUP_CONTACT = 0
GEOM_GROUP_VISUAL = 1
GROUND_BIT = 1
"""``contype`` bit of everything that may touch the ground; soles never touch each other."""


def load_pinocchio(model: ModelName, body: BodyParameters = DEFAULT_BODY) -> pin.Model:
    """Return the Pinocchio model of ``model`` with free-flyer pelves and rotor inertias.

    The free-flyers are named ``base_link_free`` and ``patient_pelvis_free``; ``nv`` is 12
    (exoskeleton), 16 (patient) or 28 (coupled).
    """
    return pinocchio_from_urdf(urdf(model, body))


def pinocchio_from_urdf(text: str) -> pin.Model:
    """Return the Pinocchio model of a URDF, its root free; unknown joints have no armature."""
    model = pin.buildModelFromXML(with_free_root(text))
    armature = model.armature.copy()
    for name, properties in joint_table().items():
        if model.existJointName(name):
            armature[model.joints[model.getJointId(name)].idx_v] = properties.armature_kg_m2
    model.armature = armature
    return model


def load_mujoco_spec(
    model: ModelName, body: BodyParameters = DEFAULT_BODY, *, visuals: bool = True
) -> mujoco.MjSpec:
    """Return an editable MuJoCo specification of ``model``: bodies, joints, sites, geoms, no world.

    Every link that hangs on a fixed joint becomes a site of its own name (cuffs, IMUs, heel, ball,
    toe tip, sole, load cells, harness, and the parts of the upper body); compiling then merges its
    mass into the link that carries it. Geoms of shoes and foot plates are named ``<body>_contact``
    and have ``contype`` 1 and ``conaffinity`` 0: they touch ground with ``conaffinity`` 1, not each
    other. In ``coupled`` the shoe stands on the ground and the robot's foot plates touch nothing.
    Joints have limits, damping, friction loss, armature and an actuator force range.
    """
    return mujoco_spec_from_urdf(urdf(model, body), visuals=visuals)


def mujoco_spec_from_urdf(text: str, *, visuals: bool = True) -> mujoco.MjSpec:
    """Return the MuJoCo specification of a URDF, its root free; see :func:`load_mujoco_spec`."""
    spec = mujoco.MjSpec.from_string(with_free_root(text))
    table = joint_table()
    for joint in spec.joints:
        if joint.name in table:
            joint.armature = table[joint.name].armature_kg_m2
    moving = [b for b in spec.bodies if b.name != "world"]
    patient_present = any(b.name == "patient_pelvis" for b in moving)
    for body in moving:
        if not body.joints:
            body.add_site(name=body.name, size=[0.01, 0.01, 0.01], group=4)
        _set_geoms(spec, body, visuals=visuals, robot_touches=not patient_present)
    return spec


def _set_geoms(spec: mujoco.MjSpec, body: mujoco.MjsBody, *, visuals: bool, robot_touches: bool) -> None:
    for geom in list(body.geoms):
        if geom.contype == 0:
            geom.group = GEOM_GROUP_VISUAL
            if not visuals:
                spec.delete(geom)
            continue
        touches = robot_touches or body.name.startswith("patient_")
        geom.name = f"{body.name}_contact"
        geom.group = GEOM_GROUP_CONTACT
        geom.contype = GROUND_BIT if touches else 0
        geom.conaffinity = 0
