"""Message records of many chunks at once, found through the message index and held to what stands there.

A chunk of 64 KiB holds some 20 messages of each topic; taking them out one by one costs more than
decompressing it. So chunks are gathered to a megabyte, and all records of a channel are cut out together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.recording.mcapfile import McapFile, Segment
from exostride.recording.records import MESSAGE_HEAD, RECORD_HEAD, Op

Array = NDArray[Any]

_BATCH: Final = 1 << 20
"""Bytes of records that are cut up together: what a processor's cache holds."""
_HEAD: Final = MESSAGE_HEAD.size
HEAD_TYPE: Final = np.dtype(
    {
        "names": ["op", "length", "channel", "log_time"],
        "formats": ["u1", "<i8", "<u2", "<i8"],
        "offsets": [0, 1, 9, 15],
        "itemsize": _HEAD,
    }
)
"""What of a message record's head is looked at."""


@dataclass(frozen=True, slots=True)
class Block:
    """Message records of one size, head included: ``rows`` (n, size) of bytes.

    ``places`` (n,) are theirs among all records of the channel that were gathered with them.
    """

    places: NDArray[np.int64]
    rows: Array


def heads(rows: Array) -> Array:
    """Return the heads of message records, shape (n,), of :data:`HEAD_TYPE`."""
    return np.ascontiguousarray(rows[:, :_HEAD]).view(HEAD_TYPE)[:, 0]


def gather(mcap: McapFile, segments: Sequence[Segment], wanted: set[int]) -> Iterator[dict[int, list[Block]]]:
    """Yield the messages of the ``wanted`` channels, some segments at a time: a block for each size."""
    batch: list[tuple[Segment, bytes]] = []
    size = 0
    for segment in segments:
        if segment.indices is not None and not wanted & segment.indices.keys():
            continue
        raw = mcap.segment_bytes(segment)
        batch.append((segment, raw))
        size += len(raw)
        if size >= _BATCH:
            yield _records(mcap, batch, wanted)
            batch, size = [], 0
    if batch:
        yield _records(mcap, batch, wanted)


def _records(mcap: McapFile, batch: list[tuple[Segment, bytes]], wanted: set[int]) -> dict[int, list[Block]]:
    data = np.frombuffer(b"".join([raw for _, raw in batch]), dtype=np.uint8)
    for indexed in (True, False):
        found = {}
        for channel, (starts, limits) in _joined(mcap, batch, wanted, indexed).items():
            sizes = _sizes(data, channel, starts, limits)
            if sizes is None:
                break
            found[channel] = _by_size(data, starts, sizes)
        else:
            return found
    raise AssertionError("a walk finds only whole records")


def _joined(
    mcap: McapFile, batch: list[tuple[Segment, bytes]], wanted: set[int], indexed: bool
) -> dict[int, tuple[Array, Array]]:
    """Return by channel where its records begin in the batch, and where the segment of each ends."""
    parts: dict[int, list[tuple[int, int, Array]]] = {}
    base = 0
    for segment, raw in batch:
        for channel, offsets in mcap.places(segment, wanted, raw, indexed).items():
            parts.setdefault(channel, []).append((base, base + len(raw), offsets))
        base += len(raw)
    out = {}
    for channel, some in parts.items():
        offsets = np.concatenate([part[2] for part in some])
        spans = np.array([part[:2] for part in some]).repeat([len(part[2]) for part in some], axis=0)
        begin, end = spans.T
        # What would lie before its own segment is as wrong as what lies behind it.
        inside = (offsets >= 0) & (offsets < end - begin)
        out[channel] = (np.where(inside, offsets + begin, end), end)
    return out


def _cut(data: Array, starts: Array, size: int) -> Array:
    """Return the ``size`` bytes from each start."""
    every = np.ndarray((len(data) - size + 1,), dtype=f"V{size}", buffer=data, strides=(1,))
    return every[starts].view(np.uint8).reshape(-1, size)


def _sizes(data: Array, channel: int, starts: Array, limits: Array) -> Array | None:
    """Return the sizes of the message records at ``starts``; None where one is not what it should be."""
    if not len(starts):
        return starts
    if np.any(starts + _HEAD > limits):
        return None
    found = heads(_cut(data, starts, _HEAD))
    length = found["length"]
    right = (found["op"] == Op.MESSAGE) & (found["channel"] == channel)
    right &= (length >= _HEAD - RECORD_HEAD.size) & (length <= limits - starts - RECORD_HEAD.size)
    return np.asarray(length + RECORD_HEAD.size) if right.all() else None


def _by_size(data: Array, starts: Array, sizes: Array) -> list[Block]:
    if not len(starts):
        return []
    if sizes.min() == sizes.max():
        return [Block(np.arange(len(starts)), _cut(data, starts, int(sizes[0])))]
    out = []
    for size in np.unique(sizes).tolist():
        where = np.flatnonzero(sizes == size)
        out.append(Block(where, _cut(data, starts[where], size)))
    return out
