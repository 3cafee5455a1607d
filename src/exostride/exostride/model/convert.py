r"""States between Pinocchio's and MuJoCo's conventions: the only place that knows the difference.

A hinge is the same number in both, only perhaps in another place of the vector. A free joint is not:

=====================  ===============================  =====================================
quantity               Pinocchio (free-flyer)           MuJoCo (free joint)
=====================  ===============================  =====================================
position               x y z                            x y z
orientation            quaternion x y z w               quaternion w x y z
linear velocity        of the link's origin, link axes  of the link's origin, world axes
angular velocity       link axes                        link axes
linear acceleration    derivative of the components     derivative of the components
                       in link axes                     in world axes
force                  link axes                        world axes
torque                 link axes                        link axes
=====================  ===============================  =====================================

With :math:`R` the link's orientation, :math:`v_w = R v_b`, hence
:math:`\dot v_w = R(\dot v_b + \omega \times v_b)`, and by virtual power :math:`f_w = R f_b`.
ROS's quaternions are in Pinocchio's order; its twists in ``nav_msgs/Odometry`` are in link axes.
"""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt
import pinocchio as pin

from exostride.errors import InputError

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


def xyzw_to_wxyz(quaternion: Vector) -> Vector:
    """Return a ROS or Pinocchio quaternion (..., 4) in the order of MuJoCo and transforms3d."""
    return np.roll(quaternion, 1, axis=-1)


def wxyz_to_xyzw(quaternion: Vector) -> Vector:
    """Return a MuJoCo or transforms3d quaternion (..., 4) in the order of ROS and Pinocchio."""
    return np.roll(quaternion, -1, axis=-1)


def rotation_from_xyzw(quaternion: Vector) -> Matrix:
    """Return the rotation matrix (3, 3) of a quaternion (4,), which need not have unit length.

    Raises
    ------
    InputError
        The quaternion is zero or not finite.
    """
    norm = float(np.linalg.norm(quaternion))
    if not np.isfinite(norm) or norm < 1e-9:
        raise InputError(f"quaternion {np.asarray(quaternion).tolist()} stands for no rotation")
    x, y, z, w = np.asarray(quaternion, dtype=float) / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


class StateMap:
    """Conversion between one Pinocchio and one MuJoCo model of the same URDF.

    Joints are matched by name, so the MuJoCo model may hold more (a belt, a harness): those entries
    are zero when converting to MuJoCo and dropped the other way; pass ``qpos`` to keep them.

    Parameters
    ----------
    pinocchio_model, mujoco_model
        Models with free joints and hinges.

    Raises
    ------
    InputError
        A joint of the Pinocchio model is missing in MuJoCo's, or of another kind there.
    """

    def __init__(self, pinocchio_model: pin.Model, mujoco_model: mujoco.MjModel) -> None:
        self.nq = int(pinocchio_model.nq)
        self.nv = int(pinocchio_model.nv)
        self.mujoco_nq = int(mujoco_model.nq)
        self.mujoco_nv = int(mujoco_model.nv)
        self._free: list[tuple[int, int, int, int]] = []
        q_pairs: list[tuple[int, int]] = []
        v_pairs: list[tuple[int, int]] = []
        for name in list(pinocchio_model.names)[1:]:
            here = pinocchio_model.joints[pinocchio_model.getJointId(name)]
            index = mujoco.mj_name2id(mujoco_model, mujoco.mjtObj.mjOBJ_JOINT, name)
            if index < 0:
                raise InputError(f"joint {name}: not in the MuJoCo model")
            there_q = int(mujoco_model.jnt_qposadr[index])
            there_v = int(mujoco_model.jnt_dofadr[index])
            kind = mujoco_model.jnt_type[index]
            if here.nv == 6 and kind == mujoco.mjtJoint.mjJNT_FREE:
                self._free.append((here.idx_q, here.idx_v, there_q, there_v))
                v_pairs += [(here.idx_v + i, there_v + i) for i in range(6)]
            elif here.nv == 1 and here.nq == 1 and kind == mujoco.mjtJoint.mjJNT_HINGE:
                q_pairs.append((here.idx_q, there_q))
                v_pairs.append((here.idx_v, there_v))
            else:
                raise InputError(f"joint {name}: neither a hinge nor free in both models")
        self._q_here, self._q_there = np.array(q_pairs, dtype=int).reshape(-1, 2).T
        self._v_here, self._v_there = np.array(v_pairs, dtype=int).reshape(-1, 2).T

    def configuration_to_mujoco(self, q: Vector, qpos: Vector | None = None) -> Vector:
        """Return ``qpos`` (mujoco nq,) of Pinocchio's ``q`` (nq,); joints unknown there as in ``qpos``."""
        out = np.zeros(self.mujoco_nq) if qpos is None else np.array(qpos, dtype=float)
        out[self._q_there] = q[self._q_here]
        for q0, _, p0, _ in self._free:
            out[p0 : p0 + 3] = q[q0 : q0 + 3]
            out[p0 + 3 : p0 + 7] = xyzw_to_wxyz(q[q0 + 3 : q0 + 7])
        return out

    def configuration_to_pinocchio(self, qpos: Vector) -> Vector:
        """Return Pinocchio's ``q`` (nq,) of ``qpos`` (mujoco nq,), quaternions made unit length."""
        out = np.zeros(self.nq)
        out[self._q_here] = qpos[self._q_there]
        for q0, _, p0, _ in self._free:
            out[q0 : q0 + 3] = qpos[p0 : p0 + 3]
            quaternion = wxyz_to_xyzw(qpos[p0 + 3 : p0 + 7])
            out[q0 + 3 : q0 + 7] = quaternion / np.linalg.norm(quaternion)
        return out

    def velocity_to_mujoco(self, q: Vector, v: Vector) -> Vector:
        """Return ``qvel`` (mujoco nv,) of Pinocchio's ``v`` (nv,) at ``q``."""
        return self._turn_to_mujoco(q, v)

    def velocity_to_pinocchio(self, qpos: Vector, qvel: Vector) -> Vector:
        """Return Pinocchio's ``v`` (nv,) of ``qvel`` (mujoco nv,) at ``qpos``."""
        return self._turn_to_pinocchio(qpos, qvel)

    def acceleration_to_mujoco(self, q: Vector, v: Vector, a: Vector) -> Vector:
        """Return ``qacc`` (mujoco nv,) of Pinocchio's ``a`` (nv,) at ``q`` and ``v``."""
        corrected = np.array(a, dtype=float)
        for _, v0, _, _ in self._free:
            corrected[v0 : v0 + 3] += np.cross(v[v0 + 3 : v0 + 6], v[v0 : v0 + 3])
        return self._turn_to_mujoco(q, corrected)

    def acceleration_to_pinocchio(self, qpos: Vector, qvel: Vector, qacc: Vector) -> Vector:
        """Return Pinocchio's ``a`` (nv,) of ``qacc`` (mujoco nv,) at ``qpos`` and ``qvel``."""
        out = self._turn_to_pinocchio(qpos, qacc)
        v = self._turn_to_pinocchio(qpos, qvel)
        for _, v0, _, _ in self._free:
            out[v0 : v0 + 3] -= np.cross(v[v0 + 3 : v0 + 6], v[v0 : v0 + 3])
        return out

    def force_to_mujoco(self, q: Vector, tau: Vector) -> Vector:
        """Return generalized forces (mujoco nv,) of Pinocchio's ``tau`` (nv,) at ``q``."""
        return self._turn_to_mujoco(q, tau)

    def force_to_pinocchio(self, qpos: Vector, force: Vector) -> Vector:
        """Return Pinocchio's generalized forces (nv,) of MuJoCo's (mujoco nv,) at ``qpos``."""
        return self._turn_to_pinocchio(qpos, force)

    def mass_matrix_to_mujoco(self, q: Vector, inertia: Matrix) -> Matrix:
        """Return the inertia (mujoco nv, mujoco nv) of Pinocchio's symmetric one (nv, nv) at ``q``."""
        half = np.array([self._turn_to_mujoco(q, row) for row in inertia])
        return np.array([self._turn_to_mujoco(q, row) for row in half.T])

    def _turn_to_mujoco(self, q: Vector, v: Vector) -> Vector:
        out = np.zeros(self.mujoco_nv)
        out[self._v_there] = v[self._v_here]
        for q0, v0, _, w0 in self._free:
            out[w0 : w0 + 3] = rotation_from_xyzw(q[q0 + 3 : q0 + 7]) @ v[v0 : v0 + 3]
        return out

    def _turn_to_pinocchio(self, qpos: Vector, qvel: Vector) -> Vector:
        out = np.zeros(self.nv)
        out[self._v_here] = qvel[self._v_there]
        for _, v0, p0, w0 in self._free:
            rotation = rotation_from_xyzw(wxyz_to_xyzw(qpos[p0 + 3 : p0 + 7]))
            out[v0 : v0 + 3] = rotation.T @ qvel[w0 : w0 + 3]
        return out
