"""Loading of YAML configuration: strict schemas, errors that name file, key, value and range.

The schema of each kind of file stands beside the code that it configures and derives from
:class:`StrictModel`; this module loads them and turns every failure into one clear
:class:`~exostride.errors.ConfigError`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from exostride.errors import ConfigError

_FAST_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast, where PyYAML was built with libyaml."""


class StrictModel(BaseModel):
    """Base of every schema: unknown keys are errors, values are frozen and finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


ModelT = TypeVar("ModelT", bound=BaseModel)


def parse_yaml(text: str) -> Any:
    """Return the plain data of a YAML text.

    Raises
    ------
    yaml.YAMLError
        The text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_FAST_LOADER)
    except yaml.YAMLError:
        # The slow loader names the place of an error better.
        return yaml.safe_load(text)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises
    ------
    ConfigError
        The file is missing, unreadable, not YAML, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read ({error})") from None
    try:
        data = parse_yaml(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not valid YAML ({error.problem})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values at the top")
    return data


SHOWN = 80
"""Most characters of a refused value that an error shows."""


def explain(error: ValidationError, where: str) -> ConfigError:
    """Return one line for all problems of a failed validation: key, value and reason of each."""
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(top)"
        if item["type"] == "extra_forbidden":
            problems.append(f"{key}: unknown key")
        elif item["type"] == "missing":
            problems.append(f"{key}: missing")
        else:
            problems.append(f"{key} = {_short(item['input'])}: {item['msg'].removeprefix('Value error, ')}")
    return ConfigError(f"{where}: " + "; ".join(problems))


def _short(value: object) -> str:
    """Return a value as Python writes it, cut where a line would no longer be one."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def validate(model: type[ModelT], data: dict[str, Any], where: str) -> ModelT:
    """Validate ``data`` against ``model``; ``where`` names its origin in an error.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value is out of range.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise explain(error, where) from None


def load(model: type[ModelT], path: Path) -> ModelT:
    """Load and validate one YAML file; see :func:`read_yaml` and :func:`validate` for errors."""
    return validate(model, read_yaml(path), str(path))


def fingerprint(model: BaseModel) -> str:
    """Return the SHA-256 of a configuration's canonical JSON, to name it in bags and reports."""
    return hashlib.sha256(model.model_dump_json().encode()).hexdigest()
