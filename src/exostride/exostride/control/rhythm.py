r"""The controller's own rhythm: follows the estimated phase as far as that can be trusted.

A patient who walks sets the timing; a patient who can't yet needs a robot that leads. Both are one
phase-locked oscillator per leg,

.. math:: \dot\varphi = f + k\, c\, \mathrm{wrap}(\hat\varphi - \varphi) + k_x (1 - c)\,
          \mathrm{wrap}(\varphi_{other} + 1/2 - \varphi),

with the trust c in the estimate: at c = 1 it follows the estimate and its rate, at c = 0 it runs
at the cadence the therapist set and keeps the legs half a cycle apart. Trust is the estimate's confidence
beyond what a guess has, while it says that somebody walks; it is gained slowly and lost quickly, so that a
robot that leads a walker who can't is not led astray by the estimate of its own first steps; somebody who
walks already when the rhythm begins is joined at once. Estimates that bring the legs closer than a limp does
are moved apart before they are followed.

A rhythm is only worth a torque where it is that of the legs: a spring about another moment of the step fells
who walks. The hold on a leg is therefore the trust, or the lead, which grows while the belt moves and nobody
walks, and goes when somebody walks differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, Record, compiled, record
from exostride.types import GaitPhase, GaitState, Vector

_FASTEST_HZ: Final = 3.0
_GAIN_S: Final = 1.5
_LOSE_S: Final = 0.3
"""Time constants with which trust is gained and lost."""
_GUESS: Final = 0.5
_SURE: Final = 0.8
"""Confidence up to which an estimate is no better than a guess, and from which it is trusted wholly."""
_LIMP: Final = 0.15
"""Legs may be this far from half a cycle apart [cycle]."""
_LEAD_S: Final = 3.0
_YIELD_S: Final = 1.0
"""Times in which the lead comes while nobody walks, and goes when somebody walks differently."""
_AGREE: Final = 0.1
"""Phase difference up to which a walker goes along with the lead [cycle]."""
_UNKNOWN: Final = int(GaitState.UNKNOWN)
_STANDING: Final = int(GaitState.STANDING)
_WALKING: Final = int(GaitState.WALKING)


RHYTHM: Final = np.dtype(
    [
        *((name, "f8", (2,)) for name in ("phase", "trust")),
        *((name, "f8") for name in ("lead", "period", "follow", "couple")),
        ("fresh", "i8"),
    ],
    align=True,
)
"""Phase and trust of both legs, how far the robot leads, and what stays."""

_State = Annotated[Record, RHYTHM]


@dataclass(frozen=True, slots=True)
class RhythmSample:
    """Phase (2,) in [0, 1), rate (2,) in cycles per second, hold and trust (2,) in [0, 1], left and right."""

    phase: Vector
    rate_hz: Vector
    hold: Vector
    trust: Vector


@compiled
def _wrapped(difference: float) -> float:
    """Return a phase difference in [-1/2, 1/2)."""
    return (difference + 0.5) % 1.0 - 0.5


@compiled
def _certain(confidence: float) -> float:
    """Return how far a confidence exceeds a guess's, 0..1."""
    return min(max((confidence - _GUESS) / (_SURE - _GUESS), 0.0), 1.0)


@compiled
def _join(rhythm: _State, phase: In1, confidence: In1, walking: bool) -> None:
    """Fall in with a walker who is under way."""
    r = rhythm[0]
    r.fresh = 0
    sure = walking
    for side in range(2):
        sure = sure and isfinite(phase[side]) and isfinite(confidence[side]) and confidence[side] > _GUESS
    if sure:
        for side in range(2):
            r.phase[side] = phase[side] % 1.0
            r.trust[side] = _certain(confidence[side])


@compiled
def _believe(rhythm: _State, side: int, confidence: float) -> float:
    """Return the trust in the estimate of one leg."""
    r = rhythm[0]
    goal, trust = _certain(confidence), r.trust[side]
    time_s = _GAIN_S if goal > trust else _LOSE_S
    trust += (goal - trust) * r.period / (r.period + time_s)
    r.trust[side] = trust
    return float(trust)


@compiled
def _go_ahead(rhythm: _State, state: int, moving: bool, apart: float) -> None:
    """Let the lead come while nobody walks on a belt that moves, and go when somebody walks otherwise."""
    r = rhythm[0]
    if not moving:
        r.lead = max(r.lead - r.period / _YIELD_S, 0.0)
    elif state in (_STANDING, _UNKNOWN):
        r.lead = min(r.lead + r.period / _LEAD_S, 1.0)
    elif state == _WALKING and apart > _AGREE:
        r.lead = max(r.lead - r.period / _YIELD_S, 0.0)


@compiled
def _advance(
    rhythm: _State, phase: In1, rate: In1, confidence: In1, state: int, lead_hz: float, moving: bool
) -> NDArray[np.float64]:
    """Move on by a tick; return phase, rate, hold and trust of both legs, rows of (4, 2)."""
    r, walking = rhythm[0], state == _WALKING
    if r.fresh:
        _join(rhythm, phase, confidence, walking)
    old, usable = (r.phase[0], r.phase[1]), np.zeros(2, np.bool_)
    for side in range(2):
        known = isfinite(phase[side]) and isfinite(rate[side]) and isfinite(confidence[side])
        usable[side] = walking and known
    excess = 0.0
    if usable[0] and usable[1]:
        # No closer than a limp.
        off = _wrapped(phase[1] - phase[0] - 0.5)
        excess = 0.5 * (off - min(max(off, -_LIMP), _LIMP))
    out, apart = np.empty((4, 2)), 0.0
    for side in range(2):
        own, trust = old[side], _believe(rhythm, side, confidence[side] if usable[side] else 0.0)
        speed = lead_hz
        if usable[side]:
            seen = phase[side] + (excess if side == 0 else -excess)
            apart = max(apart, abs(_wrapped(seen - own)))
            believed = min(max(rate[side], 0.0), _FASTEST_HZ)
            speed += trust * (believed - lead_hz) + r.follow * trust * _wrapped(seen - own)
        speed += r.couple * (1.0 - trust) * _wrapped(old[1 - side] + 0.5 - own)
        # A leg may wait for the walker but never run backwards: the reference would swing back with it.
        out[1, side] = min(max(speed, 0.0), _FASTEST_HZ)
        out[0, side] = r.phase[side] = (own + out[1, side] * r.period) % 1.0
    _go_ahead(rhythm, state, moving, apart)
    for side in range(2):
        out[2, side], out[3, side] = max(r.trust[side], r.lead), r.trust[side]
    return out


class Rhythm:
    """Phase-locked oscillator of both legs (see module).

    Parameters
    ----------
    period_s
        Control period [s].
    follow_hz
        Gain k [1/s] with which a trusted estimate is followed.
    couple_hz
        Gain k_x [1/s] that keeps the legs half a cycle apart while the robot leads.
    """

    def __init__(self, period_s: float, follow_hz: float = 12.0, couple_hz: float = 2.0) -> None:
        self._state: Record = record(RHYTHM, period=period_s, follow=follow_hz, couple=couple_hz)
        self.reset()

    def reset(self) -> None:
        """Return to the start of a left step."""
        self._state["phase"] = (0.0, 0.5)
        self._state["trust"] = self._state["lead"] = 0.0
        self._state["fresh"] = 1

    def step(self, phase: GaitPhase, lead_hz: float, moving: bool = True) -> RhythmSample:
        """Advance one period.

        Parameters
        ----------
        phase
            The estimate of this tick.
        lead_hz
            The stride rate to keep when nobody else does.
        moving
            Whether the belt moves; while it stands, there is nothing to lead.
        """
        estimate = (phase.phase, phase.rate_hz, phase.confidence, int(phase.state))
        rows = _advance(self._state, *estimate, lead_hz, moving)
        return RhythmSample(*rows)
