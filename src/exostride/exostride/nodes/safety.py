"""Node ``safety``: the supervisor. It always runs; nobody configures or stops it.

It looks one tick back: the permit of tick k rests on state k and on phase, command and applied
torque of tick k − 1. Whether the command of tick k − 1 came is decided by ``exo/applied``; if it says
so, the node waits for its own copy, but never longer than its watchdog allows. In lock-step it also
waits, on every tenth tick, for the session's word of ten ticks ago, so that requests hold from the
same tick in every run.

When the hardware node falls silent without having been put to rest, drives, belt and harness act by
themselves; this node latches that as F10, tells everybody and writes it down, and ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exostride_msgs.srv import RequestState, ResetSafety
from lifecycle_msgs.msg import State, TransitionEvent
from rclpy.task import Future

from exostride.errors import ExitCode
from exostride.nodes.base import IDLE_POLL_S, PlainNode
from exostride.nodes.process import run
from exostride.nodes.standard import Diagnostics
from exostride.runtime.assembly.safety import make_safety
from exostride.runtime.joiner import SequenceJoiner
from exostride.runtime.session import STRIDE
from exostride.safety.audit import AuditEntry, AuditLog
from exostride.safety.component import OperatorRequest, Reply
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    RecorderState,
    SafetyPermit,
    SafetyState,
    SessionPhase,
    SessionState,
    SupervisorState,
)

_WAIT_S: Final = 0.2
"""Longest wait for an input that is known to exist, in lock-step [s]; less than the hardware's."""
_PACED_SHARE: Final = 0.3
"""The same when paced, as a share of the control period."""
_LEAVE_S: Final = 1.0
"""From the last state of a session that is over to the end of this node [s]."""
_SESSION_LOST_S: Final = 3.0
"""Silence of the session after which this node ends, if all is at rest [s of control time]."""
_OVER: Final = (SessionPhase.FINISHED, SessionPhase.ABORTED)
_AT_REST: Final = (SupervisorState.IDLE, SupervisorState.E_STOP, SupervisorState.FAULT)
_SESSION_LOST_TICKS: Final = 5 * STRIDE
_AUTO: Final = "auto"
_INPUTS: Final = ("exo", "environment", "applied", "phase", "command")
_AT_WORK: Final = (State.TRANSITION_STATE_ACTIVATING, State.PRIMARY_STATE_ACTIVE)
_EVENTS: Final = 10
"""Transitions of the hardware node that are kept: as many as rcl keeps."""


class SafetyNode(PlainNode):
    """See module."""

    def __init__(self) -> None:
        super().__init__("safety")
        patient = self.parameter("patient", "", "patient profile whose limits hold")
        stack = self.stack(patient)
        self._period = stack.period_s
        self._component = make_safety(stack)
        self._wait = _WAIT_S * self.patience if self.lockstep else _PACED_SHARE * stack.period_s
        self._joiner = SequenceJoiner(_INPUTS)
        self._asked: list[tuple[OperatorRequest, Future[Reply]]] = []
        audit = self.parameter("audit", "", "file of the audit log; auto for one by date, empty for none")
        self._audit = AuditLog(_audit_path(audit), self._about(patient)) if audit else None
        self._anchor = Diagnostics(self, "audit")
        self._session: SessionState | None = None
        self._recorder: RecorderState | None = None
        self._seq = 0
        self._since: float | None = None
        self._state = SafetyState(seq=0, time_s=0.0)
        self._told = False
        self._hardware_works = True
        """Whether the hardware node, once it has ticked, has not been put to rest since."""
        self._permit = self.sender(SafetyPermit, subscribers=1)
        self._tell = self.sender(SafetyState, subscribers=1)
        self.create_service(RequestState, "safety/request", self._request)
        self.create_service(ResetSafety, "safety/reset", self._reset)
        self.receive(SessionState, self._session_state)
        self.receive(RecorderState, self._recorder_state, publishers=0)
        self.receive(AppliedTorque, lambda value: self._take("applied", value))
        self.receive(GaitPhase, lambda value: self._take("phase", value))
        self.receive(AssistCommand, lambda value: self._take("command", value))
        self.receive(EnvironmentState, lambda value: self._take("environment", value))
        self.receive(ExoState, lambda value: self._take("exo", value))
        self.create_subscription(
            TransitionEvent, "hardware/transition_event", self._hardware_changed, _EVENTS
        )

    # ------------------------------------------------------------------ inputs

    def _session_state(self, state: SessionState) -> None:
        self._session = state
        self._component.request(state)
        self._advance()

    def _recorder_state(self, state: RecorderState) -> None:
        self._recorder = state

    def _hardware_changed(self, event: TransitionEvent) -> None:
        self._hardware_works = event.goal_state.id in _AT_WORK

    def _take(
        self, name: str, value: ExoState | EnvironmentState | AppliedTorque | GaitPhase | AssistCommand
    ) -> None:
        self._joiner.put(name, value.seq, value)
        if name == "exo":
            self.heard_state()
            while self._seq < value.seq:
                # The clock has moved on: that tick's permit is too late, but the supervisor must see it.
                self._step(publish=False)
            self._since = time.monotonic()
        self._advance()

    def _complete(self) -> bool:
        """Return whether everything that exists for this tick has come."""
        seq = self._seq
        if not self._joiner.has(seq, ("exo", "environment")):
            return False
        if seq == 0:
            return True
        applied: AppliedTorque | None = self._joiner.get("applied", seq - 1)
        if applied is None:
            return False
        if applied.command_received and not self._joiner.has(seq - 1, ("phase", "command")):
            return False
        return not self._awaits_session(seq)

    def _awaits_session(self, seq: int) -> bool:
        """Return whether the session's word is due and may still come."""
        if not self.lockstep or seq % STRIDE or seq < STRIDE:
            return False
        behind = seq - STRIDE - (self._session.seq if self._session is not None else -STRIDE)
        return 0 < behind <= _SESSION_LOST_TICKS

    def _advance(self) -> None:
        if self._complete():
            self._step()

    # ------------------------------------------------------------------ one tick

    def _step(self, publish: bool = True) -> None:
        seq, get = self._seq, self._joiner.get
        exo, environment = get("exo", seq), get("environment", seq)
        self._seq += 1
        self._since = None
        if exo is not None and environment is not None:
            self._decide(exo, environment, publish)
        self._joiner.advance(seq)

    def _decide(self, exo: ExoState, environment: EnvironmentState, publish: bool) -> None:
        before, get = exo.seq - 1, self._joiner.get
        asked, self._asked = self._asked, []
        word = self._component.step(
            exo,
            environment,
            get("applied", before),
            get("phase", before),
            get("command", before),
            operator=[request for request, _ in asked],
            recorder=self._recorder,
        )
        if word.state is not None:
            self._state = word.state
            self._tell.publish(word.state)
        if publish:
            self._permit.publish(word.permit)
        for (_, answer), reply in zip(asked, word.replies, strict=True):
            answer.set_result(reply)
        self._write(word.audit)

    def clock_lost(self) -> None:
        """Latch the loss of the device (F10): told and written while others are still there to hear."""
        if self._hardware_works and not self._finished():
            self._state, entries = self._component.hardware_lost(self._seq)
            self._tell.publish(self._state)
            self._write(entries)

    def poll(self, now_s: float) -> float:
        """Step without what has not come in time; end when the session is over."""
        if not self._told and not self.missing():
            # A latched first word: everything that the supervisor needs is connected.
            self.begin_control()
            self._tell.publish(self._state)
            self._tell_anchor()
            self._told = True
        if self._since is not None:
            left = self._since + self._wait - now_s
            if left > 0.0:
                return min(left, IDLE_POLL_S)
            self._step()
        self._watch_end(now_s)
        return IDLE_POLL_S

    def _watch_end(self, now_s: float) -> None:
        """End after the session; or, when session or hardware are lost, after the stop that this leads to.

        The session's own end has the stop's code. A node that was lost is a failure, whatever it has led to.
        """
        over = self._session is not None and self._session.phase in _OVER
        over = over and (self._finished() or not self._hardware_works)
        stopped = self._state.state >= SupervisorState.SOFT_STOP
        code = ExitCode.SAFETY_STOP if stopped else ExitCode.OK
        if over and self._last_state_s is not None and now_s - self._last_state_s > _LEAVE_S:
            self.stop(code)
        elif self._session_lost() and self._state.state in _AT_REST:
            self.fail("the session node is gone: stopped, and ending", ExitCode.FAILED)
        else:
            self.watch_clock(now_s)

    def _finished(self) -> bool:
        """Return whether the session has come to its end, which leaves everything at rest."""
        return self._session is not None and self._session.phase == SessionPhase.FINISHED

    def _session_lost(self) -> bool:
        """Return whether a session that was there has been silent for longer than its reaction takes."""
        silent = self._seq - self._session.seq if self._session is not None else 0
        return silent * self._period > _SESSION_LOST_S

    # ------------------------------------------------------------------ audit log

    def _about(self, patient: str) -> dict[str, object]:
        """Return what the opening record tells: the wall clock's time decides nothing, but people ask."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {
            "utc": now,
            "patient": Path(patient).stem,
            "rate_hz": self.rate_hz,
            "lockstep": self.lockstep,
        }

    def _write(self, entries: Sequence[AuditEntry]) -> None:
        if self._audit is not None and entries:
            self._audit.append(entries)
            self._tell_anchor()

    def _tell_anchor(self) -> None:
        """Put into the bag how far the audit log has come: shortening or rewriting it is then seen."""
        if self._audit is not None:
            entries, head = self._audit.anchor
            values = {"file": self._audit.path.name, "entries": entries, "head": head}
            self._anchor.publish(self._seq * self._period, "ok", "audit log", values)

    # ------------------------------------------------------------------ operator

    async def _answer(self, request: OperatorRequest) -> Reply:
        """Put a request before the supervisor at its next tick and return the answer."""
        if self._last_state_s is None:
            return Reply(False, "the graph is not running: there is no exo/state yet")
        answer: Future[Reply] = Future(executor=self.executor)
        self._asked.append((request, answer))
        return await answer or Reply(False, "no answer")

    async def _request(
        self, request: RequestState.Request, response: RequestState.Response
    ) -> RequestState.Response:
        asked = OperatorRequest(state=request.state, operator_id=request.operator_id)
        reply = await self._answer(asked)
        response.accepted, response.message = reply.accepted, reply.message
        return response

    async def _reset(
        self, request: ResetSafety.Request, response: ResetSafety.Response
    ) -> ResetSafety.Response:
        reply = await self._answer(OperatorRequest(reset=True, operator_id=request.operator_id))
        response.accepted, response.message = reply.accepted, reply.message
        return response

    def close(self) -> None:
        """Close the audit log."""
        if self._audit is not None:
            self._audit.close()


def _audit_path(audit: str) -> Path:
    """Return the file of the audit log: one a session, unless a file is given."""
    if audit != _AUTO:
        return Path(audit)
    return Path("sessions") / "audit" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}.jsonl"


def main() -> None:
    """Run the node."""
    sys.exit(run(SafetyNode))
