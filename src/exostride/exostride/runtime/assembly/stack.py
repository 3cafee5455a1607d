"""What all components of one stack agree on: rate, patient, robot, limits; and how it is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exostride.config import load
from exostride.errors import ConfigError, InputError
from exostride.model.anthropometry import BodyParameters
from exostride.paths import config_dir
from exostride.patient.profile import PatientProfile
from exostride.safety.limits import SafetyLimits, load_limits, tighten

RATE_MIN_HZ, RATE_MAX_HZ = 100, 500
"""Control rates for which limits and estimators are made."""
SIMULATED = ("simulated", "gazebo")
"""Devices that make up patient and robot themselves, and so are told which."""

DEFAULT_PATIENT = "hemiparetic_left_mild"
REPLAY = "replay"
"""The device that plays a recording, whose walker is somebody else than the patient configured."""
STANCE = "stance"
"""A body that only stands, known to the simulated device without a profile."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What all components of one stack have to agree on.

    Attributes
    ----------
    rate_hz
        Control rate, 100 to 500.
    lockstep
        Whether ticks wait for all nodes; otherwise they follow real time.
    patient
        Profile in ``config/patients`` by name, or a file.
    robot
        ``exoskeleton``, or ``none`` for the harness alone: then there is nothing to carry.
    limits
        Limits file; ``None`` for ``config/limits/default.yaml``.
    reference
        What the laws lead along, see :func:`reference_of`; empty: as ``config/nodes/controller.yaml`` says.
    """

    rate_hz: int = 200
    lockstep: bool = True
    patient: str = DEFAULT_PATIENT
    robot: str = "exoskeleton"
    limits: Path | None = None
    controller_parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    law_parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reference: str = ""

    def __post_init__(self) -> None:
        if not RATE_MIN_HZ <= self.rate_hz <= RATE_MAX_HZ:
            raise ConfigError(f"rate_hz = {self.rate_hz}: must be from {RATE_MIN_HZ} to {RATE_MAX_HZ} Hz")

    @property
    def period_s(self) -> float:
        """Control period T [s]."""
        return 1.0 / self.rate_hz


def safety_limits(config: StackConfig) -> SafetyLimits:
    """Return the device's limits, tightened by those of the patient's profile.

    Raises
    ------
    ConfigError
        A file is damaged, or the profile loosens a limit.
    InputError
        There is no such profile.
    """
    limits = load_limits(config.limits or config_dir() / "limits" / "default.yaml")
    if config.patient in ("", STANCE):
        return limits
    return tighten(limits, _profile(config.patient).limits, f"patient {config.patient}: limits")


def body_of(patient: str) -> BodyParameters:
    """Return the measurements of a patient's body, by profile name or file.

    Raises
    ------
    InputError
        There is no such profile.
    """
    return BodyParameters() if patient == STANCE else _profile(patient).body


def _profile(patient: str) -> PatientProfile:
    folder = config_dir() / "patients"
    named = folder / f"{patient}.yaml"
    path = named if named.is_file() else Path(patient)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise InputError(f"unknown patient '{patient}'; available: {known}, or the path of a file")
    return load(PatientProfile, path)


def patient_record(patient: str, device: str) -> dict[str, Any]:
    """Return what a bag says of the patient: pseudonym and profile, without names and words.

    A replayed walker is unknown; of one who only stands, the body is known.
    """
    if not patient:
        return {}
    record: dict[str, Any] = {"patient_id": Path(patient).stem}
    if device == REPLAY:
        return record
    if patient == STANCE:
        return {**record, "body": body_of(patient).model_dump(mode="json")}
    return {**record, **_profile(patient).model_dump(mode="json", exclude={"name", "description"})}


def configuration_files(protocol: Path | None = None, limits: Path | None = None) -> dict[str, bytes]:
    """Return the configuration files that a session reads, by the name that they get in its bag.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    files = {f"nodes/{file.name}": file for file in sorted((config_dir() / "nodes").glob("*.yaml"))}
    chosen = limits or config_dir() / "limits" / "default.yaml"
    files[f"limits/{chosen.name}"] = chosen
    if protocol is not None:
        files[f"protocols/{protocol.name}"] = protocol
    try:
        return {name: file.read_bytes() for name, file in files.items()}
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
