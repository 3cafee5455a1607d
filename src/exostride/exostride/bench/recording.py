"""``exostride bench recording``: what a message costs to write, and a bag to read, beside ``rosbags``.

Everything is measured on one bag: the one given, or that of a short session on the virtual clock. Both
readers get the same topics, in turns, in one process; the ratio of each pair is taken and their median shown.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rosbags.highlevel import AnyReader

from exostride.errors import InputError
from exostride.recording.chunkfile import ChunkFile
from exostride.recording.gather import gather
from exostride.recording.mcapfile import McapFile
from exostride.recording.reader import BagReader, bag_files
from exostride.recording.records import MESSAGE_HEAD
from exostride.runtime.simulate import SimulationConfig, run

_TURNS = 3


def _write(mcap: McapFile, messages: list[bytes], compression: str, folder: Path) -> dict[str, float]:
    """Write all messages anew; return size per byte of payload and microseconds per message."""
    path = folder / "written.mcap"
    path.unlink(missing_ok=True)
    contents = mcap.contents
    parts = [(*MESSAGE_HEAD.unpack_from(raw)[2:], raw[MESSAGE_HEAD.size :]) for raw in messages]
    start = time.perf_counter()
    file = ChunkFile(path.open("xb", buffering=0), 64 * 1024, compression)
    for channel in contents.channels.values():
        file.add_channel(contents.schemas[channel.schema_id], channel)
    for number, sequence, log_time, publish_time, data in parts:
        file.add(number, sequence, log_time, publish_time, data)
    file.finish()
    spent = time.perf_counter() - start
    file.close()
    payload = sum(len(part[-1]) for part in parts)
    return {"size": path.stat().st_size / payload, "us_per_message": 1e6 * spent / len(parts)}


def writing(bag: Path) -> dict[str, dict[str, float]]:
    """Return size and cost of every compression on the messages of a bag's first file."""
    mcap = McapFile(bag_files(bag)[0])
    messages: list[bytes] = []
    for found in gather(mcap, mcap.contents.segments, set(mcap.contents.channels)):
        messages += [row.tobytes() for blocks in found.values() for block in blocks for row in block.rows]
    if not messages:
        raise InputError(f"{bag}: holds no messages")
    messages.sort(key=lambda raw: raw[15:23][::-1])
    with tempfile.TemporaryDirectory() as folder:
        figures = {name: _write(mcap, messages, name, Path(folder)) for name in ("none", "lz4", "zstd")}
    mcap.close()
    return figures


def _ours(bag: Path) -> float:
    start = time.perf_counter()
    with BagReader(bag) as reader:
        reader.read_many(dict.fromkeys(reader.topics))
    return time.perf_counter() - start


def _rosbags(bag: Path) -> float:
    start = time.perf_counter()
    with AnyReader([bag]) as reader:
        for connection, _, raw in reader.messages():
            reader.deserialize(raw, connection.msgtype)
    return time.perf_counter() - start


def reading(bag: Path) -> dict[str, float]:
    """Return the time to read all topics into columns, to decode them with ``rosbags``, and the ratio."""
    pairs = [(_ours(bag), _rosbags(bag)) for _ in range(_TURNS)]
    return {
        "columns_s": min(a for a, _ in pairs),
        "rosbags_decode_s": min(b for _, b in pairs),
        "ratio_to_rosbags_decode": statistics.median(a / b for a, b in pairs),
    }


def measure(bag: Path) -> dict[str, Any]:
    """Return all figures of one bag."""
    return {"writing": writing(bag), "reading": reading(bag)}


def command(
    bag: Annotated[
        Path | None, typer.Option(help="Bag to measure on; default: a short virtual session.")
    ] = None,
    duration: Annotated[float, typer.Option(min=1.0, help="Length of that session [s].")] = 20.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Measure the recorder's writer and the reader of bags."""
    if bag is not None:
        figures = measure(bag)
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "session"
            run(SimulationConfig(duration_s=duration, bag=made))
            figures = measure(made)
    table = Table("compression", "bytes per byte of payload", "µs per message")
    for name, row in figures["writing"].items():
        table.add_row(name, f"{row['size']:.3f}", f"{row['us_per_message']:.2f}")
    console = Console()
    console.print(table)
    read = figures["reading"]
    console.print(
        f"all topics: {read['columns_s']:.3f} s into columns, {read['rosbags_decode_s']:.3f} s decoded with "
        f"rosbags; ratio {read['ratio_to_rosbags_decode']:.3f}",
        soft_wrap=True,
    )
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
