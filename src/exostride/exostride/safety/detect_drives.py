"""F17 to F19, F27: drives that do not follow, run away, turn the wrong way, or are hot."""

from __future__ import annotations

from math import copysign
from operator import gt

from exostride.conventions import N_JOINTS
from exostride.safety import codes
from exostride.safety.detect_sensors import joint_names
from exostride.safety.faults import Finding
from exostride.safety.guard import GOOD, LOST
from exostride.safety.intake import PLACES
from exostride.safety.limits import SafetyLimits, plain
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, DeviceFault

_ASKED, _MEAN, _PEAK = slice(0, 6), slice(6, 12), slice(12, 18)
"""Of what the kernel and the drives say they have done."""
_STIFFNESS, _REFERENCE = slice(6, 12), slice(18, 24)
"""Of a command's vectors."""
_NOTHING, _NEVER = [0.0] * N_JOINTS, [False] * N_JOINTS
_TEMPERATURE, _MOTOR = PLACES["motor_temperature_c"], PLACES["motor_torque_nm"]


class TrackingDetector:
    """F17: the request stays far beyond what is applied, or the joint far from its reference.

    The request has its gains within limits, but not the permit's scale in it. While effort is reduced,
    between the least scale and all of it counts as followed: giving way is no failure to follow. A law that
    asks for far more than the joint may give is found then, too, or the answer to it would hide it.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = plain(limits.detect.drives)
        self._caps = [joint.torque_nm for joint in limits.joints]
        self._least = limits.detect.stops.reduce_scale
        self._reduce = max(1, round(limits.detect.drives.tracking_reduce_s / period_s))
        self._stop = max(1, round(limits.detect.drives.tracking_stop_s / period_s))
        self._handover = round(limits.timing.handover_s / period_s)
        self._ticks = [0] * N_JOINTS
        self._behind = False
        self.away = _NEVER
        """Which joints did not follow in this tick."""

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append joints that have not followed for too long; not while the lock hands over."""
        done, orders = snap.done, snap.orders
        if not done or not snap.driven or snap.driven_ticks <= self._handover:
            away = _NEVER
        else:
            most_rad = self._limits.tracking_rad
            reduced = snap.applied is not None and bool(snap.applied.reason & codes.PERMIT_SCALE)
            far = self._far(reduced, done[_ASKED], done[_MEAN])
            stiff = orders[_STIFFNESS] or _NOTHING
            aims = orders[_REFERENCE] or snap.angle
            away = [
                much or (spring > 0.0 and abs(aim - angle) > most_rad)
                for much, spring, aim, angle in zip(far, stiff, aims, snap.angle, strict=True)
            ]
        self.away = away
        if self._behind or True in away:
            self._judge(away, found)

    def _far(self, reduced: bool, asked: list[float], given: list[float]) -> list[bool]:
        """Return for which joints what is given is far from what was asked for."""
        most = self._limits.tracking_nm
        if not reduced:
            return [abs(wish - torque) > most for wish, torque in zip(asked, given, strict=True)]
        return [
            abs(wish) > cap + most
            or not min(wish, self._least * wish) - most <= torque <= max(wish, self._least * wish) + most
            for wish, torque, cap in zip(asked, given, self._caps, strict=True)
        ]

    def _judge(self, away: list[bool], found: list[Finding]) -> None:
        self._behind = True in away
        for i in range(N_JOINTS):
            self._ticks[i] = self._ticks[i] + 1 if away[i] else 0
            if self._ticks[i] >= self._reduce:
                level = Action.SOFT_STOP if self._ticks[i] >= self._stop else Action.REDUCE
                found.append(Finding("F17", level, joint_names(1 << i)))


_DRIVING_NM = 5.0
"""Torque along the motion from which a drive is pushing: four times the friction in its gear."""
_TEST_SHARE = 0.6
"""Share of the self-test's torque from which its sign must be seen: friction of the drive takes the rest."""


class RunawayDetector:
    r"""F18, F19: measured torque against what the drives were told, and drives that push beyond the envelope.

    A joint that the walker or an impact of the foot moves faster is no runaway: its drive does not push.

    The joint torque sensor sits behind the rotor, so it is brought to the motor's side first:

    .. math:: \tau_m = \tau_{sensor} + I_{rotor} \ddot q.

    The kernel leaves a joint without power until the reset that F18 asks for. So its word counts as it comes,
    and after that only a motor that gives torque without power.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = plain(limits.detect.drives)
        self._speed = [joint.velocity_rad_s * limits.detect.drives.overspeed for joint in limits.joints]
        self._rotor = [joint.armature_kg_m2 / period_s for joint in limits.joints]
        self._last_speed = [0.0] * N_JOINTS
        self._last_asked = [0.0] * N_JOINTS
        self._handover = round(limits.timing.handover_s / period_s)
        self._away = [0] * N_JOINTS
        self._reversed = [0] * N_JOINTS
        self._fast = [0] * N_JOINTS
        self._racing = self._suspected = False
        self._unpowered = 0
        """Mask of the joints that the kernel has taken the power from."""
        self._sign_nm = [limits.detect.drives.sign_nm] * N_JOINTS
        self._test_nm = [_TEST_SHARE * joint.homing_nm for joint in limits.joints]

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append joints whose drive can't be trusted."""
        applied = snap.applied
        if applied is not None and (self._unpowered or applied.reason & codes.RESIDUAL):
            self._cut_off(snap, applied.reasons.tolist(), found)
        if self._racing or any(map(gt, map(abs, snap.speed), self._speed)):
            self._race(snap, found)
        if snap.done and snap.torque is not None:
            self._compare(snap, snap.torque, found)
        self._last_speed = snap.speed

    def _cut_off(self, snap: Snapshot, reasons: list[int], found: list[Finding]) -> None:
        """Tell joints that have lost their power in the kernel's last tick, or whose motor pushes without."""
        off = sum(1 << i for i, bits in enumerate(reasons) if bits & codes.RESIDUAL)
        told, self._unpowered = off & ~self._unpowered, off
        if snap.torque is not None:
            for i, torque in enumerate(snap.values[_MOTOR]):
                if off >> i & 1 and abs(torque) > self._limits.runaway_nm:
                    told |= 1 << i
        if told:
            found.append(Finding("F18", Action.E_STOP, joint_names(told)))

    def _race(self, snap: Snapshot, found: list[Finding]) -> None:
        """Count the ticks in which a joint is faster than it may be while its drive pushes."""
        for i in range(N_JOINTS):
            fast = snap.quality[i] != LOST and abs(snap.speed[i]) > self._speed[i]
            if fast and (snap.torque is None or _along(snap.torque[i], snap.speed[i]) > _DRIVING_NM):
                self._fast[i] += 1
                if self._fast[i] >= self._limits.runaway_ticks:
                    found.append(Finding("F18", Action.E_STOP, f"{joint_names(1 << i)} too fast"))
            else:
                self._fast[i] = 0
        self._racing = any(self._fast)

    def _signs(self, snap: Snapshot, asked: list[float]) -> list[float]:
        """Return the torque whose sign each drive must show [N m], 0 where that can't be said.

        A reversed drive may believe itself, so the sign also goes by what was asked for, in this tick
        and the one before, where the kernel has passed that on as it was and its lock holds no more.
        """
        last, self._last_asked = self._last_asked, asked
        if snap.applied is None or not snap.driven or snap.driven_ticks <= self._handover:
            return _NOTHING
        return [
            0.0 if bits else _steady(now, old)
            for now, old, bits in zip(asked, last, snap.applied.reasons.tolist(), strict=True)
        ]

    def _compare(self, snap: Snapshot, measured: list[float], found: list[Finding]) -> None:
        """Look for torque outside what was applied, or of the opposite sign."""
        done, homing = snap.done, snap.state == codes.IN_HOMING
        asked, peaks = done[_ASKED], done[_PEAK]
        signs = self._signs(snap, asked)
        means, rotors, least = done[_MEAN], self._rotor, self._sign_nm
        if homing:
            means, least = asked, self._test_nm
        beyond = self._limits.runaway_nm
        outside = opposite = 0
        for i, (sensed, rotor, speed, last, mean, peak, sign, enough) in enumerate(
            zip(measured, rotors, snap.speed, self._last_speed, means, peaks, signs, least, strict=True)
        ):
            torque = sensed + rotor * (speed - last)
            if not min(mean, peak, 0.0) - beyond <= torque <= max(mean, peak, 0.0) + beyond:
                outside |= 1 << i
            if abs(torque) > enough and (
                (torque * mean < 0.0 and abs(mean) > enough) or (torque * sign < 0.0 and abs(sign) > enough)
            ):
                opposite |= 1 << i
        if outside or opposite or self._suspected:
            self._count(snap.quality, outside, opposite, found)

    def _count(self, quality: list[int], outside: int, opposite: int, found: list[Finding]) -> None:
        """Count the ticks of each joint that was measured, and tell those that have been enough."""
        for i in range(N_JOINTS):
            if quality[i] != GOOD:
                continue
            self._reversed[i] = self._reversed[i] + 1 if opposite >> i & 1 else 0
            self._away[i] = self._away[i] + 1 if outside >> i & 1 else 0
            if self._reversed[i] >= self._limits.sign_ticks:
                found.append(Finding("F19", Action.E_STOP, joint_names(1 << i)))
            elif self._away[i] >= self._limits.runaway_ticks:
                found.append(Finding("F18", Action.E_STOP, f"{joint_names(1 << i)} torque"))
        self._suspected = any(self._reversed) or any(self._away)


def _along(torque: float, speed: float) -> float:
    """Return the torque in the direction of the motion."""
    return copysign(1.0, speed) * torque


def _steady(now: float, last: float) -> float:
    """Return the smaller of two torques of one sign, 0 for different signs."""
    if now * last <= 0.0:
        return 0.0
    return last if abs(last) < abs(now) else now


class DeviceDetector:
    """F27, and F18 by the drive's own word: temperature, battery, bus, supply."""

    def __init__(self, limits: SafetyLimits) -> None:
        self._limits = plain(limits.detect.drives)
        self._bus = 0

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append what the device says about itself."""
        exo, limits = snap.exo, self._limits
        # No number, from a joint that was not measured, is not above the limit either.
        hot = [heat for heat in snap.values[_TEMPERATURE] if heat > limits.hot_c]
        if hot:
            hottest = max(hot)
            level = Action.SOFT_STOP if hottest > limits.too_hot_c else Action.REDUCE
            found.append(Finding("F27", level, f"motor at {hottest:.0f} degrees"))
        if exo.battery_fraction < limits.battery_low:
            level = Action.SOFT_STOP if exo.battery_fraction < limits.battery_empty else Action.REDUCE
            found.append(Finding("F27", level, f"battery at {exo.battery_fraction:.0%}"))
        faults = exo.device_faults
        if not faults:
            self._bus = 0
            return
        if faults & codes.BUS_GONE:
            self._bus += 1
            level = Action.SOFT_STOP if self._bus >= 2 else Action.WARN
            found.append(Finding("F27", level, "bus or supply lost"))
        if faults & DeviceFault.DRIVE_FAULT:
            found.append(Finding("F27", Action.SOFT_STOP, "drive fault"))
        if faults & DeviceFault.DRIVE_WATCHDOG:
            found.append(Finding("F10", Action.SOFT_STOP, "drive watchdog tripped"))
        if faults & DeviceFault.OVER_TEMPERATURE:
            found.append(Finding("F27", Action.REDUCE, "over-temperature"))
        if faults & DeviceFault.BATTERY_LOW:
            found.append(Finding("F27", Action.REDUCE, "battery low"))
