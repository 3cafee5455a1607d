"""The images' recipes: same scripts as make, pinned bases, a user of their own; nothing is built here."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
RECIPES = sorted(DOCKER.glob("*.Dockerfile"))


def lines(recipe):
    """Return a recipe's instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", recipe.read_text())
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: p.stem)
def test_an_image_is_made_by_the_scripts_that_make_runs(recipe):
    runs = " ".join(line for line in lines(recipe) if line.startswith("RUN"))
    named = set(re.findall(r"tools/[\w.]+\.sh", runs))
    assert named == {"tools/bootstrap.sh", "tools/gazebo.sh"}
    assert all((ROOT / name).is_file() for name in named)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: p.stem)
def test_an_image_is_pinned_watched_and_not_run_by_root(recipe):
    instructions = lines(recipe)
    bases = [line.split("=", 1)[1] for line in instructions if line.startswith("ARG BASE=")]
    assert bases and all(":" in base and not base.endswith(":latest") for base in bases)
    users = [line.split()[1] for line in instructions if line.startswith("USER")]
    assert users[-1] == "exostride"
    assert instructions.index("USER exostride") > max(
        i for i, line in enumerate(instructions) if line.startswith("RUN")
    )
    assert any(line.startswith("HEALTHCHECK") and "doctor" in line for line in instructions)
    for line in instructions:
        if line.startswith("COPY") and not line.startswith("COPY . "):
            assert (ROOT / line.split()[1]).exists(), line


def test_compose_builds_what_is_there_and_asks_for_commands_that_exist():
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    known = set(re.findall(r"^  (\w+)\)", (DOCKER / "entrypoint.sh").read_text(), re.MULTILINE))
    assert {"demo", "test", "gazebo", "doctor"} <= known
    for name, service in services.items():
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
            assert not service["image"].endswith(":latest")
        if name in ("demo", "gazebo", "test"):
            assert service["command"] in known
        if name == "rviz":
            assert (ROOT / service["command"].split()[-1]).is_file()
            assert "rviz2" in (DOCKER / "ros.Dockerfile").read_text()
            assert service["build"]["args"]["DESKTOP"] == 1
        if name == "foxglove":
            assert service["command"].split()[2] == "foxglove_bridge"
            assert "-foxglove-bridge" in (DOCKER / "ros.Dockerfile").read_text()
