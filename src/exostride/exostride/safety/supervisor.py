"""The supervisor's state machine: pure, without input or output, time given in ticks.

``IDLE -> HOMING -> STAND -> TRAIN -> STOPPING -> STAND -> IDLE`` is the ordinary path; any state may
go to SOFT_STOP or E_STOP, which only escalate and end in FAULT. FAULT is left by a reset alone,
which leads to IDLE and never starts motion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from exostride.safety import codes
from exostride.safety.faults import CATALOGUE, Finding, Support, sentence
from exostride.safety.limits import SafetyLimits
from exostride.types import Action, HarnessAction, Mode, SupervisorState

S = SupervisorState

STOPPED = (S.SOFT_STOP, S.E_STOP, S.FAULT)
"""States that are latched."""


class Step(IntEnum):
    """Steps of a SOFT_STOP: belt to rest, harness takes the load and confirms, support fades."""

    BELT = 0
    HARNESS = 1
    FADE = 2


class Facts(NamedTuple):
    """What the machine needs to know about the world in one tick."""

    belt_rest: bool
    """The belt stands."""
    harness_lifted: bool
    """The harness has confirmed that it carries the load."""
    estops_closed: bool
    """Both e-stop channels are closed."""
    homing_done: bool = False
    """The self-test has passed."""
    unloaded: bool = False
    """Neither foot is loaded; False where that is not measured."""
    start_blocked: str = ""
    """Why training may not start, in words; empty if it may."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a state asks of the kernel."""

    mode: Mode
    harness: HarnessAction
    belt: bool
    """Whether the belt may move."""
    fade: bool = False
    """Whether effort fades to nothing."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where the machine stands."""

    state: SupervisorState = S.IDLE
    step: Step = Step.BELT
    support: Support = Support.DAMP
    cause: str = ""
    message: str = "idle"
    keep_support: bool = False
    """In FAULT: the harness could not take over, so the legs stay locked."""
    harness_failed: bool = False
    lifted: bool = False
    armed: bool = True
    """Whether a session's request may start motion; after a reset it must first ask for IDLE."""

    @property
    def locked(self) -> bool:
        """Whether the legs are locked for good, because the harness did not take over."""
        return self.state == S.FAULT and self.keep_support and self.support > Support.DAMP


_PATH: dict[SupervisorState, tuple[SupervisorState, ...]] = {
    S.IDLE: (S.HOMING,),
    S.HOMING: (S.IDLE,),
    S.STAND: (S.TRAIN, S.IDLE),
    S.TRAIN: (S.STOPPING,),
    S.STOPPING: (),
}

_ENDS = (S.STAND, S.STOPPING, S.IDLE)
"""What ends training when it is asked for."""

_WORDS = {
    S.IDLE: "idle",
    S.HOMING: "self-test at low torque",
    S.STAND: "standing, legs locked",
    S.TRAIN: "training",
    S.STOPPING: "belt comes to rest",
}
_RELEASED = "the locked legs are released, damped"


def target_of(state: SupervisorState, request: SupervisorState) -> SupervisorState | None:
    """Return the ordinary state to enter when ``request`` is asked for in ``state``, None to stay."""
    if state == codes.IN_TRAIN and request in _ENDS:
        return S.STOPPING
    return request if request in _PATH.get(state, ()) else None


class StateMachine:
    """See module. ``status`` is replaced as a whole in each :meth:`step`."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        stops = limits.detect.stops
        self.status = Status()
        self.ticks = 0
        """Ticks since the state, or the step of a SOFT_STOP, was entered."""
        self.driven_ticks: int | None = None
        """Ticks since the controller's commands came into force, 0 in the first; None when they are not."""
        self._clear_ticks = 0
        self._rest_ticks = 0
        self._rest = max(1, round(stops.rest_s / period_s))
        self._stopping = max(1, round(stops.stopping_timeout_s / period_s))
        self._belt = max(1, round(stops.belt_timeout_s / period_s))
        self._harness = max(1, round(stops.harness_timeout_s / period_s))
        self._fade = max(1, round(stops.ramp_out_s / period_s))
        self._clear = max(1, round(stops.reset_clear_s / period_s))

    def step(self, worst: Finding | None, request: SupervisorState | None, facts: Facts) -> Status:
        """Advance one tick under the worst finding and an ordinary request."""
        now = self.status
        stopping = worst is not None and worst.action >= Action.SOFT_STOP
        self.ticks += 1
        self._clear_ticks = 0 if stopping else self._clear_ticks + 1
        self._rest_ticks = self._rest_ticks + 1 if facts.belt_rest else 0
        state, step = now.state, now.step
        if worst is not None and stopping:
            now = self._stop(now, worst)
            if now.state != state:
                self.ticks = 0
        if not now.armed and request == S.IDLE:
            now = replace(now, armed=True)
        now = self._stopped(now, facts) if now.state in STOPPED else self._ordinary(now, request, facts)
        if now.state != state or now.step != step:
            self.ticks = self._rest_ticks = 0
        self.status = now
        if self.orders().mode == Mode.TRAIN:
            self.driven_ticks = 0 if self.driven_ticks is None else self.driven_ticks + 1
        else:
            self.driven_ticks = None
        return now

    def arm(self) -> None:
        """Let the next request start motion again after a reset: a person has asked for it."""
        if not self.status.armed:
            self.status = replace(self.status, armed=True)

    def reset(self, facts: Facts) -> str:
        """Leave FAULT for IDLE if nothing stands in the way; return what does, empty if done.

        Locked legs may be all that a patient stands on. They are released only when neither foot is loaded
        or the harness has the load after all, and then yield, damped, for as long as a cause must be gone,
        before a second reset takes all torque away.
        """
        now, problem = self.status, self._in_the_way(facts)
        if problem:
            return problem
        if now.locked:
            if not (facts.unloaded or (facts.harness_lifted and not now.harness_failed)):
                return (
                    "the legs stay locked while they may carry the patient: take the load off both feet, or "
                    "secure the patient and press the emergency stop"
                )
            self.status = replace(now, keep_support=False, message=f"{now.message}; {_RELEASED}")
            self._clear_ticks = 0
            return f"{_RELEASED}; reset again"
        self.status = Status(message="reset; waiting for a new start", armed=False)
        self.ticks = self._rest_ticks = 0
        return ""

    def _in_the_way(self, facts: Facts) -> str:
        """Return what forbids every reset, empty if nothing."""
        now = self.status
        if now.state not in STOPPED:
            return "nothing to reset"
        if now.state != S.FAULT:
            return "the stop is still in progress"
        if not facts.estops_closed:
            return "an emergency stop is still pressed"
        if self._clear_ticks < self._clear:
            return f"the cause ({now.cause}) is still present or was a moment ago"
        return "" if facts.belt_rest else "the belt still moves"

    # ------------------------------------------------------------------ stops

    def _stop(self, now: Status, worst: Finding) -> Status:
        """Enter or escalate a stop."""
        spec = CATALOGUE[worst.fault]
        harness_failed = now.harness_failed or worst.fault == "F26"
        if worst.action == Action.E_STOP:
            if now.state == S.E_STOP:
                return now
            state = S.FAULT if now.state == S.FAULT else S.E_STOP
            cause, words = worst.fault, sentence(worst)
            if now.state == S.FAULT:
                cause, words = now.cause, f"{now.message}; {_RELEASED}" if now.locked else now.message
            return replace(
                now,
                state=state,
                support=Support.DAMP,
                keep_support=False,
                harness_failed=harness_failed,
                cause=cause,
                message=words,
            )
        if now.state in STOPPED:
            support = min(now.support, spec.support)
            return replace(now, support=support, harness_failed=harness_failed)
        at_rest = now.state in (S.IDLE, S.HOMING)
        return replace(
            now,
            state=S.FAULT if at_rest else S.SOFT_STOP,
            step=Step.BELT,
            support=spec.support,
            harness_failed=harness_failed,
            cause=worst.fault,
            message=sentence(worst),
        )

    def _stopped(self, now: Status, facts: Facts) -> Status:
        """Go on with a stop; every step has a timeout and a next step."""
        rested = facts.belt_rest or self.ticks >= self._belt
        if now.state == S.E_STOP:
            return replace(now, state=S.FAULT) if rested else now
        if now.state == S.FAULT:
            return now
        if now.step == Step.BELT:
            if rested:
                now = replace(now, step=Step.HARNESS)
        elif now.step == Step.HARNESS:
            now = self._hand_over(now, facts)
        elif self.ticks >= self._fade:
            now = replace(now, state=S.FAULT)
        if now.step != Step.BELT and now.harness_failed:
            return replace(now, state=S.FAULT, keep_support=True)
        return now

    def _hand_over(self, now: Status, facts: Facts) -> Status:
        """Wait for the harness to confirm the load; without it the legs stay locked."""
        if facts.harness_lifted:
            return replace(now, step=Step.FADE, lifted=True)
        if self.ticks < self._harness:
            return now
        words = f"{now.message}; the harness did not confirm, so the legs stay locked"
        return replace(now, state=S.FAULT, keep_support=True, message=words)

    # ------------------------------------------------------------------ ordinary path

    def _ordinary(self, now: Status, request: SupervisorState | None, facts: Facts) -> Status:
        stopping = now.state == codes.IN_STOPPING
        if stopping and self.ticks >= self._stopping:
            self._clear_ticks = 0
            return self._stop(now, Finding("F25", Action.SOFT_STOP, "it does not come to rest"))
        rested = stopping and self._rest_ticks >= self._rest
        if rested or (now.state == codes.IN_HOMING and facts.homing_done):
            return self._enter(now, S.STAND)
        target = None if request is None else target_of(now.state, request)
        if target is None:
            return now
        if target in (S.HOMING, S.TRAIN):
            if not now.armed:
                return replace(now, message="reset done; ask for IDLE first, then start again")
            if facts.start_blocked:
                return replace(now, message=f"can't start: {facts.start_blocked}")
        return self._enter(now, target)

    @staticmethod
    def _enter(now: Status, state: SupervisorState) -> Status:
        return replace(now, state=state, cause="", message=_WORDS[state])

    # ------------------------------------------------------------------ orders

    def orders(self) -> Orders:
        """Return what the present state asks of the kernel."""
        now = self.status
        if now.state in _ORDINARY:
            return _ORDINARY[now.state]
        harness = HarnessAction.LIFT if now.lifted and not now.harness_failed else HarnessAction.HOLD
        if now.state == S.SOFT_STOP:
            return self._soft(now, harness)
        if now.locked:
            return Orders(Mode.STAND, harness, False)
        return Orders(Mode.DAMP, harness, False)

    @staticmethod
    def _soft(now: Status, harness: HarnessAction) -> Orders:
        if now.step == Step.BELT:
            mode = {Support.KEEP: Mode.TRAIN, Support.HOLD: Mode.HOLD_STANCE}.get(now.support, Mode.DAMP)
            return Orders(mode, HarnessAction.HOLD, False)
        mode = Mode.DAMP if now.support == Support.DAMP else Mode.STAND
        if now.step == Step.HARNESS and not now.harness_failed:
            return Orders(mode, HarnessAction.LIFT, False)
        return Orders(mode, harness, False, fade=True)


_ORDINARY = {
    S.IDLE: Orders(Mode.ZERO, HarnessAction.HOLD, False),
    S.HOMING: Orders(Mode.HOMING, HarnessAction.HOLD, False),
    S.STAND: Orders(Mode.STAND, HarnessAction.UNLOAD, False),
    S.TRAIN: Orders(Mode.TRAIN, HarnessAction.UNLOAD, True),
    S.STOPPING: Orders(Mode.TRAIN, HarnessAction.UNLOAD, False),
}
