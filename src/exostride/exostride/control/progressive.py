r"""Belt and harness as :mod:`exostride.control.treadmill`, with unloading that goes as walking gets better.

Every :attr:`~ProgressiveParameters.strides` strides the unloading falls by a step while the walker keeps the
pelvis up and the place on the belt, and rises by two steps when not, between a part of the set unloading and
the set unloading itself,

.. math:: u' = u - s \quad [\text{good}], \qquad u' = u + 2 s \quad [\text{else}],
          \qquad r\,u_{set} \le u \le u_{set}

Body-weight support is to be withdrawn as early as the walker can bear it (Visintin et al., Stroke 29:1122,
1998); the rule is a staircase weighted 2:1, which settles where two thirds of the blocks are good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.treadmill import TreadmillLaw, TreadmillParameters
from exostride.types import EnvironmentState, ExoState, GaitPhase, GaitState, Signal, TherapySettings


class ProgressiveParameters(StrictModel):
    """Parameters of the law.

    ``step_percent`` of body weight per block of ``strides``, ``least_share`` of the set unloading that always
    stays, ``sag_share`` of the leg length that the pelvis may sink below its standing height, ``drift_m`` it
    may fall back. ``treadmill`` are the parameters of belt and harness.
    """

    step_percent: float = Field(2.0, gt=0.0, le=10.0)
    strides: int = Field(10, ge=2)
    least_share: float = Field(0.0, ge=0.0, le=1.0)
    sag_share: float = Field(0.08, gt=0.0)
    drift_m: float = Field(0.20, gt=0.0)
    treadmill: TreadmillParameters = TreadmillParameters()


class ProgressiveLaw(TreadmillLaw):
    """See module. ``parameters`` follow :class:`ProgressiveParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(ProgressiveParameters, dict(parameters or {}), "environment law progressive")
        self._q = p
        self._lowest = (1.0 - p.sag_share) * context.leg_length_m
        super().__init__(context, p.treadmill.model_dump())

    def reset(self) -> None:
        """Take over from belt and harness as they are; the staircase begins at the set unloading."""
        super().reset()
        self._level: float | None = None
        self._set = -1.0
        self._count = 0
        self._good = True
        self._last = 0.0

    def _support(
        self, state: ExoState, environment: EnvironmentState, phase: GaitPhase, settings: TherapySettings
    ) -> float:
        """Return the staircase's unloading [% of body weight]."""
        del environment
        top = settings.unloading_percent
        if self._level is None or top != self._set:
            self._level, self._set, self._count, self._good = top, top, 0, True
        if state.available & Signal.PELVIS and np.isfinite(state.pelvis_position_m).all():
            x, _, z = state.pelvis_position_m.tolist()
            self._good &= z >= self._lowest and x >= -self._q.drift_m
        now = float(phase.phase[0])
        if phase.state == GaitState.WALKING and now < self._last - 0.5:
            self._count += 1
        self._last = now if np.isfinite(now) else self._last
        if self._count >= self._q.strides:
            step = -self._q.step_percent if self._good else 2.0 * self._q.step_percent
            self._level = min(max(self._level + step, self._q.least_share * top), top)
            self._count, self._good = 0, True
        return self._level
