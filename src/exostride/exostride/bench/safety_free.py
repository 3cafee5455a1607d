"""Fault-free walking: what trips without a fault, and how that trades against the delay of detection.

Each cell is two minutes of one walker under one law; only training counts, while the walker is on their feet.
A stop is not false if the walker was falling or cramped within the second before it, or falls in the same
walk without that stop; who hangs in the harness has fallen. Beside the supervisor, copies of single detectors
with other thresholds look at the same ticks; they count alarms here, and delays where the same fault is
injected into a walk whose own detector is deaf.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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
from exostride.types import Action, SafetyState, SupervisorState

CELL_S: Final = 120.0
"""A bout that all of the walkers can stand: who tires soonest falls in its third minute."""
CURVES_EVERY: Final = 8
"""Cells of which one has the copies of the detectors beside it: they take more time than the walk.

It shares no factor with the numbers of walkers, laws and paces, so that all of them have their turn.
"""
_APART_S: Final = 1.0
"""Alarms closer than this are one."""
_SOON_S: Final = 2.0
"""A fall so soon after the place of a stop was on its way."""
_JUST_S: Final = 1.0
"""What really happened so shortly before a stop may be its reason; a fall is to be met within it."""
_HUNG_S: Final = 0.1
"""Walking has no flight: whose feet both are off the belt for so long is carried by the harness."""
_HUNG_N: Final = 25.0
"""What a foot carries at least that is on the belt, here both together."""

_JUST: Final = round(_JUST_S / PERIOD_S)
_NEVER: Final = -(10**9)

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
_SEED: Final = 2000
"""First of the walks' seeds. Detectors that were mended on these walks have to be shown on others: a mended
detector's ten hours begin at a new number."""


def cell(number: int) -> Walk:
    """Return the walk of a cell; numbers go through walkers first, then laws, speeds, seeds."""
    rest, walker = divmod(number, len(_WALKERS))
    law, pace = rest % len(_LAWS), rest % len(_PACES)
    speed = round(_PACES[pace] * load_profile(_WALKERS[walker]).therapy.speed_m_s, 2)
    return Walk(_WALKERS[walker], _LAWS[law], _SEED + number, (("belt_speed_m_s", speed),))


class _Detector(Protocol):
    def step(self, snap: Snapshot, found: list[Finding]) -> None: ...


@dataclass(frozen=True, slots=True)
class Knob:
    """The threshold that decides a fault: group, name, values from sensitive to deaf, the fault to inject.

    ``owner`` is the detector that decides; it ``learns`` when its threshold counts for a walker it knows.
    ``along`` are thresholds of the group that are changed in the same proportion, ``off`` ones that are put
    out of reach, so that nothing else decides. ``told`` are the faults of its findings that count.
    """

    group: str
    name: str
    values: tuple[float, ...]
    fault: str
    owner: str
    learns: bool = False
    along: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


_SPASM: Final = ("spasm_hip_nm", "spasm_knee_nm", "spasm_ankle_nm")
_OUT_OF_REACH: Final = 1e6

KNOBS: Final = {
    "F02": Knob("sensors", "stuck_rad", (0.005, 0.01, 0.02, 0.04, 0.08), "F02@swing:left:knee", "_stuck"),
    "F06": Knob(
        "sensors", "twin_reduce_rad", (0.02, 0.04, 0.08, 0.14, 0.2), "F06@stance:left:knee", "_drift"
    ),
    "F19": Knob("drives", "sign_nm", (1.0, 2.0, 4.0, 8.0, 12.0), "F19@stance:left:knee", "_runaway"),
    # The bounds are the wider of a torque and of how much strides differ: only both together are a trade.
    "F22": Knob(
        "body", "spasm_sd", (2.0, 3.0, 5.0, 8.0, 12.0, 20.0), "F22@swing:left:knee,size=60", "_spasm",
        learns=True, along=_SPASM, told=("F22", "F24b"),
    ),
    "F23": Knob("body", "xcom_reduce_m", (0.05, 0.07, 0.1, 0.15, 0.2), "F23@stance:left", "balance"),
    "F24a": Knob("body", "drag_n", (8.0, 15.0, 25.0, 50.0, 90.0), "F24a@swing:left", "_foot"),
    "F24b": Knob("body", "trip_nm", (10.0, 20.0, 30.0, 40.0, 60.0), "F24b@swing:left", "_spasm",
                 off=(*_SPASM, "spasm_sd")),
}  # fmt: skip
"""By fault; every value but one is another than the limits file's.

Obstacles and spasms are one question to their detector, whose answer differs: a spasm counts under either
name. An obstacle counts under its own only, as what the torques of anybody's hip and knee tell (``trip_nm``).
"""


def with_threshold(limits: SafetyLimits, knob: Knob, value: float) -> SafetyLimits:
    """Return ``limits`` with a knob's threshold changed, also beyond what a file may ask for."""
    old = getattr(limits.detect, knob.group)
    times = value / getattr(old, knob.name)
    new = {knob.name: value, **{name: times * getattr(old, name) for name in knob.along}}
    group = old.model_copy(update=new | dict.fromkeys(knob.off, _OUT_OF_REACH))
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
        self.last = dict.fromkeys(self._all, -(10**9))

    def step(self, snap: Snapshot, counts: bool = True) -> None:
        """Let every copy look at a tick; its alarm is counted if the tick ``counts``."""
        for key, detector in self._all.items():
            found: list[Finding] = []
            detector.step(snap, found)
            if not any(f.fault in (KNOBS[key[0]].told or (key[0],)) for f in found):
                continue
            if counts and snap.seq - self.last[key] > _APART_S / PERIOD_S:
                self.alarms[key] += 1
            self.last[key] = snap.seq
            if self.first[key] < 0:
                self.first[key] = snap.seq

    def arm(self) -> None:
        """Begin to note each copy's first alarm."""
        self.first = dict.fromkeys(self._all, -1)

    def alarmed(self, seq: int) -> set[float]:
        """Return the thresholds whose copies were in alarm within a second before a tick."""
        return {value for (_, value), last in self.last.items() if seq - last <= _APART_S / PERIOD_S}


_FALL: Final = parse("F23@any:left")


def fell(rig: Rig) -> bool:
    """Return whether the walker is really falling, by the truth predicate of F23."""
    assert rig.last is not None
    scene = Scene(rig.last, rig.last, _FALL, 0, rig.simulated)
    return ROWS["F23"].truth(scene)


def hangs(tick: Tick) -> bool:
    """Return whether both feet together carry next to nothing."""
    true = tick.reading.truth
    return true is not None and float(true.ground_force_n[2] + true.ground_force_n[5]) < _HUNG_N


class Falls:
    """Whether a walker is really falling, asked once a tick.

    That is the truth predicate of F23, or that the walker hangs: the harness may catch a fall before the
    pelvis is low or the centre of mass far from its place.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._hung = 0

    def step(self) -> bool:
        """Take in the rig's last tick."""
        assert self._rig.last is not None
        self._hung = self._hung + 1 if hangs(self._rig.last) else 0
        return self._hung >= round(_HUNG_S / PERIOD_S) or fell(self._rig)


def cramps(tick: Tick) -> bool:
    """Return whether a spasm of the walker's own is on."""
    true = tick.reading.truth
    return true is not None and float(np.abs(true.spasm_torque_nm).max()) > 15.0


@dataclass
class _Watch:
    """What really happens to a walker without an injected fault, and what safety makes of it."""

    rig: Rig
    train_ticks: int = 0
    """Ticks of training in which the walker was on their feet."""
    falls_not_met: int = 0
    """Falls that safety answered neither before nor within a second."""
    reduces: dict[str, int] = field(default_factory=dict)
    walks: bool = False
    """Whether this tick is one of those that count."""
    _last: frozenset[str] = frozenset()
    _fell_at: int = _NEVER
    _cramped_at: int = _NEVER
    _owed_since: int = _NEVER

    def __post_init__(self) -> None:
        self._falls = Falls(self.rig)

    def just(self) -> tuple[bool, bool]:
        """Return whether the walker was falling, and cramped, within the last second or still is."""
        seq = self.rig.seq - 1
        return seq - self._fell_at <= _JUST, seq - self._cramped_at <= _JUST

    def step(self) -> SafetyState:
        """Run one tick; return the supervisor's state."""
        tick = self.rig.step()
        state = state_of(tick)
        falls = self._falls.step()
        self._owe(tick.seq, falls, state)
        if falls:
            self._fell_at = tick.seq
        if cramps(tick):
            self._cramped_at = tick.seq
        self.walks = state.state == SupervisorState.TRAIN and not self.just()[0]
        self.train_ticks += self.walks
        reduced = state.action == Action.REDUCE
        active = frozenset(state.active_faults) if reduced else frozenset()
        for fault in active - self._last:
            self.reduces[fault] = self.reduces.get(fault, 0) + 1
        self._last = active
        return state

    def _owe(self, seq: int, falls: bool, state: SafetyState) -> None:
        """Count falls that safety does not answer in time, each once."""
        met = state.latched or (
            state.action >= Action.REDUCE and not set(ROWS["F23"].causes).isdisjoint(state.active_faults)
        )
        if falls and seq - self._fell_at > _JUST:
            self._owed_since = seq
        if met:
            self._owed_since = _NEVER
        elif self._owed_since != _NEVER and seq - self._owed_since > _JUST:
            self.falls_not_met += 1
            self._owed_since = _NEVER


def without_stop(stopped: int, cause: str, clear_ticks: int) -> Callable[[int, list[Finding]], list[Finding]]:
    """Return what takes a stop in the tick ``stopped`` by ``cause`` out of the findings of each tick.

    Until then nothing is changed, so the walk is the same to the last bit. From then on no finding stops: one
    whose fault the robot gave way for at the time of the stop goes on as that, others that would stop, and
    those of the stop's own fault, are gone. Whatever else is found stays.
    """
    gave_way: dict[str, int] = {}

    def milder(seq: int, found: list[Finding]) -> list[Finding]:
        if seq < stopped:
            gave_way.update((one.fault, seq) for one in found if one.action == Action.REDUCE)
            return found
        held = {fault for fault, last in gave_way.items() if stopped - last < clear_ticks}
        return [
            one._replace(action=min(one.action, Action.REDUCE)) if one.fault in held else one
            for one in found
            if one.fault in held or (one.fault != cause and one.action < Action.SOFT_STOP)
        ]

    return milder


def falls_without(walk: Walk, stopped: int, cause: str) -> bool:
    """Return whether the walker falls within two seconds of a stop, in the same walk without that stop."""
    rig = Rig(walk)
    detect = rig.component.detectors.step
    milder = without_stop(stopped, cause, round(rig.limits.detect.stops.clear_s / PERIOD_S))

    def filtered(seq: int, *arguments: Any) -> tuple[Snapshot, list[Finding]]:
        snap, found = detect(seq, *arguments)
        return snap, milder(seq, found)

    rig.component.detectors.step = filtered  # type: ignore[method-assign, assignment]
    falls = Falls(rig)
    while rig.seq <= stopped + round(_SOON_S / PERIOD_S):
        tick = rig.step()
        if falls.step() and tick.seq > stopped:
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
        if copies is not None:
            copies.step(rig.component.seen, watch.walks)
        if state.latched:
            problem = state.message
    last = state_of(rig.last) if rig.last is not None else None
    tripped = last is not None and last.latched
    cause = last.cause if tripped and last is not None else ""
    fallen, cramped = watch.just()
    # A fall that would have come anyway is none of the stop's making; one that comes after it may be.
    if tripped and not fallen:
        fallen = falls_without(walk, rig.seq - 1, cause)
    result: dict[str, Any] = {
        "walk": walk.name,
        "simulated_s": rig.seq * PERIOD_S,
        "train_s": round(watch.train_ticks * PERIOD_S, 3),
        "tripped": cause,
        "message": problem,
        "fell": tripped and fallen,
        "cramped": tripped and cramped,
        "falls_not_met": watch.falls_not_met,
        "reduces": watch.reduces,
    }
    if copies is not None:
        result["alarms"] = {f"{f}={v:g}": n for (f, v), n in copies.alarms.items()}
    return result


def stop_is_real(result: Mapping[str, Any]) -> bool:
    """Return whether a cell was stopped for what really happened to its walker: a fall, or a cramp."""
    cramp = result["cramped"] and result["tripped"] in ("F22", "F24b")
    return bool(result["tripped"]) and bool(result["fell"] or cramp)


class _Deaf:
    """Stands in for a detector and finds nothing."""

    levels = (Action.NONE, Action.NONE)
    margin_m = 0.0
    caught = False

    def step(self, *arguments: object) -> None: ...


def delays(rig: Rig, fault: str) -> dict[str, Any]:
    """Return each copy's delay from the symptom [periods] for one fault; use in a forked copy of a walk.

    A copy that was in alarm within the second before the injection is named apart: its alarm tells nothing.
    """
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
    symptom, before, alarmed = -1, rig.last, set[float]()
    for _ in range(round(5.0 / PERIOD_S)):
        tick = rig.step()
        assert rig.component.seen is not None and before is not None
        began = rig.device.began.get(injection, -1)
        if began < 0 or began == tick.seq:
            alarmed = copies.alarmed(tick.seq)
            copies.arm()
        copies.step(rig.component.seen)
        scene = Scene(tick, before, injection, tick.seq - began if began >= 0 else -1, rig.simulated)
        if symptom < 0 and began >= 0 and ROWS[fault].truth(scene):
            symptom = tick.seq
        before = tick
        if symptom >= 0 and (tick.seq - symptom) * PERIOD_S > 1.5:
            break
    if symptom < 0:
        return {"skipped": "no symptom"}
    return {"delays": delays_of(copies.first, alarmed, symptom), "alarmed": [f"{v:g}" for v in alarmed]}


def delays_of(
    first: Mapping[tuple[str, float], int], alarmed: Collection[float], symptom: int
) -> dict[str, int | None]:
    """Return by threshold the time from the symptom to the first alarm after the injection [ticks].

    None where there was no alarm, and where the copy was in alarm already.
    """
    return {
        f"{value:g}": seq - symptom if seq >= 0 and value not in alarmed else None
        for (_, value), seq in first.items()
    }


def curve(fault: str, cells: list[dict[str, Any]], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a fault's trade-off: threshold, alarms an hour without a fault, median delay, share found.

    ``alarmed_before`` counts the walks in which the copy was in alarm anyway; they are not found.
    """
    hours = sum(c["train_s"] for c in cells if "alarms" in c) / 3600.0
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
                "alarmed_before": sum(f"{value:g}" in run.get("alarmed", ()) for run in runs),
                "tried": len(seen),
            }
        )
    return points
