"""What the kernel has been told: the newest order and permit, how old they are, and what was refused."""

from __future__ import annotations

from exostride.safety import codes
from exostride.safety.belt import EnvironmentKernel
from exostride.safety.intake import JointOrder, Sequence, joint_order, permit_ok
from exostride.safety.limits import SafetyLimits
from exostride.types import AssistCommand, EnvironmentCommand, SafetyPermit


class Inbox:
    """Takes the kernel's messages in, each topic in order and once.

    Parameters
    ----------
    limits
        Limits in force.
    longest
        For how many ticks a permit may hold, its own included.
    belt
        Takes the orders for belt and harness.
    """

    def __init__(self, limits: SafetyLimits, longest: int, belt: EnvironmentKernel) -> None:
        self.commands, self.environments, self.permits = Sequence(), Sequence(), Sequence()
        self.order: JointOrder | None = None
        """The newest order for the joints, None when there is none or it was damaged."""
        self.permit: SafetyPermit | None = None
        """The newest permit that grants something, None after a damaged or an expired one."""
        self.bits = 0
        """Reasons of the last :meth:`take`."""
        self._age_limit = limits.timing.command_max_age_ticks
        self._environment_age_limit = limits.belt.max_age_ticks
        self._longest = longest
        self._belt = belt
        self._unreadable = 0

    def take(
        self,
        seq: int,
        command: AssistCommand | None,
        environment_command: EnvironmentCommand | None,
        permit: SafetyPermit | None,
    ) -> bool:
        """Take the messages of tick ``seq`` in; return whether one of them is damaged."""
        damaged = refused = False
        if command is not None:
            if self.commands.accept(command, seq, self._age_limit):
                self.order = joint_order(command)
                damaged = self.order is None
            else:
                refused = True
        if environment_command is not None:
            if self.environments.accept(environment_command, seq, self._environment_age_limit):
                damaged |= not self._belt.take(environment_command)
            else:
                refused = True
        if permit is not None:
            if not self.permits.accept(permit, seq, self._longest):
                refused = True
            elif permit_ok(permit, self._longest):
                # A void permit (already expired) says only that the supervisor lives: the last runs out.
                self.permit = permit if permit.expiry_seq >= permit.seq else self.permit
            else:
                self.permit = None
                damaged = True
        self._unreadable += damaged
        self.bits = codes.COMMAND_SEQUENCE * refused | codes.NOT_FINITE * damaged
        return damaged

    def permit_at(self, seq: int) -> SafetyPermit | None:
        """Return the permit in force in tick ``seq``; one that has run out is forgotten."""
        permit = self.permit
        if permit is not None and not permit.seq <= seq <= permit.expiry_seq:
            self.permit = permit = None
        return permit

    @property
    def rejected(self) -> int:
        """How many messages were refused or damaged so far."""
        return self.commands.rejected + self.environments.rejected + self.permits.rejected + self._unreadable


def permit_longest(limits: SafetyLimits, period_s: float, paced: bool) -> int:
    """Return for how many ticks, its own included, a permit may hold."""
    if not paced:
        return limits.timing.permit_ticks
    return max(2, round(limits.timing.permit_paced_s / period_s))
