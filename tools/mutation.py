"""Mutation testing of the safety code: change it in one small place at a time, and see a test fail.

``make mutation`` runs every mutant; ``--sample N`` takes N of them, evenly spread over all, another N with
another ``--seed``. What is known stays in ``.cache`` until the mutated function changes, and a run that has
used up its ``--budget`` is gone on with by the next; survivors are tried again every time. mutmut wants the
package at the top of its folder and no other copy of it in the way, so the code, its narrow tests and what
they read are copied first. Survivors are printed; those known to change nothing that anybody can see stand
in docs/mutation.md with the reason, and are not counted against the share.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGE = ROOT / ".cache" / "mutation"
PACKAGE = ROOT / "src" / "exostride" / "exostride"
ARGUED = ROOT / "docs" / "mutation.md"
TARGETS = (
    "kernel", "inbox", "shaping", "walls", "tank", "belt", "guard", "intake", "sources", "homing",
    "supervisor", "selftest", "snapshot", "component", "detect_drives", "injection", "audit", "audit_chain",
)  # fmt: skip
"""Modules under mutation: the kernel and its parts, the supervisor, injected faults, the log."""
TESTS = tuple(
    f"tests/unit/safety/test_{name}.py"
    for name in (
        "kernel", "kernel_modes", "kernel_protection", "kernel_environment", "parts", "shaping", "boundaries",
        "inbox",
        "supervisor", "selftest", "operators", "detect_drives", "faults_drives", "injection", "audit",
    )
)  # fmt: skip
"""The quick ones: a mutant that lives is met with all of them."""
GOAL = 0.99
DEAD = ("killed", "timeout", "caught by type check", "segfault")
_END_S = 20.0
UNKNOWN = ("not checked", "check was interrupted by user")
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


def mutmut(place: Path, *arguments: str, quiet: bool = False, budget_s: float | None = None) -> str:
    """Run mutmut in the stage, for so long at most, and return what it prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    pipe = subprocess.PIPE
    run = subprocess.Popen(command, cwd=place, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        out, err = run.communicate(timeout=budget_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(run.pid, signal.SIGINT)  # each verdict is in its file already
        try:
            return run.communicate(timeout=_END_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return run.communicate()[0]
    if run.returncode and not quiet:
        sys.exit(f"mutmut {' '.join(arguments[:3])} failed:\n{out[-3000:]}{err[-3000:]}")
    return out


def results(place: Path) -> dict[str, str]:
    """Return the verdict on each mutant by name."""
    rows = re.findall(
        r"^\s*(exostride\S+): (.+?)\s*$", mutmut(place, "results", "--all", "true"), re.MULTILINE
    )
    return dict(rows)


def strictness_only(place: Path, name: str) -> bool:
    """Return whether a mutant only changes what ``zip`` does with lists of different lengths.

    docs/mutation.md argues these together: the lists are made of six, or checked, before.
    """
    sides: dict[str, str] = {"-": "", "+": ""}
    for line in mutmut(place, "show", name).splitlines():
        if line[:1] in sides and not line.startswith(("---", "+++")):
            sides[line[0]] += "".join(line[1:].split())
    before, after = (re.sub(r",?(strict=\w+)?,?(?=\)|$)", "", side) for side in sides.values())
    return bool(before) and before == after


def argued() -> set[str]:
    """Return the mutants that docs/mutation.md names and argues."""
    return (
        set(re.findall(r"`(exostride\.safety\.\S+__mutmut_\d+)`", ARGUED.read_text()))
        if ARGUED.exists()
        else set()
    )


def spread(names: list[str], count: int, seed: int) -> list[str]:
    """Return ``count`` of the names, evenly over all, beginning where ``seed`` says."""
    if count <= 0 or count >= len(names):
        return names
    shift = random.Random(seed).random()
    return [names[int((i + shift) * len(names) / count)] for i in range(count)]


def report(place: Path, verdicts: dict[str, str], json_file: Path | None) -> int:
    """Print what lived and died; return the exit code."""
    unknown = [n for n, v in verdicts.items() if v in UNKNOWN]
    dead = [n for n, v in verdicts.items() if v in DEAD]
    alive = sorted(set(verdicts) - set(dead) - set(unknown))
    known = argued() | {name for name in alive if strictness_only(place, name)}
    open_ = [name for name in alive if name not in known]
    tried = len(dead) + len(alive)
    counted = len(dead) + len(open_)
    share = len(dead) / counted if counted else 1.0
    for name in alive:
        print(f"{'argued  ' if name in known else 'SURVIVED'} {name}: {verdicts[name]}")
    print(
        f"{len(dead)} of {tried} mutants killed, {len(alive) - len(open_)} argued in "
        f"{ARGUED.relative_to(ROOT)}, {len(open_)} survived: {100 * share:.2f} % (goal {100 * GOAL:.0f} %)"
        + (f"; {len(unknown)} not tried yet" if unknown else "")
    )
    if json_file is not None:
        body = {
            "killed": len(dead),
            "total": tried,
            "not_tried": len(unknown),
            "survivors": open_,
            "argued": len(alive) - len(open_),
        }
        json_file.write_text(json.dumps({"mutation": body}, indent=1) + "\n")
    return 0 if share >= GOAL and tried else 1


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Mutation testing of the safety code.")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="which N")
    parser.add_argument("--budget", type=float, default=None, metavar="S", help="stop after so long [s]")
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
    before = results(place)
    names = spread(sorted(before), chosen.sample, chosen.seed)
    todo = [name for name in names if before[name] not in DEAD]
    if todo:
        mutmut(place, "run", *jobs, *todo, budget_s=chosen.budget)
    found = results(place)
    return report(place, {name: found[name] for name in names}, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
