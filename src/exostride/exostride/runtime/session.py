"""The course of a session: what is asked of the supervisor, the settings over time, and the step count.

The session asks and never acts: it names the supervisor state it wants, two tenths of a second
ahead, and the supervisor decides. It runs on every tenth state; in between it only takes note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from exostride.errors import ExitCode
from exostride.runtime.protocol import SessionPlan
from exostride.runtime.strides import StrideMeter
from exostride.types import (
    AssistCommand,
    EnvironmentState,
    EventKind,
    ExoState,
    GaitEvent,
    SafetyState,
    SessionPhase,
    SessionState,
    StepMetrics,
    SupervisorState,
    TherapySettings,
)

STRIDE: Final = 10
"""The session runs on every tick whose number is a multiple of this."""
LEAD: Final = 20
"""Ticks from a request or change of settings to the tick it holds from."""

HOMING_TIMEOUT_S: Final = 30.0
STAND_TIMEOUT_S: Final = 15.0
STOP_TIMEOUT_S: Final = 30.0
REACTION_TIMEOUT_S: Final = 10.0
"""Longest wait for a stop to complete before the session is given up."""

_STOPS: Final = (SupervisorState.SOFT_STOP, SupervisorState.E_STOP, SupervisorState.FAULT)
_STILL_M_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class SessionOutput:
    """What the session says at one of its ticks; ``settings`` only when they change."""

    state: SessionState
    settings: TherapySettings | None
    metrics: tuple[StepMetrics, ...]


class SessionComponent:
    """Runs one :class:`~exostride.runtime.protocol.SessionPlan`.

    Parameters
    ----------
    plan
        What to do. A plan that is not automatic waits for :meth:`request` or :meth:`start`.
    period_s
        Control period [s].
    """

    def __init__(self, plan: SessionPlan, period_s: float) -> None:
        self._plan = plan
        self._period = period_s
        self._meter = StrideMeter(period_s)
        self._belt_m_s = 0.0
        self._events: list[GaitEvent] = []
        self._pending: TherapySettings | None = None
        self._changes = list(plan.changes)
        self._running = plan.automatic
        self._manual = SupervisorState.IDLE
        self._stop: SupervisorState | None = None
        self._phase = SessionPhase.SETUP
        self._since = 0.0
        self._message = "waiting" if not plan.automatic else "starting"
        self._requested = SupervisorState.IDLE
        self._steps = 0
        self._walking_s = 0.0
        self._distance_m = 0.0
        self._reached = False
        self._done = False
        self._last_tick = -STRIDE

    # ------------------------------------------------------------------ from outside

    @property
    def settings(self) -> TherapySettings:
        """The settings newest in force or about to be."""
        return self._plan.settings

    @property
    def done(self) -> bool:
        """Whether the session is over and nothing is left to wait for."""
        return self._done

    @property
    def automatic(self) -> bool:
        """Whether nothing is left to do after this session."""
        return self._plan.automatic

    @property
    def phase(self) -> SessionPhase:
        """Where the session stands."""
        return self._phase

    @property
    def reached(self) -> bool:
        """Whether the goal was met."""
        return self._reached

    @property
    def next_effective_seq(self) -> int:
        """First tick for which settings given now can hold."""
        return self._last_tick + STRIDE + LEAD

    def change_settings(self, settings: TherapySettings) -> int:
        """Take a validated set; return the tick it will hold from (never before the one it names)."""
        start = max(self.next_effective_seq, settings.effective_seq)
        self._pending = replace(settings, effective_seq=start)
        return start

    def request(self, state: SupervisorState) -> str:
        """Ask for a supervisor state by hand; return why not, or an empty text.

        While a session runs only IDLE, STAND and the stops can be asked for; each of them ends it.
        """
        if self._running and state in (SupervisorState.HOMING, SupervisorState.TRAIN):
            return "a session is running; stop it first (STAND)"
        if state == SupervisorState.FAULT:
            return "FAULT can't be asked for"
        if self._running and state in _STOPS:
            self._stop = state
            if self._phase not in (SessionPhase.FINISHED, SessionPhase.ABORTED):
                self._enter(SessionPhase.STOPPING, f"{state.name} asked for by the operator")
            return ""
        if self._running and state in (SupervisorState.IDLE, SupervisorState.STAND):
            if self._phase in (SessionPhase.SETUP, SessionPhase.HOMING, SessionPhase.STANDING):
                self._running = False
                self._manual = SupervisorState.IDLE
            else:
                self._enter(SessionPhase.STOPPING, "stopped by the operator")
            return ""
        self._running = False
        self._manual = state
        return ""

    def start(self, plan: SessionPlan) -> str:
        """Begin a session by its plan; return why not, or an empty text."""
        if self._running and not self._done:
            return "a session is running already"
        self._plan = replace(plan, automatic=self._plan.automatic)
        self._changes = list(plan.changes)
        self._running, self._done, self._reached, self._stop = True, False, False, None
        self._steps, self._walking_s, self._distance_m = 0, 0.0, 0.0
        self.change_settings(plan.settings)
        self._enter(SessionPhase.SETUP, "starting")
        return ""

    def stop(self, why: str) -> None:
        """End the session early, in good order."""
        if self._running and self._phase not in (SessionPhase.FINISHED, SessionPhase.ABORTED):
            self._enter(SessionPhase.STOPPING, why)

    # ------------------------------------------------------------------ ticks

    def note(self, exo: ExoState, environment: EnvironmentState, events: Sequence[GaitEvent]) -> None:
        """Take note of one tick: its states and its events."""
        self._belt_m_s = environment.belt_speed_m_s
        self._meter.push(exo, environment)
        if self._phase == SessionPhase.TRAINING:
            self._walking_s += self._period
            self._distance_m += self._belt_m_s * self._period
        if events:
            self._events.extend(events)
            strikes = sum(event.kind == EventKind.HEEL_STRIKE for event in events)
            self._steps += strikes if self._phase == SessionPhase.TRAINING else 0

    def answer(self, command: AssistCommand | None) -> None:
        """Take note of the command that answered the tick noted last; ``None`` if there was none."""
        self._meter.answer(command)

    def step(self, seq: int, safety: SafetyState | None) -> SessionOutput:
        """Return the session's word at tick ``seq``, a multiple of :data:`STRIDE`.

        ``safety`` is the supervisor's newest state from before this tick.
        """
        t = seq * self._period
        self._last_tick = seq
        standing = SupervisorState(safety.state) if safety is not None else None
        if self._running:
            self._advance(t, standing, safety)
            self._insist(standing)
        else:
            self._follow(standing)
        metrics = [self._meter.event(event, seq) for event in self._events]
        self._events.clear()
        state = SessionState(
            seq=seq,
            time_s=t,
            phase=int(self._phase),
            requested_state=int(self._requested),
            effective_seq=seq + LEAD,
            steps=self._steps,
            goal_steps=self._plan.goal_steps,
            walking_s=self._walking_s,
            distance_m=self._distance_m,
            message=self._message,
        )
        return SessionOutput(state, self._due_settings(seq), tuple(m for m in metrics if m is not None))

    def _due_settings(self, seq: int) -> TherapySettings | None:
        if self._pending is None and self._changes and self._walking_s >= self._changes[0][0]:
            self._pending = replace(self._changes.pop(0)[1], effective_seq=seq + LEAD)
        settings, self._pending = self._pending, None
        if settings is not None:
            settings = replace(settings, effective_seq=max(settings.effective_seq, seq + LEAD))
            self._plan = replace(self._plan, settings=settings)
        return settings

    # ------------------------------------------------------------------ course

    def _enter(self, phase: SessionPhase, message: str) -> None:
        self._phase = phase
        self._since = max(self._last_tick, 0) * self._period
        self._message = message

    def _follow(self, state: SupervisorState | None) -> None:
        """Without a running session: pass the operator's wish on and mirror where the supervisor stands."""
        self._requested = self._manual
        if state is None:
            return
        mirror = {
            SupervisorState.IDLE: SessionPhase.SETUP,
            SupervisorState.HOMING: SessionPhase.HOMING,
            SupervisorState.STAND: SessionPhase.STANDING,
            SupervisorState.TRAIN: SessionPhase.TRAINING,
        }
        self._phase = mirror.get(state, SessionPhase.STOPPING)
        self._message = f"supervisor: {state.name}"
        if state in _STOPS:
            # The wish that led here must not come true again after a reset.
            self._manual = SupervisorState.IDLE

    def _advance(self, t: float, state: SupervisorState | None, safety: SafetyState | None) -> None:
        """Take one step of an automatic session."""
        if self._phase == SessionPhase.FINISHED:
            self._requested = SupervisorState.IDLE
            return
        if self._phase == SessionPhase.ABORTED:
            self._requested = SupervisorState.IDLE
            still = abs(self._belt_m_s) < _STILL_M_S
            over = state in (SupervisorState.FAULT, SupervisorState.E_STOP) and still
            self._done = self._done or over or t - self._since > REACTION_TIMEOUT_S
            return
        if state in _STOPS:
            why = [safety.cause, safety.message] if safety is not None else []
            self._requested = SupervisorState.IDLE
            self._enter(SessionPhase.ABORTED, ": ".join(["safety stop", *filter(None, why)]))
            return
        if self._stop is not None:
            self._late(t, REACTION_TIMEOUT_S, self._stop.name)
            return
        under_way = self._phase not in (SessionPhase.STOPPING, SessionPhase.FINISHED)
        if self._plan.limit_s and t >= self._plan.limit_s and under_way:
            self._requested = SupervisorState.STAND
            self._enter(SessionPhase.STOPPING, f"session time of {self._plan.limit_s:g} s is over")
        {
            SessionPhase.SETUP: self._setup,
            SessionPhase.HOMING: self._homing,
            SessionPhase.STANDING: self._standing,
            SessionPhase.TRAINING: self._training,
            SessionPhase.STOPPING: self._stopping,
        }[self._phase](t, state)

    def _insist(self, state: SupervisorState | None) -> None:
        """Ask for the stop that the operator wants, at least once and until the supervisor has gone so far.

        Also of a supervisor that is in a weaker stop already, and after the session's end.
        """
        if self._stop is not None:
            self._requested = self._stop
            if state is not None and state >= self._stop:
                self._stop = None

    def _late(self, t: float, limit_s: float, what: str) -> None:
        if t - self._since > limit_s:
            self._requested = SupervisorState.IDLE
            self._enter(SessionPhase.ABORTED, f"{what} not reached within {limit_s:g} s")

    def _setup(self, t: float, state: SupervisorState | None) -> None:
        if state == SupervisorState.STAND:
            self._requested = SupervisorState.STAND
            self._enter(SessionPhase.STANDING, "standing")
        else:
            self._requested = SupervisorState.HOMING
            if state == SupervisorState.HOMING:
                self._enter(SessionPhase.HOMING, "self-test of the joints")
            else:
                self._late(t, HOMING_TIMEOUT_S, "HOMING")

    def _homing(self, t: float, state: SupervisorState | None) -> None:
        self._requested = SupervisorState.STAND
        if state == SupervisorState.STAND:
            self._enter(SessionPhase.STANDING, "standing")
        elif state == SupervisorState.IDLE:
            self._requested = SupervisorState.IDLE
            self._enter(SessionPhase.STOPPING, "self-test ended by a stop button")
        else:
            self._late(t, HOMING_TIMEOUT_S, "STAND")

    def _standing(self, t: float, state: SupervisorState | None) -> None:
        if state == SupervisorState.TRAIN:
            self._enter(SessionPhase.TRAINING, "walking")
        elif t - self._since >= self._plan.stand_s:
            self._requested = SupervisorState.TRAIN
            self._late(t, self._plan.stand_s + STAND_TIMEOUT_S, "TRAIN")

    def _training(self, t: float, state: SupervisorState | None) -> None:
        del t
        plan = self._plan
        if state != SupervisorState.TRAIN:
            self._requested = SupervisorState.STAND
            self._enter(SessionPhase.STOPPING, "training ended by the supervisor or a stop button")
        elif plan.goal_steps and self._steps >= plan.goal_steps:
            self._reach(f"goal of {plan.goal_steps} steps reached")
        elif plan.duration_s and self._walking_s >= plan.duration_s - 0.5 * self._period:
            self._reach(f"{plan.duration_s:g} s walked")

    def _reach(self, message: str) -> None:
        self._reached = True
        self._requested = SupervisorState.STAND
        self._enter(SessionPhase.STOPPING, message)

    def _stopping(self, t: float, state: SupervisorState | None) -> None:
        still = abs(self._belt_m_s) < _STILL_M_S
        if state == SupervisorState.IDLE and still:
            self._phase = SessionPhase.FINISHED
            self._requested = SupervisorState.IDLE
            self._done = True
        elif state == SupervisorState.STAND and still:
            self._requested = SupervisorState.IDLE
            self._late(t, STOP_TIMEOUT_S, "IDLE")
        else:
            self._requested = SupervisorState.STAND
            self._late(t, STOP_TIMEOUT_S, "STAND")


def verdict(session: SessionState, safety: SafetyState | None) -> ExitCode:
    """Return the exit code for the end of a session."""
    if safety is not None and safety.state in _STOPS:
        return ExitCode.SAFETY_STOP
    return ExitCode.FAILED if session.phase == SessionPhase.ABORTED else ExitCode.OK
