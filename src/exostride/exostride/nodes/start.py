"""The executables of the nodes: a node that is told to end while its libraries load ends without a word."""

from __future__ import annotations

import os
import signal
from functools import partial
from importlib import import_module
from types import FrameType

from exostride.errors import ExitCode


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    os._exit(int(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.OK))


def start(node: str) -> None:
    """Load the module of ``node`` and run it.

    Loading takes a second or more, in which a launcher may already take everything down again because of
    another node. Python would answer SIGINT with a traceback from the middle of some import.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    import_module(f"exostride.nodes.{node}").main()


hardware = partial(start, "hardware")
gait_phase = partial(start, "gait_phase")
controller = partial(start, "controller")
safety = partial(start, "safety")
recorder = partial(start, "recorder")
session = partial(start, "session")
tf = partial(start, "tf")
view = partial(start, "view")
