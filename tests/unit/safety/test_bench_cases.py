"""Which cases the safety bench has in the self-test, and when a line of the emergency stop is at fault."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from exostride.bench.safety_cases import HOMING, ROWS, Scene, cases
from exostride.bench.safety_rig import point_of
from exostride.safety.injection import Gait, parse
from exostride.types import Action, Reason

A, B = int(Reason.ESTOP_TEST_A), int(Reason.ESTOP_TEST_B)
OTHERS = sum(Reason) & ~(A | B)


def at_fault(text: str, k: int, reason: int = 0, now: int = 0) -> bool:
    """Ask the truth of a row in tick ``k`` of its fault; ``reason`` is the kernel's of the tick before."""
    before, tick = (SimpleNamespace(applied=SimpleNamespace(reason=word)) for word in (reason, now))
    injection = parse(text)
    device: Any = None
    return ROWS[injection.fault].truth(Scene(tick, before, injection, k, device))  # type: ignore[arg-type]


class TestLine:
    @pytest.mark.parametrize("kind", ["a", "b"])
    def test_one_that_is_cut_is_at_fault_from_its_first_tick(self, kind: str) -> None:
        truth = [at_fault(f"F21,kind={kind}", k, reason) for k in (-1, 0, 1, 200) for reason in (0, A, B)]
        assert truth == [False] * 3 + [True] * 9

    @pytest.mark.parametrize(("kind", "own", "other"), [("stuck_a", A, B), ("stuck_b", B, A)])
    @pytest.mark.parametrize("k", [0, 1, 200])
    def test_one_that_is_stuck_only_when_it_should_be_open(
        self, kind: str, own: int, other: int, k: int
    ) -> None:
        text = f"F21,kind={kind}"
        assert at_fault(text, k, own) is True and at_fault(text, k, own | OTHERS)
        assert at_fault(text, k, OTHERS | other) is False and not at_fault(text, k, 0)
        assert not at_fault(text, k, 0, now=own), "what is ordered now can be measured in the next tick"

    @pytest.mark.parametrize("kind", ["stuck_a", "stuck_b"])
    def test_before_the_fault_nothing_is(self, kind: str) -> None:
        assert not at_fault(f"F21,kind={kind}", -1, A | B)


class TestHoming:
    def test_what_is_tried_in_the_self_test(self) -> None:
        """Reversed drives and stuck lines: what nothing but the self-test shows, or shows first."""
        tried = {(case.fault, case.target) for case in cases(1) if case.state == HOMING}
        assert tried == {
            ("F19", "left:hip"), ("F19", "right:knee"), ("F19", "left:ankle"),
            ("F21", "left,kind=stuck_a"), ("F21", "left,kind=stuck_b"), ("F21", "right,kind=stuck_b"),
        }  # fmt: skip

    def test_a_stuck_line_is_tried_nowhere_else(self) -> None:
        states = {case.state for case in cases(1) if "stuck_" in case.target}
        assert states == {HOMING}

    def test_a_row_names_its_targets_by_state(self) -> None:
        """A state has a case for each target of its own, once, and none of another state's."""
        for fault, row in ROWS.items():
            assert HOMING not in row.states
            mine = [(case.state, case.target) for case in cases(1) if case.fault == fault]
            wanted = [(state, target) for state in row.states for target in row.targets]
            assert sorted(mine) == sorted(wanted + [(HOMING, target) for target in row.homing])

    def test_they_begin_in_the_self_test_whatever_the_legs_do(self) -> None:
        for case in cases(1):
            if case.state == HOMING:
                injection = parse(case.text)
                assert injection.gait == Gait.ANY and point_of(case) == HOMING
                assert case.text == f"{case.fault}@any:{case.target}" and case.key.endswith("#homing#0")

    @pytest.mark.parametrize("kind", ["stuck_a", "stuck_b"])
    def test_the_same_reaction_is_asked_of_every_line(self, kind: str) -> None:
        row = ROWS["F21"]
        assert (row.action, row.causes, row.kernel) == (Action.E_STOP, ("F20", "F21"), True)
        assert any(kind in target for target in row.homing)
