"""``exostride analyze``: every metric of one or many bags, as a table, JSON or CSV."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exostride.analysis.summary import Analysis, analyse, as_csv
from exostride.errors import InputError


def _figures(bag: Path) -> tuple[dict[str, object], str]:
    analysis = analyse(bag)
    return analysis.as_dict(), as_csv([analysis], header=False)


def results(bags: list[Path], jobs: int) -> Iterator[tuple[dict[str, object], str]]:
    """Analyse bags, several at a time, with a progress bar on a terminal; in the order given."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal or len(bags) < 2) as progress:
        task = progress.add_task("bags", total=len(bags))
        if jobs == 1 or len(bags) == 1:
            for bag in bags:
                yield _figures(bag)
                progress.advance(task)
            return
        with ProcessPoolExecutor(max_workers=min(jobs, len(bags))) as pool:
            for figures in pool.map(_figures, bags):
                yield figures
                progress.advance(task)


def table(analysis: Analysis) -> Table:
    """Return a session's figures for a terminal."""
    title = f"{analysis.session.path}: {analysis.session.patient_id or 'unnamed'}"
    out = Table("figure", "value", "± 95 %", "n", "unit", "norm", title=title, title_justify="left")
    for row in analysis.rows():
        e, d = row.estimate, row.metric.decimals
        norm = f"{row.norm.mean:.{d}f} ± {row.norm.sd:.{d}f}" if row.norm else ""
        if e.known:
            margin = f"{e.margin:.{d}f}" if math.isfinite(e.margin) else ""
            out.add_row(row.name, f"{e.value:.{d}f}", margin, str(e.n), row.metric.unit, norm)
        else:
            out.add_row(row.name, "-", "", "", row.metric.unit, f"[dim]{e.reason}[/dim]")
    return out


def analyze(
    bags: Annotated[list[Path], typer.Argument(help="Bags: folders or .mcap files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line a figure.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write JSON or CSV to this file instead.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Bags analysed at the same time.")] = 2,
) -> None:
    """Compute every metric of docs/metrics.md; what cannot be computed says why."""
    if as_json and csv:
        raise InputError("--json --csv: choose one of them")
    if output is not None and not (as_json or csv):
        as_json, csv = output.suffix != ".csv", output.suffix == ".csv"
    if not (as_json or csv):
        console = Console(width=None if sys.stdout.isatty() else 140)
        for bag in bags:
            console.print(table(analyse(bag)))
        return
    found = list(results(bags, jobs))
    if csv:
        text = as_csv([]) + "".join(part for _, part in found)
    else:
        text = (
            json.dumps([figures for figures, _ in found], indent=1, ensure_ascii=False, allow_nan=False)
            + "\n"
        )
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: can't be written ({error.strerror})") from None
