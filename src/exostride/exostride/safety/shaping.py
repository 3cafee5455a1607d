"""The torque window of one joint: how much the active part may do until the next tick.

The drive executes its spring and damper at its own rate, faster than the kernel looks, so the kernel
bounds the drive by a window instead of one torque. Each stage narrows the window and leaves a
reason bit if the request lies outside; the order is fixed and the protective limits win over slew.
"""

from __future__ import annotations

from collections import deque

from exostride.safety import codes
from exostride.safety.limits import JointLimits, SafetyLimits

_FADE = 0.2
"""Share of the velocity limit over which torque along the motion fades to nothing."""


class JointShaper:
    """Window of one joint. After :meth:`window`: ``low``, ``high`` [N m] and ``bits`` (Reason)."""

    __slots__ = (
        "_comfort",
        "_cuff",
        "_fade",
        "_fade_start",
        "_floor",
        "_high_wall",
        "_least",
        "_low_wall",
        "_most",
        "_power",
        "_recent",
        "_release",
        "_slew",
        "_torque",
        "_velocity",
        "_wall_high",
        "_wall_low",
        "_window",
        "bits",
        "edge_high",
        "edge_low",
        "high",
        "low",
    )

    def __init__(self, joint: JointLimits, limits: SafetyLimits, period_s: float) -> None:
        self._torque = joint.torque_nm
        self._velocity = joint.velocity_rad_s
        self._fade = _FADE * joint.velocity_rad_s
        self._fade_start = joint.velocity_rad_s - self._fade
        self._power = joint.power_w
        self._slew = joint.slew_nm_s * period_s
        self._release = max(limits.timing.release_nm_s * period_s, self._slew)
        self._window = joint.window_nm
        ticks = max(2, round(limits.timing.window_s / period_s))
        self._recent = deque([0.0] * ticks, maxlen=ticks)
        self._most = self._least = 0.0
        self._floor = limits.tank.speed_floor_rad_s
        self._comfort, self._cuff = joint.comfort_nm, joint.cuff_nm
        self.edge_low, self.edge_high = joint.angle_min_rad, joint.angle_max_rad
        self._low_wall, self._high_wall = joint.wall_low_rad, joint.wall_high_rad
        self._wall_low = joint.angle_min_rad + joint.wall_low_rad
        self._wall_high = joint.angle_max_rad - joint.wall_high_rad
        self.low = self.high = 0.0
        self.bits = 0

    def window(
        self, angle: float, speed: float, request: float, now: float, cap: float, cuff: float, offer_w: float
    ) -> None:
        """Set the window for the coming tick.

        Parameters
        ----------
        angle, speed
            Measured [rad, rad/s].
        request
            Torque that the order would give at this state [N m].
        now
            Active torque that the drive gives at this moment [N m].
        cap
            Torque limit of the mode [N m]; at most the joint's own.
        cuff
            Measured torque of the exoskeleton on the patient [N m].
        offer_w
            Power the energy tank offers [W].
        """
        high = cap if cap < self._torque else self._torque
        low = -high
        bits = 0
        if request > high or request < low:
            bits = codes.TORQUE_LIMIT
        if speed > 0.0:
            high, bits = self._along(high, speed, request, offer_w, bits)
        elif speed < 0.0:
            flipped, bits = self._along(high, -speed, -request, offer_w, bits)
            low = -flipped
        if angle > self._wall_high:
            room = (self.edge_high - angle) / self._high_wall
            high, bits = _lower(high, self._torque * room, request, codes.SOFT_WALL, bits)
        elif angle < self._wall_low:
            room = (angle - self.edge_low) / self._low_wall
            flipped, bits = _lower(-low, self._torque * room, -request, codes.SOFT_WALL, bits)
            low = -flipped
        if cuff > self._comfort:
            high, bits = self._yield(high, cuff, request, bits)
        elif cuff < -self._comfort:
            flipped, bits = self._yield(-low, -cuff, -request, bits)
            low = -flipped
        self._slope(low, high, request, now, bits)

    def close(self, now: float) -> None:
        """Close the window for the coming tick; the torque of this moment counts for the next ones."""
        self._note(now)
        self.low = self.high = 0.0
        self.bits = 0

    def _along(
        self, most: float, speed: float, request: float, offer_w: float, bits: int
    ) -> tuple[float, int]:
        """Return the largest torque along a motion of ``speed`` > 0: velocity, power and tank."""
        if speed > self._fade_start:
            most, bits = _lower(
                most,
                self._torque * (self._velocity - speed) / self._fade,
                request,
                codes.VELOCITY_LIMIT,
                bits,
            )
        if speed > self._floor:
            power = self._power / speed
            if request > power:
                bits |= codes.POWER_LIMIT
            most = power if power < most else most
        else:
            speed = self._floor
        tank = offer_w / speed
        if request > tank:
            bits |= codes.ENERGY_TANK
        return (tank if tank < most else most), bits

    def _yield(self, most: float, cuff: float, request: float, bits: int) -> tuple[float, int]:
        """Return the torque left when the patient resists it with ``cuff`` > comfort."""
        share = (self._cuff - cuff) / (self._cuff - self._comfort)
        return _lower(
            most, self._torque * share, request, codes.OPPOSED if share > 0.0 else codes.CUFF_LIMIT, bits
        )

    def _slope(self, low: float, high: float, request: float, now: float, bits: int) -> None:
        """Narrow by slew and by the window of recent torques, never against the way to zero."""
        self._note(now)
        bottom, top = now - self._slew, now + self._slew
        if request > top or request < bottom:
            bits |= codes.SLEW_LIMIT
        floor_, ceiling = self._most - self._window, self._least + self._window
        if floor_ > bottom or ceiling < top:
            if request > ceiling or request < floor_:
                bits |= codes.WINDOW_LIMIT
            bottom = min(max(bottom, floor_), now)
            top = max(min(top, ceiling), now)
        if now > 0.0:
            end = now - self._release
            end = end if end > 0.0 else 0.0
            bottom = end if end < bottom else bottom
        elif now < 0.0:
            end = now + self._release
            end = end if end < 0.0 else 0.0
            top = end if end > top else top
        self.low = low if bottom < low else (high if bottom > high else bottom)
        self.high = high if top > high else (low if top < low else top)
        self.bits = bits

    def _note(self, now: float) -> None:
        """Put the torque of this moment into the window; look through it only if an extreme leaves."""
        recent = self._recent
        gone = recent[0]
        recent.append(now)
        if now >= self._most:
            self._most = now
        elif gone == self._most:
            self._most = max(recent)
        if now <= self._least:
            self._least = now
        elif gone == self._least:
            self._least = min(recent)


def _lower(most: float, bound: float, request: float, bit: int, bits: int) -> tuple[float, int]:
    """Return ``most`` lowered to ``bound`` (never below 0), and the bit if the request is above it."""
    bound = bound if bound > 0.0 else 0.0
    if request > bound:
        bits |= bit
    return (bound if bound < most else most), bits
