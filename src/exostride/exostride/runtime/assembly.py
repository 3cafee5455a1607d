"""Builds the components from names and parameters: once, for the nodes and for the virtual clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from exostride import registry
from exostride.config import StrictModel, load
from exostride.control.compensation import RobotCompensation
from exostride.control.context import ControlContext, Reference
from exostride.control.effort import EffortMeter
from exostride.errors import ConfigError, InputError
from exostride.gait.consistent import PLAN_FILE, load_consistent
from exostride.gait.reference import FILE_NAME, load_reference
from exostride.hardware.faulty import FaultyDevice
from exostride.interfaces import AssistController, Device, EnvironmentLaw
from exostride.model.anthropometry import BodyParameters
from exostride.model.geometry import body_geometry
from exostride.model.segments import leg_inertias
from exostride.paths import config_dir
from exostride.patient.profile import PatientProfile
from exostride.runtime.component import ControlComponent, HardwareComponent, PhaseComponent, SafetyStage
from exostride.runtime.faults import FaultyHardware
from exostride.safety.component import SafetyComponent
from exostride.safety.injection import parse
from exostride.safety.kernel import SafetyKernel
from exostride.safety.limits import SafetyLimits, load_limits
from exostride.safety.walker import Segment, Walker
from exostride.types import TherapySettings

RATE_MIN_HZ, RATE_MAX_HZ = 100, 500
"""Control rates for which limits and estimators are made."""
SIMULATED = ("simulated", "gazebo")
"""Devices that make up patient and robot themselves, and so are told which."""

DEFAULT_PATIENT = "hemiparetic_left_mild"
REPLAY = "replay"
"""The device that plays a recording, whose walker is somebody else than the patient configured."""
STANCE = "stance"
"""A body that only stands, known to the simulated device without a profile."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What all components of one stack have to agree on.

    Attributes
    ----------
    rate_hz
        Control rate, 100 to 500.
    lockstep
        Whether ticks wait for all nodes; otherwise they follow real time.
    patient
        Profile in ``config/patients`` by name, or a file.
    robot
        ``exoskeleton``, or ``none`` for the harness alone: then there is nothing to carry.
    limits
        Limits file; ``None`` for ``config/limits/default.yaml``.
    reference
        What the laws lead along, see :func:`reference_of`; empty: as ``config/nodes/controller.yaml`` says.
    """

    rate_hz: int = 200
    lockstep: bool = True
    patient: str = DEFAULT_PATIENT
    robot: str = "exoskeleton"
    limits: Path | None = None
    controller_parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    law_parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reference: str = ""

    def __post_init__(self) -> None:
        if not RATE_MIN_HZ <= self.rate_hz <= RATE_MAX_HZ:
            raise ConfigError(f"rate_hz = {self.rate_hz}: must be from {RATE_MIN_HZ} to {RATE_MAX_HZ} Hz")

    @property
    def period_s(self) -> float:
        """Control period T [s]."""
        return 1.0 / self.rate_hz


def safety_limits(config: StackConfig) -> SafetyLimits:
    """Return the limits in force for this patient."""
    return load_limits(config.limits or config_dir() / "limits" / "default.yaml")


def body_of(patient: str) -> BodyParameters:
    """Return the measurements of a patient's body, by profile name or file.

    Raises
    ------
    InputError
        There is no such profile.
    """
    if patient == STANCE:
        return BodyParameters()
    folder = config_dir() / "patients"
    named = folder / f"{patient}.yaml"
    path = named if named.is_file() else Path(patient)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise InputError(f"unknown patient '{patient}'; available: {known}, or the path of a file")
    return load(PatientProfile, path).body


def patient_record(patient: str, device: str) -> dict[str, Any]:
    """Return what a bag says of the patient: pseudonym and body; a replayed walker's body is unknown."""
    if not patient:
        return {}
    record: dict[str, Any] = {"patient_id": Path(patient).stem}
    if device != REPLAY:
        record["body"] = body_of(patient).model_dump(mode="json")
    return record


def make_hardware(config: StackConfig, device: Device) -> HardwareComponent:
    """Return device and kernel as one component; the device must have been configured."""
    kernel = SafetyKernel(safety_limits(config), config.period_s, paced=not config.lockstep)
    if isinstance(device, FaultyDevice):
        return FaultyHardware(device, kernel, config.period_s)
    return HardwareComponent(device, kernel, config.period_s)


def make_device(
    name: str, parameters: Mapping[str, Any], period_s: float, faults: Sequence[str] = ()
) -> Device:
    """Return the configured device ``name``, failing on purpose if ``faults`` are given.

    Raises
    ------
    InputError
        No such device, or a fault's text is wrong or not for this device.
    ConfigError
        A parameter is unknown or out of range.
    DeviceError
        The device does not answer.
    """
    device: Device = registry.load(registry.DEVICES, name)()
    if faults:
        device = FaultyDevice(device, [parse(text) for text in faults])
    device.configure(parameters, period_s)
    return device


def make_phase(config: StackConfig, estimator: str, parameters: Mapping[str, Any]) -> PhaseComponent:
    """Return the phase estimator ``estimator`` as a component."""
    made = registry.load(registry.PHASE_ESTIMATORS, estimator)(config.period_s, parameters)
    return PhaseComponent(made, config.period_s)


def reference_of(name: str) -> Reference:
    """Return the reference ``name``: ``plan`` (consistent gait), ``norms`` (mean angles), or a walker's file.

    Raises
    ------
    ConfigError
        There is no such file, or it is damaged.
    """
    norms = load_reference(config_dir() / "norms" / FILE_NAME)
    if name == "norms":
        return norms
    if name != "plan" and not Path(name).is_file():
        raise ConfigError(f"reference = {name!r}: must be plan, norms, or the file of a walker's own path")
    return load_consistent(config_dir() / "norms" / PLAN_FILE, norms, None if name == "plan" else Path(name))


def control_context(config: StackConfig) -> ControlContext:
    """Return what every control law is given."""
    body = body_of(config.patient)
    geometry = body_geometry(body)
    limits = safety_limits(config)
    return ControlContext(
        period_s=config.period_s,
        leg_length_m=geometry.leg_length,
        body_mass_kg=body.mass_kg,
        torque_limit_nm=np.array([joint.torque_nm for joint in limits.joints]),
        reference=reference_of(config.reference or _controller_file().reference),
        compensation=None if config.robot == "none" else RobotCompensation(body, config.period_s),
        body=body,
    )


class ControllerFile(StrictModel):
    """Schema of ``config/nodes/controller.yaml``: reference, and parameters of the laws by name."""

    reference: str = "plan"
    controllers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    environment_laws: dict[str, dict[str, Any]] = Field(default_factory=dict)


def _controller_file() -> ControllerFile:
    return load(ControllerFile, config_dir() / "nodes" / "controller.yaml")


def make_control(config: StackConfig, settings: TherapySettings) -> ControlComponent:
    """Return the laws that ``settings`` name as a component, with those settings from tick 0."""
    context = control_context(config)
    file = _controller_file()

    def controller(name: str) -> AssistController:
        parameters = {**file.controllers.get(name, {}), **config.controller_parameters.get(name, {})}
        made: AssistController = registry.load(registry.CONTROLLERS, name)(context, parameters)
        return made

    def law(name: str) -> EnvironmentLaw:
        parameters = {**file.environment_laws.get(name, {}), **config.law_parameters.get(name, {})}
        made: EnvironmentLaw = registry.load(registry.ENVIRONMENT_LAWS, name)(context, parameters)
        return made

    effort = None if config.robot == "none" else EffortMeter(context)
    return ControlComponent(controller, law, config.period_s, settings, effort)


def walker_of(patient: str) -> Walker:
    """Return what the supervisor takes a patient's leg for; without a patient an average man's."""
    if not patient:
        return Walker()
    body = body_of(patient)
    geometry = body_geometry(body)
    lengths = (geometry.thigh, geometry.shank, 0.0)
    thigh, shank, foot = (
        Segment(length, link.mass_kg, link.x_m, link.z_m, link.inertia_kg_m2)
        for length, link in zip(lengths, leg_inertias(body), strict=True)
    )
    return Walker(thigh, shank, foot, geometry.foot.sole_z)


def make_safety(config: StackConfig) -> SafetyStage:
    """Return the supervisor as a component."""
    supervisor = SafetyComponent(
        safety_limits(config), config.period_s, paced=not config.lockstep, walker=walker_of(config.patient)
    )
    return SafetyStage(supervisor, config.period_s)
