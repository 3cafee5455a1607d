"""The point of the reference path nearest to a leg's posture, near the phase it is at: free timing.

The path of a leg is sampled over the cycle; the search runs over a window of phase around the
rhythm, so that a leg may be early or late but not at another part of the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exostride.control.path import ReferencePath
from exostride.types import Vector

SAMPLES = 100


@dataclass(frozen=True, slots=True)
class PathPoint:
    """Nearest point of one leg: angle (3,) [rad], unit tangent (3,) by phase, phase in [0, 1)."""

    angle_rad: Vector
    tangent: Vector
    phase: float


class PathTable:
    """Sampled path of one leg, rebuilt when the path changes."""

    def __init__(self, side: int, window: float) -> None:
        self._side = side
        self._half = max(1, round(window * SAMPLES))
        self._offsets = np.arange(-self._half, self._half + 1)
        self._version = -1
        self._points: NDArray[np.float64] = np.zeros((SAMPLES, 3))

    def refresh(self, path: ReferencePath) -> None:
        """Sample the path anew if it has changed."""
        if path.version != self._version:
            self._version = path.version
            self._points = path.table(self._side, SAMPLES)

    def nearest(self, angle_rad: Vector, phase: float, weight: Vector) -> PathPoint:
        """Return the point with the smallest weighted distance within the window."""
        centre = round(phase * SAMPLES)
        index = (centre + self._offsets) % SAMPLES
        difference = (self._points[index] - angle_rad) * weight
        best = int(np.argmin(np.einsum("ij,ij->i", difference, difference)))
        # A parabola through the three distances around the best sample gives the point between samples.
        shift = 0.0
        if 0 < best < len(index) - 1:
            d0, d1, d2 = (float(difference[best + k] @ difference[best + k]) for k in (-1, 0, 1))
            bend = d0 - 2.0 * d1 + d2
            shift = 0.5 * (d0 - d2) / bend if bend > 1e-12 else 0.0
        i = int(index[best])
        ahead, behind = self._points[(i + 1) % SAMPLES], self._points[i - 1]
        slope = 0.5 * (ahead - behind)
        length = float(np.linalg.norm(slope))
        tangent = slope / length if length > 1e-9 else np.zeros(3)
        return PathPoint(self._points[i] + shift * slope, tangent, ((i + shift) / SAMPLES) % 1.0)
