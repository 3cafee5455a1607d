"""One cell of the grid: a patient walks with a law, and what is worth a row is measured from the truth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from exostride.bench.control_grid import FIXED, GUIDANCE, BenchConfig, Cell
from exostride.bench.control_rig import Rig, RigSetup, RigTick
from exostride.bench.treadmill_run import TreadmillRun
from exostride.conventions import side_slice
from exostride.gait.reference import ReferenceCurve
from exostride.patient.profile import PatientProfile, Side
from exostride.patient.profiles import load_patient, load_profile
from exostride.patient.virtual import VirtualPatient
from exostride.runtime.assembly.control import control_context
from exostride.runtime.assembly.stack import StackConfig
from exostride.types import Vector

_LOADED_N: Final = 30.0
_LIFTED_N: Final = 15.0
_SHORTEST_S: Final = 0.5
FALLEN: Final = 0.75
"""A pelvis below this part of its standing height has fallen."""
_POINTS: Final = 50
_MID_SWING: Final = (0.25, 0.80)
_NO_LEVEL: Final = 0.01
"""Mean assistance below which there is none that could decay."""
_STAYS: Final = 0.2
"""Part of the assistance that must go before it is said to decay."""


@dataclass(slots=True)
class Stride:
    """Rows of one stride of one leg."""

    start: int
    end: int
    side: int


@dataclass(slots=True)
class Log:
    """What a walk leaves behind, one entry a tick."""

    angle: list[Vector] = field(default_factory=list)
    patient_w: list[Vector] = field(default_factory=list)
    robot_w: list[Vector] = field(default_factory=list)
    cuff: list[Vector] = field(default_factory=list)
    clearance: list[Vector] = field(default_factory=list)
    load: list[Vector] = field(default_factory=list)
    level: list[Vector] = field(default_factory=list)
    us: list[float] = field(default_factory=list)
    strides: list[Stride] = field(default_factory=list)
    fell: bool = False

    def put(self, tick: RigTick) -> None:
        """Take one tick."""
        truth = tick.truth
        self.angle.append(truth.patient_angle_rad)
        self.patient_w.append(truth.patient_active_torque_nm * truth.patient_velocity_rad_s)
        self.robot_w.append(truth.cuff_torque_nm * truth.patient_velocity_rad_s)
        self.cuff.append(truth.cuff_torque_nm)
        self.clearance.append(truth.toe_clearance_m)
        self.load.append(truth.ground_force_n[[2, 5]])
        self.level.append(tick.command.assistance)
        self.us.append(tick.control_us)


class Strikes:
    """Finds heel strikes in the true load."""

    def __init__(self, period_s: float) -> None:
        self._shortest = round(_SHORTEST_S / period_s)
        self._up = [False, False]
        self._last = [-1, -1]

    def step(self, index: int, load: Vector) -> list[Stride]:
        """Return the strides that ended in this tick."""
        ended = []
        for side in (0, 1):
            if load[side] < _LIFTED_N:
                self._up[side] = True
            elif load[side] > _LOADED_N and self._up[side]:
                self._up[side] = False
                last = self._last[side]
                if last >= 0 and index - last < self._shortest:
                    continue
                if last >= 0:
                    ended.append(Stride(last, index, side))
                self._last[side] = index
        return ended


@contextmanager
def profile_file(profile: PatientProfile) -> Iterator[str]:
    """Yield a file that holds a profile, for those who take a patient by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{profile.name}.yaml"
        path.write_text(yaml.safe_dump(profile.model_dump(mode="json")), encoding="utf-8")
        yield str(path)


@contextmanager
def _profile(cell: Cell, config: BenchConfig) -> Iterator[str]:
    """Yield what names the cell's patient, who slacks as the cell wants; nobody unimpaired slacks."""
    profile = slacking(load_profile(cell.patient), cell.slacking, config)
    with profile_file(profile) as path:
        yield path


def slacking(profile: PatientProfile, times: float, config: BenchConfig) -> PatientProfile:
    """Return a patient who gives back ``times`` as much effort in a stride as usual."""
    if profile == recovered(profile):
        return profile
    effort = profile.effort if profile.effort.retention < 1.0 else config.slack
    kept = 1.0 - min(times * (1.0 - effort.retention), 0.5)
    return profile.model_copy(update={"effort": effort.model_copy(update={"retention": kept})})


def recovered(profile: PatientProfile) -> PatientProfile:
    """Return the same person, body and fitness, without the impairment of the legs."""
    return profile.model_copy(update={"left": Side(), "right": Side(), "motor_noise": 0.0})


def become(rig: Rig, profile: PatientProfile, seed: int) -> None:
    """Let the patient of a running rig be somebody else of the same body from one tick to the next."""
    old = rig.device.plant.patient
    assert isinstance(old, VirtualPatient), "only a virtual patient changes"
    with profile_file(profile) as path:
        new, _ = load_patient(path, rig.period_s, seed)
    new.wear(rig.setup.robot != "none")
    new.rhythm, new.speed_m_s = old.rhythm, old.speed_m_s
    rig.device.plant.patient = new


def recover(rig: Rig, seed: int) -> None:
    """Let the patient of a running rig recover from one tick to the next."""
    patient = rig.device.plant.patient
    assert isinstance(patient, VirtualPatient), "only a virtual patient recovers"
    become(rig, recovered(patient.profile), seed)


def _tried(rig: Rig) -> float:
    """Return how hard the patient tries in swing, 1 for all they can: what is lacking is slacking."""
    patient = rig.device.plant.patient
    assert isinstance(patient, VirtualPatient), "the bench walks virtual patients"
    return float(patient.effort.level.mean())


def run_cell(cell: Cell, config: BenchConfig) -> dict[str, Any]:
    """Walk one cell and return its row."""
    with _profile(cell, config) as patient:
        rig = _rig(cell, config, patient)
        log, strikes = Log(), Strikes(rig.period_s)
        floor = FALLEN * rig.device.plant.world.geometry.standing_height
        measured_from = measured_to = recovered_at = -1
        settled = config.lead_in_strides + config.settle_strides
        goal = settled + config.measured_strides
        recovery = 0 if cell.controller in FIXED else config.recovery_strides
        done, waiting, tried = 0, True, float("nan")
        level = cell.level if cell.level >= 0.0 else config.start_level
        for _ in range(round(config.longest_s / rig.period_s)):
            tick = rig.step()
            log.put(tick)
            if not tick.truth.pelvis_position_m[2] > floor:
                log.fell = True
                break
            new = strikes.step(len(log.load) - 1, log.load[-1])
            log.strides += new
            done += sum(stride.side == 0 for stride in new)
            if waiting and done >= config.lead_in_strides:
                waiting = False
                rig.change(controller=cell.controller, assistance=level)
            if measured_from < 0 and done >= settled:
                measured_from = tick.seq
            if measured_to < 0 and done >= goal:
                measured_to, tried = tick.seq, _tried(rig)
                if recovery == 0:
                    break
                recovered_at = tick.seq
                recover(rig, cell.seed)
            if done >= goal + recovery:
                break
        curve = _curve(rig)
        seconds = rig.seq * rig.period_s
        rig.close()
    end = measured_to if measured_to >= 0 else len(log.load)
    start = measured_from if measured_from >= 0 else end // 2
    row = _row(cell, log, (start, end), recovered_at, curve, config, rig.period_s)
    # A fall after the recovery is the bench's doing, not the law's.
    row["fell"] = log.fell and measured_to < 0
    return {**row, "effort_level": tried, "simulated_seconds": seconds}


def _rig(cell: Cell, config: BenchConfig, patient: str) -> Rig:
    therapy = config.therapy(load_profile(patient))
    settings: dict[str, Any] = {
        "belt_speed_m_s": therapy.speed_m_s,
        "unloading_percent": therapy.unloading_percent,
        "assistance": config.lead_in_level,
    }
    in_gait = config.start == "in_gait"
    stand_s = 0.0 if in_gait else 2.0 + therapy.unloading_percent / 10.0
    rig = Rig(RigSetup(cell.controller, patient, cell.seed, settings, stand_s=stand_s, first=GUIDANCE))
    if in_gait:
        walker = rig.device.plant.patient
        assert isinstance(walker, VirtualPatient), "the bench walks virtual patients"
        TreadmillRun(rig.device.plant, walker).start_in_gait(therapy.speed_m_s)
    return rig


def _curve(rig: Rig) -> ReferenceCurve:
    """Return the reference that the errors are taken from."""
    context = control_context(StackConfig(patient=rig.setup.patient))
    return context.reference.curve(rig.settings.belt_speed_m_s, context.leg_length_m)


def _row(
    cell: Cell,
    log: Log,
    window: tuple[int, int],
    recovered_at: int,
    curve: ReferenceCurve,
    config: BenchConfig,
    period_s: float,
) -> dict[str, Any]:
    start, end = window
    angle, cuff = np.array(log.angle), np.array(log.cuff)[start:end]
    inside = [s for s in log.strides if s.start >= start and s.end <= end]
    works = [np.maximum(np.array(w)[start:end], 0.0).sum() * period_s for w in (log.patient_w, log.robot_w)]
    strides = max(sum(stride.side == 0 for stride in inside), 1)
    clearance = clearances(log, inside)
    steps = np.concatenate(clearance) if inside else np.zeros(0)
    return {
        "controller": cell.label,
        "patient": cell.patient,
        "seed": cell.seed,
        "slacking": cell.slacking,
        "strides": len(inside) // 2,
        "tracking_error_deg": _tracking(angle, inside, curve, config),
        "assist_work_fraction": works[1] / max(sum(works), 1e-9) if inside else np.nan,
        "patient_work_j_stride": works[0] / strides if inside else np.nan,
        "assist_work_j_stride": works[1] / strides if inside else np.nan,
        "decay_strides": _decay(log, recovered_at),
        "interaction_torque_nm": float(np.sqrt(np.mean(cuff * cuff))) if len(cuff) else np.nan,
        "clearance_mm": min((float(np.median(c)) for c in clearance if len(c)), default=np.nan),
        "clear_percent": float(100.0 * np.mean(steps >= config.clear_mm)) if len(steps) else np.nan,
        "drag_steps": int(np.sum(steps < config.drag_mm)),
        "symmetry_index": _symmetry(log, inside),
        "assistance": np.array(log.level)[start:end].mean(axis=0).round(4).tolist() if inside else [],
        "us_per_step": float(np.median(log.us)),
    }


def _tracking(
    angle: NDArray[np.float64], strides: list[Stride], curve: ReferenceCurve, config: BenchConfig
) -> float:
    """Return the RMS of what exceeds the dead-band [deg], over joints, legs and the cycle."""
    if not strides:
        return float("nan")
    phase = np.arange(_POINTS) / _POINTS
    goal, band = np.degrees(curve.angles(phase)), np.array(config.dead_band_deg)
    total = []
    for stride in strides:
        rows = np.degrees(angle[stride.start : stride.end, side_slice(stride.side)])
        at = phase * len(rows)
        seen = np.column_stack([np.interp(at, np.arange(len(rows)), rows[:, j]) for j in range(3)])
        total.append(np.mean(np.maximum(np.abs(seen - goal) - band, 0.0) ** 2))
    return float(np.sqrt(np.mean(total)))


def clearances(log: Log, strides: list[Stride]) -> list[NDArray[np.float64]]:
    """Return the least clearance of every swing in its middle part [mm], left and right."""
    load, height = np.array(log.load), np.array(log.clearance)
    out: list[list[float]] = [[], []]
    for stride in strides:
        rows = slice(stride.start, stride.end)
        first, end = _longest_run(load[rows, stride.side] < _LIFTED_N)
        # A foot that drags never unloads for long: the swing is then taken by its place in the cycle.
        n = stride.end - stride.start
        first, last = (first, end) if end - first > 0.15 * n else (round(0.65 * n), n)
        a, b = (first + round(part * (last - first)) for part in _MID_SWING)
        out[stride.side].append(1e3 * float(height[stride.start + a : stride.start + b, stride.side].min()))
    return [np.array(values) for values in out]


def _longest_run(lifted: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest time in the air begins and ends; a heel that bounces is no swing."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lifted, [False]])))
    if not len(edges):
        return 0, 0
    longest = int(np.argmax(edges[1::2] - edges[::2]))
    return int(edges[2 * longest]), int(edges[2 * longest + 1])


def _symmetry(log: Log, strides: list[Stride]) -> float:
    """Return the symmetry index of stance time, |L - R| / mean [%] (Robinson, Herzog & Nigg 1987)."""
    load = np.array(log.load)
    stance = [
        [float(np.mean(load[s.start : s.end, side] > _LIFTED_N)) for s in strides if s.side == side]
        for side in (0, 1)
    ]
    if not stance[0] or not stance[1]:
        return float("nan")
    left, right = float(np.mean(stance[0])), float(np.mean(stance[1]))
    return 200.0 * abs(left - right) / (left + right)


def _decay(log: Log, recovered_at: int) -> float:
    """Return strides until the assistance after the recovery has gone 1 - 1/e of its way.

    0 where there was none; not a number where it stays, or where it was not tried.
    """
    if recovered_at < 0:
        return float("nan")
    ends = [s.end for s in log.strides if s.side == 0 and s.end > recovered_at]
    if len(ends) < 10:
        return float("nan")
    level = np.array(log.level).mean(axis=1)
    edges = [recovered_at, *ends]
    mean = np.array([level[a:b].mean() for a, b in pairwise(edges)])
    if mean[0] < _NO_LEVEL:
        return 0.0
    way = mean[0] - mean[-5:].mean()
    if way < _STAYS * mean[0]:
        return float("nan")
    gone = np.flatnonzero(mean <= mean[0] - (1.0 - np.exp(-1.0)) * way)
    return float(gone[0])
