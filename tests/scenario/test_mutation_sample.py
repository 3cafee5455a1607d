"""A small, fixed sample of mutants of the safety code dies; all of them are for ``make mutation``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "mutation.py"


@pytest.mark.slow
def test_a_sample_of_mutants_dies(tmp_path):
    figures = tmp_path / "figures.json"
    what = ["--modules", "tank", "--tests", "tests/unit/safety/test_boundaries.py", "--sample", "12"]
    command = [sys.executable, str(TOOL), *what, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())["mutation"]
    assert found["total"] == 12 and not found["survivors"]
