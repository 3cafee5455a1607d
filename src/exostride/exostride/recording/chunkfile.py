"""One MCAP file being written: chunks that reach the operating system whole, a summary at the end.

Definitions (schemas and channels) are written inside chunks, where a checksum guards them, and are
repeated: a bag whose first chunk is damaged can still be decoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import lz4.frame  # type: ignore[import-untyped]
import zstandard

from exostride.errors import InputError
from exostride.recording import records
from exostride.recording.records import (
    MESSAGE_HEAD,
    AttachmentPlace,
    Channel,
    ChunkPlace,
    Op,
    Schema,
    Statistics,
)

LIBRARY: Final = "exostride"
_FIRST_COPIES: Final = 3
_COPY_EVERY: Final = 32
_LARGEST_CHUNK: Final = 1 << 28
"""No writer makes chunks of 256 MiB; a header that says so is damaged."""

Compressor = Callable[[bytes], bytes]


class RawFile(Protocol):
    """What is needed of an unbuffered binary file."""

    def write(self, data: bytes, /) -> int | None:
        """Write and return how many bytes were taken."""

    def truncate(self, size: int | None = None, /) -> int:
        """Cut off at ``size``."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to ``offset``."""

    def fileno(self) -> int:
        """Return the descriptor."""

    def close(self) -> None:
        """Close."""


def compressor(name: str) -> Compressor:
    """Return the function for ``none``, ``lz4`` or ``zstd`` (level 1).

    Raises
    ------
    InputError
        Another name.
    """
    if name == "none":
        return bytes
    if name == "lz4":
        return lambda raw: bytes(lz4.frame.compress(raw))
    if name == "zstd":
        return zstandard.ZstdCompressor(level=1).compress
    raise InputError(f"unknown compression '{name}'; expected none, lz4 or zstd")


class ChunkFile:
    """Writes one MCAP file.

    Parameters
    ----------
    stream
        Empty, unbuffered file: a write is with the operating system when it returns.
    chunk_bytes
        A chunk is closed before its records would exceed this.
    compression
        ``none``, ``lz4`` or ``zstd``.
    """

    def __init__(self, stream: RawFile, chunk_bytes: int, compression: str) -> None:
        self._stream = stream
        self._limit = chunk_bytes
        self._compress = compressor(compression)
        self._compression = "" if compression == "none" else compression
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._places = bytearray()
        self._attachments: list[AttachmentPlace] = []
        self._metadata_index = bytearray()
        self.statistics = Statistics()
        self.size = 0
        self.pending = 0
        self.finished = False
        self._buffer = bytearray()
        self._index: dict[int, list[int]] = {}
        self._begin = self._end = 0
        self._write(records.MAGIC + records.header("ros2", LIBRARY))

    # ------------------------------------------------------------------ definitions

    def add_channel(self, schema: Schema, channel: Channel) -> None:
        """Declare a channel with its schema, before its first message."""
        if schema.id not in {known.id for known in self._schemas}:
            self._schemas.append(schema)
            self.statistics.schemas += 1
            self._extend_open_chunk(schema.pack())
        self._channels.append(channel)
        self.statistics.counts[channel.id] = 0
        self._extend_open_chunk(channel.pack())

    def _extend_open_chunk(self, raw: bytes) -> None:
        if self._buffer:
            self._buffer += raw

    def _definitions(self) -> bytes:
        schemas = b"".join(schema.pack() for schema in self._schemas)
        return schemas + b"".join(channel.pack() for channel in self._channels)

    # ------------------------------------------------------------------ messages

    def add(self, channel_id: int, sequence: int, log_time: int, publish_time: int, data: bytes) -> bool:
        """Append one message (times in ns); return whether that wrote a chunk out.

        Raises
        ------
        OSError
            The chunk could not be written; the file ends with the last whole one.
        """
        size = len(data)
        wrote = False
        if self.pending and len(self._buffer) + size + 31 > self._limit:
            self.flush()
            wrote = True
        if not self._buffer and self._wants_definitions():
            self._buffer += self._definitions()
        entries = self._index.get(channel_id)
        if entries is None:
            entries = self._index[channel_id] = []
        entries.append(log_time)
        entries.append(len(self._buffer))
        self._buffer += MESSAGE_HEAD.pack(5, size + 22, channel_id, sequence, log_time, publish_time)
        self._buffer += data
        if not self.pending or log_time < self._begin:
            self._begin = log_time
        if not self.pending or log_time > self._end:
            self._end = log_time
        self.pending += 1
        return wrote

    def _wants_definitions(self) -> bool:
        number = self.statistics.chunks
        return number < _FIRST_COPIES or number % _COPY_EVERY == 0

    def flush(self) -> None:
        """Close the open chunk and hand it to the operating system."""
        if not self.pending:
            return
        raw, index, count = bytes(self._buffer), self._index, self.pending
        self._buffer, self._index, self.pending = bytearray(), {}, 0
        packed = self._compress(raw)
        chunk = records.chunk(self._begin, self._end, raw, self._compression, packed)
        position, offsets, tail = self.size + len(chunk), [], b""
        for channel_id, entries in index.items():
            offsets.append((channel_id, position + len(tail)))
            tail += records.message_index(channel_id, entries)
        start = self.size
        self._write(chunk + tail)
        place = ChunkPlace(
            start=start,
            length=len(chunk),
            begin_time=self._begin,
            end_time=self._end,
            compression=self._compression,
            compressed=len(packed),
            uncompressed=len(raw),
            index_length=len(tail),
            index_offsets=tuple(offsets),
        )
        self._places += place.pack()
        self._count(index, count)

    def _count(self, index: dict[int, list[int]], count: int) -> None:
        totals = self.statistics
        first = totals.messages == 0
        totals.chunks += 1
        for channel_id, entries in index.items():
            totals.counts[channel_id] += len(entries) // 2
        if count:
            totals.begin = self._begin if first else min(totals.begin, self._begin)
            totals.end = max(totals.end, self._end)

    # ------------------------------------------------------------------ everything else

    def attach(self, name: str, media_type: str, data: bytes, log_time: int) -> None:
        """Write an attachment."""
        raw = records.attachment(name, media_type, data, log_time)
        start = self.size
        self._write(raw)
        self._attachments.append(AttachmentPlace(start, len(raw), name, media_type, len(data), log_time))
        self.statistics.attachments += 1

    def add_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Write a metadata record."""
        raw = records.metadata(name, values)
        start = self.size
        self._write(raw)
        self._metadata_index += records.metadata_index(start, len(raw), name)
        self.statistics.metadatas += 1

    def finish(self) -> None:
        """Write the open chunk and the summary; nothing can be added then."""
        self.flush()
        groups = [
            (Op.SCHEMA, b"".join(schema.pack() for schema in self._schemas)),
            (Op.CHANNEL, b"".join(channel.pack() for channel in self._channels)),
            (Op.STATISTICS, self.statistics.pack()),
            (Op.CHUNK_INDEX, bytes(self._places)),
            (Op.ATTACHMENT_INDEX, b"".join(place.pack() for place in self._attachments)),
            (Op.METADATA_INDEX, bytes(self._metadata_index)),
        ]
        self._write(records.closing(groups, self.size))
        self.finished = True

    def close(self) -> None:
        """Close the file as it is."""
        self._stream.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._stream.fileno()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        done = 0
        try:
            while done < len(data):
                taken = self._stream.write(bytes(view[done:]) if done else data)
                done += taken or 0
        except OSError:
            # Half a record at the end would hide whatever is appended later.
            self._stream.truncate(self.size)
            self._stream.seek(self.size)
            raise
        self.size += done


def decompress(name: str, packed: bytes, size: int, crc: int) -> bytes:
    """Return a chunk's records.

    Raises
    ------
    ValueError
        The compression is unknown, the data is damaged, or size or checksum do not agree.
    """
    if size > _LARGEST_CHUNK:
        raise ValueError(f"claims {size} bytes")
    try:
        if name == "zstd":
            if zstandard.frame_content_size(packed) not in (size, -1):
                raise ValueError("frame and chunk disagree about the size")
            raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=max(size, 1))
        elif name == "lz4":
            if lz4.frame.get_frame_info(packed)["content_size"] not in (size, 0):
                raise ValueError("frame and chunk disagree about the size")
            raw = bytes(lz4.frame.decompress(packed))
        elif name == "":
            raw = bytes(packed)
        else:
            raise ValueError(f"unknown compression '{name}'")
    except (zstandard.ZstdError, RuntimeError, MemoryError, EOFError, OverflowError) as error:
        raise ValueError(f"can't be decompressed ({error})") from None
    if len(raw) != size:
        raise ValueError(f"holds {len(raw)} bytes instead of {size}")
    if crc and zlib.crc32(raw) != crc:
        raise ValueError("fails its checksum")
    return raw
