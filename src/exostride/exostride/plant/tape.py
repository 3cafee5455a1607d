"""The last few physics steps, so that sensors can be late and forces be averaged over a tick."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exostride.plant.world import World


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
        self._sources = [
            (self.columns[name], source)
            for name, source in (
                ("sensor", data.sensordata),
                ("q", data.qpos),
                ("v", data.qvel),
                ("force", data.actuator_force),
                ("joint_force", data.qfrc_actuator),
                ("exo_acceleration", data.qacc[world.exo_v]),
                ("exo_constraint", data.qfrc_constraint[world.exo_v]),
            )
        ]
        self.rows: NDArray[np.float64] = np.zeros((rows, int(edges[-1])))
        self.newest = 1
        self.mean: NDArray[np.float64] = self.rows[-1].copy()
        self._next = rows - 1

    def make_room(self, steps: int) -> None:
        """Drop the oldest rows for ``steps`` new ones."""
        self.rows[:-steps] = self.rows[steps:].copy()
        self.newest = steps
        self._next = self.rows.shape[0] - steps

    def record(self, tension_n: float) -> None:
        """Write the step that the engine just made."""
        row = self.rows[self._next]
        for place, source in self._sources:
            row[place] = source
        row[-1] = tension_n
        self._next += 1

    def close(self) -> None:
        """Average the newest rows into ``mean``, once all of them are recorded."""
        self.mean = self.rows[-self.newest :].sum(axis=0)
        self.mean *= 1.0 / self.newest

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
