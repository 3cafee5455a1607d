"""F20, F21, F25, F26, F38: buttons, belt and harness."""

from __future__ import annotations

from exostride.safety import codes
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits, plain
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, EnvironmentFault

_SLOW_SHARE = 0.5
_CONTACTOR = codes.ENVIRONMENT_LIMIT | codes.FALLBACK
_HARNESS = {
    EnvironmentFault.HARNESS_WATCHDOG: "watchdog tripped",
    EnvironmentFault.HARNESS_LOAD_CELL: "load cell",
    EnvironmentFault.HARNESS_LIFT: "lift",
    EnvironmentFault.HARNESS_CABLE: "cable",
}


class ButtonDetector:
    """F20, F21, F38. A bouncing e-stop counts from its first edge; release alone never resumes.

    A line under test (``Snapshot.lines``) may be open.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._disagree = max(1, round(limits.detect.stops.estop_disagree_s / period_s))
        self._apart = 0

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append the buttons pressed in this tick."""
        exo = snap.exo
        a, b = bool(exo.estop_closed_a or snap.lines & 1), bool(exo.estop_closed_b or snap.lines & 2)
        if not (a and b):
            found.append(Finding("F20", Action.E_STOP))
        self._apart = self._apart + 1 if a != b else 0
        if self._apart >= self._disagree:
            found.append(Finding("F21", Action.E_STOP, "a or b alone is open"))
        if exo.therapist_stop:
            found.append(Finding("F38", Action.SOFT_STOP, "the therapist"))


class BeltDetector:
    """F25: the belt faster than it may be, or backwards, by its own target, the permit, or the kernel.

    A belt that is told to slow down keeps being allowed what a share of the stopping ramp leaves it. The
    kernel keeps its contactor open until the reset that this asks for, so it is told once.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._belt = plain(limits.belt)
        self._ticks = limits.detect.environment.belt_ticks
        self._ramp = _SLOW_SHARE * limits.belt.stop_m_s2 * period_s
        self._count = 0
        self._allowed = 0.0
        self._opened = False

    def step(self, snap: Snapshot, belt_limit_m_s: float, found: list[Finding]) -> None:
        """Append a belt that has run away for too long; ``belt_limit_m_s`` is the permit's."""
        state = snap.environment
        told = min(max(state.belt_target_m_s, 0.0), belt_limit_m_s)
        self._allowed = max(told, self._allowed - self._ramp)
        speed = state.belt_speed_m_s
        wrong = speed > self._allowed + self._belt.over_m_s or speed < -self._belt.reverse_m_s
        self._count = self._count + 1 if wrong else 0
        opened, applied = self._opened, snap.applied
        if applied is not None:
            self._opened = applied.reason & _CONTACTOR == _CONTACTOR
        if self._count >= self._ticks:
            found.append(Finding("F25", Action.SOFT_STOP, f"{speed:.2f} m/s"))
        elif state.faults & codes.BELT_FAULTS:
            found.append(Finding("F25", Action.SOFT_STOP, "its drive reports a fault"))
        elif self._opened and not opened:
            found.append(Finding("F25", Action.SOFT_STOP, "the kernel has opened its contactor"))


class HarnessDetector:
    """F26: the harness reports a fault, or its force collapses against its own recent course."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = plain(limits.detect.environment)
        self._gain = period_s / (limits.detect.environment.harness_s + period_s)
        self._mean = 0.0
        self._count = 0

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append what the harness fails at."""
        state = snap.environment
        if state.faults:
            for bit, words in _HARNESS.items():
                if state.faults & bit:
                    found.append(Finding("F26", Action.SOFT_STOP, words))
        force = state.unloading_n
        lost = force < self._limits.harness_share * self._mean and self._mean > self._limits.harness_n
        lost = lost and state.harness_action == codes.UNLOAD
        self._count = self._count + 1 if lost else 0
        if self._count >= self._limits.harness_ticks:
            found.append(Finding("F26", Action.SOFT_STOP, "force lost"))
        elif not lost:
            self._mean += self._gain * (force - self._mean)
