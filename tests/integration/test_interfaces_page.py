"""docs/interfaces.md is what the message files and the nodes say now."""

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("interfaces_tool", ROOT / "tools" / "interfaces.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_page_is_current():
    assert (ROOT / "docs" / "interfaces.md").read_text(encoding="utf-8") == tool.page()


def test_every_field_has_a_unit_frame_and_sign():
    for path in sorted((ROOT / "src" / "exostride_msgs").rglob("*.*")):
        if path.suffix not in (".msg", ".srv", ".action"):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#") and line != "---":
                assert re.search(r"#\s*\[[^;\]]+;[^;\]]+;[^\]]+\]", line), f"{path.name}: {line}"


def test_truth_is_no_input_of_control_or_safety():
    _, receivers = tool.endpoints()
    assert receivers["ExoState"] == ["gait_phase", "controller", "safety", "session"]
    assert "SimTruth" not in receivers
    assert receivers["AssistCommand"] == ["hardware", "safety", "session"]
