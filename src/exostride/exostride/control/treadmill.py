"""Belt and harness at the therapist's settings: ramps, and never faster than the walker can follow.

The belt heads for the set speed with the set acceleration. It slows, and the rise is held, while the
pelvis drifts back on the belt (the walker does not keep up): the admissible speed falls linearly from
the set one at ``comfort_m`` behind the standing place to zero at ``limit_m``. With ``self_paced`` the
belt follows the pelvis as in Feasel et al., "The integrated virtual environment rehabilitation
treadmill system", IEEE TNSRE 19:290 (2011): position error times a gain plus the pelvis' own velocity.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.types import (
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    HarnessAction,
    Signal,
    TherapySettings,
)

_PELVIS: Final = int(Signal.PELVIS)
_TRIM_S: Final = 0.05
_MOST_TRIM: Final = 10.0
_AHEAD_M_S: Final = 0.1
"""How far the command may run ahead of the belt."""


class TreadmillParameters(StrictModel):
    """Parameters of the law.

    ``unloading_rate_percent_s`` limits how fast the harness changes its force, ``trim`` is the part of a
    missing force that is added; positions are those of the pelvis forward of the standing place, in metres.
    """

    unloading_rate_percent_s: float = Field(10.0, gt=0.0, le=50.0)
    comfort_m: float = Field(0.12, gt=0.0)
    limit_m: float = Field(0.35, gt=0.0)
    trim: float = Field(0.5, ge=0.0, lt=1.0)
    pace_gain_hz: float = Field(0.8, gt=0.0)
    pace_damping: float = Field(0.6, ge=0.0)


class TreadmillLaw:
    """See module. ``parameters`` follow :class:`TreadmillParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        self._p = validate(TreadmillParameters, dict(parameters or {}), "environment law treadmill")
        self._period = context.period_s
        self.reset()

    def reset(self) -> None:
        """Take over from the belt as it then runs."""
        self._speed: float | None = None
        self._unloading: float | None = None
        self._missing = 0.0

    def step(
        self,
        t: float,
        state: ExoState,
        environment: EnvironmentState,
        phase: GaitPhase,
        settings: TherapySettings,
    ) -> EnvironmentCommand:
        """Return the belt and harness command in answer to ``state``."""
        ramp = settings.belt_acceleration_m_s2 * self._period
        goal = self._goal(state, phase, settings)
        speed = self._begin(environment, settings) if self._speed is None else self._speed
        speed += min(max(goal - speed, -ramp), ramp)
        if isfinite(environment.belt_speed_m_s):
            # While the belt is held (standing, a stop) the command waits just ahead of it.
            speed = min(speed, max(environment.belt_speed_m_s, 0.0) + _AHEAD_M_S)
        self._speed = speed
        if self._unloading is None:
            self._unloading = float(np.clip(np.nan_to_num(environment.unloading_percent), 0.0, 100.0))
        step = self._p.unloading_rate_percent_s * self._period
        wanted = self._support(state, environment, phase, settings)
        self._unloading += min(max(wanted - self._unloading, -step), step)
        return EnvironmentCommand(
            seq=state.seq,
            time_s=t,
            belt_speed_m_s=speed,
            belt_acceleration_m_s2=settings.belt_acceleration_m_s2,
            unloading_percent=self._unloading + self._trim(environment, settings),
            support_kind=settings.support_kind,
            harness_action=HarnessAction.UNLOAD,
        )

    @staticmethod
    def _begin(environment: EnvironmentState, settings: TherapySettings) -> float:
        """Return the speed from which a law newly in force goes on."""
        belt = environment.belt_speed_m_s
        return min(max(belt, 0.0), settings.belt_speed_m_s) if isfinite(belt) else 0.0

    def _support(
        self, state: ExoState, environment: EnvironmentState, phase: GaitPhase, settings: TherapySettings
    ) -> float:
        """Return the unloading to head for [% of body weight]."""
        del state, environment, phase
        return settings.unloading_percent

    def _trim(self, environment: EnvironmentState, settings: TherapySettings) -> float:
        """Return what makes up for the harness' own dynamics [% of body weight].

        The harness gives what is asked only while nobody moves: a counterweight has inertia, a spring
        stiffness. What the load cell misses is added, in part, so that the mean and the slow swing of the
        force are right (dynamic body-weight support, Frey et al., IEEE TNSRE 14:311, 2006).
        """
        seen = environment.unloading_percent
        if not isfinite(seen) or environment.harness_action != HarnessAction.UNLOAD:
            self._missing = 0.0
        else:
            missing = min(max((self._unloading or 0.0) - seen, -_MOST_TRIM), _MOST_TRIM)
            self._missing += (missing - self._missing) * self._period / (self._period + _TRIM_S)
        room = min(_MOST_TRIM, self._unloading or 0.0)
        return min(max(self._p.trim * self._missing, -room), room)

    def _goal(self, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> float:
        """Return the speed to head for [m/s]."""
        del phase
        if not state.available & _PELVIS or not isfinite(state.pelvis_position_m[0]):
            return settings.belt_speed_m_s
        ahead = float(state.pelvis_position_m[0])
        if settings.self_paced:
            wish = (self._speed or 0.0) + self._p.pace_gain_hz * ahead
            wish += self._p.pace_damping * float(np.nan_to_num(state.pelvis_velocity_m_s[0]))
            return min(max(wish, 0.0), settings.belt_speed_m_s)
        behind = -ahead - self._p.comfort_m
        share = 1.0 - behind / max(self._p.limit_m - self._p.comfort_m, 1e-6)
        return settings.belt_speed_m_s * min(max(share, 0.0), 1.0)
