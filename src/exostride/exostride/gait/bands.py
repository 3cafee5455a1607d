"""Published bands of normal walking (mean and standard deviation over the cycle), matched by Froude number.

``config/norms/bands.yaml`` holds Fourier coefficients of the published tables, written by
``python -m exostride.gait.fit_bands``. Hip angles are of the thigh against the upright trunk: Schwartz'
hip angle, measured against the tilted pelvis, has the mean pelvic tilt of its table subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.config import StrictModel, load
from exostride.conventions import JOINT_KINDS
from exostride.gait.reference import fourier_matrix
from exostride.paths import config_dir
from exostride.types import Vector

FILE_NAME: Final = "bands.yaml"
_LEAST_SD_DEG: Final = 0.5
_LEAST_SD_N_KG: Final = 0.02


class BandFile(StrictModel):
    """One table: Fourier coefficients (1, cos, sin, ...) of mean and SD."""

    source: str
    froude_min: float
    froude_max: float
    mean_deg: dict[str, list[float]]
    sd_deg: dict[str, list[float]]
    vertical_n_kg: list[float] | None = None
    vertical_sd_n_kg: list[float] | None = None
    forward_n_kg: list[float] | None = None
    forward_sd_n_kg: list[float] | None = None
    moment_nm_kg: dict[str, list[float]] | None = None


class BandsFile(StrictModel):
    """Schema of ``config/norms/bands.yaml``."""

    made_by: str
    citations: tuple[str, ...]
    bands: tuple[BandFile, ...]


def _series(phase: Vector, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(fourier_matrix(phase, (rows.shape[-1] - 1) // 2) @ np.atleast_2d(rows).T)


@dataclass(frozen=True)
class Band:
    """One published table."""

    file: BandFile

    @property
    def source(self) -> str:
        """Name and citation key of the table."""
        return self.file.source

    def angles_deg(self, phase: Vector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and SD of hip, knee, ankle [deg] at phases (N,), shape (N, 3) each."""
        mean = _series(phase, np.array([self.file.mean_deg[j] for j in JOINT_KINDS]))
        sd = _series(phase, np.array([self.file.sd_deg[j] for j in JOINT_KINDS]))
        return mean, np.maximum(sd, _LEAST_SD_DEG)

    def vertical_n_kg(self, phase: Vector) -> tuple[Vector, Vector] | None:
        """Return mean and SD of the vertical ground force [N/kg], or None where the source has none."""
        f = self.file
        if f.vertical_n_kg is None or f.vertical_sd_n_kg is None:
            return None
        mean = _series(phase, np.array(f.vertical_n_kg))[:, 0]
        sd = _series(phase, np.array(f.vertical_sd_n_kg))[:, 0]
        return mean, np.maximum(sd, _LEAST_SD_N_KG)

    def forward_n_kg(self, phase: Vector) -> Vector | None:
        """Return the mean fore-aft ground force on the foot, forward positive [N/kg], or None."""
        f = self.file.forward_n_kg
        return None if f is None else np.asarray(_series(phase, np.array(f))[:, 0])

    def moments_nm_kg(self, phase: Vector) -> NDArray[np.float64] | None:
        """Return mean joint moments of hip, knee, ankle [N m/kg], flexion positive, shape (N, 3), or None."""
        f = self.file.moment_nm_kg
        return None if f is None else _series(phase, np.array([f[j] for j in JOINT_KINDS]))


@cache
def load_bands(path: Path | None = None) -> tuple[Band, ...]:
    """Read a bands file, by default ``config/norms/bands.yaml``; raises :class:`ConfigError`."""
    raw = load(BandsFile, path if path is not None else config_dir() / "norms" / FILE_NAME)
    return tuple(Band(b) for b in raw.bands)


def bands_at(froude_speed: float, path: Path | None = None) -> tuple[Band, ...]:
    """Return the tables of people who walked at this dimensionless speed v / sqrt(g l)."""
    return tuple(b for b in load_bands(path) if b.file.froude_min <= froude_speed < b.file.froude_max)
