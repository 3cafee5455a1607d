"""The spasm detector on a still leg whose walker pushes against the cuffs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from safety_world import PERIOD, exo_state

from exostride.conventions import SIDES
from exostride.safety import codes
from exostride.safety.detect_spasm import SpasmDetector
from exostride.safety.faults import Finding
from exostride.safety.guard import SampleGuard
from exostride.safety.limits import SafetyLimits
from exostride.safety.rhythm import Cycle
from exostride.safety.snapshot import Standing, look
from exostride.safety.walker import Walker
from exostride.types import Action, EnvironmentState, GaitPhase, GaitState, SupervisorState

UP = np.array([0.0, 0.0, 9.81])
STANDING = np.array([0.0, 0.0, 400.0, 0.0, 0.0, 400.0])
LIFTED = np.array([0.0, 0.0, 400.0, 0.0, 0.0, 0.0])


@dataclass
class Leg:
    """Feeds a detector; torque the walker makes beyond gravity appears as cuff torque of the other sign."""

    limits: SafetyLimits
    state: SupervisorState = SupervisorState.TRAIN
    seq: int = 0
    speed: float = 0.5
    found: list[tuple[int, Finding]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.detector = SpasmDetector(self.limits, PERIOD, Walker())
        self.guard = SampleGuard(self.limits, PERIOD)

    def tick(
        self,
        own: np.ndarray | None = None,
        phase: float | None = None,
        force: np.ndarray = STANDING,
        available: int | None = None,
        unfollowed: Sequence[bool] = (),
        doing: GaitState = GaitState.WALKING,
        **changes: int,
    ) -> list[Finding]:
        own = np.zeros(6) if own is None else own
        exo = exo_state(self.seq, foot_force_n=force, pelvis_accel_m_s2=UP, cuff_torque_nm=-own, **changes)
        if available is not None:
            exo = replace(exo, available=available)
        gait = None
        if phase is not None:
            gait = GaitPhase(
                self.seq,
                0.0,
                phase=np.array([phase % 1.0, (phase + 0.5) % 1.0]),
                rate_hz=np.ones(2),
                state=doing,
            )
        environment = EnvironmentState(self.seq, 0.0, belt_speed_m_s=self.speed)
        self.guard.step(self.seq, exo)
        ticks, inputs = 1000 + self.seq, (None, gait, None, None, None)
        standing = Standing(self.state, ticks, ticks if self.state == SupervisorState.TRAIN else None)
        snap = look(self.seq, exo, environment, inputs, standing, self.guard)
        found: list[Finding] = []
        self.detector.step(snap, found, unfollowed)
        self.found += [(self.seq, f) for f in found]
        self.seq += 1
        return found

    def walk(self, strides: int, size: float = 10.0, jitter: float = 0.0) -> None:
        """Strides of one second with a torque that repeats, and varies from stride to stride."""
        rng = np.random.default_rng(3)
        for _ in range(strides):
            share = 1.0 + jitter * rng.standard_normal()
            for k in range(200):
                p = k / 200
                self.tick(size * share * np.sin(2 * np.pi * p) * np.ones(6), phase=p)

    def spasm(self, nm: float, joint: int = 4, phase: bool = True) -> int:
        """Raise a joint's torque as muscle does; return the ticks until it is found, -1 if it is not."""
        start = self.seq
        for k in range(40):
            p = k / 200
            own = 10.0 * np.sin(2 * np.pi * p) * np.ones(6) * phase
            own[joint] += nm * (1.0 - np.exp(-k * PERIOD / 0.04))
            if self.tick(own, phase=p if phase else None):
                return self.seq - 1 - start
        return -1


@pytest.fixture
def leg(limits: SafetyLimits) -> Leg:
    return Leg(limits)


def test_walking_that_repeats_itself_is_no_spasm(leg: Leg) -> None:
    leg.walk(12, size=40.0)
    assert leg.found == []


def test_a_walker_who_gets_less_steady_is_not_stopped(leg: Leg) -> None:
    leg.walk(12, size=40.0)
    leg.walk(16, size=40.0, jitter=0.1)
    assert {f.action for _, f in leg.found} <= {Action.REDUCE}


@pytest.mark.parametrize("joint", range(6))
def test_spasm_of_a_known_walker_is_found_within_its_bound(leg: Leg, joint: int) -> None:
    leg.walk(12)
    # 15 N m of 40 are there after 4 ticks; the bound of 50 ms runs from then.
    assert 0 < leg.spasm(40.0, joint) <= 14
    assert {f.fault for _, f in leg.found} == {"F22"}


def test_small_changes_are_left_alone(leg: Leg) -> None:
    leg.walk(12)
    assert leg.spasm(12.0) == -1


def test_an_unsteady_walker_needs_more(leg: Leg) -> None:
    leg.walk(12, size=30.0, jitter=0.5)
    assert leg.found == []
    assert leg.spasm(30.0) == -1


@pytest.mark.parametrize(("nm", "seen"), [(100.0, False), (400.0, True)])
def test_a_walker_not_known_yet_only_by_much(leg: Leg, nm: float, seen: bool) -> None:
    for _ in range(60):
        leg.tick()
    assert (leg.spasm(nm, phase=False) >= 0) == seen


def test_quiet_standing_is_learned_too(leg: Leg) -> None:
    leg.state = SupervisorState.STAND
    for _ in range(1200):
        leg.tick()
    assert 0 < leg.spasm(40.0, phase=False) <= 14


def test_nobody_is_judged_in_homing(leg: Leg) -> None:
    leg.state = SupervisorState.HOMING
    for _ in range(60):
        leg.tick()
    assert leg.spasm(900.0, phase=False) == -1


def test_another_speed_is_another_course(leg: Leg) -> None:
    leg.walk(12)
    leg.speed = 0.7
    assert leg.spasm(40.0) == -1


def test_without_its_signals_it_starts_again(leg: Leg) -> None:
    leg.walk(12)
    leg.tick(available=codes.HAS_CUFF)
    assert leg.tick(np.full(6, 500.0), phase=0.1) == []


def test_obstacle_before_a_swinging_foot_is_a_trip(leg: Leg) -> None:
    for k in range(200):
        leg.tick(phase=0.5 + k / 1000, force=LIFTED)
    # 450 N backwards at the foot of the right leg, as the walker's own torque seen by the observer.
    trip = np.array([0.0, 0.0, 0.0, -450.0 * 0.85, 450.0 * 0.42, 0.0])
    found = [f for k in range(20) for f in leg.tick(trip, phase=0.7, force=LIFTED)]
    assert {f.fault for f in found} == {"F24b"} and found[0].where == "right foot"


def test_the_impact_of_a_foot_is_not_judged(leg: Leg) -> None:
    leg.walk(12)
    push = np.full(6, 60.0)
    quiet = [leg.tick(push * (k / 4), phase=0.0, force=LIFTED) for k in range(5)]
    assert [f for found in quiet for f in found if "right" in f.where] == []


def jerk(leg: Leg, nm: float, ticks: int, rising: bool = False) -> list[Action]:
    """Return what is said of a torque of the right knee that is there for so many ticks of a next stride.

    One that is ``rising`` rises on so that the slow average stays as far behind.
    """
    rise = PERIOD / leg.limits.detect.body.spasm_s if rising else 0.0
    levels = []
    for k in range(50):
        leg.tick(10.0 * np.sin(2 * np.pi * k / 200) * np.ones(6), phase=k / 200)
    for k in range(40):
        p = 0.25 + k / 200
        own = 10.0 * np.sin(2 * np.pi * p) * np.ones(6)
        own[4] += nm * (1.0 + rise * k) * (k < ticks)
        found = leg.tick(own, phase=p)
        levels.append(max((f.action for f in found), default=Action.NONE))
    return levels


def test_the_robot_gives_way_to_a_jerk(leg: Leg) -> None:
    leg.walk(12)
    assert max(jerk(leg, 22.0, 6)) == Action.REDUCE


def test_it_stops_when_that_lasts(leg: Leg) -> None:
    """So long at twice the bounds; this one is 1.7 to 1.9 times as far."""
    leg.walk(12)
    levels = jerk(leg, 22.0, 40, rising=True)
    body = leg.limits.detect.body
    assert 1.7 * body.spasm_knee_nm < 22.0 < 1.9 * body.spasm_knee_nm
    # The first tick beyond the bounds is one before the first that is told.
    waited = levels.index(Action.SOFT_STOP) - (levels.index(Action.REDUCE) - 1) + 1
    assert body.spasm_lasts_s / 0.9 <= waited * PERIOD <= body.spasm_lasts_s / 0.7


def test_the_robot_only_gives_way_to_what_fades(leg: Leg) -> None:
    """A torque that stays is soon the average that a change is against."""
    leg.walk(12)
    levels = jerk(leg, 20.0, 40)
    assert max(levels) == Action.REDUCE
    assert levels.count(Action.REDUCE) * PERIOD > leg.limits.detect.body.spasm_lasts_s


def test_what_goes_far_is_a_stop_at_once(leg: Leg) -> None:
    leg.walk(12)
    levels = jerk(leg, 60.0, 40)
    assert levels.index(Action.SOFT_STOP) <= 6


def test_a_second_touch_of_the_foot_is_no_new_stride(leg: Leg) -> None:
    """The estimate begins a stride anew at 0.6 of it, and sees its mistake at the end of that stride."""
    leg.walk(12, size=40.0)
    for k in range(400):
        p = k / 200
        told = p - 0.6 if 0.6 <= p < 1.0 else p
        leg.tick(40.0 * np.sin(2 * np.pi * p) * np.ones(6), phase=told)
    assert leg.found == []


def test_a_phase_that_stays_where_it_leapt_is_believed_after_a_cycle(limits: SafetyLimits) -> None:
    cycle = Cycle(limits.detect.messages.phase_jump, PERIOD)
    pace = 1.0
    told = [cycle.step(k / 200 % 1.0, pace) for k in range(100)]
    assert told[-1] == pytest.approx(99 / 200)
    after = [cycle.step((k / 200 + 0.5) % 1.0, pace) for k in range(100, 320)]
    assert after[:200] == pytest.approx([k / 200 % 1.0 for k in range(100, 300)])
    assert after[-1] == pytest.approx((319 / 200 + 0.5) % 1.0)


@pytest.mark.parametrize("off", [0.05, -0.15])
def test_a_phase_that_is_put_right_a_little_is_believed(limits: SafetyLimits, off: float) -> None:
    cycle = Cycle(limits.detect.messages.phase_jump, PERIOD)
    cycle.step(0.98, 1.0)
    assert cycle.step((0.985 + off) % 1.0, 1.0) == pytest.approx((0.985 + off) % 1.0)


def stumble(leg: Leg) -> None:
    for k in range(10):
        leg.tick(10.0 * np.sin(2 * np.pi * k / 200) * np.ones(6), phase=k / 200, doing=GaitState.STUMBLING)


def test_for_a_stride_after_a_stumble_the_robot_gives_way_but_stops_only_for_more(leg: Leg) -> None:
    leg.walk(12)
    stumble(leg)
    levels = jerk(leg, 22.0, 40, rising=True)
    assert max(levels) == Action.REDUCE and levels.index(Action.REDUCE) <= 2
    stumble(leg)
    assert max(jerk(leg, 200.0, 40)) == Action.SOFT_STOP


def test_a_stride_after_that_it_is_judged_as_before(leg: Leg) -> None:
    leg.walk(12)
    stumble(leg)
    leg.walk(2)
    assert max(jerk(leg, 22.0, 40, rising=True)) == Action.SOFT_STOP


def test_a_spasm_that_costs_the_rhythm_is_stopped_all_the_same(leg: Leg) -> None:
    leg.walk(12)
    told = []
    for k in range(40):
        own = 10.0 * np.sin(2 * np.pi * k / 200) * np.ones(6)
        own[4] += 22.0 * (1.0 + k * PERIOD / leg.limits.detect.body.spasm_s) * (k > 2)
        leap = 0.5 if k > 8 else 0.0
        told += leg.tick(own, phase=k / 200 + leap)
    assert max(f.action for f in told) == Action.SOFT_STOP


def step_over(leg: Leg, lost: bool) -> set[tuple[str, Action]]:
    """Return what is told of 25 N m that extend the hip and flex the knee of a lifted right leg."""
    told = set()
    for stride in range(12):
        for k in range(200):
            p = k / 200
            own = 10.0 * np.sin(2 * np.pi * p) * np.ones(6)
            if stride == 11 and 40 < k < 80:
                own[3:5] += [-25.0, 25.0]
            doing = GaitState.STUMBLING if lost and stride == 11 and k < 10 else GaitState.WALKING
            found = leg.tick(own, phase=p, force=LIFTED if p < 0.5 else STANDING, doing=doing)
            told |= {(f.fault, f.action) for f in found}
    return told


@pytest.mark.parametrize("lost", [False, True])
def test_a_leg_off_its_course_may_look_like_a_trip(leg: Leg, lost: bool) -> None:
    told = step_over(leg, lost)
    assert ("F24b", Action.REDUCE if lost else Action.SOFT_STOP) in told
    assert (max(level for _, level in told) == Action.SOFT_STOP) == (not lost)


@pytest.mark.parametrize(
    ("joint", "since", "told"),
    [(4, -1, "F17"), (3, -1, "F17"), (1, -1, "F17"), (1, -10, "F17"), (1, -40, "F22"), (4, -40, "F17"),
     (4, 20, "F22"), (1, 20, "F22")],
    ids=["same joint", "same leg", "other leg", "other leg, young", "other leg, long", "same joint, long",
         "after it", "other leg after it"],
)  # fmt: skip
def test_a_leg_that_answers_a_law_gone_wrong_is_no_spasm(leg: Leg, joint: int, since: int, told: str) -> None:
    leg.walk(11)
    for k in range(-200, 40):
        own = 10.0 * np.sin(2 * np.pi * k / 200) * np.ones(6)
        if k >= 0:
            own[4] += 40.0 * (1.0 - np.exp(-k * PERIOD / 0.04))
        leg.tick(own, phase=k / 200 % 1.0, unfollowed=[k > since and i == joint for i in range(6)])
    assert {f.fault for _, f in leg.found} == {told}
    assert {f.action for _, f in leg.found} == {Action.REDUCE, Action.SOFT_STOP}
    assert {f.where for _, f in leg.found} == {"knee right"}


def test_nobody_walks_on_a_belt_at_rest(leg: Leg) -> None:
    """An examined leg is moved at changing speeds: what it answers is no spasm of a walker."""
    leg.speed = 0.0
    leg.walk(12)
    assert leg.spasm(60.0) == -1


@pytest.mark.parametrize("every", [14, 5, 2])
@pytest.mark.parametrize("what", ["foot_valid", "segment_valid"])
def test_a_sample_lost_now_and_then_hides_no_spasm(leg: Leg, what: str, every: int) -> None:
    leg.walk(12)
    told = []
    for k in range(40):
        own = 10.0 * np.sin(2 * np.pi * k / 200) * np.ones(6)
        own[4] += 40.0 * (1.0 - np.exp(-k * PERIOD / 0.04))
        lost = {what: 0b01} if k % every == 1 else {}
        found = leg.tick(own, phase=k / 200, **lost)
        assert not (lost and found), "nothing is judged in that tick"
        told += [(k, f.fault) for f in found]
    assert told[0][0] <= 14 and {fault for _, fault in told} == {"F22"}


def test_two_samples_lost_in_a_row_begin_the_observer_anew(leg: Leg) -> None:
    leg.walk(12)
    settle = leg.detector._torque.settle_ticks
    for k in range(2):
        leg.tick(phase=k / 200, foot_valid=0)
    told = [bool(leg.tick(np.full(6, 500.0 * (k > 2)), phase=k / 200)) for k in range(2, 60)]
    assert not any(told[:settle]) and any(told)


def test_soles_without_load_cells_are_enough(leg: Leg) -> None:
    cells = codes.HAS_LOAD
    whole = exo_state(0).available
    for stride in range(13):
        for k in range(200 if stride < 12 else 40):
            own = 10.0 * np.sin(2 * np.pi * k / 200) * np.ones(6)
            own[4] += 40.0 * (stride == 12)
            leg.tick(own, phase=k / 200, available=whole & ~cells)
    assert {f.fault for _, f in leg.found} == {"F22"}


def test_who_walks_otherwise_from_now_on_is_learned(leg: Leg) -> None:
    """Nothing is learned outside the bounds, but they widen: the robot gives way for some strides only."""
    leg.walk(14, size=20.0)
    told = []
    for stride in range(30):
        before = len(leg.found)
        for k in range(200):
            own = 20.0 * np.sin(2 * np.pi * k / 200) * np.ones(6)
            own[4] += 22.0 * (60 <= k < 70)
            leg.tick(own, phase=k / 200)
        told.append({f.action for _, f in leg.found[before:]})
        assert told[-1] <= {Action.REDUCE}, stride
    assert told[0] == {Action.REDUCE} and not any(told[5:])


def steps(leg: Leg, late: float = 0.0, nm: float = 0.0, strides: int = 1) -> set[str]:
    """Walk, the right foot meeting the ground late; return for which legs a push of both knees is told."""
    told = set()
    for stride in range(strides):
        for k in range(200):
            left, right = k / 200, (k / 200 + 0.5) % 1.0
            own = 10.0 * np.sin(2 * np.pi * left) * np.ones(6)
            own[[1, 4]] += nm * (126 <= k < 136)
            force = np.zeros(6)
            force[[2, 5]] = 400.0 * (left < 0.6), 400.0 * (late * (left >= 0.5) <= right < 0.6)
            found = leg.tick(own, phase=left, force=force)
            told |= {side for side in SIDES for f in found if side in f.where and stride == strides - 1}
    return told


@pytest.mark.parametrize(
    ("late", "nm", "told"),
    [
        (0.0, 0.0, set()), (0.0, 22.0, {"left", "right"}), (0.2, 0.0, set()),
        (0.2, 22.0, {"left"}), (0.2, 400.0, {"left", "right"}),
    ],
)  # fmt: skip
def test_a_foot_out_of_step_costs_its_leg_its_course_and_the_other_leg_nothing(
    leg: Leg, late: float, nm: float, told: set[str]
) -> None:
    """At 0.13 of its stride the right foot has always stood."""
    steps(leg, strides=12)
    assert steps(leg, late, nm) == told


def test_a_foot_in_step_again_has_its_course_again(leg: Leg) -> None:
    steps(leg, strides=12)
    steps(leg, late=0.2)
    assert steps(leg, strides=2) == set()
    assert steps(leg, nm=22.0) == {"left", "right"}
