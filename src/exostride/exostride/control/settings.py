"""Therapy settings: bounds with units, validation of the whole set, loading from YAML.

A set is accepted or refused as a whole; nothing is clamped silently. The bounds here are the
widest any device may offer; :mod:`exostride.safety` may only tighten what is then applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from exostride.conventions import JOINTS, SIDES
from exostride.errors import ConfigError
from exostride.types import SupportKind, TherapySettings


@dataclass(frozen=True, slots=True)
class Bound:
    """Closed range of one field, in the field's own unit."""

    low: float
    high: float
    unit: str


BOUNDS: Mapping[str, Bound] = {
    "belt_speed_m_s": Bound(0.0, 2.0, "m/s"),
    "belt_acceleration_m_s2": Bound(0.02, 0.5, "m/s^2"),
    "unloading_percent": Bound(0.0, 85.0, "% of body weight"),
    "goal_steps": Bound(0, 20_000, "steps"),
    "assistance": Bound(0.0, 1.0, "1"),
    "assistance_min": Bound(0.0, 1.0, "1"),
    "assistance_max": Bound(0.0, 1.0, "1"),
    "range_min_rad": Bound(-0.9, 0.6, "rad"),
    "range_max_rad": Bound(-0.1, 2.1, "rad"),
    "amplitude": Bound(0.0, 1.5, "1"),
    "offset_rad": Bound(-0.35, 0.35, "rad"),
    "cadence_scale": Bound(0.5, 1.5, "1"),
    "phase_offset": Bound(-0.2, 0.2, "cycle"),
}
"""Belt speed and unloading span what treadmill trainers offer (Lokomat 0.5-3.2 km/h with the robot;
harness training alone is faster); the range of motion is that of clinical goniometry."""

_ARRAYS = {f.name: np.asarray(getattr(TherapySettings(), f.name)).size for f in fields(TherapySettings)}


def problems(settings: TherapySettings) -> tuple[str, ...]:
    """Return what is wrong with a set: field, value, range and unit of each; empty when it is good."""
    found = [line for name, bound in BOUNDS.items() for line in _outside(settings, name, bound)]
    if not found:
        found += _crossed(settings, "assistance_min", "assistance_max", "1")
        found += _crossed(settings, "range_min_rad", "range_max_rad", "rad")
    if settings.support_kind not in list(SupportKind):
        kinds = ", ".join(f"{k.value} ({k.name.lower()})" for k in SupportKind)
        found.append(f"support_kind = {settings.support_kind}: must be one of {kinds}")
    return tuple(found)


def _label(name: str, index: int) -> str:
    if _ARRAYS[name] == 1:
        return name
    return f"{name}[{JOINTS[index] if _ARRAYS[name] == len(JOINTS) else SIDES[index]}]"


def _outside(settings: TherapySettings, name: str, bound: Bound) -> list[str]:
    values = np.atleast_1d(np.asarray(getattr(settings, name), dtype=float))
    if values.shape != (_ARRAYS[name],):
        return [f"{name}: needs {_ARRAYS[name]} values, got {values.size}"]
    bad = np.flatnonzero(~((values >= bound.low) & (values <= bound.high)))
    return [
        f"{_label(name, i)} = {values[i]:g}: must be from {bound.low:g} to {bound.high:g} {bound.unit}"
        for i in map(int, bad)
    ]


def _crossed(settings: TherapySettings, low: str, high: str, unit: str) -> list[str]:
    lows, highs = getattr(settings, low), getattr(settings, high)
    return [
        f"{_label(low, i)} = {lows[i]:g} {unit}: must not exceed {_label(high, i)} = {highs[i]:g} {unit}"
        for i in map(int, np.flatnonzero(lows > highs))
    ]


def from_mapping(
    values: Mapping[str, Any], where: str, base: TherapySettings | None = None
) -> TherapySettings:
    """Return ``base`` (or the defaults) with ``values`` put in; a number stands for a whole vector.

    Raises
    ------
    ConfigError
        A key is unknown, a value has the wrong type or length, or the set is out of range.
    """
    changes: dict[str, Any] = {}
    defaults = TherapySettings()
    for key, value in values.items():
        if key not in _ARRAYS or key == "effective_seq":
            known = ", ".join(name for name in _ARRAYS if name != "effective_seq")
            raise ConfigError(f"{where}: {key}: unknown setting; known are {known}")
        changes[key] = _convert(key, value, getattr(defaults, key), where)
    settings = replace(base or defaults, **changes)
    wrong = problems(settings)
    if wrong:
        raise ConfigError(f"{where}: " + "; ".join(wrong))
    return settings


def _convert(key: str, value: Any, default: Any, where: str) -> Any:
    """Return ``value`` as the type of ``default``."""
    if key == "support_kind" and isinstance(value, str):
        if value.upper() not in SupportKind.__members__:
            kinds = ", ".join(kind.name.lower() for kind in SupportKind)
            raise ConfigError(f"{where}: support_kind = {value!r}: must be one of {kinds}")
        return int(SupportKind[value.upper()])
    if isinstance(default, (bool, str)):
        if not isinstance(value, type(default)):
            raise ConfigError(f"{where}: {key} = {value!r}: must be a {type(default).__name__}")
        return value
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: {key} = {value!r}: must be a number") from None
    if isinstance(default, np.ndarray):
        if array.ndim and array.shape != default.shape:
            raise ConfigError(f"{where}: {key}: needs one number or {default.size}, got {array.size}")
        return np.broadcast_to(array, default.shape).copy()
    if array.ndim:
        raise ConfigError(f"{where}: {key} = {value!r}: must be one number")
    if isinstance(default, int):
        if not float(array).is_integer():
            raise ConfigError(f"{where}: {key} = {value!r}: must be a whole number")
        return int(array)
    return float(array)
