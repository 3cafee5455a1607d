"""Heart, safety and the timing of the control loop."""

from __future__ import annotations

import numpy as np

from exostride.analysis import estimate as why
from exostride.analysis.estimate import Estimate, missing, single
from exostride.analysis.registry import Better, Group, Scope, Values, metric
from exostride.analysis.walk import Walk
from exostride.types import Action, Reason, Vector

_PAPER = "Mackay-Lyons & Makrides (2002), Arch Phys Med Rehabil 83:1697-1702"
_HOUSE = "this project: docs/metrics.md"
_LIMITED = (
    Reason.TORQUE_LIMIT
    | Reason.VELOCITY_LIMIT
    | Reason.POWER_LIMIT
    | Reason.SLEW_LIMIT
    | Reason.WINDOW_LIMIT
    | Reason.ENERGY_TANK
    | Reason.CUFF_LIMIT
)


def _heart(walk: Walk) -> Vector | None:
    rate = walk.session.heart_bpm
    if rate is None or not np.any(rate > 0.0):
        return None
    return rate


def _walking(walk: Walk) -> np.ndarray:
    """Return which ticks lie inside a counted stride."""
    t = walk.session.time_s
    inside = np.zeros(len(t) + 1, dtype=int)
    for leg in walk.legs:
        np.add.at(inside, np.searchsorted(t, leg.start_s), 1)
        np.add.at(inside, np.searchsorted(t, leg.end_s), -1)
    return np.asarray(np.cumsum(inside)[:-1] > 0)


@metric(
    "heart_rate_mean_bpm",
    "Mean heart rate",
    "Mean heart rate over the walking time.",
    "1/min",
    Scope.SESSION,
    Group.PHYSIOLOGY,
    _PAPER,
    decimals=0,
    tolerance="1 beat a minute",
)
def heart_mean(walk: Walk) -> Values:
    """Average the positive readings during strides."""
    return {"": _over_heart(walk, np.mean)}


@metric(
    "heart_rate_max_bpm",
    "Largest heart rate",
    "Largest heart rate over the walking time.",
    "1/min",
    Scope.SESSION,
    Group.PHYSIOLOGY,
    _PAPER,
    decimals=0,
    tolerance="1 beat a minute",
)
def heart_max(walk: Walk) -> Values:
    """Take the largest reading during strides."""
    return {"": _over_heart(walk, np.max)}


def _over_heart(walk: Walk, of: np.ufunc | object) -> Estimate:
    rate = _heart(walk)
    if rate is None:
        return missing(why.NO_HEART)
    readings = rate[_walking(walk) & (rate > 0.0)]
    return single(float(of(readings)), len(readings)) if len(readings) else missing(why.NO_STRIDES)  # type: ignore[operator]


def _count(name: str, title: str, definition: str, action: tuple[Action, ...]) -> None:
    @metric(
        *(name, title, definition, "", Scope.SESSION, Group.SAFETY, _HOUSE),
        better=Better.LOWER,
        decimals=0,
        tolerance="exact on the states recorded",
    )
    def compute(walk: Walk) -> Values:
        entries = walk.session.safety
        if not entries:
            return {"": missing(why.NO_SAFETY)}
        before = (Action.NONE, *(Action(entry.action) for entry in entries[:-1]))
        began = [
            e for e, was in zip(entries, before, strict=True) if e.action in action and was not in action
        ]
        return {"": single(float(len(began)), len(entries))}


_count(
    "stops", "Safety stops", "Times the supervisor stopped the session.", (Action.SOFT_STOP, Action.E_STOP)
)
_count(
    "warnings",
    "Warnings",
    "Times the supervisor warned or reduced the assistance.",
    (Action.WARN, Action.REDUCE),
)


@metric(
    "torque_limited_percent",
    "Time at a limit",
    "Control ticks in which the safety kernel held a request back by a limit, part of the walking time.",
    "%",
    Scope.SESSION,
    Group.SAFETY,
    _HOUSE,
    better=Better.LOWER,
    tolerance="exact on the flags recorded",
)
def torque_limited(walk: Walk) -> Values:
    """Count ticks with a limit's bit."""
    bits = walk.session.reason_bits
    if bits is None:
        return {"": missing(why.NO_APPLIED)}
    inside = _walking(walk)
    if not inside.any():
        return {"": missing(why.NO_STRIDES)}
    return {"": single(100.0 * float(np.mean((bits[inside] & int(_LIMITED)) != 0)), int(inside.sum()))}


@metric(
    "missed_commands_percent",
    "Missed commands",
    "Control ticks without a command of the controller in time, part of all ticks with one expected.",
    "%",
    Scope.SESSION,
    Group.TIMING,
    _HOUSE,
    better=Better.LOWER,
    decimals=3,
    tolerance="exact on the flags recorded",
)
def missed(walk: Walk) -> Values:
    """Count from the first command on."""
    received = walk.session.received
    if received is None or not received[:, 0].any():
        return {"": missing(why.NO_APPLIED if received is None else why.NO_COMMANDS)}
    first = int(np.argmax(received[:, 0] > 0.0))
    return {"": single(100.0 * float(np.mean(received[first:, 0] == 0.0)), len(received) - first)}


def _period(name: str, title: str, definition: str, quantile: float) -> None:
    @metric(
        *(name, title, definition, "ms", Scope.SESSION, Group.TIMING, _HOUSE),
        better=Better.NEITHER,
        decimals=2,
        tolerance="exact on the times recorded",
    )
    def compute(walk: Walk) -> Values:
        step = np.diff(walk.session.log_ns) * 1e-6
        return {"": single(float(np.quantile(step, quantile)), len(step))}


_period("period_p50_ms", "Control period, median", "Median time between states, by the recorder's time.", 0.5)
_period("period_p99_ms", "Control period, 99 %", "Time between states that 99 % stay below.", 0.99)
_period("period_max_ms", "Control period, longest", "Longest time between states.", 1.0)
