"""``exostride bench safety``: every fault in every gait state, and hours without any.

The matrix is generated from :mod:`exostride.bench.safety_cases`; each case is judged by a truth predicate
of its own and runs beside a twin without the fault. Results go to the JSON file as they come, so a run that
is stopped, or has used up its budget, goes on where it was, as long as model and code are the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from scipy.stats import chi2

from exostride.bench.safety_cases import Case, cases
from exostride.bench.safety_curves import write_picture
from exostride.bench.safety_files import run_files
from exostride.bench.safety_free import (
    CELL_S,
    CURVES_EVERY,
    KNOBS,
    cell,
    curve,
    delays,
    run_cell,
    stop_is_real,
)
from exostride.bench.safety_page import page
from exostride.bench.safety_rig import PERIOD_S, Rig, Walk, forked, run_walk
from exostride.bench.workers import Found, Job, cores, spread
from exostride.errors import ExitCode, InputError
from exostride.paths import config_dir
from exostride.safety.faults import CATALOGUE

WALKS: Final = (
    Walk("unimpaired", "impedance", 1),
    Walk("hemiparetic_left_mild", "impedance", 2),
    Walk("hemiparetic_left_mild", "force_field", 3),
    Walk("unimpaired", "transparent", 4),
    Walk("spastic", "impedance", 5),
)
"""Who walks in the matrix, one per seed."""
HOURS: Final = 10.0
CURVES: Final = "curves"
FREE: Final = "free"
"""Names of what ``--only`` can ask for beside faults: the trade-off curves, the fault-free hours."""
_FILES_SEEDS: Final = 5
_SAVE_S: Final = 10.0
_ROUND: Final = 40
"""Cases of one walk before the next walk has its turn, in the first round; each round has twice as many.

Bringing a walk to its gait costs as much as some thirty cases, and every round does it anew.
"""
_MOST_WALKS: Final = 3
"""Times as many walks as the hours would need if all were training: then walkers do not get to it."""
_CURVE_CELLS: Final = range(0, 15 * CURVES_EVERY, CURVES_EVERY)
"""Fault-free walks beside which the detectors' copies walk: half an hour. They take most of its time."""
_SOURCES: Final = ("safety", "plant", "patient", "control", "gait", "runtime", "hardware", "model")
_JUDGES: Final = ("safety_cases", "safety_files", "safety_free", "safety_rig")
"""Modules of the bench that a verdict depends on."""


_NO_MUTATION: Final[dict[str, Any]] = {"killed": None, "total": None, "survivors": []}
_NO_COVERAGE: Final[dict[str, Any]] = {"line": None, "branch": None}
"""What is told of mutants and coverage until their own commands have been run."""
_NO_CASES: Final[dict[str, Any]] = {
    "cases": 0,
    "passed": 0,
    "worst_periods": None,
    "early": 0,
    "as_other": 0,
    "without_symptom": 0,
}
"""A fault's row: of those that passed, how many reacted before the symptom, or as another fault.

``without_symptom`` are those not judged because the fault reacted to never showed.
"""


def model_hash() -> str:
    """Return a digest of the code and configuration that a result depends on."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    files = [f for name in _SOURCES for f in (package / name).rglob("*.py")]
    files += [*package.glob("*.py"), *(package / "bench" / f"{name}.py" for name in _JUDGES)]
    files += (config_dir()).rglob("*.yaml")
    for file in sorted(files):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


class Results:
    """What is known so far, in its file."""

    def __init__(self, path: Path | None, digest: str) -> None:
        self._path = path
        self._saved = time.monotonic()
        self.data: dict[str, Any] = {"model_hash": digest, "results": {}, "cells": {}, "curve_runs": {}}
        self.figures: dict[str, Any] = {"mutation": _NO_MUTATION, "coverage": _NO_COVERAGE}
        if path is not None and path.is_file():
            try:
                old = json.loads(path.read_text())
            except ValueError as error:
                raise InputError(
                    f"{path}: not the results of an earlier run ({error}); move it away"
                ) from None
            if old.get("model_hash") == digest and set(self.data) <= set(old):
                self.data = {key: old[key] for key in self.data}
                self.figures = {key: old.get(key, none) for key, none in self.figures.items()}

    def beside(self, file: Path) -> None:
        """Put the figures of a mutation or coverage run beside the others.

        Raises
        ------
        InputError
            The file cannot be read or holds neither.
        """
        try:
            found = json.loads(file.read_text())
            figures = {key: dict(found[key]) for key in self.figures if key in found}
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{file}: not the JSON of a mutation or coverage run ({error})") from None
        if not figures:
            raise InputError(f"{file}: holds neither {' nor '.join(self.figures)}; give what --json wrote")
        self.figures.update(figures)

    def put(self, group: str, key: str, value: dict[str, Any]) -> None:
        """Add one result; the file follows at once for a whole walk, some seconds later for a case."""
        self.data[group][key] = value
        if group == "cells" or time.monotonic() - self._saved > _SAVE_S:
            self.save()

    def save(self) -> None:
        """Sum up and write the file, whole or not at all."""
        self._saved = time.monotonic()
        if self._path is None:
            return
        data = {**summary(self.data), **self.figures, **self.data}
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(data, indent=1))
        part.replace(self._path)


def summary(data: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of all results so far."""
    results: dict[str, dict[str, Any]] = data["results"]
    cells = list(data["cells"].values())
    judged = {key: r for key, r in results.items() if "passed" in r and "skipped" not in r}
    by_fault: dict[str, dict[str, Any]] = {}
    for key, r in sorted(results.items()):
        if key not in judged and not r.get("without_symptom"):
            continue
        fault = key.split("@")[0].split(":")[0]
        row = by_fault.setdefault(fault, {**_NO_CASES, "bound_periods": r["bound_periods"]})
        if key not in judged:
            row["without_symptom"] += 1
            continue
        row["cases"] += 1
        row["passed"] += r["passed"]
        row["early"] += r["passed"] and r.get("early", False)
        row["as_other"] += r["passed"] and r.get("cause", fault) not in (fault, "")
        late = r.get("from_symptom_periods")
        if late is not None and (row["worst_periods"] is None or late > row["worst_periods"]):
            row["worst_periods"] = late
    failed = [{"case": key, "why": r["why"]} for key, r in sorted(judged.items()) if not r["passed"]]
    hours = sum(c.get("train_s", 0.0) for c in cells) / 3600.0
    trips = [c for c in cells if c.get("tripped")]
    real = [c for c in trips if stop_is_real(c)]
    false = [c for c in trips if c not in real]
    simulated = sum(r.get("simulated_s", 0.0) for r in (*results.values(), *cells))
    return {
        "simulated_seconds": round(simulated, 1),
        "skipped": {key: r.get("skipped") or r["error"] for key, r in results.items() if key not in judged},
        "cases": len(judged),
        "passed": len(judged) - len(failed),
        "early": sum(row["early"] for row in by_fault.values()),
        "without_symptom": sum(row["without_symptom"] for row in by_fault.values()),
        "failed": failed,
        "by_fault": by_fault,
        "fault_free": {
            "hours": round(hours, 3),
            "target_hours": HOURS,
            "walks": len(cells),
            "false_trips": len(false),
            "false_by_fault": {
                f: sum(c["tripped"] == f for c in false) for f in {c["tripped"] for c in false}
            },
            "stops_for_real_falls": len(real),
            "falls_not_met": sum(c.get("falls_not_met", 0) for c in cells),
            "walks_without_training": sum(not c.get("train_s") for c in cells),
            "rate_per_hour": round(len(false) / hours, 2) if hours else None,
            "rate_upper_95_per_hour": _upper(len(false), hours),
            "reduces_per_hour": _per_hour(cells, hours),
        },
        "curves": {
            fault: curve(
                fault, cells, [r for k, r in data["curve_runs"].items() if k.startswith(fault + "#")]
            )
            for fault in KNOBS
        },
    }


def _upper(count: int, hours: float) -> float | None:
    """Return the 95 % upper bound of a Poisson rate [1/h]; without a count it is 3 / hours."""
    return round(float(chi2.ppf(0.95, 2 * (count + 1))) / (2.0 * hours), 2) if hours else None


def _per_hour(cells: list[dict[str, Any]], hours: float) -> dict[str, float]:
    """Return how often the robot gave way or the belt slowed without a stop [1/h], by fault."""
    faults = sorted({fault for c in cells for fault in c.get("reduces", {})})
    return {f: round(sum(c["reduces"].get(f, 0) for c in cells) / hours, 1) for f in faults}


def _matrix_jobs(done: set[str], only: set[str], seeds: int) -> Iterator[Job]:
    """Yield one job for each walk with the next cases it has to give, in rounds over all walks."""
    left = [c for c in cases(seeds) if c.key not in done and (not only or c.fault in only)]
    by_seed = [[c for c in left if c.seed == seed] for seed in range(seeds)]
    start, size = 0, _ROUND
    while start < max(map(len, by_seed)):
        for seed, mine in enumerate(by_seed):
            part = mine[start : start + size]
            if part:
                yield partial(_matrix_job, WALKS[seed % len(WALKS)], part)
        start, size = start + size, 2 * size


def _matrix_job(walk: Walk, todo: list[Case]) -> Iterator[Found]:
    for case, result in run_walk(walk, todo):
        yield "results", case.key, result


class Clock:
    """How much of a budget is left; without one there is no end."""

    def __init__(self, budget_s: float | None) -> None:
        self._budget = budget_s
        self._start = time.monotonic()

    def over(self, share: float = 1.0) -> bool:
        """Return whether ``share`` of the budget is used up."""
        return self._budget is not None and time.monotonic() - self._start > share * self._budget


def _curve_job(walk: Walk, faults: list[str]) -> Iterator[Found]:
    """Yield the delays of every threshold for one of the matrix's walkers."""
    rig = Rig(walk)
    problem = rig.reach("walking")
    for fault in faults:
        found = {"skipped": problem} if problem else forked(partial(delays, rig, fault))
        yield "curve_runs", f"{fault}#{walk.name}", found


def _curve_jobs(done: set[str]) -> Iterator[Job]:
    for walk in WALKS:
        todo = [f for f in KNOBS if f"{f}#{walk.name}" not in done]
        if todo:
            yield partial(_curve_job, walk, todo)


def _free_job(number: int, walk: Walk) -> Iterator[Found]:
    yield "cells", str(number), run_cell(walk, number in _CURVE_CELLS)


def _free_jobs(results: Results, hours: float) -> Iterator[Job]:
    """Yield walks without a fault until the hours of training are reached, or will never be."""
    cells = results.data["cells"]
    number, most = 0, _MOST_WALKS * 3600.0 * hours / CELL_S
    while sum(c.get("train_s", 0.0) for c in cells.values()) < 3600.0 * hours and number < most:
        if str(number) not in cells:
            yield partial(_free_job, number, cell(number))
        number += 1


def _curve_cells(results: Results) -> Iterator[Job]:
    """Yield the fault-free walks that the curves need for their false alarms."""
    for number in _CURVE_CELLS:
        if str(number) not in results.data["cells"]:
            yield partial(_free_job, number, cell(number))


def _run(results: Results, jobs: Iterator[Job], workers: int, over: Callable[[], bool]) -> None:
    for group, key, value in spread(jobs, workers, over):
        results.put(group, key, value)


def _measure(
    results: Results, clock: Clock, wanted: set[str], seeds: int, hours: float, workers: int
) -> None:
    """Run what is wanted and not there yet; everything when ``wanted`` is empty."""
    done, faults = results.data["results"], wanted - {CURVES, FREE}
    if not wanted:
        for key, result in run_files(_FILES_SEEDS, set(done)):
            results.put("results", key, result)
    if faults or not wanted:
        share = 1.0 if wanted else 0.6
        _run(results, _matrix_jobs(set(done), faults, seeds), workers, partial(clock.over, share))
    if CURVES in wanted or not wanted:
        share = 1.0 if wanted else 0.75
        jobs = _curve_jobs(set(results.data["curve_runs"]))
        _run(results, jobs, workers, partial(clock.over, share))
    if CURVES in wanted:
        _run(results, _curve_cells(results), workers, clock.over)
    if FREE in wanted or not wanted:
        _run(results, _free_jobs(results, hours), workers, clock.over)


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:g} /h"


def _figures(data: dict[str, Any]) -> Iterator[str]:
    """Yield what mutation and coverage runs have shown."""
    mutation, coverage = data["mutation"], data["coverage"]
    if mutation["total"]:
        alive = ", ".join(mutation["survivors"]) or "none"
        yield f"mutants: {mutation['killed']} of {mutation['total']} killed, survivors: {alive}"
    if coverage["line"] is not None:
        yield f"safety code: {coverage['line']:.2f} % of lines, {coverage['branch']:.2f} % of branches run"


def text(data: dict[str, Any]) -> Iterator[str]:
    """Yield the summary in lines."""
    unit = f"(periods of {PERIOD_S * 1e3:g} ms)"
    yield (
        f"{'fault':6} {'cases':>5} {'passed':>6} {'early':>6} {'other':>6} {'none':>6} {'worst':>6} "
        f"{'bound':>6}  {unit}"
    )
    for fault, row in data["by_fault"].items():
        worst = "-" if row["worst_periods"] is None else f"{row['worst_periods']}"
        title = CATALOGUE[fault].title if fault in CATALOGUE else ""
        yield (
            f"{fault:6} {row['cases']:5} {row['passed']:6} {row['early']:6} {row['as_other']:6} "
            f"{row['without_symptom']:6} {worst:>6} {row['bound_periods']:6}  {title}"
        )
    yield "early: of the passed, reacted before the symptom; other: told as another fault; none: not judged,"
    yield "since it reacted without a symptom; worst: latest reaction after the symptom, below 0 before it"
    yield (
        f"{data['passed']} of {data['cases']} cases passed, {data['early']} of them before the symptom; "
        f"{len(data['skipped'])} without a verdict, {data['without_symptom']} of them since they reacted "
        f"without a symptom"
    )
    for fail in data["failed"]:
        yield f"  failed: {fail['case']}: {fail['why']}"
    free = data["fault_free"]
    yield (
        f"fault-free: {free['hours']:.2f} h of {free['target_hours']:g} h of training in {free['walks']} "
        f"walks, {free['walks_without_training']} of them without any: "
        f"{free['false_trips']} false trips {free['false_by_fault'] or ''}, "
        f"{free['stops_for_real_falls']} stops for walkers that fell or cramped; "
        f"{_rate(free['rate_per_hour'])}, 95 % upper bound {_rate(free['rate_upper_95_per_hour'])}; "
        f"{free['falls_not_met']} falls not met"
    )
    yield f"  gave way without a stop: {free['reduces_per_hour'] or 'never'} /h"
    known = {f: points for f, points in data["curves"].items() if any(p["tried"] for p in points)}
    if known:
        yield (
            "trade-off: threshold, alarms an hour without fault, median delay in periods, found of tried "
            "(of those not found, in alarm before)"
        )
    for fault, points in known.items():
        for p in points:
            name = f"{KNOBS[fault].name}={p['threshold']:g}"
            yield (
                f"  {fault:5} {name:22} {_rate(p['alarms_per_hour']):>8}  {p['median_delay_periods']}  "
                f"{p['found']}/{p['tried']} ({p['alarmed_before']})"
            )
    yield from _figures(data)


def _other(processes: int, json_path: Path | None) -> None:
    """Run what is measured apart from the matrix: the real processes, or the time of a tick."""
    from exostride.bench import safety_processes, safety_timing

    figures = safety_processes.processes(processes) if processes else safety_timing.kernel_timing()
    if json_path is not None:
        json_path.write_text(json.dumps(figures, indent=1) + "\n")
    if not figures["passed"]:
        raise typer.Exit(int(ExitCode.FAILED))


def command(
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all results here; resumes.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page here.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw delay against false alarms as SVG here.")] = None,
    budget: Annotated[float | None, typer.Option(help="Stop after this long [s].", min=1.0)] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of the matrix, one walker each.", min=1)] = 5,
    only: Annotated[str, typer.Option(help="Only these: faults, curves, free; as F22,F23.")] = "",
    hours: Annotated[float, typer.Option(help="Fault-free hours.", min=0.0)] = HOURS,
    workers: Annotated[
        int | None, typer.Option(help="Processes; by default one for each core.", min=1)
    ] = None,
    processes: Annotated[
        bool, typer.Option("--processes", help="The tier of real processes instead of the matrix.")
    ] = False,
    repetitions: Annotated[int, typer.Option(help="Sessions of each case of --processes.", min=1)] = 5,
    figures: Annotated[
        list[Path] | None,
        typer.Option("--figures", help="JSON of a mutation or coverage run to put beside; repeatable."),
    ] = None,
    timing: Annotated[
        bool, typer.Option("--timing", help="Time of kernel and supervisor for a tick instead.")
    ] = False,
) -> None:
    """Every fault at every target in every gait state on the virtual clock, and hours without a fault."""
    if processes or timing:
        _other(repetitions if processes else 0, json_path)
        return
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    known = {case.fault for case in cases(1)} | {CURVES, FREE}
    if wanted - known:
        unknown = ", ".join(sorted(wanted - known))
        raise InputError(f"--only {only}: unknown {unknown}; known are {', '.join(sorted(known))}")
    results, clock = Results(json_path, model_hash()), Clock(budget)
    for file in figures or []:
        results.beside(file)
    try:
        _measure(results, clock, wanted, seeds, hours, workers or cores())
    finally:
        results.save()
    data = {**summary(results.data), **results.figures}
    for line in text(data):
        print(line)
    if html is not None:
        html.write_text(page({**data, **results.data}))
    if picture is not None:
        write_picture(picture, data["curves"])
    if data["failed"] or data["fault_free"]["false_trips"] or data["fault_free"]["falls_not_met"]:
        raise typer.Exit(int(ExitCode.FAILED))
