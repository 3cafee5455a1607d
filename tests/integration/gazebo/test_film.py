"""A filmed session that is cut short: the film plays, and neither process nor folder is left."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from PIL import Image

from exostride.hardware.gz.server import _sweep

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

pytestmark = [pytest.mark.gazebo, pytest.mark.ros, pytest.mark.usefixtures("gazebo")]
PATIENCE_S = 240.0
"""Far above what any of it needs: nothing is asserted about the machine's speed."""
SOME_BYTES = 20_000
"""A few pictures."""


def wait(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def runs(pid):
    try:
        return Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("killed", [False, True], ids=["interrupted", "hardware_killed"])
def test_a_filmed_session_that_is_cut_short_leaves_its_film_and_nothing_else(tmp_path, monkeypatch, killed):
    private, folder, log = tmp_path / "t", tmp_path / "s", tmp_path / "log"
    private.mkdir()
    folder.mkdir()
    film = folder / "exostride.webp"
    command = [Path(sys.executable).parent / "exostride", "launch", "gazebo.launch.yaml", "patient:=stance"]
    environment = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    with log.open("wb") as out:
        launched = subprocess.Popen(
            [*command, "record_video:=true", "view:=false", "tf:=false", "bag:=off", "audit:="],
            env={**environment, "TMPDIR": str(private)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait(lambda: film.is_file() and film.stat().st_size > SOME_BYTES, log.read_text)
        hardware = re.search(r"hardware started, process (\d+)", log.read_text())[1]
        helpers = Path("/proc", hardware, "task", hardware, "children").read_text().split()
        assert len(helpers) == 3, "Gazebo, its display and the film's maker"
        os.kill(int(hardware) if killed else launched.pid, signal.SIGKILL if killed else signal.SIGINT)
        launched.wait(PATIENCE_S)
    finally:
        launched.kill()
        launched.wait()
    wait(lambda: not any(map(runs, helpers)), lambda: f"left: {list(filter(runs, helpers))}")
    with Image.open(film) as pictures:
        assert pictures.n_frames > 2
        pictures.seek(pictures.n_frames - 1)
    assert list(folder.iterdir()) == [film]
    assert not list(private.rglob("*.jpg")), "pictures"
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    _sweep()  # as the next start does
    assert not list(private.glob("exostride-gz-*"))
