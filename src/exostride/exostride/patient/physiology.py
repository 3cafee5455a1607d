"""Heart rate, muscle activity as EMG, and how hard the person tries."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, Out1, compiled
from exostride.patient.muscles import MAX_TORQUE_NM_KG
from exostride.patient.profile import Effort, Heart
from exostride.types import Vector

_BEAT_S: Final = 0.1
"""Heart and effort are brought up to date this often."""
_SAGITTAL: Final = slice(1, 4)
_EMG_FLOOR: Final = 0.01
_EMG_SCALE: Final = np.tile(
    np.stack([1.0 / MAX_TORQUE_NM_KG[0, _SAGITTAL], -1.0 / MAX_TORQUE_NM_KG[1, _SAGITTAL]], axis=1), (2, 1)
)
"""Activity per torque and body mass of flexor and extensor, shape (6, 2)."""
FULL_ERROR_RAD: Final = float(np.radians(10.0))


class HeartRate:
    """First-order response of heart rate to the power of all muscles."""

    def __init__(self, heart: Heart, mass_kg: float, period_s: float) -> None:
        self._heart, self._mass = heart, mass_kg
        self._blend = period_s / heart.time_constant_s
        self.every = max(1, round(_BEAT_S / period_s))
        self.reset()

    def reset(self) -> None:
        """Return to rest."""
        self.bpm = self._heart.rest_bpm

    def step(self, power_w: float) -> float:
        """Return the heart rate [1/min] after ``every`` ticks at a mechanical power (absolute sum) [W]."""
        h = self._heart
        target = min(h.rest_bpm + h.bpm_per_w_kg * power_w / self._mass, h.max_bpm)
        self.bpm += self.every * self._blend * (target - self.bpm)
        return self.bpm


@compiled
def emg(active_nm: In2, mass_kg: float) -> Vector:
    """Return normalised muscle activity, shape (12,): left then right; hip, knee, ankle; flexor, extensor."""
    out = np.empty(12)
    for k in range(6):
        torque = active_nm[k // 3, 1 + k % 3]
        for direction in range(2):
            activity = torque * (_EMG_SCALE[k, direction] / mass_kg)
            out[2 * k + direction] = min(max(activity, _EMG_FLOOR), 1.0)
    return out


@compiled
def _add_error(total: Out1, n: Out1, error: In2, swing: In1) -> None:
    for leg in range(2):
        mean = (abs(error[leg, 1]) + abs(error[leg, 2]) + abs(error[leg, 3])) / 3.0
        total[leg] += swing[leg] * mean
        n[leg] += swing[leg]


@compiled
def trying(level: In1, swing: In1) -> Vector:
    """Return the legs' effort, shape (2,); ``swing`` is 1 for a leg in the air, 0 for one in stance."""
    out = np.empty(2)
    for leg in range(2):
        out[leg] = 1.0 - swing[leg] * (1.0 - level[leg])
    return out


class EffortLevel:
    """Effort of either leg in swing, from stride to stride: given back while all goes well (slacking).

    A leg that bears weight is not let go of: what robot-guided walkers save is the work of swing (Israel,
    Campbell, Kahn & Hornby 2006, Phys Ther 86:1466).
    """

    def __init__(self, effort: Effort) -> None:
        self._e = effort
        self.slacks = effort.start < 1.0 or effort.retention < 1.0
        self.reset()

    def reset(self) -> None:
        """Return to the start value."""
        self.level = np.full(2, self._e.start)
        self._sum, self._n = np.zeros(2), np.zeros(2)

    def feel(self, error_rad: NDArray[np.float64], swing: NDArray[np.float64]) -> None:
        """Add one tick's tracking errors, shape (2, 4): a leg's mean as far as it swings."""
        _add_error(self._sum, self._n, error_rad, swing)

    def stride(self, leg: int) -> None:
        """Close a stride of one leg and set the effort of its next one."""
        if self._n[leg] > 0.0:
            e = self._e
            error = float(self._sum[leg] / self._n[leg])
            beyond = max(error - np.radians(e.tolerance_deg), 0.0) / FULL_ERROR_RAD
            self.level[leg] = min(max(e.retention * self.level[leg] + e.gain * beyond, e.floor), 1.0)
        self._sum[leg] = self._n[leg] = 0.0
