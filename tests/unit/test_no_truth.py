"""No control law, no estimator and no observer can see what only a simulation knows."""

import ast
import dataclasses
from pathlib import Path

import pytest

import exostride
from exostride import interfaces, types

ROOT = Path(exostride.__file__).parent
INJECTS = ROOT / "safety" / "injection.py"
"""Puts faults into a simulation and marks them there; it decides nothing."""
JUDGED = sorted(
    {f for part in ("control", "gait", "safety") for f in (ROOT / part).rglob("*.py")} - {INJECTS}
)
NODES = [ROOT / "nodes" / f"{name}.py" for name in ("controller", "gait_phase", "safety")]
ALLOWED = {"exostride.patient.passive"}
"""Healthy tissue, a published law; nothing of one patient."""


def sights(source: str) -> list[str]:
    """Return every place in a source that names the truth or imports what knows it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [getattr(node, key, None) for key in ("id", "attr", "name", "arg")]
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 60:
            names.append(node.value)
        found += [n for n in names if isinstance(n, str) and _tells(n)]
        if isinstance(node, ast.Import):
            found += [item.name for item in node.names if _knows(item.name)]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [node.module, *(f"{node.module}.{item.name}" for item in node.names)]
            if not ALLOWED & set(whole):
                found += [name for name in whole if _knows(name)]
    return found


def _tells(name: str) -> bool:
    return "SimTruth" in name or "sim/truth" in name or "truth" in name.split(".")


def _knows(module: str) -> bool:
    return module.startswith(("exostride.plant", "exostride.patient", "exostride.hardware.simulated"))


@pytest.mark.parametrize("file", [*JUDGED, *NODES], ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_that_decides_names_the_truth(file):
    assert sights(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from exostride.types import SimTruth",
        "from exostride import types\nx = types.SimTruth",
        "import exostride.plant.world",
        "from exostride.plant import world",
        "def late():\n    from exostride.patient.virtual import VirtualPatient",
        "from exostride.hardware.simulated import SimulatedDevice",
        "torque = reading.truth.patient_active_torque_nm",
        "truth = getattr(reading, 'truth')",
        "node.subscribe('sim/truth', f)",
        "def law(truth): return truth",
    ],
)
def test_the_guard_bites(source):
    assert sights(source) != []


def test_nothing_that_is_handed_to_a_law_holds_the_truth():
    for value in (types.ExoState, types.EnvironmentState, types.GaitPhase, types.TherapySettings):
        kinds = {str(field.type) for field in dataclasses.fields(value)}
        assert not any("Truth" in kind for kind in kinds), value
    for protocol in (interfaces.AssistController, interfaces.EnvironmentLaw, interfaces.PhaseEstimator):
        assert "SimTruth" not in str(protocol.step.__annotations__)
