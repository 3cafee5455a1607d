r"""The seam between a plant and Gazebo: force laws from the plant, rigid bodies and contact from Gazebo.

Drives, muscles, cuffs, belt, harness, frame and guidance are laws of force; the plant evaluates them at every
physics step at the state that Gazebo reports, with the very code that runs over MuJoCo, and Gazebo gets
torques of hinges and wrenches on links. Masses, joints, stops, dry friction, contact, friction of the soles
and integration are Gazebo's, from the SDF.

Three terms cannot be had explicitly at 1 ms:

* Damping of the patient's joints (12 N m s/rad on a foot of 0.003 kg m²) is handed to Gazebo joint by joint;
  its solver takes it implicitly, together with the contact that the foot may be in.
* The drives' reflected inertia :math:`A`, which SDF does not know, and the damping of cuffs and robot joints
  are linear in the acceleration of the coming step,

  .. math:: \tau = \tau_0 - D (\dot q + h \ddot q) - A \ddot q ,

  and :math:`\ddot q` is taken from an implicit step of the same model without contact, but with the contact
  forces that Gazebo last reported. The robot touches nothing but the patient's cuffs, so where it matters it
  is exact.

A modern Gazebo's bindings neither change a joint's damping nor tell contact forces. What an engine lacks
(:class:`Abilities`) the plant does: damping of the patient's joints as that of the robot's, and the soles as
one more law of force, MuJoCo's soft contact at the state that Gazebo reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In2, compiled
from exostride.errors import DeviceError
from exostride.hardware.gz.frames import CommandFlag, Kind, StateFlag, Stream
from exostride.hardware.gz.sole import Sole
from exostride.hardware.gz.terrain import PERIOD_M
from exostride.hardware.gz.world import Layout, addresses, touching_geoms
from exostride.plant.parts import FOOT_POINTS
from exostride.plant.world import World


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the engine at the other end does by itself."""

    damps: bool = True
    """Its solver takes damping of joints implicitly, and the amount may change from step to step."""

    @classmethod
    def of(cls, hello: Mapping[str, str]) -> Abilities:
        """Return what an engine says of itself in its first frame."""
        return cls(damps=hello.get("damps", "1") == "1")


@compiled
def _moments(point: In2, centre: In2, force: In2) -> NDArray[np.float64]:
    """Return the moments about ``centre`` of forces that act at ``point``, rows of (n, 3)."""
    out = np.empty((point.shape[0], 3))
    for i in range(out.shape[0]):
        x, y, z = point[i, 0] - centre[i, 0], point[i, 1] - centre[i, 1], point[i, 2] - centre[i, 2]
        out[i, 0] = y * force[i, 2] - z * force[i, 1]
        out[i, 1] = z * force[i, 0] - x * force[i, 2]
        out[i, 2] = x * force[i, 1] - y * force[i, 0]
    return out


class GazeboEngine:
    """Steps a Gazebo and keeps MuJoCo's data at its state; an :class:`exostride.plant.engine.Engine`.

    Contact is the engine's if ``names`` has contact points, the plant's if it has none.
    """

    def __init__(
        self,
        world: World,
        data: Any,
        stream: Stream,
        names: Layout,
        abilities: Abilities = Abilities(),
    ) -> None:
        self._w, self._m, self._d = world, world.model, data
        self._stream, self._names, self._damps = stream, names, abilities.damps
        self._touches = bool(names.contacts)
        self._dt = float(world.model.opt.timestep)
        self._q, self._v, self._bodies, self._free_q, self._free_v = addresses(world, names)
        self._position = np.array(data.qpos[self._q])
        self._flags = 0
        self.damped_ticks = 0
        """How often Gazebo went on without a command."""
        self.time_s = 0.0
        self._index_forces()
        self._index_contacts()
        self._take()  # a server begins with the state in which its world file has put it

    # ------------------------------------------------------------------ what acts where

    def _index_forces(self) -> None:
        m = self._m
        nv = m.nv
        self._armature = np.array(m.dof_armature)[self._v]
        self._damping = np.asarray(m.dof_damping).reshape(nv, -1)[self._v, 0]
        stiffness = np.asarray(m.jnt_stiffness).reshape(m.njnt, -1)[:, 0]
        ids = [m.joint(name).id for name in self._names.joints]
        self._of_patient = np.array([name.startswith("patient_") for name in self._names.joints])
        self._spring, self._rest = stiffness[ids], np.array(m.qpos_spring)[self._q]
        place = {int(v): i for i, v in enumerate(self._v)}
        on_joint = [a for a in range(m.nu) if m.actuator_trntype[a] == mujoco.mjtTrn.mjTRN_JOINT]
        self._motor = np.array(on_joint)
        self._motor_at = np.array([place[int(m.jnt_dofadr[m.actuator_trnid[a, 0]])] for a in on_joint])
        sites = [a for a in range(m.nu) if m.actuator_trntype[a] == mujoco.mjtTrn.mjTRN_SITE]
        groups: dict[tuple[int, int], list[int]] = {}
        for a in sites:
            groups.setdefault((int(m.actuator_trnid[a, 0]), int(m.actuator_trnid[a, 1])), []).append(a)
        self._pairs = np.array(list(groups))
        self._gear = np.zeros((len(groups), m.nu, 6))
        for k, members in enumerate(groups.values()):
            self._gear[k, members] = m.actuator_gear[members]
        self._gear = self._gear.transpose(0, 2, 1).copy()
        self._moment, self._inertia = np.zeros((m.nu, nv)), np.zeros((nv, nv))
        self._rate = np.zeros(m.nu)
        self._diagonal = np.diag_indices(nv)
        self._all_damping = np.asarray(m.dof_damping).reshape(nv, -1)[:, 0].copy()
        has_limit = np.array(m.actuator_forcelimited).astype(bool)
        ranges = np.array(m.actuator_forcerange)
        self._low = np.where(has_limit, ranges[:, 0], -np.inf)
        self._high = np.where(has_limit, ranges[:, 1], np.inf)
        self._harness_site, self._pulley = m.site("patient_harness").id, m.site("pulley").id
        at = [int(m.site_bodyid[s]) for s in self._pairs.T.ravel()] + [int(m.site_bodyid[self._harness_site])]
        row = self._row = {int(b): i for i, b in enumerate(self._bodies)}
        self._gather = np.zeros((len(self._bodies), len(at)))
        for k, body in enumerate(at):
            if body in row:  # what pulls on the world's side is lost there
                self._gather[row[body], k] = 1.0
        self._at_body = np.array(at)
        self._sites = np.array([*self._pairs.T.ravel(), self._harness_site])

    def _index_contacts(self) -> None:
        m = self._m
        geoms = touching_geoms(self._w) if self._touches else []
        self._geoms = np.array(geoms, dtype=int)
        self._radius = np.array(m.geom_size)[geoms, 0]
        self._touch_body = np.array(m.geom_bodyid)[geoms]
        self._contact = np.zeros((len(geoms), 3))
        self._depth = np.zeros(len(geoms))
        belt = m.geom("belt").id
        self._sole = Sole(m, belt, geoms, self._dt) if self._touches else None
        first = self._w.sensor_slices[f"contact_{FOOT_POINTS[0]}_left"].start
        self._shown = slice(first, first + 3 * len(self._w.g_points))

    # ------------------------------------------------------------------ the plant's side

    def prepare(self) -> None:
        """Let MuJoCo, with its own contact, stand the body up."""
        self._m.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_CONTACT)

    def place(self) -> None:
        """Put Gazebo's links where ``data`` has them, at rest or moving."""
        d = self._d
        if self._touches:
            self._contact[:] = 0.0
            shown = d.sensordata[self._shown].reshape(-1, 3)
            self._contact[: len(shown)] = shown
        rows = np.zeros((len(self._bodies), 13))
        rows[:, :3], rows[:, 3:7] = d.xpos[self._bodies], d.xquat[self._bodies]
        velocity = np.zeros(6)
        for i, body in enumerate(self._bodies):
            mujoco.mj_objectVelocity(self._m, d, mujoco.mjtObj.mjOBJ_BODY, int(body), velocity, 0)
            rows[i, 7:10], rows[i, 10:] = velocity[3:], velocity[:3]
        self._stream.send(Kind.RESET, rows.astype("<f8").tobytes())
        self._take(keep_contact=True)
        if self._touches:
            self._m.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)

    def recentre(self, belt_q: int) -> None:
        """Put the belt back by whole periods of what lies on it, with the next step."""
        self._d.qpos[belt_q] -= PERIOD_M * round(float(self._d.qpos[belt_q]) / PERIOD_M)
        self._flags |= CommandFlag.RECENTRE

    def step(self) -> None:
        """Evaluate all laws of force, let Gazebo advance by a step, and take over its state."""
        d = self._d
        start, self._position = d.qvel.copy(), d.qpos[self._q].copy()
        outside, torque = d.xfrc_applied.copy(), d.qfrc_applied.copy()
        self._feel_ground()
        mujoco.mj_step(self._m, d)
        coming = self._predict(start)
        d.xfrc_applied[:], d.qfrc_applied[:] = outside, torque
        hinges, damping = self._torques(start, coming)
        hinges += torque[self._v]
        wrenches = self._wrenches(start, coming)
        if self._sole is None:
            self._press(hinges, wrenches)
            soles = np.empty(0)
        else:
            soles = self._sole.springs(*self._pressed())
        command = np.concatenate([hinges, damping, wrenches.ravel(), soles.ravel()])
        self._stream.send(Kind.COMMAND, command.astype("<f8").tobytes(), self._flags)
        self._flags = 0
        self._take()
        d.qacc[:] = (d.qvel - start) / self._dt
        if self._touches:
            d.sensordata[self._shown] = self._contact[: len(self._w.g_points)].ravel()

    # ------------------------------------------------------------------ forces

    def _feel_ground(self) -> None:
        """Put the last contact forces on MuJoCo's bodies, for the predicted acceleration."""
        d, force = self._d, self._contact
        if not force.any():
            return
        point = d.geom_xpos[self._geoms]
        point[:, 2] -= self._radius
        torque = _moments(point, d.xipos[self._touch_body], force)
        np.add.at(d.xfrc_applied, self._touch_body, np.hstack([force, torque]))
        if self._w.belt_v >= 0:
            d.qfrc_applied[self._w.belt_v] -= force[:, 0].sum()

    def _pressed(self) -> tuple[Any, Any]:
        """Return how deep each contact point is now [m], and how fast it gets deeper [m/s].

        On what lies on the belt a point is as deep as Gazebo found it a step before.
        """
        m, d = self._m, self._d
        height = d.geom_xpos[self._geoms, 2]
        speed = np.empty(len(height))
        velocity = np.zeros(6)
        for i, geom in enumerate(self._geoms.tolist()):
            mujoco.mj_objectVelocity(m, d, mujoco.mjtObj.mjOBJ_GEOM, geom, velocity, 0)
            speed[i] = -velocity[5]
        return np.maximum(self._radius - height, self._depth), speed

    def _press(self, hinges: Any, wrenches: Any) -> None:
        """Add the plant's contact forces of the coming step to the links, and their reaction to the belt."""
        d, m = self._d, self._m
        local = np.zeros(6)
        for i in range(d.ncon):
            contact = d.contact[i]
            if contact.efc_address < 0:
                continue
            mujoco.mj_contactForce(m, d, i, local)
            force = contact.frame.reshape(3, 3).T @ local[:3]
            for geom, sign in ((contact.geom1, -1.0), (contact.geom2, 1.0)):
                body = int(m.geom_bodyid[geom])
                row = self._row.get(body)
                if row is None:  # the belt, last of the joints if it moves
                    if self._w.belt_v >= 0:
                        hinges[-1] += sign * force[0]
                    continue
                arm = contact.pos - d.xipos[body]
                wrenches[row, :3] += sign * force
                wrenches[row, 3:] += sign * np.cross(arm, force)

    def _torques(self, start: Any, coming: Any) -> tuple[Any, Any]:
        """Return torque of every hinge (force of the belt), and the damping left to Gazebo [N m s/rad]."""
        d, m = self._d, self._m
        v, after = start[self._v], coming[self._v]
        a, at, n = self._motor, self._motor_at, len(self._v)
        rate = m.actuator_biasprm[a, 2]
        # Gazebo's solver damps the patient's joints together with contact; a rate above zero is no damping.
        mine = ~self._of_patient if self._damps else np.ones(n, dtype=bool)
        theirs = ~mine[at] & (rate < 0.0)
        motor = (
            d.ctrl[a]
            + m.actuator_biasprm[a, 0]
            + m.actuator_biasprm[a, 1] * d.actuator_length[a]
            + np.where(theirs, 0.0, rate) * after[at]
        )
        motor = np.minimum(np.maximum(motor, self._low[a]), self._high[a])
        torque = np.bincount(at, weights=motor, minlength=n)
        damping = np.where(mine, 0.0, self._damping)
        damping -= np.bincount(at, weights=np.where(theirs, rate, 0.0), minlength=n)
        torque -= np.where(mine, self._damping, 0.0) * after
        torque -= self._armature * (after - v) / self._dt
        torque -= self._spring * (self._position - self._rest)
        return torque, damping

    def _wrenches(self, start: Any, coming: Any) -> Any:
        """Return force and torque at the centre of mass of every link, world axes, shape (links, 6)."""
        d, n = self._d, len(self._pairs)
        local = self._gear @ (d.actuator_force + self._rate * (self._moment @ (coming - start)))
        frame = d.site_xmat[self._pairs[:, 1]].reshape(n, 3, 3)
        force = np.empty((2 * n + 1, 3))
        torque = np.zeros((2 * n + 1, 3))
        force[:n] = np.matmul(frame, local[:, :3, None])[:, :, 0]
        torque[:n] = np.matmul(frame, local[:, 3:, None])[:, :, 0]
        force[n : 2 * n], torque[n : 2 * n] = -force[:n], -torque[:n]
        up = d.site_xpos[self._pulley] - d.site_xpos[self._harness_site]
        force[2 * n] = up * (self._tension(coming) / np.sqrt(up @ up))
        torque += _moments(d.site_xpos[self._sites], d.xipos[self._at_body], force)
        wrench = self._gather @ np.hstack([force, torque])
        wrench += d.xfrc_applied[self._bodies]
        return wrench

    def _predict(self, start: Any) -> Any:
        """Return the velocity at the end of an implicit step from ``start``, contact forces as they were.

        MuJoCo's own implicit integrator leaves out how robot and patient damp each other, since they are
        different trees; here they are one system.
        """
        d, m = self._d, self._m
        mujoco.mju_sparse2dense(
            self._moment, d.actuator_moment, d.moment_rownnz, d.moment_rowadr, d.moment_colind
        )
        force = d.actuator_force
        # An actuator at its limit (a slack cable, a belt that slips) does not damp.
        free = (force > self._low) & (force < self._high)
        self._rate[:] = np.where(free, m.actuator_biasprm[:, 2], 0.0)
        mujoco.mj_fullM(m, d, self._inertia)
        matrix = self._inertia - self._dt * (self._moment.T * self._rate) @ self._moment
        matrix[self._diagonal] += self._dt * self._all_damping
        acceleration = np.linalg.solve(matrix, d.qfrc_smooth + d.qfrc_constraint)
        return start + self._dt * acceleration

    def _tension(self, coming: Any) -> float:
        """Tension of the cable: winch, rope, and what hangs on its other end."""
        d, w = self._d, self._w
        tension = -float(d.actuator_force[w.a_pull]) - float(d.actuator_force[w.a_hold])
        inertia = float(self._m.tendon_armature[0])
        if inertia > 0.0:
            speed = float(d.ten_J[: d.ten_J.shape[0]] @ coming[w.pelvis_v : w.pelvis_v + 6])
            tension += inertia * (speed - float(d.ten_velocity[0])) / self._dt
        return tension

    # ------------------------------------------------------------------ states

    def _take(self, *, keep_contact: bool = False) -> None:
        frame = self._stream.receive()
        if frame.kind is not Kind.STATE:
            raise DeviceError(f"Gazebo sent a {frame.kind.name} where a state was due")
        values = np.asarray(frame.values())
        nj, nf = len(self._v), len(self._free_q)
        if len(values) != 1 + 2 * nj + 13 * nf + 4 * len(self._contact):
            raise DeviceError(f"Gazebo sent a state of {len(values)} numbers; its world is of another body")
        if frame.flags & StateFlag.DAMPED:
            self.damped_ticks += 1
        d = self._d
        self.time_s = float(values[0])
        d.qpos[self._q] = values[1 : 1 + nj]
        d.qvel[self._v] = values[1 + nj : 1 + 2 * nj]
        rows = values[1 + 2 * nj : 1 + 2 * nj + 13 * nf].reshape(nf, 13)
        for row, q, v in zip(rows, self._free_q.tolist(), self._free_v.tolist(), strict=True):
            d.qpos[q : q + 7] = row[:7]
            d.qvel[v : v + 3] = row[7:10]
            # MuJoCo gives a free body's rate in its own axes, Gazebo in the world's.
            own = np.empty(3)
            inverse = np.empty(4)
            mujoco.mju_negQuat(inverse, d.qpos[q + 3 : q + 7])
            mujoco.mju_rotVecQuat(own, np.ascontiguousarray(row[10:]), inverse)
            d.qvel[v + 3 : v + 6] = own
        if not keep_contact:
            contact = values[1 + 2 * nj + 13 * nf :].reshape(-1, 4)
            self._contact[:], self._depth[:] = contact[:, :3], contact[:, 3]
