"""Values that hold from a tick on: settings and requests with their ``effective_seq``."""

from __future__ import annotations

from bisect import bisect_right
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Timeline(Generic[ValueT]):
    """What is in force at a tick: the value with the largest start not after it.

    Of two values with the same start, the one added later holds.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._values: list[ValueT] = []

    def add(self, start: int, value: ValueT) -> None:
        """Let ``value`` hold from tick ``start`` on, until the start of the next."""
        place = bisect_right(self._starts, start)
        if place and self._starts[place - 1] == start:
            self._values[place - 1] = value
        else:
            self._starts.insert(place, start)
            self._values.insert(place, value)

    def at(self, seq: int) -> ValueT | None:
        """Return the value in force at tick ``seq``, or ``None``; ticks must not go back.

        Values that were overtaken before ``seq`` are forgotten.
        """
        place = bisect_right(self._starts, seq)
        if place == 0:
            return None
        if place > 1:
            del self._starts[: place - 1]
            del self._values[: place - 1]
        return self._values[0]
