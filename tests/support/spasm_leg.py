"""One leg of the spasm detector, alone, and a stand-in for what is expected of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from exostride.safety.detect_spasm import BINS, Leg
from exostride.safety.limits import SafetyLimits
from exostride.types import Action

ZERO = [0.0, 0.0, 0.0]
FIRST = [(-180.0, 180.0, 1.0), (-144.0, 144.0, 1.0), (-144.0, 144.0, 1.0)]
"""Of hip, knee and ankle, as long as the walker is not known: twelve times 15 and 12 N m."""
LEAST = [(-15.0, 15.0, 2.0), (-12.0, 12.0, 2.0), (-12.0, 12.0, 2.0)]


class Course:
    """Stands in for what is expected: nothing, of a walker who is known from the first tick or never."""

    known = True
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.told: list[Any] = []
        self.pauses = self.taken_back = 0

    def step(self, torque: list[float], signal: list[float], phase: float, lifted: bool) -> Any:
        self.told.append((torque, signal, phase, lifted))
        return np.array(torque) if self.known else None

    def pause(self) -> None:
        self.pauses += 1

    def unlearn(self) -> None:
        self.taken_back += 1


def body(limits: SafetyLimits, **changes: float) -> SafetyLimits:
    detect = limits.detect
    return limits.model_copy(
        update={"detect": detect.model_copy(update={"body": detect.body.model_copy(update=changes)})}
    )


def judged(
    leg: Leg, away: list[float], ticks: int = 1, lost: bool = False, pressed: bool = False
) -> list[tuple[Action, Action, Action]]:
    """Return what is said of a torque that is so far away for so many ticks."""
    said = []
    for _ in range(ticks):
        leg.away = list(away)
        said.append(leg.judge(pressed, lost))
    return said


def learn(leg: Leg, values: list[float], bins: dict[int, float] | None = None, lifted: bool = False) -> None:
    """Pass through the whole stride once for each value, which every joint then has; ``bins`` have more."""
    leg.lifted = lifted
    for value in values:
        for b in range(BINS):
            leg.step(ZERO, [], (b + 0.5) / BINS, False)
            leg.away = [value + (bins or {}).get(b, 0.0)] * 3
            leg.judge(False, False)


def enter(leg: Leg, b: int) -> list[tuple[float, float, float]]:
    leg.step(ZERO, [], (b + 0.5) / BINS, False)
    return leg.bounds
