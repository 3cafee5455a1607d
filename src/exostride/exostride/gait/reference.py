r"""Reference gait: joint angles of able-bodied walking over phase, speed and leg length.

The model is a basis model after Embry, Villarreal, Macaluso & Gregg, "Modeling the kinematics of
human locomotion over continuously varying speeds and inclines", IEEE TNSRE 26:2342 (2018): a
Fourier series over the phase whose coefficients are functions of the task. Here the task is the
speed, made comparable between people of different size by the leg length (Froude),

.. math:: v^* = v / \sqrt{g \ell}, \qquad s = (\sqrt{v^*} - s_0) / s_1, \qquad
          q_j(\varphi, v^*) = \sum_{d=0}^{D} s^d \sum_m c_{jdm} \, f_m(\varphi).

Coefficients and citations stand in ``config/norms/reference_gait.yaml``, written by
``python -m exostride.gait.fit_reference``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from exostride.config import StrictModel, load
from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS
from exostride.errors import ConfigError
from exostride.types import Vector

FILE_NAME = "reference_gait.yaml"


def fourier_row(phase: float, harmonics: int) -> Vector:
    """Return ``[1, cos 1, sin 1, ..., cos H, sin H]`` of one phase, shape (2 H + 1,)."""
    k = 2.0 * np.pi * phase * np.arange(1, harmonics + 1)
    row = np.empty(2 * harmonics + 1)
    row[0] = 1.0
    row[1::2] = np.cos(k)
    row[2::2] = np.sin(k)
    return row


def fourier_matrix(phase: Vector, harmonics: int) -> NDArray[np.float64]:
    """Return the Fourier rows of several phases, shape (N, 2 H + 1)."""
    k = 2.0 * np.pi * np.asarray(phase, dtype=float)[:, None] * np.arange(1, harmonics + 1)
    out = np.empty((k.shape[0], 2 * harmonics + 1))
    out[:, 0] = 1.0
    out[:, 1::2] = np.cos(k)
    out[:, 2::2] = np.sin(k)
    return out


def derivative(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients of d/d(phase) of Fourier series (last axis: 1, cos, sin, ...)."""
    out = np.zeros_like(coefficients)
    k = 2.0 * np.pi * np.arange(1, (coefficients.shape[-1] - 1) // 2 + 1)
    out[..., 1::2] = coefficients[..., 2::2] * k
    out[..., 2::2] = -coefficients[..., 1::2] * k
    return out


@dataclass(frozen=True, slots=True)
class ReferenceCurve:
    """The reference at one speed, cheap to evaluate once a control tick.

    ``angle`` and ``rate`` hold Fourier coefficients, shape (3, 2 H + 1), of hip, knee and ankle in
    rad and rad per cycle; ``sd`` those of the standard deviation between people, shape (3, 2 H' + 1).
    """

    angle: NDArray[np.float64]
    rate: NDArray[np.float64]
    sd: NDArray[np.float64]
    stride_time_s: float
    stance_fraction: float

    def at(self, phase: float) -> tuple[Vector, Vector]:
        """Return hip, knee, ankle [rad] and their derivative by phase [rad per cycle], each (3,)."""
        row = fourier_row(phase, (self.angle.shape[1] - 1) // 2)
        return self.angle @ row, self.rate @ row

    def angles(self, phase: Vector) -> NDArray[np.float64]:
        """Return the angles [rad] at several phases, shape (N, 3)."""
        return fourier_matrix(phase, (self.angle.shape[1] - 1) // 2) @ self.angle.T

    def sds(self, phase: Vector) -> NDArray[np.float64]:
        """Return the standard deviation between people [rad] at several phases, shape (N, 3)."""
        return np.maximum(fourier_matrix(phase, (self.sd.shape[1] - 1) // 2) @ self.sd.T, np.radians(1.0))


@dataclass(frozen=True, slots=True)
class ReferenceGait:
    """Basis model of the reference gait (see the module's equation).

    ``angle_rad`` has shape (3, D + 1, 2 H + 1), ``sd_rad`` (3, 2, 2 H' + 1). The range of speeds seen
    in the fit is ``froude_range``; outside it the polynomial is held at the border and only stride time
    follows the power law, because an extrapolated cubic is not a gait.
    """

    angle_rad: NDArray[np.float64]
    sd_rad: NDArray[np.float64]
    speed_centre: float
    speed_scale: float
    froude_range: tuple[float, float]
    step_length_factor: float
    step_length_exponent: float
    stance: tuple[float, float, float]
    citations: tuple[str, ...] = ()

    def froude_speed(self, speed_m_s: float, leg_length_m: float) -> float:
        """Return the dimensionless speed v / sqrt(g l)."""
        return float(speed_m_s) / float(np.sqrt(GRAVITY_M_S2 * leg_length_m))

    def task(self, froude_speed: float) -> float:
        """Return the task variable s, held at the border of the fitted speeds."""
        v = min(max(froude_speed, self.froude_range[0]), self.froude_range[1])
        return float((np.sqrt(v) - self.speed_centre) / self.speed_scale)

    def curve(self, speed_m_s: float, leg_length_m: float) -> ReferenceCurve:
        """Return the reference at a speed for a leg length (hip centre to floor)."""
        v = self.froude_speed(speed_m_s, leg_length_m)
        s = self.task(v)
        powers = s ** np.arange(self.angle_rad.shape[1])
        angle = np.einsum("d,jdm->jm", powers, self.angle_rad)
        sd = np.einsum("d,jdm->jm", np.array([1.0, s]), self.sd_rad)
        return ReferenceCurve(
            angle, derivative(angle), sd, self.stride_time_s(speed_m_s, leg_length_m), self.stance_fraction(v)
        )

    def angles(self, phase: Vector, speed_m_s: float, leg_length_m: float) -> NDArray[np.float64]:
        """Return hip, knee, ankle [rad] at phases (N,), shape (N, 3)."""
        return self.curve(speed_m_s, leg_length_m).angles(np.atleast_1d(phase))

    def step_length_m(self, speed_m_s: float, leg_length_m: float) -> float:
        """Return the step length: l * factor * v* ** exponent (power law of treadmill walking)."""
        v = max(self.froude_speed(speed_m_s, leg_length_m), 1e-3)
        return float(leg_length_m * self.step_length_factor * v**self.step_length_exponent)

    def stride_time_s(self, speed_m_s: float, leg_length_m: float) -> float:
        """Return the duration of a stride: twice the step length over the speed."""
        v = max(abs(speed_m_s), 1e-3 * float(np.sqrt(GRAVITY_M_S2 * leg_length_m)))
        return 2.0 * self.step_length_m(v, leg_length_m) / v

    def stance_fraction(self, froude_speed: float) -> float:
        """Return the part of the cycle in which the foot is on the ground."""
        s = self.task(froude_speed)
        a, b, c = self.stance
        return float(a + b * s + c * s * s)


class _SpeedSchema(StrictModel):
    centre: float
    scale: float = Field(gt=0.0)
    froude_min: float = Field(gt=0.0)
    froude_max: float = Field(gt=0.0)


class _StepSchema(StrictModel):
    factor: float = Field(gt=0.0)
    exponent: float = Field(gt=0.0, lt=1.0)


class ReferenceFile(StrictModel):
    """Schema of ``config/norms/reference_gait.yaml``."""

    made_by: str
    citations: tuple[str, ...]
    speed: _SpeedSchema
    step_length: _StepSchema
    stance_fraction: tuple[float, float, float]
    angle_deg: dict[str, list[list[float]]]
    sd_deg: dict[str, list[list[float]]]
    errors_deg: dict[str, dict[str, list[float]]]


def load_reference(path: Path) -> ReferenceGait:
    """Read a reference-gait file.

    Raises
    ------
    ConfigError
        The file is missing, damaged, or lacks a joint; the message says what and where.
    """
    raw = load(ReferenceFile, path)
    for name, table in (("angle_deg", raw.angle_deg), ("sd_deg", raw.sd_deg)):
        if set(table) != set(JOINT_KINDS):
            raise ConfigError(f"{path}: {name}: needs exactly the joints {', '.join(JOINT_KINDS)}")
    try:
        angle = np.radians([raw.angle_deg[j] for j in JOINT_KINDS])
        sd = np.radians([raw.sd_deg[j] for j in JOINT_KINDS])
    except ValueError:
        raise ConfigError(f"{path}: angle_deg, sd_deg: rows of unequal length") from None
    return ReferenceGait(
        angle_rad=angle,
        sd_rad=sd,
        speed_centre=raw.speed.centre,
        speed_scale=raw.speed.scale,
        froude_range=(raw.speed.froude_min, raw.speed.froude_max),
        step_length_factor=raw.step_length.factor,
        step_length_exponent=raw.step_length.exponent,
        stance=raw.stance_fraction,
        citations=raw.citations,
    )
