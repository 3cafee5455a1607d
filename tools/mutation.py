"""Mutation testing of the safety code: change it in one small place at a time, and see a test fail.

``make mutation`` runs every mutant; ``--sample N`` takes N of them, evenly spread over all and the same in
every run. mutmut wants the package at the top of its folder and no other copy of it in the way, so the code,
its narrow tests and what they read are copied to ``.cache/mutation`` first. Survivors are printed; those
known to change nothing that anybody can see stand in docs/mutation.md with the reason, and are not counted
against the share.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGE = ROOT / ".cache" / "mutation"
PACKAGE = ROOT / "src" / "exostride" / "exostride"
ARGUED = ROOT / "docs" / "mutation.md"
TARGETS = (
    "kernel", "inbox", "shaping", "walls", "tank", "belt", "guard", "intake", "sources", "homing",
    "supervisor", "audit", "audit_chain",
)  # fmt: skip
"""Modules under mutation: the kernel and its parts, the state machine, the log."""
TESTS = (
    "tests/unit/safety/test_kernel.py",
    "tests/unit/safety/test_parts.py",
    "tests/unit/safety/test_shaping.py",
    "tests/unit/safety/test_supervisor.py",
    "tests/unit/safety/test_boundaries.py",
    "tests/unit/safety/test_audit.py",
)
GOAL = 0.99
SETTINGS = """
[tool.mutmut]
source_paths = ["exostride"]
only_mutate = [{only}]
also_copy = ["exostride", "tests", "config", "urdf"]
pytest_add_cli_args = ["-q", "-x", "-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = [{tests}]
timeout_multiplier = 20.0
timeout_constant = 5.0

[tool.pytest.ini_options]
addopts = "--strict-markers --import-mode=importlib"
markers = ["slow: takes more than about five seconds"]
"""


def stage(place: Path, modules: tuple[str, ...], tests_in: tuple[str, ...]) -> None:
    """Copy what is needed; what earlier runs found out about unchanged code stays."""
    place.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for source, name in ((PACKAGE, "exostride"), (ROOT / "config", "config"), (ROOT / "urdf", "urdf"),
                         (ROOT / "tests" / "support", "tests/support"),
                         (ROOT / "tests" / "unit" / "safety", "tests/unit/safety")):  # fmt: skip
        shutil.rmtree(place / name, ignore_errors=True)
        shutil.copytree(source, place / name, ignore=ignore)
    only = ", ".join(f'"exostride/safety/{name}.py"' for name in modules)
    tests = ", ".join(f'"{name}"' for name in tests_in)
    (place / "pyproject.toml").write_text(SETTINGS.format(only=only, tests=tests))


def mutmut(place: Path, *arguments: str, quiet: bool = False) -> str:
    """Run mutmut in the stage and return what it prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode and not quiet:
        sys.exit(f"mutmut {' '.join(arguments[:3])} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def results(place: Path) -> dict[str, str]:
    """Return the verdict on each mutant by name."""
    rows = re.findall(
        r"^\s*(exostride\S+): (.+?)\s*$", mutmut(place, "results", "--all", "true"), re.MULTILINE
    )
    return dict(rows)


def argued() -> set[str]:
    """Return the mutants that docs/mutation.md names and argues."""
    return (
        set(re.findall(r"`(exostride\.safety\.\S+__mutmut_\d+)`", ARGUED.read_text()))
        if ARGUED.exists()
        else set()
    )


def spread(names: list[str], count: int) -> list[str]:
    """Return ``count`` of the names, evenly over all."""
    if count <= 0 or count >= len(names):
        return names
    return [names[i * len(names) // count] for i in range(count)]


def report(verdicts: dict[str, str], json_file: Path | None) -> int:
    """Print what lived and died; return the exit code."""
    dead = [n for n, v in verdicts.items() if v in ("killed", "timeout", "caught by type check", "segfault")]
    alive = sorted(set(verdicts) - set(dead))
    known = argued()
    open_ = [name for name in alive if name not in known]
    counted = len(verdicts) - (len(alive) - len(open_))
    share = len(dead) / counted if counted else 1.0
    for name in alive:
        print(f"{'argued  ' if name in known else 'SURVIVED'} {name}: {verdicts[name]}")
    print(
        f"{len(dead)} of {len(verdicts)} mutants killed, {len(alive) - len(open_)} argued in "
        f"{ARGUED.relative_to(ROOT)}, {len(open_)} survived: {100 * share:.2f} % (goal {100 * GOAL:.0f} %)"
    )
    if json_file is not None:
        body = {
            "killed": len(dead),
            "total": len(verdicts),
            "survivors": open_,
            "argued": len(alive) - len(open_),
        }
        json_file.write_text(json.dumps({"mutation": body}, indent=1) + "\n")
    return 0 if share >= GOAL else 1


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Mutation testing of the safety code.")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N mutants; 0: all")
    parser.add_argument("--children", type=int, default=1, metavar="N", help="processes at a time")
    parser.add_argument("--json", type=Path, default=None, metavar="F", help="write the figures there")
    parser.add_argument("--modules", nargs="+", default=TARGETS, metavar="M", help="only these of safety/")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="F", help="only these test files")
    chosen = parser.parse_args()
    place = STAGE
    if chosen.modules != TARGETS or chosen.tests != TESTS:
        # What the whole run has found out is worth keeping.
        place = STAGE.with_name(f"mutation-{'-'.join(chosen.modules)}")
    stage(place, tuple(chosen.modules), tuple(chosen.tests))
    jobs = ("--max-children", str(chosen.children))
    mutmut(place, "run", *jobs, "exostride.safety.no_such_mutant*", quiet=True)
    names = spread(sorted(results(place)), chosen.sample)
    mutmut(place, "run", *jobs, *names)
    found = results(place)
    return report({name: found[name] for name in names}, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
