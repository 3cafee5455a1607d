"""Pushes and trips: forces from outside on the patient's body."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from exostride.conventions import SIDES
from exostride.errors import InputError
from exostride.plant.world import World
from exostride.types import Vector


@dataclass(frozen=True, slots=True)
class Push:
    """A constant wrench on a body: force [N, world] and torque [N m, world], while it lasts."""

    body: int
    wrench: Vector
    end_s: float


@dataclass(slots=True)
class ToeBlock:
    """An obstacle so far before a foot (stiff in x, one-sided), which holds it for ``last_s`` once it comes.

    While the foot still travels back with the belt the obstacle follows it.
    """

    body: int
    place_m: float
    last_s: float
    ahead_m: float
    end_s: float = inf
    stiffness_n_m: float = 15000.0
    damping_ns_m: float = 150.0
    force_max_n: float = 450.0


MID_SWING_M = 0.15
"""How far a slow walker's foot has come when it is fastest and nearest to the ground."""
_MET_M = 0.002
"""Depth at which an obstacle counts as met."""


class Disturbances:
    """The disturbances that act now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reset()

    def reset(self) -> None:
        """End all disturbances."""
        self._pushes: list[Push] = []
        self._blocks: list[ToeBlock] = []
        self._dirty = False

    @property
    def active(self) -> bool:
        """Whether :meth:`apply` has something to do."""
        return bool(self._pushes or self._blocks or self._dirty)

    def push(self, body: str, force_n: Vector, torque_nm: Vector, now_s: float, duration_s: float) -> None:
        """Push a body of the model at its centre of mass.

        Raises
        ------
        InputError
            No such body.
        """
        model = self._world.model
        names = [model.body(i).name for i in range(1, model.nbody)]
        if body not in names:
            raise InputError(f"push: unknown body '{body}'; there are {', '.join(names)}")
        wrench = np.concatenate([np.asarray(force_n, dtype=float), np.asarray(torque_nm, dtype=float)])
        self._pushes.append(Push(model.body(body).id, wrench, now_s + duration_s))

    def block_toe(self, side: int, data: Any, duration_s: float, ahead_m: float = MID_SWING_M) -> None:
        """Put an obstacle so far before the foot of ``side`` (0 left, 1 right) until it was met so long."""
        body = self._world.model.body(f"patient_foot_{SIDES[side]}").id
        self._blocks.append(ToeBlock(body, float(data.xipos[body, 0]), duration_s, ahead_m))

    def apply(self, now_s: float, data: Any) -> None:
        """Write the disturbances into the engine for the coming step."""
        data.xfrc_applied[:] = 0.0
        self._pushes = [p for p in self._pushes if p.end_s > now_s]
        self._blocks = [b for b in self._blocks if b.end_s > now_s]
        for p in self._pushes:
            data.xfrc_applied[p.body] += p.wrench
        for b in self._blocks:
            depth = float(data.xipos[b.body, 0]) - b.place_m
            if depth < 0.0 and b.end_s == inf:
                b.place_m += depth
            depth -= b.ahead_m
            if depth > _MET_M and b.end_s == inf:
                b.end_s = now_s + b.last_s
            if depth > 0.0:
                # cvel is at the tree's centre of mass; the foot's own velocity needs the lever.
                root = self._world.model.body_rootid[b.body]
                lever = data.xipos[b.body] - data.subtree_com[root]
                rate = data.cvel[b.body]
                speed = float(rate[3] + rate[1] * lever[2] - rate[2] * lever[1])
                force = b.stiffness_n_m * depth + b.damping_ns_m * speed
                data.xfrc_applied[b.body, 0] -= min(max(force, 0.0), b.force_max_n)
        self._dirty = bool(self._pushes or self._blocks)
