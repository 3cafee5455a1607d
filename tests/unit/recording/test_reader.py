"""Columns hold exactly what was written, whoever wrote the bag."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.writer import CompressionType, IndexType, Writer
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer

from exostride import types
from exostride.errors import InputError
from exostride.recording.cdr import Serializer
from exostride.recording.definitions import Definitions
from exostride.recording.reader import BagReader
from exostride.recording.writer import BagWriter, WriterOptions

Record = Callable[..., dict[str, list[Any]]]
Options = Callable[..., WriterOptions]


def same(column: Any, values: list[Any]) -> bool:
    """Compare a column with the written values, not-a-number equal to itself."""
    if isinstance(values[0], np.ndarray):
        return bool(np.array_equal(column, np.array(values), equal_nan=values[0].dtype.kind == "f"))
    if isinstance(values[0], (str, tuple)):
        return bool(column.tolist() == values)
    return bool(np.array_equal(column, np.array(values), equal_nan=True))


@pytest.mark.parametrize("ticks", [1, 30, 2600])
def test_every_field_of_every_topic_comes_back(tmp_path: Path, record: Record, ticks: int) -> None:
    written = record(tmp_path / "bag", ticks)
    with BagReader(tmp_path / "bag") as bag:
        columns = bag.read_many(dict.fromkeys(written))
    for topic, values in written.items():
        table = columns[topic]
        assert len(table) == len(values)
        for field in dataclasses.fields(values[0]):
            assert same(table[field.name], [getattr(v, field.name) for v in values]), (topic, field.name)


def test_fields_times_and_topics_are_chosen(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "bag", 200, chunk_bytes=8192)
    with BagReader(tmp_path / "bag") as bag:
        table = bag.read("exo/state", ["seq", "header"], start=50 * 5_000_000, end=120 * 5_000_000)
        assert list(table.fields) == ["header.stamp.sec", "header.stamp.nanosec", "header.frame_id", "seq"]
        assert table["seq"].tolist() == list(range(50, 120))
        assert table["header.stamp.nanosec"].tolist() == [s * 5_000_000 for s in range(50, 120)]
        with pytest.raises(InputError, match="no field 'sec'"):
            bag.read("exo/state", ["sec"])
        with pytest.raises(InputError, match=r"no topic 'exo/stat'.*/exo/state"):
            bag.read("exo/stat")
        with pytest.raises(InputError, match="no column 'x'"):
            table["x"]
        empty = bag.read("joint_states")
    assert len(empty) == 0 and empty["position"].shape == (0,)
    assert empty["header.stamp.sec"].dtype == np.int32


def write_with_library(
    path: Path, definitions: Definitions, values: list[types.SafetyState], **how: Any
) -> None:
    serializer = Serializer(definitions)
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=2000, **how)
        writer.start("ros2")
        text = definitions.complete("exostride_msgs/msg/SafetyState").encode()
        schema = writer.register_schema("exostride_msgs/msg/SafetyState", "ros2msg", text)
        channel = writer.register_channel("/safety/state", "cdr", schema)
        for i, value in enumerate(values):
            writer.add_message(channel, i * 10, serializer.value(value), i * 10)
        writer.finish()


PLAIN = {"compression": CompressionType.NONE}


@pytest.mark.parametrize(
    "how",
    [
        PLAIN,
        {"compression": CompressionType.ZSTD},
        {"compression": CompressionType.LZ4, "enable_crcs": False},
        {**PLAIN, "use_chunking": False},
        {**PLAIN, "index_types": IndexType.NONE},
        {**PLAIN, "index_types": IndexType.CHUNK},
        {
            **PLAIN,
            "index_types": IndexType.NONE,
            "use_statistics": False,
            "use_summary_offsets": False,
            "repeat_channels": False,
            "repeat_schemas": False,
        },
    ],
    ids=["plain", "zstd", "lz4-no-crc", "unchunked", "no-index", "chunk-index-only", "no-summary"],
)
def test_files_of_the_mcap_library(
    tmp_path: Path,
    definitions: Definitions,
    make_value: Callable[..., Any],
    how: dict[str, Any],
) -> None:
    rng = np.random.default_rng(3)
    values = [make_value(types.SafetyState, rng, i * 0.1, i) for i in range(120)]
    write_with_library(tmp_path / "x.mcap", definitions, values, **how)
    with BagReader(tmp_path / "x.mcap") as bag:
        table = bag.read("/safety/state")
        assert bag.session() is None
    assert same(table["active_faults"], [v.active_faults for v in values])
    assert same(table["message"], [v.message for v in values])
    assert table["seq"].tolist() == list(range(120))


def test_bags_of_rosbags_with_sequences_of_messages(tmp_path: Path, definitions: Definitions) -> None:
    store = definitions.store
    make = store.types
    stamp = make["builtin_interfaces/msg/Time"](sec=1, nanosec=0)
    header = make["std_msgs/msg/Header"](stamp=stamp, frame_id="")
    with Rosbag2Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        name = "diagnostic_msgs/msg/DiagnosticArray"
        connection = writer.add_connection("/diagnostics", name, typestore=store)
        for i in range(5):
            pairs = [make["diagnostic_msgs/msg/KeyValue"](key="p99", value=str(k)) for k in range(i)]
            status = make["diagnostic_msgs/msg/DiagnosticStatus"](
                level=i, name="loop", message="", hardware_id="", values=pairs
            )
            message = make[name](header=header, status=[status])
            writer.write(connection, i, store.serialize_cdr(message, name))
    with BagReader(tmp_path / "bag") as bag:
        table = bag.read("/diagnostics", ["status"])
    assert table["status[0].level"].tolist() == [0, 1, 2, 3, 4]
    assert table["status[0].values[1].value"].tolist() == [None, None, "1", "1", "1"]


def test_arrays_of_changing_length(tmp_path: Path, options: Options) -> None:
    serializer = Serializer()
    header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
    with BagWriter(tmp_path / "bag", options=options()) as writer:
        writer.add_topic("/joint_states", "sensor_msgs/msg/JointState")
        for i in range(6):
            position = np.arange(i % 3, dtype=float)
            message = {"header": header, "name": [], "position": position, "velocity": [], "effort": [1.0]}
            writer.write("/joint_states", serializer.message("sensor_msgs/msg/JointState", message), 100 - i)
    with BagReader(tmp_path / "bag") as bag:
        table = bag.read("joint_states")
    assert [p.tolist() for p in table["position"]] == [[0.0, 1.0], [0.0], [], [0.0, 1.0], [0.0], []]
    assert table.log_time.tolist() == [95, 96, 97, 98, 99, 100]
    assert table["effort"].shape == (6, 1)


def test_a_message_that_is_not_of_its_type_is_named(tmp_path: Path, options: Options) -> None:
    with BagWriter(tmp_path / "bag", options=options()) as writer:
        writer.add_topic("/gait/event", "exostride_msgs/msg/GaitEvent")
        writer.write("/gait/event", b"\0\1\0\0\0\0\0\0", 2_500_000_000)
    with (
        BagReader(tmp_path / "bag") as bag,
        pytest.raises(InputError, match=r"/gait/event at 2\.500 s.*shorter"),
    ):
        bag.read("/gait/event")


def test_a_damaged_chunk_is_an_error_not_silence(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "bag", 60, compression="none", chunk_bytes=8192)
    path = tmp_path / "bag" / "bag_0.mcap"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 0x10
    path.write_bytes(raw)
    with BagReader(tmp_path / "bag") as bag, pytest.raises(InputError, match="run 'exostride recover'"):
        bag.read_many(dict.fromkeys(bag.topics))


@pytest.mark.parametrize("content", [b"", b"not a bag", b"\x89MCAP0\r\n"])
def test_what_is_no_bag_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.mcap"):
        BagReader(path)
    with pytest.raises(InputError, match="no such bag"):
        BagReader(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.mcap"):
        BagReader(tmp_path / "empty")
