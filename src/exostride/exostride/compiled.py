"""Numeric inner loops compiled to machine code by Numba.

The machine code does what the Python source says, in the same order of operations and without contraction,
so that results are the same to the last bit where only ``+ - * /`` and comparisons occur. It is made when
the module is imported, for the types that the annotations say, kept beside the source (``__pycache__``) and
made again when the source or the processor changes; ``NUMBA_DISABLE_JIT=1`` runs the source itself.

A compiled function may call others, of other files too: they become part of its machine code. Numba looks
only at a function's own file to see whether stored code is out of date; here the key under which code is
stored also holds what the function takes from outside, callees and constants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Final, Generic, TypeVar, cast, get_args, get_type_hints, overload

import numba
import numpy as np
from numba import types
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Value = TypeVar("Value", bool, int, float)

Record = NDArray[np.void]
"""State of a compiled part: a structured array of length one, which compiled code reads and writes.

A parameter says which one: ``Annotated[Record, DTYPE]``.
"""


def _array(element: types.Type, dimensions: int, *, written: bool = False) -> types.Type:
    # Any strides, and read-only unless it is written: whatever array comes fits.
    return types.Array(element, dimensions, "A", readonly=not written)


In1 = Annotated[NDArray[np.float64], _array(types.float64, 1)]
"""Arrays of one to four dimensions that a compiled function only reads."""
In2 = Annotated[NDArray[np.float64], _array(types.float64, 2)]
In3 = Annotated[NDArray[np.float64], _array(types.float64, 3)]
In4 = Annotated[NDArray[np.float64], _array(types.float64, 4)]
Int1 = Annotated[NDArray[np.int64], _array(types.int64, 1)]
Int2 = Annotated[NDArray[np.int64], _array(types.int64, 2)]
Int3 = Annotated[NDArray[np.int64], _array(types.int64, 3)]
Out1 = Annotated[NDArray[np.float64], _array(types.float64, 1, written=True)]
"""Arrays that it writes."""
Out2 = Annotated[NDArray[np.float64], _array(types.float64, 2, written=True)]
Out3 = Annotated[NDArray[np.float64], _array(types.float64, 3, written=True)]
Out4 = Annotated[NDArray[np.float64], _array(types.float64, 4, written=True)]

_COMPILES: Final = isinstance(numba.njit(lambda: None), Dispatcher)
"""Whether anything is compiled at all (``NUMBA_DISABLE_JIT``)."""
_NUMBERS: Final = {float: types.float64, int: types.int64, bool: types.boolean}


def _kind(hint: Any) -> types.Type:
    """Return Numba's type for an annotation."""
    if hint in _NUMBERS:
        return _NUMBERS[hint]
    _, kind = get_args(hint)
    return kind if isinstance(kind, types.Type) else types.Array(numba.from_dtype(kind), 1, "C")


def _taken_in(function: Any) -> str:
    """Return a digest of what a function takes in at compilation: its callees' code and all constants."""
    code, parts = function.__code__, []
    for name in code.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, Dispatcher):
            inner = value.py_func.__code__
            parts += [inner.co_code.hex(), repr(inner.co_consts), _taken_in(value.py_func)]
        elif isinstance(value, np.ndarray):
            parts.append(value.tobytes().hex())
        elif isinstance(value, (bool, int, float, tuple)):
            parts.append(repr(value))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


class _Cache(FunctionCache):
    """Numba's store of machine code on disk, with a key that knows callees and constants."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        key: tuple[Any, ...] = super()._index_key(sig, codegen)  # type: ignore[no-untyped-call]
        return (*key, _taken_in(self._py_func))


def compiled(function: Function) -> Function:
    """Compile a function for the types of its parameters' annotations."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    signature = tuple(_kind(hint) for hint in hints.values())
    made: Any = numba.njit(error_model="numpy")(function)
    if _COMPILES:
        made._cache = _Cache(function)  # type: ignore[no-untyped-call]
        made.compile(signature)
        made.disable_compile()
    return cast(Function, made)


def record(kind: np.dtype[np.void], **values: object) -> Record:
    """Return a record of zeros with some fields set."""
    made: Record = np.zeros(1, kind)
    if not _COMPILES:
        # Python finds fields by attribute, as compiled code does, in this kind of array only.
        made = made.view(np.recarray)
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
