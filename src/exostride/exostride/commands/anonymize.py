"""``exostride anonymize``: a set of sessions that may be shared, or a clear word why it may not."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from exostride.analysis.anonymous import QUASI, Coarseness, SharedSession, figures, scaled, shared
from exostride.analysis.summary import analyse
from exostride.errors import InputError
from exostride.exchange import frombag, save

_FIGURES = ("subject", "session", "metric", "key", "value", "sd", "margin95", "n", "unit")


class Signals(StrEnum):
    """Form of the signals."""

    CSV = "csv"
    PARQUET = "parquet"
    NONE = "none"


def anonymize(
    bags: Annotated[list[Path], typer.Argument(help="Bags of the set: folders or .mcap files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    k: Annotated[int, typer.Option(min=2, help="Patients who must share each kind of body.")] = 5,
    height_band: Annotated[float, typer.Option(help="Width of the bands of height [m].")] = 0.10,
    mass_band: Annotated[float, typer.Option(help="Width of the bands of mass [kg].")] = 10.0,
    drop: Annotated[
        list[str] | None, typer.Option(help=f"Leave out one of {', '.join(QUASI)}; may be repeated.")
    ] = None,
    signals: Annotated[
        Signals, typer.Option(help="Signals as csv or parquet, or none: figures only.")
    ] = Signals.CSV,
) -> None:
    """Write sessions for sharing: numbers for names, shifted dates, bodies in bands shared by k people."""
    if output.exists():
        raise InputError(f"{output}: exists already; give another --output")
    coarse = Coarseness(height_band, mass_band, tuple(drop or ()))
    console = Console(stderr=True)
    hidden = not console.is_terminal or len(bags) < 2
    analyses = [analyse(bag) for bag in track(bags, "analysing", console=console, disable=hidden)]
    # Nobody may be able to draw these numbers again, so their seed is the system's and is not kept.
    sessions = shared(analyses, coarse, k, np.random.default_rng())
    partial = output.with_name(f".{output.name}.partial")
    try:
        partial.mkdir(parents=True)
        _write(partial, sessions, coarse, k, signals)
        partial.replace(output)
    except OSError as error:
        raise InputError(f"{output}: can't be written ({error.strerror})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    people = len({s.subject.number for s in sessions})
    print(f"{output}: {len(sessions)} sessions of {people} patients, k = {k} over {', '.join(_kept(coarse))}")


def _kept(coarse: Coarseness) -> list[str]:
    return [name for name in QUASI if name not in coarse.dropped]


def _write(
    folder: Path, sessions: Sequence[SharedSession], coarse: Coarseness, k: int, signals: Signals
) -> None:
    kept = _kept(coarse)
    people = {s.subject.number: s.subject for s in sessions}
    _table(
        folder / "subjects.csv",
        ["subject", *kept],
        ([number, *(s.kind[name] for name in kept)] for number, s in people.items()),
    )
    _table(
        folder / "sessions.csv",
        ["subject", "session", "shifted_day", "duration_s", "strides_left", "strides_right"],
        (
            [
                s.subject.number,
                s.index,
                s.day,
                round(s.analysis.session.duration_s),
                *map(len, s.analysis.walk.legs),
            ]
            for s in sessions
        ),
    )
    rows = ([s.subject.number, s.index, *figure] for s in sessions for figure in figures(s))
    _table(folder / "figures.csv", _FIGURES, rows)
    if signals != Signals.NONE:
        for s in sessions:
            recording = scaled(frombag.load(s.analysis.session.path), s.subject.mass_scale)
            save(folder / f"{s.subject.number}_s{s.index:02d}.{signals.value}", recording)
    about = {
        "k": k,
        "quasi_identifiers": kept,
        "height_band_m": coarse.height_m,
        "mass_band_kg": coarse.mass_kg,
        "dates": "shifted by a random number of days, one for each subject",
        "forces": "scaled to the middle of the subject's band of mass",
        "left_out": "names, dates of birth, time of day, free text, configuration, device and serial numbers",
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
