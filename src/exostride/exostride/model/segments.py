"""Segments of a person's leg in the sagittal plane, read back from the URDF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree

from exostride.model.anthropometry import BodyParameters
from exostride.model.description import DEFAULT_BODY, urdf


@dataclass(frozen=True, slots=True)
class LinkInertia:
    """Mass [kg], centre from the upper joint (forward, up) [m], inertia about it [kg m²]."""

    mass_kg: float
    x_m: float
    z_m: float
    inertia_kg_m2: float

    def joined(self, other: LinkInertia, x_m: float, z_m: float) -> LinkInertia:
        """Return this link and ``other``, whose joint lies at (``x_m``, ``z_m``), as one rigid body."""
        mass = self.mass_kg + other.mass_kg
        ox, oz = other.x_m + x_m, other.z_m + z_m
        x = (self.mass_kg * self.x_m + other.mass_kg * ox) / mass
        z = (self.mass_kg * self.z_m + other.mass_kg * oz) / mass
        apart = self.mass_kg * other.mass_kg / mass * ((self.x_m - ox) ** 2 + (self.z_m - oz) ** 2)
        return LinkInertia(mass, x, z, self.inertia_kg_m2 + other.inertia_kg_m2 + apart)


@lru_cache(maxsize=64)
def leg_inertias(body: BodyParameters = DEFAULT_BODY) -> tuple[LinkInertia, LinkInertia, LinkInertia]:
    """Return thigh, shank and foot (toes included) of ``body``; both legs are alike."""
    robot = ElementTree.fromstring(urdf("patient", body))
    thigh, shank, foot, toe = (
        _link(robot, f"patient_{name}") for name in ("thigh_left", "shank_left", "foot_left", "toe_left_link")
    )
    at = robot.find("joint[@name='patient_toe_left']/origin")
    assert at is not None
    x, _, z = (float(value) for value in str(at.get("xyz")).split())
    return thigh, shank, foot.joined(toe, x, z)


def _link(robot: ElementTree.Element, name: str) -> LinkInertia:
    inertial = robot.find(f"link[@name='{name}']/inertial")
    assert inertial is not None
    mass, origin, inertia = (inertial.find(key) for key in ("mass", "origin", "inertia"))
    assert mass is not None and origin is not None and inertia is not None
    x, _, z = (float(value) for value in str(origin.get("xyz")).split())
    return LinkInertia(float(str(mass.get("value"))), x, z, float(str(inertia.get("iyy"))))
