"""``exostride bench control``: every law on every virtual patient, on the virtual clock.

Four numbers together make a law: the tracking error that is left beyond a dead-band, the robot's part of all
positive work, how much of the effort of walking without assistance the patient keeps, and how fast the
assistance goes when the patient recovers. Rows of fixed guidance at several levels, position control and the
transparent robot are always beside them. Walks that are done are kept, so that an interrupted run goes on
where it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exostride import registry
from exostride.bench.control_cell import run_cell, slacking
from exostride.bench.control_grid import BenchConfig, Cell, cells, fingerprint, model_hash
from exostride.bench.control_page import COLUMNS, page
from exostride.bench.control_verdict import Row, by_patient, means, verdict, with_effort
from exostride.bench.control_words import patient_line, verdict_line
from exostride.bench.workers import Found, Job, cores, spread
from exostride.config import load
from exostride.errors import InputError
from exostride.paths import config_dir
from exostride.patient.profile import PatientProfile
from exostride.patient.profiles import load_profile


class Store:
    """Rows of finished walks in a file beside the result, one JSON line each.

    A line belongs to one configuration and model (``fingerprint``); those of another are left alone and not
    used. A line cut short by a kill is skipped.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self.rows: dict[str, Row] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    item = json.loads(line)
                    if item["fingerprint"] == key:
                        self.rows[item["cell"]] = _numbers(item["row"])
                except (ValueError, KeyError, TypeError):
                    continue

    def put(self, cell: Cell, row: Row) -> None:
        """Keep a finished row."""
        self.rows[cell.key] = row
        item = {"fingerprint": self._key, "cell": cell.key, "row": _plain(row)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(item) + "\n")


def _plain(row: Row) -> Row:
    """Return a row that JSON can hold: null for what is not a number."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def _numbers(row: Row) -> Row:
    return {k: math.nan if v is None else v for k, v in row.items()}


def _walk(cell: Cell, config: BenchConfig) -> Iterator[Found]:
    yield "walk", cell.key, run_cell(cell, config)


def _walks(left: Iterable[Cell], config: BenchConfig, end_s: float) -> Iterator[Job]:
    for cell in left:
        if monotonic() >= end_s:
            return
        yield partial(_walk, cell, config)


def walked(cell: Cell, config: BenchConfig, profile: PatientProfile) -> Cell:
    """Return the cell whose walk stands for this one: who slacks no differently walks no differently."""
    first = config.slacking[0]
    same = slacking(profile, cell.slacking, config) == slacking(profile, first, config)
    return replace(cell, slacking=first) if same else cell


def run_grid(
    config: BenchConfig, store: Store, budget_s: float, jobs: int, progress: Progress | None = None
) -> tuple[list[Row], int]:
    """Walk what is missing of the grid within the budget; return all rows and how many are left.

    Parameters
    ----------
    config, store
        The grid and what is done of it.
    budget_s
        Wall time after which no further walk begins.
    jobs
        Processes.
    progress
        Shows what is done.
    """
    profiles = {name: load_profile(name) for name in config.patients}
    grid = {cell: walked(cell, config, profiles[cell.patient]) for cell in cells(config)}
    walks = list(dict.fromkeys(grid.values()))
    left = [cell for cell in walks if cell.key not in store.rows]
    bar = None if progress is None else progress.add_task("walks", total=len(walks))
    if progress is not None and bar is not None:
        progress.update(bar, completed=len(walks) - len(left))
    todo = {cell.key: cell for cell in left}
    # A walk that has begun is worth its end: the budget ends the jobs and not the processes.
    for _, key, row in spread(_walks(left, config, monotonic() + budget_s), jobs, lambda: False):
        store.put(todo[key], row)
        if progress is not None and bar is not None:
            progress.advance(bar)
    rows = [
        {**store.rows[walk.key], "slacking": cell.slacking}
        for cell, walk in grid.items()
        if walk.key in store.rows
    ]
    return rows, len(grid) - len(rows)


def summary(rows: Sequence[Row], skipped: int, config: BenchConfig) -> dict[str, Any]:
    """Return the whole result."""
    full = with_effort(rows)
    return {
        "simulated_seconds": float(sum(row["simulated_seconds"] for row in full)),
        "skipped": skipped,
        "model_hash": model_hash(),
        "default": config.default,
        "verdict": verdict(full, config.default),
        "patients": by_patient(full, config.default),
        "rows": full,
    }


def _chosen(text: str, known: Iterable[str], what: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    available = sorted(known)
    for name in names:
        if name not in available:
            raise InputError(f"--{what}: unknown '{name}'; available: {', '.join(available)}")
    return names


def _configuration(
    file: Path | None, controllers: str, patients: str, seeds: int, slacking: str
) -> BenchConfig:
    config = load(BenchConfig, file or config_dir() / "bench" / "control.yaml")
    change: dict[str, Any] = {}
    if controllers:
        change["controllers"] = _chosen(controllers, registry.names(registry.CONTROLLERS), "controllers")
    if patients:
        change["patients"] = tuple(part.strip() for part in patients.split(",") if part.strip())
    if seeds:
        change["seeds"] = tuple(config.seeds[0] + k for k in range(seeds))
    if slacking:
        try:
            change["slacking"] = tuple(float(part) for part in slacking.split(","))
        except ValueError:
            raise InputError(f"--slacking {slacking}: needs numbers separated by commas") from None
    config = config.model_copy(update=change)
    for name in (*config.controllers, config.default):
        registry.load(registry.CONTROLLERS, name)
    for patient in config.patients:
        load_profile(patient)
    return config


def _show(console: Console, result: dict[str, Any]) -> None:
    lines = [
        f"slacking × {row['slacking']:g} {row['patient']:24s} {row['controller']:20s} "
        f"error {row['tracking_error_deg']:5.2f} deg  "
        f"assist {row['assist_work_fraction']:.3f}  effort {row['effort_retained']:.3f}  "
        f"tries {row['effort_level']:.2f}  decay {row['decay_strides']:4.1f}  "
        f"clearance {row['clearance_mm']:5.1f} mm  "
        f"falls {row['falls']}/{row['n']}  {row['us_per_step']:.0f} µs"
        for row in means(result["rows"], list(COLUMNS))
    ]
    lines += [patient_line(item) for item in result["patients"]]
    lines += [verdict_line(item) for item in result["verdict"]]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"{result['simulated_seconds']:.0f} s simulated, {result['skipped']} walks not done")


def command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all rows here.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page with the picture.")] = None,
    config: Annotated[Path | None, typer.Option(help="Grid; config/bench/control.yaml if absent.")] = None,
    controllers: Annotated[str, typer.Option(help="Laws, by comma; reference rows come besides.")] = "",
    patients: Annotated[str, typer.Option(help="Profiles, by comma.")] = "",
    seeds: Annotated[
        int, typer.Option(min=0, help="Number of seeds, from the grid's first on; 0: the grid's.")
    ] = 0,
    slacking: Annotated[str, typer.Option(help="Multiples of slacking, by comma.")] = "",
    budget: Annotated[
        float, typer.Option(min=0.0, help="Seconds after which no walk begins; 0: none.")
    ] = 0.0,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    cells_file: Annotated[Path, typer.Option("--cells", help="Where finished walks are kept.")] = Path(
        "bench-control.cells.jsonl"
    ),
) -> None:
    """Compare all control laws on all virtual patients."""
    grid = _configuration(config, controllers, patients, seeds, slacking)
    for file in (json_file, html_file, cells_file):
        if file is not None and not file.resolve().parent.is_dir():
            raise InputError(f"{file}: there is no folder {file.resolve().parent}")
    console = Console()
    store = Store(cells_file, fingerprint(grid))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        rows, skipped = run_grid(grid, store, budget or math.inf, jobs or cores(), progress)
    result = summary(rows, skipped, grid)
    _show(console, result)
    if json_file is not None:
        lists = {key: [_plain(row) for row in result[key]] for key in ("rows", "patients")}
        plain = {**result, **lists}
        json_file.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    if html_file is not None:
        html_file.write_text(page(result), encoding="utf-8")
