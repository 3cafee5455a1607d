r"""The walker's own motion, learned over their strides, so that the robot can go along with it.

A robot without torque is not weightless: its inertia must be accelerated with every step, and the
acceleration that would be compensated is only known late, which rings in the cuffs. But walkers repeat
themselves. Over the phase \varphi of either leg the joint angles of the last strides are averaged, with a
memory m per stride,

.. math:: \bar q_{i+1}(\varphi) = m\,\bar q_i(\varphi) + (1 - m)\,q_i(\varphi)

and a soft spring and damper let the robot follow \bar q by itself. It neither leads nor corrects: wherever
the walker goes on average, the robot goes too. Three things keep it from taking the walker off their path:
the mean holds what is quick in a step, the landing of the foot and the throw of the shank, or the walker
would work against it in every stride; it is read as far ahead as sensor and drive are late, and half a
period more, since the drives execute it until the next tick; and it acts only as far as the walker repeats
themselves, with

.. math:: w = \mathrm{clip}\,((e_1 - |q - \bar q|) / (e_1 - e_0), 0, 1)

so that who recovers from a stumble is not held in the step before. For the learned motion see Ronsse et al.,
"Oscillator-based assistance of cyclical movements: model-based and model-free approaches", Med Biol Eng
Comput 49:1173 (2011); for walking in a robot that follows the walker's own pattern, Aguirre-Ollinger et al.,
"Inertia compensation control of a one-degree-of-freedom exoskeleton for lower-limb assistance", IEEE TNSRE
20:68 (2012).
"""

from __future__ import annotations

from math import cos, sin
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In3, Out2, Out3, compiled
from exostride.control.tracking import Track
from exostride.conventions import JOINT_KINDS, N_JOINTS, SIDES
from exostride.gait.reference import derivative, fourier_matrix
from exostride.types import Vector

_BINS: Final = 60
_HARMONICS: Final = 16
_LEAST_VISITED: Final = 0.8
"""Part of the bins that a stride must have visited to be one."""
_COMES: Final = 3
"""Strides of a leg until its motion counts as known."""
_REPEATS_RAD: Final = 0.05
_DEPARTS_RAD: Final = 0.15
"""e_0 and e_1: deviation from the mean up to which a joint repeats it, and from which it departs."""
_LATE_S: Final = 0.002
"""Age of an encoder's reading, and the drive's own lag."""
_CENTRES: Final = (np.arange(_BINS) + 0.5) / _BINS
_FIT: Final = np.linalg.pinv(fourier_matrix(_CENTRES, _HARMONICS))


@compiled
def _collect(total: Out3, count: Out2, phase: In1, angle: In1) -> None:
    """Add a tick's angles (6,) to the bins that the legs are in."""
    for side in range(2):
        place = min(int(phase[side] * _BINS), _BINS - 1)
        count[side, place] += 1.0
        for i in range(3):
            total[side, place, i] += angle[3 * side + i]


@compiled
def _motion(curve: In3, phase: In1, rate_hz: In1, ahead_s: float) -> NDArray[np.float64]:
    """Return angle and velocity of the legs a little ahead, rows of (2, 6), of Fourier series (2, n, 6)."""
    out = np.zeros((2, N_JOINTS))
    for side in range(2):
        x = 2.0 * np.pi * (phase[side] + ahead_s * rate_hz[side])
        for row in range(2 * _HARMONICS + 1):
            k = (row + 1) // 2
            part = 1.0 if row == 0 else (cos(k * x) if row % 2 == 1 else sin(k * x))
            for i in range(3):
                out[0, 3 * side + i] += curve[side, row, i] * part
                out[1, 3 * side + i] += curve[side, row, 3 + i] * part
        for i in range(3):
            out[1, 3 * side + i] *= rate_hz[side]
    return out


class OwnMotion:
    """Learns the motion of both legs by :meth:`step`, once a tick; see module.

    Parameters
    ----------
    period_s
        Control period [s].
    memory
        m, per stride.
    """

    def __init__(self, period_s: float, memory: float = 0.6) -> None:
        self._ahead = 0.5 * period_s + _LATE_S
        self._memory = memory
        self.reset()

    def reset(self) -> None:
        """Know nothing of the walker."""
        n = len(JOINT_KINDS)
        self._mean = np.zeros((len(SIDES), _BINS, n))
        self._curve = np.zeros((len(SIDES), 2 * _HARMONICS + 1, 2 * n))
        self._sum = np.zeros((len(SIDES), _BINS, n))
        self._count = np.zeros((len(SIDES), _BINS))
        self._strides = [0, 0]
        self._last = [0.0, 0.0]

    def step(self, track: Track) -> tuple[Vector, Vector, Vector]:
        """Return angle [rad] and velocity [rad/s] of the mean motion, and how far to go along, (6,) each."""
        for side, phase in enumerate(track.leg_phase.tolist()):
            if phase < self._last[side] - 0.5:
                self._close(side)
            self._last[side] = phase
        if track.walking:
            _collect(self._sum, self._count, track.leg_phase, track.angle_rad)
        angle, velocity = _motion(self._curve, track.leg_phase, track.leg_rate_hz, self._ahead)
        known = np.repeat([min(n / _COMES, 1.0) for n in self._strides], len(JOINT_KINDS))
        away = (_DEPARTS_RAD - np.abs(track.angle_rad - angle)) / (_DEPARTS_RAD - _REPEATS_RAD)
        return angle, velocity, known * np.minimum(np.maximum(away, 0.0), 1.0)

    def _close(self, side: int) -> None:
        """Take a whole stride of one leg into its motion."""
        count = self._count[side]
        seen = count > 0.0
        if seen.mean() >= _LEAST_VISITED:
            stride = _filled(self._sum[side] / np.maximum(count, 1.0)[:, None], seen)
            keep = self._memory if self._strides[side] else 0.0
            self._mean[side] = keep * self._mean[side] + (1.0 - keep) * stride
            angle = _FIT @ self._mean[side]
            self._curve[side] = np.column_stack([angle, derivative(angle.T).T])
            self._strides[side] += 1
        self._sum[side] = 0.0
        self._count[side] = 0.0


def _filled(values: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values over the cycle with those of bins that were skipped put in between their neighbours."""
    if seen.all():
        return values
    known = _CENTRES[seen]
    return np.column_stack([np.interp(_CENTRES, known, column[seen], period=1.0) for column in values.T])
