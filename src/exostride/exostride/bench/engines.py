"""``exostride bench engines``: the same body, robot and torques in MuJoCo and in Gazebo.

*Without contact* (:mod:`exostride.bench.engines_free`) joints swing in the air. *With contact*
(:mod:`exostride.bench.engines_walk`) sessions run through the whole virtual-clock graph over both engines:
whole stances of both feet at full belt speed, and what the laws do for a foot that drops.

It is made of pieces of a minute or two. The file of figures is written after each; interrupted, or ended by
``--budget``, it goes on where it was, if neither the sources nor the configuration have changed meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from math import isfinite, nan
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from exostride.bench.control_grid import model_hash
from exostride.bench.engines_free import no_contact
from exostride.bench.engines_walk import ENGINES, Scene, compared, helped, walk
from exostride.errors import InputError

WALKS = ("hemiparetic_left_mild:impedance", "unimpaired:transparent")
ASSISTED = "foot_drop"
UNLOADING_PERCENT = 45.0
"""More than this patient needs: who is held up so far catches the toes without help."""
LAWS = ("transparent", "impedance", "foot_drop")
"""No help, the default law, and the law that does nothing but lift a foot that would drag."""
FREE = {"no_contact": 1e-4, "no_contact_1ms": 1e-3}
"""Physics steps [s] of the parts without contact."""
FREE_S = 2.0
_BENCH = ("engines_free.py", "engines_walk.py")


@dataclass
class Pieces:
    """Figures of the pieces that are done, kept in the file of figures.

    Attributes
    ----------
    file
        That file, if there is to be one.
    until_s
        When no further piece is begun, on the clock of :func:`time.perf_counter`.
    """

    file: Path | None
    until_s: float = float("inf")
    done: dict[str, Any] = field(default_factory=dict)
    whole: bool = True

    def __post_init__(self) -> None:
        """Take over what an earlier run of the same model has left."""
        here = Path(__file__)
        own = b"".join(here.with_name(name).read_bytes() for name in _BENCH)
        self.model = sha256(model_hash().encode() + own).hexdigest()[:16]
        if self.file is None or not self.file.is_file():
            return
        try:
            kept = json.loads(self.file.read_text(encoding="utf-8"))
            pieces = _numbers(dict(kept["pieces"]))
            self.done = pieces if kept["model"] == self.model else {}
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{self.file}: no figures of this command; choose another file") from None

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a piece, made now if it has not been; ``None`` if there is no time left."""
        if name not in self.done:
            if perf_counter() > self.until_s:
                self.whole = False
                return None
            self.done[name] = make()
            self.write({})
        return self.done[name]

    def write(self, figures: dict[str, Any]) -> None:
        """Write figures and pieces, whole or not at all."""
        if self.file is None:
            return
        whole = _plain({**figures, "model": self.model, "pieces": self.done})
        text = json.dumps(whole, indent=2, allow_nan=False) + "\n"
        part = self.file.with_name(f".{self.file.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(self.file)


def _plain(value: Any) -> Any:
    """Return a value with nothing in place of not-a-number, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _numbers(value: Any) -> Any:
    """Return a value with not-a-number in place of nothing."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return nan if value is None else value


def command(
    walks: Annotated[
        list[str] | None, typer.Option("--walk", help="PATIENT:CONTROLLER with contact; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of those sessions [s]; 0 leaves them out.")] = 40.0,
    assist: Annotated[
        str, typer.Option(help="Patient whose toe clearance is compared without and with help; empty: none.")
    ] = ASSISTED,
    speed: Annotated[
        float | None, typer.Option(help="Belt speed of that comparison [m/s]; default: the patient's own.")
    ] = None,
    unloading: Annotated[float, typer.Option(help="Unloading of that comparison [%].")] = UNLOADING_PERCENT,
    budget: Annotated[
        float, typer.Option(help="Begin nothing more after so many seconds; with --json, go on later.")
    ] = float("inf"),
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here; what it has already is kept.")
    ] = None,
) -> None:
    """Compare MuJoCo and Gazebo on the same model: without contact, walking, and helped."""
    with_contact = [_scene(text, seconds) for text in walks or WALKS] if seconds > 0.0 else []
    aided = [Scene(assist, law, seconds, speed, unloading) for law in LAWS] if with_contact and assist else []
    pieces = Pieces(json_file, perf_counter() + budget)
    figures: dict[str, Any] = {}
    for name, part, line in _parts(pieces, with_contact, aided):
        typer.echo(line)
        figures[name] = part
    pieces.write(figures)
    if not pieces.whole:
        typer.echo("the budget is used up; the same command goes on from here", err=True)


def _parts(
    pieces: Pieces, with_contact: list[Scene], aided: list[Scene]
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield name, figures and line of each part that is complete."""
    for name, timestep_s in FREE.items():
        free = pieces.get(name, partial(no_contact, timestep_s, FREE_S))
        if free is not None:
            yield name, free, _without_contact(free)
    done: list[dict[str, Any]] = []
    for scene in with_contact:
        both = {engine: _walked(pieces, engine, scene) for engine in ENGINES}
        if None not in both.values():
            done.append(compared(scene, both))
            keys = ("stance_time_difference_pct", "peak_force_difference_pct")
            worst = {key: max(part[key] for part in done) for key in keys}
            yield "contact", {**worst, "walks": list(done)}, _walking(done[-1])
    rows = {engine: [_walked(pieces, engine, scene) for scene in aided] for engine in ENGINES}
    if aided and not any(None in row for row in rows.values()):
        part = helped(aided, rows)
        yield "assistance", part, _helped(part)


def _walked(pieces: Pieces, engine: str, scene: Scene) -> Any:
    name = f"{engine}: {json.dumps(asdict(scene))}"
    return pieces.get(name, lambda: asdict(walk(engine, scene)))


def _scene(text: str, seconds: float) -> Scene:
    patient, colon, controller = text.partition(":")
    if not colon:
        raise InputError(f"--walk {text}: expected PATIENT:CONTROLLER, for example {WALKS[0]}")
    return Scene(patient, controller, seconds)


def _without_contact(part: dict[str, Any]) -> str:
    speed = part["times_real_time"]
    return (
        f"without contact, {part['timestep_s'] * 1e3:g} ms: joints differ by at most "
        f"{part['max_joint_error_rad']:.2e} rad ({part['worst_joint']}) over {part['seconds']:g} s, "
        f"every joint sweeping {part['least_sweep_deg']:.0f} degrees or more; "
        f"{speed['mujoco']:.2f} (MuJoCo) and {speed['gazebo']:.2f} (Gazebo) times real time"
    )


def _walking(part: dict[str, Any]) -> str:
    sides = [part[engine] for engine in ENGINES]
    return (
        f"walking, {part['patient']}, {part['controller']}, {part['seconds']:g} s: stance times differ by "
        f"{part['stance_time_difference_pct']:.1f} % ({_pair(sides, 'stance_time_s', '.2f')} s), peak ground "
        f"reactions by {part['peak_force_difference_pct']:.1f} % ({_pair(sides, 'peak_force_n', '.0f')} N), "
        f"{_pair(sides, 'stances', 'd')} stances; {_pair(sides, 'times_real_time', '.2f')} times real time"
    )


def _pair(sides: list[dict[str, Any]], key: str, form: str) -> str:
    return " and ".join(format(side[key], form) for side in sides)


def _helped(part: dict[str, Any]) -> str:
    lines = [
        f"left sole of {part['patient']} in mid-swing, {part['speed_m_s']:g} m/s, "
        f"{part['unloading_percent']:g} % unloaded:",
        f"  {'':8s}{'law':14s}{'median':>8s}{'raised':>8s}{'lowest':>8s} [mm]{'>= 5 mm':>10s}{'drag':>9s}",
    ]
    for engine in ENGINES:
        row = part[engine]
        for i, law in enumerate(part["controllers"]):
            lines.append(
                f"  {engine:8s}{law:14s}{row['clearance_mm'][i]:8.1f}{row['raised_mm'][i]:+8.1f}"
                f"{row['least_mm'][i]:8.1f}{'':5s}{row['clear_percent'][i]:8.0f} %"
                f"{row['drag_steps'][i]:5d} of {row['swings'][i]}" + ("" if row["upright"][i] else "   fell")
            )
    return "\n".join(lines)
