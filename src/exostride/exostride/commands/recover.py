"""``exostride recover``: a whole bag from a damaged or unfinished one, and what was lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from exostride.errors import ExitCode, InputError
from exostride.recording.recover import recover as mend


def recover(
    bags: Annotated[
        list[Path], typer.Argument(help="Bag folders or single .mcap files; they are not changed.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="Folder of the new bag; default: NAME_recovered beside the old one.")
    ] = None,
) -> None:
    """Write what is whole in a damaged or unfinished bag to a new one, and say what was lost."""
    if output is not None and len(bags) > 1:
        raise InputError("--output takes one bag at a time")
    failed = False
    for bag in bags:
        try:
            report = mend(bag, output)
        except InputError as error:
            if len(bags) == 1:
                raise
            print(f"exostride: {error}", file=sys.stderr)
            failed = True
            continue
        print("\n".join(report.lines()))
    if failed:
        raise typer.Exit(int(ExitCode.BAD_INPUT))
