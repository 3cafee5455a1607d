"""Plausible joint samples: missing ones bridged for one tick, spikes refused, wraps undone.

The prediction is the last accepted angle plus velocity times the period. A sample further from it
than an acceleration at the joint's limit allows, plus the spike threshold, is refused; a sample
that fits after adding whole turns is unwrapped; one that persists is a jump.
"""

from __future__ import annotations

from math import tau

from exostride.conventions import N_JOINTS
from exostride.safety import codes
from exostride.safety.intake import PLACES, exo_values
from exostride.safety.limits import SafetyLimits
from exostride.types import ExoState

GOOD, HELD, LOST = 0, 1, 2
"""Quality of a joint's sample: measured; predicted for this tick; not to be used."""

_PERSISTENT = 3
"""Refused samples in a row that make a jump of a spike."""
_ALL_GOOD = [GOOD] * N_JOINTS
_ALL = (1 << N_JOINTS) - 1
_ANGLE, _SPEED = PLACES["angle_rad"], PLACES["velocity_rad_s"]


class SampleGuard:
    """Turns one :class:`ExoState` a tick into angles and velocities that can be relied on.

    After :meth:`step`: ``angle``, ``speed`` (lists of 6), ``quality`` (6 of GOOD, HELD, LOST), bit
    masks ``missing``, ``spike``, ``wrap``, ``jump`` over the joints, ``problem``: the field that made
    the whole sample unusable, empty if none, and ``values``: all of the state's vectors as
    :func:`exostride.safety.intake.exo_values` gives them. The lists are new ones in every tick.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._t = period_s
        self._span = [limits.timing.spike_rad + j.accel_rad_s2 * period_s**2 for j in limits.joints]
        self._kick = [2.0 * j.accel_rad_s2 * period_s + 1.0 for j in limits.joints]
        self._bridge = limits.detect.sensors.missing_ticks
        self.angle = [0.0] * N_JOINTS
        self.speed = [0.0] * N_JOINTS
        self.quality = [LOST] * N_JOINTS
        self._turns = [0.0] * N_JOINTS
        self._gap = [0] * N_JOINTS
        self._refused = [0] * N_JOINTS
        self._seen = [False] * N_JOINTS
        self._calm = False
        self.values: list[float] = []
        self.missing = self.spike = self.wrap = self.jump = 0
        self.problem = ""

    def step(self, seq: int, exo: ExoState) -> None:
        """Take in the state of tick ``seq``; one of another tick counts as missing. See the class."""
        self.missing = self.spike = self.wrap = self.jump = 0
        self.problem, self.values = self._read(exo)
        if self.problem:
            self.quality = [LOST] * N_JOINTS
            self._calm = False
            return
        angles, speeds = self.values[_ANGLE], self.values[_SPEED]
        valid = exo.joint_valid if exo.available & codes.HAS_ANGLE and exo.seq == seq else 0
        if self._calm and valid & _ALL == _ALL and self._plausible(angles, speeds):
            self.angle, self.speed = angles, speeds
            return
        self.angle, self.speed, self.quality = self.angle.copy(), self.speed.copy(), self.quality.copy()
        for i in range(N_JOINTS):
            if valid >> i & 1:
                self._measured(i, angles[i], speeds[i])
            else:
                self._absent(i)
        self._calm = self.quality == _ALL_GOOD and not any(self._turns)

    @staticmethod
    def _read(exo: ExoState) -> tuple[str, list[float]]:
        try:
            return exo_values(exo)
        except (AttributeError, TypeError, ValueError, OverflowError):
            return "shape", []

    def _plausible(self, angles: list[float], speeds: list[float]) -> bool:
        """Return whether every joint's sample may be taken as it is, after a tick in which all were."""
        t = self._t
        for angle, speed, last, rate, span, kick in zip(
            angles, speeds, self.angle, self.speed, self._span, self._kick, strict=True
        ):
            if not (-span <= angle - (last + rate * t) <= span and -kick <= speed - rate <= kick):
                return False
        return True

    def _absent(self, i: int) -> None:
        self.missing |= 1 << i
        self._gap[i] += 1
        if self._seen[i] and self._gap[i] < self._bridge:
            self.angle[i] += self.speed[i] * self._t
            self.quality[i] = HELD
        else:
            self.quality[i] = LOST

    def _measured(self, i: int, angle: float, speed: float) -> None:
        angle += self._turns[i]
        if not self._seen[i] or self._gap[i] >= self._bridge:
            self._accept(i, angle, speed)
            return
        span = self._span[i]
        predicted = self.angle[i] + self.speed[i] * self._t
        away = angle - predicted
        turns = 0.0 if -span <= away <= span else round(away / tau) * tau
        kick = self._kick[i]
        if abs(away - turns) > span or not -kick <= speed - self.speed[i] <= kick:
            self._refuse(i, angle, speed, predicted)
            return
        if turns:
            self._turns[i] -= turns
            self.wrap |= 1 << i
        self._accept(i, angle - turns, speed)

    def _accept(self, i: int, angle: float, speed: float) -> None:
        self.angle[i], self.speed[i] = angle, speed
        self._gap[i] = self._refused[i] = 0
        self._seen[i] = True
        self.quality[i] = GOOD

    def _refuse(self, i: int, angle: float, speed: float, predicted: float) -> None:
        self.spike |= 1 << i
        self._refused[i] += 1
        if self._refused[i] >= _PERSISTENT:
            self.jump |= 1 << i
            self._accept(i, angle, speed)
            self.quality[i] = LOST
            return
        self.angle[i] = predicted
        self.quality[i] = HELD
