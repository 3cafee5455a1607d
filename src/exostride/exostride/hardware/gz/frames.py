"""Frames between Exostride and a Gazebo, over a unix socket; ``docs/gazebo.md`` describes them.

A frame is a header of 24 bytes (magic ``EXGZ``, version, kind, length, flags, step; little-endian) and a
payload: text in ``HELLO``, float64 in all others. The C++ side is ``src/exostride_gazebo/classic/frames.hh``.
Both ends of a modern Gazebo are Python; nothing but the standard library is used here, since the interpreter
that has Gazebo's bindings need not have ours.
"""

from __future__ import annotations

import select
import socket
import struct
from array import array
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from exostride.errors import DeviceError

MAGIC = 0x5A475845
VERSION = 2
LONGEST = 1 << 20
HEADER = struct.Struct("<IHHIIQ")


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    COMMAND = 2
    STATE = 3
    RESET = 4
    QUIT = 5


class StateFlag(IntFlag):
    """Flags of a ``STATE``."""

    DAMPED = 1
    """No command came in time: the engine went on with the drives damping."""


class CommandFlag(IntFlag):
    """Flags of a ``COMMAND``."""

    RECENTRE = 1
    """Put the belt back to its middle after this step."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame received."""

    kind: Kind
    flags: int
    step: int
    payload: bytes

    def values(self) -> array[float]:
        """Return the payload as numbers (the machine is little-endian, as all that Gazebo runs on are).

        Raises
        ------
        DeviceError
            It is no whole number of float64.
        """
        if len(self.payload) % 8:
            raise DeviceError(f"Gazebo sent a frame of {len(self.payload)} bytes, which is no multiple of 8")
        return array("d", self.payload)


def pack(kind: Kind, payload: bytes = b"", flags: int = 0, step: int = 0) -> bytes:
    """Return a frame as bytes."""
    return HEADER.pack(MAGIC, VERSION, kind, len(payload), flags, step) + payload


def unpack_header(data: bytes) -> tuple[Kind, int, int, int]:
    """Return kind, payload length, flags and step of a header.

    Raises
    ------
    DeviceError
        It is none, of another version, of an unknown kind, or announces too long a payload.
    """
    magic, version, kind, length, flags, step = HEADER.unpack(data)
    if magic != MAGIC:
        raise DeviceError("what Gazebo sent is no frame of Exostride's plugin (wrong magic number)")
    if version != VERSION:
        raise DeviceError(
            f"Gazebo's plugin speaks version {version} of the frames, this package {VERSION}; "
            "run tools/gazebo.sh install"
        )
    if length > LONGEST:
        raise DeviceError(f"Gazebo announced a frame of {length} bytes; at most {LONGEST} are possible")
    try:
        return Kind(kind), length, flags, step
    except ValueError:
        raise DeviceError(f"Gazebo sent a frame of unknown kind {kind}") from None


class Stream:
    """One end of a connected socket; every call is bounded by ``timeout_s`` of wall time."""

    def __init__(self, connection: socket.socket, timeout_s: float) -> None:
        connection.settimeout(timeout_s)
        self._socket = connection
        self._timeout = timeout_s
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self.silent = False
        """Whether the last :meth:`receive` failed because nothing came, and not because the peer is lost."""

    def send(self, kind: Kind, payload: bytes = b"", flags: int = 0, step: int = 0) -> None:
        """Send one frame; :class:`DeviceError` if nobody takes it."""
        try:
            self._socket.sendall(pack(kind, payload, flags, step))
        except TimeoutError:
            raise DeviceError(f"Gazebo takes no commands (waited {self._timeout:g} s)") from None
        except OSError as error:
            raise DeviceError(f"Gazebo has gone ({error.strerror or error})") from None

    def _exactly(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0:
            try:
                part = self._socket.recv(count)
            except TimeoutError:
                raise DeviceError(f"Gazebo does not answer (waited {self._timeout:g} s)") from None
            except OSError as error:
                raise DeviceError(f"Gazebo has gone ({error.strerror or error})") from None
            if not part:
                raise DeviceError("Gazebo has gone (it closed the connection)")
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def waiting(self) -> bool:
        """Return whether something has come that :meth:`receive` would return, or tell of its loss."""
        return bool(self._poll.poll(0))

    def wait(self) -> None:
        """Wait, without a bound, until something has come or the peer is lost."""
        self._poll.poll()

    def receive(self) -> Frame:
        """Return the next frame; :class:`DeviceError` if none comes, or what comes is none."""
        self.silent = not self._poll.poll(1e3 * self._timeout)
        if self.silent:
            raise DeviceError(f"Gazebo does not answer (waited {self._timeout:g} s)")
        kind, length, flags, step = unpack_header(self._exactly(HEADER.size))
        return Frame(kind, flags, step, self._exactly(length) if length else b"")

    def close(self) -> None:
        """Close the connection; the engine then damps the drives and ends."""
        self._socket.close()
