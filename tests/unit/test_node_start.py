"""How the nodes' executables start: all are there, and a signal during loading is no traceback."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from exostride.nodes import start

SETUP = Path(__file__).parents[2] / "src" / "exostride" / "setup.py"


def test_every_executable_of_the_package_starts_its_node(monkeypatch):
    begun = []
    monkeypatch.setattr(start, "import_module", lambda name: begun.append(name) or sys)
    monkeypatch.setattr(sys, "main", lambda: None, raising=False)
    monkeypatch.setattr(start.signal, "signal", lambda number, what: None)
    tree = ast.parse(SETUP.read_text())
    (nodes,) = (
        ast.literal_eval(part.value)
        for part in tree.body
        if isinstance(part, ast.Assign) and part.targets[0].id == "NODES"
    )
    for node in nodes:
        getattr(start, node)()
    assert begun == [f"exostride.nodes.{node}" for node in nodes]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_while_a_node_loads_ends_it_without_a_word(number, code):
    loading = (
        "import os, time; from exostride.nodes import start; "
        f"start.import_module = lambda name: (os.kill(os.getpid(), {int(number)}), time.sleep(60)); "
        "start.hardware()"
    )
    ended = subprocess.run([sys.executable, "-c", loading], capture_output=True, check=False, timeout=300)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, b"", b"")
