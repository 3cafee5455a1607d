r"""Torques, inertia and Jacobians of the six joints for controllers, in microseconds.

The pelvis is taken as given: its orientation turns gravity, its acceleration adds to it. With the
pelvis given, each leg is a chain of its own, so a leg's torques are the entries of its
:func:`~exostride.conventions.side_slice`.

.. math:: \tau = M(q)\ddot q + C(q, \dot q)\dot q + g(q)

in the order and with the signs of :mod:`exostride.conventions`; ground contact and cuff forces are
not part of it.
"""

from __future__ import annotations

from math import inf
from typing import Literal

import numpy as np
import numpy.typing as npt
import pinocchio as pin

from exostride.compiled import In1, compiled
from exostride.conventions import GRAVITY_M_S2, JOINTS, N_JOINTS
from exostride.errors import InputError
from exostride.model.anthropometry import BodyParameters
from exostride.model.convert import rotation_from_xyzw
from exostride.model.description import DEFAULT_BODY, urdf
from exostride.model.joints import joint_table

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

_ZERO = np.zeros(N_JOINTS)


@compiled
def _gravity_in(orientation: In1) -> tuple[Vector, bool]:
    """Return gravity [m/s²] in a frame of an orientation xyzw, and whether that stands for a rotation."""
    x, y, z, w = orientation[0], orientation[1], orientation[2], orientation[3]
    size, out = x * x + y * y + z * z + w * w, np.empty(3)
    down = -GRAVITY_M_S2 / size
    out[0], out[1] = 2.0 * down * (x * z - y * w), 2.0 * down * (y * z + x * w)
    out[2] = down * (size - 2.0 * (x * x + y * y))
    return out, 1e-18 < size < inf


class LegDynamics:
    """Equations of motion of the six flexion joints of the robot or of the patient.

    The patient's abduction and toe joints are held at zero. Rotor inertia counts for the robot.
    Friction and damping are no part of the result.

    Parameters
    ----------
    model
        ``exoskeleton`` or ``patient``.
    body
        The person; the robot's segments are adjusted to them.
    """

    def __init__(
        self, model: Literal["exoskeleton", "patient"] = "exoskeleton", body: BodyParameters = DEFAULT_BODY
    ) -> None:
        prefix = "patient_" if model == "patient" else ""
        names = [prefix + name for name in JOINTS]
        full = pin.buildModelFromXML(urdf(model, body))
        locked = [full.getJointId(name) for name in list(full.names)[1:] if name not in names]
        self._model = pin.buildReducedModel(full, locked, pin.neutral(full)) if locked else full
        if list(self._model.names)[1:] != names:
            raise InputError(f"URDF: expected the joints {', '.join(names)} in this order")
        self._model.armature = np.array([joint_table()[name].armature_kg_m2 for name in names])
        self._data = self._model.createData()
        self._gravity = self._model.gravity
        self._level = np.array([0.0, 0.0, -GRAVITY_M_S2])
        self.set_pelvis(None)

    def scale_segments(self, mass: Vector, com: Vector, inertia: Vector) -> None:
        """Multiply mass, distance of the centre of mass and inertia of what each joint moves, each (6,).

        For legs that are not those of the tables, and to judge what not knowing them costs.
        """
        for k in range(N_JOINTS):
            old = self._model.inertias[k + 1]
            self._model.inertias[k + 1] = pin.Inertia(
                float(mass[k]) * old.mass, float(com[k]) * old.lever, float(inertia[k]) * old.inertia
            )
        self._data = self._model.createData()

    def set_pelvis(self, orientation_xyzw: Vector | None, acceleration: Vector | None = None) -> None:
        """Set the pelvis's state for all later calls.

        Parameters
        ----------
        orientation_xyzw
            Quaternion (4,) of the pelvis in ``world``; ``None`` is upright.
        acceleration
            Of the pelvis's origin (3,) [m/s²] in ``world``; ``None`` is none.

        Raises
        ------
        InputError
            The quaternion stands for no rotation.
        """
        if acceleration is None and orientation_xyzw is not None:
            gravity, sound = _gravity_in(orientation_xyzw)
            if not sound:
                raise InputError(f"quaternion {orientation_xyzw.tolist()} stands for no rotation")
            self._gravity.linear = gravity
            return
        apparent = self._level if acceleration is None else self._level - acceleration
        if orientation_xyzw is not None:
            apparent = rotation_from_xyzw(orientation_xyzw).T @ apparent
        self._gravity.linear = apparent

    def set_apparent_gravity(self, gravity: Vector) -> None:
        """Set gravity less the pelvis's acceleration (3,) [m/s²] in the pelvis frame, for all later calls.

        It is what an accelerometer there reads, with the opposite sign.
        """
        self._gravity.linear = gravity

    def torque(self, q: Vector, qd: Vector, qdd: Vector) -> Vector:
        """Return the joint torques (6,) [N m] of a motion: angles [rad], rates [rad/s], accelerations."""
        return np.array(pin.rnea(self._model, self._data, q, qd, qdd))

    def gravity(self, q: Vector) -> Vector:
        """Return the torques (6,) [N m] that hold the legs still against gravity at ``q`` (6,)."""
        return np.array(pin.computeGeneralizedGravity(self._model, self._data, q))

    def bias(self, q: Vector, qd: Vector) -> Vector:
        """Return gravity, Coriolis and centrifugal torques (6,) [N m]."""
        return np.array(pin.nonLinearEffects(self._model, self._data, q, qd))

    def coriolis(self, q: Vector, qd: Vector) -> Vector:
        """Return Coriolis and centrifugal torques (6,) [N m] alone."""
        return self.bias(q, qd) - self.gravity(q)

    def inertia_torque(self, q: Vector, qdd: Vector) -> Vector:
        """Return M(q) q̈ (6,) [N m], rotor inertia included."""
        return self.torque(q, _ZERO, qdd) - self.gravity(q)

    def mass_matrix(self, q: Vector) -> Matrix:
        """Return the joint-space inertia (6, 6) [kg m²], rotor inertia included."""
        return np.array(pin.crba(self._model, self._data, q))

    def acceleration(self, q: Vector, qd: Vector, tau: Vector) -> Vector:
        """Return the accelerations (6,) [rad/s²] under joint torques ``tau`` (6,) [N m]."""
        return np.array(pin.aba(self._model, self._data, q, qd, tau))

    def frame_id(self, name: str) -> int:
        """Return the number of a link or frame, to pass to the methods below.

        Raises
        ------
        InputError
            No frame has that name.
        """
        if not self._model.existFrame(name):
            raise InputError(f"frame {name!r} is not in the model")
        return int(self._model.getFrameId(name))

    def position(self, q: Vector, frame: int) -> Vector:
        """Return the origin (3,) [m] of a frame in the pelvis frame."""
        pin.forwardKinematics(self._model, self._data, q)
        return np.array(pin.updateFramePlacement(self._model, self._data, frame).translation)

    def jacobian(self, q: Vector, frame: int) -> Matrix:
        """Return the Jacobian (6, 6) of a frame: rows linear then angular velocity, pelvis axes.

        A wrench ``w`` (force, torque at the frame's origin, pelvis axes) loads the joints with
        ``jacobian.T @ w``.
        """
        jacobian = pin.computeFrameJacobian(
            self._model, self._data, q, frame, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        )
        return np.array(jacobian)
