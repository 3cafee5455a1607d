"""The live view as a process of its own: listens, draws ten times a second, and touches nothing.

It keeps the newest serialized message of each topic and decodes only what it draws, so that watching
costs the session next to nothing. It ends with the session, or when the session has fallen silent.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rich.console import Console
from rich.live import Live

from exostride import types
from exostride.monitor.snapshot import Snapshot, Timing
from exostride.monitor.view import plain_line, render
from exostride.nodes.adapter import ADAPTERS
from exostride.nodes.qos import profile
from exostride.types import SessionPhase

_DRAW_S: Final = 0.1
_PLAIN_EVERY_S: Final = 5.0
_SILENCE_S: Final = 5.0
_LINGER_S: Final = 0.5

_FIELDS: Final[dict[type[Any], str]] = {
    types.ExoState: "exo",
    types.EnvironmentState: "environment",
    types.GaitPhase: "phase",
    types.AssistCommand: "command",
    types.AppliedTorque: "applied",
    types.SafetyState: "safety",
    types.SessionState: "session",
    types.RecorderState: "recorder",
}


class ViewNode:
    """Subscribes to what the view shows and hands out snapshots."""

    def __init__(self) -> None:
        self.node = rclpy.create_node("view")
        self.node.declare_parameter("title", "Exostride")
        self._raw: dict[type[Any], bytes] = {}
        self._metrics: list[bytes] = []
        title = str(self.node.get_parameter("title").value).rstrip(" ·")
        self.snapshot = Snapshot(title=title, timing=Timing())
        self.heard: float | None = None
        self._first: tuple[float, float] | None = None
        for value_type in _FIELDS:
            self._subscribe(value_type, self._keeper(value_type))
        self._subscribe(types.StepMetrics, self._metrics.append)

    def _subscribe(self, value_type: type[Any], callback: Callable[[bytes], None]) -> None:
        adapter = ADAPTERS[value_type]
        self.node.create_subscription(
            adapter.message_type, adapter.topic.name, callback, profile(adapter.topic), raw=True
        )

    def _keeper(self, value_type: type[Any]) -> Callable[[bytes], None]:
        def keep(raw: bytes) -> None:
            self._raw[value_type] = raw
            self.heard = time.monotonic()

        return keep

    def refresh(self) -> Snapshot:
        """Decode the newest messages into the snapshot."""
        for value_type, raw in self._raw.items():
            setattr(self.snapshot, _FIELDS[value_type], ADAPTERS[value_type].decode(raw))
        for raw in self._metrics:
            self.snapshot.put_metrics(ADAPTERS[types.StepMetrics].decode(raw))
        self._metrics.clear()
        self._pace()
        return self.snapshot

    def _pace(self) -> None:
        """Compare control time with the clock on the wall: for eyes only."""
        exo, timing = self.snapshot.exo, self.snapshot.timing
        if exo is None or timing is None:
            return
        now = time.monotonic()
        if self._first is None:
            self._first = (now, exo.time_s)
        elif now > self._first[0]:
            timing.times_real_time = (exo.time_s - self._first[1]) / (now - self._first[0])


def _ended(node: ViewNode) -> bool:
    session = node.snapshot.session
    over = session is not None and session.phase in (SessionPhase.FINISHED, SessionPhase.ABORTED)
    patience = _LINGER_S if over else _SILENCE_S
    return node.heard is not None and time.monotonic() - node.heard > patience


def watch(node: ViewNode, console: Console, stop: Callable[[], bool]) -> None:
    """Draw until the session ends or ``stop`` says so."""
    executor = SingleThreadedExecutor()
    executor.add_node(node.node)
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    drawn, next_line = 0.0, 0.0
    if live:
        live.start()
    try:
        while not stop() and not _ended(node):
            executor.spin_once(timeout_sec=_DRAW_S)
            if time.monotonic() - drawn < _DRAW_S:
                continue
            drawn = time.monotonic()
            snapshot = node.refresh()
            if live:
                live.update(render(snapshot), refresh=True)
            elif snapshot.exo is not None and snapshot.exo.time_s >= next_line:
                print(plain_line(snapshot), flush=True)
                next_line = snapshot.exo.time_s + _PLAIN_EVERY_S
        if live:
            live.update(render(node.refresh()), refresh=True)
    finally:
        if live:
            live.stop()


def main() -> None:
    """Run the view until the session ends, or on SIGINT or SIGTERM."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    node = ViewNode()
    try:
        with suppress(ExternalShutdownException):
            watch(node, Console(), lambda: asked)
    finally:
        node.node.destroy_node()
        rclpy.shutdown()
    sys.exit(0)


if __name__ == "__main__":
    main()
