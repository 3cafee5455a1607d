"""A law from another package is found through its entry point, and runs like one of ours."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from exostride import types

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_control_law"

SCRIPT = """
import json
from exostride import registry
from exostride.bench.control_rig import Rig, RigSetup
rig = Rig(RigSetup("knee_swing", "stance", settings={"belt_speed_m_s": 0.3}, parameters=%s))
ticks = [rig.step() for _ in range(600)]
stiffness = [tick.command.stiffness_nm_rad.tolist() for tick in ticks]
print(json.dumps({"names": registry.names(registry.CONTROLLERS), "stiffness": stiffness}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The example, built and installed into a folder of its own, without touching the environment."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(EXAMPLE, source)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--no-build-isolation", "--target", target, source], check=True, timeout=600)
    return target


def run(site: Path, parameters: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT % parameters],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_law_from_another_package_is_found_and_runs(site):
    done = run(site, "{}")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert "knee_swing" in result["names"]
    assert "impedance" in result["names"]
    largest = [max(column) for column in zip(*result["stiffness"], strict=True)]
    assert largest[1] > 20.0 or largest[4] > 20.0, "a knee must get its spring in swing"
    assert [largest[i] for i in (0, 2, 3, 5)] == [0.0] * 4, "and nothing else"


def test_its_wrong_parameter_is_refused_by_name(site):
    done = run(site, '{"stifness": 1.0}')
    assert done.returncode != 0
    assert "controller knee_swing: stifness: unknown key" in done.stderr


GRID = """
start: in_gait
lead_in_strides: 0
settle_strides: 2
measured_strides: 3
recovery_strides: 0
longest_s: 8.0
speed_m_s: 0.6
default: knee_swing
guidance_levels: []
controllers: [knee_swing]
patients: [unimpaired]
seeds: [0]
"""


def test_it_runs_in_the_benchmark(site, tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "exostride.cli", "bench", "control", "--config", "grid.yaml"]
    done = subprocess.run(
        [*command, "--json", "laws.json", "--jobs", "1"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = {row["controller"]: row for row in json.loads((tmp_path / "laws.json").read_text())["rows"]}
    assert set(rows) == {"knee_swing", "transparent"}
    helped = np.array(rows["knee_swing"]["assistance"])
    assert rows["knee_swing"]["strides"] >= 1
    assert helped[[1, 4]].min() > 0.1, "its knees are helped"
    assert not np.any(rows["transparent"]["assistance"])


@pytest.mark.ros
@pytest.mark.slow
def test_it_runs_in_the_ros_graph(site, stack):
    pytest.importorskip("rclpy")
    pytest.importorskip("exostride_msgs")
    from bags import values

    stack.env["PYTHONPATH"] = os.pathsep.join([str(site), stack.env.get("PYTHONPATH", "")])
    session = {"duration_s": 16.0, "controller": "knee_swing"}
    stack.start(patient="unimpaired", session=session, gait_phase={"estimator": "default"})
    stack.codes()
    found = values(stack.bag)
    assert {settings.controller for settings in found[types.TherapySettings]} == {"knee_swing"}
    stiffness = np.array([command.stiffness_nm_rad for command in found[types.AssistCommand]])
    assert len(stiffness) > 1000
    assert stiffness[:, [1, 4]].max() > 5.0, "a knee must get its spring in swing"
    assert not stiffness[:, [0, 2, 3, 5]].any(), "and nothing else"
