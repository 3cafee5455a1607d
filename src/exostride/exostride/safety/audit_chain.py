"""The chain of an audit log, and its check.

Found are lines that were edited, deleted, inserted or moved, and an end cut off. An entry is known by its
number; it is authentic if its hash follows from that of the entry numbered one less, wherever that one stands
now. So a moved line is told from an edited one, and damage in one place does not hide what is wrong in
another. Somebody who writes the whole chain anew leaves no trace in the file itself; that shows only against
an :class:`Anchor` kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from exostride.errors import InputError

GENESIS: Final = "0" * 64
"""Hash before the first entry."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_DEEPEST: Final = 16
"""Levels of lists and mappings in an entry; ours have four at most."""
OPENED: Final = "opened"
"""Kind of the first entry of a session: who writes, and when by the wall clock."""
CLOSED: Final = "closed"
"""Kind of the last entry of a session that came to its end."""


class Anchor(NamedTuple):
    """How far a log had come: number of entries and the hash of the last one."""

    entries: int
    head: str


def digest(previous: str, body: Mapping[str, Any]) -> str:
    """Return the hash of an entry without its ``hash`` that follows ``previous``."""
    return hashlib.sha256((previous + line_of(body)).encode("ascii")).hexdigest()


def line_of(body: Mapping[str, Any]) -> str:
    """Return an entry as it stands in a log: JSON in one and only one way."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class Finding(NamedTuple):
    """What is wrong, and at which line (from 1)."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of :func:`verify`."""

    entries: int
    """Lines that are entries."""
    head: str
    """Hash of the last of them."""
    findings: tuple[Finding, ...] = ()
    """Everything that is wrong with the chain, by line."""
    closed: bool = True
    """Whether the last entry is a closing record: nothing was cut off behind it."""
    anchored: int = 0
    """Entries that an anchor vouches for."""
    remarks: tuple[Finding, ...] = ()
    """What is worth knowing but no breach: sessions that were not closed before the next was opened."""

    @property
    def unbroken(self) -> bool:
        """Whether the chain holds from the first line to the last; its end may still be missing."""
        return not self.findings

    @property
    def complete(self) -> bool:
        """Whether nothing is missing at the end, by its closing record or by an anchor at its last entry."""
        return self.closed or 0 < self.entries == self.anchored

    @property
    def intact(self) -> bool:
        """Whether the log is whole and as it was written."""
        return self.unbroken and self.complete


class _Entry(NamedTuple):
    line: int
    number: int
    claimed: str
    body: dict[str, Any]


def entries_of(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log that can be read, in the order of the file, unchecked.

    Raises
    ------
    InputError
        The file can't be read.
    """
    return [{**entry.body, "hash": entry.claimed} for entry in _read(path)[0]]


def verify(path: Path, anchor: Anchor | None = None) -> Verdict:
    """Check a log from its first line to its last, against an anchor if there is one.

    Raises
    ------
    InputError
        The file can't be read.
    """
    entries, findings = _read(path)
    findings += _order(entries)
    findings += _chain(entries)
    if anchor is not None:
        findings += _against(anchor, entries)
    last = max(entries, key=lambda entry: entry.number, default=None)
    return Verdict(
        entries=len(entries),
        head=last.claimed if last is not None else GENESIS,
        findings=tuple(sorted(set(findings))),
        closed=last is not None and last.body.get("kind") == CLOSED,
        anchored=anchor.entries if anchor is not None else 0,
        remarks=tuple(_unclosed(entries)),
    )


def _read(path: Path) -> tuple[list[_Entry], list[Finding]]:
    """Return the lines that are entries, and what is wrong with the others."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    entries, findings = [], []
    if lines.pop() != b"":
        findings.append(Finding(len(lines) + 1, "cut off within the line"))
    for number, line in enumerate(lines, start=1):
        entry = _entry(number, line)
        if isinstance(entry, str):
            findings.append(Finding(number, entry))
        else:
            entries.append(entry)
    return entries, findings


def _entry(number: int, line: bytes) -> _Entry | str:
    """Return the entry in a line, or why it holds none."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return "edited: not JSON"
    if not isinstance(body, dict):
        return "edited: not an entry"
    if _deeper(body, _DEEPEST):
        return "edited: nested as the log never nests"
    if line_of(body).encode("ascii") != line:
        return "edited: not written as the log writes"
    claimed, n = body.pop("hash", None), body.get("n")
    if not isinstance(claimed, str) or not _HASH.fullmatch(claimed) or type(n) is not int or n < 0:
        return "edited: an entry without number or hash"
    return _Entry(number, n, claimed, body)


def _deeper(body: dict[str, Any], most: int) -> bool:
    """Return whether an entry is nested deeper than ``most``; what recurses into it fails at some depth."""
    level: list[Any] = [body]
    for _ in range(most):
        items = (one.values() if isinstance(one, dict) else one for one in level)
        level = [item for some in items for item in some if isinstance(item, (dict, list))]
    return bool(level)


def _order(entries: list[_Entry]) -> list[Finding]:
    """Return the entries that are missing, there twice, or not at their place."""
    findings = []
    seen: dict[int, int] = {}
    highest = -1
    for entry in entries:
        if entry.number in seen:
            findings.append(
                Finding(entry.line, f"entry {entry.number} again, as in line {seen[entry.number]}: inserted")
            )
            continue
        seen[entry.number] = entry.line
        if entry.number < highest:
            findings.append(Finding(entry.line, f"entry {entry.number} after entry {highest}: moved"))
        highest = max(highest, entry.number)
    return findings + _missing(seen)


def _missing(seen: Mapping[int, int]) -> list[Finding]:
    """Return the gaps in the numbers; ``seen`` maps number to line."""
    findings, expected = [], 0
    for number, line in sorted(seen.items()):
        if number > expected:
            what = f"entry {expected}" if number == expected + 1 else f"entries {expected} to {number - 1}"
            findings.append(Finding(line, f"{what} missing before this line: deleted or no longer readable"))
        expected = number + 1
    return findings


def _chain(entries: list[_Entry]) -> list[Finding]:
    """Return the entries whose hash does not follow from the entry before and their own content."""
    claimed = {-1: {GENESIS}}
    for entry in entries:
        claimed.setdefault(entry.number, set()).add(entry.claimed)
    return [
        Finding(entry.line, f"entry {entry.number} edited, or its hash or that of entry {entry.number - 1}")
        for entry in entries
        if entry.number - 1 in claimed
        and entry.claimed not in {digest(before, entry.body) for before in claimed[entry.number - 1]}
    ]


def _against(anchor: Anchor, entries: list[_Entry]) -> list[Finding]:
    """Return where the log departs from an anchor."""
    if anchor.entries == 0:
        return []
    at = [entry for entry in entries if entry.number == anchor.entries - 1]
    end = entries[-1].line + 1 if entries else 1
    if not at:
        known = f"the log had {anchor.entries} entries when its anchor was taken"
        return [Finding(end, f"cut off: {known}, entry {anchor.entries - 1} is not here")]
    if all(entry.claimed != anchor.head for entry in at):
        return [
            Finding(at[0].line, f"entry {anchor.entries - 1} is not the one anchored: chain written anew")
        ]
    return []


def _unclosed(entries: list[_Entry]) -> list[Finding]:
    """Return the openings before which the last session was not closed."""
    return [
        Finding(entry.line, "the session before this was not closed: killed, or its end cut off then")
        for before, entry in pairwise(entries)
        if entry.body.get("kind") == OPENED and before.body.get("kind") != CLOSED
    ]
