"""The records of the MCAP container format, as bytes.

Only what a recorder and its recovery need: the format is small, and writing it here keeps the cost
of a message at one ``struct`` call and lets a chunk be closed, synchronised and cut off at will.
Reference: https://mcap.dev/spec, format version 0.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

MAGIC: Final = b"\x89MCAP0\r\n"
RECORD_HEAD: Final = struct.Struct("<BQ")
MESSAGE_HEAD: Final = struct.Struct("<BQHIQQ")
"""Opcode, length, channel, sequence, log time, publish time; the message's bytes follow."""
CHUNK_FIXED: Final = struct.Struct("<QQQI")
FOOTER: Final = struct.Struct("<BQQQI")
_U16_U64 = struct.Struct("<HQ")


class Op(IntEnum):
    """Kinds of record."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    MESSAGE_INDEX = 0x07
    CHUNK_INDEX = 0x08
    ATTACHMENT = 0x09
    ATTACHMENT_INDEX = 0x0A
    STATISTICS = 0x0B
    METADATA = 0x0C
    METADATA_INDEX = 0x0D
    SUMMARY_OFFSET = 0x0E
    DATA_END = 0x0F


def text(value: str) -> bytes:
    """Return a length-prefixed UTF-8 string."""
    raw = value.encode("utf-8")
    return struct.pack("<I", len(raw)) + raw


def mapping(values: Mapping[str, str]) -> bytes:
    """Return a length-prefixed map of strings."""
    body = b"".join(text(key) + text(value) for key, value in values.items())
    return struct.pack("<I", len(body)) + body


def record(op: Op, body: bytes) -> bytes:
    """Return one record."""
    return RECORD_HEAD.pack(op, len(body)) + body


@dataclass(frozen=True, slots=True)
class Schema:
    """Definition of a message type."""

    id: int
    name: str
    encoding: str
    data: bytes

    def pack(self) -> bytes:
        """Return the record."""
        body = struct.pack("<H", self.id) + text(self.name) + text(self.encoding)
        return record(Op.SCHEMA, body + struct.pack("<I", len(self.data)) + self.data)


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic with its type."""

    id: int
    schema_id: int
    topic: str
    encoding: str
    metadata: dict[str, str] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the record."""
        body = struct.pack("<HH", self.id, self.schema_id) + text(self.topic) + text(self.encoding)
        return record(Op.CHANNEL, body + mapping(self.metadata))


def header(profile: str, library: str) -> bytes:
    """Return the header record."""
    return record(Op.HEADER, text(profile) + text(library))


def attachment(name: str, media_type: str, data: bytes, log_time: int) -> bytes:
    """Return an attachment record with its checksum; ``log_time`` [ns]."""
    body = struct.pack("<QQ", log_time, log_time) + text(name) + text(media_type)
    body += struct.pack("<Q", len(data)) + data
    return record(Op.ATTACHMENT, body + struct.pack("<I", zlib.crc32(body)))


def metadata(name: str, values: Mapping[str, str]) -> bytes:
    """Return a metadata record."""
    return record(Op.METADATA, text(name) + mapping(values))


@dataclass(frozen=True, slots=True)
class AttachmentPlace:
    """Where an attachment lies, and what it is; ``log_time`` [ns]."""

    start: int
    length: int
    name: str
    media_type: str
    size: int
    log_time: int

    def pack(self) -> bytes:
        """Return the attachment index record."""
        head = struct.pack("<QQQQQ", self.start, self.length, self.log_time, self.log_time, self.size)
        return record(Op.ATTACHMENT_INDEX, head + text(self.name) + text(self.media_type))


def metadata_index(offset: int, length: int, name: str) -> bytes:
    """Return the summary's pointer to a metadata record."""
    return record(Op.METADATA_INDEX, struct.pack("<QQ", offset, length) + text(name))


def message_index(channel_id: int, entries: list[int]) -> bytes:
    """Return the index of one channel in a chunk; ``entries`` alternates log time and offset."""
    raw = struct.pack(f"<{len(entries)}Q", *entries)
    return record(Op.MESSAGE_INDEX, struct.pack("<HI", channel_id, len(raw)) + raw)


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Where a chunk lies and what it spans."""

    start: int
    length: int
    begin_time: int
    end_time: int
    compression: str
    compressed: int
    uncompressed: int
    index_length: int
    index_offsets: tuple[tuple[int, int], ...]

    def pack(self) -> bytes:
        """Return the chunk index record."""
        offsets = b"".join(_U16_U64.pack(channel, offset) for channel, offset in self.index_offsets)
        body = struct.pack("<QQQQI", self.begin_time, self.end_time, self.start, self.length, len(offsets))
        body += offsets + struct.pack("<Q", self.index_length) + text(self.compression)
        return record(Op.CHUNK_INDEX, body + struct.pack("<QQ", self.compressed, self.uncompressed))


def chunk(begin: int, end: int, raw: bytes, compression: str, packed: bytes) -> bytes:
    """Return a chunk record; ``raw`` are its records, ``packed`` the same compressed."""
    head = CHUNK_FIXED.pack(begin, end, len(raw), zlib.crc32(raw)) + text(compression)
    return record(Op.CHUNK, head + struct.pack("<Q", len(packed)) + packed)


@dataclass(slots=True)
class Statistics:
    """What a file holds in all; times in ns."""

    counts: dict[int, int] = field(default_factory=dict)
    """Messages per channel."""
    begin: int = 0
    end: int = 0
    schemas: int = 0
    attachments: int = 0
    metadatas: int = 0
    chunks: int = 0

    @property
    def messages(self) -> int:
        """Messages of all channels."""
        return sum(self.counts.values())

    def pack(self) -> bytes:
        """Return the record."""
        per_channel = b"".join(_U16_U64.pack(channel, count) for channel, count in self.counts.items())
        totals = (self.messages, self.schemas, len(self.counts))
        others = (self.attachments, self.metadatas, self.chunks, self.begin, self.end)
        body = struct.pack("<QHIIIIQQI", *totals, *others, len(per_channel))
        return record(Op.STATISTICS, body + per_channel)


def summary_offset(op: Op, start: int, length: int) -> bytes:
    """Return the pointer to one group of the summary."""
    return record(Op.SUMMARY_OFFSET, struct.pack("<BQQ", op, start, length))


def closing(groups: list[tuple[Op, bytes]], position: int) -> bytes:
    """Return everything from the end of the data section to the end of the file.

    Parameters
    ----------
    groups
        Kind and records of each group of the summary, in order; empty ones are left out.
    position
        Offset in the file of the first byte returned.
    """
    data_end = record(Op.DATA_END, struct.pack("<I", 0))
    start = position + len(data_end)
    summary, pointers = b"", b""
    for op, records in groups:
        if records:
            pointers += summary_offset(op, start + len(summary), len(records))
            summary += records
    offsets_start = start + len(summary)
    body = summary + pointers
    head = FOOTER.pack(Op.FOOTER, 20, start if body else 0, offsets_start if pointers else 0, 0)[:-4]
    crc = zlib.crc32(head, zlib.crc32(body))
    return data_end + body + head + struct.pack("<I", crc) + MAGIC
