"""ROS 2 nodes around the pure components: they translate, wait and report, and decide nothing."""

import os
from pathlib import Path

LOOPBACK = str(Path(__file__).with_name("fastdds_loopback.xml"))
NETWORK = str(Path(__file__).with_name("fastdds_network.xml"))


def configure_middleware() -> None:
    """Keep from Fast DDS what a node that dies, or ends early, would do to itself and to others.

    Our messages go over the loopback device instead of shared memory: a process killed while it creates a
    shared-memory port leaves the port half-made, and every later participant on the machine, in whatever
    ROS domain, waits for it for ever (docs/decisions.md). ``LOCALHOST`` as discovery range would bring
    shared memory back, so it is expressed by a profile of ours.

    Participants do not tell each other their types, which ROS 2 has no use for: one that ends while it is
    asking another for them crashes. What the user has set otherwise is respected; what a process before
    this one has set by this function is not the user's, and the range may be another now.
    """
    if os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") != "rmw_fastrtps_cpp":
        return
    os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    reach, profile = (
        os.environ.get(n, "") for n in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTDDS_DEFAULT_PROFILES_FILE")
    )
    if profile not in ("", LOOPBACK, NETWORK):
        return
    local = reach == "LOCALHOST" or (profile == LOOPBACK and reach == "SYSTEM_DEFAULT")
    os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = LOOPBACK if local else NETWORK
    if local:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SYSTEM_DEFAULT"


configure_middleware()
