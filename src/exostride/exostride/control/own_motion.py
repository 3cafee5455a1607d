r"""The walker's own motion, learned over their strides, so that the robot can go along with it.

A robot without torque is not weightless: its legs hang in elastic cuffs, and what every impact of a foot sets
off there shakes on. Walkers repeat themselves. Over the phase \varphi of either leg the joint angles of the
last strides are averaged, with a memory m per stride,

.. math:: \bar q_{i+1}(\varphi) = m\,\bar q_i(\varphi) + (1 - m)\,q_i(\varphi)

and a damper about the pace \dot{\bar q}(\varphi) lets the robot go along: it takes nothing from a motion that
repeats itself, and calms what does not. It knows no place, only a pace: a spring about \bar q would hold
walkers to the steps they have made, the first and worst among them, and would take as many strides to let go.
So that it takes nothing, the mean holds what is quick in a step, the landing of the foot and the throw of the
shank, and is read as far ahead as sensor and drive are late, and half a period more, since the drives execute
it until the next tick. The robot goes along as far as strides have been alike; one that is another motion
begins the mean anew. Who stands has no pace: it lets go of them, keeps the mean, and goes along again as far
as the strides after the pause repeat it.

For the learned motion see Ronsse et al., "Oscillator-based assistance of cyclical movements: model-based and
model-free approaches", Med Biol Eng Comput 49:1173 (2011); for what can be gained from the repetition, van
Dijk, van der Kooij, Koopman & van Asseldonk, "Improving the transparency of a rehabilitation robot by
exploiting the cyclic behaviour of walking", ICORR 2013.
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
"""Strides of a leg that repeat the mean until the robot goes along wholly."""
_ALIKE_RAD: Final = 0.05
_OTHER_RAD: Final = 0.12
"""Deviation of a stride (RMS) up to which it repeats the mean, and from which it is another motion."""
_LET_GO_S: Final = 0.5
"""Time in which the robot lets go of who stops walking."""
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
def _pace(curve: In3, phase: In1, rate_hz: In1, ahead_s: float) -> Vector:
    """Return the velocity (6,) of the legs a little ahead, of Fourier series per cycle (2, n, 3)."""
    out = np.zeros(N_JOINTS)
    for side in range(2):
        x = 2.0 * np.pi * (phase[side] + ahead_s * rate_hz[side])
        for row in range(2 * _HARMONICS + 1):
            k = (row + 1) // 2
            part = 1.0 if row == 0 else (cos(k * x) if row % 2 == 1 else sin(k * x))
            for i in range(3):
                out[3 * side + i] += curve[side, row, i] * part
        for i in range(3):
            out[3 * side + i] *= rate_hz[side]
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
        self._let_go = period_s / _LET_GO_S
        self._memory = memory
        self.reset()

    def reset(self) -> None:
        """Know nothing of the walker."""
        n = len(JOINT_KINDS)
        self._mean = np.zeros((len(SIDES), _BINS, n))
        self._curve = np.zeros((len(SIDES), 2 * _HARMONICS + 1, n))
        self._sum = np.zeros((len(SIDES), _BINS, n))
        self._count = np.zeros((len(SIDES), _BINS))
        self._begun = [False, False]
        self._alike = np.zeros(len(SIDES))
        self._last = [0.0, 0.0]

    def step(self, track: Track) -> tuple[Vector, Vector]:
        """Return the velocity [rad/s] of the mean motion, and how far to go along, (6,) each."""
        for side, phase in enumerate(track.leg_phase.tolist()):
            if phase < self._last[side] - 0.5:
                self._close(side)
            self._last[side] = phase
        if track.walking:
            _collect(self._sum, self._count, track.leg_phase, track.angle_rad)
        else:
            self._alike = np.maximum(self._alike - self._let_go, 0.0)
            # A stride that ends after a pause began before it.
            self._sum[:] = 0.0
            self._count[:] = 0.0
        pace = _pace(self._curve, track.leg_phase, track.leg_rate_hz, self._ahead)
        return pace, np.repeat(self._alike, len(JOINT_KINDS))

    def _close(self, side: int) -> None:
        """Take a whole stride of one leg into its motion."""
        count = self._count[side]
        seen = count > 0.0
        if seen.mean() >= _LEAST_VISITED:
            stride = _filled(self._sum[side] / np.maximum(count, 1.0)[:, None], seen)
            alike = self._repeats(stride, side) if self._begun[side] else 0.0
            self._alike[side] = min(alike, self._alike[side] + 1.0 / _COMES)
            keep = self._memory if alike > 0.0 else 0.0
            self._mean[side] = keep * self._mean[side] + (1.0 - keep) * stride
            self._curve[side] = derivative((_FIT @ self._mean[side]).T).T
            self._begun[side] = True
        self._sum[side] = 0.0
        self._count[side] = 0.0

    def _repeats(self, stride: NDArray[np.float64], side: int) -> float:
        """Return how far a stride (bins, 3) repeats the mean of its leg, 0..1."""
        off = np.sqrt(np.mean((stride - self._mean[side]) ** 2, axis=0)).max()
        return float(min(max((_OTHER_RAD - off) / (_OTHER_RAD - _ALIKE_RAD), 0.0), 1.0))


def _filled(values: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values over the cycle with those of bins that were skipped put in between their neighbours."""
    if seen.all():
        return values
    known = _CENTRES[seen]
    return np.column_stack([np.interp(_CENTRES, known, column[seen], period=1.0) for column in values.T])
