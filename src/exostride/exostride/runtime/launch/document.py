"""Reading of launch files into mappings that remember their line, with typed and checked access."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from exostride.errors import InputError


class Entity(dict[str, Any]):
    """A YAML mapping, where it came from, and access that explains what is wrong with it."""

    file: Path
    line: int
    kind: str

    def where(self, key: str = "") -> str:
        """Return ``file:line: kind.key`` for an error."""
        return f"{self.file}:{self.line}: {self.kind}{'.' + key if key else ''}"

    def fail(self, key: str, problem: str) -> InputError:
        """Return an error about one key."""
        return InputError(f"{self.where(key)}: {problem}")

    def only(self, keys: Iterable[str]) -> None:
        """Raise on the first key that is not among ``keys``."""
        known = sorted(keys)
        for key in self:
            if key not in known:
                raise self.fail(str(key), f"not supported here; supported: {', '.join(known)}")

    def text(self, key: str) -> str:
        """Return a required string."""
        value = self.optional_text(key)
        if value is None:
            raise self.fail(key, "missing")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string, ``None`` without the key; as with ``ros2 launch``, a number is none."""
        value = self.get(key)
        if value is None and key not in self:
            return None
        if not isinstance(value, str):
            raise self.fail(key, f"must be a string, not {value!r}; put it in quotes")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return a boolean; text is not taken for one."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.fail(key, f"must be true or false, not {value!r}")
        return value

    def entities(self, key: str) -> list[Entity]:
        """Return a list of mappings, empty without the key."""
        if key not in self:
            return []
        value = self[key]
        if not isinstance(value, list) or not value or not all(isinstance(item, Entity) for item in value):
            raise self.fail(key, "must be a list of mappings, each starting with '-'")
        for item in value:
            item.kind = f"{self.kind}.{key}"
        return value


def _loader(file: Path) -> type[yaml.SafeLoader]:
    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader: Loader, node: yaml.MappingNode) -> Entity:
        entity = Entity()
        entity.file, entity.line, entity.kind = file, node.start_mark.line + 1, ""
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise InputError(f"{file}:{key_node.start_mark.line + 1}: key {key!r} must be a word")
            if key in entity:
                raise InputError(f"{file}:{key_node.start_mark.line + 1}: key '{key}' is given twice")
            entity[key] = loader.construct_object(value_node, deep=True)
        return entity

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader


def read(file: Path) -> list[Entity]:
    """Return the actions of a launch file, each a mapping of one action name to its content.

    Raises
    ------
    InputError
        The file is missing or not YAML, or its only key is not ``launch`` with a list.
    """
    try:
        # A loader of SafeLoader's kind: no Python object can come out of the file.
        tree = yaml.load(file.read_text(encoding="utf-8"), Loader=_loader(file))
    except FileNotFoundError:
        raise InputError(f"{file}: no such launch file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: can't be read ({error})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{file}:{line}: not valid YAML ({error.problem})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(tree, Entity) or list(tree) != ["launch"]:
        raise InputError(f"{file}:1: a launch file has the one key 'launch'")
    return actions(tree["launch"], tree, "launch")


def actions(content: Any, parent: Entity, key: str) -> list[Entity]:
    """Return a list of actions, each checked to have exactly one key."""
    if not isinstance(content, list):
        raise parent.fail(key, "must be a list of actions")
    for item in content:
        if not isinstance(item, Entity) or len(item) != 1:
            raise parent.fail(key, f"each action is one key with its content, not {item!r}")
    return content
