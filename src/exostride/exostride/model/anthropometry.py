"""The body of a person: stature, mass, sex and whatever was measured, checked for sense.

The ratios themselves stand in ``urdf/anthropometry.yaml``, and the xacro alone turns them into
segments; :mod:`exostride.model.geometry` reads the result back. So there is one formula for each.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import ValidationError, ValidationInfo, field_validator

from exostride.config import StrictModel, explain, read_yaml
from exostride.paths import urdf_dir

Sex = Literal["male", "female"]
Ratios = Literal["de_leva", "dempster"]

_MEASURED = {
    "thigh_length_m": ("thigh", 1.0),
    "shank_length_m": ("shank", 1.0),
    "ankle_height_m": ("ankle_height", 1.0),
    "foot_length_m": ("foot", 1.0),
    "foot_width_m": ("foot_width", 1.0),
    "hip_spacing_m": ("hip_half_spacing", 2.0),
}
"""Measured length -> its ratio in the table and the factor on it."""


@cache
def ratio_table() -> dict[str, Any]:
    """Return ``urdf/anthropometry.yaml``: ratios of length [1/stature], mass [1/body mass] and inertia."""
    return read_yaml(urdf_dir() / "anthropometry.yaml")


class BodyParameters(StrictModel):
    """A person as the xacro needs them; frozen and hashable.

    Attributes
    ----------
    height_m
        Stature [m], 1.0 to 2.1.
    mass_kg
        Body mass without shoes [kg], within a body mass index of 10 to 60 kg/m². The segments sum
        to it exactly.
    sex
        Which of de Leva's two tables applies.
    ratios
        ``de_leva`` (young adults, gamma scanning) or ``dempster`` (older men, cadavers; legs only).
    thigh_length_m, shank_length_m
        Hip to knee centre, knee to ankle centre [m]; ``None`` takes the ratio, as below.
    ankle_height_m
        Ankle centre above the barefoot sole [m].
    foot_length_m, foot_width_m
        Heel to toe tip, and breadth at the ball [m].
    hip_spacing_m
        Distance between the hip centres [m].
    shoe_sole_m
        Thickness of the shoe's sole [m]. The shoe has no mass of its own.
    lateral_offset_m
        How far the robot's joint plane lies outside the patient's [m].

    Raises
    ------
    pydantic.ValidationError
        A value is out of range; :func:`body_parameters` turns it into one line.
    """

    height_m: float = 1.75
    mass_kg: float = 72.0
    sex: Sex = "male"
    ratios: Ratios = "de_leva"
    thigh_length_m: float | None = None
    shank_length_m: float | None = None
    ankle_height_m: float | None = None
    foot_length_m: float | None = None
    foot_width_m: float | None = None
    hip_spacing_m: float | None = None
    shoe_sole_m: float = 0.02
    lateral_offset_m: float = 0.10

    @field_validator("height_m")
    @classmethod
    def _check_height(cls, value: float) -> float:
        low, high = ratio_table()["limits"]["height_m"]
        return _within(value, low, high, "stature")

    @field_validator("mass_kg")
    @classmethod
    def _check_mass(cls, value: float, info: ValidationInfo) -> float:
        height = info.data.get("height_m")
        if height is None:
            return value
        low, high = (index * height**2 for index in ratio_table()["limits"]["bmi_kg_m2"])
        if not low <= value <= high:
            raise ValueError(
                f"{value:g} kg is no mass for {height:g} m; allowed are {low:.1f} to {high:.1f} kg "
                "(body mass index 10 to 60 kg/m²)"
            )
        return value

    @field_validator(*_MEASURED)
    @classmethod
    def _check_measured(cls, value: float | None, info: ValidationInfo) -> float | None:
        height = info.data.get("height_m")
        if value is None or height is None:
            return value
        ratio, factor = _MEASURED[str(info.field_name)]
        expected = factor * ratio_table()["lengths"][ratio] * height
        low, high = ratio_table()["limits"]["measured_to_ratio"]
        return _within(value, low * expected, high * expected, f"a person of {height:g} m")

    @field_validator("shoe_sole_m")
    @classmethod
    def _check_sole(cls, value: float) -> float:
        return _within(value, 0.0, 0.06, "the shoe's sole")

    @field_validator("lateral_offset_m")
    @classmethod
    def _check_offset(cls, value: float) -> float:
        return _within(value, 0.05, 0.25, "the robot's lateral offset")

    def xacro_arguments(self) -> dict[str, str]:
        """Return the arguments of ``exostride.urdf.xacro``, all but ``model``, as exact text."""
        arguments = {"height": repr(self.height_m), "mass": repr(self.mass_kg)}
        arguments |= {"sex": self.sex, "ratios": self.ratios}
        arguments |= {name.removesuffix("_m"): repr(getattr(self, name) or 0.0) for name in _MEASURED}
        return arguments | {
            "shoe_sole": repr(self.shoe_sole_m),
            "lateral_offset": repr(self.lateral_offset_m),
        }


def _within(value: float, low: float, high: float, what: str) -> float:
    if not low <= value <= high:
        raise ValueError(f"{value:g} m is out of range; {what} may have {low:.3g} to {high:.3g} m")
    return value


def body_parameters(where: str = "body", **values: Any) -> BodyParameters:
    """Return the checked body for ``values``; ``where`` names their origin in the error.

    Raises
    ------
    ConfigError
        One line with every value that is out of range, its unit and what is allowed.
    """
    try:
        return BodyParameters(**values)
    except ValidationError as error:
        raise explain(error, where) from None
