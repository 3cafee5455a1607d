"""Apache Parquet: the same columns as the CSV format, in binary, with their units in the schema."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from exostride.conventions import SIDES
from exostride.errors import InputError
from exostride.exchange.csvfile import EVENT_NAMES, events_path
from exostride.exchange.motion import MotionEvent, MotionRecording, check, suggest, unit_of, write_whole

_NAMES: Final = {kind: name for name, kind in EVENT_NAMES.items()}


def _arrow(path: Path) -> tuple[Any, Any]:
    """Return pyarrow and its Parquet part; both are imported only here, because few sessions need them."""
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InputError(
            f"{path}: Parquet needs pyarrow ({error}); pip install -r requirements/report.txt, or use csv"
        ) from None


def save(path: Path, recording: MotionRecording) -> None:
    """Write a recording, and its events beside it (``NAME.events.parquet``) when it has any.

    Every digit is kept; each field carries its unit in the metadata key ``unit``.

    Raises
    ------
    InputError
        pyarrow is not installed, or the file can't be written.
    """
    arrow, parquet = _arrow(path)
    columns = {"t": recording.time_s, **recording.columns}
    units = {"t": "s"} | {name: unit_of(name) or "" for name in recording.columns}
    schema = arrow.schema([arrow.field(n, arrow.float64(), False, {"unit": units[n]}) for n in columns])
    _write(path, parquet, arrow.table(columns, schema=schema))
    if recording.events:
        table = {
            "t": [float(event.time_s) for event in recording.events],
            "side": [SIDES[event.side] for event in recording.events],
            "event": [_NAMES[event.kind] for event in recording.events],
        }
        _write(events_path(path).with_suffix(".parquet"), parquet, arrow.table(table))


def _write(path: Path, parquet: Any, table: Any) -> None:
    def write(stream: BinaryIO) -> None:
        parquet.write_table(table, stream, compression="zstd")

    write_whole(path, write)


def load(path: Path) -> MotionRecording:
    """Read what :func:`save` wrote, or another table with the same columns.

    Raises
    ------
    InputError
        pyarrow is not installed, the file is no Parquet, or a column is unknown or damaged.
    """
    arrow, parquet = _arrow(path)
    table = _read(path, arrow, parquet)
    if "t" not in table.column_names:
        raise InputError(f"{path}: no column 't' with the time in seconds")
    columns = {}
    for name in table.column_names:
        if name != "t" and unit_of(name) is None:
            raise InputError(f"{path}: column '{name}' is unknown{suggest(name)}")
        values = table.column(name).to_numpy()
        if values.dtype.kind not in "fiu":
            raise InputError(f"{path}: column '{name}' holds {values.dtype}, not numbers")
        columns[name] = np.asarray(values, dtype=np.float64)
    time_s = columns.pop("t")
    check(time_s, columns, lambda row, name: f"{path}: row {row + 1}" + (f", column {name}" if name else ""))
    return MotionRecording(time_s, columns, _events(path, arrow, parquet), str(path))


def _read(path: Path, arrow: Any, parquet: Any) -> Any:
    try:
        return parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise InputError(f"{path}: can't be read as Parquet ({str(error).splitlines()[0]})") from None


def _events(path: Path, arrow: Any, parquet: Any) -> tuple[MotionEvent, ...]:
    beside = events_path(path).with_suffix(".parquet")
    if not beside.is_file():
        return ()
    rows = _read(beside, arrow, parquet).to_pylist()
    events = []
    for number, row in enumerate(rows, 1):
        side, kind, time_s = row.get("side"), row.get("event"), row.get("t")
        if side not in SIDES or kind not in EVENT_NAMES or not isinstance(time_s, float):
            raise InputError(f"{beside}: row {number}: {row} is no event")
        events.append(MotionEvent(time_s, SIDES.index(side), EVENT_NAMES[kind]))
    return tuple(events)
