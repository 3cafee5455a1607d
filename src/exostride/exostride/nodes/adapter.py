"""Translation between the values of :mod:`exostride.types` and ROS messages, compiled once per type.

Control messages go over the wire as bytes that are packed and unpacked here directly, which leaves
out the message objects and their checks; a test shows for every type that ``rclpy`` reads these bytes
and that its own are read here, bit by bit. Services and actions carry message objects, which
:meth:`Adapter.to_message` and :meth:`Adapter.from_message` fill and read by field names.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, Final

import numpy as np
from rclpy.serialization import deserialize_message

from exostride.recording.cdr import ENCAPSULATION, Serializer, compile_layout, split_time
from exostride.recording.topics import BY_VALUE

_HEADER: Final = struct.Struct("<4xiII")
"""Encapsulation, then seconds, nanoseconds and the length of ``frame_id`` with its closing zero."""
_SERIALIZER: Final = Serializer()


def message_class(type_name: str) -> type[Any]:
    """Return the generated class of ``package/msg/Name``."""
    package, kind, name = type_name.split("/")
    found: type[Any] = getattr(importlib.import_module(f"{package}.{kind}"), name)
    return found


class Adapter:
    """Translates one class of :mod:`exostride.types`.

    Parameters
    ----------
    value_type
        A class listed in :mod:`exostride.recording.topics`.
    """

    def __init__(self, value_type: type[Any]) -> None:
        self.value_type = value_type
        self.topic = BY_VALUE[value_type]
        self.message_type = message_class(self.topic.type_name)
        self._names = [field.name for field in fields(value_type)]
        self._time = "stamp_s" if "stamp_s" in self._names else "time_s"
        self._unpackers: dict[int, Callable[[bytes], Any] | None] = {}

    def prepare(self) -> None:
        """Compile both ways now, so that the first message is not a slow one."""
        required = [
            f for f in fields(self.value_type) if f.default is MISSING and f.default_factory is MISSING
        ]
        self.decode(self.encode(self.value_type(**{field.name: 0 for field in required})))

    def encode(self, value: Any) -> bytes:
        """Return the serialized message of ``value``; its header carries the measurement time."""
        return _SERIALIZER.value(value)

    def decode(self, raw: bytes) -> Any:
        """Return the value in a serialized message; its arrays are read-only."""
        if raw[:2] == ENCAPSULATION[:2]:
            length = _HEADER.unpack_from(raw)[2]
            if length not in self._unpackers:
                self._unpackers[length] = self._compile(length)
            unpack = self._unpackers[length]
            if unpack is not None:
                return unpack(raw)
        return self.from_message(deserialize_message(raw, self.message_type))

    def _compile(self, frame_length: int) -> Callable[[bytes], Any] | None:
        """Return the unpacker for a fixed layout behind a frame name of this length, if there is one."""
        start = 12 + frame_length
        layout = compile_layout(_SERIALIZER.definitions.fields(self.topic.type_name)[1:], start)
        if layout is None or layout[1] != self._names:
            return None
        body, names, arrays = layout
        unpack_from = struct.Struct("<" + body).unpack_from
        vectors = [(names.index(name), np.dtype(element)) for name, (element, _) in arrays.items()]
        offset = start + len(ENCAPSULATION)
        value_type, frombuffer = self.value_type, np.frombuffer

        def unpack(raw: bytes) -> Any:
            items = list(unpack_from(raw, offset))
            for i, dtype in vectors:
                items[i] = frombuffer(items[i], dtype)
            return value_type(*items)

        return unpack

    def to_message(self, value: Any) -> Any:
        """Return a message object with the fields of ``value`` and a filled header."""
        message = self.message_type()
        for name in self._names:
            item = getattr(value, name)
            setattr(message, name, list(item) if isinstance(item, tuple) else item)
        message.header.frame_id = self.topic.frame_id
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = split_time(getattr(value, self._time, 0.0))
        return message

    def from_message(self, message: Any) -> Any:
        """Return the value with the fields of a message object; sequences become tuples."""
        items = (getattr(message, name) for name in self._names)
        return self.value_type(*(tuple(item) if isinstance(item, list) else item for item in items))


ADAPTERS: Final = {value: Adapter(value) for value in BY_VALUE}
"""One adapter per class."""
