"""Virtual patients by name: ``config/patients/<name>.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from exostride.config import load
from exostride.errors import InputError
from exostride.model.anthropometry import BodyParameters
from exostride.paths import config_dir
from exostride.patient.gait_plan import FILE_NAME, GaitPlan, load_plans
from exostride.patient.profile import PatientProfile
from exostride.patient.virtual import VirtualPatient


def patients_dir() -> Path:
    """Return the folder of the patients' files."""
    return config_dir() / "patients"


def patient_names() -> list[str]:
    """Return the sorted names of all profiles."""
    return sorted(path.stem for path in patients_dir().glob("*.yaml"))


def load_profile(name_or_path: str) -> PatientProfile:
    """Return a profile by its name, or by the path of a file of one's own.

    Raises
    ------
    InputError
        No profile has this name; the message lists those there are.
    ConfigError
        The file is damaged, has an unknown key, or a value is out of range.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return load(PatientProfile, path)
    path = patients_dir() / f"{name_or_path}.yaml"
    if not path.is_file():
        raise InputError(
            f"unknown patient '{name_or_path}'; available: {', '.join(patient_names()) or 'none'}"
        )
    return load(PatientProfile, path)


@cache
def default_plans() -> tuple[GaitPlan, GaitPlan]:
    """Return what every patient has learned, ``config/norms/gait_plan.yaml``: alone, and in the robot."""
    return load_plans(config_dir() / "norms" / FILE_NAME)


def make_patient(profile: PatientProfile, period_s: float, seed: int = 0) -> VirtualPatient:
    """Return the patient of a profile, rested and standing."""
    alone, in_robot = default_plans()
    return VirtualPatient(profile, alone, period_s, seed, in_robot)


def load_patient(name_or_path: str, period_s: float, seed: int = 0) -> tuple[VirtualPatient, BodyParameters]:
    """Return a patient, rested and standing, and their body; errors as :func:`load_profile`."""
    profile = load_profile(name_or_path)
    return make_patient(profile, period_s, seed), profile.body
