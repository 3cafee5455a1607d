"""Append-only audit log: one JSON object a line, each bound to all before it by a hash chain.

Every line carries ``hash = SHA-256(previous hash + canonical JSON of the rest)``; the first one follows
64 zeros. Whoever edits, deletes, inserts or reorders a line breaks the chain from there on;
:func:`verify` names the first broken line. A cut-off end is found only against a known count or last hash,
which the session report prints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from exostride.errors import InputError

GENESIS: Final = "0" * 64
"""Hash before the first entry."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One event: control tick and time [s], kind (transition, faults, request, ...) and its details."""

    seq: int
    time_s: float
    kind: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of :func:`verify`: whether the chain holds, entries read, last hash, and the first fault."""

    intact: bool
    entries: int
    last_hash: str
    line: int = 0
    problem: str = ""


def _digest(previous: str, body: dict[str, Any]) -> str:
    return hashlib.sha256((previous + _line(body)).encode("ascii")).hexdigest()


def _line(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class AuditLog:
    """Writer that continues an intact log, or starts one.

    Raises
    ------
    InputError
        The file exists and its chain is broken: it is evidence and must not be written on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count, self._hash = 0, GENESIS
        if path.exists():
            verdict = verify(path)
            if not verdict.intact:
                raise InputError(
                    f"{path}:{verdict.line}: audit log is broken ({verdict.problem}); move it away"
                )
            self._count, self._hash = verdict.entries, verdict.last_hash
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8")

    def append(self, entries: Iterable[AuditEntry]) -> None:
        """Write entries and flush them to the operating system."""
        for entry in entries:
            body = {
                "n": self._count,
                "seq": entry.seq,
                "time_s": entry.time_s,
                "kind": entry.kind,
                "detail": entry.detail,
            }
            self._hash = _digest(self._hash, body)
            self._file.write(_line({**body, "hash": self._hash}) + "\n")
            self._count += 1
        self._file.flush()

    @property
    def last_hash(self) -> str:
        """Hash of the last entry, to be kept elsewhere (bag, report)."""
        return self._hash

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def verify(path: Path) -> Verdict:
    """Check a log from its first line on.

    Raises
    ------
    InputError
        The file can't be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    last, count = GENESIS, 0
    complete = lines.pop() == b""
    for number, line in enumerate(lines, start=1):
        problem, following = _check(line, count, last)
        if problem:
            return Verdict(False, count, last, number, problem)
        last, count = following, count + 1
    if not complete:
        return Verdict(False, count, last, len(lines) + 1, "last line is incomplete")
    return Verdict(True, count, last)


def _check(line: bytes, count: int, previous: str) -> tuple[str, str]:
    """Return what is wrong with a line, empty if nothing, and its hash."""
    try:
        body = json.loads(line)
    except (ValueError, UnicodeDecodeError):
        return "not JSON", ""
    if not isinstance(body, dict):
        return "not an object", ""
    if _line(body).encode("ascii") != line:
        return "not as it was written", ""
    claimed = body.pop("hash", None)
    if body.get("n") != count:
        return f"entry number {body.get('n')!r}, expected {count}: deleted, inserted or reordered", ""
    if claimed != _digest(previous, body):
        return "hash does not match: this entry or one before it was changed", ""
    return "", str(claimed)
