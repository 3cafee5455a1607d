"""Node ``controller``: joint and environment commands, in answer to every state and its phase."""

from __future__ import annotations

import sys

from exostride.errors import ExostrideError, InputError
from exostride.nodes.base import ManagedNode
from exostride.nodes.process import run
from exostride.runtime.assembly.control import make_control
from exostride.runtime.component import ControlComponent
from exostride.runtime.joiner import SequenceJoiner
from exostride.types import (
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    TherapySettings,
)

_INPUTS = ("exo", "environment", "phase")


class ControllerNode(ManagedNode):
    """See module. The laws are those that the therapy settings name."""

    def __init__(self) -> None:
        super().__init__("controller")
        self._patient = self.parameter("patient", "", "patient profile whose size the laws are told")
        self._component: ControlComponent | None = None
        self._first: TherapySettings | None = None

    def setup(self) -> None:
        """Build the endpoints; the laws follow with the first settings."""
        self._stack = self.stack(self._patient)
        self._joiner = SequenceJoiner(_INPUTS)
        self._command = self.sender(AssistCommand, subscribers=3)
        self._environment = self.sender(EnvironmentCommand, subscribers=1)
        self.receive(TherapySettings, self._settings)
        self.receive(EnvironmentState, lambda value: self._take("environment", value))
        self.receive(ExoState, lambda value: self._take("exo", value))
        self.receive(GaitPhase, lambda value: self._take("phase", value))

    def _settings(self, settings: TherapySettings) -> None:
        """Take settings over; at the start they decide which laws are built."""
        try:
            if self._component is None:
                self._component = make_control(self._stack, settings)
            else:
                self._component.put_settings(settings)
        except InputError as error:
            if self.active:
                self.log.error(f"settings refused, those in force stay: {error}")
            else:
                self.fail(str(error), error.exit_code)
        except ExostrideError as error:
            self.fail(str(error), error.exit_code)

    def missing(self) -> str:
        """Also ask for the first settings."""
        return super().missing() or ("" if self._component is not None else "session/settings")

    def _take(self, name: str, value: ExoState | EnvironmentState | GaitPhase) -> None:
        if name == "exo":
            self.heard_state()
        if not self.active or self._component is None:
            return
        seq = value.seq
        self._joiner.put(name, seq, value)
        if not self._joiner.has(seq, _INPUTS):
            return
        get = self._joiner.get
        command, environment = self._component.step(
            get("exo", seq), get("environment", seq), get("phase", seq)
        )
        self._environment.publish(environment)
        self._command.publish(command)
        self._joiner.advance(seq + 1)


def main() -> None:
    """Run the node."""
    sys.exit(run(ControllerNode))
