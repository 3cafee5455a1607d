"""Interpretation of the ROS 2 YAML launch format, the subset that our files use.

Behaves as ``ros2 launch`` does with the same file: scoped groups, unscoped includes, the first value of an
argument wins, untyped parameter text is read as YAML. Whatever is outside the subset is an error that names
file, line and key, so that no file runs here and means something else there. Format:
https://docs.ros.org/en/kilted/How-To-Guides/Launch-file-different-formats.html
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exostride.errors import InputError
from exostride.paths import package_executable
from exostride.runtime.launch.description import Argument, LaunchPlan, ProcessSpec
from exostride.runtime.launch.document import Entity, actions, read
from exostride.runtime.launch.substitution import Scope, expand, split_command

CONDITIONS = ("if", "unless")
PROCESS_KEYS = ("name", "env", "output", "on_exit", "emulate_tty", "cwd", *CONDITIONS)
NODE_KEYS = ("pkg", "exec", "namespace", "args", "ros_args", "param", "remap", *PROCESS_KEYS)
SCALARS: dict[str, type] = {"str": str, "bool": bool, "float": float, "int": int}


@dataclass
class _State:
    """The walk through the files: what is set, declared and collected so far."""

    variables: dict[str, str]
    declared: dict[str, Argument] = field(default_factory=dict)
    processes: list[ProcessSpec] = field(default_factory=list)
    open_files: list[Path] = field(default_factory=list)
    arguments_only: bool = False

    @property
    def scope(self) -> Scope:
        return Scope(self.variables, self.open_files[-1].parent)

    def expand(self, entity: Entity, key: str) -> str:
        return self.expand_text(entity, key, entity.text(key))

    def expand_text(self, entity: Entity, key: str, text: str) -> str:
        try:
            return expand(text, self.scope)
        except InputError as error:
            raise entity.fail(key, str(error)) from None

    def words(self, entity: Entity, key: str) -> tuple[str, ...]:
        if key not in entity:
            return ()
        try:
            return split_command(entity.text(key), self.scope)
        except InputError as error:
            raise entity.fail(key, str(error)) from None


def load(file: Path | str, arguments: Mapping[str, str] | None = None) -> LaunchPlan:
    """Interpret a launch file.

    Parameters
    ----------
    file : Path or str
        The launch file.
    arguments : mapping, optional
        Values of its arguments, as in ``name:=value``.

    Raises
    ------
    InputError
        Something in the file is wrong or not supported; an argument is unknown, missing or not among its
        choices; a package or executable is not installed.
    """
    file = Path(file).resolve()
    given = dict(arguments or {})
    state = _State(dict(given))
    _include(state, file)
    unknown = sorted(set(given) - set(state.declared))
    if unknown:
        known = ", ".join(state.declared) or "none"
        raise InputError(f"{file}: unknown argument '{unknown[0]}'; it has: {known}")
    return LaunchPlan(file, tuple(state.declared.values()), tuple(state.processes))


def declared_arguments(file: Path | str) -> tuple[Argument, ...]:
    """Return the arguments of a launch file and of those it includes, without needing their values.

    Raises
    ------
    InputError
        Something in the file is wrong or not supported.
    """
    state = _State({}, arguments_only=True)
    _include(state, Path(file).resolve())
    return tuple(state.declared.values())


def _include(state: _State, file: Path) -> None:
    if file in state.open_files:
        raise InputError(f"{file}: includes itself")
    state.open_files.append(file)
    _perform_all(state, read(file))
    state.open_files.pop()


def _perform_all(state: _State, items: list[Entity]) -> None:
    for item in items:
        (kind,) = item
        action = ACTIONS.get(kind)
        if action is None:
            raise item.fail(kind, f"not supported; supported actions: {', '.join(ACTIONS)}")
        content = item[kind]
        if kind == "group" and isinstance(content, list):
            content = _entity({"children": content}, item)
        if not isinstance(content, Entity):
            raise item.fail(kind, "has no content")
        content.kind = kind
        action(state, content)


def _entity(content: dict[str, Any], like: Entity) -> Entity:
    entity = Entity(content)
    entity.file, entity.line, entity.kind = like.file, like.line, like.kind
    return entity


def _wanted(state: _State, entity: Entity) -> bool:
    if all(key in entity for key in CONDITIONS):
        raise entity.fail("unless", "can't be used together with 'if'")
    for key in CONDITIONS:
        if key in entity:
            text = state.expand(entity, key).strip().lower()
            if text not in ("true", "1", "false", "0"):
                raise entity.fail(key, f"must come to true, 1, false or 0, not '{text}'")
            return (text in ("true", "1")) == (key == "if")
    return True


def _argument(state: _State, entity: Entity) -> None:
    entity.only(("name", "default", "description", "choice", *CONDITIONS))
    if not _wanted(state, entity):
        return
    name = entity.text("name")
    choices = tuple(choice.text("value") for choice in entity.entities("choice"))
    default = state.expand(entity, "default") if "default" in entity else None
    description = entity.optional_text("description") or ""
    state.declared.setdefault(name, Argument(name, default, description, choices))
    if name not in state.variables:
        if default is None and not state.arguments_only:
            raise entity.fail("name", f"argument '{name}' has no default and must be given:  {name}:=VALUE")
        state.variables[name] = default or ""
    value = state.variables[name]
    if choices and value not in choices and not state.arguments_only:
        raise entity.fail("choice", f"'{value}' is no {name}; choose one of {', '.join(choices)}")


def _let(state: _State, entity: Entity) -> None:
    entity.only(("name", "value", *CONDITIONS))
    if _wanted(state, entity):
        state.variables[state.expand(entity, "name")] = state.expand(entity, "value")


def _group(state: _State, entity: Entity) -> None:
    entity.only(("children", "scoped", *CONDITIONS))
    children = actions(entity.get("children"), entity, "children")
    if not _wanted(state, entity):
        return
    before = dict(state.variables)
    _perform_all(state, children)
    if entity.flag("scoped", True):
        state.variables = before


def _include_action(state: _State, entity: Entity) -> None:
    entity.only(("file", "arg", *CONDITIONS))
    if not _wanted(state, entity):
        return
    for argument in entity.entities("arg"):
        argument.only(("name", "value"))
        state.variables[state.expand(argument, "name")] = state.expand(argument, "value")
    file = Path(state.expand(entity, "file"))
    if not file.name.endswith((".launch.yaml", ".launch.yml")):
        raise entity.fail("file", f"'{file}' is not a .launch.yaml file; only those can be included")
    _include(state, file.resolve())


def _node(state: _State, entity: Entity) -> None:
    entity.only(NODE_KEYS)
    if state.arguments_only or not _wanted(state, entity):
        return
    try:
        program = package_executable(state.expand(entity, "pkg"), state.expand(entity, "exec"))
    except InputError as error:
        raise InputError(f"{entity.where()}: {error}") from None
    ros: list[str] = list(state.words(entity, "ros_args"))
    if "name" in entity:
        ros += ["-r", f"__node:={state.expand(entity, 'name')}"]
    if "namespace" in entity:
        ros += ["-r", f"__ns:=/{state.expand(entity, 'namespace').strip('/')}"]
    for remap in entity.entities("remap"):
        remap.only(("from", "to"))
        ros += ["-r", f"{state.expand(remap, 'from')}:={state.expand(remap, 'to')}"]
    for parameter in entity.entities("param"):
        ros += _parameter(state, parameter)
    command = (str(program), *state.words(entity, "args"))
    _process(state, entity, (*command, "--ros-args", *ros) if ros else command)


def _parameter(state: _State, entity: Entity, prefix: str = "") -> list[str]:
    """Return the command-line arguments of one ``param``: a file, a value or nested parameters."""
    entity.only(("from",) if "from" in entity else ("name", "value", "type", "param"))
    if "from" in entity:
        file = Path(state.expand(entity, "from"))
        if prefix or not file.is_file():
            raise entity.fail("from", "can't be nested" if prefix else f"{file}: no such parameter file")
        return ["--params-file", str(file)]
    name = prefix + state.expand(entity, "name")
    if ("value" in entity) == ("param" in entity):
        raise entity.fail("value", f"parameter '{name}' needs either a value or nested parameters")
    if "param" in entity:
        nested = [_parameter(state, child, f"{name}.") for child in entity.entities("param")]
        return [word for words in nested for word in words]
    value = _value(state, entity, entity["value"], entity.optional_text("type"))
    # JSON is the part of YAML in which the type of a value can't be mistaken.
    return ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]


def _value(state: _State, entity: Entity, raw: Any, kind: str | None) -> Any:
    if isinstance(raw, list):
        if kind not in (None, "yaml", *(f"list_of_{scalar}" for scalar in SCALARS)):
            raise entity.fail("type", f"'{kind}' does not fit a list")
        scalar = kind.removeprefix("list_of_") if kind and kind != "yaml" else None
        values = [_value(state, entity, item, scalar) for item in raw]
        if len({type(value) for value in values}) > 1:
            raise entity.fail("value", f"the values of a list must be of one type: {values!r}")
        return values
    text = state.expand_text(entity, "value", raw) if isinstance(raw, str) else None
    value = raw
    if text is not None:
        value = text if kind == "str" else _read_yaml(entity, text)
    if isinstance(value, list) and raw is not value:
        return _value(state, entity, value, kind)
    return _typed(entity, value, kind)


def _read_yaml(entity: Entity, text: str) -> Any:
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        raise entity.fail("value", f"'{text}' is not a YAML value; give it  type: str") from None


def _typed(entity: Entity, value: Any, kind: str | None) -> Any:
    if kind == "float" and not isinstance(value, bool | list):
        # As ROS 2 launch does: YAML 1.1 takes 1e-05, which Python writes, for text.
        with contextlib.suppress(ValueError):
            value = float(value)
    if kind in (None, "yaml"):
        fits = isinstance(value, str | bool | int | float)
    elif kind in SCALARS:
        fits = type(value) is SCALARS[kind]
    else:
        raise entity.fail("type", f"'{kind}' is not one of {', '.join(SCALARS)}, list_of_..., yaml")
    if not fits:
        raise entity.fail("value", f"{value!r} is not of type {kind or 'string, number or boolean'}")
    if isinstance(value, float) and not math.isfinite(value):
        raise entity.fail("value", f"{value!r} is not a finite number")
    return value


def _executable(state: _State, entity: Entity) -> None:
    entity.only(("cmd", *PROCESS_KEYS))
    if state.arguments_only or not _wanted(state, entity):
        return
    command = state.words(entity, "cmd")
    if not command:
        raise entity.fail("cmd", "missing or empty")
    _process(state, entity, command)


def _process(state: _State, entity: Entity, argv: tuple[str, ...]) -> None:
    on_exit = entity.optional_text("on_exit")
    if on_exit not in (None, "shutdown"):
        raise entity.fail("on_exit", f"must be 'shutdown', not '{on_exit}'")
    output = state.expand(entity, "output") if "output" in entity else "screen"
    if output not in ("screen", "log", "both"):
        raise entity.fail("output", f"must be screen, log or both, not '{output}'")
    env = {}
    for variable in entity.entities("env"):
        variable.only(("name", "value"))
        env[state.expand(variable, "name")] = state.expand(variable, "value")
    label = state.expand(entity, "name") if "name" in entity else Path(argv[0]).name
    taken = {process.name for process in state.processes}
    names = (label, *(f"{label}-{count}" for count in range(2, len(taken) + 2)))
    name = next(candidate for candidate in names if candidate not in taken)
    cwd = Path(state.expand(entity, "cwd")) if "cwd" in entity else None
    terminal = entity.flag("emulate_tty", False)
    state.processes.append(ProcessSpec(name, argv, env, cwd, on_exit == "shutdown", terminal))


ACTIONS: dict[str, Callable[[_State, Entity], None]] = {
    "arg": _argument,
    "let": _let,
    "group": _group,
    "include": _include_action,
    "node": _node,
    "executable": _executable,
}
