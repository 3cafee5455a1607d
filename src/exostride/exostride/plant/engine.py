"""What advances a world by one step: MuJoCo itself, or another engine that keeps MuJoCo's data up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import mujoco

from exostride.plant.world import World


class Engine(Protocol):
    """The rigid bodies, joints and contacts of a world.

    ``data`` is a :class:`mujoco.MjData` of the world. Before a step, controls, actuator parameters and
    outside forces are set in it; after it, ``qpos`` and ``qvel`` are those at the step's end, and all else
    (actuator forces, sensors, accelerations, contact forces) is what acted during the step.
    """

    def prepare(self) -> None:
        """Let MuJoCo alone move ``data`` until :meth:`place`: a body is about to be stood up."""

    def place(self) -> None:
        """Take over from the state in ``data``."""

    def step(self) -> None:
        """Advance by one physics step."""

    def recentre(self, belt_q: int) -> None:
        """Put the belt back to its middle; its surface is alike everywhere."""


EngineFactory = Callable[[World, Any], Engine]


class MujocoEngine:
    """MuJoCo's own integration."""

    def __init__(self, world: World, data: Any) -> None:
        self._model, self._data = world.model, data

    def prepare(self) -> None:
        """Nothing to do."""

    def place(self) -> None:
        """Nothing to do."""

    def step(self) -> None:
        """Advance by one physics step."""
        mujoco.mj_step(self._model, self._data)

    def recentre(self, belt_q: int) -> None:
        """Put the belt back to its middle."""
        self._data.qpos[belt_q] = 0.0
