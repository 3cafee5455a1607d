r"""Who does the work: the patient's own torque, and their share of the positive work at each joint.

The patient's torque is what inverse dynamics leaves after the exoskeleton's part (cuffs), the tissue's
elasticity (:mod:`exostride.patient.passive`) and its damping (``urdf/joints.yaml``) are taken off,

.. math:: \tau_{pat} = M_{net} - \tau_{cuff} - \tau_{elastic} + B\dot q, \qquad
          W^+ = \int \max(\tau \dot q, 0)\,dt, \qquad C = \frac{W^+_{pat}}{W^+_{pat} + W^+_{exo}}.

It needs ground forces, cuff torques, the pelvis' motion and the body's dimensions. The patient's joints are
not the robot's (:mod:`exostride.analysis.worn`). Where something is missing but the controller estimated
contributions while it ran, those are averaged instead, and the source says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.analysis import estimate as why
from exostride.analysis.planar import blocks, leg_moments, merged, smooth
from exostride.analysis.walk import Walk
from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS, side_slice
from exostride.model.joints import joint_table
from exostride.patient.passive import REFERENCE_SCALE_NM, passive_moment
from exostride.types import Vector

Matrix = NDArray[np.float64]

LEAST_WORK_J_KG: Final = 0.01
"""Positive work per stride and body mass below which a share is not stated."""
TORQUE_ERROR_NM_KG: Final = 0.03
"""Uncertainty (1 SD) of the patient's mean torque per body mass. On the virtual patient, whose body is known
exactly, works were off by as much as 0.02 N m/kg would make them; the rest is for cuffs that give."""
CUFF_ERROR_NM_KG: Final = 0.005
"""Uncertainty (1 SD) of the cuffs' mean torque per body mass: an offset of 0.3 N in each force of thigh,
shank and foot, at up to 0.9 m from the hip of a person of 72 kg. What it adds to the robot's share it takes
from the patient's."""


_TOLD_S: Final = 0.3
"""Within this after a stride the controller has told its share: heel strike and observer come late."""
_DAMPING_NMS_RAD: Final = np.array([joint_table()[f"patient_{k}_left"].damping_nms_rad for k in JOINT_KINDS])
"""Damping of the tissue of hip, knee and ankle."""


@dataclass(frozen=True)
class Work:
    """Positive and negative work [J] over each stride of one leg, shape (n, 3): hip, knee, ankle."""

    patient_positive: Matrix
    exo_positive: Matrix
    exo_negative: Matrix
    angular_travel: Matrix
    """Integral of |q'| [rad], for the uncertainty of a work."""


class Effort:
    """Torques and works of a walk; what cannot be computed is None, and ``reason`` says why."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.reason = self._reason()

    def _reason(self) -> str:
        s = self.walk.session
        lacking = (
            (s.angle_rad is None, why.NO_ANGLES),
            (s.velocity_rad_s is None, why.NO_ANGLES),
            (s.cuff_torque_nm is None, why.NO_CUFFS),
            (self.moment_reason != "", self.moment_reason),
        )
        return next((reason for lacks, reason in lacking if lacks), "")

    @property
    def moment_reason(self) -> str:
        """Why there are no net joint moments; empty when there are."""
        s = self.walk.session
        lacking = (
            (s.angle_rad is None, why.NO_ANGLES),
            (s.foot_force_n is None or s.foot_cop_m is None, why.NO_GROUND_FORCE),
            (s.pelvis_m is None or s.pelvis_left is None or s.pelvis_pitch_rad is None, why.NO_PELVIS),
            (s.body is None, why.NO_BODY),
        )
        return next((reason for lacks, reason in lacking if lacks), "")

    @cached_property
    def moments_nm(self) -> tuple[Matrix, Matrix] | None:
        """Net moments (N, 3) about the patient's own joints, left and right leg, or None."""
        if self.moment_reason:
            return None
        assert self.walk.angle_rad is not None and self.walk.pitch_rad is not None
        return self._moments_of(self.walk.angle_rad, self.walk.pitch_rad)

    @cached_property
    def _correction_m(self) -> Matrix:
        """What the pelvis' measured velocity makes of its place, x and z (N, 2), zero without velocity."""
        s = self.walk.session
        assert s.pelvis_m is not None
        place = s.pelvis_m[:, [0, 2]]
        if s.pelvis_velocity_m_s is None:
            return np.zeros(place.shape)
        return merged(place, s.pelvis_velocity_m_s[:, [0, 2]], s.time_s, s.period_s) - place

    def _moments_of(self, angle_rad: Matrix, pitch_rad: Vector) -> tuple[Matrix, Matrix]:
        s = self.walk.session
        assert s.foot_force_n is not None and s.foot_cop_m is not None and s.body is not None
        left, right = (
            leg_moments(
                angle_rad[:, side_slice(side)],
                pitch_rad,
                self.walk.hip_m(side) + self._correction_m,
                s.foot_force_n[:, [3 * side, 3 * side + 2]],
                s.foot_cop_m[:, 2 * side],
                s.body,
                s.period_s,
            )
            for side in (0, 1)
        )
        return left, right

    @cached_property
    def _all_works(self) -> tuple[dict[str, Work], dict[str, Work]]:
        """Works of both sides over every part of the stride; empty where power was not measured."""
        left, right = (self._works_of(side) for side in (0, 1))
        return left, right

    def _works_of(self, side: int) -> dict[str, Work]:
        s, leg, joints, worn = self.walk.session, self.walk.legs[side], side_slice(side), self.walk.worn
        if worn is None:
            return {}
        spans = {
            "stride": (leg.start_s, leg.end_s),
            "stance": (leg.start_s, leg.toe_off_s),
            "swing": (leg.toe_off_s, leg.end_s),
        }
        velocity = smooth(worn.velocity_rad_s[:, joints], s.period_s)
        exo = smooth(worn.cuff_nm[:, joints], s.period_s) * velocity
        torque = self.patient_torque_nm(side)
        patient = np.full_like(exo, np.nan) if torque is None else torque * velocity
        found: dict[str, list[Matrix]] = {part: [] for part in spans}
        # One at a time: running integrals of an hour are large.
        for power, shape in ((patient, np.maximum), (exo, np.maximum), (exo, np.minimum)):
            total = self.walk.running_integral(shape(power, 0.0))
            for part, (start, end) in spans.items():
                found[part].append(self.walk.between(total, start, end))
        total = self.walk.running_integral(np.abs(velocity))
        travel = {part: self.walk.between(total, start, end) for part, (start, end) in spans.items()}
        return {part: Work(own, plus, minus, travel[part]) for part, (own, plus, minus) in found.items()}

    def body_torque_nm(self, side: int) -> Matrix | None:
        """Return the torque (N, 3) of tissue and muscles about the patient's own joints, or None."""
        worn, moments = self.walk.worn, self.moments_nm
        if self.reason or worn is None or moments is None:
            return None
        return moments[side] - smooth(worn.cuff_nm[:, side_slice(side)], self.walk.session.period_s)

    def patient_torque_nm(self, side: int) -> Matrix | None:
        """Return the active torque (N, 3) of the patient's muscles on one side, or None."""
        body, worn, torque = self.walk.session.body, self.walk.worn, self.body_torque_nm(side)
        if torque is None or worn is None or body is None:
            return None
        assert self.walk.geometry is not None
        torque += (
            smooth(worn.velocity_rad_s[:, side_slice(side)], self.walk.session.period_s) * _DAMPING_NMS_RAD
        )
        scale = body.mass_kg * GRAVITY_M_S2 * self.walk.geometry.leg_length / REFERENCE_SCALE_NM
        for _, _, block in blocks(len(torque)):
            torque[block] -= scale * passive_moment(worn.angle_rad[block, side_slice(side)])[0]
        return torque

    def works(self, side: int, part: str = "stride") -> Work | None:
        """Return the works over each stride (``stride``), or its ``stance`` or ``swing``, or None."""
        return self._all_works[side].get(part)


@dataclass(frozen=True)
class Contribution:
    """Patient's share of the positive work [%] per stride of one leg (n, 3), and its uncertainty (3,)."""

    percent: Matrix
    model_sd_percent: Vector
    from_controller: bool


def contribution(effort: Effort, side: int, part: str = "stride") -> Contribution | None:
    """Return the patient's share per stride, from works, or from the controller where works are missing.

    The uncertainty is that of the model, common to all strides: an error of the patient's torque of one
    SD changes their work by at most that times the angle travelled in the half of the time in which they
    do positive work; an error of the cuffs' torque changes both works, by as much and with opposite signs.
    """
    walk = effort.walk
    works = None if effort.reason else effort.works(side, part)
    if works is None:
        return _from_controller(walk, side) if part == "stride" else None
    assert walk.session.body is not None
    mass = walk.session.body.mass_kg
    total = works.patient_positive + works.exo_positive
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total >= LEAST_WORK_J_KG * mass, works.patient_positive / total, np.nan)
        travel = mass * 0.5 * works.angular_travel
        own_sd = TORQUE_ERROR_NM_KG * travel * works.exo_positive / total**2
        sd = np.where(np.isfinite(share), np.hypot(own_sd, CUFF_ERROR_NM_KG * travel / total), np.nan)
    model = np.array([np.nanmean(c) if np.isfinite(c).any() else np.nan for c in sd.T])
    return Contribution(100.0 * share, 100.0 * model, False)


def _from_controller(walk: Walk, side: int) -> Contribution | None:
    s, leg = walk.session, walk.legs[side]
    if s.contribution_percent is None or not len(leg):
        return None
    row = np.searchsorted(s.time_s, leg.end_s + _TOLD_S)
    late = row >= len(s.time_s)
    row[late] = 0
    percent = np.where(late[:, None], np.nan, s.contribution_percent[row][:, side_slice(side)])
    if not np.isfinite(percent).any():
        return None
    sd = np.full(3, np.nan)
    if s.contribution_sd_percent is not None:
        found = s.contribution_sd_percent[row[~late]][:, side_slice(side)]
        sd = np.array([np.nanmean(c) if np.isfinite(c).any() else np.nan for c in found.T])
    return Contribution(percent, sd, True)


def effort_of(walk: Walk) -> Effort:
    """Return the effort of a walk, computed once."""
    cached = walk.__dict__.get("_effort")
    if not isinstance(cached, Effort):
        cached = Effort(walk)
        walk.__dict__["_effort"] = cached
    return cached
