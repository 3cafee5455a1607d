"""``exostride launch FILE name:=value``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exostride.errors import InputError
from exostride.paths import launch_dir
from exostride.runtime.launch.description import Argument
from exostride.runtime.launch.interpreter import declared_arguments, load
from exostride.runtime.launch.supervisor import run


def find(name: str) -> Path:
    """Return the launch file of that path or, by its bare name, from Exostride's own.

    Raises
    ------
    InputError
        There is none; the message lists those there are.
    """
    given = Path(name)
    if given.is_file():
        return given
    own = launch_dir()
    if given.name == name:
        for candidate in (own / name, own / f"{name}.launch.yaml"):
            if candidate.is_file():
                return candidate
    known = ", ".join(sorted(file.name for file in own.glob("*.launch.yaml"))) or "none"
    raise InputError(f"{name}: no such launch file; Exostride has: {known}")


def parse_arguments(words: list[str]) -> dict[str, str]:
    """Return the ``name:=value`` words as a mapping; :class:`InputError` for any other word."""
    arguments = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator or not name:
            raise InputError(f"'{word}': launch arguments are written  name:=value")
        if name in arguments:
            raise InputError(f"argument '{name}' is given twice")
        arguments[name] = value
    return arguments


def _describe(arguments: tuple[Argument, ...]) -> str:
    lines = []
    for argument in arguments:
        default = "required" if argument.default is None else f"default: {argument.default or '(empty)'}"
        choices = f"; one of {', '.join(argument.choices)}" if argument.choices else ""
        lines.append(f"  {argument.name}:=   {argument.description}  [{default}{choices}]")
    return "\n".join(lines) or "  none"


def launch(
    file: Annotated[str, typer.Argument(help="Launch file, or the name of one of Exostride's own.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME:=VALUE...", help="Arguments of the launch file.")
    ] = None,
    show_args: Annotated[bool, typer.Option("--show-args", "-s", help="List the file's arguments.")] = False,
) -> None:
    """Start the nodes of a launch file (ROS 2 YAML format) and end them together."""
    path = find(file)
    if show_args:
        typer.echo(f"Arguments of {path}:\n{_describe(declared_arguments(path))}")
        return
    raise typer.Exit(run(load(path, parse_arguments(arguments or []))))
