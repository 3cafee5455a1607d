"""Bags read lazily, as columns: only the topics asked for are decoded, and only the fields asked for kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import yaml
from rosbags.typesys import TypesysError, get_types_from_idl, get_types_from_msg

from exostride.config import parse_yaml
from exostride.errors import InputError
from exostride.recording.columns import ColumnBuilder, Columns, Types
from exostride.recording.gather import Block, gather, heads
from exostride.recording.mcapfile import Attachment, McapFile, parse_attachment, parse_metadata
from exostride.recording.records import Op, Schema
from exostride.recording.session_info import SESSION_FILE
from exostride.recording.writer import ACTIVE_SUFFIX


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """One topic of a bag."""

    name: str
    type_name: str
    definition: str
    messages: int | None
    """Number of messages; ``None`` when the bag does not say."""


def bag_files(path: Path) -> list[Path]:
    """Return the MCAP files of a bag folder, in order, or the file itself.

    Raises
    ------
    InputError
        Nothing is there, or the bag was never completed.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such bag")
    unfinished = sorted(path.glob(f"*.mcap{ACTIVE_SUFFIX}"))
    if unfinished:
        raise InputError(f"{unfinished[0]}: the recording was cut off; run 'exostride recover {path}'")
    listed = path / "metadata.yaml"
    files = _listed_files(listed) if listed.is_file() else sorted(path.glob("*.mcap"), key=_number)
    if not files:
        raise InputError(f"{path}: holds no .mcap file")
    return files


def _number(path: Path) -> tuple[int, str]:
    last = path.stem.rsplit("_", 1)[-1]
    return (int(last) if last.isdigit() else 0, path.name)


def _listed_files(listed: Path) -> list[Path]:
    try:
        information = parse_yaml(listed.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
        storage, names = information["storage_identifier"], information["relative_file_paths"]
        if information.get("compression_mode"):
            raise InputError(f"{listed}: compressed by rosbag2 itself; run 'ros2 bag convert' without it")
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{listed}: not a rosbag2 description ({' '.join(str(error).split())})") from None
    if storage != "mcap":
        raise InputError(f"{listed}: storage is {storage}, expected mcap; run 'ros2 bag convert'")
    return [listed.parent / name for name in names]


class BagReader:
    """Reads a bag folder or a single MCAP file; may be used as a context manager.

    Raises
    ------
    InputError
        The bag is missing, incomplete, damaged, or not in MCAP.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: list[McapFile] = []
        try:
            for file in bag_files(path):
                self._files.append(McapFile(file))
        except InputError:
            self.close()
            raise
        self.topics: dict[str, TopicInfo] = {}
        self._schemas: dict[str, Schema] = {}
        for mcap in self._files:
            self._add_topics(mcap)
        self._types: dict[str, Types] = {}

    @property
    def files(self) -> list[Path]:
        """The bag's MCAP files, in order."""
        return [mcap.path for mcap in self._files]

    def close(self) -> None:
        """Release the files."""
        for file in self._files:
            file.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add_topics(self, mcap: McapFile) -> None:
        contents = mcap.contents
        for channel in contents.channels.values():
            schema = contents.schemas.get(channel.schema_id)
            if schema is None or channel.encoding != "cdr":
                continue
            known = self.topics.get(channel.topic)
            if known is not None and known.type_name != schema.name:
                raise InputError(f"{mcap.path}: {channel.topic} is {schema.name} and {known.type_name}")
            count = None if contents.counts is None else contents.counts.get(channel.id, 0)
            if known is not None:
                count = None if count is None or known.messages is None else count + known.messages
            text = schema.data.decode("utf-8", "replace")
            self.topics[channel.topic] = TopicInfo(channel.topic, schema.name, text, count)
            self._schemas[channel.topic] = schema

    # ------------------------------------------------------------------ messages

    def read(
        self,
        topic: str,
        fields: Sequence[str] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> Columns:
        """Return all messages of one topic; see :meth:`read_many`."""
        return self.read_many({topic: fields}, start, end)[topic]

    def read_many(
        self,
        wanted: Mapping[str, Sequence[str] | None],
        start: int | None = None,
        end: int | None = None,
    ) -> dict[str, Columns]:
        """Return several topics in one pass over the bag.

        Parameters
        ----------
        wanted
            Fields to keep of each topic; ``None`` keeps all. A topic may be named without its first slash.
        start, end
            Log times [ns], the first included, the last not.

        Raises
        ------
        InputError
            A topic or field does not exist, or a chunk is damaged.
        """
        names = {topic: self._resolve(topic) for topic in wanted}
        builders = {
            name: ColumnBuilder(name, self.topics[name].type_name, self._types_of(name), wanted[topic])
            for topic, name in names.items()
        }
        for mcap in self._files:
            self._feed(mcap, builders, start, end)
        return {topic: builders[name].finish() for topic, name in names.items()}

    @property
    def span_ns(self) -> tuple[int, int]:
        """Log times of the first and the last message [ns]; (0, 0) for an empty bag."""
        segments = [segment for mcap in self._files for segment in mcap.contents.segments]
        if not segments:
            return (0, 0)
        return (min(s.begin for s in segments), max(s.end for s in segments))

    def _resolve(self, topic: str) -> str:
        for name in (topic, f"/{topic}"):
            if name in self.topics:
                return name
        known = ", ".join(sorted(self.topics)) or "none"
        raise InputError(f"{self.path}: no topic '{topic}'; there are {known}")

    def _feed(
        self, mcap: McapFile, builders: dict[str, ColumnBuilder], start: int | None, end: int | None
    ) -> None:
        channels = {c.id: builders[c.topic] for c in mcap.contents.channels.values() if c.topic in builders}
        segments = [
            segment
            for segment in mcap.contents.segments
            if (start is None or segment.end >= start) and (end is None or segment.begin < end)
        ]
        for found in gather(mcap, segments, set(channels)):
            for channel, blocks in found.items():
                channels[channel].add([_between(block, start, end) for block in blocks])

    def _types_of(self, topic: str) -> Types:
        schema = self._schemas[topic]
        if schema.name not in self._types:
            if schema.encoding not in ("ros2msg", "ros2idl"):
                raise InputError(f"{self.path}: {topic} is described in '{schema.encoding}', not in ros2msg")
            text = schema.data.decode("utf-8", "replace")
            try:
                idl = schema.encoding == "ros2idl"
                parsed = get_types_from_idl(text) if idl else get_types_from_msg(text, schema.name)
            except TypesysError as error:
                reason = " ".join(str(error).split())
                raise InputError(f"{self.path}: definition of {schema.name} is damaged ({reason})") from None
            self._types[schema.name] = {name: list(fields) for name, (_, fields) in parsed.items()}
        return self._types[schema.name]

    # ------------------------------------------------------------------ beside the messages

    def attachments(self) -> Iterator[Attachment]:
        """Yield the attached files; those repeated in every file of a split bag come once."""
        seen = set()
        for mcap in self._files:
            for offset in mcap.contents.attachments:
                attachment = parse_attachment(mcap.body(offset, Op.ATTACHMENT))
                if attachment.name not in seen:
                    seen.add(attachment.name)
                    yield attachment

    def metadata(self) -> dict[str, dict[str, str]]:
        """Return the metadata records by name; of several with one name the last."""
        found = {}
        for mcap in self._files:
            for offset in mcap.contents.metadata:
                name, values = parse_metadata(mcap.body(offset, Op.METADATA))
                found[name] = values
        return found

    def session(self) -> dict[str, Any] | None:
        """Return what the bag says about its session, or ``None`` when another program recorded it."""
        for attachment in self.attachments():
            if attachment.name == SESSION_FILE:
                try:
                    session: dict[str, Any] = json.loads(attachment.data)
                except ValueError:
                    raise InputError(f"{self.path}: {SESSION_FILE} in the bag is damaged") from None
                return session
        return None


def _between(block: Block, start: int | None, end: int | None) -> Block:
    """Return the messages of a block whose log time lies in a span."""
    if start is None and end is None:
        return block
    time = heads(block.rows)["log_time"]
    keep = np.ones(len(time), dtype=bool)
    if start is not None:
        keep &= time >= start
    if end is not None:
        keep &= time < end
    return block if keep.all() else Block(block.places[keep], block.rows[keep])
