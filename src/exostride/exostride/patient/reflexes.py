"""What the nervous system adds unasked: spastic stretch reflexes, clonus and spasms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In2, In4, Int3, Out4, compiled
from exostride.patient.profile import Clonus, PatientProfile, Side, StretchReflex

_GROUPS = (
    ("hip_extensors", "knee_extensors", "plantarflexors"),
    ("hip_flexors", "knee_flexors", "dorsiflexors"),
)
"""Muscles that flexion (dorsiflexion) stretches, and those that extension stretches; hip, knee, ankle."""
_NOTHING = np.zeros((2, 3))
_NOTHING.flags.writeable = False
_LOADED = 0.1
"""Part of body weight on a foot above which a stretch can set off clonus."""


def _parameter(sides: tuple[Side, Side], name: str) -> NDArray[np.float64]:
    def value(side: Side, group: str) -> float:
        reflex: StretchReflex = getattr(side.spasticity, group)
        return float(getattr(reflex, name))

    return np.array([[[value(s, g) for g in row] for row in _GROUPS] for s in sides])


@compiled
def stretched(
    line: Out4,
    head: int,
    lag: Int3,
    constants: In4,
    angle: In2,
    velocity: In2,
) -> NDArray[np.float64]:
    """Return what arrives of the stretches so far; ``constants``: gain, threshold, length gain, limit."""
    gain, threshold, length_gain, limit = constants[0], constants[1], constants[2], constants[3]
    n = line.shape[0]
    out = np.zeros((2, 3))
    for leg in range(2):
        for group in range(2):
            sign = 1.0 - 2.0 * group
            for i in range(3):
                at = (leg, group, i)
                stretch = max(sign * velocity[leg, i] - threshold[at], 0.0)
                drive = stretch * (1.0 + length_gain[at] * max(sign * angle[leg, i], 0.0))
                line[head, leg, group, i] = min(gain[at] * drive, limit[at])
                out[leg, i] -= sign * line[(head - lag[at]) % n, leg, group, i]
    return out


class StretchReflexes:
    """Spastic reflexes of both legs on hip, knee and ankle."""

    def __init__(self, profile: PatientProfile, period_s: float) -> None:
        sides = (profile.left, profile.right)
        names = ("gain_nms_rad", "threshold_rad_s", "length_gain_1_rad", "limit_nm")
        self._constants = np.array([_parameter(sides, name) for name in names])
        self._lag = np.round(_parameter(sides, "delay_s") / period_s).astype(int)
        self.active = bool(self._constants[0].any())
        self.reset()

    def reset(self) -> None:
        """Forget the stretch under way."""
        self._line = np.zeros((int(self._lag.max()) + 1, 2, 2, 3))
        self._head = 0

    def step(self, angle: NDArray[np.float64], velocity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return reflex torque [N m], shape (2, 3), for angles and velocities of shape (2, 3)."""
        if not self.active:
            return _NOTHING
        line, head, lag, constants = self.line()
        return stretched(line, head, lag, constants, angle, velocity)

    def line(self) -> tuple[Any, ...]:
        """Move on by a tick; return the state that :func:`stretched` takes first."""
        self._head = (self._head + 1) % len(self._line)
        return self._line, self._head, self._lag, self._constants


class ClonusBursts:
    """Clonus of the plantarflexors of one leg: decaying bursts after a quick stretch under load."""

    def __init__(self, clonus: Clonus, period_s: float) -> None:
        self._c = clonus
        self._period_s = period_s
        self.reset()

    def reset(self) -> None:
        """Quiet."""
        self._since = np.inf

    def step(self, velocity: float, load: float) -> float:
        """Return the torque on the ankle [N m] for its velocity [rad/s] and the load [body weights]."""
        c = self._c
        if c.torque_nm == 0.0:
            return 0.0
        self._since += self._period_s
        if self._since > c.duration_s:
            if velocity > c.threshold_rad_s and load > _LOADED:
                self._since = 0.0
            else:
                return 0.0
        wave = np.sin(2.0 * np.pi * c.frequency_hz * self._since)
        return -float(c.torque_nm * max(wave, 0.0) * (1.0 - self._since / c.duration_s))


class FlexorSpasms:
    """Flexor spasms of a random leg at random times."""

    def __init__(self, profile: PatientProfile, period_s: float, seed: int) -> None:
        self._s = profile.spasms
        self.active = profile.spasms.rate_per_min > 0.0
        self._period_s = period_s
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Begin the same sequence of spasms again."""
        self._random = np.random.default_rng([self._seed, 11])
        self._left_s = 0.0
        self._leg = 0

    def step(self) -> NDArray[np.float64]:
        """Return spasm torque [N m], shape (2, 3)."""
        s = self._s
        if not self.active:
            return _NOTHING
        out = np.zeros((2, 3))
        if self._left_s <= 0.0 and self._random.random() < s.rate_per_min / 60.0 * self._period_s:
            self._left_s, self._leg = s.duration_s, int(self._random.integers(2))
        if self._left_s > 0.0:
            self._left_s -= self._period_s
            x = 1.0 - self._left_s / s.duration_s
            out[self._leg, :2] = s.torque_nm * np.sin(np.pi * min(max(x, 0.0), 1.0)) ** 2
        return out
