"""Exchangeable parts by name, found through Python entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from exostride.errors import InputError

PHASE_ESTIMATORS = "exostride.phase_estimators"
CONTROLLERS = "exostride.controllers"
ENVIRONMENT_LAWS = "exostride.environment_laws"
DEVICES = "exostride.devices"


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def names(group: str) -> list[str]:
    """Return the sorted names available in ``group``."""
    return sorted(_entries(group))


def load(group: str, name: str) -> Any:
    """Return the class registered under ``name`` in ``group``.

    Raises
    ------
    InputError
        No such name; or its package fails to import. The message lists the names there are.
    """
    entry = _entries(group).get(name)
    what = group.rsplit(".", 1)[1].rstrip("s").replace("_", " ")
    if entry is None:
        known = ", ".join(names(group)) or "none (is the package installed?)"
        raise InputError(f"unknown {what} '{name}'; available: {known}")
    try:
        return entry.load()
    except Exception as error:
        raise InputError(f"{what} '{name}' ({entry.value}) can't be loaded: {error}") from error
