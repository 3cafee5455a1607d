"""Message definitions: where their texts are found, and the schema that a bag embeds.

A bag has to explain itself to a reader that has never seen our packages. Every channel therefore
carries the complete definition of its type in the ``ros2msg`` form of rosbag2: the text of the
``.msg`` file, then each dependency once, depth first, behind a line of 80 equals signs and a line
``MSG: package/Name``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore

from exostride.errors import InputError

_DELIMITER = "=" * 80
_FIELD_TYPE = re.compile(r"^[ \t]*([A-Za-z][A-Za-z0-9_/]*)(?:<=\d+)?(?:\[[^\]]*\])?[ \t]+\S", re.MULTILINE)
_PRIMITIVES = frozenset(
    ["bool", "byte", "char", "string", "wstring", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_TYPE_NAME = re.compile(r"^([a-z][a-z0-9_]*)/(?:msg/)?([A-Za-z][A-Za-z0-9_]*)$")


def normalize(name: str) -> str:
    """Return ``package/msg/Name`` for ``package/Name`` or ``package/msg/Name``.

    Raises
    ------
    InputError
        ``name`` is no name of a message type.
    """
    match = _TYPE_NAME.match(name)
    if match is None:
        raise InputError(f"'{name}' is no message type; expected package/msg/Name")
    return f"{match[1]}/msg/{match[2]}"


def default_roots() -> tuple[Path, ...]:
    """Return the folders that may hold ``<package>/msg``: the source tree, then the ament prefixes."""
    roots = [Path(__file__).resolve().parents[3]]
    prefixes = [part for part in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if part]
    roots += [Path(prefix) / "share" for prefix in [*prefixes, sys.prefix]]
    return tuple(dict.fromkeys(roots))


def dependencies(text: str, package: str) -> list[str]:
    """Return the message types that a definition refers to, as written, sorted.

    A name without a package is completed with ``package``.
    """
    bare = "\n".join(line.split("#", 1)[0] for line in text.splitlines())
    found = {match[1] for match in _FIELD_TYPE.finditer(bare)} - _PRIMITIVES
    return sorted(name if "/" in name else f"{package}/{name}" for name in found)


@dataclass
class Definitions:
    """Message definitions found below ``roots``; standard ones also come from the ``rosbags`` library."""

    roots: tuple[Path, ...] = field(default_factory=default_roots)
    _texts: dict[str, str] = field(default_factory=dict)
    _complete: dict[str, str] = field(default_factory=dict)
    _registered: set[str] = field(default_factory=set)

    @cached_property
    def store(self) -> Any:
        """The ``rosbags`` type store, with every type asked for so far registered."""
        return get_typestore(Stores.ROS2_KILTED)

    def text(self, name: str) -> str:
        """Return the text of one ``.msg`` file.

        Raises
        ------
        InputError
            It is in none of the roots and is no standard message either.
        """
        name = normalize(name)
        if name not in self._texts:
            self._texts[name] = self._load(name)
        return self._texts[name]

    def _load(self, name: str) -> str:
        package, _, base = name.split("/")
        for root in self.roots:
            path = root / package / "msg" / f"{base}.msg"
            if path.is_file():
                return path.read_text(encoding="utf-8")
        try:
            complete: str = self.store.generate_msgdef(name, ros_version=2)[0]
        except (TypesysError, KeyError):
            looked = ", ".join(str(root) for root in self.roots)
            raise InputError(f"{name}: no definition below {looked}; build the messages first") from None
        return complete.split(_DELIMITER, 1)[0]

    def complete(self, name: str) -> str:
        """Return the definition of ``name`` with all that it depends on, as rosbag2 embeds it."""
        name = normalize(name)
        if name not in self._complete:
            self._complete[name] = "".join(self._pieces(name, set()))
        return self._complete[name]

    def _pieces(self, name: str, seen: set[str]) -> Iterator[str]:
        text = self.text(name)
        yield text
        for dependency in dependencies(text, name.split("/", 1)[0]):
            if dependency not in seen:
                seen.add(dependency)
                yield f"\n{_DELIMITER}\nMSG: {dependency}\n"
                yield from self._pieces(normalize(dependency), seen)

    def register(self, name: str) -> str:
        """Make ``name`` and its dependencies known to :attr:`store`; return the normalised name."""
        name = normalize(name)
        if name not in self._registered:
            self.store.register(get_types_from_msg(self.complete(name), name))
            self._registered.add(name)
        return name

    def fields(self, name: str) -> list[tuple[str, Any]]:
        """Return the fields of ``name``: name and ``rosbags`` descriptor, in order."""
        return list(self.store.fielddefs[self.register(name)][1])

    def type_hash(self, name: str) -> str:
        """Return the RIHS01 hash of ``name``, which ROS 2 uses to tell versions of a type apart."""
        digest: str = self.store.hash_rihs01(self.register(name))
        return digest
