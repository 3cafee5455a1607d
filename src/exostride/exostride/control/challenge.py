r"""Laws for those who need challenge: resistance, and augmentation of the error.

``resistance`` brakes the leg's motion,

.. math:: \tau = -a\,w(e)\,[b\,\dot q + c \tanh(\dot q/\omega_0)]

as a leg weight or resisted treadmill walking does (Lam, Wirz, Lünenburger & Dietz, "Swing phase resistance
enhances flexor muscle activity during treadmill locomotion in incomplete spinal cord injury", Neurorehabil
Neural Repair 22:438, 2008). ``error_augmentation`` pushes away from the path,

.. math:: \tau = -a\,w(e)\,K e, \qquad |\tau| \le \tau_{max}

(Emken & Reinkensmeyer, "Robot-enhanced motor learning: accelerating internal model formation during
locomotion by transient dynamic amplification", IEEE TNSRE 13:33, 2005; Patton et al., Exp Brain Res 168:368,
2006). Both stop being a challenge where the walker fails: the window w falls from 1 at the dead-zone to 0 at
the widest error, and beyond that a spring helps back. The level a rises with success and falls with error,
a' = a + u (a_{set} - a) - g (e - e_0)^+ per stride, so that the task stays as hard as can be mastered
(challenge point, Guadagnoli & Lee, J Mot Behav 36:212, 2004).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.tracking import Assistance, PathLaw, Track, bounded_level
from exostride.conventions import LEFT, N_JOINTS, RIGHT, SIDES, side_slice
from exostride.types import Vector


class ChallengeParameters(StrictModel):
    """Parameters of both laws; vectors are hip, knee, ankle.

    ``damping_nms_rad``, ``friction_nm`` and ``friction_rad_s`` (b, c, omega_0) belong to the resistance,
    ``augmentation_nm_rad`` and ``torque_nm`` (K and the largest torque) to the augmentation.
    ``dead_zone_rad`` and ``widest_rad`` bound the window; ``help_nm_rad`` is the spring beyond it.
    ``rise`` and ``gain_per_rad`` are u and g.
    """

    damping_nms_rad: tuple[float, float, float] = (6.0, 4.0, 2.0)
    friction_nm: tuple[float, float, float] = (3.0, 2.0, 1.0)
    friction_rad_s: float = Field(0.3, gt=0.0)
    augmentation_nm_rad: tuple[float, float, float] = (60.0, 50.0, 30.0)
    torque_nm: tuple[float, float, float] = (10.0, 8.0, 5.0)
    dead_zone_rad: float = Field(0.10, ge=0.0)
    widest_rad: float = Field(0.30, gt=0.0)
    help_nm_rad: tuple[float, float, float] = (120.0, 100.0, 60.0)
    rise: float = Field(0.1, ge=0.0, le=1.0)
    gain_per_rad: float = Field(1.5, ge=0.0)


class ChallengeLaw(PathLaw):
    """What both laws share: window, help beyond it, and a level that follows success."""

    NAME = "challenge"

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self.p = p = validate(ChallengeParameters, dict(parameters or {}), f"controller {self.NAME}")
        super().__init__(context)
        self._help = np.tile(p.help_nm_rad, len(SIDES))
        self._forget()

    def _forget(self) -> None:
        self._level = np.zeros(N_JOINTS)
        self._sum = np.zeros(N_JOINTS)
        self._count = np.zeros(2)
        self._last = np.zeros(2)

    def reset(self) -> None:
        """Begin without a challenge."""
        super().reset()
        self._forget()

    @abstractmethod
    def oppose(self, track: Track, level: Vector) -> Vector:
        """Return the torque (6,) [N m] against the walker at a level (6,)."""

    def assist(self, track: Track) -> Assistance:
        """Return the challenge inside the window and the help beyond."""
        p = self.p
        size = np.abs(track.error_rad)
        if track.walking:
            self._sum += size
            self._count += 1.0
            for side in (LEFT, RIGHT):
                if track.leg_phase[side] < self._last[side] - 0.5:
                    self._end_stride(side, track)
        self._last = track.leg_phase
        level = bounded_level(self._level, track.settings)
        span = max(p.widest_rad - p.dead_zone_rad, 1e-3)
        window = np.minimum(np.maximum((p.widest_rad - size) / span, 0.0), 1.0)
        torque = self.oppose(track, level * window) if track.walking else np.zeros(N_JOINTS)
        beyond = np.sign(track.error_rad) * np.maximum(size - p.widest_rad, 0.0)
        stiffness = np.where(size > p.widest_rad, track.settings.assistance_max * self._help, 0.0)
        return Assistance(
            torque, stiffness, np.zeros(N_JOINTS), level, reference_rad=track.angle_rad + beyond
        )

    def _end_stride(self, side: int, track: Track) -> None:
        p, part = self.p, side_slice(side)
        error = self._sum[part] / max(float(self._count[side]), 1.0)
        level = self._level[part]
        level = level + p.rise * (track.settings.assistance[part] - level)
        level = level - p.gain_per_rad * np.maximum(error - p.dead_zone_rad, 0.0)
        self._level = self._level.copy()
        self._level[part] = np.minimum(np.maximum(level, 0.0), 1.0)
        self._sum[part] = 0.0
        self._count[side] = 0.0


class ResistanceController(ChallengeLaw):
    """Brake on the leg's motion; see module."""

    NAME = "resistance"

    def oppose(self, track: Track, level: Vector) -> Vector:
        """Return damping and friction against the motion."""
        p, speed = self.p, track.velocity_rad_s
        brake = np.tile(p.damping_nms_rad, len(SIDES)) * speed
        brake += np.tile(p.friction_nm, len(SIDES)) * np.tanh(speed / p.friction_rad_s)
        return np.asarray(-level * brake)


class ErrorAugmentationController(ChallengeLaw):
    """Push away from the path; see module."""

    NAME = "error_augmentation"

    def oppose(self, track: Track, level: Vector) -> Vector:
        """Return the torque that enlarges the error."""
        most = np.tile(self.p.torque_nm, len(SIDES))
        wish = -np.tile(self.p.augmentation_nm_rad, len(SIDES)) * track.error_rad
        return np.asarray(level * np.minimum(np.maximum(wish, -most), most))
