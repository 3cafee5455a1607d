"""Heart rate, muscle activity as EMG, and how hard the person tries."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

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


def emg(active_nm: NDArray[np.float64], mass_kg: float) -> Vector:
    """Return normalised muscle activity, shape (12,): left then right; hip, knee, ankle; flexor, extensor."""
    sagittal = active_nm[:, _SAGITTAL].reshape(6, 1) * (_EMG_SCALE / mass_kg)
    return np.minimum(np.maximum(sagittal, _EMG_FLOOR), 1.0).ravel()


class EffortLevel:
    """Effort from stride to stride: it fades while all goes well and returns with error (slacking)."""

    def __init__(self, effort: Effort) -> None:
        self._e = effort
        self.reset()

    def reset(self) -> None:
        """Return to the start value."""
        self.level = self._e.start
        self._sum, self._n = 0.0, 0

    def feel(self, error_rad: float) -> None:
        """Add one tick's tracking error (mean over joints) to the stride's."""
        self._sum += error_rad
        self._n += 1

    def stride(self) -> None:
        """Close a stride and set the effort of the next one."""
        if self._n:
            e = self._e
            error = max(self._sum / self._n - np.radians(e.tolerance_deg), 0.0) / FULL_ERROR_RAD
            self.level = float(min(max(e.retention * self.level + e.gain * error, e.floor), 1.0))
        self._sum, self._n = 0.0, 0
