r"""Impedance about the reference path that fades where it is not needed, in a robot that goes along.

.. math:: \tau = \tau_{comp} + a(\varphi)\,[K\,\psi(q_{ref}(\varphi) - q_p)
               + \kappa D (\dot q_{ref} - \dot q)] + D (\dot{\bar q}(\varphi) - \dot q), \qquad
          \psi(e) = \mathrm{sign}(e)\,\max(|e| - e_e, 0)

per joint. What is held to the path is the patient's joint q_p, not the robot's q: a leg gives in its cuffs by
several degrees, and a foot that drops lies in a robot's foot that does not. :mod:`exostride.control.cuffs`
finds it from the forces in the cuffs; where these say nothing it is the robot's.

About the path lies a tunnel within which every step is as good as another. The level a of each part of the
step fades while the error stays within the tunnel and returns with what exceeds it
(:mod:`exostride.control.fading`); the spring leads back to e_e, a little inside the tunnel's wall, and no
further; the damper comes with it, \kappa = \min(|\psi| / e_s, 1). So help is given in the joint, on the side
and in the part of the step where it is lacking, and nothing is carried, and nothing held, where it is not.
Besides, and whatever the level, the robot goes along at the pace of the walker's own mean motion \bar q
(:mod:`exostride.control.own_motion`): that damper neither leads nor corrects, it keeps the robot's legs from
shaking in the cuffs.

Hogan, "Impedance control", J Dyn Sys Meas Control 107:1 (1985), on the path of Riener et al.,
"Patient-cooperative strategies for robot-aided treadmill training", IEEE TNSRE 13:380 (2005); the tunnel
is that of Cai et al., "Implications of assist-as-needed robotic step training after a complete spinal cord
injury on intrinsic strategies of motor learning", J Neurosci 26:10564 (2006), and of Duschau-Wicke, von
Zitzewitz, Caprez, Luenenburger & Riener, "Path control: a method for patient-cooperative robot-aided gait
rehabilitation", IEEE TNSRE 18:38 (2010). Spring and damper are executed by the drive at its own rate. The
foot is lifted besides, when it would drag (:mod:`exostride.control.foot_clearance`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from exostride.compiled import In1, compiled
from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import DeadZone, FadingAssistance, FadingParameters, excess
from exostride.control.foot_clearance import FootLift, FootLiftParameters
from exostride.control.own_motion import OwnMotion
from exostride.control.tracking import Assistance, PathLaw, Track, Tracker, bounded_level
from exostride.conventions import SIDES

_SOFT_RAD: Final = 0.03
"""e_s: over this error beyond the edge the damper comes."""


class ImpedanceParameters(StrictModel):
    """Parameters of the law; vectors are hip, knee, ankle.

    ``stiffness_nm_rad`` and ``damping_nms_rad`` are those at assistance 1. ``tunnel_rad`` is half the width
    of the tunnel: about one standard deviation between able-bodied people, in the mean over the cycle. The
    spring leads to ``edge`` of it. ``forgetting`` (per stride), ``gain_per_rad`` and ``bins`` (per cycle) say
    how the level answers to errors, ``along`` with what part of the damping the robot goes along with the
    walker's own motion.
    """

    stiffness_nm_rad: tuple[float, float, float] = (110.0, 90.0, 150.0)
    damping_nms_rad: tuple[float, float, float] = (4.0, 3.0, 1.5)
    follow_hz: float = Field(12.0, ge=0.0, le=50.0)
    blend_s: float = Field(1.0, gt=0.0, le=10.0)
    forgetting: float = Field(0.85, gt=0.0, le=1.0)
    gain_per_rad: float = Field(8.0, ge=0.0)
    tunnel_rad: tuple[float, float, float] = (0.105, 0.127, 0.087)
    edge: float = Field(0.8, ge=0.0, le=1.0)
    bins: int = Field(10, ge=1, le=100)
    along: float = Field(1.0, ge=0.0, le=1.0)
    foot_lift: FootLiftParameters = FootLiftParameters()


class ImpedanceController(PathLaw):
    """See module. ``parameters`` follow :class:`ImpedanceParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(ImpedanceParameters, dict(parameters or {}), "controller impedance")
        super().__init__(context, Tracker(context, p.follow_hz, p.blend_s))
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._edge, self._along = p.edge, p.along
        self._own = OwnMotion(context.period_s)
        self._zone = DeadZone(p.tunnel_rad, 0.0)
        self._fading = FadingAssistance(FadingParameters(p.forgetting, p.gain_per_rad, 0.0, p.bins))
        self._lift = FootLift(context, p.foot_lift)

    def reset(self) -> None:
        """Forget adaptation."""
        super().reset()
        self._fading.reset()
        self._lift.reset()
        self._own.reset()

    def assist(self, track: Track) -> Assistance:
        """Return spring and damper scaled by the faded level, and the lift of the foot."""
        path, settings = self.tracker.path, track.settings
        torque, lifted = self._lift.step(track, path)
        error = track.error_rad - track.hold * self._lift.worn_rad
        width = self._zone.width(path, track.leg_phase, settings)
        beyond = excess(error, width)
        level = self._fading.step(beyond, track.leg_phase, track.walking, settings)
        pace, known = self._own.step(track)
        k, d, reference, pace = _combined(
            *(error, level, self._edge * width, self._along * known),
            *(track.angle_rad, track.reference_velocity_rad_s, pace),
        )
        return Assistance(
            torque,
            k * self._stiffness,
            d * self._damping,
            bounded_level(np.maximum(level, lifted), settings),
            reference_rad=reference,
            reference_velocity_rad_s=pace,
        )


@compiled
def _combined(
    error: In1, level: In1, edge: In1, along: In1, angle: In1, rate: In1, own_rate: In1
) -> NDArray[np.float64]:
    """Return shares of stiffness and damping, rest position and velocity, rows of (4, 6).

    The damper to the path, as far as the level goes, and that to the walker's own pace, as far as they go
    along (``along``), act as one.
    """
    out = np.empty((4, error.size))
    for i in range(error.size):
        outside = error[i] - min(max(error[i], -edge[i]), edge[i])
        size = abs(outside)
        d = level[i] * min(size * (1.0 / _SOFT_RAD), 1.0)
        pace = d * rate[i] + along[i] * own_rate[i]
        d = d + along[i]
        out[0, i] = level[i] if size > 0.0 else 0.0
        out[1, i] = d
        # The robot's joint is to move by as much as the patient's is outside.
        out[2, i] = angle[i] + outside
        out[3, i] = pace / max(d, 1e-9) if d > 0.0 else 0.0
    return out
