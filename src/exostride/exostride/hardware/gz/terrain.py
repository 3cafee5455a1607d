"""Ground other than a treadmill: slope, stairs, uneven ground."""

from __future__ import annotations

from typing import Literal
from xml.etree import ElementTree as ET

Terrain = Literal["level"]


def terrain_links(terrain: Terrain, friction: float) -> list[ET.Element]:
    """Return the static models of a terrain."""
    del terrain, friction
    return []
