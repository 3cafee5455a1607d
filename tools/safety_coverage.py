"""Measures which lines and branches of the safety code its unit tests run; fails below all of them.

make coverage
make coverage ARGS="--json F"
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("tests/unit/safety",)


def measure(folder: Path) -> dict[str, Any]:
    """Run the tests under coverage and return its report.

    Raises
    ------
    SystemExit
        A test failed; its output has been shown.
    """
    environment = {**os.environ, "COVERAGE_FILE": str(folder / "data")}
    tool = [sys.executable, "-m", "coverage"]
    run = [
        *tool,
        "run",
        "--branch",
        "--source=exostride.safety",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*run, *TESTS], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        raise SystemExit(1)
    report = folder / "report.json"
    subprocess.run(
        [*tool, "json", "-q", "-o", str(report)], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def share(report: dict[str, Any]) -> dict[str, float]:
    """Return the parts of lines and of branches that were run [%]."""
    total = report["totals"]
    return {
        "line": 100.0 * total["covered_lines"] / total["num_statements"],
        "branch": 100.0 * total["covered_branches"] / total["num_branches"],
    }


def lines(report: dict[str, Any]) -> list[str]:
    """Return what is not covered, file by file, and the figures of the whole."""
    missing = [
        f"{name}: lines {file['missing_lines']}, branches {file['missing_branches']}"
        for name, file in sorted(report["files"].items())
        if file["missing_lines"] or file["missing_branches"]
    ]
    total, run = report["totals"], share(report)
    return [
        *missing,
        f"safety: {total['num_statements']} statements, {run['line']:.2f} % run; "
        f"{total['num_branches']} branches, {run['branch']:.2f} % taken",
    ]


def main() -> int:
    """Print the figures; return 1 when anything is left out."""
    parser = argparse.ArgumentParser(description="Coverage of the safety code by its unit tests.")
    parser.add_argument("--json", type=Path, default=None, metavar="F", help="write the figures there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder))
    found = lines(report)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"coverage": share(report)}, indent=1) + "\n")
    print("\n".join(found))
    return int(len(found) > 1)


if __name__ == "__main__":
    sys.exit(main())
