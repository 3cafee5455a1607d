"""Substitutions of launch files: ``$(var x)``, ``$(env X or)``, ``$(find-pkg-share p)``, ``$(dirname)``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from exostride.errors import InputError
from exostride.paths import package_share

# name -> least and greatest number of arguments
KNOWN = {"var": (1, 2), "env": (1, 2), "find-pkg-share": (1, 1), "dirname": (0, 0)}
_MARK = "\ue000"  # private use: stands for a substitution while a command line is split


@dataclass(frozen=True)
class Call:
    """A substitution: its name and its arguments, each a template of its own."""

    name: str
    arguments: tuple[Template, ...]


Template = tuple["str | Call", ...]


@dataclass(frozen=True)
class Scope:
    """What substitutions can refer to: launch configurations and the folder of the launch file."""

    variables: Mapping[str, str]
    folder: Path


class _Reader:
    r"""Recursive descent over one string; ``\`` escapes the character after it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def character(self) -> str:
        if self.peek() == "\\" and self.at + 1 < len(self.text):
            self.at += 1
        self.at += 1
        return self.text[self.at - 1]

    def blanks(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def template(self, ends: Callable[[str], bool]) -> Template:
        parts: list[str | Call] = []
        literal = ""
        while self.at < len(self.text) and not ends(self.peek()):
            if self.peek(2) == "$(":
                if literal:
                    parts.append(literal)
                literal = ""
                parts.append(self.call())
            else:
                literal += self.character()
        return (*parts, literal) if literal else tuple(parts)

    def call(self) -> Call:
        start = self.at
        self.at += 2
        self.blanks()
        name = ""
        while self.peek() and (self.peek().isalnum() or self.peek() in "-_"):
            name += self.character()
        arguments: list[Template] = []
        while True:
            self.blanks()
            if not self.peek():
                raise InputError(f"'{self.text[start:]}' has no closing parenthesis")
            if self.peek() == ")":
                self.at += 1
                return self._checked(name, tuple(arguments))
            arguments.append(self.argument())

    def argument(self) -> Template:
        quote = self.peek()
        if quote not in ("'", '"'):
            return self.template(lambda character: character.isspace() or character == ")")
        self.at += 1
        argument = self.template(lambda character: character == quote)
        if self.peek() != quote:
            raise InputError(f"'{self.text}' has an opening {quote} without its closing one")
        self.at += 1
        return argument or ("",)

    def _checked(self, name: str, arguments: tuple[Template, ...]) -> Call:
        if name not in KNOWN:
            raise InputError(
                f"$({name}) is not supported; supported substitutions: {', '.join(sorted(KNOWN))}"
            )
        least, most = KNOWN[name]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise InputError(f"$({name}) takes {wanted} arguments, not {len(arguments)}")
        return Call(name, arguments)


def parse(text: str) -> Template:
    """Split a string into literal text and substitutions.

    Raises
    ------
    InputError
        A parenthesis or quote is not closed, or a substitution is none of those supported.
    """
    return _Reader(text).template(lambda _: False)


def expand(text: str, scope: Scope) -> str:
    """Return the string with its substitutions carried out; :class:`InputError` if one can't be."""
    return _render(parse(text), scope)


def split_command(text: str, scope: Scope) -> tuple[str, ...]:
    """Split a command line at blanks, as a shell would, without splitting the value of a substitution."""
    values: list[str] = []
    line = ""
    for part in parse(text):
        if isinstance(part, Call):
            line += f"{_MARK}{len(values)}{_MARK}"
            values.append(_perform(part, scope))
        else:
            line += part
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise InputError(f"'{text}' is not a command line ({error})") from None

    def fill(word: str) -> str:
        pieces = word.split(_MARK)
        return "".join(values[int(piece)] if index % 2 else piece for index, piece in enumerate(pieces))

    return tuple(fill(word) for word in words)


def _render(template: Template, scope: Scope) -> str:
    return "".join(_perform(part, scope) if isinstance(part, Call) else part for part in template)


def _perform(call: Call, scope: Scope) -> str:
    if call.name == "dirname":
        return str(scope.folder)
    arguments = [_render(argument, scope) for argument in call.arguments]
    if call.name == "find-pkg-share":
        return str(package_share(arguments[0]))
    source: Mapping[str, str] = scope.variables if call.name == "var" else os.environ
    if arguments[0] in source:
        return source[arguments[0]]
    if len(arguments) == 2:
        return arguments[1]
    what = "launch argument" if call.name == "var" else "environment variable"
    raise InputError(f"{what} '{arguments[0]}' is not set")
