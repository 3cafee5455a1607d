"""Fixtures of the safety tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from kernel_bench import Bench
from safety_world import PERIOD, ROOT, World
from spasm_leg import Course

from exostride.safety import detect_spasm
from exostride.safety.detect_spasm import Leg
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


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> type[Course]:
    """What stands in for the expected torque of every leg made in this test."""

    class Fresh(Course):
        pass

    monkeypatch.setattr(detect_spasm, "ExpectedTorque", Fresh)
    return Fresh


@pytest.fixture
def leg(limits: SafetyLimits, course: type[Course]) -> Leg:
    return Leg(limits, PERIOD)
