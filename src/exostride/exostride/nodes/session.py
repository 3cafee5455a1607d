"""Node ``session``: brings the graph up, runs one session, and takes the graph down again.

Services ``session/set_settings`` and ``session/request`` and the action ``session/run`` are the
operator's side; in an automatic session nobody needs them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from exostride.errors import ExitCode, ExostrideError
from exostride.nodes import qos
from exostride.nodes.base import IDLE_POLL_S, PlainNode
from exostride.nodes.conductor import Conductor, Steps
from exostride.nodes.operator import OperatorSide
from exostride.nodes.process import run
from exostride.nodes.ticks import Ticks
from exostride.runtime.protocol import SessionPlan, limit_of, make_plan, parse_overrides
from exostride.runtime.session import STRIDE, SessionComponent, verdict
from exostride.runtime.timeline import Timeline
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    EnvironmentState,
    ExoState,
    GaitEvent,
    GaitPhase,
    RecorderState,
    SafetyState,
    SessionState,
    StepMetrics,
    TherapySettings,
)

_SILENT_S: Final = 1.5
"""Wall time without a state after which the hardware node is asked whether it is still at work [s]."""
_NO_PERMIT_S: Final = 2.5
"""Control time without any permit after which the supervisor is given up [s]."""
_GOING_DOWN_S: Final = 4.0
"""Longest time for taking the graph down [s]."""
_TOLD_S: Final = 2.5
"""The same after a signal: who sent it sent it to the others too, and loses patience soon after [s]."""


class SessionNode(PlainNode):
    """See module."""

    queue = qos.SESSION_DEPTH

    def __init__(self) -> None:
        super().__init__("session")
        period = 1.0 / self.rate_hz
        self._period = period
        self.component = SessionComponent(self._plan(), period)
        self._ticks = Ticks()
        self._events: list[GaitEvent] = []
        self._safety: Timeline[SafetyState] = Timeline()
        self._last_safety: SafetyState | None = None
        self._permit_seq = 0
        self.state = SessionState(seq=0, time_s=0.0)
        self.running = False
        self.bag = ""
        self._steps: Steps | None = self._bring_up()
        self._give_up_s: float | None = None
        self._code = ExitCode.OK
        self._send_state = self.sender(SessionState, subscribers=1)
        self._send_settings = self.sender(TherapySettings, subscribers=1)
        self._send_metrics = self.sender(StepMetrics)
        self.receive(SafetyState, self._take_safety)
        self.receive(RecorderState, self._take_recorder, publishers=0)
        self.receive(GaitEvent, self._events.append)
        self.receive(AppliedTorque, lambda value: self._take("applied", value))
        self.receive(AssistCommand, lambda value: self._take("command", value))
        self.receive(EnvironmentState, lambda value: self._take("environment", value))
        self.receive(GaitPhase, lambda value: self._take("phase", value))
        self.receive(ExoState, lambda value: self._take("exo", value))
        self._conductor = Conductor(self)
        self._operator = OperatorSide(self)

    def _plan(self) -> SessionPlan:
        protocol = self.parameter("protocol", "", "protocol file; empty for default settings without a goal")
        settings = self.parameter("settings", "", "settings over the protocol's: NAME=VALUE NAME=VALUE")
        controller = self.parameter("controller", "", "assistance law over the protocol's; empty for that")
        self.parameter("patient", "", "noted only")
        overrides = parse_overrides(settings)
        if controller:
            overrides.setdefault("controller", controller)
        return make_plan(
            Path(protocol) if protocol else None,
            overrides,
            duration_s=self.parameter("walking_s", 0.0, "time to walk [s]; 0 for the protocol's"),
            goal_steps=self.parameter("goal_steps", 0, "steps to walk; 0 for the protocol's"),
            limit_s=self._limit_s(protocol),
            automatic=self.parameter("automatic", True, "run the session at once and end after it"),
        )

    def _limit_s(self, protocol: str) -> float:
        words = "control time at which the session ends [s]; 0: none; -1: 60, or the protocol's"
        limit = self.parameter("duration_s", 0.0, words)
        return limit_of(None if limit < 0.0 else limit, Path(protocol) if protocol else None)

    # ------------------------------------------------------------------ inputs

    def _take_safety(self, state: SafetyState) -> None:
        self._last_safety = state
        self._safety.add(state.seq, state)

    def _take_recorder(self, state: RecorderState) -> None:
        self.bag = state.path if state.recording else ""

    def _take(
        self, name: str, value: ExoState | EnvironmentState | GaitPhase | AppliedTorque | AssistCommand
    ) -> None:
        if name == "exo":
            self.heard_state()
        if not self.running:
            return
        if name == "applied" and isinstance(value, AppliedTorque) and value.permit_received:
            self._permit_seq = value.seq
        lost = self._ticks.put(name, value.seq, value)
        if lost:
            self.log.warning(f"ticks {lost[0]} to {lost[-1]} did not come whole and are left out")
        for seq in self._ticks.whole():
            self._tick(seq)

    def _tick(self, seq: int) -> None:
        get, component = self._ticks.get, self.component
        if seq:
            component.answer(get("command", seq - 1))
        events = [event for event in self._events if event.seq <= seq]
        self._events[:] = [event for event in self._events if event.seq > seq]
        component.note(get("exo", seq), get("environment", seq), events)
        if seq % STRIDE == 0:
            self._speak(seq)

    def _speak(self, seq: int) -> None:
        out = self.component.step(seq, self._safety.at(seq - 1))
        if out.settings is not None:
            self._send_settings.publish(out.settings)
        for metrics in out.metrics:
            self._send_metrics.publish(metrics)
        said, self.state = self.state, out.state
        self._send_state.publish(out.state)
        if said.message != out.state.message:
            self.log.info(f"{out.state.time_s:.1f} s: {out.state.message}")
        self._operator.progress(out.state)
        if self.component.done and self.component.automatic:
            self._go_down(verdict(out.state, self._last_safety))
        elif seq - self._permit_seq > _NO_PERMIT_S / self._period:
            self.log.error("no safety/permit: the safety node is gone or hangs")
            self._go_down(ExitCode.FAILED)

    # ------------------------------------------------------------------ up and down

    def _bring_up(self) -> Steps:
        """Configure and activate the managed nodes once everything is connected."""
        self._send_settings.publish(self.component.settings)
        yield from self._conductor.configure()
        deadline = time.monotonic() + 30.0
        while self._last_safety is None or self.missing():
            if time.monotonic() > deadline:
                raise ExostrideError(f"not ready within 30 s: waiting for {self.missing() or 'safety/state'}")
            yield
        self.begin_control()
        self.running = True
        yield from self._conductor.activate()
        self.log.info("all nodes are active")

    def _go_down(self, code: ExitCode) -> None:
        if self._give_up_s is None:
            self.running = False
            self._give_up_s = time.monotonic() + _GOING_DOWN_S
            self._code = code
            self._steps = self._conductor.take_down()

    def stop(self, code: ExitCode) -> None:
        """Take the graph down and end."""
        self._go_down(code)
        told = time.monotonic() + _TOLD_S
        self._give_up_s = told if self._give_up_s is None else min(self._give_up_s, told)

    def _check_clock(self) -> Steps:
        """Find out why the clock is silent: the device is at its end, or the node is gone."""
        finished = yield from self._conductor.is_inactive("hardware")
        if finished:
            self.log.info("the device has nothing more to give: session ends")
            self._go_down(ExitCode.OK)
        else:
            self.log.error("no exo/state: the hardware node is gone or hangs")
            self._go_down(ExitCode.FAILED)

    def poll(self, now_s: float) -> float:
        """Advance what is under way and watch the clock."""
        if self._give_up_s is not None and now_s > self._give_up_s:
            self.exit_code = int(self._code)
            return 0.0
        steps = self._steps
        if steps is not None:
            self._advance(steps)
            return 0.005
        silent = self._last_state_s is not None and now_s - self._last_state_s > _SILENT_S * self.patience
        if silent and self.running:
            self._steps = self._check_clock()
        return IDLE_POLL_S

    def _advance(self, steps: Steps) -> None:
        try:
            next(steps)
        except StopIteration:
            if self._steps is steps:
                self._steps = None
                if self._give_up_s is not None:
                    self.exit_code = int(self._code)
        except ExostrideError as error:
            self.log.error(str(error))
            self._go_down(error.exit_code)


def main() -> None:
    """Run the node."""
    sys.exit(run(SessionNode))
