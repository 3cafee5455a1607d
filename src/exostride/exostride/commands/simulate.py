"""``exostride simulate``: one session on the virtual clock, in one process, without ROS."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from exostride.errors import ExitCode, InputError
from exostride.monitor.snapshot import Snapshot, Timing
from exostride.monitor.view import plain_line, render
from exostride.runtime.simulate import SimulationConfig, SimulationResult, Tick, run
from exostride.types import Action, Mode, Reason, SafetyState, SupervisorState

_REFRESH_S = 0.1
_PLAIN_EVERY_S = 5.0


class LiveObserver:
    """Feeds the live view from the runner's ticks; plain lines when the output is not a terminal."""

    def __init__(self, title: str, console: Console) -> None:
        self._snapshot = Snapshot(title=title, timing=Timing())
        self._console = console
        self._live: Live | None = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._shown = -1.0
        self._next_line = 0.0
        self._start = time.perf_counter()

    def __enter__(self) -> LiveObserver:
        """Open the view."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the view, leaving its last picture."""
        if self._live:
            self._live.stop()

    def __call__(self, tick: Tick) -> bool:
        """Take one tick; returns whether to go on."""
        s = self._snapshot
        for metrics in tick.metrics:
            s.put_metrics(metrics)
        # The picture is for eyes: the wall clock paces it, and it never touches the simulation.
        now = time.perf_counter()
        due = now - self._shown >= _REFRESH_S if self._live else tick.time_s >= self._next_line
        if not due:
            return True
        s.exo, s.environment, s.phase = tick.reading.exo, tick.reading.environment, tick.phase
        s.command, s.applied, s.safety, s.session = tick.command, tick.applied, tick.safety, tick.session
        assert s.timing is not None
        s.timing.times_real_time = tick.time_s / max(now - self._start, 1e-9)
        if self._live:
            self._live.update(render(s), refresh=True)
            self._shown = now
        else:
            print(plain_line(s), flush=True)
            self._next_line = tick.time_s + _PLAIN_EVERY_S
        return True


class FaultWitness:
    """Notes when injected faults begin and what the supervisor says next."""

    def __init__(self, period_s: float) -> None:
        self._period = period_s
        self._bits = 0
        self._began: dict[int, int] = {}
        self._reply: tuple[int, SafetyState] | None = None
        self._fallback: tuple[int, Mode] | None = None
        self._last: SafetyState | None = None

    def __call__(self, tick: Tick) -> bool:
        """Take one tick; always goes on."""
        truth = tick.reading.truth
        bits = truth.fault_bits if truth is not None else 0
        for place in range(64):
            if bits & ~self._bits & 1 << place:
                self._began.setdefault(place + 1, tick.seq)
        self._bits |= bits
        state, before = tick.safety, self._last
        worse = state is not None and state.action > (0 if before is None else before.action)
        if state is not None and self._began and self._reply is None and worse:
            self._reply = (tick.seq, state)
        if self._began and self._fallback is None and tick.applied.reason & Reason.FALLBACK:
            self._fallback = (tick.seq, Mode(tick.applied.mode))
        self._last = state
        return True

    def lines(self) -> Iterator[str]:
        """Yield what happened, one line a fault, then the first answer and where it ended."""
        for number, seq in self._began.items():
            yield f"fault F{number:02d} began at {seq * self._period:.3f} s"
        if not self._began:
            yield "no fault began: the walk never came to its gait state, or ended before its start"
            return
        first = min(self._began.values())
        if self._fallback is not None:
            seq, mode = self._fallback
            yield f"kernel on its own after {self._after(seq - first)}: {mode.name}"
        if self._reply is None:
            yield "the supervisor saw nothing"
        else:
            seq, state = self._reply
            faults = ", ".join(state.active_faults)
            word = f"{Action(state.action).name}, {faults}: {state.message}"
            yield f"supervisor after {self._after(seq - first)}: {word}"
        if self._last is not None:
            latched = "latched" if self._last.latched else "not latched"
            yield f"at the end: {SupervisorState(self._last.state).name}, {latched}: {self._last.message}"

    def _after(self, ticks: int) -> str:
        return f"{ticks} periods ({ticks * self._period * 1e3:.0f} ms)"


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def settings_overrides(items: list[str]) -> dict[str, Any]:
    """Return ``NAME=VALUE`` items as a mapping; comma-separated values become a list.

    Raises
    ------
    InputError
        An item has no ``=``.
    """
    result: dict[str, Any] = {}
    for item in items:
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise InputError(f"--set {item}: expected NAME=VALUE, for example --set belt_speed_m_s=0.4")
        parts = [_number(part.strip()) for part in value.split(",")]
        result[name.strip()] = parts if len(parts) > 1 else parts[0]
    return result


def _report(result: SimulationResult, console: Console) -> None:
    console.print(
        f"{result.steps} steps in {result.time_s:.1f} s of simulated time "
        f"({result.time_s / max(result.wall_s, 1e-9):.1f} times real time); "
        f"{result.session.message or 'session ended'}"
    )
    if result.bag:
        console.print(f"bag: {result.bag}", soft_wrap=True)


def simulate(
    patient: Annotated[
        str, typer.Option(help="Patient profile: a name in config/patients or a file.")
    ] = "hemiparetic_left_mild",
    robot: Annotated[str, typer.Option(help="exoskeleton, or none for the harness alone.")] = "exoskeleton",
    device: Annotated[str, typer.Option(help="Device by name.")] = "simulated",
    controller: Annotated[
        str, typer.Option(help="Assistance law by name; default: the protocol's, or impedance.")
    ] = "",
    estimator: Annotated[str, typer.Option(help="Gait-phase estimator by name.")] = "default",
    protocol: Annotated[
        Path | None, typer.Option(help="Therapy protocol (YAML) with settings and goal.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A therapy setting, NAME=VALUE; may be repeated.")
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(help="Longest simulated time [s]; default: 60, or the protocol's.", min=0.01),
    ] = None,
    steps: Annotated[int, typer.Option(help="Stop after this many steps; 0 for no step goal.", min=0)] = 0,
    rate: Annotated[int, typer.Option(help="Control rate [Hz].", min=100, max=500)] = 200,
    seed: Annotated[int, typer.Option(help="Seed of all noise.", min=0)] = 0,
    bag: Annotated[Path | None, typer.Option(help="Write the session to this bag (MCAP).")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Inject a fault, ID[@stance|swing|standing|any[:SIDE[:JOINT]]][,start=S][,duration=S]"
            "[,size=X][,kind=WORD], for example F22@swing:left:knee; may be repeated."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the last line.")] = False,
) -> None:
    """Run a session on the virtual clock: the same components as the ROS 2 graph, deterministic and fast."""
    config = SimulationConfig(
        device=device,
        patient=patient,
        robot=robot,
        controller=controller,
        estimator=estimator,
        protocol=protocol,
        overrides=settings_overrides(setting or []),
        duration_s=duration,
        goal_steps=steps,
        rate_hz=rate,
        seed=seed,
        bag=bag,
        faults=tuple(fault or []),
    )
    console = Console()
    witness = FaultWitness(1.0 / rate)
    if quiet:
        result = run(config, witness)
    else:
        title = " · ".join(filter(None, ("Exostride", patient, controller, "virtual clock")))
        with LiveObserver(title, console) as observer:
            result = run(config, lambda tick: witness(tick) and observer(tick))
    _report(result, console)
    for line in witness.lines() if fault else ():
        console.print(line, soft_wrap=True)
    if result.exit_code != ExitCode.OK:
        sys.exit(int(result.exit_code))
