"""``exostride export``: a bag or a motion recording in a format that other programs read."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from exostride.analysis.effort import effort_of
from exostride.analysis.loading import load_session
from exostride.analysis.summary import analyse
from exostride.analysis.walk import Walk
from exostride.conventions import JOINT_KINDS, SIDES
from exostride.errors import InputError
from exostride.exchange import frombag, load, save
from exostride.exchange.motion import MotionRecording
from exostride.report.fhir import as_json
from exostride.report.make import save as save_bytes


class Format(StrEnum):
    """Formats to export to."""

    CSV = "csv"
    OPENSIM = "opensim"
    C3D = "c3d"
    PARQUET = "parquet"
    FHIR = "fhir"


_ENDINGS = {
    Format.CSV: ".csv",
    Format.OPENSIM: ".mot",
    Format.C3D: ".c3d",
    Format.PARQUET: ".parquet",
    Format.FHIR: ".json",
}


def export(
    source: Annotated[
        Path, typer.Argument(help="Bag (folder or .mcap), or a .csv, .parquet, .mot, .sto or .c3d file.")
    ],
    to: Annotated[
        Format | None,
        typer.Option(help="Format of the result; default: by the ending of --output, else csv."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write; default: the source's name with the format's ending."
        ),
    ] = None,
) -> None:
    """Write signals and gait events, or (fhir) the session's figures; say what the format can't hold."""
    is_bag = source.is_dir() or source.suffix == ".mcap"
    target = output or source.with_name(source.stem + _ENDINGS[to or Format.CSV])
    kind = to or (Format.FHIR if target.suffix == ".json" else None)
    if to is not None and target.suffix != _ENDINGS[to] and (to, target.suffix) != (Format.OPENSIM, ".sto"):
        raise InputError(
            f"{target}: --to {to} writes {_ENDINGS[to]} files; give such a name, or leave --to out"
        )
    if target.exists():
        raise InputError(f"{target}: exists already; give another --output")
    if kind == Format.FHIR:
        if not is_bag:
            raise InputError(f"{source}: --to fhir needs a bag of a session")
        print(save_bytes(target, as_json(analyse(source)).encode("utf-8")))
        return
    recording = with_moments(frombag.load(source), source) if is_bag else load(source)
    save(target, recording)
    what = f"{len(recording.columns)} signals, {len(recording.events)} events"
    print(f"{target}: {len(recording)} samples of {what}")
    for note in recording.notes:
        print(note)


def with_moments(recording: MotionRecording, bag: Path) -> MotionRecording:
    """Return a session's recording with net joint moments, or with a note why there are none.

    Moments are those of :mod:`exostride.analysis.planar`, flexion positive, of the whole body [N m].
    """
    session = load_session(bag)
    effort = effort_of(Walk(session))
    if effort.moments_nm is None:
        return replace(recording, notes=(*recording.notes, f"no joint moments: {effort.moment_reason}"))
    columns = dict(recording.columns)
    for side, moments in zip(SIDES, effort.moments_nm, strict=True):
        for k, joint in enumerate(JOINT_KINDS):
            columns[f"{joint}_moment_{side}"] = np.interp(recording.time_s, session.time_s, moments[:, k])
    return replace(recording, columns=columns)
