"""What counts as fault-free walking, as a false stop and as an alarm, on walks that are made up."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from exostride.bench import safety_free
from exostride.bench.safety_free import (
    KNOBS,
    Copies,
    _Watch,
    curve,
    delays_of,
    stop_is_real,
    with_threshold,
    without_stop,
)
from exostride.bench.safety_rig import PERIOD_S, Walk
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.safety.walker import Walker
from exostride.types import Action, SafetyState, SupervisorState

SECOND = round(1.0 / PERIOD_S)
HUNG = round(0.1 / PERIOD_S)
WALK = Walk("unimpaired", "impedance", 1)


class Made:
    """A rig whose walker falls and cramps in given ticks; what safety says is given by tick."""

    def __init__(
        self,
        falls: range = range(0),
        cramps: range = range(0),
        hangs: Collection[int] = range(0),
        says: dict[int, tuple[Action, str]] | None = None,
        trains: range = range(10**9),
    ) -> None:
        self.falls, self.cramps, self.hangs = falls, cramps, hangs
        self.says, self.trains = says or {}, trains
        self.seq = 0
        self.last: Any = None
        self.component = SimpleNamespace(seen=object())

    def reach(self, point: str) -> str:
        return ""

    def step(self) -> Any:
        action, fault = self.says.get(self.seq, (Action.NONE, ""))
        state = SafetyState(
            seq=self.seq,
            time_s=self.seq * PERIOD_S,
            state=int(SupervisorState.TRAIN if self.seq in self.trains else SupervisorState.STAND),
            action=int(action),
            latched=action >= Action.SOFT_STOP,
            cause=fault if action >= Action.SOFT_STOP else "",
            active_faults=(fault,) if fault else (),
            message="in words",
        )
        load = [0.0, 0.0, 10.0 if self.seq in self.hangs else 350.0] * 2
        reading = SimpleNamespace(truth=SimpleNamespace(ground_force_n=load))
        self.last = SimpleNamespace(seq=self.seq, safety=state, reading=reading)
        self.seq += 1
        return self.last


@pytest.fixture(autouse=True)
def made_truth(monkeypatch: pytest.MonkeyPatch) -> dict[int, Made]:
    """Let truth be what was made; returns the rig that cells run on, by a key of 0."""
    rigs: dict[int, Made] = {}
    monkeypatch.setattr(safety_free, "fell", lambda rig: rig.seq - 1 in rig.falls)
    monkeypatch.setattr(safety_free, "cramps", lambda tick: tick.seq in rigs[0].cramps if rigs else False)
    monkeypatch.setattr(safety_free, "Rig", lambda walk: rigs[0])
    return rigs


def cell(rigs: dict[int, Made], made: Made, falls_anyway: bool = False) -> dict[str, Any]:
    rigs[0] = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safety_free, "falls_without", lambda *arguments: falls_anyway)
        return safety_free.run_cell(WALK, False)


STOP = {30 * SECOND: (Action.SOFT_STOP, "F22")}


def test_stop_of_a_walker_who_falls_just_then_is_real(made_truth: dict[int, Made]) -> None:
    result = cell(made_truth, Made(range(29 * SECOND, 30 * SECOND), says=STOP))
    assert result["tripped"] == "F22" and result["fell"] and stop_is_real(result)
    assert result["simulated_s"] == pytest.approx(30.0 + PERIOD_S)


@pytest.mark.parametrize("what", ["falls", "cramps"])
def test_fall_or_cramp_long_ago_excuses_no_stop(made_truth: dict[int, Made], what: str) -> None:
    says = {**STOP, 10 * SECOND: (Action.REDUCE, "F23")}
    result = cell(made_truth, Made(**{what: range(10 * SECOND, 10 * SECOND + 2)}, says=says))
    assert not stop_is_real(result)
    just = cell(made_truth, Made(**{what: range(29 * SECOND, 29 * SECOND + 1)}, says=STOP))
    assert stop_is_real(just)


def test_fall_after_the_stop_is_asked_of_the_walk_without_it(made_truth: dict[int, Made]) -> None:
    thrown = Made(range(30 * SECOND + 1, 40 * SECOND), says=STOP)
    assert not stop_is_real(cell(made_truth, thrown)), "the stop may have thrown the walker"
    assert stop_is_real(cell(made_truth, Made(says=STOP), falls_anyway=True))


def test_who_hangs_in_the_harness_has_fallen(made_truth: dict[int, Made]) -> None:
    long = range(29 * SECOND, 29 * SECOND + HUNG)
    assert stop_is_real(cell(made_truth, Made(hangs=long, says=STOP)))
    assert not stop_is_real(cell(made_truth, Made(hangs=long[1:], says=STOP))), "a hop"
    broken = {*long} - {long[HUNG // 2]}
    assert not stop_is_real(cell(made_truth, Made(hangs=broken, says=STOP))), "a foot was down between"


def test_who_hangs_has_to_be_met_too() -> None:
    def not_met(says: dict[int, tuple[Action, str]]) -> int:
        watch = _Watch(Made(hangs=range(100, 110 + HUNG), says=says))  # type: ignore[arg-type]
        for _ in range(100 + 3 * SECOND):
            watch.step()
        return watch.falls_not_met

    assert not_met({}) == 1
    assert not_met({100 + SECOND: (Action.REDUCE, "F23")}) == 0


def test_only_training_on_ones_feet_is_time(made_truth: dict[int, Made]) -> None:
    assert cell(made_truth, Made())["train_s"] == pytest.approx(safety_free.CELL_S)
    assert cell(made_truth, Made(trains=range(20 * SECOND, 50 * SECOND)))["train_s"] == pytest.approx(30.0)
    assert cell(made_truth, Made(trains=range(0)))["train_s"] == 0.0
    lying = cell(made_truth, Made(range(60 * SECOND, 10**6)))
    assert lying["train_s"] == pytest.approx(60.0)
    assert lying["falls_not_met"] == 1, "once, however long it lasts"


def test_fall_that_is_met_before_or_within_a_second_is_met() -> None:
    def not_met(says: dict[int, tuple[Action, str]]) -> int:
        watch = _Watch(Made(range(100, 110), says=says))  # type: ignore[arg-type]
        for _ in range(100 + 2 * SECOND):
            watch.step()
        return watch.falls_not_met

    assert not_met({}) == 1
    assert not_met({100 + SECOND: (Action.REDUCE, "F23")}) == 0
    assert not_met({100 + SECOND + 2: (Action.REDUCE, "F23")}) == 1
    assert not_met({100: (Action.REDUCE, "F22")}) == 0
    assert not_met({110: (Action.REDUCE, "F06")}) == 1, "for something else"
    assert not_met({110: (Action.E_STOP, "F18")}) == 0, "who is stopped is held"


def finding(fault: str, action: Action) -> Finding:
    return Finding(fault, action)


def test_walk_without_its_stop_is_the_same_before_and_not_slowed_after() -> None:
    milder = without_stop(1000, "F22", SECOND)
    before = [finding("F22", Action.SOFT_STOP), finding("F06", Action.REDUCE)]
    assert milder(10, before) is before
    assert milder(1000, [finding("F22", Action.SOFT_STOP), finding("F18", Action.E_STOP)]) == []
    assert milder(1001, [finding("F22", Action.REDUCE)]) == [], "part of what stopped"
    assert milder(1002, [finding("F06", Action.REDUCE)]) == [finding("F06", Action.REDUCE)]


def test_giving_way_that_was_in_force_before_the_stop_stays() -> None:
    milder = without_stop(1000, "F22", SECOND)
    milder(995, [finding("F22", Action.REDUCE), finding("F24a", Action.WARN)])
    assert milder(1000, [finding("F22", Action.SOFT_STOP)]) == [finding("F22", Action.REDUCE)]
    assert milder(1001, [finding("F24a", Action.SOFT_STOP)]) == [], "it only warned"
    assert milder(1002, [finding("F24a", Action.WARN)]) == [finding("F24a", Action.WARN)]


def test_counterfactual_looks_at_two_seconds_after_the_stop(
    made_truth: dict[int, Made], limits: SafetyLimits
) -> None:
    def falls(at: range, hangs: range = range(0)) -> bool:
        made = Made(at, hangs=hangs)
        made.limits = limits  # type: ignore[attr-defined]
        made.component = SimpleNamespace(detectors=SimpleNamespace(step=None))
        made_truth[0] = made
        return safety_free.falls_without(WALK, 1000, "F22")

    assert falls(range(1000 + 2 * SECOND, 10**6))
    assert not falls(range(1001 + 2 * SECOND, 10**6))
    assert not falls(range(990, 1001)), "before it is another question"
    assert falls(range(0), hangs=range(1200, 1200 + HUNG))
    assert not falls(range(0), hangs=range(1200, 1199 + HUNG))


def test_spasm_curve_turns_both_thresholds_and_the_trips_own_decides_alone(limits: SafetyLimits) -> None:
    body = limits.detect.body
    assert body.spasm_sd in KNOBS["F22"].values and body.trip_nm in KNOBS["F24b"].values
    twice = with_threshold(limits, KNOBS["F22"], 2.0 * body.spasm_sd).detect.body
    assert (twice.spasm_sd, twice.spasm_knee_nm) == (2.0 * body.spasm_sd, 2.0 * body.spasm_knee_nm)
    assert (twice.spasm_hip_nm, twice.spasm_ankle_nm) == (2.0 * body.spasm_hip_nm, 2.0 * body.spasm_ankle_nm)
    trip = with_threshold(limits, KNOBS["F24b"], 20.0).detect.body
    assert trip.trip_nm == 20.0 and trip.spasm_knee_nm > 1e3 and trip.spasm_sd > 1e3


def test_alarms_count_under_their_own_name_and_only_where_it_counts(
    limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = {0: "F22", 3 * SECOND: "F24b", 6 * SECOND: "F24b"}

    class Told:
        def step(self, snap: Any, found: list[Finding]) -> None:
            if snap.seq in says:
                found.append(finding(says[snap.seq], Action.REDUCE))

    monkeypatch.setattr(safety_free, "_made", lambda *arguments: Told())
    copies = Copies(limits, Walker(), ("F22", "F24b"))
    for seq in range(7 * SECOND):
        copies.step(SimpleNamespace(seq=seq), counts=seq < 5 * SECOND)  # type: ignore[arg-type]
    spasm, trip = ({n for (f, _), n in copies.alarms.items() if f == fault} for fault in ("F22", "F24b"))
    assert (spasm, trip) == ({2}, {1})
    assert copies.alarmed(7 * SECOND) == {v for knob in ("F22", "F24b") for v in KNOBS[knob].values}
    assert copies.alarmed(7 * SECOND + 1) == set()


def test_copy_in_alarm_before_the_injection_has_not_found_it() -> None:
    first = {("F22", 2.0): 100, ("F22", 5.0): 130, ("F22", 8.0): -1}
    delays = delays_of(first, {2.0}, 110)
    assert delays == {"2": None, "5": 20, "8": None}
    runs: list[dict[str, Any]] = [
        {"delays": delays, "alarmed": ["2"]},
        {"delays": {"2": 4, "5": 10, "8": None}, "alarmed": []},
    ]
    cells: list[dict[str, Any]] = [
        {"train_s": 1800.0, "simulated_s": 9000.0, "alarms": {"F22=5": 3}},
        {"train_s": 9.0, "simulated_s": 9.0},
    ]
    points = {p["threshold"]: p for p in curve("F22", cells, runs)}
    assert (points[2.0]["found"], points[2.0]["alarmed_before"], points[2.0]["tried"]) == (1, 1, 2)
    assert (points[5.0]["median_delay_periods"], points[5.0]["alarms_per_hour"]) == (15.0, 6.0)
    assert (points[8.0]["found"], points[8.0]["alarmed_before"]) == (0, 0)
