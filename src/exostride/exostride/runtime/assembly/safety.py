"""Builds the supervisor for a patient's limits and legs."""

from __future__ import annotations

from exostride.model.geometry import body_geometry
from exostride.model.segments import leg_inertias
from exostride.runtime.assembly.stack import StackConfig, body_of, safety_limits
from exostride.runtime.component import SafetyStage
from exostride.safety.component import SafetyComponent
from exostride.safety.walker import Segment, Walker


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
