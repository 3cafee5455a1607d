"""A supervisor whose detectors find what a test says, so that its own rules can be seen to the tick."""

from __future__ import annotations

from typing import Any

from safety_world import PERIOD, exo_state

from exostride.safety.audit import AuditEntry
from exostride.safety.component import OperatorRequest, Reply, SafetyComponent
from exostride.safety.faults import Finding
from exostride.safety.guard import SampleGuard
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Inputs, Snapshot, Standing, look
from exostride.types import (
    AppliedTorque,
    EnvironmentState,
    HarnessAction,
    Mode,
    SafetyPermit,
    SafetyState,
    SessionState,
    SupervisorState,
)

S = SupervisorState


class Desk:
    """A component with scripted detectors; ``body`` and ``around`` are put into state and environment.

    ``exo`` and ``environment`` replace the whole message when they are not empty. The self-test is short.
    """

    def __init__(self, limits: SafetyLimits, period_s: float = PERIOD, **options: Any) -> None:
        quick = {"homing_settle_s": 4.0 * period_s, "homing_pulse_s": 4.0 * period_s}
        limits = limits.model_copy(update={"timing": limits.timing.model_copy(update=quick)})
        self.component = SafetyComponent(limits, period_s, **options)
        self.component.detectors = self  # type: ignore[assignment]
        self.limits, self.period_s = limits, period_s
        self.guard = SampleGuard(limits, period_s)
        self.seq = -1
        self.body: dict[str, Any] = {}
        self.around: dict[str, Any] = {"harness_action": HarnessAction.HOLD}
        self.exo: Any = ()
        self.environment: Any = ()
        self.wish: int | None = None
        """What the session asks for; None without a session."""
        self.found: tuple[Finding, ...] = ()
        self.asked: tuple[Any, ...] = ()
        """What the detectors were given in the last tick."""
        self.permit = SafetyPermit(-1, 0.0)
        self.state = SafetyState(-1, 0.0)
        self.entries: tuple[AuditEntry, ...] = ()

    def step(
        self,
        seq: int,
        exo: Any,
        environment: Any,
        inputs: Inputs,
        standing: Standing,
        void: bool,
        belt: float,
    ) -> tuple[Snapshot, list[Finding]]:
        """Stand in for the detectors."""
        self.asked = (seq, exo, environment, inputs, standing, void, belt)
        self.guard.step(seq, exo)
        return look(seq, exo, environment, inputs, standing, self.guard), list(self.found)

    def tick(self, *found: Finding, requests: tuple[OperatorRequest, ...] = ()) -> SafetyState:
        """Go through a tick in which ``found`` is wrong."""
        self.seq += 1
        time = self.seq * self.period_s
        self.found = found
        mode = Mode.DAMP if self.permit.expiry_seq < self.permit.seq else self.permit.mode
        exo = exo_state(self.seq, self.period_s, **self.body) if self.exo == () else self.exo
        environment = self.environment
        if environment == ():
            environment = EnvironmentState(self.seq, time, **self.around)
        session = None if self.wish is None else SessionState(self.seq, time, requested_state=self.wish)
        self.permit, self.state, self.entries = self.component.step(
            self.seq,
            exo,
            environment,
            AppliedTorque(self.seq - 1, time, mode=mode),
            None,
            None,
            session,
            requests,
        )
        return self.state

    def run(self, ticks: int, *found: Finding) -> SafetyState:
        for _ in range(ticks):
            self.tick(*found)
        return self.state

    def ask(self, *requests: OperatorRequest, found: tuple[Finding, ...] = ()) -> tuple[Reply, ...]:
        """Return the replies to what operators ask for in one tick."""
        self.tick(*found, requests=requests)
        return self.component.replies

    def silent(self) -> Desk:
        """Go into HOMING, to the first tick in which the self-test withholds the permit."""
        self.ask(OperatorRequest(state=S.HOMING))
        for _ in range(200):
            if self.permit.expiry_seq >= self.permit.seq:
                self.tick()
        assert self.permit.expiry_seq < self.permit.seq and self.state.state == S.HOMING
        return self

    def homed(self) -> Desk:
        """Go through the self-test to STAND."""
        self.ask(OperatorRequest(state=S.HOMING))
        for _ in range(200):
            if self.state.state == S.HOMING:
                self.tick()
        assert self.state.state == S.STAND, self.state
        return self

    def training(self) -> Desk:
        """Go on to TRAIN, its first tick, on a belt that moves."""
        self.around["belt_speed_m_s"] = 0.5
        self.homed().ask(OperatorRequest(state=S.TRAIN))
        assert self.state.state == S.TRAIN, self.state
        return self
