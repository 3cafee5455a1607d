r"""Error-based adaptation of the assisting torque, with forgetting, for each part of the step.

Emken & Reinkensmeyer, "Human-robot cooperative movement training: learning a novel sensory motor
transformation during walking with robotic assistance-as-needed", J NeuroEng Rehabil 4:8 (2007): the
assistance that minimises error and force together is a robot that learns from error and forgets,

.. math:: F_{i+1,b} = f_R\, F_{i,b} + g_R\, \psi(\bar e_{i,b + \ell}), \qquad
          \psi(e) = \mathrm{sign}(e) \max(|e| - e_0, 0)

with the mean error \bar e of stride i in bin b of the cycle, shifted by the lead \ell that makes up for
the delay from torque to motion. Training succeeds if the robot forgets faster than the human learns: the
human's own memory f_H and gain g_H give permanent assistance if f_R is not below f_H (their inequality;
tests/unit/test_error_based.py breaks it on purpose). A spring of the therapist's level leads at first and
is forgotten with the same f_R. What has been learned is the torque of a step: who stands does not get it, and
it is kept for when they walk on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from pydantic import Field, NonNegativeFloat

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.fading import DeadZone, PhaseBins, UnderWay, between_bins, excess, same_level, shares
from exostride.control.tracking import Assistance, PathLaw, Track, bounded_level
from exostride.conventions import N_JOINTS, SIDES, side_slice
from exostride.types import Vector

_Joints = tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat]

_SMOOTH: Final = (0.25, 0.5, 0.25)
"""Weights of a bin and its neighbours in an update; without them the torque learns its own ripple."""


class ErrorBasedParameters(StrictModel):
    """Parameters of the law; vectors are hip, knee, ankle.

    ``gain_nm_rad`` is g_R, ``torque_nm`` the largest learned torque, ``lead`` the shift [cycle],
    ``stiffness_nm_rad`` and ``damping_nms_rad`` those of the spring that leads at first.
    """

    forgetting: float = Field(0.90, gt=0.0, le=1.0)
    gain_nm_rad: _Joints = (25.0, 20.0, 14.0)
    dead_zone_rad: float = Field(0.02, ge=0.0)
    dead_zone_sd: float = Field(1.5, ge=0.0)
    bins: int = Field(20, ge=4, le=100)
    lead: float = Field(0.05, ge=0.0, le=0.2)
    torque_nm: _Joints = (35.0, 30.0, 25.0)
    stiffness_nm_rad: _Joints = (180.0, 150.0, 90.0)
    damping_nms_rad: _Joints = (8.0, 6.0, 3.0)


class ErrorBasedController(PathLaw):
    """See module. ``parameters`` follow :class:`ErrorBasedParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = p = validate(ErrorBasedParameters, dict(parameters or {}), "controller error_based")
        super().__init__(context)
        self._gain = np.tile(p.gain_nm_rad, len(SIDES))
        self._most = np.tile(p.torque_nm, len(SIDES))
        self._stiffness = np.tile(p.stiffness_nm_rad, len(SIDES))
        self._damping = np.tile(p.damping_nms_rad, len(SIDES))
        self._lead = round(p.lead * p.bins)
        self._bins = PhaseBins(p.bins)
        self._zone = DeadZone(p.dead_zone_rad, p.dead_zone_sd)
        self._under_way = UnderWay(context.period_s)
        self._forget()

    def _forget(self) -> None:
        self.torque_nm = np.zeros((self._p.bins, N_JOINTS))
        """Learned torque by bin and joint."""
        self._spring: Vector | None = None
        self._start: Vector | None = None
        self._bins.reset()
        self._under_way.reset()

    def reset(self) -> None:
        """Forget the learned torque."""
        super().reset()
        self._forget()

    def assist(self, track: Track) -> Assistance:
        """Return the learned torque of this part of the step, and what is left of the first spring."""
        p, settings = self._p, track.settings
        if self._spring is None or not same_level(self._start, settings.assistance):
            self._spring = self._start = settings.assistance
        if not track.walking:
            self._bins.pause()
        else:
            width = self._zone.width(self.tracker.path, track.leg_phase, settings)
            beyond = excess(track.error_rad, width)
            for side, index, error in self._bins.step(beyond, track.leg_phase):
                self._learn(side, index, error)
                if index == p.bins - 1:
                    part = side_slice(side)
                    self._spring = self._spring.copy()
                    self._spring[part] *= p.forgetting
        bound = settings.assistance_max * self._most
        torque = self._under_way.step(track.walking) * between_bins(self.torque_nm, track.leg_phase)
        torque = np.minimum(np.maximum(torque, -bound), bound)
        spring = bounded_level(self._spring, settings)
        level = bounded_level(np.maximum(spring, shares(torque, self._most)), settings)
        return Assistance(torque, spring * self._stiffness, spring * self._damping, level)

    def _learn(self, side: int, index: int, error: Vector) -> None:
        """Update the bin in which the error of bin ``index`` could have been prevented."""
        part = side_slice(side)
        own = (index - self._lead) % self._p.bins
        self.torque_nm[own, part] *= self._p.forgetting
        for shift, weight in zip((-1, 0, 1), _SMOOTH, strict=True):
            place = (own + shift) % self._p.bins
            learned = self.torque_nm[place, part] + weight * self._gain[part] * error
            self.torque_nm[place, part] = np.clip(learned, -self._most[part], self._most[part])
