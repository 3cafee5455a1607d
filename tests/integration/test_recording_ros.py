"""What a bag says about our messages is what ROS says about them."""

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

from ament_index_python.packages import get_package_share_directory

from exostride.recording.definitions import Definitions
from exostride.recording.topics import TOPICS

pytestmark = pytest.mark.ros


def share(type_name, ending):
    package, _, name = type_name.split("/")
    return Path(get_package_share_directory(package)) / "msg" / f"{name}.{ending}"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.bag_name)
def test_definition_is_the_installed_one(topic):
    text = Definitions().complete(topic.type_name).split("\n" + "=" * 80)[0]
    assert text == share(topic.type_name, "msg").read_text(encoding="utf-8")


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.bag_name)
def test_type_hash_is_the_one_ros_computed(topic):
    described = json.loads(share(topic.type_name, "json").read_text())
    hashes = {entry["type_name"]: entry["hash_string"] for entry in described["type_hashes"]}
    assert Definitions().type_hash(topic.type_name) == hashes[topic.type_name]
