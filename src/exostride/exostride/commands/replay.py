"""``exostride replay``: a recorded walker through the real ROS 2 graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exostride.exchange import load as load_recording
from exostride.paths import launch_dir
from exostride.runtime.launch.interpreter import load
from exostride.runtime.launch.supervisor import run


def replay(
    recording: Annotated[Path, typer.Argument(help="Recorded walk: CSV, OpenSim .mot or .sto, C3D.")],
    estimator: Annotated[str, typer.Option(help="Gait-phase estimator by name.")] = "default",
    rate: Annotated[int, typer.Option(help="Control rate [Hz].", min=100, max=500)] = 200,
    duration: Annotated[float, typer.Option(help="Longest time [s]; 0: the whole recording.", min=0.0)] = 0.0,
    bag: Annotated[str, typer.Option(help="Recording to write: a path, auto, or off.")] = "auto",
    paced: Annotated[bool, typer.Option("--paced", help="At the walker's own speed, not faster.")] = False,
    view: Annotated[bool, typer.Option(help="Live view in the terminal.")] = True,
) -> None:
    """Play a recorded walker through the six nodes: phase, events, metrics and bag are a human being's."""
    # Read once here, so that a damaged file is one line on the screen and not six nodes that end.
    load_recording(recording)
    arguments = {
        "recording": str(recording.resolve()),
        "estimator": estimator,
        "rate": str(rate),
        "duration": str(duration),
        "bag": bag,
        "lockstep": "false" if paced else "true",
        "view": "true" if view else "false",
    }
    raise typer.Exit(run(load(launch_dir() / "replay.launch.yaml", arguments)))
