"""Finding what is whole in a damaged MCAP file.

A chunk is believed when it decompresses and its checksum agrees; an attachment when its checksum
agrees; the summary's definitions when the footer's checksum agrees. Behind anything else the scan looks
for the next place that passes such a test. Records that the format leaves without a checksum
(messages and definitions outside of chunks, as some writers make them) are believed only where they
follow each other without a gap, and are counted apart as unverified.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from exostride.recording import records
from exostride.recording.chunkfile import decompress
from exostride.recording.mcapfile import (
    ChunkHead,
    Cursor,
    parse_channel,
    parse_chunk_head,
    parse_metadata,
    parse_schema,
)
from exostride.recording.records import MAGIC, MESSAGE_HEAD, RECORD_HEAD, Channel, Op, Schema

Buffer = bytes | memoryview

_HEAD: Final = RECORD_HEAD.size
_LARGEST: Final = 1 << 32
_CHUNK_START: Final = re.compile(
    rb"\x06.{4}\x00{4}.{28}(?:\x03\x00\x00\x00lz4|\x04\x00\x00\x00zstd|\x00\x00\x00\x00)", re.DOTALL
)
_ATTACHMENT_START: Final = re.compile(rb"\x09.{4}\x00{4}", re.DOTALL)
_MESSAGE_START: Final = re.compile(rb"\x05.{3}\x00{5}", re.DOTALL)
_RUN: Final = 4
"""Messages outside of chunks that must follow each other before a scan that lost its way believes them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A believed record."""

    op: Op
    start: int
    end: int
    begin_time: int = 0
    end_time: int = 0


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of the file that can't be believed."""

    start: int
    end: int
    reason: str


@dataclass(slots=True)
class Scan:
    """What a scan found."""

    pieces: list[Piece] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    ambiguous: set[int] = field(default_factory=set)
    """Channels with two different believed definitions."""
    library: str = ""
    complete: bool = False
    """The file ends with a summary, or at least with its footer, as a finished one does."""
    expected: int | None = None
    """Messages in the finished file, where its summary is whole."""


class Scanner:
    """Scans one file's bytes."""

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.found = Scan()
        self._verified: set[int] = set()
        self._indices: set[Index] = set()
        self._at = 0

    def run(self) -> Scan:
        """Return what is whole."""
        size = len(self.data)
        if bytes(self.data[: len(MAGIC)]) == MAGIC:
            self._at = len(MAGIC)
        elif size:
            self._resume(0, "the first bytes are not those of an MCAP file")
        while self._at < size:
            if self._at + len(MAGIC) == size and bytes(self.data[self._at :]) == MAGIC:
                break
            try:
                piece = self._record(self._at)
            except (ValueError, struct.error, UnicodeDecodeError) as error:
                self._resume(self._at, " ".join(str(error).split()))
                continue
            self._accept(piece)
            self._at = piece.end
        return self.found

    # ------------------------------------------------------------------ one record

    def _record(self, at: int) -> Piece:
        """Return the record at ``at`` if it can be believed, else raise ``ValueError``."""
        if at + _HEAD > len(self.data):
            raise ValueError("the file is cut off inside a record's head")
        kind, length = RECORD_HEAD.unpack_from(self.data, at)
        try:
            op = Op(kind)
        except ValueError:
            raise ValueError("there is no record here") from None
        end = at + _HEAD + length
        if end > len(self.data):
            raise ValueError(f"the {op.name.lower().replace('_', ' ')} is cut off, or its length is damaged")
        body = bytes(self.data[at + _HEAD : end])
        if op == Op.CHUNK:
            head, _ = open_chunk(body)
            return Piece(op, at, end, head.begin, head.end)
        if op == Op.MESSAGE:
            time = MESSAGE_HEAD.unpack_from(self.data, at)[4] if length >= 22 else 0
            if length < 26 or not self._follows(end):
                raise ValueError("the message is damaged")
            return Piece(op, at, end, time, time)
        self._check(op, body, at, end)
        return Piece(op, at, end)

    def _check(self, op: Op, body: bytes, at: int, end: int) -> None:
        if op == Op.ATTACHMENT:
            if len(body) < 4 or struct.unpack_from("<I", body, len(body) - 4)[0] != zlib.crc32(body[:-4]):
                raise ValueError("the attachment fails its checksum")
        elif op == Op.FOOTER:
            if len(body) != 20 or end + len(MAGIC) != len(self.data):
                raise ValueError("the footer is damaged")
        elif op == Op.SCHEMA:
            parse_schema(body)
        elif op == Op.CHANNEL:
            parse_channel(body)
        elif op == Op.METADATA:
            parse_metadata(body)
        elif op == Op.MESSAGE_INDEX and (len(body) < 6 or len(body) != 6 + Cursor(body, 2).take("I")[0]):
            raise ValueError("the message index is damaged")
        if op not in (Op.FOOTER, Op.ATTACHMENT) and not self._follows(end):
            raise ValueError(f"the {op.name.lower().replace('_', ' ')} is damaged")

    def _follows(self, at: int) -> bool:
        """Return whether a record may begin at ``at``: its head makes sense, or the file ends there."""
        rest = len(self.data) - at
        if rest == 0 or bytes(self.data[at : at + len(MAGIC)]) == MAGIC:
            return True
        if rest < _HEAD:
            return True
        kind, length = RECORD_HEAD.unpack_from(self.data, at)
        return bool(1 <= kind <= 15 and length < _LARGEST)

    # ------------------------------------------------------------------ what it says

    def _accept(self, piece: Piece) -> None:
        body = self.data[piece.start + _HEAD : piece.end]
        if piece.op == Op.HEADER:
            cursor = Cursor(body)
            profile, self.found.library = cursor.text(), cursor.text()
            if profile != "ros2":
                self._note(piece, f"the profile is '{profile}' instead of 'ros2'")
        elif piece.op in (Op.SCHEMA, Op.CHANNEL):
            self._define(piece.op, bytes(body), verified=False)
        elif piece.op == Op.CHUNK:
            raw = open_chunk(bytes(body))[1]
            for op, inner in inner_records(raw):
                if op in (Op.SCHEMA, Op.CHANNEL):
                    self._define(op, inner, verified=True)
            self._indices = _indices(raw)
        elif piece.op == Op.MESSAGE_INDEX and len(body) > 6 and _index(bytes(body)) not in self._indices:
            self._note(piece, "the message index does not agree with its chunk")
        elif piece.op == Op.FOOTER:
            self.found.complete = True
            self._summary(piece, bytes(body))
        if piece.op in (Op.CHUNK, Op.MESSAGE, Op.ATTACHMENT, Op.METADATA):
            self.found.pieces.append(piece)

    def _note(self, piece: Piece, reason: str) -> None:
        """Note damage in a record that costs no messages and does not lead the scan astray."""
        self.found.damages.append(Damage(piece.start, piece.end, reason))

    def _summary(self, piece: Piece, footer: bytes) -> None:
        """Believe the definitions of the summary when its checksum agrees."""
        start, _, crc = struct.unpack("<QQI", footer)
        end = piece.start
        if not start:
            return
        if start > end:
            self._note(piece, "the footer points outside of the file")
            return
        if crc and zlib.crc32(bytes(self.data[start : piece.end - 4])) != crc:
            self._note(Piece(Op.FOOTER, start, piece.end), "the summary fails its checksum")
            return
        if not crc:
            return
        for op, body in inner_records(bytes(self.data[start:end])):
            if op in (Op.SCHEMA, Op.CHANNEL):
                self._define(op, body, verified=True)
            elif op == Op.STATISTICS:
                self.found.expected = Cursor(body).take("Q")[0]

    def _define(self, op: int, body: bytes, *, verified: bool) -> None:
        item: Schema | Channel = parse_schema(body) if op == Op.SCHEMA else parse_channel(body)
        known: dict[int, Schema] | dict[int, Channel]
        known = self.found.schemas if op == Op.SCHEMA else self.found.channels
        key = item.id + (op << 16)
        before = known.get(item.id)
        if before is None or (verified and key not in self._verified):
            known[item.id] = item  # type: ignore[assignment]
        elif before != item and verified:
            self.found.ambiguous.add(key)
        if verified:
            self._verified.add(key)

    # ------------------------------------------------------------------ finding the way back

    def _resume(self, start: int, reason: str) -> None:
        """Move to the next place behind ``start`` that can be believed, and note the damage."""
        candidates = [
            self._next_chunk(start + 1),
            self._next_attachment(start + 1),
            self._next_run(start + 1),
        ]
        places = [place for place in [*candidates, self._ending(start)] if place is not None]
        end = min(places, default=len(self.data))
        self.found.damages.append(Damage(start, end, reason))
        self._at = end

    def _next_chunk(self, start: int) -> int | None:
        for match in _overlapping(_CHUNK_START, self.data, start):
            try:
                self._record(match)
            except (ValueError, struct.error, UnicodeDecodeError):
                continue
            return match
        return None

    def _next_attachment(self, start: int) -> int | None:
        for match in _overlapping(_ATTACHMENT_START, self.data, start):
            length = RECORD_HEAD.unpack_from(self.data, match)[1]
            if length >= 36 and match + _HEAD + length <= len(self.data):
                body = bytes(self.data[match + _HEAD : match + _HEAD + length])
                if struct.unpack_from("<I", body, length - 4)[0] == zlib.crc32(body[:-4]):
                    return match
        return None

    def _next_run(self, start: int) -> int | None:
        """Return where several messages of known channels follow each other outside of chunks."""
        if not any(piece.op == Op.MESSAGE for piece in self.found.pieces[-_RUN:]):
            return None
        for match in _overlapping(_MESSAGE_START, self.data, start):
            at = match
            for _ in range(_RUN):
                if at + MESSAGE_HEAD.size + 4 > len(self.data):
                    break
                kind, length, channel, _, _, _ = MESSAGE_HEAD.unpack_from(self.data, at)
                lead = bytes(self.data[at + MESSAGE_HEAD.size : at + MESSAGE_HEAD.size + 2])
                if kind != Op.MESSAGE or channel not in self.found.channels or lead != b"\x00\x01":
                    break
                at += _HEAD + length
            else:
                if at <= len(self.data):
                    return match
        return None

    def _ending(self, start: int) -> int | None:
        """Return where the closing part of a finished file begins, if that is still ahead and whole."""
        footer = len(self.data) - len(MAGIC) - 20 - _HEAD
        if footer <= start or bytes(self.data[-len(MAGIC) :]) != MAGIC:
            return None
        kind, length, summary, _, crc = records.FOOTER.unpack_from(self.data, footer)
        if kind != Op.FOOTER or length != 20:
            return None
        if summary <= start or summary > footer:
            return footer
        whole = crc and zlib.crc32(bytes(self.data[summary : len(self.data) - len(MAGIC) - 4])) == crc
        return int(summary) if whole else footer


def open_chunk(body: bytes) -> tuple[ChunkHead, bytes]:
    """Return head and records of a chunk.

    Raises
    ------
    ValueError
        The chunk is damaged.
    """
    head = parse_chunk_head(body)
    if head.packed_at + head.packed_size != len(body):
        raise ValueError("the chunk's lengths do not agree")
    try:
        raw = decompress(head.compression, body[head.packed_at :], head.size, head.crc)
    except ValueError as error:
        raise ValueError(f"the chunk {error}") from None
    if head.crc == 0:
        # Without a checksum the records must at least fill the chunk exactly.
        for _ in inner_records(raw):
            continue
    return head, raw


Index = tuple[int, frozenset[bytes]]
"""Channel, and pairs of log time and offset, of a message index; some writers sort the pairs."""


def _index(body: bytes) -> Index:
    channel, size = struct.unpack_from("<HI", body)
    return channel, frozenset(body[at : at + 16] for at in range(6, 6 + size, 16))


def _indices(raw: bytes) -> set[Index]:
    """Return the message indices that a chunk with these records must have."""
    entries: dict[int, list[int]] = {}
    at = 0
    for op, body in inner_records(raw):
        if op == Op.MESSAGE and len(body) >= 22:
            _, _, channel, _, log_time, _ = MESSAGE_HEAD.unpack_from(raw, at)
            entries.setdefault(channel, []).extend((log_time, at))
        at += _HEAD + len(body)
    return {_index(records.message_index(channel, items)[_HEAD:]) for channel, items in entries.items()}


def inner_records(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of the records in a chunk or summary.

    Raises
    ------
    ValueError
        A record is cut off.
    """
    at = 0
    while at < len(raw):
        if at + _HEAD > len(raw):
            raise ValueError("a record in the chunk is cut off")
        kind, length = RECORD_HEAD.unpack_from(raw, at)
        end = at + _HEAD + length
        if end > len(raw):
            raise ValueError("a record in the chunk is cut off")
        yield kind, raw[at + _HEAD : end]
        at = end


def _overlapping(pattern: re.Pattern[bytes], data: Buffer, start: int) -> Iterator[int]:
    """Yield where ``pattern`` matches, overlapping matches included."""
    match = pattern.search(data, start)
    while match is not None:
        yield match.start()
        match = pattern.search(data, match.start() + 1)
