r"""Assistance level that fades with success and returns with error, joint by joint, stride by stride.

After Emken, Benitez & Reinkensmeyer, "Human-robot cooperative movement training: learning a novel
sensory motor transformation during walking with robotic assistance-as-needed", J NeuroEng Rehabil
4:8 (2007), with an error dead-zone:

.. math:: a_{i+1} = f\, a_i + g\, \max(e_i - e_0, 0)

where e_i is the RMS tracking error of stride i, e_0 the dead-zone and f < 1 the forgetting; the result
stays within the therapist's bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exostride.conventions import N_JOINTS, side_slice
from exostride.types import TherapySettings, Vector


@dataclass(frozen=True, slots=True)
class FadingParameters:
    """Forgetting per stride [1], gain [1/rad], dead-zone [rad]."""

    forgetting: float = 0.92
    gain_per_rad: float = 0.9
    dead_zone_rad: float = 0.07


class FadingAssistance:
    """Holds one assistance level per joint; update by :meth:`step`, once a tick."""

    def __init__(self, parameters: FadingParameters) -> None:
        self._p = parameters
        self._level: Vector | None = None
        self._start: Vector | None = None
        self.reset()

    def reset(self) -> None:
        """Forget levels and errors; the next tick starts at the therapist's level."""
        self._level = None
        self._start = None
        self._sum = np.zeros(N_JOINTS)
        self._count = np.zeros(2)
        self._last = np.zeros(2)

    def step(self, error_rad: Vector, leg_phase: Vector, walking: bool, settings: TherapySettings) -> Vector:
        """Return the levels (6,), updated where a leg's stride ended in this tick."""
        if self._level is None or self._start is None or not np.array_equal(self._start, settings.assistance):
            self._start = settings.assistance
            self._level = settings.assistance.copy()
        level = np.clip(self._level, settings.assistance_min, settings.assistance_max)
        if not walking:
            self._sum[:] = 0.0
            self._count[:] = 0.0
        else:
            self._sum += error_rad * error_rad
            self._count += 1.0
            for side in (0, 1):
                if leg_phase[side] < self._last[side] - 0.5 and self._count[side] > 0:
                    level = self._end_stride(side, level, settings)
        self._last = leg_phase.copy()
        self._level = level
        return level

    def _end_stride(self, side: int, level: Vector, settings: TherapySettings) -> Vector:
        part = side_slice(side)
        error = np.sqrt(self._sum[part] / self._count[side])
        raised = self._p.gain_per_rad * np.maximum(error - self._p.dead_zone_rad, 0.0)
        level = level.copy()
        level[part] = np.clip(
            self._p.forgetting * level[part] + raised,
            settings.assistance_min[part],
            settings.assistance_max[part],
        )
        self._sum[part] = 0.0
        self._count[side] = 0.0
        return level
