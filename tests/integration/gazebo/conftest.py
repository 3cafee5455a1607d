"""Makes sure of a Gazebo, or says loudly that these tests did not run and why."""

import subprocess
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "gazebo.sh"
_not_run = []


def _install():
    """Return an empty text, or why there is no Gazebo."""
    if subprocess.run([TOOL, "status"], check=False, capture_output=True).returncode == 0:
        return ""
    done = subprocess.run([TOOL, "install"], check=False, capture_output=True, text=True, timeout=1500)
    lines = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else f"exit code {done.returncode}")


@pytest.fixture(scope="session")
def gazebo():
    """A complete Gazebo; installed if it can be."""
    problem = _install()
    if problem:
        _not_run.append(problem)
        pytest.skip(f"GAZEBO TESTS NOT RUN: {problem}")


def pytest_terminal_summary(terminalreporter):
    if _not_run:
        terminalreporter.section("GAZEBO TESTS NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(f"tests/integration/gazebo was left out: {_not_run[0]}")
        terminalreporter.line("nothing about Gazebo is known from this run; see docs/gazebo.md")
