"""``exostride bench safety --processes``: nodes of the real graph killed, stopped and delayed.

Seven processes: the six nodes and, apart from them, the plant with its firmware, so that the death of the
hardware node is not the death of the patient. A stiff body stands in the robot in TRAIN on a belt at rest;
then one node gets a signal. What the kernel did is read from the bag, what the firmware did without a kernel
from the plant's own log.

*Periods* are counted from the last tick in which the node's message came to the first in which the kernel
holds or damps, or in the plant's time from the last command to the last of drives, belt and harness that acts
by itself. *Wall* is the time from the signal to that tick, when paced; in lock-step it says nothing, since
the clock waits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from exostride.errors import DeviceError, ExostrideError
from exostride.recording.reader import BagReader
from exostride.runtime.launch import domain as domains
from exostride.types import Mode

RATE_HZ: Final = 200
NODES: Final = ("hardware", "gait_phase", "controller", "safety", "recorder", "session")
_START_S: Final = 120.0
_TRAIN_S: Final = 1.5
"""From the word that training has begun to the fault."""
_AFTER_S: Final = 1.5
"""From the fault to the end of the recording."""
_FALLBACKS: Final = (Mode.HOLD_STANCE, Mode.DAMP)
_DELAY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """One fault: which node gets which signal, and within how many periods the reaction begins."""

    fault: str
    node: str
    number: signal.Signals
    bound: int
    paced_only: bool = False
    wakes_after_s: float = 0.0

    @property
    def words(self) -> str:
        """The case in words."""
        how = "killed" if self.number == signal.SIGKILL else "hung"
        how = f"stopped for {1e3 * self.wakes_after_s:.0f} ms" if self.wakes_after_s else how
        return f"{self.fault} {self.node} {how}"


CASES: Final = (
    Case("F10", "hardware", signal.SIGKILL, 10),
    Case("F10", "hardware", signal.SIGSTOP, 10),
    Case("F11", "controller", signal.SIGKILL, 5),
    Case("F11", "controller", signal.SIGSTOP, 5),
    Case("F12", "gait_phase", signal.SIGKILL, 5),
    Case("F12", "gait_phase", signal.SIGSTOP, 5),
    Case("F13", "safety", signal.SIGKILL, 5),
    Case("F13", "safety", signal.SIGSTOP, 5),
    Case("F08", "controller", signal.SIGSTOP, 5, paced_only=True, wakes_after_s=_DELAY_S),
)


@dataclass
class Outcome:
    """Figures of one case in one mode over its repetitions."""

    case: Case
    paced: bool
    periods: list[int] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    detail: dict[str, list[float]] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)
    """Why repetitions gave no figure: the graph did not get so far, or had stopped before."""

    @property
    def passed(self) -> bool:
        """Whether every repetition gave a figure within the bound."""
        return bool(self.periods) and not self.unusable and max(self.periods) <= self.case.bound

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "case": self.case.words,
            "paced": self.paced,
            "bound_periods": self.case.bound,
            "periods": self.periods,
            "wall_ms": [round(value, 2) for value in self.wall_ms],
            "firmware": self.detail,
            "unusable": self.unusable,
            "passed": self.passed,
        }


class Stack:
    """The plant's process and the six nodes, in a ROS domain and a folder of their own."""

    def __init__(self, folder: Path, paced: bool) -> None:
        self.folder, self.paced = folder, paced
        self.bag, self.plant_log = folder / "bag", folder / "plant.jsonl"
        self._domain = domains.acquire()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()  # nobody else would end what has begun
            raise
        return self

    def _start(self) -> None:
        socket = self.folder / "plant"
        own = [str(socket), "--log", str(self.plant_log), "--rate", str(RATE_HZ)]
        self._spawn("plant", ["-m", "exostride.hardware.plant_process", *own, *(["--paced"] * self.paced)])
        self._until("the plant is ready", "plant")
        common = {"rate_hz": RATE_HZ, "lockstep": str(not self.paced).lower(), "patient": '"stance"'}
        for node in NODES:
            values = {**common, **_OWN.get(node, {})}
            values |= {"bag": f'"{self.bag}"'} if node == "recorder" else {}
            values |= {"devices.plant_process.socket": f'"{socket}"'} if node == "hardware" else {}
            given = [part for name, value in values.items() for part in ("-p", f"{name}:={value}")]
            self._spawn(
                node, ["-c", f"from exostride.nodes.{node} import main; main()", "--ros-args", *given]
            )

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self._domain.close()

    def _spawn(self, name: str, arguments: list[str]) -> None:
        env = {
            **os.environ,
            "ROS_DOMAIN_ID": str(self._domain.number),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "PYTHONUNBUFFERED": "1",
        }
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments], env=env, stdout=log, stderr=subprocess.STDOUT
            )

    def _until(self, text: str, name: str) -> None:
        deadline = time.monotonic() + _START_S
        log = self.folder / f"{name}.log"
        while text not in log.read_text(errors="replace"):
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                last = (self.folder / f"{(ended or [name])[0]}.log").read_text(errors="replace")[-300:]
                raise DeviceError(f"did not get to '{text}': {' '.join(last.split()) or 'no output'}")
            time.sleep(0.02)

    def strike(self, case: Case) -> float:
        """Wait for training, send the signal, let time pass, and end; return the signal's time [s]."""
        self._until("walking", "session")
        time.sleep(_TRAIN_S)
        struck = time.time()
        self.processes[case.node].send_signal(case.number)
        time.sleep(case.wakes_after_s or _AFTER_S)
        if case.wakes_after_s:
            self.processes[case.node].send_signal(signal.SIGCONT)
            time.sleep(_AFTER_S)
        for node in NODES:
            if node != case.node and self.processes[node].poll() is None:
                self.processes[node].send_signal(signal.SIGTERM)
        self.processes["recorder"].wait(timeout=20.0)
        if case.node == "hardware":
            self.processes["plant"].wait(timeout=20.0)
        return struck


_OWN: Final[dict[str, dict[str, object]]] = {
    "hardware": {"device": '"plant_process"'},
    "gait_phase": {"estimator": '"adaptive_oscillator"'},
    "session": {"settings": '"belt_speed_m_s=0.0"', "controller": '"transparent"', "duration_s": 0.0},
}


def _by_kernel(stack: Stack, case: Case, struck: float, out: Outcome) -> None:
    """Add what the kernel did, from the bag."""
    with BagReader(stack.bag) as bag:
        table = bag.read("/exo/applied", ["seq", "mode", "command_received", "permit_received"])
    came = table["permit_received" if case.node == "safety" else "command_received"].astype(bool)
    seq, mode, at = table["seq"].astype(int), table["mode"].astype(int), table.log_time / 1e9
    trained = np.flatnonzero(mode == Mode.TRAIN)
    if not len(trained):
        raise DeviceError("training had not begun")
    after = np.flatnonzero((np.arange(len(seq)) > trained[0]) & ~came & _since(at, struck, stack.paced))
    if not len(after):
        raise DeviceError("no message was missed")
    first = int(after[0])
    if mode[first - 1] != Mode.TRAIN:
        raise DeviceError("training had stopped before")
    fallen = np.flatnonzero((np.arange(len(seq)) >= first) & np.isin(mode, _FALLBACKS))
    if not len(fallen):
        raise DeviceError(f"no fallback within {len(seq) - first} ticks")
    out.periods.append(int(seq[fallen[0]] - seq[first] + 1))
    if stack.paced:
        out.wall_ms.append(1e3 * float(at[fallen[0]] - struck))


def _since(at: Any, struck: float, paced: bool) -> Any:
    """Return which messages came after the signal; in lock-step a bag has control time, and all are."""
    return at >= struck - 1.0 / RATE_HZ if paced else np.ones(len(at), dtype=bool)


def _by_firmware(stack: Stack, struck: float, out: Outcome) -> None:
    """Add what the firmware did without a kernel, from the plant's own log."""
    rows = [json.loads(line) for line in stack.plant_log.read_text().splitlines()]
    last = max((i for i, row in enumerate(rows) if row["written"]), default=-1)
    alone = rows[last + 1 :]
    if last < 0 or not alone:
        raise DeviceError("the plant did not go on alone")
    slowest = rows[last]
    for part in ("drives", "belt", "harness"):
        tripped = next((row for row in alone if row[part]), None)
        if tripped is None:
            raise DeviceError(f"the watchdog of the {part} did not trip")
        out.detail.setdefault(f"{part}_ms", []).append(round(1e3 * (tripped["t"] - rows[last]["t"]), 3))
        slowest = max(slowest, tripped, key=lambda row: float(row["t"]))
    out.periods.append(round((slowest["t"] - rows[last]["t"]) * RATE_HZ))
    if stack.paced:
        out.wall_ms.append(1e3 * (slowest["wall"] - struck))
    end = alone[-1]
    for name, value in (
        ("alone_s", end["t"] - rows[last]["t"]),
        ("fastest_at_end_rad_s", end["fastest_rad_s"]),
        ("lowest_pelvis_m", min(row["pelvis_height_m"] for row in alone)),
    ):
        out.detail.setdefault(name, []).append(round(value, 3))


def measure(case: Case, paced: bool, repetitions: int) -> Outcome:
    """Run a case some times and return its figures; what gave none is told, not left out."""
    out = Outcome(case, paced)
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory(prefix="exostride-bench-") as name:
            try:
                with Stack(Path(name), paced) as stack:
                    struck = stack.strike(case)
                    if case.node == "hardware":
                        _by_firmware(stack, struck, out)
                    else:
                        _by_kernel(stack, case, struck, out)
            except (ExostrideError, subprocess.TimeoutExpired) as error:
                out.unusable.append(" ".join(str(error).split())[:200])
    return out


def processes(
    repetitions: int = 5, cases: tuple[Case, ...] = CASES, modes: tuple[bool, ...] = (False, True)
) -> dict[str, Any]:
    """Measure every case in lock-step and paced, and print a line for each as it is done.

    Parameters
    ----------
    repetitions
        Sessions of each case and mode; each takes some ten seconds.
    cases
        Which cases.
    modes
        False: lock-step; true: paced.

    Returns
    -------
    dict
        ``{"rate_hz", "cases": [...], "passed"}``; see :meth:`Outcome.as_dict`.
    """
    print(f"Nodes killed, hung and delayed at {RATE_HZ} Hz; {repetitions} times each")
    print(f"{'case':<36}{'mode':<10}{'n':>3}{'bound':>7}{'p50':>6}{'max':>6}  wall p50/p90/max [ms]")
    outcomes = []
    for paced in modes:
        for case in cases:
            if paced or not case.paced_only:
                outcomes.append(measure(case, paced, repetitions))
                print(_line(outcomes[-1]), flush=True)
    return {
        "rate_hz": RATE_HZ,
        "cases": [outcome.as_dict() for outcome in outcomes],
        "passed": all(outcome.passed for outcome in outcomes),
    }


def _line(out: Outcome) -> str:
    mode = "paced" if out.paced else "lock-step"
    head = f"{out.case.words:<36}{mode:<10}{len(out.periods):>3}{out.case.bound:>7}"
    if out.periods:
        head += f"{np.median(out.periods):>6.0f}{max(out.periods):>6}"
    if out.wall_ms:
        head += "  {:.1f} / {:.1f} / {:.1f}".format(*np.percentile(out.wall_ms, (50, 90, 100)))
    if out.detail:
        parts = ", ".join(
            f"{name} {max(values):g}" for name, values in out.detail.items() if name.endswith("_ms")
        )
        head += f"\n    by the plant's own clock, worst: {parts}"
        head += f"; pelvis lowest {min(out.detail['lowest_pelvis_m']):g} m"
    for reason in out.unusable:
        head += f"\n    no figure: {reason}"
    return head if out.passed else f"{head}\n    NOT within the bound in every run"
