r"""Fixed impedance ("guidance force") and stiff position control about the reference path.

.. math:: \tau = g\,[K (q_{ref} - q) + D (\dot q_{ref} - \dot q)]

with the guidance g in 0..1 that the therapist sets per joint (``settings.assistance``) and that stays as
it is: the conventional robot-aided gait training against which assist-as-needed laws are measured
(Colombo et al., "Treadmill training of paraplegic patients using a robotic orthosis", J Rehabil Res
Dev 37:693 (2000)). ``position`` is the same law with the stiffness of a position drive and the largest g
that the therapist allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.tracking import Assistance, PathLaw, Track
from exostride.conventions import N_JOINTS, SIDES


class GuidanceParameters(StrictModel):
    """Stiffness and damping at full guidance, hip, knee, ankle."""

    stiffness_nm_rad: tuple[float, float, float] = (300.0, 250.0, 150.0)
    damping_nms_rad: tuple[float, float, float] = (10.0, 8.0, 4.0)


class GuidanceController(PathLaw):
    """Fixed impedance; see module. ``parameters`` follow :class:`GuidanceParameters`."""

    NAME = "guidance"
    DEFAULTS = GuidanceParameters()

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        values = {**self.DEFAULTS.model_dump(), **(parameters or {})}
        p = validate(GuidanceParameters, values, f"controller {self.NAME}")
        super().__init__(context)
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))

    def level(self, track: Track) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the guidance in force (6,)."""
        low, high = track.settings.assistance_min, track.settings.assistance_max
        return np.clip(track.settings.assistance, low, high)

    def assist(self, track: Track) -> Assistance:
        """Return spring and damper scaled by the guidance."""
        level = self.level(track)
        return Assistance(np.zeros(N_JOINTS), level * self._stiffness, level * self._damping, level)


class PositionController(GuidanceController):
    """Stiff position control: as much guidance as the therapist allows, whatever the patient does."""

    NAME = "position"
    DEFAULTS = GuidanceParameters(stiffness_nm_rad=(700.0, 600.0, 350.0), damping_nms_rad=(22.0, 16.0, 8.0))

    def level(self, track: Track) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the most that the therapist allows (6,)."""
        return track.settings.assistance_max
