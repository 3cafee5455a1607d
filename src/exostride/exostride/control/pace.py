"""The speed that a law's reference is made for: that of the belt as it is, not as it is set.

While the walker stands, the belt is held, ramps, paces itself or stops, the set speed is a wish. A
reference made for the wish would swing the legs of somebody who stands.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Final

from exostride.types import EnvironmentState, GaitPhase, GaitState, TherapySettings

_STEP_M_S: Final = 0.01
_STILL_M_S: Final = 0.02
_AT_SPEED_M_S: Final = 0.03


class BeltPace:
    """Puts the belt's measured speed in place of the set one; see module."""

    def __init__(self) -> None:
        self._speed = 0.0
        self._given: TherapySettings | None = None
        self._made: TherapySettings | None = None

    def step(
        self, settings: TherapySettings, environment: EnvironmentState, phase: GaitPhase
    ) -> TherapySettings:
        """Return the settings a law is to follow in this tick; the same object while nothing changes."""
        belt = environment.belt_speed_m_s
        speed = self._speed
        if not isfinite(belt) or (abs(belt) < _STILL_M_S and phase.state == GaitState.WALKING):
            # Somebody who walks while the belt is still walks over ground.
            speed = settings.belt_speed_m_s
        elif abs(belt - settings.belt_speed_m_s) < _AT_SPEED_M_S:
            speed = settings.belt_speed_m_s
        elif abs(belt - self._speed) > _STEP_M_S:
            speed = min(max(round(belt, 2), 0.0), settings.belt_speed_m_s)
        if self._made is None or settings is not self._given or speed != self._speed:
            self._speed, self._given = speed, settings
            self._made = (
                settings if speed == settings.belt_speed_m_s else replace(settings, belt_speed_m_s=speed)
            )
        return self._made
