"""Robot and patient hanging in the air, in MuJoCo and in Gazebo: the same torques, the same motion.

Both pelves are held, there is no ground and no dry friction, MuJoCo integrates as Gazebo's
ODE does (semi-implicit Euler) and ODE solves its joints directly. Torques that swing every joint
through at least 30 degrees are made once, by tracking sines in MuJoCo, and then applied open loop, the same
numbers at the same steps, in both engines; the robot moves through its cuffs. The figure is the largest
difference of any joint's angle over the whole time.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from exostride.hardware.gz.engine import GazeboEngine
from exostride.hardware.gz.installation import find_installation
from exostride.hardware.gz.server import Server
from exostride.hardware.gz.terrain import TERRAINS
from exostride.hardware.gz.world import OdeOptions, robot_tree, session_world
from exostride.model.anthropometry import BodyParameters
from exostride.plant.config import PlantConfig, load_plant_config
from exostride.plant.engine import Engine, MujocoEngine
from exostride.plant.world import World, build_world

Trajectory = NDArray[np.float64]
HELD_KG_M2 = 1e9
"""Inertia of a pelvis that is held."""
SWING = {
    "hip_abduction": (0.12, 0.38, 0.7, 600.0),
    "hip": (0.35, 0.42, 0.9, 400.0),
    "knee": (0.85, 0.42, 1.1, 200.0),
    "ankle": (-0.20, 0.30, 1.3, 80.0),
    "toe": (0.35, 0.45, 1.0, 60.0),
}
"""Of the patient's joints: middle [rad], amplitude [rad], frequency [Hz], stiffness [N m/rad]."""
FINE_S = 1e-4
"""Physics step at which the torques are made."""


def hanging_world(timestep_s: float) -> tuple[World, PlantConfig]:
    """Return robot and patient in the air, their pelves held, all joints at zero but for cuffs' springs."""
    config = load_plant_config()
    config = config.model_copy(
        update={"physics": config.physics.model_copy(update={"timestep_s": timestep_s})}
    )
    world = build_world(config, BodyParameters(), "exoskeleton", "ground")
    model = world.model
    for v in (world.base_v, world.pelvis_v):
        model.dof_armature[v : v + 6] = HELD_KG_M2
    model.dof_frictionloss[:] = 0.0
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    return world, config


def _start(world: World) -> Any:
    data = mujoco.MjData(world.model)
    for q in {world.base_q, world.pelvis_q}:
        data.qpos[q + 2] = world.geometry.standing_height
    mujoco.mj_forward(world.model, data)
    return data


def _hinges(world: World) -> list[tuple[str, int, int]]:
    model = world.model
    hinge = mujoco.mjtJoint.mjJNT_HINGE
    return [
        (model.joint(i).name, int(model.jnt_qposadr[i]), int(model.jnt_dofadr[i]))
        for i in range(model.njnt)
        if model.jnt_type[i] == hinge
    ]


def swinging_torques(world: World, steps: int) -> Trajectory:
    """Return torques (steps, nv) that track sines with the patient's joints in MuJoCo."""
    data, dt = _start(world), float(world.model.opt.timestep)
    engine = MujocoEngine(world, data)
    torques = np.zeros((steps, world.model.nv))
    driven = [
        (q, v, *SWING[name.removeprefix("patient_").rsplit("_", 1)[0]], name.endswith("left"))
        for name, q, v in _hinges(world)
        if name.startswith("patient_")
    ]
    for k in range(steps):
        t = k * dt
        ramp = min(1.0, t / 0.3)
        for q, v, middle, amplitude, frequency, stiffness, left in driven:
            phase = 2.0 * np.pi * frequency * t + (0.0 if left else 1.3)
            goal = ramp * (middle + amplitude * np.sin(phase))
            torques[k, v] = stiffness * (goal - data.qpos[q]) - 0.05 * stiffness * data.qvel[v]
        data.qfrc_applied[:] = torques[k]
        engine.step()
    return torques


def _play(engine: Engine, data: Any, world: World, torques: Trajectory) -> tuple[Trajectory, float]:
    places = [q for _, q, _ in _hinges(world)]
    path = np.empty((len(torques), len(places)))
    start = perf_counter()
    for k, torque in enumerate(torques):
        data.qfrc_applied[:] = torque
        engine.step()
        path[k] = data.qpos[places]
    return path, perf_counter() - start


def no_contact(timestep_s: float, seconds: float) -> dict[str, Any]:
    """Return the largest difference of any joint's angle between the engines, and how fast they were."""
    fine, _ = hanging_world(FINE_S)
    torques = swinging_torques(fine, round(seconds / FINE_S))[:: round(timestep_s / FINE_S)]
    world, config = hanging_world(timestep_s)
    data = _start(world)
    mine, mujoco_s = _play(MujocoEngine(world, data), data, world, torques)
    theirs, gazebo_s, version = _in_gazebo(config, torques)
    error = np.abs(mine - theirs)
    names = [name for name, _, _ in _hinges(world)]
    sweep = np.degrees(np.ptp(mine, axis=0))
    limits = np.array([world.model.joint(name).range for name in names])
    room = np.minimum(mine.min(axis=0) - limits[:, 0], limits[:, 1] - mine.max(axis=0))
    return {
        "timestep_s": timestep_s,
        "seconds": seconds,
        "max_joint_error_rad": float(error.max()),
        "worst_joint": names[int(error.max(axis=0).argmax())],
        "joint_error_rad": {n: float(e) for n, e in zip(names, error.max(axis=0), strict=True)},
        "room_to_stops_deg": {n: round(float(r), 1) for n, r in zip(names, np.degrees(room), strict=True)},
        "least_sweep_deg": float(sweep.min()),
        "sweep_deg": {n: round(float(s), 1) for n, s in zip(names, sweep, strict=True)},
        "times_real_time": {"mujoco": seconds / mujoco_s, "gazebo": seconds / gazebo_s},
        "gazebo": version,
    }


def _in_gazebo(config: PlantConfig, torques: Trajectory) -> tuple[Trajectory, float, str]:
    world, _ = hanging_world(config.physics.timestep_s)
    installation = find_installation()
    text, names = session_world(
        world,
        robot_tree(BodyParameters(), world),
        belt=(config.belt.mass_kg, config.belt.half_length_m),
        friction=config.contact.friction,
        damping={},
        library=str(installation.plugin),
        timeout_s=10.0,
        options=OdeOptions(solver="world"),
        terrain=TERRAINS["ground"],
        hang=True,
    )
    data = _start(world)
    server = Server(installation, 10.0)
    try:
        engine = GazeboEngine(world, data, server.start(text), names)
        engine.place()
        path, seconds = _play(engine, data, world, torques)
        return path, seconds, server.hello["engine"]
    finally:
        server.close()
