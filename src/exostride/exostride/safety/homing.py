"""The self-test's schedule: one low-torque sine per joint, known to kernel and supervisor alike."""

from __future__ import annotations

from math import pi, sin

from exostride.conventions import N_JOINTS
from exostride.safety.limits import SafetyLimits


class HomingSchedule:
    """Which joint is tested at tick ``n`` since HOMING began, and with which torque."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self.settle = max(1, round(limits.timing.homing_settle_s / period_s))
        self.pulse = max(4, round(limits.timing.homing_pulse_s / period_s))
        self.end = self.settle + N_JOINTS * self.pulse
        """Tick after the last pulse."""
        self._peak = [joint.homing_nm for joint in limits.joints]

    def joint(self, n: int) -> int:
        """Return the joint under test at tick ``n``, -1 for none."""
        return (n - self.settle) // self.pulse if self.settle <= n < self.end else -1

    def torque(self, n: int) -> tuple[int, float]:
        """Return the joint under test (-1 for none) and its test torque [N m] at tick ``n``."""
        joint = self.joint(n)
        if joint < 0:
            return -1, 0.0
        share = ((n - self.settle) % self.pulse) / self.pulse
        return joint, self._peak[joint] * sin(2.0 * pi * share)
