"""All detectors, run in one order over one tick's snapshot."""

from __future__ import annotations

from exostride.safety import codes
from exostride.safety.belt import EnvironmentKernel
from exostride.safety.detect_body import BalanceDetector, FootDetector
from exostride.safety.detect_drives import DeviceDetector, RunawayDetector, TrackingDetector
from exostride.safety.detect_environment import BeltDetector, ButtonDetector, HarnessDetector
from exostride.safety.detect_messages import AgeDetector, LinkDetector, PhaseDetector, damaged_messages
from exostride.safety.detect_sensors import ClockDetector, DriftDetector, GuardDetector, StuckDetector
from exostride.safety.detect_spasm import SpasmDetector
from exostride.safety.estop import TestedLines, told
from exostride.safety.faults import Finding
from exostride.safety.guard import SampleGuard
from exostride.safety.homing import HomingSchedule
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Inputs, Snapshot, Standing, look
from exostride.safety.walker import Walker
from exostride.types import Action, EnvironmentState, ExoState


class Detectors:
    """Owns one instance of every detector."""

    def __init__(self, limits: SafetyLimits, period_s: float, walker: Walker) -> None:
        self._guard = SampleGuard(limits, period_s)
        self._tested = TestedLines(HomingSchedule(limits, period_s))
        self._samples = GuardDetector(limits)
        self._clock = ClockDetector(limits, period_s)
        self._stuck = StuckDetector(limits, period_s)
        self._drift = DriftDetector(limits, period_s)
        self._links = LinkDetector(limits)
        self._phase = PhaseDetector(limits, period_s)
        self._ages = AgeDetector(limits, period_s)
        self._tracking = TrackingDetector(limits, period_s)
        self._runaway = RunawayDetector(limits, period_s)
        self._device = DeviceDetector(limits)
        self._buttons = ButtonDetector(limits, period_s)
        self._belt = BeltDetector(limits, period_s)
        self._harness = HarnessDetector(limits, period_s)
        self._spasm = SpasmDetector(limits, period_s, walker)
        self.balance = BalanceDetector(limits, period_s)
        self._foot = FootDetector(limits, period_s)

    def step(
        self,
        seq: int,
        exo: ExoState,
        environment: EnvironmentState,
        inputs: Inputs,
        standing: Standing,
        void_permit: bool,
        belt_limit_m_s: float,
    ) -> tuple[Snapshot, list[Finding]]:
        """Return the tick's snapshot and everything that is wrong in it.

        ``standing`` is the supervisor's. An :class:`ExoState` that can't be read yields F03 and whatever
        does not need it.
        """
        found: list[Finding] = []
        guard = self._guard
        guard.step(seq, exo)
        snap = look(seq, exo, environment, inputs, standing, guard)
        # The kernel's word that it tests a line counts in the self-test alone.
        lines = told(snap.applied.reason) if snap.applied is not None else 0
        self._tested.step(lines, standing.state == codes.IN_HOMING)
        snap.lines = self._tested.lines
        damaged_messages(snap, found)
        self._samples.step(snap, guard, found)
        self._links.step(snap, void_permit, found)
        self._phase.step(snap, found)
        self._ages.step(snap, found)
        if guard.problem != "shape":
            self._buttons.step(snap, found)
        if not guard.problem:
            self._measured(snap, found)
        if EnvironmentKernel.readable(environment):
            self._belt.step(snap, belt_limit_m_s, found)
            self._harness.step(snap, found)
        else:
            found.append(Finding("F03", Action.SOFT_STOP, "EnvironmentState"))
        return snap, found

    def _measured(self, snap: Snapshot, found: list[Finding]) -> None:
        self._clock.step(snap, found)
        self._stuck.step(snap, found)
        self._drift.step(snap, found)
        self._tracking.step(snap, found)
        self._runaway.step(snap, found)
        self._device.step(snap, found)
        self._foot.step(snap, found)
        self._spasm.step(snap, found, self._tracking.away, self._foot.caught)
        self.balance.step(snap, found)
