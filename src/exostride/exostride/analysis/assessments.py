r"""What the robot's assessments measured: tone, isometric force and range of motion.

The torque of the body at one of its joints, tissue and muscles together, is what inverse dynamics leaves
after the cuffs' part is taken off: :math:`\tau_{body} = M_{net} - \tau_{cuff}`. Passively moved, it
resists; its growth with speed is tone. A joint that is led faster lags further behind and is met at other
angles, so the elastic course of its tissue is taken off first, as the slowest ways tell it:

.. math:: -\tau_{body} = e(q) + b\,\dot q, \qquad e(q) = e_0 + e_1 q + e_2 q^2

When an assessment was under way stands in the therapy settings, what moved in the commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import uniform_filter1d

from exostride.analysis.effort import effort_of
from exostride.analysis.estimate import Estimate, missing, single
from exostride.analysis.planar import smooth
from exostride.analysis.session import Session
from exostride.analysis.walk import Walk

PASSIVE: Final = "passive_movement"
HOLD: Final = "isometric_hold"
RANGE: Final = "range_of_motion"
NOT_DONE: Final = "this assessment was not part of the session"
NO_TORQUE: Final = "forces or body dimensions are missing for this assessment"
STRONGER: Final = "the patient was stronger than the robot can hold"
SHAKING: Final = "the joint shook by itself"
"""Clonus: reflexes that keep themselves going resist as much at any speed, so there is no growth with it."""
REASONS: Final = (NOT_DONE, NO_TORQUE, STRONGER, SHAKING)

_MOVING_RAD_S: Final = np.radians(3.0)
_RESTING_RAD_S: Final = np.radians(0.1)
_LEAST_S: Final = 0.1
_LIFTED_RAD: Final = 0.4
_PUSH_S: Final = 0.5
"""A force counts when it is held for so long."""
_GAVE_RAD: Final = 0.08
"""A leg that moved by as much was not held."""
_LEAST_PASSES: Final = 4
_PEAKED, _LONG_S = 1.25, 1.0
"""A move at constant speed that takes long is no faster in its middle than this."""
_SLOWEST: Final = 1.1
"""A way led at up to so many times the least speed is one of the slowest."""


@dataclass(frozen=True, slots=True)
class Motion:
    """The patient's own joints over time (N, 6): angle [rad], velocity [rad/s], torque of the body [N m]."""

    angle_rad: NDArray[np.float64]
    velocity_rad_s: NDArray[np.float64]
    torque_nm: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pass:
    """One way of one joint, while it was led at constant speed.

    Attributes
    ----------
    sign
        1 flexion, -1 extension.
    led_rad_s
        Speed at which it was led [rad/s].
    speed_rad_s, angle_rad, resistance_nm
        Speed in this direction, angle and resistance of the body (n,).
    """

    sign: float
    led_rad_s: float
    speed_rad_s: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    resistance_nm: NDArray[np.float64]

    @property
    def shakes(self) -> bool:
        """Whether the joint swung about more than it was moved."""
        return bool(self.speed_rad_s.std() > abs(float(self.speed_rad_s.mean())))


def spans(session: Session, controller: str) -> list[tuple[float, float]]:
    """Return when a control law was in force [s]."""
    changes = session.settings
    ends = [*(change.time_s for change in changes[1:]), float(session.time_s[-1])]
    pairs = zip(changes, ends, strict=True) if changes else ()
    return [(change.time_s, end) for change, end in pairs if change.controller == controller]


def _rows(session: Session, controller: str) -> NDArray[np.bool_]:
    """Return which ticks belong to an assessment."""
    inside = np.zeros(len(session.time_s), dtype=bool)
    for start, end in spans(session, controller):
        inside |= (session.time_s >= start) & (session.time_s <= end)
    return inside


def motion(walk: Walk) -> Motion | None:
    """Return how the patient's own joints moved and what tissue and muscles gave, or None where unknown."""
    if "_motion" not in walk.__dict__:
        walk.__dict__["_motion"] = _motion(walk)
    cached: Motion | None = walk.__dict__["_motion"]
    return cached


def _motion(walk: Walk) -> Motion | None:
    effort = effort_of(walk)
    left, right, worn = effort.body_torque_nm(0), effort.body_torque_nm(1), walk.worn
    if left is None or right is None or worn is None:
        return None
    rate = smooth(worn.velocity_rad_s, walk.session.period_s)
    return Motion(worn.angle_rad, rate, np.hstack([left, right]))


def _rates(session: Session) -> NDArray[np.float64]:
    """Return how fast the joints are led (N, 6) [rad/s]."""
    assert session.reference_rad is not None
    return np.asarray(np.gradient(session.reference_rad, session.time_s, axis=0))


def _alone(session: Session, column: int, inside: NDArray[np.bool_]) -> Iterator[slice]:
    """Yield the stretches in which one joint's reference moves and no other."""
    rate = _rates(session)
    moving = np.abs(rate) > _MOVING_RAD_S
    alone = moving[:, column] & (moving.sum(axis=1) == 1) & inside
    sign = np.sign(rate[:, column]) * alone
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], sign, [0.0]])))
    for start, end in pairwise(edges.tolist()):
        if sign[start] and (end - start) * session.period_s >= _LEAST_S:
            yield slice(start, end)


def passes(session: Session, moved: Motion, column: int) -> list[Pass]:
    """Return every way of a joint in the assessment of tone, with what it met at its constant speed."""
    found = []
    rates = _rates(session)
    others = np.abs(np.delete(rates, column, axis=1)).max(axis=1)
    for place in _alone(session, column, _rows(session, PASSIVE)):
        if others[place].max() > _RESTING_RAD_S:
            continue  # the end of a soft move of several joints
        rate = rates[place, column]
        peaked = np.abs(rate).max() > _PEAKED * np.abs(rate).mean()
        if peaked and (place.stop - place.start) * session.period_s > _LONG_S:
            continue  # a soft move between postures, not one of constant speed
        led = float(np.abs(rate).max())
        steady = np.abs(rate) > 0.95 * led
        sign = float(np.sign(rate.mean()))
        angle, velocity, torque = (
            values[place, column][steady]
            for values in (moved.angle_rad, moved.velocity_rad_s, moved.torque_nm)
        )
        found.append(Pass(sign, led, sign * velocity, angle, -sign * torque))
    return found


def growth(ways: Sequence[Pass]) -> tuple[float, float]:
    """Return how the resistance of ways in one direction grows with speed, and its margin [N m s/rad].

    The margin is half of the 95 % interval of the straight line through the ways; it knows their scatter,
    not what all of them have in common.
    """
    least = min(way.led_rad_s for way in ways)
    slowest = [way for way in ways if way.led_rad_s <= _SLOWEST * least]
    angle = np.concatenate([way.angle_rad for way in slowest])
    middle = angle.mean()
    elastic = np.polyfit(angle - middle, np.concatenate([way.resistance_nm for way in slowest]), 2)
    x = np.array([way.speed_rad_s.mean() for way in ways])
    y = [(way.resistance_nm - np.polyval(elastic, way.angle_rad - middle)).mean() for way in ways]
    fit = stats.linregress(x, y)
    return float(fit.slope), float(stats.t.ppf(0.975, len(ways) - 2) * fit.stderr)


def tone(walk: Walk, column: int, sign: float) -> Estimate:
    """Return how resistance against one direction grows with speed [N m s/rad]."""
    session = walk.session
    if not spans(session, PASSIVE):
        return missing(NOT_DONE)
    moved = motion(walk)
    if moved is None or session.reference_rad is None:
        return missing(NO_TORQUE)
    ways = [way for way in passes(session, moved, column) if way.sign == sign]
    if len(ways) < _LEAST_PASSES:
        return missing(NOT_DONE)
    if 2 * sum(way.shakes for way in ways) > len(ways):
        return missing(SHAKING)
    slope, margin = growth(ways)
    return single(slope, len(ways), margin)


def _muscles_nm(walk: Walk, side: int) -> NDArray[np.float64] | None:
    """Return what the muscles of one leg give (N, 3), computed once for a walk, or None."""
    cache = walk.__dict__.setdefault("_muscles", {})
    if side not in cache:
        cache[side] = effort_of(walk).patient_torque_nm(side)
    found: NDArray[np.float64] | None = cache[side]
    return found


def held(session: Session, column: int) -> NDArray[np.bool_]:
    """Return the ticks in which the leg of a joint hung lifted in the assessment of force."""
    assert session.angle_rad is not None
    return np.asarray(_rows(session, HOLD) & (session.angle_rad[:, 3 * (column // 3)] > _LIFTED_RAD))


def force(walk: Walk, column: int, sign: float) -> Estimate:
    """Return the largest torque [N m] that was held for half a second against the robot.

    It is what the muscles give. Tissue that is stretched where cuffs give takes up to a third of the ankle's
    push, which is accounted for; what the leg does unasked (its median over the hold) is taken off.
    """
    session = walk.session
    if not spans(session, HOLD):
        return missing(NOT_DONE)
    torque = _muscles_nm(walk, column // 3)
    if torque is None or session.reference_rad is None or session.angle_rad is None:
        return missing(NO_TORQUE)
    rows = held(session, column)
    if rows.sum() * session.period_s < 2.0 * _PUSH_S:
        return missing(NOT_DONE)
    angle = session.angle_rad[rows, column]
    own = torque[rows, column % 3]
    push = sign * uniform_filter1d(own - np.median(own), max(1, round(_PUSH_S / session.period_s)))
    peak = int(np.argmax(push))
    if abs(float(angle[peak] - np.median(angle))) > _GAVE_RAD:
        return missing(STRONGER)
    return single(float(push[peak]), 1)


def moving_alone(session: Session, column: int) -> list[slice]:
    """Return when one joint was led in the assessment of range, and no other."""
    return list(_alone(session, column, _rows(session, RANGE)))


def reach(walk: Walk, column: int, sign: float) -> Estimate:
    """Return how far a joint was led until it resisted, or to its bound [deg], flexion positive."""
    session = walk.session
    if not spans(session, RANGE):
        return missing(NOT_DONE)
    if session.reference_rad is None or walk.angle_rad is None:
        return missing(NO_TORQUE)
    places = moving_alone(session, column)
    if not places:
        return missing(NOT_DONE)
    angle = np.degrees(np.concatenate([walk.angle_rad[p, column] for p in places]))
    return single(float(angle.max() if sign > 0.0 else angle.min()), 1)
