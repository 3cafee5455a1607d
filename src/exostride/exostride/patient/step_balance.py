r"""Balance from step to step: what a walker changes of the coming half step, learned from their own walks.

Continuous feedback (:mod:`exostride.patient.policy`) holds the motion; whether errors grow from step to step
is a question of the map from one step to the next (Poincaré map), which people steady once a step, by foot
placement above all (Kuo 1999, IJRR 18:917; Hof 2008, Hum Mov Sci 27:112; Kim & Collins 2015, J NeuroEng
Rehabil 12:43; Bruijn & van Dieën 2018, J R Soc Interface 15:20170816). At :data:`POINTS` phases of every
step the walker reads the error :math:`s` of their posture against the plan and holds for the part of the step
that follows

.. math:: u = \operatorname{sat}\bigl(-K_j (s - \bar s_j)\bigr)

with the walk's own mean :math:`\bar s_j` at that phase. Left and right steps are mirror images and share one
law. :mod:`exostride.bench.learn_steps` identifies the map and finds :math:`K_j`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, Out1, Out2, compiled
from exostride.patient.interface import PatientSense
from exostride.patient.policy import STANCE_LOAD, Drive, Posture
from exostride.patient.step_law import INPUTS, POINTS, StepLaw
from exostride.types import Vector

LIMITS: Final = np.array([0.15, 0.10, 0.04, 0.05, 0.04, 0.12, 0.12])
"""Largest value of each input."""
FIRST_PHASE: Final = 0.06
"""Phase of the stance leg at the first decision of a step, just after its heel strike."""
_PACE: Final = INPUTS.index("pace")
_SMOOTHING_S: Final = 0.03
_LATERAL: Final = np.array([1, 3, 5, 7, 9, 10])
"""States that change sign with the side."""


@dataclass(frozen=True, slots=True)
class Body:
    """The walker's measures: periods and lengths that make things dimensionless."""

    period_s: float
    time_s: float
    froude_m_s: float


def step_state(
    sense: PatientSense,
    yaw: float,
    plan: NDArray[np.float64],
    rate: NDArray[np.float64],
    p: Posture,
    leg: int,
    body: Body,
) -> Vector:
    """Return the state of a step, seen from its stance leg (0 left, 1 right).

    ``yaw`` is in rad, ``plan`` and ``rate`` are planned angles [rad] and rates [rad per sqrt(l/g)] of the
    joints, shape (2, 4).
    """
    spin, rise = float(sense.pelvis_rate_rad_s[2]), float(sense.pelvis_velocity_m_s[2])
    pelvis = np.array(
        [
            *(p.forward, p.sideways, p.pitch, p.roll),
            *(p.forward_velocity, p.sideways_velocity, p.pitch_rate, p.roll_rate),
            *(p.height, yaw, spin * body.time_s, rise / body.froude_m_s),
        ]
    )
    if leg == 1:
        pelvis[_LATERAL] *= -1.0
    order = [leg, 1 - leg]
    angle = (sense.angle_rad.reshape(2, 4) - plan)[order]
    change = (sense.velocity_rad_s.reshape(2, 4) * body.time_s - rate)[order]
    return np.concatenate([pelvis, angle.ravel(), change.ravel()])


@dataclass(frozen=True, slots=True)
class Decision:
    """One reading of the state, and what was decided upon it."""

    point: int
    state: Vector
    input: Vector


@compiled
def _add(given: Out1, asked: In1, keep: float, load: In1, stance: int, angle: Out2, balance: Out2) -> None:
    """Let what is given follow what was asked for, and add it to the angles and torques of both legs (2, 4).

    ``stance`` is the leg of the step under way; -1: none is.
    """
    for k in range(given.size):
        given[k] = keep * given[k] + (1.0 - keep) * asked[k]
    if stance < 0:
        return
    swing = 1 - stance
    bears = min(load[stance] / STANCE_LOAD, 1.0)
    free = 1.0 - min(load[swing] / STANCE_LOAD, 1.0)
    hip, side, ankle, trunk, abduction, knee = given[0], given[1], given[2], given[3], given[4], given[6]
    angle[swing, 0] += free * side
    angle[swing, 1] += free * hip
    angle[swing, 2] += free * knee
    balance[stance, 0] += bears * abduction
    balance[stance, 1] += bears * trunk
    balance[stance, 3] += bears * ankle


class StepBalance:
    """Decides at the points of each step and adds to the drive what was decided.

    ``explore``, if set, returns what is added to each decision, and every decision is kept in ``decisions``:
    this is how the map is identified.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._keep = math.exp(-body.period_s / _SMOOTHING_S)
        self.explore: Callable[[], Vector] | None = None
        self._followed: list[tuple[float, StepLaw]] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the step under way."""
        self.decisions: list[Decision] = []
        self._place: int | None = None
        self._asked = np.zeros(len(INPUTS))
        self._given = np.zeros(len(INPUTS))

    def follow(self, law: StepLaw | None) -> None:
        """Follow this law at every speed instead of the plan's; None: no law (for fits)."""
        self._followed = [] if law is None else [(1.0, law)]

    @property
    def pace(self) -> float:
        """Factor on the rate of the rhythm."""
        return 1.0 + float(self._given[_PACE])

    def step(
        self,
        laws: list[tuple[float, StepLaw]],
        phase: float,
        state: Callable[[int], Vector],
        drive: Drive,
        load: Vector,
    ) -> None:
        """Decide if a point is reached, and add to ``drive``.

        ``laws`` are weights and laws of the speeds around the present one, ``phase`` the left leg's,
        ``state`` reads the state for a stance leg, ``load`` is per leg in body weights.
        """
        laws = laws if self._followed is None else self._followed
        if not laws and self.explore is None:
            self._asked[:] = 0.0
            self._place = None
        else:
            since = (phase - FIRST_PHASE) % 1.0
            place = min(int(since * 2 * POINTS), 2 * POINTS - 1)
            # A heel strike that sets the rhythm back does not make the walker decide again.
            if self._place is None or 0 < (place - self._place) % (2 * POINTS) <= POINTS:
                self._place = place
                self._decide(laws, place % POINTS, state(place // POINTS))
        stance = -1 if self._place is None else self._place // POINTS
        _add(self._given, self._asked, self._keep, load, stance, drive.angle, drive.balance)

    def _decide(self, laws: list[tuple[float, StepLaw]], point: int, state: Vector) -> None:
        asked = np.zeros(len(INPUTS))
        for weight, law in laws:
            asked += weight * law.input(point, state)
        if self.explore is not None:
            asked += self.explore()
        self._asked = np.clip(asked, -LIMITS, LIMITS)
        if self.explore is not None:
            self.decisions.append(Decision(point, state, self._asked))


__all__ = [
    "LIMITS",
    "Body",
    "Decision",
    "StepBalance",
    "step_state",
]
