r"""The default against the curve of fixed guidance, at the same tracking error, with its doubt.

One walk is noisy, so laws are compared by their means over the seeds, patient by patient: the levels of
fixed guidance, joined in the order of their strength, make the curve, and the default is set against the
place on it that has the same tracking error. Where the curve passes that error more than once, its best place
counts, the one with the least assistance work and the one with the most effort, whichever they are: the
default has to better the whole curve. A default whose error is smaller than that of every level is set
against the level that comes nearest and counts as matched, since it errs less than what it is set against.
One whose error is larger than every level's is matched by none, and nothing is claimed.

Intervals come from a bootstrap over the seeds, which are drawn for all laws together since a seed is the same
walker's noise in each. Percentiles of a bootstrap over so few are too narrow; they are moved outwards until
the interval of a mean would be Student's:

.. math:: \alpha' = \Phi\left(-\sqrt{n / (n - 1)}\; t_{0.975, n-1}\right)

(Hesterberg, "What teachers should know about the bootstrap", Am Stat 69:371, 2015). Draws in which the
default is not matched are in the intervals, set against the level that comes nearest; in what part of the
draws it is matched is told beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

LEAST_SEEDS: Final = 5
"""Seeds below which an interval says nothing: even from the least to the largest of four, one in eight lies
outside."""
_DRAWS: Final = 4000

Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the default saves in assistance work and gains in effort, and how well it is matched.

    ``beyond_deg`` is by how much its error is larger than that of every level, ``below_deg`` by how much it
    is smaller (0 both: the curve has its error). Intervals are (low, high), not numbers for few seeds;
    ``matched_percent`` says in what part of the draws the error was not larger than every level's.
    """

    saved: float
    gained: float
    beyond_deg: float
    below_deg: float
    saved_between: tuple[float, float]
    gained_between: tuple[float, float]
    matched_percent: float


def compare(table: Table) -> Comparison:
    """Return what walks say; ``table`` is as for :func:`against`, seed by seed, (seeds, 1 + levels, 3)."""
    saved, gained, off = against(table.mean(axis=0))
    between, matched = ((float("nan"), float("nan")),) * 2, float("nan")
    n = len(table)
    if n >= LEAST_SEEDS:
        draws = np.array([against(table[seeds].mean(axis=0)) for seeds in picks(n)])
        between = interval(draws[:, 0], n), interval(draws[:, 1], n)
        matched = float(100.0 * np.mean(draws[:, 2] <= 0.0))
    return Comparison(saved, gained, max(off, 0.0), max(-off, 0.0), *between, matched)


def interval(draws: NDArray[np.float64], n: int) -> tuple[float, float]:
    """Return the 95 % interval of what was drawn (m,) from n seeds; see module."""
    tail = 100.0 * float(norm.cdf(-np.sqrt(n / (n - 1)) * t.ppf(0.975, n - 1)))
    low, high = np.percentile(draws, [tail, 100.0 - tail]).tolist()
    return low, high


def picks(n: int) -> NDArray[np.int64]:
    """Return all draws of n out of n with replacement, or many of them where all would be too many."""
    if n**n <= _DRAWS:
        return np.array(list(product(range(n), repeat=n)), dtype=np.int64)
    return np.random.default_rng(0).integers(n, size=(_DRAWS, n))


def against(means: Table) -> tuple[float, float, float]:
    """Return work saved, effort gained, and how far the error lies outside the curve's [deg].

    ``means`` holds error, work and effort of the default and of the levels in order, (1 + levels, 3). Larger
    errors than the curve's are positive, smaller ones negative, those within zero.
    """
    own, curve = means[0], means[1:]
    lowest, highest = curve[:, 0].min(), curve[:, 0].max()
    off = float(own[0] - np.clip(own[0], lowest, highest))
    nearest = [int(np.argmin(np.abs(curve[:, 0] - own[0])))]
    best = curve[nearest] if off else _crossings(curve, float(own[0]))
    return float(best[:, 1].min() - own[1]), float(own[2] - best[:, 2].max()), off


def _crossings(curve: Table, error: float) -> Table:
    """Return the places (n, 3) at which a polyline has an error."""
    found = [point for point in curve if point[0] == error]
    for a, b in pairwise(curve):
        if (a[0] - error) * (b[0] - error) < 0.0:
            found.append(a + (error - a[0]) / (b[0] - a[0]) * (b - a))
    return np.array(found)
