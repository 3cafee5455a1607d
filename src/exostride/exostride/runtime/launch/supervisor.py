"""Start the processes of a plan, show what they say, and end all of them when it is time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TextIO

from exostride.errors import ExitCode
from exostride.runtime.launch import domain as domains
from exostride.runtime.launch.description import LaunchPlan, ProcessSpec
from exostride.runtime.launch.guardian import Guardian, die_with_parent, group_alive, signal_group
from exostride.runtime.launch.output import Output

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Timeouts:
    """Seconds of the way down.

    Attributes
    ----------
    reaction : float
        After a process has failed, the time that the others have to react to its loss before they are ended.
    terminate, kill : float
        From SIGINT to SIGTERM and to SIGKILL.
    """

    reaction: float = 1.5
    terminate: float = 1.8
    kill: float = 3.2


@dataclass
class _Running:
    spec: ProcessSpec
    popen: subprocess.Popen[bytes]
    code: int | None = None

    @property
    def group(self) -> int:
        return self.popen.pid


def describe_end(code: int) -> str:
    """Say in words how a process ended, from :attr:`subprocess.Popen.returncode`."""
    if code >= 0:
        return "ended" if code == 0 else f"failed with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def run(plan: LaunchPlan, timeouts: Timeouts | None = None, stream: TextIO | None = None) -> int:
    """Run a plan to its end and return the exit code for the shell.

    Parameters
    ----------
    plan : LaunchPlan
        What to start.
    timeouts : Timeouts, optional
        Times of the way down.
    stream : text file, optional
        Where the processes' lines go; standard output by default.

    Returns
    -------
    int
        0 when the processes ended of themselves without error; 130 and 143 after SIGINT and SIGTERM; the code
        of the process that failed first, or 1 if a signal killed it.

    Raises
    ------
    ExostrideError
        No ROS domain is to be had.

    Notes
    -----
    Handles signals and reaps children, so it belongs in the main thread.
    """
    domain = domains.acquire()
    guardian = Guardian(domain.descriptor)
    try:
        with Output(plan, stream or sys.stdout) as output:
            return _Supervisor(plan, timeouts or Timeouts(), output, guardian, domain.number).run()
    finally:
        guardian.close()
        domain.close()


class _Supervisor:
    def __init__(
        self, plan: LaunchPlan, timeouts: Timeouts, output: Output, guardian: Guardian, domain: int
    ) -> None:
        self.plan, self.timeouts, self.output, self.guardian = plan, timeouts, output, guardian
        self.env = {**os.environ, domains.VARIABLE: str(domain), "PYTHONUNBUFFERED": "1"}
        self.env.setdefault(domains.RANGE_VARIABLE, "LOCALHOST")
        self.running: list[_Running] = []
        self.selector = selectors.DefaultSelector()
        self.code: int = ExitCode.OK
        self.ended_by: str | None = None
        self.signals = 0
        self.end_at: float | None = None  # when the way down begins
        self.ending_since: float | None = None
        self.sent: signal.Signals | None = None

    # ------------------------------------------------------------------ the way up

    def run(self) -> int:
        with self._signals():
            try:
                self.output.note(f"ROS domain {self.env[domains.VARIABLE]}")
                for spec in self.plan.processes:
                    if self.end_at is None:
                        self._start(spec)
            except OSError as error:
                self.output.note(f"error: can't start {spec.name} ({spec.argv[0]}): {error.strerror}")
                self.code = ExitCode.FAILED
                self._end(now=True)
            while any(process.code is None for process in self.running):
                self._wait(self._until_next_step())
                self._reap()
                self._escalate()
            self._end_orphans()
            while self._wait(0.0):
                pass
        if self.code != ExitCode.OK:
            self.output.failed()
        elif self.ended_by is not None:
            self.output.finished(self.ended_by)
        return self.code

    def _start(self, spec: ProcessSpec) -> None:
        terminal = spec.terminal and self.output.has_terminal
        pipe = None if terminal else subprocess.PIPE
        # A group of its own: the terminal's Ctrl-C reaches the launcher alone, which decides on the order.
        popen = subprocess.Popen(
            spec.argv,
            env={**self.env, **spec.env},
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=None if terminal else subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent,  # noqa: PLW1509  safe: this process has no other thread
        )
        self.guardian.watch(popen.pid)
        self.running.append(_Running(spec, popen))
        self.output.note(f"{spec.name} started, process {popen.pid}")
        if popen.stdout is not None:
            os.set_blocking(popen.stdout.fileno(), False)
            self.selector.register(popen.stdout, selectors.EVENT_READ, spec.name)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn signals into wake-ups of the selector, so that all is done in one thread and one place."""
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.selector.register(reading, selectors.EVENT_READ, None)
        numbers = [*ENDING_SIGNALS, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            numbers.remove(signal.SIGHUP)  # started by nohup: to go on without a terminal
        before = [signal.signal(number, self._on_signal) for number in numbers]
        wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
            self.selector.close()
            os.close(reading)
            os.close(writing)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        self.signals += 1
        self.code = self.code or 128 + number
        self._end(now=True)

    # ------------------------------------------------------------------ while it runs

    def _wait(self, timeout: float | None) -> bool:
        """Pass on output until something happens or the time is over; tell whether there was any."""
        ready = self.selector.select(timeout)
        for key, _ in ready:
            data = _read(key.fd)
            if key.data is None:
                continue
            if data is not None:
                self.output.data(key.data, data)
            if data == b"":
                self.selector.unregister(key.fileobj)
        return bool(ready)

    def _until_next_step(self) -> float | None:
        now = time.monotonic()
        if self.ending_since is not None:
            return 0.05  # the way down is short
        return None if self.end_at is None else max(0.0, self.end_at - now)

    def _reap(self) -> None:
        for process in self.running:
            if process.code is None and process.popen.poll() is not None:
                process.code = process.popen.returncode
                self._on_exit(process, process.code)

    def _on_exit(self, process: _Running, code: int) -> None:
        if not group_alive(process.group):
            self.guardian.forget(process.group)
        if self.ending_since is not None and (code in (0, 130, 143) or -code in ENDING_SIGNALS):
            return  # as it was told
        self.output.note(f"{process.spec.name} {describe_end(code)}")
        if self.ending_since is not None:
            self.code = self.code or (code if code > 0 else ExitCode.FAILED)
            return
        # Where some process is the session, the loss of one that may be missed is told but fails nothing.
        decides = process.spec.ends_all or not any(other.spec.ends_all for other in self.running)
        if code != 0 and decides:
            self.code = self.code or (code if code > 0 else ExitCode.FAILED)
        if process.spec.ends_all:
            # After a failure the others get to notice the loss and bring the patient to rest.
            self.ended_by = self.ended_by or process.spec.name
            self._end(now=code == 0)

    # ------------------------------------------------------------------ the way down

    def _end(self, now: bool) -> None:
        at = time.monotonic() + (0.0 if now else self.timeouts.reaction)
        self.end_at = at if self.end_at is None else min(self.end_at, at)

    def _escalate(self) -> None:
        now = time.monotonic()
        if self.ending_since is None:
            if self.end_at is None or now < self.end_at:
                return
            self.ending_since = now
        age = now - self.ending_since
        # A second and a third Ctrl-C stand for impatience.
        if age >= self.timeouts.kill or self.signals >= 3:
            due = signal.SIGKILL
        elif age >= self.timeouts.terminate or self.signals == 2:
            due = signal.SIGTERM
        else:
            due = signal.SIGINT
        if due == self.sent:
            return
        self.sent = due
        for process in self.running:
            if process.code is None:
                if due == signal.SIGKILL:
                    self.output.note(f"{process.spec.name} does not end; killing it")
                signal_group(process.group, due)

    def _end_orphans(self) -> None:
        """End what the processes left behind in their groups."""
        for process in self.running:
            if group_alive(process.group):
                signal_group(process.group, signal.SIGKILL)
            self.guardian.forget(process.group)


def _read(descriptor: int) -> bytes | None:
    """Return what is there to read, ``b""`` at the end, ``None`` if there is nothing at the moment."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None
