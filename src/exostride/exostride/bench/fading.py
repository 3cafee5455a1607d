"""``exostride bench fading``: whether the help goes, stays and comes back as the patient needs it.

Three walks of each patient's body on the virtual clock, beside the same body unimpaired:

* *fades*: somebody unimpaired walks with the law; after how many strides is the mean level below 5 % of its
  start, and stays there for five strides?
* *settles*: the patient walks with the law, and in the transparent robot; how high do the feet clear the belt
  in mid-swing, in the median and in what part of the steps at least 5 mm? The same body unimpaired, in the
  transparent robot, is the measure.
* *comes back*: the unimpaired walker, whose help has faded, is given the patient's weakness from one step to
  the next; after how many strides has the level of the profile's weaker leg gone half its way to where it
  settles, and stays there for five strides? Help that settles no higher than what counts as faded, or hardly
  higher than it was, has not come back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray

from exostride import registry
from exostride.bench.control_cell import (
    FALLEN,
    Log,
    Strikes,
    become,
    clearances,
    profile_file,
    recovered,
)
from exostride.bench.control_grid import UNASSISTED, BenchConfig
from exostride.bench.control_rig import Rig, RigSetup
from exostride.config import load
from exostride.errors import InputError
from exostride.paths import config_dir
from exostride.patient.profile import PatientProfile, Side
from exostride.patient.profiles import load_profile
from exostride.types import Vector

FADED: Final = 0.05
CLEAR_MM: Final = 5.0
HIGH_MM: Final = 30.0
_LONGEST_S: Final = 4.0
"""Longest mean stride: who walks slower than that stands."""
_LAST: Final = 10
"""Strides at the end over which something is said to have settled."""
_STAYS: Final = 5
"""Strides for which a level must stay where it has come to."""
_LEAST_WAY: Final = 0.1
"""Part of the help with which the weak walker settles that must have come for help to be back."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk's record, and the stride of the left leg in which the patient changed (-1: never)."""

    log: Log
    changed: int

    @property
    def fell(self) -> bool:
        """Return whether the walker fell."""
        return self.log.fell

    def levels(self) -> Vector:
        """Return the mean level of each stride of the left leg and joint, shape (n, 6)."""
        level = np.array(self.log.level)
        rows = [level[s.start : s.end].mean(axis=0) for s in self.log.strides if s.side == 0]
        return np.array(rows).reshape(-1, 6)

    def clearance_mm(self) -> list[Vector]:
        """Return the least clearance of the last strides' swings, left and right."""
        return [values[-_LAST:] for values in clearances(self.log, self.log.strides)]


def walk(
    law: str,
    profile: PatientProfile,
    strides: int,
    config: BenchConfig,
    seed: int,
    then: PatientProfile | None = None,
    after: int = 0,
) -> Walk:
    """Let somebody walk ``strides`` strides; after ``after`` of them they become ``then``."""
    therapy = config.therapy(profile)
    settings = {
        "belt_speed_m_s": therapy.speed_m_s,
        "unloading_percent": therapy.unloading_percent,
        "assistance": config.start_level,
    }
    stand_s = 2.0 + therapy.unloading_percent / 10.0
    with profile_file(profile) as file:
        rig = Rig(RigSetup(law, file, seed, settings, stand_s=stand_s))
    floor = FALLEN * rig.device.plant.world.geometry.standing_height
    log, strikes, done, changed = Log(), Strikes(rig.period_s), 0, -1
    while done < strides and rig.seq * rig.period_s < stand_s + _LONGEST_S * strides:
        tick = rig.step()
        log.put(tick)
        if not tick.truth.pelvis_position_m[2] > floor:
            log.fell = True
            break
        new = strikes.step(len(log.load) - 1, log.load[-1])
        log.strides += new
        done += sum(stride.side == 0 for stride in new)
        if then is not None and changed < 0 and done >= after:
            changed = done
            become(rig, then, seed)
    rig.close()
    return Walk(log, changed)


def lasting(there: NDArray[np.bool_]) -> int | None:
    """Return in which stride (from 1) begins the first stay of five strides, None if there is none."""
    for k in range(len(there) - _STAYS + 1):
        if there[k : k + _STAYS].all():
            return k + 1
    return None


def weaker(profile: PatientProfile) -> int:
    """Return the leg of a profile (0 left, 1 right) that is impaired, of two the one with less strength.

    Legs that are as strong as each other are one and the same question: then it is the left.
    """
    legs = (profile.left, profile.right)
    impaired = [side for side, leg in enumerate(legs) if leg != Side()] or [0]
    return min(impaired, key=lambda side: sum(legs[side].strength.model_dump().values()))


def fading(law: str, profile: PatientProfile, strides: int, config: BenchConfig, seed: int) -> dict[str, Any]:
    """Return after how many strides the help of an unimpaired body has faded, and what is left of it."""
    done = walk(law, recovered(profile), strides, config, seed)
    level = done.levels().mean(axis=1)
    return {
        "fell": done.fell,
        "strides": len(level),
        "fade_strides": lasting(level < FADED * config.start_level),
        "level_left": float(level[-1] / config.start_level) if len(level) else None,
    }


def settling(
    law: str, profile: PatientProfile, strides: int, config: BenchConfig, seed: int
) -> dict[str, Any]:
    """Return each foot's clearance with the law, transparent, and of the same body unimpaired.

    What the law owes is the impaired feet's: ``off_mm`` is the largest difference of one of their medians to
    that of the same foot of the unimpaired body.
    """
    out: dict[str, Any] = {}
    walks = {
        "law": (law, profile),
        "transparent": (UNASSISTED, profile),
        "sound": (UNASSISTED, recovered(profile)),
    }
    for name, (chosen, who) in walks.items():
        done = walk(chosen, who, strides, config, seed)
        legs = done.clearance_mm()
        both = np.concatenate(legs)
        out[name] = {
            "fell": done.fell,
            "median_mm": [float(np.median(leg)) if len(leg) else None for leg in legs],
            "clear_percent": float(100.0 * np.mean(both >= CLEAR_MM)) if len(both) else None,
            "highest_mm": float(both.max()) if len(both) else None,
        }
    for result in out.values():
        result["off_mm"] = _off(result["median_mm"], out["sound"]["median_mm"], profile)
    return out


def _off(median: list[float | None], sound: list[float | None], profile: PatientProfile) -> float | None:
    """Return by how much the impaired foot that is further from its sound self differs from it."""
    off = [
        here - there
        for here, there, side in zip(median, sound, (profile.left, profile.right), strict=True)
        if side != Side() and here is not None and there is not None
    ]
    return max(off, key=abs, default=None)


def coming_back(
    law: str, profile: PatientProfile, after: int, config: BenchConfig, seed: int
) -> dict[str, Any]:
    """Return how many strides after a sudden weakening the help has gone half its way on the weaker leg.

    No number where it stays away: where the way is less than what counts as faded, or than a tenth of the
    help that this leg settles at.
    """
    done = walk(law, recovered(profile), after + 2 * _LAST, config, seed, profile, after)
    level = done.levels()
    if done.changed < 0 or len(level) < done.changed + _STAYS:
        return {"fell": done.fell, "strides": len(level), "back_strides": None}
    legs = level.reshape(-1, 2, 3).mean(axis=2)
    before, end = legs[done.changed - 1], legs[done.changed :][-_STAYS:].mean(axis=0)
    side = weaker(profile)
    way = float(end[side] - before[side])
    back = way >= max(FADED * config.start_level, _LEAST_WAY * float(end[side]))
    gone = lasting(legs[done.changed :, side] >= before[side] + 0.5 * way)
    return {
        "fell": done.fell,
        "strides": len(level),
        "before": float(before[side]),
        "settles_at": float(end[side]),
        "back_strides": gone if back else None,
    }


def _high(value: float | None) -> str:
    return f" (above {HIGH_MM:g})" if (value or 0.0) > HIGH_MM else ""


def _said(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the figures of one patient and seed as text."""
    who = f"{result['patient']} seed {result['seed']}"
    if "fades" in result:
        f = result["fades"]
        yield (
            f"{who}: unimpaired, below {100 * FADED:.0f} % of the start after {f['fade_strides'] or '-'} of "
            f"{f['strides']} strides, {_said(f['level_left'], 3)} left{', fell' if f['fell'] else ''}"
        )
    if "settles" in result:
        for name, s in result["settles"].items():
            left, right = s["median_mm"]
            yield (
                f"{who}: {name:11s} clearance left {_said(left)}, right {_said(right)} mm, impaired foot "
                f"{_said(s['off_mm'])} mm from its sound self, at least {CLEAR_MM:g} mm in "
                f"{_said(s['clear_percent'], 0)} % of steps, highest {_said(s['highest_mm'])} mm"
                f"{_high(s['highest_mm'])}{', fell' if s['fell'] else ''}"
            )
    if "comes_back" in result:
        c = result["comes_back"]
        yield (
            f"{who}: weakened, help back after {c['back_strides'] or '-'} strides, from "
            f"{_said(c.get('before'), 3)} to {_said(c.get('settles_at'), 3)}{', fell' if c['fell'] else ''}"
        )


def command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    law: Annotated[str, typer.Option(help="Assistance law by name.")] = "impedance",
    patients: Annotated[str, typer.Option(help="Profiles, by comma.")] = "hemiparetic_left_mild,foot_drop",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 1,
    strides: Annotated[int, typer.Option(min=20, help="Strides in which the help may fade.")] = 60,
    parts: Annotated[
        str, typer.Option(help="fades, settles, comes_back, by comma.")
    ] = "fades,settles,comes_back",
) -> None:
    """Show whether a law's help fades where it is not needed, stays where it is, and comes back."""
    registry.load(registry.CONTROLLERS, law)
    measures = {"fades": fading, "settles": settling, "comes_back": coming_back}
    chosen = [part.strip() for part in parts.split(",") if part.strip()]
    for part in chosen:
        if part not in measures:
            raise InputError(f"--parts {part}: must be one of {', '.join(measures)}")
    config = load(BenchConfig, config_dir() / "bench" / "control.yaml")
    results = []
    for patient in (name.strip() for name in patients.split(",") if name.strip()):
        profile = load_profile(patient)
        for seed in range(seeds):
            result: dict[str, Any] = {"patient": patient, "law": law, "seed": seed}
            for part in chosen:
                count = strides if part == "fades" else strides // 2
                result[part] = measures[part](law, profile, count, config, seed)
                for line in lines({"patient": patient, "seed": seed, part: result[part]}):
                    typer.echo(line)
            results.append(result)
    if json_file is not None:
        json_file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
