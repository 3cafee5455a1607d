"""The MuJoCo model of a session, and where everything lies in its arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2, JOINTS, SEGMENTS, SIDES
from exostride.model.anthropometry import BodyParameters
from exostride.model.engines import load_mujoco_spec
from exostride.model.geometry import BodyGeometry, body_geometry
from exostride.patient.interface import DRIVEN_JOINTS
from exostride.plant import parts
from exostride.plant.config import PlantConfig

RobotKind = Literal["exoskeleton", "none"]
SurfaceKind = Literal["treadmill", "ground"]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class World:
    """A compiled model with the addresses that drives, sensors and firmware need.

    Slices and indices ``*_q`` address ``qpos``, ``*_v`` ``qvel``, ``a_*`` actuators, ``s_*`` sensor data,
    ``g_*`` geoms. Those of the robot are empty without one.
    """

    model: Any
    robot: RobotKind
    geometry: BodyGeometry
    body_mass_kg: float
    exo_q: slice
    exo_v: slice
    patient_q: Index
    patient_v: Index
    toe_v: Index
    base_q: int
    base_v: int
    pelvis_q: int
    pelvis_v: int
    belt_q: int
    belt_v: int
    a_drive: slice
    a_muscle: slice
    a_cuff: slice
    a_pelvis_belt: slice
    a_guidance: slice
    a_attitude: slice
    a_belt: int
    a_pull: int
    a_hold: int
    g_points: Index
    point_radius: NDArray[np.float64]
    sensor_slices: dict[str, slice]

    @property
    def has_robot(self) -> bool:
        """Whether there is an exoskeleton."""
        return self.robot == "exoskeleton"


def _spec(
    config: PlantConfig, body: BodyParameters, robot: RobotKind, surface: SurfaceKind, *, visuals: bool
) -> mujoco.MjSpec:
    geometry = body_geometry(body)
    has_robot = robot == "exoskeleton"
    spec = load_mujoco_spec("coupled" if has_robot else "patient", body, visuals=visuals)
    parts.add_belt(
        spec, config.contact, config.belt.mass_kg, config.belt.half_length_m, moves=surface == "treadmill"
    )
    parts.add_shoes(spec, geometry.foot, config.contact)
    if has_robot:
        parts.add_drives(spec)
    parts.add_muscles(spec)
    if has_robot:
        parts.add_cuffs(spec, config.cuffs)
        parts.add_frame(spec, config.guidance)
    base = "base_link" if has_robot else "patient_pelvis"
    parts.add_guidance(spec, config.guidance, base, geometry.standing_height)
    parts.add_harness(spec, config.harness)
    if surface == "treadmill":
        servo = parts.affine(
            spec, "belt", 0.0, config.belt.servo_ns_m, trntype=mujoco.mjtTrn.mjTRN_JOINT, target="belt"
        )
        servo.forcelimited = True
        servo.forcerange = [-config.belt.force_limit_n, config.belt.force_limit_n]
    _add_inertial_sensors(spec, has_robot=has_robot)
    _set_options(spec, config)
    return spec


def _add_inertial_sensors(spec: mujoco.MjSpec, *, has_robot: bool) -> None:
    imu = "imu_pelvis" if has_robot else "patient_imu_pelvis"
    parts.sensor(spec, "pelvis_gyro", "GYRO", "SITE", imu)
    parts.sensor(spec, "pelvis_accel", "ACCELEROMETER", "SITE", imu)
    parts.sensor(spec, "com_position", "SUBTREECOM", "BODY", "patient_pelvis")
    parts.sensor(spec, "com_velocity", "SUBTREELINVEL", "BODY", "patient_pelvis")
    if not has_robot:
        return
    # The longitudinal axis of thigh and shank is z, that of the foot is x.
    for name in SEGMENTS:
        axis = "FRAMEXAXIS" if name.startswith("foot") else "FRAMEZAXIS"
        parts.sensor(spec, f"axis_{name}", axis, "SITE", f"imu_{name}")
    for name in SEGMENTS:
        parts.sensor(spec, f"rate_{name}", "FRAMEANGVEL", "SITE", f"imu_{name}")
    for name in SEGMENTS:
        parts.sensor(spec, f"accel_{name}", "ACCELEROMETER", "SITE", f"imu_{name}")


def _set_options(spec: mujoco.MjSpec, config: PlantConfig) -> None:
    option = spec.option
    option.timestep = config.physics.timestep_s
    option.gravity = [0.0, 0.0, -GRAVITY_M_S2]
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = config.physics.friction_to_normal_ratio
    option.iterations = config.physics.iterations
    option.ls_iterations = config.physics.line_search_iterations
    # A body that has flown apart must be an error, not a silent new start.
    option.disableflags = int(option.disableflags) | int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    # The model is small, and MuJoCo 4.0.0 factors sparse Hessians wrongly (its issue 3767).
    option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE


def build_world(
    config: PlantConfig,
    body: BodyParameters,
    robot: RobotKind = "exoskeleton",
    surface: SurfaceKind = "treadmill",
    *,
    visuals: bool = False,
) -> World:
    """Compile the world of a session; ``visuals`` keeps the geoms that only a viewer needs."""
    model = _spec(config, body, robot, surface, visuals=visuals).compile()
    if robot == "exoskeleton":
        parts.balance_frame(model)
    return _addresses(model, robot, body_geometry(body))


def _actuators(model: Any, names: tuple[str, ...]) -> slice:
    ids = [model.actuator(name).id for name in names]
    if not ids:
        return slice(0, 0)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    return slice(ids[0], ids[0] + len(ids))


def _sensor_slices(model: Any) -> dict[str, slice]:
    slices = {}
    for i in range(model.nsensor):
        start, length = int(model.sensor_adr[i]), int(model.sensor_dim[i])
        slices[model.sensor(i).name] = slice(start, start + length)
    return slices


def _addresses(model: Any, robot: RobotKind, geometry: BodyGeometry) -> World:
    has_robot = robot == "exoskeleton"

    def q(name: str) -> int:
        return int(model.jnt_qposadr[model.joint(name).id])

    def v(name: str) -> int:
        return int(model.jnt_dofadr[model.joint(name).id])

    cuffs = tuple(f"{name}_{axis}" for name in parts.COUPLINGS[:-1] for axis in parts.AXES)
    belt = tuple(f"{parts.PELVIS_BELT}_{axis}" for axis in parts.AXES)
    points = [model.geom(f"{p}_{side}").id for side in SIDES for p in parts.FOOT_POINTS]
    moves = "belt" in [model.joint(i).name for i in range(model.njnt)]
    base = "base_link_free" if has_robot else "patient_pelvis_free"
    pelvis = model.body("patient_pelvis").id
    return World(
        model=model,
        robot=robot,
        geometry=geometry,
        body_mass_kg=float(model.body_subtreemass[pelvis]),
        exo_q=slice(q(JOINTS[0]), q(JOINTS[-1]) + 1) if has_robot else slice(0, 0),
        exo_v=slice(v(JOINTS[0]), v(JOINTS[-1]) + 1) if has_robot else slice(0, 0),
        patient_q=np.array([q(f"patient_{name}") for name in DRIVEN_JOINTS]),
        patient_v=np.array([v(f"patient_{name}") for name in DRIVEN_JOINTS]),
        toe_v=np.array([v(f"patient_toe_{side}") for side in SIDES]),
        base_q=q(base),
        base_v=v(base),
        pelvis_q=q("patient_pelvis_free"),
        pelvis_v=v("patient_pelvis_free"),
        belt_q=q("belt") if moves else -1,
        belt_v=v("belt") if moves else -1,
        a_drive=_actuators(model, tuple(f"drive_{name}" for name in JOINTS) if has_robot else ()),
        a_muscle=_actuators(model, tuple(f"muscle_{name}" for name in DRIVEN_JOINTS)),
        a_cuff=_actuators(model, cuffs if has_robot else ()),
        a_pelvis_belt=_actuators(model, belt if has_robot else ()),
        a_guidance=_actuators(model, ("guidance_x", "guidance_y", "guidance_yaw")),
        a_attitude=_actuators(model, ("frame_roll", "frame_pitch") if has_robot else ()),
        a_belt=model.actuator("belt").id if moves else -1,
        a_pull=model.actuator("harness_pull").id,
        a_hold=model.actuator("harness_hold").id,
        g_points=np.array(points),
        point_radius=np.array(model.geom_size[points, 0]),
        sensor_slices=_sensor_slices(model),
    )
