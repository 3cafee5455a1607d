"""Bags written without ROS: rosbag2's layout, with a bound on what a crash can take.

A bag is a folder ``NAME`` with files ``NAME_0.mcap``, ``NAME_1.mcap``, … and ``metadata.yaml``. The
file being written is called ``NAME_0.mcap.active`` and gets its name when it is complete, so nothing
half-written looks whole. At most :attr:`WriterOptions.sync_interval_s` plus the duration of one
``fdatasync`` is lost when the power fails; ``kill -9`` loses at most the interval.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from exostride.errors import InputError
from exostride.recording import bagyaml
from exostride.recording.bagyaml import FileSpan, TopicCount
from exostride.recording.cdr import Serializer
from exostride.recording.chunkfile import ChunkFile
from exostride.recording.definitions import normalize
from exostride.recording.options import MIB, WriterOptions
from exostride.recording.records import Channel, Schema
from exostride.recording.session_info import SessionInfo
from exostride.recording.topics import BY_VALUE, TOPICS

ACTIVE_SUFFIX: Final = ".active"


@dataclass(frozen=True, slots=True)
class WriterStatus:
    """Progress of a recording."""

    recording: bool
    messages: int
    lost: int
    bytes_written: int
    disk_free_bytes: int
    path: str
    message: str


@dataclass(slots=True)
class _Topic:
    channel: Channel
    schema: Schema
    type_hash: str
    latched: bool
    received: int = 0
    written: int = 0
    """Messages in completed files."""


class BagWriter:
    """Writes one bag; may be used as a context manager.

    Parameters
    ----------
    folder
        The bag's folder; must not exist.
    session
        What is needed to reproduce the session; stored as an attachment of every file.
    options
        See :class:`WriterOptions`.
    serializer
        Source of message definitions and encoder for :meth:`write_value`.

    Raises
    ------
    InputError
        The folder exists or can't be made, or the disk is nearly full.
    """

    def __init__(
        self,
        folder: Path,
        session: SessionInfo | None = None,
        options: WriterOptions | None = None,
        serializer: Serializer | None = None,
    ) -> None:
        self.options = options or WriterOptions()
        self.folder = folder
        self._session = session
        self._serializer = serializer or Serializer()
        self._topics: dict[str, _Topic] = {}
        self._by_value: dict[type, str] = {}
        self._schemas: dict[str, Schema] = {}
        self._done: list[FileSpan] = []
        self._bytes_done = 0
        self._refused = 0
        self._lost_received = 0
        self._message = ""
        self._file: ChunkFile | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._make_folder()
        try:
            self._open_next()
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise InputError(f"{folder}: can't be written ({error.strerror})") from None
        self._thread: threading.Thread | None = None
        if self.options.sync_interval_s is not None:
            self._thread = threading.Thread(target=self._sync_loop, name="bag-sync", daemon=True)
            self._thread.start()

    # ------------------------------------------------------------------ topics

    def add_topic(self, name: str, type_name: str, latched: bool = False) -> None:
        """Declare a topic (absolute name); a second time is ignored.

        Raises
        ------
        InputError
            The definition of the type is not found, or the topic has another type already.
        """
        type_name = normalize(type_name)
        known = self._topics.get(name)
        if known is not None:
            if known.schema.name != type_name:
                raise InputError(f"topic {name} is {known.schema.name} already, can't be {type_name}")
            return
        definitions = self._serializer.definitions
        schema = self._schemas.get(type_name)
        if schema is None:
            text = definitions.complete(type_name).encode("utf-8")
            schema = self._schemas[type_name] = Schema(len(self._schemas) + 1, type_name, "ros2msg", text)
        type_hash = definitions.type_hash(type_name)
        described = {
            "offered_qos_profiles": bagyaml.dump(bagyaml.qos_profiles(latched)),
            "topic_type_hash": type_hash,
        }
        channel = Channel(len(self._topics) + 1, schema.id, name, "cdr", described)
        with self._lock:
            self._topics[name] = _Topic(channel, schema, type_hash, latched)
            if self._file is not None:
                self._file.add_channel(schema, channel)

    def add_standard_topics(self) -> None:
        """Declare every topic of :data:`~exostride.recording.topics.TOPICS`."""
        for topic in TOPICS:
            self.add_topic(topic.bag_name, topic.type_name, topic.latched)

    # ------------------------------------------------------------------ messages

    def write(self, topic: str, data: bytes, log_time: int, publish_time: int | None = None) -> bool:
        """Append one serialised message.

        Parameters
        ----------
        topic
            Absolute name of a declared topic.
        data
            The message as DDS carries it, encapsulation included.
        log_time, publish_time
            Times of reception and publication [ns]; the second defaults to the first.

        Returns
        -------
        bool
            ``False`` when the recording has ended because the disk is full: see :meth:`status`.
        """
        entry = self._topics.get(topic)
        if entry is None:
            raise InputError(f"topic {topic} was not declared for this bag")
        with self._lock:
            if self._file is None:
                self._refused += 1
                return False
            entry.received += 1
            published = log_time if publish_time is None else publish_time
            try:
                wrote = self._file.add(entry.channel.id, entry.received, log_time, published, data)
                if wrote:
                    self._after_chunk()
            except OSError as error:
                self._give_up(error)
            return self._file is not None

    def write_value(self, value: Any, log_time: int, time_s: float | None = None) -> bool:
        """Serialise and append a value of :mod:`exostride.types` on its topic; see :meth:`write`."""
        name = self._by_value.get(type(value))
        if name is None:
            topic = BY_VALUE.get(type(value))
            if topic is None:
                raise InputError(f"{type(value).__name__} has no topic; see exostride.recording.topics")
            self.add_topic(topic.bag_name, topic.type_name, topic.latched)
            name = self._by_value[type(value)] = topic.bag_name
        return self.write(name, self._serializer.value(value, time_s), log_time)

    def attach(self, name: str, media_type: str, data: bytes, log_time: int = 0) -> None:
        """Store a file beside the messages, in the file being written."""
        with self._lock:
            if self._file is not None:
                self._file.flush()
                self._file.attach(name, media_type, data, log_time)

    def add_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Store named strings beside the messages, in the file being written."""
        with self._lock:
            if self._file is not None:
                self._file.flush()
                self._file.add_metadata(name, values)

    def status(self) -> WriterStatus:
        """Return the progress so far."""
        with self._lock:
            size = self._bytes_done + (self._file.size if self._file else 0)
            return WriterStatus(
                recording=self._file is not None,
                messages=sum(topic.received for topic in self._topics.values()) - self._lost_received,
                lost=self._refused + self._lost_received,
                bytes_written=size,
                disk_free_bytes=self.options.disk_free(self.folder),
                path=str(self.folder),
                message=self._message,
            )

    # ------------------------------------------------------------------ end

    def close(self) -> None:
        """Complete the bag; may be called more than once."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._lock:
            if self._file is not None:
                try:
                    self._complete_file()
                except OSError as error:
                    self._give_up(error)
            self._reserve.unlink(missing_ok=True)

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ files

    @property
    def _reserve(self) -> Path:
        return self.folder / ".reserve"

    def _make_folder(self) -> None:
        if self.folder.exists():
            raise InputError(f"{self.folder}: exists already; choose another name for the bag")
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            free = self.options.disk_free(self.folder.parent)
            if free < self.options.start_free_bytes:
                raise InputError(
                    f"{self.folder}: only {free // MIB} MiB free on this disk; a recording needs "
                    f"{self.options.start_free_bytes // MIB} MiB to start"
                )
            self.folder.mkdir()
            # Room kept for the summary: a disk that fills up at once must not cost the index.
            with self._reserve.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, MIB)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise InputError(f"{self.folder}: can't be made ({error.strerror})") from None

    def _path(self) -> Path:
        return self.folder / f"{self.folder.name}_{len(self._done)}.mcap"

    def _open_next(self) -> None:
        path = self._path()
        active = path.with_name(path.name + ACTIVE_SUFFIX)
        stream = self.options.open_file(active)
        try:
            file = ChunkFile(stream, self.options.chunk_bytes, self.options.compression)
            if self._session is not None:
                self._session.store(file)
        except OSError:
            stream.close()
            active.unlink()
            raise
        for topic in self._topics.values():
            file.add_channel(topic.schema, topic.channel)
        self._sync_folder()
        self._file = file

    def _complete_file(self) -> None:
        file, path = self._file, self._path()
        if file is None:
            return
        file.flush()
        totals = file.statistics
        self._done.append(FileSpan(path.name, totals.begin, totals.end, totals.messages))
        try:
            information = self._information()
            if not file.finished:
                file.add_metadata("rosbag2", {"serialized_metadata": bagyaml.dump(information)})
                file.finish()
            # The name says that the file is whole: its bytes must be on the disk before it does.
            os.fsync(file.fileno())
        except OSError:
            self._done.pop()
            raise
        for topic in self._topics.values():
            topic.written = self._written(topic)
        self._file = None
        file.close()
        self._bytes_done += file.size
        path.with_name(path.name + ACTIVE_SUFFIX).replace(path)
        self._sync_folder()
        bagyaml.write(self.folder, information)

    def _information(self) -> dict[str, Any]:
        topics = [
            TopicCount(name, topic.schema.name, topic.type_hash, topic.latched, self._written(topic))
            for name, topic in self._topics.items()
        ]
        custom = self._session.summary() if self._session else {}
        return bagyaml.bag_information(self._done, topics, custom)

    def _written(self, topic: _Topic) -> int:
        now = self._file.statistics.counts.get(topic.channel.id, 0) if self._file else 0
        return topic.written + now

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------ watch

    def _after_chunk(self) -> None:
        file = self._file
        if file is None:
            return
        free = self.options.disk_free(self.folder)
        if free < self.options.stop_free_bytes:
            self._complete_file()
            self._message = f"disk nearly full ({free // MIB} MiB free): recording ended, bag complete"
        elif file.size > self.options.split_bytes:
            self._complete_file()
            self._open_next()

    def _give_up(self, error: OSError) -> None:
        """End the recording after a failed write, with as complete a bag as can be had."""
        what = "disk full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        self._reserve.unlink(missing_ok=True)
        file = self._file
        if file is None:
            self._message = f"{what}: recording ended, bag complete up to the last file"
            return
        kept = file.statistics.messages + sum(span.messages for span in self._done)
        self._lost_received = sum(topic.received for topic in self._topics.values()) - kept
        try:
            self._complete_file()
            self._message = f"{what}: recording ended, bag complete up to the last chunk"
        except OSError:
            file.close()
            self._file = None
            self._message = f"{what}: recording ended without index; run 'exostride recover {self.folder}'"

    def _sync_loop(self) -> None:
        interval = self.options.sync_interval_s
        while not self._wake.wait(interval):
            descriptor = -1
            with self._lock:
                if self._file is None:
                    return
                try:
                    self._file.flush()
                    self._after_chunk()
                    if self._file is not None:
                        descriptor = os.dup(self._file.fileno())
                except OSError as error:
                    self._give_up(error)
            if descriptor >= 0:
                self._sync(descriptor)

    def _sync(self, descriptor: int) -> None:
        try:
            self.options.sync(descriptor)
        except OSError as error:
            with self._lock:
                self._give_up(error)
        finally:
            os.close(descriptor)


__all__ = ["ACTIVE_SUFFIX", "MIB", "BagWriter", "WriterOptions", "WriterStatus"]
