"""A periodic motion of the whole body and what it costs: kinematics of the feet, wrench, joint torques.

The motion is a Fourier series over the stride. Left and right are mirror images half a stride apart, so
half a stride says all: samples ``i = 0 .. N-1`` are the phases ``i / 2N`` of the left leg, at which the
right leg is half a cycle further. Arrays "over the cycle" have ``2N`` rows: left leg first, then right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2, SIDES
from exostride.gait.reference import derivative, fourier_matrix
from exostride.model.anthropometry import BodyParameters
from exostride.model.engines import load_mujoco_spec
from exostride.model.geometry import body_geometry
from exostride.types import Vector

HALF: Final = 50
CYCLE: Final[Vector] = np.arange(2 * HALF) / (2 * HALF)
HARMONICS: Final = 9
KINDS: Final = ("abduction", "hip", "knee", "ankle")
ROOT: Final = ("x", "y", "z", "yaw", "pitch", "roll")
HEEL_RADIUS_M: Final = 0.020
BALL_RADIUS_M: Final = 0.015
"""Radii of the shoe's contact points, as the plant's."""
_EVEN: Final = [3, 4, 7, 8]
_ODD: Final = [1, 2, 5, 6]
_ROOT_TERMS: Final = {"x": _EVEN, "z": [0, *_EVEN], "pitch": [0, *_EVEN], "y": _ODD, "roll": _ODD}
"""Fourier terms of the pelvis: forward, up and pitch repeat every step, sideways and roll every stride."""

Array = NDArray[np.float64]


def plan_model(body: BodyParameters, *, robot: bool) -> Any:
    """Return the MuJoCo model of the body with a root of three slides and three hinges, without contact.

    With ``robot`` the exoskeleton's links ride rigidly on the patient's, weightless (frame and drives carry
    them) but with their inertia.
    """
    spec = load_mujoco_spec("patient", body, visuals=False)
    spec.delete(spec.joint("patient_pelvis_free"))
    pelvis = spec.body("patient_pelvis")
    for k, name in enumerate(ROOT):
        kind = mujoco.mjtJoint.mjJNT_SLIDE if k < 3 else mujoco.mjtJoint.mjJNT_HINGE
        axis = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0]][k]
        pelvis.add_joint(name=name, type=kind, axis=axis)
    foot = body_geometry(body).foot
    for side in SIDES:
        shoe = spec.body(f"patient_foot_{side}")
        shoe.add_site(name=f"fit_heel_{side}", pos=[foot.heel_x, 0.0, foot.sole_z + HEEL_RADIUS_M])
        shoe.add_site(name=f"fit_ball_{side}", pos=[foot.ball_x, 0.0, foot.sole_z + BALL_RADIUS_M])
        shoe.add_site(name=f"fit_toe_{side}", pos=[foot.toe_tip_x, 0.0, foot.sole_z])
    for geom in spec.geoms:
        geom.contype = geom.conaffinity = 0
    for joint in spec.joints:
        joint.damping, joint.frictionloss = [0.0, 0.0, 0.0], 0.0
    if robot:
        _carry_robot(spec, body)
    spec.option.gravity = [0.0, 0.0, -GRAVITY_M_S2]
    spec.option.disableflags = mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_LIMIT
    return spec.compile()


def _carry_robot(spec: mujoco.MjSpec, body: BodyParameters) -> None:
    robot = load_mujoco_spec("exoskeleton", body, visuals=False).compile()
    links = {"base_link": "patient_pelvis"}
    links |= {
        f"{part}_{side}": f"patient_{part}_{side}" for part in ("thigh", "shank", "foot") for side in SIDES
    }
    for name, carrier in links.items():
        link = robot.body(name)
        rider = spec.body(carrier).add_body(name=f"rider_{name}", gravcomp=1.0)
        rider.mass = float(link.mass[0])
        rider.ipos = link.ipos
        rider.iquat = link.iquat
        rider.inertia = link.inertia
        rider.explicitinertial = True
        if name != "base_link":
            # The robot's joints lie outside the patient's.
            side = 1.0 if name.endswith("left") else -1.0
            rider.pos = [0.0, side * body.lateral_offset_m, 0.0]
    for kind in ("hip", "knee", "ankle"):
        for where in SIDES:
            armature = float(robot.dof_armature[robot.joint(f"{kind}_{where}").dofadr[0]])
            spec.joint(f"patient_{kind}_{where}").armature += armature


@dataclass
class Result:
    """What a motion needs: places of contact centres, foot pitch, and the external wrench on the body.

    ``heel``, ``ball``, ``toe``: shape (N, 2, 3), leg second; ``foot_pitch`` (N, 2), nose down positive;
    ``force`` and ``moment`` about the pelvis (N, 3); ``torque`` generalised (N, nv).
    """

    heel: Array
    ball: Array
    toe: Array
    foot_pitch: Array
    force: Array
    moment: Array
    torque: Array


class Motion:
    """Evaluates motions of one body at one stride time."""

    def __init__(self, body: BodyParameters, stride_s: float, *, robot: bool = False) -> None:
        self.model = m = plan_model(body, robot=robot)
        self.data: Any = mujoco.MjData(m)
        self.stride_s = stride_s
        names = {m.joint(i).name: int(m.jnt_dofadr[i]) for i in range(m.njnt)}
        self.root = {n: names[n] for n in ROOT}
        self.leg = [
            [
                names[f"patient_hip_abduction_{s}"],
                *(names[f"patient_{k}_{s}"] for k in ("hip", "knee", "ankle")),
            ]
            for s in SIDES
        ]
        self._sites = [[m.site(f"fit_{p}_{s}").id for p in ("heel", "ball", "toe")] for s in SIDES]
        self._feet = [m.body(f"patient_foot_{s}").id for s in SIDES]
        self._hinges = [m.joint(n).id for n in ("yaw", "pitch", "roll")]
        self._basis = [self._matrices(CYCLE[:HALF]), self._matrices(CYCLE[:HALF] + 0.5)]
        self.layout: dict[str, slice] = {}
        size = 0
        widths = {"abduction": 7} | dict.fromkeys(KINDS[1:], 2 * HARMONICS + 1)
        for name, width in (widths | {k: len(v) for k, v in _ROOT_TERMS.items()} | {"foot_place": 1}).items():
            self.layout[name] = slice(size, size + width)
            size += width
        self.size = size

    def _matrices(self, phase: Vector) -> list[Array]:
        """Return Fourier matrices of value, rate and acceleration (by time)."""
        identity = np.eye(2 * HARMONICS + 1)
        first = derivative(identity) / self.stride_s
        second = derivative(first) / self.stride_s
        basis = fourier_matrix(phase, HARMONICS)
        return [basis @ identity.T, basis @ first.T, basis @ second.T]

    def trajectory(self, x: Vector) -> list[Array]:
        """Return generalised position, velocity and acceleration, each (N, nv)."""
        out = []
        for order in range(3):
            q = np.zeros((HALF, self.model.nv))
            for leg in (0, 1):
                basis = self._basis[leg][order]
                for k, kind in enumerate(KINDS):
                    c = x[self.layout[kind]]
                    q[:, self.leg[leg][k]] = basis[:, : len(c)] @ c
            for name, terms in _ROOT_TERMS.items():
                q[:, self.root[name]] = self._basis[0][order][:, terms] @ x[self.layout[name]]
            out.append(q)
        return out

    def evaluate(self, trajectory: list[Array]) -> Result:
        """Return kinematics and inverse dynamics of a trajectory."""
        m, d = self.model, self.data
        points = np.zeros((3, HALF, 2, 3))
        pitch, wrench = np.zeros((HALF, 2)), np.zeros((HALF, 6))
        torque = np.zeros((HALF, m.nv))
        linear, angular = self.root["x"], [self.root[n] for n in ("yaw", "pitch", "roll")]
        for i in range(HALF):
            d.qpos[:], d.qvel[:], d.qacc[:] = (q[i] for q in trajectory)
            mujoco.mj_inverse(m, d)
            torque[i] = d.qfrc_inverse
            wrench[i, :3] = torque[i, linear : linear + 3]
            wrench[i, 3:] = np.linalg.solve(d.xaxis[self._hinges], torque[i, angular])
            for leg in (0, 1):
                points[:, i, leg] = d.site_xpos[self._sites[leg]]
                pitch[i, leg] = np.arcsin(-d.xmat[self._feet[leg]][6])
        return Result(points[0], points[1], points[2], pitch, wrench[:, :3], wrench[:, 3:], torque)

    def carry(self, position: Array, force: Array, place: Array) -> Array:
        """Return generalised forces of ground forces (N, 2, 3) at places (N, 2, 3) on the feet, (N, nv)."""
        m, d = self.model, self.data
        out = np.zeros((HALF, m.nv))
        none = np.zeros(3)
        one = np.zeros(m.nv)
        for i in range(HALF):
            d.qpos[:] = position[i]
            mujoco.mj_kinematics(m, d)
            mujoco.mj_comPos(m, d)
            for leg in (0, 1):
                if force[i, leg, 2] > 0.0:
                    one[:] = 0.0
                    mujoco.mj_applyFT(m, d, force[i, leg], none, place[i, leg], self._feet[leg], one)
                    out[i] += one
        return out

    def legs(self, generalised: Array) -> Array:
        """Return the driven joints of one leg over the cycle, shape (2N, 4)."""
        return np.concatenate([generalised[:, self.leg[0]], generalised[:, self.leg[1]]])


def over_cycle(both: Array) -> Array:
    """Stack the left leg's samples on the right leg's: (N, 2, ...) to (2N, ...)."""
    return np.concatenate([both[:, 0], both[:, 1]])
