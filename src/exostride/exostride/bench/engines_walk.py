"""Walks for ``exostride bench engines``: a session on the virtual clock, same seed on each engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.patient.profile import Therapy
from exostride.patient.profiles import load_profile
from exostride.runtime.assembly.control import control_context
from exostride.runtime.assembly.stack import StackConfig
from exostride.runtime.graph import Tick
from exostride.runtime.simulate import SimulationConfig, run

ENGINES: Final = {"mujoco": "simulated", "gazebo": "gazebo"}
"""Devices by engine."""
LOADED_N: Final = 50.0
SHORTEST_S: Final = 0.2
"""A touch or a lift shorter than this is a bounce, no stance and no swing."""
MID_SWING: Final = (0.25, 0.80)
CLEAR_MM: Final = 5.0
DRAG_MM: Final = 1.0
"""A sole closer to the belt than this in mid-swing drags."""
FALLEN: Final = 0.75
"""A pelvis below this part of its height at the start has fallen."""


@dataclass(frozen=True)
class Scene:
    """Who walks how: belt speed and unloading are the patient's own where they are not set."""

    patient: str
    controller: str
    seconds: float
    speed_m_s: float | None = None
    unloading_percent: float | None = None
    seed: int = 0

    def therapy(self) -> Therapy:
        """Return belt speed and unloading."""
        own = load_profile(self.patient).therapy
        given = {"speed_m_s": self.speed_m_s, "unloading_percent": self.unloading_percent}
        return own.model_copy(update={key: value for key, value in given.items() if value is not None})


@dataclass(frozen=True)
class Foot:
    """How one foot swings at full belt speed.

    Attributes
    ----------
    swings
        Their number.
    clearance_mm, least_mm
        Lowest point of the sole in the middle of swing: median over swings, and of the lowest swing.
    clear_percent
        Swings that stay above :data:`CLEAR_MM`.
    drag_steps
        Swings that come below :data:`DRAG_MM`.
    """

    swings: int
    clearance_mm: float
    least_mm: float
    clear_percent: float
    drag_steps: int

    @classmethod
    def of(cls, lowest_mm: NDArray[np.float64]) -> Foot:
        """Return what the lowest points of some swings come to."""
        if not len(lowest_mm):
            return cls(0, np.nan, np.nan, np.nan, 0)
        return cls(
            swings=len(lowest_mm),
            clearance_mm=float(np.median(lowest_mm)),
            least_mm=float(lowest_mm.min()),
            clear_percent=float(100.0 * np.mean(lowest_mm >= CLEAR_MM)),
            drag_steps=int(np.sum(lowest_mm < DRAG_MM)),
        )


@dataclass(frozen=True)
class Figures:
    """What a walk at full belt speed shows.

    Attributes
    ----------
    stance_time_s, peak_force_n
        Means over the stances of both feet; the force is the mean over a tick of 5 ms.
    stances
        Their number.
    left, right
        The feet in swing.
    steps, upright, times_real_time
        Of the whole session.
    """

    stance_time_s: float
    peak_force_n: float
    stances: int
    left: Foot
    right: Foot
    steps: int
    upright: bool
    times_real_time: float


class Watch:
    """Keeps of every tick what the figures are made of."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float64]] = []

    def __call__(self, tick: Tick) -> bool:
        """Take a tick."""
        truth = tick.reading.truth
        assert truth is not None
        belt, height = tick.reading.environment.belt_speed_m_s, truth.pelvis_position_m[2]
        load, toes = truth.ground_force_n[2::3], truth.toe_clearance_m
        self._rows.append(np.r_[load, toes, belt, height, truth.phase])
        return True

    def figures(
        self, period_s: float, speed_m_s: float, stance_fraction: float, steps: int, times_real_time: float
    ) -> Figures:
        """Return the figures; not-a-number where there was no stance or no swing at full speed."""
        rows = np.array(self._rows)
        fast = rows[:, 4] > 0.9 * speed_m_s
        touches = [
            (side, begin, end)
            for side in (0, 1)
            for begin, end, loaded in spans(rows[:, side] > LOADED_N, round(SHORTEST_S / period_s))
            if loaded and fast[begin:end].all()
        ]
        times = [(end - begin) * period_s for _, begin, end in touches]
        peaks = [float(rows[begin:end, side].max()) for side, begin, end in touches]
        left, right = (
            Foot.of(lowest(rows[:, 6 + side], 1e3 * rows[:, 2 + side], fast, stance_fraction))
            for side in (0, 1)
        )
        return Figures(
            stance_time_s=float(np.mean(times)) if times else np.nan,
            peak_force_n=float(np.mean(peaks)) if peaks else np.nan,
            stances=len(times),
            left=left,
            right=right,
            steps=steps,
            upright=bool(rows[:, 5].min() > FALLEN * rows[0, 5]),
            times_real_time=times_real_time,
        )


def lowest(
    phase: NDArray[np.float64],
    height_mm: NDArray[np.float64],
    fast: NDArray[np.bool_],
    stance_fraction: float,
) -> NDArray[np.float64]:
    """Return the lowest point of each swing's middle [mm], over whole cycles at full speed.

    A foot that drags never leaves the ground: its swing is known by the walker's own phase.
    """
    low, high = (stance_fraction + part * (1.0 - stance_fraction) for part in MID_SWING)
    starts = np.flatnonzero(np.diff(phase) < -0.5) + 1
    found = []
    for a, b in pairwise(starts.tolist()):
        middle = (phase[a:b] >= low) & (phase[a:b] <= high)
        if fast[a:b].all() and middle.any():
            found.append(float(height_mm[a:b][middle].min()))
    return np.array(found)


def spans(loaded: NDArray[np.bool_], shortest: int) -> list[tuple[int, int, bool]]:
    """Return whole stances and swings as (first tick, tick after the last, loaded), in order.

    What is shorter than ``shortest`` ticks belongs to what was before; the first and the last, cut off by
    the recording, are left out.
    """
    edges = [0, *(np.flatnonzero(np.diff(loaded.astype(int))) + 1).tolist(), len(loaded)]
    merged: list[tuple[int, int, bool]] = []
    for begin, end in pairwise(edges):
        state = bool(loaded[begin])
        if merged and (end - begin < shortest or merged[-1][2] == state):
            merged[-1] = (merged[-1][0], end, merged[-1][2])
        else:
            merged.append((begin, end, state))
    return merged[1:-1]


def walk(engine: str, scene: Scene) -> Figures:
    """Return the figures of a session on an engine."""
    therapy = scene.therapy()
    watch = Watch()
    config = SimulationConfig(
        device=ENGINES[engine],
        patient=scene.patient,
        controller=scene.controller,
        duration_s=scene.seconds,
        walking_s=scene.seconds,
        seed=scene.seed,
        overrides={"belt_speed_m_s": therapy.speed_m_s, "unloading_percent": therapy.unloading_percent},
    )
    context = control_context(StackConfig(patient=scene.patient))
    curve = context.reference.curve(therapy.speed_m_s, context.leg_length_m)
    ended = run(config, watch)
    return watch.figures(
        *(1.0 / config.rate_hz, therapy.speed_m_s, curve.stance_fraction),
        *(ended.steps, ended.time_s / ended.wall_s),
    )


def compared(scene: Scene, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return a walk's figures on both engines and how much stance times and peak forces differ [%]."""
    mine, theirs = figures["mujoco"], figures["gazebo"]

    def difference(key: str) -> float:
        return float(100.0 * abs(theirs[key] - mine[key]) / mine[key])

    return {
        "patient": scene.patient,
        "controller": scene.controller,
        "seconds": scene.seconds,
        "stance_time_difference_pct": difference("stance_time_s"),
        "peak_force_difference_pct": difference("peak_force_n"),
        **{engine: figures[engine] for engine in ENGINES},
    }


def helped(scenes: Sequence[Scene], figures: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return how the left foot swings under each law, on both engines.

    ``raised_mm`` is against the first law, which gives no help.
    """
    therapy = scenes[0].therapy()
    out: dict[str, Any] = {
        "patient": scenes[0].patient,
        "seconds": scenes[0].seconds,
        "speed_m_s": therapy.speed_m_s,
        "unloading_percent": therapy.unloading_percent,
        "controllers": [scene.controller for scene in scenes],
    }
    for engine in ENGINES:
        parts = figures[engine]
        rows = {field.name: [part["left"][field.name] for part in parts] for field in fields(Foot)}
        clearance = rows["clearance_mm"]
        out[engine] = {
            **rows,
            "raised_mm": [c - clearance[0] for c in clearance],
            "steps": [part["steps"] for part in parts],
            "upright": [part["upright"] for part in parts],
        }
    return out
