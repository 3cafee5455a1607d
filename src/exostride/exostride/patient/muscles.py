r"""Muscles between intention and joint: strength by direction, activation, delay, fatigue and limits.

A torque comes from the muscles of its own direction: flexors and extensors are weak apart, and so is the
stiffness that they give the joint. What is left of the drive ``u`` at a joint is

.. math:: \tau = [s + (1 - s)\, p\, h(v)]\, u, \qquad |\tau| \le s\, \tau_{max} (1 - \text{fatigue})

with the strength ``s`` of the direction of ``u``. A central paresis loses shortening contractions first: the
torque of lengthening muscles is preserved, and the loss grows with the speed of shortening (Knutsson &
Martensson 1980, Scand J Rehabil Med 12:93; Engardt, Knutsson, Jonsson & Sternhag 1995, Arch Phys Med Rehabil
76:419; Eng, Lomaglio & MacIntyre 2009, Med Sci Sports Exerc 41:1353), and to hold a load well below the
maximum is a matter of driving the muscle harder (Milot, Nadeau & Gravel 2007, J Electromyogr Kinesiol
17:184). So ``h`` is 1 while the muscle holds or lengthens and falls to 0 at :data:`SHORTENING_RAD_S`; ``p``
is the part of the loss that such contractions escape, 0 for a peripheral palsy. Torque also builds up late
and slowly (McCrea, Eng & Hodgson 2003, Muscle Nerve 28:46): ``delay_s`` and ``slowness`` of a side.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, In3, Int1, Out2, Out3, compiled
from exostride.patient.profile import PatientProfile, Side

ACTIVATION_S: Final = 0.04
"""Time constant of a healthy muscle's activation, which the learned internal model anticipates."""

MAX_TORQUE_NM_KG: Final = np.array([[1.6, 1.9, 1.5, 0.7], [1.5, 2.9, 2.9, 2.6]])
"""Largest torque per body mass, rows: positive direction (abduction, flexion, dorsiflexion), negative.

Rounded from the isometric and isokinetic maxima of young adults in Anderson, Madigan & Nussbaum (2007),
J Biomech 40:3105, with plantarflexion at the level that fast walking needs.
"""

SHORTENING_RAD_S: Final = 1.0
"""Speed of shortening at which a paretic muscle has lost all that its strength says (about 60 deg/s)."""

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


@compiled
def activate(
    started: bool,
    activation: Out2,
    line: Out3,
    head: int,
    lag: Int1,
    blend: In2,
    model: In2,
    rate: In2,
    effort: In1,
) -> NDArray[np.float64]:
    """Return the drive that the internal model's torque [N m] gives the muscles after a tick, shape (2, 4).

    The command ``tau + T tau'`` makes a healthy muscle (time constant ``T``) give ``tau``; a slower or
    later one gives it less and later. ``effort`` has a value a leg. What strength makes of it is
    :func:`contract`'s part. ``line[head]`` takes the command; muscles that have not ``started`` have long
    been at it.
    """
    n = line.shape[0]
    out = np.empty((2, 4))
    for leg in range(2):
        for i in range(4):
            command = (model[leg, i] + ACTIVATION_S * rate[leg, i]) * effort[leg]
            if not started:
                activation[leg, i] = model[leg, i] * effort[leg]
                line[:, leg, i] = command
            line[head, leg, i] = command
            late = line[(head - lag[leg]) % n, leg, i]
            activation[leg, i] += blend[leg, 0] * (late - activation[leg, i])
            out[leg, i] = activation[leg, i]
    return out


@compiled
def contract(
    drive: In2,
    velocity: In2,
    strength: In3,
    preserved: In2,
    limit: In3,
) -> NDArray[np.float64]:
    """Return torque and gain, shape (2, 2, 4); ``strength`` and ``limit`` by direction, leg and joint."""
    out = np.empty((2, 2, 4))
    for leg in range(2):
        for i in range(4):
            u, v = drive[leg, i], velocity[leg, i]
            if u > 0.0:
                s, shortening = strength[0, leg, i], v / SHORTENING_RAD_S
            else:
                s, shortening = strength[1, leg, i], -v / SHORTENING_RAD_S
            kept = preserved[leg, 0] * (1.0 - min(max(shortening, 0.0), 1.0))
            gain = s + (1.0 - s) * kept
            out[0, leg, i] = min(max(gain * u, -limit[1, leg, i]), limit[0, leg, i])
            out[1, leg, i] = gain
    return out


class Muscles:
    """Turns the torque a person means into the torque that comes out; state of all muscles of both legs.

    Arrays of one leg's joints have shape (2, 4): leg, joint (abduction, hip, knee, ankle).
    """

    def __init__(self, profile: PatientProfile, period_s: float) -> None:
        self.period_s = period_s
        sides = (profile.left, profile.right)
        strength = np.array([strength_matrix(s) for s in sides])
        self._strength = np.ascontiguousarray(strength.transpose(1, 0, 2))
        self._preserved = np.array([[s.preserved] for s in sides])
        self._limit = self._strength * (MAX_TORQUE_NM_KG * profile.body.mass_kg)[:, None]
        slowness = np.array([[s.slowness] for s in sides])
        self._blend = 1.0 - np.exp(-period_s / (ACTIVATION_S * slowness))
        self._lag = np.array([round(s.delay_s / period_s) for s in sides])
        self._fatigue = profile.fatigue.factor * _FATIGUE_RATE * period_s
        self._recover = profile.fatigue.factor * _RECOVERY_RATE * period_s
        self._rest = profile.fatigue.rest_factor
        self.reset()

    def reset(self) -> None:
        """Rest: no activation, no fatigue."""
        self._activation = np.zeros((2, 4))
        self._line = np.zeros((int(self._lag.max()) + 1, 2, 4))
        self._head = 0
        self._started = False
        self.fatigued = np.zeros((2, 4))
        self._left = self._limit
        self._weaken()
        self._tick = 0

    def volition(self) -> tuple[Any, ...]:
        """Move on by a tick; return the state that :func:`activate` takes first."""
        started, self._started = self._started, True
        self._head = (self._head + 1) % len(self._line)
        return started, self._activation, self._line, self._head, self._lag, self._blend

    @property
    def strength(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """What :func:`contract` takes last: gain and limit by direction, leg and joint, what is preserved."""
        return self._gain, self._preserved, self._left

    def contract(
        self, drive: NDArray[np.float64], velocity: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what comes of a drive, and let the muscles tire.

        Parameters
        ----------
        drive, velocity
            Torque that the joints would have in a healthy person [N m] and joint velocity [rad/s], (2, 4).

        Returns
        -------
        torque
            Torque at the joints [N m], shape (2, 4), never beyond what the muscles have left.
        gain
            Part of the drive that comes through, shape (2, 4): also that of a joint's muscular stiffness.
        """
        torque, gain = contract(drive, velocity, *self.strength)
        self.tire(torque)
        return torque, gain

    def tire(self, torque: NDArray[np.float64]) -> None:
        """Let a tick of a torque [N m], shape (2, 4), tire the muscles."""
        self._tick += 1
        if self._tick % _FATIGUE_TICKS == 0:
            self._tire(torque)

    def _tire(self, torque: NDArray[np.float64]) -> None:
        left = 1.0 - self.fatigued
        high, low = self._left
        used = np.abs(torque) / np.maximum(np.where(torque > 0.0, high, low), 1.0)
        recovery = self._recover * np.where(used < _RESTING, self._rest, 1.0)
        change = self._fatigue * used * left - recovery * self.fatigued
        self.fatigued = np.minimum(np.maximum(self.fatigued + _FATIGUE_TICKS * change, 0.0), 0.95)
        self._left = self._limit * (1.0 - self.fatigued)
        self._weaken()

    def _weaken(self) -> None:
        """Take fatigue off the drive that paresis leaves: who has reserves drives a tired muscle harder."""
        self._gain = self._strength * (1.0 - (1.0 - self._strength) * self.fatigued)
