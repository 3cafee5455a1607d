"""Therapy protocols: what one session is to do, from a YAML file in ``config/protocols``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field

from exostride.config import StrictModel, load
from exostride.control.settings import from_mapping, problems
from exostride.errors import ConfigError
from exostride.types import TherapySettings


class Change(StrictModel):
    """Settings that change while training: from ``after_s`` of walking on, ``settings`` over the rest."""

    after_s: float = Field(gt=0.0, le=7200.0)
    settings: dict[str, Any]


class ProtocolFile(StrictModel):
    """Schema of a protocol file; 0 means no goal of that kind."""

    name: str
    description: str = ""
    duration_s: float = Field(0.0, ge=0.0, le=7200.0)
    goal_steps: int = Field(0, ge=0, le=20_000)
    stand_s: float = Field(2.0, ge=0.0, le=600.0)
    settings: dict[str, Any] = Field(default_factory=dict)
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One session: settings from the start, what changes while walking, and when it is done.

    Attributes
    ----------
    settings
        In force from tick 0.
    changes
        Time walked [s] from which on a whole set of settings holds, increasing.
    duration_s
        Time to walk [s]; 0 for no limit.
    goal_steps
        Steps to walk; 0 for no goal.
    stand_s
        Time to stand before the belt starts [s].
    limit_s
        Control time [s] at which the session is brought to its end, whatever it has reached; 0 for none.
    automatic
        Whether the session starts by itself and ends after its goal; otherwise it follows requests.
    """

    settings: TherapySettings
    changes: tuple[tuple[float, TherapySettings], ...] = ()
    duration_s: float = 0.0
    goal_steps: int = 0
    stand_s: float = 2.0
    limit_s: float = 0.0
    automatic: bool = True


def _check(settings: TherapySettings, where: str) -> TherapySettings:
    wrong = problems(settings)
    if wrong:
        raise ConfigError(f"{where}: " + "; ".join(wrong))
    return settings


USUAL_LIMIT_S: Final = 60.0
LONGEST_S: Final = 8000.0
"""Longer than any protocol may walk and stand."""


def limit_of(duration_s: float | None, protocol: Path | None) -> float:
    """Return the longest session time [s]: as asked for, else a protocol's own length, else a minute."""
    if duration_s is not None:
        return duration_s
    return USUAL_LIMIT_S if protocol is None else LONGEST_S


def make_plan(
    protocol: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: TherapySettings | None = None,
    duration_s: float | None = None,
    goal_steps: int | None = None,
    limit_s: float = 0.0,
    automatic: bool = True,
) -> SessionPlan:
    """Return the plan of a protocol file, with what the caller wants otherwise.

    Parameters
    ----------
    protocol
        YAML file; ``None`` for the default settings without a goal.
    overrides
        Single settings by name, put over those of the protocol and of all its changes.
    settings
        A whole set instead of the protocol's.
    duration_s, goal_steps
        Instead of the protocol's when given and not zero.
    limit_s, automatic
        See :class:`SessionPlan`.

    Raises
    ------
    ConfigError
        The file is damaged, a setting unknown or out of range, or the changes are not in order.
    """
    file = load(ProtocolFile, protocol) if protocol is not None else ProtocolFile(name="default")
    where = str(protocol) if protocol is not None else "settings"
    extra = dict(overrides or {})
    base = settings if settings is not None else from_mapping(file.settings, f"{where}: settings")
    goal = goal_steps or file.goal_steps
    first = replace(from_mapping(extra, "settings", base), effective_seq=0, goal_steps=goal)
    changes, current, last = [], first, 0.0
    for i, change in enumerate(file.changes):
        if change.after_s <= last:
            raise ConfigError(f"{where}: changes.{i}.after_s = {change.after_s:g}: must exceed {last:g} s")
        last = change.after_s
        current = from_mapping({**change.settings, **extra}, f"{where}: changes.{i}.settings", current)
        changes.append((change.after_s, current))
    return SessionPlan(
        settings=_check(first, where),
        changes=tuple(changes),
        duration_s=duration_s or file.duration_s,
        goal_steps=goal,
        stand_s=file.stand_s,
        limit_s=limit_s,
        automatic=automatic,
    )


def parse_overrides(text: str) -> dict[str, Any]:
    """Return the settings in ``NAME=VALUE NAME=VALUE``; values separated by commas become a list.

    Raises
    ------
    ConfigError
        An item has no ``=``.
    """
    result: dict[str, Any] = {}
    for item in text.split():
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise ConfigError(f"settings: {item}: expected NAME=VALUE, for example belt_speed_m_s=0.4")
        parts = [yaml.safe_load(part) for part in value.split(",")]
        result[name] = parts if len(parts) > 1 else parts[0]
    return result
