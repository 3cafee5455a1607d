"""Fit the reference-gait model from published tables and write its YAML file.

``python -m exostride.gait.fit_reference --data DIR --out config/norms/reference_gait.yaml`` with DIR
holding the normative tables (Schwartz 2008, Winter 1991 and the BMClab treadmill spatiotemporal table).
It prints and stores leave-one-speed-out errors; nothing in the file comes from anywhere else.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS
from exostride.gait.reference import FILE_NAME, fourier_matrix
from exostride.types import Vector

HARMONICS = 8
SD_HARMONICS = 4
DEGREE = 3
RIDGE = (0.0, 0.0, 0.05, 0.5)
"""Penalty on the 0th to 3rd power of the task: the cubic term is only taken where it is well supported."""

SPEED_CENTRE, SPEED_SCALE = float(np.sqrt(0.43)), 0.18

SCHWARTZ_SPEEDS = {"VerySlow": 0.17, "Slow": 0.30, "Free": 0.43, "Fast": 0.56, "VeryFast": 0.70}
"""Dimensionless speed taken for each group: one class width apart, as the classes of Schwartz (2008)."""

WINTER_SPEEDS = {"Slow": 1.0, "Natural": 1.33, "Fast": 1.6}
"""Walking speed [m/s] taken for Winter's (1991) cadence groups, for a leg of 0.92 m."""
WINTER_LEG_M = 0.92

SCHWARTZ_NAMES = {
    "hip": "Hip Flex/Extension",
    "knee": "Knee Flex/Extension",
    "ankle": "Ankle Dorsi/Plantarflexion",
}
CITATIONS = (
    "Schwartz, Rozumalski & Trost (2008), J Biomech 41:1639-1650; table CC BY-SA 4.0",
    "Winter (1991), The Biomechanics and Motor Control of Human Gait, Waterloo",
    "BMClab treadmill spatiotemporal table (51 adults, 0.34-1.77 m/s), CC BY 4.0",
    "Method: Embry, Villarreal, Macaluso & Gregg (2018), IEEE TNSRE 26:2342-2350",
)


@dataclass(frozen=True)
class Table:
    """One speed of one source: mean and SD in degrees, shape (50, 3), at phases 0, 0.02, ... 0.98."""

    name: str
    froude_speed: float
    mean_deg: NDArray[np.float64]
    sd_deg: NDArray[np.float64]


def read_schwartz(folder: Path) -> list[Table]:
    """Read the children's table; hip flexion less the mean pelvic tilt, so that upright standing is zero."""
    rows: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with (folder / "schwartz2008_angles_deg.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            rows[row["var"], row["speed"]].append((float(row["mean"]), float(row["sd"])))
    out = []
    for speed, froude in SCHWARTZ_SPEEDS.items():
        data = np.array([rows[SCHWARTZ_NAMES[j], speed] for j in JOINT_KINDS])[:, :50]
        mean = data[:, :, 0].T.copy()
        mean[:, 0] -= np.array(rows["Pelvic Ant/Posterior Tilt", speed])[:50, 0].mean()
        out.append(Table(f"Schwartz {speed}", froude, mean, data[:, :, 1].T))
    return out


def read_winter(folder: Path) -> list[Table]:
    """Read Winter's three cadences; his hip angle is already zero when standing upright."""
    out = []
    for name, speed in WINTER_SPEEDS.items():
        path = folder / f"winter_Joint_Angles_{name}_Cadence.csv"
        data = np.genfromtxt(path, delimiter=",", skip_header=1)[:50]
        froude = speed / np.sqrt(GRAVITY_M_S2 * WINTER_LEG_M)
        out.append(Table(f"Winter {name}", float(froude), data[:, 1:6:2], data[:, 2:7:2]))
    return out


def fit_angles(tables: list[Table]) -> NDArray[np.float64]:
    """Return coefficients in degrees, shape (3, D + 1, 2 H + 1), by ridge regression over the speeds."""
    s = (np.sqrt([t.froude_speed for t in tables]) - SPEED_CENTRE) / SPEED_SCALE
    powers = s[:, None] ** np.arange(DEGREE + 1)
    phase = np.arange(50) / 50.0
    series = np.linalg.pinv(fourier_matrix(phase, HARMONICS))
    curves = np.array([[series @ t.mean_deg[:, j] for j in range(3)] for t in tables])
    normal = powers.T @ powers + np.diag(RIDGE)
    return np.asarray(np.einsum("dk,kjm->jdm", np.linalg.solve(normal, powers.T), curves))


def bridge_sources(first: list[Table], second: list[Table]) -> list[Table]:
    """Return the tables of both sources, each moved half of their constant difference (per joint).

    Marker sets define the zero of a joint angle a few degrees apart; without the shift the mixture would bend
    where one source ends. The reference lies midway.
    """
    model = fit_angles(first)
    gap = np.mean([(t.mean_deg - evaluate(model, t)).mean(axis=0) for t in second], axis=0)
    return [replace(t, mean_deg=t.mean_deg + 0.5 * gap) for t in first] + [
        replace(t, mean_deg=t.mean_deg - 0.5 * gap) for t in second
    ]


def evaluate(coefficients: NDArray[np.float64], table: Table) -> NDArray[np.float64]:
    """Return the model at the speed and phases of a table [deg], shape (50, 3)."""
    s = (np.sqrt(table.froude_speed) - SPEED_CENTRE) / SPEED_SCALE
    angle = np.einsum("d,jdm->jm", s ** np.arange(DEGREE + 1), coefficients)
    return np.asarray(fourier_matrix(np.arange(50) / 50.0, HARMONICS) @ angle.T)


def fit_sd(tables: list[Table]) -> NDArray[np.float64]:
    """Return SD coefficients in degrees, shape (3, 2, 2 H' + 1), linear in the task."""
    s = (np.sqrt([t.froude_speed for t in tables]) - SPEED_CENTRE) / SPEED_SCALE
    powers = s[:, None] ** np.arange(2)
    series = np.linalg.pinv(fourier_matrix(np.arange(50) / 50.0, SD_HARMONICS))
    curves = np.array([[series @ t.sd_deg[:, j] for j in range(3)] for t in tables])
    return np.asarray(np.einsum("dk,kjm->jdm", np.linalg.pinv(powers), curves))


def rmse_deg(coefficients: NDArray[np.float64], table: Table) -> Vector:
    """Return the root-mean-square error of hip, knee and ankle over one table [deg], shape (3,)."""
    return np.asarray(np.sqrt(((evaluate(coefficients, table) - table.mean_deg) ** 2).mean(axis=0)))


def leave_one_out(tables: list[Table]) -> dict[str, list[float]]:
    """Return the error at each speed of a model that has not seen it."""
    return {
        t.name: [round(float(e), 2) for e in rmse_deg(fit_angles([o for o in tables if o is not t]), t)]
        for t in tables
    }


def fit_step_length(folder: Path) -> tuple[float, float]:
    """Return factor and exponent of step length / leg length = factor * v* ** exponent (log-log fit)."""
    with (folder / "spatiotemporal_by_speed_h2a.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    leg = np.array([float(r["LegLength"]) for r in rows])
    speed = np.array([float(r["Speed"]) for r in rows]) / np.sqrt(GRAVITY_M_S2 * leg)
    step = np.array([float(r["StepLength"]) for r in rows]) / leg
    exponent, offset = np.polyfit(np.log(speed), np.log(step), 1)
    return float(np.exp(offset)), float(exponent)


def fit_stance(folder: Path) -> tuple[float, float, float]:
    """Return the stance fraction as a quadratic of the task, from where Schwartz's ankle moment ends.

    Toe off is where the mean plantarflexion moment has fallen below 0.1 N m/kg: the mean over children
    of a moment that ends at slightly different times has a tail, which this cuts off.
    """
    rows: dict[str, list[float]] = defaultdict(list)
    with (folder / "schwartz2008_moments.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["var"] == SCHWARTZ_NAMES["ankle"]:
                rows[row["speed"]].append(float(row["mean"]))
    off = []
    for speed in SCHWARTZ_SPEEDS:
        moment = np.array(rows[speed])
        i = int(np.argmax(moment)) + int(np.argmax(moment[int(np.argmax(moment)) :] < 0.1))
        off.append((i - 1 + (moment[i - 1] - 0.1) / (moment[i - 1] - moment[i])) * 0.02)
    s = (np.sqrt(list(SCHWARTZ_SPEEDS.values())) - SPEED_CENTRE) / SPEED_SCALE
    c, b, a = np.polyfit(s, off, 2)
    return float(a), float(b), float(c)


def fit(folder: Path) -> dict[str, Any]:
    """Return the content of the YAML file."""
    schwartz, winter = read_schwartz(folder), read_winter(folder)
    only_schwartz = fit_angles(schwartz)
    bridged = bridge_sources(schwartz, winter)
    angle, sd = fit_angles(bridged), fit_sd(bridged)
    factor, exponent = fit_step_length(folder)
    loo = leave_one_out(schwartz)
    inner = np.array([loo[t.name] for t in schwartz[1:-1]]).mean(axis=0)
    return {
        "made_by": f"python -m exostride.gait.fit_reference --data NORMS --out config/norms/{FILE_NAME}",
        "citations": list(CITATIONS),
        "speed": {
            "centre": round(SPEED_CENTRE, 6),
            "scale": SPEED_SCALE,
            "froude_min": min(SCHWARTZ_SPEEDS.values()),
            "froude_max": max(SCHWARTZ_SPEEDS.values()),
        },
        "step_length": {"factor": round(factor, 4), "exponent": round(exponent, 4)},
        "stance_fraction": [round(x, 4) for x in fit_stance(folder)],
        "errors_deg": {
            "leave_one_speed_out": loo
            | {
                "mean of the three inner speeds": [round(float(e), 2) for e in inner],
                "mean of all five": [round(float(e), 2) for e in np.array(list(loo.values())).mean(axis=0)],
            },
            "trained on Schwartz, tested on Winter": {
                t.name: [round(float(e), 2) for e in rmse_deg(only_schwartz, t)] for t in winter
            },
            "shipped fit, sources moved together": {
                t.name: [round(float(e), 2) for e in rmse_deg(angle, t)] for t in bridged
            },
        },
        "angle_deg": {j: np.round(angle[k], 4).tolist() for k, j in enumerate(JOINT_KINDS)},
        "sd_deg": {j: np.round(sd[k], 4).tolist() for k, j in enumerate(JOINT_KINDS)},
    }


def main(arguments: list[str] | None = None) -> None:
    """Fit, print the errors and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the normative tables")
    parser.add_argument("--out", type=Path, required=True, help="YAML file to write")
    options = parser.parse_args(arguments)
    content = fit(options.data)
    head = "# Reference gait over phase, speed and leg length: equation in exostride.gait.reference.\n"
    options.out.write_text(head + yaml.safe_dump(content, sort_keys=False, width=118), encoding="utf-8")
    for title, table in content["errors_deg"].items():
        print(f"{title} [RMSE deg: hip, knee, ankle]")
        for name, errors in table.items():
            print(f"  {name:34s} " + "  ".join(f"{e:5.2f}" for e in errors))


if __name__ == "__main__":
    main()
