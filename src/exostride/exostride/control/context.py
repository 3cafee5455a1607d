"""What every control law is given once: the period, the walker's size, the reference, the robot's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from exostride.gait.reference import ReferenceCurve
from exostride.model.anthropometry import BodyParameters
from exostride.model.description import DEFAULT_BODY
from exostride.model.geometry import BodyGeometry, body_geometry
from exostride.types import ExoState, Vector


class Compensation(Protocol):
    """Torque that carries the exoskeleton itself, so that the patient does not have to."""

    def step(self, state: ExoState) -> Vector:
        """Return the feed-forward joint torque [N m], shape (6,), for the measured state."""


class Reference(Protocol):
    """Where the joints should be over phase, for a speed and a size."""

    def curve(self, speed_m_s: float, leg_length_m: float) -> ReferenceCurve:
        """Return the reference at a speed [m/s] for a leg length (hip centre to floor) [m]."""


@dataclass(frozen=True, slots=True)
class ControlContext:
    """Facts a law may rely on for a whole session.

    ``torque_limit_nm`` (6,) is the largest active torque the kernel will let through;
    ``leg_length_m`` is measured from the hip centre to the floor; ``body`` are the walker's
    measurements, for laws that need more than a length.
    """

    period_s: float
    leg_length_m: float
    body_mass_kg: float
    torque_limit_nm: Vector
    reference: Reference
    compensation: Compensation | None = None
    body: BodyParameters = DEFAULT_BODY

    @property
    def geometry(self) -> BodyGeometry:
        """Lengths and contact points of the walker's legs."""
        return body_geometry(self.body)
