"""Builds the phase estimator from its name and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exostride import registry
from exostride.runtime.assembly.stack import StackConfig
from exostride.runtime.component import PhaseComponent


def make_phase(config: StackConfig, estimator: str, parameters: Mapping[str, Any]) -> PhaseComponent:
    """Return the phase estimator ``estimator`` as a component."""
    made = registry.load(registry.PHASE_ESTIMATORS, estimator)(config.period_s, parameters)
    return PhaseComponent(made, config.period_s)
