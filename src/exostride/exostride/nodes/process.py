"""What every node process shares: start, event loop, signals, scheduling, and an end within bounds."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.signals import SignalHandlerOptions

from exostride.errors import ConfigError, ExitCode, ExostrideError

EXECUTOR_VARIABLE: Final = "EXOSTRIDE_EXECUTOR"
"""``events`` (the default) or ``single``: rclpy's own, kept for comparison by the benchmark."""
PATIENCE_VARIABLE: Final = "EXOSTRIDE_PATIENCE"
"""Factor on what lock-step waits for in wall time, for a machine that others use too; 1 by default."""
_PRIORITY: Final = 40
_LAST_RESORT_S: Final = 2.0
"""Longest time for taking a node apart before the process is ended regardless [s]."""


class Runnable(Protocol):
    """A node as the event loop sees it."""

    exit_code: int | None

    def poll(self, now_s: float) -> float:
        """Do what is due at ``now_s`` (monotonic) and return how long the loop may wait [s]."""

    def stop(self, code: ExitCode) -> None:
        """Begin to end, in good order; sets :attr:`exit_code` when done."""

    def close(self) -> None:
        """Let go of files and devices."""

    def destroy_node(self) -> None:
        """Take the node apart."""


def quiet_collector() -> None:
    """Keep garbage collection out of a control loop: freeze what is there, collect the young only.

    A full collection takes tens of milliseconds in a process this size; the loop makes no cycles, so
    reference counting frees what it uses.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


def real_time(enable: bool) -> str:
    """Ask for real-time scheduling of all threads of this process; return the mode in words.

    Children don't inherit it: a forked helper under a real-time scheduler could starve the machine.
    """
    if not enable:
        return "ordinary"
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(_PRIORITY))
    except (PermissionError, FileNotFoundError) as error:
        return f"ordinary ({error.strerror})"
    return f"SCHED_FIFO {_PRIORITY}"


def patience(lockstep: bool) -> float:
    """Return the factor on waits in wall time that the environment asks for; 1 when paced, where time counts.

    Raises
    ------
    ConfigError
        What the environment says is no number of at least 1.
    """
    text = os.environ.get(PATIENCE_VARIABLE, "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1.0 <= factor < math.inf:
        raise ConfigError(f"{PATIENCE_VARIABLE}={text}: must be a number of at least 1")
    return factor if lockstep else 1.0


def make_executor() -> Any:
    """Return the executor that the environment asks for."""
    if os.environ.get(EXECUTOR_VARIABLE, "events") == "single":
        return SingleThreadedExecutor()
    return EventsExecutor()


def _announce(message: str) -> None:
    print(f"error: {message}", file=sys.stderr, flush=True)


def _last_resort(code: int) -> threading.Timer:
    timer = threading.Timer(_LAST_RESORT_S, os._exit, args=(code,))
    timer.daemon = True
    timer.start()
    return timer


def _spin(node: Runnable, executor: Any, signals: list[int]) -> int:
    """Run the event loop until the node is done; return the exit code."""
    codes = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.OK}
    while node.exit_code is None:
        wait = node.poll(time.monotonic())
        if signals:
            node.stop(codes.get(signal.Signals(signals.pop()), ExitCode.INTERRUPTED))
            continue
        with contextlib.suppress(ExternalShutdownException):
            executor.spin_once(timeout_sec=max(wait, 0.0))
    return int(node.exit_code)


def run(make: Callable[[], Any], args: list[str] | None = None) -> int:
    """Run the node that ``make`` returns until it is done; return the process' exit code.

    Every :class:`~exostride.errors.ExostrideError` becomes one line on standard error and its code.
    """
    signals: list[int] = []
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    executor = make_executor()

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        signals.append(number)
        executor.wake()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    node, code = None, int(ExitCode.FAILED)
    try:
        node = make()
        executor.add_node(node)
        code = _spin(node, executor, signals)
    except ExostrideError as error:
        _announce(str(error))
        code = int(error.exit_code)
    finally:
        guard = _last_resort(code)
        if node is not None:
            node.close()
            executor.remove_node(node)
            node.destroy_node()
        rclpy.try_shutdown()
        guard.cancel()
    return code
