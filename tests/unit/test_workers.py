"""Jobs on several processes: all results, an end in time, and nobody left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from exostride.bench.workers import Found, spread


def _count(name: str, upto: int) -> Iterator[Found]:
    for number in range(upto):
        yield name, str(number), {"square": number * number}


def _never() -> bool:
    return False


def test_every_result_of_every_job_comes_once() -> None:
    jobs = [partial(_count, f"job{k}", 5 + k) for k in range(5)]
    found = [(group, key, value["square"]) for group, key, value in spread(jobs, 2, _never)]
    assert sorted(found) == sorted((f"job{k}", str(n), n * n) for k in range(5) for n in range(5 + k))


def _forks_and_sleeps(pids: Path) -> Iterator[Found]:
    child = os.fork()
    if child == 0:
        time.sleep(600.0)
        os._exit(0)
    pids.write_text(f"{os.getpid()} {child}")
    yield "began", "", {}
    time.sleep(600.0)


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_an_early_end_takes_processes_and_their_copies_along(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    began: list[str] = []
    for group, _, _ in spread([partial(_forks_and_sleeps, pids)], 1, lambda: bool(began)):
        began.append(group)
    assert began == ["began"]
    _gone(pids)


def _gone(pids: Path) -> None:
    """Wait for a worker and its copy to end."""
    worker, copy = map(int, pids.read_text().split())
    for _ in range(1000):
        if not _alive(worker) and not _alive(copy):
            break
        time.sleep(0.01)
    assert not _alive(worker) and not _alive(copy)


def test_so_does_being_terminated(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        for _ in spread([partial(_forks_and_sleeps, pids)], 1, _never):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10.0)
    _gone(pids)
    assert signal.getsignal(signal.SIGTERM) is before


def _fails() -> Iterator[Found]:
    yield "one", "", {}
    raise ValueError("no more")


def test_a_job_that_fails_is_no_silent_gap() -> None:
    with pytest.raises(RuntimeError, match="status 1"):
        list(spread([_fails], 1, _never))
