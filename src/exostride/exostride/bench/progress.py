"""``exostride bench progress``: the outlook against "as last time" and a straight line, on held-out sessions.

Made patients recover as stroke patients do: fast at first, towards a level of their own (an exponential
course; Kwakkel, Kollen & Twisk 2006, Stroke 37:2348), with scatter from day to day, some with a setback, some
not at all. Every session is forecast from those before it. With ``--store`` the same is done with the real
courses of a store.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from exostride.analysis.progress import Backtest, backtest
from exostride.analysis.registry import KEYS, REGISTRY
from exostride.analysis.store import Store
from exostride.errors import InputError
from exostride.types import Vector

KINDS = ("recovering", "with a setback", "steady")


def made_course(kind: str, sessions: int, random: np.random.Generator) -> Vector:
    """Return one figure of a made patient over sessions, of a kind in :data:`KINDS`."""
    start, gain = random.uniform(20.0, 60.0), random.uniform(10.0, 40.0)
    n = np.arange(sessions)
    course = np.full(sessions, start)
    if kind != "steady":
        course = start + gain * (1.0 - np.exp(-n / random.uniform(3.0, 12.0)))
    if kind == "with a setback":
        at = int(random.integers(3, max(sessions - 2, 4)))
        course[at:] -= random.uniform(0.3, 0.8) * (course[at] - start) * 0.6 ** np.arange(sessions - at)
    return np.asarray(course + random.normal(0.0, random.uniform(1.0, 4.0), sessions))


def on_made(patients: int, sessions: int, seed: int) -> dict[str, Backtest]:
    """Return the comparison for each kind of course and for all together."""
    random = np.random.default_rng(seed)
    courses = {kind: [made_course(kind, sessions, random) for _ in range(patients)] for kind in KINDS}
    courses["all"] = [course for kind in KINDS for course in courses[kind]]
    found = {name: backtest(some) for name, some in courses.items()}
    return {name: result for name, result in found.items() if result is not None}


def on_store(path: Path) -> dict[str, Backtest]:
    """Return the comparison over every course of every patient of a store, by patient.

    Raises
    ------
    InputError
        There is no such store, or nobody in it has four sessions.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such store")
    with Store(path) as store:
        found = {}
        for name, _ in store.patients():
            places = [(m.name, key) for m in REGISTRY.values() for key in KEYS[m.scope]]
            result = backtest([store.course(name, metric, key).values for metric, key in places])
            if result is not None:
                found[name] = result
    if not found:
        raise InputError(f"{path}: a forecast is held to a session after three others; nobody has four")
    return found


def command(
    store: Annotated[Path | None, typer.Option(help="Store to check; default: made patients.")] = None,
    patients: Annotated[int, typer.Option(min=1, help="Made patients of each kind.")] = 100,
    sessions: Annotated[int, typer.Option(min=5, help="Sessions of each.")] = 15,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made patients.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Compare forecasts on held-out sessions: errors in spreads of a course, and how often 80 % held."""
    found = on_store(store) if store is not None else on_made(patients, sessions, seed)
    table = Table("courses", "held out", "outlook", "as last time", "straight line", "80 % interval held")
    for name, b in found.items():
        errors = (f"{b.ours:.3f}", f"{b.last_value:.3f}", f"{b.straight_line:.3f}")
        table.add_row(name, str(b.n), *errors, f"{100.0 * b.covered:.0f} %")
    Console().print(table)
    if json_file is not None:
        figures = {name: asdict(b) for name, b in found.items()}
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
