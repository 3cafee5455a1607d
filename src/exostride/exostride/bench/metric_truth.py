"""``exostride bench metrics``: every figure of a simulated session beside what the simulation knows.

Times are judged against contacts by the true ground force; everything else over the same strides as the
report's, with true signals in place of measured ones: the patient's own joints, torques, the ground, the
centre of mass. The registry's definitions are used for both, so that only measuring is judged here; the
definitions themselves are held to sessions with known figures (``tests/unit/analysis``).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from exostride.analysis.estimate import Estimate, over_strides
from exostride.analysis.loading import load_session
from exostride.analysis.metrics.spatiotemporal import ankles_m
from exostride.analysis.planar import smooth
from exostride.analysis.registry import REGISTRY
from exostride.analysis.session import Session
from exostride.analysis.summary import Analysis, analyse_session
from exostride.analysis.walk import Walk
from exostride.analysis.walking import MID_SWING
from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS, SIDES
from exostride.errors import InputError
from exostride.recording.reader import BagReader
from exostride.runtime.simulate import SimulationConfig, run
from exostride.types import EventKind, GaitEvent

Matrix = NDArray[np.float64]
Truth = Mapping[str, Matrix]
_CONTACT_N: Final = 20.0
_SHORTEST_S: Final = 0.12
"""Contacts and flights that last less are scuffs."""

OF_TIMES: Final[Mapping[str, tuple[float, float]]] = {
    "stride_time_s": (0.010, 0.0),
    "step_time_s": (0.010, 0.0),
    "stance_percent": (2.0, 0.0),
    "swing_time_s": (0.020, 0.0),
    "stance_time_s": (0.020, 0.0),
    "double_support_percent": (3.0, 0.0),
    "cadence_steps_min": (0.0, 0.01),
    "speed_m_s": (0.0, 0.01),
    "step_time_symmetry_percent": (2.0, 0.0),
    "stance_time_symmetry_percent": (2.0, 0.0),
    "stride_time_cv_percent": (0.5, 0.0),
}
OF_MACHINE: Final[Mapping[str, tuple[float, float]]] = {
    "tracking_error_deg": (0.2, 0.0),
    "weight_bearing_percent": (1.0, 0.0),
    "weight_symmetry_percent": (2.0, 0.0),
    "peak_load_percent": (0.0, 0.03),
    "interaction_torque_rms_nm": (0.3, 0.05),
    "interaction_torque_peak_nm": (1.0, 0.10),
}
OF_PATIENT: Final[Mapping[str, tuple[float, float]]] = {
    "range_deg": (1.5, 0.0),
    "hip_flexion_peak_deg": (2.5, 0.0),
    "hip_extension_peak_deg": (2.5, 0.0),
    "knee_flexion_swing_deg": (1.5, 0.0),
    "knee_flexion_loading_deg": (1.5, 0.0),
    "knee_extension_stance_deg": (1.5, 0.0),
    "dorsiflexion_stance_deg": (1.5, 0.0),
    "dorsiflexion_swing_deg": (1.5, 0.0),
    "step_length_m": (0.005, 0.0),
    "contribution_percent": (7.0, 0.0),
    "patient_work_j": (0.3, 0.10),
    "assist_work_j": (0.3, 0.10),
    "resist_work_j": (0.3, 0.10),
    "foot_clearance_mm": (8.0, 0.0),
    "margin_of_stability_mm": (30.0, 0.0),
}
"""Tolerance of each figure, absolute or relative, whichever is more: as docs/metrics.md states it."""


@dataclass(frozen=True)
class Verdict:
    """One figure: of its sides or joints the one that is furthest off for its tolerance."""

    metric: str
    against: str
    unit: str
    key: str
    measured: float
    true: float
    tolerance: float
    compared: int

    @property
    def error(self) -> float:
        """Measured less true."""
        return self.measured - self.true

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance."""
        return abs(self.error) <= self.tolerance


def truth_of(bag: Path, session: Session) -> Truth:
    """Return what the simulation knows at each tick of a session.

    Raises
    ------
    InputError
        The bag is not of a simulation.
    """
    with BagReader(bag) as reader:
        if "/sim/truth" not in reader.topics:
            raise InputError(f"{bag}: holds no sim/truth; only a simulated session can be checked")
        truth = reader.read("sim/truth")
    row = np.searchsorted(truth["time_s"], session.time_s - 1e-6)
    if len(truth) == 0 or row[-1] >= len(truth):
        raise InputError(f"{bag}: sim/truth ends before the measurements do")
    return {name: column[row] for name, column in truth.fields.items() if column.dtype.kind == "f"}


def true_events(session: Session, truth: Truth) -> tuple[GaitEvent, ...]:
    """Return contacts and releases by the true force, without scuffs."""
    found = []
    for side in range(len(SIDES)):
        down = truth["ground_force_n"][:, 3 * side + 2] > _CONTACT_N
        for value in (False, True):
            down = _without_short(down, value, round(_SHORTEST_S / session.period_s))
        for i in np.flatnonzero(np.diff(down.astype(int))).tolist():
            kind = EventKind.HEEL_STRIKE if down[i + 1] else EventKind.TOE_OFF
            at = float(session.time_s[i + 1])
            found.append(GaitEvent(i + 1, at, at, side, int(kind), 1.0))
    return tuple(sorted(found, key=lambda e: e.time_s))


def _without_short(down: NDArray[np.bool_], value: bool, least: int) -> NDArray[np.bool_]:
    """Return a signal in which runs of ``value`` shorter than ``least`` ticks are turned."""
    edges = np.flatnonzero(np.diff(np.concatenate([[not value], down, [not value]]).astype(int)))
    out = down.copy()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start < least:
            out[start:end] = not value
    return out


def _means(walk: Walk, of_side: Callable[[int], Matrix], joints: bool) -> dict[str, Estimate]:
    out = {}
    for side, name in enumerate(SIDES):
        values, end = of_side(side), walk.legs[side].end_s
        for k, kind in enumerate(JOINT_KINDS if joints else ("",)):
            key = f"{kind}_{name}" if joints else name
            out[key] = over_strides(values[:, k], end, "")
    return out


def _of_patient(walk: Walk, truth: Truth) -> dict[str, dict[str, Estimate]]:
    """Return the figures that need more than other signals in the same places."""
    # Low-passed as the report's work is: what rattles above that is no work of muscles by its definition.
    velocity, active, cuff = (
        smooth(truth[name], walk.session.period_s)
        for name in ("patient_velocity_rad_s", "patient_active_torque_nm", "cuff_torque_nm")
    )
    own, robot = active * velocity, cuff * velocity

    def work(power: Matrix, shape: np.ufunc) -> Callable[[int], Matrix]:
        def of_side(side: int) -> Matrix:
            leg = walk.legs[side]
            part = shape(power[:, 3 * side : 3 * side + 3], 0.0)
            return walk.integral(part, leg.start_s, leg.end_s)

        return of_side

    mine, help_, brake = work(own, np.maximum), work(robot, np.maximum), work(robot, np.minimum)

    def share(side: int) -> Matrix:
        return np.asarray(100.0 * mine(side) / (mine(side) + help_(side)))

    def clearance(side: int) -> Matrix:
        leg = walk.legs[side]
        off = walk.fraction_of_cycle(leg.toe_off_s, side)
        inside = walk.window(side, *(off + part * (1.0 - off) for part in MID_SWING))
        height = walk.cycles(truth["toe_clearance_m"][:, side], side)
        return np.asarray(1000.0 * np.where(inside, height, np.inf).min(axis=1))[:, None]

    return {
        "contribution_percent": _means(walk, share, True),
        "patient_work_j": _means(walk, mine, True),
        "assist_work_j": _means(walk, help_, True),
        "resist_work_j": _means(walk, brake, True),
        "foot_clearance_mm": _means(walk, clearance, False),
        "margin_of_stability_mm": _stability(walk, truth),
    }


def _stability(walk: Walk, truth: Truth) -> dict[str, Estimate]:
    """Return the margin of stability by the true centre of mass."""
    assert walk.geometry is not None and walk.belt is not None
    ahead = ankles_m(walk)
    frequency = np.sqrt(GRAVITY_M_S2 / walk.geometry.leg_length)
    before = truth["com_position_m"][:, 0] - truth["pelvis_position_m"][:, 0]
    beyond = before + (truth["com_velocity_m_s"][:, 0] + walk.belt) / frequency

    def of_side(side: int) -> Matrix:
        end = walk.legs[side].end_s
        return np.asarray(1000.0 * np.interp(end, walk.session.time_s, ahead[side] - beyond))[:, None]

    return _means(walk, of_side, False)


def _judge(
    against: str,
    wanted: Mapping[str, tuple[float, float]],
    measured: Analysis,
    true: Mapping[str, Mapping[str, Estimate]],
) -> list[Verdict]:
    out = []
    for name, (absolute, relative) in wanted.items():
        rows = []
        for key, right in true[name].items():
            found = measured.one(name, key)
            if found.known and right.known:
                bound = max(absolute, relative * abs(right.value))
                unit = REGISTRY[name].unit
                rows.append(Verdict(name, against, unit, key, found.value, right.value, bound, 0))
        if rows:
            worst = max(rows, key=lambda row: abs(row.error) / row.tolerance)
            out.append(replace(worst, compared=len(rows)))
    return out


def verdicts(bag: Path) -> list[Verdict]:
    """Return every figure of a simulated session that has a truth.

    Raises
    ------
    InputError
        The bag is not of a simulation, or nobody walked.
    """
    session = load_session(bag)
    truth = truth_of(bag, session)
    measured = analyse_session(session)
    if not all(len(leg) for leg in measured.walk.legs):
        raise InputError(f"{bag}: no strides of both legs to judge")
    force = truth["ground_force_n"]
    seen = replace(
        session,
        angle_rad=truth["exo_angle_rad"],
        velocity_rad_s=truth["exo_velocity_rad_s"],
        cuff_torque_nm=truth["cuff_torque_nm"],
        # True joints need no correction by what the cuffs felt.
        cuff_force_n=None,
        foot_force_n=force,
        foot_load_n=force[:, [2, 5]],
    )
    patient = replace(seen, angle_rad=truth["patient_angle_rad"], pelvis_m=truth["pelvis_position_m"])
    timed = analyse_session(replace(session, events=true_events(session, truth)))
    own = analyse_session(patient)
    return [
        *_judge("true contacts", OF_TIMES, measured, timed.values),
        *_judge("the machine", OF_MACHINE, measured, analyse_session(seen).values),
        *_judge("the patient", OF_PATIENT, measured, {**own.values, **_of_patient(own.walk, truth)}),
    ]


def command(
    bag: Annotated[Path | None, typer.Option(help="Simulated session; default: one is run.")] = None,
    patient: Annotated[str, typer.Option(help="Patient of that session.")] = "hemiparetic_left_mild",
    duration: Annotated[float, typer.Option(min=15.0, help="Its length [s].")] = 40.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Hold the report's figures to the simulation's truth, each with its tolerance."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    with tempfile.TemporaryDirectory() as folder:
        if bag is None:
            bag = Path(folder) / "session"
            with Console(stderr=True).status("walking"):
                run(SimulationConfig(patient=patient, duration_s=duration, bag=bag))
        found = verdicts(bag)
    table = Table("figure", "against", "unit", "furthest off", "measured", "true", "error", "tolerance", "")
    for v in found:
        numbers = (f"{x:.3g}" for x in (v.measured, v.true, v.error, v.tolerance))
        where = f"{v.key or 'session'} of {v.compared}"
        table.add_row(v.metric, v.against, v.unit, where, *numbers, "holds" if v.holds else "MISSES")
    console.print(table)
    held = sum(v.holds for v in found)
    console.print(f"{held} of {len(found)} figures within their tolerance")
    if json_file is not None:
        figures: list[dict[str, Any]] = [asdict(v) | {"error": v.error, "holds": v.holds} for v in found]
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
