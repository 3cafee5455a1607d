"""Gazebo dies, hangs, or cannot start: one clear line in time, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from exostride.errors import DeviceError
from exostride.hardware.gazebo import GazeboDevice

pytestmark = [pytest.mark.gazebo, pytest.mark.usefixtures("gazebo")]
PERIOD_S, STEP_S = 0.005, 0.001
HANG_S = 180.0
"""Far above what any step needs: nothing is asserted about the machine's speed."""
SILENCE_S = 0.05


def device(**parameters):
    out = GazeboDevice()
    out.configure({"patient": "stance", "timeout_s": 2.0, **parameters}, PERIOD_S)
    return out


def gone(pid, within_s=HANG_S):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("what", "says"), [(signal.SIGKILL, "killed by SIGKILL"), (signal.SIGSTOP, "does not answer")]
)
def test_a_server_that_dies_or_hangs_is_an_error_in_time(what, says):
    out = device()
    pid, directory = out.server.pid, out.server.directory
    out.coast()
    os.kill(pid, what)
    with pytest.raises(DeviceError, match=says):
        for _ in range(10):
            out.coast()
    out.close()
    out.close()
    assert gone(pid) and not directory.exists()


def test_a_session_whose_gazebo_dies_ends_with_one_line():
    from exostride.runtime.simulate import SimulationConfig, build

    graph = build(
        SimulationConfig(
            device="gazebo", patient="stance", device_parameters={"timeout_s": 1.0}, duration_s=3.0
        )
    )
    pid = graph.device.server.pid

    def kill(tick):
        if tick.seq == 20:
            os.kill(pid, signal.SIGKILL)
        return True

    try:
        with pytest.raises(DeviceError, match="Gazebo has gone"):
            graph.run(100, kill)
    finally:
        graph.close()
    assert gone(pid)


@pytest.fixture
def impatient(monkeypatch):
    """A Gazebo that waits for commands for 50 ms only, while we wait for its answers as long as it takes."""
    from exostride.hardware import gazebo

    world = gazebo.session_world

    def hurried(*arguments, timeout_s, **more):
        return world(*arguments, timeout_s=SILENCE_S, **more)

    monkeypatch.setattr(gazebo, "session_world", hurried)


def test_before_the_first_command_gazebo_waits_and_nothing_moves(impatient):
    out = device(timeout_s=60.0)
    try:
        before = out.plant.data.qpos.copy()
        time.sleep(20 * SILENCE_S)  # how long it is silent is what this is about
        out.coast()
        assert out.plant.engine.damped_ticks == 0
        assert abs(out.plant.data.qpos - before).max() < 1e-3
    finally:
        out.close()


def test_silence_is_answered_by_damping_and_ends_with_the_next_command(impatient):
    out = device(timeout_s=60.0)
    try:
        out.coast()
        engine = out.plant.engine
        began, ticks, before, silence = time.monotonic(), 0, engine.time_s, SILENCE_S
        while not engine.damped_ticks and time.monotonic() < began + HANG_S:
            time.sleep(silence)
            silence *= 2.0  # until the other side has had the time to notice
            out.coast()
            ticks += 1
        assert engine.damped_ticks
        assert engine.time_s - before > ticks * PERIOD_S + 0.5 * STEP_S  # it went on by itself
        ticks, before = engine.damped_ticks, engine.time_s
        out.coast()
        assert engine.time_s - before == pytest.approx(PERIOD_S) or engine.damped_ticks > ticks
    finally:
        out.close()


@pytest.mark.parametrize("hangs", [False, True])
def test_the_server_ends_when_its_peer_is_killed(hangs):
    code = (
        "from exostride.hardware.gazebo import GazeboDevice\n"
        "d = GazeboDevice(); d.configure({'patient': 'stance', 'timeout_s': 1.0}, 0.005)\n"
        "print(d.server.pid, flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        pid = int(peer.stdout.readline())
        if hangs:
            os.kill(pid, signal.SIGSTOP)
        peer.kill()
    assert gone(pid)


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DeviceError, match=f"port {port} .* in use"):
            device(port=port)


def test_too_long_a_socket_path_is_named(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(DeviceError, match="TMPDIR"):
        device()
    assert not list(long.iterdir())


def test_a_world_that_gazebo_refuses_is_an_error_in_time(monkeypatch):
    from exostride.hardware import gazebo

    world = gazebo.session_world

    def broken(*arguments, **more):
        text, names = world(*arguments, **more)
        return text.replace("<joint damping", "<joint damping", 1).replace(
            ">knee_left</joint>", ">elbow</joint>"
        ), names

    monkeypatch.setattr(gazebo, "session_world", broken)
    with pytest.raises(DeviceError, match="elbow"):
        device()
