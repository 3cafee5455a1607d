r"""Path control: a tunnel about the spatial path, with timing left to the patient.

Duschau-Wicke, von Zitzewitz, Caprez, Lünenburger & Riener, "Path control: a method for
patient-cooperative robot-aided gait rehabilitation", IEEE TNSRE 18:38 (2010). Per leg, with the nearest
point p on the path (within a window of phase) and e = p - q:

.. math:: \tau = [K\,e\,(1 - w/|e|) + D (\dot q_{ref} - \dot q)]\,[|e| > w] + a f\,\nu\,\hat t

inside the tunnel of half-width w nothing but the flow torque f along the tangent acts, which supports
forward motion, by the therapist's assistance a and the leg's cadence \nu; the wall is the spring beyond
w, executed by the drive about p moved towards q by w.
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
from exostride.conventions import LEFT, N_JOINTS, RIGHT, SIDES, side_slice
from exostride.types import Vector


class PathControlParameters(StrictModel):
    """Parameters of the law; vectors are hip, knee, ankle.

    ``window`` is the freedom of timing either way [cycle]; ``tunnel_rad`` the half-width of the dead band
    at assistance 0 (it narrows in proportion to the assistance, to ``tunnel_full_rad`` at 1).
    """

    stiffness_nm_rad: tuple[float, float, float] = (300.0, 250.0, 150.0)
    damping_nms_rad: tuple[float, float, float] = (6.0, 5.0, 2.0)
    tunnel_rad: float = Field(0.14, gt=0.0, le=0.6)
    tunnel_full_rad: float = Field(0.02, ge=0.0, le=0.6)
    window: float = Field(0.08, gt=0.0, le=0.25)
    flow_nm: tuple[float, float, float] = (8.0, 8.0, 4.0)


class PathController(PathLaw):
    """See module. ``parameters`` follow :class:`PathControlParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(PathControlParameters, dict(parameters or {}), "controller path_control")
        super().__init__(context)
        self._p = p
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._flow = np.tile(p.flow_nm, len(SIDES))
        self._tables = [PathTable(side, p.window) for side in (LEFT, RIGHT)]

    def assist(self, track: Track) -> Assistance:
        """Return wall spring, damper and flow torque."""
        low, high = track.settings.assistance_min, track.settings.assistance_max
        level = np.clip(track.settings.assistance, low, high)
        push, flow = np.zeros(N_JOINTS), np.zeros(N_JOINTS)
        outside = np.zeros(N_JOINTS)
        for side in (LEFT, RIGHT):
            part = side_slice(side)
            error, tangent = self._leg(side, track)
            width = self._width(float(np.mean(level[part])))
            size = float(np.linalg.norm(error))
            if size > width:
                push[part] = error * (1.0 - width / size)
                outside[part] = 1.0
            flow[part] = tangent * self._flow[part] * level[part] * min(track.leg_rate_hz[side], 1.5)
        moving = 1.0 if track.walking else 0.0
        return Assistance(
            moving * flow,
            outside * self._stiffness,
            outside * self._damping,
            level,
            reference_rad=track.angle_rad + push,
        )

    def _width(self, level: float) -> float:
        return self._p.tunnel_rad + level * (self._p.tunnel_full_rad - self._p.tunnel_rad)

    def _leg(self, side: int, track: Track) -> tuple[Vector, Vector]:
        """Return error (3,) to the nearest point and the unit tangent there."""
        part = side_slice(side)
        table = self._tables[side]
        table.refresh(self.tracker.path)
        seen = (track.error_rad[part] != 0.0).astype(float)
        point = table.nearest(track.angle_rad[part], float(track.leg_phase[side]), np.maximum(seen, 1e-6))
        return (point.angle_rad - track.angle_rad[part]) * seen, point.tangent * seen
