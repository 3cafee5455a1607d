"""Published tables that the reference gait and the bands are fitted from, as their authors give them.

The file of Schwartz et al. (2008) that is passed around has one slip: its column ``mean`` is the column
"+1 SD" of the authors' addendum, in angles and moments alike. The addendum's own table of extrema shows it
(free walking: knee at contact 5.6 deg, in the file 11.2 with an SD of 5.7; largest plantarflexion moment
1.22 N m/kg, in the file 1.44 with 0.22), so the SD is taken off here.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS
from exostride.types import Vector

ROWS: Final = 50
PHASE: Final = np.arange(ROWS) / ROWS


@dataclass(frozen=True)
class Group:
    """One speed class of Schwartz (2008), from the paper's addendum.

    ``froude_speed`` is the mean of its children's v / sqrt(g l); ``double_support`` one double support, the
    mean of opposite foot off and of foot off less half a cycle; ``foot_off`` and ``foot_off_sd`` mean and
    standard deviation between them [cycle]; ``children`` their number.
    """

    froude_speed: float
    double_support: float
    foot_off: float
    foot_off_sd: float
    children: int


SCHWARTZ_GROUPS: Final = {
    "VerySlow": Group(0.1721, 0.180, 0.68, 0.05, 77),
    "Slow": Group(0.2902, 0.120, 0.62, 0.02, 82),
    "Free": Group(0.4294, 0.095, 0.59, 0.02, 82),
    "Fast": Group(0.5599, 0.080, 0.58, 0.02, 76),
    "VeryFast": Group(0.6938, 0.065, 0.56, 0.02, 51),
}

WINTER_SPEEDS: Final = {"Slow": 1.0, "Natural": 1.33, "Fast": 1.6}
"""Walking speed [m/s] taken for Winter's (1991) cadence groups, for a leg of 0.92 m."""
WINTER_LEG_M: Final = 0.92
WINTER_FOOT_OFF_SD: Final = 0.016
"""Standard deviation of stance between healthy adults (Winter 1991; Perry & Burnfield 2010) [cycle]."""
_OFF_N_KG: Final = 0.5
"""Vertical force at which the foot counts as off: a twentieth of the weight, above a mean's tail."""

SCHWARTZ_NAMES: Final = {
    "hip": "Hip Flex/Extension",
    "knee": "Knee Flex/Extension",
    "ankle": "Ankle Dorsi/Plantarflexion",
}
CITATIONS: Final = (
    "Schwartz, Rozumalski & Trost (2008), J Biomech 41:1639-1650; table CC BY-SA 4.0",
    "Winter (1991), The Biomechanics and Motor Control of Human Gait, Waterloo",
    "BMClab treadmill spatiotemporal table (51 adults, 0.34-1.77 m/s), CC BY 4.0",
    "Method: Embry, Villarreal, Macaluso & Gregg (2018), IEEE TNSRE 26:2342-2350",
)


@dataclass(frozen=True)
class Table:
    """One speed of one source: mean and SD in degrees, shape (50, 3), at phases 0, 0.02, ... 0.98.

    ``double_support`` and ``foot_off_sd`` as in :class:`Group`.
    """

    name: str
    froude_speed: float
    mean_deg: NDArray[np.float64]
    sd_deg: NDArray[np.float64]
    double_support: float
    foot_off_sd: float


def read_schwartz(folder: Path) -> list[Table]:
    """Read the children's table; hip flexion less the mean pelvic tilt, so that upright standing is zero."""
    rows: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with (folder / "schwartz2008_angles_deg.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            sd = float(row["sd"])
            rows[row["var"], row["speed"]].append((float(row["mean"]) - sd, sd))
    out = []
    for name, group in SCHWARTZ_GROUPS.items():
        data = np.array([rows[SCHWARTZ_NAMES[j], name] for j in JOINT_KINDS])[:, :ROWS]
        mean = data[:, :, 0].T.copy()
        mean[:, 0] -= np.array(rows["Pelvic Ant/Posterior Tilt", name])[:ROWS, 0].mean()
        out.append(
            Table(
                f"Schwartz {name}",
                group.froude_speed,
                mean,
                data[:, :, 1].T,
                group.double_support,
                group.foot_off_sd,
            )
        )
    return out


def read_winter(folder: Path) -> list[Table]:
    """Read Winter's three cadences; his hip angle is already zero when standing upright."""
    out = []
    for name, speed in WINTER_SPEEDS.items():
        path = folder / f"winter_Joint_Angles_{name}_Cadence.csv"
        data = np.genfromtxt(path, delimiter=",", skip_header=1)[:ROWS]
        force = np.genfromtxt(
            folder / f"winter_Ground_Reaction_{name}_Cadence.csv", delimiter=",", skip_header=1
        )
        froude = speed / np.sqrt(GRAVITY_M_S2 * WINTER_LEG_M)
        out.append(
            Table(
                f"Winter {name}",
                float(froude),
                data[:, 1:6:2],
                data[:, 2:7:2],
                _foot_off(force[:, 1]) - 0.5,
                WINTER_FOOT_OFF_SD,
            )
        )
    return out


def _foot_off(vertical_n_kg: Vector) -> float:
    """Return the phase at which a vertical force at every 2 % of the cycle leaves the ground."""
    i = int(np.flatnonzero(vertical_n_kg > _OFF_N_KG)[-1])
    high, low = vertical_n_kg[i], vertical_n_kg[i + 1]
    return float((i + (high - _OFF_N_KG) / (high - low)) / ROWS)
