"""Joint order, sides, frames and signs: the one place that every module agrees on.

Signs: positive is hip flexion, knee flexion and ankle dorsiflexion, for angles, velocities and
torques alike. A cuff torque is what the exoskeleton does to the patient. Inside the stack
everything is SI (rad, N m, N, m, s, kg); degrees appear in reports and norm files only.

Frames follow REP-103: x forward, y left, z up; ``base_link`` is the pelvis, midway between the
hip centres. The clinic frame ``world`` has its origin on the belt's surface under the standing
patient. Quaternions are ROS order, ``xyzw``, everywhere except inside a call to a library
that wants another one.
"""

from typing import Final

SIDES: Final = ("left", "right")
LEFT: Final = 0
RIGHT: Final = 1

JOINT_KINDS: Final = ("hip", "knee", "ankle")
"""Joints of one leg, from the pelvis down."""

JOINTS: Final = (
    "hip_left",
    "knee_left",
    "ankle_left",
    "hip_right",
    "knee_right",
    "ankle_right",
)
"""Order of every joint vector of length 6."""

N_JOINTS: Final = len(JOINTS)
JOINT_INDEX: Final = {name: i for i, name in enumerate(JOINTS)}

SEGMENTS: Final = (
    "thigh_left",
    "shank_left",
    "foot_left",
    "thigh_right",
    "shank_right",
    "foot_right",
)
"""Order of the segment IMUs and of the six cuffs."""

CUFFS: Final = tuple(f"cuff_{segment}" for segment in SEGMENTS)

JOINT_AXES: Final = {"hip": (0, -1, 0), "knee": (0, 1, 0), "ankle": (0, -1, 0)}
"""URDF axes in the parent's frame that make flexion and dorsiflexion positive."""

BASE_LINK: Final = "base_link"
WORLD: Final = "world"

GRAVITY_M_S2: Final = 9.81


def side_slice(side: int) -> slice:
    """Return the slice of a joint vector (hip, knee, ankle) of ``side`` (0 left, 1 right)."""
    return slice(3 * side, 3 * side + 3)
