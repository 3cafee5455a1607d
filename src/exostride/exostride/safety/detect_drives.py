"""F17 to F19, F27: drives that do not follow, run away, turn the wrong way, or are hot."""

from __future__ import annotations

from exostride.conventions import N_JOINTS
from exostride.safety import codes
from exostride.safety.detect_sensors import joint_names
from exostride.safety.faults import Finding
from exostride.safety.guard import GOOD, LOST
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, DeviceFault, SupervisorState


class TrackingDetector:
    """F17: the request stays far beyond what is applied, or the joint far from its reference."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = limits.detect.drives
        self._reduce = max(1, round(limits.detect.drives.tracking_reduce_s / period_s))
        self._stop = max(1, round(limits.detect.drives.tracking_stop_s / period_s))
        self._handover = round(limits.timing.handover_s / period_s)
        self._ticks = [0] * N_JOINTS

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append joints that have not followed for too long; not while the lock hands over."""
        applied, command = snap.applied, snap.command
        if applied is None or not snap.driven or snap.ticks_in_state <= self._handover:
            self._ticks = [0] * N_JOINTS
            return
        asked, given = applied.requested_nm.tolist(), applied.applied_mean_nm.tolist()
        stiff = command.stiffness_nm_rad.tolist() if command is not None else [0.0] * N_JOINTS
        aim = command.reference_rad.tolist() if command is not None else snap.angle
        for i in range(N_JOINTS):
            away = abs(asked[i] - given[i]) > self._limits.tracking_nm
            away = away or (stiff[i] > 0.0 and abs(aim[i] - snap.angle[i]) > self._limits.tracking_rad)
            self._ticks[i] = self._ticks[i] + 1 if away else 0
            if self._ticks[i] >= self._reduce:
                level = Action.SOFT_STOP if self._ticks[i] >= self._stop else Action.REDUCE
                found.append(Finding("F17", level, joint_names(1 << i)))


_DRIVING_NM = 5.0
"""Torque along the motion from which a drive is pushing: four times the friction in its gear."""
_TEST_SHARE = 0.4
"""Share of the self-test's torque from which its sign must be seen: friction of the drive takes the rest.

Noise and friction of sound drives come to 0.32 of it for a tick, and two ticks count.
"""


class RunawayDetector:
    r"""F18, F19: measured torque against what the drives were told, and drives that push beyond the envelope.

    A joint that the walker or an impact of the foot moves faster is no runaway: its drive does not push.

    The joint torque sensor sits behind the rotor, so it is brought to the motor's side first:

    .. math:: \tau_m = \tau_{sensor} + I_{rotor} \ddot q.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = limits.detect.drives
        self._speed = [joint.velocity_rad_s * limits.detect.drives.overspeed for joint in limits.joints]
        self._rotor = [joint.armature_kg_m2 / period_s for joint in limits.joints]
        self._last_speed = [0.0] * N_JOINTS
        self._last_asked = [0.0] * N_JOINTS
        self._handover = round(limits.timing.handover_s / period_s)
        self._away = [0] * N_JOINTS
        self._reversed = [0] * N_JOINTS
        self._fast = [0] * N_JOINTS
        self._test_nm = [_TEST_SHARE * joint.homing_nm for joint in limits.joints]

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append joints whose drive can't be trusted."""
        applied = snap.applied
        if applied is not None and applied.reason & codes.RESIDUAL:
            mask = sum(1 << i for i, bits in enumerate(applied.reasons.tolist()) if bits & codes.RESIDUAL)
            found.append(Finding("F18", Action.E_STOP, joint_names(mask)))
        for i in range(N_JOINTS):
            fast = snap.quality[i] != LOST and abs(snap.speed[i]) > self._speed[i]
            if fast and (snap.torque is None or _along(snap.torque[i], snap.speed[i]) > _DRIVING_NM):
                self._fast[i] += 1
                if self._fast[i] >= self._limits.runaway_ticks:
                    found.append(Finding("F18", Action.E_STOP, f"{joint_names(1 << i)} too fast"))
            else:
                self._fast[i] = 0
        if applied is not None and snap.torque is not None:
            homing = snap.state == SupervisorState.HOMING
            mean, peak = applied.applied_mean_nm.tolist(), applied.applied_peak_nm.tolist()
            asked, reasons = applied.requested_nm.tolist(), applied.reasons.tolist()
            # A reversed drive may believe itself, so the sign also goes by what was asked for, in this tick
            # and the one before, where the kernel has passed that on as it was and its lock holds no more.
            own = snap.driven and snap.ticks_in_state > self._handover
            sign = [
                _steady(now, last) if homing or (own and bits == 0) else 0.0
                for now, last, bits in zip(asked, self._last_asked, reasons, strict=True)
            ]
            mean = asked if homing else mean
            self._last_asked = asked
            for i in range(N_JOINTS):
                torque = snap.torque[i]
                if not homing:  # its pulses are slow, and the correction is noise there
                    torque += self._rotor[i] * (snap.speed[i] - self._last_speed[i])
                enough = self._test_nm[i] if homing else self._limits.sign_nm
                if snap.quality[i] == GOOD:
                    self._compare(i, torque, (mean[i], peak[i], sign[i], enough), found)
        self._last_speed = snap.speed.copy()

    def _compare(
        self, i: int, torque: float, told: tuple[float, float, float, float], found: list[Finding]
    ) -> None:
        """Judge one joint: torque outside what was applied, or of the opposite sign.

        ``told`` is the mean and peak that were applied, the torque whose sign must be seen, and from where.
        """
        limits = self._limits
        mean, peak, sign, enough = told
        low, high = min(mean, peak, 0.0) - limits.runaway_nm, max(mean, peak, 0.0) + limits.runaway_nm
        opposite = _against(torque, mean, enough) or _against(torque, sign, enough)
        self._reversed[i] = self._reversed[i] + 1 if opposite else 0
        self._away[i] = 0 if low <= torque <= high else self._away[i] + 1
        if self._reversed[i] >= limits.sign_ticks:
            found.append(Finding("F19", Action.E_STOP, joint_names(1 << i)))
        elif self._away[i] >= limits.runaway_ticks:
            found.append(Finding("F18", Action.E_STOP, f"{joint_names(1 << i)} torque"))


def _along(torque: float, speed: float) -> float:
    """Return the torque in the direction of the motion."""
    return torque if speed > 0.0 else -torque


def _against(torque: float, told: float, enough: float) -> bool:
    """Return whether a torque that matters opposes one that does."""
    return torque * told < 0.0 and min(abs(torque), abs(told)) > enough


def _steady(now: float, last: float) -> float:
    """Return the smaller of two torques of one sign, 0 for different signs."""
    return 0.0 if now * last <= 0.0 else min(now, last, key=abs)


class DeviceDetector:
    """F27, and F18 by the drive's own word: temperature, battery, bus, supply."""

    def __init__(self, limits: SafetyLimits) -> None:
        self._limits = limits.detect.drives
        self._bus = 0

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append what the device says about itself."""
        exo, limits = snap.exo, self._limits
        hottest = max(exo.motor_temperature_c.tolist())
        if hottest > limits.hot_c:
            level = Action.SOFT_STOP if hottest > limits.too_hot_c else Action.REDUCE
            found.append(Finding("F27", level, f"motor at {hottest:.0f} degrees"))
        if exo.battery_fraction < limits.battery_low:
            level = Action.SOFT_STOP if exo.battery_fraction < limits.battery_empty else Action.REDUCE
            found.append(Finding("F27", level, f"battery at {exo.battery_fraction:.0%}"))
        faults = exo.device_faults
        if not faults:
            self._bus = 0
            return
        if faults & (DeviceFault.BUS_OFF | DeviceFault.SUPPLY_LOST):
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
