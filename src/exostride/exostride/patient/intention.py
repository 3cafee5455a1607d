"""From a drive without dimension to what one body's joints are told, compiled; shape (2, 4): leg, joint."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, In3, Out2, compiled

MODEL: Final = 0
"""Torque of the internal model less what healthy tissue gives by itself, and its derivative by time."""
MODEL_RATE: Final = 1
STIFFNESS: Final = 2
"""Muscular stiffness and damping that are asked for, and the torque they make now."""
DAMPING: Final = 3
HOLD: Final = 4
BALANCE: Final = 5
PASSIVE: Final = 6
"""Moment and stiffness of the tissue that is there."""
ELASTIC: Final = 7
RATE: Final = 8
"""Intended joint velocity."""
ERROR: Final = 9
"""Intended less present angle."""
_PLACES: Final = 10

Matrix = NDArray[np.float64]


@compiled
def intend(
    angle: In2,
    velocity: In2,
    model: In2,
    model_rate: In2,
    balance: In2,
    stiffness: In2,
    damping: In2,
    intended: In2,
    rate: In2,
    effort: In1,
    moment: In2,
    stiffening: In2,
    tissue: In2,
    healthy: float,
    scale: float,
    time_s: float,
) -> Matrix:
    """Return the arrays named above, stacked.

    ``model`` to ``rate`` are a :class:`exostride.patient.policy.Drive`, ``effort`` has shape (2,);
    ``moment`` and ``stiffening`` are those of passive tissue, shape (4, 3), of both legs as they are and as
    they are intended; ``tissue`` (2, 3) and ``healthy`` scale them to this body and to one that is sound;
    ``scale`` is m g l, ``time_s`` sqrt(l / g).
    """
    out = np.zeros((_PLACES, 2, 4))
    for leg in range(2):
        part = effort[leg]
        for i in range(4):
            torque, elastic = model[leg, i] * scale, stiffness[leg, i] * scale
            if i > 0:
                torque -= healthy * moment[2 + leg, i - 1]
                elastic = max(elastic - healthy * stiffening[leg, i - 1], 0.0)
                out[PASSIVE, leg, i] = tissue[leg, i - 1] * moment[leg, i - 1]
                out[ELASTIC, leg, i] = tissue[leg, i - 1] * stiffening[leg, i - 1]
            elastic *= part
            viscous = damping[leg, i] * (scale * time_s * part)
            speed = rate[leg, i] * (1.0 / time_s)
            error = intended[leg, i] - angle[leg, i]
            out[MODEL, leg, i] = torque
            out[MODEL_RATE, leg, i] = model_rate[leg, i] * (scale / time_s)
            out[STIFFNESS, leg, i] = elastic
            out[DAMPING, leg, i] = viscous
            out[HOLD, leg, i] = elastic * error + viscous * (speed - velocity[leg, i])
            out[BALANCE, leg, i] = balance[leg, i] * (scale * part)
            out[RATE, leg, i] = speed
            out[ERROR, leg, i] = error
    return out


@compiled
def drive_of(intention: In3, meant: In2) -> Matrix:
    """Return what the muscles are driven to in all: model, balance and hold."""
    out = np.empty((2, 4))
    for leg in range(2):
        for i in range(4):
            out[leg, i] = meant[leg, i] + intention[BALANCE, leg, i] + intention[HOLD, leg, i]
    return out


@compiled
def executed(intention: In3, whole: In2, gain: In2) -> Matrix:
    """Return torque, stiffness and damping that the muscles give a joint, shape (3, 8).

    ``whole`` is their torque now; what stiffness and damping make of it follows the joint's motion from here
    on, so it is taken out of the constant part.
    """
    out = np.empty((3, 8))
    for leg in range(2):
        for i in range(4):
            k, g = 4 * leg + i, gain[leg, i]
            out[0, k] = whole[leg, i] - g * intention[HOLD, leg, i]
            out[1, k] = g * intention[STIFFNESS, leg, i]
            out[2, k] = g * intention[DAMPING, leg, i]
    return out


@compiled
def tremble(noise: Out2, normal: In2, keep: float, size: float, meant: In2, torque: Out2) -> None:
    """Add motor noise in proportion to the torque meant; ``noise`` is its state, driven by ``normal``."""
    spread = np.sqrt(1.0 - keep**2)
    for leg in range(2):
        for i in range(4):
            noise[leg, i] = keep * noise[leg, i] + spread * normal[leg, i]
            torque[leg, i] += size * noise[leg, i] * abs(meant[leg, i])
