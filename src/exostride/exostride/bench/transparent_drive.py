"""The robot carrying itself, fed with the plant's true state: the transparent exoskeleton of benches."""

from __future__ import annotations

import numpy as np

from exostride.control.compensation import RobotCompensation
from exostride.conventions import N_JOINTS
from exostride.model.anthropometry import BodyParameters
from exostride.plant.plant import Plant
from exostride.types import DriveCommand, ExoState, Signal

_ALL = (1 << N_JOINTS) - 1
_XYZW = np.array([4, 5, 6, 3])
_LIMIT_NM = np.full(N_JOINTS, 80.0)


class TransparentDrive:
    """Compensates the robot's gravity, inertia and friction at its joints; gives the patient nothing."""

    def __init__(self, body: BodyParameters, period_s: float) -> None:
        self._compensation = RobotCompensation(body, period_s)

    def __call__(self, plant: Plant) -> DriveCommand:
        """Return the drives' order for the plant's present state."""
        w, data = plant.world, plant.data
        state = ExoState(
            seq=0,
            time_s=plant.time_s,
            stamp_s=plant.time_s,
            available=int(Signal.JOINT_ANGLE | Signal.PELVIS),
            joint_valid=_ALL,
            angle_rad=data.qpos[w.exo_q].copy(),
            velocity_rad_s=data.qvel[w.exo_v].copy(),
            pelvis_orientation=data.qpos[_XYZW + w.base_q],
        )
        torque = self._compensation.step(state)
        return DriveCommand(torque_nm=torque, low_nm=-_LIMIT_NM, high_nm=_LIMIT_NM)
