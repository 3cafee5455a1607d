"""A modern Gazebo's end of the frames, with a stand-in for its bindings where the real ones are not."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from exostride.errors import ConfigError, DeviceError
from exostride.hardware.gazebo import GazeboDevice
from exostride.hardware.gz import installation, modern_world
from exostride.hardware.gz.frames import CommandFlag, Kind, StateFlag, Stream
from exostride.hardware.gz.lockstep import LockStep
from exostride.hardware.gz.modern import hinge_angle, turned
from exostride.hardware.gz.world import robot_tree
from exostride.hardware.simulated import SimulatedDevice
from exostride.model.anthropometry import BodyParameters
from exostride.plant.config import load_plant_config
from exostride.plant.world import build_world

STAND_IN = Path(__file__).parents[1] / "support" / "gz_stand_in"
PERIOD_S = 0.005


class Body:
    """Two joints, the second a belt, and one free link."""

    def __init__(self):
        self.done = []
        self.speed = [0.5, -2.0]

    def counts(self):
        return 2, 1, 1

    def velocities(self):
        return self.speed

    def read(self):
        return [0.0] * 18

    def push(self, torques, wrenches):
        self.done.append(("push", list(torques), list(wrenches)))

    def place(self, rows):
        self.done.append(("place", list(rows)))
        return [1.0] * 18

    def recentre(self, joint, period):
        self.done.append(("recentre", joint, period))


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    naps = []
    steps = LockStep(Stream(theirs, 0.05), [3.0, 10.0], 0.25, belt=1, belt_period=2.0, sleep=naps.append)
    steps.naps = naps
    yield Stream(ours, 1.0), steps, Body()
    ours.close()
    theirs.close()


def numbers(*values):
    return np.array(values, dtype="<f8").tobytes()


def test_a_step_tells_the_state_and_applies_the_command(ends):
    peer, steps, body = ends
    peer.send(Kind.COMMAND, numbers(1, 2, 0, 0, 3, 4, 5, 6, 7, 8), CommandFlag.RECENTRE)
    steps.begin(body)
    assert peer.receive().kind is Kind.STATE
    peer.send(Kind.COMMAND, numbers(*[0.0] * 10))
    steps.begin(body)
    assert body.done[0] == ("push", [1, 2], [3, 4, 5, 6, 7, 8])
    assert body.done[1] == ("recentre", 1, 2.0)
    assert [peer.receive().step, steps.steps] == [1, 2]


def test_a_reset_is_answered_before_the_step(ends):
    peer, steps, body = ends
    peer.send(Kind.RESET, numbers(*range(13)))
    peer.send(Kind.QUIT)
    steps.begin(body)
    assert body.done == [("place", list(range(13)))]
    assert [peer.receive().values()[0], peer.receive().values()[0]] == [0.0, 1.0]
    assert steps.ended and not steps.problem


def test_silence_is_damped_no_faster_than_the_clock_until_a_command_comes(ends):
    peer, steps, body = ends
    peer.send(Kind.COMMAND, numbers(*[0.0] * 10))
    steps.begin(body)
    body.done.clear()
    for _ in range(3):
        steps.begin(body)
    assert body.done == 3 * [("push", [-1.5, 20.0], [0.0] * 6)]
    assert steps.naps == [0.25] * 3
    peer.send(Kind.COMMAND, numbers(*[0.0] * 10))
    steps.begin(body)
    peer.send(Kind.COMMAND, numbers(*[0.0] * 10))
    steps.begin(body)
    assert [peer.receive().flags for _ in range(3)] == [0, 0, StateFlag.DAMPED]


def test_before_the_first_command_nothing_moves_however_long_it_takes(ends):
    peer, steps, body = ends
    late = threading.Timer(0.3, lambda: peer.send(Kind.COMMAND, numbers(*[0.0] * 10)))
    late.start()
    steps.begin(body)  # six times its time-out
    late.join()
    assert body.done == [("push", [0.0, 0.0], [0.0] * 6)]
    assert not steps.naps


def test_a_lost_peer_is_damped_for_half_a_second_and_then_all_ends(ends):
    peer, steps, body = ends
    peer.close()
    while not steps.ended:
        steps.begin(body)
    assert len(body.done) in (2, 3)
    assert all(kind == "push" and torques == [-1.5, 20.0] for kind, torques, _ in body.done)


@pytest.mark.parametrize(
    ("kind", "payload", "says"),
    [
        (Kind.COMMAND, numbers(1.0), "1 numbers; 10 were due"),
        (Kind.RESET, numbers(1.0), "reset of the wrong length"),
        (Kind.STATE, b"", "kind STATE"),
    ],
)
def test_what_is_no_order_ends_it(ends, kind, payload, says):
    peer, steps, body = ends
    peer.send(kind, payload)
    steps.begin(body)
    assert steps.ended and says in steps.problem


def test_angles_of_hinges_come_from_the_links_orientations():
    rng = np.random.default_rng(1)
    for angle in (-1.2, -0.01, 0.0, 0.7):
        q = rng.normal(size=4)
        q /= np.linalg.norm(q)
        axis = np.array([0.0, -1.0, 0.0])
        half = np.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis)])
        w, v = q[0], q[1:]
        child = [w * half[0] - v @ half[1:], *(w * half[1:] + half[0] * v + np.cross(v, half[1:]))]
        assert hinge_angle(q, child, axis) == pytest.approx(angle, abs=1e-12)
    assert turned([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [1, 0, 0]) == pytest.approx((0, 1, 0))


def test_worlds_with_things_to_step_on_are_refused():
    config = load_plant_config()
    world = build_world(config, BodyParameters())
    with pytest.raises(ConfigError, match="gazebo:=classic"):
        modern_world.modern_world(
            world,
            robot_tree(BodyParameters(), world),
            belt=(45.0, 20.0),
            damping={},
            timeout_s=1.0,
            terrain=modern_world.Terrain(bump_m=0.01),
        )


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_GZ_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))


def pushed(device, **parameters):
    device.configure({"patient": "stance", **parameters}, PERIOD_S)
    rows = []
    try:
        plant = device.plant
        plant.disturbances.push("patient_pelvis", np.array([60.0, 20.0, 0.0]), np.zeros(3), 0.0, 0.2)
        for seq in range(120):
            device.read(seq)
            device.coast()
            sense = plant.sense()
            rows.append(np.r_[sense.pelvis_position_m, sense.angle_rad, 1e-4 * sense.ground_force_n])
    finally:
        device.close()
    return np.array(rows)


def test_a_pushed_body_moves_as_over_mujoco(stand_in):
    device = GazeboDevice()
    modern, mujoco = pushed(device, gazebo="gz", timeout_s=20.0), pushed(SimulatedDevice())
    assert np.abs(mujoco[:, 0] - mujoco[0, 0]).max() > 0.01
    assert np.abs(modern - mujoco).max() < 2e-3


def test_a_modern_gazebo_that_dies_is_an_error_that_leaves_nothing(stand_in):
    device = GazeboDevice()
    device.configure({"patient": "stance", "gazebo": "gz"}, PERIOD_S)
    pid, directory = device.server.pid, device.server.directory
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DeviceError, match="killed by SIGKILL"):
        device.coast()
    device.close()
    assert not Path(f"/proc/{pid}").exists() and not directory.exists()


def test_a_world_that_the_bindings_refuse_is_named(stand_in, monkeypatch):
    from exostride.hardware import gazebo

    def broken(*arguments, **more):
        text, layout, names = modern_world.modern_world(*arguments, **more)
        return text, layout.replace('"name": "knee_left"', '"name": "elbow"'), names

    monkeypatch.setattr(gazebo, "modern_world", broken)
    with pytest.raises(DeviceError, match="elbow"):
        GazeboDevice().configure({"patient": "stance", "gazebo": "gz"}, PERIOD_S)


@pytest.mark.parametrize("more", [{"record_video": True}, {"contact": "engine"}])
def test_what_only_gazebo_11_can_is_said(stand_in, more):
    with pytest.raises(ConfigError, match="gazebo:=classic"):
        GazeboDevice().configure({"patient": "stance", "gazebo": "gz", **more}, PERIOD_S)


def test_without_bindings_it_is_said_how_to_get_them(monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_GZ_PYTHON", "/bin/false")
    with pytest.raises(DeviceError, match=r"cannot import gz\.sim.*EXOSTRIDE_GZ_PYTHON"):
        installation.find_modern()


def test_a_machine_without_gazebo_11_uses_the_modern_one(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_GAZEBO_ROOT", str(tmp_path))
    assert installation.find().kind == "gz"


def test_a_camera_without_root_uses_the_machines_display_or_a_namespace_of_users(monkeypatch):
    made = installation.Installation("root", "11", ("gz",), ("chroot", "/r", "/usr/bin/Xvfb"), Path(), {})
    there = {}
    monkeypatch.setattr(installation.shutil, "which", lambda name, path="": there.get(name))
    for root in (True, False):
        monkeypatch.setattr(os, "geteuid", lambda root=root: 0 if root else 1000)
        namespace = () if root else ("unshare", "--map-root-user")
        there.clear()
        assert made.display() == (*namespace, *made.xvfb)
        there["chroot"] = "/usr/sbin/chroot"
        assert made.display() == (*namespace, "/usr/sbin/chroot", *made.xvfb[1:])
        there["Xvfb"] = "/bin/Xvfb"
        assert made.display() == (
            (*namespace, "/usr/sbin/chroot", *made.xvfb[1:]) if root else ("/bin/Xvfb",)
        )


def test_the_root_of_gazebo_is_entered_whatever_the_path(monkeypatch):
    """``/usr/sbin``, where Debian has chroot, is not in every user's PATH."""
    made = installation.Installation("root", "11", ("gz",), ("chroot", "/r", "/usr/bin/Xvfb"), Path(), {})
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Path(made.display()[0]).is_file()
    monkeypatch.delenv("PATH")
    assert Path(made.display()[0]).is_file()


def test_a_machine_with_no_gazebo_at_all_is_told_both_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_GAZEBO_ROOT", str(tmp_path))
    monkeypatch.setenv("EXOSTRIDE_GZ_PYTHON", "/bin/false")
    with pytest.raises(DeviceError, match=r"tools/gazebo\.sh install, or install Gazebo Harmonic"):
        installation.find()
