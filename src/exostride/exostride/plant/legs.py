"""The robot's legs as the robot itself knows them: planar chains of three links."""

from __future__ import annotations

from math import cos, sin
from typing import Any

import numpy as np

from exostride.compiled import In1, In3, compiled
from exostride.conventions import JOINT_AXES, JOINT_KINDS, SIDES
from exostride.types import Vector

CUFF_X, CUFF_Z, NEXT_X, NEXT_Z, SIGN = range(5)
"""A link's cuff and next joint in its own frame (x forward, z up) [m], and its axis' sign."""


@compiled
def _torque(links: In3, q: In1, f: In1, m: In1) -> Vector:
    out = np.empty(6)
    for side in range(2):
        fx, fz, n, theta = 0.0, 0.0, 0.0, 0.0
        for k in (2, 1, 0):
            i, link = 3 * side + k, links[side, k]
            c, s = cos(theta), sin(theta)
            fx, fz = c * fx + s * fz, c * fz - s * fx
            n += link[NEXT_Z] * fx - link[NEXT_X] * fz
            gx, gz = f[3 * i], f[3 * i + 2]
            n += m[3 * i + 1] + link[CUFF_Z] * gx - link[CUFF_X] * gz
            fx += gx
            fz += gz
            out[i] = link[SIGN] * n
            theta = link[SIGN] * q[i]
    return out


class RobotLegs:
    r"""Torque about the robot's joints from the wrenches measured in its cuffs.

    All three joints of a leg turn about parallel axes, so only the wrench's part in the leg's plane counts.
    From the foot up, with the resultant :math:`F` and moment :math:`n` of all cuffs below a joint,

    .. math:: F_i = f_i + R_y(\theta_{i+1}) F_{i+1}, \qquad
              n_i = m_i + (c_i \times f_i)_y + n_{i+1} + (p_{i+1} \times R_y F_{i+1})_y, \qquad
              \tau_i = a_i n_i,

    where :math:`a_i = \pm 1` is the joint's axis along y and :math:`\theta_i = a_i q_i`.
    """

    def __init__(self, model: Any) -> None:
        self._links = np.array([[self._link(model, k, side) for k in range(3)] for side in SIDES])

    @staticmethod
    def _link(model: Any, k: int, side: str) -> tuple[float, ...]:
        names = ("thigh", "shank", "foot")
        cuff = model.site_pos[model.site(f"cuff_{names[k]}_{side}").id]
        following = model.body_pos[model.body(f"{names[k + 1]}_{side}").id] if k < 2 else np.zeros(3)
        return cuff[0], cuff[2], following[0], following[2], JOINT_AXES[JOINT_KINDS[k]][1]

    def torque(self, angle_rad: Vector, force_n: Vector, moment_nm: Vector) -> Vector:
        """Return the torque of the robot on the patient about each robot joint [N m], shape (6,).

        ``force_n`` and ``moment_nm`` have shape (18,), robot on patient, in the cuffs' frames.
        """
        return _torque(self._links, angle_rad, force_n, moment_nm)
