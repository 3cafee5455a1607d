"""Quality of service of every topic, in one place.

Every control topic is reliable and keeps the last message: what is fresh is judged by sequence
number in the kernel, never by the middleware, so there is no DDS deadline or lifespan. States that a
late joiner needs are latched (transient local). Events keep more than one message, because both
feet can have one in the same tick. Publishers keep a few messages, so that one that the transport
lost can be sent again. The session keeps a queue, because the clock does not wait for it but it must
miss nothing; the recorder keeps a long one, so that a slow disk costs memory before it costs messages.
"""

from __future__ import annotations

from typing import Final

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from exostride.recording.topics import BY_NAME, Topic

RECORDER_DEPTH: Final = 1000
SESSION_DEPTH: Final = 100
PUBLISHER_DEPTH: Final = 8
BURSTS: Final = {"gait/event": 16, "session/step_metrics": 16, "diagnostics": 16}
"""Topics that can have several messages in one tick, with the depth that holds them."""


def depth(topic: Topic) -> int:
    """Return how many messages an ordinary subscriber keeps."""
    return BURSTS.get(topic.name, 1)


def profile(topic: Topic, keep: int = 1) -> QoSProfile:
    """Return the profile of a subscriber that keeps at least ``keep`` messages."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=max(depth(topic), keep),
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def publisher_profile(topic: Topic) -> QoSProfile:
    """Return the profile of a publisher; a latched topic offers late joiners its last message only."""
    return profile(topic, 1 if topic.latched else PUBLISHER_DEPTH)


def by_name(name: str) -> QoSProfile:
    """Return the publisher's profile of the topic ``name`` of :mod:`exostride.recording.topics`."""
    return publisher_profile(BY_NAME[name])
