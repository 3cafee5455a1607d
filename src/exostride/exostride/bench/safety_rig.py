"""One walk of the safety bench, and what a fault does to it.

A walk is brought to its gait once; every case then runs in a forked copy of the process, which is an exact
copy of engine, patient, filters and random streams. The same walk without a fault runs in such a copy too:
what trips there is no reaction to anything, and a case whose reaction the walk alone has had by then says
nothing. Nor does a case in which the fault never shows: what was reported before its injection is no reaction
to it either.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np

from exostride.bench.safety_cases import HOMING, ROWS, Case, Row, Scene
from exostride.hardware.faulty import FaultyDevice
from exostride.hardware.simulated import SimulatedDevice
from exostride.patient.profiles import load_profile
from exostride.runtime.assembly.control import make_control
from exostride.runtime.assembly.hardware import make_hardware
from exostride.runtime.assembly.phase import make_phase
from exostride.runtime.assembly.safety import walker_of
from exostride.runtime.assembly.stack import StackConfig, safety_limits
from exostride.runtime.component import SafetyStage, Word
from exostride.runtime.graph import Graph, Tick
from exostride.runtime.protocol import make_plan
from exostride.runtime.session import SessionComponent
from exostride.safety.component import SafetyComponent
from exostride.safety.faults import CATALOGUE
from exostride.safety.injection import Injection, parse
from exostride.types import Action, DeviceFault, Reason, SafetyState, SupervisorState, Vector

RATE_HZ: Final = 200
PERIOD_S: Final = 1.0 / RATE_HZ
SETTLE_S: Final = 38.0
"""Walking before a fault, so that the phase is found and the walker known: some twenty strides."""
_REACH_S: Final = 60.0
_STAND_S: Final = 3.0
_LAST_S: Final = 6.0
"""How long a case goes on at most after what it waits for."""
_KERNEL: Final = int(
    Reason.FALLBACK | Reason.RESIDUAL | Reason.NOT_FINITE | Reason.SAMPLE_MISSING | Reason.SAMPLE_REJECTED
    | Reason.COMMAND_SEQUENCE | Reason.COMMAND_STALE | Reason.PERMIT_MISSING | Reason.ENVIRONMENT_STALE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Walk:
    """Who walks, how, and with which seed; speed and unloading are the patient's own unless overridden."""

    patient: str
    controller: str
    seed: int
    overrides: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """The walk in words."""
        extra = "".join(f" {name}={value}" for name, value in self.overrides)
        return f"{self.patient}, {self.controller}{extra}, seed {self.seed}"


class _Stage(SafetyStage):
    """The supervisor's stage, keeping the codes that went into the audit log."""

    def __init__(self, component: SafetyComponent, period_s: float) -> None:
        super().__init__(component, period_s)
        self.codes: set[str] = set()

    def step(self, *arguments: Any, **more: Any) -> Word:
        word = super().step(*arguments, **more)
        for entry in word.audit:
            self.codes.update(entry.detail.get("codes", ()))
            self.codes.update(f["code"] for f in entry.detail.get("active", {}).values())
        return word


class Rig:
    """A walk on the virtual clock whose device can be made to fail."""

    def __init__(self, walk: Walk, faults: tuple[Injection, ...] = ()) -> None:
        self.walk = walk
        own = load_profile(walk.patient).therapy
        overrides = {
            "controller": walk.controller,
            "belt_speed_m_s": own.speed_m_s,
            "unloading_percent": own.unloading_percent,
            **dict(walk.overrides),
        }
        plan = make_plan(None, overrides, None, None, None, limit_s=1e6)
        plan = replace(plan, stand_s=_STAND_S + 1.0)
        stack = StackConfig(rate_hz=RATE_HZ, patient=walk.patient)
        self.simulated = SimulatedDevice()
        self.device = FaultyDevice(self.simulated, faults)
        self.device.configure({"patient": walk.patient, "seed": walk.seed}, PERIOD_S)
        self.limits, self.walker = safety_limits(stack), walker_of(walk.patient)
        self.component = SafetyComponent(self.limits, PERIOD_S, walker=self.walker)
        self.stage = _Stage(self.component, PERIOD_S)
        self.graph = Graph(
            make_hardware(stack, self.device),
            make_phase(stack, "default", {}),
            make_control(stack, plan.settings),
            self.stage,
            SessionComponent(plan, PERIOD_S),
        )
        self.seq = 0
        self.ticks_in_state = 0
        self.last: Tick | None = None

    def step(self) -> Tick:
        """Run one tick."""
        tick = self.graph.step(self.seq)
        self.seq += 1
        same = self.last is not None and state_of(self.last).state == state_of(tick).state
        self.ticks_in_state = self.ticks_in_state + 1 if same else 0
        self.last = tick
        return tick

    def reach(self, point: str, settle_s: float | None = None) -> str:
        """Go on to where cases begin (``homing``, ``standing``, ``walking``); say what prevents it.

        ``settle_s`` is how long to stay there first, by default long enough for every detector to know the
        walker.
        """
        wanted, settle = _POINTS[point]
        settle = settle if settle_s is None else settle_s
        for _ in range(round(_REACH_S / PERIOD_S)):
            tick = self.step()
            state = state_of(tick)
            if state.latched:
                return f"stopped before it was {point}: {state.message}"
            if state.state == wanted and self.ticks_in_state * PERIOD_S >= settle:
                return ""
        return f"not {point} within {_REACH_S:g} s"


_POINTS: Final = {
    HOMING: (SupervisorState.HOMING, 0.05),
    "standing": (SupervisorState.STAND, _STAND_S),
    "walking": (SupervisorState.TRAIN, SETTLE_S),
}


def state_of(tick: Tick) -> SafetyState:
    """Return the supervisor's state as last told."""
    return tick.safety if tick.safety is not None else SafetyState(seq=0, time_s=0.0)


def point_of(case: Case) -> str:
    """Return the point of the walk at which a case begins."""
    return case.state if case.state in (HOMING, "standing") else "walking"


def forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``work`` returns in a copy of this process; what it changes is gone with it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(read)
            with os.fdopen(write, "w") as out:
                json.dump(work(), out)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as lines:
        text = lines.read()
    _, status = os.waitpid(child, 0)
    if status or not text:
        return {"error": f"the copy of the process ended with status {status}"}
    result: dict[str, Any] = json.loads(text)
    return result


@dataclass
class _Peaks:
    """Extremes since a fault began."""

    torque_nm: float = 0.0
    speed_rad_s: float = 0.0
    cuff_n: float = 0.0
    pelvis_m: float = 9.0

    def take(self, tick: Tick) -> None:
        true = tick.reading.truth
        assert true is not None
        force = np.linalg.norm(true.cuff_force_n.reshape(6, 3), axis=1)
        self.torque_nm = max(self.torque_nm, float(np.abs(tick.applied.applied_peak_nm).max()))
        self.speed_rad_s = max(self.speed_rad_s, float(np.abs(true.exo_velocity_rad_s).max()))
        self.cuff_n = max(self.cuff_n, float(force.max()))
        self.pelvis_m = min(self.pelvis_m, float(true.pelvis_position_m[2]))

    def figures(self) -> dict[str, float]:
        return {
            "peak_torque_nm": round(self.torque_nm, 1),
            "peak_speed_rad_s": round(self.speed_rad_s, 2),
            "peak_cuff_n": round(self.cuff_n, 1),
            "min_pelvis_m": round(self.pelvis_m, 3),
        }


@dataclass(frozen=True, slots=True)
class Level:
    """What safety made of one tick: action, faults, and what the kernel did by itself."""

    action: int = 0
    faults: frozenset[str] = frozenset()
    kernel: int = 0


def level_of(tick: Tick) -> Level:
    """Return what safety made of a tick."""
    state = state_of(tick)
    return Level(int(state.action), frozenset(state.active_faults), int(tick.applied.reason & _KERNEL))


@dataclass(frozen=True, slots=True)
class Twin:
    """The same walk without a fault from where cases begin: by tick, joints' torques [N m] and reactions.

    ``stopped`` is the tick of its stop by ``cause``, -1 if it went on.
    """

    torque_nm: Mapping[int, Vector] = field(default_factory=dict)
    levels: Mapping[int, Level] = field(default_factory=dict)
    stopped: int = -1
    cause: str = ""

    def stopped_by(self, last: int) -> str:
        """Return what happened in words if this walk was stopped in the tick ``last`` or before, else ''."""
        return f"the walk alone was stopped by {self.cause}" if 0 <= self.stopped <= last else ""

    def reacted(self, row: Row, first: int, last: int) -> str:
        """Return what happened in words if a reaction like the row's came between two ticks, else ''."""
        before = self.levels.get(first - 1, Level())
        for seq in range(first, last + 1):
            here = self.levels.get(seq, Level())
            told = sorted(here.faults.intersection(row.causes)) if here.action >= row.action else []
            if told or (row.kernel and here.kernel & ~before.kernel):
                return f"the walk alone reacted, too ({', '.join(told) or 'kernel'})"
        return self.stopped_by(last)


@dataclass
class Judgement:
    """What happened in one case, tick by tick."""

    case: Case
    row: Row
    injection: Injection
    began: int = -1
    symptom: int = -1
    reaction: int = -1
    cause: str = ""
    other: str = ""
    by_kernel: bool = False
    known: Level = field(default_factory=Level)
    """What was there already when the fault began, less the faults that have cleared since."""
    state: SafetyState = field(default_factory=lambda: SafetyState(seq=0, time_s=0.0))
    peaks: _Peaks = field(default_factory=_Peaks)

    def take(self, tick: Tick, before: Tick, rig: Rig, alone_nm: Vector | None) -> None:
        """Take one tick."""
        self.state = state_of(tick)
        if self.began < 0:
            self.began = rig.device.began.get(self.injection, -1)
            if self.began < 0:
                return
            self.known = level_of(before)
        self.peaks.take(tick)
        if self.symptom < 0 and self.row.truth(
            Scene(tick, before, self.injection, tick.seq - self.began, rig.simulated, alone_nm)
        ):
            self.symptom = tick.seq
        if self.reaction < 0:
            self._react(tick)

    def _react(self, tick: Tick) -> None:
        """Note the start of the reaction: the supervisor's word, the kernel's own, or the firmware's.

        A fault that was active before the injection is none, unless it has cleared since or the action rises.
        """
        state, row = self.state, self.row
        self.known = replace(self.known, faults=self.known.faults.intersection(state.active_faults))
        old = self.known.faults if state.action <= self.known.action else frozenset()
        hit = [fault for fault in state.active_faults if fault in row.causes and fault not in old]
        stopping = self.case.fault == "F38" and state.state == SupervisorState.STOPPING
        firmware = self.case.fault == "F10" and tick.reading.exo.device_faults & DeviceFault.DRIVE_WATCHDOG
        kernel = row.kernel and tick.applied.reason & _KERNEL & ~self.known.kernel
        if (hit and state.action >= row.action) or stopping or firmware or kernel:
            self.reaction = tick.seq
            self.by_kernel = bool(kernel)
            self.cause = hit[0] if hit else self.case.fault
        elif state.latched and not self.other:
            self.other = state.cause

    def done(self, seq: int) -> bool:
        """Return whether nothing more can come of it."""
        if self.began < 0 or (self.symptom < 0 and self.reaction < 0):
            start = max(self.began, 0)
            return self.other != "" or (start > 0 and (seq - start) * PERIOD_S > self.row.wait_s)
        if self.reaction >= 0:
            return (seq - max(self.reaction, self.symptom)) * PERIOD_S > self.row.after_s
        spare = CATALOGUE[self.case.fault].bound_ticks(PERIOD_S) * PERIOD_S + self.row.last_s
        return (seq - self.symptom) * PERIOD_S > spare

    def result(self, codes: set[str], alone: Twin) -> dict[str, Any]:
        """Return the case's figures and whether it passed, or why it says nothing.

        ``early`` is a reaction to the injected fault before its symptom, ``without_symptom`` one without any:
        that the fault was there to be found is not shown then.
        """
        spec, row = CATALOGUE[self.case.fault], self.row
        bound = spec.bound_ticks(PERIOD_S)
        figures: dict[str, Any] = {
            "from_injection_periods": self.reaction - self.began if self.reaction >= 0 else None,
            "from_symptom_periods": None,
            "bound_periods": bound,
            "action": Action(self.state.action).name,
            "state": SupervisorState(self.state.state).name,
            "cause": self.cause or self.other,
            "latched": self.state.latched,
            "by_kernel": self.by_kernel,
            "early": 0 <= self.reaction < self.symptom,
            "without_symptom": self.symptom < 0 <= self.reaction,
            **self.peaks.figures(),
        }
        if self.began < 0:
            return {"skipped": "its gait state did not come", **figures}
        if self.symptom < 0 and self.reaction >= 0:
            return {"skipped": "reacted without a symptom", **figures}
        if self.symptom < 0:
            why = f"stopped by {self.other} before" if self.other else "no symptom:"
            return {"skipped": f"{why} the truth predicate held", **figures}
        of_itself = self._of_itself(alone, self.symptom + bound)
        if of_itself:
            return {"skipped": of_itself, **figures}
        problems = []
        if self.reaction < 0:
            problems.append(f"no reaction{', stopped by ' + self.other if self.other else ''}")
        else:
            late = self.reaction - self.symptom
            figures["from_symptom_periods"] = late
            if late > bound:
                problems.append(f"after {late} periods, bound {bound}")
        accepted = {CATALOGUE[c].code for c in (self.case.fault, *row.causes) if c in CATALOGUE}
        told = bool(accepted & codes) or self.case.fault == "F13" or self._patient_button()
        if self.reaction >= 0 and not told:
            problems.append("its code is not in the log")
        if self.reaction >= 0 and row.latched and not self.state.latched and not self._patient_button():
            problems.append("not latched")
        return {"passed": not problems, "why": "; ".join(problems), **figures}

    def _of_itself(self, alone: Twin, due: int) -> str:
        """Return in words what the walk alone did before the reaction, or before it was due.

        A late or missing reaction is excused only by a walk that was stopped before it was due.
        """
        if 0 <= self.reaction <= due:
            return alone.reacted(self.row, self.began, self.reaction)
        return alone.stopped_by(due)

    def _patient_button(self) -> bool:
        return self.case.fault == "F38" and self.injection.kind == "patient"


def judge(rig: Rig, case: Case, alone: Twin | None = None) -> dict[str, Any]:
    """Run one case to its end in this process, beside the same walk without the fault; use :func:`forked`."""
    injection = parse(case.text)
    rig.device.arm(injection)
    rig.stage.codes.clear()
    start, before = rig.seq, rig.last
    assert before is not None
    told = Judgement(case, ROWS[case.fault], injection)
    longest = round(_longest_s(case) / PERIOD_S)
    while rig.seq - start < longest and not told.done(rig.seq):
        tick = rig.step()
        told.take(tick, before, rig, None if alone is None else alone.torque_nm.get(tick.seq))
        before = tick
        if told.began < 0 and (rig.seq - start) * PERIOD_S > ROWS[case.fault].wait_s:
            break
    return {**told.result(rig.stage.codes, alone or Twin()), "simulated_s": (rig.seq - start) * PERIOD_S}


def _longest_s(case: Case) -> float:
    return ROWS[case.fault].wait_s + _LAST_S


def _alone(rig: Rig, seconds: float) -> dict[str, Any]:
    """Run the walk on without any fault, until it is stopped; return what a :class:`Twin` is made of."""
    ticks: list[dict[str, Any]] = []
    for _ in range(round(seconds / PERIOD_S)):
        tick = rig.step()
        assert tick.reading.truth is not None
        level, state = level_of(tick), state_of(tick)
        ticks.append(
            {
                "seq": tick.seq,
                "torque_nm": tick.reading.truth.patient_torque_nm.tolist(),
                "level": (level.action, sorted(level.faults), level.kernel),
            }
        )
        if state.latched:
            return {"ticks": ticks, "stopped": tick.seq, "cause": state.cause}
    return {"ticks": ticks, "stopped": -1, "cause": ""}


def twin(rig: Rig, todo: Iterable[Case]) -> Twin | str:
    """Return the walk without any fault for as long as the longest case may last, or what went wrong."""
    found = forked(partial(_alone, rig, max(map(_longest_s, todo))))
    if "error" in found:
        return str(found["error"])
    ticks = found["ticks"]
    levels = ((tick["seq"], tick["level"]) for tick in ticks)
    return Twin(
        {tick["seq"]: np.array(tick["torque_nm"]) for tick in ticks},
        {seq: Level(action, frozenset(faults), kernel) for seq, (action, faults, kernel) in levels},
        found["stopped"],
        found["cause"],
    )


def run_walk(walk: Walk, todo: list[Case]) -> Iterator[tuple[Case, dict[str, Any]]]:
    """Yield every case of one walk with its result, in the order of the walk."""
    rig = Rig(walk)
    for point in _POINTS:
        here = [case for case in todo if point_of(case) == point]
        if not here:
            continue
        problem = rig.reach(point)
        if problem:
            for case in todo:
                if list(_POINTS).index(point_of(case)) >= list(_POINTS).index(point):
                    yield case, {"skipped": f"{walk.name}: {problem}", "simulated_s": 0.0}
            return
        alone = twin(rig, here)
        for case in here:
            if isinstance(alone, str):
                yield case, {"error": f"the same walk without a fault: {alone}"}
            else:
                yield case, forked(partial(judge, rig, case, alone))
