"""What Exostride calls of ``gz.sim``, with MuJoCo's rigid bodies behind it; it proves our side, not Gazebo's.

It reads the SDF that Gazebo would get and keeps to the bindings' habits: forces last for one step, positions
and velocities are ``None`` until they have been asked for and a step was made, and only whole models can be
placed.
"""

from types import SimpleNamespace
from xml.etree import ElementTree as ET

import mujoco
import numpy as np

from gz.math import Pose3d, Quaterniond, Vector3d


def _numbers(element, tag, default):
    text = element.findtext(tag)
    return np.array([float(v) for v in (text or default).split()])


class _Manager:
    """The world's state; what the bindings call the entity component manager."""

    def __init__(self, path):
        world = ET.parse(path).getroot().find("world")
        spec = mujoco.MjSpec()
        spec.compiler.autolimits, spec.compiler.degree = True, False
        physics = world.find("physics")
        spec.option.timestep = float(physics.findtext("max_step_size"))
        spec.option.gravity = _numbers(world, "gravity", "0 0 -9.8")
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
        self.roots, self.parts = {}, {}
        for model in world.findall("model"):
            if model.findtext("static") != "1":
                self._add(spec, model)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self.data)
        self.asked, self.known = set(), set()

    def _add(self, spec, model):
        name = model.get("name")
        place = _numbers(model, "pose", "0 0 0 0 0 0")[:3]
        links = {link.get("name"): link for link in model.findall("link")}
        held = {joint.findtext("child"): joint for joint in model.findall("joint")}
        bodies = {}

        def body(link_name):
            if link_name in bodies:
                return bodies[link_name][0]
            link, joint = links[link_name], held.get(link_name)
            where = place + _numbers(link, "pose", "0 0 0 0 0 0")[:3]
            parent = spec.worldbody
            origin = np.zeros(3)
            if joint is not None and joint.findtext("parent") != "world":
                parent = body(joint.findtext("parent"))
                origin = bodies[joint.findtext("parent")][1]
            made = parent.add_body(name=f"{name}/{link_name}", pos=where - origin)
            bodies[link_name] = (made, where)
            inertial = link.find("inertial")
            made.mass = float(inertial.findtext("mass"))
            made.ipos = _numbers(inertial, "pose", "0 0 0 0 0 0")[:3]
            made.explicitinertial = True
            made.fullinertia = [
                float(inertial.findtext(f"inertia/{k}") or 0.0)
                for k in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
            ]
            if joint is None:
                made.add_freejoint(name=f"{name}/free")
                self.roots[name] = f"{name}/free"
            else:
                self._hold(made, joint, f"{name}/{joint.get('name')}")
            return made

        for link_name in links:
            body(link_name)

    def _hold(self, body, joint, name):
        slides = joint.get("type") == "prismatic"
        made = body.add_joint(name=name)
        made.type = mujoco.mjtJoint.mjJNT_SLIDE if slides else mujoco.mjtJoint.mjJNT_HINGE
        axis = joint.find("axis")
        made.axis = _numbers(axis, "xyz", "1 0 0")
        if not slides:
            made.range = [float(axis.findtext("limit/lower")), float(axis.findtext("limit/upper"))]
        made.frictionloss = float(axis.findtext("dynamics/friction") or 0.0)
        made.damping = [float(axis.findtext("dynamics/damping") or 0.0), 0.0, 0.0]

    def step(self):
        mujoco.mj_step(self.model, self.data)
        self.data.qfrc_applied[:] = 0.0
        self.data.xfrc_applied[:] = 0.0
        self.known = set(self.asked)
        # Poses and velocities of the state that the step ended in.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_comVel(self.model, self.data)


def world_entity(ecm):
    del ecm
    return "world"


class _Entity:
    def __init__(self, entity):
        self.entity = entity


class World(_Entity):
    def model_by_name(self, ecm, name):
        del ecm
        return name


class Model(_Entity):
    def joint_by_name(self, ecm, name):
        del ecm
        return f"{self.entity}/{name}"

    link_by_name = joint_by_name

    def set_world_pose_cmd(self, ecm, pose):
        joint = ecm.data.joint(ecm.roots[self.entity])
        p, q = pose.pos(), pose.rot()
        joint.qpos[:] = [*p.values, *q.values]
        joint.qvel[:] = 0.0
        mujoco.mj_forward(ecm.model, ecm.data)


class Joint(_Entity):
    def valid(self, ecm):
        return mujoco.mj_name2id(ecm.model, mujoco.mjtObj.mjOBJ_JOINT, self.entity) >= 0

    def enable_position_check(self, ecm, enable=True):
        assert enable
        ecm.asked.add((self.entity, "position"))

    def enable_velocity_check(self, ecm, enable=True):
        assert enable
        ecm.asked.add((self.entity, "velocity"))

    def position(self, ecm):
        if (self.entity, "position") in ecm.known:
            return [float(ecm.data.joint(self.entity).qpos[0])]
        return None

    def velocity(self, ecm):
        if (self.entity, "velocity") in ecm.known:
            return [float(ecm.data.joint(self.entity).qvel[0])]
        return None

    def set_force(self, ecm, forces):
        (force,) = forces
        ecm.data.qfrc_applied[ecm.model.joint(self.entity).dofadr[0]] += force

    def reset_position(self, ecm, positions):
        ecm.data.joint(self.entity).qpos[0] = positions[0]

    def reset_velocity(self, ecm, velocities):
        ecm.data.joint(self.entity).qvel[0] = velocities[0]


class Link(_Entity):
    def valid(self, ecm):
        return mujoco.mj_name2id(ecm.model, mujoco.mjtObj.mjOBJ_BODY, self.entity) >= 0

    def enable_velocity_checks(self, ecm, enable=True):
        assert enable
        ecm.asked.add((self.entity, "velocity"))

    def world_pose(self, ecm):
        body = ecm.data.body(self.entity)
        return Pose3d(Vector3d(*body.xpos), Quaterniond(*body.xquat))

    def _velocity(self, ecm):
        if (self.entity, "velocity") not in ecm.known:
            return None
        out = np.zeros(6)
        index = ecm.model.body(self.entity).id
        mujoco.mj_objectVelocity(ecm.model, ecm.data, mujoco.mjtObj.mjOBJ_XBODY, index, out, 0)
        return out

    def world_linear_velocity(self, ecm):
        out = self._velocity(ecm)
        return None if out is None else Vector3d(*out[3:])

    def world_angular_velocity(self, ecm):
        out = self._velocity(ecm)
        return None if out is None else Vector3d(*out[:3])

    def add_world_force(self, ecm, force):
        ecm.data.xfrc_applied[ecm.model.body(self.entity).id, :3] += force.values

    def add_world_wrench(self, ecm, force, torque):
        assert not any(force.values)
        ecm.data.xfrc_applied[ecm.model.body(self.entity).id, 3:] += torque.values


class Server:
    def __init__(self, fixture):
        self._fixture = fixture

    def run(self, blocking, iterations, paused):
        assert blocking and not paused
        ecm = self._fixture.ecm
        for _ in range(iterations):
            self._fixture.before(SimpleNamespace(), ecm)
            ecm.step()
        return True


class TestFixture:
    __test__ = False

    def __init__(self, path):
        self.ecm = _Manager(path)
        self._server = Server(self)
        self._ready = False

    def on_pre_update(self, call):
        self.before = call

    def finalize(self):
        self._ready = True

    def server(self):
        assert self._ready
        return self._server
