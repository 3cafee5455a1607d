"""The ``simulated`` device: the MuJoCo plant behind the protocol of every exoskeleton."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.errors import ConfigError, DeviceError
from exostride.model.anthropometry import BodyParameters
from exostride.patient.assessed import AssessedPatient
from exostride.patient.interface import PatientModel
from exostride.patient.profiles import load_patient
from exostride.plant.config import PlantConfig, load_plant_config
from exostride.plant.engine import EngineFactory, MujocoEngine
from exostride.plant.plant import Plant
from exostride.plant.reading import Instruments
from exostride.plant.seam import FaultSeam
from exostride.plant.sensors import SensorPipeline
from exostride.plant.stance import StiffStance
from exostride.types import DeviceReading, DriveApplied, KernelOutput

STIFF = "stance"


class SimulatedParameters(StrictModel):
    """Parameters of the device.

    ``patient`` is the name of a profile in ``config/patients`` or a path; ``stance`` is a body that only
    stands stiffly. ``instruction`` is what the patient was told: to walk, or to let the legs hang in the
    harness and push where the robot holds one still (:mod:`exostride.patient.assessed`). ``plant`` is a file
    as ``config/plant/default.yaml`` (empty: that one).
    """

    patient: str = "hemiparetic_left_mild"
    instruction: Literal["walk", "assess"] = "walk"
    robot: Literal["exoskeleton", "none"] = "exoskeleton"
    surface: Literal["treadmill", "ground"] = "treadmill"
    seed: int = Field(0, ge=0)
    plant: str = ""


class SimulatedDevice:
    """Exoskeleton, patient and treadmill in MuJoCo; every ``write`` advances them by one control period.

    A device with another engine under the same plant says so in :meth:`engine`.
    """

    name: ClassVar[str] = "simulated"
    parameters: ClassVar[type[SimulatedParameters]] = SimulatedParameters

    def __init__(self) -> None:
        self._plant: Plant | None = None
        self.seam: FaultSeam | None = None

    def configure(self, parameters: Mapping[str, Any], period_s: float) -> None:
        """Build the world for ticks of ``period_s`` seconds; see :class:`SimulatedParameters`.

        Raises
        ------
        InputError
            There is no such patient.
        ConfigError
            A parameter is unknown or out of range, or the period is no multiple of the physics step.
        """
        p = validate(self.parameters, dict(parameters), f"device {self.name}")
        config = load_plant_config(Path(p.plant) if p.plant else None)
        steps = round(period_s / config.physics.timestep_s)
        if steps < 1 or abs(steps * config.physics.timestep_s - period_s) > 1e-9:
            raise ConfigError(
                f"device {self.name}: control period {period_s * 1e3:g} ms is no multiple of the physics "
                f"step {config.physics.timestep_s * 1e3:g} ms; use 100, 125, 200, 250 or 500 Hz"
            )
        self._steps = steps
        patient, body = self._patient(p, period_s)
        engine = self.engine(p, config, body)
        self._plant = Plant(config, body, patient, p.robot, p.surface, self.seam, engine)
        sensors = SensorPipeline(
            self._plant.world, self._plant.data, self._plant.tape, config.sensors, p.seed
        )
        self._instruments = Instruments(self._plant, sensors, period_s)

    def engine(self, p: SimulatedParameters, config: PlantConfig, body: BodyParameters) -> EngineFactory:
        """Return what makes the engine of a world."""
        del p, config, body
        return MujocoEngine

    def _patient(self, p: SimulatedParameters, period_s: float) -> tuple[PatientModel, BodyParameters]:
        if p.patient == STIFF:
            return StiffStance(), BodyParameters()
        patient, body = load_patient(p.patient, period_s, p.seed)
        if p.instruction == "assess":
            return AssessedPatient(patient, patient.profile, period_s, p.seed), body
        return patient, body

    @property
    def plant(self) -> Plant:
        """The world, for a view or a fault-injection layer.

        Raises
        ------
        DeviceError
            The device has not been configured.
        """
        if self._plant is None:
            raise DeviceError(f"device {self.name}: not configured")
        return self._plant

    def read(self, seq: int) -> DeviceReading:
        """Return all measurements of tick ``seq``."""
        if self._plant is None:
            raise DeviceError(f"device {self.name}: read before configure")
        return self._instruments.read(seq)

    def write(self, output: KernelOutput) -> DriveApplied:
        """Hand the kernel's output to the firmware, let the patient act, and advance by one period."""
        plant = self.plant
        plant.command(output)
        plant.think()
        return plant.advance(self._steps)

    def coast(self) -> DriveApplied:
        """Advance by one period without any command: what a plant does when nobody writes."""
        plant = self.plant
        plant.stop_lines.command(0)
        plant.think()
        return plant.advance(self._steps)

    def finished(self) -> bool:
        """Return false: a simulation has no end of its own."""
        return False

    def close(self) -> None:
        """Drop the world."""
        self._plant = None
