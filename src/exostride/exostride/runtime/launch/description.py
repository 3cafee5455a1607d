"""What a launch file comes down to once its arguments are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Argument:
    """A declared launch argument; ``default`` is ``None`` for one that must be given."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProcessSpec:
    """One process to start.

    Attributes
    ----------
    name : str
        Label of its output; unique within the plan.
    argv : tuple of str
        Program and arguments.
    env : mapping
        Variables set in addition to the launcher's own environment.
    cwd : Path or None
        Working directory; ``None``: the launcher's.
    ends_all : bool
        ``on_exit: shutdown``: when this process ends, the others are ended.
    terminal : bool
        ``emulate_tty``: the process draws on the terminal, if there is one.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ends_all: bool = False
    terminal: bool = False


@dataclass(frozen=True)
class LaunchPlan:
    """All processes of a launch file, in its order, and the arguments that it declares."""

    file: Path
    arguments: tuple[Argument, ...]
    processes: tuple[ProcessSpec, ...]
