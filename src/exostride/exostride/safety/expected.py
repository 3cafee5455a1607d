r"""What torque is expected of a walker's leg: their course over the stride, and answers to what is off it.

A walker's joint torques differ from stride to stride by tens of N m, but not without cause: they follow the
pelvis, the other leg and the leg's own motion. With the deviations d of those signals from their own course
over the stride, now and :data:`LAG_TICKS` ago (a nervous system answers late), the torque expected is

.. math:: \hat\tau = \bar\tau(\varphi) + B\,[d_k, d_{k - \mathrm{lag}}]

where the course is a mean over the last strides and B the ridge regression of this walker's strides so far,
one for the lifted leg and one for the standing one. What is left, :math:`\tau - \hat\tau`, is about a third
of what strides differ by.
"""

from __future__ import annotations

from collections import deque
from math import atan2
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.safety.intake import PLACES
from exostride.types import Vector

JOINTS_OF_LEG: Final = 3
BINS: Final = 40
"""Bins of the stride in which the course is kept; between their middles it is interpolated."""
LAG_TICKS: Final = 10
_STRIDES: Final = 8
"""Strides that the course remembers."""
_PASSES: Final = 2
"""Passes after which a bin's course is known."""
_STEPS: Final = 3
"""Steps of a leg, stance or swing, after which its answers are known."""
_KEPT: Final = 0.95
"""Weight of each earlier step beside the last."""
_RIDGE: Final = 30.0
"""Ticks' worth of doubt in every answer."""
_FAR: Final = 4.0
"""Deviations beyond this many units are not believed to be answered in proportion."""
_LONGEST_TICKS: Final = 600
"""A step longer than this is standing; its rest teaches nothing new."""
_LEG_UNITS: Final = (0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 50.0, 100.0)
_PELVIS_UNITS: Final = (0.05, 0.05, 0.3, 0.3, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 1.0, 1.0)
_PER_UNIT: Final = 1.0 / np.array([*_LEG_UNITS, *_LEG_UNITS, *_PELVIS_UNITS])
"""Units are about one standard deviation of each signal between strides [rad, rad/s, N, m/s, m, m/s^2]."""
N_SIGNALS: Final = len(_PER_UNIT)
# A number beside an array is made an array in every call, which takes longer than the work itself.
_MOST_FAR: Final = np.full(N_SIGNALS, _FAR)
_LEAST_FAR: Final = -_MOST_FAR
_ROW: Final = Struct(f"{N_SIGNALS + JOINTS_OF_LEG}d")
_LEAN, _RATE = PLACES["segment_angle_rad"], PLACES["segment_rate_rad_s"]
_FORCE, _ACCEL = PLACES["foot_force_n"], PLACES["pelvis_accel_m_s2"]
_ORIENTATION, _GYRO = PLACES["pelvis_orientation"], PLACES["pelvis_gyro_rad_s"]
_VELOCITY, _POSITION = PLACES["pelvis_velocity_m_s"], PLACES["pelvis_position_m"]


def signals(values: list[float], pitch: float) -> tuple[list[float], list[float], list[float]]:
    """Return the signals of the left leg, the right leg and the pelvis, in the order of their units.

    ``values`` are those of the state, at :data:`exostride.safety.intake.PLACES`, ``pitch`` the pelvis' [rad].
    """
    lean, rate = values[_LEAN], values[_RATE]
    lx, _, lz, rx, _, rz = values[_FORCE]
    x, y, z, w = values[_ORIENTATION]
    roll = atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    ax, _, az = values[_ACCEL]
    pelvis = [pitch, roll, *values[_GYRO][:2], *values[_VELOCITY], *values[_POSITION], ax, az]
    return [*lean[:3], *rate[:3], lx, lz], [*lean[3:], *rate[3:], rx, rz], pelvis


class _Answers:
    """Ridge regression of torque deviations on the others', step by step, earlier steps fading."""

    def __init__(self) -> None:
        n = 2 * N_SIGNALS
        self._square, self._cross = np.zeros((n, n)), np.zeros((n, JOINTS_OF_LEG))
        self._ridge = _RIDGE * np.eye(n)
        self._steps = 0
        self.matrix: NDArray[np.float64] | None = None

    def learn(self, deviation: NDArray[np.float64], torque: NDArray[np.float64]) -> None:
        """Take the rows of one step in."""
        self._square = _KEPT * self._square + deviation.T @ deviation
        self._cross = _KEPT * self._cross + deviation.T @ torque
        self._steps += 1
        if self._steps >= _STEPS:
            self.matrix = np.asarray(np.linalg.solve(self._square + self._ridge, self._cross))


class ExpectedTorque:
    """What is unexpected in the torque of one leg; feed it every tick of walking.

    ``lifted`` chooses between the two sets of answers, and its changes end the steps.
    """

    def __init__(self) -> None:
        self._mean = np.zeros((BINS, N_SIGNALS + JOINTS_OF_LEG))
        self._passes = [0] * BINS
        self._bin = self._before = -1
        self._known = False
        self._first = self._second = self._mean[0]
        self._sum, self._count = np.zeros(N_SIGNALS + JOINTS_OF_LEG), 0
        self._answers = (_Answers(), _Answers())
        self._lifted = False
        self._value: Vector = self._sum
        """The last tick."""
        self._row = -1
        """Where its deviations are among those of this step, -1 if nowhere."""
        self._past: deque[Vector] = deque(maxlen=LAG_TICKS + 1)
        # The last rows take what comes after the longest step.
        self._deviations = np.zeros((_LONGEST_TICKS + 1, 2 * N_SIGNALS))
        self._torques = np.zeros((_LONGEST_TICKS + 1, JOINTS_OF_LEG))
        self._ticks = 0

    def step(self, torque: list[float], signal: list[float], phase: float, lifted: bool) -> Vector | None:
        """Return what of ``torque`` [N m] was not expected, shape (3,); None while this walker is not known.

        ``signal`` is this leg's, the other leg's and the pelvis' (:func:`signals`), ``phase`` in [0, 1).
        """
        if lifted != self._lifted:
            self._close()
            self._lifted = lifted
        # Packed as bytes, because that takes a third of the time of making an array of lists.
        value = self._value = np.frombuffer(_ROW.pack(*signal, *torque))
        self._row = -1
        deviation = self._off_course(value, phase)
        if deviation is None:
            self._past.clear()
            return None
        scaled: Vector = deviation[:N_SIGNALS] * _PER_UNIT
        np.maximum(scaled, _LEAST_FAR, out=scaled)
        np.minimum(scaled, _MOST_FAR, out=scaled)
        self._past.append(scaled)
        if len(self._past) <= LAG_TICKS:
            return None
        off: Vector = deviation[N_SIGNALS:]
        both = self._deviations[self._ticks]
        both[:N_SIGNALS], both[N_SIGNALS:] = scaled, self._past[0]
        self._torques[self._ticks] = off
        if self._ticks < _LONGEST_TICKS:
            self._row = self._ticks
            self._ticks += 1
        matrix = self._answers[lifted].matrix
        return None if matrix is None else off - both.dot(matrix)

    def unlearn(self) -> None:
        """Take the last tick back: what goes on in it is not to be expected."""
        self._sum -= self._value
        self._count -= 1
        if self._row >= 0:
            self._ticks = self._row

    def pause(self) -> None:
        """Note a tick without walking: what comes after it does not answer what was before."""
        self._past.clear()

    def _off_course(self, value: Vector, phase: float) -> Vector | None:
        """Return how far a tick is off the course, and learn the course."""
        place = int(phase * BINS) % BINS
        x = phase * BINS - 0.5
        before = int(x // 1.0)
        if place != self._bin or before != self._before:
            self._turn(place, before)
        self._sum += value
        self._count += 1
        if not self._known:
            return None
        share = x - before
        course: Vector = (1.0 - share) * self._first + share * self._second
        return value - course

    def _turn(self, place: int, before: int) -> None:
        """Leave a bin and learn its course, or pass the middle of one."""
        if place != self._bin:
            if place < self._bin:
                # A foot that is dragged along never counts as lifted: its steps end with the stride.
                self._close()
            self._pass_ends()
            self._bin = place
        self._before = before
        first, second = before % BINS, (before + 1) % BINS
        self._known = self._passes[first] >= _PASSES and self._passes[second] >= _PASSES
        self._first, self._second = self._mean[first], self._mean[second]

    def _pass_ends(self) -> None:
        if self._count == 0:
            return
        place = self._bin
        self._passes[place] += 1
        weight = 1.0 / min(self._passes[place], _STRIDES)
        self._mean[place] += weight * (self._sum / self._count - self._mean[place])
        self._sum[:] = 0.0
        self._count = 0

    def _close(self) -> None:
        """End a step and learn from it."""
        if self._ticks > LAG_TICKS:
            rows = slice(0, self._ticks)
            self._answers[self._lifted].learn(self._deviations[rows], self._torques[rows])
        self._ticks = 0
