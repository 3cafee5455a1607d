"""Append-only audit log: one JSON object a line, each bound to all before it by a hash chain.

Every line carries ``hash = SHA-256(previous hash + canonical JSON of the rest)``; the first one follows
64 zeros. A log is opened and closed by records of its own, so that a cut-off end is seen, and its
:class:`Anchor`, the number of entries and the last hash, goes into the bag, so that a whole chain
written anew is seen too. :mod:`exostride.safety.audit_chain` looks for all of that.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exostride.errors import InputError
from exostride.safety.audit_chain import CLOSED, OPENED, Anchor, digest, line_of, verify


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One event: control tick and time [s], kind (transition, faults, request, ...) and its details."""

    seq: int
    time_s: float
    kind: str
    detail: dict[str, Any] = field(default_factory=dict)


class AuditLog:
    """Writer that starts a log, or continues one whose chain holds; one process at a time.

    Parameters
    ----------
    path
        The file; its folder is made.
    about
        What the opening record tells: device, patient's pseudonym, time by the wall clock.

    Raises
    ------
    InputError
        The file exists and its chain is broken: it is evidence and must not be written on. Or another
        process is writing it.
    """

    def __init__(self, path: Path, about: Mapping[str, Any] | None = None) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise InputError(f"{path}: audit log is being written by another process") from None
        verdict = verify(path)
        if not verdict.unbroken:
            self._file.close()
            first = verdict.findings[0]
            raise InputError(f"{path}:{first.line}: audit log is broken ({first.what}); move it away")
        self._count, self._hash = verdict.entries, verdict.head
        self.append([AuditEntry(0, 0.0, OPENED, dict(about or {}))])

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
            self._hash = digest(self._hash, body)
            self._file.write(line_of({**body, "hash": self._hash}) + "\n")
            self._count += 1
            self._seq, self._time_s = entry.seq, entry.time_s
        self._file.flush()

    @property
    def anchor(self) -> Anchor:
        """How far the log has come, to be kept elsewhere: in the bag."""
        return Anchor(self._count, self._hash)

    def close(self) -> None:
        """Write the closing record and close the file; may be called more than once."""
        if not self._file.closed:
            self.append([AuditEntry(self._seq, self._time_s, CLOSED)])
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
