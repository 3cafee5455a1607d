"""``exostride export``: a bag or a motion recording in a format that other programs read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from exostride.errors import InputError
from exostride.exchange import frombag, load, save


class Format(StrEnum):
    """Formats to export to."""

    CSV = "csv"
    OPENSIM = "opensim"
    C3D = "c3d"


_ENDINGS = {Format.CSV: ".csv", Format.OPENSIM: ".mot", Format.C3D: ".c3d"}


def export(
    source: Annotated[
        Path, typer.Argument(help="Bag (folder or .mcap), or a .csv, .mot, .sto or .c3d file.")
    ],
    to: Annotated[
        Format | None,
        typer.Option(help="Format of the result; default: by the ending of --output, else csv."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write; default: the source's name with the format's ending.")
    ] = None,
) -> None:
    """Write joint and segment angles, loads and gait events to a file; say what the format can't hold."""
    is_bag = source.is_dir() or source.suffix == ".mcap"
    recording = frombag.load(source) if is_bag else load(source)
    target = output or source.with_name(source.stem + _ENDINGS[to or Format.CSV])
    if to is not None and target.suffix != _ENDINGS[to] and (to, target.suffix) != (Format.OPENSIM, ".sto"):
        raise InputError(
            f"{target}: --to {to} writes {_ENDINGS[to]} files; give such a name, or leave --to out"
        )
    if target.exists():
        raise InputError(f"{target}: exists already; give another --output")
    save(target, recording)
    what = f"{len(recording.columns)} signals, {len(recording.events)} events"
    print(f"{target}: {len(recording)} samples of {what}")
    for note in recording.notes:
        print(note)
