"""Force: the leg is held in mid-range as firmly as the kernel allows while the patient pushes against it.

The springs never ask for more than the drives give: who is stronger moves the leg, softly, and sees that this
is more than the robot can hold.
Isometric joint torque in the exoskeleton after L-FORCE (Bolliger et al. 2008, J NeuroEng Rehabil 5:23).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.assessment import AssessmentLaw, Move, posture, standing
from exostride.control.context import ControlContext
from exostride.conventions import SIDES
from exostride.types import ExoState, TherapySettings, Vector

HELD_DEG: Final = (35.0, 50.0, 0.0)
"""Hip, knee and ankle of the held leg."""


class IsometricHoldParameters(StrictModel):
    """How long each leg is held [s], the springs that hold, and how far they stretch (hip, knee, ankle)."""

    hold_s: float = Field(32.0, gt=1.0, le=120.0)
    stiffness_nm_rad: tuple[float, float, float] = (400.0, 400.0, 300.0)
    damping_nms_rad: tuple[float, float, float] = (15.0, 10.0, 6.0)
    leash_rad: tuple[float, float, float] = (0.11, 0.10, 0.13)


class IsometricHold(AssessmentLaw):
    """See module. ``parameters`` follow :class:`IsometricHoldParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = validate(IsometricHoldParameters, dict(parameters or {}), "controller isometric_hold")
        self._leash = np.tile(self._p.leash_rad, len(SIDES))
        super().__init__(context, self._p.stiffness_nm_rad, self._p.damping_nms_rad)

    def reach(self, reference: Vector, state: ExoState) -> Vector:
        """Return the reference no further from the joint than the springs may stretch."""
        angle = np.where(np.isfinite(state.angle_rad), state.angle_rad, reference)
        return np.asarray(np.clip(reference, angle - self._leash, angle + self._leash))

    def moves(self, settings: TherapySettings) -> Iterator[Move | None]:
        """Yield a lift, a long hold and the way back for each leg."""
        for side in range(len(SIDES)):
            yield self.go(posture(side, HELD_DEG, settings))
            yield self.rest(self._p.hold_s)
            yield self.go(standing())
