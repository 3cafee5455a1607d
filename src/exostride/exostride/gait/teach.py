r"""A walker's own path from recorded strides of one leg: teach-in.

Every stride is stretched over one cycle and the median over the strides taken at each phase, so that a
stumble does not count; a Fourier series of the order of the consistent gait is fitted to it,

.. math:: \tilde q_j(\varphi) = \mathrm{median}_i\; q_j(t_i + \varphi\,T_i), \qquad
          c_j = \arg\min_c \int (\tilde q_j - c^T f(\varphi))^2\, d\varphi

Taken from the less affected side, or from walking in the transparent robot, it is what both legs are then
led along (Aoyagi et al., IEEE TNSRE 15:387, 2007, teach-and-replay; Vallery et al., IEEE TNSRE 17:23, 2009,
from the sound leg).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS
from exostride.errors import InputError
from exostride.gait.consistent import WalkerSpeed
from exostride.gait.reference import fourier_matrix
from exostride.types import Vector

HARMONICS: Final = 7
LEAST_STRIDES: Final = 5
_POINTS: Final = 100
_STANCE: Final = (0.45, 0.85)


def own_speed(
    time_s: Vector,
    angle_rad: NDArray[np.float64],
    strides_s: Sequence[tuple[float, float, float]],
    speed_m_s: float,
    leg_length_m: float,
) -> WalkerSpeed:
    """Return a leg's own motion at one speed.

    Parameters
    ----------
    time_s, angle_rad
        Hip, knee and ankle angle, shape (N, 3), at times (N,).
    strides_s
        Heel strike, toe off and next heel strike of each stride [s]; NaN for a toe off that was not seen.
    speed_m_s, leg_length_m
        Belt speed, and length from hip centre to floor.

    Raises
    ------
    InputError
        There are too few strides, or the belt stood.
    """
    if len(strides_s) < LEAST_STRIDES:
        raise InputError(f"{len(strides_s)} whole strides: a walker's own path needs {LEAST_STRIDES}")
    if not speed_m_s > 0.0:
        raise InputError("the belt did not move: a walker's own path needs its speed")
    phase = np.arange(_POINTS) / _POINTS
    cycles = np.array(
        [
            [np.interp(a + phase * (b - a), time_s, angle_rad[:, j]) for j in range(len(JOINT_KINDS))]
            for a, _, b in strides_s
        ]
    )
    middle = np.median(cycles, axis=0)
    found = np.linalg.lstsq(fourier_matrix(phase, HARMONICS), middle.T, rcond=None)[0].T
    stance = [(off - a) / (b - a) for a, off, b in strides_s if np.isfinite(off)]
    part = float(np.median(stance)) if stance else 0.62
    duration = float(np.median([b - a for a, _, b in strides_s]))
    return WalkerSpeed(
        froude_speed=round(speed_m_s / float(np.sqrt(GRAVITY_M_S2 * leg_length_m)), 5),
        stride_time=round(duration / float(np.sqrt(leg_length_m / GRAVITY_M_S2)), 5),
        stance_fraction=round(min(max(part, _STANCE[0]), _STANCE[1]), 3),
        strides=len(strides_s),
        angle_deg={
            joint: [round(float(c), 5) for c in np.degrees(row)]
            for joint, row in zip(JOINT_KINDS, found, strict=True)
        },
    )
