r"""Tables of several speeds brought to one time scale, and to the gait of one walker.

At another speed the events come at other phases: double support shrinks from 18 % of the cycle in very slow
to 7 % in very fast walking. Angles compared at the same phase then mix stance with swing, and a curve
over the speed bends for that reason alone. Here phases are compared between the same events
(landmark registration, Ramsay & Li 1998, J R Stat Soc B 60:351): with :math:`d(v)` one double support,

.. math:: w: \ (0,\ d,\ \tfrac12,\ \tfrac12 + d,\ 1) \mapsto (0,\ d_0,\ \tfrac12,\ \tfrac12 + d_0,\ 1), \qquad
          d(v) = a\,v^b,

linear between the events. A mean over people is also flatter than each of them, because their feet leave
the ground at different phases: with the published standard deviation :math:`\sigma` of foot off a table is
:math:`\bar q(\varphi) = E_d[q(w_d(\varphi))]`, :math:`d \sim N(\bar d, \sigma)`. The walker's curve :math:`q`
is found from it by fixed-point iteration on its low harmonics (the knee's peak in very slow walking:
44.7 deg in the mean curve, 48 here, 50.6 the mean of the children's own peaks).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from exostride.gait.fit_tables import PHASE, Table
from exostride.types import Vector

COMMON_DOUBLE_SUPPORT: Final = 0.095
"""Double support of the common time scale: that of free walking [cycle]."""
GRID: Final = np.arange(200) / 200
"""Phases of the common time scale."""
_SPREAD_HARMONICS: Final = 8
_ITERATIONS: Final = 6
_LEAST_DOUBLE_SUPPORT: Final = 0.02
_NODES, _WEIGHTS = hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def _events(double_support: float) -> Vector:
    return np.array([0.0, double_support, 0.5, 0.5 + double_support, 1.0])


_COMMON: Final = _events(COMMON_DOUBLE_SUPPORT)


def to_common(phase: Vector, double_support: float) -> Vector:
    """Return where phases (N,) of a gait with this double support lie on the common time scale."""
    return np.interp(phase, _events(double_support), _COMMON)


def from_common(phase: Vector, double_support: float) -> Vector:
    """Return the inverse of :func:`to_common`."""
    return np.interp(phase, _COMMON, _events(double_support))


def periodic(curve: NDArray[np.float64]) -> CubicSpline:
    """Return a periodic spline through a curve at equally spaced phases from 0, shape (N, ...)."""
    closed = np.concatenate((curve, curve[:1]))
    return CubicSpline(np.linspace(0.0, 1.0, len(closed)), closed, bc_type="periodic")


def spread(walker: NDArray[np.float64], double_support: float, sd: float) -> NDArray[np.float64]:
    """Return the mean curve of people whose foot off varies by ``sd``, at the tables' phases.

    Parameters
    ----------
    walker : (200, 3) one walker's angles on the common time scale
    double_support, sd : mean and standard deviation [cycle]
    """
    curve = periodic(walker)
    out = np.zeros((len(PHASE), walker.shape[1]))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        out += weight * curve(to_common(PHASE, max(double_support + sd * node, _LEAST_DOUBLE_SUPPORT)))
    return out


def walker_of(table: Table) -> NDArray[np.float64]:
    """Return one walker's angles [deg] on the common time scale whose spread is the table, (200, 3)."""
    at = from_common(GRID, table.double_support)
    own = table.mean_deg.copy()
    for _ in range(_ITERATIONS):
        found = spread(periodic(own)(at), table.double_support, table.foot_off_sd)
        error = np.fft.rfft(table.mean_deg - found, axis=0)
        error[_SPREAD_HARMONICS + 1 :] = 0.0
        own = own + np.fft.irfft(error, len(own), axis=0)
    return np.asarray(periodic(own)(at))


def double_support_law(tables: list[Table]) -> tuple[float, float]:
    """Return factor and exponent of double support over the dimensionless speed (log-log fit)."""
    speed = np.log([t.froude_speed for t in tables])
    exponent, offset = np.polyfit(speed, np.log([t.double_support for t in tables]), 1)
    return float(np.exp(offset)), float(exponent)
