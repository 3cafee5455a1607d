"""Tone: each joint of a hanging leg is led to and fro at three speeds while the patient lets go.

Spasticity is a resistance that grows with speed (Lance 1980), so the same way is gone slowly and quickly;
the speeds are those of robotic stiffness measurement (L-STIFF: Schmartz et al. 2011, BMC Res Notes 4:443).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.assessment import BASE_DEG, AssessmentLaw, Move, bounds, posture, standing
from exostride.control.context import ControlContext
from exostride.conventions import JOINT_KINDS, SIDES
from exostride.types import TherapySettings


class PassiveMovementParameters(StrictModel):
    """Speeds of hip, knee and ankle [deg/s], times each way is gone, and the springs that lead.

    The hip carries the whole leg: its speeds are half of the others'.
    """

    speeds_deg_s: tuple[tuple[float, float, float], ...] = (
        (15.0, 30.0, 60.0),
        (30.0, 60.0, 120.0),
        (30.0, 60.0, 120.0),
    )
    repeats: int = Field(2, ge=1, le=10)
    stiffness_nm_rad: tuple[float, float, float] = (350.0, 250.0, 150.0)
    damping_nms_rad: tuple[float, float, float] = (12.0, 8.0, 4.0)


class PassiveMovement(AssessmentLaw):
    """See module. ``parameters`` follow :class:`PassiveMovementParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = validate(PassiveMovementParameters, dict(parameters or {}), "controller passive_movement")
        super().__init__(context, self._p.stiffness_nm_rad, self._p.damping_nms_rad)

    def moves(self, settings: TherapySettings) -> Iterator[Move | None]:
        """Yield both legs, joint by joint, the slow speed first."""
        for side in range(len(SIDES)):
            for k, kind in enumerate(JOINT_KINDS):
                column = 3 * side + k
                low = posture(side, BASE_DEG[kind], settings)
                high = low.copy()
                low[column], high[column] = bounds(column, settings)
                yield self.go(low)
                for speed in np.radians(self._p.speeds_deg_s[k]):
                    for _ in range(self._p.repeats):
                        yield self.rest()
                        yield self.go(high, speed_rad_s=float(speed))
                        yield self.rest()
                        yield self.go(low, speed_rad_s=float(speed))
            yield self.go(standing())
