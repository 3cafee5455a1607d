"""Damaged bags, recovered and held to what was written.

Nothing may be made up, every chunk that the damage did not touch must be there, and losses must be named.
"""

from __future__ import annotations

import shutil
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from mcap.reader import make_reader

from exostride.bench.made_session import MadeSession, make, values
from exostride.errors import InputError
from exostride.recording.chunkfile import RawFile
from exostride.recording.gather import gather, heads
from exostride.recording.mcapfile import McapFile, Segment
from exostride.recording.options import open_raw
from exostride.recording.recover import RecoveryReport, recover
from exostride.recording.session_info import SessionInfo
from exostride.recording.writer import BagWriter, WriterOptions

Message = tuple[str, int, int]
"""Topic, log time, checksum of the bytes."""
Stretch = tuple[int, int]
_TICKS: Final = 60
_CHUNK: Final = 12_000


def messages(path: Path) -> Counter[Message]:
    """Return all messages of a file, as the ``mcap`` library's own reader finds them."""
    with path.open("rb") as stream:
        return Counter(
            (channel.topic, message.log_time, zlib.crc32(message.data))
            for _, channel, message in make_reader(stream, validate_crcs=True).iter_messages()
        )


class Original:
    """A whole bag, and what each of its chunks holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / f"{folder.name}_0.mcap"
        self.raw = self.path.read_bytes()
        self.messages = messages(self.path)
        mcap = McapFile(self.path)
        self.segments: list[Segment] = mcap.contents.segments
        topics = {number: channel.topic for number, channel in mcap.contents.channels.items()}
        self.held: list[Counter[Message]] = []
        for segment in self.segments:
            self.held.append(
                Counter(
                    (topics[number], int(head["log_time"]), zlib.crc32(row[31:].tobytes()))
                    for found in gather(mcap, [segment], set(topics))
                    for number, blocks in found.items()
                    for block in blocks
                    for head, row in zip(heads(block.rows), block.rows, strict=True)
                )
            )
        mcap.close()

    def outside(self, start: int, end: int) -> Counter[Message]:
        """Return the messages of all chunks that do not touch a stretch of the file."""
        kept: Counter[Message] = Counter()
        for segment, held in zip(self.segments, self.held, strict=True):
            if segment.start + segment.length <= start or segment.start >= end:
                kept += held
        return kept


def attempt(raw: bytes, folder: Path) -> tuple[RecoveryReport | None, Counter[Message]]:
    """Recover a damaged file in a folder of its own; return the report and what is in the new bag."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "hurt.mcap"
    path.write_bytes(raw)
    try:
        report = recover(path)
    except InputError:
        return None, Counter()
    if report.output is None:
        return report, messages(path)
    return report, messages(report.output / "hurt_recovered_0.mcap")


def hurt(raw: bytes, rng: np.random.Generator) -> tuple[bytes, list[Stretch] | None]:
    """Return hurt bytes, and the stretches of the original that were touched (None: shifted about)."""
    data = bytearray(raw)
    kind = int(rng.integers(8))
    a = int(rng.integers(len(data)))
    b = min(len(data), a + int(rng.geometric(1 / 300)))
    if kind == 0:
        return bytes(data[:a]), [(a, len(raw))]
    if kind == 1:
        places = rng.integers(len(data), size=int(rng.integers(1, 6)))
        for place in places:
            data[place] = int(rng.integers(256))
        return bytes(data), [(int(p), int(p) + 1) for p in places]
    if kind == 6:
        # A stretch twice: recovered messages must not be doubled.
        data[b:b] = data[a:b] * 2
        return bytes(data), None
    if kind == 7:
        c = int(rng.integers(len(data)))
        piece = data[a:b]
        data[c : c + len(piece)] = piece
        return bytes(data), None
    if kind == 5:
        data[a:a] = rng.bytes(b - a)
        return bytes(data), [(a, a + 1)]
    data[a:b] = {2: bytes(b - a), 3: rng.bytes(b - a), 4: b""}[kind]
    return bytes(data), [(a, b)]


@dataclass
class Tally:
    """How damaged bags fared."""

    bags: int = 0
    gave_something: int = 0
    invented: int = 0
    """Bags with a message that was never written."""
    withheld: int = 0
    """Bags in which an undamaged chunk is missing."""
    unnamed: int = 0
    """Bags that lost messages without a word about it."""

    def add(
        self,
        original: Original,
        report: RecoveryReport | None,
        found: Counter[Message],
        touched: Sequence[Stretch] | None,
    ) -> None:
        """Judge one bag; ``touched`` are the stretches that were damaged, where that can be told."""
        self.bags += 1
        self.gave_something += bool(found)
        self.invented += bool(found - original.messages)
        if touched and found:
            kept = original.messages.copy()
            for a, b in touched:
                kept &= original.outside(a, b)
            self.withheld += bool(kept - found)
        if original.messages - found:
            self.unnamed += report is not None and not (report.losses or report.unfinished)

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def fuzz(original: Original, folder: Path, seeds: Sequence[int]) -> Tally:
    """Hurt a bag one to three times for each seed, recover it, and judge the result."""
    tally = Tally()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        raw: bytes = original.raw
        touched: list[Stretch] | None = []
        for _ in range(int(rng.integers(1, 4))):
            raw, stretch = hurt(raw, rng)
            if touched is not None:
                # Places after a second change refer to moved bytes: only single changes are exact.
                touched = stretch if not touched and stretch is not None else None
            if not raw:
                break
        tally.add(original, *attempt(raw, folder), touched)
    return tally


def flips(original: Original, folder: Path, count: int, seed: int) -> Tally:
    """Turn one bit of one byte, anywhere in the file, ``count`` times."""
    tally, rng = Tally(), np.random.default_rng(seed)
    for at in rng.integers(len(original.raw), size=count).tolist():
        raw = bytearray(original.raw)
        raw[at] ^= 1 << int(rng.integers(8))
        tally.add(original, *attempt(bytes(raw), folder), [(at, at + 1)])
    return tally


class Tape:
    """A file that remembers how long it was after every write."""

    def __init__(self, path: Path, sizes: list[int]) -> None:
        self._file = open_raw(path)
        self._sizes = sizes
        self._size = 0

    def write(self, data: bytes, /) -> int | None:
        """Write, and note it."""
        taken = self._file.write(data)
        self._size += taken or 0
        self._sizes.append(self._size)
        return taken

    def __getattr__(self, name: str) -> Any:
        """Do everything else as the file does."""
        return getattr(self._file, name)


def cut_bag(folder: Path, compression: str) -> tuple[Original, list[int]]:
    """Write a short bag; return it, and how long its file was after every write."""
    sizes: list[int] = []

    def tape(path: Path) -> RawFile:
        return Tape(path, sizes)

    options = WriterOptions(
        chunk_bytes=_CHUNK,
        compression=compression,
        sync_interval_s=None,
        start_free_bytes=0,
        stop_free_bytes=0,
        open_file=tape,
    )
    plan = MadeSession(duration_s=12.0)
    made = make(plan)
    begin = 4.5
    with BagWriter(folder, SessionInfo(started=plan.started), options) as writer:
        some = (pair for pair in values(plan, made) if pair[0] >= begin)
        for now, value in islice(some, 10 * _TICKS):
            writer.write_value(value, round(now * 1e9), None if hasattr(value, "time_s") else now)
    return Original(folder), sizes


def cuts(original: Original, sizes: Sequence[int], folder: Path) -> Tally:
    """Cut the file off after every write, and in the middle of every write."""
    tally, before = Tally(), 0
    for size in sizes:
        for at in (before + (size - before) // 2, size):
            tally.add(original, *attempt(original.raw[:at], folder), [(at, len(original.raw))])
        before = size
    return tally
