"""Ways to switch one check of the kernel off, and leave the rest of it as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

import pytest

from exostride.safety import inbox as inbox_module
from exostride.safety.intake import COMMAND_ROWS, JointOrder, Sequence
from exostride.safety.kernel import SafetyKernel
from exostride.types import Mode

NEVER = 1e9
"""A bound that nothing reaches."""

Off = Callable[[Any, pytest.MonkeyPatch], None]
Part = Callable[[Any], Any]


def put(part: Part, **values: Any) -> Off:
    """Give a part of the kernel, or each of a list of parts, other attributes."""

    def off(kernel: SafetyKernel, patch: pytest.MonkeyPatch) -> None:
        found = part(kernel)
        for one in found if isinstance(found, list) else [found]:
            for name, value in values.items():
                patch.setattr(one, name, value)

    return off


def inside(thing: Any, **values: Any) -> Off:
    """Give a module or a class other attributes."""
    return put(lambda kernel: thing, **values)


def around(part: Part, name: str, make: Callable[[Any], Any]) -> Off:
    """Put what ``make`` makes of a method in its place."""

    def off(kernel: SafetyKernel, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(part(kernel), name, make(getattr(part(kernel), name)))

    return off


def both(*offs: Off) -> Off:
    """Switch off more than one check, where one stands in for the other."""

    def off(kernel: SafetyKernel, patch: pytest.MonkeyPatch) -> None:
        for one in offs:
            one(kernel, patch)

    return off


# ---------------------------------------------------------------------- parts of the kernel


def itself(kernel: Any) -> Any:
    return kernel


guard, inbox, source, shapers, walls, belt, belt_limits = map(
    attrgetter, ("_guard", "_inbox", "_source", "_shapers", "_walls", "_belt", "_belt._limits")
)


def every(limit: str) -> Off:
    """Give every joint's window a limit that nothing reaches."""
    return put(shapers, **{limit: NEVER})


# ---------------------------------------------------------------------- checks without a switch of their own


def _take(self: Sequence, message: Any, seq: int, longest_age: int) -> bool:
    self.last = message.seq
    return True


def _trust(command: Any) -> JointOrder:
    return JointOrder(command.seq, COMMAND_ROWS.read(command)[0])


def _see_closed(step: Any) -> Any:
    closed = {"estop_closed_a": True, "estop_closed_b": True}
    return lambda seq, exo, *others: step(seq, replace(exo, **closed), *others)


def _without_limit(ramp: Any) -> Any:
    return lambda wish, permit: ramp(wish, permit and replace(permit, belt_limit_m_s=NEVER))


def _as_ordered(ramp: Any) -> Any:
    return lambda wish, permit: (
        (wish.belt_speed_m_s, wish.belt_acceleration_m_s2) if wish else ramp(wish, permit)
    )


def _as_in_training(step: Any) -> Any:
    return lambda seq, state, mode, permit, age: step(seq, state, int(Mode.TRAIN), permit, age)


def _at_full_effort(fill: Any) -> Any:
    return lambda mode, scale, *others: fill(mode, 1.0, *others)


ANY_NUMBER = inside(Sequence, accept=_take)
"""Whatever its number, a message is the next."""
ANY_ORDER = inside(inbox_module, joint_order=_trust)
"""Whatever stands in it, an order is one; so with permits and the environment's state."""
ANY_PERMIT = inside(inbox_module, permit_ok=lambda permit, longest: True)
ANY_ENVIRONMENT = put(belt, readable=lambda state: True)
ANY_AGE = put(itself, _age_limit=NEVER)
ANY_GAINS = put(source, _bounds=[(NEVER, NEVER, -NEVER, NEVER, NEVER, NEVER)] * 6)
ANY_TICK = around(guard, "step", lambda step: lambda seq, exo: step(exo.seq, exo))
CLOSED_LINES = around(itself, "_step", _see_closed)
"""The kernel sees both lines of the emergency stop closed."""
FULL_EFFORT = around(source, "fill", _at_full_effort)
NO_BELT_LIMIT = around(belt, "_belt", _without_limit)
BELT_AS_ORDERED = around(belt, "_belt", _as_ordered)
BELT_AS_IN_TRAINING = around(belt, "step", _as_in_training)


def no_lock(kernel: Any, patch: pytest.MonkeyPatch) -> None:
    """Fall back without asking for an acknowledgement."""
    fall_back = kernel._fall_back

    def unlocked(support: bool) -> Any:
        mode = fall_back(support)
        kernel._locked = False
        return mode

    patch.setattr(kernel, "_fall_back", unlocked)


def no_expiry(kernel: Any, patch: pytest.MonkeyPatch) -> None:
    """Let a permit hold for ever."""
    patch.setattr(kernel._inbox, "permit_at", lambda seq: kernel._inbox.permit)


def no_last_resort(kernel: Any, patch: pytest.MonkeyPatch) -> None:
    """Let errors out."""
    patch.setattr(kernel, "step", kernel._step)


def no_latch(kernel: Any, patch: pytest.MonkeyPatch) -> None:
    """Let the belt's contactor close when the belt is as fast as it should be again."""
    step = kernel._belt.step

    def forgetful(*tick: Any) -> Any:
        kernel._belt.stopped = kernel._belt._over > 0
        return step(*tick)

    patch.setattr(kernel._belt, "step", forgetful)


def no_springs(kernel: Any, patch: pytest.MonkeyPatch) -> None:
    """Take the springs and dampers out of the walls."""
    for wall in kernel._walls:
        patch.setattr(wall, "_springs", [(depth, 0.0, 0.0) for depth, _, _ in wall._springs])
