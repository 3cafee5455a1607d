"""What a plan stores of balance from step to step: a linear law for each decision within a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.config import StrictModel
from exostride.errors import ConfigError
from exostride.types import Vector

POINTS: Final = 2
"""Decisions a step."""
STATES: Final = 28
"""Pelvis forward, to the stance side, pitch, roll; their rates; height, yaw, yaw rate, rise; then abduction,
hip, knee and ankle of stance and of swing leg against the plan, and their rates; without dimension."""
INPUTS: Final = ("swing_hip", "swing_abduction", "ankle", "hip", "abduction", "pace", "swing_knee")
"""``swing_*``: offsets of the swing leg [rad]; ``ankle``, ``hip``, ``abduction``: torques of the stance leg
[m g l]; ``pace``: change of the rhythm as a part of it."""


class StepGains(StrictModel):
    """The law in a plan file: per point the mean state and the gains, rows in the order of ``INPUTS``."""

    mean: tuple[list[float], ...]
    gain: tuple[tuple[list[float], ...], ...]


@dataclass(frozen=True, slots=True)
class StepLaw:
    """Mean states, shape (POINTS, STATES), and gains, shape (POINTS, inputs, STATES)."""

    mean: NDArray[np.float64]
    gain: NDArray[np.float64]

    def input(self, point: int, state: Vector) -> Vector:
        """Return the inputs asked for, before limits."""
        return np.asarray(self.gain[point] @ (self.mean[point] - state))


def make_law(gains: StepGains, where: str) -> StepLaw:
    """Return the law of a file's entry.

    Raises
    ------
    ConfigError
        The numbers of points, inputs or states are not those of this module.
    """
    rows = [*gains.mean, *(row for point in gains.gain for row in point)]
    counts = {len(gains.mean), len(gains.gain)} == {POINTS} and {len(p) for p in gains.gain} == {len(INPUTS)}
    if not counts or {len(row) for row in rows} != {STATES}:
        raise ConfigError(
            f"{where}: step_balance: needs {POINTS} points of {len(INPUTS)} inputs by {STATES} states"
        )
    return StepLaw(np.array(gains.mean), np.array(gains.gain))


__all__ = ["INPUTS", "POINTS", "STATES", "StepGains", "StepLaw", "make_law"]
