r"""Impedance about the reference path, with an assistance level that fades.

.. math:: \tau = \tau_{comp} + a\,[K (q_{ref}(\varphi) - q) + D (\dot q_{ref} - \dot q)]

per joint, with the fading level a of :mod:`exostride.control.fading`; Hogan, "Impedance control",
J Dyn Sys Meas Control 107:1 (1985), on the path of Riener et al., "Patient-cooperative strategies
for robot-aided treadmill training", IEEE TNSRE 13:380 (2005). Spring and damper are executed by
the drive at its own rate; only the compensation of the robot itself is a feed-forward torque.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import FadingAssistance, FadingParameters
from exostride.control.path import ReferencePath
from exostride.control.rhythm import Rhythm
from exostride.conventions import N_JOINTS, SIDES
from exostride.types import AssistCommand, ExoState, GaitPhase, TherapySettings, Vector

_REST: Final = 0.02
"""Belt speed [m/s] below which the walker counts as standing."""


class ImpedanceParameters(StrictModel):
    """Parameters of the law; vectors are hip, knee, ankle.

    ``stiffness_nm_rad`` and ``damping_nms_rad`` are those at assistance 1 and set how stiffly a
    passive leg is led; ``free_damping_nms_rad`` stays at assistance 0 and keeps the drive calm.
    """

    stiffness_nm_rad: tuple[float, float, float] = (180.0, 150.0, 90.0)
    damping_nms_rad: tuple[float, float, float] = (8.0, 6.0, 3.0)
    free_damping_nms_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)
    follow_hz: float = Field(12.0, ge=0.0, le=50.0)
    blend_s: float = Field(1.0, gt=0.0, le=10.0)
    forgetting: float = Field(0.92, gt=0.0, le=1.0)
    gain_per_rad: float = Field(0.9, ge=0.0)
    dead_zone_rad: float = Field(0.07, ge=0.0)


class ImpedanceController:
    """See module. ``parameters`` follow :class:`ImpedanceParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(ImpedanceParameters, dict(parameters or {}), "controller impedance")
        self._context = context
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._free_damping = np.tile(p.free_damping_nms_rad, len(SIDES))
        self._rhythm = Rhythm(context.period_s, p.follow_hz)
        self._path = ReferencePath(context)
        self._fading = FadingAssistance(FadingParameters(p.forgetting, p.gain_per_rad, p.dead_zone_rad))
        self._decay = float(np.exp(-context.period_s / p.blend_s))
        self.reset()

    def reset(self) -> None:
        """Forget adaptation; the next reference starts at the measured posture, without a bump."""
        self._rhythm.reset()
        self._path.reset()
        self._fading.reset()
        self._bridge: Vector | None = None
        self._gain = 0.0

    def step(self, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> AssistCommand:
        """Return the joint command in answer to ``state``."""
        rhythm = self._rhythm.step(phase, self._path.advance(settings))
        reference, velocity = self._path.sample(rhythm, settings)
        measured = self._measured(state, reference)
        if self._bridge is None:
            self._bridge = measured - reference
        reference = reference + self._bridge
        self._bridge = self._bridge * self._decay
        self._gain = 1.0 - self._decay * (1.0 - self._gain)
        walking = self._path.speed_m_s > _REST
        level = self._fading.step(reference - measured, rhythm.phase, walking, settings)
        torque = self._compensate(state)
        share = level * self._gain
        return AssistCommand(
            seq=state.seq,
            time_s=t,
            torque_nm=torque,
            stiffness_nm_rad=share * self._stiffness,
            damping_nms_rad=share * self._damping + self._free_damping,
            reference_rad=reference,
            reference_velocity_rad_s=velocity,
            assistance=level,
        )

    @staticmethod
    def _measured(state: ExoState, reference: Vector) -> Vector:
        """Return the measured angles, and the reference itself where a joint was not measured."""
        seen = ((state.joint_valid >> np.arange(N_JOINTS)) & 1).astype(bool) & np.isfinite(state.angle_rad)
        return np.where(seen, state.angle_rad, reference)

    def _compensate(self, state: ExoState) -> Vector:
        if self._context.compensation is None:
            return np.zeros(N_JOINTS)
        torque = self._context.compensation.step(state)
        limit = self._context.torque_limit_nm
        return np.clip(np.nan_to_num(torque), -limit, limit)
