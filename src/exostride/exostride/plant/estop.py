"""The machine's emergency stop: two lines, each of which its firmware can open by a test output."""

from __future__ import annotations


class StopLines:
    """Two lines that are closed unless the test output of one is on; nobody presses in a simulation."""

    def __init__(self) -> None:
        self._tested = 0

    def command(self, tested: int) -> None:
        """Open the lines of these bits (bit 0 line a, bit 1 line b) for this tick."""
        self._tested = tested

    def closed(self, line: int) -> bool:
        """Return whether a line (0 for a, 1 for b) is closed."""
        return not self._tested >> line & 1
