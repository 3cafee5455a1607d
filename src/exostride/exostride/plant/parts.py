"""Parts of the simulated world, each added to a MuJoCo specification: belt, shoes, cuffs, harness, sensors.

Couplings are actuators between two sites: one actuator an axis, its force ``-k x - d x'`` in the frame of
the reference site, equal and opposite on both bodies. Unlike soft constraints they have stiffness and
damping in SI units, cost the solver nothing, and the implicit integrator takes their damping into
account.
"""

from __future__ import annotations

from typing import Any, Final

import mujoco

from exostride.conventions import CUFFS, JOINTS, SIDES
from exostride.model.geometry import FootGeometry
from exostride.patient.interface import DRIVEN_JOINTS
from exostride.plant.config import BushingConfig, ContactConfig, CuffsConfig, GuidanceConfig, HarnessConfig

AXES: Final = ("x", "y", "z", "rx", "ry", "rz")
FOOT_POINTS: Final = ("heel_inner", "heel_outer", "ball_inner", "ball_outer", "toe")
"""Contact points of one shoe."""
PELVIS_BELT: Final = "cuff_pelvis"
COUPLINGS: Final = (*CUFFS, PELVIS_BELT)
FALL_BODIES: Final = {
    "patient_pelvis": ((0.0, 0.0, 0.05), 0.11),
    "patient_shank_left": ((0.03, 0.0, 0.0), 0.05),
    "patient_shank_right": ((0.03, 0.0, 0.0), 0.05),
    "patient_head": ((0.0, 0.0, -0.12), 0.10),
}
"""What else can strike the floor when the patient falls: place in the body, radius [m]."""


def sensor(spec: mujoco.MjSpec, name: str, kind: str, objtype: str, objname: str, **more: object) -> None:
    """Add a MuJoCo sensor ``mjSENS_<kind>`` on the named object."""
    spec.add_sensor(
        name=name,
        type=getattr(mujoco.mjtSensor, f"mjSENS_{kind}"),
        objtype=getattr(mujoco.mjtObj, f"mjOBJ_{objtype}"),
        objname=objname,
        **more,
    )


def affine(
    spec: mujoco.MjSpec, name: str, stiffness: float, damping: float, **more: object
) -> mujoco.MjsActuator:
    """Add an actuator with force ``ctrl - stiffness * length - damping * velocity``."""
    actuator = spec.add_actuator(name=name, **more)
    actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
    actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm[0] = 1.0
    actuator.biasprm[1] = -stiffness
    actuator.biasprm[2] = -damping
    return actuator


def add_belt(
    spec: mujoco.MjSpec, contact: ContactConfig, mass_kg: float, half_length_m: float, *, moves: bool
) -> None:
    """Add the walking surface, its top at z = 0; ``moves`` puts it on a slide joint along x."""
    belt = spec.worldbody.add_body(name="belt")
    if moves:
        belt.add_joint(name="belt", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1, 0, 0])
    belt.add_geom(
        name="belt",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half_length_m, 1.0, 0.1],
        pos=[0, 0, -0.1],
        mass=mass_kg,
        contype=1,
        conaffinity=0,
        friction=[contact.friction, 0.005, 0.0001],
        solref=[contact.time_constant_s, contact.damping_ratio],
        solimp=list(contact.impedance),
    )


def _touch(body: mujoco.MjsBody, name: str, place: tuple[float, float, float], radius: float) -> None:
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[radius, 0, 0],
        pos=list(place),
        mass=0.0,
        contype=0,
        conaffinity=1,
        priority=-1,
        condim=3,
        group=3,
    )


def add_shoes(spec: mujoco.MjSpec, foot: FootGeometry, contact: ContactConfig) -> None:
    """Replace the shoes' boxes by contact points at heel, ball and toe tip, and spring the toe joints.

    Points instead of boxes: their number and places do not change from step to step, so that ground
    reaction and centre of pressure move smoothly when the foot rolls.
    """
    for geom in spec.geoms:
        if geom.name != "belt":
            geom.contype = 0
            geom.conaffinity = 0
    for side, inner in zip(SIDES, (-1.0, 1.0), strict=True):
        shoe, toe = spec.body(f"patient_foot_{side}"), spec.body(f"patient_toe_{side}_link")
        heel_y, ball_y = 0.30 * foot.width * inner, 0.42 * foot.width * inner
        heel_z, ball_z = foot.sole_z + contact.heel_radius_m, foot.sole_z + contact.ball_radius_m
        toe_z = foot.sole_z - foot.toe_axis_z + contact.toe_radius_m
        _touch(shoe, f"heel_inner_{side}", (foot.heel_x, heel_y, heel_z), contact.heel_radius_m)
        _touch(shoe, f"heel_outer_{side}", (foot.heel_x, -heel_y, heel_z), contact.heel_radius_m)
        _touch(shoe, f"ball_inner_{side}", (foot.ball_x, ball_y, ball_z), contact.ball_radius_m)
        _touch(shoe, f"ball_outer_{side}", (foot.ball_x, -ball_y, ball_z), contact.ball_radius_m)
        _touch(toe, f"toe_{side}", (foot.toe_tip_x - foot.ball_x, 0.0, toe_z), contact.toe_radius_m)
        joint = spec.joint(f"patient_toe_{side}")
        joint.stiffness = [contact.toe_stiffness_nm_rad, 0.0, 0.0]
        joint.damping = [contact.toe_damping_nms_rad, 0.0, 0.0]
        for point in FOOT_POINTS:
            contact_sensor(spec, f"{point}_{side}")
    for name, (place, radius) in FALL_BODIES.items():
        _touch(spec.body(name), f"{name}_fall", place, radius)


def contact_sensor(spec: mujoco.MjSpec, geom: str) -> None:
    """Add a sensor of the net force [N, world] that ``geom`` gets from the belt, named as the geom."""
    force, net, slots = 1 << 1, 3, 1
    sensor(
        spec,
        f"contact_{geom}",
        "CONTACT",
        "GEOM",
        "belt",
        reftype=mujoco.mjtObj.mjOBJ_GEOM,
        refname=geom,
        intprm=[force, net, slots],
    )


def add_muscles(spec: mujoco.MjSpec) -> None:
    """Add one affine actuator for each joint of the patient that carries muscles."""
    for name in DRIVEN_JOINTS:
        affine(spec, f"muscle_{name}", 0.0, 0.0, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=f"patient_{name}")


def add_drives(spec: mujoco.MjSpec) -> None:
    """Add one motor for each powered joint; its control signal is the torque [N m]."""
    for name in JOINTS:
        spec.joint(name).actfrclimited = False
        affine(spec, f"drive_{name}", 0.0, 0.0, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=name)


def _bushing(spec: mujoco.MjSpec, name: str, site: str, refsite: str, bushing: BushingConfig) -> None:
    stiffness = (*bushing.stiffness_n_m, *bushing.stiffness_nm_rad)
    damping = (*bushing.damping_ns_m, *bushing.damping_nms_rad)
    for i, axis in enumerate(AXES):
        actuator = affine(
            spec,
            f"{name}_{axis}",
            stiffness[i],
            damping[i],
            trntype=mujoco.mjtTrn.mjTRN_SITE,
            target=site,
            refsite=refsite,
        )
        actuator.gear = [1.0 if k == i else 0.0 for k in range(6)]


def add_cuffs(spec: mujoco.MjSpec, cuffs: CuffsConfig) -> None:
    """Couple the robot's links to the patient's limbs, and its base to the pelvis."""
    for name in CUFFS:
        bushing: BushingConfig = getattr(cuffs, name.split("_")[1])
        _bushing(spec, name, f"patient_{name}", name, bushing)
    spec.body("base_link").add_site(name=PELVIS_BELT)
    spec.body("patient_pelvis").add_site(name=f"patient_{PELVIS_BELT}")
    _bushing(spec, PELVIS_BELT, f"patient_{PELVIS_BELT}", PELVIS_BELT, cuffs.pelvis)


def add_guidance(spec: mujoco.MjSpec, guidance: GuidanceConfig, body: str, height_m: float) -> None:
    """Couple ``body`` to the frame in x, y and yaw."""
    spec.worldbody.add_site(name="guidance_frame", pos=[0, 0, height_m])
    spec.body(body).add_site(name="guidance")
    terms = {
        "x": (0, guidance.stiffness_n_m[0], guidance.damping_ns_m[0]),
        "y": (1, guidance.stiffness_n_m[1], guidance.damping_ns_m[1]),
        "yaw": (5, guidance.stiffness_nm_rad, guidance.damping_nms_rad),
    }
    for name, (axis, stiffness, damping) in terms.items():
        actuator = affine(
            spec,
            f"guidance_{name}",
            stiffness,
            damping,
            trntype=mujoco.mjtTrn.mjTRN_SITE,
            target="guidance",
            refsite="guidance_frame",
        )
        actuator.gear = [1.0 if k == axis else 0.0 for k in range(6)]


def add_harness(spec: mujoco.MjSpec, harness: HarnessConfig) -> None:
    """Hang the patient on a cable over a pulley: one actuator for the winch, one for the locked rope."""
    spec.worldbody.add_site(name="pulley", pos=[0, 0, harness.pulley_height_m])
    cable = spec.add_tendon(name="cable")
    cable.wrap_site("pulley")
    cable.wrap_site("patient_harness")
    for name in ("harness_pull", "harness_hold"):
        actuator = affine(spec, name, 0.0, 0.0, trntype=mujoco.mjtTrn.mjTRN_TENDON, target="cable")
        actuator.forcelimited = True
        actuator.forcerange = [-4.0 * harness.force_max_n, 0.0]
    sensor(spec, "cable_length", "TENDONPOS", "TENDON", "cable")
    sensor(spec, "cable_velocity", "TENDONVEL", "TENDON", "cable")


def add_frame(spec: mujoco.MjSpec, guidance: GuidanceConfig) -> None:
    """Carry the robot as a balanced parallelogram does: a constant upward force on its base, held level.

    Place and size of the force are the robot's centre of mass in upright standing and its whole weight
    (:func:`balance_frame`), so that the robot hangs weightless and level while its legs still pull on the
    drives. Springs and dampers hold roll and pitch.
    """
    spec.worldbody.add_site(name="frame")
    spec.body("base_link").add_site(name="frame_balance")
    actuator = affine(
        spec, "frame_z", 0.0, 0.0, trntype=mujoco.mjtTrn.mjTRN_SITE, target="frame_balance", refsite="frame"
    )
    actuator.gear = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    for name, axis in (("frame_roll", 3), ("frame_pitch", 4)):
        k, d = guidance.attitude_stiffness_nm_rad[axis - 3], guidance.attitude_damping_nms_rad[axis - 3]
        actuator = affine(
            spec, name, k, d, trntype=mujoco.mjtTrn.mjTRN_SITE, target="frame_balance", refsite="frame"
        )
        actuator.gear = [1.0 if k == axis else 0.0 for k in range(6)]


def balance_frame(model: Any) -> None:
    """Set the frame's force and its place on a compiled model."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    base = model.body("base_link").id
    centre = data.xmat[base].reshape(3, 3).T @ (data.subtree_com[base] - data.xpos[base])
    model.site_pos[model.site("frame_balance").id] = centre
    weight = float(model.body_subtreemass[base]) * -float(model.opt.gravity[2])
    model.actuator_biasprm[model.actuator("frame_z").id, 0] = weight
