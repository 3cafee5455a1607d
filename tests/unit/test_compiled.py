"""Stored machine code is made again when what it took in has changed, in whichever file that stands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INNER = """
from exostride.compiled import compiled
FACTOR = {factor}

@compiled
def inner(x: float) -> float:
    return FACTOR * x + {added}
"""
OUTER = """
from exostride.compiled import compiled
from inner_part import inner

@compiled
def outer(x: float) -> float:
    return inner(x) + 0.5

print(outer(3.0), sum(outer.stats.cache_hits.values()))
"""


def answer(folder: Path, factor: float, added: float) -> str:
    """Return what a process prints that imports both files: the result, and whether stored code served."""
    (folder / "inner_part.py").write_text(INNER.format(factor=factor, added=added), encoding="utf-8")
    (folder / "outer_part.py").write_text(OUTER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(folder / "outer_part.py")], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_code_is_stored_and_a_change_of_a_callee_or_its_constant_is_seen(tmp_path: Path) -> None:
    if "NUMBA_DISABLE_JIT" in os.environ:
        pytest.skip("nothing is compiled")
    assert answer(tmp_path, 2.0, 1.0) == "7.5 0"
    assert answer(tmp_path, 2.0, 1.0) == "7.5 1"
    assert answer(tmp_path, 4.0, 1.0) == "13.5 0"
    assert answer(tmp_path, 4.0, 2.0) == "14.5 0"
    assert answer(tmp_path, 4.0, 2.0) == "14.5 1"


BELT = """
from exostride.plant.belt import BeltFirmware
from exostride.plant.config import load_plant_config
from exostride.types import EnvironmentCommand

belt = BeltFirmware(load_plant_config().belt, 0.001)
belt.command(EnvironmentCommand(0, 0.0, belt_speed_m_s=0.5, belt_acceleration_m_s2=0.3))
print([float(belt.step(0.0)) for _ in range(80)], belt.tripped, belt.faults)
"""


def test_the_source_itself_does_what_its_machine_code_does() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", BELT],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"NUMBA_DISABLE_JIT": disabled},
        ).stdout
        for disabled in ("0", "1")
    ]
    assert said[0] == said[1] != ""
