"""``exostride bench sim``: how fast the virtual-clock runner is, and where its time goes.

The whole graph runs on one core, pinned. A tick's time is taken apart by stop-watches around the stages;
figures are medians over the ticks in which the patient stands or walks in the robot.

``times_real_time`` is by the wall clock, ``times_real_time_cpu`` by this process' CPU time; on a machine
with nothing else to do they agree.

* ``physics``: the engine's steps and the firmware of drives, belt and harness, which runs at their rate;
* ``patient``: senses and virtual patient, once a tick; ``sensors``: everything that makes a reading;
* ``phase``, ``control``, ``safety`` (supervisor and kernel): the graph's stages; ``other``: the rest.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns, process_time
from typing import Annotated, Any

import mujoco
import numpy as np
import typer

from exostride.conventions import CUFFS
from exostride.errors import InputError
from exostride.hardware.simulated import SimulatedDevice
from exostride.runtime.graph import Graph, Tick
from exostride.runtime.simulate import SimulationConfig, build

PARTS = ("physics", "patient", "sensors", "phase", "control", "safety", "other")
WARM_UP_TICKS = 200


class StopWatch:
    """Adds up the time spent in wrapped methods, tick by tick."""

    def __init__(self) -> None:
        self.ns: dict[str, int] = {}

    def wrap(self, owner: object, method: str, name: str) -> None:
        """Count the time that ``owner.method`` takes under ``name``."""
        inner: Callable[..., Any] = getattr(owner, method)
        self.ns.setdefault(name, 0)

        def counted(*arguments: Any, **more: Any) -> Any:
            start = perf_counter_ns()
            result = inner(*arguments, **more)
            self.ns[name] += perf_counter_ns() - start
            return result

        setattr(owner, method, counted)

    def take(self) -> dict[str, int]:
        """Return the times since the last call and start anew."""
        taken, self.ns = self.ns, dict.fromkeys(self.ns, 0)
        return taken


@contextmanager
def one_core() -> Iterator[None]:
    """Run on one core of this machine, without pauses of the garbage collector."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
        os.sched_setaffinity(0, cores)


def _device(graph: Graph) -> SimulatedDevice:
    device = graph.device
    if not isinstance(device, SimulatedDevice):
        raise InputError(f"bench sim: device {type(device).__name__} has no plant to look into")
    return device


class _Meter:
    """Takes a tick's time apart."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.plant = _device(graph).plant
        self.watch = StopWatch()
        self.watch.wrap(self.plant, "advance", "physics")
        self.watch.wrap(self.plant, "think", "patient")
        self.rows: list[list[float]] = []
        self.contacts: list[int] = []
        self._stages = dict(graph.stage_ns)
        self.last = perf_counter_ns()

    def __call__(self, tick: Tick) -> bool:
        now = perf_counter_ns()
        taken = self.watch.take()
        stages, before = dict(self._graph.stage_ns), self._stages
        spent = {name: stages[name] - before[name] for name in stages}
        kernel = spent["kernel_and_device"] - taken["physics"] - taken["patient"]
        parts = {
            **taken,
            "sensors": spent["read"],
            "phase": spent["phase"],
            "control": spent["control"],
            "safety": spent["safety"] + kernel,
        }
        whole = now - self.last
        parts["other"] = whole - sum(parts.values())
        self.rows.append([parts[name] / 1e3 for name in PARTS] + [whole / 1e3])
        self.contacts.append(int(self.plant.data.ncon))
        self._stages = stages
        self.last = perf_counter_ns()
        return True


def engine_us(meter: _Meter, steps: int = 2000) -> float:
    """Return the median time of a bare step of the engine from where the session ended [µs]."""
    model, data = meter.plant.world.model, meter.plant.data
    times = np.empty(steps)
    for i in range(steps):
        start = perf_counter_ns()
        mujoco.mj_step(model, data)
        times[i] = perf_counter_ns() - start
    return float(np.median(times)) / 1e3


def measure(config: SimulationConfig) -> dict[str, Any]:
    """Run one session and return its figures (see the module)."""
    graph = build(config)
    with one_core():
        meter = _Meter(graph)
        start = process_time()
        last = graph.run(config.ticks, meter)
        busy_s = process_time() - start
        rows = np.array(meter.rows)[min(WARM_UP_TICKS, len(meter.rows) // 2) :]
        engine = engine_us(meter)
    whole = rows[:, -1]
    medians = {name: float(np.median(rows[:, i])) for i, name in enumerate(PARTS)}
    medians["all_but_physics"] = float(np.median(whole - rows[:, 0]))
    world = meter.plant.world
    period_us = 1e6 / config.rate_hz
    result = {
        "times_real_time": round(period_us / float(whole.mean()), 2),
        "times_real_time_cpu": round(len(meter.rows) / config.rate_hz / busy_s, 2),
        "us_per_tick": {name: round(value, 1) for name, value in medians.items()},
        "nv": int(world.model.nv),
        "cuffs": len(CUFFS) if world.has_robot else 0,
        "contacts_mean": round(float(np.mean(meter.contacts)), 2),
        "us_per_engine_step": round(engine, 1),
        "physics_hz": round(1.0 / meter.plant.dt_s),
        "control_hz": config.rate_hz,
        "simulated_s": round(rows.shape[0] / config.rate_hz, 2),
        "steps": 0 if last is None else int(last.session.steps),
        "patient": config.patient,
    }
    graph.close()
    return result


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that the command prints."""
    yield (
        f"{result['times_real_time']:.1f} times real time on one core: {result['patient']}, "
        f"{result['steps']} steps in {result['simulated_s']:g} s, control {result['control_hz']} Hz, "
        f"physics {result['physics_hz']} Hz ({result['times_real_time_cpu']:.1f} times by CPU time, "
        "where other work on the machine does not count)"
    )
    yield (
        f"{result['nv']} degrees of freedom, {result['cuffs']} cuffs, {result['contacts_mean']:.1f} contacts "
        f"in the mean, {result['us_per_engine_step']:.0f} us a step of the engine alone"
    )
    yield "median us a tick: " + ", ".join(f"{k} {v:.0f}" for k, v in result["us_per_tick"].items())


def command(
    seconds: Annotated[float, typer.Option(help="Simulated time [s].", min=2.0)] = 60.0,
    patient: Annotated[str, typer.Option(help="Patient profile.")] = "hemiparetic_left_mild",
    rate: Annotated[int, typer.Option(help="Control rate [Hz].")] = 200,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Measure the speed of the virtual-clock runner with the full coupled model."""
    result = measure(SimulationConfig(patient=patient, duration_s=seconds, rate_hz=rate))
    for line in lines(result):
        typer.echo(line)
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
