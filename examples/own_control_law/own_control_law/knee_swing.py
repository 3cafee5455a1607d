"""Helps one thing only: the knee to flex in swing, by a spring that is there in swing alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.tracking import Assistance, PathLaw, Track, bounded_level

KNEES = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0])


class KneeSwingParameters(StrictModel):
    """Stiffness [N m/rad] of the knee's spring at assistance 1."""

    stiffness_nm_rad: float = Field(80.0, ge=0.0, le=400.0)


class KneeSwingController(PathLaw):
    """Spring about the reference path at the knee of the swinging leg."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(context)
        self._p = validate(KneeSwingParameters, dict(parameters or {}), "controller knee_swing")

    def assist(self, track: Track) -> Assistance:
        """Return the spring of this tick."""
        level = bounded_level(track.settings.assistance, track.settings)
        swing = np.repeat(track.leg_phase > self.tracker.path.curve.stance_fraction, 3)
        stiffness = level * KNEES * swing * self._p.stiffness_nm_rad
        return Assistance(np.zeros(6), stiffness, 0.05 * stiffness, level)
