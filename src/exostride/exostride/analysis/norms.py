"""Normal values at the speed and size of the walker, each with its source.

Angles come from the published tables in ``config/norms/bands.yaml``; times and lengths from the power law of
treadmill walking in ``config/norms/reference_gait.yaml``. Both are matched by Froude number, so nothing is
compared where speed or leg length is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.walk import PERCENT, Walk
from exostride.conventions import GRAVITY_M_S2
from exostride.gait.bands import Band, bands_at
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import Vector

PHASE: Final[Vector] = PERCENT / 100.0
STEP_SD: Final = 0.09
"""Relative SD between 51 adults of step length about the power law of ``reference_gait.yaml``."""
STANCE_SD_PERCENT: Final = 1.6
"""SD of stance between healthy adults (Winter 1991; Perry & Burnfield 2010) [percent of the stride]."""
SOURCE_SPEED: Final = "BMClab treadmill walking by speed (CC BY 4.0)"


@dataclass(frozen=True)
class AngleBand:
    """Mean and SD of hip, knee, ankle [deg] at the 101 points, shape (101, 3), and where they are from."""

    mean_deg: NDArray[np.float64]
    sd_deg: NDArray[np.float64]
    source: str


@dataclass(frozen=True, slots=True)
class Norm:
    """Normal mean and SD of one figure, and their source."""

    mean: float
    sd: float
    source: str


_CITED: Final = {
    "Schwartz": "Schwartz et al. (2008), J Biomech 41:1639-1650",
    "Winter": "Winter (1991), Biomechanics and Motor Control of Human Gait",
}


def cited(band: Band) -> str:
    """Return where a band is from, with its class of speed."""
    author, _, speed = band.source.partition(" ")
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in speed).strip().lower()
    return f"{_CITED[author]} ({words})" if author in _CITED else band.source


def _band(walk: Walk) -> Band | None:
    speed = walk.froude_speed
    found = bands_at(speed) if np.isfinite(speed) and speed > 0.0 else ()
    if not found:
        return None
    # Adults' table where there is one; Schwartz' children fill the slow end.
    adult = [band for band in found if band.source.startswith("Winter")]
    return (adult or list(found))[0]


def angle_band(walk: Walk) -> AngleBand | None:
    """Return the band of joint angles for this walk, or None where no table fits its speed."""
    band = _band(walk)
    if band is None:
        return None
    mean, sd = band.angles_deg(PHASE % 1.0)
    return AngleBand(mean, sd, cited(band))


@dataclass(frozen=True)
class LoadBand:
    """Mean and SD of the vertical ground force (101,) [% of body weight], and where they are from."""

    mean_percent: Vector
    sd_percent: Vector
    source: str


def load_band(walk: Walk) -> LoadBand | None:
    """Return the band of the load on a foot of people who bear all their weight, or None without a table."""
    band = _band(walk)
    found = None if band is None else band.vertical_n_kg(PHASE % 1.0)
    if band is None or found is None:
        return None
    mean, sd = (100.0 * part / GRAVITY_M_S2 for part in found)
    return LoadBand(mean, sd, cited(band))


def _at(band: AngleBand, joint: int, first: float, last: float, largest: bool) -> Norm:
    """Return the norm of a peak: the extreme of the mean curve in a part of the cycle, and the SD there."""
    inside = np.flatnonzero((first <= PERCENT) & (last >= PERCENT))
    curve = band.mean_deg[inside, joint]
    i = inside[int(curve.argmax() if largest else curve.argmin())]
    return Norm(float(band.mean_deg[i, joint]), float(band.sd_deg[i, joint]), band.source)


_PEAKS: Final[Mapping[str, tuple[int, float, float, bool]]] = {
    "hip_flexion_peak_deg": (0, 0.0, 100.0, True),
    "hip_extension_peak_deg": (0, 0.0, 100.0, False),
    "knee_flexion_swing_deg": (1, 60.0, 100.0, True),
    "knee_flexion_loading_deg": (1, 0.0, 25.0, True),
    "knee_extension_stance_deg": (1, 25.0, 55.0, False),
    "dorsiflexion_stance_deg": (2, 0.0, 60.0, True),
    "dorsiflexion_swing_deg": (2, 76.0, 88.0, False),
}


def _range(band: AngleBand, joint: int) -> Norm:
    top, low = _at(band, joint, 0.0, 100.0, True), _at(band, joint, 0.0, 100.0, False)
    return Norm(top.mean - low.mean, float(np.hypot(top.sd, low.sd)), band.source)


def _by_speed(walk: Walk) -> dict[str, Norm]:
    if walk.geometry is None or not np.isfinite(walk.speed_m_s) or walk.speed_m_s <= 0.0:
        return {}
    reference = load_reference(config_dir() / "norms" / "reference_gait.yaml")
    step = reference.step_length_m(walk.speed_m_s, walk.geometry.leg_length)
    stride = reference.stride_time_s(walk.speed_m_s, walk.geometry.leg_length)
    stance = 100.0 * reference.stance_fraction(walk.froude_speed)

    def relative(value: float) -> Norm:
        return Norm(value, STEP_SD * value, SOURCE_SPEED)

    return {
        "stride_time_s": relative(stride),
        "cadence_steps_min": relative(120.0 / stride),
        "stride_length_m": relative(2.0 * step),
        "step_length_m": relative(step),
        "stance_percent": Norm(stance, STANCE_SD_PERCENT, "Winter (1991), Schwartz et al. (2008), by speed"),
    }


def norms_of(walk: Walk) -> Callable[[str, str], Norm | None]:
    """Return a function from a metric's name and key to its norm, or None where there is none."""
    band, by_speed = angle_band(walk), _by_speed(walk)
    joints = ("hip", "knee", "ankle")

    def find(name: str, key: str) -> Norm | None:
        if name in by_speed:
            return by_speed[name]
        if band is None:
            return None
        if name in _PEAKS:
            return _at(band, *_PEAKS[name])
        if name == "range_deg":
            return _range(band, joints.index(key.split("_", maxsplit=1)[0]))
        return None

    return find
