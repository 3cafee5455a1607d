"""A whole stack of real node processes, without the launcher, in a ROS domain of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exostride.runtime.launch import domain as domains

HANG_S = 300.0
"""Far above what any step needs: nothing is asserted about the machine's speed."""
PATIENT = "20"
"""A node of a busy machine that gets no time for seconds is not a lost one, unless that is the question."""
NODES = ("hardware", "gait_phase", "controller", "safety", "recorder", "session")


class Stack:
    """The six node processes; ends what is left of them at the end of the test."""

    def __init__(self, folder: Path, domain: int) -> None:
        self.folder = folder
        self.bag = folder / "bag"
        self.env = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(folder / "ros_log"),
            "PYTHONUNBUFFERED": "1",
            "EXOSTRIDE_PATIENCE": PATIENT,
        }
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, nodes=NODES, **parameters) -> "Stack":
        """Start nodes; parameters as ``name=value`` for all, or ``node={...}`` for one."""
        common = {k: v for k, v in parameters.items() if k not in NODES}
        common = {"rate_hz": 200, "lockstep": True, "patient": "stance", **common}
        own = {
            "gait_phase": {"estimator": "adaptive_oscillator"},
            "recorder": {"bag": str(self.bag)},
        }
        for node in nodes:
            values = {**common, **own.get(node, {}), **parameters.get(node, {})}
            arguments = [part for k, v in values.items() for part in ("-p", f"{k}:={_yaml(v)}")]
            code = f"from exostride.nodes.{node} import main; main()"
            with (self.folder / f"{node}.log").open("wb") as log:
                self.processes[node] = subprocess.Popen(
                    [sys.executable, "-c", code, "--ros-args", *arguments],
                    env=self.env,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        return self

    def log(self, node: str) -> str:
        """Return what a node has said so far."""
        return (self.folder / f"{node}.log").read_text()

    def logs(self) -> str:
        """Return what all nodes have said."""
        return "\n".join(f"--- {node}\n{self.log(node)}" for node in self.processes)

    def until(self, text: str, node: str = "session", timeout: float = HANG_S) -> None:
        """Wait until a node has said ``text``."""
        deadline = time.monotonic() + timeout
        while text not in self.log(node):
            assert time.monotonic() < deadline, f"'{text}' not said by {node}\n{self.logs()}"
            assert self.processes[node].poll() is None, f"{node} ended\n{self.logs()}"
            time.sleep(0.02)

    def until_recorded(self, more: int = 200_000) -> None:
        """Wait until the bag, whose file grows as it is written, has so many bytes more than now."""
        begun, deadline = self._recorded(), time.monotonic() + HANG_S
        while self._recorded() < begun + more:
            assert time.monotonic() < deadline, f"nothing is recorded\n{self.logs()}"
            time.sleep(0.02)

    def _recorded(self) -> int:
        return sum(file.stat().st_size for file in self.bag.glob("*.active"))

    def signal(self, node: str, number: int) -> None:
        """Send a signal to a node."""
        self.processes[node].send_signal(number)

    def codes(self, timeout: float = HANG_S) -> dict[str, int]:
        """Wait for the end of all nodes; return their exit codes."""
        deadline = time.monotonic() + timeout
        try:
            return {
                n: p.wait(timeout=max(deadline - time.monotonic(), 0.01)) for n, p in self.processes.items()
            }
        except subprocess.TimeoutExpired:
            left = [n for n, p in self.processes.items() if p.poll() is None]
            pytest.fail(f"still running after {timeout} s: {left}\n{self.logs()}")

    def close(self) -> None:
        """End what is left."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


def _yaml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.fixture
def stack(tmp_path):
    """A stack of nodes in a free ROS domain."""
    domain = domains.acquire()
    made = Stack(tmp_path, domain.number)
    yield made
    made.close()
    domain.close()
