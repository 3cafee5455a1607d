"""The launch files under ROS 2's own launch; where it is missing, test_sessions.py asks the same of ours."""

import os
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("launch_pytest", reason="ROS 2's launch_pytest is not installed")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).parent))

import launch_pytest
from bags import values
from client import Client
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import AnyLaunchDescriptionSource
from lifecycle_msgs.srv import GetState

from exostride.errors import ExostrideError
from exostride.hardware.gz.installation import find
from exostride.types import Action, ExoState, SafetyState

pytestmark = [pytest.mark.ros, pytest.mark.slow]

FILES = Path(__file__).parents[2] / "launch"
MANAGED = ("hardware", "gait_phase", "controller", "recorder")
NODES = {*MANAGED, "safety", "session"}
ACTIVE = 3
DOMAIN = 87
STANDING = {
    "patient": "stance",
    "controller": "transparent",
    "settings": "belt_speed_m_s=0.0",
    "audit": "",
    "view": "false",
    "tf": "false",
}


def described(folder, file, **arguments):
    """Return a launch description of one of our files, its bag in ``folder``."""
    os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
    given = {**STANDING, **arguments, "bag": str(folder / "bag")}
    return LaunchDescription(
        [
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(DOMAIN)),
            IncludeLaunchDescription(
                AnyLaunchDescriptionSource(str(FILES / file)), launch_arguments=given.items()
            ),
        ]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("launched")


@launch_pytest.fixture
def session(folder):
    return described(folder / "session", "session.launch.yaml")


@launch_pytest.fixture
def hardware(folder):
    return described(folder / "hardware", "hardware.launch.yaml", device="simulated")


@launch_pytest.fixture
def gazebo(folder):
    try:
        find()
    except ExostrideError as error:
        pytest.skip(f"GAZEBO TESTS NOT RUN: {error}")
    return described(folder / "gazebo", "gazebo.launch.yaml")


@launch_pytest.fixture
def replay(folder):
    from test_sessions import walk

    recording = walk(folder / "walk.csv")
    return described(folder / "replay", "replay.launch.yaml", recording=str(recording))


@launch_pytest.fixture
def stopped(folder):
    return described(folder / "stopped", "session.launch.yaml", fault="F20@standing,start=2")


def up_and_at_work():
    client = Client(DOMAIN)
    try:
        exo, joints = client.listen("exo/state"), client.listen("joint_states")
        states = [client.call(GetState, f"{node}/get_state").current_state.id for node in MANAGED]
        assert states == [ACTIVE] * len(MANAGED)
        client.until(lambda: len(exo) > 100 and len(joints) > 10, "the topics")
        client.until(lambda: set(client.node.get_node_names()) >= NODES, "the discovery of all nodes")
        assert all(round(value.time_s * 200) == value.seq for value in exo)
    finally:
        client.close()


@pytest.mark.launch(fixture=session)
def test_session(session, folder):
    up_and_at_work()
    yield
    assert len(values(folder / "session" / "bag")[ExoState]) > 100


@pytest.mark.launch(fixture=hardware)
def test_hardware(hardware, folder):
    up_and_at_work()
    yield
    assert len(values(folder / "hardware" / "bag")[ExoState]) > 100


@pytest.mark.launch(fixture=replay)
def test_replay(replay, folder):
    up_and_at_work()
    yield
    assert len(values(folder / "replay" / "bag")[ExoState]) > 100


@pytest.mark.launch(fixture=gazebo)
def test_gazebo(gazebo, folder):
    up_and_at_work()
    yield
    assert len(values(folder / "gazebo" / "bag")[ExoState]) > 100


@pytest.mark.launch(fixture=stopped)
def test_a_fault_in_the_loop(stopped, folder):
    bag, end = folder / "stopped" / "bag", time.monotonic() + 180.0
    while not (bag / "metadata.yaml").is_file():
        assert time.monotonic() < end, "the session did not end"
        time.sleep(0.1)
    yield
    found = values(bag)
    assert any(state.action >= Action.E_STOP and state.cause == "F20" for state in found[SafetyState])
