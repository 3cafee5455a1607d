"""Real sessions through ``exostride launch`` and the files of launch/: up, at work, and down again."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from bags import read_by_others, values
from client import Client
from lifecycle_msgs.srv import GetState

from exostride.errors import DeviceError, ExitCode
from exostride.hardware.gz.installation import find
from exostride.recording.recover import recover
from exostride.types import Action, AppliedTorque, ExoState, Mode, SafetyState

pytestmark = [pytest.mark.ros, pytest.mark.slow]

EXOSTRIDE = Path(sys.executable).parent / "exostride"
NODES = {"hardware", "gait_phase", "controller", "safety", "recorder", "session", "tf"}
MANAGED = ("hardware", "gait_phase", "controller", "recorder")
ACTIVE = 3
STANDING = ["patient:=stance", "controller:=transparent", "settings:=belt_speed_m_s=0.0", "audit:="]
PATIENCE_S = 300.0
PATIENT = "20"
"""A node of a busy machine that gets no time for seconds is not a lost one, unless that is the question."""


class Session:
    """``exostride launch`` with its output in a file, and the processes that it says it has started."""

    def __init__(self, folder: Path, file: str, *arguments: str, cwd: Path | None = None, **env: str) -> None:
        self.folder, self.bag, self.log = folder, folder / "bag", folder / "log"
        folder.mkdir(exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [EXOSTRIDE, "launch", file, "view:=false", *arguments],
                env={**kept, "EXOSTRIDE_PATIENCE": PATIENT, **env},
                cwd=cwd or folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, text: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, f"'{text}' not said:\n{self.said}"
            time.sleep(0.02)

    @property
    def domain(self) -> int:
        return int(re.search(r"ROS domain (\d+)", self.said)[1])

    def pid(self, node: str) -> int:
        return int(re.search(rf"\] +{node} started, process (\d+)", self.said)[1])

    def alive(self) -> list[int]:
        def lives(pid: int) -> bool:
            try:
                return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            except OSError:
                return False

        return [int(pid) for pid in re.findall(r"started, process (\d+)", self.said) if lives(int(pid))]

    def end(self) -> int:
        return self.process.wait(timeout=PATIENCE_S)


@pytest.fixture
def launch(tmp_path):
    started = []

    def start(file, *arguments, folder=tmp_path / "run", **env):
        started.append(Session(folder, file, *arguments, **env))
        return started[-1]

    yield start
    for session in started:
        if session.process.poll() is None:
            session.process.terminate()
            session.end()


def walk(file: Path) -> Path:
    """Write two minutes of legs that swing, as a recording of joint angles."""
    t = np.arange(0.0, 120.0, 0.01)
    swing = 2 * np.pi * 0.8 * t
    columns = {"t": t}
    for side, shift in (("left", 0.0), ("right", np.pi)):
        columns[f"hip_{side}"] = 0.3 + 0.35 * np.cos(swing + shift)
        columns[f"knee_{side}"] = 0.4 - 0.35 * np.cos(2 * (swing + shift) + 0.7)
        columns[f"ankle_{side}"] = 0.1 * np.sin(swing + shift)
    np.savetxt(
        file, np.stack(list(columns.values()), axis=1), delimiter=",", header=",".join(columns), comments=""
    )
    return file


def needs_gazebo():
    try:
        find()
    except DeviceError as error:
        pytest.skip(f"GAZEBO TESTS NOT RUN: {error}")


@pytest.mark.parametrize("name", ["session", "hardware", "replay", "gazebo"])
def test_a_launch_file_brings_up_works_and_ends(launch, tmp_path, name):
    if name == "gazebo":
        needs_gazebo()
    arguments = {
        "session": [*STANDING, "duration:=0.0"],
        "gazebo": [*STANDING, "duration:=0.0"],
        "hardware": [*STANDING, "duration:=0.0", "device:=simulated"],
        "replay": [f"recording:={walk(tmp_path / 'walk.csv')}", "audit:="],
    }[name]
    session = launch(f"{name}.launch.yaml", "bag:=bag", *arguments)
    session.until("all nodes are active")
    client = Client(session.domain)
    try:
        states = [client.call(GetState, f"{node}/get_state").current_state.id for node in MANAGED]
        exo, joints, frames = (client.listen(topic) for topic in ("exo/state", "joint_states", "/tf"))
        client.until(lambda: len(exo) > 100 and len(joints) > 10 and len(frames) > 10, "the topics")
        client.until(lambda: set(client.node.get_node_names()) >= NODES, "the discovery of all nodes")
    finally:
        client.close()
    assert states == [ACTIVE] * len(MANAGED)
    assert all(round(value.time_s * 200) == value.seq for value in exo)
    gaps = np.diff([value.header.stamp.sec + 1e-9 * value.header.stamp.nanosec for value in joints])
    assert np.isclose(np.median(gaps), 0.02), "50 Hz of control time"
    tree = {t.child_frame_id: t.header.frame_id for t in frames[-1].transforms}
    assert tree["base_link"] == "world"
    assert tree["foot_right"] == "shank_right"
    session.process.send_signal(signal.SIGINT)
    assert session.end() == 130, session.said
    assert not session.alive()
    assert len(values(session.bag)[ExoState]) > 100


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything_in_good_order(launch, number, code):
    session = launch("session.launch.yaml", "bag:=bag", *STANDING)
    session.until("walking")
    session.process.send_signal(number)
    assert session.end() == code, session.said
    assert not session.alive()
    assert (session.bag / "metadata.yaml").is_file()
    assert len(values(session.bag)[ExoState]) > 200
    assert read_by_others(session.bag)["/exo/state"] > 200


@pytest.mark.parametrize("node", sorted(NODES - {"tf"}))
def test_a_killed_node_is_reacted_to_and_then_nothing_is_left(launch, node):
    session = launch("session.launch.yaml", "bag:=bag", *STANDING, EXOSTRIDE_PATIENCE="1")
    session.until("walking")
    os.kill(session.pid(node), signal.SIGKILL)
    assert session.end() == ExitCode.FAILED, session.said
    assert f"{node} was killed by SIGKILL" in session.said
    assert not session.alive()
    if node == "recorder":
        recover(session.bag, session.folder / "whole")
        assert len(values(session.folder / "whole")[ExoState]) > 200
        return
    found = values(session.bag)
    assert len(found[ExoState]) > 200
    if node in ("controller", "gait_phase"):
        assert any(state.action >= Action.SOFT_STOP for state in found[SafetyState])
    if node == "safety":
        first = next(a.seq for a in found[AppliedTorque] if not a.permit_received)
        assert all(a.mode != Mode.TRAIN for a in found[AppliedTorque] if a.seq > first + 5)


@pytest.mark.parametrize(
    ("number", "says"), [(signal.SIGKILL, "killed by SIGKILL"), (signal.SIGSTOP, "does not answer")]
)
def test_a_gazebo_that_dies_or_hangs_is_told_in_a_line_and_nothing_is_left(launch, number, says):
    needs_gazebo()
    session = launch("gazebo.launch.yaml", "bag:=bag", *STANDING)
    session.until("walking")
    hardware = session.pid("hardware")
    children = [
        int(pid)
        for file in Path(f"/proc/{hardware}/task").glob("*/children")
        for pid in file.read_text().split()
    ]
    (server,) = [pid for pid in children if b"gzserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(server, number)
    assert session.end() == ExitCode.FAILED, session.said
    assert re.search(rf"Gazebo.*{says}", session.said), session.said
    assert "Traceback" not in session.said
    assert not session.alive()
    gone = time.monotonic() + PATIENCE_S  # the kernel ends it with its owner, and init buries it
    while Path(f"/proc/{server}").exists():
        assert time.monotonic() < gone, "Gazebo was left behind"
        time.sleep(0.05)
    assert len(values(session.bag)[ExoState]) > 200


@pytest.mark.parametrize(
    ("fault", "cause", "action"),
    [
        ("F20@standing,start=2", "F20", Action.E_STOP),
        ("F01@standing:left:knee,start=2", "F01", Action.SOFT_STOP),
    ],
)
def test_a_fault_in_the_loop_stops_the_session_and_is_told_in_words(launch, fault, cause, action):
    session = launch("session.launch.yaml", "bag:=bag", *STANDING, f"fault:={fault}", EXOSTRIDE_PATIENCE="1")
    assert session.end() == ExitCode.SAFETY_STOP, session.said
    (told,) = re.findall(rf"safety stop: {cause}: (.+)", session.said)
    assert told.strip(), session.said
    assert not session.alive()
    states = values(session.bag)[SafetyState]
    assert any(state.action >= action and state.cause == cause for state in states)


def test_frames_are_not_missed(launch):
    session = launch("session.launch.yaml", "bag:=bag", "duration:=8.0", *STANDING)
    session.until("walking")
    os.kill(session.pid("tf"), signal.SIGKILL)
    assert session.end() == 0, session.said


def test_two_sessions_at_once_keep_to_themselves(launch, tmp_path):
    arguments = ["duration:=6.0", *STANDING]
    both = [launch("session.launch.yaml", *arguments, folder=tmp_path / n, cwd=tmp_path) for n in ("a", "b")]
    assert [session.end() for session in both] == [0, 0], both[0].said + both[1].said
    assert both[0].domain != both[1].domain
    bags = sorted((tmp_path / "sessions").glob("*/metadata.yaml"))
    assert len(bags) == 2
    for bag in bags:
        assert len(values(bag.parent)[ExoState]) > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["patient:=nobody"], "unknown patient 'nobody'; available: "),
        (["controller:=magic"], "unknown controller 'magic'; available: "),
        (["protocol:=none.yaml"], "none.yaml: no such file"),
        (["patient:={tall}"], "height_m = 3.0"),
        (["patient:={broken}"], "not valid YAML"),
        (["colour:=blue"], "colour"),
    ],
)
def test_bad_input_is_told_in_a_line_and_by_code_2(launch, tmp_path, arguments, words):
    (tmp_path / "tall.yaml").write_text("body: {height_m: 3.0}\n")
    (tmp_path / "broken.yaml").write_text("body: [1\n")
    files = {name: str(tmp_path / f"{name}.yaml") for name in ("tall", "broken")}
    session = launch("session.launch.yaml", "audit:=", "bag:=bag", *(a.format(**files) for a in arguments))
    assert session.end() == ExitCode.BAD_INPUT, session.said
    assert words in session.said
    assert "Traceback" not in session.said
    assert not session.alive()


def test_a_domain_in_use_is_told(launch, tmp_path):
    first = launch("session.launch.yaml", "bag:=bag", "duration:=0.0", *STANDING)
    first.until("all nodes are active")
    second = launch(
        "session.launch.yaml", *STANDING, folder=tmp_path / "second", ROS_DOMAIN_ID=str(first.domain)
    )
    assert second.end() == ExitCode.BAD_INPUT
    assert f"ROS domain {first.domain} is in use by another exostride launch" in second.said
