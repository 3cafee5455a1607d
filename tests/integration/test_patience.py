"""A machine that others use too: in lock-step a node that gets no time for seconds is not a lost one."""

import signal
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parent))

from bags import values

from exostride.errors import ConfigError
from exostride.nodes.process import patience
from exostride.types import AppliedTorque

pytestmark = pytest.mark.ros


def test_it_counts_in_lock_step_only(monkeypatch):
    monkeypatch.delenv("EXOSTRIDE_PATIENCE", raising=False)
    assert patience(lockstep=True) == 1.0
    monkeypatch.setenv("EXOSTRIDE_PATIENCE", "20")
    assert (patience(lockstep=True), patience(lockstep=False)) == (20.0, 1.0)


@pytest.mark.parametrize("text", ["much", "0.5", "nan", "inf", ""])
def test_what_is_no_factor_is_refused(monkeypatch, text):
    monkeypatch.setenv("EXOSTRIDE_PATIENCE", text)
    with pytest.raises(ConfigError, match="EXOSTRIDE_PATIENCE"):
        patience(lockstep=True)


@pytest.mark.slow
def test_a_node_that_stands_still_for_seconds_costs_no_tick(stack):
    session = {"settings": "belt_speed_m_s=0.0", "controller": "transparent", "duration_s": 12.0}
    stack.start(session=session)
    stack.until("walking")
    for node in ("controller", "hardware", "safety"):
        stack.signal(node, signal.SIGSTOP)
        time.sleep(1.0 if node != "hardware" else 2.5)  # each longer than what it would be given otherwise
        stack.signal(node, signal.SIGCONT)
    assert set(stack.codes().values()) == {0}, stack.logs()
    assert all(a.command_received and a.permit_received for a in values(stack.bag)[AppliedTorque])
