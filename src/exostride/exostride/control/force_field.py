r"""Force field about the path in the plane of hip and knee.

Banala, Kim, Agrawal & Scholz, "Robot assisted gait training with active leg exoskeleton (ALEX)", IEEE
TNSRE 17:2 (2009). With the nearest point p of the hip-knee path, distance d, unit normal n towards the
path and unit tangent t in the direction of walking:

.. math:: \tau = K_t\,(1 - d/D_t)^+\,\hat t\; + \;K_n\,[1 - e^{-2 (d/D_n)^2}]\,\hat n\; - \;K_d\,\dot q

The tangential torque helps forward near the path and vanishes at distance D_t; the normal torque brings
back to it and saturates. Both scale with the therapist's assistance. The ankle, which ALEX left free,
gets a spring about its reference of the same assistance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.nearest import PathTable
from exostride.control.tracking import Assistance, PathLaw, Track
from exostride.conventions import LEFT, N_JOINTS, RIGHT, side_slice


class ForceFieldParameters(StrictModel):
    """Torques [N m], distances [rad], damping [N m s/rad]; ``window`` is the freedom of timing [cycle]."""

    tangential_nm: float = Field(12.0, ge=0.0)
    normal_nm: float = Field(35.0, ge=0.0)
    tangential_rad: float = Field(0.26, gt=0.0)
    normal_rad: float = Field(0.17, gt=0.0)
    damping_nms_rad: float = Field(1.0, ge=0.0)
    ankle_nm_rad: float = Field(40.0, ge=0.0)
    window: float = Field(0.10, gt=0.0, le=0.25)


class ForceFieldController(PathLaw):
    """See module. ``parameters`` follow :class:`ForceFieldParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(context)
        self._p = validate(ForceFieldParameters, dict(parameters or {}), "controller force_field")
        self._tables = [PathTable(side, self._p.window) for side in (LEFT, RIGHT)]

    def assist(self, track: Track) -> Assistance:
        """Return the field's torque on hip and knee and the ankle's spring."""
        p = self._p
        level = np.clip(
            track.settings.assistance, track.settings.assistance_min, track.settings.assistance_max
        )
        torque, stiffness = np.zeros(N_JOINTS), np.zeros(N_JOINTS)
        for side in (LEFT, RIGHT):
            part = side_slice(side)
            plane = slice(part.start, part.start + 2)
            table = self._tables[side]
            table.refresh(self.tracker.path)
            point = table.nearest(
                track.angle_rad[part], float(track.leg_phase[side]), np.array([1.0, 1.0, 0.0])
            )
            error = point.angle_rad[:2] - track.angle_rad[plane]
            distance = float(np.linalg.norm(error))
            normal = error / distance if distance > 1e-9 else np.zeros(2)
            forward = p.tangential_nm * max(0.0, 1.0 - distance / p.tangential_rad) if track.walking else 0.0
            inward = p.normal_nm * (1.0 - float(np.exp(-2.0 * (distance / p.normal_rad) ** 2)))
            torque[plane] = level[plane] * (forward * point.tangent[:2] + inward * normal)
            stiffness[part.start + 2] = level[part.start + 2] * p.ankle_nm_rad
        # Damping about the reference's velocity would push; the field damps the leg's own.
        damping = level * p.damping_nms_rad
        torque = torque - damping * track.reference_velocity_rad_s
        return Assistance(torque, stiffness, damping, level)
