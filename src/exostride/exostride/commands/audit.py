"""``exostride audit``: is a safety log as it was written, and what stands in it."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from exostride.errors import ExitCode, InputError
from exostride.recording.reader import BagReader
from exostride.safety.audit_chain import Anchor, Verdict, entries_of, verify

STATUS_NAME = "exostride/audit"
"""Name under which the safety node's anchors stand on ``diagnostics``."""
_HEX = 64


class What(StrEnum):
    """What to do."""

    VERIFY = "verify"
    SHOW = "show"


def audit(
    what: Annotated[What, typer.Argument(help="verify FILE, or show FILE.")],
    file: Annotated[Path, typer.Argument(help="Audit log (.jsonl); sessions keep theirs in sessions/audit.")],
    bag: Annotated[
        Path | None, typer.Option(help="Bag of the same session: it holds how far the log had come.")
    ] = None,
    anchor: Annotated[
        str, typer.Option(help="The same, given by hand: ENTRIES:HASH, as verify prints it.")
    ] = "",
) -> None:
    """Check that nothing was changed in a safety log or taken out of it, or print it.

    Exit code 0: whole and as it was written; 1: it is not, and every finding is printed; 2: no such file.
    """
    known = _anchor(file, bag, anchor)
    verdict = verify(file, known)
    if what == What.SHOW:
        for entry in entries_of(file):
            print(_words(entry))
        _say(file, verdict, to=sys.stderr)
    else:
        _say(file, verdict, to=sys.stdout)
    if not verdict.intact:
        raise typer.Exit(int(ExitCode.FAILED))


def _anchor(file: Path, bag: Path | None, text: str) -> Anchor | None:
    if bag is not None and text:
        raise InputError("--bag and --anchor say the same: give one of them")
    if bag is not None:
        return anchor_in(bag, file.name)
    if not text:
        return None
    entries, _, head = text.partition(":")
    if not entries.isdigit() or len(head) != _HEX or set(head) - set("0123456789abcdef"):
        raise InputError(f"--anchor {text}: expected ENTRIES:HASH, a number and {_HEX} hexadecimal digits")
    return Anchor(int(entries), head)


def anchor_in(bag: Path, name: str) -> Anchor:
    """Return the last anchor of the audit log ``name`` in a bag.

    Raises
    ------
    InputError
        The bag can't be read, or holds no anchor of that log.
    """
    with BagReader(bag) as reader:
        table = reader.read("/diagnostics", ["status"]).fields
    names = table.get("status[0].name", ())
    keys = sorted(key for key in table if key.startswith("status[0].values[") and key.endswith(".key"))
    found: dict[str, Anchor] = {}
    for row, status in enumerate(names):
        if status == STATUS_NAME:
            values = {table[key][row]: table[key.removesuffix("key") + "value"][row] for key in keys}
            found[str(values.get("file"))] = Anchor(int(values["entries"]), str(values["head"]))
    if name not in found:
        others = ", ".join(sorted(found)) or "none"
        raise InputError(f"{bag}: holds no anchor of {name}; it has those of: {others}")
    return found[name]


def _say(file: Path, verdict: Verdict, to: Any) -> None:
    """Print the verdict, every finding with its line."""
    for finding in verdict.findings:
        print(f"{file}:{finding.line}: {finding.what}", file=to)
    for remark in verdict.remarks:
        print(f"{file}:{remark.line}: note: {remark.what}", file=to)
    if not verdict.complete:
        end = "no closing record: the supervisor was killed or still runs, or the end was cut off"
        print(f"{file}: {end}; the session's bag tells which (--bag)", file=to)
    word = "intact" if verdict.intact else "NOT INTACT" if verdict.findings else "NOT COMPLETE"
    backed = f", {verdict.anchored} of them vouched for by the anchor" if verdict.anchored else ""
    print(f"{file}: {word}: {verdict.entries} entries{backed}; {verdict.entries}:{verdict.head}", file=to)


def _words(entry: dict[str, Any]) -> str:
    """Return one entry as a line for people."""
    detail = entry.get("detail")
    text = ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in (detail.items() if isinstance(detail, dict) else ())
        if value not in ("", [], {})
    )
    time_s = entry.get("time_s")
    at = f"{time_s:10.3f} s" if isinstance(time_s, (int, float)) else f"{time_s!s:>12}"
    return f"{entry['n']:>6}  {at}  {entry.get('kind')!s:<11} {text}".rstrip()
