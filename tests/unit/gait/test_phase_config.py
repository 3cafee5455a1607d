"""The YAML file of the estimators: complete, equal to the defaults in the code, strict."""

import pytest

from exostride import registry
from exostride.config import load
from exostride.errors import ConfigError, InputError
from exostride.gait.phase import adaptive_oscillator, ekf, individual, phase_variable, time_based
from exostride.gait.phase.default import FILE, settings
from exostride.gait.phase.settings import GaitPhaseFile
from exostride.paths import config_dir

SCHEMAS = {
    "individual": individual.IndividualParameters,
    "adaptive_oscillator": adaptive_oscillator.AdaptiveOscillatorParameters,
    "ekf": ekf.EkfParameters,
    "phase_variable": phase_variable.PhaseVariableParameters,
    "time_based": time_based.TimeBasedParameters,
}


def test_file_holds_every_estimator_and_every_parameter_at_its_default():
    file = load(GaitPhaseFile, config_dir() / FILE)
    assert set(file.parameters) == set(SCHEMAS)
    for name, schema in SCHEMAS.items():
        assert file.of(name) == schema().model_dump(), name


@pytest.mark.parametrize("name", [*SCHEMAS, "default"])
def test_every_estimator_is_registered_and_rejects_unknown_parameters(name):
    make = registry.load(registry.PHASE_ESTIMATORS, name)
    assert make(0.005, {}).requires
    with pytest.raises(ConfigError, match="no_such"):
        make(0.005, {"no_such": 1})


def test_out_of_range_value_names_key_and_value():
    make = registry.load(registry.PHASE_ESTIMATORS, "individual")
    with pytest.raises(ConfigError, match=r"rate_min_hz = -1"):
        make(0.005, {"rate_min_hz": -1.0})


def test_default_is_the_configured_estimator():
    made = registry.load(registry.PHASE_ESTIMATORS, "default")(0.005, {})
    named = registry.load(registry.PHASE_ESTIMATORS, settings().estimator)
    assert isinstance(made, named)


def test_unknown_estimator_lists_the_known_ones():
    with pytest.raises(InputError, match="individual"):
        registry.load(registry.PHASE_ESTIMATORS, "no_such_estimator")
