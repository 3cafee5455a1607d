"""Live terminal view of a session (rich), and one plain line for logs and pipes."""

from __future__ import annotations

import math

import numpy as np
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from exostride.conventions import JOINTS, LEFT, N_JOINTS, RIGHT, SIDES
from exostride.monitor.snapshot import Snapshot
from exostride.types import Action, GaitState, SessionPhase, StepMetrics, SupervisorState

_STATE_STYLE = {
    SupervisorState.IDLE: "white",
    SupervisorState.HOMING: "cyan",
    SupervisorState.STAND: "cyan",
    SupervisorState.TRAIN: "bold green",
    SupervisorState.STOPPING: "yellow",
    SupervisorState.SOFT_STOP: "bold yellow",
    SupervisorState.E_STOP: "bold white on red",
    SupervisorState.FAULT: "bold white on red",
}
_STANCE_THRESHOLD = 0.5


def _number(value: float, form: str, unit: str = "") -> str:
    """Return a formatted number, and a dash for one that is not known."""
    return f"{value:{form}}{unit}" if math.isfinite(value) else "–"


def _bar(share: float, width: int, style: str) -> Text:
    """Return a bar filled to ``share`` of ``width`` characters."""
    filled = round(min(max(share if math.isfinite(share) else 0.0, 0.0), 1.0) * width)
    return Text("█" * filled, style=style) + Text("░" * (width - filled), style="dim")


def _gauge(angle: float, reference: float, width: int = 31, low: float = -30.0, high: float = 75.0) -> Text:
    """Return a scale in degrees with the reference ``│`` and the measured angle ``●``."""
    text = Text("·" * width, style="dim")

    def place(value: float) -> int:
        return round(min(max((value - low) / (high - low), 0.0), 1.0) * (width - 1))

    cells = list("·" * width)
    if math.isfinite(reference):
        cells[place(reference)] = "│"
    if math.isfinite(angle):
        cells[place(angle)] = "●"
    text = Text("".join(cells), style="dim")
    if math.isfinite(reference):
        text.stylize("cyan", place(reference), place(reference) + 1)
    if math.isfinite(angle):
        text.stylize("bold green", place(angle), place(angle) + 1)
    return text


def _legs(snapshot: Snapshot) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    for head in ("leg", "gait cycle", "phase", "trust", "foot"):
        table.add_column(head, no_wrap=True)
    phase = snapshot.phase
    for side in (LEFT, RIGHT):
        if phase is None:
            table.add_row(SIDES[side], _bar(0.0, 30, "green"), "–", "–", "–")
            continue
        known = phase.confidence[side] > 0
        stance = phase.stance_probability[side] > _STANCE_THRESHOLD
        table.add_row(
            SIDES[side],
            _bar(float(phase.phase[side]) if known else 0.0, 30, "green" if stance else "magenta"),
            f"{100 * phase.phase[side]:3.0f} %" if known else "–",
            f"{100 * phase.confidence[side]:3.0f} %",
            "stance" if stance else "swing",
        )
    return table


def _joints(snapshot: Snapshot) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    table.add_column("joint", no_wrap=True)
    table.add_column("−30°  angle ● against reference │  75°", no_wrap=True)
    for head in ("angle", "error", "torque", "assistance", "own effort"):
        table.add_column(head, justify="right", no_wrap=True)
    exo, command, applied = snapshot.exo, snapshot.command, snapshot.applied
    nothing = np.full(N_JOINTS, np.nan)
    angle = np.degrees(exo.angle_rad) if exo else nothing
    reference = np.degrees(command.reference_rad) if command else nothing
    torque = applied.applied_mean_nm if applied else nothing
    level = command.assistance if command else nothing
    effort = command.contribution_percent if command else nothing
    for i, name in enumerate(JOINTS):
        table.add_row(
            name.replace("_", " "),
            _gauge(float(angle[i]), float(reference[i])),
            _number(float(angle[i]), "5.1f", "°"),
            _number(float(reference[i] - angle[i]), "+5.1f", "°"),
            _number(float(torque[i]), "+6.1f", " Nm"),
            _number(100 * float(level[i]), "3.0f", " %"),
            _number(float(effort[i]), "3.0f", " %"),
        )
    return table


def _strides(snapshot: Snapshot) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    for head in ("last stride", "time", "stance", "step", "knee range", "own effort h/k/a", "weight"):
        table.add_column(head, no_wrap=True)
    for side, metrics in ((LEFT, snapshot.left), (RIGHT, snapshot.right)):
        m = metrics or StepMetrics(0, 0.0, side, 0)
        efforts = "/".join(_number(float(c), ".0f") for c in m.contribution_percent)
        table.add_row(
            f"{SIDES[side]} {m.stride or ''}",
            _number(m.stride_time_s, ".2f", " s"),
            _number(m.stance_percent, ".0f", " %"),
            _number(100 * m.step_length_m, ".0f", " cm"),
            _number(float(np.degrees(m.range_rad[1])), ".0f", "°"),
            efforts,
            _number(m.weight_bearing_percent, ".0f", " %"),
        )
    return table


def safety_words(snapshot: Snapshot) -> str:
    """Return the supervisor's state in words: state, action, cause and reason."""
    safety = snapshot.safety
    if safety is None:
        return "safety: –"
    words = SupervisorState(safety.state).name.replace("_", " ")
    if safety.action != Action.NONE:
        words += f" · {Action(safety.action).name.replace('_', ' ').lower()}"
    if safety.cause:
        words += f" · {safety.cause}"
    if safety.message:
        words += f" · {safety.message}"
    return words


def _header(snapshot: Snapshot) -> Text:
    safety = snapshot.safety
    style = _STATE_STYLE[SupervisorState(safety.state)] if safety else "white"
    line = Text(" " + safety_words(snapshot) + " ", style=style)
    session = snapshot.session
    if session:
        goal = f" of {session.goal_steps}" if session.goal_steps else ""
        line += Text(
            f"   {SessionPhase(session.phase).name.lower()}   {session.steps}{goal} steps   "
            f"{session.distance_m:.1f} m   {session.walking_s:.0f} s"
        )
    environment = snapshot.environment
    if environment:
        line += Text(
            f"   belt {environment.belt_speed_m_s:.2f} m/s   unloading {environment.unloading_percent:.0f} %"
        )
    return line


def _footer(snapshot: Snapshot) -> Text:
    parts = []
    if snapshot.exo:
        parts.append(f"t = {snapshot.exo.time_s:.1f} s")
    if snapshot.phase:
        parts.append(f"gait: {GaitState(snapshot.phase.state).name.lower()}")
    timing = snapshot.timing
    if timing:
        parts.append(
            f"period p50 {_number(timing.period_p50_ms, '.2f')} p99 {_number(timing.period_p99_ms, '.2f')} ms"
            f", missed {timing.missed}"
        )
        if math.isfinite(timing.times_real_time):
            parts.append(f"{timing.times_real_time:.1f} × real time")
    recorder = snapshot.recorder
    if recorder and recorder.recording:
        parts.append(
            f"bag {recorder.bytes_written / 1e6:.1f} MB, {recorder.messages} messages, "
            f"{recorder.dropped} dropped"
        )
    return Text("   ".join(parts), style="dim")


def render(snapshot: Snapshot) -> RenderableType:
    """Return the whole view for one moment."""
    body = Group(
        _header(snapshot),
        Text(""),
        _legs(snapshot),
        Text(""),
        _joints(snapshot),
        Text(""),
        _strides(snapshot),
        Text(""),
        _footer(snapshot),
    )
    return Panel(body, title=snapshot.title, title_align="left", border_style="blue")


def plain_line(snapshot: Snapshot) -> str:
    """Return one line for a log: time, state, steps, phase, mean error, assistance."""
    parts = [f"t={snapshot.exo.time_s:7.2f}s" if snapshot.exo else "t=      –", safety_words(snapshot)]
    if snapshot.session:
        parts.append(f"steps {snapshot.session.steps}")
    if snapshot.environment:
        parts.append(f"belt {snapshot.environment.belt_speed_m_s:.2f} m/s")
    if snapshot.phase:
        parts.append("phase L/R " + "/".join(f"{100 * p:.0f}%" for p in snapshot.phase.phase))
    if snapshot.exo and snapshot.command:
        error = np.degrees(np.abs(snapshot.command.reference_rad - snapshot.exo.angle_rad))
        parts.append(f"error {np.nanmean(error):.1f}°")
        parts.append(f"assistance {100 * np.mean(snapshot.command.assistance):.0f}%")
    return "  ".join(parts)
