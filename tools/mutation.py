"""Mutation testing of the safety code: change it in one small place at a time, and see a test fail.

``make mutation`` runs every mutant of every module against the quick tests that are that module's own;
``--sample N`` takes N of them, evenly spread over all, another N with another ``--seed``. What is known
stays in ``.cache`` until the mutated function changes, and a run that has used up its ``--budget`` is gone
on with by the next; survivors are tried again every time. mutmut wants the package at the top of its folder
and no other copy of it in the way, so the code, its tests and what they read are copied first. Survivors are
printed; those known to change nothing that anybody can see stand in docs/mutation.md with the reason, and
are not counted against the share.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
PACKAGE = ROOT / "src" / "exostride" / "exostride"
ARGUED = ROOT / "docs" / "mutation.md"
TESTS: dict[str, tuple[str, ...]] = {
    "kernel": ("kernel_told", "kernel_energy", "kernel_modes", "kernel", "estop"),
    "inbox": ("inbox",),
    "shaping": ("shaping_exact", "shaping"),
    "walls": ("boundaries", "parts"),
    "tank": ("boundaries", "parts"),
    "belt": ("belt",),
    "guard": ("guard",),
    "intake": ("intake", "inbox", "parts"),
    "sources": ("sources",),
    "homing": ("parts", "selftest", "estop"),
    "estop": ("estop",),
    "supervisor": ("supervisor_stops", "supervisor"),
    "selftest": ("selftest",),
    "snapshot": ("snapshot",),
    "component": ("component_inputs", "component_outputs", "component", "operators", "causes_gone"),
    "detectors": ("detectors", "estop"),
    "detect_body": ("detect_balance", "detect_feet", "detect_body"),
    "detect_drives": ("detect_drives",),
    "detect_environment": ("detect_environment",),
    "detect_messages": ("detect_messages",),
    "detect_sensors": ("detect_sensors", "stuck_and_drift"),
    "detect_spasm": ("spasm_bounds", "spasm_judged", "spasm_told"),
    "expected": ("expected_exact",),
    "rhythm": ("rhythm",),
    "walker": ("walker_exact",),
    "limits": ("limits",),
    "thresholds": ("document_tables",),
    "faults": ("document_tables",),
    "document": ("document_tables",),
    "injection": ("injection",),
    "audit": ("audit",),
    "audit_chain": ("audit_chain", "audit"),
}
"""Each module of ``safety/`` with the tests of ``tests/unit/safety`` that are its own."""
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


def stage(module: str, tests: tuple[str, ...]) -> Path:
    """Copy what is needed; what earlier runs found out about unchanged code stays."""
    place = CACHE / f"mutation-{module}"
    place.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for source, name in ((PACKAGE, "exostride"), (ROOT / "config", "config"), (ROOT / "urdf", "urdf"),
                         (ROOT / "tests" / "support", "tests/support"),
                         (ROOT / "tests" / "unit" / "safety", "tests/unit/safety")):  # fmt: skip
        shutil.rmtree(place / name, ignore_errors=True)
        shutil.copytree(source, place / name, ignore=ignore)
    chosen = ", ".join(f'"{name}"' for name in tests)
    settings = SETTINGS.format(only=f'"exostride/safety/{module}.py"', tests=chosen)
    (place / "pyproject.toml").write_text(settings)
    measure_again(place / "mutants" / "mutmut-stats.json")
    return place


def measure_again(stats: Path) -> None:
    """Have it found out anew which tests run which function; what is known of the mutants stays.

    mutmut asks that of new tests only: an old one that runs a new function would not be tried against it.
    """
    if stats.exists():
        known = json.loads(stats.read_text())
        known |= {"tests_by_mangled_function_name": {}, "duration_by_test": {}}
        stats.write_text(json.dumps(known))


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
    return "strict=" in sides["-"] and before == after


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


class Tally:
    """What became of one module's mutants."""

    def __init__(self, place: Path, verdicts: dict[str, str]) -> None:
        self.dead = [name for name, verdict in verdicts.items() if verdict in DEAD]
        self.unknown = [name for name, verdict in verdicts.items() if verdict in UNKNOWN]
        alive = sorted(set(verdicts) - set(self.dead) - set(self.unknown))
        known = argued()
        self.argued = [name for name in alive if name in known or strictness_only(place, name)]
        self.open = [name for name in alive if name not in self.argued]

    def row(self, module: str) -> str:
        """Return the module's line of the table."""
        tried = len(self.dead) + len(self.argued) + len(self.open)
        cells = (f"{tried} of {tried + len(self.unknown)}", len(self.dead), len(self.argued), len(self.open))
        return f"| `{module}` | " + " | ".join(str(cell) for cell in cells) + " |"


def report(tallies: dict[str, Tally], json_file: Path | None) -> int:
    """Print what lived and died; return the exit code."""
    dead, unknown, known, open_ = (
        [name for tally in tallies.values() for name in getattr(tally, kind)]
        for kind in ("dead", "unknown", "argued", "open")
    )
    counted = len(dead) + len(open_)
    share = len(dead) / counted if counted else 1.0
    for name in known:
        print(f"argued   {name}")
    for name in open_:
        print(f"SURVIVED {name}")
    print("| module | mutants tried | killed | argued | alive |\n| --- | --- | --- | --- | --- |")
    for module, tally in tallies.items():
        print(tally.row(module))
    print(
        f"{len(dead)} of {counted + len(known)} mutants killed, {len(known)} argued in "
        f"{ARGUED.relative_to(ROOT)}, {len(open_)} survived: {100 * share:.2f} % (goal {100 * GOAL:.0f} %)"
        + (f"; {len(unknown)} not tried yet" if unknown else "")
    )
    if json_file is not None:
        body = {
            "killed": len(dead),
            "total": counted + len(known),
            "not_tried": len(unknown),
            "survivors": open_,
            "argued": len(known),
        }
        json_file.write_text(json.dumps({"mutation": body}, indent=1) + "\n")
    return 0 if share >= GOAL and counted else 1


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Mutation testing of the safety code.")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1, metavar="K", help="which N")
    parser.add_argument("--budget", type=float, default=math.inf, metavar="S", help="stop after so long [s]")
    parser.add_argument("--children", type=int, default=1, metavar="N", help="processes at a time")
    parser.add_argument("--json", type=Path, default=None, metavar="F", help="write the figures there")
    parser.add_argument(
        "--modules", nargs="+", default=list(TESTS), metavar="M", help="only these of safety/"
    )
    parser.add_argument("--tests", nargs="+", default=None, metavar="F", help="against these files instead")
    chosen = parser.parse_args()
    strangers = [name for name in chosen.modules if name not in TESTS]
    if strangers:
        parser.error(f"unknown module {strangers[0]}; known are {', '.join(TESTS)}")
    jobs = ("--max-children", str(chosen.children))
    places, before = {}, {}
    for module in chosen.modules:
        own = tuple(f"tests/unit/safety/test_{name}.py" for name in TESTS[module])
        places[module] = stage(module, tuple(chosen.tests or own))
        mutmut(places[module], "run", *jobs, "exostride.safety.no_such_mutant*", quiet=True)
        before[module] = results(places[module])
    picked = set(
        spread([name for found in before.values() for name in sorted(found)], chosen.sample, chosen.seed)
    )
    end = time.monotonic() + chosen.budget
    tallies = {}
    for module, place in places.items():
        names = sorted(picked & set(before[module]))
        todo = [name for name in names if before[module][name] not in DEAD]
        left = end - time.monotonic()
        if todo and left > 0.0:
            mutmut(place, "run", *jobs, *todo, budget_s=None if math.isinf(left) else left)
        found = results(place)
        tallies[module] = Tally(place, {name: found[name] for name in names})
    return report(tallies, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
