"""One leg of the spasm detector, alone, and a stand-in for what is expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from exostride.safety.detect_spasm import BINS, Leg
from exostride.safety.limits import SafetyLimits
from exostride.types import Action

ZERO = [0.0, 0.0, 0.0]
FIRST = [(-180.0, 180.0, 1.0), (-144.0, 144.0, 1.0), (-144.0, 144.0, 1.0)]
"""Of hip, knee and ankle, as long as the walker is not known: twelve times 15 and 12 N m."""
STRIDE = 200
"""Ticks."""
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


def settle(leg: Leg, standing: Sequence[int], lifted: Sequence[int], strides: int = 6) -> None:
    """Walk strides with the foot on the ground in some bins and in the air in others."""
    rest(leg, leg.lifted)
    for _ in range(strides):
        for bins, leg.lifted in ((standing, False), (lifted, True)):
            for b in bins:
                enter(leg, b)
                judged(leg, ZERO)


def touch(leg: Leg) -> None:
    """Let the foot meet the ground, or leave it."""
    leg.foot(400.0 if leg.lifted else 0.0)


def rest(leg: Leg, lifted: bool) -> None:
    """Have the foot so for as long as it takes until the leg is judged again."""
    for _ in range(20):
        leg.foot(0.0 if lifted else 400.0)


def strays(leg: Leg, b: int, lifted: bool, away: Sequence[float] | None = None) -> bool:
    """Enter a bin with the foot so; return whether the leg is out of step then, and end that.

    With a torque ``away`` the leg is judged, too.
    """
    if away is not None:
        rest(leg, lifted)
    leg.lifted = lifted
    leg.step(ZERO, [], None, False)
    known = []
    for _ in range(2):
        leg.step(ZERO, [], (b + 0.5) / BINS, False)
        known.append(leg.known)
        if away is not None:
            judged(leg, list(away))
    assert known[0] == known[1], "it is out of step from the first tick on, or is not"
    out = not known[0]
    touch(leg)
    touch(leg)
    return out


class Walked(NamedTuple):
    """What a leg said tick by tick: its bin, None where its phase was not known, and the highest level."""

    places: list[int | None]
    levels: list[Action]


def walk(leg: Leg, start: int, end: int, *changes: int, away: Sequence[float] = ZERO) -> Walked:
    """Walk from one tick of the stride to before another, a torque away; the foot changes in some ticks."""
    said = Walked([], [])
    for k in range(start, end):
        lifted = leg.lifted != (k in changes)
        leg.foot(0.0 if lifted else 400.0)
        leg.step(ZERO, [], k % STRIDE / STRIDE, False)
        leg.away = list(away)
        said.levels.append(max(leg.judge(False, False)))
        said.places.append(leg.bin if leg.known else None)
    return said
