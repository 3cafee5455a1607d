r"""Range: each joint of a hanging leg is led slowly until it resists, both ways.

The resistance is what the cuff must give beyond the weight of the hanging leg,
:math:`r = \tau_{cuff} - g(q)`; a way ends where it exceeds the limit, or at the therapist's bound. Slow
enough that a spastic muscle stays quiet (below 0.3 rad/s).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.assessment import BASE_DEG, AssessmentLaw, Move, posture, standing
from exostride.control.context import ControlContext
from exostride.conventions import JOINT_KINDS, SIDES
from exostride.types import Signal, TherapySettings, Vector


class RangeOfMotionParameters(StrictModel):
    """Speed [deg/s], resistance at which a way ends (N m; hip, knee, ankle), and the springs that lead.

    ``widest_deg`` are the ends of the ways if nothing resists, lowest then highest, of hip, knee and ankle.
    """

    speed_deg_s: float = Field(12.0, gt=0.0, le=30.0)
    resistance_nm: tuple[float, float, float] = (15.0, 8.0, 6.0)
    widest_deg: tuple[tuple[float, float], ...] = ((12.0, 60.0), (5.0, 85.0), (-28.0, 18.0))
    stiffness_nm_rad: tuple[float, float, float] = (350.0, 250.0, 150.0)
    damping_nms_rad: tuple[float, float, float] = (12.0, 8.0, 4.0)


class RangeOfMotion(AssessmentLaw):
    """See module. ``parameters`` follow :class:`RangeOfMotionParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = validate(RangeOfMotionParameters, dict(parameters or {}), "controller range_of_motion")
        super().__init__(context, self._p.stiffness_nm_rad, self._p.damping_nms_rad)

    def _resists(self, column: int, sign: float) -> bool:
        """Return whether the joint now withstands being moved that way."""
        state = self.seen
        if state is None or not state.available & Signal.CUFF:
            return True  # without a sense of touch nothing is moved
        weight = self.leg.gravity(state.angle_rad)
        against = sign * float(state.cuff_torque_nm[column] - weight[column])
        return not against < self._p.resistance_nm[column % 3]

    def _until_resisted(self, end: Vector, column: int) -> Iterator[Move | None]:
        """Yield short pieces of the way to ``end``, until it is reached or the joint resists."""
        speed = float(np.radians(self._p.speed_deg_s))
        way = float(end[column] - self.place[column])
        count = max(1, int(np.ceil(abs(way) / (speed * 0.1))))
        start = self.place.copy()
        for i in range(1, count + 1):
            if self._resists(column, float(np.sign(way))):
                return
            yield self.go(start + (end - start) * (i / count), speed_rad_s=speed, ramp_s=0.0)

    def moves(self, settings: TherapySettings) -> Iterator[Move | None]:
        """Yield for each joint the way up and the way down from its base."""
        for side in range(len(SIDES)):
            for k, kind in enumerate(JOINT_KINDS):
                column = 3 * side + k
                base = posture(side, BASE_DEG[kind], settings)
                low, high = np.radians(self._p.widest_deg[k])
                least, most = float(settings.range_min_rad[column]), float(settings.range_max_rad[column])
                yield self.go(base)
                yield self.rest(1.0 if k == 0 else 0.5)
                for target in (np.clip(high, least, most), np.clip(low, least, most)):
                    end = base.copy()
                    end[column] = target
                    yield from self._until_resisted(end, column)
                    yield self.rest(0.3)
                    yield self.go(base, 1.5)
                    yield self.rest()
            yield self.go(standing())
