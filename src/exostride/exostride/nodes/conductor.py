"""Brings the managed nodes up in order and takes them down again, without ever blocking."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any, Final

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

from exostride.errors import DeviceError

ORDER: Final = ("recorder", "gait_phase", "controller", "hardware")
"""Order of activation: the master clock last."""
CONFIGURE_TIMEOUT_S: Final = 90.0
"""Longest wait for nodes to come up; on a busy machine the device's may have a Gazebo to start."""
START_TIMEOUT_S: Final = 30.0
CALL_TIMEOUT_S: Final = 1.0
"""Longest wait for an answer when going down; a dead node must not hold up the others."""
_RETRY_S: Final = 0.02

Steps = Generator[None, None, Any]


class Conductor:
    """Lifecycle of the managed nodes, as generators that are advanced by the event loop.

    Parameters
    ----------
    node
        The node that owns the service clients.
    names
        Nodes to manage, in the order of activation.
    """

    def __init__(self, node: Any, names: Sequence[str] = ORDER) -> None:
        self._names = tuple(names)
        self._asked: list[str] = []
        self._change = {name: node.create_client(ChangeState, f"{name}/change_state") for name in names}
        self._state = {name: node.create_client(GetState, f"{name}/get_state") for name in names}

    def configure(self) -> Steps:
        """Configure all nodes side by side.

        Raises
        ------
        DeviceError
            A node did not appear in time, or refused its configuration.
        """
        deadline = time.monotonic() + CONFIGURE_TIMEOUT_S
        waiting = list(self._names)
        futures: dict[str, Any] = {}
        while waiting or not all(future.done() for future in futures.values()):
            for name in list(waiting):
                if self._change[name].service_is_ready():
                    futures[name] = self._call(name, Transition.TRANSITION_CONFIGURE)
                    waiting.remove(name)
            if time.monotonic() > deadline:
                late = waiting or [name for name, future in futures.items() if not future.done()]
                raise DeviceError(f"node {', '.join(late)}: not there within {CONFIGURE_TIMEOUT_S:g} s")
            for name, future in futures.items():
                if future.done() and not _succeeded(future):
                    raise DeviceError(f"node {name}: could not be configured; its own message says why")
            yield

    def activate(self) -> Steps:
        """Activate the nodes one after the other; one that is not connected yet is asked again.

        Raises
        ------
        DeviceError
            A node was not ready in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        for name in self._names:
            self._asked.append(name)
            while True:
                future = self._call(name, Transition.TRANSITION_ACTIVATE)
                while not future.done():
                    if time.monotonic() > deadline:
                        raise DeviceError(f"node {name}: could not be activated: no answer")
                    yield
                if _succeeded(future):
                    break
                if time.monotonic() > deadline:
                    raise DeviceError(
                        f"node {name}: could not be activated within {START_TIMEOUT_S:g} s: not all of its "
                        "topics are connected; is another stack running in this ROS domain?"
                    )
                again = time.monotonic() + _RETRY_S
                while time.monotonic() < again:
                    yield

    def take_down(self) -> Steps:
        """Deactivate the clock, then the rest, then shut all down; nodes that don't answer are left."""
        for name in reversed(self._asked):
            if name == "recorder":
                # What is under way to the bag should still reach it.
                pause = time.monotonic() + 0.1
                while time.monotonic() < pause:
                    yield
            yield from self._patiently([self._call(name, Transition.TRANSITION_DEACTIVATE)])
        left = self._names
        # A node is inactive by now, or was never configured.
        for transition in (
            Transition.TRANSITION_INACTIVE_SHUTDOWN,
            Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
        ):
            futures = {name: self._call(name, transition) for name in left}
            yield from self._patiently(list(futures.values()), 0.3)
            left = tuple(name for name, future in futures.items() if future.done() and not _succeeded(future))

    def is_inactive(self, name: str) -> Steps:
        """Return whether a node is there and inactive."""
        future = self._state[name].call_async(GetState.Request())
        yield from self._patiently([future])
        return future.done() and future.result().current_state.id == State.PRIMARY_STATE_INACTIVE

    def _call(self, name: str, transition: int) -> Any:
        return self._change[name].call_async(ChangeState.Request(transition=Transition(id=transition)))

    def _patiently(self, futures: Sequence[Any], timeout_s: float = CALL_TIMEOUT_S) -> Steps:
        deadline = time.monotonic() + timeout_s
        while not all(future.done() for future in futures) and time.monotonic() < deadline:
            yield


def _succeeded(future: Any) -> bool:
    result = future.result()
    return result is not None and bool(result.success)
