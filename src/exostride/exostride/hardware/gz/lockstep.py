"""The engine's end of the frames for a Gazebo with Python bindings: every physics step waits for one command.

It behaves as the plugin of Gazebo 11 does (``src/exostride_gazebo/classic/plugin.cc``): silence is answered
by damping, as the drives' firmware would, a lost peer by damping for half a second and the end. Only the
standard library is used; the engine itself is behind :class:`Body`.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from exostride.errors import DeviceError
from exostride.hardware.gz.frames import CommandFlag, Kind, StateFlag, Stream


class Body(Protocol):
    """What an engine is asked for in a step; orders are those of the session's layout."""

    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of joints, links and free links."""

    def read(self) -> list[float]:
        """Return time, joint positions, joint velocities, and 13 numbers for each free link."""

    def velocities(self) -> Sequence[float]:
        """Return the joint velocities."""

    def push(self, torques: Sequence[float], wrenches: Sequence[float]) -> None:
        """Apply torques of joints and wrenches on links (at centres of mass) for the coming step."""

    def place(self, rows: Sequence[float]) -> list[float]:
        """Put every link at 13 numbers (pose, velocity) and return the state as :meth:`read` does."""

    def recentre(self, joint: int, period: float) -> None:
        """Put a sliding joint back by whole periods of what lies on it."""


class LockStep:
    """Serves one peer: :meth:`begin` is called before every physics step, until :attr:`ended`.

    Parameters
    ----------
    stream
        Connection to the peer; its time-out is how long a command may take.
    damping
        What the firmware of each joint does in silence [N m s/rad].
    dt_s
        Physics step.
    damp_for_s
        How long to go on damping after the peer has gone.
    sleep
        Keeps silent steps from running faster than the clock.
    """

    def __init__(
        self,
        stream: Stream,
        damping: Sequence[float],
        dt_s: float,
        *,
        belt: int = -1,
        belt_period: float = 1.0,
        damp_for_s: float = 0.5,
        sleep: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._stream, self._damping, self._dt = stream, list(damping), dt_s
        self._belt, self._belt_period = belt, belt_period
        self._damp_for, self._sleep = damp_for_s, sleep
        self._damped = 0.0
        self._lost = self._recentre = False
        self._flags = 0
        self.steps = 0
        self.ended = False
        self.problem = ""

    def hello(self, text: str) -> None:
        """Say who the engine is; text of ``name value`` lines, or ``error ...``."""
        self._stream.send(Kind.HELLO, text.encode())

    def begin(self, body: Body) -> None:
        """Tell the state, wait for the command, and apply it; damp if none comes."""
        if self._recentre:
            body.recentre(self._belt, self._belt_period)
        self._recentre = False
        if self._damped <= 0.0 and not self._lost:
            self._tell(body.read())
        while not self.ended:
            frame = self._next()
            if frame is None:
                self._damp(body)
                return
            kind, flags, numbers = frame
            if self._damped > 0.0:
                self._damped, self._flags = 0.0, int(StateFlag.DAMPED)
            if kind is Kind.QUIT:
                self.ended = True
            elif kind is Kind.RESET:
                self._reset(body, numbers)
            elif kind is Kind.COMMAND:
                self._apply(body, flags, numbers)
                return
            else:
                self._fail(f"a frame of kind {kind.name}")

    def _next(self) -> tuple[Kind, int, array[float]] | None:
        """Return the next frame, ``None`` if it does not come in time or never will."""
        if self._lost:
            if self._damped >= self._damp_for:
                self.ended = True
            return None
        try:
            if self._damped > 0.0 and not self._stream.waiting():
                return None
            if self.steps == 0:
                # Before the first command nothing moves: the other nodes of a session may take their time.
                self._stream.wait()
            frame = self._stream.receive()
            return frame.kind, frame.flags, frame.values()
        except DeviceError as error:
            # A frame cut in two is as good as none: whoever sent it is not to be understood any more.
            self._lost = not self._stream.silent
            self.problem = str(error)
            return None

    def _apply(self, body: Body, flags: int, numbers: Sequence[float]) -> None:
        joints, links, _ = body.counts()
        if len(numbers) != 2 * joints + 6 * links:
            self._fail(f"a command of {len(numbers)} numbers; {2 * joints + 6 * links} were due")
            return
        body.push(numbers[:joints], numbers[2 * joints :])
        self._recentre = bool(flags & CommandFlag.RECENTRE) and self._belt >= 0
        self.steps += 1

    def _reset(self, body: Body, numbers: Sequence[float]) -> None:
        if len(numbers) != 13 * body.counts()[1]:
            self._fail("a reset of the wrong length")
            return
        self._tell(body.place(numbers))

    def _tell(self, state: Sequence[float]) -> None:
        flags, self._flags = self._flags, 0
        try:
            self._stream.send(Kind.STATE, array("d", state).tobytes(), flags, self.steps)
        except DeviceError as error:
            self._lost, self.problem = True, str(error)

    def _damp(self, body: Body) -> None:
        self._damped += self._dt
        speeds = body.velocities()
        body.push(
            [-d * v for d, v in zip(self._damping, speeds, strict=True)], [0.0] * (6 * body.counts()[1])
        )
        self.steps += 1
        self._sleep(self._dt)

    def _fail(self, why: str) -> None:
        self.ended, self.problem = True, why
