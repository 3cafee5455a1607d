"""What needs no Gazebo: frames, world files, and what is said when there is none."""

import json
import socket
from xml.etree import ElementTree as ET

import mujoco
import numpy as np
import pytest

from exostride.errors import ConfigError, DeviceError
from exostride.hardware.gazebo import GazeboDevice
from exostride.hardware.gz import installation, server
from exostride.hardware.gz.frames import HEADER, LONGEST, Kind, Stream, pack, unpack_header
from exostride.hardware.gz.terrain import TERRAINS, Terrain, bumps
from exostride.hardware.gz.world import OdeOptions, robot_tree, session_world
from exostride.model.anthropometry import BodyParameters
from exostride.model.description import urdf
from exostride.model.engines import load_mujoco_spec
from exostride.model.sdf import read_tree
from exostride.plant.config import load_plant_config
from exostride.plant.world import build_world


def pair(timeout_s=0.2):
    a, b = socket.socketpair()
    return Stream(a, timeout_s), b


def test_a_frame_comes_back_as_it_was():
    stream, peer = pair()
    peer.sendall(pack(Kind.STATE, np.array([1.0, -2.0]).tobytes(), flags=1, step=7))
    frame = stream.receive()
    assert (frame.kind, frame.flags, frame.step) == (Kind.STATE, 1, 7)
    assert frame.values().tolist() == [1.0, -2.0]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (HEADER.pack(1, 2, 3, 0, 0, 0), "magic"),
        (HEADER.pack(0x5A475845, 9, 3, 0, 0, 0), "version 9"),
        (HEADER.pack(0x5A475845, 2, 99, 0, 0, 0), "unknown kind 99"),
        (HEADER.pack(0x5A475845, 2, 3, LONGEST + 1, 0, 0), "at most"),
    ],
)
def test_what_is_no_frame_is_refused(header, says):
    with pytest.raises(DeviceError, match=says):
        unpack_header(header)


def test_silence_and_loss_are_told_apart():
    stream, peer = pair()
    with pytest.raises(DeviceError, match="does not answer"):
        stream.receive()
    peer.close()
    with pytest.raises(DeviceError, match="has gone"):
        stream.receive()


@pytest.mark.parametrize("model", ["exoskeleton", "patient", "coupled"])
def test_sdf_links_have_the_mass_properties_of_the_bodies_in_mujoco(model):
    body = BodyParameters(height_m=1.62, mass_kg=58.0, sex="female")
    tree = read_tree(urdf(model, body))
    compiled = load_mujoco_spec(model, body).compile()
    data = mujoco.MjData(compiled)
    mujoco.mj_forward(compiled, data)
    names = {compiled.body(i).name for i in range(1, compiled.nbody)}
    assert names == set(tree.links)
    for link in tree.links.values():
        i = compiled.body(link.name).id
        assert link.mass_kg == pytest.approx(compiled.body_mass[i], rel=1e-9)
        assert link.position_m == pytest.approx(data.xpos[i], abs=1e-9)
        assert link.centre_m == pytest.approx(compiled.body_ipos[i], abs=1e-9)
        rotation = data.ximat[i].reshape(3, 3)
        inertia = rotation @ np.diag(compiled.body_inertia[i]) @ rotation.T
        assert link.inertia_kg_m2 == pytest.approx(inertia, abs=1e-9)


def session(world="treadmill"):
    config = load_plant_config()
    plant_world = build_world(config, BodyParameters(), "exoskeleton", "treadmill")
    return session_world(
        plant_world,
        robot_tree(BodyParameters(), plant_world),
        belt=(config.belt.mass_kg, config.belt.half_length_m),
        friction=config.contact.friction,
        damping={"knee_left": 12.0},
        library="/plugin.so",
        timeout_s=5.0,
        options=OdeOptions(),
        terrain=TERRAINS[world],
    )


def test_every_name_in_the_plugins_lists_is_in_the_world():
    text, names = session()
    root = ET.fromstring(text)
    plugin = root.find("world/plugin")
    model = root.find("world/model[@name='exostride']")
    links = {e.get("name") for e in model.findall("link")}
    joints = {e.get("name") for e in root.iter("joint") if e.get("name")}
    collisions = {e.get("name") for e in model.iter("collision")}
    assert {e.text for e in plugin.findall("link")} == links
    assert {e.text for e in plugin.findall("joint")} <= joints
    assert [e.text for e in plugin.findall("contact")] == list(names.contacts)
    assert set(names.contacts) == collisions
    assert names.free == ("base_link", "patient_pelvis")


def test_a_slope_turns_gravity_and_keeps_its_size():
    gravity = Terrain(incline_deg=10.0).gravity()
    assert np.linalg.norm(gravity) == pytest.approx(9.81, rel=1e-3)
    assert gravity[0] < 0.0


def test_slats_repeat_with_the_period_by_which_the_belt_is_put_back():
    places = [
        float(e.find("pose").text.split()[0]) for e in bumps(TERRAINS["uneven"], 4.0) if e.tag == "visual"
    ]
    folded = np.round(np.mod(places, 2.0), 9)
    assert len(set(folded)) == 5 and len(places) == 20


def test_without_a_gazebo_it_is_said_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_GAZEBO_ROOT", str(tmp_path))
    with pytest.raises(DeviceError, match=r"tools/gazebo\.sh install"):
        GazeboDevice().configure({"patient": "stance"}, 0.005)


def test_a_damaged_installation_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("EXOSTRIDE_GAZEBO_ROOT", str(tmp_path))
    (tmp_path / "gazebo.json").write_text(json.dumps({"kind": "root"}))
    with pytest.raises(DeviceError, match=r"gazebo\.json"):
        installation.find_installation()


def test_a_server_that_ends_at_once_is_explained_and_leaves_nothing(tmp_path):
    plugin = tmp_path / "p.so"
    plugin.touch()
    broken = installation.Installation(
        "root", "0", ("/bin/sh", "-c", "echo error: no such library; exit 3"), (), plugin, {}
    )
    running = server.Server(broken, 1.0)
    with pytest.raises(DeviceError, match=r"exit code 3.*no such library"):
        running.start("<sdf/>")
    assert not running.directory.exists()


@pytest.mark.parametrize("does", ["sleep 60", "while :; do :; done"])
def test_a_start_that_hangs_or_turns_in_circles_is_given_up_and_leaves_nothing(tmp_path, monkeypatch, does):
    monkeypatch.setattr(server, "START_TIMEOUT_S", 0.3)
    monkeypatch.setattr(server, "END_TIMEOUT_S", 0.1)
    hanging = installation.Installation("root", "0", ("/bin/sh", "-c", does), (), tmp_path, {})
    running = server.Server(hanging, 1.0)
    with pytest.raises(DeviceError, match=r"did not connect within 0\.3 s"):
        running.start("<sdf/>")
    assert running.pid == 0 and not running.directory.exists()


def test_what_a_killed_owner_left_is_swept_and_a_living_ones_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path))
    gone, living = tmp_path / "exostride-gz-999999999-a", tmp_path / "exostride-gz-1-a"
    gone.mkdir()
    living.mkdir()
    mine = server.Server(installation.Installation("root", "0", (), (), tmp_path, {}), 1.0)
    assert not gone.exists() and living.exists() and mine.directory.exists()
    mine.close()
    assert not mine.directory.exists()


def test_an_unknown_world_is_a_configuration_error():
    with pytest.raises(ConfigError, match="world"):
        GazeboDevice().configure({"patient": "stance", "world": "moon"}, 0.005)
