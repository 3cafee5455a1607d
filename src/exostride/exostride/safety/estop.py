"""Lines of the emergency stop that are open because they are tested."""

from __future__ import annotations

from exostride.safety import codes
from exostride.safety.homing import HomingSchedule
from exostride.types import ExoState

_SHIFT = codes.ESTOP_TEST_A.bit_length() - 1
_LINES = (1, 2)


def told(reason: int) -> int:
    """Return the line under test in the kernel's reason bits: 1 for a, 2 for b, 3 (never sent) for both."""
    return reason >> _SHIFT & 0b11


def reasons(lines: int) -> int:
    """Return the reason bits of the line under test."""
    return lines << _SHIFT


class TestedLines:
    """Which line may be open now: the one under test, and for the schedule's ``rest`` after.

    A person who presses the emergency stop opens both lines; the one that is not under test acts as ever. In
    one self-test each line is excused for as many ticks of test as the schedule has, and no more.
    """

    def __init__(self, schedule: HomingSchedule) -> None:
        self._rest, self._open = schedule.rest, schedule.open
        self._left = 0
        self._spent = [0, 0]
        self.lines = 0
        """1 for a, 2 for b, 0 for none."""

    def step(self, lines: int, homing: bool) -> None:
        """Take the line that is opened in this tick, 0 for none; ``homing`` is whether the self-test runs."""
        if not homing:
            self._spent = [0, 0]
        elif lines in _LINES and self._spent[lines - 1] < self._open:
            self._spent[lines - 1] += 1
            self.lines, self._left = lines, self._rest
            return
        self._left = max(0, self._left - 1)
        if not self._left:
            self.lines = 0

    def clear(self) -> None:
        """Excuse no line any more."""
        self.lines = self._left = 0

    def closed(self, exo: ExoState) -> bool:
        """Return whether every line is closed that has to be."""
        lines = self.lines
        return bool((exo.estop_closed_a or lines & 1) and (exo.estop_closed_b or lines & 2))
