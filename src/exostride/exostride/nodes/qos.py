"""Quality of service of every topic, in one place.

Every control topic is reliable and keeps the last message: what is fresh is judged by sequence
number in the kernel, never by the middleware, so there is no DDS deadline or lifespan. States that a
late joiner needs are latched (transient local). Events keep more than one message, because both
feet can have one in the same tick. The recorder keeps a long queue, so that a slow disk costs
memory before it costs messages.
"""

from __future__ import annotations

from typing import Final

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from exostride.recording.topics import BY_NAME, Topic

RECORDER_DEPTH: Final = 1000
BURSTS: Final = {"gait/event": 16, "session/step_metrics": 16, "diagnostics": 16, "safety/state": 16}
"""Topics that can have several messages in one tick, with the depth that holds them."""


def depth(topic: Topic) -> int:
    """Return how many messages a publisher and an ordinary subscriber keep."""
    return BURSTS.get(topic.name, 1)


def profile(topic: Topic) -> QoSProfile:
    """Return the profile of publishers and ordinary subscribers of a topic."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth(topic),
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def recorder_profile(topic: Topic) -> QoSProfile:
    """Return the profile of the recorder's subscription to a topic."""
    recorder = profile(topic)
    recorder.depth = RECORDER_DEPTH
    return recorder


def by_name(name: str) -> QoSProfile:
    """Return the profile of the topic ``name`` of :mod:`exostride.recording.topics`."""
    return profile(BY_NAME[name])
