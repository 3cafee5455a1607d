"""What the kernel takes in, by itself: order, age, damage, and how long a permit holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from kernel_bench import belt_order, order, permit
from safety_world import PERIOD

from exostride.safety import codes
from exostride.safety.belt import EnvironmentKernel
from exostride.safety.inbox import Inbox, permit_longest
from exostride.safety.intake import Sequence
from exostride.safety.limits import SafetyLimits
from exostride.types import Mode

LONGEST = 5


@pytest.fixture
def inbox(limits: SafetyLimits) -> Inbox:
    return Inbox(limits, LONGEST, EnvironmentKernel(limits, PERIOD))


def messages(seq: int) -> tuple[Any, Any, Any]:
    return order(seq), belt_order(seq), permit(seq)


def test_nothing_is_nothing(inbox: Inbox) -> None:
    assert inbox.bits == 0
    assert inbox.take(7, None, None, None) is False
    assert (inbox.bits, inbox.rejected, inbox.order, inbox.permit) == (0, 0, None, None)
    assert inbox.permit_at(7) is None
    ages = [box.age(7) for box in (inbox.commands, inbox.environments, inbox.permits)]
    assert ages == [8, 8, 8], "older than everything that could have come"


def test_each_topic_has_an_order_of_its_own(inbox: Inbox) -> None:
    for k, given in enumerate(np.eye(3, dtype=bool).tolist()):
        seq = 10 + k
        took = [m if wanted else None for m, wanted in zip(messages(seq), given, strict=True)]
        assert inbox.take(seq, *took) is False and inbox.bits == 0
    assert [box.age(12) for box in (inbox.commands, inbox.environments, inbox.permits)] == [2, 1, 0]
    assert inbox.order is not None and inbox.order.seq == 10
    assert inbox.permit is not None and inbox.permit.seq == 12
    assert inbox.rejected == 0


@pytest.mark.parametrize("which", range(3))
def test_a_message_comes_once_and_never_from_the_future(inbox: Inbox, which: int) -> None:
    def take(seq: int, of: int) -> int:
        given: list[Any] = [None, None, None]
        given[which] = messages(of)[which]
        assert inbox.take(seq, *given) is False, "refused is not damaged"
        return inbox.bits

    assert take(20, 20) == 0
    for seq, of in ((20, 20), (21, 20), (21, 22), (22, 19)):
        assert take(seq, of) == codes.COMMAND_SEQUENCE
    assert inbox.rejected == 4
    assert take(23, 22) == 0 and inbox.rejected == 4


@pytest.mark.parametrize("which", range(3))
def test_a_message_may_be_so_old(limits: SafetyLimits, which: int) -> None:
    oldest = (limits.timing.command_max_age_ticks, limits.belt.max_age_ticks, LONGEST)[which]
    for age, bits in ((oldest, 0), (oldest + 1, codes.COMMAND_SEQUENCE)):
        inbox = Inbox(limits, LONGEST, EnvironmentKernel(limits, PERIOD))
        given: list[Any] = [None, None, None]
        given[which] = messages(30 - age)[which]
        inbox.take(30, *given)
        assert inbox.bits == bits and inbox.rejected == (bits > 0)


NAN = float("nan")


@pytest.mark.parametrize(
    ("which", "change"),
    [
        (0, {"torque_nm": np.full(6, NAN)}),
        (1, {"belt_speed_m_s": NAN}),
        (2, {"scale": NAN}),
    ],
)
def test_damage_is_told_and_counted(inbox: Inbox, which: int, change: dict[str, Any]) -> None:
    inbox.take(1, *messages(1))
    given: list[Any] = [None, None, None]
    given[which] = replace(messages(2)[which], **change)
    assert inbox.take(2, *given) is True
    assert inbox.bits == codes.NOT_FINITE and inbox.rejected == 1
    assert (inbox.order is None) == (which == 0), "a damaged order leaves none"
    assert (inbox.permit is None) == (which == 2), "nor does a damaged permit"
    assert inbox.take(3, *messages(3)) is False
    assert inbox.bits == 0 and inbox.order is not None and inbox.permit is not None
    broken, sound, _ = messages(4)
    assert inbox.take(4, replace(broken, torque_nm=np.zeros(5)), sound, None) is True, "whatever else came"
    assert inbox.take(5, replace(order(5), torque_nm=np.zeros(5)), None, permit(5)) is True
    everything = [replace(m, **c) for m, c in zip(messages(6), DAMAGES, strict=True)]
    assert inbox.take(6, *everything) is True
    assert inbox.rejected == 4, "once a tick"


DAMAGES: tuple[dict[str, Any], ...] = (
    {"torque_nm": np.full(5, 0.0)},
    {"unloading_percent": NAN},
    {"harness_action": 3},
)


def test_damage_and_refusal_are_told_together(inbox: Inbox) -> None:
    inbox.take(1, *messages(1))
    assert inbox.take(2, order(1), replace(belt_order(2), belt_speed_m_s=NAN), permit(2)) is True
    assert inbox.bits == codes.COMMAND_SEQUENCE | codes.NOT_FINITE
    assert inbox.take(3, order(3), belt_order(2), replace(permit(3), scale=-0.1)) is True
    assert inbox.bits == codes.COMMAND_SEQUENCE | codes.NOT_FINITE
    assert inbox.rejected == 4


def test_a_permit_holds_until_it_expires(inbox: Inbox) -> None:
    given = permit(10, Mode.STAND)
    inbox.take(10, None, None, given)
    assert given.expiry_seq == 14
    assert [inbox.permit_at(seq) is given for seq in (10, 12, 14)] == [True] * 3
    assert inbox.permit_at(15) is None and inbox.permit is None
    assert inbox.permit_at(14) is None, "what has run out does not come back"
    late = permit(16)
    inbox.take(16, None, None, late)
    assert inbox.permit_at(15) is None, "nor does one hold before its tick"


def test_a_permit_for_too_long_is_damage(inbox: Inbox) -> None:
    assert inbox.take(1, None, None, permit(1, expiry_seq=LONGEST + 1)) is True
    assert inbox.take(2, None, None, permit(2, expiry_seq=LONGEST + 1)) is False


def test_a_void_permit_leaves_the_last_one(inbox: Inbox) -> None:
    first = permit(1)
    inbox.take(1, None, None, first)
    assert inbox.take(2, None, None, permit(2, expiry_seq=1)) is False
    assert inbox.permit is first and inbox.permits.age(2) == 0
    brief = permit(3, expiry_seq=3)
    inbox.take(3, None, None, brief)
    assert inbox.permit_at(3) is brief


def test_paced_permits_last_by_time(limits: SafetyLimits) -> None:
    assert permit_longest(limits, PERIOD, False) == limits.timing.permit_ticks
    assert permit_longest(limits, PERIOD, True) == round(limits.timing.permit_paced_s / PERIOD)
    assert permit_longest(limits, 1.0, True) == 2


def test_age_never_runs_backwards() -> None:
    box = Sequence()
    assert box.age(0) == 1
    assert box.accept(order(5), 5, 2)
    assert [box.age(seq) for seq in (3, 5, 6)] == [0, 0, 1]
