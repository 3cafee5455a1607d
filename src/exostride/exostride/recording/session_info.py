"""What a bag carries beside its messages, so that a session can be understood and run again."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from exostride.errors import InputError
from exostride.recording.chunkfile import ChunkFile

NAME: Final = "exostride"
SESSION_FILE: Final = "session.json"
_PACKAGES: Final = ("exostride", "numpy", "scipy", "mujoco", "pin", "mcap", "rosbags")
_IDENTIFYING: Final = (
    *("first_name", "last_name", "full_name", "patient_name", "surname", "birth_date", "date_of_birth"),
    *("birthday", "address", "phone", "email", "insurance_number"),
)


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the packages that decide a result."""
    found = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, str]:
    """Return commit and cleanliness of the checkout that holds ``folder``; empty outside of one."""

    def ask(*arguments: str) -> str | None:
        command = ["git", "-C", str(folder), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = ask("rev-parse", "HEAD")
    if not commit:
        return {}
    changed = ask("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "state": "unknown" if changed is None else "modified" if changed else "clean"}


def check_pseudonymous(patient: Mapping[str, Any]) -> None:
    """Refuse a patient profile that names a person.

    Raises
    ------
    InputError
        A key that identifies a person is present, at any depth.
    """
    for key, value in patient.items():
        if key.lower() in _IDENTIFYING:
            raise InputError(f"patient profile has '{key}': a bag holds no names; use 'patient_id' instead")
        if isinstance(value, Mapping):
            check_pseudonymous(value)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """Everything needed to reproduce a session.

    Settings over time are not here: they are messages on ``session/settings``.
    """

    configuration: Mapping[str, Any] = field(default_factory=dict)
    """Merged configuration of all components, as plain data."""
    patient: Mapping[str, Any] = field(default_factory=dict)
    """Pseudonymous profile; see :func:`check_pseudonymous`."""
    seeds: Mapping[str, int] = field(default_factory=dict)
    control_period_s: float | None = None
    runner: str = ""
    """``ros`` or ``virtual``."""
    versions: Mapping[str, str] = field(default_factory=versions)
    git: Mapping[str, str] = field(default_factory=dict)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Configuration files as they were read, by name."""

    def __post_init__(self) -> None:
        check_pseudonymous(self.patient)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "configuration": dict(self.configuration),
            "patient": dict(self.patient),
            "seeds": dict(self.seeds),
            "control_period_s": self.control_period_s,
            "runner": self.runner,
            "versions": dict(self.versions),
            "git": dict(self.git),
            "started": self.started,
        }

    def summary(self) -> dict[str, str]:
        """Return the short form for tools that show key and value."""
        short = {"runner": self.runner, "started": self.started}
        if self.control_period_s is not None:
            short["control_period_s"] = repr(self.control_period_s)
        short.update({f"version_{key}": value for key, value in self.versions.items()})
        short.update({f"git_{key}": value for key, value in self.git.items()})
        short.update({f"seed_{key}": str(value) for key, value in self.seeds.items()})
        if "patient_id" in self.patient:
            short["patient_id"] = str(self.patient["patient_id"])
        return short

    def store(self, file: ChunkFile) -> None:
        """Write the session into an MCAP file."""
        body = json.dumps(self.as_dict(), indent=1, sort_keys=True, default=str)
        file.attach(SESSION_FILE, "application/json", body.encode(), 0)
        for name, data in self.files.items():
            file.attach(f"config/{name}", "application/yaml", data, 0)
        file.add_metadata(NAME, self.summary())
