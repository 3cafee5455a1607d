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
and errors of lengths, mounting and pelvis height cancel. Other postures differ from the present one by what
the leg's kinematics say.
"""

from __future__ import annotations

from math import cos, sin
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.control.cuffs import CuffParameters, CuffPosture
from exostride.control.kinematics import SagittalLeg, pelvis_roll_pitch
from exostride.conventions import side_slice
from exostride.model.geometry import BodyGeometry
from exostride.types import ExoState, Signal, Vector

_NEEDED: Final = int(Signal.PELVIS | Signal.FOOT_WRENCH)
_CUFFS: Final = int(Signal.CUFF | Signal.JOINT_TORQUE)
_SENSIBLE: Final = 1e4
"""No reading of a working sensor is as large."""
_ZERO_SHARE: Final = 0.02
_UNMOVED: Final = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
_SOLE: Final = (0.30, 0.42, 0.0)
"""Half-widths of the sole at heel, ball and tip of the toes [width of the foot]."""
_FLAT: Final = (0.3, 0.6)
"""Part of the stance in which the whole sole bears."""


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
        self._points = tuple(zip((foot.heel_x, foot.ball_x, foot.toe_tip_x), wide, strict=True))
        self._sole_z = foot.sole_z
        self._cuffs = CuffPosture(geometry, period_s, cuffs)
        self._pressed = pressed_m
        self.reset()

    def reset(self) -> None:
        """Forget the legs; the soles' zero is found anew."""
        self._cuffs.reset()
        self._zero = [float("nan"), float("nan")]
        self._sole, self._flat = [0.0, 0.0], [0.0, 0.0]
        self._pitch = 0.0
        self.angle_rad: Vector = np.zeros(6)
        """The patient's joints [rad], (6,); those of the robot where the cuffs say nothing."""

    def see(self, state: ExoState) -> bool:
        """Take one tick; return whether its sensors tell where the soles are."""
        needed = (state.pelvis_position_m, state.foot_force_n, state.angle_rad)
        if (state.available & _NEEDED) != _NEEDED or not _sensible(*needed):
            return False
        height = float(state.pelvis_position_m[2])
        roll, pitch = pelvis_roll_pitch(state)
        self.angle_rad, self._pitch = state.angle_rad, pitch
        lean, moved = (0.0, 0.0), _UNMOVED
        if _cuffs_tell(state):
            posture = self._cuffs.step(state, pitch)
            self.angle_rad, self._pitch = posture.angle_rad, float(posture.pitch_rad)
            lean, moved = self._cuffs.lean_rad, self._cuffs.foot_m.tolist()
        else:
            self._cuffs.reset()
        for side in (0, 1):
            hip = height + (1 - 2 * side) * self._half * sin(roll)
            forward, left, up = moved[side]
            held = self._cuff(state.angle_rad[side_slice(side)], pitch, forward, up)
            cuff = hip + cos(roll) * held + sin(roll) * left
            self._flat[side], self._sole[side] = self._under(side, cuff, lean[side] + roll)
        return True

    def _cuff(self, angle_rad: Vector, pitch: float, forward: float, up: float) -> float:
        """Return how high the patient's foot is held at its cuff, seen from the hip [m]."""
        hip, knee, ankle = angle_rad.tolist()
        alpha = hip - pitch
        beta = alpha - knee
        gamma = beta + ankle
        x, z = self._cuffs.foot_place_m
        legs = -self._leg.thigh * cos(alpha) - self._leg.shank * cos(beta)
        return legs + (x + forward) * sin(gamma) + (z + up) * cos(gamma)

    def _under(self, side: int, cuff: float, tilt: float) -> tuple[float, float]:
        """Return the height of a sole that lies flat sideways, and of one that tilts [m]."""
        hip, knee, ankle = self.angle_rad[side_slice(side)].tolist()
        gamma = hip - self._pitch - knee + ankle
        x, z = self._cuffs.foot_place_m
        deep, aside = (self._sole_z - z) * cos(gamma), abs(sin(tilt))
        low = [(place - x) * sin(gamma) + deep for place, _ in self._points]
        edge = [cos(tilt) * z - y * aside for z, (_, y) in zip(low, self._points, strict=True)]
        return cuff + min(low), cuff + min(edge)

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


def _cuffs_tell(state: ExoState) -> bool:
    """Return whether all that the patient's posture is found from has been measured."""
    if (state.available & _CUFFS) != _CUFFS:
        return False
    parts = (state.cuff_force_n, state.cuff_torque_nm, state.joint_torque_nm, state.pelvis_gyro_rad_s)
    return _sensible(*parts, state.velocity_rad_s)


def _sensible(*readings: Vector) -> bool:
    """Return whether all readings are numbers that a working sensor could give."""
    return bool((np.abs(np.concatenate(readings)) < _SENSIBLE).all())
