"""The lines of the launched processes: prefixed on the terminal, or in files when one of them draws there."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import TextIO

from exostride.runtime.launch.description import LaunchPlan

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
LAUNCHER = "launch"
KEPT_LINES = 12  # shown at the end, when something failed
LAST_WORDS = 4  # shown at the end otherwise, of the process that ended the others


class Output:
    """Collects the processes' output by lines."""

    def __init__(self, plan: LaunchPlan, stream: TextIO) -> None:
        self.stream = stream
        tty = stream.isatty()
        self.has_terminal = tty and any(process.terminal for process in plan.processes)
        names = [LAUNCHER, *(process.name for process in plan.processes)]
        self.width = max(map(len, names))
        coloured = tty and "NO_COLOR" not in os.environ
        self.colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)} if coloured else {}
        self.partial: dict[str, bytes] = {}
        self.last: deque[tuple[str, str]] = deque(maxlen=KEPT_LINES)
        self.last_of = {name: deque[str](maxlen=LAST_WORDS) for name in names}
        self.folder = _log_folder() if self.has_terminal else None
        self.files: dict[str, TextIO] = {}

    def __enter__(self) -> Output:
        """Open the log files, if any are needed."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write out unfinished lines and close the files."""
        for name in list(self.partial):
            if self.partial[name]:
                self.data(name, b"\n")
        for file in self.files.values():
            file.close()

    def note(self, text: str) -> None:
        """Write a line of the launcher's own."""
        self._line(LAUNCHER, text)

    def data(self, name: str, data: bytes) -> None:
        """Take in what a process has written; whole lines are passed on."""
        *lines, rest = (self.partial.get(name, b"") + data).split(b"\n")
        self.partial[name] = rest
        for line in lines:
            self._line(name, line.decode(errors="replace").rstrip("\r"))

    def failed(self) -> None:
        """After a failure, show the last lines that went to files, and where the rest is."""
        if self.folder is None:
            return
        for name, text in self.last:
            self._write(name, text)
        self._write(LAUNCHER, f"the whole output is in {self.folder}")

    def finished(self, name: str) -> None:
        """Show the last words of the process that ended the others well: they may name what it has made."""
        if self.folder is not None:
            for text in self.last_of[name]:
                self._write(name, text)

    def _line(self, name: str, text: str) -> None:
        if self.folder is None:
            self._write(name, text)
            return
        if name not in self.files:
            self.files[name] = (self.folder / f"{name}.log").open("a", encoding="utf-8", buffering=1)
        self.files[name].write(text + "\n")
        self.last.append((name, text))
        self.last_of[name].append(text)

    def _write(self, name: str, text: str) -> None:
        head = f"[{name}]".ljust(self.width + 2)
        if name in self.colours:
            head = f"\x1b[{self.colours[name]}m{head}\x1b[0m"
        # A closed terminal or `| head` must not take the session down.
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(f"{head} {text}\n")
            self.stream.flush()


def _log_folder() -> Path:
    """Return where ROS 2 keeps logs, and in it a folder for this run."""
    home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
    base = Path(os.environ.get("ROS_LOG_DIR") or home / "log")
    return base / f"exostride-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
