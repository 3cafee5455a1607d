"""ROS 2 nodes around the pure components: they translate, wait and report, and decide nothing."""

import os
from pathlib import Path


def configure_middleware() -> None:
    """Keep from Fast DDS what a node that dies, or ends early, would do to itself and to others.

    Our messages go over the loopback device instead of shared memory: a process killed while it creates a
    shared-memory port leaves the port half-made, and every later participant on the machine, in whatever
    ROS domain, waits for it for ever (docs/decisions.md). ``LOCALHOST`` as discovery range would bring
    shared memory back, so it is expressed by a profile of ours.

    Participants do not tell each other their types, which ROS 2 has no use for: one that ends while it is
    asking another for them crashes. What the user has set otherwise is respected.
    """
    if os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") != "rmw_fastrtps_cpp":
        return
    os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    if "FASTDDS_DEFAULT_PROFILES_FILE" in os.environ:
        return
    local = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") == "LOCALHOST"
    profile = Path(__file__).with_name("fastdds_loopback.xml" if local else "fastdds_network.xml")
    os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
    if local:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SYSTEM_DEFAULT"


configure_middleware()
