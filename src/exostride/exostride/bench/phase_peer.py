"""The PyPI package ``adaptive-oscillator`` behind our interface, to measure it side by side."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from exostride.types import ExoState, GaitEvent, GaitPhase, GaitState, Signal

NAME = "pypi_adaptive_oscillator"


def available() -> bool:
    """Return whether the package is installed."""
    return importlib.util.find_spec("adaptive_oscillator") is not None


class PeerOscillator:
    """The package's oscillator with its own parameters, one a leg.

    Shown is the phase of the oscillator itself, which ``AdaptiveOscillator.update`` returns for a time and
    an angle; the event correction of its ``GaitPhaseEstimator`` made it worse on every recording tried.
    It reports no confidence and no events.
    """

    requires: Signal = Signal.SEGMENT

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        module = importlib.import_module("adaptive_oscillator.oscillator")
        with contextlib.suppress(ImportError):
            importlib.import_module("loguru").logger.disable("adaptive_oscillator")
        self._legs: list[Any] = [module.AdaptiveOscillator(), module.AdaptiveOscillator()]
        self._start = math.nan

    def step(self, t: float, state: ExoState) -> tuple[GaitPhase, Sequence[GaitEvent]]:
        """Return its phase of each leg that is measured."""
        if math.isnan(self._start):
            # Its integrator starts at time zero: an earlier one would make it integrate backwards.
            self._start = t - self.period_s
        phase, rate = np.zeros(2), np.zeros(2)
        for side, leg in enumerate(self._legs):
            angle = float(state.segment_angle_rad[3 * side])
            if state.segment_valid >> 3 * side & 1 and math.isfinite(angle):
                phase[side] = (leg.update(t - self._start, angle) + math.pi) / (2.0 * math.pi) % 1.0
                rate[side] = leg.omega / (2.0 * math.pi)
        return GaitPhase(state.seq, t, phase, rate, state=GaitState.WALKING), ()
