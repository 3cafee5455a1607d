"""Reference posture of the six joints for a rhythm, speed and therapist's adjustments.

q_ref = mean + amplitude (q - mean) + offset over the reference gait, kept in the patient's range of
motion, and blended with a standing posture while the belt is nearly still. What the therapist changes
glides in: a reference that jumps would throw the leg.
"""

from __future__ import annotations

from math import cos, sin
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, compiled
from exostride.control.context import ControlContext
from exostride.control.rhythm import RhythmSample
from exostride.conventions import N_JOINTS, side_slice
from exostride.gait.reference import ReferenceCurve
from exostride.types import TherapySettings, Vector

STANDING_RAD = np.array([0.02, 0.04, 0.02] * 2)
"""Slightly flexed upright stance: hip, knee, ankle of both legs."""

_GLIDE_S: Final = 1.0
"""Time constant with which changed settings reach the reference."""
_ARRIVED: Final = 1e-4


class _Glide:
    """Amplitude, offset, range and phase offset on their way to what the settings say, in one vector."""

    PARTS: Final = ("amplitude", "offset_rad", "range_min_rad", "range_max_rad", "phase_offset")

    def __init__(self, period_s: float) -> None:
        self._share = period_s / (period_s + _GLIDE_S)
        self._settings: TherapySettings | None = None
        self._target: Vector = np.zeros(0)
        self._now: Vector = np.zeros(0)

    def step(self, settings: TherapySettings) -> bool:
        """Move one tick; return whether anything moved."""
        if settings is not self._settings:
            self._settings = settings
            target = np.concatenate([getattr(settings, name) for name in self.PARTS])
            if self._now.size == 0:
                self._now = self._target = target
                return True
            if not np.array_equal(target, self._target):
                self._target = target
        if self._now is self._target:
            return False
        self._now = self._now + self._share * (self._target - self._now)
        if np.abs(self._now - self._target).max() < _ARRIVED:
            self._now = self._target
        return True

    @property
    def now(self) -> Vector:
        """Amplitude, offset, lower and upper range (6,) each, and phase offset (2,), in one vector (26,)."""
        return self._now

    def split(self) -> tuple[Vector, Vector, Vector, Vector, Vector]:
        """Return amplitude, offset, lower and upper range (6,) each, and phase offset (2,)."""
        n, v = N_JOINTS, self._now
        return v[:n], v[n : 2 * n], v[2 * n : 3 * n], v[3 * n : 4 * n], v[4 * n :]


@compiled
def sampled(
    phase: In1, rate_hz: In1, both: In2, mean: In1, adjusted: In1, blend: float
) -> NDArray[np.float64]:
    """Return angle and velocity, rows of (2, 6); ``both``: Fourier series of angle and rate, (6, n).

    ``adjusted`` (26,) is what the therapist has set, see :class:`_Glide`.
    """
    out = np.empty((2, N_JOINTS))
    scale, offset, low, high, shift = (
        adjusted[:6],
        adjusted[6:12],
        adjusted[12:18],
        adjusted[18:24],
        adjusted[24:],
    )
    harmonics = (both.shape[1] - 1) // 2
    for side in range(2):
        x = 2.0 * np.pi * ((phase[side] + shift[side]) % 1.0)
        value = both[:, 0].copy()
        for k in range(1, harmonics + 1):
            c, s = cos(k * x), sin(k * x)
            for i in range(6):
                value[i] += both[i, 2 * k - 1] * c + both[i, 2 * k] * s
        for i in range(3):
            j = 3 * side + i
            angle = mean[j] + scale[j] * (value[i] - mean[j]) + offset[j]
            angle = STANDING_RAD[j] + blend * (angle - STANDING_RAD[j])
            out[0, j] = min(max(angle, low[j]), high[j])
            inside = out[0, j] == angle
            out[1, j] = blend * scale[j] * value[3 + i] * rate_hz[side] if inside else 0.0
    return out


class ReferencePath:
    """Evaluates the reference once a tick; the curve is rebuilt when the speed has moved by 1 cm/s."""

    def __init__(self, context: ControlContext, walking_m_s: float = 0.08) -> None:
        self._context = context
        self._walking = walking_m_s
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Return to standing."""
        self._speed = 0.0
        self._blend = 0.0
        self._curve: ReferenceCurve | None = None
        self._curve_speed = -1.0
        self._both: NDArray[np.float64] = np.zeros((6, 1))
        self._mean = np.zeros(N_JOINTS)
        self._glide = _Glide(self._context.period_s)
        self.version += 1

    @property
    def speed_m_s(self) -> float:
        """Speed the reference is made for [m/s]."""
        return self._speed

    @property
    def curve(self) -> ReferenceCurve:
        """The reference at the speed in force."""
        assert self._curve is not None, "advance() comes first"
        return self._curve

    def advance(self, settings: TherapySettings) -> float:
        """Follow the belt speed of the settings within the belt's ramp; return the stride rate there [1/s].

        ``version`` changes whenever the shape of the path does.
        """
        period = self._context.period_s
        ramp = settings.belt_acceleration_m_s2 * period
        self._speed += min(max(settings.belt_speed_m_s - self._speed, -ramp), ramp)
        target = 1.0 if self._speed >= self._walking else 0.0
        step = min(max(target - self._blend, -period), period)
        self._blend += step
        moved = self._glide.step(settings) or step != 0.0
        if self._curve is None or abs(self._speed - self._curve_speed) > 0.01:
            self._curve_speed = self._speed
            self._curve = self._context.reference.curve(max(self._speed, 0.1), self._context.leg_length_m)
            self._both = np.vstack([self._curve.angle, self._curve.rate])
            self._mean = np.tile(self._curve.angle[:, 0], 2)
            moved = True
        if moved:
            self.version += 1
        return settings.cadence_scale / self._curve.stride_time_s

    @property
    def shape(self) -> tuple[NDArray[np.float64], Vector, Vector, float]:
        """What :func:`sampled` takes last; the blend of walking over standing is the last of it."""
        return self._both, self._mean, self._glide.now, self._blend

    def sample(self, rhythm: RhythmSample) -> tuple[Vector, Vector]:
        """Return reference angle [rad] and velocity [rad/s], each (6,)."""
        angle, velocity = sampled(rhythm.phase, rhythm.rate_hz, *self.shape)
        return angle, velocity

    def table(self, side: int, samples: int) -> NDArray[np.float64]:
        """Return one leg's path over the cycle, shape (samples, 3) [rad], phase 0 first."""
        part = side_slice(side)
        scale, offset, low, high, shift = self._glide.split()
        shape = self.curve.angles((np.arange(samples) / samples + shift[side]) % 1.0)
        angle = self._mean[part] + scale[part] * (shape - self._mean[part]) + offset[part]
        angle = STANDING_RAD[part] + self._blend * (angle - STANDING_RAD[part])
        kept: NDArray[np.float64] = np.clip(angle, low[part], high[part])
        return kept

    def spread(self, samples: int) -> NDArray[np.float64]:
        """Return the standard deviation between able-bodied people [rad], shape (samples, 3)."""
        return self.curve.sds(np.arange(samples) / samples)
