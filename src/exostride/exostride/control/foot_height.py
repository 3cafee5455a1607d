r"""How high the patient's soles are over the belt, from the robot's own sensors.

The foot that may drag is the patient's, not the robot's: in swing the leg gives in its cuffs by several
degrees and leans sideways, which together are worth more than the clearance itself. With the patient's
sagittal posture q, the pitch \theta of the pelvis and the lean \psi of the leg against the robot's
(:mod:`exostride.control.cuffs`), and the roll \rho of the robot's pelvis, a posture's sole lies at

.. math:: h(q) = z_{pelvis} \pm \tfrac{b}{2}\sin\rho + \cos(\psi + \rho)\, z_{low}(q, \theta)

with the lowest point of the sole seen from the hip, :meth:`~exostride.control.kinematics.SagittalLeg.lowest`.
The height of the sole in the middle of stance, where it lies flat and before the heel rises and the toes
bend, is h_0; heel pad and shoe are pressed in there by d_s. So the clearance is c(q) = h(q) - h_0 - d_s, and
errors of lengths, mounting and pelvis height cancel. A standing leg counts as upright: what shifts sideways
in its cuffs is the weight of the body above.
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
        self._cuffs = CuffPosture(geometry, period_s, cuffs)
        self._pressed = pressed_m
        self.reset()

    def reset(self) -> None:
        """Forget the legs; the soles' zero is found anew."""
        self._cuffs.reset()
        self._zero = [float("nan"), float("nan")]
        self._hip, self._upright = [0.0, 0.0], [1.0, 1.0]
        self._pitch = 0.0
        self.angle_rad: Vector = np.zeros(6)
        """The patient's joints [rad], (6,); those of the robot where the cuffs say nothing."""

    def see(self, state: ExoState) -> bool:
        """Take one tick; return whether its sensors tell where the soles are."""
        needed = (state.pelvis_position_m, state.foot_force_n, state.angle_rad)
        if (state.available & _NEEDED) != _NEEDED or not _sensible(*needed):
            return False
        height = float(state.pelvis_position_m[2])
        roll, self._pitch = pelvis_roll_pitch(state)
        lean = (0.0, 0.0)
        self.angle_rad = state.angle_rad
        if _cuffs_tell(state):
            posture = self._cuffs.step(state, self._pitch)
            self.angle_rad, self._pitch = posture.angle_rad, float(posture.pitch_rad)
            lean = self._cuffs.lean_rad
        else:
            self._cuffs.reset()
        for side in (0, 1):
            self._hip[side] = height + (1 - 2 * side) * self._half * sin(roll)
            self._upright[side] = cos(lean[side] + roll)
        return True

    def stand(self, side: int, place: float) -> None:
        """Take the loaded sole of a leg, at a part of its stance, as a measure of the belt's height."""
        if not _FLAT[0] <= place <= _FLAT[1]:
            return
        low = self._leg.lowest(self.angle_rad[None, side_slice(side)], self._pitch)
        seen = self._hip[side] + float(low[0])
        old = self._zero[side]
        self._zero[side] = seen if np.isnan(old) else old + _ZERO_SHARE * (seen - old)

    def known(self, side: int) -> bool:
        """Return whether the belt's height under a leg has been found."""
        return not np.isnan(self._zero[side])

    def clearance(self, side: int, posture_rad: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the clearance [m] of a leg in postures (N, 3), with the pelvis as it is, (N,)."""
        height = self._hip[side] + self._upright[side] * self._leg.lowest(posture_rad, self._pitch)
        return height - (self._zero[side] + self._pressed)


def _cuffs_tell(state: ExoState) -> bool:
    """Return whether all that the patient's posture is found from has been measured."""
    if (state.available & _CUFFS) != _CUFFS:
        return False
    parts = (state.cuff_force_n, state.cuff_torque_nm, state.joint_torque_nm, state.pelvis_gyro_rad_s)
    return _sensible(*parts, state.velocity_rad_s)


def _sensible(*readings: Vector) -> bool:
    """Return whether all readings are numbers that a working sensor could give."""
    return bool((np.abs(np.concatenate(readings)) < _SENSIBLE).all())
