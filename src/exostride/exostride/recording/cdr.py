"""Messages as bytes without ROS: the CDR encoding (little endian, plain CDR version 1) of our values.

The virtual-clock runner records without ``rclpy``. A value's fields go to the message fields of the
same name; the header is filled from its measurement time. A message without strings and sequences
(apart from its header) has one fixed layout per frame name and is packed by one ``struct`` call;
any other is walked field by field.

Layout rules (OMG DDSI-RTPS 10.2, classic CDR): four bytes of encapsulation, then every primitive
aligned to its own size counted from behind the encapsulation; a string is its length with the
closing zero, then the bytes; a sequence is its length, then the elements.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

import numpy as np
from rosbags.interfaces import Nodetype

from exostride.errors import InputError
from exostride.recording.definitions import Definitions
from exostride.recording.topics import BY_VALUE

ENCAPSULATION: Final = b"\x00\x01\x00\x00"
HEADER_TYPE: Final = "std_msgs/msg/Header"

FORMATS: Final = {
    "bool": "?",
    "byte": "B",
    "char": "B",
    "uint8": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
}
"""``struct`` character of every primitive; numpy understands the same ones."""

Packer = Callable[[Any], bytes]


def split_time(time_s: float) -> tuple[int, int]:
    """Return seconds and nanoseconds of ``time_s`` [s], rounded to the nearest nanosecond."""
    return divmod(round(time_s * 1e9), 1_000_000_000)


def primitive(descriptor: Any) -> str | None:
    """Return the name of the primitive that a field descriptor denotes, or ``None``."""
    kind, detail = descriptor
    if kind == Nodetype.BASE and detail[0] in FORMATS:
        return str(detail[0])
    return None


def fixed_array(descriptor: Any) -> tuple[str, int] | None:
    """Return primitive and length of a fixed-size array of primitives, or ``None``."""
    kind, detail = descriptor
    if kind != Nodetype.ARRAY:
        return None
    element = primitive(detail[0])
    return None if element is None else (element, int(detail[1]))


class _Walker:
    """Encodes any message field by field into a growing buffer."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self.buffer = bytearray()

    def _align(self, size: int) -> None:
        self.buffer.extend(bytes(-len(self.buffer) % size))

    def _number(self, name: str, value: Any) -> None:
        code = FORMATS[name]
        self._align(struct.calcsize(code))
        self.buffer += struct.pack("<" + code, value)

    def _string(self, value: str) -> None:
        raw = value.encode("utf-8")
        if b"\0" in raw:
            raise InputError("a string in a message can't hold a zero byte")
        self._number("uint32", len(raw) + 1)
        self.buffer += raw + b"\0"

    def message(self, type_name: str, value: Any) -> None:
        """Append a message given as object or mapping."""
        for name, descriptor in self._definitions.fields(type_name):
            self.field(descriptor, value[name] if isinstance(value, Mapping) else getattr(value, name))

    def field(self, descriptor: Any, value: Any) -> None:
        """Append one field."""
        kind, detail = descriptor
        if kind == Nodetype.NAME:
            self.message(detail, value)
        elif kind == Nodetype.BASE:
            if detail[0] == "string":
                self._string(value)
            else:
                self._number(detail[0], value)
        else:
            self._elements(kind, detail, value)

    def _elements(self, kind: Any, detail: Any, value: Any) -> None:
        element, count = detail
        if kind == Nodetype.SEQUENCE:
            if count and len(value) > count:
                raise InputError(f"a sequence of at most {count} elements got {len(value)}")
            self._number("uint32", len(value))
        elif len(value) != count:
            raise InputError(f"an array of {count} elements got {len(value)}")
        name = primitive(element)
        if name is not None and len(value):
            self._align(struct.calcsize(FORMATS[name]))
            raw = value if isinstance(value, bytes) else np.asarray(value, "<" + FORMATS[name]).tobytes()
            self.buffer += raw
        elif name is None:
            for item in value:
                self.field(element, item)


def compile_layout(
    fields: list[tuple[str, Any]], offset: int
) -> tuple[str, list[str], dict[str, tuple[str, int]]] | None:
    """Return the ``struct`` format of fixed fields that start ``offset`` bytes into the message.

    Returns
    -------
    format, names, arrays
        Format without byte order, field names in order, and primitive and length of each array;
        or ``None`` when a field has no fixed size.
    """
    pieces, names, arrays = [], [], {}
    for name, descriptor in fields:
        array = fixed_array(descriptor)
        single = primitive(descriptor)
        if array is not None:
            arrays[name] = array
            element, count = array
        elif single is not None:
            element, count = single, 1
        else:
            return None
        size = struct.calcsize(FORMATS[element])
        padding = -offset % size
        pieces.append("x" * padding + (FORMATS[element] if array is None else f"{size * count}s"))
        names.append(name)
        offset += padding + size * count
    return "".join(pieces), names, arrays


class Serializer:
    """Turns values into the bytes of their messages."""

    def __init__(self, definitions: Definitions | None = None) -> None:
        self.definitions = definitions or Definitions()
        self._packers: dict[type, Packer] = {}

    def message(self, type_name: str, value: Any) -> bytes:
        """Return any message, given as an object or mapping with the fields of ``type_name``.

        Raises
        ------
        InputError
            An array has the wrong length.
        """
        walker = _Walker(self.definitions)
        walker.message(self.definitions.register(type_name), value)
        return ENCAPSULATION + bytes(walker.buffer)

    def value(self, value: Any, time_s: float | None = None) -> bytes:
        """Return the message of one of the values of :mod:`exostride.types`.

        Parameters
        ----------
        value
            An instance of a class listed in :mod:`exostride.recording.topics`.
        time_s
            Header stamp [s]; by default the value's ``stamp_s``, else its ``time_s``.

        Raises
        ------
        InputError
            The value is of another class, or one of its arrays has the wrong length or element type.
        """
        packer = self._packers.get(type(value))
        if packer is None:
            packer = self._packers[type(value)] = self._compile(type(value))
        if time_s is not None:
            return self._slow(value, time_s)
        return packer(value)

    def _slow(self, value: Any, time_s: float) -> bytes:
        topic = BY_VALUE[type(value)]
        walker = _Walker(self.definitions)
        sec, nanosec = split_time(time_s)
        for name, descriptor in self.definitions.fields(topic.type_name):
            if name == "header":
                stamp = {"sec": sec, "nanosec": nanosec}
                walker.field(descriptor, {"stamp": stamp, "frame_id": topic.frame_id})
            else:
                walker.field(descriptor, getattr(value, name))
        return ENCAPSULATION + bytes(walker.buffer)

    def _compile(self, cls: type) -> Packer:
        topic = BY_VALUE.get(cls)
        if topic is None:
            raise InputError(f"{cls.__name__} has no topic; see exostride.recording.topics")
        fields = self.definitions.fields(topic.type_name)
        when = "stamp_s" if any(name == "stamp_s" for name, _ in fields) else "time_s"
        frame = topic.frame_id.encode() + b"\0"
        layout = compile_layout(fields[1:], 12 + len(frame))
        if layout is None:
            return lambda value: self._slow(value, getattr(value, when, 0.0))
        return _fixed_packer(cls.__name__, layout, frame, when)


def _fixed_packer(
    class_name: str, layout: tuple[str, list[str], dict[str, tuple[str, int]]], frame: bytes, when: str
) -> Packer:
    body, names, arrays = layout
    pack = struct.Struct(f"<4siII{len(frame)}s{body}").pack
    get = attrgetter(when, *names)
    expected = [
        (1 + i, name, np.dtype(arrays[name][0]), (arrays[name][1],))
        for i, name in enumerate(names)
        if name in arrays
    ]
    length = len(frame)

    def packer(value: Any) -> bytes:
        items = list(get(value))
        for i, name, dtype, shape in expected:
            array = items[i]
            if array.dtype != dtype or array.shape != shape:
                raise InputError(
                    f"{class_name}.{name}: expected {shape[0]} x {dtype}, got {array.shape} of {array.dtype}"
                )
            items[i] = array.tobytes()
        stamp = items[0]
        if not math.isfinite(stamp):
            raise InputError(f"{class_name}.{when}: {stamp} is no time")
        sec, nanosec = divmod(round(stamp * 1e9), 1_000_000_000)
        return pack(ENCAPSULATION, sec, nanosec, length, frame, *items[1:])

    return packer
