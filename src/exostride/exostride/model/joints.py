"""The one table of joint properties, and what of it a URDF cannot carry.

``urdf/joints.yaml`` feeds both the xacro (limits, damping, friction) and this module (reflected rotor
inertia), so the two can't drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from exostride.config import read_yaml
from exostride.conventions import SIDES
from exostride.paths import urdf_dir

PATIENT_JOINT_KINDS = ("hip_abduction", "hip", "knee", "ankle", "toe")
"""Joints of one patient leg, from the pelvis down."""

PATIENT_JOINTS = tuple(f"patient_{kind}_{side}" for side in SIDES for kind in PATIENT_JOINT_KINDS)
"""Order of every vector of the patient's ten joints: left leg, then right leg."""


@dataclass(frozen=True, slots=True)
class JointProperties:
    """One hinge: stops [rad], limits [N m, rad/s], damping [N m s/rad], friction [N m], armature [kg m²]."""

    lower_rad: float
    upper_rad: float
    effort_nm: float
    velocity_rad_s: float
    damping_nms_rad: float
    friction_nm: float
    armature_kg_m2: float


@cache
def joint_table() -> Mapping[str, JointProperties]:
    """Return the properties of every hinge of robot and patient, by joint name."""
    data = read_yaml(urdf_dir() / "joints.yaml")
    table = {}
    for prefix, model in (("", "exoskeleton"), ("patient_", "patient")):
        for kind, row in data[model].items():
            properties = JointProperties(
                row["lower"],
                row["upper"],
                row["effort"],
                row["velocity"],
                row["damping"],
                row["friction"],
                row["armature"],
            )
            table.update({f"{prefix}{kind}_{side}": properties for side in SIDES})
    return MappingProxyType(table)


def free_joint_name(link: str) -> str:
    """Return the name of the joint with six degrees of freedom that carries ``link``."""
    return f"{link}_free"
