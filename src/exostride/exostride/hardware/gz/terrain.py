"""Worlds other than a level treadmill: what lies on the belt, what stands around, how it is inclined."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Literal
from xml.etree import ElementTree as ET

import numpy as np

from exostride.conventions import GRAVITY_M_S2

WorldName = Literal["treadmill", "ground", "slope", "stairs", "uneven", "push"]

PERIOD_M = 2.0
"""Whatever lies on the belt repeats after this length, so that the belt can be put back by whole periods."""
_BUMP_SEED = 7


@dataclass(frozen=True, slots=True)
class Terrain:
    """What makes one world differ from the treadmill clinic.

    Attributes
    ----------
    moves
        Whether the walker stands on a belt.
    incline_deg
        Inclination of the belt, uphill positive. Axes stay with the belt, so it is gravity that is turned.
    bump_m
        Height of the slats on the belt; they cross it, 5 cm long, at random places that repeat every 2 m.
    steps
        Stairs ahead of the walker: number of steps 0.17 m high and 0.29 m deep.
    push_n, push_s, push_every_s
        Sideways push on the pelvis, how long it lasts and how often it comes (0: never).
    """

    moves: bool = True
    incline_deg: float = 0.0
    bump_m: float = 0.0
    steps: int = 0
    push_n: float = 0.0
    push_s: float = 0.0
    push_every_s: float = 0.0

    def gravity(self) -> tuple[float, float, float]:
        """Return the acceleration of free fall in the belt's axes [m/s²]."""
        angle = radians(self.incline_deg)
        return (-GRAVITY_M_S2 * sin(angle), 0.0, -GRAVITY_M_S2 * cos(angle))


TERRAINS: dict[WorldName, Terrain] = {
    "treadmill": Terrain(),
    "ground": Terrain(moves=False),
    "slope": Terrain(incline_deg=4.0),
    "stairs": Terrain(moves=False, steps=4),
    "uneven": Terrain(bump_m=0.008),
    "push": Terrain(push_n=60.0, push_s=0.2, push_every_s=7.0),
}


def box(
    name: str, size: tuple[float, float, float], place: tuple[float, float, float], *, collision: bool
) -> list[ET.Element]:
    """Return visual and, if asked, collision of a box."""
    out = []
    for tag in ("visual", "collision") if collision else ("visual",):
        element = ET.Element(tag, name=name)
        ET.SubElement(element, "pose").text = f"{place[0]} {place[1]} {place[2]} 0 0 0"
        shape = ET.SubElement(ET.SubElement(element, "geometry"), "box")
        ET.SubElement(shape, "size").text = f"{size[0]} {size[1]} {size[2]}"
        out.append(element)
    return out


def bumps(terrain: Terrain, half_length_m: float) -> list[ET.Element]:
    """Return the slats on a belt, in the frame of its link (top at 0.1), alike in every period."""
    if terrain.bump_m <= 0.0:
        return []
    random = np.random.default_rng(_BUMP_SEED)
    places = np.sort(random.uniform(0.05, PERIOD_M - 0.05, 5))
    heights = terrain.bump_m * random.uniform(0.4, 1.0, 5)
    out = []
    for period in range(round(-half_length_m / PERIOD_M), round(half_length_m / PERIOD_M)):
        for i, (x, height) in enumerate(zip(places, heights, strict=True)):
            at = (period * PERIOD_M + float(x), 0.0, 0.1 + float(height) / 2.0)
            out += box(f"slat_{period}_{i}", (0.05, 0.7, float(height)), at, collision=True)
    return out


def stairs(terrain: Terrain) -> list[ET.Element]:
    """Return a static model of the stairs, or nothing."""
    if terrain.steps <= 0:
        return []
    model = ET.Element("model", name="stairs")
    ET.SubElement(model, "static").text = "1"
    link = ET.SubElement(model, "link", name="stairs")
    for i in range(terrain.steps):
        height, x = 0.17 * (i + 1), 0.6 + 0.29 * i
        for element in box(f"step_{i}", (0.29, 1.2, height), (x, 0.0, height / 2.0), collision=True):
            link.append(element)
    return [model]
