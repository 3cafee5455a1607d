"""What a gait at one speed should look like, from the published tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2
from exostride.gait.bands import Band, bands_at, load_bands
from exostride.patient.fit.motion import CYCLE, HALF
from exostride.types import Vector

_WINTER_STANCE = 0.63
"""Stance fraction of Winter's ground reactions, to stretch them to another."""
_SLOWEST_WINTER = 0.227
"""Dimensionless speed below which no adult table exists; the vertical force is then nearly the weight."""
_ABDUCTOR_NM_KG = 0.53
"""Abductor moment in stance (single-leg stance of the trunk and the other leg over half the hip spacing)."""


@dataclass(frozen=True)
class Targets:
    """Targets over the cycle (2N rows) and over half a stride (N rows).

    ``middle`` and ``half_width`` [rad] of the bands' overlap; ``share`` of the left leg in the vertical
    force; ``vertical`` total [N/kg]; ``forward`` and ``moment`` of one leg [N/kg, N m/kg].
    """

    middle: NDArray[np.float64]
    half_width: NDArray[np.float64]
    share: Vector
    vertical: Vector
    forward: Vector
    moment: NDArray[np.float64]


def _overlap(bands: tuple[Band, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    tables = [band.angles_deg(CYCLE) for band in bands]
    low = np.max([mean - 2.0 * sd for mean, sd in tables], axis=0)
    high = np.min([mean + 2.0 * sd for mean, sd in tables], axis=0)
    return np.radians(0.5 * (low + high)), np.radians(np.maximum(0.5 * (high - low), 2.0))


def targets(froude_speed: float, stance: float, unloading: float) -> Targets:
    """Return the targets at a dimensionless speed, for a stance fraction and a part of the weight carried."""
    middle, half_width = _overlap(bands_at(froude_speed))
    winter = next((b for b in bands_at(froude_speed) if b.file.vertical_n_kg is not None), None)
    if winter is None:
        winter = next(b for b in load_bands() if b.file.vertical_n_kg is not None)
    in_stance = stance + 0.005 >= CYCLE
    stretched = np.where(
        stance > CYCLE,
        CYCLE * _WINTER_STANCE / stance,
        _WINTER_STANCE + (CYCLE - stance) * (1.0 - _WINTER_STANCE) / (1.0 - stance),
    )
    table, forward, moments = winter.vertical_n_kg(stretched), winter.forward_n_kg(stretched), None
    moments = winter.moments_nm_kg(stretched)
    assert table is not None and forward is not None and moments is not None
    force = np.where(in_stance, np.maximum(table[0], 0.0), 0.0)
    # Winter's mean force does not start at zero because people strike at slightly different times.
    force[0] = min(force[0], 0.1)
    left, right = force[:HALF], force[HALF:]
    share = (left + 1e-3) / (left + right + 2e-3)
    weight = GRAVITY_M_S2 * (1.0 - unloading)
    vertical = (left + right) * weight / float((left + right).mean())
    if froude_speed < _SLOWEST_WINTER:
        vertical = weight * (1.0 + 0.03 * np.cos(4.0 * np.pi * (CYCLE[:HALF] - 0.06)))
    abductor = np.where(in_stance, _ABDUCTOR_NM_KG, 0.0)
    moment = np.column_stack([abductor, moments]) * (1.0 - unloading)
    return Targets(middle, half_width, share, vertical, np.where(in_stance, forward, 0.0), moment)
