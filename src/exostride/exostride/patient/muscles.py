"""Muscles between intention and joint: strength, activation, delay, fatigue and limits."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.patient.profile import PatientProfile, Side

ACTIVATION_S: Final = 0.04
"""Time constant of a healthy muscle's activation, which the learned internal model anticipates."""

MAX_TORQUE_NM_KG: Final = np.array([[1.6, 1.9, 1.5, 0.7], [1.5, 2.9, 2.9, 2.6]])
"""Largest torque per body mass, rows: positive direction (abduction, flexion, dorsiflexion), negative.

Rounded from the isometric and isokinetic maxima of young adults in Anderson, Madigan & Nussbaum (2007),
J Biomech 40:3105, with plantarflexion at the level that fast walking needs.
"""

_FATIGUE_RATE: Final = np.array([0.0097, 0.0097, 0.0150, 0.00589])
_RECOVERY_RATE: Final = np.array([0.00091, 0.00091, 0.00149, 0.00058])
_FATIGUE_TICKS: Final = 10
"""Fatigue moves in minutes: it is advanced every so many ticks."""
_RESTING: Final = 0.05
"""Below this part of its capacity a muscle counts as resting."""


def strength_matrix(side: Side) -> NDArray[np.float64]:
    """Return strength by direction (positive, negative) and joint of a leg, shape (2, 4)."""
    s = side.strength
    return np.array(
        [
            [s.abduction, s.hip_flexion, s.knee_flexion, s.dorsiflexion],
            [s.adduction, s.hip_extension, s.knee_extension, s.plantarflexion],
        ]
    )


class Muscles:
    """Turns the torque a person means into the torque that comes out; state of all muscles of both legs.

    Arrays of one leg's joints have shape (2, 4): leg, joint (abduction, hip, knee, ankle).
    """

    def __init__(self, profile: PatientProfile, period_s: float) -> None:
        self.period_s = period_s
        sides = (profile.left, profile.right)
        strength = np.array([strength_matrix(s) for s in sides])
        self.positive, self.negative = strength[:, 0], strength[:, 1]
        self.tone = strength.mean(axis=1)
        self._full = bool((strength == 1.0).all())
        limit = MAX_TORQUE_NM_KG * profile.body.mass_kg
        self._limit_positive, self._limit_negative = self.positive * limit[0], self.negative * limit[1]
        slowness = np.array([[s.slowness] for s in sides])
        self._blend = 1.0 - np.exp(-period_s / (ACTIVATION_S * slowness))
        self._lag = [round(s.delay_s / period_s) for s in sides]
        self._fatigue = profile.fatigue.factor * _FATIGUE_RATE * period_s
        self._recover = profile.fatigue.factor * _RECOVERY_RATE * period_s
        self._rest = profile.fatigue.rest_factor
        self.reset()

    def reset(self) -> None:
        """Rest: no activation, no fatigue."""
        self._activation = np.zeros((2, 4))
        self._line = np.zeros((max(self._lag) + 1, 2, 4))
        self._head = 0
        self._started = False
        self.fatigued = np.zeros((2, 4))
        self._high, self._low = self._limit_positive, self._limit_negative
        self._tick = 0
        self.torque = np.zeros((2, 4))

    def step(
        self, model: NDArray[np.float64], model_rate: NDArray[np.float64], effort: float
    ) -> NDArray[np.float64]:
        """Return the torque of the internal model as it arrives at the joints [N m], shape (2, 4).

        The command ``tau + T tau'`` makes a healthy muscle (time constant ``T``) give ``tau``; a slower,
        later, weaker or tired one gives less, later.
        """
        command = (model + ACTIVATION_S * model_rate) * effort
        if not self._started:
            self._activation = model * effort
            self._line[:] = command
            self._started = True
        delayed = self._delay(command)
        self._activation += self._blend * (delayed - self._activation)
        torque = self._activation
        if self._full:
            self.torque = torque
        else:
            self.torque = np.maximum(torque, 0.0) * self.positive + np.minimum(torque, 0.0) * self.negative
        return np.asarray(self.torque)

    def _delay(self, command: NDArray[np.float64]) -> NDArray[np.float64]:
        line, n = self._line, len(self._line)
        if n == 1:
            return np.asarray(command)
        self._head = (self._head + 1) % n
        line[self._head] = command
        return np.array([line[(self._head - self._lag[i]) % n, i] for i in (0, 1)])

    def limit(self, torque: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all voluntary torque held within what the muscles have left, and let them tire."""
        out = np.minimum(np.maximum(torque, -self._low), self._high)
        self._tick += 1
        if self._tick % _FATIGUE_TICKS == 0:
            self._tire(out)
        return np.asarray(out)

    def _tire(self, torque: NDArray[np.float64]) -> None:
        left = 1.0 - self.fatigued
        used = np.abs(torque) / np.maximum(np.where(torque > 0.0, self._high, self._low), 1.0)
        recovery = self._recover * np.where(used < _RESTING, self._rest, 1.0)
        change = self._fatigue * used * left - recovery * self.fatigued
        self.fatigued = np.minimum(np.maximum(self.fatigued + _FATIGUE_TICKS * change, 0.0), 0.95)
        left = 1.0 - self.fatigued
        self._high, self._low = self._limit_positive * left, self._limit_negative * left
