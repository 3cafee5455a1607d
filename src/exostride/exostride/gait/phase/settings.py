"""Parameters of estimators and event detectors: schemas of ``config/nodes/gait_phase.yaml``.

Every parameter has its default here and in the YAML file; a test holds the two equal. Names carry
units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import Field

from exostride.config import StrictModel, validate


class EventParameters(StrictModel):
    """Event detection, the same for every estimator."""

    use_foot_load: bool = True
    load_threshold_fraction: float = Field(default=0.08, gt=0.0, lt=0.9)
    load_release_fraction: float = Field(default=0.05, gt=0.0, lt=0.9)
    load_minimum_n: float = Field(default=30.0, gt=0.0)
    load_lifted_fraction: float = Field(default=0.12, ge=0.0, lt=0.5)
    load_memory_s: float = Field(default=8.0, gt=0.5)
    foot_return_fraction: float = Field(default=0.06, gt=0.0, lt=0.5)
    foot_range_minimum: float = Field(default=0.4, gt=0.0)
    foot_memory_s: float = Field(default=8.0, gt=0.5)
    foot_strike_lag_cycle: float = Field(default=0.03, ge=-0.1, le=0.1)
    foot_off_lag_cycle: float = Field(default=0.005, ge=-0.1, le=0.1)
    thigh_off_lag_cycle: float = Field(default=0.03, ge=-0.1, le=0.2)
    stance_min_s: float = Field(default=0.15, gt=0.0)
    swing_min_s: float = Field(default=0.15, gt=0.0)
    initial_stride_s: float = Field(default=1.1, gt=0.3)
    refractory_s: float = Field(default=0.35, gt=0.05, lt=2.0)
    thigh_cutoff_hz: float = Field(default=2.0, gt=0.5, lt=20.0)
    thigh_arm_fraction: float = Field(default=0.4, gt=0.05, lt=0.95)
    thigh_arm_minimum_rad_s: float = Field(default=0.35, gt=0.0)
    thigh_memory_s: float = Field(default=6.0, gt=0.5)
    swing_fraction: float = Field(default=0.35, ge=0.0, lt=0.7)
    thigh_strike_lag_cycle: float = Field(default=0.085, ge=-0.2, le=0.3)


class ShellParameters(StrictModel):
    """What all estimators share: gait states, gaps, coupling of the legs, smoothness of the output."""

    gap_hold_s: float = Field(default=0.1, gt=0.0)
    gap_reset_s: float = Field(default=0.6, gt=0.0)
    standing_range_rad: float = Field(default=0.07, gt=0.0)
    standing_time_s: float = Field(default=1.0, gt=0.1)
    stride_min_s: float = Field(default=0.4, gt=0.1)
    stride_max_s: float = Field(default=4.0, gt=0.5)
    overdue_strides: float = Field(default=2.2, gt=1.0)
    stance_fraction: float = Field(default=0.62, gt=0.0, lt=1.0)
    correction_rate: float = Field(default=1.0, gt=0.0)
    turn_share: float = Field(default=0.25, gt=0.0, lt=1.0)
    turn_least_rad: float = Field(default=0.1, gt=0.0)
    backward_share: float = Field(default=0.55, gt=0.5, lt=1.0)
    backward_more: float = Field(default=0.15, gt=0.0)
    backward_cycles: int = Field(default=2, ge=1)
    usual_cycles: int = Field(default=3, ge=1)
    usual_memory_cycles: int = Field(default=20, ge=1)


class FilterParameters(ShellParameters):
    """Kalman filter of phase, rate and angle offset, and the gait map that it learns."""

    initial_rate_hz: float = Field(default=0.8, gt=0.0)
    rate_min_hz: float = Field(default=0.2, gt=0.0)
    rate_max_hz: float = Field(default=2.2, gt=0.0)
    phase_walk: float = Field(default=0.012, ge=0.0)
    rate_walk: float = Field(default=0.08, ge=0.0)
    bias_walk_rad: float = Field(default=0.03, ge=0.0)
    start_rate_sd: float = Field(default=0.15, gt=0.0)
    start_bias_sd_rad: float = Field(default=0.08, gt=0.0)
    correlation_s: float = Field(default=0.12, gt=0.0)
    slope_reach: float = Field(default=1.0, ge=0.0)
    misfit_cycles: float = Field(default=0.3, gt=0.0)
    map_forget: float = Field(default=0.98, gt=0.5, lt=1.0)
    map_ridge_hz: float = Field(default=0.15, gt=0.0)
    tether: float = Field(default=0.1, ge=0.0, le=1.0)
    map_angle_floor_rad: float = Field(default=0.015, gt=0.0)
    map_rate_floor_rad_s: float = Field(default=0.15, gt=0.0)


ModelT = TypeVar("ModelT", bound=StrictModel)


def parse(model: type[ModelT], parameters: Mapping[str, Any], name: str) -> ModelT:
    """Return validated parameters of the estimator ``name``.

    Raises
    ------
    ConfigError
        A parameter is unknown or out of range.
    """
    return validate(model, dict(parameters), f"phase estimator '{name}'")


class GaitPhaseFile(StrictModel):
    """Schema of ``config/nodes/gait_phase.yaml``: the estimator by name, parameters of each by name.

    ``shared`` is a place for YAML anchors; nothing reads it.
    """

    estimator: str
    shared: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def of(self, name: str) -> dict[str, Any]:
        """Return the parameters of the estimator ``name`` (empty: all defaults)."""
        return self.parameters.get(name, {})
