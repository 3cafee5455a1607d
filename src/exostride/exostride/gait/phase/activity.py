"""Standing, starting, walking, backward, stopping: what one leg is doing, and whether its foot is down."""

from __future__ import annotations

import math

from exostride.gait.events import LegEvents
from exostride.gait.phase.direction import LegDirection
from exostride.gait.phase.settings import ShellParameters
from exostride.gait.phase.signals import LegSample
from exostride.types import GaitState


class LegActivity:
    """Gait state of one leg from the range of its thigh angle and the regularity of its strides.

    The range is that of two alternating windows of ``standing_time_s``, so it looks back between one
    and two windows without a buffer.
    """

    __slots__ = (
        "_direction",
        "_down",
        "_high",
        "_low",
        "_old_high",
        "_old_low",
        "_p",
        "_strikes",
        "_window",
        "state",
    )

    def __init__(self, parameters: ShellParameters) -> None:
        self._p = parameters
        self._direction = LegDirection(parameters)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._high = self._old_high = -math.inf
        self._low = self._old_low = math.inf
        self._window = 0.0
        self._strikes = 0
        self._down: bool | None = None
        self._direction.reset()
        self.state = GaitState.UNKNOWN

    def step(self, t: float, dt: float, leg: LegSample, events: LegEvents) -> bool:
        """Take one tick; return whether the leg is moving as in walking forward."""
        self._down = events.contact
        if not leg.ok:
            if self.state != GaitState.UNKNOWN:
                self._window += dt
                if self._window > 2.0 * self._p.standing_time_s:
                    self.state = GaitState.UNKNOWN
            return self.state in (GaitState.WALKING, GaitState.STARTING)
        self._window += dt
        if self._window > self._p.standing_time_s:
            self._old_high, self._old_low = self._high, self._low
            self._high = self._low = leg.angle_rad
            self._window = 0.0
        angle = leg.angle_rad
        self._high = max(self._high, angle)
        self._low = min(self._low, angle)
        span = max(self._high, self._old_high) - min(self._low, self._old_low)
        if span < self._p.standing_range_rad:
            self._direction.reset()
        else:
            self._direction.step(t, angle, span)
        self._classify(t, span, events)
        return self.state in (GaitState.WALKING, GaitState.STARTING)

    def _classify(self, t: float, span: float, events: LegEvents) -> None:
        strike, stride = events.strike_s, events.stride_s
        since = t - strike
        if span < self._p.standing_range_rad:
            full = self._old_high > -math.inf
            self.state = GaitState.STANDING if full else GaitState.UNKNOWN
        elif self._direction.backward:
            self.state = GaitState.BACKWARD
        elif not math.isfinite(stride):
            self.state = GaitState.STARTING
        # The first stride is no measure of the next: twice as long after it.
        elif since > self._p.overdue_strides * stride * (1.0 + 1.0 / max(events.strides, 1)):
            self.state = GaitState.STOPPING
        else:
            self.state = GaitState.WALKING

    def stance(self, phase: float) -> float:
        """Return the probability that the foot is on the ground at this phase."""
        if self._down is not None:
            return 1.0 if self._down else 0.0
        if self.state == GaitState.STANDING:
            return 1.0
        if self.state == GaitState.UNKNOWN:
            return 0.5
        # Logistic edges, 3 % of the cycle wide, at toe off and heel strike.
        off = 1.0 / (1.0 + math.exp(min((phase - self._p.stance_fraction) / 0.02, 50.0)))
        on = 1.0 / (1.0 + math.exp(min((1.0 - phase) / 0.02, 50.0)))
        return max(off, on)


def overall(left: GaitState, right: GaitState) -> GaitState:
    """Return the walker's state from both legs': a moving leg counts more than a standing one."""
    for state in (
        GaitState.STUMBLING,
        GaitState.BACKWARD,
        GaitState.WALKING,
        GaitState.STARTING,
        GaitState.STOPPING,
        GaitState.STANDING,
    ):
        if state in (left, right):
            return state
    return GaitState.UNKNOWN
