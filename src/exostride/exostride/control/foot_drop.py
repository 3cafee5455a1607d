r"""Help against foot drop alone: the robot carries itself and lifts the foot when it would drag.

.. math:: \tau = \tau_{comp} + a\,\tau_{lift}

with the lift of :mod:`exostride.control.foot_clearance`; for walkers who need nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from exostride.config import validate
from exostride.control.context import ControlContext
from exostride.control.foot_clearance import FootLift, FootLiftParameters
from exostride.control.tracking import Assistance, PathLaw, Track, bounded_level
from exostride.conventions import N_JOINTS


class FootDropController(PathLaw):
    """See module. ``parameters`` follow :class:`~exostride.control.foot_clearance.FootLiftParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(context)
        self.lift = FootLift(
            context, validate(FootLiftParameters, dict(parameters or {}), "controller foot_drop")
        )

    def reset(self) -> None:
        """Forget how much lift each foot needed."""
        super().reset()
        self.lift.reset()

    def assist(self, track: Track) -> Assistance:
        """Return the lifting torque."""
        torque, level = self.lift.step(track, self.tracker.path)
        none = np.zeros(N_JOINTS)
        return Assistance(torque, none, none, bounded_level(level, track.settings))
