"""The walls of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "exostride" / "exostride"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# From the ground up; a part may import from its own floor and from those below.
FLOORS = (
    ("conventions", "types", "config", "recording", "errors", "paths", "registry", "interfaces", "compiled"),
    ("model", "gait", "safety", "exchange"),
    ("control", "patient", "analysis"),
    ("plant", "report"),
    ("hardware",),
    ("runtime", "monitor"),
    ("nodes", "cli", "commands", "bench", "doctor"),
)
LEVEL = {part: level for level, parts in enumerate(FLOORS) for part in parts}
ROS = ("rclpy", "ament_index_python", "rosidl_runtime_py")


def imports(file: Path) -> list[tuple[int, str]]:
    """Every imported module with its line, function bodies included; relative imports made absolute."""
    found = []
    package = ["exostride", *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.append((node.lineno, module))
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def part(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_ros(module: str) -> bool:
    top = module.partition(".")[0]
    return top in ROS or top.endswith("_msgs")


def test_only_nodes_know_ros():
    breaches = [
        f"{file.relative_to(PACKAGE)}:{line} imports {module}"
        for file in SOURCES
        if part(file) != "nodes"
        for line, module in imports(file)
        if is_ros(module)
    ]
    assert not breaches, "only exostride/nodes may import ROS:\n" + "\n".join(breaches)


def test_every_part_has_its_floor():
    homeless = {part(file) for file in SOURCES} - set(LEVEL) - {"__init__"}
    assert not homeless, f"give {sorted(homeless)} a floor in {Path(__file__).name}"


def test_imports_only_go_down():
    breaches = []
    for file in SOURCES:
        here = LEVEL.get(part(file), 0)
        for line, module in imports(file):
            names = module.split(".")
            if names[0] == "exostride" and len(names) > 1 and LEVEL.get(names[1], 0) > here:
                breaches.append(f"{file.relative_to(PACKAGE)}:{line} imports {module}")
    assert not breaches, "imports only go down:\n" + "\n".join(breaches)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import rclpy.node", True),
        ("def late():\n    from exostride_msgs.msg import ExoState", True),
        ("from sensor_msgs import msg", True),
        ("import numpy as np", False),
        ("from exostride import types", False),
    ],
)
def test_the_guard_sees_every_kind_of_import(tmp_path, monkeypatch, code, expected):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    file = tmp_path / "module.py"
    file.write_text(code)
    assert any(is_ros(module) for _, module in imports(file)) == expected


def test_the_guard_resolves_relative_imports(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "module.py"
    file.write_text("from ..nodes import hardware\nfrom . import sibling")
    modules = {module for _, module in imports(file)}
    assert {"exostride.nodes.hardware", "exostride.model.sibling"} <= modules
