"""How long the safety kernel and the supervisor take for one tick.

A session of a virtual patient runs on the virtual clock with stop-watches around both: their caches are as
cold as in a control process, since the engine runs between two ticks. What went into them is kept and played
again to fresh ones in a loop that does nothing else, several times: the fastest of the runs of a tick is what
the code itself needs, undisturbed by whatever else the machine does. Both are timed by the wall clock
(``perf_counter``) and by the thread's CPU time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np

from exostride.bench.sim import one_core
from exostride.runtime.assembly.stack import StackConfig, safety_limits
from exostride.runtime.simulate import SimulationConfig, build
from exostride.safety.component import SafetyComponent
from exostride.safety.kernel import SafetyKernel

BOUND_US = 100.0
"""What a step of the kernel may take, 99 times in 100 [µs]."""
PLACES = ("in the graph", "alone", "undisturbed")
ROUNDS = 5
"""Times that the session is played again."""
Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass
class Timings:
    """Calls of one class' ``step``: their arguments, and the time each took [ns]."""

    calls: list[Call] = field(default_factory=list)
    wall_ns: list[int] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)

    @contextmanager
    def of(self, owner: type, keep: bool) -> Iterator[None]:
        """Time every step of every ``owner``; with ``keep``, keep its arguments."""
        inner: Callable[..., Any] = vars(owner)["step"]

        def timed(self_: Any, *arguments: Any, **more: Any) -> Any:
            if keep:
                self.calls.append((arguments, more))
            cpu, wall = thread_time_ns(), perf_counter_ns()
            result = inner(self_, *arguments, **more)
            self.wall_ns.append(perf_counter_ns() - wall)
            self.cpu_ns.append(thread_time_ns() - cpu)
            return result

        setattr(owner, "step", timed)  # noqa: B010 (mypy forbids the plain assignment)
        try:
            yield
        finally:
            setattr(owner, "step", inner)  # noqa: B010

    def row(self) -> dict[str, dict[str, float]]:
        """Return p50, p99 and maximum [µs] by either clock."""
        return {"wall": _percentiles(self.wall_ns), "cpu": _percentiles(self.cpu_ns)}


def _percentiles(ns: Iterable[int]) -> dict[str, float]:
    us = np.fromiter(ns, dtype=float) / 1e3
    return {
        "p50": float(np.percentile(us, 50)),
        "p99": float(np.percentile(us, 99)),
        "max": float(us.max()),
    }


def _session(seconds: float, patient: str) -> tuple[Timings, Timings]:
    """Run a session and return the steps of kernel and supervisor in it."""
    config = SimulationConfig(patient=patient, duration_s=seconds)
    graph = build(config)
    kernel, supervisor = Timings(), Timings()
    try:
        with kernel.of(SafetyKernel, keep=True), supervisor.of(SafetyComponent, keep=True):
            for seq in range(round(seconds * config.rate_hz)):
                graph.step(seq)
    finally:
        graph.close()
    return kernel, supervisor


def _again(make: Callable[[], Any], calls: list[Call]) -> tuple[Timings, Timings]:
    """Return the times of the same calls on fresh targets: of every run, and the fastest of each call."""
    every = Timings()
    for _ in range(ROUNDS):
        target = make()
        with every.of(type(target), keep=False):
            for arguments, more in calls:
                target.step(*arguments, **more)
    fastest = Timings()
    for best, times in ((fastest.wall_ns, every.wall_ns), (fastest.cpu_ns, every.cpu_ns)):
        best.extend(np.array(times).reshape(ROUNDS, -1).min(axis=0).tolist())
    return every, fastest


def kernel_timing(seconds: float = 30.0, patient: str = "hemiparetic_left_mild") -> dict[str, Any]:
    """Measure both steps and print them.

    Parameters
    ----------
    seconds
        Length of the session [s of control time]; it contains the self-test, standing and walking.
    patient
        Profile in ``config/patients``.

    Returns
    -------
    dict
        ``{"kernel" | "supervisor": {place: {"wall" | "cpu": {"p50", "p99", "max"}}}}`` [µs] for each of
        :data:`PLACES`, ``ticks``, ``bound_us``, and ``passed``: the kernel keeps the bound undisturbed.
    """
    stack = StackConfig(patient=patient)
    limits = safety_limits(stack)
    with one_core():
        kernel, supervisor = _session(seconds, patient)
        kernels = (kernel, *_again(lambda: SafetyKernel(limits, stack.period_s), kernel.calls))
        supervisors = (supervisor, *_again(lambda: SafetyComponent(limits, stack.period_s), supervisor.calls))
    ticks = len(kernel.calls)
    figures: dict[str, Any] = {
        "kernel": _by_place(kernels),
        "supervisor": _by_place(supervisors),
    }
    _print(figures, ticks)
    own = figures["kernel"]["undisturbed"]["wall"]["p99"]
    return {**figures, "ticks": ticks, "bound_us": BOUND_US, "passed": own <= BOUND_US}


def _by_place(timings: tuple[Timings, ...]) -> dict[str, Any]:
    return {place: timing.row() for place, timing in zip(PLACES, timings, strict=True)}


def _print(figures: dict[str, Any], ticks: int) -> None:
    print(f"One step over {ticks} ticks [µs]; bound of the kernel: p99 <= {BOUND_US:.0f} by either clock")
    print(f"{'step':<12}{'where':<14}{'clock':<7}{'p50':>8}{'p99':>8}{'max':>9}")
    for name, places in figures.items():
        for place, clocks in places.items():
            for clock, row in clocks.items():
                cells = f"{row['p50']:8.1f}{row['p99']:8.1f}{row['max']:9.1f}"
                print(f"{name:<12}{place:<14}{clock:<7}{cells}")
