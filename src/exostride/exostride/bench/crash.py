"""``exostride bench damage``: what a crash, a power cut, a full disk and many other ways leave of a bag.

The first three are measured on a recording in real time, whose writer is killed, or loses everything that
the disk had not confirmed, or meets a limit on the size of its file. The rest is a short bag that is cut off
at every write, has one bit turned, or is damaged at random, and recovered each time.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from exostride.bench.damage import Tally, cut_bag, cuts, flips, fuzz
from exostride.bench.made_session import MadeSession, make, values
from exostride.errors import ExostrideError, InputError
from exostride.recording.reader import BagReader
from exostride.recording.recover import recover
from exostride.recording.writer import BagWriter, WriterOptions

_RUN_S: Final = 3.0
_RATE_HZ: Final = 500
_FULL_BYTES: Final = 1_200_000
"""More than what the writer sets aside, less than what it is given to write."""
_COMPRESSIONS: Final = ("none", "lz4", "zstd")
_FUZZ_STEP: Final = 50


def _ticks() -> Iterator[tuple[float, Any]]:
    """Yield a walk's values with their times from zero on, as fast as time passes."""
    plan = MadeSession(duration_s=_RUN_S + 12.0, rate_hz=_RATE_HZ)
    some = [(now, value) for now, value in values(plan, make(plan)) if now >= 5.0]
    start, begin = time.monotonic(), some[0][0]
    for now, value in some:
        wait = start + now - begin - time.monotonic()
        if wait > 0.0:
            time.sleep(wait)
        yield now - begin, value


def _tell(what: dict[str, Any]) -> None:
    """Print one line; two threads do, and lines must not mix."""
    os.write(sys.stdout.fileno(), (json.dumps(what) + "\n").encode())


def _record(folder: Path, task: str) -> None:
    """Record in real time, telling on standard output what was taken and what the disk has."""
    started = time.monotonic()

    def sync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        os.fdatasync(descriptor)
        _tell({"disk": size, "s": time.monotonic() - started})

    if task == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FULL_BYTES, _FULL_BYTES))
    # Uncompressed, the file soon meets its limit.
    packed = "none" if task == "full" else "zstd"
    options = WriterOptions(compression=packed, start_free_bytes=0, stop_free_bytes=0, sync=sync)
    writer = BagWriter(folder, options=options)
    done, last = 0.0, -1.0
    for now, value in _ticks():
        if done == 0.0:
            started = time.monotonic() - now
        taken = writer.write_value(value, round(now * 1e9), now)
        done = now
        if now - last >= 0.01 or not taken:
            _tell({"taken": now, "s": time.monotonic() - started})
            last = now
        if not taken or now > _RUN_S:
            break
    status = writer.status()
    _tell({"message": status.message, "lost": status.lost})
    if task == "full":
        writer.close()
    else:
        time.sleep(60.0)


def _run(folder: Path, task: str) -> list[dict[str, Any]]:
    """Let a process record, kill it without a word when it has recorded enough, and return what it said."""
    call = [sys.executable, "-m", "exostride.bench.crash", task, str(folder)]
    child = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stderr is not None
    told: list[dict[str, Any]] = []
    try:
        for line in child.stdout:
            told.append(json.loads(line))
            if task == "killed" and told[-1].get("taken", 0.0) > _RUN_S - 0.5:
                break
            if "message" in told[-1]:
                break
        child.send_signal(signal.SIGKILL if task != "full" else signal.SIGCONT)
        told += [json.loads(line) for line in child.stdout if line.endswith("\n")]
        if not told or child.wait(timeout=60.0) not in (0, -signal.SIGKILL):
            raise ExostrideError(f"bench damage: {task}: {child.stderr.read().strip()[-300:]}")
    finally:
        child.kill()
        child.wait()
    return told


def _last_s(bag: Path) -> float:
    """Return the time of the last message of a whole bag."""
    with BagReader(bag) as reader:
        return float(reader.span_ns[1]) * 1e-9


def killed(folder: Path) -> float:
    """Return how much of a recording is lost [s] when its process is killed."""
    told = _run(folder / "killed", "killed")
    taken = max(line["taken"] for line in told if "taken" in line)
    report = recover(folder / "killed")
    if report.output is None:
        raise ExostrideError("bench damage: nothing was recovered from a killed recording")
    return float(taken - _last_s(report.output))


def power_cut(folder: Path) -> float:
    """Return how much is lost [s] at the worst moment, when all goes that the disk had not confirmed."""
    told = _run(folder / "power", "power")
    file = next((folder / "power").glob("*.mcap.active"))
    raw, worst, confirmed = file.read_bytes(), 0.0, 0
    taken = 0.0
    for line in told:
        taken = max(taken, line.get("taken", 0.0))
        if "disk" not in line:
            continue
        if confirmed:
            cut = folder / "cut.mcap"
            cut.write_bytes(raw[:confirmed])
            worst = max(worst, taken - _recovered_s(cut, folder / f"cut_{confirmed}"))
        confirmed = int(line["disk"])
    return worst


def _recovered_s(file: Path, output: Path) -> float:
    """Return the time of the last message that recovery finds; nothing was on the disk before the first."""
    try:
        report = recover(file, output)
    except InputError:
        return 0.0
    return _last_s(report.output or file)


def full_disk(folder: Path) -> tuple[float, str]:
    """Return how much of what was taken is lost [s] when the disk is full, and what the recorder says."""
    told = _run(folder / "full", "full")
    taken = max(line["taken"] for line in told if "taken" in line)
    message = next(line["message"] for line in told if "message" in line)
    bag = folder / "full"
    if not (bag / "metadata.yaml").exists():
        report = recover(bag)
        assert report.output is not None
        bag = report.output
    return taken - _last_s(bag), str(message)


def measure(folder: Path, bags: int, console: Console) -> dict[str, Any]:
    """Return all figures."""
    lost, message = full_disk(folder)
    figures: dict[str, Any] = {
        "killed_lost_s": killed(folder),
        "power_cut_lost_s": power_cut(folder),
        "full_disk_lost_s": lost,
        "full_disk_message": message,
    }
    tallies = {name: Tally() for name in ("cut", "flipped", "random")}
    for name in _COMPRESSIONS:
        original, sizes = cut_bag(folder / f"whole_{name}", name)
        place = folder / "hurt"
        tallies["cut"] += cuts(original, sizes, place)
        tallies["flipped"] += flips(original, place, max(1, bags // 30), 7)
        share = range(0, -(-bags // len(_COMPRESSIONS)), _FUZZ_STEP)
        for first in track(share, f"damaging bags ({name})", console=console, transient=True):
            last = min(first + _FUZZ_STEP, share.stop)
            tallies["random"] += fuzz(original, place, range(first, last))
    return figures | {name: vars(tally) for name, tally in tallies.items()}


def command(
    bags: Annotated[int, typer.Option(min=3, help="Bags to damage at random.")] = 1000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Kill recordings, cut their power, fill their disk, damage bags; count what recovery gives back."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), bags, Console(stderr=True))
    for key, text in (
        ("killed_lost_s", "killed while recording"),
        ("power_cut_lost_s", "power cut at the worst moment"),
        ("full_disk_lost_s", f"disk full ({figures['full_disk_message']})"),
    ):
        console.print(f"{text}: {figures[key]:.3f} s lost", soft_wrap=True)
    table = Table("damage", "bags", "gave something", "made up", "undamaged chunk missing", "loss not named")
    for key, text in (
        ("cut", "cut at and within every write"),
        ("flipped", "one bit turned"),
        ("random", "damaged at random"),
    ):
        table.add_row(text, *(str(value) for value in figures[key].values()))
    console.print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _record(Path(sys.argv[2]), sys.argv[1])
