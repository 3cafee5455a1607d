import numpy as np
import pytest

from exostride.model.anthropometry import BodyParameters
from exostride.plant.config import load_plant_config
from exostride.plant.plant import Plant
from exostride.plant.stance import StiffStance
from exostride.types import DriveCommand, EnvironmentCommand, KernelOutput, joints


@pytest.fixture(scope="session")
def config():
    return load_plant_config()


@pytest.fixture
def make_plant(config):
    def make(robot="exoskeleton", patient=None, surface="treadmill", seam=None, config=config):
        return Plant(config, BodyParameters(), patient or StiffStance(), robot, surface, seam)

    return make


@pytest.fixture(scope="session")
def output():
    def make(drive=None, **environment):
        return KernelOutput(
            drive=drive or DriveCommand(),
            environment=EnvironmentCommand(seq=0, time_s=0.0, **environment),
            requested_nm=joints(),
            reasons=np.zeros(6, dtype=np.uint32),
            reason=0,
            mode=0,
            tank_j=0.0,
            command_age_ticks=0,
            environment_age_ticks=0,
            permit_age_ticks=0,
            rejected_messages=0,
        )

    return make


@pytest.fixture(scope="session")
def run():
    def loop(plant, ticks, output=None):
        """Advance by ticks of 5 ms; return the senses."""
        senses = []
        for _ in range(ticks):
            if output is not None:
                plant.command(output)
            senses.append(plant.think())
            plant.advance(5)
        return senses

    return loop
