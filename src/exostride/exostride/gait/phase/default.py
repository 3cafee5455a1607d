"""The estimator named ``default``: the one named in ``config/nodes/gait_phase.yaml``, as set there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exostride import registry
from exostride.config import load
from exostride.errors import ConfigError
from exostride.gait.phase.settings import GaitPhaseFile
from exostride.interfaces import PhaseEstimator
from exostride.paths import config_dir

FILE = "nodes/gait_phase.yaml"


def settings() -> GaitPhaseFile:
    """Return the configured estimator and parameters.

    Raises
    ------
    ConfigError
        The file is missing or damaged, or its default is itself ``default``.
    """
    path = config_dir() / FILE
    file = load(GaitPhaseFile, path)
    if file.estimator == "default":
        raise ConfigError(f"{path}: estimator: 'default' is the name for what this file chooses; name that")
    return file


def default(period_s: float, parameters: Mapping[str, Any]) -> PhaseEstimator:
    """Return the configured estimator; ``parameters`` go before those in the file."""
    file = settings()
    make = registry.load(registry.PHASE_ESTIMATORS, file.estimator)
    made: PhaseEstimator = make(period_s, {**file.of(file.estimator), **parameters})
    return made
