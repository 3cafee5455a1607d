r"""Where ankle and sole of a leg are, in the sagittal plane of the world, from joint angles.

With hip, knee and ankle angles q, pelvis pitch \theta (nose down positive, REP-103), the angles of
thigh, shank and foot from the vertical or the level are

.. math:: \alpha = q_h - \theta, \qquad \beta = \alpha - q_k, \qquad \gamma = \beta + q_a

and a point (p_x, p_z) of the foot lies, seen from the hip, at

.. math:: x = L_t \sin\alpha + L_s \sin\beta + p_x \cos\gamma - p_z \sin\gamma, \qquad
          z = -L_t \cos\alpha - L_s \cos\beta + p_x \sin\gamma + p_z \cos\gamma
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import asin, atan2, cos, hypot, isfinite, sin
from typing import Final
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, compiled
from exostride.errors import InputError
from exostride.model.anthropometry import BodyParameters
from exostride.model.description import urdf
from exostride.model.geometry import BodyGeometry
from exostride.types import ExoState, Signal

_PELVIS: Final = int(Signal.PELVIS)


@dataclass(frozen=True, slots=True)
class Ankle:
    """Ankle seen from the hip [m] and its derivatives by hip and knee angle [m/rad]."""

    x: float
    z: float
    x_hip: float
    x_knee: float
    z_hip: float
    z_knee: float

    @property
    def length(self) -> float:
        """Distance from hip to ankle [m]."""
        return hypot(self.x, self.z)


def pelvis_roll_pitch(state: ExoState) -> tuple[float, float]:
    """Return roll and pitch of the pelvis [rad]; zero where they are not measured."""
    if not state.available & _PELVIS:
        return 0.0, 0.0
    return _roll_pitch(state.pelvis_orientation)


@compiled
def _roll_pitch(orientation: In1) -> tuple[float, float]:
    """Return roll and pitch [rad] of a quaternion xyzw; zero where it stands for no rotation."""
    x, y, z, w = orientation[0], orientation[1], orientation[2], orientation[3]
    size = x * x + y * y + z * z + w * w
    if not isfinite(size) or size < 1e-6:
        return 0.0, 0.0
    pitch = asin(min(max(2.0 * (w * y - z * x) / size, -1.0), 1.0))
    roll = atan2(2.0 * (w * x + y * z) / size, 1.0 - 2.0 * (x * x + y * y) / size)
    return roll, pitch


@cache
def pelvis_imu_m(body: BodyParameters) -> NDArray[np.float64]:
    """Return where the robot's pelvis IMU sits, seen from the middle of the hips (3,) [m]."""
    joint = ElementTree.fromstring(urdf("exoskeleton", body)).find("joint[@name='imu_pelvis_mount']/origin")
    if joint is None:
        raise InputError("URDF: joint imu_pelvis_mount is missing")
    return np.array([float(value) for value in str(joint.get("xyz")).split()])


class SagittalLeg:
    """Kinematics of one leg of a body (see module)."""

    def __init__(self, geometry: BodyGeometry) -> None:
        self.thigh, self.shank = geometry.thigh, geometry.shank
        foot = geometry.foot
        self._points_x = np.array([foot.heel_x, foot.ball_x, foot.toe_tip_x])
        self._sole = foot.sole_z

    def ankle(self, hip: float, knee: float, pitch: float = 0.0) -> Ankle:
        """Return the ankle seen from the hip, for joint angles and pelvis pitch [rad]."""
        alpha = hip - pitch
        beta = alpha - knee
        tx, tz = self.thigh * sin(alpha), self.thigh * cos(alpha)
        sx, sz = self.shank * sin(beta), self.shank * cos(beta)
        return Ankle(tx + sx, -tz - sz, tz + sz, -sz, tx + sx, -sx)

    def lowest(self, angle_rad: NDArray[np.float64], pitch: float = 0.0) -> NDArray[np.float64]:
        """Return the height of the sole's lowest point over the hip [m], negative, (N,) for angles (N, 3)."""
        return _lowest(angle_rad, pitch, self.thigh, self.shank, self._points_x, self._sole)

    def arms(self, angle_rad: NDArray[np.float64], pitch: float = 0.0) -> NDArray[np.float64]:
        """Return by how much the sole's lowest point rises with each joint's angle [m/rad], (3,)."""
        return _arms(angle_rad, pitch, self.thigh, self.shank, self._points_x, self._sole)


@compiled
def _arms(
    angle: In1, pitch: float, thigh: float, shank: float, points_x: In1, sole: float
) -> NDArray[np.float64]:
    alpha = angle[0] - pitch
    beta = alpha - angle[1]
    gamma = beta + angle[2]
    s, c = sin(gamma), cos(gamma)
    least, arm = np.inf, 0.0
    for x in points_x:
        if s * x + sole * c < least:
            least, arm = s * x + sole * c, c * x - sole * s
    below = shank * sin(beta) + arm
    return np.array((thigh * sin(alpha) + below, -below, arm))


@compiled
def _lowest(
    angle: In2, pitch: float, thigh: float, shank: float, points_x: In1, sole: float
) -> NDArray[np.float64]:
    out = np.empty(angle.shape[0])
    for n in range(out.size):
        alpha = angle[n, 0] - pitch
        beta = alpha - angle[n, 1]
        gamma = beta + angle[n, 2]
        s, c = sin(gamma), cos(gamma)
        least = np.inf
        for x in points_x:
            least = min(least, s * x + sole * c)
        out[n] = -thigh * cos(alpha) - shank * cos(beta) + least
    return out
