"""Every line and every branch of the safety code is run by its own unit tests."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[2] / "tools" / "safety_coverage.py"


def test_nothing_of_the_safety_code_is_left_out():
    done = subprocess.run([sys.executable, TOOL], capture_output=True, text=True, check=False, timeout=1700)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100.00 % run" in done.stdout, done.stdout
    assert "100.00 % taken" in done.stdout, done.stdout
