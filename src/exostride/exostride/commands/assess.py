"""``exostride assess``: tone, force and range of motion of a hanging patient, on the virtual clock."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exostride.analysis.registry import Group, ordered
from exostride.analysis.summary import Analysis, analyse
from exostride.conventions import JOINTS
from exostride.errors import ExitCode, InputError
from exostride.paths import config_dir
from exostride.runtime.protocol import make_plan
from exostride.runtime.simulate import SimulationConfig, Tick, run

_BEFORE_S = 10.0
"""Self-test and standing, before the protocol's own time."""


def assess(
    bag: Annotated[Path, typer.Option("--bag", "-o", help="Bag to write.")],
    patient: Annotated[
        str, typer.Option(help="Patient profile: a name in config/patients or a file.")
    ] = "hemiparetic_left_mild",
    protocol: Annotated[
        Path | None, typer.Option(help="Protocol (YAML); default: config/protocols/assessment.yaml.")
    ] = None,
    rate: Annotated[int, typer.Option(help="Control rate [Hz].", min=100, max=500)] = 200,
    seed: Annotated[int, typer.Option(help="Seed of all noise.", min=0)] = 0,
) -> None:
    """Run the robot's assessments through kernel and supervisor, and print what they found.

    With ROS 2 ``exostride launch session.launch.yaml protocol:=FILE`` runs the same protocol; the patient of
    the device has to let the legs hang.
    """
    if bag.exists():
        raise InputError(f"{bag}: exists already; give another --bag")
    file = protocol or config_dir() / "protocols" / "assessment.yaml"
    length = make_plan(file).duration_s + _BEFORE_S
    config = SimulationConfig(
        patient=patient,
        protocol=file,
        duration_s=length,
        rate_hz=rate,
        seed=seed,
        bag=bag,
        device_parameters={"instruction": "assess"},
    )
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("assessing", total=length)

        def watch(tick: Tick) -> None:
            if tick.seq % rate == 0:
                progress.update(task, completed=tick.time_s)

        result = run(config, watch)
    out = Console(width=None if sys.stdout.isatty() else 140)
    out.print(table(analyse(bag)))
    out.print(f"bag: {bag}", soft_wrap=True)
    if result.exit_code != ExitCode.OK:
        print(f"exostride: {result.session.message}", file=sys.stderr)
        sys.exit(int(result.exit_code))


def table(analysis: Analysis) -> Table:
    """Return what the assessments found, one line a figure, one column a joint."""
    out = Table("assessment", "unit", *(joint.replace("_", " ") for joint in JOINTS), title_justify="left")
    for metric in ordered():
        if metric.group != Group.ASSESSMENT:
            continue
        cells = []
        for joint in JOINTS:
            e = analysis.one(metric.name, joint)
            if not e.known:
                cells.append(f"[dim]{e.reason}[/dim]")
                continue
            margin = f" ± {e.margin:.{metric.decimals}f}" if math.isfinite(e.margin) else ""
            cells.append(f"{e.value:.{metric.decimals}f}{margin}")
        out.add_row(metric.title, metric.unit, *cells)
    return out
