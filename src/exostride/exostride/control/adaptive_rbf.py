r"""Adaptive model of what the patient lacks, with radial basis functions and decay.

Wolbrecht, Chan, Reinkensmeyer & Bobrow, "Optimizing compliant, model-based robotic assistance to promote
neurorehabilitation", IEEE TNSRE 16:286 (2008): the feed-forward \hat\tau = \hat W^T g(\varphi) learns the
torque that is missing on the path, and its decay makes room for the patient's own effort,

.. math:: \dot{\hat W} = -\frac{1}{T}\, g\,(g^T g)^{-1} g^T \hat W + \gamma\, g\,(g^T g)^{-1} s^T, \qquad
          s = \psi(\dot e + \Lambda e)

beside a compliant spring and damper, \tau = \hat\tau + K_P e + K_D \dot e. The functions are Gaussians over
the phase of the leg instead of the hand's position, and the sliding error s has a dead-zone, because a
walker's normal variability is no error. What the patient lacks in a step is not given to who stands, and kept
for when they walk on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, NonNegativeFloat

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import DeadZone, UnderWay, excess, same_level, shares
from exostride.control.tracking import Assistance, PathLaw, Track, bounded_level
from exostride.conventions import LEFT, RIGHT, SIDES, side_slice
from exostride.types import Vector

_Joints = tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat]


class AdaptiveRbfParameters(StrictModel):
    r"""Parameters of the law; vectors are hip, knee, ankle.

    ``decay_s`` is T, counted while a leg is near a function's centre; ``learning_nm_rad`` is \gamma
    [N m/rad]; ``error_rate_hz`` is \Lambda. ``stiffness_nm_rad`` and ``damping_nms_rad`` are those of the
    compliant part; ``lead`` times as much at assistance 1 leads at first and is handed over with
    ``hand_over`` per stride.
    """

    functions: int = Field(20, ge=5, le=60)
    decay_s: float = Field(1.5, gt=0.0)
    learning_nm_rad: _Joints = (20.0, 16.0, 10.0)
    error_rate_hz: float = Field(5.0, gt=0.0)
    dead_zone_rad: float = Field(0.05, ge=0.0)
    dead_zone_sd: float = Field(1.5, ge=0.0)
    torque_nm: _Joints = (35.0, 30.0, 25.0)
    stiffness_nm_rad: _Joints = (40.0, 30.0, 20.0)
    damping_nms_rad: _Joints = (3.0, 2.0, 1.0)
    lead: float = Field(3.0, ge=0.0, le=5.0)
    hand_over: float = Field(0.92, gt=0.0, le=1.0)


class AdaptiveRbfController(PathLaw):
    """See module. ``parameters`` follow :class:`AdaptiveRbfParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = p = validate(AdaptiveRbfParameters, dict(parameters or {}), "controller adaptive_rbf")
        super().__init__(context)
        self._zone = DeadZone(p.dead_zone_rad, p.dead_zone_sd)
        self._width = np.zeros(6)
        self._centres = np.arange(p.functions) / p.functions
        self._learning = np.array(p.learning_nm_rad)
        self._most = np.tile(p.torque_nm, len(SIDES))
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._under_way = UnderWay(context.period_s)
        self._forget()

    def _forget(self) -> None:
        self._weights = [np.zeros((self._p.functions, 3)) for _ in SIDES]
        self._start: Vector | None = None
        self._spring: Vector = np.zeros(6)
        self._last = np.zeros(2)
        self._under_way.reset()

    def reset(self) -> None:
        """Forget what the patient lacks."""
        super().reset()
        self._forget()

    def assist(self, track: Track) -> Assistance:
        """Return learned torque, spring and damper, and learn from this tick."""
        p, settings = self._p, track.settings
        if not same_level(self._start, settings.assistance):
            self._start = self._spring = settings.assistance
        torque = np.empty(6)
        self._width = self._zone.width(self.tracker.path, track.leg_phase, settings)
        for side in (LEFT, RIGHT):
            part = side_slice(side)
            basis = self._basis(float(track.leg_phase[side]))
            torque[part] = basis @ self._weights[side]
            if track.walking:
                self._learn(side, basis, torque[part], track)
            if track.leg_phase[side] < self._last[side] - 0.5:
                self._spring = self._spring.copy()
                self._spring[part] *= p.hand_over
        self._last = track.leg_phase
        bound = settings.assistance_max * self._most
        torque = self._under_way.step(track.walking) * np.minimum(np.maximum(torque, -bound), bound)
        spring = bounded_level(self._spring, settings)
        level = bounded_level(np.maximum(spring, shares(torque, self._most)), settings)
        # The compliant part stays: without it nothing tells the leg where the path is.
        stay = (1.0 + p.lead * spring) * settings.assistance_max
        return Assistance(torque, stay * self._stiffness, stay * self._damping, level)

    def _basis(self, phase: float) -> Vector:
        away = (self._centres - phase + 0.5) % 1.0 - 0.5
        basis = np.exp(-0.5 * (away * self._p.functions) ** 2)
        return np.asarray(basis / basis.sum())

    def _learn(self, side: int, basis: Vector, torque: Vector, track: Track) -> None:
        p, part = self._p, side_slice(side)
        sliding = track.velocity_error_rad_s[part] + p.error_rate_hz * track.error_rad[part]
        sliding = excess(sliding, p.error_rate_hz * self._width[part])
        # Learning is scaled to the energy of the functions as the decay is: gamma is then independent of
        # their number and width.
        change = (self._learning * sliding - torque / p.decay_s) / float(basis @ basis)
        weights = self._weights[side] + self.context.period_s * basis[:, None] * change
        most = self._most[part]
        self._weights[side] = np.minimum(np.maximum(weights, -most), most)
