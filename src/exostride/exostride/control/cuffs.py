r"""How the patient's legs lie in the robot's, and what the cuffs do to them, from the forces in the cuffs.

A cuff is a spring and damper: the patient's limb is displaced in it by

.. math:: k_i d_i + c_i \dot d_i = -f_i

with the force f of the robot on the patient, axis by axis in the robot's frame. In a leg's plane the
displacements of thigh, shank and foot follow from where the patient's hip lies in the robot's, h, and from
the differences \delta of the segments' angles; with \alpha, \beta, \gamma of
:mod:`exostride.control.kinematics`, e(\theta) = (\cos\theta, \sin\theta) and R(\theta) into a segment's
frame,

.. math::
    d_{thigh} &= R(\alpha)\,[h + a\,\delta_\alpha e(\alpha)] \\
    d_{shank} &= R(\beta)\,[h + L_t \delta_\alpha e(\alpha) + b\,\delta_\beta e(\beta)] \\
    d_{foot} &= R(\gamma)\,[h + L_t \delta_\alpha e(\alpha) + L_s \delta_\beta e(\beta)]
                + \delta_\gamma (-p_z, p_x)

six equations for five unknowns, solved by weighted least squares. A leg that leans sideways by \psi in the
robot's, which the cuffs' lateral displacements tell, seems shorter by 1 - \cos\psi. The pelvis pitches
against the robot's base in its belt, by the moment that belt and frame bear beside the drives of the hips:

.. math:: k_b\,\rho + c_b\,\dot\rho = k_f \theta + c_f \dot\theta - \tau_{hips}

The robot's torque on the patient's joints is that on its own, less what the different posture makes of the
same forces.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg.lapack import dposv
from scipy.signal import lfilter

from exostride.config import StrictModel
from exostride.conventions import N_JOINTS, side_slice
from exostride.model.geometry import BodyGeometry
from exostride.types import ExoState, Vector

Triple = tuple[float, float, float]
Some = Any
"""A number, or an array of them over time."""
_THIGH: Final = 0.60
_SHANK: Final = 0.50
_FOOT: Final = (0.5, 0.5)
"""Where the cuffs sit: parts of thigh and shank, of the ball's place forward and of the ankle's height."""
_SURE_M: Final = np.array([0.5, 1.5, 0.5, 1.5, 0.3, 0.3]) * 1e-3
_BEFORE: Final = np.array([0.03, 0.03, 0.2, 0.2, 0.2])
"""Standard deviations of the six displacements [m], and of the unknowns before them [m, rad]."""
_LARGEST_RAD: Final = 0.5


class CuffParameters(StrictModel):
    """Stiffness and damping of thigh, shank and foot cuff (forward, left, up), of belt and frame in pitch.

    They belong to the machine and are found by pressing a still leg.
    """

    stiffness_n_m: tuple[Triple, Triple, Triple] = (
        (8000.0, 100.0, 1500.0),
        (8000.0, 60.0, 1500.0),
        (15000.0, 60.0, 15000.0),
    )
    damping_ns_m: tuple[Triple, Triple, Triple] = (
        (120.0, 10.0, 40.0),
        (100.0, 6.0, 30.0),
        (100.0, 6.0, 100.0),
    )
    belt_nm_rad: float = Field(300.0, gt=0.0)
    belt_nms_rad: float = Field(8.0, ge=0.0)
    frame_nm_rad: float = Field(75.0, ge=0.0)
    frame_nms_rad: float = Field(5.0, ge=0.0)


@dataclass(frozen=True, slots=True)
class Posture:
    """The patient's joints: angle, velocity, what of it the cuffs' yielding is, torque of the cuffs.

    Vectors are (6,) in joint order, or (N, 6) over time; ``pitch_rad`` is the pelvis' own.
    """

    angle_rad: Vector
    velocity_rad_s: Vector
    giving_rad_s: Vector
    cuff_nm: Vector
    pitch_rad: Some


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record of N ticks says: joints (N, 6), cuff forces (N, 18), pitch of the robot's base (N,)."""

    angle_rad: Vector
    velocity_rad_s: Vector
    cuff_torque_nm: Vector
    joint_torque_nm: Vector
    cuff_force_n: Vector
    pitch_rad: Vector
    pitch_rate_rad_s: Vector


class CuffPosture:
    """Follows the patient's posture tick by tick; see module.

    Parameters
    ----------
    geometry
        The walker's legs.
    period_s
        Control period [s].
    parameters
        The machine's cuffs.
    """

    def __init__(
        self, geometry: BodyGeometry, period_s: float, parameters: CuffParameters | None = None
    ) -> None:
        p = parameters or CuffParameters()
        self._thigh, self._shank = geometry.thigh, geometry.shank
        self._a, self._b = _THIGH * geometry.thigh, _SHANK * geometry.shank
        self._px, self._pz = _FOOT[0] * geometry.foot.ball_x, _FOOT[1] * geometry.foot.sole_z
        stiffness, damping = np.tile(p.stiffness_n_m, (2, 1)).ravel(), np.tile(p.damping_ns_m, (2, 1)).ravel()
        self._softness = -1.0 / stiffness
        self._follow = 1.0 - np.exp(-period_s * stiffness / np.maximum(damping, 1e-9))
        self._weight = (1.0 / _SURE_M**2)[:, None]
        self._prior = np.diag(1.0 / _BEFORE**2)
        places = np.array([self._a, self._thigh + self._b, self._thigh + self._shank])
        centred = places - places.mean()
        self._lean = (centred / (centred @ centred)).tolist()
        self._belt = p
        self._belt_follow = 1.0 - float(np.exp(-period_s * p.belt_nm_rad / max(p.belt_nms_rad, 1e-9)))
        self._period = period_s
        self.reset()

    def reset(self) -> None:
        """Forget the legs."""
        self._moved: Vector | None = None
        self._pelvis = 0.0
        self._change: Vector = np.zeros(N_JOINTS)

    def step(self, state: ExoState, pitch: float) -> Posture:
        """Return the patient's posture from a state with all signals; ``pitch`` is the robot's base's."""
        wanted = self._softness * state.cuff_force_n
        belt = self._belt
        bears = belt.frame_nm_rad * pitch + belt.frame_nms_rad * float(state.pelvis_gyro_rad_s[1])
        tilt = (bears - float(state.joint_torque_nm[0] + state.joint_torque_nm[3])) / belt.belt_nm_rad
        fresh = self._moved is None
        if self._moved is None:
            self._moved, self._pelvis = wanted, tilt
        self._moved = self._moved + self._follow * (wanted - self._moved)
        self._pelvis += self._belt_follow * (tilt - self._pelvis)
        angles, moved = state.angle_rad.tolist(), self._moved.tolist()
        segments = [_segments(angles[3 * s : 3 * s + 3], pitch) for s in (0, 1)]
        leans = [
            min(max(self._leaning(moved[9 * s : 9 * s + 9]), -_LARGEST_RAD), _LARGEST_RAD) for s in (0, 1)
        ]
        turned = [self._solve(segments[s], moved[9 * s : 9 * s + 9], leans[s]) for s in (0, 1)]
        change = np.array([v for t in turned for v in (t[0] + self._pelvis, t[0] - t[1], t[2] - t[1])])
        giving = np.zeros(N_JOINTS) if fresh else (change - self._change) / self._period
        self._change = change
        force = state.cuff_force_n.tolist()
        parts = [
            self._added(
                _ends(segments[s]),
                _ends(_turned(segments[s], turned[s])),
                (cos(leans[s]), sin(leans[s])),
                force[9 * s : 9 * s + 9],
            )
            for s in (0, 1)
        ]
        torque: Vector = np.array(parts).ravel()
        return Posture(
            state.angle_rad + change,
            state.velocity_rad_s + giving,
            giving,
            state.cuff_torque_nm + torque,
            pitch + self._pelvis,
        )

    def over_time(self, seen: Recorded) -> Posture:
        """Return the patient's posture over a whole record, as :meth:`step` does tick by tick."""
        n = len(seen.pitch_rad)
        belt = self._belt
        bears = belt.frame_nm_rad * seen.pitch_rad + belt.frame_nms_rad * seen.pitch_rate_rad_s
        tilt = (bears - seen.joint_torque_nm[:, [0, 3]].sum(axis=1)) / belt.belt_nm_rad
        pelvis = _followed(tilt, self._belt_follow)
        wanted = self._softness * seen.cuff_force_n
        moved = np.column_stack([_followed(wanted[:, k], float(self._follow[k])) for k in range(18)])
        change, torque = np.empty((n, N_JOINTS)), np.empty((n, N_JOINTS))
        for side in (0, 1):
            angle, d = seen.angle_rad[:, side_slice(side)].T, moved[:, 9 * side : 9 * side + 9].T
            segments = _segments(angle, seen.pitch_rad)
            ends = tuple(f(a) for a in segments for f in (np.cos, np.sin))
            lean = np.clip(self._leaning(d), -_LARGEST_RAD, _LARGEST_RAD)
            turned = self._solve_all(ends, d, 1.0 - np.cos(lean))
            own = tuple(f(a + t) for a, t in zip(segments, turned, strict=True) for f in (np.cos, np.sin))
            force = seen.cuff_force_n[:, 9 * side : 9 * side + 9].T
            thigh, shank, foot = turned
            change[:, side_slice(side)] = np.column_stack([thigh + pelvis, thigh - shank, foot - shank])
            added = self._added(ends, own, (np.cos(lean), np.sin(lean)), force)
            torque[:, side_slice(side)] = np.column_stack(added)
        giving = np.diff(change, axis=0, prepend=change[:1]) / self._period
        return Posture(
            seen.angle_rad + change,
            seen.velocity_rad_s + giving,
            giving,
            seen.cuff_torque_nm + torque,
            seen.pitch_rad + pelvis,
        )

    def _solve_all(self, ends: tuple[Some, ...], d: Some, shorter: Some) -> Some:
        """Return what :meth:`_solve` does, over time, shape (3, N)."""
        matrix: NDArray[np.float64] = np.zeros((len(shorter), 6, 5))
        for i, row in enumerate(self._rows(ends)):
            for j, value in enumerate(row):
                matrix[:, i, j] = value
        weighted = (self._weight * matrix).transpose(0, 2, 1)
        right = weighted @ np.stack(self._seen(ends, d, shorter), axis=1)[:, :, None]
        found = np.linalg.solve(weighted @ matrix + self._prior, right)
        return np.clip(found[:, 2:, 0].T, -_LARGEST_RAD, _LARGEST_RAD)

    def _leaning(self, moved: Some) -> Some:
        """Return how far a leg leans to the left in the robot's [rad]."""
        return moved[1] * self._lean[0] + moved[4] * self._lean[1] + moved[7] * self._lean[2]

    def _solve(self, segments: Triple, d: list[float], lean: float) -> list[float]:
        """Return by how much thigh, shank and foot of a leg are turned in the robot's [rad]."""
        ends = _ends(segments)
        matrix: NDArray[np.float64] = np.array(self._rows(ends))
        weighted = (self._weight * matrix).T
        # The prior makes the matrix positive definite, whatever the posture.
        _, found, _ = dposv(
            weighted @ matrix + self._prior, weighted @ np.array(self._seen(ends, d, 1.0 - cos(lean)))
        )
        return [min(max(x, -_LARGEST_RAD), _LARGEST_RAD) for x in found[2:].tolist()]

    # The geometry below takes numbers or arrays over time alike: ``Some`` is either.

    def _rows(self, ends: tuple[Some, ...]) -> tuple[tuple[Some, ...], ...]:
        """Return what the unknowns move at each sensed displacement, six rows of five."""
        ca, sa, cb, sb, cg, sg = ends
        lt, ls, a, b, px, pz = self._thigh, self._shank, self._a, self._b, self._px, self._pz
        # Cosine and sine of the angles between segments.
        cab, sab = ca * cb + sa * sb, sa * cb - ca * sb
        cag, sag = ca * cg + sa * sg, sa * cg - ca * sg
        cbg, sbg = cb * cg + sb * sg, sb * cg - cb * sg
        return (
            (ca, sa, a, 0.0, 0.0),
            (-sa, ca, 0.0, 0.0, 0.0),
            (cb, sb, lt * cab, b, 0.0),
            (-sb, cb, lt * sab, 0.0, 0.0),
            (cg, sg, lt * cag, ls * cbg, -pz),
            (-sg, cg, lt * sag, ls * sbg, px),
        )

    def _seen(self, ends: tuple[Some, ...], d: Some, shorter: Some) -> tuple[Some, ...]:
        """Return the displacements in the plane of a leg that leaning makes shorter."""
        ca, sa, cb, sb, cg, sg = ends
        t, s = shorter * self._a * ca, shorter * (self._thigh * ca + self._b * cb)
        f = shorter * (self._thigh * ca + self._shank * cb - self._pz)
        return d[0] - t * sa, d[2] - t * ca, d[3] - s * sb, d[5] - s * cb, d[6] - f * sg, d[8] - f * cg

    def _added(
        self, ends: tuple[Some, ...], own: tuple[Some, ...], lean: tuple[Some, Some], force: Some
    ) -> tuple[Some, Some, Some]:
        """Return what the patient's posture adds to the torque of the cuffs' forces [N m], one leg.

        ``ends`` are cosine and sine of the robot's segments, ``own`` those of the patient's, ``lean`` those
        of the leg's lean.
        """
        ca, sa, cb, sb, cg, sg = ends
        px, pz = self._px, self._pz
        # Ends of unit vectors along thigh and shank, and the foot cuff from the ankle: patient less robot.
        tx, tz, sx, sz = own[1] - sa, ca - own[0], own[3] - sb, cb - own[2]
        c, s = own[4] - cg, own[5] - sg
        fx, fz = px * c - pz * s, px * s + pz * c
        f1x, f1z = force[0] * ca - force[2] * sa, force[0] * sa + force[2] * ca
        f2x, f2z = force[3] * cb - force[5] * sb, force[3] * sb + force[5] * cb
        f3x, f3z = force[6] * cg - force[8] * sg, force[6] * sg + force[8] * cg
        below_x, below_z = f2x + f3x, f2z + f3z
        a, b, lt, ls = self._a, self._b, self._thigh, self._shank
        ankle = f3z * fx - f3x * fz
        knee = sx * (b * f2z + ls * f3z) - sz * (b * f2x + ls * f3x) + ankle
        hip = tx * (a * f1z + lt * below_z) - tz * (a * f1x + lt * below_x) + knee
        # Along a leg that leans, sideways forces count too.
        c, s = lean[0] - 1.0, lean[1]
        d1, d2, d3 = c * f1z - s * force[1], c * f2z - s * force[4], c * f3z - s * force[7]
        thigh, shank, foot = sa + tx, sb + sx, px * cg - pz * sg + fx
        lower = (b * d2 + ls * d3) * shank + d3 * foot
        return hip + (a * d1 + lt * (d2 + d3)) * thigh + lower, -(knee + lower), ankle + d3 * foot


def _followed(wanted: Vector, share: float) -> Vector:
    """Return a first-order filter's way after its input, from rest at the first value."""
    return np.asarray(lfilter([share], [1.0, share - 1.0], wanted, zi=[(1.0 - share) * wanted[0]])[0])


def _segments(angle: Some, pitch: Some) -> tuple[Some, Some, Some]:
    """Return the angles of thigh, shank and foot in the world [rad]."""
    alpha = angle[0] - pitch
    beta = alpha - angle[1]
    return alpha, beta, beta + angle[2]


def _turned(segments: Triple, turned: list[float]) -> Triple:
    return segments[0] + turned[0], segments[1] + turned[1], segments[2] + turned[2]


def _ends(segments: Triple) -> tuple[float, ...]:
    """Return cosine and sine of the angles of thigh, shank and foot."""
    alpha, beta, gamma = segments
    return cos(alpha), sin(alpha), cos(beta), sin(beta), cos(gamma), sin(gamma)
