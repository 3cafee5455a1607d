r"""How much lift each part of a swing needs, learned from swing to swing.

.. math:: a_{i+1,b} = f\,a_{i,b} + g \sum_c w_{c-b} \max(c_t - c_{i,c}, 0) - g \max(c_{i,b} - c_t - w, 0)

where c_{i,b} is the least clearance of the foot in part b of swing i and c_t the one that is aimed for. A
part of each raise goes to the part before, because a foot must be on its way up before it would be low; the
last term counts where nothing is raised. So clearance that is lacking in one part of the swing lifts no foot
in another: a foot that is lifted later lands on its heel early, which looks like more clearance lacking.

It is the law of :mod:`exostride.control.fading`, for clearances.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

PARTS: Final = 8
_EARLIER: Final = 0.7
"""Part of a raise that the part of the swing before gets too."""


class LiftProfile:
    """Levels 0..1 over the swing of one foot.

    Parameters
    ----------
    gain_per_m, forgetting
        g, and f per swing.
    slack_m
        w: how much more than aimed for is left alone.
    """

    def __init__(self, gain_per_m: float, forgetting: float, slack_m: float) -> None:
        self._gain, self._forgetting, self._slack = gain_per_m, forgetting, slack_m
        self.reset()

    def reset(self) -> None:
        """Forget all levels."""
        self.level: NDArray[np.float64] = np.zeros(PARTS)

    @property
    def highest(self) -> float:
        """Highest level of all parts."""
        return float(self.level.max())

    def at(self, swing: float) -> float:
        """Return the level at a part 0..1 of the swing, linear between the parts' centres."""
        place = min(max(swing * PARTS - 0.5, 0.0), PARTS - 1.0)
        low = min(int(place), PARTS - 2)
        weight = place - low
        return float((1.0 - weight) * self.level[low] + weight * self.level[low + 1])

    def learn(self, clearance_m: list[float], first: int, last: int, goal_m: float) -> None:
        """Learn from the clearances of a whole swing, of which those from ``first`` to ``last`` count."""
        count, before = len(clearance_m), PARTS - 1
        lacking, ample = np.zeros(PARTS + 1), np.zeros(PARTS)
        for part in range(PARTS):
            begin = max(round(part * count / PARTS), first)
            end = min(round((part + 1) * count / PARTS), last)
            if begin < end:
                before = min(before, part)
                low = min(clearance_m[begin:end])
                lacking[part] = max(goal_m - low, 0.0)
                ample[part] = max(low - goal_m - self._slack, 0.0)
        wanted = lacking[:-1] + _EARLIER * lacking[1:]
        change = self._gain * np.where(wanted > 0.0, wanted, -ample)
        self.level = np.minimum(np.maximum(self._forgetting * self.level + change, 0.0), 1.0)
        # What comes before all that counts has no need of its own.
        for part in range(before - 1, -1, -1):
            self.level[part] = min(self.level[part], self.level[part + 1])
