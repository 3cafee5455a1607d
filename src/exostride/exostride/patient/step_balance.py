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
        self._given = self._keep * self._given + (1.0 - self._keep) * self._asked
        if self._place is not None:
            self._add(drive, load, self._place // POINTS)

    def _decide(self, laws: list[tuple[float, StepLaw]], point: int, state: Vector) -> None:
        asked = np.zeros(len(INPUTS))
        for weight, law in laws:
            asked += weight * law.input(point, state)
        if self.explore is not None:
            asked += self.explore()
        self._asked = np.clip(asked, -LIMITS, LIMITS)
        if self.explore is not None:
            self.decisions.append(Decision(point, state, self._asked))

    def _add(self, drive: Drive, load: Vector, stance: int) -> None:
        swing = 1 - stance
        hip, side, ankle, trunk, abduction, _, knee = self._given.tolist()
        bears = min(float(load[stance]) / STANCE_LOAD, 1.0)
        free = 1.0 - min(float(load[swing]) / STANCE_LOAD, 1.0)
        drive.angle[swing, :3] += free * np.array([side, hip, knee])
        drive.balance[stance] += bears * np.array([abduction, trunk, 0.0, ankle])


__all__ = [
    "LIMITS",
    "Body",
    "Decision",
    "StepBalance",
    "step_state",
]
