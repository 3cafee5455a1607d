"""``exostride teach``: a walker's own path from recorded sessions, for the robot to lead along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import yaml

from exostride.analysis.loading import load_session
from exostride.analysis.walk import Walk
from exostride.conventions import SIDES, side_slice
from exostride.errors import InputError
from exostride.gait.consistent import WalkerFile, WalkerSpeed
from exostride.gait.teach import own_speed
from exostride.model.geometry import body_geometry


def learn(bag: Path, side: int) -> tuple[WalkerSpeed, float]:
    """Return a leg's own motion in a bag, and the leg's length [m].

    Raises
    ------
    InputError
        The bag lacks the body's measurements, joint angles or the belt, or holds too few strides.
    """
    session = load_session(bag)
    if session.body is None:
        raise InputError(f"{bag}: does not say how tall the walker is")
    if session.angle_rad is None:
        raise InputError(f"{bag}: holds no joint angles")
    walk = Walk(session)
    if walk.belt is None:
        raise InputError(f"{bag}: the belt did not move: a walker's own path needs its speed")
    leg, length = walk.legs[side], body_geometry(session.body).leg_length
    strides = list(zip(leg.start_s.tolist(), leg.toe_off_s.tolist(), leg.end_s.tolist(), strict=True))
    walked = np.zeros(len(session.time_s), dtype=bool)
    for start, _, end in strides:
        walked |= (session.time_s >= start) & (session.time_s < end)
    speed = float(np.median(walk.belt[walked])) if walked.any() else 0.0
    try:
        motion = own_speed(session.time_s, session.angle_rad[:, side_slice(side)], strides, speed, length)
    except InputError as error:
        raise InputError(f"{bag}: {error}") from None
    return motion, length


def teach(
    bags: Annotated[list[Path], typer.Argument(help="Bags of one walker, each at one speed.")],
    side: Annotated[str, typer.Option(help="Leg to learn from: left or right, the less affected one.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for `reference` of the controller.")],
) -> None:
    """Learn a walker's own path from recorded sessions."""
    if side not in SIDES:
        raise InputError(f"--side {side}: must be {' or '.join(SIDES)}")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.resolve().parent}")
    found = [learn(bag, SIDES.index(side)) for bag in bags]
    file = WalkerFile(
        made_by="exostride teach",
        side=side,
        leg_length_m=found[0][1],
        speeds=tuple(sorted((speed for speed, _ in found), key=lambda speed: speed.froude_speed)),
    )
    out.write_text(yaml.safe_dump(file.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    for speed in file.speeds:
        typer.echo(f"speed {speed.froude_speed:g} (Froude): {speed.strides} strides of the {side} leg")
    typer.echo(f"{out}: name it as `reference` in config/nodes/controller.yaml")
