r"""Impedance about the reference path, with an assistance level that fades.

.. math:: \tau = \tau_{comp} + a\,[K (q_{ref}(\varphi) - q) + D (\dot q_{ref} - \dot q)]

per joint, with the fading level a of :mod:`exostride.control.fading`; Hogan, "Impedance control",
J Dyn Sys Meas Control 107:1 (1985), on the path of Riener et al., "Patient-cooperative strategies
for robot-aided treadmill training", IEEE TNSRE 13:380 (2005). Spring and damper are executed by
the drive at its own rate; only the compensation of the robot itself is a feed-forward torque.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import FadingAssistance, FadingParameters
from exostride.control.tracking import Assistance, PathLaw, Track, Tracker
from exostride.conventions import N_JOINTS, SIDES


class ImpedanceParameters(StrictModel):
    """Parameters of the law; vectors are hip, knee, ankle.

    ``stiffness_nm_rad`` and ``damping_nms_rad`` are those at assistance 1 and set how stiffly a
    passive leg is led. ``forgetting`` (per stride), ``gain_per_rad`` and ``dead_zone_rad`` are those of
    the fading.
    """

    stiffness_nm_rad: tuple[float, float, float] = (180.0, 150.0, 90.0)
    damping_nms_rad: tuple[float, float, float] = (8.0, 6.0, 3.0)
    follow_hz: float = Field(12.0, ge=0.0, le=50.0)
    blend_s: float = Field(1.0, gt=0.0, le=10.0)
    forgetting: float = Field(0.92, gt=0.0, le=1.0)
    gain_per_rad: float = Field(0.9, ge=0.0)
    dead_zone_rad: float = Field(0.07, ge=0.0)


class ImpedanceController(PathLaw):
    """See module. ``parameters`` follow :class:`ImpedanceParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(ImpedanceParameters, dict(parameters or {}), "controller impedance")
        super().__init__(context, Tracker(context, p.follow_hz, p.blend_s))
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._fading = FadingAssistance(FadingParameters(p.forgetting, p.gain_per_rad, p.dead_zone_rad))

    def reset(self) -> None:
        """Forget adaptation."""
        super().reset()
        self._fading.reset()

    def assist(self, track: Track) -> Assistance:
        """Return spring and damper scaled by the faded level."""
        level = self._fading.step(track.error_rad, track.leg_phase, track.walking, track.settings)
        return Assistance(np.zeros(N_JOINTS), level * self._stiffness, level * self._damping, level)
