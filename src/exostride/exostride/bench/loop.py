"""``exostride bench loop``: latency, period, missed deadlines and CPU of the real ROS 2 graph.

Six node processes, recorder included, run the simulated device with a body that stands on the belt, and
a supervisor that nobody asks to leave IDLE: the same messages and the same work of every part as in a
walking session, and nothing that could stop it half-way when the machine is slow. The graph with our
choice of executor (A) and the same graph on rclpy's default executor (B) take turns, A B A B, so that
what else the machine does hits both. The hardware node itself takes the times; latency is from reading
the sensors to having both commands and the permit in hand. At last a whole session is started and ended by
signals (:mod:`exostride.bench.loop_life`).
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import typer
from mcap_ros2.reader import read_ros2_messages
from rich.console import Console
from rich.table import Table

from exostride.bench.loop_life import SIGNALS, life, lines
from exostride.errors import DeviceError
from exostride.recording.reader import bag_files
from exostride.runtime.launch import domain as domains

NODES: Final = ("hardware", "gait_phase", "controller", "safety", "recorder", "session")
EXECUTORS: Final = {"A": "events", "B": "single"}
SETTLE_S: Final = 3.0
"""Start and warm-up before the figures begin [s]."""
_START_S: Final = 60.0
_FIGURES: Final = ("mean", "p50", "p99", "p999", "max")


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one run; times in ms, CPU as a share of one core."""

    executor: str
    rate_hz: int
    lockstep: bool
    ticks: int
    missed_deadlines: int
    scheduler: str
    latency_ms: dict[str, float]
    period_ms: dict[str, float]
    cpu: dict[str, float]
    times_real_time: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@contextmanager
def _graph(executor: str, parameters: Mapping[str, object], folder: Path) -> Iterator[dict[str, Any]]:
    """Run the six nodes; whatever is left of them at the end is killed."""
    domain = domains.acquire()
    env = {
        **os.environ,
        "ROS_DOMAIN_ID": str(domain.number),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "EXOSTRIDE_EXECUTOR": executor,
    }
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    processes: dict[str, Any] = {}
    try:
        for node in NODES:
            code = f"from exostride.nodes.{node} import main; main()"
            with (folder / f"{node}.log").open("wb") as log:
                processes[node] = subprocess.Popen(
                    [sys.executable, "-c", code, "--ros-args", *arguments],
                    env=env,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        yield processes
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        domain.close()


def _wait_for(text: str, folder: Path, processes: Mapping[str, Any], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    log = folder / "session.log"
    while text not in log.read_text(errors="replace"):
        ended = [name for name, process in processes.items() if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            last = (folder / f"{(ended or ['session'])[0]}.log").read_text(errors="replace")[-500:]
            raise DeviceError(f"the graph did not get to '{text}': {last.strip() or 'no output'}")
        time.sleep(0.02)


def _run_for(seconds: float, folder: Path, processes: Mapping[str, Any]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(0.5, max(end - time.monotonic(), 0.0)))
        for name, process in processes.items():
            if process.poll() is not None:
                last = (folder / f"{name}.log").read_text(errors="replace")[-500:].strip()
                raise DeviceError(f"node {name} ended early: {last or 'no output'}")


def _cpu_s(pid: int) -> float:
    """Return the CPU time a process has used [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(executor: str, rate_hz: int, seconds: float, lockstep: bool = False) -> Run:
    """Run the graph once and return its figures.

    Raises
    ------
    DeviceError
        A node did not start or ended early; the message has its last words.
    """
    with tempfile.TemporaryDirectory(prefix="exostride-bench-") as name:
        folder = Path(name)
        parameters = {
            "rate_hz": rate_hz,
            "lockstep": str(lockstep).lower(),
            "patient": '"stance"',
            "automatic": "false",
            "estimator": '"adaptive_oscillator"',
            "bag": f'"{folder / "bag"}"',
        }
        with _graph(executor, parameters, folder) as processes:
            _wait_for("all nodes are active", folder, processes, _START_S)
            time.sleep(SETTLE_S)
            start, before = time.monotonic(), {n: _cpu_s(p.pid) for n, p in processes.items()}
            _run_for(seconds, folder, processes)
            wall, after = time.monotonic() - start, {n: _cpu_s(p.pid) for n, p in processes.items()}
            processes["session"].send_signal(signal.SIGTERM)
            for process in processes.values():
                process.wait(timeout=_START_S)
        values = _last_diagnostics(folder / "bag")
    period = _figures(values, "period_ms")
    return Run(
        executor=executor,
        rate_hz=rate_hz,
        lockstep=lockstep,
        ticks=int(values["ticks"]),
        missed_deadlines=int(values["missed_deadlines"]),
        scheduler=values["scheduler"],
        latency_ms=_figures(values, "latency_ms"),
        period_ms=period,
        cpu={node: (after[node] - before[node]) / wall for node in NODES},
        times_real_time=1e3 / rate_hz / period["mean"],
    )


def _figures(values: Mapping[str, str], name: str) -> dict[str, float]:
    return {figure: float(values[f"{name}_{figure}"]) for figure in _FIGURES}


def _last_diagnostics(bag: Path) -> dict[str, str]:
    """Return the last timing figures of the hardware node in a bag."""
    found: dict[str, str] = {}
    for path in bag_files(bag):
        for message in read_ros2_messages(path, topics=["/diagnostics"]):
            for status in message.ros_msg.status:
                if status.name == "exostride/hardware":
                    found = {item.key: item.value for item in status.values}
    if not found:
        raise DeviceError(f"{bag}: holds no diagnostics of the hardware node")
    return found


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the medians over the runs of each executor, and A over B."""
    sides: dict[str, Any] = {}
    for side, executor in EXECUTORS.items():
        mine = [run for run in runs if run.executor == executor]
        if mine:
            sides[side] = {
                "executor": executor,
                "latency_p99_ms": median(run.latency_ms["p99"] for run in mine),
                "period_p99_ms": median(run.period_ms["p99"] for run in mine),
                "cpu_cores": median(sum(run.cpu.values()) for run in mine),
                "missed_deadlines": sum(run.missed_deadlines for run in mine),
            }
    if len(sides) == len(EXECUTORS):
        sides["A_over_B"] = {
            key: sides["A"][key] / sides["B"][key]
            for key in ("latency_p99_ms", "period_p99_ms", "cpu_cores")
            if sides["B"][key]
        }
    return sides


def _table(runs: Sequence[Run], title: str) -> Table:
    table = Table(title=title, caption=f"times: p50/p99/p99.9/max; scheduler: {runs[0].scheduler}")
    table.add_column("executor", no_wrap=True)
    for column in ("ticks", "latency [ms]", "period [ms]", "missed", "cores", "x real"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        spreads = (
            "/".join(f"{figures[name]:.2f}" for name in _FIGURES[1:])
            for figures in (run.latency_ms, run.period_ms)
        )
        cpu, speed = f"{sum(run.cpu.values()):.2f}", f"{run.times_real_time:.2f}"
        table.add_row(run.executor, str(run.ticks), *spreads, str(run.missed_deadlines), cpu, speed)
    return table


def command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    seconds: Annotated[float, typer.Option(help="Length of each run [s].", min=3.0)] = 60.0,
    rounds: Annotated[int, typer.Option(help="Turns of A and B.", min=1)] = 2,
    rate: Annotated[list[int] | None, typer.Option(help="Control rate [Hz]; may be repeated.")] = None,
    compare: Annotated[bool, typer.Option(help="Also run on rclpy's default executor.")] = True,
) -> None:
    """Measure the ROS 2 graph: latency, period, missed deadlines, CPU, lock-step speed, start and end."""
    console = Console()
    executors = list(EXECUTORS.values()) if compare else ["events"]
    rates = rate or [200, 500]
    result: dict[str, Any] = {"machine": _machine(), "seconds": seconds, "paced": [], "lockstep": []}
    for hz in rates:
        runs, failed = _turns(console, f"{hz} Hz, paced", hz, seconds, executors * rounds)
        result["paced"].append(
            {
                "rate_hz": hz,
                "runs": [run.as_dict() for run in runs],
                "failed": failed,
                "summary": summary(runs),
            }
        )
        _write(json_file, result)
    runs, failed = _turns(console, f"{rates[0]} Hz, lock-step", rates[0], seconds, ["events"] * rounds, True)
    result["lockstep"] = [run.as_dict() for run in runs]
    result["lockstep_failed"] = failed
    _write(json_file, result)
    with console.status("start and end of a session ..."):
        result["session"] = [life(number) for number in SIGNALS]
    for line in lines(result["session"]):
        console.print(line)
    _write(json_file, result)


def _turns(
    console: Console,
    title: str,
    rate_hz: int,
    seconds: float,
    executors: Sequence[str],
    lockstep: bool = False,
) -> tuple[list[Run], list[dict[str, str]]]:
    """Run the graph once for each executor; return the runs and those that this machine cannot keep up."""
    runs: list[Run] = []
    failed: list[dict[str, str]] = []
    for turn, executor in enumerate(executors):
        with console.status(f"{title}, {executor}, {turn + 1} of {len(executors)} ..."):
            try:
                runs.append(measure(executor, rate_hz, seconds, lockstep))
            except DeviceError as error:
                failed.append({"executor": executor, "why": str(error)})
    if runs:
        console.print(_table(runs, f"{title}, {seconds:g} s"))
    for one in failed:
        console.print(
            f"{title}, {one['executor']}: did not hold: {one['why'].splitlines()[-1]}", markup=False
        )
    return runs, failed


def _write(json_file: Path | None, result: Mapping[str, Any]) -> None:
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _machine() -> dict[str, Any]:
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
