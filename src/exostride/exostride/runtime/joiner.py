"""Joining of inputs by control tick: what belongs together comes together, however it arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class SequenceJoiner:
    """Keeps the values of a few inputs by sequence number until they are used or overtaken.

    Parameters
    ----------
    inputs
        Names of the inputs.
    capacity
        Most ticks kept of one input; beyond it the oldest is dropped.
    """

    def __init__(self, inputs: Sequence[str], capacity: int = 32) -> None:
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self._values: dict[str, dict[int, Any]] = {name: {} for name in inputs}
        self._capacity = capacity
        self._floor = 0
        self.stale = 0
        """Values dropped because their tick was over when they came."""
        self.duplicates = 0
        """Values dropped because one for that tick was there already."""
        self.overflow = 0
        """Values dropped because nobody used them before ``capacity`` newer ones came."""

    @property
    def floor(self) -> int:
        """Lowest tick that is still accepted."""
        return self._floor

    def put(self, name: str, seq: int, value: Any) -> bool:
        """Keep ``value`` of input ``name`` for tick ``seq``; return whether it was accepted.

        Raises
        ------
        KeyError
            There is no input ``name``.
        """
        values = self._values[name]
        if seq < self._floor:
            self.stale += 1
            return False
        if seq in values:
            self.duplicates += 1
            return False
        values[seq] = value
        if len(values) > self._capacity:
            del values[min(values)]
            self.overflow += 1
        return True

    def get(self, name: str, seq: int) -> Any:
        """Return the value of input ``name`` for tick ``seq``, or ``None``."""
        return self._values[name].get(seq)

    def has(self, seq: int, names: Iterable[str]) -> bool:
        """Return whether all of ``names`` have come for tick ``seq``."""
        return all(seq in self._values[name] for name in names)

    def advance(self, seq: int) -> None:
        """Forget all ticks before ``seq``; values for them are stale from now on."""
        if seq <= self._floor:
            return
        self._floor = seq
        for values in self._values.values():
            for old in [key for key in values if key < seq]:
                del values[old]
