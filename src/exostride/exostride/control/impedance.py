r"""Impedance about the reference path, with an assistance level that fades where it is not needed.

.. math:: \tau = \tau_{comp} + a(\varphi)\,[K (q_{ref}(\varphi) - q) + D (\dot q_{ref} - \dot q)]

per joint, with the fading level a of :mod:`exostride.control.fading` for each part of the step; Hogan,
"Impedance control", J Dyn Sys Meas Control 107:1 (1985), on the path of Riener et al.,
"Patient-cooperative strategies for robot-aided treadmill training", IEEE TNSRE 13:380 (2005). Spring and
damper are executed by the drive at its own rate. The foot is lifted besides, when it would drag
(:mod:`exostride.control.foot_clearance`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import FadingAssistance, FadingParameters
from exostride.control.foot_clearance import FootLift, FootLiftParameters
from exostride.control.tracking import Assistance, PathLaw, Track, Tracker, bounded_level
from exostride.conventions import SIDES


class ImpedanceParameters(StrictModel):
    """Parameters of the law; vectors are hip, knee, ankle.

    ``stiffness_nm_rad`` and ``damping_nms_rad`` are those at assistance 1 and set how stiffly a
    passive leg is led. ``forgetting`` (per stride), ``gain_per_rad``, ``dead_zone_rad``, ``dead_zone_sd``
    (in standard deviations of the reference) and ``bins`` (per cycle) are those of the fading.
    """

    stiffness_nm_rad: tuple[float, float, float] = (180.0, 150.0, 90.0)
    damping_nms_rad: tuple[float, float, float] = (8.0, 6.0, 3.0)
    follow_hz: float = Field(12.0, ge=0.0, le=50.0)
    blend_s: float = Field(1.0, gt=0.0, le=10.0)
    forgetting: float = Field(0.92, gt=0.0, le=1.0)
    gain_per_rad: float = Field(1.2, ge=0.0)
    dead_zone_rad: float = Field(0.05, ge=0.0)
    dead_zone_sd: float = Field(1.0, ge=0.0)
    bins: int = Field(10, ge=1, le=100)
    foot_lift: FootLiftParameters = FootLiftParameters()


class ImpedanceController(PathLaw):
    """See module. ``parameters`` follow :class:`ImpedanceParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(ImpedanceParameters, dict(parameters or {}), "controller impedance")
        super().__init__(context, Tracker(context, p.follow_hz, p.blend_s))
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._bins = p.bins
        self._fading = FadingAssistance(
            FadingParameters(p.forgetting, p.gain_per_rad, p.dead_zone_rad, p.dead_zone_sd, p.bins)
        )
        self._lift = FootLift(context, p.foot_lift)
        self._version = -1

    def reset(self) -> None:
        """Forget adaptation."""
        super().reset()
        self._fading.reset()
        self._lift.reset()

    def assist(self, track: Track) -> Assistance:
        """Return spring and damper scaled by the faded level, and the lift of the foot."""
        path = self.tracker.path
        if path.version != self._version:
            self._version = path.version
            self._fading.set_spread(path.spread(self._bins))
        level = self._fading.step(track.error_rad, track.leg_phase, track.walking, track.settings)
        torque, lifted = self._lift.step(track, path)
        shown = bounded_level(np.maximum(level, lifted), track.settings)
        return Assistance(torque, level * self._stiffness, level * self._damping, shown)
