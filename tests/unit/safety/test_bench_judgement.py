"""How a case of the safety bench is judged, on ticks that are made up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from exostride.bench import safety_rig
from exostride.bench.safety_cases import ROWS, Case, Scene
from exostride.bench.safety_rig import PERIOD_S, Judgement, Level, Twin, Walk, run_walk
from exostride.safety.faults import CATALOGUE
from exostride.safety.injection import parse
from exostride.types import Action, Reason, SafetyState, SimTruth, SupervisorState

FAULT = "F22"
BOUND = CATALOGUE[FAULT].bound_ticks(PERIOD_S)
BEGAN, SYMPTOM = 5, 10
CODES = {CATALOGUE[fault].code for fault in ("F22", "F24b", "F01")}


def tick(seq: int, action: Action = Action.NONE, faults: tuple[str, ...] = (), reason: int = 0) -> Any:
    stopped = action >= Action.SOFT_STOP
    state = SafetyState(
        seq=seq,
        time_s=seq * PERIOD_S,
        state=int(SupervisorState.SOFT_STOP if stopped else SupervisorState.TRAIN),
        action=int(action),
        latched=stopped,
        cause=faults[0] if stopped else "",
        active_faults=faults,
    )
    applied = SimpleNamespace(reason=reason, applied_peak_nm=np.zeros(6))
    truth = SimTruth(seq=seq, time_s=seq * PERIOD_S)
    return SimpleNamespace(seq=seq, safety=state, applied=applied, reading=SimpleNamespace(truth=truth))


def judged(
    ticks: dict[int, Any], fault: str = FAULT, symptom: int | None = SYMPTOM, alone: Twin | None = None
) -> dict[str, Any]:
    """Judge ticks, quiet where none is given; the fault begins in tick 5, its symptom in tick 10."""

    def truth(scene: Scene) -> bool:
        return symptom is not None and scene.tick.seq >= symptom

    case = Case(fault, ROWS[fault].targets[0], "swing", 0)
    injection = parse(case.text)
    began: dict[Any, int] = {}
    rig: Any = SimpleNamespace(device=SimpleNamespace(began=began), simulated=None)
    told = Judgement(case, replace(ROWS[fault], truth=truth), injection)
    before, seq = ticks.get(0, tick(0)), 1
    while seq < 1000 and not told.done(seq):
        if seq == BEGAN:
            began[injection] = seq
        now = ticks.get(seq, tick(seq))
        told.take(now, before, rig, None)
        before, seq = now, seq + 1
    return told.result(CODES, alone or Twin())


def stop(start: int, fault: str = FAULT) -> dict[int, Any]:
    return {seq: tick(seq, Action.SOFT_STOP, (fault,)) for seq in range(start, 1000)}


def test_reaction_within_the_bound_of_the_symptom_passes() -> None:
    result = judged(stop(SYMPTOM + BOUND))
    assert result["passed"] and result["from_symptom_periods"] == BOUND
    assert not result["early"]
    late = judged(stop(SYMPTOM + BOUND + 1))
    assert not late["passed"] and "bound" in late["why"]


def test_reaction_without_a_symptom_is_no_verdict() -> None:
    result = judged(stop(SYMPTOM), symptom=None)
    assert "passed" not in result
    assert result["skipped"] == "reacted without a symptom" and result["without_symptom"]
    assert judged({}, symptom=None)["without_symptom"] is False, "nothing happened at all"


def test_reaction_between_injection_and_symptom_passes_and_is_told_as_early() -> None:
    result = judged(stop(BEGAN + 1))
    assert result["passed"] and result["early"]
    assert result["from_symptom_periods"] == BEGAN + 1 - SYMPTOM


def test_fault_that_was_active_before_is_no_reaction() -> None:
    always = {seq: tick(seq, Action.REDUCE, (FAULT,)) for seq in range(1000)}
    result = judged(always)
    assert not result["passed"] and result["why"] == "no reaction"
    other = {seq: tick(seq, Action.REDUCE, ("F24b",)) for seq in range(BEGAN)}
    assert judged({**other, **stop(SYMPTOM)})["passed"], "another one, cleared before"


def test_fault_that_was_active_before_counts_when_it_comes_again_or_the_action_rises() -> None:
    before = {seq: tick(seq, Action.REDUCE, (FAULT,)) for seq in range(SYMPTOM - 2)}
    again = {seq: tick(seq, Action.REDUCE, (FAULT,)) for seq in range(SYMPTOM, 1000)}
    assert judged({**before, **again})["why"] == "not latched", "seen anew, though it does not stop"
    assert judged({**before, **again})["from_symptom_periods"] == 0
    through = {seq: tick(seq, Action.REDUCE, (FAULT,)) for seq in range(SYMPTOM)}
    risen = judged({**through, **stop(SYMPTOM)})
    assert risen["passed"] and risen["from_symptom_periods"] == 0


def test_what_the_kernel_did_before_is_no_reaction() -> None:
    missing = int(Reason.SAMPLE_MISSING)
    before = {seq: tick(seq, reason=missing) for seq in range(1000)}
    assert judged(before, "F01")["why"] == "no reaction"
    new = {seq: tick(seq, Action.SOFT_STOP, ("F01",), missing) for seq in range(SYMPTOM, 1000)}
    result = judged(new, "F01")
    assert result["passed"] and result["by_kernel"]


def test_pass_that_the_walk_alone_has_too_is_no_verdict() -> None:
    alone = Twin(stopped=SYMPTOM, cause="F06")
    assert judged(stop(SYMPTOM), alone=alone)["skipped"] == "the walk alone was stopped by F06"
    assert judged(stop(SYMPTOM - 1), alone=alone)["passed"], "the reaction came first"
    gave_way = Twin(levels={SYMPTOM: Level(int(Action.REDUCE), frozenset({FAULT}))})
    assert "reacted, too (F22)" in judged(stop(SYMPTOM + 1), alone=gave_way)["skipped"]
    warned = Twin(levels={SYMPTOM: Level(int(Action.REDUCE), frozenset({"F06"}))})
    assert judged(stop(SYMPTOM + 1), alone=warned)["passed"], "for another fault"
    earlier = Twin(levels={BEGAN - 1: Level(int(Action.REDUCE), frozenset({FAULT}))})
    assert judged(stop(SYMPTOM + 1), alone=earlier)["passed"], "before the injection, and over"


def test_kernel_of_the_walk_alone_counts_where_the_kernels_reaction_does() -> None:
    bit = int(Reason.SAMPLE_MISSING)
    alone = Twin(levels={SYMPTOM: Level(kernel=bit)})
    assert "reacted, too (kernel)" in judged(stop(SYMPTOM, "F01"), "F01", alone=alone)["skipped"]
    always = Twin(levels={seq: Level(kernel=bit) for seq in range(100)})
    assert judged(stop(SYMPTOM, "F01"), "F01", alone=always)["passed"], "nothing new about it"


def test_failure_is_excused_only_by_a_walk_that_was_stopped_before_a_reaction_was_due() -> None:
    due = SYMPTOM + BOUND
    assert judged({}, alone=Twin(stopped=due, cause="F06"))["skipped"].endswith("stopped by F06")
    assert not judged({}, alone=Twin(stopped=due + 1, cause="F06"))["passed"]
    gave_way = Twin(levels={SYMPTOM: Level(int(Action.REDUCE), frozenset({FAULT}))})
    assert not judged(stop(due + 1), alone=gave_way)["passed"], "late is late"


def test_a_walk_alone_that_breaks_leaves_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety_rig, "Rig", lambda walk: SimpleNamespace(reach=lambda point: ""))
    monkeypatch.setattr(safety_rig, "forked", lambda work: {"error": "status 9"})
    case = Case("F01", "right:knee", "standing", 0)
    ((_, result),) = run_walk(Walk("unimpaired", "impedance", 1), [case])
    assert result == {"error": "the same walk without a fault: status 9"}


def test_twin_holds_the_walk_as_long_as_the_longest_case(monkeypatch: pytest.MonkeyPatch) -> None:
    seqs = iter(range(100, 10**6))
    rig: Any = SimpleNamespace(step=lambda: tick(next(seqs)))
    monkeypatch.setattr(safety_rig, "forked", lambda work: work())
    todo = [Case("F01", "right:knee", "swing", 0), Case("F24a", "left", "swing", 0)]
    alone = safety_rig.twin(rig, todo)
    assert isinstance(alone, Twin) and alone.stopped == -1
    assert min(alone.levels) == 100
    assert len(alone.levels) * PERIOD_S >= ROWS["F24a"].wait_s
    stops: Any = SimpleNamespace(step=lambda: tick(next(seqs), Action.SOFT_STOP, ("F06",)))
    alone = safety_rig.twin(stops, todo)
    assert isinstance(alone, Twin) and alone.cause == "F06" and list(alone.levels) == [alone.stopped]
