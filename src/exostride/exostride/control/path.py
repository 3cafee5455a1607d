"""Reference posture of the six joints for a rhythm, speed and therapist's adjustments.

q_ref = mean + amplitude (q - mean) + offset over the reference gait, kept in the patient's range of
motion, and blended with a standing posture while the belt is nearly still.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exostride.control.context import ControlContext
from exostride.control.rhythm import RhythmSample
from exostride.conventions import LEFT, RIGHT, side_slice
from exostride.gait.reference import ReferenceCurve
from exostride.types import TherapySettings, Vector

STANDING_RAD = np.array([0.02, 0.04, 0.02] * 2)
"""Slightly flexed upright stance: hip, knee, ankle of both legs."""


class ReferencePath:
    """Evaluates the reference once a tick; the curve is rebuilt when the speed has moved by 1 cm/s."""

    def __init__(self, context: ControlContext, walking_m_s: float = 0.08) -> None:
        self._context = context
        self._walking = walking_m_s
        self.reset()

    def reset(self) -> None:
        """Return to standing."""
        self._speed = 0.0
        self._blend = 0.0
        self._curve: ReferenceCurve | None = None
        self._curve_speed = -1.0
        self._mean = np.zeros(3)

    @property
    def version(self) -> tuple[float, float]:
        """Changes whenever the shape of the path does."""
        return self._curve_speed, round(self._blend, 2)

    @property
    def speed_m_s(self) -> float:
        """Speed the reference is made for [m/s]."""
        return self._speed

    def advance(self, settings: TherapySettings) -> float:
        """Follow the set belt speed with the belt's ramp; return the stride rate there [1/s]."""
        period = self._context.period_s
        ramp = settings.belt_acceleration_m_s2 * period
        self._speed += float(np.clip(settings.belt_speed_m_s - self._speed, -ramp, ramp))
        target = 1.0 if self._speed >= self._walking else 0.0
        self._blend += float(np.clip(target - self._blend, -period, period))
        if self._curve is None or abs(self._speed - self._curve_speed) > 0.01:
            self._curve_speed = self._speed
            self._curve = self._context.reference.curve(max(self._speed, 0.1), self._context.leg_length_m)
            self._mean = self._curve.angle[:, 0]
        return settings.cadence_scale / self._curve.stride_time_s

    def sample(self, rhythm: RhythmSample, settings: TherapySettings) -> tuple[Vector, Vector]:
        """Return reference angle [rad] and velocity [rad/s], each (6,)."""
        angle, velocity = np.empty(6), np.empty(6)
        assert self._curve is not None, "advance() comes first"
        for side in (LEFT, RIGHT):
            part = side_slice(side)
            shape, slope = self._curve.at(float(rhythm.phase[side] + settings.phase_offset[side]) % 1.0)
            scale = settings.amplitude[part]
            angle[part] = self._mean + scale * (shape - self._mean) + settings.offset_rad[part]
            velocity[part] = scale * slope * rhythm.rate_hz[side]
        angle = STANDING_RAD + self._blend * (angle - STANDING_RAD)
        kept = np.clip(angle, settings.range_min_rad, settings.range_max_rad)
        velocity = np.where(kept == angle, self._blend * velocity, 0.0)
        return kept, velocity

    def table(self, side: int, settings: TherapySettings, samples: int) -> NDArray[np.float64]:
        """Return one leg's path over the cycle, shape (samples, 3) [rad], phase 0 first."""
        assert self._curve is not None, "advance() comes first"
        part = side_slice(side)
        shape = self._curve.angles(np.arange(samples) / samples)
        angle = self._mean + settings.amplitude[part] * (shape - self._mean) + settings.offset_rad[part]
        angle = STANDING_RAD[part] + self._blend * (angle - STANDING_RAD[part])
        kept: NDArray[np.float64] = np.clip(angle, settings.range_min_rad[part], settings.range_max_rad[part])
        return kept
