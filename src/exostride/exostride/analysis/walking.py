"""Does a simulated walk look like walking: comparison with the published bands, stride by stride.

Inputs are plain arrays over control ticks, so the same code judges a simulation, a recording or a bag.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.gait.bands import Band
from exostride.types import Vector

SAMPLES: Final = 100
PHASE: Final[Vector] = np.arange(SAMPLES) / SAMPLES
TOUCH_N_KG: Final = 0.5
"""Vertical force per body mass above which a foot is on the ground."""
_SHORTEST_S: Final = 0.4
MID_SWING: Final = (0.25, 0.80)
"""Part of swing in which the toe passes the ground closest (after lift, before landing)."""


@dataclass(frozen=True)
class Strides:
    """Strides of one leg: start and end time [s], and signals over the cycle, shape (strides, 100, width)."""

    start_s: Vector
    end_s: Vector
    toe_off: Vector
    angle_rad: NDArray[np.float64]
    vertical_n_kg: NDArray[np.float64]
    clearance_m: NDArray[np.float64]
    slip_m: Vector

    @property
    def duration_s(self) -> Vector:
        """Duration of each stride."""
        return self.end_s - self.start_s

    def __len__(self) -> int:
        """Return the number of strides."""
        return len(self.start_s)


def heel_strikes(time_s: Vector, vertical_n_kg: Vector) -> tuple[Vector, Vector]:
    """Return times of touch and of lift of one foot by its vertical force, touches debounced by 0.1 s."""
    on = vertical_n_kg > TOUCH_N_KG
    change = np.diff(on.astype(int))
    touch, lift = time_s[1:][change > 0], time_s[1:][change < 0]
    keep = [t for t in touch if not ((lift > t - 0.1) & (lift <= t)).any()]
    off = [t for t in lift if not ((touch > t) & (touch < t + 0.1)).any()]
    return np.array(keep), np.array(off)


def cut_strides(
    time_s: Vector,
    angle_rad: NDArray[np.float64],
    vertical_n: Vector,
    clearance_m: Vector,
    slip_speed_m_s: Vector,
    mass_kg: float,
    from_s: float = 0.0,
) -> Strides:
    """Cut one leg's signals at its heel strikes; ``angle_rad`` is hip, knee, ankle, shape (N, 3)."""
    force = vertical_n / mass_kg
    touch, lift = heel_strikes(time_s, force)
    touch = touch[touch >= from_s]
    pairs = [(a, b) for a, b in pairwise(touch) if b - a > _SHORTEST_S]
    columns = np.column_stack([angle_rad, force, clearance_m])
    cycles, off, slip = [], [], []
    step = float(np.median(np.diff(time_s)))
    for a, b in pairs:
        at = a + (b - a) * PHASE
        cycles.append(np.column_stack([np.interp(at, time_s, c) for c in columns.T]))
        lifts = lift[(lift > a) & (lift < b)]
        off.append((lifts[-1] - a) / (b - a) if len(lifts) else np.nan)
        slip.append(float(slip_speed_m_s[(time_s >= a) & (time_s < b)].sum()) * step)
    data = np.array(cycles) if cycles else np.zeros((0, SAMPLES, 5))
    return Strides(
        np.array([a for a, _ in pairs]),
        np.array([b for _, b in pairs]),
        np.array(off),
        data[:, :, :3],
        data[:, :, 3],
        data[:, :, 4],
        np.array(slip),
    )


def inside_fraction(strides: Strides, band: Band) -> Vector:
    """Return the part of the mean cycle within 2 SD of a band: hip, knee, ankle, shape (3,)."""
    mean, sd = band.angles_deg(PHASE)
    walked = np.degrees(strides.angle_rad.mean(axis=0))
    return np.asarray((np.abs(walked - mean) <= 2.0 * sd).mean(axis=0))


def vertical_inside(strides: Strides, band: Band) -> float | None:
    """Return the part of stance in which the mean vertical force lies within 2 SD of a band's."""
    table = band.vertical_n_kg(PHASE)
    if table is None:
        return None
    mean, sd = table
    stance = float(np.nanmean(strides.toe_off)) > PHASE
    inside = np.abs(strides.vertical_n_kg.mean(axis=0) - mean) <= 2.0 * sd
    return float(inside[stance].mean())


@dataclass(frozen=True)
class ForcePeaks:
    """Two-peaked vertical force: peaks and the valley between [N/kg] and their phases."""

    first: float
    valley: float
    second: float
    first_phase: float
    valley_phase: float
    second_phase: float

    @property
    def two_peaked(self) -> bool:
        """Whether the valley lies at least 3 % below both peaks."""
        return self.valley < 0.97 * min(self.first, self.second)


def force_peaks(strides: Strides) -> ForcePeaks:
    """Return the peaks of the mean vertical force: before and after mid-stance, and the least between."""
    force = strides.vertical_n_kg.mean(axis=0)
    smooth = np.convolve(np.concatenate([force[-2:], force, force[:2]]), np.ones(5) / 5.0, mode="valid")
    off = int(SAMPLES * float(np.nanmean(strides.toe_off)))
    middle = off // 2
    first = int(np.argmax(smooth[:middle]))
    second = middle + int(np.argmax(smooth[middle:off]))
    valley = first + int(np.argmin(smooth[first : second + 1]))
    return ForcePeaks(
        *(float(smooth[i]) for i in (first, valley, second)), *(i / SAMPLES for i in (first, valley, second))
    )


def mid_swing_clearance_m(strides: Strides) -> Vector:
    """Return the lowest point of the sole in mid-swing for each stride [m]."""
    out = []
    for clearance, off in zip(strides.clearance_m, strides.toe_off, strict=True):
        a = off + MID_SWING[0] * (1.0 - off)
        b = off + MID_SWING[1] * (1.0 - off)
        out.append(float(clearance[(a <= PHASE) & (b >= PHASE)].min()) if np.isfinite(off) else np.nan)
    return np.array(out)


def guidance_rms(force_n: Vector, weight_n: float) -> float:
    """Return the root-mean-square of a guidance force as a part of body weight."""
    return float(np.sqrt(np.mean(np.square(force_n)))) / weight_n
