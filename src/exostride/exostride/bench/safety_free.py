"""Fault-free walking: what trips without a fault, and how that trades against the delay of detection.

Each cell is two minutes of one walker under one law. Beside the supervisor, copies of single detectors with
other thresholds look at the same ticks; they count alarms here, and delays where the same fault is injected
into a walk whose own detector is deaf.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from exostride.bench.safety_cases import ROWS, Scene
from exostride.bench.safety_rig import PERIOD_S, SETTLE_S, Rig, Walk, state_of
from exostride.patient.profiles import load_profile
from exostride.runtime.graph import Tick
from exostride.safety.detect_body import BalanceDetector, FootDetector
from exostride.safety.detect_drives import RunawayDetector
from exostride.safety.detect_sensors import DriftDetector, StuckDetector
from exostride.safety.detect_spasm import SpasmDetector
from exostride.safety.faults import Finding
from exostride.safety.injection import parse
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.safety.walker import Walker
from exostride.types import Action, SafetyState

CELL_S: Final = 120.0
CURVES_EVERY: Final = 8
"""Cells of which one has the copies of the detectors beside it: they take more time than the walk.

It shares no factor with the numbers of walkers, laws and paces, so that all of them have their turn.
"""
_APART_S: Final = 1.0
"""Alarms closer than this are one."""
_SOON_S: Final = 2.0
"""A fall so soon after the place of a stop was on its way."""

_WALKERS: Final = (
    "unimpaired",
    "hemiparetic_left_mild",
    "spastic",
    "foot_drop",
    "hemiparetic_right_severe",
    "paraparetic",
    "child",
)
_LAWS: Final = ("impedance", "path_control", "transparent", "force_field", "guidance")
_PACES: Final = (0.8, 1.0, 1.2)
"""Parts of the speed that the patient trains at."""


def cell(number: int) -> Walk:
    """Return the walk of a cell; numbers go through walkers first, then laws, speeds, seeds."""
    rest, walker = divmod(number, len(_WALKERS))
    law, pace = rest % len(_LAWS), rest % len(_PACES)
    speed = round(_PACES[pace] * load_profile(_WALKERS[walker]).therapy.speed_m_s, 2)
    return Walk(_WALKERS[walker], _LAWS[law], 100 + number, (("belt_speed_m_s", speed),))


class _Detector(Protocol):
    def step(self, snap: Snapshot, found: list[Finding]) -> None: ...


@dataclass(frozen=True, slots=True)
class Knob:
    """The threshold that decides a fault: group, name, values from sensitive to deaf, the fault to inject.

    ``owner`` is the detector that decides; it ``learns`` when its threshold counts for a walker it knows.
    """

    group: str
    name: str
    values: tuple[float, ...]
    fault: str
    owner: str
    learns: bool = False


KNOBS: Final = {
    "F02": Knob("sensors", "stuck_rad", (0.005, 0.01, 0.02, 0.04, 0.08), "F02@swing:left:knee", "_stuck"),
    "F06": Knob(
        "sensors", "twin_reduce_rad", (0.02, 0.04, 0.08, 0.14, 0.2), "F06@stance:left:knee", "_drift"
    ),
    "F19": Knob("drives", "sign_nm", (1.0, 2.0, 4.0, 8.0, 12.0), "F19@stance:left:knee", "_runaway"),
    "F22": Knob(
        "body", "spasm_knee_nm", (4.0, 6.0, 8.0, 12.0, 18.0, 27.0), "F22@swing:left:knee,size=60", "_spasm",
        learns=True,
    ),
    "F23": Knob("body", "xcom_reduce_m", (0.05, 0.07, 0.1, 0.15, 0.2), "F23@stance:left", "balance"),
    "F24a": Knob("body", "drag_n", (8.0, 15.0, 25.0, 50.0, 90.0), "F24a@swing:left", "_foot"),
    "F24b": Knob("body", "trip_nm", (10.0, 20.0, 30.0, 40.0, 60.0), "F24b@swing:left", "_spasm"),
}  # fmt: skip
"""By fault; every value but one is another than the limits file's."""


def with_threshold(limits: SafetyLimits, knob: Knob, value: float) -> SafetyLimits:
    """Return ``limits`` with one threshold changed, also beyond what a file may ask for."""
    group = getattr(limits.detect, knob.group).model_copy(update={knob.name: value})
    detect = limits.detect.model_copy(update={knob.group: group})
    return limits.model_copy(update={"detect": detect})


def _made(fault: str, limits: SafetyLimits, walker: Walker) -> _Detector:
    if fault in ("F22", "F24b"):
        return SpasmDetector(limits, PERIOD_S, walker)
    made: dict[str, type[Any]] = {
        "F02": StuckDetector,
        "F06": DriftDetector,
        "F19": RunawayDetector,
        "F23": BalanceDetector,
        "F24a": FootDetector,
    }
    return made[fault](limits, PERIOD_S)  # type: ignore[no-any-return]


class Copies:
    """Single detectors with other thresholds beside a supervisor."""

    def __init__(self, limits: SafetyLimits, walker: Walker, faults: tuple[str, ...] = tuple(KNOBS)) -> None:
        self._all = {
            (fault, value): _made(fault, with_threshold(limits, KNOBS[fault], value), walker)
            for fault in faults
            for value in KNOBS[fault].values
        }
        self.alarms = dict.fromkeys(self._all, 0)
        self.first = dict.fromkeys(self._all, -1)
        self._last = dict.fromkeys(self._all, -(10**9))

    def step(self, snap: Snapshot) -> None:
        """Let every copy look at a tick."""
        for key, detector in self._all.items():
            found: list[Finding] = []
            detector.step(snap, found)
            # Obstacles and spasms are one question to their detector, whose answer differs.
            wanted = ("F22", "F24b") if key[0] in ("F22", "F24b") else (key[0],)
            if not any(f.fault in wanted for f in found):
                continue
            if snap.seq - self._last[key] > _APART_S / PERIOD_S:
                self.alarms[key] += 1
            self._last[key] = snap.seq
            if self.first[key] < 0:
                self.first[key] = snap.seq

    def arm(self) -> None:
        """Begin to note each copy's first alarm."""
        self.first = dict.fromkeys(self._all, -1)


_FALL: Final = parse("F23@any:left")


def fell(rig: Rig) -> bool:
    """Return whether the walker is really falling, by the truth predicate of F23."""
    assert rig.last is not None
    scene = Scene(rig.last, rig.last, _FALL, 0, rig.simulated)
    return ROWS["F23"].truth(scene)


def cramps(tick: Tick) -> bool:
    """Return whether a spasm of the walker's own is on."""
    true = tick.reading.truth
    return true is not None and float(np.abs(true.spasm_torque_nm).max()) > 15.0


@dataclass
class _Watch:
    """What really happens to a walker without an injected fault, and what safety makes of it."""

    rig: Rig
    fell: bool = False
    cramped: bool = False
    reduces: dict[str, int] = field(default_factory=dict)
    _last: frozenset[str] = frozenset()

    def step(self) -> SafetyState:
        tick = self.rig.step()
        self.fell = self.fell or fell(self.rig)
        self.cramped = self.cramped or cramps(tick)
        state = state_of(tick)
        reduced = state.action == Action.REDUCE
        active = frozenset(state.active_faults) if reduced else frozenset()
        for fault in active - self._last:
            self.reduces[fault] = self.reduces.get(fault, 0) + 1
        self._last = active
        return state


def falls_without(walk: Walk, stopped_s: float) -> bool:
    """Return whether the walker falls within two seconds of a stop, in the same walk without that stop.

    Every stop becomes a REDUCE, so that the walk is the same to the last bit until the first one.
    """
    rig = Rig(walk)
    detect = rig.component.detectors.step

    def milder(*arguments: Any) -> tuple[Snapshot, list[Finding]]:
        snap, found = detect(*arguments)
        return snap, [one._replace(action=min(one.action, Action.REDUCE)) for one in found]

    rig.component.detectors.step = milder  # type: ignore[method-assign, assignment]
    while rig.seq * PERIOD_S < stopped_s + _SOON_S:
        rig.step()
        if rig.seq * PERIOD_S > stopped_s and fell(rig):
            return True
    return False


def run_cell(walk: Walk, curves: bool) -> dict[str, Any]:
    """Run one cell and return its time, what tripped, and with ``curves`` the alarms of every copy."""
    rig = Rig(walk)
    copies = Copies(rig.limits, rig.walker) if curves else None
    problem = rig.reach("standing")
    watch = _Watch(rig)
    while not problem and rig.seq * PERIOD_S < CELL_S:
        state = watch.step()
        assert rig.component.seen is not None
        if copies is not None and not watch.fell:
            copies.step(rig.component.seen)
        if state.latched:
            problem = state.message
    last = state_of(rig.last) if rig.last is not None else None
    tripped = last is not None and last.latched
    stopped_s = rig.seq * PERIOD_S
    # A fall that the stop could not, or only just did prevent is none of the machine's making.
    if tripped and not watch.fell:
        for _ in range(round(1.0 / PERIOD_S)):
            watch.step()
        watch.fell = watch.fell or falls_without(walk, stopped_s)
    result: dict[str, Any] = {
        "walk": walk.name,
        "simulated_s": stopped_s,
        "tripped": last.cause if tripped and last is not None else "",
        "message": problem,
        "fell": watch.fell,
        "cramped": watch.cramped,
        "reduces": watch.reduces,
    }
    if copies is not None:
        result["alarms"] = {f"{f}={v:g}": n for (f, v), n in copies.alarms.items()}
    return result


class _Deaf:
    """Stands in for a detector and finds nothing."""

    levels = (Action.NONE, Action.NONE)
    margin_m = 0.0
    caught = False

    def step(self, *arguments: object) -> None: ...


def delays(rig: Rig, fault: str) -> dict[str, Any]:
    """Return each copy's delay from the symptom [periods] for one fault; use in a forked copy of a walk."""
    knob = KNOBS[fault]
    setattr(rig.component.detectors, knob.owner, _Deaf())
    injection = parse(knob.fault)
    copies = Copies(rig.limits, rig.walker, (fault,))
    for _ in range(round((SETTLE_S if knob.learns else 3.0) / PERIOD_S)):
        rig.step()
        assert rig.component.seen is not None
        copies.step(rig.component.seen)
    copies.arm()
    rig.device.arm(injection)
    symptom, before = -1, rig.last
    for _ in range(round(5.0 / PERIOD_S)):
        tick = rig.step()
        assert rig.component.seen is not None and before is not None
        copies.step(rig.component.seen)
        began = rig.device.began.get(injection, -1)
        if began < 0:
            copies.arm()
        scene = Scene(tick, before, injection, tick.seq - began if began >= 0 else -1, rig.simulated)
        if symptom < 0 and began >= 0 and ROWS[fault].truth(scene):
            symptom = tick.seq
        before = tick
        if symptom >= 0 and (tick.seq - symptom) * PERIOD_S > 1.5:
            break
    if symptom < 0:
        return {"skipped": "no symptom"}
    out = {f"{v:g}": (first - symptom if first >= 0 else None) for (_, v), first in copies.first.items()}
    return {"delays": out}


def curve(fault: str, cells: list[dict[str, Any]], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a fault's trade-off: threshold, alarms an hour without a fault, median delay, share found."""
    hours = sum(c["simulated_s"] for c in cells if "alarms" in c) / 3600.0
    points = []
    for value in KNOBS[fault].values:
        alarms = sum(c.get("alarms", {}).get(f"{fault}={value:g}", 0) for c in cells)
        seen = [run["delays"].get(f"{value:g}") for run in runs if "delays" in run]
        found = [delay for delay in seen if delay is not None]
        points.append(
            {
                "threshold": value,
                "alarms_per_hour": round(alarms / hours, 1) if hours else None,
                "median_delay_periods": float(np.median(found)) if found else None,
                "found": len(found),
                "tried": len(seen),
            }
        )
    return points
