"""Does the virtual patient walk, and within the published bands: ``exostride bench walking``.

The unimpaired patient walks at Froude-matched speeds, alone and in the transparent exoskeleton, with full
and with halved pelvis guidance; then very slowly with 30 % unloading, starting from and stopping in standing;
then every profile walks alone. Steady walks start in the middle of the gait; their first seconds are not
judged. Every figure is what came out: one outside its band, or a fall, is shown as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from exostride.analysis.walking import (
    Strides,
    cut_strides,
    force_peaks,
    guidance_rms,
    inside_fraction,
    mid_swing_clearance_m,
    vertical_inside,
)
from exostride.bench.transparent_drive import TransparentDrive
from exostride.bench.treadmill_run import TreadmillRun, Walk, with_guidance
from exostride.bench.walking_page import write_page, write_picture
from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS, SIDES
from exostride.errors import InputError
from exostride.gait.bands import bands_at
from exostride.patient.profiles import load_patient, patient_names
from exostride.plant.config import load_plant_config
from exostride.plant.plant import Plant
from exostride.plant.world import RobotKind

PERIOD_S: Final = 0.005
SPEEDS_M_S: Final = (0.6, 1.0, 1.3)
FROM_STANDING_M_S: Final = (0.14, 0.3, 0.8, 1.0)
STEPS: Final = 100
UNLOADING_PERCENT: Final = 30.0
_STARTING_STRIDES: Final = 4
"""Strides' time in which the patient starts and the belt comes to speed."""
_STANDING_S: Final = 3.0
PROFILE_SPEED_M_S: Final = 0.6
ACCELERATION_M_S2: Final = 0.1
SETTLING_S: Final = 5.0
ROBOTS: Final[tuple[RobotKind, ...]] = ("none", "exoskeleton")


def make_run(patient_name: str, robot: RobotKind, guidance: float, seed: int) -> TreadmillRun:
    """Return a patient standing on the belt, alone or in the transparent exoskeleton."""
    patient, body = load_patient(patient_name, PERIOD_S, seed)
    config = load_plant_config()
    if guidance != 1.0:
        config = with_guidance(config, guidance)
    run = TreadmillRun(Plant(config, body, patient, robot), patient)
    if robot == "exoskeleton":
        run.drive_with(TransparentDrive(body, PERIOD_S))
    return run


def leg_strides(walk: Walk, leg: int, mass_kg: float, from_s: float) -> Strides:
    """Return the strides of one leg (0 left, 1 right) from a time on."""
    return cut_strides(
        walk["time"],
        walk["angle"][:, 4 * leg + 1 : 4 * leg + 4],
        walk["ground_force"][:, 3 * leg + 2],
        walk["clearance"][:, leg],
        walk["slip_speed"][:, leg],
        mass_kg,
        from_s,
    )


def stride_figures(strides: Strides) -> dict[str, Any]:
    """Return the figures of one leg's strides."""
    clearance = 1e3 * mid_swing_clearance_m(strides)
    angle = np.degrees(strides.angle_rad.mean(axis=0))
    return {
        "strides": len(strides),
        "stride_time_s": round(float(strides.duration_s.mean()), 3),
        "stride_time_cv_percent": round(
            100.0 * float(strides.duration_s.std() / strides.duration_s.mean()), 2
        ),
        "toe_off_percent": round(100.0 * float(np.nanmean(strides.toe_off)), 1),
        "slip_mm_per_stride": round(1e3 * float(strides.slip_m.mean()), 1),
        "toe_clearance_mm_median": round(float(np.nanmedian(clearance)), 1),
        "toe_clearance_mm_min": round(float(np.nanmin(clearance)), 1),
        "peak_flexion_deg": {j: round(float(angle[:, k].max()), 1) for k, j in enumerate(JOINT_KINDS)},
        "range_deg": {j: round(float(np.ptp(angle[:, k])), 1) for k, j in enumerate(JOINT_KINDS)},
    }


def band_figures(strides: Strides, froude: float) -> dict[str, Any]:
    """Return the parts of the cycle inside each table's +-2 SD, and the vertical force against it."""
    out: dict[str, Any] = {}
    for band in bands_at(froude):
        inside = inside_fraction(strides, band)
        entry: dict[str, Any] = {
            f"{j}_percent": round(100.0 * float(inside[k]), 1) for k, j in enumerate(JOINT_KINDS)
        }
        force = vertical_inside(strides, band)
        if force is not None:
            entry["vertical_force_percent_of_stance"] = round(100.0 * force, 1)
        out[band.source] = entry
    return out


def guidance_figures(
    walk: Walk, from_s: float, weight_n: float, strides: int, leg_m: float
) -> dict[str, float]:
    """Return guidance in % of body weight RMS, its net work per stride [J], and the frame's moments.

    The moments in roll and pitch are also given in % of body weight times leg length.
    """
    rows = walk["time"] >= from_s
    force, velocity = walk["guidance"][rows], walk["pelvis_velocity"][rows]
    spin = np.gradient(walk["attitude"][rows, 2], PERIOD_S)
    power = force[:, 0] * velocity[:, 0] + force[:, 1] * velocity[:, 1] + force[:, 2] * spin
    roll, pitch = np.sqrt(np.mean(walk["frame_moment"][rows] ** 2, axis=0)).tolist()
    percent = 100.0 / (weight_n * leg_m)
    return {
        "forward_percent_bw_rms": round(100.0 * guidance_rms(force[:, 0], weight_n), 2),
        "sideways_percent_bw_rms": round(100.0 * guidance_rms(force[:, 1], weight_n), 2),
        "horizontal_percent_bw_rms": round(
            100.0 * guidance_rms(np.hypot(force[:, 0], force[:, 1]), weight_n), 2
        ),
        "vertical_percent_bw_rms": 0.0,
        "mean_forward_percent_bw": round(100.0 * float(force[:, 0].mean()) / weight_n, 2),
        "yaw_nm_rms": round(float(np.sqrt(np.mean(force[:, 2] ** 2))), 2),
        "frame_roll_nm_rms": round(roll, 2),
        "frame_pitch_nm_rms": round(pitch, 2),
        "frame_roll_percent_mgl_rms": round(percent * roll, 2),
        "frame_pitch_percent_mgl_rms": round(percent * pitch, 2),
        "net_work_j_per_stride": round(float(power.sum()) * PERIOD_S / max(strides, 1), 2),
    }


def steady(
    patient: str, robot: RobotKind, speed_m_s: float, seconds: float, guidance: float, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Walk at one speed; return figures, and mean curves for the page."""
    run = make_run(patient, robot, guidance, seed)
    run.start_in_gait(speed_m_s)
    upright = run.run(SETTLING_S + seconds, speed_m_s)
    walk, who = run.walk(), run.patient
    mass = who.profile.body.mass_kg
    figures: dict[str, Any] = {"fell": not upright, "seconds": round(float(walk["time"][-1]), 1)}
    sides = [leg_strides(walk, leg, mass, SETTLING_S) for leg in (0, 1)]
    if min(len(s) for s in sides) < 2:
        return figures, {}
    froude = speed_m_s / who.froude_m_s
    figures["froude_speed"] = round(froude, 3)
    for name, strides in zip(SIDES, sides, strict=True):
        figures[name] = stride_figures(strides) | {"bands": band_figures(strides, froude)}
    peaks = force_peaks(sides[0])
    figures["vertical_force_n_kg"] = {
        "first_peak": round(peaks.first, 2),
        "valley": round(peaks.valley, 2),
        "second_peak": round(peaks.second, 2),
        "two_peaked": peaks.two_peaked,
    }
    figures["guidance"] = guidance_figures(walk, SETTLING_S, mass * GRAVITY_M_S2, len(sides[0]), who.leg_m)
    if robot == "exoskeleton":
        cuff = walk["cuff_torque"][walk["time"] >= SETTLING_S]
        figures["interaction_torque_nm_rms"] = [round(float(x), 1) for x in np.sqrt((cuff**2).mean(axis=0))]
    curves = {
        "angle_deg": np.degrees(sides[0].angle_rad.mean(axis=0)),
        "vertical_n_kg": sides[0].vertical_n_kg.mean(axis=0),
        "froude": froude,
    }
    return figures, curves


def from_standing(speed_m_s: float, robot: RobotKind, seed: int) -> dict[str, Any]:
    """Start from standing, make 100 steps with 30 % unloading, and stop again."""
    run = make_run("unimpaired", robot, 1.0, seed)
    unload = UNLOADING_PERCENT
    stride_s = run.patient.plan.stride_time_s(
        run.patient.plan.bracket(speed_m_s / run.patient.froude_m_s), run.patient.leg_m
    )
    upright = run.run(_STANDING_S, 0.0, unloading_percent=unload)
    upright = upright and run.run(
        (STEPS / 2 + _STARTING_STRIDES) * stride_s, speed_m_s, ACCELERATION_M_S2, unload
    )
    upright = upright and run.run(speed_m_s / ACCELERATION_M_S2 + _STANDING_S, 0.0, ACCELERATION_M_S2, unload)
    walk = run.walk()
    mass = run.patient.profile.body.mass_kg
    sides = [leg_strides(walk, leg, mass, 3.0) for leg in (0, 1)]
    steps = sum(len(s) + 1 for s in sides if len(s))
    figures: dict[str, Any] = {
        "fell": not upright,
        "steps": steps,
        "seconds": round(float(walk["time"][-1]), 1),
        "stands_at_the_end": bool(upright and np.abs(walk["velocity"][-100:]).max() < 0.3),
        "guidance": guidance_figures(
            walk, 3.0, mass * GRAVITY_M_S2, max(len(sides[0]), 1), run.patient.leg_m
        ),
    }
    if min(len(s) for s in sides) >= 2:
        figures |= {name: stride_figures(s) for name, s in zip(SIDES, sides, strict=True)}
    return figures


def profile_figures(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """Walk a profile alone at its Froude-matched share of 0.6 m/s."""
    leg = load_patient(name, PERIOD_S, seed)[0].leg_m
    reference = load_patient("unimpaired", PERIOD_S, seed)[0].leg_m
    speed = round(PROFILE_SPEED_M_S * float(np.sqrt(leg / reference)), 3)
    return {"speed_m_s": speed} | steady(name, "none", speed, seconds, 1.0, seed)[0]


def measure(seconds: float, seed: int, tell: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all figures and the curves of the page; ``tell`` gets a line for each walk."""
    figures: dict[str, Any] = {"unimpaired": {}, "from_standing": {}, "profiles": {}, "seed": seed}
    curves: dict[str, Any] = {}
    for robot in ROBOTS:
        figures["unimpaired"][robot] = {}
        for speed in SPEEDS_M_S:
            entry, lines = steady("unimpaired", robot, speed, seconds, 1.0, seed)
            half, _ = steady("unimpaired", robot, speed, seconds, 0.5, seed)
            entry["guidance_halved"] = {
                "fell": half["fell"],
                "seconds": half["seconds"],
                **half.get("guidance", {}),
            }
            figures["unimpaired"][robot][f"{speed:g}"] = entry
            curves[f"{robot} {speed:g} m/s"] = lines
            tell(line(f"{robot:12s} {speed:4.2f} m/s", entry))
        figures["from_standing"][robot] = {}
        for speed in FROM_STANDING_M_S:
            entry = from_standing(speed, robot, seed)
            figures["from_standing"][robot][f"{speed:g}"] = entry
            tell(
                f"{robot:12s} {speed:4.2f} m/s, 30 % unloaded: {entry['steps']} steps, "
                f"{'FELL' if entry['fell'] else 'upright'} after {entry['seconds']} s, "
                f"{'standing' if entry['stands_at_the_end'] else 'not standing'} at the end"
            )
    for name in patient_names():
        figures["profiles"][name] = profile_figures(name, seconds, seed)
        tell(line(f"{name:24s}", figures["profiles"][name]))
    return figures, curves


def line(title: str, entry: dict[str, Any]) -> str:
    """Return one line of the terminal's table."""
    if "left" not in entry:
        return f"{title}  {'FELL' if entry['fell'] else 'no whole stride'} after {entry['seconds']} s"
    left, right, held = entry["left"], entry["right"], entry["guidance"]
    inside = [v for b in left["bands"].values() for k, v in b.items() if not k.startswith("vertical")]
    return "  ".join(
        [
            title,
            "FELL" if entry["fell"] else "upright",
            f"least in band {min(inside, default=float('nan')):5.1f} %",
            f"guidance {held['horizontal_percent_bw_rms']:4.1f} % BW",
            f"frame {held['frame_roll_nm_rms']:3.0f} | {held['frame_pitch_nm_rms']:3.0f} N m",
            f"slip {left['slip_mm_per_stride']:4.1f} mm",
            f"clearance {left['toe_clearance_mm_median']:4.1f} | {right['toe_clearance_mm_median']:4.1f} mm",
            f"knee {left['peak_flexion_deg']['knee']:4.1f} | {right['peak_flexion_deg']['knee']:4.1f} deg",
        ]
    )


def command(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", help="Draw the walks against the bands.")
    ] = None,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", help="Draw the walks in the robot as one SVG.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Judged part of each walk [s].")] = 30.0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Walk the virtual patient and compare with the published bands."""
    if not 5.0 <= seconds <= 600.0:
        raise InputError(f"--seconds {seconds:g}: must lie between 5 and 600")
    figures, curves = measure(seconds, seed, typer.echo)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        typer.echo(f"figures: {json_file}")
    if html_file is not None:
        write_page(html_file, figures, curves)
        typer.echo(f"page: {html_file}")
    if picture_file is not None:
        write_picture(picture_file, curves)
        typer.echo(f"picture: {picture_file}")
