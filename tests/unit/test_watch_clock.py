"""When a node takes the master clock for lost, and when it ends for that."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

from exostride.errors import ExitCode
from exostride.nodes import base
from exostride.nodes.base import AWAY_S, IDLE_POLL_S, LOST_S, SILENCE_S, GraphNode

pytestmark = pytest.mark.ros


class Node(GraphNode):
    """What all nodes share, without a graph, on a clock of the test."""

    def __init__(self, monkeypatch):
        self.now, self.said, self.lost_at = 100.0, [], []
        monkeypatch.setattr(base, "time", SimpleNamespace(monotonic=lambda: self.now))
        self._prepare()
        self.log = SimpleNamespace(error=self.said.append)

    def get_logger(self):
        return None

    def declare_parameter(self, name, default, description):
        return SimpleNamespace(value=default)

    def clock_lost(self):
        self.lost_at.append(round(self.now, 6))

    def wait(self, seconds, poll_s=IDLE_POLL_S):
        for _ in range(round(seconds / poll_s)):
            self.now += poll_s
            if self.exit_code is None:
                self.poll(self.now)


@pytest.fixture
def node(monkeypatch):
    monkeypatch.delenv("EXOSTRIDE_PATIENCE", raising=False)
    made = Node(monkeypatch)
    made.wait(5.0)
    assert made.exit_code is None, "a clock that has not begun is waited for"
    made.heard_state()
    return made


def test_a_silent_clock_is_lost_once_and_then_all_is_over(node):
    began = node.now
    node.wait(LOST_S)
    assert node.lost_at == []
    node.wait(SILENCE_S - LOST_S)
    assert len(node.lost_at) == 1 and node.exit_code is None
    assert LOST_S < node.lost_at[0] - began <= LOST_S + 1.5 * IDLE_POLL_S
    node.wait(2.0 * IDLE_POLL_S)
    assert node.exit_code == ExitCode.FAILED and len(node.lost_at) == 1
    assert node.said == ["no exo/state for 2 s: the hardware node is gone or hangs"]


def test_it_is_lost_before_session_and_launcher_end_everybody():
    from exostride.nodes import session
    from exostride.runtime.launch.supervisor import Timeouts

    assert min(session._SILENT_S, Timeouts().reaction, SILENCE_S) > LOST_S + 2.0 * IDLE_POLL_S


def test_a_clock_that_ticks_again_can_be_lost_again(node):
    for times in (1, 2):
        node.wait(1.5 * LOST_S)
        assert len(node.lost_at) == times
        node.heard_state()
    node.wait(0.9 * LOST_S)
    assert len(node.lost_at) == 2 and node.exit_code is None


def test_patience_holds_for_both(monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_PATIENCE", "10")
    node = Node(monkeypatch)
    node.wait(1.0)
    node.heard_state()
    node.wait(9.9 * LOST_S)
    assert node.lost_at == []
    node.wait(0.2 * LOST_S)
    assert len(node.lost_at) == 1
    node.wait(10.0 * (SILENCE_S - LOST_S))
    assert node.said == ["no exo/state for 20 s: the hardware node is gone or hangs"]


def test_who_was_away_accuses_nobody(node):
    """The node itself stood still: what has come meanwhile is still to be taken in."""
    node.wait(10.0 * SILENCE_S, poll_s=10.0 * SILENCE_S)
    assert node.lost_at == [] and node.exit_code is None
    node.wait(0.9 * LOST_S)
    assert node.lost_at == []
    node.wait(SILENCE_S)
    assert len(node.lost_at) == 1 and node.exit_code == ExitCode.FAILED
    assert AWAY_S > 2.0 * IDLE_POLL_S, "waiting for something to do is not being away"
