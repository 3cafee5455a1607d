"""No sequence of messages, times and operator acts breaks the promises of the safety layer.

The real supervisor and the real kernel are driven by an adversary that chooses every message of every
tick: damaged, missing, repeated, stale or from the future, and presses every button, bouncing ones too.
What must hold is in ``safety_adversary.Promises``: torque, belt and harness within limits, no active
torque without a valid permit, no training resumed by itself, no motion after a reset without a start,
stops latched, energy bounded; an open line of the emergency stop damps, but for the one under test.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from safety_adversary import Rig
from safety_world import ROOT

from exostride.safety.component import OperatorRequest
from exostride.safety.estop import TestedLines as Lines
from exostride.safety.limits import load_limits
from exostride.types import HarnessAction, Mode, Signal, SupervisorState

pytestmark = pytest.mark.filterwarnings("ignore:overflow")
LIMITS = load_limits(ROOT / "config" / "limits" / "default.yaml")
S = SupervisorState
MESSAGES = ("exo", "env", "command", "belt", "permit", "session")
wild = st.one_of(
    st.floats(-200.0, 200.0), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e12, 0.0, 1e-300])
)
vectors = st.one_of(
    st.lists(wild, min_size=6, max_size=6).map(lambda v: np.array(v, dtype=float)),
    st.sampled_from([np.zeros(5), np.zeros((6, 1)), None, np.full(6, np.nan), np.zeros(6, dtype=int)]),
)
six = st.lists(st.floats(-1.0, 1.0), min_size=6, max_size=6).map(np.array)
few = st.integers(1, 8)
UNDER_TEST: dict[str, st.SearchStrategy[Any]] = {
    "into": st.integers(30, 62),
    "open_": st.integers(0, 3),
    "lost": st.sampled_from([set(), {"supervisor"}, {"permit"}, {"applied"}, {"permit", "applied"}]),
    "old": st.sampled_from([0, 0, 0, 0, 1, 7, 11]),
    "n": st.integers(1, 12),
    "wish": st.sampled_from([S.HOMING, S.IDLE, S.STAND]),
}
"""How far into HOMING what happens to the lines, and for how long: pressed, messages lost or so many old."""


class SafetyMachine(RuleBasedStateMachine):
    """The adversary."""

    @initialize(paced=st.booleans(), trained=st.booleans(), tests_lines=st.booleans())
    def begin(self, paced: bool, trained: bool, tests_lines: bool) -> None:
        self.rig = Rig(LIMITS, paced, tests_lines)
        self.rig.tick()
        if trained:
            self.walk_the_whole_path()

    def ticks(self, n: int) -> None:
        """Run; a session that asks for IDLE where it is heard allows a later start."""
        for _ in range(n):
            heard = not {"session", "supervisor"} & self.rig.lose and not self.rig.echo.get("session")
            if self.rig.request == S.IDLE and heard:
                self.rig.promises.started()
            self.rig.tick()

    # -------------------------------------------------------------- people

    @rule(request=st.sampled_from(list(S)), n=few)
    def session_asks(self, request: S, n: int) -> None:
        self.rig.request = int(request)
        self.ticks(n)

    @rule(wish=st.sampled_from(list(S)))
    def operator_asks(self, wish: S) -> None:
        self.rig.operators = (OperatorRequest(state=int(wish), operator_id="x"),)
        if wish not in (S.SOFT_STOP, S.E_STOP, S.FAULT):
            self.rig.promises.started()
        self.ticks(1)

    @rule(start=st.booleans())
    def operator_resets(self, start: bool) -> None:
        """Reset, with a start in the same breath or without."""
        if "supervisor" in self.rig.lose:
            return
        asked = [OperatorRequest(reset=True, operator_id="x")]
        if start:
            asked.append(OperatorRequest(state=int(S.HOMING), operator_id="x"))
        self.rig.operators = tuple(asked)
        before = self.rig.state.state
        promises = self.rig.promises
        latched = promises._latched
        promises.may_be_reset()
        self.rig.tick()
        if self.rig.component.replies[0].accepted:
            assert before == S.FAULT
            promises.reset(self.rig)
            if (
                self.rig.request == S.IDLE
                and not {"session"} & self.rig.lose
                and not self.rig.echo.get("session")
            ):
                promises.started()
        else:
            assert self.rig.state.latched == latched or not latched, "a refused reset changed a latch"

    @rule(a=st.booleans(), b=st.booleans(), patient=st.booleans(), therapist=st.booleans(), n=few)
    def buttons(self, a: bool, b: bool, patient: bool, therapist: bool, n: int) -> None:
        self.rig.exo |= {
            "estop_closed_a": a,
            "estop_closed_b": b,
            "patient_stop": patient,
            "therapist_stop": therapist,
        }
        self.ticks(n)

    @rule(
        presses=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=10),
        lost=st.sampled_from([set(), {"supervisor"}, {"permit"}]),
    )
    def estop_bounces(self, presses: list[tuple[bool, bool]], lost: Set[str] = frozenset()) -> None:
        """With the supervisor, or with the kernel alone."""
        before, self.rig.lose = self.rig.lose, self.rig.lose | lost
        for a, b in presses:
            self.rig.exo |= {"estop_closed_a": a, "estop_closed_b": b}
            self.ticks(1)
        self.rig.exo |= {"estop_closed_a": True, "estop_closed_b": True}
        self.ticks(2)
        self.rig.lose = before

    @rule(lines=st.integers(0, 3))
    def lines_stick(self, lines: int) -> None:
        """Lines that stay closed when their test output opens them."""
        self.rig.stuck = lines

    @rule(**UNDER_TEST)
    def the_lines_are_under_test(
        self, into: int, open_: int, lost: set[str], old: int, n: int, wish: S
    ) -> None:
        """Help the adversary into the tenth of a second in which lines are opened."""
        self.rig.calm()
        for asked, ticks in ((S.IDLE, 2), (S.HOMING, into)):
            self.rig.request = int(asked)
            self.ticks(ticks)
        self.rig.request, self.rig.lose, self.rig.echo = int(wish), lost, {"exo": old}
        self.rig.exo |= {"estop_closed_a": not open_ & 1, "estop_closed_b": not open_ & 2}
        self.ticks(n)
        self.rig.calm()

    # -------------------------------------------------------------- body and world

    @rule(amplitude=st.floats(-1.2, 1.2), rate=st.floats(0.5, 9.0), n=st.integers(1, 60))
    def legs_swing(self, amplitude: float, rate: float, n: int) -> None:
        self.rig.swing(amplitude, rate)
        self.ticks(n)

    @rule(angle=six, speed=six, n=few)
    def legs_jump(self, angle: np.ndarray, speed: np.ndarray, n: int) -> None:
        self.rig.exo |= {"angle_rad": 2.0 * angle, "velocity_rad_s": 12.0 * speed}
        self.ticks(n)

    @rule(
        name=st.sampled_from(
            ["angle_rad", "velocity_rad_s", "cuff_torque_nm", "motor_torque_nm", "motor_temperature_c"]
        ),
        value=vectors,
        n=few,
    )
    def sensor_lies(self, name: str, value: Any, n: int) -> None:
        self.rig.exo[name] = value
        self.ticks(n)
        del self.rig.exo[name]

    @rule(available=st.integers(0, sum(Signal)), joints=st.integers(0, 63), feet=st.integers(0, 3), n=few)
    def sensors_go(self, available: int, joints: int, feet: int, n: int) -> None:
        self.rig.exo |= {"available": available, "joint_valid": joints, "foot_valid": feet}
        self.ticks(n)

    @rule(speed=wild, faults=st.integers(0, 63), lifted=st.booleans(), n=few)
    def world_changes(self, speed: float, faults: int, lifted: bool, n: int) -> None:
        action = int(HarnessAction.LIFT if lifted else HarnessAction.UNLOAD)
        self.rig.env |= {
            "belt_speed_m_s": speed,
            "faults": faults,
            "harness_action": action,
            "harness_confirmed": lifted,
        }
        self.ticks(n)

    # -------------------------------------------------------------- messages

    @rule(
        name=st.sampled_from(
            ["torque_nm", "stiffness_nm_rad", "damping_nms_rad", "reference_rad", "reference_velocity_rad_s"]
        ),
        value=vectors,
        n=few,
    )
    def controller_lies(self, name: str, value: Any, n: int) -> None:
        self.rig.command[name] = value
        self.ticks(n)

    @rule(torque=six, stiffness=six, reference=six, size=st.floats(0.0, 300.0), n=st.integers(1, 40))
    def controller_demands(
        self, torque: np.ndarray, stiffness: np.ndarray, reference: np.ndarray, size: float, n: int
    ) -> None:
        self.rig.command |= {
            "torque_nm": size * torque,
            "stiffness_nm_rad": 400.0 * abs(stiffness),
            "reference_rad": 2.0 * reference,
        }
        self.ticks(n)

    @rule(speed=wild, ramp=wild, percent=wild, action=st.sampled_from([0, 1, 2, 3, -1, None]), n=few)
    def environment_lies(self, speed: float, ramp: float, percent: float, action: Any, n: int) -> None:
        self.rig.belt |= {
            "belt_speed_m_s": speed,
            "belt_acceleration_m_s2": ramp,
            "unloading_percent": percent,
            "harness_action": action,
        }
        self.ticks(n)

    @rule(
        change=st.one_of(
            st.tuples(st.just("scale"), wild),
            st.tuples(st.just("belt_limit_m_s"), wild),
            st.tuples(st.just("mode"), st.one_of(st.sampled_from(list(Mode)), st.integers(-1, 9), st.none())),
            st.tuples(st.just("harness_action"), st.sampled_from([0, 1, 2, 3, -1, None])),
            st.tuples(st.just("expiry_seq"), st.one_of(st.integers(-1, 10**7), st.just(2.5))),
        ),
        n=few,
    )
    def permit_is_damaged(self, change: tuple[str, Any], n: int) -> None:
        self.rig.permit = dict([change])
        self.ticks(n)
        self.rig.permit = {}

    @rule(name=st.sampled_from(["command", "belt", "permit"]), shift=st.integers(-8, 4), n=few)
    def sequence_is_wrong(self, name: str, shift: int, n: int) -> None:
        """Messages numbered for another tick: old ones again, or from the future."""
        changes: dict[str, Any] = getattr(self.rig, name)
        for _ in range(n):
            changes["seq"] = self.rig.seq + shift
            self.ticks(1)
        del changes["seq"]

    @rule(name=st.sampled_from(MESSAGES), age=st.integers(1, 11), n=few)
    def message_is_stale(self, name: str, age: int, n: int) -> None:
        self.rig.echo[name] = age
        self.ticks(n)
        self.rig.echo.clear()

    @rule(names=st.sets(st.sampled_from([*MESSAGES, "phase", "applied", "supervisor"])), n=st.integers(1, 14))
    def messages_are_lost(self, names: set[str], n: int) -> None:
        self.rig.lose = names - {"exo", "env"}
        self.ticks(n)
        self.rig.lose = set()

    # -------------------------------------------------------------- back to order

    @rule(n=st.sampled_from([1, 5, 260]))
    def calm(self, n: int) -> None:
        self.rig.calm()
        self.ticks(n)

    @rule()
    def walk_the_whole_path(self) -> None:
        """Help the adversary into TRAIN, where most can go wrong."""
        self.rig.calm()
        self.rig.swing(0.0, 0.0)
        if self.rig.state.latched:
            self.rig.request = int(S.IDLE)
            # Legs that the harness did not take over from stay locked until the emergency stop lets them go.
            self.estop_bounces([(False, False)])
            self.ticks(650)
            self.operator_resets(start=False)
        for wish, n in ((S.IDLE, 2), (S.HOMING, 660), (S.TRAIN, 30)):
            self.rig.request = int(wish)
            self.ticks(n)


@pytest.mark.parametrize("tests_lines", [False, True])
def test_the_helper_reaches_training(tests_lines: bool) -> None:
    machine = SafetyMachine()
    machine.begin(paced=False, trained=True, tests_lines=tests_lines)
    assert machine.rig.state.state == S.TRAIN, machine.rig.state
    machine.ticks(220)
    machine.legs_swing(0.3, 4.0, 300)
    assert machine.rig.state.state == S.TRAIN, machine.rig.state
    assert machine.rig.promises.modes[Mode.TRAIN] > 300
    machine.estop_bounces([(False, True), (True, True), (True, False)])
    machine.walk_the_whole_path()
    assert machine.rig.state.state == S.TRAIN, machine.rig.state
    assert machine.rig.promises.excused == (2 * 2 * 8 if tests_lines else 0), "each line in two self-tests"


# Shrinking a walk of a thousand ticks takes minutes and tells little more: its steps are printed anyway.
QUICK = settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
SafetyMachine.TestCase.settings = QUICK
TestSafetyMachine = SafetyMachine.TestCase


def deaf(lines: Lines, exo: Any) -> bool:
    """Take every line for closed, at any time."""
    return True


def deaf_while_testing(lines: Lines, exo: Any) -> bool:
    """Take both lines for closed while one is tested."""
    return lines.lines > 0 or (exo.estop_closed_a and exo.estop_closed_b)


RIGHTLY = Lines.step


def endless(lines: Lines, now: int, homing: bool) -> None:
    """Excuse a line for as long as nothing else is tested."""
    before = lines.lines
    RIGHTLY(lines, now, homing)
    lines.lines = lines.lines or before


def under_test(paced: bool, **scene: Any) -> None:
    machine = SafetyMachine()
    machine.begin(paced=paced, trained=False, tests_lines=True)
    machine.the_lines_are_under_test(**scene)


OFTEN = settings(QUICK, max_examples=100, report_multiple_bugs=False)


@OFTEN
@given(paced=st.booleans(), **UNDER_TEST)
def test_whatever_happens_while_lines_are_tested(paced: bool, **scene: Any) -> None:
    under_test(paced, **scene)


@pytest.mark.parametrize(
    ("name", "broken"), [("closed", deaf), ("closed", deaf_while_testing), ("step", endless)]
)
def test_an_excuse_too_many_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: Callable[..., Any]
) -> None:
    monkeypatch.setattr(Lines, name, broken)
    with pytest.raises(AssertionError, match="an open emergency stop"):
        OFTEN(given(paced=st.booleans(), **UNDER_TEST)(under_test))()


@pytest.mark.slow
def test_the_machine_finds_a_kernel_that_is_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lines, "closed", deaf)
    with pytest.raises(AssertionError, match="an open emergency stop did not damp"):
        run_state_machine_as_test(SafetyMachine, settings=settings(QUICK, report_multiple_bugs=False))


class LongSafetyMachine(SafetyMachine):
    """The same, searched for longer."""


LongSafetyMachine.TestCase.settings = settings(QUICK, max_examples=40, stateful_step_count=40)
TestLongSafetyMachine = pytest.mark.slow(LongSafetyMachine.TestCase)
