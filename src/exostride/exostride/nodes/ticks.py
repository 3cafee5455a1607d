"""Ticks of a session as they become whole; nothing of ROS.

A tick is whole when everything that exists for it has come. What was sent may still be lost for one
reader alone, for ever when its sender hangs: the session must not wait for it longer than a moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from exostride.runtime.joiner import SequenceJoiner
from exostride.runtime.session import STRIDE
from exostride.types import AppliedTorque

GAP: Final = 3 * STRIDE
"""Ticks that the session may be behind before it leaves out what is missing."""
_INPUTS: Final = ("exo", "environment", "phase", "applied", "command")


class Ticks:
    """Hands out the ticks of a session in their order, each once, each when it is whole."""

    def __init__(self) -> None:
        self._joiner = SequenceJoiner(_INPUTS, capacity=GAP + STRIDE)
        self._seq = 0

    def put(self, name: str, seq: int, value: Any) -> range:
        """Keep ``value`` of input ``name`` for tick ``seq``; return the ticks that are given up.

        They are left out once the clock is more than ``GAP`` ahead: up to the next that is whole.

        Raises
        ------
        KeyError
            There is no input ``name``.
        """
        self._joiner.put(name, seq, value)
        first = self._seq
        if name != "exo" or seq - first <= GAP or self._whole(first):
            return range(0)
        self._seq = next((later for later in range(first + 1, seq) if self._whole(later)), seq)
        # Whether a tick is whole is told by the one before it too.
        self._joiner.advance(self._seq - 1)
        return range(first, self._seq)

    def get(self, name: str, seq: int) -> Any:
        """Return the value of input ``name`` for tick ``seq``, or ``None``."""
        return self._joiner.get(name, seq)

    def whole(self) -> Iterator[int]:
        """Yield every tick that is whole by now; what it needed may be read until the next is asked for."""
        while self._whole(self._seq):
            seq = self._seq
            self._seq = seq + 1
            yield seq
            self._joiner.advance(seq)

    def _whole(self, seq: int) -> bool:
        """Return whether everything that exists for tick ``seq`` has come."""
        if not self._joiner.has(seq, ("exo", "environment")) or not self._answered(seq - 1):
            return False
        # Without a phase the tick is whole only when it is known that none will come.
        return self._joiner.has(seq, ("phase",)) or self._unanswered(seq)

    def _answered(self, seq: int) -> bool:
        """Return whether the command of tick ``seq`` is there, or is known not to come."""
        return seq < 0 or self._joiner.has(seq, ("command",)) or self._unanswered(seq)

    def _unanswered(self, seq: int) -> bool:
        """Return whether the hardware node has said that it had no command for tick ``seq``."""
        applied: AppliedTorque | None = self._joiner.get("applied", seq)
        return applied is not None and not applied.command_received
