"""The self-test's schedule: the lines of the emergency stop, then one low-torque sine per joint.

Kernel and supervisor know it alike.
"""

from __future__ import annotations

from math import pi, sin

from exostride.conventions import N_JOINTS
from exostride.safety.limits import SafetyLimits

_OPEN_S = 0.04
"""For which a line is opened: contacts and their inputs take some 10 ms."""
_REST_S = 0.03
"""In which a line that was opened must have closed."""
_LINES = 2


class HomingSchedule:
    """Which line or joint is tested at tick ``n`` since HOMING began, and with which torque.

    The lines' turn is the end of the calm before the first pulse, one after the other.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self.rest = max(3, round(_REST_S / period_s))
        """Ticks after its last test tick in which a line may still be open."""
        self.open = max(2, round(_OPEN_S / period_s))
        """Ticks for which a line is opened."""
        turns = _LINES * (self.open + self.rest)
        # A line that was tested when the last self-test was broken off must have had its rest.
        self.settle = max(1 + self.rest + turns, round(limits.timing.homing_settle_s / period_s))
        self._lines_at = self.settle - turns
        self.pulse = max(4, round(limits.timing.homing_pulse_s / period_s))
        self.end = self.settle + N_JOINTS * self.pulse
        """Tick after the last pulse."""
        self._peak = [joint.homing_nm for joint in limits.joints]

    def joint(self, n: int) -> int:
        """Return the joint under test at tick ``n``, -1 for none."""
        return (n - self.settle) // self.pulse if self.settle <= n < self.end else -1

    def lines(self, n: int) -> int:
        """Return the line that is opened at tick ``n``: 1 for a, 2 for b, 0 for none."""
        turn, k = divmod(n - self._lines_at, self.open + self.rest)
        return 1 << turn if 0 <= turn < _LINES and k < self.open else 0

    def torque(self, n: int) -> tuple[int, float]:
        """Return the joint under test (-1 for none) and its test torque [N m] at tick ``n``."""
        joint = self.joint(n)
        if joint < 0:
            return -1, 0.0
        share = ((n - self.settle) % self.pulse) / self.pulse
        return joint, self._peak[joint] * sin(2.0 * pi * share)
