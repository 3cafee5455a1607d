r"""Fit the reference-gait model from published tables and write its YAML file.

``python -m exostride.gait.fit_reference --data DIR --out config/norms/reference_gait.yaml`` with DIR
holding the normative tables (Schwartz 2008, Winter 1991 and the BMClab treadmill spatiotemporal table).
It prints and stores leave-one-speed-out errors; nothing in the file comes from anywhere else.

The tables are brought to one time scale and to one walker (:mod:`.fit_registration`). There each phase is a
polynomial of the transformed speed, fitted by ridge regression over the speeds,

.. math:: q(u, v) = \sum_{d=0}^{D} c_d(u)\, s^d, \qquad s \propto v^\lambda,

with :math:`\lambda`, degree and ridge chosen by leave-one-speed-out *among the speeds it is fitted to*: one
that is left out to be judged has no say in the choice. The result is written as a Fourier series whose
coefficients are polynomials of the speed, which is what :mod:`.reference` reads.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS
from exostride.gait.fit_registration import (
    GRID,
    double_support_law,
    periodic,
    spread,
    to_common,
    walker_of,
)
from exostride.gait.fit_tables import CITATIONS, PHASE, SCHWARTZ_GROUPS, Table, read_schwartz, read_winter
from exostride.gait.reference import FILE_NAME, fourier_matrix
from exostride.types import Vector

HARMONICS: Final = 10
SD_HARMONICS: Final = 4
WRITTEN_DEGREE: Final = 5
WRITTEN_SPEEDS: Final = 33
SPEED_CENTRE, SPEED_SCALE = float(np.sqrt(0.43)), 0.18


@dataclass(frozen=True)
class Basis:
    """Power of the speed, degree of the polynomial, ridge on its square (ten times that on its cube)."""

    power: float
    degree: int
    ridge: float


CANDIDATES: Final = tuple(
    Basis(power, degree, ridge)
    for power, (degree, ridge) in itertools.product(
        (0.5, 1.0),
        ((1, 0.0), (2, 0.01), (2, 0.03), (2, 0.1), (3, 0.003), (3, 0.01), (3, 0.03), (3, 0.1)),
    )
)


@dataclass(frozen=True)
class Model:
    """A fit: coefficients (D + 1, 200, 3) [deg] on the common time scale, law of double support."""

    basis: Basis
    centre: float
    coefficients: NDArray[np.float64]
    law: tuple[float, float]

    def double_support(self, froude_speed: float) -> float:
        """Return one double support [cycle]."""
        return float(self.law[0] * froude_speed ** self.law[1])

    def walker(self, froude_speed: float) -> NDArray[np.float64]:
        """Return one walker's angles on the common time scale, shape (200, 3) [deg]."""
        s = _scaled(np.array([froude_speed]), self.basis.power)[0] - self.centre
        return np.asarray(np.tensordot(s ** np.arange(self.basis.degree + 1), self.coefficients, 1))

    def angles(self, froude_speed: float) -> NDArray[np.float64]:
        """Return one walker's angles at phases 0, 0.005, ... of their own cycle, shape (200, 3) [deg]."""
        curve = periodic(self.walker(froude_speed))
        return np.asarray(curve(to_common(GRID, self.double_support(froude_speed))))

    def rmse_deg(self, table: Table) -> Vector:
        """Return the root-mean-square error of hip, knee and ankle over one table [deg], shape (3,).

        The table is a mean over people, so the walker is spread over foot offs as they were.
        """
        mean = spread(
            self.walker(table.froude_speed), self.double_support(table.froude_speed), table.foot_off_sd
        )
        return np.asarray(np.sqrt(((mean - table.mean_deg) ** 2).mean(axis=0)))


def _scaled(speed: Vector, power: float) -> Vector:
    """Return v ** power, -1 at the slowest and 1 at the fastest class of the children's table."""
    ends = np.array([g.froude_speed for g in SCHWARTZ_GROUPS.values()])[[0, -1]] ** power
    return np.asarray((2.0 * speed**power - ends.sum()) / (ends[1] - ends[0]))


def fit_model(tables: list[Table], walkers: list[NDArray[np.float64]], basis: Basis) -> Model:
    """Return the ridge regression over the speeds of walkers (200, 3) found from the tables."""
    s = _scaled(np.array([t.froude_speed for t in tables]), basis.power)
    centre = float(s.mean())
    powers = (s - centre)[:, None] ** np.arange(basis.degree + 1)
    ridge = np.diag([0.0, 0.0, basis.ridge, 10.0 * basis.ridge][: basis.degree + 1])
    solved = np.linalg.solve(powers.T @ powers + ridge, powers.T)
    return Model(basis, centre, np.tensordot(solved, np.array(walkers), 1), double_support_law(tables))


def _rounded(errors: Vector) -> list[float]:
    return [round(float(e), 2) for e in errors]


def _without(items: list[Any], k: int) -> list[Any]:
    return items[:k] + items[k + 1 :]


def choose(tables: list[Table], walkers: list[NDArray[np.float64]]) -> Basis:
    """Return the candidate whose leave-one-speed-out error among these tables is the least."""

    def error(basis: Basis) -> float:
        parts = [
            fit_model(_without(tables, k), _without(walkers, k), basis).rmse_deg(t).sum()
            for k, t in enumerate(tables)
        ]
        return float(np.sum(parts))

    return min((b for b in CANDIDATES if b.degree < len(tables)), key=error)


def fit_best(tables: list[Table]) -> Model:
    """Return the fit with the basis chosen among these tables alone."""
    walkers = [walker_of(t) for t in tables]
    return fit_model(tables, walkers, choose(tables, walkers))


def leave_one_out(tables: list[Table]) -> dict[str, list[float]]:
    """Return the error at each speed of a model that has not seen it, nor was chosen with it."""
    out: dict[str, list[float]] = {
        t.name: _rounded(fit_best(_without(tables, k)).rmse_deg(t)) for k, t in enumerate(tables)
    }
    errors = np.array(list(out.values()))
    out["mean of the three inner speeds"] = _rounded(errors[1:-1].mean(axis=0))
    out["mean of all five"] = _rounded(errors.mean(axis=0))
    return out


def sampling_error(tables: list[Table]) -> dict[str, list[float]]:
    """Return the standard error of each class's mean curve, SD over root N, RMS over the cycle [deg]."""
    out = {}
    for table, group in zip(tables, SCHWARTZ_GROUPS.values(), strict=True):
        error = np.sqrt((table.sd_deg**2).mean(axis=0) / group.children)
        out[table.name] = _rounded(error)
    out["mean of all five"] = _rounded(np.array(list(out.values())).mean(axis=0))
    return out


def unseen_errors(schwartz: list[Table], winter: list[Table]) -> dict[str, dict[str, list[float]]]:
    """Return errors on speeds and sources that a fit has not seen, and how sure the tables are [deg]."""
    model = fit_best(schwartz)
    return {
        "leave_one_speed_out": leave_one_out(schwartz),
        "standard error of the children's means": sampling_error(schwartz),
        "trained on Schwartz, tested on Winter": {t.name: _rounded(model.rmse_deg(t)) for t in winter},
    }


def bridge_sources(first: list[Table], second: list[Table]) -> list[Table]:
    """Return the tables of both sources, each moved half of their constant difference (per joint).

    Marker sets define the zero of a joint angle a few degrees apart; without the shift the mixture would bend
    where one source ends. The reference lies midway.
    """
    model = fit_best(first)
    gaps = []
    for t in second:
        mean = spread(model.walker(t.froude_speed), model.double_support(t.froude_speed), t.foot_off_sd)
        gaps.append((t.mean_deg - mean).mean(axis=0))
    gap = np.mean(gaps, axis=0)
    return [replace(t, mean_deg=t.mean_deg + 0.5 * gap) for t in first] + [
        replace(t, mean_deg=t.mean_deg - 0.5 * gap) for t in second
    ]


def write_series(model: Model) -> tuple[NDArray[np.float64], float]:
    """Return the model as a Fourier series with polynomial coefficients, and its largest error [deg].

    Coefficients in degrees, shape (3, 6, 21): the form :mod:`.reference` reads, in s of the speed's root.
    """
    ends = [g.froude_speed for g in SCHWARTZ_GROUPS.values()]
    speeds = np.linspace(ends[0], ends[-1], WRITTEN_SPEEDS)
    rows = fourier_matrix(GRID, HARMONICS)
    curves = np.array([model.angles(float(v)) for v in speeds])
    series = np.einsum("mn,knj->kjm", np.linalg.pinv(rows), curves)
    powers = _task(speeds)[:, None] ** np.arange(WRITTEN_DEGREE + 1)
    written = np.einsum("dk,kjm->jdm", np.linalg.pinv(powers), series)
    again = np.einsum("nm,kd,jdm->knj", rows, powers, written)
    return np.asarray(written), float(np.abs(again - curves).max())


def _task(froude_speed: Vector) -> Vector:
    return np.asarray((np.sqrt(froude_speed) - SPEED_CENTRE) / SPEED_SCALE)


def fit_sd(tables: list[Table]) -> NDArray[np.float64]:
    """Return SD coefficients in degrees, shape (3, 2, 2 H' + 1), linear in the task."""
    powers = _task(np.array([t.froude_speed for t in tables]))[:, None] ** np.arange(2)
    series = np.linalg.pinv(fourier_matrix(PHASE, SD_HARMONICS))
    curves = np.array([[series @ t.sd_deg[:, j] for j in range(3)] for t in tables])
    return np.asarray(np.einsum("dk,kjm->jdm", np.linalg.pinv(powers), curves))


def fit_step_length(folder: Path) -> tuple[float, float]:
    """Return factor and exponent of step length / leg length = factor * v* ** exponent (log-log fit)."""
    with (folder / "spatiotemporal_by_speed_h2a.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    leg = np.array([float(r["LegLength"]) for r in rows])
    speed = np.array([float(r["Speed"]) for r in rows]) / np.sqrt(GRAVITY_M_S2 * leg)
    step = np.array([float(r["StepLength"]) for r in rows]) / leg
    exponent, offset = np.polyfit(np.log(speed), np.log(step), 1)
    return float(np.exp(offset)), float(exponent)


def fit_stance() -> tuple[float, float, float]:
    """Return the stance fraction as a quadratic of the task, through the published foot offs."""
    groups = SCHWARTZ_GROUPS.values()
    s = _task(np.array([g.froude_speed for g in groups]))
    c, b, a = np.polyfit(s, [g.foot_off for g in groups], 2)
    return float(a), float(b), float(c)


def fit(folder: Path) -> dict[str, Any]:
    """Return the content of the YAML file."""
    schwartz, winter = read_schwartz(folder), read_winter(folder)
    bridged = bridge_sources(schwartz, winter)
    shipped = fit_best(bridged)
    angle, lost = write_series(shipped)
    sd = fit_sd(bridged)
    factor, exponent = fit_step_length(folder)
    ends = [g.froude_speed for g in SCHWARTZ_GROUPS.values()]
    return {
        "made_by": f"python -m exostride.gait.fit_reference --data NORMS --out config/norms/{FILE_NAME}",
        "citations": list(CITATIONS),
        "speed": {
            "centre": round(SPEED_CENTRE, 6),
            "scale": SPEED_SCALE,
            "froude_min": ends[0],
            "froude_max": ends[-1],
        },
        "step_length": {"factor": round(factor, 4), "exponent": round(exponent, 4)},
        "stance_fraction": [round(x, 4) for x in fit_stance()],
        "errors_deg": {
            **unseen_errors(schwartz, winter),
            "shipped fit, sources moved together": {t.name: _rounded(shipped.rmse_deg(t)) for t in bridged},
            "shipped fit, largest error of the written series": {
                "any joint, speed and phase": [round(lost, 2)]
            },
        },
        "angle_deg": {j: np.round(angle[k], 4).tolist() for k, j in enumerate(JOINT_KINDS)},
        "sd_deg": {j: np.round(sd[k], 4).tolist() for k, j in enumerate(JOINT_KINDS)},
    }


def print_errors(errors: dict[str, dict[str, list[float]]]) -> None:
    """Print the tables of errors of a file's content."""
    for title, table in errors.items():
        print(f"{title} [deg: hip, knee, ankle]")
        for name, row in table.items():
            print(f"  {name:34s} " + "  ".join(f"{e:5.2f}" for e in row))


def main(arguments: list[str] | None = None) -> None:
    """Fit, print the errors and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the normative tables")
    parser.add_argument("--out", type=Path, required=True, help="YAML file to write")
    options = parser.parse_args(arguments)
    content = fit(options.data)
    head = "# Reference gait over phase, speed and leg length: equation in exostride.gait.reference.\n"
    options.out.write_text(head + yaml.safe_dump(content, sort_keys=False, width=118), encoding="utf-8")
    print_errors(content["errors_deg"])


if __name__ == "__main__":
    main()
