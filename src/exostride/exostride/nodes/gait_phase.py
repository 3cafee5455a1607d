"""Node ``gait_phase``: the phase of both legs and gait events, in answer to every state."""

from __future__ import annotations

import sys

from exostride.nodes.base import ManagedNode, nested
from exostride.nodes.process import run
from exostride.runtime.assembly.phase import make_phase
from exostride.types import ExoState, GaitEvent, GaitPhase


class GaitPhaseNode(ManagedNode):
    """See module."""

    def __init__(self) -> None:
        super().__init__("gait_phase")
        self._estimator = self.parameter("estimator", "default", "phase estimator, by name")

    def setup(self) -> None:
        """Build the estimator and the endpoints."""
        parameters = nested(self.parameters_below("estimators"), self._estimator)
        self._component = make_phase(self.stack(), self._estimator, parameters)
        self._phase = self.sender(GaitPhase, subscribers=3)
        self._event = self.sender(GaitEvent, subscribers=1)
        self.receive(ExoState, self._step)

    def begin(self) -> None:
        """Start with nothing learned."""
        self._component.reset()

    def _step(self, exo: ExoState) -> None:
        self.heard_state()
        if not self.active:
            return
        phase, events = self._component.step(exo)
        for event in events:
            self._event.publish(event)
        self._phase.publish(phase)


def main() -> None:
    """Run the node."""
    sys.exit(run(GaitPhaseNode))
