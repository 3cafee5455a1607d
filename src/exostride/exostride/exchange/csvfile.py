"""The recording CSV format: a header line, then one row a sample, time first, SI units.

``NAME.csv`` holds ``t`` and any of the columns of :data:`~exostride.exchange.motion.COLUMN_UNITS`;
``NAME.events.csv`` beside it, when there is one, holds ``t,side,event`` with ``heel_strike`` and ``toe_off``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from exostride.conventions import SIDES
from exostride.errors import InputError
from exostride.exchange.motion import MotionEvent, MotionRecording, canonical, check, suggest, write_whole
from exostride.types import EventKind, Vector

EVENT_NAMES: Final = {"heel_strike": EventKind.HEEL_STRIKE, "toe_off": EventKind.TOE_OFF}
_EVENT_HEADER: Final = ["t", "side", "event"]


def events_path(path: Path) -> Path:
    """Return the events file that belongs to a recording."""
    return path.with_name(f"{path.stem}.events.csv")


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, without those that are empty at its end.

    Raises
    ------
    InputError
        The file can't be read, is no text, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(f"{path}: empty file")
    return lines


def split_header(path: Path, line: str) -> list[str]:
    """Return the names in a header line.

    Raises
    ------
    InputError
        It is separated by something other than commas, or names a column twice.
    """
    names = [name.strip().strip('"') for name in line.split(",")]
    if len(names) == 1:
        for mark, word in ((";", "semicolons"), ("\t", "tabs"), (" ", "spaces")):
            if mark in names[0]:
                raise InputError(f"{path}:1: columns are separated by {word}; expected commas")
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{path}:1: column {i + 1} '{name}' is there twice")
    return names


def numbers(
    path: Path, lines: list[str], names: list[str], first: int, separator: str | None = ","
) -> Vector:
    """Return the table of numbers below a header.

    Parameters
    ----------
    path, names
        File and columns, for errors.
    lines
        The rows.
    first
        Number of the first of them in the file.
    separator
        Between values; ``None`` for any white space.

    Raises
    ------
    InputError
        A row has too few or too many values, or one is no number.
    """
    if not lines:
        raise InputError(f"{path}: no rows below the header")
    try:
        table = np.loadtxt(lines, delimiter=separator, comments=None, ndmin=2, dtype=np.float64)
    except ValueError:
        table = np.zeros((0, 0))
    if table.shape == (len(lines), len(names)):
        return table
    for number, line in enumerate(lines, first):
        cells = line.split(separator)
        if len(cells) != len(names):
            raise InputError(f"{path}:{number}: {len(cells)} values; expected {len(names)} as in the header")
        for column, (cell, name) in enumerate(zip(cells, names, strict=True), 1):
            where = f"{path}:{number}: column {column} ({name})"
            if not cell.strip():
                raise InputError(f"{where}: missing value; fill the gap or cut the recording")
            try:
                float(cell)
            except ValueError:
                raise InputError(f"{where}: '{cell.strip()}' is not a number") from None
    raise InputError(f"{path}: not a table of numbers")


def load(path: Path) -> MotionRecording:
    """Read a recording and, when there is one beside it, its events.

    Raises
    ------
    InputError
        An unknown or repeated column, another delimiter, a value that is missing or no number, time that
        does not increase, a gap, or degrees: one line with file, line and column.
    """
    lines = read_lines(path)
    written = split_header(path, lines[0])
    names = []
    for i, name in enumerate(written):
        known = "t" if name == "t" else canonical(name)
        if known is None:
            raise InputError(f"{path}:1: column {i + 1} '{name}' is unknown{suggest(name)}")
        if known in names:
            raise InputError(f"{path}:1: column {i + 1} '{name}' is there twice")
        names.append(known)
    if "t" not in names or len(names) < 2:
        raise InputError(f"{path}:1: expected a column 't' [s] and at least one other")
    table = numbers(path, lines[1:], names, 2)
    data = {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(names)}
    time_s = data.pop("t")

    def locate(row: int, name: str | None) -> str:
        column = "" if name is None else f": column {names.index(name) + 1} ({name})"
        return f"{path}:{row + 2}{column}"

    check(time_s, data, locate)
    beside = events_path(path)
    events = load_events(beside) if beside.is_file() else ()
    return MotionRecording(time_s, data, events, str(path))


def load_events(path: Path) -> tuple[MotionEvent, ...]:
    """Read an events file.

    Raises
    ------
    InputError
        Another header, or a row that is no event: one line with file, line and column.
    """
    lines = read_lines(path)
    if split_header(path, lines[0]) != _EVENT_HEADER:
        raise InputError(f"{path}:1: expected the header '{','.join(_EVENT_HEADER)}'")
    events = []
    for number, line in enumerate(lines[1:], 2):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 3:
            raise InputError(f"{path}:{number}: {len(cells)} values; expected 3 as in the header")
        try:
            time_s = float(cells[0])
        except ValueError:
            raise InputError(f"{path}:{number}: column 1 (t): '{cells[0]}' is not a number") from None
        if not np.isfinite(time_s):
            raise InputError(f"{path}:{number}: column 1 (t): missing value")
        if cells[1] not in SIDES:
            raise InputError(f"{path}:{number}: column 2 (side): '{cells[1]}' is neither left nor right")
        if cells[2] not in EVENT_NAMES:
            raise InputError(
                f"{path}:{number}: column 3 (event): '{cells[2]}' is neither heel_strike nor toe_off"
            )
        events.append(MotionEvent(time_s, SIDES.index(cells[1]), EVENT_NAMES[cells[2]]))
    return tuple(events)


def save(path: Path, recording: MotionRecording) -> None:
    """Write a recording, and its events beside it when it has any; every digit is kept.

    Raises
    ------
    InputError
        The file can't be written.
    """
    header = ",".join(["t", *recording.columns])
    table = [recording.time_s.tolist(), *(column.tolist() for column in recording.columns.values())]
    rows = [",".join(map(repr, row)) for row in zip(*table, strict=True)]
    _write(path, [header, *rows])
    save_events(path, recording.events)


def save_events(path: Path, events: Sequence[MotionEvent]) -> None:
    """Write the events file that belongs to the recording ``path``, when there are any events.

    Raises
    ------
    InputError
        The file can't be written.
    """
    if not events:
        return
    names = {kind: name for name, kind in EVENT_NAMES.items()}
    lines = [f"{float(event.time_s)!r},{SIDES[event.side]},{names[event.kind]}" for event in events]
    _write(events_path(path), [",".join(_EVENT_HEADER), *lines])


def _write(path: Path, lines: list[str]) -> None:
    text = ("\n".join(lines) + "\n").encode("utf-8")

    def write(stream: BinaryIO) -> None:
        stream.write(text)

    write_whole(path, write)
