"""F22 and F24b: a spasm or an obstacle, told from walking by the torque of the walker's own joints."""

from __future__ import annotations

from math import sqrt

from exostride.conventions import N_JOINTS, SIDES
from exostride.safety import codes
from exostride.safety.detect_sensors import joint_names
from exostride.safety.faults import Finding
from exostride.safety.intake import finite
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.safety.walker import Walker, WalkerTorque
from exostride.types import Action, GaitState, SupervisorState

BINS = 20
"""Bins of the gait cycle in which a walker's own course is learned."""
_PASSES = 3
"""Passes through a bin after which its mean and variance stand for this walker."""
_DOUBT = 4.0
"""Variance of few passes is itself uncertain: it counts (1 + this / passes) times."""
_MEMORY = 8
"""Passes that a mean remembers."""
_LOAD_N = (20.0, 40.0)
"""Load [N] below which a foot counts as lifted, and above which as standing."""
_PACE_M_S = 0.1
"""Another walking speed is another course: it is learned anew."""
_STANDING = 2 * BINS
"""The bin of quiet standing."""
_UNKNOWN = -1
_NEEDED = codes.HAS_CUFF | codes.HAS_WRENCH | codes.HAS_PELVIS | codes.HAS_SEGMENT


class Course:
    """Mean and variance of a joint's signal in one bin over passes; a pass counts once, by its mean."""

    __slots__ = ("count", "mean", "passes", "square", "total", "variance")

    def __init__(self) -> None:
        self.passes = 0
        self.mean = self.variance = 0.0
        self.clear()

    def clear(self) -> None:
        """Drop what the present pass has gathered."""
        self.count, self.total, self.square = 0, 0.0, 0.0

    def gather(self, value: float) -> None:
        """Take one sample of the present pass in."""
        self.count += 1
        self.total += value
        self.square += value * value

    def close(self) -> None:
        """End the pass and learn from it."""
        if self.count == 0:
            return
        mean = self.total / self.count
        within = max(self.square / self.count - mean * mean, 0.0)
        self.clear()
        self.passes += 1
        share = 1.0 / min(self.passes, _MEMORY)
        off = mean - self.mean
        self.mean += share * off
        # How much strides differ, but never less than the signal moves within the bin.
        self.variance += share * (max(off * off * (1.0 - share), within) - self.variance)

    def bounds(self, least: float, deviations: float) -> tuple[float, float]:
        """Return between what this walker's signal lies: ``least`` or more about the mean."""
        width = max(least, deviations * sqrt(self.variance * (1.0 + _DOUBT / self.passes)))
        return self.mean - width, self.mean + width


class SpasmDetector:
    """F22: a joint torque of the walker that rises faster and further than this walker's walking does.

    The signal is the walker's own torque (:mod:`exostride.safety.walker`), so that what the robot does
    (a push, a lock released) is no spasm, against its first-order average. Walking has fast changes too, at
    the same places in each stride: mean and variance are learned per joint, phase and whether the foot
    stands, and a spasm leaves the widest bounds of its bin and the two beside it for ``spasm_ticks``. Before
    a bin has been passed :data:`_PASSES` times, when the phase is not known, and at another walking speed the
    bounds are ``spasm_first`` times as wide as the least, beyond what able-bodied legs do. For
    ``spasm_impact_s`` after a foot has met or left the belt nothing is judged.

    An obstacle before a swinging foot shows in the same signal: a force F backwards at depth h below the hip
    and l below the knee extends the hip by F h and flexes the knee by F l, opposite signs that a flexor or an
    extensor spasm of the leg does not have. That is a trip, F24b.
    """

    def __init__(self, limits: SafetyLimits, period_s: float, walker: Walker) -> None:
        self._limits = body = limits.detect.body
        self._least = [body.spasm_hip_nm, body.spasm_knee_nm, body.spasm_ankle_nm] * len(SIDES)
        self._torque = WalkerTorque(walker, period_s, body.spasm_hz)
        self._gain = period_s / (body.spasm_s + period_s)
        self._impact = max(1, round(body.spasm_impact_s / period_s))
        self._handover = round(limits.timing.handover_s / period_s)
        self._settle = 0
        self._slow: list[float] = []
        self._ticks = [0] * N_JOINTS
        self._lifted = [False, False]
        self._quiet = [0, 0]
        self._bin = [_UNKNOWN, _UNKNOWN]
        self._stood = [0, 0]
        self.forget()

    def forget(self) -> None:
        """Forget the walker's course."""
        self._speed: float | None = None
        self._courses: list[list[Course | None]] = [[None] * (_STANDING + 1) for _ in range(N_JOINTS)]

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append the joints in spasm."""
        exo, cuff = snap.exo, snap.cuff
        if cuff is None or snap.load is None or exo.available & _NEEDED != _NEEDED:
            self._settle = 0
            return
        if self._settle == 0:
            self._torque.reset()
            self._ticks = [0] * N_JOINTS
        signal = self._torque.step(exo, cuff)
        self._settle += 1
        if self._settle <= self._torque.settle_ticks:
            self._slow = signal
            return
        self._feet(exo.foot_force_n.tolist())
        self._pace(snap)
        for side in range(len(SIDES)):
            self._follow(side, self._bin_of(snap, side))
        away = [now - slow for now, slow in zip(signal, self._slow, strict=True)]
        self._slow = [slow + self._gain * off for slow, off in zip(self._slow, away, strict=True)]
        for side, name in enumerate(SIDES):
            if self._quiet[side] == 0:
                self._judge(side, name, away, snap, found)

    def _judge(self, side: int, name: str, away: list[float], snap: Snapshot, found: list[Finding]) -> None:
        bin_ = self._bin[side]
        beyond = 0
        for i in range(3 * side, 3 * side + 3):
            low, high = self._bounds(i, bin_)
            if low <= away[i] <= high:
                self._ticks[i] = 0
                if bin_ != _UNKNOWN:
                    self._course(i, bin_).gather(away[i])
            else:
                self._ticks[i] += 1
                beyond |= (self._ticks[i] >= self._limits.spasm_ticks) << i
        if not beyond or not (snap.driven or bin_ == _STANDING):
            return
        hip, knee = away[3 * side : 3 * side + 2]
        if self._lifted[side] and snap.driven and hip < 0.0 < knee:
            found.append(Finding("F24b", Action.SOFT_STOP, f"{name} foot"))
            return
        found.append(Finding("F22", Action.SOFT_STOP, joint_names(beyond)))

    # ------------------------------------------------------------------ where in the walk

    def _feet(self, force: list[float]) -> None:
        """Note which feet are lifted, and how long nothing is to be judged after that has changed."""
        for side, lifted in enumerate(self._lifted):
            now = force[3 * side + 2] < _LOAD_N[lifted]
            self._lifted[side] = now
            self._quiet[side] = self._impact if now != lifted else max(0, self._quiet[side] - 1)

    def _pace(self, snap: Snapshot) -> None:
        speed = snap.environment.belt_speed_m_s
        if self._speed is None:
            self._speed = speed
        elif abs(speed - self._speed) > _PACE_M_S:
            self.forget()

    def _bin_of(self, snap: Snapshot, side: int) -> int:
        """Return the bin of a leg: of its phase, standing, or unknown."""
        if snap.state == SupervisorState.STAND:
            return _STANDING if snap.ticks_in_state > self._handover else _UNKNOWN
        phase = snap.phase
        if phase is None or not snap.driven or phase.state != GaitState.WALKING or not finite(phase.phase, 2):
            return _UNKNOWN
        return int(phase.phase.tolist()[side] % 1.0 * BINS) % BINS + (BINS if self._lifted[side] else 0)

    def _follow(self, side: int, bin_: int) -> None:
        """End the pass through a bin that a leg has left; standing still ends one now and then."""
        last = self._bin[side]
        self._stood[side] = self._stood[side] + 1 if bin_ == _STANDING else 0
        if bin_ == last and (bin_ != _STANDING or self._stood[side] % self._handover):
            return
        for i in range(3 * side, 3 * side + 3):
            course = self._courses[i][last] if last != _UNKNOWN else None
            if course is not None:
                course.close()
        self._bin[side] = bin_

    # ------------------------------------------------------------------ what is ordinary

    def _course(self, i: int, bin_: int) -> Course:
        course = self._courses[i][bin_]
        if course is None:
            course = self._courses[i][bin_] = Course()
        return course

    def _known(self, i: int, bin_: int) -> Course | None:
        course = self._courses[i][bin_]
        return course if course is not None and course.passes >= _PASSES else None

    def _bounds(self, i: int, bin_: int) -> tuple[float, float]:
        """Return between what joint ``i`` may be: the widest of the bin and the two beside it."""
        least, deviations = self._least[i], self._limits.spasm_sd
        first = self._limits.spasm_first * least
        course = self._known(i, bin_) if bin_ != _UNKNOWN else None
        if course is None:
            return -first, first
        low, high = course.bounds(least, deviations)
        if bin_ == _STANDING:
            return low, high
        start = bin_ - bin_ % BINS
        for place in (start + (bin_ + 1) % BINS, start + (bin_ - 1) % BINS):
            beside = self._known(i, place)
            if beside is not None:
                down, up = beside.bounds(least, deviations)
                low, high = min(low, down), max(high, up)
        return low, high
