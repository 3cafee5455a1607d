r"""Impedance towards the reference path, beyond a dead-zone, with a level that fades where it is not needed.

.. math:: \tau = \tau_{comp} + a(\varphi)\,[K\,\psi(q_{ref}(\varphi) - q)
               + \kappa D (\dot q_{ref} - \dot q)], \qquad
          \psi(e) = \mathrm{sign}(e)\,\max(|e| - e_0(\varphi), 0)

per joint, with a level a for each part of the step that fades while the error stays within the dead-zone
and returns with what exceeds it (:mod:`exostride.control.fading`), so that who walks within the normal
range is left alone at once, and soon altogether. Whoever leaves the dead-zone is led back to its edge and no
further: to pull them on to its middle is work that nobody needs. The damper comes with the spring,
\kappa = \min(|\psi| / e_s, 1).

Hogan, "Impedance control", J Dyn Sys Meas Control 107:1 (1985), on the path of Riener et al.,
"Patient-cooperative strategies for robot-aided treadmill training", IEEE TNSRE 13:380 (2005); the dead-zone
is that of Cai et al., "Implications of assist-as-needed robotic step training after a complete spinal cord
injury on intrinsic strategies of motor learning", J Neurosci 26:10564 (2006). Spring and damper are executed
by the drive at its own rate. The foot is lifted besides, when it would drag
(:mod:`exostride.control.foot_clearance`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import DeadZone, FadingAssistance, FadingParameters, excess
from exostride.control.foot_clearance import FootLift, FootLiftParameters
from exostride.control.tracking import Assistance, PathLaw, Track, Tracker, bounded_level
from exostride.conventions import SIDES

_SOFT_RAD: Final = 0.03
"""e_s: over this error beyond the dead-zone the damper comes."""


class ImpedanceParameters(StrictModel):
    """Parameters of the law; vectors are hip, knee, ankle.

    ``stiffness_nm_rad`` and ``damping_nms_rad`` are those at assistance 1 and set how stiffly a
    passive leg is led back. ``dead_zone_rad`` and ``dead_zone_sd`` (in standard deviations of the reference)
    are the dead-zone's, ``forgetting`` (per stride), ``gain_per_rad`` and ``bins`` (per cycle) the fading's,
    ``carry`` is the share of the robot's own inertia that it carries along the path.
    """

    stiffness_nm_rad: tuple[float, float, float] = (200.0, 170.0, 100.0)
    damping_nms_rad: tuple[float, float, float] = (7.0, 5.5, 2.5)
    follow_hz: float = Field(12.0, ge=0.0, le=50.0)
    blend_s: float = Field(1.0, gt=0.0, le=10.0)
    forgetting: float = Field(0.90, gt=0.0, le=1.0)
    gain_per_rad: float = Field(1.5, ge=0.0)
    dead_zone_rad: float = Field(0.02, ge=0.0)
    dead_zone_sd: float = Field(0.75, ge=0.0)
    bins: int = Field(10, ge=1, le=100)
    carry: float = Field(1.0, ge=0.0, le=1.0)
    foot_lift: FootLiftParameters = FootLiftParameters()


class ImpedanceController(PathLaw):
    """See module. ``parameters`` follow :class:`ImpedanceParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(ImpedanceParameters, dict(parameters or {}), "controller impedance")
        super().__init__(context, Tracker(context, p.follow_hz, p.blend_s))
        self.carry = p.carry
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._zone = DeadZone(p.dead_zone_rad, p.dead_zone_sd)
        self._fading = FadingAssistance(FadingParameters(p.forgetting, p.gain_per_rad, 0.0, p.bins))
        self._lift = FootLift(context, p.foot_lift)

    def reset(self) -> None:
        """Forget adaptation."""
        super().reset()
        self._fading.reset()
        self._lift.reset()

    def assist(self, track: Track) -> Assistance:
        """Return spring and damper scaled by the faded level, and the lift of the foot."""
        path, error = self.tracker.path, track.error_rad
        beyond = excess(error, self._zone.width(path, track.leg_phase, track.settings))
        level = self._fading.step(beyond, track.leg_phase, track.walking, track.settings)
        torque, lifted = self._lift.step(track, path)
        shown = bounded_level(np.maximum(level, lifted), track.settings)
        size = np.abs(beyond)
        return Assistance(
            torque,
            level * (size > 0.0) * self._stiffness,
            level * np.minimum(size * (1.0 / _SOFT_RAD), 1.0) * self._damping,
            shown,
            reference_rad=track.reference_rad - (error - beyond),
        )
