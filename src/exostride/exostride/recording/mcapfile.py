"""Reading one MCAP file: its index, or the same found by walking it; chunks on demand."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.errors import InputError
from exostride.recording import records
from exostride.recording.chunkfile import decompress
from exostride.recording.records import MAGIC, MESSAGE_HEAD, RECORD_HEAD, Channel, Op, Schema

_FOOTER_SIZE: Final = records.FOOTER.size + len(MAGIC)
_HEAD: Final = RECORD_HEAD.size
_INDEX_HEAD: Final = struct.Struct("<BQHI")
_FORGET: Final = 1 << 24
"""Bytes after which the pages read so far are given back."""


class Cursor:
    """Takes the fields of a record one after the other; running out of bytes is a ``ValueError``."""

    def __init__(self, data: bytes | memoryview, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, layout: str) -> tuple[int, ...]:
        """Return numbers in a ``struct`` layout (little endian)."""
        size = struct.calcsize("<" + layout)
        if self.at + size > len(self.data):
            raise ValueError("record too short")
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += size
        return values

    def raw(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        if size > len(self.data) - self.at:
            raise ValueError("record too short")
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def text(self) -> str:
        """Return a length-prefixed string."""
        return self.raw(self.take("I")[0]).decode("utf-8")

    def mapping(self) -> dict[str, str]:
        """Return a length-prefixed map of strings."""
        inner = Cursor(self.raw(self.take("I")[0]))
        values = {}
        while inner.at < len(inner.data):
            key = inner.text()
            values[key] = inner.text()
        return values


def parse_schema(body: bytes | memoryview) -> Schema:
    """Return a schema from the body of its record."""
    cursor = Cursor(body)
    (number,) = cursor.take("H")
    name, encoding = cursor.text(), cursor.text()
    return Schema(number, name, encoding, cursor.raw(cursor.take("I")[0]))


def parse_channel(body: bytes | memoryview) -> Channel:
    """Return a channel from the body of its record."""
    cursor = Cursor(body)
    number, schema = cursor.take("HH")
    topic, encoding = cursor.text(), cursor.text()
    return Channel(number, schema, topic, encoding, cursor.mapping())


@dataclass(frozen=True, slots=True)
class ChunkHead:
    """Fixed part of a chunk record."""

    begin: int
    end: int
    size: int
    crc: int
    compression: str
    packed_at: int
    """Offset of the compressed records from the start of the record's body."""
    packed_size: int


def parse_chunk_head(body: bytes | memoryview) -> ChunkHead:
    """Return the head of a chunk from (the beginning of) its record's body."""
    cursor = Cursor(body)
    begin, end, size, crc = cursor.take("QQQI")
    compression = cursor.text()
    (packed,) = cursor.take("Q")
    return ChunkHead(begin, end, size, crc, compression, cursor.at, packed)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file stored beside the messages."""

    name: str
    media_type: str
    data: bytes


def parse_attachment(body: bytes | memoryview) -> Attachment:
    """Return an attachment from the body of its record."""
    cursor = Cursor(body)
    cursor.take("QQ")
    name, media_type = cursor.text(), cursor.text()
    return Attachment(name, media_type, cursor.raw(cursor.take("Q")[0]))


def parse_metadata(body: bytes | memoryview) -> tuple[str, dict[str, str]]:
    """Return name and values from the body of a metadata record."""
    cursor = Cursor(body)
    return cursor.text(), cursor.mapping()


Places = dict[int, NDArray[np.int64]]
"""Offsets of message records by channel."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of messages: a chunk, or messages that lie outside of any chunk."""

    start: int
    length: int
    begin: int
    end: int
    chunked: bool
    indices: dict[int, int] | None = None
    """Offset of each channel's message index, where the file's own index names them."""


@dataclass(slots=True)
class Contents:
    """What a file holds."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    attachments: list[int] = field(default_factory=list)
    """Offsets of attachment records."""
    metadata: list[int] = field(default_factory=list)
    """Offsets of metadata records."""
    counts: dict[int, int] | None = None
    """Messages per channel, where a statistics record says so."""


class McapFile:
    """One MCAP file, mapped into memory.

    Raises
    ------
    InputError
        The file is missing, empty, or no MCAP file, or its end is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as stream:
                self.data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "empty"
            raise InputError(f"{path}: can't be read ({reason})") from None
        self._seen = 0
        if self.data[: len(MAGIC)] != MAGIC:
            raise InputError(f"{path}: not an MCAP file (wrong first bytes)")
        if self.data[-len(MAGIC) :] != MAGIC or len(self.data) < len(MAGIC) + _FOOTER_SIZE:
            raise self._damaged("its end is missing")
        try:
            self.contents = self._from_summary() or self._from_walk()
        except (ValueError, struct.error) as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, why: str) -> InputError:
        return InputError(f"{self.path}: damaged ({why}); run 'exostride recover' on it")

    def close(self) -> None:
        """Release the file."""
        self.data.close()

    def body(self, offset: int, op: Op) -> bytes:
        """Return the body of the record at ``offset``."""
        if offset + _HEAD > len(self.data):
            raise self._damaged(f"record at byte {offset} lies behind the end")
        kind, length = RECORD_HEAD.unpack_from(self.data, offset)
        if kind != op or offset + _HEAD + length > len(self.data):
            raise self._damaged(f"no {op.name.lower()} record at byte {offset}")
        return self.data[offset + _HEAD : offset + _HEAD + length]

    # ------------------------------------------------------------------ index

    def _walk(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield kind, offset and body length of every record between two offsets."""
        at = start
        while at < end:
            if at + _HEAD > end:
                raise ValueError(f"record at byte {at} is cut off")
            kind, length = RECORD_HEAD.unpack_from(self.data, at)
            if at + _HEAD + length > end:
                raise ValueError(f"record at byte {at} is cut off")
            yield kind, at, length
            at += _HEAD + length

    def _define(self, contents: Contents, kind: int, body: bytes) -> None:
        if kind == Op.SCHEMA:
            schema = parse_schema(body)
            contents.schemas[schema.id] = schema
        else:
            channel = parse_channel(body)
            contents.channels[channel.id] = channel

    def _from_summary(self) -> Contents | None:
        footer = len(self.data) - _FOOTER_SIZE
        kind, length, start, _, _ = records.FOOTER.unpack_from(self.data, footer)
        if kind != Op.FOOTER or length != 20:
            raise ValueError("no footer")
        if not start:
            return None
        if not len(MAGIC) < start <= footer:
            raise ValueError("the footer points outside of the file")
        contents = Contents()
        for kind, at, size in self._walk(start, footer):
            body = self.data[at + _HEAD : at + _HEAD + size]
            if kind in (Op.SCHEMA, Op.CHANNEL):
                self._define(contents, kind, body)
            elif kind == Op.CHUNK_INDEX:
                contents.segments.append(_segment(body))
            elif kind == Op.ATTACHMENT_INDEX:
                contents.attachments.append(Cursor(body).take("Q")[0])
            elif kind == Op.METADATA_INDEX:
                contents.metadata.append(Cursor(body).take("Q")[0])
            elif kind == Op.STATISTICS:
                contents.counts = _counts(body)
        total = sum((contents.counts or {}).values())
        usable = bool(contents.channels) and bool(contents.segments)
        return contents if usable or (contents.counts is not None and total == 0) else None

    def _from_walk(self) -> Contents:
        contents = Contents()
        for kind, at, length in self._walk(len(MAGIC), len(self.data) - len(MAGIC)):
            end = at + _HEAD + length
            if kind in (Op.SCHEMA, Op.CHANNEL):
                self._define(contents, kind, self.data[at + _HEAD : end])
            elif kind == Op.CHUNK:
                head = parse_chunk_head(self.data[at + _HEAD : min(end, at + _HEAD + 256)])
                segment = Segment(at, end - at, head.begin, head.end, chunked=True)
                contents.segments.append(segment)
                self._definitions_inside(contents, segment)
            elif kind == Op.MESSAGE:
                _extend_loose(contents.segments, at, end, MESSAGE_HEAD.unpack_from(self.data, at)[4])
            elif kind == Op.ATTACHMENT:
                contents.attachments.append(at)
            elif kind == Op.METADATA:
                contents.metadata.append(at)
            elif kind == Op.DATA_END:
                break
        return contents

    def _definitions_inside(self, contents: Contents, segment: Segment) -> None:
        raw = self.segment_bytes(segment)
        at = 0
        while at + _HEAD <= len(raw):
            kind, length = RECORD_HEAD.unpack_from(raw, at)
            if kind in (Op.SCHEMA, Op.CHANNEL):
                self._define(contents, kind, raw[at + _HEAD : at + _HEAD + length])
            at += _HEAD + length

    # ------------------------------------------------------------------ messages

    def segment_bytes(self, segment: Segment) -> bytes:
        """Return the records of a segment.

        Raises
        ------
        InputError
            The chunk is damaged.
        """
        self._seen += segment.length
        if self._seen > _FORGET:
            # Pages once read count as ours; a long bag would fill the memory with them.
            self.data.madvise(mmap.MADV_DONTNEED)
            self._seen = 0
        if not segment.chunked:
            return self.data[segment.start : segment.start + segment.length]
        body = self.body(segment.start, Op.CHUNK)
        try:
            head = parse_chunk_head(body)
            packed = body[head.packed_at : head.packed_at + head.packed_size]
            return decompress(head.compression, packed, head.size, head.crc)
        except (ValueError, UnicodeDecodeError) as error:
            raise self._damaged(f"chunk at byte {segment.start} {error}") from None

    def places(self, segment: Segment, wanted: set[int], raw: bytes, indexed: bool = True) -> Places:
        """Return where in the records of a segment the messages of the ``wanted`` channels begin.

        The message index says so, unless ``indexed`` is false or the index is odd; it carries no checksum,
        so that its word is to be held to the records (:mod:`exostride.recording.gather`).
        """
        found = self._by_index(segment, wanted) if indexed else None
        return found if found is not None else _by_walk(raw, wanted)

    def _by_index(self, segment: Segment, wanted: set[int]) -> Places | None:
        if segment.indices is None:
            return None
        found: Places = {}
        for channel in wanted & segment.indices.keys():
            at = segment.indices[channel]
            if at + _HEAD + 6 > len(self.data):
                return None
            kind, length, number, size = _INDEX_HEAD.unpack_from(self.data, at)
            start = at + _HEAD + 6
            if kind != Op.MESSAGE_INDEX or number != channel or length != size + 6:
                return None
            if size % 16 or start + size > len(self.data):
                return None
            found[channel] = np.frombuffer(self.data[start : start + size], dtype="<i8")[1::2]
        return found


def _by_walk(raw: bytes, wanted: set[int]) -> Places:
    found: dict[int, list[int]] = {}
    at = 0
    while at + _HEAD <= len(raw):
        kind, length = RECORD_HEAD.unpack_from(raw, at)
        end = at + _HEAD + length
        if kind == Op.MESSAGE and length >= 22 and end <= len(raw):
            channel = int.from_bytes(raw[at + _HEAD : at + _HEAD + 2], "little")
            if channel in wanted:
                found.setdefault(channel, []).append(at)
        at = end
    return {channel: np.array(starts, dtype=np.int64) for channel, starts in found.items()}


def _extend_loose(segments: list[Segment], start: int, end: int, time: int) -> None:
    """Add a message outside of any chunk to the run that it continues, or begin a new one."""
    last = segments[-1] if segments else None
    if last is not None and not last.chunked and last.start + last.length == start and last.length < 1 << 20:
        span = (min(last.begin, time), max(last.end, time))
        segments[-1] = Segment(last.start, end - last.start, *span, chunked=False)
    else:
        segments.append(Segment(start, end - start, time, time, chunked=False))


def _segment(body: bytes) -> Segment:
    cursor = Cursor(body)
    begin, end, start, length, size = cursor.take("QQQQI")
    pairs = Cursor(cursor.raw(size))
    indices = {}
    while pairs.at < size:
        channel, offset = pairs.take("HQ")
        indices[channel] = offset
    # A chunk without any index entry may still hold messages: some writers make no message index.
    return Segment(start, length, begin, end, chunked=True, indices=indices or None)


def _counts(body: bytes) -> dict[int, int]:
    cursor = Cursor(body)
    cursor.take("QHIIIIQQ")
    pairs = Cursor(cursor.raw(cursor.take("I")[0]))
    counts = {}
    while pairs.at < len(pairs.data):
        channel, count = pairs.take("HQ")
        counts[channel] = count
    return counts
