"""``exostride bench analysis``: what it costs to analyse a long session, beside merely decoding its bag.

The peer is ``rosbags``, which deserialises the messages of the same topics and throws them away. Each run is
a process of its own, so that its peak memory is its own; the order alternates.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rosbags.highlevel import AnyReader

from exostride.analysis.loading import FIELDS
from exostride.analysis.store import Store
from exostride.analysis.summary import analyse
from exostride.bench.made_session import MadeSession, write
from exostride.errors import ExostrideError
from exostride.report.html import session_page
from exostride.report.language import Language
from exostride.report.progress_page import progress_page

_SESSIONS = 8


def _ours(bag: Path) -> int:
    return len(analyse(bag).values)


def _rosbags(bag: Path) -> int:
    count = 0
    with AnyReader([bag]) as reader:
        wanted = {f"/{name}" for name in FIELDS}
        for connection, _, raw in reader.messages([c for c in reader.connections if c.topic in wanted]):
            reader.deserialize(raw, connection.msgtype)
            count += 1
    return count


def _eight(folder: Path) -> int:
    with Store(folder / "bench.sqlite") as store:
        for bag in sorted(folder.glob("session_*")):
            analysis = analyse(bag)
            store.add(analysis)
            (folder / f"{bag.name}.html").write_text(session_page(analysis, Language()), encoding="utf-8")
        return len(progress_page(store, "bench", Language()))


_TASKS = {"ours": _ours, "rosbags": _rosbags, "eight": _eight}


def _child(task: str, path: Path) -> None:
    """Run one task and print its time and peak memory."""
    start = time.perf_counter()
    _TASKS[task](path)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(json.dumps({"s": spent, "mib": peak}))


def _run(task: str, path: Path) -> dict[str, float]:
    call = [sys.executable, "-m", "exostride.bench.analysis", task, str(path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExostrideError(f"bench analysis: {task} of {path} failed: {done.stderr.strip()[-300:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(bag: Path, folder: Path, turns: int) -> dict[str, Any]:
    """Return the figures of one long bag and of the report over eight short sessions in ``folder``."""
    pairs = [(_run("ours", bag), _run("rosbags", bag)) for _ in range(turns)]
    for i in range(_SESSIONS):
        plan = MadeSession(
            duration_s=60.0, seed=i, patient_id="bench", started=f"2025-03-{10 + i}T10:00:00+00:00"
        )
        write(plan, folder / f"session_{i}")
    return {
        "bag_mib": sum(f.stat().st_size for f in bag.rglob("*.mcap")) / 2**20,
        "analysis_s": min(a["s"] for a, _ in pairs),
        "rosbags_decode_s": min(b["s"] for _, b in pairs),
        "ratio_to_rosbags_decode": statistics.median(a["s"] / b["s"] for a, b in pairs),
        "peak_memory_mib": max(a["mib"] for a, _ in pairs),
        "eight_session_report_s": _run("eight", folder)["s"],
    }


def command(
    bag: Annotated[Path | None, typer.Option(help="Bag to analyse; default: one is made.")] = None,
    minutes: Annotated[float, typer.Option(min=0.5, help="Length of the made session [min].")] = 60.0,
    turns: Annotated[int, typer.Option(min=1, help="Runs of each, alternating.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Measure time and memory of an analysis, and of a report over eight sessions."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if bag is None:
            bag = folder / "long"
            with console.status(f"making a session of {minutes:g} minutes"):
                write(MadeSession(duration_s=60.0 * minutes), bag)
        with console.status("measuring"):
            figures = measure(bag, folder, turns)
    console.print(
        f"analysis {figures['analysis_s']:.1f} s, decoding with rosbags {figures['rosbags_decode_s']:.1f} s: "
        f"ratio {figures['ratio_to_rosbags_decode']:.3f}; peak {figures['peak_memory_mib']:.0f} MiB; "
        f"eight sessions reported in {figures['eight_session_report_s']:.1f} s",
        soft_wrap=True,
    )
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
