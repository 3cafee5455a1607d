"""Builds the laws of joints, belt and harness from their names and parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from exostride import registry
from exostride.config import StrictModel, load
from exostride.control.compensation import RobotCompensation
from exostride.control.context import ControlContext, Reference
from exostride.control.effort import EffortMeter
from exostride.errors import ConfigError
from exostride.gait.consistent import PLAN_FILE, load_consistent
from exostride.gait.reference import FILE_NAME, load_reference
from exostride.interfaces import AssistController, EnvironmentLaw
from exostride.model.geometry import body_geometry
from exostride.paths import config_dir
from exostride.runtime.assembly.stack import StackConfig, body_of, safety_limits
from exostride.runtime.component import ControlComponent
from exostride.types import TherapySettings


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
