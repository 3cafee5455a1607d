r"""Torque with which the exoskeleton's legs carry themselves.

.. math:: \tau_{comp} = s_g\,[g(q) + C(q, \dot q)\dot q] + s_m\,M(q)\,\hat{\ddot q}
          + s_f\,[F_c \tanh(\dot q/\omega_0) + F_v \dot q]

from the Pinocchio model with the measured pelvis orientation, with Coulomb and viscous friction from
the joint table and a share s_m < 1 of the inertia on a filtered acceleration. The frame carries the
pelvis part of the robot, the drives carry the legs.
"""

from __future__ import annotations

from math import isfinite, tanh

import numpy as np
from pydantic import Field

from exostride.compiled import In1, compiled
from exostride.config import StrictModel
from exostride.conventions import JOINTS, N_JOINTS
from exostride.model.anthropometry import BodyParameters
from exostride.model.dynamics import LegDynamics
from exostride.model.joints import joint_table
from exostride.types import ExoState, Signal, Vector

_ALL = (1 << N_JOINTS) - 1
_PELVIS = int(Signal.PELVIS)
_ACCELERATION_RAD_S2 = 200.0


class CompensationParameters(StrictModel):
    """Share of each part that is compensated [1], friction's velocity scale [rad/s], filter [s].

    A share below one keeps the loop passive when the model is a little wrong. The inertia's share is off
    by default: its acceleration comes late, by a tick, the sensor and the filter, and through the elastic
    cuffs a late share of 0.3 rang with 60 N m in a standing walker.
    """

    gravity: float = Field(1.0, gt=0.0, le=1.0)
    friction: float = Field(0.8, ge=0.0, lt=1.0)
    inertia: float = Field(0.0, ge=0.0, lt=1.0)
    friction_rad_s: float = Field(0.3, gt=0.0)
    filter_s: float = Field(0.015, gt=0.0)


class RobotCompensation:
    """See module; implements :class:`~exostride.control.context.Compensation`."""

    def __init__(
        self, body: BodyParameters, period_s: float, parameters: CompensationParameters | None = None
    ) -> None:
        self._p = parameters or CompensationParameters()
        self._dynamics = LegDynamics("exoskeleton", body)
        rows = [joint_table()[name] for name in JOINTS]
        self._coulomb = self._p.friction * np.array([row.friction_nm for row in rows])
        self._viscous = self._p.friction * np.array([row.damping_nms_rad for row in rows])
        self._steep = 1.0 / self._p.friction_rad_s
        # With the inertia's share relative to gravity's on the acceleration, one pass of inverse
        # dynamics gives all three parts.
        self._relative = self._p.inertia / self._p.gravity
        self._period = period_s
        self._share = period_s / (period_s + self._p.filter_s)
        self._last: Vector | None = None
        self._acceleration = np.zeros(N_JOINTS)

    def step(self, state: ExoState) -> Vector:
        """Return the compensation torque (6,) [N m]; zero where the joints are not all measured."""
        q, qd = state.angle_rad, state.velocity_rad_s
        if state.joint_valid != _ALL or not _finite(q, qd):
            self._last = None
            return np.zeros(N_JOINTS)
        upright = not state.available & _PELVIS or not isfinite(sum(state.pelvis_orientation.tolist()))
        self._dynamics.set_pelvis(None if upright else state.pelvis_orientation)
        if self._last is not None and self._relative > 0.0:
            raw = (qd - self._last) / self._period
            raw = np.minimum(np.maximum(raw, -_ACCELERATION_RAD_S2), _ACCELERATION_RAD_S2)
            self._acceleration = self._acceleration + self._share * (raw - self._acceleration)
        self._last = qd
        motion = self._dynamics.torque(q, qd, self._relative * self._acceleration)
        return _with_friction(motion, qd, self._p.gravity, self._coulomb, self._steep, self._viscous)


@compiled
def _finite(a: In1, b: In1) -> bool:
    sound = True
    for i in range(a.size):
        sound = sound and isfinite(a[i]) and isfinite(b[i])
    return sound


@compiled
def _with_friction(motion: In1, qd: In1, share: float, coulomb: In1, steep: float, viscous: In1) -> Vector:
    out = np.empty(motion.size)
    for i in range(motion.size):
        out[i] = share * motion[i] + coulomb[i] * tanh(steep * qd[i]) + viscous[i] * qd[i]
    return out
