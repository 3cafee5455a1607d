"""Bags are what other tools expect, and end in good order when the disk does not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from exostride import types
from exostride.errors import InputError
from exostride.recording.chunkfile import RawFile
from exostride.recording.definitions import Definitions
from exostride.recording.reader import BagReader
from exostride.recording.recover import recover
from exostride.recording.session_info import SessionInfo
from exostride.recording.topics import TOPICS
from exostride.recording.writer import MIB, BagWriter, WriterOptions

Record = Callable[..., dict[str, list[Any]]]
Options = Callable[..., WriterOptions]


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_the_mcap_library_reads_it(tmp_path: Path, record: Record, compression: str) -> None:
    written = record(tmp_path / "bag", 60, compression=compression, chunk_bytes=8192)
    count = 0
    with (tmp_path / "bag" / "bag_0.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        for _, channel, message, decoded in reader.iter_decoded_messages():
            count += 1
            if channel.topic == "/exo/state":
                original = written["/exo/state"][decoded.seq]
                assert list(decoded.angle_rad) == list(original.angle_rad)
                assert message.log_time == decoded.seq * 5_000_000
        summary = reader.get_summary()
        assert [a.name for a in reader.iter_attachments()] == ["session.json"]
    assert summary is not None and summary.statistics is not None
    assert count == summary.statistics.message_count == sum(map(len, written.values()))
    assert all(index.uncompressed_size <= 64 * 1024 for index in summary.chunk_indexes)


def test_rosbags_reads_it(tmp_path: Path, record: Record, definitions: Definitions) -> None:
    written = record(tmp_path / "bag", 40)
    found: dict[str, int] = {}
    with AnyReader([tmp_path / "bag"]) as reader:
        for connection, _, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found[connection.topic] = found.get(connection.topic, 0) + 1
            if connection.topic == "/sim/truth":
                assert np.array_equal(message.phase, written["/sim/truth"][message.seq].phase)
        texts = {c.msgtype: c.msgdef.data for c in reader.connections}
    assert found == {topic: len(values) for topic, values in written.items()}
    for topic in TOPICS:
        assert texts[topic.type_name] == definitions.complete(topic.type_name)


def test_metadata_yaml_is_what_rosbag2_writes(tmp_path: Path, record: Record) -> None:
    written = record(tmp_path / "bag", 40)
    text = (tmp_path / "bag" / "metadata.yaml").read_text()
    info = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert info["version"] == 9 and info["storage_identifier"] == "mcap"
    assert info["relative_file_paths"] == ["bag_0.mcap"]
    assert info["message_count"] == sum(map(len, written.values()))
    assert info["duration"]["nanoseconds"] == 39 * 5_000_000
    counts = {t["topic_metadata"]["name"]: t["message_count"] for t in info["topics_with_message_count"]}
    assert counts["/safety/state"] == len(written["/safety/state"]) and counts["/clock"] == 0
    latched = [
        t["topic_metadata"]["name"]
        for t in info["topics_with_message_count"]
        if t["topic_metadata"]["offered_qos_profiles"][0]["durability"] == "transient_local"
    ]
    assert "/session/settings" in latched and "/exo/state" not in latched


def test_the_same_session_makes_the_same_bytes(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "a" / "bag", 50)
    record(tmp_path / "b" / "bag", 50)
    a, b = ((tmp_path / side / "bag" / "bag_0.mcap").read_bytes() for side in "ab")
    assert a == b


def test_a_long_bag_is_split_and_read_as_one(tmp_path: Path, record: Record) -> None:
    written = record(tmp_path / "bag", 150, split_bytes=100_000, chunk_bytes=16384)
    files = sorted(p.name for p in (tmp_path / "bag").iterdir())
    assert "bag_2.mcap" in files and not any(name.endswith((".active", ".reserve")) for name in files)
    with BagReader(tmp_path / "bag") as bag:
        assert bag.read("exo/state", ["seq"])["seq"].tolist() == list(range(150))
        assert bag.topics["/exo/state"].messages == 150
        assert bag.session() is not None
    with AnyReader([tmp_path / "bag"]) as reader:
        assert reader.message_count == sum(map(len, written.values()))


def test_nothing_half_written_looks_whole(tmp_path: Path, options: Options) -> None:
    writer = BagWriter(tmp_path / "bag", options=options())
    writer.write_value(types.GaitEvent(1, 0.005, 0.005, 0, 0), 5_000_000)
    assert not list((tmp_path / "bag").glob("*.mcap")) and not (tmp_path / "bag" / "metadata.yaml").exists()
    with pytest.raises(InputError, match="recover"):
        BagReader(tmp_path / "bag")
    writer.close()
    writer.close()
    with BagReader(tmp_path / "bag") as bag:
        assert len(bag.read("/gait/event")) == 1


def test_existing_folder_unknown_topic_and_wrong_type_are_refused(tmp_path: Path, options: Options) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="exists already"):
        BagWriter(tmp_path / "there", options=options())
    with BagWriter(tmp_path / "bag", options=options()) as writer:
        writer.add_topic("/a", "std_msgs/msg/String")
        writer.add_topic("/a", "std_msgs/String")
        with pytest.raises(InputError, match="can't be"):
            writer.add_topic("/a", "std_msgs/msg/Bool")
        with pytest.raises(InputError, match="not declared"):
            writer.write("/b", b"\0\1\0\0", 0)


def test_names_of_persons_are_refused() -> None:
    with pytest.raises(InputError, match="date_of_birth"):
        SessionInfo(patient={"profile": {"date_of_birth": "1950-01-01"}})


# ---------------------------------------------------------------------------- disk


def test_start_is_refused_on_a_full_disk(tmp_path: Path, options: Options) -> None:
    full = options(disk_free=lambda _: 100 * MIB, start_free_bytes=1024 * MIB)
    with pytest.raises(InputError, match="only 100 MiB free"):
        BagWriter(tmp_path / "bag", options=full)
    assert not (tmp_path / "bag").exists()


def fill(writer: BagWriter, ticks: int) -> int:
    """Write ticks until the recording ends; return how many messages were taken."""
    for seq in range(ticks):
        value = types.ExoState(seq, seq * 0.005, seq * 0.005, angle_rad=np.full(6, seq * 0.1))
        if not writer.write_value(value, seq * 5_000_000):
            return seq
    return ticks


def test_recording_ends_in_good_order_when_space_runs_low(tmp_path: Path, options: Options) -> None:
    free = iter(range(40 * MIB, 0, -MIB))
    with BagWriter(
        tmp_path / "bag", options=options(disk_free=lambda _: next(free), stop_free_bytes=20 * MIB)
    ) as writer:
        taken = fill(writer, 5000)
        assert writer.status().lost == 0
        assert not writer.write_value(types.ExoState(0, 0.0, 0.0), 0)
        status = writer.status()
    assert 0 < taken < 5000 and not status.recording and "nearly full" in status.message
    assert status.lost == 1
    with BagReader(tmp_path / "bag") as bag:
        kept = bag.read("exo/state", ["seq"])["seq"]
    assert kept.tolist() == list(range(taken + 1))


class FullDisk:
    """A file on a disk that fills up as a real one does: it takes part of a write, then nothing."""

    def __init__(self, path: Path, budget: list[int]) -> None:
        self._file = path.open("xb", buffering=0)
        self._budget = budget

    def write(self, data: bytes, /) -> int:
        if self._budget[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self._file.write(data[: self._budget[0]])
        self._budget[0] -= taken
        return taken

    def truncate(self, size: int | None = None, /) -> int:
        return self._file.truncate(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


@pytest.mark.parametrize("budget", [30_000, 31_000, 55_555, 80_000, 123_456])
@pytest.mark.parametrize("room_for_summary", [False, True])
def test_full_disk_keeps_every_chunk_that_fitted(
    tmp_path: Path, options: Options, budget: int, room_for_summary: bool
) -> None:
    left = [budget]

    def open_file(path: Path) -> RawFile:
        return FullDisk(path, left)

    folder = tmp_path / "bag"
    writer = BagWriter(folder, options=options(open_file=open_file, compression="none", chunk_bytes=8192))
    if room_for_summary:
        # Giving the reserve back makes room on a real disk.
        original = writer._give_up

        def give_up(error: OSError) -> None:
            left[0] += MIB
            original(error)

        writer._give_up = give_up  # type: ignore[method-assign]
    taken = fill(writer, 2000)
    status = writer.status()
    writer.close()
    assert 0 < taken < 2000 and "disk full" in status.message and not status.recording
    if room_for_summary:
        with BagReader(folder) as bag:
            kept = bag.read("exo/state", ["seq"])["seq"]
    else:
        assert not (folder / "metadata.yaml").exists() and "recover" in status.message
        report = recover(folder)
        assert report.output is not None and not report.losses
        with BagReader(report.output) as bag:
            kept = bag.read("exo/state", ["seq"])["seq"]
    assert kept.tolist() == list(range(len(kept)))
    assert len(kept) == status.messages and taken - len(kept) <= 8192 // 990 + 1


def test_a_disk_that_fails_to_sync_leaves_no_bag_that_looks_whole(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BagWriter(tmp_path / "bag", options=options())
    fill(writer, 20)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("os.fsync", fail)
    writer.close()
    monkeypatch.undo()
    assert not list((tmp_path / "bag").glob("*.mcap")) and not (tmp_path / "bag" / "metadata.yaml").exists()
    assert "Input/output error" in writer.status().message
    report = recover(tmp_path / "bag")
    assert report.output is not None and report.messages["/exo/state"] == 20


def test_the_helper_thread_writes_what_is_waiting(tmp_path: Path) -> None:
    quick = WriterOptions(sync_interval_s=0.02, start_free_bytes=0, stop_free_bytes=0)
    with BagWriter(tmp_path / "bag", options=quick) as writer:
        before = writer.status().bytes_written
        fill(writer, 1)
        deadline = time.monotonic() + 20
        while writer.status().bytes_written == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert writer.status().bytes_written > before
    with BagReader(tmp_path / "bag") as bag:
        assert len(bag.read("exo/state")) == 1


_CHILD = """
import sys, time
from pathlib import Path
from exostride import types
from exostride.recording.writer import BagWriter, WriterOptions
writer = BagWriter(Path(sys.argv[1]), options=WriterOptions(start_free_bytes=0, stop_free_bytes=0))
for seq in range(3):
    before = writer.status().bytes_written
    writer.write_value(types.GaitPhase(seq, seq * 0.005), seq)
    while writer.status().bytes_written == before:
        time.sleep(0.002)
print(seq, flush=True)
while True:
    seq += 1
    writer.write_value(types.GaitPhase(seq, seq * 0.005), seq)
    print(seq, flush=True)
    time.sleep(0.002)
"""


def test_kill_loses_at_most_what_came_since_the_helper_thread_last_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "bag")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    written = int(child.stdout.readline())
    lines = [child.stdout.readline() for _ in range(20)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout
    last = int([line for line in lines if line.endswith("\n")][-1])
    child.wait()
    report = recover(tmp_path / "bag")
    assert report.output is not None and not report.losses and report.unfinished
    with BagReader(report.output) as reader:
        kept = reader.read("gait/phase", ["seq"])["seq"].tolist()
    assert kept == list(range(len(kept)))
    assert written < len(kept) <= last + 2


def test_the_helper_thread_writes_often_enough_that_a_kill_costs_less_than_a_second() -> None:
    assert 0.0 < (WriterOptions().sync_interval_s or 0.0) <= 0.5
