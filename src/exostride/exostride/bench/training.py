"""Weeks of training of a virtual patient: ``exostride bench training``.

A session is a short walk with a law in the loop; it stands for a session of
:data:`exostride.patient.learning.FULL_SESSION_STRIDES` strides with the effort that the patient made in it.
Between two sessions a part of what was learned is forgotten and strength returns with use
(:mod:`exostride.patient.learning`): a responder gets better and is given less assistance, one whose
``learning.potential`` is 0 does not. Who is carried by a stiff robot slacks, and so recovers less.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
import yaml
from numpy.typing import NDArray

from exostride import registry
from exostride.bench.control_grid import GUIDANCE
from exostride.bench.control_rig import Rig, RigSetup
from exostride.errors import InputError
from exostride.patient.learning import BINS, FULL_SESSION_STRIDES, consolidate, dose
from exostride.patient.profile import PatientProfile
from exostride.patient.profiles import load_profile
from exostride.patient.virtual import VirtualPatient

_START_LEVEL: Final = 0.3
_LEAD_IN_LEVEL: Final = 0.1
_LEAD_IN_STRIDES: Final = 3
"""Strides with light fixed guidance before the law takes over."""
_SETTLING_STRIDES: Final = 6
_FALLEN: Final = 0.75
_LONGEST_STRIDE_S: Final = 4.0
_SWING: Final = 0.6
"""Phase after which knee flexion counts as that of swing."""


@dataclass(slots=True)
class _Notes:
    """What is written down of a session, one entry a tick of walking."""

    error_deg: list[float] = field(default_factory=list)
    effort: list[float] = field(default_factory=list)
    assistance: list[float] = field(default_factory=list)
    knee_deg: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    peaks: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


def _walker(rig: Rig) -> VirtualPatient:
    patient = rig.device.plant.patient
    assert isinstance(patient, VirtualPatient), "only a virtual patient learns"
    return patient


def _open(profile: PatientProfile, controller: str, seed: int) -> Rig:
    """Return a standing patient in the robot, therapy as in the profile."""
    therapy = profile.therapy
    settings = {
        "belt_speed_m_s": therapy.speed_m_s,
        "unloading_percent": therapy.unloading_percent,
        "assistance": _LEAD_IN_LEVEL,
    }
    stand_s = 2.0 + therapy.unloading_percent / 10.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patient.yaml"
        path.write_text(yaml.safe_dump(profile.model_dump(mode="json")), encoding="utf-8")
        return Rig(RigSetup(controller, str(path), seed, settings, stand_s=stand_s, first=GUIDANCE))


def session(
    profile: PatientProfile, known: NDArray[np.float64], controller: str, strides: int, seed: int
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Walk one session.

    Parameters
    ----------
    profile, known
        The patient of the day and what they know from before, as ``StepLearning.torque``.
    controller, strides, seed
        The law, how many strides of the left leg, and the seed of all noise.

    Returns
    -------
    figures
        Of the strides after the first few: error, effort, assistance, knee flexion; and whether they fell.
    known
        What the patient knows at the end.
    """
    rig = _open(profile, controller, seed)
    patient = _walker(rig)
    patient.learning.torque[:] = known
    floor = _FALLEN * rig.device.plant.world.geometry.standing_height
    notes, done, fell = _Notes(), 0, False
    last = patient.rhythm.phases()
    for _ in range(round((_LONGEST_STRIDE_S * strides + 20.0) / rig.period_s)):
        tick = rig.step()
        if not tick.truth.pelvis_position_m[2] > floor:
            fell = True
            break
        phase = patient.rhythm.phases()
        ended = [now < before - 0.5 for now, before in zip(phase, last, strict=True)]
        last = phase
        if ended[0] and patient.rhythm.blend == 1.0:
            done += 1
            if done == _LEAD_IN_STRIDES:
                rig.change(controller=controller, assistance=_START_LEVEL)
        if done >= _SETTLING_STRIDES:
            _note(notes, np.degrees(tick.truth.patient_angle_rad), phase, ended)
            notes.error_deg.append(float(np.degrees(np.abs(patient.felt_error_rad).mean())))
            notes.effort.append(float(patient.effort.level.mean()))
            notes.assistance.append(float(np.mean(tick.command.assistance)))
        if done >= strides:
            break
    known = patient.learning.torque.copy()
    rig.close()
    return _figures(notes, done, fell), known


def _note(
    notes: _Notes, angle_deg: NDArray[np.float64], phase: NDArray[np.float64], ended: list[bool]
) -> None:
    """Follow knee flexion in swing, leg by leg."""
    for leg in (0, 1):
        if ended[leg] and notes.knee_deg[leg]:
            notes.peaks[leg].append(max(notes.knee_deg[leg]))
            notes.knee_deg[leg].clear()
        if phase[leg] > _SWING:
            notes.knee_deg[leg].append(float(angle_deg[3 * leg + 1]))


def _figures(notes: _Notes, strides: int, fell: bool) -> dict[str, Any]:
    def mean(values: list[float]) -> float:
        return round(float(np.mean(values)), 3) if values else float("nan")

    last = notes.assistance[-len(notes.assistance) // 4 :]
    return {
        "strides": strides,
        "fell": fell,
        "error_deg": mean(notes.error_deg),
        "effort": mean(notes.effort),
        "assistance": mean(last),
        "knee_left_deg": round(float(np.median(notes.peaks[0])), 1) if notes.peaks[0] else float("nan"),
        "knee_right_deg": round(float(np.median(notes.peaks[1])), 1) if notes.peaks[1] else float("nan"),
    }


def mean_strength(profile: PatientProfile) -> float:
    """Return the mean strength of all weak muscle groups; 1 if none is weak."""
    values = [s for side in (profile.left, profile.right) for s in side.strength.model_dump().values()]
    weak = [s for s in values if s < 1.0]
    return float(np.mean(weak)) if weak else 1.0


def train(
    profile: PatientProfile,
    controller: str,
    sessions: int,
    strides: int,
    seed: int,
    tell: Callable[[dict[str, Any]], None],
) -> list[dict[str, Any]]:
    """Return the figures of all sessions; ``tell`` gets each when it is done."""
    known, rows = np.zeros((2, BINS, 3)), []
    for number in range(1, sessions + 1):
        figures, known = session(profile, known, controller, strides, seed + number - 1)
        row = {"session": number, "strength": round(mean_strength(profile), 3), **figures}
        row["learned_percent_mgl"] = round(100.0 * float(np.abs(known).max()), 2)
        tell(row)
        rows.append(row)
        walked = figures["strides"] / strides * FULL_SESSION_STRIDES
        effort = figures["effort"] if np.isfinite(figures["effort"]) else 0.0
        profile, known = consolidate(profile, known, dose(effort, walked))
    return rows


def line(row: dict[str, Any]) -> str:
    """Return one line of the terminal's table."""
    return (
        f"session {row['session']:2d}  strength {row['strength']:.2f}  error {row['error_deg']:4.1f} deg  "
        f"effort {row['effort']:.2f}  assistance {row['assistance']:.3f}  "
        f"knee {row['knee_left_deg']:4.1f} | {row['knee_right_deg']:4.1f} deg  "
        f"learned {row['learned_percent_mgl']:.2f} % m g l{'  FELL' if row['fell'] else ''}"
    )


def command(
    patient: Annotated[
        str, typer.Option(help="Patient profile: a name or a file.")
    ] = "hemiparetic_left_mild",
    controller: Annotated[str, typer.Option(help="Law that trains.")] = "impedance",
    sessions: Annotated[int, typer.Option(min=1, max=100, help="Sessions, one after another.")] = 6,
    strides: Annotated[int, typer.Option(min=8, max=1000, help="Simulated strides of each.")] = 25,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Train a virtual patient for weeks and print how they do, session by session."""
    profile = load_profile(patient)
    if controller not in registry.names(registry.CONTROLLERS):
        known = ", ".join(sorted(registry.names(registry.CONTROLLERS)))
        raise InputError(f"--controller: unknown '{controller}'; available: {known}")
    rows = train(profile, controller, sessions, strides, seed, lambda row: typer.echo(line(row)))
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        typer.echo(f"figures: {json_file}")
