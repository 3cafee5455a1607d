"""Turn the published tables into ``config/norms/bands.yaml``.

``python -m exostride.gait.fit_bands --data DIR --out config/norms/bands.yaml``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from exostride.conventions import JOINT_KINDS
from exostride.gait.bands import FILE_NAME
from exostride.gait.fit_tables import CITATIONS, SCHWARTZ_GROUPS, Table, read_schwartz, read_winter
from exostride.gait.reference import fourier_matrix
from exostride.types import Vector

HARMONICS: Final = 20
CLASS_LIMITS: Final = (0.0, 0.227, 0.363, 0.500, 0.636, 9.0)
"""Dimensionless speeds that part the classes of Schwartz (2008)."""
WINTER_CLASS: Final = {"Slow": 1, "Natural": 2, "Fast": 3}


def _fit(values: Vector) -> list[float]:
    phase = np.arange(len(values)) / len(values)
    return [
        round(float(c), 4) for c in np.linalg.lstsq(fourier_matrix(phase, HARMONICS), values, rcond=None)[0]
    ]


def _band(table: Table, group: int) -> dict[str, Any]:
    return {
        "source": table.name,
        "froude_min": CLASS_LIMITS[group],
        "froude_max": CLASS_LIMITS[group + 1],
        "mean_deg": {j: _fit(table.mean_deg[:, k]) for k, j in enumerate(JOINT_KINDS)},
        "sd_deg": {j: _fit(table.sd_deg[:, k]) for k, j in enumerate(JOINT_KINDS)},
    }


def fit(folder: Path) -> dict[str, Any]:
    """Return the content of the YAML file."""
    bands = [_band(t, k) for k, t in enumerate(read_schwartz(folder))]
    assert len(bands) == len(SCHWARTZ_GROUPS)
    for table in read_winter(folder):
        name = table.name.split()[1]
        band = _band(table, WINTER_CLASS[name])
        path = folder / f"winter_Ground_Reaction_{name}_Cadence.csv"
        force = np.genfromtxt(path, delimiter=",", skip_header=1)[:50]
        keys = ("vertical_n_kg", "vertical_sd_n_kg", "forward_n_kg", "forward_sd_n_kg")
        band |= {key: _fit(force[:, k + 1]) for k, key in enumerate(keys)}
        moment = np.genfromtxt(
            folder / f"winter_Joint_Moment_{name}_Cadence.csv", delimiter=",", skip_header=1
        )[:50]
        # Winter counts extension and plantarflexion positive; columns after the support moment.
        band["moment_nm_kg"] = {j: _fit(-moment[:, 3 + 2 * k]) for k, j in enumerate(JOINT_KINDS)}
        bands.append(band)
    return {
        "made_by": f"python -m exostride.gait.fit_bands --data NORMS --out config/norms/{FILE_NAME}",
        "citations": list(CITATIONS[:2]),
        "bands": bands,
    }


def main(arguments: list[str] | None = None) -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the normative tables")
    parser.add_argument("--out", type=Path, required=True, help="YAML file to write")
    options = parser.parse_args(arguments)
    text = yaml.safe_dump(fit(options.data), sort_keys=False, width=118)
    options.out.write_text(
        "# Published bands of normal walking; see exostride.gait.bands.\n" + text, encoding="utf-8"
    )


if __name__ == "__main__":
    main()
