"""A recorded session as arrays: what every metric is computed from.

Only the fields that a metric needs are decoded. Whatever a bag lacks is ``None``, so that a metric can say
why it has no value; nothing is filled in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exostride.errors import ConfigError, InputError
from exostride.model.anthropometry import BodyParameters, body_parameters
from exostride.types import GaitEvent, Vector

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Therapy settings that came into force at ``time_s``."""

    time_s: float
    controller: str
    environment_law: str
    belt_speed_m_s: float
    unloading_percent: float
    self_paced: bool
    goal_steps: int
    assistance: Vector
    cadence_scale: float


@dataclass(frozen=True, slots=True)
class SafetyEntry:
    """State of the supervisor from ``time_s`` on."""

    time_s: float
    state: int
    action: int
    cause: str
    message: str


@dataclass(frozen=True)
class Session:
    """One recorded session; N ticks, joints and sides in the order of :mod:`exostride.conventions`.

    Attributes
    ----------
    time_s : (N,) control time of each state
    log_ns : (N,) log time of each state
    angle_rad, velocity_rad_s : (N, 6), or None
    cuff_torque_nm : (N, 6) exoskeleton on patient, or None
    foot_load_n : (N, 2) heel and toe together, or None
    foot_force_n : (N, 6) ground on foot, world, or None; ``foot_cop_m`` (N, 4) in the sole's frame
    pelvis_m, pelvis_velocity_m_s : (N, 3), or None; ``pelvis_pitch_rad`` (N,) forward lean
    pelvis_left : (N, 3) the pelvis' own y axis in the world, or None
    cuff_force_n, joint_torque_nm, pelvis_gyro_rad_s : (N, 18), (N, 6), (N, 3), or None
    belt_m_s, unloading_n, unloading_percent : (N,), or None
    reference_rad, assistance, contribution_percent, contribution_sd_percent : (N, 6), or None
    applied_nm : (N, 6), or None
    """

    path: Path
    digest: str
    info: Mapping[str, Any]
    body: BodyParameters | None
    period_s: float
    time_s: Vector
    log_ns: NDArray[np.int64]
    events: tuple[GaitEvent, ...]
    settings: tuple[SettingsChange, ...] = ()
    safety: tuple[SafetyEntry, ...] = ()
    angle_rad: Matrix | None = None
    velocity_rad_s: Matrix | None = None
    cuff_torque_nm: Matrix | None = None
    foot_load_n: Matrix | None = None
    foot_force_n: Matrix | None = None
    foot_cop_m: Matrix | None = None
    pelvis_m: Matrix | None = None
    pelvis_velocity_m_s: Matrix | None = None
    pelvis_pitch_rad: Vector | None = None
    pelvis_left: Matrix | None = None
    cuff_force_n: Matrix | None = None
    joint_torque_nm: Matrix | None = None
    pelvis_gyro_rad_s: Matrix | None = None
    belt_m_s: Vector | None = None
    unloading_n: Vector | None = None
    unloading_percent: Vector | None = None
    reference_rad: Matrix | None = None
    assistance: Matrix | None = None
    commanded: bool = False
    contribution_percent: Matrix | None = None
    contribution_sd_percent: Matrix | None = None
    applied_nm: Matrix | None = None
    reason_bits: NDArray[Any] | None = None
    received: Matrix | None = None
    rejected: int | None = None
    heart_bpm: Vector | None = None
    dropped: int | None = None
    topics: Mapping[str, int] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Time from the first state to the last [s]."""
        return float(self.time_s[-1] - self.time_s[0])

    @property
    def patient_id(self) -> str:
        """Pseudonym of the patient, empty where the bag does not say."""
        return str(self.info.get("patient", {}).get("patient_id", ""))


def body_of(info: Mapping[str, Any]) -> BodyParameters | None:
    """Return the body that the bag's patient profile describes, or None when it does not.

    Raises
    ------
    InputError
        The profile holds a body that cannot be.
    """
    body = info.get("patient", {}).get("body")
    if not isinstance(body, Mapping):
        return None
    known = {key: value for key, value in body.items() if key in BodyParameters.model_fields}
    try:
        return body_parameters("session.json: patient.body", **known)
    except ConfigError as error:
        raise InputError(str(error)) from None


def configuration_hash(info: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the configuration and patient profile in a bag's session information."""
    part = {key: info.get(key) for key in ("configuration", "patient", "seeds", "control_period_s")}
    return hashlib.sha256(json.dumps(part, sort_keys=True, default=str).encode()).hexdigest()
