"""``exostride bench phase``: gait phase estimators against recorded walkers, in one table.

Each recording is played once, sample by sample, to each estimator. Every estimator sees thigh angle and rate
only; the one the stack ships with (``default``) is also shown all kinematics, and foot load, where there are
any. A researcher's own estimator joins by being installed with an entry point in
``exostride.phase_estimators``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from exostride import registry
from exostride.bench import phase_peer
from exostride.bench.phase_data import KINEMATICS, LOAD, THIGH, Walker, read_folder
from exostride.bench.phase_score import (
    EstimatorFactory,
    LegScore,
    Run,
    delays_ms,
    detections,
    event_score,
    oracle,
    run,
    score_leg,
)
from exostride.errors import InputError
from exostride.gait.fit_reference import print_errors, unseen_errors
from exostride.gait.fit_tables import read_schwartz, read_winter
from exostride.gait.phase.default import settings
from exostride.types import EventKind

CHANGING_CV = 0.14
ORACLE = "oracle_time_based"
KINDS = {EventKind.HEEL_STRIKE: "heel_strike", EventKind.TOE_OFF: "toe_off"}
CONFIDENCE_EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass
class Column:
    """One estimator as shown one group of signals."""

    key: str
    signals: str
    make: EstimatorFactory | None
    """``None`` for the oracle."""
    reliability: list[tuple[float, bool]] = field(default_factory=list)


def factory(name: str) -> EstimatorFactory:
    """Return a maker of the estimator ``name`` with the parameters that the configuration has for it."""
    parameters = {} if name == "default" else settings().of(name)

    def make(period_s: float) -> Any:
        return registry.load(registry.PHASE_ESTIMATORS, name)(period_s, parameters)

    return make


def columns(names: Iterable[str] | None) -> list[Column]:
    """Return the columns of the table: all estimators there are, or the named ones, and the baselines.

    Raises
    ------
    InputError
        A name is not registered.
    """
    known = registry.names(registry.PHASE_ESTIMATORS)
    chosen = (
        list(names)
        if names
        else ["default", *(n for n in known if n not in ("default", settings().estimator))]
    )
    for name in chosen:
        if name not in known:
            raise InputError(f"unknown phase estimator '{name}'; available: {', '.join(known)}")
    out = []
    for name in chosen:
        out.append(Column(name, THIGH, factory(name)))
        if name == "default" or names:
            out += [Column(f"{name}+{signals}", signals, factory(name)) for signals in (KINEMATICS, LOAD)]
    out.append(Column(ORACLE, THIGH, None))
    if phase_peer.available() and not names:
        out.append(Column(phase_peer.NAME, THIGH, phase_peer.PeerOscillator))
    return out


def measure(walker: Walker, column: Column) -> dict[str, Any] | None:
    """Return the figures of one estimator on one recording, ``None`` if it lacks the signals."""
    if not walker.shows(column.signals):
        return None
    result = (
        oracle(walker) if column.make is None else run(column.make(walker.period_s), walker, column.signals)
    )
    scores = [s for side in walker.legs() if (s := score_leg(walker, result, side)) is not None]
    out: dict[str, Any] = _phase_figures(scores)
    if column.make is not None:
        out["us_per_step"] = float(np.median(result.step_us))
        out["us_per_step_p99"] = float(np.percentile(result.step_us, 99))
        for score in scores:
            good = np.abs(score.error[score.counted]) < 0.05
            column.reliability += list(zip(score.confidence[score.counted], good, strict=True))
    out["events"] = _event_figures(walker, result) if result.events else {}
    return out


def _phase_figures(scores: list[LegScore]) -> dict[str, Any]:
    if not scores:
        return {
            "rmse_pct": None,
            "p95_pct": None,
            "lock_losses": 0,
            "strides_to_lock": None,
            "offset_pct": {},
        }
    error = np.concatenate([s.error[s.counted] for s in scores])
    to_lock = [s.strides_to_lock for s in scores]
    return {
        "rmse_pct": 100.0 * float(np.sqrt(np.mean(error**2))),
        "p95_pct": 100.0 * float(np.percentile(np.abs(error), 95)),
        "lock_losses": sum(s.lock_losses for s in scores),
        "strides_to_lock": None if np.isnan(to_lock).any() else float(np.mean(to_lock)),
        "offset_pct": {("left", "right")[s.side]: 100.0 * s.offset for s in scores},
    }


def _event_figures(walker: Walker, result: Run) -> dict[str, Any]:
    out: dict[str, Any] = {}
    start, end = float(walker.time_s[0]), float(walker.time_s[-1])
    for kind, name in KINDS.items():
        labels = walker.strikes if kind == EventKind.HEEL_STRIKE else walker.toe_offs
        scores = [
            s
            for side in (0, 1)
            if (s := event_score(detections(result, side, kind), labels[side], start, end)) is not None
        ]
        if not scores:
            continue
        matched, found, true = (sum(s[k] for s in scores) for k in ("matched", "found", "labels"))
        delays = delays_ms(result, kind)
        out[name] = {
            "f1": 2.0 * matched / (found + true),
            "median_ms": _mean([s["median_ms"] for s in scores]),
            "mad_ms": _mean([s["mad_ms"] for s in scores]),
            "delay_ms": float(np.median(delays)) if delays else None,
            "labels": int(true),
        }
    return out


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None and np.isfinite(v)]
    return float(np.mean(known)) if known else None


def group(walker: Walker) -> str:
    """Return the kind of walking: ``few_strides``, ``changing_speed`` or ``steady``."""
    if max(len(s) for s in walker.strikes) - 1 < 12:
        return "few_strides"
    return "changing_speed" if walker.stride_cv > CHANGING_CV else "steady"


def means(walkers: list[Walker], figures: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the means over the recordings of each kind of walking and over all, by estimator."""
    out: dict[str, dict[str, Any]] = {}
    for kind in ("changing_speed", "steady", "few_strides", "all"):
        members = [w.name for w in walkers if kind in ("all", group(w))]
        keys = dict.fromkeys(key for name in members for key in figures[name])
        out[kind] = {
            key: {
                what: _mean(figures[name][key].get(what) for name in members if key in figures[name])
                for what in ("rmse_pct", "p95_pct", "lock_losses", "strides_to_lock", "us_per_step")
            }
            | {"recordings": sum(key in figures[name] for name in members)}
            for key in keys
        }
    return out


def reliability(pairs: list[tuple[float, bool]]) -> list[dict[str, float]]:
    """Return, by band of confidence, the mean confidence and the share of errors below 5 %."""
    if not pairs:
        return []
    confidence = np.array([p[0] for p in pairs])
    good = np.array([p[1] for p in pairs])
    out = []
    for low, high in pairwise(CONFIDENCE_EDGES):
        inside = (confidence >= low) & ((confidence < high) | (high == CONFIDENCE_EDGES[-1]))
        if inside.any():
            out.append(
                {
                    "from": low,
                    "to": high,
                    "share": float(inside.mean()),
                    "confidence": float(confidence[inside].mean()),
                    "within_5_pct": float(good[inside].mean()),
                }
            )
    return out


def scoreboard(folder: Path, names: list[str] | None, console: Console) -> dict[str, Any]:
    """Run every estimator over every recording of a folder; return all figures."""
    walkers = read_folder(folder)
    table = columns(names)
    figures: dict[str, dict[str, Any]] = {}
    for walker in track(walkers, "recordings", console=console, disable=not console.is_terminal):
        figures[walker.name] = {c.key: f for c in table if (f := measure(walker, c)) is not None}
    return {
        "default": settings().estimator,
        "recordings": figures,
        "kind": {w.name: group(w) for w in walkers},
        "stride_cv_pct": {w.name: 100.0 * w.stride_cv for w in walkers},
        "means": means(walkers, figures),
        "reliability": {c.key: reliability(c.reliability) for c in table if c.key.startswith("default")},
    }


def print_scoreboard(result: dict[str, Any], console: Console) -> None:
    """Print the phase table, the events table and the reliability table."""
    keys = list(dict.fromkeys(k for r in result["recordings"].values() for k in r))
    table = Table(title=f"RMSE of the phase [% of the cycle]; default = {result['default']}")
    table.add_column("recording")
    for key in keys:
        table.add_column(key.replace("_", " "), justify="right")
    for name, row in result["recordings"].items():
        table.add_row(name, *(_cell(row.get(key)) for key in keys))
    for kind, row in result["means"].items():
        table.add_row(f"mean {kind.replace('_', ' ')}", *(_cell(row.get(key)) for key in keys), style="bold")
    table.add_row("µs a step", *(_number(result["means"]["all"][key]["us_per_step"]) for key in keys))
    console.print(table)
    console.print("* times a lock was lost: error above 25 % for more than half a stride")
    for name, row in result["recordings"].items():
        offset = row.get("default", {}).get("offset_pct")
        if offset:
            text = ", ".join(f"{side} {value:+.1f} %" for side, value in offset.items())
            console.print(f"constant offset of default on {name}: {text}")
    console.print(_events_table(result))
    for key, rows in result["reliability"].items():
        for row in rows:
            console.print(
                f"{key}: confidence {row['from']:.2f}-{row['to']:.2f} ({100 * row['share']:.0f} % of time): "
                f"mean {row['confidence']:.2f}, error below 5 % in {100 * row['within_5_pct']:.0f} %"
            )


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _cell(figures: dict[str, Any] | None) -> str:
    if not figures or figures.get("rmse_pct") is None:
        return "-"
    losses = figures.get("lock_losses") or 0
    return f"{figures['rmse_pct']:.2f}" + (f" *{losses:.0f}" if losses >= 0.5 else "")


def _events_table(result: dict[str, Any]) -> Table:
    table = Table(title="events: F1 within 50 ms, median and MAD of the timing error, detection delay [ms]")
    for name in ("recording", "signals", "event", "F1", "median", "MAD", "delay", "labels"):
        table.add_column(name, justify="left" if name in ("recording", "signals", "event") else "right")
    for name, row in result["recordings"].items():
        for key, figures in row.items():
            if not key.startswith("default"):
                continue
            for event, e in figures["events"].items():
                table.add_row(
                    name,
                    key,
                    event.replace("_", " "),
                    _number(e["f1"], 3),
                    _number(e["median_ms"]),
                    _number(e["mad_ms"]),
                    _number(e["delay_ms"], 0),
                    str(e["labels"]),
                )
    return table


def reference_errors(folder: Path) -> dict[str, Any]:
    """Return the errors of the reference gait on speeds and people that it was not fitted to [deg].

    Raises
    ------
    InputError
        The folder lacks one of the published tables.
    """
    try:
        return unseen_errors(read_schwartz(folder), read_winter(folder))
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: missing; --data must be the folder of the norms") from None


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write the figures, whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror})") from None


def command(
    data: Annotated[Path, typer.Option(help="Folder of NAME.csv with NAME.events.csv.")],
    estimator: Annotated[list[str] | None, typer.Option(help="Estimator by name; may be repeated.")] = None,
    stress: Annotated[bool, typer.Option("--stress", help="Monte Carlo: disturbances and re-lock.")] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="Errors of the reference gait; --data has the norms.")
    ] = False,
    trials: Annotated[int, typer.Option(help="Trials of --stress.", min=1)] = 2700,
    seed: Annotated[int, typer.Option(help="Seed of --stress.", min=0)] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with charts to this file.")
    ] = None,
) -> None:
    """Compare gait phase estimators on recorded walkers, causally, in one pass."""
    console = Console()
    result: dict[str, Any]
    if reference:
        result = reference_errors(data)
        print_errors(result)
    elif stress:
        from exostride.bench.phase_stress import print_stress, stress_test

        result = stress_test(data, (estimator or ["default"])[0], trials, seed, console)
        print_stress(result, console)
    else:
        result = scoreboard(data, estimator, console)
        print_scoreboard(result, console)
    if json_file:
        write_json(json_file, result)
    if html and not reference:
        from exostride.bench.phase_html import write_html

        write_html(html, result)
