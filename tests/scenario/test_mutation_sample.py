"""A small, fixed sample of mutants of the safety code dies; all of them are for ``make mutation``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "mutation.py"


SAMPLE = 30


@pytest.mark.slow
def test_a_sample_of_mutants_dies(tmp_path):
    """Of the kernel and its parts, the supervisor and a detector."""
    figures = tmp_path / "figures.json"
    modules = ["kernel", "tank", "inbox", "supervisor", "detect_drives"]
    what = ["--modules", *modules, "--sample", str(SAMPLE)]
    command = [sys.executable, str(TOOL), *what, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())["mutation"]
    assert found["total"] == SAMPLE and not found["survivors"] and not found["not_tried"]
