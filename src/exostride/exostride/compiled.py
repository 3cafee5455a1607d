"""Numeric inner loops compiled to machine code by Numba.

The machine code does what the Python source says, in the same order of operations and without contraction,
so that results are the same to the last bit where only ``+ - * /`` and comparisons occur. It is kept beside
the source (``__pycache__``) and made again when the source or the processor changes; ``NUMBA_DISABLE_JIT=1``
runs the source itself.

Numba looks only at a function's own file to see whether stored code is out of date. So a compiled function
calls none from another file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

import numba
import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Value = TypeVar("Value", bool, int, float)

Record = NDArray[np.void]
"""State of a compiled part: a structured array of length one, which compiled code reads and writes."""


def compiled(function: Function) -> Function:
    """Compile a function at its first call with arguments of a kind."""
    return cast(Function, numba.njit(cache=True, error_model="numpy")(function))


def record(kind: np.dtype[np.void], **values: object) -> Record:
    """Return a record of zeros with some fields set."""
    made: Record = np.zeros(1, kind)
    for name, value in values.items():
        made[name] = value
    return made


class Field(Generic[Value]):
    """An attribute that lives in the owner's ``record``, in the field of its own name."""

    def __init__(self, kind: Callable[[Any], Value]) -> None:
        self._kind: Callable[[Any], Value] = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._key = name, f"_view_of_{name}"

    @overload
    def __get__(self, owner: None, kind: type) -> Field[Value]: ...
    @overload
    def __get__(self, owner: object, kind: type) -> Value: ...
    def __get__(self, owner: Any, kind: type) -> Value | Field[Value]:
        if owner is None:
            return self
        return self._kind(self._view(owner).item())

    def __set__(self, owner: Any, value: Value) -> None:
        self._view(owner)[0] = value

    def _view(self, owner: Any) -> NDArray[Any]:
        # Taking a view of a field costs more than all else here, and the record stays where it is.
        place = owner.__dict__
        view: NDArray[Any] | None = place.get(self._key)
        if view is None:
            view = place[self._key] = owner.record[self._name]
        return view
