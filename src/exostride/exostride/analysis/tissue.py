"""Where the patient's own joints are while cuffs give, and what tissue does there.

The robot holds its own joints, not the patient's: under a push of 15 N m a foot turns by more than ten
degrees in its cuff, and the tissue that is stretched thereby takes a third of what the muscles give.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis.session import Session
from exostride.analysis.walk import Walk
from exostride.control.cuffs import CuffPosture
from exostride.conventions import GRAVITY_M_S2, N_JOINTS
from exostride.model.geometry import body_geometry
from exostride.patient.passive import REFERENCE_SCALE_NM, passive_moment
from exostride.types import ExoState

Matrix = NDArray[np.float64]
_PERIOD_S: Final = 0.05
"""A leg that is held is looked at so often; what counts is held for half a second."""


def patient_angles_rad(session: Session, rows: NDArray[np.int64]) -> Matrix | None:
    """Return the angles of the patient's own joints in some ticks, (n, 6), by the forces in the cuffs.

    None where these or the pelvis were not measured.
    """
    s = session
    lacking = (s.cuff_force_n, s.joint_torque_nm, s.pelvis_gyro_rad_s, s.pelvis_pitch_rad, s.angle_rad)
    if s.body is None or any(part is None for part in lacking):
        return None
    assert s.cuff_force_n is not None and s.joint_torque_nm is not None and s.pelvis_gyro_rad_s is not None
    assert s.angle_rad is not None and s.pelvis_pitch_rad is not None
    every = max(1, round(_PERIOD_S / s.period_s))
    some, legs = rows[::every], CuffPosture(body_geometry(s.body), every * s.period_s)
    found = np.empty((len(some), N_JOINTS))
    for i, k in enumerate(some.tolist()):
        state = ExoState(
            seq=k,
            time_s=float(s.time_s[k]),
            stamp_s=float(s.time_s[k]),
            angle_rad=s.angle_rad[k],
            joint_torque_nm=s.joint_torque_nm[k],
            cuff_force_n=s.cuff_force_n[k],
            pelvis_gyro_rad_s=s.pelvis_gyro_rad_s[k],
        )
        found[i] = legs.step(state, float(s.pelvis_pitch_rad[k])).angle_rad
    return np.stack([np.interp(rows, some, column) for column in found.T], axis=1)


def tissue_nm(walk: Walk, angle_rad: Matrix) -> Matrix:
    """Return the torque of tissue at the joints' angles, (n, 6), for a body of the patient's size."""
    body, geometry = walk.session.body, walk.geometry
    assert body is not None and geometry is not None
    scale = body.mass_kg * GRAVITY_M_S2 * geometry.leg_length / REFERENCE_SCALE_NM
    return np.asarray(scale * passive_moment(angle_rad.reshape(-1, 2, 3))[0].reshape(-1, N_JOINTS))
