"""The patient's own rhythm: standing, walking, and the phase of the legs set right by heel strikes."""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np

from exostride.types import Vector

TOUCH: Final = 0.05
LIFT: Final = 0.02
"""Load [body weights] above which a foot has landed, and below which it has left."""
START_SPEED_M_S: Final = 0.04
STOP_SPEED_M_S: Final = 0.025
"""Belt speed at which the patient begins to step, and at which they stand still."""
SHIFT_S: Final = 0.5
"""Time in which the weight moves over the standing foot before the first step (postural adjustment)."""
BLEND_S: Final = 0.35
"""Time from standing into the gait and back."""
_WINDOW: Final = 0.2
"""Part of the cycle around the expected heel strike in which a touch counts as one."""
_FIRST_PHASE: Final = 0.16
"""Phase of the leg that bears the weight at the first step; the other foot is about to swing past it."""


class Stage(Enum):
    """What the patient is doing."""

    STANDING = 0
    SHIFTING = 1
    WALKING = 2
    STOPPING = 3


class Rhythm:
    """Phase of the left leg (the right one runs half a cycle apart) and the blend of gait over standing.

    ``first_leg`` (0 left, 1 right) makes the first step.
    """

    def __init__(self, period_s: float, first_leg: int = 1) -> None:
        self._period_s = period_s
        self._first_phase = _FIRST_PHASE + (0.0 if first_leg == 1 else 0.5)
        self.reset()

    def reset(self) -> None:
        """Return to standing."""
        self.stage = Stage.STANDING
        self.phase = self._first_phase
        self.blend = 0.0
        self.shift = 0.0
        self.struck = [False, False]
        self._contact = [True, True]

    def begin(self, phase: float) -> None:
        """Walk at once, from a phase of the left leg."""
        self.stage, self.phase, self.blend = Stage.WALKING, phase, 1.0

    def phases(self) -> Vector:
        """Return the phases of both legs in [0, 1)."""
        return np.array([self.phase % 1.0, (self.phase + 0.5) % 1.0])

    def step(self, belt_speed: float, load: Vector, stride_time_s: float, reset_gain: float) -> None:
        """Advance by one tick; ``load`` per leg in body weights carried."""
        self._decide(abs(belt_speed), load)
        target = 1.0 if self.stage is Stage.WALKING else 0.0
        change = self._period_s / BLEND_S
        self.blend += min(max(target - self.blend, -change), change)
        target = 1.0 if self.stage is Stage.SHIFTING else 0.0
        change = self._period_s / SHIFT_S
        self.shift += min(max(target - self.shift, -change), change)
        if self.stage in (Stage.WALKING, Stage.STOPPING):
            self.phase += self._period_s / stride_time_s
        self.struck = [False, False]
        for leg in (0, 1):
            self._feel(leg, float(load[leg]), reset_gain)

    def _decide(self, speed: float, load: Vector) -> None:
        if self.stage is Stage.STANDING:
            if speed > START_SPEED_M_S and self.blend <= 0.0:
                self.stage = Stage.SHIFTING
        elif self.stage is Stage.SHIFTING:
            if speed < STOP_SPEED_M_S:
                self.stage = Stage.STANDING
            elif self.shift >= 1.0:
                self.stage, self.phase = Stage.WALKING, self._first_phase
        elif self.stage is Stage.WALKING:
            if speed < STOP_SPEED_M_S:
                self.stage = Stage.STOPPING
        elif speed > START_SPEED_M_S:
            self.stage = Stage.WALKING
        elif min(load) > 0.2:
            self.stage = Stage.STANDING

    def _feel(self, leg: int, load: float, gain: float) -> None:
        if load > TOUCH:
            if not self._contact[leg] and self.stage is Stage.WALKING:
                error = (self.phase + 0.5 * leg + 0.5) % 1.0 - 0.5
                if abs(error) < _WINDOW:
                    self.phase -= gain * error
                    self.struck[leg] = True
            self._contact[leg] = True
        elif load < LIFT:
            self._contact[leg] = False
