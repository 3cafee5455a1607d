r"""Net joint moments of a leg in the sagittal plane, by inverse dynamics of a chain of rigid segments.

For joint *j* and all segments *i* beyond it, with :math:`d_{ij}` from the joint to the segment's centre of
mass and :math:`p_j` from the joint to the point where the ground's force *F* acts,

.. math::
    M_j = \sum_{i \ge j} \big[ m_i\, d_{ij} \times (\ddot r_i - g) + I_i \ddot\theta_i \big]
          - p_j \times F

(Winter, *Biomechanics and Motor Control of Human Movement*, 4th ed. 2009, ch. 5, here summed from the
ground up instead of segment by segment). All arrays run over time, so a whole session takes one call.
Plane: x forward, z up; a rotation is positive when it carries the lower end of the leg, or the toe, forward
and up. From there flexion of the knee is the negative one: see ``JOINT_SIGN``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from exostride.conventions import GRAVITY_M_S2
from exostride.errors import InputError
from exostride.model.anthropometry import BodyParameters
from exostride.model.description import urdf
from exostride.model.geometry import BodyGeometry, body_geometry
from exostride.types import Vector

Matrix = NDArray[np.float64]

JOINT_SIGN: Final[Vector] = np.array([1.0, -1.0, 1.0])
"""Hip and ankle flex by a positive rotation of what lies beyond, the knee by a negative one."""
CUTOFF_HZ: Final = 12.0
"""Low-pass of a session's angles and ground forces alike. Marker data need 6 Hz (Winter 2009, ch. 3.4);
encoders are cleaner. One frequency for both, or the impact of the heel appears as a moment that nobody made
(Kristianslund, Krosshaug & van den Bogert 2012, J Biomech 45:666-671)."""
MERGED_HZ: Final = 1.0
"""Above this a pelvis' measured rate tells its motion, below it its measured place. They are equally sure at
1.6 Hz (0.5 mm, 5 mm/s), in pitch at 0.5 Hz (1 mrad, 3 mrad/s); any frequency between serves."""
_LEAST_LOAD_N: Final = 20.0
_BLOCK: Final = 32768
_OVERLAP_S: Final = 2.0


@dataclass(frozen=True)
class SegmentInertia:
    """Thigh, shank, foot: mass [kg], centre of mass in the segment's frame [m], inertia about it [kg m²].

    ``com_m`` has shape (3, 2): x forward and z up in the pose in which all joint angles are zero, from the
    segment's upper joint.
    """

    mass_kg: Vector
    com_m: Matrix
    inertia_kg_m2: Vector


@lru_cache(maxsize=16)
def segment_inertia(body: BodyParameters) -> SegmentInertia:
    """Return the patient's segments as the robot description has them; the toe counts with the foot."""
    robot = ElementTree.fromstring(urdf("patient", body))
    toe = robot.find("joint[@name='patient_toe_left']/origin")
    if toe is None:
        raise InputError("URDF: no joint patient_toe_left")
    shift = np.array([float(v) for v in str(toe.get("xyz")).split()])[[0, 2]]
    thigh, shank, foot = (_link(robot, f"patient_{name}_left") for name in ("thigh", "shank", "foot"))
    toe_mass, toe_com, toe_inertia = _link(robot, "patient_toe_left_link")
    foot = _joined(foot, (toe_mass, toe_com + shift, toe_inertia))
    return SegmentInertia(
        np.array([part[0] for part in (thigh, shank, foot)]),
        np.array([part[1] for part in (thigh, shank, foot)]),
        np.array([part[2] for part in (thigh, shank, foot)]),
    )


_Part = tuple[float, Vector, float]


def _link(robot: ElementTree.Element, name: str) -> _Part:
    inertial = robot.find(f"link[@name='{name}']/inertial")
    if inertial is None:
        raise InputError(f"URDF: link {name} has no inertia")
    origin, mass, inertia = (inertial.find(tag) for tag in ("origin", "mass", "inertia"))
    assert origin is not None and mass is not None and inertia is not None
    place = np.array([float(v) for v in str(origin.get("xyz")).split()])
    return float(str(mass.get("value"))), place[[0, 2]], float(str(inertia.get("iyy")))


def _joined(a: _Part, b: _Part) -> _Part:
    mass = a[0] + b[0]
    com = (a[0] * a[1] + b[0] * b[1]) / mass
    inertia = sum(p[2] + p[0] * float((p[1] - com) @ (p[1] - com)) for p in (a, b))
    return mass, com, inertia


def smooth(values: Matrix, period_s: float, cutoff_hz: float = CUTOFF_HZ) -> Matrix:
    """Return a signal over time (first axis) without what lies above ``cutoff_hz``, without delay.

    Butterworth, second order forward and backward; its own cut-off is raised so that both passes
    together let -3 dB through at ``cutoff_hz`` (Winter 2009, p. 69).
    """
    corrected = cutoff_hz / (np.sqrt(2.0) - 1.0) ** 0.25
    nyquist = 0.5 / period_s
    if corrected >= nyquist or len(values) < 16:
        return values
    return np.asarray(sosfiltfilt(butter(2, corrected / nyquist, output="sos"), values, axis=0))


def merged(values: Matrix, rate: Matrix, time_s: Vector, period_s: float) -> Matrix:
    r"""Return a place over time (first axis) that is as smooth as its measured rate of change.

    Slow parts come from the place and quick ones from the integral of the rate, without delay,

    .. math:: \hat x = \textstyle\int v\,dt + LP(x - \int v\,dt)

    (complementary filter: Higgins 1975, IEEE Trans Aerosp Electron Syst 11:321). An acceleration is then the
    first derivative of a measurement, not the second: smoothed at 12 Hz, white noise of 0.5 mm and 5 mm/s at
    200 Hz leaves 0.1 m/s² in it instead of 0.8 m/s².

    Parameters
    ----------
    values, rate : (N, ...) [m and m/s, or rad and rad/s]
    time_s : (N,) [s]
    period_s : sampling period [s]
    """
    step = np.diff(time_s).reshape(-1, *([1] * (rate.ndim - 1)))
    way = np.zeros(rate.shape)
    np.cumsum(0.5 * (rate[1:] + rate[:-1]) * step, axis=0, out=way[1:])
    return np.asarray(way + smooth(values - way, period_s, MERGED_HZ))


def rotated(vector: Matrix | Vector, angle: Vector) -> Matrix:
    """Return vectors (x, z) turned by angles (N,), forward and up positive, shape (N, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    x, z = vector[..., 0], vector[..., 1]
    return np.stack([x * c - z * s, x * s + z * c], axis=-1)


@dataclass(frozen=True)
class LegChain:
    """A leg over time: hip, knee, ankle (N, 3, 2) and centres of mass (N, 3, 2) [m], rotations (N, 3)."""

    joint_m: Matrix
    com_m: Matrix
    rotation_rad: Matrix


def chain(
    angle_rad: Matrix, pitch_rad: Vector, hip_m: Matrix, geometry: BodyGeometry, inertia: SegmentInertia
) -> LegChain:
    """Return a leg's joints and centres of mass.

    Parameters
    ----------
    angle_rad : (N, 3) hip, knee, ankle, flexion positive
    pitch_rad : (N,) forward lean of the pelvis
    hip_m : (N, 2) hip centre, x and z
    """
    thigh = angle_rad[:, 0] - pitch_rad
    shank = thigh - angle_rad[:, 1]
    foot = shank + angle_rad[:, 2]
    knee = hip_m + rotated(np.array([0.0, -geometry.thigh]), thigh)
    ankle = knee + rotated(np.array([0.0, -geometry.shank]), shank)
    joints = np.stack([hip_m, knee, ankle], axis=1)
    turns = np.stack([thigh, shank, foot], axis=1)
    coms = np.stack([joints[:, i] + rotated(inertia.com_m[i], turns[:, i]) for i in range(3)], axis=1)
    return LegChain(joints, coms, turns)


def sole_point(leg: LegChain, forward_m: Vector, sole_z: float) -> Matrix:
    """Return points of the sole (N, 2), ``forward_m`` (N,) in front of the ankle's projection."""
    local = np.stack([forward_m, np.full(len(forward_m), sole_z)], axis=1)
    return leg.joint_m[:, 2] + rotated(local, leg.rotation_rad[:, 2])


def second_derivative(values: Matrix, period_s: float) -> Matrix:
    """Return the second time derivative along the first axis, by central differences; ends repeat."""
    out = np.empty_like(values)
    out[1:-1] = (values[2:] - 2.0 * values[1:-1] + values[:-2]) / period_s**2
    out[0], out[-1] = out[1], out[-2]
    return out


def net_moments(
    leg: LegChain,
    inertia: SegmentInertia,
    com_acceleration: Matrix,
    rotation_acceleration: Matrix,
    force_n: Matrix,
    point_m: Matrix,
    gravity: float = GRAVITY_M_S2,
) -> Matrix:
    """Return the net moments of hip, knee, ankle [N m], shape (N, 3), flexion and dorsiflexion positive.

    Parameters
    ----------
    leg : the chain
    inertia : its segments
    com_acceleration : (N, 3, 2) [m/s²]
    rotation_acceleration : (N, 3) [rad/s²]
    force_n : (N, 2) ground on foot
    point_m : (N, 2) where it acts
    """
    load = com_acceleration + np.array([0.0, gravity])
    out = np.empty((len(force_n), 3))
    for j in range(3):
        arm = leg.com_m[:, j:] - leg.joint_m[:, None, j]
        turn = (arm[..., 0] * load[:, j:, 1] - arm[..., 1] * load[:, j:, 0]) @ inertia.mass_kg[j:]
        turn += rotation_acceleration[:, j:] @ inertia.inertia_kg_m2[j:]
        arm_ground = point_m - leg.joint_m[:, j]
        out[:, j] = turn - (arm_ground[:, 0] * force_n[:, 1] - arm_ground[:, 1] * force_n[:, 0])
    return out * JOINT_SIGN


def leg_moments(
    angle_rad: Matrix,
    pitch_rad: Vector,
    hip_m: Matrix,
    force_n: Matrix,
    cop_forward_m: Vector,
    body: BodyParameters,
    period_s: float,
) -> Matrix:
    """Return the net moments of one leg from what a session measures, shape (N, 3) [N m].

    Net means: of muscles and tissue and of whatever else acts on the leg except the ground, that is of the
    cuffs. ``hip_m`` (N, 2) is this leg's hip centre, ``force_n`` (N, 2) the ground's force on the foot,
    ``cop_forward_m`` (N,) where it acts, in front of the ankle's projection.
    """
    out = np.empty((len(angle_rad), 3))
    for wide, inner, place in blocks(len(angle_rad), round(_OVERLAP_S / period_s)):
        part = _moments_of_block(
            angle_rad[wide], pitch_rad[wide], hip_m[wide], force_n[wide], cop_forward_m[wide], body, period_s
        )
        out[place] = part[inner]
    return out


def blocks(count: int, overlap: int = 0) -> Iterator[tuple[slice, slice, slice]]:
    """Yield pieces of a long series: with their overlap, the inner part of that, and its place in the whole.

    An hour of intermediate results of all segments would fill a gigabyte; a filter forgets within a second.
    """
    for start in range(0, count, _BLOCK):
        end = min(start + _BLOCK, count)
        first = max(start - overlap, 0)
        yield slice(first, min(end + overlap, count)), slice(start - first, end - first), slice(start, end)


def _moments_of_block(
    angle_rad: Matrix,
    pitch_rad: Vector,
    hip_m: Matrix,
    force_n: Matrix,
    cop_forward_m: Vector,
    body: BodyParameters,
    period_s: float,
) -> Matrix:
    geometry, inertia = body_geometry(body), segment_inertia(body)
    # The centre of pressure jumps where the load is small; its moment does not, so that is what is smoothed.
    force, turn = smooth(force_n, period_s), smooth(cop_forward_m * force_n[:, 1], period_s)
    loaded = force[:, 1] > _LEAST_LOAD_N
    cop = np.divide(turn, force[:, 1], out=np.zeros_like(turn), where=loaded)
    leg = chain(
        smooth(angle_rad, period_s), smooth(pitch_rad, period_s), smooth(hip_m, period_s), geometry, inertia
    )
    return net_moments(
        leg,
        inertia,
        second_derivative(leg.com_m, period_s),
        second_derivative(leg.rotation_rad, period_s),
        force * loaded[:, None],
        sole_point(leg, cop, geometry.foot.sole_z),
    )
