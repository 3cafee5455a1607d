"""Fixtures of the safety tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from kernel_bench import Bench
from safety_world import ROOT, World

from exostride.safety.limits import SafetyLimits, load_limits


@pytest.fixture(scope="session")
def limits() -> SafetyLimits:
    return load_limits(ROOT / "config" / "limits" / "default.yaml")


@pytest.fixture
def world(limits: SafetyLimits) -> World:
    return World(limits)


@pytest.fixture
def bench(limits: SafetyLimits) -> Bench:
    return Bench(limits)
