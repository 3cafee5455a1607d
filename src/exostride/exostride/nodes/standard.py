"""Standard messages beside our own, so that RViz, Lichtblick and PlotJuggler work unaided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from exostride.conventions import JOINTS
from exostride.nodes import qos
from exostride.recording.cdr import split_time
from exostride.types import ExoState

LEVELS: Final = {
    "ok": DiagnosticStatus.OK,
    "warn": DiagnosticStatus.WARN,
    "error": DiagnosticStatus.ERROR,
    "stale": DiagnosticStatus.STALE,
}


def stamp(time_s: float) -> Time:
    """Return a ROS time."""
    sec, nanosec = split_time(time_s)
    return Time(sec=sec, nanosec=nanosec)


class StandardTopics:
    """Publishes ``/clock`` and ``joint_states`` from states.

    Parameters
    ----------
    node
        The node that owns the publishers.
    every
        Publish on every so-many-th tick: eyes need no control rate.
    clock
        Whether to publish ``/clock``; not when the wall clock is the time.
    """

    def __init__(self, node: Any, every: int, clock: bool) -> None:
        self._every = max(every, 1)
        self._clock = node.create_publisher(Clock, "/clock", qos.by_name("/clock")) if clock else None
        self._joints = node.create_publisher(JointState, "joint_states", qos.by_name("joint_states"))
        self._message = JointState()
        self._message.name = list(JOINTS)

    def publish(self, exo: ExoState) -> None:
        """Publish what belongs to one state."""
        if exo.seq % self._every:
            return
        if self._clock is not None:
            self._clock.publish(Clock(clock=stamp(exo.time_s)))
        message = self._message
        message.header.stamp = stamp(exo.stamp_s)
        message.position = exo.angle_rad.tolist()
        message.velocity = exo.velocity_rad_s.tolist()
        message.effort = exo.joint_torque_nm.tolist()
        self._joints.publish(message)


class RobotDescription:
    """Offers the robot's URDF on ``robot_description``, latched."""

    def __init__(self, node: Any, urdf: str) -> None:
        name = "robot_description"
        self._publisher = node.create_publisher(String, name, qos.by_name(name))
        self._publisher.publish(String(data=urdf))


class Diagnostics:
    """Publishes one status of a node on ``diagnostics``."""

    def __init__(self, node: Any, name: str) -> None:
        self._publisher = node.create_publisher(DiagnosticArray, "diagnostics", qos.by_name("diagnostics"))
        self._name = name

    def publish(self, time_s: float, level: str, message: str, values: Mapping[str, object]) -> None:
        """Publish; ``level`` is a key of :data:`LEVELS`, values become text."""
        status = DiagnosticStatus(level=LEVELS[level], name=f"exostride/{self._name}", message=message)
        status.hardware_id = "exostride"
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = stamp(time_s)
        self._publisher.publish(array)
