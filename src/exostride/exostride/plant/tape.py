"""The last few physics steps, so that sensors can be late and forces be averaged over a tick."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, Out1, compiled
from exostride.plant.world import World
from exostride.types import Vector

_TURNS = 8
"""Lengths of the window that the memory holds: the window moves through it and is seldom copied."""


@compiled
def _write(
    row: Out1,
    sensors: In1,
    q: In1,
    v: In1,
    force: In1,
    joint_force: In1,
    acceleration: In1,
    constraint: In1,
    tension_n: float,
) -> None:
    """Write a row's groups one after the other."""
    k = 0
    for group in (sensors, q, v, force, joint_force, acceleration, constraint):
        for i in range(group.size):
            row[k] = group[i]
            k += 1
    row[k] = tension_n


@compiled
def _mean(rows: In2) -> tuple[Vector, bool]:
    """Return the mean of the rows, and whether all of it is finite."""
    mean, finite = rows[0].copy(), True
    for k in range(1, rows.shape[0]):
        for i in range(mean.size):
            mean[i] += rows[k, i]
    mean *= 1.0 / rows.shape[0]
    for x in mean:
        finite = finite and isfinite(x)
    return mean, finite


class Tape:
    """A window over the newest physics steps; one row a step, the newest last.

    A row holds positions and velocities at the end of the step, and sensor data, actuator forces and
    accelerations that acted during it. The ``newest`` rows belong to the last call of :meth:`make_room`;
    ``mean`` is their mean.
    """

    def __init__(self, world: World, data: Any, rows: int) -> None:
        model = world.model
        ns, nq, nv, nu = model.nsensordata, model.nq, model.nv, model.nu
        nx = world.exo_v.stop - world.exo_v.start
        edges = np.cumsum([0, ns, nq, nv, nu, nv, nx, nx, 1])
        names = ("sensor", "q", "v", "force", "joint_force", "exo_acceleration", "exo_constraint", "tension")
        self.columns = {
            name: slice(int(a), int(b)) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)
        }
        # The engine's arrays stay where they are, so views of them are taken once.
        self._sources = (
            data.sensordata,
            data.qpos,
            data.qvel,
            data.actuator_force,
            data.qfrc_actuator,
            data.qacc[world.exo_v],
            data.qfrc_constraint[world.exo_v],
        )
        self._length = rows
        self._all: NDArray[np.float64] = np.zeros((_TURNS * rows, int(edges[-1])))
        self._end = rows
        self._next = rows - 1
        self.newest = 1
        self.rows: NDArray[np.float64] = self._all[:rows]
        self.mean: NDArray[np.float64] = self.rows[-1].copy()

    def make_room(self, steps: int) -> None:
        """Drop the oldest rows for ``steps`` new ones."""
        if self._end + steps > self._all.shape[0]:
            # The window has come to the end of its memory: once in many ticks its rows go back to the start.
            kept = self._length - steps
            self._all[:kept] = self._all[self._end - kept : self._end]
            self._end = kept
        self._next = self._end
        self._end += steps
        self.newest = steps
        self.rows = self._all[self._end - self._length : self._end]

    def record(self, tension_n: float) -> None:
        """Write the step that the engine just made."""
        _write(self._all[self._next], *self._sources, tension_n)
        self._next += 1

    def close(self) -> bool:
        """Average the newest rows into ``mean``, once all are recorded; return whether all is finite."""
        self.mean, finite = _mean(self.rows[-self.newest :])
        return finite

    def late(self, steps: int) -> NDArray[np.float64]:
        """Return the row as it was ``steps`` steps ago."""
        row: NDArray[np.float64] = self.rows[-1 - steps]
        return row

    def fill(self) -> None:
        """Copy the newest row into all older ones (the past of a body at rest)."""
        self.rows[:-1] = self.rows[-1]
        self.newest = 1
        self.close()

    def column(self, name: str, part: slice) -> slice:
        """Return the columns of ``part`` of the group ``name``."""
        start = self.columns[name].start
        return slice(start + part.start, start + part.stop)
