"""Lengths, contact points and masses of a body, read back from its URDF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from exostride.model.anthropometry import BodyParameters
from exostride.model.description import DEFAULT_BODY, ModelName, urdf


@dataclass(frozen=True, slots=True)
class FootGeometry:
    """The foot in its shoe, seen from the ankle centre: x forward, z up, all in m.

    ``sole_z`` is the plane on which the shoe stands (negative). The toe axis lies at
    (``ball_x``, ``toe_axis_z``); heel, ball and toe tip touch the ground at ``sole_z``.
    """

    heel_x: float
    ball_x: float
    toe_tip_x: float
    sole_z: float
    toe_axis_z: float
    width: float

    @property
    def length(self) -> float:
        """Heel to toe tip [m]."""
        return self.toe_tip_x - self.heel_x


@dataclass(frozen=True, slots=True)
class BodyGeometry:
    """Leg of a person: lengths [m], masses [kg].

    Attributes
    ----------
    thigh, shank
        Hip to knee centre, knee to ankle centre.
    hip_half_spacing
        Hip centre to the middle.
    standing_height
        Hip centres above the ground in upright standing, all joints zero, in shoes.
    foot
        Contact points.
    masses
        Mass of each link by name, for the patient's links; they sum to the body mass.
    """

    thigh: float
    shank: float
    hip_half_spacing: float
    standing_height: float
    foot: FootGeometry
    masses: tuple[tuple[str, float], ...]

    @property
    def leg_length(self) -> float:
        """Hip centre to ground, in shoes [m]: the length in a Froude number."""
        return self.standing_height


def _origin(robot: ElementTree.Element, joint: str) -> npt.NDArray[np.float64]:
    element = robot.find(f"joint[@name='{joint}']/origin")
    if element is None:
        raise KeyError(joint)
    return np.array([float(v) for v in str(element.get("xyz")).split()])


def link_masses(text: str) -> dict[str, float]:
    """Return the mass [kg] of every link of a URDF that has one."""
    robot = ElementTree.fromstring(text)
    masses = {}
    for link in robot.findall("link"):
        mass = link.find("inertial/mass")
        if mass is not None:
            masses[str(link.get("name"))] = float(str(mass.get("value")))
    return masses


@lru_cache(maxsize=64)
def body_geometry(body: BodyParameters = DEFAULT_BODY) -> BodyGeometry:
    """Return the geometry of ``body``; both legs are alike, so the left one is read."""
    model: ModelName = "patient"
    text = urdf(model, body)
    robot = ElementTree.fromstring(text)
    toe_axis = _origin(robot, "patient_toe_left")
    sole_z = float(_origin(robot, "patient_sole_left_mount")[2])
    box = robot.find("link[@name='patient_foot_left']/collision/geometry/box")
    assert box is not None
    foot = FootGeometry(
        heel_x=float(_origin(robot, "patient_heel_left_mount")[0]),
        ball_x=float(toe_axis[0]),
        toe_tip_x=float(toe_axis[0] + _origin(robot, "patient_toe_tip_left_mount")[0]),
        sole_z=sole_z,
        toe_axis_z=float(toe_axis[2]),
        width=float(str(box.get("size")).split()[1]),
    )
    thigh = -float(_origin(robot, "patient_knee_left")[2])
    shank = -float(_origin(robot, "patient_ankle_left")[2])
    return BodyGeometry(
        thigh=thigh,
        shank=shank,
        hip_half_spacing=float(_origin(robot, "patient_hip_abduction_left")[1]),
        standing_height=thigh + shank - sole_z,
        foot=foot,
        masses=tuple(link_masses(text).items()),
    )
