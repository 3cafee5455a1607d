"""Common part of our nodes: typed endpoints, parameters, readiness, and the watch over the master clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.exceptions import InvalidParameterTypeException, ParameterException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from exostride.errors import ConfigError, ExitCode, ExostrideError
from exostride.nodes import qos
from exostride.nodes.adapter import ADAPTERS
from exostride.nodes.process import patience, quiet_collector, real_time
from exostride.runtime.assembly.stack import DEFAULT_PATIENT, StackConfig

SILENCE_S: Final = 2.0
"""A node ends when the master clock, ``exo/state``, has been silent for so long [s of wall time]."""
LOST_S: Final = 1.0
"""The clock counts as lost after so long: before the session and the launcher, who wait half a second longer,
end everybody who should hear of it [s of wall time]."""
AWAY_S: Final = 0.5
"""A node that did not get to look for so long can't tell how long the clock has been silent [s]."""
IDLE_POLL_S: Final = 0.1
LEAVE_S: Final = 0.5
"""From shutdown to the end of the process: the session, which has the verdict, is to end first [s]."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Publishes values of one class."""

    publish: Callable[[Any], None]
    publisher: Any


class GraphNode:
    """What lifecycle and plain nodes share; mixed into an ``rclpy`` node.

    Attributes
    ----------
    exit_code
        ``None`` while running; then the code with which the process is to end.
    patience
        Factor on waits in wall time.
    queue
        Messages that subscriptions keep.
    """

    queue = 1

    def _prepare(self) -> None:
        self.exit_code: int | None = None
        self._expected: list[tuple[str, Callable[[], int], int]] = []
        self._last_state_s: float | None = None
        self._watched_s = 0.0
        self._clock_lost = False
        self._watching = False
        self.schedule = "ordinary"
        self.log: Any = self.get_logger()  # type: ignore[attr-defined]
        self.rate_hz = self.parameter("rate_hz", 200, "control rate [Hz], 100 to 500")
        self.lockstep = self.parameter("lockstep", True, "whether each tick waits for all nodes")
        self.patience = patience(self.lockstep)
        self.wants_real_time = self.parameter("real_time", True, "ask for real-time scheduling when paced")

    # ------------------------------------------------------------------ parameters

    def parameter(self, name: str, default: Any, description: str) -> Any:
        """Declare a parameter and return its value.

        Raises
        ------
        ConfigError
            The value given has another type than the default.
        """
        try:
            declared = self.declare_parameter(  # type: ignore[attr-defined]
                name, default, ParameterDescriptor(description=description)
            )
        except (InvalidParameterTypeException, ParameterException) as error:
            raise ConfigError(f"parameter {name}: {' '.join(str(error).split())}") from None
        return declared.value

    def parameters_below(self, prefix: str) -> dict[str, Any]:
        """Return undeclared parameters ``prefix.*`` given at the start, nested as their dots say."""
        tree: dict[str, Any] = {}
        for name, given in self._parameter_overrides.items():  # type: ignore[attr-defined]
            if not name.startswith(prefix + "."):
                continue
            *path, leaf = name[len(prefix) + 1 :].split(".")
            branch = tree
            for part in path:
                branch = branch.setdefault(part, {})
            value = given.value
            branch[leaf] = list(value) if hasattr(value, "typecode") else value
        return tree

    def stack(self, patient: str = "", robot: str = "exoskeleton") -> StackConfig:
        """Return what all components of the stack agree on, from this node's parameters."""
        limits = self.parameter("limits", "", "limits file; empty for config/limits/default.yaml")
        return StackConfig(
            rate_hz=self.rate_hz,
            lockstep=self.lockstep,
            patient=patient or DEFAULT_PATIENT,
            robot=robot,
            limits=Path(limits) if limits else None,
            controller_parameters=self.parameters_below("controllers"),
            law_parameters=self.parameters_below("environment_laws"),
        )

    # ------------------------------------------------------------------ endpoints

    def sender(self, value_type: type[Any], subscribers: int = 0) -> Sender:
        """Return a publisher of ``value_type`` on its topic; ready when it has so many subscribers."""
        adapter = ADAPTERS[value_type]
        adapter.prepare()
        topic = adapter.topic
        publisher = self.create_publisher(  # type: ignore[attr-defined]
            adapter.message_type,
            topic.name,
            qos.publisher_profile(topic),
            event_callbacks=PublisherEventCallbacks(incompatible_qos=self._incompatible(topic.name)),
        )
        self._expected.append((f"subscriber of {topic.name}", publisher.get_subscription_count, subscribers))
        encode, publish = adapter.encode, publisher.publish
        return Sender(lambda value: publish(encode(value)), publisher)

    def receive(self, value_type: type[Any], callback: Callable[[Any], None], publishers: int = 1) -> Any:
        """Subscribe to the topic of ``value_type``; ``callback`` gets values."""
        decode = ADAPTERS[value_type].decode
        return self.receive_raw(value_type, lambda raw: callback(decode(raw)), publishers)

    def receive_raw(
        self, value_type: type[Any], callback: Callable[[bytes], None], publishers: int = 1
    ) -> Any:
        """Subscribe to the topic of ``value_type``; ``callback`` gets serialized messages."""
        adapter = ADAPTERS[value_type]
        adapter.prepare()
        topic = adapter.topic
        subscription = self.create_subscription(  # type: ignore[attr-defined]
            adapter.message_type,
            topic.name,
            callback,
            qos.profile(topic, self.queue),
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._incompatible(topic.name)),
        )
        self._expected.append((f"publisher of {topic.name}", subscription.get_publisher_count, publishers))
        return subscription

    def _incompatible(self, topic: str) -> Callable[[Any], None]:
        def report(event: Any) -> None:
            if event.total_count_change > 0:
                self.fail(f"topic {topic}: another node uses an incompatible quality of service")

        return report

    def missing(self) -> str:
        """Return the first endpoint that is not matched yet, in words; empty when all are."""
        for what, count, least in self._expected:
            if count() < least:
                return f"{count()} of {least} {what}"
        return ""

    # ------------------------------------------------------------------ course of life

    def begin_control(self) -> None:
        """Settle down for the control loop: no garbage collection, real-time scheduling when paced."""
        quiet_collector()
        self.schedule = real_time(self.wants_real_time and not self.lockstep)

    def heard_state(self) -> None:
        """Take note that the master clock ticks."""
        self._last_state_s = time.monotonic()
        self._clock_lost = False

    def watch_clock(self, now_s: float) -> None:
        """End when the master clock has fallen silent; before that, tell the node that it is lost.

        Who was away, stopped or without time on a busy machine, may have what came meanwhile still before it,
        and begins to wait anew.
        """
        away, self._watched_s = now_s - self._watched_s > AWAY_S, now_s
        if self._last_state_s is None:
            return
        if away:
            self._last_state_s = now_s
        silent = (now_s - self._last_state_s) / self.patience
        if silent > LOST_S and not self._clock_lost:
            self._clock_lost = True
            self.clock_lost()
        if silent > SILENCE_S:
            longest = SILENCE_S * self.patience
            self.fail(f"no exo/state for {longest:g} s: the hardware node is gone or hangs")

    def clock_lost(self) -> None:
        """React to the loss of the master clock, once until it ticks again."""

    def fail(self, why: str, code: ExitCode = ExitCode.FAILED) -> None:
        """Say why, and end with ``code``."""
        if self.exit_code is None:
            self.log.error(why)
            self.exit_code = int(code)

    def stop(self, code: ExitCode) -> None:
        """End in good order."""
        if self.exit_code is None:
            self.exit_code = int(code)

    def poll(self, now_s: float) -> float:
        """Do what is due and return how long the loop may wait [s]."""
        self.watch_clock(now_s)
        return IDLE_POLL_S

    def close(self) -> None:
        """Let go of files and devices."""


class PlainNode(GraphNode, Node):
    """A node that runs from start to end."""

    def __init__(self, name: str) -> None:
        Node.__init__(self, name)
        self._prepare()


class ManagedNode(GraphNode, LifecycleNode):
    """A node that the session configures and activates.

    A node overrides :meth:`setup`, which may raise :class:`~exostride.errors.ExostrideError`, and
    :meth:`begin` and :meth:`end`.
    """

    def __init__(self, name: str) -> None:
        LifecycleNode.__init__(self, name)
        self._prepare()
        self.active = False
        self._waiting_for = ""
        self._leave_s: float | None = None

    def setup(self) -> None:
        """Build components and endpoints."""

    def begin(self) -> None:
        """Begin to work."""

    def end(self) -> None:
        """Cease to work."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Build components and endpoints; a wrong configuration ends the process with one clear line."""
        del state
        try:
            self.setup()
        except ExostrideError as error:
            self.fail(str(error), error.exit_code)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to work once all endpoints are matched; until then refuse, to be asked again."""
        waiting_for = self.missing()
        if waiting_for:
            if waiting_for != self._waiting_for:
                self.log.debug(f"waiting for {waiting_for}")
            self._waiting_for = waiting_for
            return TransitionCallbackReturn.FAILURE
        self.begin_control()
        self.active = True
        self.begin()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Cease to work."""
        if self.active:
            self.active = False
            self.end()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the process, in good order."""
        if self.active:
            self.active = False
            self.end()
        self._leave_s = time.monotonic() + LEAVE_S
        return super().on_shutdown(state)

    def poll(self, now_s: float) -> float:
        """End a little after the shutdown."""
        if self._leave_s is not None:
            if now_s >= self._leave_s:
                self.stop(ExitCode.OK)
            return IDLE_POLL_S
        return super().poll(now_s)


def nested(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the branch ``name`` of nested parameters, or an empty one."""
    branch = parameters.get(name, {})
    return dict(branch) if isinstance(branch, Mapping) else {}
