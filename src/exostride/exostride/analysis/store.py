"""Sessions of many days in one local file: figures by pseudonym, bags by hash.

No name, birth date or address goes in; a patient is a pseudonym that the clinic alone can resolve
(:func:`pseudonym` makes one that cannot be guessed back). The file is SQLite; its layout carries a version,
and older files are brought up to date when they are opened.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from exostride.analysis.progress import Course
from exostride.analysis.registry import REGISTRY
from exostride.analysis.session import configuration_hash
from exostride.analysis.summary import Analysis
from exostride.errors import InputError

VARIABLE: Final = "EXOSTRIDE_STORE"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

MIGRATIONS: Final = (
    """
    CREATE TABLE patient (id TEXT PRIMARY KEY);
    CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        patient TEXT NOT NULL REFERENCES patient(id) ON DELETE CASCADE,
        bag_sha256 TEXT NOT NULL UNIQUE,
        started TEXT NOT NULL,
        duration_s REAL NOT NULL,
        configuration_sha256 TEXT NOT NULL
    );
    CREATE TABLE figure (
        session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
        metric TEXT NOT NULL,
        key TEXT NOT NULL,
        value REAL,
        sd REAL,
        n INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (session, metric, key)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE figure ADD COLUMN margin REAL;
    CREATE INDEX session_of_patient ON session (patient, started);
    """,
)
"""Steps from one version of the file to the next; never edited, only added to."""


def default_path() -> Path:
    """Return where the store is: ``$EXOSTRIDE_STORE``, or the user's data folder."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return home / "exostride" / "sessions.sqlite"


def pseudonym(name: str, key: bytes) -> str:
    """Return a pseudonym that only the holder of ``key`` can make again from the name (HMAC-SHA-256)."""
    digest = hmac.new(key, " ".join(name.split()).casefold().encode(), hashlib.sha256).hexdigest()
    return f"P-{digest[:12]}"


def key_beside(store: Path) -> bytes:
    """Return the clinic's secret key beside a store, made on first use, readable by its owner alone."""
    path = store.with_suffix(".key")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(secrets.token_bytes(32))
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be used ({error.strerror})") from None


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored session."""

    id: int
    patient: str
    started: str
    duration_s: float
    bag_sha256: str


class Store:
    """A store, opened or made; use as a context manager.

    Raises
    ------
    InputError
        The file is no store, was written by a newer version, or can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{path}: not a usable store ({error})") from None

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise InputError(
                f"{self.path}: version {version} is newer than this program knows "
                f"({len(MIGRATIONS)}); update Exostride"
            )
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and tables:
            raise InputError(f"{self.path}: is another program's database; give another file")
        for step in range(version, len(MIGRATIONS)):
            # executescript commits what is open, so the transaction stands inside the script.
            script = f"BEGIN IMMEDIATE; {MIGRATIONS[step]} PRAGMA user_version = {step + 1}; COMMIT;"
            self._db.executescript(script)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add(self, analysis: Analysis, patient: str = "") -> bool:
        """Keep a session's figures; return False when its bag is there already (its figures are renewed).

        Raises
        ------
        InputError
            No pseudonym is known, or it is not one word of letters, digits and ``-_.``.
        """
        session = analysis.session
        who = patient or session.patient_id
        if not _ID.fullmatch(who):
            raise InputError(
                f"patient '{who}': a pseudonym is one word of letters, digits and -_. ; give --patient"
            )
        figures = [
            (
                row.metric.name,
                row.key,
                *map(_null, (row.estimate.value, row.estimate.sd, row.estimate.margin)),
                row.estimate.n,
                row.estimate.reason,
            )
            for row in analysis.rows()
        ]
        with self._transaction():
            known = self._db.execute(
                "SELECT id FROM session WHERE bag_sha256 = ?", (session.digest,)
            ).fetchone()
            if known:
                self._db.execute("DELETE FROM session WHERE id = ?", known)
            self._db.execute("INSERT OR IGNORE INTO patient VALUES (?)", (who,))
            cursor = self._db.execute(
                "INSERT INTO session (patient, bag_sha256, started, duration_s, configuration_sha256) "
                "VALUES (?, ?, ?, ?, ?)",
                (
                    *(who, session.digest, str(session.info.get("started", ""))),
                    *(session.duration_s, configuration_hash(session.info)),
                ),
            )
            self._db.executemany(
                "INSERT INTO figure (session, metric, key, value, sd, margin, n, reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(cursor.lastrowid, *figure) for figure in figures],
            )
        return known is None

    def patients(self) -> list[tuple[str, int]]:
        """Return every pseudonym with its number of sessions."""
        return list(
            self._db.execute(
                "SELECT p.id, count(s.id) FROM patient p LEFT JOIN session s ON s.patient = p.id "
                "GROUP BY p.id ORDER BY p.id"
            )
        )

    def sessions(self, patient: str) -> list[Entry]:
        """Return a patient's sessions, oldest first.

        Raises
        ------
        InputError
            Nobody of this pseudonym is there.
        """
        rows = self._db.execute(
            "SELECT id, patient, started, duration_s, bag_sha256 FROM session WHERE patient = ? "
            "ORDER BY started, id",
            (patient,),
        ).fetchall()
        if not rows:
            known = ", ".join(name for name, _ in self.patients()) or "nobody"
            raise InputError(f"{self.path}: no sessions of '{patient}'; there is {known}")
        return [Entry(*row) for row in rows]

    def course(self, patient: str, metric: str, key: str = "") -> Course:
        """Return a figure over a patient's sessions."""
        rows = self._db.execute(
            "SELECT f.value, f.margin FROM session s LEFT JOIN figure f "
            "ON f.session = s.id AND f.metric = ? AND f.key = ? WHERE s.patient = ? ORDER BY s.started, s.id",
            (metric, key, patient),
        ).fetchall()
        values, margins = (
            np.array([math.nan if row[i] is None else row[i] for row in rows], dtype=float) for i in (0, 1)
        )
        return Course(values, margins, REGISTRY[metric].better)

    def forget(self, patient: str) -> int:
        """Remove a patient with all sessions; return how many there were."""
        count = len(self.sessions(patient))
        with self._transaction():
            self._db.execute("DELETE FROM patient WHERE id = ?", (patient,))
        self._db.execute("VACUUM")
        return count


def _null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
