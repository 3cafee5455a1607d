"""Frames of a robot description: where each link lies in its parent at given joint angles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, sin
from xml.etree import ElementTree

import numpy as np
from transforms3d.euler import euler2quat
from transforms3d.quaternions import qmult

from exostride.errors import InputError
from exostride.model.convert import wxyz_to_xyzw
from exostride.types import Vector

_TURNING = ("revolute", "continuous")


@dataclass(frozen=True, slots=True)
class Placement:
    """Place of the frame ``child`` in the frame ``parent``: position [m], orientation as unit xyzw."""

    parent: str
    child: str
    position_m: Vector
    orientation: Vector


@dataclass(frozen=True, slots=True)
class _Joint:
    name: str
    parent: str
    child: str
    position_m: Vector
    at_zero: Vector
    axis: Vector
    turns: bool


def _numbers(element: ElementTree.Element | None, key: str, default: str) -> Vector:
    text = default if element is None else element.get(key, default)
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError:
        values = np.zeros(0)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise InputError(f"URDF: {key}='{text}' is not three numbers")
    return values


def _link(joint: ElementTree.Element, end: str) -> str:
    element = joint.find(end)
    name = None if element is None else element.get("link")
    if not name:
        raise InputError(f"URDF: joint '{joint.get('name')}' names no {end} link")
    return name


def _joint(element: ElementTree.Element) -> _Joint:
    kind, name = element.get("type", ""), element.get("name", "")
    if kind not in (*_TURNING, "fixed"):
        raise InputError(
            f"URDF: joint '{name}' is {kind or 'of no type'}; only turning and fixed ones have a frame"
        )
    origin = element.find("origin")
    axis = _numbers(element.find("axis"), "xyz", "1 0 0")
    return _Joint(
        name=name,
        parent=_link(element, "parent"),
        child=_link(element, "child"),
        position_m=_numbers(origin, "xyz", "0 0 0"),
        at_zero=np.array(euler2quat(*_numbers(origin, "rpy", "0 0 0"), axes="sxyz")),
        axis=axis / (float(np.linalg.norm(axis)) or 1.0),
        turns=kind in _TURNING,
    )


class FrameTree:
    r"""The joints of a URDF with fixed and turning joints.

    A turning joint with axis :math:`a` at angle :math:`q` places its child with

    .. math:: R = R_\mathrm{rpy} \exp(q [a]_\times)

    at its origin (URDF specification, joint element).

    Parameters
    ----------
    urdf
        The description as text.

    Raises
    ------
    InputError
        The text is no URDF, or a joint neither turns nor is fixed.
    """

    def __init__(self, urdf: str) -> None:
        try:
            robot = ElementTree.fromstring(urdf)
        except ElementTree.ParseError as error:
            raise InputError(f"URDF: {error}") from None
        self._joints = [_joint(element) for element in robot.findall("joint")]

    def fixed(self) -> list[Placement]:
        """Return the placements that never change."""
        return [self._place(joint, 0.0) for joint in self._joints if not joint.turns]

    def moving(self, angle_rad: Mapping[str, float]) -> list[Placement]:
        """Return the placements at these angles [rad] by joint name; a joint without one stands at zero."""
        return [self._place(joint, angle_rad.get(joint.name, 0.0)) for joint in self._joints if joint.turns]

    @staticmethod
    def _place(joint: _Joint, angle_rad: float) -> Placement:
        half = 0.5 * angle_rad
        turn = np.array([cos(half), *(sin(half) * joint.axis)])
        orientation = wxyz_to_xyzw(np.array(qmult(joint.at_zero, turn)))
        return Placement(joint.parent, joint.child, joint.position_m, orientation)
