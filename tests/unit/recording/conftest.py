"""Values of every kind and small bags to record, damage and read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exostride.recording.definitions import Definitions
from exostride.recording.session_info import SessionInfo
from exostride.recording.topics import TOPICS
from exostride.recording.writer import BagWriter, WriterOptions

PERIOD_NS = 5_000_000


def random_value(cls: type, rng: np.random.Generator, time_s: float, seq: int) -> Any:
    """Return an instance of ``cls`` with a different number in every field."""
    required = {
        f.name: 0
        for f in dataclasses.fields(cls)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    base = cls(**required)
    changes: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        value = getattr(base, item.name)
        if isinstance(value, np.ndarray) and value.dtype == np.uint32:
            changes[item.name] = rng.integers(0, 1 << 32, value.shape, dtype=np.uint32)
        elif isinstance(value, np.ndarray):
            changes[item.name] = rng.normal(size=value.shape)
        elif isinstance(value, str):
            changes[item.name] = "grün " * int(rng.integers(0, 4))
        elif isinstance(value, tuple):
            changes[item.name] = tuple(f"F{int(i):02d}" for i in rng.integers(1, 39, rng.integers(0, 4)))
        elif isinstance(value, bool):
            changes[item.name] = bool(rng.integers(0, 2))
        elif isinstance(value, float):
            changes[item.name] = float(rng.normal())
        else:
            changes[item.name] = int(rng.integers(0, 5))
    for name, value in (("seq", seq), ("time_s", time_s), ("stamp_s", time_s)):
        if name in changes:
            changes[name] = value
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    return Definitions()


@pytest.fixture(scope="session")
def value_classes() -> list[type]:
    return [topic.value for topic in TOPICS if topic.value is not None]


@pytest.fixture(scope="session")
def make_value() -> Callable[..., Any]:
    return random_value


@pytest.fixture(scope="session")
def options() -> Callable[..., WriterOptions]:
    """Options of a bag that does not depend on the machine: no thread, no limit on the disk."""

    def build(**changes: Any) -> WriterOptions:
        plain: dict[str, Any] = {"sync_interval_s": None, "start_free_bytes": 0, "stop_free_bytes": 0}
        return WriterOptions(**{**plain, **changes})

    return build


@pytest.fixture(scope="session")
def record(
    value_classes: list[type], options: Callable[..., WriterOptions]
) -> Callable[..., dict[str, list[Any]]]:
    """Write a bag of ``ticks`` ticks with all our topics; return what was written, by topic."""

    def write(folder: Path, ticks: int, seed: int = 0, **changes: Any) -> dict[str, list[Any]]:
        rng = np.random.default_rng(seed)
        written: dict[str, list[Any]] = {}
        session = SessionInfo(
            patient={"patient_id": "P7"}, seeds={"noise": seed}, versions={}, started="2024"
        )
        with BagWriter(folder, session, options(**changes)) as writer:
            writer.add_standard_topics()
            for seq in range(ticks):
                for cls, topic in zip(value_classes, TOPICS, strict=False):
                    if cls.__name__ in ("SafetyState", "TherapySettings") and seq % 10:
                        continue
                    value = random_value(cls, rng, seq * 0.005, seq)
                    assert writer.write_value(value, seq * PERIOD_NS, time_s=seq * 0.005)
                    written.setdefault(topic.bag_name, []).append(value)
        return written

    return write
