"""The supervisor's side of HOMING: e-stop lines, signs and gains, ranges, the watchdog's trip."""

from __future__ import annotations

from enum import IntEnum

from exostride.conventions import JOINTS, N_JOINTS
from exostride.safety import codes
from exostride.safety.faults import Finding
from exostride.safety.homing import HomingSchedule
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, Mode

_CLEAR = 0.4
"""Share of a pulse's peak from which a sign must be seen; noise and friction of sound drives come to 0.32."""
_BOTH = 0b11
_DUMB = {1: "a does not open", 2: "b does not open", _BOTH: "a and b do not open"}
_FALLBACKS = (Mode.HOLD_STANCE, Mode.DAMP)


class Stage(IntEnum):
    """Stages of the self-test."""

    PULSES = 0
    SILENCE = 1
    RETURN = 2
    DONE = 3


_SILENCE = Stage.SILENCE


class SelfTest:
    """Watches the kernel test lines and drives, then stays silent until it falls back, then returns.

    ``void`` says that this tick's permit must be a void one; ``done`` that everything passed. A failure is
    appended as F21 (a line does not open, or was not tested), F19 (signs, gains, ranges) or F13 (the watchdog
    did not trip). Of a device that can't open its lines they are not tested.
    """

    def __init__(self, limits: SafetyLimits, period_s: float, permit_ticks: int) -> None:
        self._limits = limits
        self._schedule = HomingSchedule(limits, period_s)
        self._quiet = permit_ticks + 3
        self.restart()

    def restart(self) -> None:
        """Begin again from the first pulse."""
        self.stage = Stage.PULSES
        self._ticks = 0
        self._work = [0.0] * N_JOINTS
        self._response = [0.0] * N_JOINTS
        self._mean = [[0.0, 0.0, 0.0] for _ in range(N_JOINTS)]
        self._against = [0] * N_JOINTS
        self._tripped = False
        self._tested = self._opened = 0
        self._can = self._rested = False

    @property
    def void(self) -> bool:
        """Whether the permit is withheld in this tick."""
        return self.stage == _SILENCE

    @property
    def done(self) -> bool:
        """Whether the self-test has passed."""
        return self.stage == Stage.DONE

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Advance one tick of HOMING."""
        self._ticks += 1
        if self.stage == Stage.PULSES:
            if self._ticks == 1:
                self._in_range(snap, found)  # before a pulse moves anything
            self._lines(snap, found)
            self._observe(snap)
            self._signs(snap, found)
            if self._ticks > self._schedule.end + self._schedule.settle and self._judge(snap, found):
                self._go(Stage.SILENCE)
        elif self.stage == Stage.SILENCE:
            applied = snap.applied
            self._tripped |= applied is not None and applied.mode in _FALLBACKS
            if self._ticks >= self._quiet:
                if self._tripped:
                    self._go(Stage.RETURN)
                else:
                    found.append(
                        Finding("F13", Action.E_STOP, "(the watchdog did not trip in the self-test)")
                    )
        elif self.stage == Stage.RETURN and snap.applied is not None and snap.applied.mode == Mode.HOMING:
            self._go(Stage.DONE)

    def _go(self, stage: Stage) -> None:
        self.stage = stage
        self._ticks = 0

    def _lines(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append a line of the emergency stop whose turn is over without its having opened."""
        if not snap.values:
            return
        # The bit may flicker, or go when it comes to the judgement: who can once is tested.
        self._can |= bool(snap.exo.available & codes.HAS_ESTOP_TEST)
        self._rested |= not snap.lines
        if not self._rested:
            return  # the turn of a self-test that was broken off
        if snap.lines != self._tested:
            self._dumb(self._tested & ~self._opened, found)
            self._tested = snap.lines
        opened = (not snap.exo.estop_closed_a) + 2 * (not snap.exo.estop_closed_b)
        self._opened |= snap.lines & opened

    @staticmethod
    def _dumb(lines: int, found: list[Finding]) -> bool:
        """Append the lines that have not opened; return whether there are any."""
        if lines:
            found.append(Finding("F21", Action.E_STOP, _DUMB[lines]))
        return bool(lines)

    def _signs(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append drives that clearly turn against their order: waited for, their joints would run away."""
        if snap.applied is None or snap.torque is None:
            return
        for i, (asked, seen) in enumerate(zip(snap.applied.requested_nm.tolist(), snap.torque, strict=True)):
            clear = _CLEAR * self._limits.joints[i].homing_nm
            against = asked * seen < 0.0 and min(abs(asked), abs(seen)) > clear
            self._against[i] = self._against[i] + 1 if against else 0
            if self._against[i] >= self._limits.detect.drives.sign_ticks:
                found.append(Finding("F19", Action.E_STOP, JOINTS[i].replace("_", " ")))

    def _observe(self, snap: Snapshot) -> None:
        """Accumulate covariance of the torque asked for and the one measured at the joint under test."""
        joint = self._schedule.joint(self._ticks - 1)
        if joint < 0 or snap.applied is None or snap.torque is None:
            return
        given = float(snap.applied.requested_nm[joint])
        sums = self._mean[joint]
        sums[0] += 1.0
        sums[1] += given
        sums[2] += snap.torque[joint]
        self._work[joint] += given * given
        self._response[joint] += given * snap.torque[joint]

    def _judge(self, snap: Snapshot, found: list[Finding]) -> bool:
        """Compare lines, gains with their band and angles with their range; return whether all is well."""
        limits = self._limits.detect.drives
        good = self._in_range(snap, found)
        if self._can:
            good &= not self._dumb(_BOTH & ~self._opened, found)
        for i, name in enumerate(JOINTS):
            joint = self._limits.joints[i]
            n, given, seen = self._mean[i]
            if n < 2.0 or snap.torque is None:
                continue
            variance = self._work[i] / n - (given / n) ** 2
            covariance = self._response[i] / n - given * seen / n**2
            enough = variance > (0.3 * joint.homing_nm) ** 2
            if enough and not limits.gain_low <= covariance / variance <= limits.gain_high:
                words = f"{name.replace('_', ' ')}, gain {covariance / variance:.2f}"
                found.append(Finding("F19", Action.E_STOP, words))
                good = False
        return good

    def _in_range(self, snap: Snapshot, found: list[Finding]) -> bool:
        """Return whether every joint stands within its range, 0.1 rad of play allowed."""
        good = True
        for i, name in enumerate(JOINTS):
            joint = self._limits.joints[i]
            if not joint.angle_min_rad - 0.1 <= snap.angle[i] <= joint.angle_max_rad + 0.1:
                found.append(Finding("F19", Action.E_STOP, f"{name.replace('_', ' ')} outside its range"))
                good = False
        return good
