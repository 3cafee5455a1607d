"""The safety component of the graph: detectors, state machine and permit, one tick at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exostride.safety import codes
from exostride.safety.audit import AuditEntry
from exostride.safety.detectors import Detectors
from exostride.safety.faults import CATALOGUE, Finding, sentence, stronger
from exostride.safety.inbox import permit_longest
from exostride.safety.intake import number
from exostride.safety.limits import SafetyLimits, plain
from exostride.safety.selftest import SelfTest
from exostride.safety.snapshot import Snapshot, Standing
from exostride.safety.supervisor import STOPPED, Facts, StateMachine, Status, target_of
from exostride.safety.walker import Walker
from exostride.types import (
    Action,
    AppliedTorque,
    AssistCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    RecorderState,
    SafetyPermit,
    SafetyState,
    SessionState,
    SupervisorState,
)

S = SupervisorState


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """What a person asks for through a service: a state, a stop, or a reset.

    ``state`` is IDLE, HOMING, STAND, TRAIN or STOPPING for an ordinary change, SOFT_STOP or E_STOP for a
    stop; it is ignored when ``reset`` is set. ``operator_id`` goes into the audit log.
    """

    state: int = S.IDLE
    reset: bool = False
    operator_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to an operator's request of the same tick."""

    accepted: bool
    message: str


class SafetyComponent:
    """Supervisor of one device. After :meth:`step`, ``replies`` answers the operator's requests in order.

    Parameters
    ----------
    limits
        Limits and thresholds in force.
    period_s
        Control period T [s].
    paced
        Whether ticks follow real time, which makes permits last longer in ticks.
    walker
        Segments of the patient's leg; an average man's if not given.
    """

    def __init__(
        self,
        limits: SafetyLimits,
        period_s: float,
        *,
        paced: bool = False,
        walker: Walker | None = None,
    ) -> None:
        self._stops, self._belt_limits = plain(limits.detect.stops), plain(limits.belt)
        self._foot_n = limits.timing.stance_load_n
        self._t = period_s
        self._longest = permit_longest(limits, period_s, paced)
        self._machine = StateMachine(limits, period_s)
        self.detectors = Detectors(limits, period_s, walker or Walker())
        self._selftest = SelfTest(limits, period_s, self._longest)
        self._active: dict[str, tuple[Finding, int]] = {}
        self._clear = max(1, round(self._stops.clear_s / period_s))
        self._scale = 1.0
        self._belt = 0.0
        self._patient_button = False
        """Whether the patient has pressed stop, and nobody has asked anew since."""
        self._renewed_by: tuple[S, ...] = ()
        self._published: SafetyState | None = None
        self.replies: tuple[Reply, ...] = ()
        self.seen: Snapshot | None = None
        """The last tick as the detectors saw it, for a benchmark."""

    def step(
        self,
        seq: int,
        exo: ExoState,
        environment: EnvironmentState,
        applied_prev: AppliedTorque | None,
        phase_prev: GaitPhase | None,
        command_prev: AssistCommand | None,
        session: SessionState | None,
        operator_requests: Sequence[OperatorRequest] = (),
        *,
        recorder: RecorderState | None = None,
    ) -> tuple[SafetyPermit, SafetyState, tuple[AuditEntry, ...]]:
        """Return the permit and state of tick ``seq`` and what is to be written to the audit log.

        State and environment are those of this tick; applied torque, phase and command those of the
        tick before, None where they did not come; ``session`` is the newest session state.
        """
        before = self._machine.status
        snap, found = self.detectors.step(
            seq,
            exo,
            environment,
            (applied_prev, phase_prev, command_prev, session, recorder),
            Standing(before.state, self._machine.ticks, self._machine.driven_ticks),
            self._selftest.void and before.state == codes.IN_HOMING,
            self._belt,
        )
        self.seen = snap
        if before.state == codes.IN_HOMING:
            self._selftest.step(snap, found)
        facts = self._facts(snap, before)
        pressed = bool(getattr(exo, "patient_stop", False))
        request = self._request(seq, session, pressed, found)
        replies: list[Reply] = []
        if operator_requests:
            request, replies = self._operators(operator_requests, request, facts, found)
            if not pressed and _begun(operator_requests, replies):
                self._patient_button = False
        if pressed and before.state in _PATIENT_STOPS:
            # The patient's own stop outranks what anybody asks for in the same tick.
            stop, renewed_by = _PATIENT_STOPS[before.state]
            if not self._patient_button:
                self._renewed_by = renewed_by
            self._patient_button = True
            request = stop if stop is not None else request
            replies = [
                Reply(False, _PRESSED) if asked.state in _STARTS else reply
                for asked, reply in zip(operator_requests, replies, strict=True)
            ]
        if self._patient_button:
            facts = facts._replace(start_blocked=_PRESSED)
        worst = self._remember(seq, found)
        status = self._machine.step(worst, request, facts)
        if status is not before and status.state == S.HOMING and before.state != S.HOMING:
            self._selftest.restart()
        self.replies = tuple(replies)
        permit = self._permit(seq, environment)
        state = self._state(seq, status, worst)
        return permit, state, self._audit(seq, before, state, operator_requests)

    def hardware_lost(self, seq: int) -> tuple[SafetyState, tuple[AuditEntry, ...]]:
        """Latch F10 when the device's states have stopped coming; called by the node's watchdog."""
        before = self._machine.status
        finding = Finding("F10", Action.E_STOP)
        worst = self._remember(seq, [finding])
        status = self._machine.step(worst, None, Facts(False, False, False))
        state = self._state(seq, status, worst)
        return state, self._audit(seq, before, state, ())

    # ------------------------------------------------------------------ inputs

    def _facts(self, snap: Snapshot, status: Status) -> Facts:
        exo, environment, load = snap.exo, snap.environment, snap.load
        rest = self._stops.belt_rest_m_s
        blocked = [f for f, _ in self._active.values() if CATALOGUE[f.fault].blocks_start]
        lifted = getattr(environment, "harness_action", None) == codes.LIFT
        return Facts(
            belt_rest=number(getattr(environment, "belt_speed_m_s", None), -rest, rest),
            harness_lifted=lifted and bool(getattr(environment, "harness_confirmed", False)),
            estops_closed=bool(
                getattr(exo, "estop_closed_a", False) and getattr(exo, "estop_closed_b", False)
            ),
            homing_done=status.state == codes.IN_HOMING and self._selftest.done,
            unloaded=load is not None and max(load[0] + load[1], load[2] + load[3]) <= self._foot_n,
            start_blocked="; ".join(sentence(f) for f in blocked),
        )

    def _request(
        self, seq: int, session: SessionState | None, pressed: bool, found: list[Finding]
    ) -> SupervisorState | None:
        """Return the change of state that the session asks for in this tick; a stop is put in as a finding.

        ``pressed`` is the patient's button.
        """
        if session is None or session.effective_seq > seq:
            return None
        level = _STOPS.get(session.requested_state)
        if level is not None:
            found.append(Finding("F38", level, "the session's operator"))
        request = _REQUESTS.get(session.requested_state)
        if request is not None and self._patient_button:
            # The patient's own stop outlasts the session's wish: only a fresh request restarts.
            self._patient_button = pressed or request not in self._renewed_by
        return request

    def _operators(
        self,
        requests: Sequence[OperatorRequest],
        request: SupervisorState | None,
        facts: Facts,
        found: list[Finding],
    ) -> tuple[SupervisorState | None, list[Reply]]:
        replies = []
        for asked in requests:
            if asked.reset:
                problem = self._machine.reset(facts)
                replies.append(Reply(not problem, problem or "reset; motion needs a new start"))
                if not problem:
                    self._active.clear()
                    self._scale, self._belt = 1.0, 0.0
            elif asked.state in _STOPS:
                found.append(Finding("F38", _STOPS[asked.state], f"operator {asked.operator_id}".strip()))
                replies.append(Reply(True, "stopping"))
            elif asked.state in _REQUESTS:
                request = _REQUESTS[asked.state]
                if not any(other.reset for other in requests):
                    self._machine.arm()
                replies.append(self._judge(request, facts))
            else:
                replies.append(Reply(False, f"state {asked.state} can't be asked for"))
        return request, replies

    def _judge(self, request: SupervisorState, facts: Facts) -> Reply:
        status = self._machine.status
        if status.state in STOPPED:
            return Reply(False, f"stopped by {status.cause}: {status.message}; reset first")
        if request == status.state:
            return Reply(True, "already there")
        target = target_of(status.state, request)
        if target is None:
            return Reply(False, f"no way from {status.state.name} to {request.name}")
        if target in (S.HOMING, S.TRAIN) and facts.start_blocked:
            return Reply(False, f"can't start: {facts.start_blocked}")
        return Reply(True, target.name)

    # ------------------------------------------------------------------ faults

    def _remember(self, seq: int, found: list[Finding]) -> Finding | None:
        """Keep this tick's findings, drop those whose hysteresis has run out, return the worst."""
        for finding in found:
            known = self._active.get(finding.fault)
            if known is None or finding.action >= known[0].action or seq - known[1] > 0:
                self._active[finding.fault] = (finding, seq)
        if not self._active:
            return None
        stopped = self._machine.status.state in STOPPED
        worst: Finding | None = None
        for fault, (finding, last) in list(self._active.items()):
            if seq - last >= self._clear and not (stopped and finding.action >= Action.SOFT_STOP):
                del self._active[fault]
                continue
            fresh = finding if last == seq else finding._replace(action=min(finding.action, Action.REDUCE))
            if worst is None or stronger(fresh, worst):
                worst = fresh
        return worst

    # ------------------------------------------------------------------ outputs

    def _back_off(self) -> tuple[float, bool, bool]:
        """Return what all that is active asks for: factor on effort, slower belt, winch braked."""
        goal, slow, hold = 1.0, False, False
        for finding, _ in self._active.values():
            if finding.action < Action.REDUCE:
                continue
            spec = CATALOGUE[finding.fault]
            slow, hold = slow or spec.slows_belt, hold or spec.holds_harness
            # What the harness fails to carry is left to the legs.
            if not spec.slows_belt and finding.fault != "F26":
                goal = self._stops.reduce_scale
        return goal, slow, hold

    def _permit(self, seq: int, environment: EnvironmentState) -> SafetyPermit:
        orders, status, stops = self._machine.orders(), self._machine.status, self._stops
        goal, slow, hold = self._back_off()
        harness = max(int(orders.harness), codes.HOLD if hold else codes.UNLOAD)
        rate = stops.scale_rate_1_s * self._t
        if orders.fade:
            goal, rate = 0.0, self._t / stops.ramp_out_s
        elif status.state in STOPPED and not status.harness_failed:
            # A stop never raises the effort again, unless the harness fails and the lock has to carry alone.
            goal = min(goal, self._scale)
        if goal != self._scale:
            self._scale += min(max(goal - self._scale, -rate), rate)
        self._ramp_belt(orders.belt, slow, environment)
        return SafetyPermit(
            seq=seq,
            time_s=seq * self._t,
            mode=int(orders.mode),
            scale=min(max(self._scale, 0.0), 1.0),
            expiry_seq=seq - 1
            if self._selftest.void and status.state == codes.IN_HOMING
            else seq + self._longest - 1,
            belt_limit_m_s=self._belt,
            harness_action=harness,
        )

    def _ramp_belt(self, may_move: bool, slow: bool, environment: EnvironmentState) -> None:
        """Raise the belt's limit gently in TRAIN; lower it in STOPPING, and at once in any stop."""
        belt = self._belt_limits
        if may_move and not slow:
            self._belt = min(belt.speed_m_s, self._belt + belt.acceleration_m_s2 * self._t)
        elif may_move:
            self._belt = max(0.0, min(self._belt, 0.8 * max(environment.belt_speed_m_s, 0.1)))
        elif self._machine.status.state == S.STOPPING:
            ceiling = max(environment.belt_speed_m_s, 0.0)
            self._belt = max(0.0, min(self._belt, ceiling) - belt.stop_m_s2 * self._t)
        else:
            self._belt = 0.0

    def _state(self, seq: int, status: Status, worst: Finding | None) -> SafetyState:
        action = worst.action if worst is not None else _NOTHING
        message, stopped = status.message, status.state in STOPPED
        if stopped:
            action = Action.E_STOP if status.state == S.E_STOP else max(action, Action.SOFT_STOP)
        elif worst is not None:
            message = f"{message}; {sentence(worst)}"
        return SafetyState(
            seq=seq,
            time_s=seq * self._t,
            state=int(status.state),
            action=int(action),
            latched=stopped,
            cause=status.cause,
            active_faults=tuple(sorted(self._active)) if self._active else (),
            message=message,
        )

    def _audit(
        self, seq: int, before: Status, state: SafetyState, requests: Sequence[OperatorRequest]
    ) -> tuple[AuditEntry, ...]:
        """Return an entry for each request, each transition, and each change of faults or action."""
        last, self._published = self._published, state
        same = last is not None and last.action == state.action and last.active_faults == state.active_faults
        if same and not requests and state.state == before.state:
            return ()
        entries = []
        for asked, reply in zip(requests, self.replies, strict=False):
            what = (
                "reset"
                if asked.reset
                else S(asked.state).name
                if asked.state in list(S)
                else str(asked.state)
            )
            entries.append(
                self._entry(
                    seq,
                    "request",
                    {
                        "what": what,
                        "operator": asked.operator_id,
                        "accepted": reply.accepted,
                        "reply": reply.message,
                    },
                )
            )
        if state.state != before.state:
            codes = [CATALOGUE[state.cause].code] if state.cause in CATALOGUE else []
            detail = {
                "from": before.state.name,
                "to": S(state.state).name,
                "cause": state.cause,
                "codes": codes,
            }
            entries.append(self._entry(seq, "transition", {**detail, "message": state.message}))
        if not same:
            faults = {
                fault: {"code": CATALOGUE[fault].code, "level": finding.action.name, "where": finding.where}
                for fault, (finding, _) in sorted(self._active.items())
            }
            if faults or last is not None:
                entries.append(
                    self._entry(seq, "faults", {"active": faults, "action": Action(state.action).name})
                )
        return tuple(entries)

    def _entry(self, seq: int, kind: str, detail: dict[str, Any]) -> AuditEntry:
        return AuditEntry(seq=seq, time_s=seq * self._t, kind=kind, detail=detail)


def _begun(requests: Sequence[OperatorRequest], replies: Sequence[Reply]) -> bool:
    """Return whether a person has asked for a start and may have it."""
    return any(
        reply.accepted and not asked.reset and asked.state in _STARTS
        for asked, reply in zip(requests, replies, strict=True)
    )


_NOTHING = Action.NONE
_STARTS = (S.HOMING, S.TRAIN)
_PRESSED = "the patient has pressed stop"
_PATIENT_STOPS: dict[int, tuple[S | None, tuple[S, ...]]] = {
    S.IDLE: (None, (S.IDLE,)),
    S.HOMING: (S.IDLE, (S.IDLE,)),
    S.STAND: (None, (S.IDLE, S.STOPPING)),
    S.TRAIN: (S.STOPPING, (S.IDLE, S.STAND, S.STOPPING)),
    S.STOPPING: (None, (S.IDLE,)),
}
"""By state: what the patient's stop button leads to, and the wishes of the session that end its effect.

Who presses it while standing has to be asked anew: that the session wants to stand as before is no answer.
"""
_REQUESTS: dict[int, S] = {state: state for state in (S.IDLE, S.HOMING, S.STAND, S.TRAIN, S.STOPPING)}
_STOPS: dict[int, Action] = {S.SOFT_STOP: Action.SOFT_STOP, S.E_STOP: Action.E_STOP}
"""How strong a stop a person asks for by the state's name."""
