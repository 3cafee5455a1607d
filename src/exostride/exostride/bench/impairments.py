"""What every patient's impairment does to their gait: ``exostride bench impairments``.

Each profile walks in the transparent exoskeleton at the speed and unloading of its file, several seeds, from
standing; beside it an unimpaired body of the same size does the same. What a gait laboratory would notice is
taken side by side: knee flexion and toe clearance in swing, steps that drag, stance and step times, falls.

A foot that drags touches the ground in the middle of its swing, so strides are not cut at contacts alone:
swing is where the patient's own rhythm has it, and a contact is a heel strike only near its beginning.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray

from exostride.analysis.walking import TOUCH_N_KG, heel_strikes
from exostride.bench.transparent_drive import TransparentDrive
from exostride.bench.treadmill_run import TreadmillRun, Walk
from exostride.conventions import SIDES
from exostride.errors import InputError
from exostride.patient.profile import PatientProfile
from exostride.patient.profiles import load_profile, make_patient, patient_names
from exostride.plant.config import load_plant_config
from exostride.plant.plant import Plant
from exostride.types import Vector

PERIOD_S: Final = 0.005
STAND_S: Final = 3.0
ACCELERATION_M_S2: Final = 0.1
SETTLING_S: Final = 4.0
"""Not judged after the belt has its speed."""
DRAG_MM: Final = 1.0
"""A sole closer to the belt than this in mid-swing drags."""
_MID_SWING: Final = (0.25, 0.80)
_NEAR_STRIKE: Final = 0.2


@dataclass(frozen=True)
class Gait:
    """What a walk shows, left and right.

    Attributes
    ----------
    knee_deg
        Peak knee flexion in swing, median over strides.
    clearance_mm, least_clearance_mm
        Lowest point of the sole in mid-swing: median over strides, and the least.
    drag_percent
        Part of strides whose sole comes closer than :data:`DRAG_MM`.
    stance_percent
        Part of the cycle with the foot loaded.
    step_s
        Time from the other foot's strike to this one's.
    """

    knee_deg: tuple[float, float]
    clearance_mm: tuple[float, float]
    least_clearance_mm: tuple[float, float]
    drag_percent: tuple[float, float]
    stance_percent: tuple[float, float]
    step_s: tuple[float, float]

    @property
    def stance_asymmetry_percent(self) -> float:
        """Symmetry index of stance (Robinson, Herzog & Nigg 1987), 0: alike."""
        return asymmetry(self.stance_percent)

    @property
    def step_asymmetry_percent(self) -> float:
        """Symmetry index of step time."""
        return asymmetry(self.step_s)


def asymmetry(pair: Sequence[float]) -> float:
    """Return |L - R| in % of the mean."""
    left, right = pair
    return 200.0 * abs(left - right) / (left + right)


def unimpaired_of(profile: PatientProfile) -> PatientProfile:
    """Return an unimpaired person with the same body, at the same therapy."""
    return PatientProfile(
        name="unimpaired body", description=profile.description, body=profile.body, therapy=profile.therapy
    )


def walk_in_robot(profile: PatientProfile, seed: int, seconds: float) -> tuple[Walk, TreadmillRun]:
    """Stand up, start, and walk ``seconds`` at the profile's own speed and unloading, unassisted."""
    patient = make_patient(profile, PERIOD_S, seed)
    run = TreadmillRun(Plant(load_plant_config(), profile.body, patient, "exoskeleton"), patient, slip=False)
    run.drive_with(TransparentDrive(profile.body, PERIOD_S))
    speed, unloading = profile.therapy.speed_m_s, profile.therapy.unloading_percent
    if run.run(STAND_S, 0.0, unloading_percent=unloading):
        run.run(speed / ACCELERATION_M_S2 + SETTLING_S + seconds, speed, ACCELERATION_M_S2, unloading)
    return run.walk(), run


def gait_of(walk: Walk, mass_kg: float, stance_fraction: float, from_s: float) -> Gait | None:
    """Return what the walk shows from a time on; ``None`` if either leg made less than two strides."""
    sides = [_leg(walk, leg, mass_kg, stance_fraction, from_s) for leg in (0, 1)]
    if any(side is None for side in sides):
        return None
    strikes = [_strikes(walk, leg, mass_kg, from_s) for leg in (0, 1)]
    steps = [_step_time(strikes[1 - leg], strikes[leg]) for leg in (0, 1)]
    left, right = (side for side in sides if side is not None)
    pairs = {name: (left[name], right[name]) for name in left}
    return Gait(**pairs, step_s=(steps[0], steps[1]))


def _leg(
    walk: Walk, leg: int, mass_kg: float, stance_fraction: float, from_s: float
) -> dict[str, float] | None:
    """Return one leg's figures over its whole cycles."""
    rows = walk["time"] >= from_s
    phase = walk["phase"][rows, leg]
    knee = np.degrees(walk["angle"][rows, 4 * leg + 2])
    height = 1e3 * walk["clearance"][rows, leg]
    loaded = walk["ground_force"][rows, 3 * leg + 2] > TOUCH_N_KG * mass_kg
    starts = np.flatnonzero(np.diff(phase) < -0.5) + 1
    swing = 1.0 - stance_fraction
    low, high = (stance_fraction + part * swing for part in _MID_SWING)
    peaks, least, stance = [], [], []
    for a, b in pairwise(starts):
        cycle = phase[a:b]
        middle = (cycle >= low) & (cycle <= high)
        late = cycle >= stance_fraction
        if middle.any():
            peaks.append(float(knee[a:b][late].max()))
            least.append(float(height[a:b][middle].min()))
            stance.append(100.0 * float(loaded[a:b].mean()))
    if len(peaks) < 2:
        return None
    return {
        "knee_deg": float(np.median(peaks)),
        "clearance_mm": float(np.median(least)),
        "least_clearance_mm": min(least),
        "drag_percent": 100.0 * float(np.mean(np.array(least) < DRAG_MM)),
        "stance_percent": float(np.mean(stance)),
    }


def _strikes(walk: Walk, leg: int, mass_kg: float, from_s: float) -> Vector:
    """Return the heel strikes of a leg: touches near the beginning of its cycle."""
    time, phase = walk["time"], walk["phase"][:, leg]
    touch, _ = heel_strikes(time, walk["ground_force"][:, 3 * leg + 2] / mass_kg)
    at = phase[np.searchsorted(time, touch).clip(0, len(time) - 1)] if len(touch) else np.zeros(0)
    near = np.abs((at + 0.5) % 1.0 - 0.5) < _NEAR_STRIKE
    kept = touch[near & (touch >= from_s)] if len(touch) else touch
    return np.asarray(kept[np.diff(kept, prepend=-np.inf) > 0.5], dtype=np.float64)


def _step_time(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the mean time from a strike of one foot to the next of the other."""
    times = []
    for strike in after:
        earlier = before[before < strike]
        if len(earlier) and strike - earlier[-1] < 2.5:
            times.append(strike - earlier[-1])
    return float(np.mean(times)) if times else float("nan")


def measured_from(profile: PatientProfile) -> float:
    """Return when the judged part of a walk begins [s]."""
    return STAND_S + profile.therapy.speed_m_s / ACCELERATION_M_S2 + SETTLING_S


def figures(profile: PatientProfile, seed: int, seconds: float) -> dict[str, Any]:
    """Return the figures of one walk."""
    walk, run = walk_in_robot(profile, seed, seconds)
    plan, speed = run.patient.plan, profile.therapy.speed_m_s
    place = plan.bracket(speed / run.patient.froude_m_s)[0]
    gait = gait_of(walk, profile.body.mass_kg, float(plan.stance_fraction[place]), measured_from(profile))
    out: dict[str, Any] = {"seed": seed, "fell": walk.fell, "seconds": round(float(walk["time"][-1]), 1)}
    if gait is None or walk.fell:
        return out
    for field in fields(gait):
        pair = getattr(gait, field.name)
        out[field.name] = {side: round(x, 2) for side, x in zip(SIDES, pair, strict=True)}
    out["stance_asymmetry_percent"] = round(gait.stance_asymmetry_percent, 1)
    out["step_asymmetry_percent"] = round(gait.step_asymmetry_percent, 1)
    return out


def line(title: str, entry: dict[str, Any]) -> str:
    """Return one line of the terminal's table."""
    if "knee_deg" not in entry:
        what = "FELL" if entry["fell"] else "hardly walked"
        return f"{title}  {what} after {entry['seconds']} s"

    def pair(name: str, form: str) -> str:
        return " | ".join(format(entry[name][side], form) for side in SIDES)

    return "  ".join(
        [
            title,
            f"knee {pair('knee_deg', '4.1f')} deg",
            f"clearance {pair('clearance_mm', '5.1f')} mm",
            f"drag {pair('drag_percent', '3.0f')} %",
            f"stance {pair('stance_percent', '4.1f')} %",
            f"asymmetry stance {entry['stance_asymmetry_percent']:4.1f} step "
            f"{entry['step_asymmetry_percent']:4.1f} %",
        ]
    )


def command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    patients: Annotated[str, typer.Option(help="Profiles by comma; all if absent.")] = "",
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Walks of each profile.")] = 3,
    seconds: Annotated[float, typer.Option(help="Judged part of each walk [s].")] = 20.0,
) -> None:
    """Show what each impairment does to the gait, left | right, beside a sound body of the same size."""
    if not 5.0 <= seconds <= 600.0:
        raise InputError(f"--seconds {seconds:g}: must lie between 5 and 600")
    names = [part.strip() for part in patients.split(",") if part.strip()] or patient_names()
    profiles = [load_profile(name) for name in names]
    rows: list[dict[str, Any]] = []
    for name, profile in zip(names, profiles, strict=True):
        therapy = profile.therapy
        typer.echo(f"{name}: {therapy.speed_m_s:g} m/s, {therapy.unloading_percent:g} % unloaded")
        sound = figures(unimpaired_of(profile), 0, seconds)
        typer.echo(line("  same body, sound", sound))
        walks = [figures(profile, seed, seconds) for seed in range(seeds)]
        for entry in walks:
            typer.echo(line(f"  seed {entry['seed']:2d}         ", entry))
        rows.append({"patient": name, **therapy.model_dump(), "sound": sound, "walks": walks})
    falls = sum(entry["fell"] for row in rows for entry in row["walks"])
    typer.echo(f"{falls} of {len(rows) * seeds} walks ended in a fall")
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        typer.echo(f"figures: {json_file}")
