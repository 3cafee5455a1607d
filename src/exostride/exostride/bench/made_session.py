"""A whole session made from published walking: a bag with all topics and known figures, in seconds.

Joint angles are the reference gait of a speed, ground forces Winter's mean curves, events exact; the
patient's weak side bends its knee less, lifts its toes less, bears less load and stands shorter. Nothing
here is simulated physics: it is for measuring and testing the analysis, where the right answer has to be
known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.planar import chain, segment_inertia, sole_point
from exostride.conventions import GRAVITY_M_S2
from exostride.gait.bands import load_bands
from exostride.gait.reference import load_reference
from exostride.model.anthropometry import BodyParameters
from exostride.model.geometry import body_geometry
from exostride.paths import config_dir
from exostride.recording.session_info import SessionInfo
from exostride.recording.writer import BagWriter, WriterOptions
from exostride.types import (
    Action,
    AppliedTorque,
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    EventKind,
    ExoState,
    GaitEvent,
    GaitPhase,
    Mode,
    PatientPhysio,
    SafetyPermit,
    SafetyState,
    SessionState,
    SimTruth,
    SupervisorState,
    TherapySettings,
    Vector,
)

Matrix = NDArray[np.float64]
_STAND_S: Final = 4.0
_SIX: Final = 0b111111


@dataclass(frozen=True)
class MadeSession:
    """What to make.

    ``weakness`` (0 to 1) is that of the left leg: at 1 its knee bends by 40 % less, its toes hang by 15
    degrees, it bears 20 % less load and stands 6 percentage points shorter. ``assistance`` (0 to 1) is the
    part of a fixed cuff torque that the exoskeleton gives.
    """

    duration_s: float = 60.0
    speed_m_s: float = 0.8
    weakness: float = 0.6
    assistance: float = 0.5
    unloading_percent: float = 20.0
    rate_hz: int = 200
    seed: int = 0
    patient_id: str = "made"
    started: str = "2025-03-14T10:30:00+00:00"
    body: BodyParameters = field(default_factory=BodyParameters)
    heart_rest_bpm: float = 74.0
    stride_cv: float = 0.015
    warnings: tuple[float, ...] = ()
    settings_at: tuple[tuple[float, float], ...] = ()
    """Times [s] at which the assistance set is changed, and to what."""


@dataclass(frozen=True)
class Made:
    """The course of a made session over its ticks, and its exact events."""

    time_s: Vector
    phase: Matrix
    rate_hz: Matrix
    angle_rad: Matrix
    velocity_rad_s: Matrix
    force_n: Matrix
    cop_m: Matrix
    pelvis_m: Matrix
    cuff_nm: Matrix
    belt_m_s: Vector
    heart_bpm: Vector
    assistance: Vector
    stance: tuple[float, float]
    strikes: tuple[Vector, Vector]


def make(plan: MadeSession) -> Made:
    """Return the course of a session."""
    rng = np.random.default_rng(plan.seed)
    period = 1.0 / plan.rate_hz
    t = np.arange(round(plan.duration_s * plan.rate_hz), dtype=np.float64) * np.float64(period)
    geometry = body_geometry(plan.body)
    reference = load_reference(config_dir() / "norms" / "reference_gait.yaml")
    curve = reference.curve(plan.speed_m_s, geometry.leg_length)
    left, right = _strikes(plan, curve.stride_time_s, rng)
    phase = np.stack([_phase(t, left), _phase(t, right)], axis=1)
    stance = (curve.stance_fraction - 0.06 * plan.weakness, curve.stance_fraction)
    walking = (t >= left[0]) & (t <= left[-1])
    angle = _angles(plan, curve.angles, phase, walking)
    force, cop = _ground(plan, phase, stance, curve.stance_fraction, walking, geometry.foot)
    velocity = np.gradient(angle, period, axis=0)
    belt = np.where(walking, plan.speed_m_s, 0.0)
    level = np.full(len(t), plan.assistance)
    for when, value in plan.settings_at:
        level[t >= when] = value
    cuff = _cuffs(plan, phase, level, walking)
    rate = np.gradient(np.unwrap(2.0 * np.pi * phase, axis=0), period, axis=0) / (2.0 * np.pi)
    heart = plan.heart_rest_bpm + 28.0 * np.where(walking, 1.0 - np.exp(-(t - left[0]) / 60.0), 0.0)
    pelvis = np.zeros((len(t), 3))
    pelvis[:, 2] = _pelvis_height(plan, angle)
    return Made(
        time_s=t,
        phase=phase,
        rate_hz=rate,
        angle_rad=angle,
        velocity_rad_s=np.asarray(velocity),
        force_n=force,
        cop_m=cop,
        pelvis_m=pelvis,
        cuff_nm=cuff,
        belt_m_s=belt,
        heart_bpm=np.asarray(heart),
        assistance=level,
        stance=stance,
        strikes=(left, right),
    )


def _strikes(plan: MadeSession, stride_s: float, rng: np.random.Generator) -> tuple[Vector, Vector]:
    count = max(int((plan.duration_s - 2.0 * _STAND_S) / stride_s), 2)
    durations = stride_s * (1.0 + plan.stride_cv * rng.standard_normal(count))
    left = _STAND_S + np.concatenate([[0.0], np.cumsum(durations)])
    # The weak left leg stands shorter, so that the right foot lands earlier in the left's stride.
    right = left[:-1] + (0.5 - 0.03 * plan.weakness) * durations
    return left, right


def _phase(t: Vector, strikes: Vector) -> Vector:
    i = np.clip(np.searchsorted(strikes, t, side="right") - 1, 0, len(strikes) - 2)
    phase = (t - strikes[i]) / (strikes[i + 1] - strikes[i])
    return np.asarray(np.where((t < strikes[0]) | (t >= strikes[-1]), 0.0, phase % 1.0))


def _angles(plan: MadeSession, angles: Any, phase: Matrix, walking: NDArray[np.bool_]) -> Matrix:
    out = np.zeros((len(phase), 6))
    for side in (0, 1):
        out[:, 3 * side : 3 * side + 3] = angles(phase[:, side])
    weak = plan.weakness
    out[:, 1] *= 1.0 - 0.4 * weak
    out[:, 0] *= 1.0 - 0.15 * weak
    swing = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.clip((phase[:, 0] - 0.6) / 0.4, 0.0, 1.0))
    out[:, 2] -= np.radians(15.0) * weak * swing
    return out * walking[:, None]


def _pelvis_height(plan: MadeSession, angle: Matrix) -> Vector:
    """Return the height at which the lowest sole touches the belt."""
    geometry, zero = body_geometry(plan.body), np.zeros(len(angle))
    lowest = np.full(len(angle), np.inf)
    for side in (0, 1):
        leg = chain(
            angle[:, 3 * side : 3 * side + 3],
            zero,
            np.zeros((len(angle), 2)),
            geometry,
            segment_inertia(plan.body),
        )
        for place in (geometry.foot.heel_x, geometry.foot.ball_x):
            lowest = np.minimum(
                lowest, sole_point(leg, np.full(len(angle), place), geometry.foot.sole_z)[:, 1]
            )
    return -lowest


def _ground(
    plan: MadeSession,
    phase: Matrix,
    stance: tuple[float, float],
    normal: float,
    walking: NDArray[np.bool_],
    foot: Any,
) -> tuple[Matrix, Matrix]:
    band = next(b for b in load_bands() if b.file.vertical_n_kg is not None)
    force, cop = np.zeros((len(phase), 6)), np.zeros((len(phase), 4))
    weight = plan.body.mass_kg * (1.0 - plan.unloading_percent / 100.0)
    for side in (0, 1):
        part = np.clip(phase[:, side] / stance[side], 0.0, 1.0)
        table = band.vertical_n_kg(part * normal)
        assert table is not None
        share = 1.0 - 0.2 * plan.weakness if side == 0 else 1.0 + 0.1 * plan.weakness
        on = walking & (phase[:, side] < stance[side])
        vertical = np.where(on, np.maximum(table[0], 0.0) * weight * share, 0.0)
        vertical = np.where(walking, vertical, 0.5 * weight * GRAVITY_M_S2)
        force[:, 3 * side + 2] = vertical
        force[:, 3 * side] = np.where(on, 0.16 * vertical * -np.cos(np.pi * np.clip(part * 1.05, 0, 1)), 0.0)
        cop[:, 2 * side] = np.where(on, foot.heel_x + (foot.ball_x - foot.heel_x + 0.02) * part, 0.0)
    return force, cop


def _cuffs(plan: MadeSession, phase: Matrix, level: Vector, walking: NDArray[np.bool_]) -> Matrix:
    out = np.zeros((len(phase), 6))
    need = (0.4 + 1.1 * plan.weakness, 0.4)
    for side in (0, 1):
        lift = np.exp(-(((phase[:, side] - 0.68) / 0.08) ** 2))
        brake = np.exp(-(((phase[:, side] - 0.92) / 0.05) ** 2))
        push = np.exp(-(((phase[:, side] - 0.52) / 0.06) ** 2))
        columns = np.stack([16.0 * lift, 14.0 * lift - 8.0 * brake, 5.0 * lift - 10.0 * push], axis=1)
        out[:, 3 * side : 3 * side + 3] = need[side] * level[:, None] * columns
    return out * walking[:, None]


def events_of(made: Made) -> list[GaitEvent]:
    """Return the exact events in the order of their times."""
    period = float(made.time_s[1])
    found = []
    for side, strikes in enumerate(made.strikes):
        offs = strikes[:-1] + made.stance[side] * np.diff(strikes)
        for kind, times in ((EventKind.HEEL_STRIKE, strikes), (EventKind.TOE_OFF, offs)):
            for at in times.tolist():
                seq = int(np.ceil(at / period)) + 2
                found.append(GaitEvent(seq, at, seq * period, side, int(kind), 0.98))
    return sorted(found, key=lambda e: (e.seq, e.time_s))


def write(plan: MadeSession, path: Path) -> Made:
    """Write a session's bag, as the virtual clock would, and return its course.

    Raises
    ------
    InputError
        The bag can't be written.
    """
    made = make(plan)
    info = SessionInfo(
        configuration={
            "controller": "impedance",
            "device": "made",
            "robot": "exoskeleton",
            "rate_hz": plan.rate_hz,
        },
        patient={"patient_id": plan.patient_id, "body": plan.body.model_dump(mode="json")},
        seeds={"seed": plan.seed},
        control_period_s=1.0 / plan.rate_hz,
        runner="made",
        started=plan.started,
    )
    with BagWriter(path, info, WriterOptions(sync_interval_s=None)) as writer:
        for now, value in values(plan, made):
            # Values that know their time are packed much faster than others.
            writer.write_value(value, round(now * 1e9), None if hasattr(value, "time_s") else now)
    return made


def values(plan: MadeSession, made: Made) -> Iterator[tuple[float, Any]]:
    """Yield every value with its time, tick by tick."""
    events = iter([*events_of(made), GaitEvent(1 << 60, np.inf, np.inf, 0, 0)])
    upcoming = next(events)
    rng = np.random.default_rng(plan.seed + 1)
    begin, end = float(made.strikes[0][0]), float(made.strikes[0][-1])
    yield 0.0, _settings(plan, 0, plan.assistance)
    changes = sorted(
        [(0.0, SupervisorState.HOMING, Action.NONE), (3.0, SupervisorState.STAND, Action.NONE)]
        + [
            (begin - 0.5, SupervisorState.TRAIN, Action.NONE),
            (end + 0.5, SupervisorState.STOPPING, Action.NONE),
        ]
        + [(w, SupervisorState.TRAIN, Action.WARN) for w in plan.warnings]
        + [(w + 1.0, SupervisorState.TRAIN, Action.NONE) for w in plan.warnings]
    )
    for k, now in enumerate(made.time_s.tolist()):
        while changes and changes[0][0] <= now:
            _, state, action = changes.pop(0)
            cause = "F23" if action else ""
            yield now, SafetyState(k, now, int(state), int(action), False, cause, (), "")
        for when, level in plan.settings_at:
            if round(when * plan.rate_hz) == k:
                yield now, _settings(plan, k, level)
        yield from _tick(plan, made, k, now, rng)
        while upcoming.seq <= k:
            yield now, upcoming
            upcoming = next(events)


def _settings(plan: MadeSession, seq: int, level: float) -> TherapySettings:
    return TherapySettings(
        effective_seq=seq,
        belt_speed_m_s=plan.speed_m_s,
        unloading_percent=plan.unloading_percent,
        assistance=np.full(6, level),
    )


def _tick(
    plan: MadeSession, made: Made, k: int, now: float, rng: np.random.Generator
) -> Iterator[tuple[float, Any]]:
    noise = rng.standard_normal(20)
    force = made.force_n[k]
    load = np.array([0.5 * force[2], 0.5 * force[2], 0.5 * force[5], 0.5 * force[5]])
    walking = made.belt_m_s[k] > 0.0
    pelvis_velocity = np.zeros(3)
    exo = ExoState(
        seq=k,
        time_s=now,
        stamp_s=now,
        available=127,
        joint_valid=_SIX,
        foot_valid=3,
        segment_valid=_SIX,
        angle_rad=made.angle_rad[k] + 2e-4 * noise[:6],
        velocity_rad_s=made.velocity_rad_s[k] + 5e-3 * noise[6:12],
        cuff_torque_nm=made.cuff_nm[k] + 0.1 * noise[12:18],
        foot_force_n=force,
        foot_cop_m=made.cop_m[k],
        foot_load_n=load,
        pelvis_position_m=made.pelvis_m[k],
        pelvis_velocity_m_s=pelvis_velocity,
    )
    yield (
        now,
        EnvironmentState(
            k,
            now,
            belt_speed_m_s=made.belt_m_s[k],
            unloading_n=plan.unloading_percent / 100.0 * plan.body.mass_kg * GRAVITY_M_S2,
            unloading_percent=plan.unloading_percent,
        ),
    )
    yield now, PatientPhysio(k, now, heart_rate_bpm=made.heart_bpm[k])
    yield (
        now,
        SimTruth(k, now, patient_angle_rad=made.angle_rad[k], patient_velocity_rad_s=made.velocity_rad_s[k]),
    )
    yield now, exo
    yield now, GaitPhase(k, now, made.phase[k], made.rate_hz[k], confidence=np.full(2, 0.95))
    yield (
        now,
        AssistCommand(
            k,
            now,
            stiffness_nm_rad=np.full(6, 40.0 if walking else 0.0),
            reference_rad=made.angle_rad[k] + np.radians(2.0),
            assistance=np.full(6, made.assistance[k]),
        ),
    )
    yield now, EnvironmentCommand(k, now, belt_speed_m_s=made.belt_m_s[k])
    yield now, SafetyPermit(k, now, int(Mode.TRAIN), 1.0, k + 5)
    if k % 10 == 0:
        yield now, SessionState(k, now)
    yield (
        now,
        AppliedTorque(
            seq=k,
            time_s=now,
            applied_mean_nm=made.cuff_nm[k],
            mode=int(Mode.TRAIN),
            command_received=True,
            environment_received=True,
            permit_received=True,
        ),
    )
