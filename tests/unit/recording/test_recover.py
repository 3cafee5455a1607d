"""Recovery returns every undamaged chunk, names the damage, and never makes anything up."""

from __future__ import annotations

import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader

from exostride import types
from exostride.errors import InputError
from exostride.recording.gather import gather, heads
from exostride.recording.mcapfile import McapFile, Segment
from exostride.recording.reader import BagReader
from exostride.recording.recover import RecoveryReport, recover
from exostride.recording.writer import BagWriter

Record = Callable[..., dict[str, list[Any]]]
Message = tuple[str, int, int]


def messages(path: Path) -> Counter[Message]:
    """Return all messages of a file: topic, log time, checksum of the bytes."""
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


@pytest.fixture(scope="module", params=["none", "lz4", "zstd"])
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, record: Record
) -> Original:
    folder = tmp_path_factory.mktemp("whole") / "bag"
    record(folder, 40, compression=request.param, chunk_bytes=60_000)
    bag = Original(folder)
    assert len(bag.segments) > 4
    return bag


def attempt(raw: bytes, folder: Path) -> tuple[RecoveryReport | None, Counter[Message]]:
    """Recover a damaged file; return the report and what is in the new bag."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "hurt.mcap"
    path.write_bytes(raw)
    try:
        report = recover(path)
    except InputError as error:
        assert "\n" not in str(error)
        assert list(folder.iterdir()) == [path]
        return None, Counter()
    assert path.read_bytes() == raw
    if report.output is None:
        return report, messages(path)
    assert (report.output / "metadata.yaml").is_file()
    found = messages(report.output / "hurt_recovered_0.mcap")
    assert sum(report.messages.values()) == found.total()
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    return report, found


def test_a_whole_bag_is_left_alone(original: Original) -> None:
    report = recover(original.folder)
    assert report.whole and report.output is None and "nothing to recover" in report.lines()[0]
    assert sum(report.messages.values()) == original.messages.total()


def test_every_truncation_keeps_all_whole_chunks(original: Original, tmp_path: Path) -> None:
    size = len(original.raw)
    for cut in [*range(0, size, max(1, size // 40)), size - 1, size - 8, size - 9]:
        report, found = attempt(original.raw[:cut], tmp_path / "t")
        assert found == original.outside(cut, size), cut
        if report is not None:
            assert report.unfinished == ["hurt.mcap"] and "hurt.mcap: was not completed" in report.lines(), (
                cut
            )


def test_any_flipped_byte_costs_at_most_its_chunk(original: Original, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    for _ in range(50):
        at = int(rng.integers(len(original.raw)))
        raw = bytearray(original.raw)
        raw[at] ^= 1 << int(rng.integers(8))
        report, found = attempt(bytes(raw), tmp_path / "f")
        assert not found - original.messages, at
        assert not original.outside(at, at + 1) - found, at
        lost = original.messages.total() - found.total()
        if lost:
            assert report is not None and report.losses, at
            assert sum(report.missing.values()) <= lost
            assert any(loss.start <= at < loss.end for loss in report.losses), at


def damage(raw: bytes, rng: np.random.Generator) -> tuple[bytes, list[tuple[int, int]] | None]:
    """Return hurt bytes, and the stretches of the original that were touched (``None``: shifted about)."""
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
    if kind == 2:
        data[a:b] = bytes(b - a)
        return bytes(data), [(a, b)]
    if kind == 3:
        data[a:b] = rng.bytes(b - a)
        return bytes(data), [(a, b)]
    if kind == 4:
        del data[a:b]
        return bytes(data), [(a, b)]
    if kind == 5:
        data[a:a] = rng.bytes(b - a)
        return bytes(data), [(a, a + 1)]
    if kind == 6:
        # A stretch twice: recovered messages must not be doubled.
        data[b:b] = data[a:b] * 2
        return bytes(data), None
    c = int(rng.integers(len(data)))
    piece = data[a:b]
    data[c : c + len(piece)] = piece
    return bytes(data), None


def fuzz(original: Original, folder: Path, seeds: range) -> int:
    """Hurt the bag once for each seed; return how many attempts gave something back."""
    useful = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        raw, touched = original.raw, []
        for _ in range(int(rng.integers(1, 4))):
            raw, stretch = damage(raw, rng)
            if touched is not None:
                # Places after a second change refer to moved bytes: only single changes are exact.
                touched = stretch if not touched and stretch is not None else None
            if not raw:
                break
        _, found = attempt(raw, folder)
        assert not found - original.messages, f"seed {seed}: messages that were never written"
        if touched:
            untouched = original.messages.copy()
            for a, b in touched:
                untouched &= original.outside(a, b)
            if found:
                assert not untouched - found, f"seed {seed}: an undamaged chunk is missing"
        useful += bool(found)
    return useful


def test_hundreds_of_damaged_bags(original: Original, tmp_path: Path) -> None:
    assert fuzz(original, tmp_path / "fuzz", range(100)) > 66


@pytest.mark.slow
def test_ten_thousand_damaged_bags(original: Original, tmp_path: Path) -> None:
    assert fuzz(original, tmp_path / "fuzz", range(1000, 1000 + 3334)) > 2200


def test_random_bytes_are_no_bag(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for size in [0, 1, 7, 8, 9, 40, 5000]:
        for lead in (b"", b"\x89MCAP0\r\n"):
            report, found = attempt(lead + rng.bytes(size), tmp_path / "r")
            assert report is None and not found


def test_files_of_the_mcap_library_without_chunks(tmp_path: Path, original: Original) -> None:
    """What has no checksum is kept where it stands in line, and said to be unverified."""
    from mcap.writer import CompressionType, Writer

    path = tmp_path / "loose.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream, use_chunking=False, compression=CompressionType.NONE)
        writer.start("ros2")
        channel = writer.register_channel(
            "/a", "cdr", writer.register_schema("std_msgs/msg/Bool", "ros2msg", b"bool data")
        )
        for i in range(100):
            writer.add_message(channel, i, b"\x00\x01\x00\x00" + bytes([i]) * 30, i)
        writer.finish()
    raw = bytearray(path.read_bytes())
    whole = messages(path)
    raw[900:1200] = bytes(300)
    report, found = attempt(bytes(raw), tmp_path / "l")
    assert report is not None and report.unverified == found.total() > 80 and len(report.losses) == 1
    # Bytes changed inside a message can't be told without a checksum; its neighbours must be right.
    assert (found - whole).total() <= 1


def test_split_bags_number_across_files(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "bag", 150, split_bytes=100_000, chunk_bytes=16384)
    files = sorted((tmp_path / "bag").glob("*.mcap"))
    files[1].write_bytes(files[1].read_bytes()[:50_000])
    report = recover(tmp_path / "bag")
    assert report.output is not None and report.unfinished == [files[1].name]
    assert report.missing["/exo/state"] > 0
    with BagReader(report.output) as bag:
        assert len(bag.read("exo/state", ["seq"])) == 150 - report.missing["/exo/state"]
        assert bag.session() is not None and bag.metadata()["exostride"]["started"] == "2024"


def test_output_is_not_overwritten(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "bag", 5)
    (tmp_path / "bag_recovered").mkdir()
    with pytest.raises(InputError, match="exists already"):
        recover(tmp_path / "bag")
    with pytest.raises(InputError, match="no such bag"):
        recover(tmp_path / "none")


def test_an_abandoned_recording_is_recovered_up_to_its_last_chunk(
    tmp_path: Path, options: Callable[..., Any]
) -> None:
    writer = BagWriter(tmp_path / "bag", options=options(chunk_bytes=20_000))
    for seq in range(500):
        writer.write_value(types.ExoState(seq, seq * 0.005, seq * 0.005), seq * 5_000_000)
    report = recover(tmp_path / "bag")
    assert report.output is not None
    with BagReader(report.output) as bag:
        kept = bag.read("exo/state", ["seq"])["seq"]
    assert kept.tolist() == list(range(len(kept))) and 500 - len(kept) <= 20_000 // 996
    writer.close()
