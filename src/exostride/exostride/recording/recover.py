"""A whole bag from a damaged or unfinished one, with an account of what was lost.

The damaged bag is left as it is. What can be believed (see :mod:`exostride.recording.scan`) is written to
a new bag beside it; nothing is filled in, guessed or repaired.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from exostride.errors import InputError
from exostride.recording import bagyaml
from exostride.recording.bagyaml import FileSpan, TopicCount
from exostride.recording.chunkfile import LIBRARY, ChunkFile
from exostride.recording.mcapfile import parse_attachment, parse_metadata
from exostride.recording.records import MESSAGE_HEAD, RECORD_HEAD, Channel, Op
from exostride.recording.scan import Piece, Scan, Scanner, inner_records, open_chunk
from exostride.recording.session_info import SESSION_FILE
from exostride.recording.writer import ACTIVE_SUFFIX, WriterOptions

_HEAD: Final = RECORD_HEAD.size


@dataclass(frozen=True, slots=True)
class Loss:
    """One damaged stretch of one file."""

    file: str
    start: int
    end: int
    reason: str
    after: int | None
    """Log time [ns] of the last message known before it."""
    before: int | None
    """Log time [ns] of the first message known behind it; ``None`` at the end of the file."""

    def __str__(self) -> str:
        where = f"{self.file}, bytes {self.start} to {self.end}: {self.reason}"
        if self.after is not None and self.before is not None:
            return (
                f"{where}; messages between {self.after * 1e-9:.3f} s and {self.before * 1e-9:.3f} s are lost"
            )
        if self.after is not None:
            return f"{where}; whatever came after {self.after * 1e-9:.3f} s is lost"
        return where


@dataclass(slots=True)
class RecoveryReport:
    """What a recovery found, kept and lost."""

    source: Path
    output: Path | None = None
    files: int = 0
    chunks: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    """Messages kept, by topic."""
    missing: dict[str, int] = field(default_factory=dict)
    """Messages known to be lost, by topic, from gaps in the numbering of our own recorder."""
    losses: list[Loss] = field(default_factory=list)
    expected: int | None = None
    """Messages of the undamaged bag, where all its summaries are whole."""
    repeated: int = 0
    """Messages left out because they came before already: part of the file was there twice."""
    undefined: int = 0
    """Messages left out because no believable definition of their channel is left."""
    unverified: int = 0
    """Messages kept that the file guards with no checksum."""
    unfinished: list[str] = field(default_factory=list)
    """Files that were never completed."""

    @property
    def whole(self) -> bool:
        """Whether nothing was wrong with the bag."""
        return not (self.losses or self.unfinished or self.undefined or self.missing or self.repeated)

    def lines(self) -> list[str]:
        """Return the report for people."""
        total = sum(self.messages.values())
        if self.output is None:
            return [f"{self.source}: whole ({total} messages); nothing to recover"]
        of = "" if self.expected is None else f" of {self.expected}"
        lines = [f"{self.output}: {total}{of} messages of {len(self.messages)} topics recovered"]
        lines += [f"{name}: was not completed" for name in self.unfinished]
        lines += [str(loss) for loss in self.losses]
        lines += [f"{topic}: {count} messages missing" for topic, count in sorted(self.missing.items())]
        if self.repeated:
            lines.append(f"{self.repeated} messages left out: they were there twice")
        if self.undefined:
            lines.append(f"{self.undefined} messages left out: the definition of their channel is lost")
        if self.unverified:
            lines.append(f"{self.unverified} messages are not guarded by a checksum and may be damaged")
        return lines


def damaged_files(path: Path) -> list[Path]:
    """Return the MCAP files of a bag, finished or not, in order.

    Raises
    ------
    InputError
        There are none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such bag")
    found = {item for pattern in ("*.mcap", f"*.mcap{ACTIVE_SUFFIX}") for item in path.glob(pattern)}
    if not found:
        raise InputError(f"{path}: holds no .mcap file")

    def order(item: Path) -> tuple[int, str]:
        stem = item.name.removesuffix(ACTIVE_SUFFIX).removesuffix(".mcap").rsplit("_", 1)[-1]
        return (int(stem) if stem.isdigit() else 0, item.name)

    return sorted(found, key=order)


def recover(path: Path, output: Path | None = None) -> RecoveryReport:
    """Recover a bag folder or a single MCAP file.

    Parameters
    ----------
    path
        Damaged or unfinished bag; is not changed.
    output
        Folder of the new bag; by default ``<name>_recovered`` beside the old one.

    Returns
    -------
    RecoveryReport
        What was kept and lost; its ``output`` is ``None`` when the bag was whole and nothing was written.

    Raises
    ------
    InputError
        Nothing is there or can be recovered, or the output exists or can't be written.
    """
    files = damaged_files(path)
    name = path.name.removesuffix(ACTIVE_SUFFIX).removesuffix(".mcap")
    target = output or path.with_name(f"{name}_recovered")
    if target.exists():
        raise InputError(f"{target}: exists already; give another folder for the recovered bag")
    report = RecoveryReport(path)
    partial = target.with_name(f".{target.name}{ACTIVE_SUFFIX}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        job = _Recovery(report, partial, target.name)
        for file in files:
            job.add(file)
        if path.is_dir() and not (path / "metadata.yaml").is_file():
            report.unfinished.append("metadata.yaml")
        job.finish()
        if report.whole:
            return report
        if not sum(report.messages.values()):
            reasons = "; ".join(str(loss) for loss in report.losses) or "it holds no messages"
            raise InputError(f"{path}: nothing can be recovered ({reasons})")
        partial.replace(target)
        report.output = target
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


class _Recovery:
    """Writes what is found in the files of one bag."""

    def __init__(self, report: RecoveryReport, folder: Path, name: str) -> None:
        self._report = report
        self._folder = folder
        self._name = name
        self._spans: list[FileSpan] = []
        self._topics: dict[str, TopicCount] = {}
        self._custom: dict[str, str] = {}
        self._sequences: dict[str, int] = {}
        self._expected: list[int | None] = []

    def add(self, path: Path) -> None:
        """Take one file."""
        with path.open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                self._report.unfinished.append(path.name)
                return
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
                found = Scanner(data).run()
                if not found.complete:
                    self._report.unfinished.append(path.name)
                self._report.losses += _losses(path.name, found)
                self._expected.append(found.expected)
                self._rewrite(data, found)

    def finish(self) -> None:
        """Describe the new bag."""
        known = [count for count in self._expected if count is not None]
        self._report.expected = sum(known) if len(known) == len(self._expected) else None
        information = bagyaml.bag_information(self._spans, list(self._topics.values()), self._custom)
        bagyaml.write(self._folder, information)

    def _rewrite(self, data: memoryview, found: Scan) -> None:
        path = self._folder / f"{self._name}_{len(self._spans)}.mcap"
        options = WriterOptions()
        file = ChunkFile(path.open("xb", buffering=0), options.chunk_bytes, options.compression)
        try:
            known = self._declare(file, found)
            for piece in found.pieces:
                if piece.op in (Op.CHUNK, Op.MESSAGE):
                    self._copy(data, piece, file, known, found.library == LIBRARY)
                else:
                    self._carry(bytes(data[piece.start + _HEAD : piece.end]), piece.op, file)
            file.finish()
            os.fsync(file.fileno())
        finally:
            file.close()
        totals = file.statistics
        self._spans.append(FileSpan(path.name, totals.begin, totals.end, totals.messages))
        self._report.files += 1
        for number, channel in known.items():
            self._count(channel, found.schemas[channel.schema_id].name, totals.counts[number])

    def _declare(self, file: ChunkFile, found: Scan) -> dict[int, Channel]:
        """Declare the channels that can be believed, and return them."""
        known = {}
        for channel in found.channels.values():
            schema = found.schemas.get(channel.schema_id)
            doubtful = {channel.id + (Op.CHANNEL << 16), channel.schema_id + (Op.SCHEMA << 16)}
            if schema is None or doubtful & found.ambiguous:
                continue
            known[channel.id] = channel
            file.add_channel(schema, channel)
        return known

    def _copy(
        self, data: memoryview, piece: Piece, file: ChunkFile, known: dict[int, Channel], numbered: bool
    ) -> None:
        if piece.op == Op.MESSAGE:
            messages = [bytes(data[piece.start + _HEAD : piece.end])]
            self._report.unverified += 1
        else:
            raw = open_chunk(bytes(data[piece.start + _HEAD : piece.end]))[1]
            messages = [body for op, body in inner_records(raw) if op == Op.MESSAGE and len(body) >= 22]
            self._report.chunks += 1
        for body in messages:
            _, _, number, sequence, log_time, publish_time = MESSAGE_HEAD.unpack_from(
                bytes(_HEAD) + body[:22]
            )
            channel = known.get(number)
            if channel is None:
                self._report.undefined += 1
                continue
            if numbered and not self._in_order(channel.topic, sequence):
                continue
            file.add(number, sequence, log_time, publish_time, body[22:])

    def _in_order(self, topic: str, sequence: int) -> bool:
        """Note a gap in our own numbering; return whether the message is a new one."""
        gap = sequence - self._sequences.get(topic, 0) - 1
        if gap < 0:
            self._report.repeated += 1
            return False
        if gap:
            self._report.missing[topic] = self._report.missing.get(topic, 0) + gap
        self._sequences[topic] = sequence
        return True

    def _carry(self, body: bytes, op: Op, file: ChunkFile) -> None:
        """Copy an attachment; metadata has no checksum and is written anew from the session's attachment."""
        if op == Op.ATTACHMENT:
            attachment = parse_attachment(body)
            file.attach(attachment.name, attachment.media_type, attachment.data, 0)
            if attachment.name == SESSION_FILE:
                self._custom = _strings(attachment.data)
                file.add_metadata(LIBRARY, self._custom)
            return
        name, values = parse_metadata(body)
        if name not in (LIBRARY, "rosbag2"):
            file.add_metadata(f"unverified/{name.removeprefix('unverified/')}", values)

    def _count(self, channel: Channel, type_name: str, messages: int) -> None:
        self._report.messages[channel.topic] = self._report.messages.get(channel.topic, 0) + messages
        latched = "transient_local" in channel.metadata.get("offered_qos_profiles", "")
        type_hash = channel.metadata.get("topic_type_hash", "")
        total = self._report.messages[channel.topic]
        self._topics[channel.topic] = TopicCount(channel.topic, type_name, type_hash, latched, total)


def _strings(session: bytes) -> dict[str, str]:
    """Return the plain values of a session's description."""
    try:
        described: dict[str, Any] = json.loads(session)
    except ValueError:
        return {}
    return {key: str(value) for key, value in described.items() if isinstance(value, str | int | float)}


def _losses(name: str, found: Scan) -> list[Loss]:
    timed = [piece for piece in found.pieces if piece.op in (Op.CHUNK, Op.MESSAGE) and piece.end_time]
    losses = []
    for damage in found.damages:
        after = max((piece.end_time for piece in timed if piece.end <= damage.start), default=None)
        before = min((piece.begin_time for piece in timed if piece.start >= damage.end), default=None)
        losses.append(Loss(name, damage.start, damage.end, damage.reason, after, before))
    return losses
