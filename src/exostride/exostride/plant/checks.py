"""Checks of the plant itself: how far the cuffs are from numerical instability, how soft the shoe is.

``python -m exostride.plant.checks`` prints them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from exostride.errors import DeviceError
from exostride.model.anthropometry import BodyParameters
from exostride.plant.config import PlantConfig, load_plant_config
from exostride.plant.plant import Plant
from exostride.plant.stance import StiffStance
from exostride.types import HarnessAction

RINGING_N = 5.0
"""A cuff force that still changes by more than this from one step to the next, at rest, rings."""
FACTORS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


def standing(config: PlantConfig, body: BodyParameters | None = None) -> Plant:
    """Return a plant whose patient stands stiffly, the cable slack."""
    plant = Plant(config, body or BodyParameters(), StiffStance())
    slack = float(plant.data.ten_length[0]) + 1.0
    plant.harness.reset(slack)
    plant.harness.action = HarnessAction.HOLD
    return plant


def rings(config: PlantConfig, factor: float) -> bool:
    """Return whether the coupling is unstable with all cuff stiffnesses raised by ``factor``.

    The standing body gets a push of 80 N for 50 ms; half a second later nothing may move from step to step.
    """
    plant = standing(config)
    model, w = plant.world.model, plant.world
    for part in (w.a_cuff, w.a_pelvis_belt):
        model.actuator_biasprm[part, 1] *= factor
    plant.think()
    push = np.array([80.0, 0.0, 0.0])
    plant.disturbances.push("shank_left", push, np.zeros(3), plant.time_s, 0.05)
    try:
        for _ in range(110):
            plant.advance(5)
    except DeviceError:
        return True
    force = plant.tape.rows[-40:, plant.tape.column("force", w.a_cuff)]
    return not bool(np.abs(np.diff(force, axis=0)).max() < RINGING_N)


def cuff_margin(config: PlantConfig) -> tuple[float, float]:
    """Return two factors on the cuffs' stiffness: the largest tried that is stable, the next that is not.

    The second is infinite if none of :data:`FACTORS` was unstable.
    """
    stable = 0.0
    for factor in FACTORS:
        if rings(config, factor):
            return stable, factor
        stable = factor
    return stable, float("inf")


def sole(config: PlantConfig, body: BodyParameters | None = None) -> tuple[float, float]:
    """Return compression of the soles in standing [m], and stiffness of one flat shoe there [N/m]."""
    plant = standing(config, body)
    height, load = [], []
    for force in (0.0, -200.0):
        plant.disturbances.push("patient_pelvis", np.array([0.0, 0.0, force]), np.zeros(3), plant.time_s, 1.0)
        plant.think()
        for _ in range(190):
            plant.advance(5)
        height.append(float(plant.sense().toe_clearance_m.mean()))
        load.append(float(plant.sense().ground_force_n[2::3].sum()))
        plant.disturbances.reset()
        plant.data.xfrc_applied[:] = 0.0
    return -height[0], (load[1] - load[0]) / 2.0 / (height[0] - height[1])


def report(config: PlantConfig) -> Iterator[str]:
    """Yield the lines that the command prints."""
    stable, unstable = cuff_margin(config)
    yield (
        f"cuffs: at {config.physics.timestep_s * 1e3:g} ms stable with {stable:g} times their stiffness"
        + ("" if np.isinf(unstable) else f", unstable with {unstable:g} times")
    )
    compression, stiffness = sole(config)
    yield f"sole: {compression * 1e3:.1f} mm compressed in standing, {stiffness / 1e3:.0f} kN/m a flat shoe"


if __name__ == "__main__":
    for line in report(load_plant_config()):
        sys.stdout.write(line + "\n")
