"""The topics of the graph: name, message type, frame and kind, in one table for nodes, recorder and runner.

Names are relative, so that a namespace can hold a second stack; a bag names them from the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exostride import types
from exostride.conventions import BASE_LINK, WORLD

PACKAGE: Final = "exostride_msgs"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the graph."""

    name: str
    """Relative name; one that starts with a slash is absolute."""
    type_name: str
    """ROS type, ``package/msg/Name``."""
    value: type | None
    """The dataclass of :mod:`exostride.types` that it carries; ``None`` for a standard message."""
    frame_id: str
    """``header.frame_id`` of every message; empty where the message has no frame."""
    latched: bool
    """Whether a late subscriber gets the last message (transient local)."""

    @property
    def bag_name(self) -> str:
        """Name in a bag: absolute."""
        return self.name if self.name.startswith("/") else f"/{self.name}"


def _ours(name: str, value: type, frame_id: str, latched: bool = False) -> Topic:
    return Topic(name, f"{PACKAGE}/msg/{value.__name__}", value, frame_id, latched)


TOPICS: Final = (
    _ours("exo/state", types.ExoState, BASE_LINK),
    _ours("exo/applied", types.AppliedTorque, BASE_LINK),
    _ours("env/state", types.EnvironmentState, WORLD),
    _ours("patient/physio", types.PatientPhysio, BASE_LINK),
    _ours("gait/phase", types.GaitPhase, BASE_LINK),
    _ours("gait/event", types.GaitEvent, BASE_LINK),
    _ours("assist/command", types.AssistCommand, BASE_LINK),
    _ours("env/command", types.EnvironmentCommand, WORLD),
    _ours("safety/permit", types.SafetyPermit, BASE_LINK),
    _ours("safety/state", types.SafetyState, BASE_LINK, latched=True),
    _ours("session/state", types.SessionState, WORLD, latched=True),
    _ours("session/settings", types.TherapySettings, WORLD, latched=True),
    _ours("session/step_metrics", types.StepMetrics, WORLD),
    _ours("recorder/state", types.RecorderState, WORLD, latched=True),
    _ours("sim/truth", types.SimTruth, WORLD),
    Topic("joint_states", "sensor_msgs/msg/JointState", None, BASE_LINK, latched=False),
    Topic("diagnostics", "diagnostic_msgs/msg/DiagnosticArray", None, "", latched=False),
    Topic("robot_description", "std_msgs/msg/String", None, "", latched=True),
    Topic("/tf", "tf2_msgs/msg/TFMessage", None, "", latched=False),
    Topic("/tf_static", "tf2_msgs/msg/TFMessage", None, "", latched=True),
    Topic("/clock", "rosgraph_msgs/msg/Clock", None, "", latched=False),
)
"""Every topic that the recorder writes."""

BY_NAME: Final = {topic.name: topic for topic in TOPICS}
BY_VALUE: Final = {topic.value: topic for topic in TOPICS if topic.value is not None}
