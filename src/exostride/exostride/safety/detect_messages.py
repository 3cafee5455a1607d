"""F03, F08, F09, F11 to F14, F16, F28, F36, F37: what the graph delivers, or does not."""

from __future__ import annotations

from collections import deque
from math import isfinite

from exostride.conventions import SIDES
from exostride.safety import codes
from exostride.safety.faults import Finding
from exostride.safety.intake import number, whole
from exostride.safety.limits import SafetyLimits, plain
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, AppliedTorque, GaitPhase, RecorderState


class LinkDetector:
    """Commands and permits as the kernel received them (AppliedTorque of the tick before)."""

    def __init__(self, limits: SafetyLimits) -> None:
        self._limits = plain(limits.detect.messages)
        self._late = [0, 0, 0]
        self._refused: deque[int] = deque()

    def step(self, snap: Snapshot, void_permit: bool, found: list[Finding]) -> None:
        """Append what the kernel had to refuse or to do without.

        ``void_permit``: the supervisor itself has withheld its permit (self-test).
        """
        applied = snap.applied
        if applied is None:
            return
        self._order(snap, applied, found)
        ages = (applied.command_age_ticks, applied.environment_age_ticks, applied.permit_age_ticks)
        if any(ages) or any(self._late):
            self._late = [0 if age == 0 else n + 1 for age, n in zip(ages, self._late, strict=True)]
        if applied.reason & codes.NOT_FINITE and applied.reason & codes.FALLBACK:
            found.append(Finding("F03", Action.SOFT_STOP, "a message to the kernel"))
        if applied.permit_age_ticks >= self._limits.permit_ticks and snap.ticks_in_state > 1:
            fault = "F16" if min(ages) >= self._limits.late_ticks else "F13"
            found.append(Finding(fault, Action.SOFT_STOP))
        elif applied.reason & codes.PERMIT_MISSING and snap.ticks_in_state > 1 and not void_permit:
            found.append(Finding("F13", Action.SOFT_STOP))
        if snap.driven:
            self._silence(ages, found)

    def _order(self, snap: Snapshot, applied: AppliedTorque, found: list[Finding]) -> None:
        if applied.reason & codes.COMMAND_SEQUENCE:
            self._refused.append(snap.seq)
            found.append(Finding("F09", Action.WARN, "commands"))
        if not self._refused:
            return
        window = self._limits.wrong_window_ticks
        while self._refused and snap.seq - self._refused[0] >= window:
            self._refused.popleft()
        if len(self._refused) >= self._limits.wrong_ticks:
            found.append(Finding("F09", Action.SOFT_STOP, "commands"))

    def _silence(self, ages: tuple[int, int, int], found: list[Finding]) -> None:
        """Tell a controller that is silent (age grows every tick) from one that is late (it does not)."""
        command, environment, permit = self._late
        if not (command or environment):
            return
        level = Action.SOFT_STOP if max(command, environment) >= self._limits.late_ticks else Action.WARN
        if command and environment and permit:
            found.append(Finding("F36", level))
        else:
            i = 0 if command >= environment else 1
            fault = "F11" if ages[i] >= self._late[i] else "F08"
            found.append(Finding(fault, level, ("joint commands", "belt commands")[i]))


class PhaseDetector:
    """F12: gait phase missing, not finite, or jumping without a heel strike."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._most = limits.detect.messages.phase_jump
        self._late = limits.detect.messages.late_ticks
        self._t = period_s
        self._silent = 0
        self._window = limits.detect.messages.wrong_window_ticks
        self._jumped: int | None = None
        self._last: tuple[float, float] | None = None

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append what is wrong with the phase of the tick before."""
        phase = snap.phase
        if not snap.driven:
            self._silent = 0
            self._last = self._jumped = None
            return
        if phase is None:
            self._last = None
            self._silent += 1
            if self._silent >= self._late:
                found.append(Finding("F12", Action.SOFT_STOP, "no message"))
            return
        self._silent = 0
        if "GaitPhase" in snap.damaged or not isfinite(phase.time_s):
            self._last = None
            found.append(Finding("F12", Action.SOFT_STOP, "not a number"))
            return
        self._jumps(phase, snap, found)

    def _jumps(self, phase: GaitPhase, snap: Snapshot, found: list[Finding]) -> None:
        """Tell jumps of a confident phase that no heel strike explains; a second one soon after stops."""
        left, right, *rates = snap.gait[:4]
        now = (left, right)
        last, self._last = self._last, now
        if last is None or phase.state != codes.WALKING or min(snap.gait[6:]) < 0.5:
            return
        most, before = self._most, self._jumped
        again = before is not None and snap.seq - before < self._window
        for side, name in enumerate(SIDES):
            step = (now[side] - last[side] - rates[side] * self._t + 0.5) % 1.0 - 0.5
            heel = now[side] < most or now[side] > 1.0 - most
            if abs(step) > most and not heel:
                self._jumped = snap.seq
                level = Action.SOFT_STOP if again else Action.WARN
                found.append(Finding("F12", level, f"phase of the {name} leg jumped"))


class AgeDetector:
    """F14, F28, F37: recorder and session by the age of their last message."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._disk_bytes = limits.detect.messages.disk_bytes
        self._session = round(limits.detect.messages.session_s / period_s)
        self._recorder = round(limits.detect.messages.recorder_s / period_s)
        self._dropped = 0

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append what has fallen silent."""
        session = snap.session
        if session is not None and snap.driven and snap.seq - session.seq > self._session:
            found.append(Finding("F37", Action.SOFT_STOP))
        recorder = snap.recorder
        if recorder is None:
            return
        if snap.seq - recorder.seq >= self._recorder:
            found.append(Finding("F14", Action.WARN))
        self._disk(recorder, found)

    def _disk(self, recorder: RecorderState, found: list[Finding]) -> None:
        if recorder.recording and recorder.disk_free_bytes < self._disk_bytes:
            found.append(Finding("F28", Action.WARN, "little space left"))
        if recorder.dropped > self._dropped:
            found.append(Finding("F28", Action.WARN, "messages were dropped"))
        self._dropped = recorder.dropped  # one that begins again counts from 0


def damaged_messages(snap: Snapshot, found: list[Finding]) -> None:
    """Append F03 for every other message of this tick that is not finite or has the wrong shape."""
    session = snap.session
    if session is not None and not (whole(session.seq) and number(session.requested_state, 0, 7)):
        found.append(Finding("F03", Action.SOFT_STOP, "SessionState"))
    # A phase is a fault of its own (F12).
    found += [Finding("F03", Action.SOFT_STOP, name) for name in snap.damaged if name != "GaitPhase"]
