"""F01 to F07: sensors that are missing, stuck, damaged, implausible, misaligned or mistimed."""

from __future__ import annotations

from collections import deque
from math import atan2

from exostride.conventions import JOINTS, N_JOINTS, SEGMENTS, SIDES
from exostride.safety import codes
from exostride.safety.faults import Finding
from exostride.safety.guard import SampleGuard
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, DeviceFault, ExoState


def joint_names(mask: int) -> str:
    """Return the joints of a bit mask, in words."""
    return ", ".join(name.replace("_", " ") for i, name in enumerate(JOINTS) if mask >> i & 1)


class GuardDetector:
    """F01, F03, F04, F05 from the sample guard's verdict."""

    def __init__(self, limits: SafetyLimits) -> None:
        self._limits = limits.detect.sensors
        self._spikes: deque[int] = deque()
        self._missing = [0] * N_JOINTS
        self._groups = 0
        self._jointed = False

    def step(self, snap: Snapshot, guard: SampleGuard, found: list[Finding]) -> None:
        """Append what the guard and the valid bits say about this tick."""
        if guard.problem:
            found.append(Finding("F03", Action.SOFT_STOP, f"ExoState.{guard.problem}"))
            return
        # A treadmill without a robot has no joints that could be missing.
        self._jointed = self._jointed or bool(snap.exo.available & codes.HAS_ANGLE)
        if self._jointed and (guard.missing or any(self._missing)):
            self._count_missing(guard.missing, found)
        if guard.jump:
            found.append(Finding("F05", Action.SOFT_STOP, joint_names(guard.jump)))
        if guard.wrap:
            found.append(Finding("F05", Action.WARN, joint_names(guard.wrap)))
        if guard.spike:
            self._spikes.append(snap.seq)
            found.append(Finding("F04", Action.WARN, joint_names(guard.spike)))
        while self._spikes and snap.seq - self._spikes[0] >= self._limits.spike_window_ticks:
            self._spikes.popleft()
        if len(self._spikes) >= self._limits.spike_count:
            found.append(Finding("F04", Action.SOFT_STOP, joint_names(guard.spike)))
        self._other_groups(snap.exo, found)

    def _count_missing(self, mask: int, found: list[Finding]) -> None:
        gone = 0
        for i in range(N_JOINTS):
            self._missing[i] = self._missing[i] + 1 if mask >> i & 1 else 0
            if self._missing[i] >= self._limits.missing_ticks:
                gone |= 1 << i
        if gone:
            found.append(Finding("F01", Action.SOFT_STOP, joint_names(gone)))
        elif mask:
            found.append(Finding("F01", Action.WARN, joint_names(mask)))

    def _other_groups(self, exo: ExoState, found: list[Finding]) -> None:
        """Feet, segments, and the device's own word."""
        feet = exo.foot_valid if exo.available & (codes.HAS_LOAD | codes.HAS_WRENCH) else 0b11
        segments = exo.segment_valid if exo.available & (codes.HAS_SEGMENT | codes.HAS_CUFF) else 0b111111
        if feet == 0b11 and segments == 0b111111 and not exo.device_faults & DeviceFault.SENSOR_MISSING:
            self._groups = 0
            return
        self._groups += 1
        names = [f"foot {side}" for i, side in enumerate(SIDES) if not feet >> i & 1]
        names += [name.replace("_", " ") for i, name in enumerate(SEGMENTS) if not segments >> i & 1]
        level = Action.SOFT_STOP if self._groups >= self._limits.missing_ticks else Action.WARN
        found.append(Finding("F01", level, ", ".join(names) or "a sensor the device names"))


_LEAST = 3
"""Equal samples in a row before a joint may count as stuck."""
_FORGET_S = 0.5
"""Time in which the twin's motion is forgotten: a gyro's bias must not add up beside a joint that dry
friction really holds still."""


class StuckDetector:
    """F02: bit-equal samples while the twin sensor has moved on, or a loaded cell that never changes."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._ticks = limits.detect.sensors.stuck_ticks
        self._angle = limits.detect.sensors.stuck_rad
        self._period = period_s
        self._kept = max(0.0, 1.0 - period_s / _FORGET_S)
        self._moved = [0.0] * N_JOINTS
        self._last_angle = [float("nan")] * N_JOINTS
        self._last_load = [float("nan")] * 4
        self._last_torque = [float("nan")] * N_JOINTS
        self._same_angle = [0] * N_JOINTS
        self._same_load = [0] * 4
        self._same_torque = [0] * N_JOINTS
        self._lively = [False] * (4 + N_JOINTS)

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append the joints and cells that are stuck."""
        raw = snap.exo.angle_rad.tolist()
        twin = segment_speeds(snap.exo) if snap.exo.available & codes.HAS_SEGMENT else None
        stuck = 0
        for i in range(N_JOINTS):
            if raw[i] != self._last_angle[i]:
                self._same_angle[i], self._moved[i] = 0, 0.0
                self._last_angle[i] = raw[i]
            elif twin is not None:
                self._same_angle[i] += 1
                self._moved[i] = self._kept * self._moved[i] + twin[i] * self._period
                if self._same_angle[i] >= _LEAST and abs(self._moved[i]) > self._angle:
                    stuck |= 1 << i
        if stuck:
            found.append(Finding("F02", Action.SOFT_STOP, f"angle of {joint_names(stuck)}"))
        if snap.load is not None:
            cells = self._still(snap.load, self._last_load, self._same_load, 0)
            if cells:
                names = [f"{part} cell {side}" for side in SIDES for part in ("heel", "toe")]
                where = ", ".join(name for i, name in enumerate(names) if cells >> i & 1)
                found.append(Finding("F02", Action.SOFT_STOP, where))
        if snap.torque is not None:
            sensors = self._still(snap.torque, self._last_torque, self._same_torque, 4)
            if sensors:
                found.append(Finding("F02", Action.SOFT_STOP, f"torque of {joint_names(sensors)}"))

    def _still(self, values: list[float], last: list[float], same: list[int], offset: int) -> int:
        """Return the mask of cells that have been noisy before, and now repeat one non-zero value."""
        stuck = 0
        for i, value in enumerate(values):
            if value != last[i]:
                self._lively[offset + i] = self._lively[offset + i] or (same[i] == 0 and value != 0.0)
                same[i] = 0
                last[i] = value
            elif value != 0.0 and self._lively[offset + i]:
                same[i] += 1
                if same[i] >= self._ticks:
                    stuck |= 1 << i
        return stuck


def segment_speeds(exo: ExoState) -> list[float]:
    """Return joint velocities [rad/s] from segment and pelvis rates: the encoders' twin.

    Hip = thigh - pelvis, knee = thigh - shank, ankle = foot - shank; a pelvis pitching forward
    (positive about y) carries the thigh's lower end backward, hence the sign.
    """
    thigh_l, shank_l, foot_l, thigh_r, shank_r, foot_r = exo.segment_rate_rad_s.tolist()
    pitch = float(exo.pelvis_gyro_rad_s[1]) if exo.available & codes.HAS_PELVIS else 0.0
    return [
        thigh_l + pitch,
        thigh_l - shank_l,
        foot_l - shank_l,
        thigh_r + pitch,
        thigh_r - shank_r,
        foot_r - shank_r,
    ]


def segment_angles(exo: ExoState) -> list[float] | None:
    """Return the joints' angles [rad] from those of segments and pelvis, None without them."""
    needed = codes.HAS_SEGMENT | codes.HAS_PELVIS
    if exo.available & needed != needed or exo.segment_valid != 0b111111:
        return None
    x, y, z, w = exo.pelvis_orientation.tolist()
    pitch = atan2(2.0 * (w * y - z * x), 1.0 - 2.0 * (x * x + y * y))
    thigh_l, shank_l, foot_l, thigh_r, shank_r, foot_r = exo.segment_angle_rad.tolist()
    return [
        thigh_l + pitch,
        thigh_l - shank_l,
        foot_l - shank_l,
        thigh_r + pitch,
        thigh_r - shank_r,
        foot_r - shank_r,
    ]


class DriftDetector:
    """F06: encoder against segment IMUs, and mean cuff force."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = limits.detect.sensors
        self._gain = period_s / (limits.detect.sensors.twin_s + period_s)
        self._cuff_gain = period_s / (limits.detect.sensors.cuff_s + period_s)
        self._away = [0.0] * N_JOINTS
        self._force = [0.0] * len(SEGMENTS)

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append what leaves its band."""
        twins = segment_angles(snap.exo)
        if twins is not None:
            for i in range(N_JOINTS):
                self._away[i] += self._gain * (twins[i] - snap.angle[i] - self._away[i])
                away = abs(self._away[i])
                if away > self._limits.twin_reduce_rad:
                    level = Action.SOFT_STOP if away > self._limits.twin_stop_rad else Action.REDUCE
                    found.append(Finding("F06", level, f"encoder of {joint_names(1 << i)}"))
        if snap.exo.available & codes.HAS_CUFF:
            self._cuffs(snap.exo, found)

    def _cuffs(self, exo: ExoState, found: list[Finding]) -> None:
        force = exo.cuff_force_n.tolist()
        for n, name in enumerate(SEGMENTS):
            if not exo.segment_valid >> n & 1:
                continue
            x, y, z = force[3 * n : 3 * n + 3]
            self._force[n] += self._cuff_gain * ((x * x + y * y + z * z) ** 0.5 - self._force[n])
            if self._force[n] > self._limits.cuff_reduce_n:
                level = Action.SOFT_STOP if self._force[n] > self._limits.cuff_stop_n else Action.REDUCE
                found.append(Finding("F06", level, f"cuff {name.replace('_', ' ')}"))


class ClockDetector:
    """F07: measurement time must advance, by less than a few periods; control time is seq x T."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._t = period_s
        self._most = limits.detect.sensors.clock_ticks * period_s
        self._stamp = float("-inf")

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append a jump of either clock."""
        exo = snap.exo
        step = exo.stamp_s - self._stamp
        first = self._stamp == float("-inf")
        self._stamp = exo.stamp_s
        if not first and not 0.0 < step <= self._most:
            found.append(Finding("F07", Action.SOFT_STOP, f"step of {step * 1e3:.1f} ms"))
        elif abs(exo.time_s - snap.seq * self._t) > 0.5 * self._t:
            found.append(Finding("F07", Action.SOFT_STOP, "control time is not seq x period"))
