r"""The patient's share of the work on the joints, with its uncertainty.

.. math:: C = \frac{W^+_{pat}}{W^+_{pat} + W^+_{exo}}, \qquad W^+ = \int \max(\tau \dot q, 0)\,dt

per joint and side, over stance, swing and the whole stride; not a number where both works together stay
below a stated work. Systematic errors (a wrong segment mass, a shifted centre of pressure, ...) do not
average out over a stride, so each is carried along as one torque that it would add, by one standard
deviation up and down, and the contributions are formed with every one of them:

.. math:: s_C^2 = \sum_i \tfrac14 [C(\tau + \delta_i) - C(\tau - \delta_i)]^2 + s_0^2
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In2, Out3, compiled
from exostride.conventions import N_JOINTS, side_slice
from exostride.types import Vector

STANCE: Final = 0
SWING: Final = 1
STRIDE: Final = 2
PHASES: Final = ("stance", "swing", "stride")


def _unknown() -> Vector:
    return np.full(N_JOINTS, np.nan)


@dataclass(slots=True)
class Share:
    """Contribution and its standard uncertainty [%], (6,); work of patient and robot [J], (6,)."""

    percent: Vector = field(default_factory=_unknown)
    sd_percent: Vector = field(default_factory=_unknown)
    patient_j: Vector = field(default_factory=_unknown)
    robot_j: Vector = field(default_factory=_unknown)


@compiled
def _add_positive(running: Out3, patient: In2, robot: In2) -> None:
    for row in range(patient.shape[0]):
        for i in range(patient.shape[1]):
            running[0, row, i] += max(patient[row, i], 0.0)
            running[1, row, i] += max(robot[row, i], 0.0)


class ContributionMeter:
    """Adds up work by leg and part of the step; see module.

    Parameters
    ----------
    period_s
        Control period [s].
    errors
        Number of systematic errors carried along.
    least_work_j
        Below this work of both together there is no contribution.
    floor_percent
        s_0: what the errors carried along leave out.
    """

    def __init__(self, period_s: float, errors: int, least_work_j: float, floor_percent: float) -> None:
        self._period, self._errors = period_s, errors
        self._least, self._floor = least_work_j, floor_percent
        self.reset()

    def reset(self) -> None:
        """Forget all work and all contributions."""
        rows = 2 * self._errors + 1
        self._work = np.zeros((2, 2, rows, N_JOINTS))
        self._running = np.zeros((2, rows, N_JOINTS))
        self.interrupt()
        self.shares = [Share(), Share(), Share()]
        """Newest contributions over stance, swing and stride (the order of :data:`PHASES`)."""

    def interrupt(self) -> None:
        """Take note that ticks are missing: no part of a step that they fall in is whole."""
        self._whole = [[False, False], [False, False]]
        self._where = [-1, -1]

    def step(
        self,
        patient_w: NDArray[np.float64],
        robot_w: NDArray[np.float64],
        stance: tuple[bool, bool],
    ) -> tuple[tuple[int, int], ...]:
        """Add one tick; return (side, part) of every part of a step that ended with it.

        The powers have one row for the estimate, then one for each error added, then one for each
        subtracted, over the six joints.
        """
        ended = []
        for side in (0, 1):
            now = STANCE if stance[side] else SWING
            if now != self._where[side]:
                if self._where[side] >= 0:
                    ended.append((side, self._where[side]))
                    self._finish(side, self._where[side])
                self._begin(side, now)
        _add_positive(self._running, patient_w, robot_w)
        return tuple(ended)

    def _begin(self, side: int, now: int) -> None:
        # What ran before the first change of support is not a whole part of a step.
        self._whole[side][now] = self._where[side] >= 0
        self._where[side] = now
        self._running[:, :, side_slice(side)] = 0.0

    def _finish(self, side: int, part: int) -> None:
        joints = side_slice(side)
        self._work[part, :, :, joints] = self._period * self._running[:, :, joints]
        if not self._whole[side][part]:
            return
        self._put(side, part, self._work[part, :, :, joints])
        if part == SWING and self._whole[side][STANCE]:
            self._put(side, STRIDE, self._work[:, :, :, joints].sum(axis=0))

    def _put(self, side: int, part: int, work: NDArray[np.float64]) -> None:
        """Form the contribution from works (patient and robot, rows, 3)."""
        patient, robot = work
        total = patient + robot
        n, share, joints = self._errors, self.shares[part], side_slice(side)
        contribution = 100.0 * patient / np.maximum(total, 1e-9)
        spread = 0.5 * (contribution[1 : n + 1] - contribution[n + 1 :])
        known = total[0] >= self._least
        # New arrays: the old ones may still be held by somebody.
        new = Share(
            share.percent.copy(), share.sd_percent.copy(), share.patient_j.copy(), share.robot_j.copy()
        )
        new.percent[joints] = np.where(known, contribution[0], np.nan)
        sd = np.sqrt((spread * spread).sum(axis=0) + self._floor**2)
        new.sd_percent[joints] = np.where(known, sd, np.nan)
        new.patient_j[joints], new.robot_j[joints] = patient[0], robot[0]
        self.shares[part] = new


__all__ = ["PHASES", "STANCE", "STRIDE", "SWING", "ContributionMeter", "Share"]
