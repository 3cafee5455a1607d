"""Jobs that yield results one by one, on several processes, ended together whenever that is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from queue import Empty
from typing import Any, Final

Found = tuple[str, str, dict[str, Any]]
"""One result: its group, its key, its figures."""
Job = Callable[[], Iterable[Found]]

_LOOK_S: Final = 0.2


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _work(job: Job, found: Any) -> None:
    # A session of its own: whatever the job forks can be ended with it.
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for result in job():
        found.put(result)
    # The queue's thread must hand everything over before the process says it is done.
    found.close()
    found.join_thread()


def _terminated(*_: Any) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _end(process: Any) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()  # it had not come to have a session yet
    process.join()


def spread(jobs: Iterable[Job], workers: int, over: Callable[[], bool]) -> Iterator[Found]:
    """Yield the results of ``jobs`` as they come, from at most ``workers`` processes at a time.

    Jobs begin in their order. When ``over`` says so, the caller stops listening, or this process is asked to
    terminate, the processes are ended; what they had not yielded by then is lost.

    Raises
    ------
    RuntimeError
        A job's process failed.
    """
    context = get_context("fork")
    found: Any = context.Queue()
    waiting = iter(jobs)
    running: list[Any] = []
    # Left to itself, a terminated process would leave its workers behind.
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        while not over():
            running = [p for p in running if p.is_alive() or _ended(p)]
            while len(running) < workers and (job := next(waiting, None)) is not None:
                process = context.Process(target=_work, args=(job, found))
                process.start()
                running.append(process)
            if not running:
                break
            yield from _come(found)
        yield from _come(found, wait_s=0.0)
    finally:
        signal.signal(signal.SIGTERM, before)
        for process in running:
            _end(process)


def _ended(process: Any) -> bool:
    """Take note of a process that has ended; never true, so that it leaves the list."""
    process.join()
    if process.exitcode:
        raise RuntimeError(f"a process of the bench ended with status {process.exitcode}")
    return False


def _come(found: Any, wait_s: float = _LOOK_S) -> Iterator[Found]:
    """Yield what has come, waiting a little for the first."""
    try:
        yield found.get(timeout=wait_s) if wait_s else found.get_nowait()
        while True:
            yield found.get_nowait()
    except Empty:
        return
