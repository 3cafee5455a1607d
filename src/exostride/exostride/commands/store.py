"""``exostride store``: sessions of many days, by pseudonym, in one local file."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from exostride.analysis.progress import minimal_detectable_change, verdict, warning
from exostride.analysis.registry import KEYS, REGISTRY
from exostride.analysis.store import Store, default_path, key_beside, pseudonym
from exostride.analysis.summary import analyse
from exostride.errors import InputError
from exostride.report.language import LANGUAGES, Language
from exostride.report.make import save
from exostride.report.progress_page import progress_page


class What(StrEnum):
    """What to do."""

    ADD = "add"
    LIST = "list"
    SHOW = "show"
    REPORT = "report"
    PSEUDONYM = "pseudonym"
    FORGET = "forget"


def store(
    what: Annotated[
        What, typer.Argument(help="add BAG..., list, show ID, report ID, pseudonym NAME, forget ID.")
    ],
    items: Annotated[list[str] | None, typer.Argument(help="Bags, a pseudonym, or a name.")] = None,
    file: Annotated[
        Path | None, typer.Option("--store", help="The store; default: $EXOSTRIDE_STORE or the data folder.")
    ] = None,
    patient: Annotated[str, typer.Option(help="Pseudonym to file bags under; default: the bag's own.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Report to write, .html or .pdf.")
    ] = None,
    language: Annotated[
        str, typer.Option("--language", "-l", help=f"Language of the report: {', '.join(LANGUAGES)}.")
    ] = "en",
) -> None:
    """Keep figures of sessions and show how they change; no bag and no name goes into the store."""
    path = file or default_path()
    given = items or []
    if what == What.PSEUDONYM:
        print(pseudonym(_one(given, "NAME"), key_beside(path)))
        return
    if what != What.ADD and not path.is_file():
        raise InputError(f"{path}: no such store; 'exostride store add BAG' makes one")
    with Store(path) as opened:
        if what == What.ADD:
            _add(opened, given, patient)
        elif what == What.LIST:
            for name, sessions in opened.patients():
                print(f"{name}\t{sessions} sessions")
        elif what == What.SHOW:
            Console().print(_table(opened, _one(given, "ID")))
        elif what == What.REPORT:
            name = _one(given, "ID")
            target = output or Path(f"progress_{name}.html")
            page = progress_page(opened, name, Language(language))
            if target.suffix.lower() == ".pdf":
                from exostride.report.pdf import to_pdf

                print(save(target, to_pdf(page)))
            else:
                print(save(target, page.encode("utf-8")))
        else:
            name = _one(given, "ID")
            print(f"{name}: {opened.forget(name)} sessions removed")


def _one(items: list[str], what: str) -> str:
    if len(items) != 1:
        raise InputError(f"store: expected one {what}, got {len(items)}")
    return items[0]


def _add(opened: Store, items: list[str], patient: str) -> None:
    if not items:
        raise InputError("store add: name at least one bag")
    console = Console(stderr=True)
    for item in track(items, "bags", console=console, disable=len(items) < 2 or not console.is_terminal):
        new = opened.add(analyse(Path(item)), patient)
        print(f"{item}: {'added' if new else 'renewed'}")


def _table(opened: Store, name: str) -> Table:
    sessions = opened.sessions(name)
    title = f"{name}: {len(sessions)} sessions, {sessions[0].started[:10]} to {sessions[-1].started[:10]}"
    table = Table("figure", "first", "last", "MDC95", "unit", "", title=title, title_justify="left")
    for metric in REGISTRY.values():
        for key in KEYS[metric.scope]:
            course = opened.course(name, metric.name, key)
            y = course.known
            if not len(y):
                continue
            limit = minimal_detectable_change(course)
            said = "; ".join(part for part in (verdict(course), warning(course)) if part)
            d = metric.decimals
            label = f"{metric.name}.{key}" if key else metric.name
            bound = f"{limit:.{d}f}" if math.isfinite(limit) else "-"
            table.add_row(label, f"{y[0]:.{d}f}", f"{y[-1]:.{d}f}", bound, metric.unit, said)
    return table
