"""F01 to F07: sensors that are missing, stuck, damaged, implausible, misaligned or mistimed."""

from __future__ import annotations

from collections import deque
from math import sqrt
from operator import eq

from exostride.conventions import JOINTS, N_JOINTS, SEGMENTS, SIDES
from exostride.safety import codes
from exostride.safety.faults import Finding
from exostride.safety.guard import SampleGuard
from exostride.safety.intake import PLACES
from exostride.safety.limits import SafetyLimits, plain
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, ExoState

_ANGLE, _LEAN, _RATE = PLACES["angle_rad"], PLACES["segment_angle_rad"], PLACES["segment_rate_rad_s"]
_CUFF_FORCE = PLACES["cuff_force_n"]
_ALL_CUFFS = (1 << len(SEGMENTS)) - 1
_GROUPS = {
    codes.HAS_TORQUE: "joint torque",
    codes.HAS_CUFF: "cuffs",
    codes.HAS_LOAD: "foot load",
    codes.HAS_WRENCH: "foot force",
    codes.HAS_PELVIS: "pelvis",
    codes.HAS_SEGMENT: "segments",
}
"""Groups of measurements; that of the joints is the sample guard's."""
_ALL_GROUPS = sum(_GROUPS)
_NAN = float("nan")


def joint_names(mask: int) -> str:
    """Return the joints of a bit mask, in words."""
    return ", ".join(name.replace("_", " ") for i, name in enumerate(JOINTS) if mask >> i & 1)


class GuardDetector:
    """F01, F03, F04, F05 from the sample guard's verdict.

    A sample or a whole group of them that is missing for one tick is a warning, for two a stop. As many gaps
    as spikes would stop within the same window make the robot give way (REDUCE): each is bridged, but what is
    found of the others comes later. A group that the device has had once must go on coming.
    """

    def __init__(self, limits: SafetyLimits) -> None:
        self._limits = plain(limits.detect.sensors)
        self._spikes: deque[int] = deque()
        self._gaps: deque[int] = deque()
        self._missing = [0] * N_JOINTS
        self._gone = False
        self._groups = 0
        self._had = 0
        """Groups of measurements that have been there."""

    def step(self, snap: Snapshot, guard: SampleGuard, found: list[Finding]) -> None:
        """Append what the guard and the valid bits say about this tick."""
        if guard.problem:
            found.append(Finding("F03", Action.SOFT_STOP, f"ExoState.{guard.problem}"))
            return
        # A treadmill without a robot has no joints that could be missing.
        self._had |= snap.exo.available
        gap = bool(self._had & codes.HAS_ANGLE and guard.missing)
        if gap or self._gone:
            self._count_missing(guard.missing, found)
        if guard.jump:
            found.append(Finding("F05", Action.SOFT_STOP, joint_names(guard.jump)))
        if guard.wrap:
            found.append(Finding("F05", Action.WARN, joint_names(guard.wrap)))
        if guard.spike:
            self._spikes.append(snap.seq)
            found.append(Finding("F04", Action.WARN, joint_names(guard.spike)))
        if self._often(self._spikes, snap.seq):
            found.append(Finding("F04", Action.SOFT_STOP, joint_names(guard.spike)))
        gap = self._other_groups(snap.exo, found) or gap
        if gap:
            self._gaps.append(snap.seq)
        if self._often(self._gaps, snap.seq) and gap:
            where = next(f.where for f in reversed(found) if f.fault == "F01")
            found.append(Finding("F01", Action.REDUCE, where))

    def _often(self, ticks: deque[int], seq: int) -> bool:
        """Forget ticks that are too long ago; return whether the rest are too many."""
        while ticks and seq - ticks[0] >= self._limits.spike_window_ticks:
            ticks.popleft()
        return len(ticks) >= self._limits.spike_count

    def _count_missing(self, mask: int, found: list[Finding]) -> None:
        gone = 0
        for i in range(N_JOINTS):
            self._missing[i] = self._missing[i] + 1 if mask >> i & 1 else 0
            if self._missing[i] >= self._limits.missing_ticks:
                gone |= 1 << i
        self._gone = any(self._missing)
        if gone:
            found.append(Finding("F01", Action.SOFT_STOP, joint_names(gone)))
        elif mask:
            found.append(Finding("F01", Action.WARN, joint_names(mask)))

    def _other_groups(self, exo: ExoState, found: list[Finding]) -> bool:
        """Tell feet, segments, whole groups, and the device's own word; return whether any is missing."""
        lost = self._had & ~exo.available & _ALL_GROUPS
        feet = exo.foot_valid if exo.available & (codes.HAS_LOAD | codes.HAS_WRENCH) else 0b11
        segments = exo.segment_valid if exo.available & (codes.HAS_SEGMENT | codes.HAS_CUFF) else 0b111111
        if feet == 0b11 and segments == 0b111111 and not lost and not exo.device_faults & codes.SENSOR_GONE:
            self._groups = 0
            return False
        self._groups += 1
        names = [f"foot {side}" for i, side in enumerate(SIDES) if not feet >> i & 1]
        names += [name.replace("_", " ") for i, name in enumerate(SEGMENTS) if not segments >> i & 1]
        names += [name for bit, name in _GROUPS.items() if lost & bit]
        level = Action.SOFT_STOP if self._groups >= self._limits.missing_ticks else Action.WARN
        found.append(Finding("F01", level, ", ".join(names) or "a sensor the device names"))
        return True


_LEAST = 3
"""Equal samples in a row before a joint may count as stuck."""
_FORGET_S = 0.5
"""Time in which the twin's motion is forgotten: a gyro's bias must not add up beside a joint that dry
friction really holds still."""


class StuckDetector:
    """F02: bit-equal samples while the twin sensor has moved on, or a loaded cell that never changes."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        ticks = limits.detect.sensors.stuck_ticks
        self._angle = limits.detect.sensors.stuck_rad
        self._period = period_s
        self._kept = max(0.0, 1.0 - period_s / _FORGET_S)
        self._moved = [0.0] * N_JOINTS
        self._last = [_NAN] * N_JOINTS
        self._same = [0] * N_JOINTS
        self._repeating = False
        self._loads, self._torques = _Cells(4, ticks), _Cells(N_JOINTS, ticks)

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append the joints and cells that are stuck."""
        raw = snap.values[_ANGLE]
        if self._repeating or any(map(eq, raw, self._last)):
            stuck = self._repeats(raw, snap)
            if stuck:
                found.append(Finding("F02", Action.SOFT_STOP, f"angle of {joint_names(stuck)}"))
        self._last = raw
        if snap.load is not None:
            cells = self._loads.stuck(snap.load)
            if cells:
                names = [f"{part} cell {side}" for side in SIDES for part in ("heel", "toe")]
                where = ", ".join(name for i, name in enumerate(names) if cells >> i & 1)
                found.append(Finding("F02", Action.SOFT_STOP, where))
        if snap.torque is not None:
            sensors = self._torques.stuck(snap.torque)
            if sensors:
                found.append(Finding("F02", Action.SOFT_STOP, f"torque of {joint_names(sensors)}"))

    def _repeats(self, raw: list[float], snap: Snapshot) -> int:
        """Return the mask of joints whose angle repeats while the twin has moved on."""
        twin = segment_speeds(snap) if snap.exo.available & codes.HAS_SEGMENT else None
        stuck = 0
        for i in range(N_JOINTS):
            if raw[i] != self._last[i]:
                self._same[i], self._moved[i] = 0, 0.0
            elif twin is not None:
                self._same[i] += 1
                self._moved[i] = self._kept * self._moved[i] + twin[i] * self._period
                if self._same[i] >= _LEAST and abs(self._moved[i]) > self._angle:
                    stuck |= 1 << i
        self._repeating = any(self._same)
        return stuck


class _Cells:
    """Load cells or torque sensors that repeat one non-zero value, which noise does not."""

    __slots__ = ("_last", "_repeating", "_same", "_ticks")

    def __init__(self, n: int, ticks: int) -> None:
        self._ticks = ticks
        self._last = [_NAN] * n
        self._same = [0] * n
        self._repeating = False

    def stuck(self, values: list[float]) -> int:
        """Return the mask of those that have repeated for too long."""
        if not self._repeating and not any(map(eq, values, self._last)):
            self._last = values
            return 0
        stuck = 0
        same = self._same
        for i, value in enumerate(values):
            if value != self._last[i]:
                same[i] = 0
            elif value != 0.0:
                same[i] += 1
                if same[i] >= self._ticks:
                    stuck |= 1 << i
        self._last = values
        self._repeating = any(same)
        return stuck


def segment_speeds(snap: Snapshot) -> list[float]:
    """Return joint velocities [rad/s] from segment and pelvis rates: the encoders' twin.

    Hip = thigh - pelvis, knee = thigh - shank, ankle = foot - shank; a pelvis pitching forward
    (positive about y) carries the thigh's lower end backward, hence the sign.
    """
    return _joints(snap.values[_RATE], snap.pitch_rate)


def segment_angles(snap: Snapshot) -> list[float] | None:
    """Return the joints' angles [rad] from those of segments and pelvis, None without them."""
    exo = snap.exo
    if exo.available & _TWINS != _TWINS or exo.segment_valid != 0b111111:
        return None
    return _joints(snap.values[_LEAN], snap.pitch)


_TWINS = codes.HAS_SEGMENT | codes.HAS_PELVIS


def _joints(segments: list[float], pitch: float) -> list[float]:
    thigh_l, shank_l, foot_l, thigh_r, shank_r, foot_r = segments
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
        self._limits = plain(limits.detect.sensors)
        self._gain = period_s / (limits.detect.sensors.twin_s + period_s)
        self._cuff_gain = period_s / (limits.detect.sensors.cuff_s + period_s)
        self._away = [0.0] * N_JOINTS
        self._force = [0.0] * len(SEGMENTS)

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append what leaves its band."""
        limits, twins = self._limits, segment_angles(snap)
        if twins is not None:
            gain = self._gain
            self._away = [
                old + gain * (twin - angle - old)
                for old, twin, angle in zip(self._away, twins, snap.angle, strict=True)
            ]
            if max(map(abs, self._away)) > limits.twin_reduce_rad:
                self._tell_twins(found)
        if snap.exo.available & codes.HAS_CUFF:
            valid = snap.exo.segment_valid
            self._force = self._pressed(snap.values[_CUFF_FORCE], valid)
            if max(self._force) > limits.cuff_reduce_n:
                self._tell_cuffs(valid, found)

    def _pressed(self, force: list[float], valid: int) -> list[float]:
        """Return the mean force of each cuff [N]; one that was not measured keeps its own."""
        gain, parts = self._cuff_gain, zip(self._force, force[0::3], force[1::3], force[2::3], strict=True)
        means = [old + gain * (sqrt(x * x + y * y + z * z) - old) for old, x, y, z in parts]
        if valid == _ALL_CUFFS:
            return means
        return [new if valid >> n & 1 else self._force[n] for n, new in enumerate(means)]

    def _tell_twins(self, found: list[Finding]) -> None:
        for i, away in enumerate(map(abs, self._away)):
            if away > self._limits.twin_reduce_rad:
                level = Action.SOFT_STOP if away > self._limits.twin_stop_rad else Action.REDUCE
                found.append(Finding("F06", level, f"encoder of {joint_names(1 << i)}"))

    def _tell_cuffs(self, valid: int, found: list[Finding]) -> None:
        for n, (name, force) in enumerate(zip(SEGMENTS, self._force, strict=True)):
            if valid >> n & 1 and force > self._limits.cuff_reduce_n:
                level = Action.SOFT_STOP if force > self._limits.cuff_stop_n else Action.REDUCE
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
