r"""Soft wall and virtual stop: the protective torque at the ends of the range of motion.

The wall is a spring that reaches half of the protective torque at the edge, with a damper of ratio
0.7 for motion outwards. The virtual stop brakes in time: with I the inertia beyond the joint and d
the way left to the edge, the torque that stops the motion there is

.. math:: \tau = I \dot q^2 / (2 d),

applied from the point on where it exceeds 60 % of the protective torque, so that the stopping distance at
any speed follows from inertia and torque, not from a guessed margin. Both push inwards only.
"""

from __future__ import annotations

from math import sqrt

from exostride.safety import codes
from exostride.safety.limits import JointLimits

_WALL_SHARE = 0.5
_STOP_SHARE = 0.6
_RATIO = 0.7
_NEAR = 1e-3


class JointWall:
    """Protective torque of one joint. After :meth:`step`: ``torque`` [N m] and ``bits`` (Reason)."""

    __slots__ = ("_half", "_high", "_low", "_most", "_springs", "_start", "bits", "torque")

    def __init__(self, joint: JointLimits) -> None:
        self._low, self._high = joint.angle_min_rad, joint.angle_max_rad
        self._half = 0.5 * joint.inertia_kg_m2
        self._most = joint.protective_nm
        self._start = _STOP_SHARE * joint.protective_nm
        springs = []
        for depth in (joint.wall_low_rad, joint.wall_high_rad):
            stiffness = _WALL_SHARE * joint.protective_nm / depth
            springs.append((depth, stiffness, 2.0 * _RATIO * sqrt(stiffness * joint.inertia_kg_m2)))
        self._springs = springs
        self.torque = 0.0
        self.bits = 0

    def step(self, angle: float, speed: float) -> None:
        """Set the protective torque at the measured ``angle`` [rad] and ``speed`` [rad/s]."""
        self.bits = 0
        up = self._high - angle
        down = angle - self._low
        if up < down:
            self.torque = -self._inward(up, speed, self._springs[1])
        else:
            self.torque = self._inward(down, -speed, self._springs[0])

    def _inward(self, room: float, outward: float, spring: tuple[float, float, float]) -> float:
        """Return the inward torque with ``room`` left to the edge, moving ``outward``."""
        depth, stiffness, damping = spring
        torque = 0.0
        if room < depth:
            self.bits |= codes.SOFT_WALL
            torque = stiffness * (depth - room)
            if outward > 0.0:
                torque += damping * outward
        if outward > 0.0:
            brake = self._half * outward * outward / (room if room > _NEAR else _NEAR)
            if brake > self._start:
                self.bits |= codes.VIRTUAL_STOP
                torque = max(torque, brake)
        return torque if torque < self._most else self._most
