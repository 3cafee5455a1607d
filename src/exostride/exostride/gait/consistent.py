r"""References that a body can walk: the consistent gait of the norms, and a walker's own.

Mean joint angles of many people are no motion that any body could make: led along them, a standing foot would
slide. ``config/norms/gait_plan.yaml`` holds a motion inside the same bands whose standing feet stand still
(:mod:`exostride.patient.fit` finds it); here its angles are read as a reference, without dimension, so
that they scale with the leg length :math:`\ell`: speeds by :math:`v / \sqrt{g \ell}`, times by
:math:`\sqrt{\ell / g}`. Between the stored speeds angles are interpolated, outside they are held; below the
slowest the stride only gets longer.

A walker's own path, learned by :mod:`exostride.gait.teach`, is one or more speeds of their own, and its
difference from the consistent gait goes with them to other speeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from exostride.config import StrictModel, load
from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS
from exostride.errors import ConfigError
from exostride.gait.reference import ReferenceCurve, ReferenceGait, derivative
from exostride.types import Vector

PLAN_FILE: Final = "gait_plan.yaml"
_LONGEST: Final = 1.8
"""Largest stretch of the stride time below the slowest stored speed."""

Positive = Annotated[float, Field(gt=0.0)]
Part = Annotated[float, Field(gt=0.4, lt=0.9)]


class _PlanSpeed(BaseModel):
    """What of a stored speed is the motion; torques and feedback of the same file belong to the patient."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    froude_speed: Positive
    stride_time: Positive
    stance_fraction: Part
    angle_deg: dict[str, list[float]]


class _PlanFile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    speeds: Annotated[tuple[_PlanSpeed, ...], Field(min_length=1)]


class WalkerSpeed(StrictModel):
    """A walker's own motion at one speed: Fourier coefficients (1, cos, sin, ...) over the phase of a leg."""

    froude_speed: Positive
    stride_time: Positive
    stance_fraction: Part
    strides: Annotated[int, Field(ge=1)]
    angle_deg: dict[str, list[float]]


class WalkerFile(StrictModel):
    """Schema of a walker's own path, as ``exostride teach`` writes it."""

    made_by: str
    side: str
    leg_length_m: Positive
    speeds: Annotated[tuple[WalkerSpeed, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Motion:
    """Angles over phase at stored speeds, without dimension.

    ``froude`` (S,) rises; ``stride_time`` and ``stance_fraction`` (S,); ``angle_rad`` has shape
    (S, 3, 2 H + 1).
    """

    froude: Vector
    stride_time: Vector
    stance_fraction: Vector
    angle_rad: NDArray[np.float64]

    def at(self, froude: float) -> tuple[NDArray[np.float64], float, float]:
        """Return angles (3, 2 H + 1), stride time and stance fraction at a speed, held at both ends."""
        f = self.froude
        i = min(max(int(np.searchsorted(f, froude)) - 1, 0), max(len(f) - 2, 0))
        w = 0.0 if len(f) == 1 else min(max((froude - f[i]) / (f[i + 1] - f[i]), 0.0), 1.0)
        j = min(i + 1, len(f) - 1)

        def between(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray((1.0 - w) * values[i] + w * values[j])

        return between(self.angle_rad), float(between(self.stride_time)), float(between(self.stance_fraction))


@dataclass(frozen=True, slots=True)
class ConsistentReference:
    """Reference from a consistent motion; spread between people is that of the norms.

    ``own`` is a walker's own motion, if there is one: at its speeds it takes the motion's place, at others
    its difference goes along.
    """

    motion: Motion
    norms: ReferenceGait
    own: Motion | None = None

    def curve(self, speed_m_s: float, leg_length_m: float) -> ReferenceCurve:
        """Return the reference at a speed for a leg length (hip centre to floor)."""
        froude = self.norms.froude_speed(speed_m_s, leg_length_m)
        angle, time, stance = self.motion.at(froude)
        slowest = float(self.motion.froude[0])
        if self.own is not None:
            near = min(max(froude, float(self.own.froude[0])), float(self.own.froude[-1]))
            mine, mine_time, mine_stance = self.own.at(near)
            usual, usual_time, usual_stance = self.motion.at(near)
            angle = angle + (mine - usual)
            time *= mine_time / usual_time
            stance = min(max(stance + mine_stance - usual_stance, 0.45), 0.85)
        if froude < slowest:
            time *= min(slowest / max(froude, 1e-3), _LONGEST)
        sd = self.norms.curve(speed_m_s, leg_length_m).sd
        seconds = time * float(np.sqrt(leg_length_m / GRAVITY_M_S2))
        return ReferenceCurve(angle, derivative(angle), sd, seconds, stance)


def load_consistent(path: Path, norms: ReferenceGait, own: Path | None = None) -> ConsistentReference:
    """Read the consistent gait, and a walker's own path where there is one.

    Raises
    ------
    ConfigError
        A file is missing or damaged, or a speed lacks a joint; the message says what and where.
    """
    motion = _motion(load(_PlanFile, path).speeds, path)
    if own is None:
        return ConsistentReference(motion, norms)
    mine = _motion(load(WalkerFile, own).speeds, own)
    width = max(motion.angle_rad.shape[2], mine.angle_rad.shape[2])
    return ConsistentReference(_widened(motion, width), norms, _widened(mine, width))


def _widened(motion: Motion, width: int) -> Motion:
    """Return the same motion as series of ``width`` coefficients: harmonics that it lacks are zero."""
    lacks = width - motion.angle_rad.shape[2]
    return replace(motion, angle_rad=np.pad(motion.angle_rad, ((0, 0), (0, 0), (0, lacks))))


def _motion(speeds: Sequence[_PlanSpeed | WalkerSpeed], path: Path) -> Motion:
    order = sorted(speeds, key=lambda speed: speed.froude_speed)
    width = max(len(order[0].angle_deg.get(JOINT_KINDS[0], ())), 3) | 1  # a mean and at least one harmonic
    for speed in order:
        for joint in JOINT_KINDS:
            if len(speed.angle_deg.get(joint, ())) != width:
                raise ConfigError(
                    f"{path}: speed {speed.froude_speed:g}: angle_deg.{joint}: needs {width} coefficients"
                )
    froude = np.array([speed.froude_speed for speed in order])
    if np.any(np.diff(froude) <= 0.0):
        raise ConfigError(f"{path}: froude_speed: every speed may stand there once")
    return Motion(
        froude=froude,
        stride_time=np.array([speed.stride_time for speed in order]),
        stance_fraction=np.array([speed.stance_fraction for speed in order]),
        angle_rad=np.radians([[speed.angle_deg[joint] for joint in JOINT_KINDS] for speed in order]),
    )
