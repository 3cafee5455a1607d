"""Walks for ``exostride bench engines``: a session on the virtual clock, same seed on each engine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.patient.profiles import load_profile
from exostride.runtime.graph import Tick
from exostride.runtime.simulate import SimulationConfig, run

ENGINES: Final = {"mujoco": "simulated", "gazebo": "gazebo"}
"""Devices by engine."""
LOADED_N: Final = 50.0
SHORTEST_S: Final = 0.2
"""A touch or a lift shorter than this is a bounce, no stance and no swing."""
MID_SWING: Final = (0.25, 0.80)
FALLEN: Final = 0.75
"""A pelvis below this part of its height at the start has fallen."""


@dataclass(frozen=True)
class Figures:
    """What a walk at full belt speed shows; sides are left, right.

    Attributes
    ----------
    stance_time_s, peak_force_n
        Means over the stances of both feet; the force is the mean over a tick of 5 ms.
    stances
        Their number.
    clearance_mm
        Lowest point of each sole in the middle of swing, median over swings.
    steps, upright, times_real_time
        Of the whole session.
    """

    stance_time_s: float
    peak_force_n: float
    stances: int
    clearance_mm: tuple[float, float]
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
        self._rows.append(np.r_[truth.ground_force_n[2::3], truth.toe_clearance_m, belt, height])
        return True

    def figures(self, period_s: float, speed_m_s: float, steps: int, times_real_time: float) -> Figures:
        """Return the figures; not-a-number where there was no stance at full speed."""
        rows = np.array(self._rows)
        times: list[float] = []
        peaks: list[float] = []
        clearance = []
        fast = rows[:, 4] > 0.9 * speed_m_s
        for side in (0, 1):
            loaded = rows[:, side] > LOADED_N
            heights = []
            for begin, end, touches in spans(loaded, round(SHORTEST_S / period_s)):
                if not fast[begin:end].all():
                    continue
                if touches:
                    times.append((end - begin) * period_s)
                    peaks.append(float(rows[begin:end, side].max()))
                else:
                    low, high = (begin + round(part * (end - begin)) for part in MID_SWING)
                    heights.append(1e3 * float(rows[low:high, 2 + side].min()))
            clearance.append(float(np.median(heights)) if heights else np.nan)
        return Figures(
            stance_time_s=float(np.mean(times)) if times else np.nan,
            peak_force_n=float(np.mean(peaks)) if peaks else np.nan,
            stances=len(times),
            clearance_mm=(clearance[0], clearance[1]),
            steps=steps,
            upright=bool(rows[:, 5].min() > FALLEN * rows[0, 5]),
            times_real_time=times_real_time,
        )


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


def walk(engine: str, patient: str, controller: str, seconds: float, seed: int = 0) -> Figures:
    """Return the figures of a session on an engine, at the patient's own speed and unloading."""
    therapy = load_profile(patient).therapy
    watch = Watch()
    config = SimulationConfig(
        device=ENGINES[engine],
        patient=patient,
        controller=controller,
        duration_s=seconds,
        walking_s=seconds,
        seed=seed,
        overrides={"belt_speed_m_s": therapy.speed_m_s, "unloading_percent": therapy.unloading_percent},
    )
    ended = run(config, watch)
    return watch.figures(1.0 / config.rate_hz, therapy.speed_m_s, ended.steps, ended.time_s / ended.wall_s)


def compared(patient: str, controller: str, seconds: float) -> dict[str, Any]:
    """Return a walk on both engines and how much stance times and peak forces differ [%]."""
    figures = {engine: walk(engine, patient, controller, seconds) for engine in ENGINES}
    mine, theirs = figures["mujoco"], figures["gazebo"]

    def difference(a: float, b: float) -> float:
        return 100.0 * abs(b - a) / a

    return {
        "patient": patient,
        "controller": controller,
        "seconds": seconds,
        "stance_time_difference_pct": difference(mine.stance_time_s, theirs.stance_time_s),
        "peak_force_difference_pct": difference(mine.peak_force_n, theirs.peak_force_n),
        **{engine: asdict(part) for engine, part in figures.items()},
    }


def assistance(patient: str, seconds: float, controllers: tuple[str, ...]) -> dict[str, Any]:
    """Return the toe clearance of the left foot under each law, on both engines [mm].

    ``raised_mm`` is against the first law, which gives no help.
    """
    out: dict[str, Any] = {"patient": patient, "seconds": seconds, "controllers": list(controllers)}
    for engine in ENGINES:
        parts = [walk(engine, patient, controller, seconds) for controller in controllers]
        clearance = [part.clearance_mm[0] for part in parts]
        out[engine] = {
            "clearance_mm": clearance,
            "raised_mm": [c - clearance[0] for c in clearance],
            "steps": [part.steps for part in parts],
            "upright": [part.upright for part in parts],
        }
    return out
