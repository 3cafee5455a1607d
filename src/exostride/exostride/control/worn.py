"""One leg in its cuffs, compiled: how it lies in the robot's and what its posture does to the cuffs' torque.

Equations and names are those of :mod:`exostride.control.cuffs`.
"""

from __future__ import annotations

from math import asin, cos, sin, sqrt
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, Out1, Out2, Record, compiled
from exostride.conventions import N_JOINTS
from exostride.types import Vector

LARGEST_RAD: Final = 0.5
"""Beyond this no cuff lets a segment turn or a leg lean."""

_STEEPEST: Final = sin(LARGEST_RAD)
_ROUNDS: Final = 3
"""Times that what is left of the displacements is put in: the second turns a foot by half a
degree, the third by hundredths."""
_LEAST_M2: Final = 0.01
"""A leg so bent that its cuffs hang hardly below each other does not tell how it leans."""

Matrix = NDArray[np.float64]

WORN: Final = np.dtype(
    [
        *((name, "f8", (18,)) for name in ("softness", "follow", "moved")),
        *(("legs", "f8", (6,)), ("weight", "f8", (6,)), ("prior", "f8", (5,)), ("change", "f8", (N_JOINTS,))),
        *((name, "f8") for name in ("belt", "frame", "frame_damping", "belt_follow", "pelvis", "period")),
        ("started", "i8"),
    ],
    align=True,
)
"""Cuffs, belt and legs, and where they were at the last tick: ``moved``, ``change``, ``pelvis``."""

Worn = Annotated[Record, WORN]


@compiled
def _solved(matrix: Out2, right: Out1) -> Vector:
    """Return the solution of a positive definite set of equations (Cholesky); both are overwritten."""
    n = right.size
    for j in range(n):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] * matrix[j, k]
        matrix[j, j] = sqrt(matrix[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    for i in range(n):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]
    return right


@compiled
def leaning(ends: In1, moved: In1, legs: In1) -> float:
    """Return how far a leg leans sideways in the robot's [rad], from its displacements in the cuffs (9,).

    ``ends`` are cosine and sine of its segments' angles: a leg that is bent hangs less deep below its hip,
    and the same lean moves its cuffs less.
    """
    knee = legs[0] * ends[0]
    foot = knee + legs[1] * ends[2] - legs[4] * ends[5] - legs[5] * ends[4]
    deep = (legs[2] * ends[0], knee + legs[3] * ends[2], foot)
    mean = (deep[0] + deep[1] + deep[2]) / 3.0
    aside, size = 0.0, 0.0
    for i in range(3):
        aside += (deep[i] - mean) * moved[3 * i + 1]
        size += (deep[i] - mean) * (deep[i] - mean)
    return asin(min(max(aside / max(size, _LEAST_M2), -_STEEPEST), _STEEPEST))


@compiled
def ends_of(alpha: float, beta: float, gamma: float) -> Vector:
    """Return cosine and sine of the angles of thigh, shank and foot, (6,)."""
    return np.array((cos(alpha), sin(alpha), cos(beta), sin(beta), cos(gamma), sin(gamma)))


@compiled
def _places(ends: In1, upright: float, legs: In1) -> Vector:
    """Return where the cuffs of a leg are, forward and up from its hip [m], (6,).

    ``ends`` are cosine and sine of the segments' angles, ``upright`` the cosine of the leg's lean.
    """
    ca, sa, cb, sb, cg, sg = ends
    lt, ls, a, b, px, pz = legs
    out = np.empty(6)
    out[0], out[1] = a * sa, -upright * a * ca
    out[2], out[3] = lt * sa + b * sb, -upright * (lt * ca + b * cb)
    out[4] = lt * sa + ls * sb + px * cg - pz * sg
    out[5] = upright * (px * sg + pz * cg - lt * ca - ls * cb)
    return out


@compiled
def _turned(angle: In1, ends: In1, d: In1, legs: In1, weight: In1, prior: In1) -> Vector:
    """Return by how much thigh, shank and foot are turned in the robot's, and the leg's lean [rad], (4,).

    ``angle`` are those of the robot's segments (3,), ``ends`` their cosines and sines, ``d`` the
    displacements in the leg's cuffs (9,). The equations are linear about the robot's leg; what is left of the
    displacements is put in again, so that turns of several degrees are found to some hundredths.
    """
    ca, sa, cb, sb, cg, sg = ends
    lt, ls, a, b, px, pz = legs
    # Cosine and sine of the angles between segments.
    cab, sab = ca * cb + sa * sb, sa * cb - ca * sb
    cag, sag = ca * cg + sa * sg, sa * cg - ca * sg
    cbg, sbg = cb * cg + sb * sg, sb * cg - cb * sg
    moves = np.array(
        (
            (ca, sa, a, 0.0, 0.0),
            (-sa, ca, 0.0, 0.0, 0.0),
            (cb, sb, lt * cab, b, 0.0),
            (-sb, cb, lt * sab, 0.0, 0.0),
            (cg, sg, lt * cag, ls * cbg, -pz),
            (-sg, cg, lt * sag, ls * sbg, px),
        )
    )
    robot = _places(ends, 1.0, legs)
    found, out, left = np.zeros(5), np.zeros(4), np.empty(6)
    for _ in range(_ROUNDS):
        own = ends_of(angle[0] + out[0], angle[1] + out[1], angle[2] + out[2])
        out[3] = leaning(own, d, legs)
        places = _places(own, cos(out[3]), legs)
        for k in range(3):
            c, s = ends[2 * k], ends[2 * k + 1]
            x = found[0] + places[2 * k] - robot[2 * k]
            z = found[1] + places[2 * k + 1] - robot[2 * k + 1]
            left[2 * k] = d[3 * k] - (c * x + s * z)
            left[2 * k + 1] = d[3 * k + 2] - (c * z - s * x)
        normal, right = np.zeros((5, 5)), np.empty(5)
        for i in range(5):
            right[i] = -prior[i] * found[i]
            for k in range(6):
                w = weight[k] * moves[k, i]
                right[i] += w * left[k]
                for j in range(i + 1):
                    normal[i, j] += w * moves[k, j]
            normal[i, i] += prior[i]
        # The prior makes the matrix positive definite, whatever the posture.
        found += _solved(normal, right)
        for i in range(3):
            out[i] = min(max(found[2 + i], -LARGEST_RAD), LARGEST_RAD)
    return out


@compiled
def _added(ends: In1, own: In1, lean: float, force: In1, legs: In1) -> Vector:
    """Return what the patient's posture adds to the torque of the cuffs' forces [N m], hip, knee, ankle.

    ``own`` are cosine and sine of the patient's segments, ``force`` those of the leg's cuffs (9,).
    """
    ca, sa, cb, sb, cg, sg = ends
    lt, ls, a, b, px, pz = legs
    # Ends of unit vectors along thigh and shank, and the foot cuff from the ankle: patient less robot.
    tx, tz, sx, sz = own[1] - sa, ca - own[0], own[3] - sb, cb - own[2]
    c, s = own[4] - cg, own[5] - sg
    fx, fz = px * c - pz * s, px * s + pz * c
    f1x, f1z = force[0] * ca - force[2] * sa, force[0] * sa + force[2] * ca
    f2x, f2z = force[3] * cb - force[5] * sb, force[3] * sb + force[5] * cb
    f3x, f3z = force[6] * cg - force[8] * sg, force[6] * sg + force[8] * cg
    below_x, below_z = f2x + f3x, f2z + f3z
    ankle = f3z * fx - f3x * fz
    knee = sx * (b * f2z + ls * f3z) - sz * (b * f2x + ls * f3x) + ankle
    hip = tx * (a * f1z + lt * below_z) - tz * (a * f1x + lt * below_x) + knee
    # Along a leg that leans, sideways forces count too.
    c, s = cos(lean) - 1.0, sin(lean)
    d1, d2, d3 = c * f1z - s * force[1], c * f2z - s * force[4], c * f3z - s * force[7]
    thigh, shank, foot = sa + tx, sb + sx, px * cg - pz * sg + fx
    lower = (b * d2 + ls * d3) * shank + d3 * foot
    out = np.empty(3)
    out[0] = hip + (a * d1 + lt * (d2 + d3)) * thigh + lower
    out[1], out[2] = -(knee + lower), ankle + d3 * foot
    return out


@compiled
def _leg(
    angle: In1,
    pitch: float,
    moved: In1,
    force: In1,
    pelvis: float,
    legs: In1,
    weight: In1,
    prior: In1,
    change: Out1,
    torque: Out1,
) -> None:
    """Write what :func:`posture` returns for one leg at one time, (3,) each."""
    alpha = angle[0] - pitch
    beta = alpha - angle[1]
    gamma = beta + angle[2]
    ends = ends_of(alpha, beta, gamma)
    turned = _turned(np.array((alpha, beta, gamma)), ends, moved, legs, weight, prior)
    own = ends_of(alpha + turned[0], beta + turned[1], gamma + turned[2])
    change[0] = turned[0] + pelvis
    change[1] = turned[0] - turned[1]
    change[2] = turned[2] - turned[1]
    torque[:] = _added(ends, own, turned[3], force, legs)


@compiled
def posture(
    angle: In2,
    pitch: In1,
    moved: In2,
    force: In2,
    pelvis: In1,
    legs: In1,
    weight: In1,
    prior: In1,
) -> tuple[Matrix, Matrix]:
    """Return by how much the patient's joints differ from the robot's [rad], and the torque added.

    Parameters
    ----------
    angle, pitch
        The robot's joints [rad], (N, 6), and the pitch of its base [rad], (N,).
    moved, force
        Displacements [m] and forces [N] in the cuffs, (N, 18).
    pelvis
        How much further the patient's pelvis pitches [rad], (N,).
    legs
        Lengths of thigh and shank, places of the cuffs on thigh, shank and foot (x, z) [m], (6,).
    weight, prior
        Inverse variances of the displacements in the leg's plane (6,) and of the unknowns before them (5,).
    """
    change, torque = np.empty(angle.shape), np.empty(angle.shape)
    for n in range(angle.shape[0]):
        for side in range(2):
            joints, nine = slice(3 * side, 3 * side + 3), slice(9 * side, 9 * side + 9)
            d, f = moved[n, nine], force[n, nine]
            out = (change[n, joints], torque[n, joints])
            _leg(angle[n, joints], pitch[n], d, f, pelvis[n], legs, weight, prior, out[0], out[1])
    return change, torque


@compiled
def follow(
    worn: Worn,
    angle: In1,
    velocity: In1,
    torque: In1,
    force: In1,
    hips_nm: float,
    pitch: float,
    pitching: float,
) -> Matrix:
    """Move on by a tick; return the patient's angle, velocity, what of it is yielding, cuffs' torque, (4, 6).

    ``torque`` is that of the cuffs on the robot's own joints, ``hips_nm`` the sum of what the drives of the
    hips bear, ``pitch`` and ``pitching`` are those of the robot's base.
    """
    w = worn[0]
    fresh = w.started == 0
    tilt = (w.frame * pitch + w.frame_damping * pitching - hips_nm) / w.belt
    if fresh:
        w.started = 1
        w.pelvis = tilt
    w.pelvis += w.belt_follow * (tilt - w.pelvis)
    for k in range(18):
        wanted = w.softness[k] * force[k]
        if fresh:
            w.moved[k] = wanted
        w.moved[k] += w.follow[k] * (wanted - w.moved[k])
    out, change = np.empty((4, N_JOINTS)), np.empty(N_JOINTS)
    for side in range(2):
        joints, nine = slice(3 * side, 3 * side + 3), slice(9 * side, 9 * side + 9)
        rest = (w.legs, w.weight, w.prior, change[joints], out[3, joints])
        _leg(angle[joints], pitch, w.moved[nine], force[nine], w.pelvis, *rest)
    for i in range(N_JOINTS):
        giving = 0.0 if fresh else (change[i] - w.change[i]) / w.period
        w.change[i] = change[i]
        out[0, i] = angle[i] + change[i]
        out[1, i] = velocity[i] + giving
        out[2, i] = giving
        out[3, i] = torque[i] + out[3, i]
    return out


@compiled
def followed(wanted: In1, share: float) -> Vector:
    """Return a first-order filter's way after its input, from rest at the first value."""
    out = np.empty(wanted.size)
    kept = (1.0 - share) * wanted[0]
    for n in range(wanted.size):
        out[n] = kept + share * wanted[n]
        kept = (1.0 - share) * out[n]
    return out
