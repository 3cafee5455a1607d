"""The patient's own joints in a recording: the robot's, moved by what the cuffs between them gave way.

Where the cuffs' forces were recorded, they tell the patient's posture, its velocity and what the cuffs do to
it (:mod:`exostride.control.cuffs`). Where they were not, the robot's joints stand for the patient's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.planar import blocks, merged
from exostride.analysis.session import Session
from exostride.control.cuffs import CuffPosture, Recorded
from exostride.model.geometry import BodyGeometry
from exostride.types import Vector

Matrix = NDArray[np.float64]

_OVERLAP_S: Final = 2.0
"""The slowest filter of the cuffs has forgotten where it began within this time."""


@dataclass(frozen=True)
class Worn:
    """Patient's joints in the robot over time: angle, velocity, torque of the cuffs (N, 6), pitch (N,)."""

    angle_rad: Matrix
    velocity_rad_s: Matrix
    cuff_nm: Matrix
    pitch_rad: Vector


def pitch_of(session: Session) -> Vector | None:
    """Return the measured pelvis' pitch (N,) [rad], its quick part from the gyroscope where there is one."""
    pitch, gyro = session.pelvis_pitch_rad, session.pelvis_gyro_rad_s
    if pitch is None or gyro is None:
        return pitch
    return merged(pitch, gyro[:, 1].astype(float), session.time_s, session.period_s)


def worn_of(session: Session, geometry: BodyGeometry | None) -> Worn | None:
    """Return the patient's joints as far as they are known; None without angles, cuff torques or pitch."""
    s, pitch = session, pitch_of(session)
    if s.angle_rad is None or s.velocity_rad_s is None or s.cuff_torque_nm is None or pitch is None:
        return None
    if geometry is None or s.cuff_force_n is None or s.joint_torque_nm is None or s.pelvis_gyro_rad_s is None:
        return Worn(s.angle_rad, s.velocity_rad_s, s.cuff_torque_nm, pitch)
    n = len(s.time_s)
    found = Worn(np.empty((n, 6)), np.empty((n, 6)), np.empty((n, 6)), np.empty(n))
    cuffs = CuffPosture(geometry, s.period_s)
    for wide, inner, place in blocks(n, round(_OVERLAP_S / s.period_s)):
        seen = cuffs.over_time(
            Recorded(
                s.angle_rad[wide],
                s.velocity_rad_s[wide],
                s.cuff_torque_nm[wide],
                s.joint_torque_nm[wide].astype(float),
                s.cuff_force_n[wide].astype(float),
                pitch[wide],
                s.pelvis_gyro_rad_s[wide, 1].astype(float),
            )
        )
        found.angle_rad[place] = seen.angle_rad[inner]
        found.velocity_rad_s[place] = seen.velocity_rad_s[inner]
        found.cuff_nm[place] = seen.cuff_nm[inner]
        found.pitch_rad[place] = seen.pitch_rad[inner]
    return found
