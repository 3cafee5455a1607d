"""A body that only stands, for checks of the plant without a virtual patient."""

from __future__ import annotations

import numpy as np

from exostride.patient.interface import N_DRIVEN, JointDrive, PatientAction, PatientSense, driven
from exostride.types import Vector


class StiffStance:
    """Holds every driven joint at a posture with constant stiffness and damping; never walks or learns."""

    def __init__(
        self,
        posture_rad: Vector | None = None,
        stiffness_nm_rad: float = 800.0,
        damping_nms_rad: float = 40.0,
    ) -> None:
        self._drive = JointDrive(
            stiffness_nm_rad=np.full(N_DRIVEN, stiffness_nm_rad),
            damping_nms_rad=np.full(N_DRIVEN, damping_nms_rad),
            reference_rad=driven() if posture_rad is None else np.asarray(posture_rad, dtype=float),
        )

    def step(self, t: float, sense: PatientSense) -> PatientAction:
        """Return the one set of torque, stiffness and damping."""
        del t, sense
        return PatientAction(active=self._drive, heart_rate_bpm=70.0)

    def reset(self) -> None:
        """Nothing to forget."""
