"""A small process that outlives the launcher just long enough to end what the launcher started.

The launcher writes the process groups it starts into a pipe. The pipe closes when the launcher ends in
whatever way, ``kill -9`` included. The kernel then sends SIGTERM to each process that was started through
:func:`die_with_parent`, and the guardian ends what does not heed it, children of the processes included.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
# Seconds after the launcher's end; all is over within five.
ESCALATION = ((signal.SIGTERM, 1.8), (signal.SIGKILL, 3.2))

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent ends; for use between fork and exec."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def group_alive(group: int) -> bool:
    """Tell whether a process group has a member that is not a zombie."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return any(_group_and_state(pid) == (group, False) for pid in _processes())


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a group that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _group_and_state(pid: int) -> tuple[int, bool] | None:
    """Return the group of a process and whether it is a zombie."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(after_name[2]), after_name[0] in "ZX"


class Guardian:
    """The launcher's end of the pipe."""

    def __init__(self, keep: int) -> None:
        """Fork the guardian; it keeps the descriptor ``keep`` open, the domain's lock, until it is done."""
        reading, self._writing = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.setsid()
                _close_all_but(reading, keep)
                _watch(reading)
            finally:
                os._exit(0)
        os.close(reading)

    def watch(self, group: int) -> None:
        """Have a process group ended with the launcher."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, f"+{group}\n".encode())

    def forget(self, group: int) -> None:
        """Leave alone a group that is gone, whose number may be given to others."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, f"-{group}\n".encode())

    def close(self) -> None:
        """End the guardian, and with it what it still watches."""
        os.close(self._writing)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _close_all_but(*keep: int) -> None:
    # Open pipes of the launcher would otherwise never report their end, nor a terminal be given back.
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(entry.name))


def _watch(reading: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    groups: set[int] = set()
    with os.fdopen(reading) as pipe:
        for line in pipe:
            (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    end_groups(groups)


def end_groups(groups: set[int]) -> None:
    """End process groups by ever stronger signals and return when they are gone or had SIGKILL."""
    start = time.monotonic()
    for index, (number, after) in enumerate(ESCALATION):
        while time.monotonic() - start < after and any(map(group_alive, groups)):
            time.sleep(0.02)
        groups = {group for group in groups if group_alive(group)}
        for group in groups:
            signal_group(group, number)
        if not groups or index == len(ESCALATION) - 1:
            return
