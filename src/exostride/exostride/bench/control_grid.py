"""The grid of ``exostride bench control``: its configuration, its cells, and the hash of what they run on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

import exostride
from exostride.config import StrictModel
from exostride.paths import config_dir, urdf_dir
from exostride.patient.profile import Effort, PatientProfile, Therapy

GUIDANCE = "guidance"
"""The law whose levels are the curve that all others are measured against."""
UNASSISTED = "transparent"
"""The law that gives nothing: what a patient does in it counts as walking unassisted."""
FIXED = frozenset({GUIDANCE, UNASSISTED, "position"})
"""Laws whose assistance stays as it is set: nothing of it can decay."""
_PARTS = ("control", "patient", "plant", "gait", "model", "safety", "hardware", "runtime")
_FILES = ("norms", "patients", "plant", "limits", "nodes")


class BenchConfig(StrictModel):
    """Schema of ``config/bench/control.yaml``.

    Belt speed and unloading are those of the patient's own therapy where they are not set. ``slack`` is how
    every impaired patient slacks who has no slacking of their own; ``slacking`` are multiples of what is
    given back in a stride. ``recovery_strides`` are walked with laws whose assistance can change.
    """

    start: Literal["in_gait", "standing"] = "in_gait"
    speed_m_s: float | None = Field(None, gt=0.0, le=2.0)
    unloading_percent: float | None = Field(None, ge=0.0, le=85.0)
    lead_in_strides: int = Field(3, ge=0)
    lead_in_level: float = Field(0.1, ge=0.0, le=1.0)
    start_level: float = Field(0.3, ge=0.0, le=1.0)
    settle_strides: int = Field(10, ge=2)
    measured_strides: int = Field(20, ge=3)
    recovery_strides: int = Field(30, ge=0)
    longest_s: float = Field(150.0, gt=0.0)
    dead_band_deg: tuple[float, float, float] = (6.0, 8.0, 6.0)
    drag_mm: float = 1.0
    clear_mm: float = 5.0
    default: str = "impedance"
    guidance_levels: tuple[float, ...] = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
    controllers: tuple[str, ...]
    patients: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    slacking: tuple[float, ...] = (1.0,)
    slack: Effort = Effort(retention=0.97, gain=0.1, tolerance_deg=4.0, floor=0.5)

    def therapy(self, profile: PatientProfile) -> Therapy:
        """Return the belt speed and unloading with which a patient walks."""
        own = profile.therapy
        return Therapy(
            speed_m_s=own.speed_m_s if self.speed_m_s is None else self.speed_m_s,
            unloading_percent=own.unloading_percent
            if self.unloading_percent is None
            else self.unloading_percent,
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One walk of the grid; ``level`` is the guidance, -1 for laws that set their own."""

    controller: str
    patient: str
    seed: int
    level: float = -1.0
    slacking: float = 1.0

    @property
    def label(self) -> str:
        """Name of the row's controller, with the level of a fixed one."""
        return self.controller if self.level < 0.0 else f"{self.controller}_{self.level:g}"

    @property
    def key(self) -> str:
        """Name of the cell, for resuming."""
        return f"{self.label}|{self.patient}|{self.seed}|{self.slacking:g}"


def cells(config: BenchConfig) -> list[Cell]:
    """Return the whole grid, what the verdict needs first, seed by seed.

    An interrupted or short run so has few seeds of every row rather than all seeds of a few, and all seeds of
    the first slacking rather than few of each.
    """
    first = [UNASSISTED, config.default]
    rest = [name for name in config.controllers if name not in first]
    grid = []
    for slacking in config.slacking:
        for seed in config.seeds:
            for names in (first, [GUIDANCE], rest):
                for patient in config.patients:
                    grid += _of(names, patient, seed, slacking, config.guidance_levels)
    return grid


def _of(names: list[str], patient: str, seed: int, slacking: float, levels: tuple[float, ...]) -> list[Cell]:
    found = []
    for name in names:
        for level in levels if name == GUIDANCE else (-1.0,):
            found.append(Cell(name, patient, seed, level, slacking))
    return found


@cache
def model_hash() -> str:
    """Return the SHA-256 (16 digits) of everything that a row depends on: sources and configuration."""
    root = Path(exostride.__file__).parent
    files = [file for part in _PARTS for file in (root / part).rglob("*.py")]
    files += [Path(__file__).with_name("control_cell.py"), Path(__file__).with_name("control_rig.py")]
    files += [file for part in _FILES for file in (config_dir() / part).glob("*.yaml")]
    files += list(urdf_dir().glob("*"))
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file()):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def fingerprint(config: BenchConfig) -> str:
    """Return what must be equal for a stored cell to be used again."""
    kept: dict[str, Any] = config.model_dump(exclude={"controllers", "patients", "seeds", "slacking"})
    kept.pop("guidance_levels")
    kept.pop("default")
    return hashlib.sha256(f"{model_hash()}{kept}".encode()).hexdigest()[:16]
