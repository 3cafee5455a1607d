"""``exostride bench contribution``: the estimated against the true share of the work, part of a step by part.

Each patient walks with a law, in a robot whose friction is wrong by up to a fifth. Several estimates listen
to the same sensors: one knows the legs exactly, the others hold the mass, centre of mass and inertia of every
segment for up to a fifth more or less than it is. Printed are the error below which 95 % of all stances (or
swings) stay, the part of them within the target, the mean error, and how often the stated 95 % interval
holds. The first strides, when walking begins, count like all others; those before a fall do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from exostride import registry
from exostride.bench.control_grid import GUIDANCE
from exostride.bench.control_rig import Rig, RigSetup, RigTick
from exostride.control.contribution import STANCE, SWING, ContributionMeter
from exostride.control.effort import EffortMeter, EffortParameters
from exostride.conventions import JOINT_KINDS, side_slice
from exostride.model.dynamics import LegDynamics
from exostride.patient.profiles import load_profile
from exostride.runtime.assembly.control import control_context
from exostride.runtime.assembly.stack import StackConfig
from exostride.types import Vector

WRONG: Final = 0.2
"""Largest relative error of segments and friction."""
TARGET_POINTS: Final = {"stance": 10.0, "swing": 7.0}
_MOST_PERCENT: Final = 95.0
_COVERAGE: Final = (90.0, 99.0)
"""How often a 95 % interval should hold [%]."""
_PARTS: Final = {"stance": STANCE, "swing": SWING}
_LEVEL: Final = 0.3
_FALLEN: Final = 0.75
_BEFORE_FALL_S: Final = 5.0
_SEGMENTS: Final = 3
_EXACT: Final = "exact"


@dataclass(frozen=True, slots=True)
class Found:
    """One joint in one stance or swing: estimated and true share with the stated uncertainty [%]."""

    time_s: float
    part: int
    joint: int
    percent: float
    true_percent: float
    sd_percent: float


class ShareCheck:
    """Listens to a walk and compares estimated with true shares, whenever a stance or a swing ends.

    Parameters
    ----------
    patient
        Profile by name or file.
    period_s
        Control period [s].
    seed
        Draws the errors of the segments; ``None``: the legs are known exactly.
    """

    def __init__(self, patient: str, period_s: float, seed: int | None) -> None:
        context = replace(control_context(StackConfig(patient=patient)), period_s=period_s)
        p = EffortParameters()
        dynamics = LegDynamics("patient", context.body)
        if seed is not None:
            draw = np.random.default_rng([seed, 4]).uniform(1.0 - WRONG, 1.0 + WRONG, (3, _SEGMENTS))
            # Both legs are the same person's.
            dynamics.scale_segments(*np.tile(draw, 2))
        self._meter = EffortMeter(context, p, dynamics)
        self._truth = ContributionMeter(period_s, 0, p.least_work_j_kg * context.body_mass_kg, 0.0)
        self._past: list[tuple[Vector, Vector, tuple[bool, bool]]] = []
        self.found: list[Found] = []

    def step(self, tick: RigTick) -> None:
        """Take one tick."""
        self._meter.step(tick.reading.exo)
        truth = tick.truth
        velocity = truth.patient_velocity_rad_s
        works = truth.patient_active_torque_nm * velocity, truth.cuff_torque_nm * velocity
        self._past.append((*works, self._meter.standing))
        if len(self._past) <= self._meter.delay_ticks:
            return
        patient, robot, standing = self._past.pop(0)
        for side, part in self._truth.step(patient[None], robot[None], standing):
            seen, real = self._meter.shares[part], self._truth.shares[part]
            for joint in range(side_slice(side).start, side_slice(side).stop):
                share = float(seen.percent[joint]), float(real.percent[joint]), float(seen.sd_percent[joint])
                if np.isfinite(share).all():
                    self.found.append(Found(tick.time_s, part, joint, *share))


def walk(law: str, patient: str, seed: int, seconds: float, estimates: int) -> dict[str, list[Found]]:
    """Let a patient walk at their own speed and unloading; return what each estimate found.

    ``exact`` is the estimate that knows the legs, the others are numbered.
    """
    therapy = load_profile(patient).therapy
    settings = {
        "belt_speed_m_s": therapy.speed_m_s,
        "unloading_percent": therapy.unloading_percent,
        "assistance": _LEVEL,
    }
    stand_s = 2.0 + therapy.unloading_percent / 10.0
    rig = Rig(RigSetup(law, patient, seed, settings, stand_s=stand_s))
    _rub(rig, 1.0 + WRONG * float(np.random.default_rng([seed, 5]).choice([-1.0, 1.0])))
    floor = _FALLEN * rig.device.plant.world.geometry.standing_height
    checks = {_EXACT: ShareCheck(patient, rig.period_s, None)}
    checks |= {str(k): ShareCheck(patient, rig.period_s, 100 * seed + k) for k in range(estimates)}
    upright_s = float("inf")
    for _ in range(round((stand_s + seconds) / rig.period_s)):
        tick = rig.step()
        if not tick.truth.pelvis_position_m[2] > floor:
            upright_s = tick.time_s - _BEFORE_FALL_S
            break
        for check in checks.values():
            check.step(tick)
    rig.close()
    return {name: [f for f in check.found if f.time_s < upright_s] for name, check in checks.items()}


def _rub(rig: Rig, factor: float) -> None:
    """Change Coulomb and viscous friction of the robot's joints."""
    world = rig.device.plant.world
    for values in (world.model.dof_frictionloss, world.model.dof_damping):
        values[world.exo_v] *= factor


def figures(found: Sequence[Found], part: str) -> dict[str, float]:
    """Return error, bias, share within the target and coverage of one part of the step."""
    rows = [f for f in found if f.part == _PARTS[part]]
    if not rows:
        return {"n": 0}
    error = np.array([f.percent - f.true_percent for f in rows])
    sd = np.array([f.sd_percent for f in rows])
    return {
        "n": len(rows),
        "error_95_points": float(np.percentile(np.abs(error), 95)),
        "bias_points": float(error.mean()),
        "within_percent": float(100.0 * np.mean(np.abs(error) <= TARGET_POINTS[part])),
        "coverage_percent": float(100.0 * np.mean(np.abs(error) <= 1.96 * sd)),
        "sd_points": float(np.sqrt(np.mean(sd * sd))),
    }


def lines(name: str, found: Sequence[Found]) -> Iterator[str]:
    """Yield the figures of stance and swing as text."""
    for part in _PARTS:
        f = figures(found, part)
        if f["n"]:
            yield (
                f"{name:44s} {part:6s} {f['n']:5.0f} shares: 95 % within {f['error_95_points']:4.1f} points, "
                f"{f['within_percent']:5.1f} % within {TARGET_POINTS[part]:g}, bias {f['bias_points']:+.1f}, "
                f"95 % interval holds in {f['coverage_percent']:5.1f} %"
            )


def verdict(walks: Sequence[Sequence[Found]]) -> Iterator[str]:
    """Yield for stance and swing whether the target holds, over all walks together and in each of them."""
    everything = [f for found in walks for f in found]
    for part, points in TARGET_POINTS.items():
        whole = figures(everything, part)
        if not whole["n"]:
            continue
        told = [f for f in (figures(found, part) for found in walks) if f["n"]]
        close, sure = ([f for f in told if key(f)] for key in (_close, _sure))
        yield (
            f"{part}: 95 % of the shares within {points:g} points: {_yes(_close(whole))}, so in {len(close)} "
            f"of {len(told)} walks; interval holds in {_COVERAGE[0]:g} to {_COVERAGE[1]:g} %: "
            f"{_yes(_sure(whole))}, so in {len(sure)} of {len(told)} walks"
        )


def _close(f: dict[str, float]) -> bool:
    return f["within_percent"] >= _MOST_PERCENT


def _sure(f: dict[str, float]) -> bool:
    return _COVERAGE[0] <= f["coverage_percent"] <= _COVERAGE[1]


def _yes(held: bool) -> str:
    return "yes" if held else "no"


def by_joint(found: Sequence[Found]) -> Iterator[tuple[str, list[Found]]]:
    """Yield the joints' names and what was found there, both sides together."""
    for k, kind in enumerate(JOINT_KINDS):
        yield kind, [f for f in found if f.joint % len(JOINT_KINDS) == k]


def command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    patients: Annotated[
        str, typer.Option(help="Profiles, by comma.")
    ] = "unimpaired,hemiparetic_left_mild,hemiparetic_left_severe,hemiparetic_right_severe,foot_drop,"
    "paraparetic,spastic",
    laws: Annotated[str, typer.Option(help="Assistance laws, by comma.")] = f"impedance,{GUIDANCE}",
    seeds: Annotated[int, typer.Option(min=1, help="Walks of each patient with each law.")] = 1,
    seconds: Annotated[float, typer.Option(min=5.0, help="Length of a walk.")] = 25.0,
    estimates: Annotated[int, typer.Option(min=0, help="Estimates with wrong segments.")] = 4,
) -> None:
    """Compare the estimated with the true share of the patient in the work."""
    chosen = [law.strip() for law in laws.split(",") if law.strip()]
    for law in chosen:
        registry.load(registry.CONTROLLERS, law)
    everything: dict[str, list[Found]] = {_EXACT: [], "wrong": []}
    rows: list[dict[str, Any]] = []
    walks: list[list[Found]] = []
    for patient in (name.strip() for name in patients.split(",") if name.strip()):
        for law in chosen:
            for seed in range(seeds):
                found = walk(law, patient, seed, seconds, estimates)
                wrong = [f for name, some in found.items() if name != _EXACT for f in some]
                everything[_EXACT] += found[_EXACT]
                everything["wrong"] += wrong
                walks.append(wrong or found[_EXACT])
                for knows, some in ((_EXACT, found[_EXACT]), ("wrong", wrong)):
                    named = {"patient": patient, "law": law, "seed": seed, "segments": knows}
                    rows.append({**named, **{part: figures(some, part) for part in _PARTS}})
                for line in lines(f"{patient} {law} seed {seed}", wrong or found[_EXACT]):
                    typer.echo(line)
    for knows, some in everything.items():
        for kind, of_joint in by_joint(some):
            for line in lines(f"all, segments {knows}, {kind}", of_joint):
                typer.echo(line)
        for line in lines(f"all, segments {knows}", some):
            typer.echo(line)
    for line in verdict(walks):
        typer.echo(line)
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
