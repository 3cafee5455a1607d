"""``exostride bench contribution``: the estimated against the true share of the work, part of a step by part.

Each patient walks with a law, in a robot whose friction is wrong by up to a fifth. Several estimates listen
to the same sensors: one knows the legs exactly, the others hold the mass, centre of mass and inertia of every
segment for up to a fifth more or less than it is. The true share is that of the true stance or swing, from
the ground's force on the foot; the estimate goes by its sensors, and is compared with what ends when its own
does. Printed are the part of all true shares for which there was an estimate at all, then of those the error
below which 95 % of all stances (or swings) stay, the part of them within the target, the mean error, and how
often the stated 95 % interval holds. The first strides, when walking begins, count like all others; those
before a fall do not.
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
from exostride.control.contribution import STANCE, SWING, ContributionMeter, Share
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
_CONTACT_N: Final = (30.0, 15.0)
"""True force of the ground at which a foot begins to stand, and below which it is lifted."""
_SAME_S: Final = 0.1
"""True and estimated stances (or swings) that end no further apart are the same one."""
_SEGMENTS: Final = 3
_EXACT: Final = "exact"


@dataclass(frozen=True, slots=True)
class Found:
    """One joint in one true stance or swing: estimated and true share with the stated uncertainty [%].

    The estimate is not a number where there was none.
    """

    time_s: float
    part: int
    joint: int
    percent: float
    true_percent: float
    sd_percent: float

    @property
    def told(self) -> bool:
        """Whether there was an estimate."""
        return bool(np.isfinite(self.percent) and np.isfinite(self.sd_percent))


class Contacts:
    """Which feet stand in truth, by the vertical force of the ground with a hysteresis."""

    def __init__(self) -> None:
        self._standing = [True, True]

    def step(self, ground_force_n: Vector) -> tuple[bool, bool]:
        """Return whether each foot stands; the force is (6,), x y z of each foot."""
        for side in (0, 1):
            limit = _CONTACT_N[1] if self._standing[side] else _CONTACT_N[0]
            self._standing[side] = ground_force_n.item(3 * side + 2) > limit
        return self._standing[0], self._standing[1]


class Pairs:
    """Finds to each true stance or swing the estimated one that ends with it.

    ``found`` has the joints of every true one, with an estimate that is not a number where none ended near.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[int, int], tuple[float, Vector, Vector]] = {}
        self._true: list[tuple[float, int, int, Vector]] = []
        self.found: list[Found] = []

    def told(self, time_s: float, side: int, part: int, share: Share) -> None:
        """Take an estimate whose stance or swing has ended."""
        self._told[side, part] = time_s, share.percent, share.sd_percent

    def true(self, time_s: float, side: int, part: int, percent: Vector) -> None:
        """Take a true share."""
        self._true.append((time_s, side, part, percent))

    def step(self, now_s: float) -> None:
        """Pair what can be paired, and give up what nothing has ended near to."""
        waiting = []
        for one in self._true:
            end_s, side, part, real = one
            seen = self._told.get((side, part))
            if seen is not None and abs(seen[0] - end_s) <= _SAME_S:
                self._put(one, seen[1], seen[2])
            elif now_s - end_s > _SAME_S:
                nothing = np.full(real.shape, np.nan)
                self._put(one, nothing, nothing)
            else:
                waiting.append(one)
        self._true = waiting

    def _put(self, true: tuple[float, int, int, Vector], percent: Vector, sd: Vector) -> None:
        end_s, side, part, real = true
        for joint in range(side_slice(side).start, side_slice(side).stop):
            if np.isfinite(real[joint]):
                share = float(percent[joint]), float(real[joint]), float(sd[joint])
                self.found.append(Found(end_s, part, joint, *share))


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
        self._contacts, self._pairs = Contacts(), Pairs()
        self._past: list[tuple[Vector, Vector, tuple[bool, bool], tuple[bool, bool]]] = []
        self._stood: tuple[bool, bool] | None = None

    @property
    def found(self) -> list[Found]:
        """All true shares so far, with their estimates."""
        return self._pairs.found

    def step(self, tick: RigTick) -> None:
        """Take one tick."""
        self._meter.step(tick.reading.exo)
        truth = tick.truth
        velocity = truth.patient_velocity_rad_s
        works = truth.patient_active_torque_nm * velocity, truth.cuff_torque_nm * velocity
        self._past.append((*works, self._contacts.step(truth.ground_force_n), self._meter.standing))
        if len(self._past) <= self._meter.delay_ticks:
            return
        patient, robot, contact, standing = self._past.pop(0)
        for side, was in enumerate(self._stood or standing):
            if was != standing[side]:
                part = STANCE if was else SWING
                self._pairs.told(tick.time_s, side, part, self._meter.shares[part])
        self._stood = standing
        for side, part in self._truth.step(patient[None], robot[None], contact):
            self._pairs.true(tick.time_s, side, part, self._truth.shares[part].percent)
        self._pairs.step(tick.time_s)


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
    """Return error, bias, share within the target and coverage of one part of the step.

    ``true`` counts the true shares, ``n`` those of them for which there was an estimate.
    """
    true = [f for f in found if f.part == _PARTS[part]]
    rows = [f for f in true if f.told]
    told = {"true": len(true), "told_percent": 100.0 * len(rows) / len(true)} if true else {"true": 0}
    if not rows:
        return {"n": 0, **told}
    error = np.array([f.percent - f.true_percent for f in rows])
    sd = np.array([f.sd_percent for f in rows])
    return {
        "n": len(rows),
        **told,
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
        if f["true"] and not f["n"]:
            yield f"{name:44s} {part:6s} none of {f['true']:.0f} shares told"
        elif f["n"]:
            yield (
                f"{name:44s} {part:6s} {f['n']:5.0f} shares, {f['told_percent']:5.1f} % of the true ones: "
                f"95 % within {f['error_95_points']:4.1f} points, "
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
        each = [f for f in (figures(found, part) for found in walks) if f["true"]]
        close, sure = ([f for f in each if f["n"] and key(f)] for key in (_close, _sure))
        yield (
            f"{part}: {whole['told_percent']:.1f} % of the true shares told; of those 95 % within {points:g} "
            f"points: {_yes(_close(whole))}, so in {len(close)} of {len(each)} walks; interval holds in "
            f"{_COVERAGE[0]:g} to {_COVERAGE[1]:g} %: {_yes(_sure(whole))}, so in {len(sure)} of {len(each)} "
            f"walks"
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
