"""Arithmetic of one tick of :mod:`exostride.control.effort`, compiled; vectors are (6,) in joint order."""

from __future__ import annotations

from math import cos, sin
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, In3, Int1, Out2, Record, compiled
from exostride.patient.passive import moments
from exostride.types import Vector

ERRORS: Final = 8
"""Systematic errors carried along: segments, centre of pressure, pitch, tissue, damping, cuffs' torque (on
patient and robot both), shear of the foot's load cells, cuffs' yielding (on the velocity)."""
_SEGMENTS, _COP, _PITCH, _TISSUE, _DAMPING, _CUFF, _CUFF_NM, _SHEAR, _YIELDING = range(9)
"""Places of the errors' sizes."""
_ON_ROBOT: Final = 5
_ON_VELOCITY: Final = 7

TORQUE, VELOCITY, GIVING, TISSUE, DRAG, CUFF, GROUND = range(7)
"""Rows of what one tick knew; the ground's four rows come last."""
ROWS: Final = GROUND + 4

Matrix = NDArray[np.float64]

LEGS: Final = np.dtype(
    [
        *(("lengths", "f8", (3,)), ("damping", "f8", (6,)), ("lever", "f8", (3,))),
        *(("spin", "f8", (3,)), ("turning", "f8", (3,))),
        *((name, "f8") for name in ("tissue", "rate", "keep", "least_n", "bound")),
        ("turned", "i8"),
    ],
    align=True,
)
"""The walker's legs, ``lengths`` as for :func:`ground_torque`; ``lever`` from the pelvis' IMU to the hips.

``spin`` and ``turning`` are the pelvis' last rate and its filtered angular acceleration, once ``turned``.
"""

Legs = Annotated[Record, LEGS]


@compiled
def all_below(values: In1, bound: float) -> bool:
    """Return whether all values are numbers smaller than ``bound``."""
    sound = True
    for value in values:
        # What is not a number is not smaller either.
        sound = sound and abs(value) < bound
    return sound


@compiled
def sensible(
    legs: Legs,
    angle: In1,
    velocity: In1,
    cuff_torque: In1,
    cuff_force: In1,
    joint_torque: In1,
    foot_force: In1,
    cop: In1,
    orientation: In1,
    accel: In1,
    gyro: In1,
) -> bool:
    """Return whether all readings are numbers that a working sensor may show."""
    bound = legs[0].bound
    joints = all_below(angle, bound) and all_below(velocity, bound) and all_below(joint_torque, bound)
    cuffs = all_below(cuff_torque, bound) and all_below(cuff_force, bound)
    feet = all_below(foot_force, bound) and all_below(cop, bound)
    return (
        joints
        and cuffs
        and feet
        and all_below(orientation, bound)
        and all_below(accel, bound)
        and all_below(gyro, bound)
    )


@compiled
def hip_acceleration(legs: Legs, felt: In1, gyro: In1) -> Vector:
    """Return the specific force between the hips (3,) [m/s²], carried over from where the IMU sits."""
    w = legs[0]
    turning, lever = w.turning, w.lever
    for k in range(3):
        before = w.spin[k] if w.turned else gyro[k]
        turning[k] = w.keep * turning[k] + w.rate * (gyro[k] - before)
        w.spin[k] = gyro[k]
    w.turned = 1
    swung, turned, out = np.empty(3), np.empty(3), np.empty(3)
    for k in range(3):
        n, m = (k + 1) % 3, (k + 2) % 3
        swung[k] = gyro[n] * lever[m] - gyro[m] * lever[n]
        turned[k] = turning[n] * lever[m] - turning[m] * lever[n]
    for k in range(3):
        n, m = (k + 1) % 3, (k + 2) % 3
        out[k] = felt[k] + turned[k] + (gyro[n] * swung[m] - gyro[m] * swung[n])
    return out


@compiled
def momentum(mass: In2, before: In2, qd: In1, known: In1, bias: In1, period: float) -> Matrix:
    """Return the legs' momentum and what is known to change it, rows of (2, 6).

    As dM/dt = C + C', C' qd - g is dM/dt qd - (C qd + g), the ``bias``.
    """
    out = np.zeros((2, 6))
    for i in range(6):
        change = 0.0
        for k in range(6):
            out[0, i] += mass[i, k] * qd[k]
            change += (mass[i, k] - before[i, k]) * qd[k]
        out[1, i] = known[i] + change / period - bias[i]
    return out


@compiled
def ground_torque(q: In1, force: In1, cop: In1, pitch: float, lengths: In1, least_n: float) -> Matrix:
    """Return the ground's torque on the joints, and what a unit of each error adds to it, (4, 6).

    Rows: torque [N m], derivative by the centre of pressure forward [N m/m], by pelvis pitch [N m/rad], by
    the force forward [N m/N].
    ``lengths`` are thigh, shank and the sole's height in the foot [m]. A foot with less than ``least_n`` on
    it is in the air: what its sensors show is their own error.
    """
    out = np.zeros((4, 6))
    for side in range(2):
        i = 3 * side
        fx, fz = force[i], force[i + 2]
        if fz < least_n:
            continue
        a = q[i] - pitch
        b = a - q[i + 1]
        c = b + q[i + 2]
        x, z = cop[2 * side], lengths[2]
        # From ankle, knee and hip to the centre of pressure.
        rx, rz = x * cos(c) - z * sin(c), x * sin(c) + z * cos(c)
        kx, kz = rx + lengths[1] * sin(b), rz - lengths[1] * cos(b)
        hx, hz = kx + lengths[0] * sin(a), kz - lengths[0] * cos(a)
        along = fx * -sin(c) + fz * cos(c)
        # A pelvis pitched further turns the whole leg back about each joint as seen by the model.
        out[0, i], out[0, i + 1], out[0, i + 2] = fz * hx - fx * hz, -(fz * kx - fx * kz), fz * rx - fx * rz
        out[1, i], out[1, i + 1], out[1, i + 2] = along, -along, along
        out[2, i], out[2, i + 1], out[2, i + 2] = fz * hz + fx * hx, -(fz * kz + fx * kx), fz * rz + fx * rx
        out[3, i], out[3, i + 1], out[3, i + 2] = -hz, kz, -rz
    return out


@compiled
def known(
    legs: Legs,
    seen: In2,
    pitch: float,
    force: In1,
    cop: In1,
    now: Out2,
) -> Vector:
    """Write rows of ``now``, all but the observer's torque; return what is known to move the joints (6,).

    ``seen`` are angle, velocity, yielding and cuffs' torque, ``force`` and ``cop`` the ground's on the feet.
    """
    w, q = legs[0], np.empty((2, 3))
    for i in range(6):
        q[i // 3, i % 3] = seen[0, i]
    moment, stiffness = np.empty((2, 3)), np.empty((2, 3))
    moments(q, moment, stiffness)
    ground = ground_torque(seen[0], force, cop, pitch, w.lengths, w.least_n)
    out = np.empty(6)
    for i in range(6):
        tissue, drag = w.tissue * moment[i // 3, i % 3], w.damping[i] * seen[1, i]
        out[i] = seen[3, i] + ground[0, i] + tissue - drag
        now[VELOCITY, i], now[GIVING, i] = seen[1, i], seen[2, i]
        now[TISSUE, i], now[DRAG, i], now[CUFF, i] = tissue, drag, seen[3, i]
        for k in range(4):
            now[GROUND + k, i] = ground[k, i]
    return out


@compiled
def powers(past: In3, oldest: int, late: Int1, sizes: In1) -> Matrix:
    """Return the powers of patient and robot [W], (2, 2 ERRORS + 1, 6), at the oldest moment of the past.

    The first row is the estimate, then come those with each error added, then those with each subtracted.
    ``past`` is a ring of moments (n, ROWS, 6); the torque of joint i then is the estimate of ``late[i]``
    ticks later.
    """
    out = np.empty((2, 2 * ERRORS + 1, 6))
    error = np.empty(ERRORS)
    then = past[oldest]
    for i in range(6):
        torque = past[(oldest + late[i]) % past.shape[0], TORQUE, i]
        cuff, tissue, drag = then[CUFF, i], then[TISSUE, i], then[DRAG, i]
        error[0] = sizes[_SEGMENTS] * (torque + cuff + then[GROUND, i] + tissue - drag)
        error[1] = sizes[_COP] * then[GROUND + 1, i]
        error[2] = sizes[_PITCH] * then[GROUND + 2, i]
        error[3] = sizes[_TISSUE] * tissue
        error[4] = sizes[_DAMPING] * drag
        error[5] = sizes[_CUFF] * cuff + sizes[_CUFF_NM]
        error[6] = sizes[_SHEAR] * then[GROUND + 3, i]
        error[7] = 0.0
        for row in range(2 * ERRORS + 1):
            sign = 1.0 if row <= ERRORS else -1.0
            k = (row - 1) % ERRORS
            patient, robot, speed = torque, cuff, then[VELOCITY, i]
            if row > 0:
                patient += sign * error[k]
                if k == _ON_ROBOT:
                    # A cuff that reads too much hides as much of the patient's torque.
                    robot -= sign * error[k]
                elif k == _ON_VELOCITY:
                    speed -= sign * sizes[_YIELDING] * then[GIVING, i]
            out[0, row, i] = patient * speed
            out[1, row, i] = robot * speed
    return out
