"""ROS 2 nodes around the pure components: they translate, wait and report, and decide nothing."""

import os
from pathlib import Path


def avoid_shared_memory() -> None:
    """Have Fast DDS carry our messages over the loopback device instead of shared memory.

    A process killed while it creates a shared-memory port leaves the port half-made, and every later
    participant on the machine, in whatever ROS domain, waits for it for ever (docs/decisions.md). A
    node that dies must not do that to the others. ``LOCALHOST`` as discovery range would bring shared
    memory back, so it is expressed by a profile of ours. What the user has set otherwise is respected.
    """
    if os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") != "rmw_fastrtps_cpp":
        return
    os.environ.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    if os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") != "LOCALHOST":
        return
    if "FASTDDS_DEFAULT_PROFILES_FILE" not in os.environ:
        profile = Path(__file__).with_name("fastdds_loopback.xml")
        os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SYSTEM_DEFAULT"


avoid_shared_memory()
