r"""Minimal assist-as-needed: the smallest feedback gain that keeps the error within its bound.

Pehlivan, Losey & O'Malley, "Minimal assist-as-needed controller for upper limb rehabilitation robots",
IEEE Trans Robot 32:113 (2016). With the sliding error r = \dot e + \Lambda e and the patient's torque \hat d
from a Kalman filter,

.. math:: \tau = \lambda\,\hat d_{-} + K_D\, r, \qquad |r| \le \Delta / K_D

* minimal gain: K_D follows what the bound r_b needs, stride by stride,
  K_D' = K_D (\max|r| / r_b)^{\alpha};
* bound modification: r_b widens while the patient keeps within a part of it, and narrows when they leave it;
* decayed disturbance rejection: only the part of \hat d that impedes the motion is rejected (\hat d_-), with
  a weight \lambda that decays in time and is renewed when the bound is broken.

The paper estimates the patient's torque from the robot's model; the cuffs measure it here, so that the
Kalman filter has one state per joint, a random walk. The drive executes K_D r as spring K_D \Lambda and
damper K_D.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import same_level
from exostride.control.tracking import Assistance, PathLaw, Track, bounded_level
from exostride.conventions import LEFT, N_JOINTS, RIGHT, SIDES, side_slice
from exostride.types import Signal, Vector


class MinimalParameters(StrictModel):
    r"""Parameters of the law; vectors are hip, knee, ankle.

    ``gain_nms_rad`` is K_D at assistance 1, ``error_rate_hz`` is \Lambda, ``bound_rad`` the widest and
    narrowest error bound (r_b = \Lambda times it), ``exponent`` is \alpha, ``cautious`` the part of the
    bound inside which it widens, ``fade`` the fall of K_D in a stride within its bound. ``drift_nm`` [N
    m/sqrt(s)] and ``noise_nm`` [N m sqrt(s)] are the densities of the Kalman filter; ``rejection`` and
    ``rejection_s`` start and time constant of \lambda.
    """

    gain_nms_rad: tuple[float, float, float] = (22.0, 18.0, 11.0)
    error_rate_hz: float = Field(8.0, gt=0.0)
    bound_rad: tuple[float, float] = (0.10, 0.18)
    exponent: float = Field(0.5, gt=0.0, le=2.0)
    cautious: float = Field(0.8, gt=0.0, lt=1.0)
    fade: float = Field(0.92, gt=0.0, lt=1.0)
    drift_nm: float = Field(60.0, gt=0.0)
    noise_nm: float = Field(0.1, gt=0.0)
    rejection: float = Field(0.4, ge=0.0, lt=1.0)
    rejection_s: float = Field(2.0, gt=0.0)


class MinimalController(PathLaw):
    """See module. ``parameters`` follow :class:`MinimalParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = p = validate(MinimalParameters, dict(parameters or {}), "controller minimal")
        super().__init__(context)
        self._gain = np.tile(p.gain_nms_rad, len(SIDES))
        # Gain of the stationary Kalman filter of a random walk with white measurement noise.
        self._kalman = 1.0 - float(np.exp(-context.period_s * p.drift_nm / p.noise_nm))
        self._decay = float(np.exp(-context.period_s / p.rejection_s))
        self._forget()

    def _forget(self) -> None:
        self._start: Vector | None = None
        self._level = np.zeros(N_JOINTS)
        self._bound = np.full(N_JOINTS, self._p.bound_rad[0])
        self._peak = np.zeros(N_JOINTS)
        self._weight = np.zeros(N_JOINTS)
        self._patient = np.zeros(N_JOINTS)
        self._last = np.zeros(2)

    def reset(self) -> None:
        """Return to the therapist's level and the narrow bound."""
        super().reset()
        self._forget()

    def assist(self, track: Track) -> Assistance:
        """Return rejection torque and the minimal spring and damper."""
        p, settings = self._p, track.settings
        if not same_level(self._start, settings.assistance):
            self._start = self._level = settings.assistance
        sliding = np.abs(track.velocity_error_rad_s + p.error_rate_hz * track.error_rad)
        sliding = np.minimum(sliding, 10.0) / p.error_rate_hz
        self._weight = np.where(sliding > self._bound, p.rejection, self._weight * self._decay)
        if track.walking:
            self._peak = np.maximum(self._peak, sliding)
            for side in (LEFT, RIGHT):
                if track.leg_phase[side] < self._last[side] - 0.5:
                    self._end_stride(side_slice(side))
        self._last = track.leg_phase
        level = bounded_level(self._level, settings)
        damping = level * self._gain
        torque = level * self._rejection(track) if track.walking else np.zeros(N_JOINTS)
        return Assistance(torque, p.error_rate_hz * damping, damping, level)

    def _end_stride(self, part: slice) -> None:
        p = self._p
        ratio = self._peak[part] / self._bound[part]
        # The largest error of a stride grows where the gain is too small and falls where it is too large;
        # the fade is what keeps the gain minimal when the ratio would be content.
        level = self._level.copy()
        level[part] *= np.where(ratio > 1.0, np.minimum(ratio, 3.0) ** p.exponent, p.fade)
        level[part] = np.where(ratio > 1.0, np.maximum(level[part], 0.05), level[part])
        self._level = np.minimum(level, 1.0)
        widen = np.where(ratio < p.cautious, 1.05, np.where(ratio > 1.0, 0.93, 1.0))
        low, high = p.bound_rad
        self._bound[part] = np.minimum(np.maximum(self._bound[part] * widen, low), high)
        self._peak[part] = 0.0

    def _rejection(self, track: Track) -> Vector:
        """Return the torque that makes up for a patient who impedes the motion along the path."""
        if not track.state.available & Signal.CUFF or not np.isfinite(track.state.cuff_torque_nm).all():
            return np.zeros(N_JOINTS)
        cuff = np.minimum(np.maximum(track.state.cuff_torque_nm, -200.0), 200.0)
        self._patient = self._patient + self._kalman * (-cuff - self._patient)
        impeding = self._patient * track.reference_velocity_rad_s < 0.0
        return np.where(impeding, -self._weight * self._patient, 0.0)
