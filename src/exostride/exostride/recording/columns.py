"""Many messages of one type at once, as numpy columns.

All messages whose strings and sequences have the same lengths share one byte layout. The layout is
derived from the first of them by walking it field by field; the others are then viewed through it in
one ``numpy`` call, after a check that their lengths are those of the first. So there is no type that
can't be read, and the types of fixed size, which are nearly all of a bag, cost no Python per message.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype

from exostride.errors import InputError
from exostride.recording.cdr import ENCAPSULATION, FORMATS, fixed_array, primitive
from exostride.recording.gather import Block, heads
from exostride.recording.records import MESSAGE_HEAD

Array = NDArray[Any]
Types = dict[str, list[tuple[str, Any]]]
"""Fields (name, descriptor) of every message type that a schema defines."""

_HEAD: Final = MESSAGE_HEAD.size
_BODY: Final = _HEAD + len(ENCAPSULATION)
_NUMPY: Final = {name: np.dtype("<" + code) for name, code in FORMATS.items()}


@dataclass(slots=True)
class Layout:
    """Where every leaf of a message lies, counted from the start of its MCAP record."""

    names: list[str] = field(default_factory=list)
    formats: list[Any] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    strings: set[str] = field(default_factory=set)
    lists: dict[str, list[str]] = field(default_factory=dict)
    """Sequences of strings: the names of their elements."""
    lengths: list[tuple[int, int]] = field(default_factory=list)
    """Offset and value of every length that this layout presumes."""
    end: int = 0

    def fits(self, raw: bytes) -> bool:
        """Return whether a record has this layout."""
        if not self.end <= len(raw) <= self.end + 3 or raw[_HEAD : _HEAD + 2] != ENCAPSULATION[:2]:
            return False
        return all(struct.unpack_from("<I", raw, offset)[0] == value for offset, value in self.lengths)

    def add(self, name: str, code: Any, offset: int) -> None:
        """Append a leaf."""
        self.names.append(name)
        self.formats.append(code)
        self.offsets.append(offset)


class _Probe:
    """Walks one message to find the layout that it has."""

    def __init__(self, types: Types, raw: bytes) -> None:
        self._types = types
        self._raw = raw
        self.at = _BODY
        self.layout = Layout()
        self.opaque: list[str] = []

    def _align(self, size: int) -> None:
        self.at += -(self.at - _BODY) % size

    def _take(self, size: int) -> int:
        start = self.at
        self.at += size
        if self.at > len(self._raw):
            raise ValueError("the message is shorter than its type")
        return start

    def _length(self) -> int:
        self._align(4)
        start = self._take(4)
        value = int(struct.unpack_from("<I", self._raw, start)[0])
        self.layout.lengths.append((start, value))
        return value

    def _string(self, name: str) -> None:
        length = self._length()
        start = self._take(length)
        self.layout.add(name, f"S{max(length - 1, 1)}" if length > 1 else "V0", start)
        self.layout.strings.add(name)

    def _numbers(self, name: str, kind: str, count: int | None) -> None:
        code = _NUMPY[kind]
        total = code.itemsize * (1 if count is None else count)
        if count != 0:
            self._align(code.itemsize)
        start = self._take(total)
        self.layout.add(name, code if count is None else (code, (count,)), start)

    def message(self, type_name: str, prefix: str) -> None:
        """Walk all fields of a message."""
        for name, descriptor in self._types[type_name]:
            self.leaf(prefix + name, descriptor)

    def leaf(self, name: str, descriptor: Any) -> None:
        """Walk one field."""
        kind, detail = descriptor
        if kind == Nodetype.NAME:
            self.message(detail, name + ".")
        elif kind == Nodetype.BASE:
            if detail[0] == "string":
                self._string(name)
            else:
                self._numbers(name, detail[0], None)
        else:
            self._many(name, detail[0], self._length() if kind == Nodetype.SEQUENCE else int(detail[1]))

    def _many(self, name: str, element: Any, count: int) -> None:
        number = primitive(element)
        if number is not None:
            self._numbers(name, number, count)
        elif element[0] == Nodetype.BASE:
            parts = [f"{name}[{i}]" for i in range(self._bounded(count))]
            for part in parts:
                self._string(part)
            self.layout.lists[name] = parts
        else:
            self.opaque.append(name)
            for i in range(self._bounded(count)):
                self.leaf(f"{name}[{i}]", element)

    def _bounded(self, count: int) -> int:
        if count > len(self._raw):
            raise ValueError("a sequence claims more elements than the message has bytes")
        return count


def layout_of(types: Types, type_name: str, raw: bytes) -> Layout:
    """Return the layout of one MCAP message record.

    Raises
    ------
    ValueError
        The record does not fit the type.
    """
    if raw[_HEAD : _HEAD + 2] != ENCAPSULATION[:2]:
        raise ValueError("the message is not little-endian plain CDR")
    probe = _Probe(types, raw)
    probe.message(type_name, "")
    probe.layout.end = probe.at
    if len(raw) - probe.at > 3:
        raise ValueError("the message is longer than its type")
    return probe.layout


@dataclass(frozen=True, slots=True)
class Columns:
    """All messages of one topic, one row each, in order of log time."""

    topic: str
    type_name: str
    log_time: NDArray[np.int64]
    """Time of reception [ns]."""
    fields: dict[str, Array]
    """Column by field; fields of nested messages are named with dots, as in ``header.stamp.sec``."""

    def __len__(self) -> int:
        return len(self.log_time)

    def __getitem__(self, name: str) -> Array:
        try:
            return self.fields[name]
        except KeyError:
            known = ", ".join(self.fields)
            raise InputError(f"{self.topic}: no column '{name}'; there are {known}") from None


class ColumnBuilder:
    """Turns the records of one topic into columns, a block at a time.

    Parameters
    ----------
    topic, type_name
        What is read.
    types
        Definitions of the type and of all that it refers to.
    fields
        Columns wanted, by name or by the name of a nested message; ``None`` for all.
    """

    def __init__(self, topic: str, type_name: str, types: Types, fields: Sequence[str] | None) -> None:
        self.topic = topic
        self.type_name = type_name
        self._types = types
        self._fields = None if fields is None else list(fields)
        self._layouts: list[Layout] = []
        self._times: list[Array] = []
        self._blocks: dict[str, list[Array]] = {}
        self._rows = 0

    def add(self, blocks: Sequence[Block]) -> None:
        """Take message records that were gathered together."""
        count = sum(len(block.places) for block in blocks)
        if not count:
            return
        # Messages outside of the wanted time are left out: the places of the others close up.
        order = np.argsort(np.concatenate([block.places for block in blocks]), kind="stable")
        place = np.empty(count, dtype=np.int64)
        place[order] = np.arange(count)
        parts: list[tuple[Array, Array, dict[str, Array]]] = []
        at = 0
        for block in blocks:
            self._decode(block.rows, place[at : at + len(block.places)], parts)
            at += len(block.places)
        self._store(parts, count)

    def finish(self) -> Columns:
        """Return the columns of everything added."""
        times = np.concatenate(self._times) if self._times else np.zeros(0, dtype=np.int64)
        order = None if np.all(times[1:] >= times[:-1]) else np.argsort(times, kind="stable")
        columns: dict[str, Array] = {}
        for name in list(self._blocks):
            column = _join(self._blocks.pop(name))
            columns[name] = column if order is None else column[order]
        if not self._rows:
            empty = _empty(self._types, self.type_name, "")
            columns = {name: column for name, column in empty.items() if self._wants(name)}
        self._check_names(columns)
        return Columns(self.topic, self.type_name, times if order is None else times[order], columns)

    def _check_names(self, columns: dict[str, Array]) -> None:
        if self._fields is None:
            return
        for name in self._fields:
            if not any(have == name or have.startswith((name + ".", name + "[")) for have in columns):
                known = ", ".join(name for name, _ in self._types[self.type_name])
                raise InputError(f"{self.topic}: {self.type_name} has no field '{name}'; there are {known}")

    def _wants(self, name: str) -> bool:
        if self._fields is None:
            return True
        return any(name == want or name.startswith((want + ".", want + "[")) for want in self._fields)

    def _decode(self, data: Array, rows: Array, parts: list[tuple[Array, Array, dict[str, Array]]]) -> None:
        """Decode rows of one size, by as many layouts as they turn out to have."""
        while len(rows):
            layout = self._layout(data[0])
            same = np.ones(len(rows), dtype=bool)
            for offset, value in [*layout.lengths, (_HEAD, int.from_bytes(ENCAPSULATION[:2], "little"))]:
                width = 2 if offset == _HEAD else 4
                same &= data[:, offset : offset + width].copy().view(f"<u{width}")[:, 0] == value
            chosen = data if same.all() else np.ascontiguousarray(data[same])
            parts.append((rows[same], heads(chosen)["log_time"], self._columns(layout, chosen)))
            data, rows = np.ascontiguousarray(data[~same]), rows[~same]

    def _layout(self, row: Array) -> Layout:
        raw = row.tobytes()
        for layout in self._layouts:
            if layout.fits(raw):
                return layout
        try:
            layout = layout_of(self._types, self.type_name, raw)
        except ValueError as error:
            time = MESSAGE_HEAD.unpack_from(raw)[4]
            raise InputError(f"{self.topic} at {time * 1e-9:.3f} s: {error}") from None
        if len(self._layouts) < 8:
            self._layouts.append(layout)
        return layout

    def _columns(self, layout: Layout, data: Array) -> dict[str, Array]:
        wanted = [i for i, name in enumerate(layout.names) if self._wants(name)]
        row = np.dtype(
            {
                "names": [layout.names[i] for i in wanted],
                "formats": [layout.formats[i] for i in wanted],
                "offsets": [layout.offsets[i] for i in wanted],
                "itemsize": data.shape[1],
            }
        )
        table = data.view(row)[:, 0]
        columns = {}
        for name in row.names or ():
            column = table[name]
            columns[name] = _texts(column) if name in layout.strings else np.ascontiguousarray(column)
        for name, parts in layout.lists.items():
            if self._wants(name):
                texts = [columns.pop(part) for part in parts]
                columns[name] = _lists(texts, len(data))
        return columns

    def _store(self, parts: list[tuple[Array, Array, dict[str, Array]]], count: int) -> None:
        names = dict.fromkeys(name for _, _, columns in parts for name in columns)
        whole = len(parts) == 1
        times = np.zeros(count, dtype=np.int64)
        for rows, log_time, _ in parts:
            times[rows] = log_time
        self._times.append(times)
        for name in names:
            missing = [np.full(self._rows, None, dtype=object)] if self._rows else []
            blocks = self._blocks.setdefault(name, missing)
            blocks.append(parts[0][2][name] if whole else _scatter(name, parts, count))
        for name, blocks in self._blocks.items():
            if name not in names:
                blocks.append(np.full(count, None, dtype=object))
        self._rows += count


def _empty(types: Types, type_name: str, prefix: str) -> dict[str, Array]:
    """Return columns without rows, of the kinds that rows would have."""
    columns: dict[str, Array] = {}
    for name, descriptor in types[type_name]:
        single, array = primitive(descriptor), fixed_array(descriptor)
        if descriptor[0] == Nodetype.NAME:
            columns.update(_empty(types, descriptor[1], f"{prefix}{name}."))
        elif single is not None:
            columns[prefix + name] = np.zeros(0, dtype=_NUMPY[single])
        elif array is not None:
            columns[prefix + name] = np.zeros((0, array[1]), dtype=_NUMPY[array[0]])
        else:
            columns[prefix + name] = np.zeros(0, dtype=object)
    return columns


def _texts(column: Array) -> Array:
    """Return strings; a bytes field of numpy drops closing zeros, which a string never has."""
    if column.dtype.itemsize == 0:
        return np.full(len(column), "", dtype=object)
    values, where = np.unique(np.ascontiguousarray(column), return_inverse=True)
    decoded = np.array([value.decode("utf-8", "replace") for value in values], dtype=object)
    return decoded[where]


def _lists(texts: list[Array], count: int) -> Array:
    """Return one tuple of strings a row."""
    column = np.empty(count, dtype=object)
    for i in range(count):
        column[i] = tuple(part[i] for part in texts)
    return column


def _scatter(name: str, parts: list[tuple[Array, Array, dict[str, Array]]], count: int) -> Array:
    """Put the rows of several layouts back in order."""
    shapes = {columns[name].shape[1:] for _, _, columns in parts if name in columns}
    kinds = {columns[name].dtype for _, _, columns in parts if name in columns}
    complete = all(name in columns for _, _, columns in parts)
    if complete and len(shapes) == 1 and len(kinds) == 1:
        out = np.empty((count, *shapes.pop()), dtype=kinds.pop())
    else:
        out = np.full(count, None, dtype=object)
    for rows, _, columns in parts:
        if name not in columns:
            continue
        if out.dtype == object and columns[name].dtype != object:
            for row, value in zip(rows, columns[name], strict=True):
                out[row] = value
        else:
            out[rows] = columns[name]
    return out


def _join(blocks: list[Array]) -> Array:
    """Concatenate; sequences of changing length become a column of arrays."""
    if len({(block.dtype, block.shape[1:]) for block in blocks}) == 1:
        return np.concatenate(blocks)
    out = np.empty(sum(len(block) for block in blocks), dtype=object)
    at = 0
    for block in blocks:
        for value in block:
            out[at] = value
            at += 1
    return out
