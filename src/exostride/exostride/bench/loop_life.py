"""How long a session takes to start, and to end by a signal: the command that ``make demo`` runs.

Times are by the wall clock: ``start_s`` from the command to the first tick, the check of the environment
before it included; ``end_s`` from the signal until the last process of the session is gone. SIGINT goes to
all processes at once, as Ctrl-C sends it, SIGTERM to the first one alone, as a service manager does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from exostride.errors import DeviceError
from exostride.paths import launch_dir

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_RUNS_S: Final = 3.0
_PATIENCE_S: Final = 90.0
_READY: Final = "all nodes are active"


def _processes(session: int) -> list[int]:
    """Return the living processes of a session, in the sense of setsid(2)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def _wait_until_ready(log: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while _READY not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            raise DeviceError(f"the session did not start: {log.read_text(errors='replace')[-500:].strip()}")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[float, int]:
    """Return the time until all processes are gone [s], and how many had to be killed."""
    start = time.monotonic()
    if number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    while time.monotonic() - start < _PATIENCE_S:
        process.poll()
        if not _processes(process.pid):
            return time.monotonic() - start, 0
        time.sleep(0.02)
    left = _processes(process.pid)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return time.monotonic() - start, len(left)


def life(number: signal.Signals) -> dict[str, Any]:
    """Start a session, let it walk for a moment, end it by a signal; return times and exit code.

    Raises
    ------
    DeviceError
        The session did not start; the message has its last words.
    """
    with tempfile.TemporaryDirectory(prefix="exostride-bench-") as name:
        folder = Path(name)
        log = folder / "session.log"
        check = launch_dir().parent / "tools" / "bootstrap.sh"
        start = time.monotonic()
        if check.exists():
            subprocess.run(
                [check, "--check"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )
        arguments = ("session.launch.yaml", "view:=false", f"bag:={folder / 'bag'}")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "exostride.cli", "launch", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_ready(log, process)
            ready = time.monotonic() - start
            time.sleep(_RUNS_S)
        except BaseException:
            _end(process, signal.SIGTERM)
            raise
        ended, killed = _end(process, number)
        return {
            "signal": number.name,
            "start_s": round(ready, 2),
            "end_s": round(ended, 2),
            "killed": killed,
            "exit_code": process.wait(),
        }


def lines(lives: list[dict[str, Any]]) -> list[str]:
    """Return the lines that the command prints."""
    return [
        f"session: started in {one['start_s']:.1f} s, ended {one['end_s']:.1f} s after {one['signal']} "
        f"(exit code {one['exit_code']}, {one['killed']} processes killed)"
        for one in lives
    ]
