"""The fault catalogue: one row per fault, what detects it, what follows, how it clears, in words.

The table decides everything that is not a threshold; detectors only report an id, a level and a
place. Bounds run from the symptom to the start of the reaction, in ticks of 5 ms unless stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from exostride.types import Action


class Support(IntEnum):
    """What carries the legs in the first step of a SOFT_STOP, weakest first."""

    DAMP = 0
    HOLD = 1
    KEEP = 2


class Clear(IntEnum):
    """How a fault goes away."""

    HYSTERESIS = 0
    """By itself, after ``clear_s`` without the condition."""
    RESET = 1
    """By an operator's reset once the cause is gone."""


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One row of the catalogue.

    ``detector`` names who sees it (kernel, supervisor, or both; firmware and the runner for what neither
    can). ``action`` is the strongest reaction; ``support`` what carries the legs while the belt stops.
    ``bound`` is in ticks, or in seconds when ``bound_s`` is set. ``blocks_start`` keeps training from
    starting though it may go on. Under REDUCE, effort shrinks, or with ``slows_belt`` the belt slows instead;
    with ``holds_harness`` its winch is braked, so that a body that sinks is carried.
    """

    id: str
    title: str
    detector: str
    action: Action
    code: str
    words: str
    bound: int = 0
    bound_s: float = 0.0
    support: Support = Support.HOLD
    clear: Clear = Clear.RESET
    blocks_start: bool = False
    slows_belt: bool = False
    holds_harness: bool = False

    def bound_ticks(self, period_s: float) -> int:
        """Return the bound in ticks of ``period_s``."""
        return self.bound or round(self.bound_s / period_s)


class Finding(NamedTuple):
    """What a detector reports in one tick: fault id, level now, and where (joint, side, message)."""

    fault: str
    action: Action
    where: str = ""


_BOTH, _SUP, _KER = "kernel and supervisor", "supervisor", "kernel"

_ROWS: tuple[FaultSpec, ...] = (
    FaultSpec(
        "F01",
        "sensor sample missing",
        _BOTH,
        Action.SOFT_STOP,
        "SENSOR_MISSING",
        "no measurement from",
        bound=3,
    ),
    FaultSpec(
        "F02",
        "sensor stuck",
        _SUP,
        Action.SOFT_STOP,
        "SENSOR_STUCK",
        "measurement does not move:",
        bound_s=0.05,
    ),
    FaultSpec(
        "F03",
        "not a number",
        _BOTH,
        Action.SOFT_STOP,
        "NOT_FINITE",
        "not a number in",
        1,
        support=Support.DAMP,
    ),
    FaultSpec("F04", "spike", _BOTH, Action.SOFT_STOP, "SENSOR_SPIKE", "repeated spikes of", bound=1),
    FaultSpec(
        "F05", "encoder wrap or jump", _BOTH, Action.SOFT_STOP, "SENSOR_JUMP", "impossible jump of", bound=1
    ),
    FaultSpec(
        "F06",
        "drift, misalignment, cuff force",
        _BOTH,
        Action.SOFT_STOP,
        "MISALIGNED",
        "sensors disagree or cuff presses:",
        bound_s=1.2,
        support=Support.KEEP,
    ),
    FaultSpec("F07", "clock jump", _SUP, Action.SOFT_STOP, "CLOCK_JUMP", "measurement time jumped:", bound=1),
    FaultSpec(
        "F08", "message late", _BOTH, Action.SOFT_STOP, "MESSAGE_LATE", "messages come too late:", bound=3
    ),
    FaultSpec(
        "F09",
        "duplicate or out of order",
        _BOTH,
        Action.SOFT_STOP,
        "MESSAGE_ORDER",
        "wrong sequence of",
        bound=5,
    ),
    FaultSpec(
        "F10",
        "hardware process lost",
        "firmware, and the safety node's watchdog",
        Action.E_STOP,
        "HARDWARE_LOST",
        "the device stopped answering",
        bound_s=0.05,
        support=Support.DAMP,
    ),
    FaultSpec(
        "F11",
        "controller lost",
        _BOTH,
        Action.SOFT_STOP,
        "CONTROLLER_LOST",
        "the controller is silent:",
        bound=3,
    ),
    FaultSpec(
        "F12", "gait phase lost", _SUP, Action.SOFT_STOP, "PHASE_LOST", "the gait phase is unusable:", bound=3
    ),
    FaultSpec(
        "F13",
        "supervisor lost",
        _KER,
        Action.SOFT_STOP,
        "SUPERVISOR_LOST",
        "the supervisor was silent",
        bound=5,
    ),
    FaultSpec(
        "F14",
        "recorder lost",
        _SUP,
        Action.WARN,
        "RECORDER_LOST",
        "the recorder is silent",
        bound_s=1.0,
        clear=Clear.HYSTERESIS,
        blocks_start=True,
    ),
    FaultSpec(
        "F16",
        "network partition",
        _BOTH,
        Action.SOFT_STOP,
        "PARTITION",
        "neither commands nor permits reach the device",
        bound=5,
    ),
    FaultSpec(
        "F17",
        "saturation, tracking error",
        _BOTH,
        Action.SOFT_STOP,
        "TRACKING",
        "joint does not follow:",
        bound_s=0.1,
        support=Support.KEEP,
    ),
    FaultSpec(
        "F18",
        "motor runaway",
        _BOTH,
        Action.E_STOP,
        "RUNAWAY",
        "drive out of control:",
        2,
        support=Support.DAMP,
    ),
    FaultSpec(
        "F19",
        "reversed sign or scale",
        _BOTH,
        Action.E_STOP,
        "WRONG_SIGN",
        "drive or sensor reversed or mis-scaled:",
        bound=2,
        support=Support.DAMP,
    ),
    FaultSpec(
        "F20",
        "emergency stop",
        _BOTH,
        Action.E_STOP,
        "ESTOP",
        "emergency stop pressed",
        1,
        support=Support.DAMP,
    ),
    FaultSpec(
        "F21",
        "emergency stop line",
        _BOTH,
        Action.E_STOP,
        "ESTOP_LINE",
        "emergency stop line",
        bound_s=0.1,
        support=Support.DAMP,
    ),
    FaultSpec(
        "F22", "muscle spasm", _SUP, Action.SOFT_STOP, "SPASM", "sudden muscle torque at", bound_s=0.05
    ),
    FaultSpec(
        "F23",
        "fall",
        _SUP,
        Action.E_STOP,
        "FALL",
        "losing balance:",
        bound_s=0.1,
        support=Support.DAMP,
        slows_belt=True,
        holds_harness=True,
    ),
    FaultSpec(
        "F24a",
        "foot drag",
        _SUP,
        Action.SOFT_STOP,
        "FOOT_DRAG",
        "foot drags:",
        bound_s=1.2,
        support=Support.KEEP,
        clear=Clear.HYSTERESIS,
        slows_belt=True,
    ),
    FaultSpec("F24b", "trip", _SUP, Action.SOFT_STOP, "TRIP", "tripping:", bound_s=0.1, support=Support.KEEP),
    FaultSpec(
        "F25",
        "belt over-speed or reverse",
        _BOTH,
        Action.SOFT_STOP,
        "BELT",
        "the belt runs away:",
        bound_s=0.1,
    ),
    FaultSpec("F26", "harness", _SUP, Action.SOFT_STOP, "HARNESS", "the harness fails:", bound_s=0.05),
    FaultSpec(
        "F27",
        "temperature, battery, bus",
        _SUP,
        Action.SOFT_STOP,
        "DEVICE",
        "the device reports:",
        bound_s=1.0,
        support=Support.KEEP,
    ),
    FaultSpec(
        "F28",
        "disk full or slow",
        _SUP,
        Action.WARN,
        "DISK",
        "recording is at its limit:",
        bound_s=1.0,
        clear=Clear.HYSTERESIS,
        blocks_start=True,
    ),
    FaultSpec("F36", "overload", _BOTH, Action.SOFT_STOP, "OVERLOAD", "deadlines missed", 3),
    FaultSpec(
        "F37",
        "session lost",
        _SUP,
        Action.SOFT_STOP,
        "SESSION_LOST",
        "the session is silent",
        bound_s=2.0,
        support=Support.KEEP,
    ),
    FaultSpec(
        "F38",
        "stop button",
        _SUP,
        Action.SOFT_STOP,
        "STOP_BUTTON",
        "stop button pressed by",
        bound=1,
        support=Support.KEEP,
    ),
)

CATALOGUE: Final[dict[str, FaultSpec]] = {row.id: row for row in _ROWS}
"""Every fault that kernel or supervisor can see, by id."""

_ORDER = (
    "F20 F21 F18 F19 F23 F10 F03 F26 F25 F22 F24b F13 F16 F11 F08 F09 F36 F12 F01 F05 F04 F02 F07 F38 F37 "
    "F06 F17 F27 F24a F14 F28"
)
# Among equally severe findings the one whose reaction is the safest for the others comes first: buttons, what
# makes power untrustworthy, the body, what supports the body, data, and then the rest.

PRECEDENCE: Final[dict[str, int]] = {fault: rank for rank, fault in enumerate(_ORDER.split(" "))}
"""Which of several equally severe faults is named as the cause."""


def stronger(a: Finding, b: Finding) -> bool:
    """Return whether ``a`` outranks ``b``: by action, then by precedence."""
    return (a.action, -PRECEDENCE[a.fault]) > (b.action, -PRECEDENCE[b.fault])


def sentence(finding: Finding) -> str:
    """Return a finding in words, for the view, the log and the report."""
    return f"{CATALOGUE[finding.fault].words} {finding.where}".strip()
