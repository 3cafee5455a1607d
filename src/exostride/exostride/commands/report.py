"""``exostride report``: a page to show and to sign, from a bag."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exostride.report.language import LANGUAGES
from exostride.report.make import make


def report(
    bag: Annotated[Path, typer.Argument(help="Bag: a folder or a .mcap file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, .html or .pdf; default: report.html in the bag."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", "-l", help=f"Language: {', '.join(LANGUAGES)}.")
    ] = "en",
) -> None:
    """Write a report: a page in plain words, clinical tables, and a technical appendix, in one file."""
    print(make(bag, output, language))
