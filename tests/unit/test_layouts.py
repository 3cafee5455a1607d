"""The layouts for other people's tools name topics, fields and indices that exist."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import fields

import numpy as np
import pytest
import yaml

from exostride.paths import config_dir
from exostride.recording.topics import BY_NAME, TOPICS

LAYOUTS = config_dir() / "layouts"
KNOWN = {topic.bag_name: topic for topic in TOPICS}


def check(topic_name, field, index):
    topic = KNOWN[topic_name]
    field_names = [f.name for f in fields(topic.value)]
    assert field in field_names, f"{topic_name} has no {field}"
    times = {f.name: 0 for f in fields(topic.value) if f.name in ("seq", "time_s", "stamp_s")}
    value = getattr(topic.value(**times), field)
    if index is not None:
        assert int(index) < np.size(value), f"{topic_name}.{field}[{index}]"


def lichtblick_paths():
    layout = json.loads((LAYOUTS / "lichtblick.json").read_text())
    return [path["value"] for config in layout["configById"].values() for path in config.get("paths", [])]


def test_lichtblick_places_every_panel_once():
    layout = json.loads((LAYOUTS / "lichtblick.json").read_text())

    def leaves(node):
        return [node] if isinstance(node, str) else leaves(node["first"]) + leaves(node["second"])

    assert sorted(leaves(layout["layout"])) == sorted(layout["configById"])


@pytest.mark.parametrize("path", lichtblick_paths())
def test_lichtblick_plots_what_exists(path):
    check(*re.fullmatch(r"(/[\w/]+)\.(\w+)(?:\[(\d+)\])?", path).groups())


def test_lichtblick_topics_exist():
    layout = json.loads((LAYOUTS / "lichtblick.json").read_text())["configById"]
    assert layout["RawMessages!safety"]["topicPath"] in KNOWN
    assert layout["DiagnosticSummary!nodes"]["topicToRender"] in KNOWN
    assert layout["3D!robot"]["layers"]["urdf"]["topic"] in KNOWN


@pytest.mark.parametrize(
    "curve", [c.get("name") for c in ET.parse(LAYOUTS / "plotjuggler.xml").iter("curve")]
)
def test_plotjuggler_curves_exist(curve):
    path, index = re.fullmatch(r"(/[\w/]+)(?:\[(\d+)\])?", curve).groups()
    topic, _, field = path.rpartition("/")
    check(topic, field, index)


def test_rviz_reads_the_latched_description():
    displays = yaml.safe_load((LAYOUTS / "session.rviz").read_text())["Visualization Manager"]["Displays"]
    (robot,) = [d for d in displays if d["Class"].endswith("RobotModel")]
    topic = robot["Description Topic"]
    assert topic["Value"].lstrip("/") in BY_NAME
    assert BY_NAME[topic["Value"].lstrip("/")].latched == (topic["Durability Policy"] == "Transient Local")
