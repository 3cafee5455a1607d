r"""How high the patient's soles are over the belt, from the robot's own sensors.

The foot that may drag is the patient's, not the robot's: in swing the leg gives in its cuffs by several
degrees and leans sideways, which together are worth more than the clearance itself. But where the cuff of
the foot is the robot's encoders tell, and how the foot lies in it the cuff's force. With the height z_c of
the cuff, the displacement d of the foot in it, the angle \gamma of the patient's foot and its tilt sideways
\psi + \rho (lean of the leg in the robot's and roll of the robot's pelvis, :mod:`exostride.control.cuffs`),
the lowest point of the sole lies at

.. math:: h = z_c + d_z + d_y \sin\rho + \min_i\,\{\cos(\psi + \rho)\,[(x_i - x_c)\sin\gamma
              + (z_s - z_c')\cos\gamma] - y_i |\sin(\psi + \rho)|\}

over heel, ball and toe of a sole that is 2 y_i wide there, seen from the cuff's place on the foot
(x_c, z_c'). The height of the sole in the middle of stance, where it lies flat and before the heel rises and
the toes bend, is h_0; heel pad and shoe are pressed in there by d_s. So the clearance is c = h - h_0 - d_s,
and errors of lengths, mounting and pelvis height cancel; without the cuffs h_0 is another. Other postures
differ from the present one by what the leg's kinematics say.
"""

from __future__ import annotations

from math import cos, sin
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, compiled
from exostride.control.cuffs import CuffParameters, CuffPosture
from exostride.control.effort_terms import all_below
from exostride.control.kinematics import SagittalLeg, pelvis_roll_pitch
from exostride.control.worn import ends_of, leaning
from exostride.conventions import N_JOINTS, side_slice
from exostride.model.geometry import BodyGeometry
from exostride.types import ExoState, Signal, Vector

_NEEDED: Final = int(Signal.PELVIS | Signal.FOOT_WRENCH)
_CUFFS: Final = int(Signal.CUFF | Signal.JOINT_TORQUE)
_ALL: Final = (1 << N_JOINTS) - 1
_SENSIBLE: Final = 1e4
"""No reading of a working sensor is as large."""
_ZERO_SHARE: Final = 0.02
_UNMOVED: Final = np.zeros(18)
_SOLE: Final = (0.30, 0.42, 0.0)
"""Half-widths of the sole at heel, ball and tip of the toes [width of the foot]."""
_FLAT: Final = (0.3, 0.6)
"""Part of the stance in which the whole sole bears."""


@compiled
def _placed(position: In1, force: In1, angle: In1) -> bool:
    """Return whether all readings are numbers that a working sensor could give."""
    pelvis = all_below(position, _SENSIBLE)
    return pelvis and all_below(force, _SENSIBLE) and all_below(angle, _SENSIBLE)


@compiled
def _told(force: In1, torque: In1, joint: In1, gyro: In1, velocity: In1) -> bool:
    """Return the same of what the patient's posture is found from."""
    cuffs = all_below(force, _SENSIBLE) and all_below(torque, _SENSIBLE)
    return cuffs and _placed(joint, gyro, velocity)


@compiled
def _soles(
    angle: In1,
    pitch: float,
    own: In1,
    own_pitch: float,
    moved: In1,
    legs: In1,
    height: float,
    roll: float,
    half: float,
    points: In2,
    sole_z: float,
) -> NDArray[np.float64]:
    """Return the heights of soles that lie flat sideways, and of those that tilt [m], rows of (2, 2).

    ``angle`` and ``pitch`` are the robot's, ``own`` and ``own_pitch`` the patient's; ``moved`` and ``legs``
    those of :data:`exostride.control.worn.WORN`; ``points`` are place forward and half-width of the sole.
    """
    out = np.empty((2, 2))
    x, z = legs[4], legs[5]
    for side in range(2):
        i, k = 3 * side, 9 * side
        alpha = angle[i] - pitch
        beta = alpha - angle[i + 1]
        gamma = beta + angle[i + 2]
        # The foot is held at its cuff; both are seen from the hip.
        held = -legs[0] * cos(alpha) - legs[1] * cos(beta)
        held = held + (x + moved[k + 6]) * sin(gamma) + (z + moved[k + 8]) * cos(gamma)
        hip = height + (1 - 2 * side) * half * sin(roll)
        cuff = hip + cos(roll) * held + sin(roll) * moved[k + 7]
        tilt = leaning(ends_of(alpha, beta, gamma), moved[k : k + 9], legs) + roll
        turned = own[i] - own_pitch - own[i + 1] + own[i + 2]
        deep, aside = (sole_z - z) * cos(turned), abs(sin(tilt))
        flat, edge = np.inf, np.inf
        for n in range(points.shape[0]):
            low = (points[n, 0] - x) * sin(turned) + deep
            flat, edge = min(flat, low), min(edge, cos(tilt) * low - points[n, 1] * aside)
        out[0, side], out[1, side] = cuff + flat, cuff + edge
    return out


class FootHeights:
    """Follows both soles tick by tick; see module.

    Parameters
    ----------
    geometry
        The walker's legs.
    period_s
        Control period [s].
    cuffs
        The machine's cuffs.
    pressed_m
        d_s [m].
    """

    def __init__(
        self, geometry: BodyGeometry, period_s: float, cuffs: CuffParameters, pressed_m: float
    ) -> None:
        self._leg = SagittalLeg(geometry)
        self._half = geometry.hip_half_spacing
        foot = geometry.foot
        wide = (part * foot.width for part in _SOLE)
        self._points = np.array([(foot.heel_x, foot.ball_x, foot.toe_tip_x), tuple(wide)]).T
        self._sole_z = foot.sole_z
        self._cuffs = CuffPosture(geometry, period_s, cuffs)
        self._pressed = pressed_m
        self.reset()

    def reset(self) -> None:
        """Forget the legs; the soles' zero is found anew."""
        self._cuffs.reset()
        self._forget_belt()
        self._by_cuffs = False
        self._sole, self._flat = [0.0, 0.0], [0.0, 0.0]
        self._pitch = 0.0
        self.angle_rad: Vector = np.zeros(6)
        """The patient's joints [rad], (6,); those of the robot where the cuffs say nothing."""

    def _forget_belt(self) -> None:
        self._zero = [float("nan"), float("nan")]

    def see(self, state: ExoState) -> bool:
        """Take one tick; return whether its sensors tell where the soles are."""
        if not _usable(state):
            self._cuffs.reset()
            return False
        roll, pitch = pelvis_roll_pitch(state)
        self.angle_rad, self._pitch, moved = state.angle_rad, pitch, _UNMOVED
        by_cuffs = _cuffs_tell(state)
        if by_cuffs is not self._by_cuffs:
            self._by_cuffs = by_cuffs
            self._forget_belt()
        if by_cuffs:
            posture = self._cuffs.step(state, pitch)
            self.angle_rad, self._pitch, moved = posture.angle_rad, posture.pitch_rad, self._cuffs.moved_m
        else:
            self._cuffs.reset()
        self._flat, self._sole = _soles(
            *(state.angle_rad, pitch, self.angle_rad, self._pitch, moved, self._cuffs.legs),
            *(state.pelvis_position_m.item(2), roll, self._half, self._points, self._sole_z),
        ).tolist()
        return True

    def stand(self, side: int, place: float) -> None:
        """Take the loaded sole of a leg, at a part of its stance, as a measure of the belt's height."""
        if not _FLAT[0] <= place <= _FLAT[1]:
            return
        seen, old = self._flat[side], self._zero[side]
        self._zero[side] = seen if np.isnan(old) else old + _ZERO_SHARE * (seen - old)

    def known(self, side: int) -> bool:
        """Return whether the belt's height under a leg has been found."""
        return not np.isnan(self._zero[side])

    def clearance(self, side: int, posture_rad: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the clearance [m] of a leg in postures (N, 3), with the pelvis as it is, (N,)."""
        own = self.angle_rad[None, side_slice(side)]
        change = self._leg.lowest(posture_rad, self._pitch) - self._leg.lowest(own, self._pitch)
        return change + (self._sole[side] - self._zero[side] - self._pressed)

    def arms(self, side: int) -> NDArray[np.float64]:
        """Return by how much a leg's lowest point rises with each joint's angle [m/rad], (3,)."""
        return self._leg.arms(self.angle_rad[side_slice(side)], self._pitch)


def _usable(state: ExoState) -> bool:
    """Return whether every reading that places the robot's feet is a sound one of this tick."""
    if (state.available & _NEEDED) != _NEEDED or state.joint_valid != _ALL or state.foot_valid != 3:
        return False
    return _placed(state.pelvis_position_m, state.foot_force_n, state.angle_rad)


def _cuffs_tell(state: ExoState) -> bool:
    """Return whether all that the patient's posture is found from has been measured."""
    if (state.available & _CUFFS) != _CUFFS or state.segment_valid != _ALL:
        return False
    cuffs = (state.cuff_force_n, state.cuff_torque_nm, state.joint_torque_nm)
    return _told(*cuffs, state.pelvis_gyro_rad_s, state.velocity_rad_s)
