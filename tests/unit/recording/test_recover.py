"""Recovery returns every undamaged chunk, names the damage, and never makes anything up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exostride import types
from exostride.bench.damage import Message, Original, Tally, attempt, cut_bag, cuts, fuzz, messages
from exostride.errors import InputError
from exostride.recording.reader import BagReader
from exostride.recording.recover import RecoveryReport, recover
from exostride.recording.writer import BagWriter

Record = Callable[..., dict[str, list[Any]]]


@pytest.fixture(scope="module", params=["none", "lz4", "zstd"])
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, record: Record
) -> Original:
    folder = tmp_path_factory.mktemp("whole") / "bag"
    record(folder, 40, compression=request.param, chunk_bytes=60_000)
    bag = Original(folder)
    assert len(bag.segments) > 4
    return bag


def clean(raw: bytes, folder: Path) -> tuple[RecoveryReport | None, Counter[Message]]:
    """Recover a damaged file, see that it is left alone and nothing else lies about, and return the rest."""
    report, found = attempt(raw, folder)
    path = folder / "hurt.mcap"
    assert path.read_bytes() == raw
    if report is None:
        assert list(folder.iterdir()) == [path]
    elif report.output is not None:
        assert (report.output / "metadata.yaml").is_file()
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
        report, found = clean(original.raw[:cut], tmp_path / "t")
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
        report, found = clean(bytes(raw), tmp_path / "f")
        assert not found - original.messages, at
        assert not original.outside(at, at + 1) - found, at
        lost = original.messages.total() - found.total()
        if lost:
            assert report is not None and report.losses, at
            assert sum(report.missing.values()) <= lost
            assert any(loss.start <= at < loss.end for loss in report.losses), at


def without_fault(tally: Tally) -> int:
    """Return how many bags gave something back, after seeing that nothing was wrong with any."""
    assert (tally.invented, tally.withheld, tally.unnamed) == (0, 0, 0)
    return tally.gave_something


def test_hundreds_of_damaged_bags(original: Original, tmp_path: Path) -> None:
    assert without_fault(fuzz(original, tmp_path / "fuzz", range(100))) > 66


@pytest.mark.slow
def test_ten_thousand_damaged_bags(original: Original, tmp_path: Path) -> None:
    assert without_fault(fuzz(original, tmp_path / "fuzz", range(1000, 1000 + 3334))) > 2200


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_cut_at_any_write_keeps_every_write_before(compression: str, tmp_path: Path) -> None:
    """The file ends with any of its writes, or in the middle of one."""
    whole, sizes = cut_bag(tmp_path / "bag", compression)
    assert len(whole.segments) > 10 and sizes[-1] == len(whole.raw)
    tally = cuts(whole, sizes, tmp_path / "cut")
    assert tally.bags == 2 * len(sizes)
    assert without_fault(tally) > tally.bags - 8


def test_random_bytes_are_no_bag(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for size in [0, 1, 7, 8, 9, 40, 5000]:
        for lead in (b"", b"\x89MCAP0\r\n"):
            report, found = clean(lead + rng.bytes(size), tmp_path / "r")
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
    report, found = clean(bytes(raw), tmp_path / "l")
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
