r"""The walker sets the pace: the belt follows the pelvis, and the drive of the hips when the robot feels it.

.. math:: \dot v = k_x\,x + k_v\,\dot x + k_h\,\sum_{legs} p_{stance}\,\tau_{cuff,hip} / m

with the pelvis x forward of the standing place and the hip torque between robot and walker: whoever pushes
the belt back with a standing leg extends its hip against the robot, which the cuffs feel as flexion torque.
The belt starts when the walker steps forward of a threshold, stops when the walker falls back, never
exceeds the set speed, and keeps the set acceleration; the harness is that of
:mod:`exostride.control.treadmill`. After Feasel, Whitton, Kassler, Brooks & Lewek, "The integrated virtual
environment rehabilitation treadmill system", IEEE TNSRE 19:290 (2011), and von Zitzewitz, Bernhardt & Riener,
"A novel method for automatic treadmill speed adaptation", IEEE TNSRE 15:401 (2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.treadmill import TreadmillLaw, TreadmillParameters
from exostride.types import ExoState, GaitPhase, Signal, TherapySettings


class SelfPacedParameters(StrictModel):
    """Parameters of the law.

    ``position_1_s2`` is k_x, ``velocity_1_s`` is k_v, ``hip_1_m`` is k_h [1/m]; ``start_m`` and ``stop_m``
    are where the belt starts and stops, ``slowest_m_s`` the speed it starts with and below which it rests,
    ``smooth_s`` the filter of the hips' drive. ``treadmill`` are the harness' parameters.
    """

    position_1_s2: float = Field(0.8, gt=0.0)
    velocity_1_s: float = Field(0.8, ge=0.0)
    hip_1_m: float = Field(0.5, ge=0.0)
    start_m: float = Field(0.06, gt=0.0)
    stop_m: float = Field(-0.20, lt=0.0)
    slowest_m_s: float = Field(0.1, gt=0.0)
    smooth_s: float = Field(0.5, gt=0.0)
    treadmill: TreadmillParameters = TreadmillParameters()


class SelfPacedLaw(TreadmillLaw):
    """See module. ``parameters`` follow :class:`SelfPacedParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(SelfPacedParameters, dict(parameters or {}), "environment law self_paced")
        self._q = p
        self._mass = context.body_mass_kg
        super().__init__(context, p.treadmill.model_dump())

    def reset(self) -> None:
        """Take over from the belt as it runs."""
        super().reset()
        self._drive = 0.0
        self._wish: float | None = None

    def _goal(self, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> float:
        """Return the speed that the walker asks for [m/s]; rest where the pelvis is not seen."""
        q, position, velocity = self._q, state.pelvis_position_m, state.pelvis_velocity_m_s
        seen = state.available & Signal.PELVIS and np.isfinite(position).all() and np.isfinite(velocity).all()
        if not seen:
            return 0.0
        x, speed = float(position[0]), self._speed or 0.0
        wish = speed if self._wish is None else self._wish
        if wish < q.slowest_m_s:
            self._wish = q.slowest_m_s if x > q.start_m else 0.0
            return min(self._wish, settings.belt_speed_m_s)
        change = q.position_1_s2 * x + q.velocity_1_s * float(velocity[0]) + self._hips(state, phase)
        wish += self._period * min(max(change, -1.0), 1.0)
        # The wish waits for the belt, or it would go on alone while the ramp holds it.
        wish = min(max(wish, speed - q.slowest_m_s), speed + q.slowest_m_s, settings.belt_speed_m_s)
        if x < q.stop_m:
            wish = 0.0
        self._wish = max(wish, 0.0)
        return self._wish if self._wish >= 0.5 * q.slowest_m_s else 0.0

    def _hips(self, state: ExoState, phase: GaitPhase) -> float:
        """Return the smoothed drive of the standing hips [m/s²]."""
        now = 0.0
        felt = state.cuff_torque_nm[[0, 3]]
        if state.available & Signal.CUFF and np.isfinite(felt).all():
            standing = np.clip(np.nan_to_num(phase.stance_probability), 0.0, 1.0)
            now = float(np.clip(standing @ felt, -60.0, 60.0)) / self._mass
        self._drive += (now - self._drive) * self._period / (self._period + self._q.smooth_s)
        return self._q.hip_1_m * self._drive
