"""Small recordings, and the folder of real ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exostride.exchange import MotionEvent, MotionRecording
from exostride.types import EventKind


def data_folder() -> Path | None:
    """Return the folder with recordings of real walkers: ``EXOSTRIDE_DATA``, or beside the checkout."""
    given = os.environ.get("EXOSTRIDE_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[3].parent / "shared" / "data"
    return folder if (folder / "recordings").is_dir() else None


@pytest.fixture(scope="session")
def recordings() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("NO REAL RECORDINGS: set EXOSTRIDE_DATA to the folder that holds recordings/")
    return folder / "recordings"


@pytest.fixture
def walker() -> Callable[..., MotionRecording]:
    """A made-up walker with every kind of column."""

    def build(rate_hz: float = 60.0, seconds: float = 4.0) -> MotionRecording:
        t = np.round(0.5 + np.arange(round(rate_hz * seconds)) / rate_hz, 9)
        wave = 2 * np.pi * t
        columns = {}
        for side, lag in (("left", 0.0), ("right", np.pi)):
            columns[f"hip_{side}"] = 0.2 + 0.4 * np.sin(wave + lag)
            columns[f"knee_{side}"] = 0.5 + 0.45 * np.sin(wave + lag + 1)
            columns[f"ankle_{side}"] = 0.2 * np.sin(wave + lag + 2)
            columns[f"thigh_angle_{side}"] = 0.1 + 0.4 * np.sin(wave + lag)
            columns[f"thigh_rate_{side}"] = 0.8 * np.pi * np.cos(wave + lag)
            columns[f"load_heel_{side}"] = 300 * np.maximum(np.sin(wave + lag), 0)
            columns[f"hee_x_{side}"] = 0.3 * np.sin(wave + lag)
            columns[f"hee_y_{side}"] = np.full_like(t, 0.1)
            columns[f"hee_z_{side}"] = 0.05 + 0.02 * np.cos(wave + lag)
            columns[f"hip_moment_{side}"] = 40 * np.cos(wave + lag)
        columns["plate1_fz"] = 700 * np.abs(np.sin(wave))
        columns["plate1_fx"] = 90 * np.sin(2 * wave)
        columns["plate1_fy"] = 9 * np.sin(3 * wave)
        events = (
            MotionEvent(1.25, 0, EventKind.HEEL_STRIKE),
            MotionEvent(1.5, 1, EventKind.TOE_OFF),
            MotionEvent(2.25, 1, EventKind.HEEL_STRIKE),
        )
        return MotionRecording(t, columns, events)

    return build
