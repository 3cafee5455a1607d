"""F22 to F24: spasm, loss of balance, foot drag and trip, told apart by what the body does."""

from __future__ import annotations

from collections import deque
from math import sqrt

from exostride.conventions import GRAVITY_M_S2, N_JOINTS, SIDES
from exostride.safety import codes
from exostride.safety.detect_sensors import joint_names
from exostride.safety.faults import Finding
from exostride.safety.intake import finite
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, GaitState, SupervisorState

_BINS = 20
"""Bins of the gait cycle in which a walker's own course is learned."""
_PASSES = 3
"""Passes through a bin after which its mean and variance stand for this walker."""


class SpasmDetector:
    """F22: patient torque at the cuff that leaves its own course faster than this walker's walking does.

    The signal is the cuff torque less the drive's measured torque, so that what the robot itself does
    (a lock released, a push) is no spasm, taken against its own first-order average. Walking has fast
    changes too, always at the same phases: per joint and phase bin the mean and variance of the signal are
    learned over strides, and a spasm is what exceeds ``spasm_nm`` plus ``spasm_sd`` standard deviations for
    ``spasm_ticks``. A bin walked through less than :data:`_PASSES` times has ``spasm_first_nm`` as its
    limit; passes count, not ticks, because a slow first step fills a bin with ticks and still says nothing
    of how steps differ.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = limits.detect.body
        self._gain = period_s / (limits.detect.body.spasm_s + period_s)
        self._learn = period_s * _BINS / limits.detect.body.spasm_memory_s
        self._passes = [[0] * _BINS for _ in SIDES]
        self._last_bin = [-1] * len(SIDES)
        self._course: list[float] | None = None
        self._ticks = [0] * N_JOINTS
        self._mean = [[0.0] * _BINS for _ in range(N_JOINTS)]
        self._variance = [[0.0] * _BINS for _ in range(N_JOINTS)]
        self._count = [[0] * _BINS for _ in range(N_JOINTS)]

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append the joints in spasm."""
        if snap.cuff is None or snap.torque is None:
            self._course = None
            return
        signal = [cuff - drive for cuff, drive in zip(snap.cuff, snap.torque, strict=True)]
        if self._course is None:
            self._course = signal.copy()
        course = self._course
        bins = self._bins(snap)
        self._count_passes(bins)
        for i in range(N_JOINTS):
            away = signal[i] - course[i]
            course[i] += self._gain * away
            bin_ = bins[i // 3]
            self._ticks[i] = self._ticks[i] + 1 if self._beyond(i, bin_, away) else 0
            if self._ticks[i] >= self._limits.spasm_ticks and snap.driven:
                found.append(Finding("F22", Action.SOFT_STOP, joint_names(1 << i)))
            elif bin_ >= 0 and self._ticks[i] == 0:
                self._remember(i, bin_, away)

    @staticmethod
    def _bins(snap: Snapshot) -> tuple[int, int]:
        """Return the phase bin of either leg, -1 when the phase is not known or nobody walks."""
        phase = snap.phase
        if phase is None or not snap.driven or phase.state != GaitState.WALKING or not finite(phase.phase, 2):
            return -1, -1
        left, right = phase.phase.tolist()
        return int(left % 1.0 * _BINS) % _BINS, int(right % 1.0 * _BINS) % _BINS

    def _beyond(self, i: int, bin_: int, away: float) -> bool:
        limits = self._limits
        if bin_ < 0 or self._passes[i // 3][bin_] < _PASSES or self._count[i][bin_] == 0:
            return abs(away) > limits.spasm_first_nm
        spread = limits.spasm_sd * sqrt(self._variance[i][bin_])
        return abs(away - self._mean[i][bin_]) > limits.spasm_nm + spread

    def _count_passes(self, bins: tuple[int, int]) -> None:
        """Count a pass of a leg through a bin when the leg has left it for the next one."""
        for side, bin_ in enumerate(bins):
            last = self._last_bin[side]
            if bin_ != last:
                if last >= 0 and bin_ == (last + 1) % _BINS:
                    self._passes[side][last] += 1
                self._last_bin[side] = bin_

    def _remember(self, i: int, bin_: int, away: float) -> None:
        """Learn the walker's own course: running mean at first, then with forgetting."""
        self._count[i][bin_] += 1
        gain = max(self._learn, 1.0 / self._count[i][bin_])
        off = away - self._mean[i][bin_]
        self._mean[i][bin_] += gain * off
        self._variance[i][bin_] += gain * (off * off - self._variance[i][bin_])


class BalanceDetector:
    r"""F23: a fall that has begun, from pelvis height, speed and tilt, and the extrapolated centre of mass.

    The extrapolated centre of mass of Hof, Gazendam & Sinke, J Biomech 38:1 (2005), is

    .. math:: x_{com} = x + \dot x / \omega_0, \qquad \omega_0 = \sqrt{g / \ell},

    here with the pelvis for the centre of mass, relative to the standing place on the belt. The
    walking height is a slow average, so that a crouched gait is not a fall.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = limits.detect.body
        self._gain = period_s / (limits.detect.body.height_s + period_s)
        self._height: float | None = None
        self._ticks = 0
        self.margin_m = 0.0
        """Distance of the extrapolated centre of mass from the edge of its safe region [m]."""

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append a fall in its beginning."""
        exo = snap.exo
        upright = snap.state in (SupervisorState.STAND, SupervisorState.TRAIN, SupervisorState.STOPPING)
        if not exo.available & codes.HAS_PELVIS or not upright:
            self._height = None
            self._ticks = 0
            return
        x, y, z = exo.pelvis_position_m.tolist()
        vx, vy, vz = exo.pelvis_velocity_m_s.tolist()
        if self._height is None:
            self._height = z
        words = self._signs(exo.pelvis_orientation.tolist(), exo.pelvis_gyro_rad_s.tolist(), z, vz)
        pendulum = sqrt(max(z, 0.3) / GRAVITY_M_S2)
        lean = max(abs(x + vx * pendulum), abs(y + vy * pendulum))
        self.margin_m = self._limits.xcom_m - lean
        if self.margin_m < 0.0:
            words = words or "centre of mass beyond the feet"
        self._ticks = self._ticks + 1 if words else 0
        if not words:
            self._height += self._gain * (z - self._height)
        if self._ticks >= self._limits.fall_ticks:
            found.append(Finding("F23", Action.E_STOP, words))

    def _signs(self, orientation: list[float], gyro: list[float], z: float, vz: float) -> str:
        """Return which sign of a fall is present, in words."""
        limits = self._limits
        qx, qy, _, _ = orientation
        tilt = 2.0 * sqrt(qx * qx + qy * qy)
        rate = sqrt(gyro[0] ** 2 + gyro[1] ** 2)
        drop = (self._height or z) - z
        if drop > limits.fall_drop_m:
            return "pelvis too low"
        if -vz > limits.fall_speed_m_s:
            return "pelvis dropping"
        if tilt > limits.fall_tilt_rad:
            return "trunk tilted"
        if tilt > 0.5 * limits.fall_tilt_rad and rate > limits.fall_tilt_rate_rad_s:
            return "trunk tipping over"
        return ""


class FootDetector:
    """F24a and F24b: a toe that carries load while the leg swings it forward.

    The sum of the forward rates of thigh and shank stands for the foot's speed over the pelvis, both
    segments being about equally long. Drag: load and forward rate together for ``drag_s``: the foot
    scrapes along; counted per swing. Trip: a higher load, a swing that brakes hard, a trunk pitching forward.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = limits.detect.body
        self._t = period_s
        self._drag_ticks = max(1, round(limits.detect.body.drag_s / period_s))
        self._dragged = [0, 0]
        self._swinging = [False, False]
        self._tripping = [0, 0]
        self._rate = [0.0, 0.0]
        self._swings: tuple[deque[bool], deque[bool]] = (deque(), deque())
        self.levels = [Action.NONE, Action.NONE]

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append drag and trip of either foot."""
        exo = snap.exo
        if snap.load is None or not exo.available & codes.HAS_SEGMENT or not snap.driven:
            self._swinging = [False, False]
            return
        rates = exo.segment_rate_rad_s.tolist()
        pitch = float(exo.pelvis_gyro_rad_s[1]) if exo.available & codes.HAS_PELVIS else 0.0
        for side, name in enumerate(SIDES):
            toe, heel = snap.load[2 * side + 1], snap.load[2 * side]
            rate = rates[3 * side] + rates[3 * side + 1]
            self._drag(side, name, toe, heel, rate, found)
            self._trip(side, name, toe, rate, pitch, found)
            self._rate[side] = rate

    def _drag(self, side: int, name: str, toe: float, heel: float, rate: float, found: list[Finding]) -> None:
        limits = self._limits
        if rate > limits.drag_rate_rad_s and heel < limits.drag_n:
            if not self._swinging[side]:
                self._swinging[side] = True
                self._dragged[side] = 0
            if toe > limits.drag_n:
                self._dragged[side] += 1
                if self._dragged[side] >= self._drag_ticks:
                    found.append(Finding("F24a", max(Action.WARN, self.levels[side]), f"{name} foot"))
        elif self._swinging[side] and rate < 0.0:
            self._swinging[side] = False
            self._count(side, self._dragged[side] >= self._drag_ticks)

    def _count(self, side: int, dragged: bool) -> None:
        """Count a finished swing: n of m make the level of the next drag REDUCE, then SOFT_STOP."""
        limits = self._limits
        swings = self._swings[side]
        swings.append(dragged)
        longest = max(limits.drag_of_steps, limits.drag_stop_steps)
        while len(swings) > longest:
            swings.popleft()
        recent = list(swings)[-limits.drag_of_steps :]
        level = Action.REDUCE if sum(recent) >= limits.drag_steps else Action.WARN
        if sum(swings) >= limits.drag_stop_steps:
            level = Action.SOFT_STOP
        self.levels[side] = level

    def _trip(
        self, side: int, name: str, toe: float, rate: float, pitch: float, found: list[Finding]
    ) -> None:
        limits = self._limits
        slowed = (self._rate[side] - rate) / self._t > limits.trip_decel_rad_s2
        blocked = self._swinging[side] and toe > limits.trip_n and (slowed or self._tripping[side] > 0)
        self._tripping[side] = self._tripping[side] + 1 if blocked else 0
        if self._tripping[side] >= limits.trip_ticks and pitch > limits.trip_pitch_rad_s:
            found.append(Finding("F24b", Action.SOFT_STOP, f"{name} foot"))
