"""What the nodes keep from the middleware, as seen in a process that has joined the graph."""

import os
import subprocess
import sys

import pytest

from exostride import nodes
from exostride.runtime.launch import domain as domains

THREADS = """
import os, exostride.nodes, rclpy
rclpy.init()
print(os.environ["FASTDDS_DEFAULT_PROFILES_FILE"])
node = rclpy.create_node("only_itself")
for task in os.listdir("/proc/self/task"):
    print(open(f"/proc/self/task/{task}/comm").read().strip())
node.destroy_node()
rclpy.shutdown()
"""
SET_BY_US = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS", "RMW_IMPLEMENTATION")


@pytest.mark.parametrize("inherited", [None, nodes.NETWORK, nodes.LOOPBACK])
@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET"])
def test_a_node_neither_asks_for_types_nor_shares_memory(reach, inherited):
    """One that ended while it asked for types crashed; one killed at shared memory blocked all others.

    Nor does one that was started by a process of ours which was to reach elsewhere.
    """
    domain = domains.acquire()
    env = {name: value for name, value in os.environ.items() if name not in SET_BY_US}
    env |= {"ROS_DOMAIN_ID": str(domain.number), "ROS_AUTOMATIC_DISCOVERY_RANGE": reach}
    if inherited:
        env |= {"FASTDDS_DEFAULT_PROFILES_FILE": inherited, "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
    command = [sys.executable, "-c", THREADS]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    profile, *threads = done.stdout.split()
    assert profile == (nodes.LOOPBACK if reach == "LOCALHOST" else nodes.NETWORK)
    assert [name for name in threads if name.startswith("dds.udp")], threads
    assert not [name for name in threads if name.startswith(("dds.tls", "dds.shm"))], threads


def test_the_range_is_handed_on():
    """A node's own processes reach as far as it does, where nobody asks for more."""
    env = {name: value for name, value in os.environ.items() if name not in SET_BY_US}
    env["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    child = "import os, exostride.nodes; print(os.environ['FASTDDS_DEFAULT_PROFILES_FILE'])"
    parent = f"import exostride.nodes, subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", parent]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == nodes.LOOPBACK


def test_what_the_user_has_set_is_respected(monkeypatch):
    """A profile that is not ours stays, and so does the range that goes with it."""
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "/site/own.xml")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    nodes.configure_middleware()
    assert os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] == "/site/own.xml"
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
