"""What the nodes keep from the middleware, as seen in a process that has joined the graph."""

import os
import subprocess
import sys

import pytest

from exostride.runtime.launch import domain as domains

THREADS = """
import os, exostride.nodes, rclpy
rclpy.init()
node = rclpy.create_node("only_itself")
for task in os.listdir("/proc/self/task"):
    print(open(f"/proc/self/task/{task}/comm").read().strip())
node.destroy_node()
rclpy.shutdown()
"""
SET_BY_US = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS", "RMW_IMPLEMENTATION")


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET"])
def test_a_node_neither_asks_for_types_nor_shares_memory(reach):
    """One that ended while it asked for types crashed; one killed at shared memory blocked all others."""
    domain = domains.acquire()
    env = {name: value for name, value in os.environ.items() if name not in SET_BY_US}
    env |= {"ROS_DOMAIN_ID": str(domain.number), "ROS_AUTOMATIC_DISCOVERY_RANGE": reach}
    command = [sys.executable, "-c", THREADS]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    threads = done.stdout.split()
    assert [name for name in threads if name.startswith("dds.udp")], threads
    assert not [name for name in threads if name.startswith(("dds.tls", "dds.shm"))], threads
