"""The active part in each mode, by itself: its springs, caps and references, tick by tick."""

from __future__ import annotations

from math import inf, nextafter

import numpy as np
import pytest
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.homing import HomingSchedule
from exostride.safety.intake import JointOrder, exo_values
from exostride.safety.limits import SafetyLimits
from exostride.safety.sources import ActiveSource
from exostride.types import ExoState, Mode, Reason, Signal

HERE = [0.2, 0.3, 0.1, 0.15, 0.25, -0.1]
THERE = [0.3, 0.5, 0.0, 0.25, 0.45, -0.2]
NOTHING = [0.0] * 6
CARRIED = [10.0, -20.0, 5.0, 7.0, 8.0, 9.0]
LEFT, RIGHT = slice(0, 3), slice(3, 6)


@pytest.fixture
def source(limits: SafetyLimits) -> ActiveSource:
    return ActiveSource(limits, PERIOD)


def asks(**rows: list[float] | float) -> JointOrder:
    """An order in which every joint is asked for the same, or for what a list says."""
    names = ("torque", "stiffness", "damping", "reference", "speed")
    given = (rows.get(name, 0.0) for name in names)
    return JointOrder(7, [v for row in given for v in (row if isinstance(row, list) else [row] * 6)])


def of_joints(limits: SafetyLimits, name: str) -> list[float]:
    return [getattr(joint, name) for joint in limits.joints]


def with_timing(limits: SafetyLimits, **changes: float) -> SafetyLimits:
    return limits.model_copy(update={"timing": limits.timing.model_copy(update=changes)})


def see(source: ActiveSource, state: ExoState) -> None:
    source.see_feet(state, exo_values(state)[1])


def load(source: ActiveSource, *loads_n: float, **changes: object) -> None:
    see(source, exo_state(0, foot_load_n=np.array(loads_n), **changes))


def fill(
    source: ActiveSource,
    mode: int,
    scale: float = 1.0,
    angle: list[float] = HERE,
    carried: list[float] = NOTHING,
    order: JointOrder | None = None,
) -> ActiveSource:
    source.fill(int(mode), scale, list(angle), list(carried), order)
    return source


def legs_held(source: ActiveSource) -> list[bool]:
    """Which legs HOLD_STANCE holds when it is entered now; the mode before it is damped."""
    fill(source, Mode.DAMP)
    fill(source, Mode.HOLD_STANCE)
    held = [stiffness > 0.0 for stiffness in source.stiffness]
    assert held[0:3] == [held[0]] * 3 and held[3:6] == [held[3]] * 3
    return [held[0], held[3]]


class TestFeet:
    @pytest.mark.parametrize("parts", [(100.0, 0.0), (0.0, 100.0), (62.5, 37.5)])
    def test_a_leg_is_loaded_from_beyond_its_threshold_on(
        self, source: ActiveSource, limits: SafetyLimits, parts: tuple[float, float]
    ) -> None:
        """The two sensors of a foot count together."""
        assert limits.timing.stance_load_n == sum(parts) == 100.0
        load(source, *parts, *parts)
        assert legs_held(source) == [False, False]
        more = [part + 1e-9 if part == max(parts) else part for part in parts]
        load(source, *more, *parts)
        assert legs_held(source) == [True, False]
        load(source, *parts, *more)
        assert legs_held(source) == [False, True]

    def test_without_load_cells_the_upward_force_counts(self, source: ActiveSource) -> None:
        cells = {"available": ALL & ~Signal.FOOT_LOAD, "foot_load_n": np.full(4, 500.0)}
        sideways = np.array([500.0, 500.0, 100.0, 500.0, 500.0, 100.0])
        see(source, exo_state(0, foot_force_n=sideways, **cells))
        assert legs_held(source) == [False, False]
        for side, upward in enumerate((2, 5)):
            force = sideways.copy()
            force[upward] = nextafter(100.0, inf)
            see(source, exo_state(0, foot_force_n=force, **cells))
            assert legs_held(source) == [side == 0, side == 1]

    def test_load_cells_come_before_the_force(self, source: ActiveSource) -> None:
        load(source, 200.0, 0.0, 0.0, 0.0, foot_force_n=np.array([0.0, 0.0, 0.0, 0.0, 0.0, 500.0]))
        assert legs_held(source) == [True, False]

    def test_without_any_sensor_both_legs_count_as_loaded(self, source: ActiveSource) -> None:
        assert legs_held(source) == [True, True], "nothing seen yet"
        load(source, 0.0, 0.0, 0.0, 0.0)
        assert legs_held(source) == [False, False]
        blind = ALL & ~(Signal.FOOT_LOAD | Signal.FOOT_WRENCH)
        load(source, 0.0, 0.0, 0.0, 0.0, available=blind, foot_valid=0)
        assert legs_held(source) == [True, True]

    @pytest.mark.parametrize(("valid", "held"), [(0b01, [False, True]), (0b10, [True, False])])
    def test_a_foot_that_is_not_measured_keeps_its_last_word(
        self, source: ActiveSource, valid: int, held: list[bool]
    ) -> None:
        load(source, 300.0, 0.0, 300.0, 0.0)
        load(source, 0.0, 0.0, 0.0, 0.0, foot_valid=valid)
        assert legs_held(source) == held


class TestModes:
    def test_nothing_is_asked_for_before_the_first_tick(self, source: ActiveSource) -> None:
        lists = (source.torque, source.stiffness, source.damping, source.reference, source.speed, source.cap)
        assert lists == (NOTHING,) * 6 and source.bits == [0] * 6 and source.ticks == 0

    @pytest.mark.parametrize("mode", list(Mode))
    def test_ticks_are_counted_from_the_first_of_a_mode(self, source: ActiveSource, mode: Mode) -> None:
        assert [fill(source, mode, order=asks()).ticks for _ in range(3)] == [0, 1, 2]
        other = Mode.DAMP if mode == Mode.ZERO else Mode.ZERO
        assert [fill(source, m, order=asks()).ticks for m in (other, other, mode)] == [0, 1, 0]

    @pytest.mark.parametrize("mode", [Mode.ZERO, Mode.DAMP, Mode.TRAIN])
    def test_without_an_order_there_is_nothing_active(self, source: ActiveSource, mode: Mode) -> None:
        much = asks(torque=9.0, stiffness=1e4, damping=1e4, reference=0.1, speed=99.0)
        fill(source, Mode.TRAIN, order=much)
        assert all(source.bits) and all(source.cap)
        fill(source, mode, order=None if mode == Mode.TRAIN else much)
        lists = (source.torque, source.stiffness, source.damping, source.speed, source.cap)
        assert lists == (NOTHING,) * 5 and source.bits == [0] * 6

    @pytest.mark.parametrize("mode", [Mode.HOLD_STANCE, Mode.HOMING, Mode.STAND])
    def test_an_order_is_for_training_only(self, source: ActiveSource, mode: Mode) -> None:
        fill(source, mode, order=asks(torque=9.0, reference=0.7, speed=1.0))
        assert (source.torque, source.reference, source.speed) == (NOTHING, HERE, NOTHING)

    @pytest.mark.parametrize(
        ("first", "then", "kept"),
        [
            (Mode.HOMING, Mode.STAND, True),
            (Mode.STAND, Mode.HOMING, True),
            (Mode.HOMING, Mode.HOLD_STANCE, False),
            (Mode.HOLD_STANCE, Mode.STAND, False),
            (Mode.STAND, Mode.ZERO, False),
            (Mode.TRAIN, Mode.STAND, False),
            (Mode.DAMP, Mode.HOMING, False),
        ],
    )
    def test_a_posture_is_kept_from_lock_to_lock_only(
        self, source: ActiveSource, first: Mode, then: Mode, kept: bool
    ) -> None:
        fill(source, first, order=asks())
        fill(source, then, angle=THERE)
        assert source.reference == (HERE if kept else THERE)
        fill(source, then, angle=HERE)
        assert source.reference == (HERE if kept else THERE), "only the first tick of a mode looks"


class TestTrain:
    def test_the_order_is_passed_on_scaled(self, source: ActiveSource, limits: SafetyLimits) -> None:
        rows = {name: [n + 0.25 * i for i in range(6)] for n, name in enumerate(("torque", "stiffness"), 8)}
        order = asks(**rows, damping=HERE[:2] * 3, reference=HERE, speed=THERE)
        fill(source, Mode.TRAIN, 0.5, order=order)
        assert source.torque == [0.5 * v for v in order.torque]
        assert source.stiffness == [0.5 * v for v in order.stiffness]
        assert source.damping == [0.5 * v for v in order.damping]
        assert (source.reference, source.speed) == (HERE, THERE), "where to and how fast are not scaled"
        assert source.cap == of_joints(limits, "torque_nm") and source.bits == [0] * 6

    @pytest.mark.parametrize(
        ("name", "limit", "sign", "bit"),
        [
            ("stiffness", "stiffness_nm_rad", 1.0, Reason.TORQUE_LIMIT),
            ("damping", "damping_nms_rad", 1.0, Reason.TORQUE_LIMIT),
            ("reference", "angle_min_rad", 1.0, Reason.SOFT_WALL),
            ("reference", "angle_max_rad", 1.0, Reason.SOFT_WALL),
            ("speed", "velocity_rad_s", 1.0, Reason.VELOCITY_LIMIT),
            ("speed", "velocity_rad_s", -1.0, Reason.VELOCITY_LIMIT),
        ],
    )
    @pytest.mark.parametrize("joint", range(6))
    def test_what_an_order_may_say(
        self, source: ActiveSource, limits: SafetyLimits, name: str, limit: str, sign: float, bit: Reason,
        joint: int,
    ) -> None:  # fmt: skip
        """At its limit it is passed on; beyond it is cut to it, and told, for that joint alone."""
        edge = sign * getattr(limits.joints[joint], limit)
        row = [0.0] * 6
        row[joint] = edge
        fill(source, Mode.TRAIN, order=asks(**{name: row}))
        assert getattr(source, name) == row and source.bits == [0] * 6
        beyond = list(row)
        beyond[joint] = nextafter(edge, sign * inf if limit != "angle_min_rad" else -inf)
        fill(source, Mode.TRAIN, order=asks(**{name: beyond}))
        assert getattr(source, name) == row
        assert source.bits == [int(bit) if i == joint else 0 for i in range(6)]

    def test_all_that_is_wrong_is_told(self, source: ActiveSource) -> None:
        every = int(Reason.TORQUE_LIMIT | Reason.SOFT_WALL | Reason.VELOCITY_LIMIT)
        fill(source, Mode.TRAIN, order=asks(stiffness=1e4, reference=9.0, speed=99.0))
        assert source.bits == [every] * 6
        fill(source, Mode.TRAIN, order=asks(torque=2.0))
        assert source.bits == [0] * 6, "of this tick only"


class TestHandover:
    """The standing lock and the order, each with its share, until the order has all of it."""

    ORDER = asks(torque=8.0, stiffness=100.0, damping=3.0, reference=THERE, speed=0.6)

    @staticmethod
    def torque(source: ActiveSource, angle: float, speed: float) -> np.ndarray:
        """What the drives give at one angle and speed of all joints."""
        row = {name: np.array(getattr(source, name)) for name in ("torque", "stiffness", "damping")}
        spring = row["stiffness"] * (np.array(source.reference) - angle)
        return row["torque"] + spring + row["damping"] * (np.array(source.speed) - speed)

    @pytest.mark.parametrize("lock", [Mode.STAND, Mode.HOMING, Mode.HOLD_STANCE])
    @pytest.mark.parametrize("scale", [1.0, 0.5, 1e-3])
    def test_two_springs_pull_as_one(self, limits: SafetyLimits, lock: Mode, scale: float) -> None:
        """At every tick, angle and speed: what is left of the lock, and what there is of the order."""
        source, full = ActiveSource(limits, PERIOD), round(limits.timing.handover_s / PERIOD)
        fill(source, lock)
        stiffness = np.array(of_joints(limits, "hold_stiffness_nm_rad"))
        damping = np.array(of_joints(limits, "hold_damping_nms_rad"))
        for k in range(full):
            fill(source, Mode.TRAIN, scale, angle=THERE, order=self.ORDER)
            share = k / full
            for angle, speed in ((0.0, 0.0), (0.4, 0.0), (0.1, -0.5), (0.1, 0.9)):
                held = stiffness * (np.array(HERE) - angle) - damping * speed
                asked = 8.0 + 100.0 * (np.array(THERE) - angle) + 3.0 * (0.6 - speed)
                mixed = scale * ((1.0 - share) * held + share * asked)
                np.testing.assert_allclose(self.torque(source, angle, speed), mixed, atol=1e-9)
            np.testing.assert_allclose(source.stiffness, scale * ((1 - share) * stiffness + share * 100.0))
            assert source.cap == of_joints(limits, "torque_nm"), "the window is the controller's"

    def test_then_the_order_is_passed_on_untouched(self, limits: SafetyLimits) -> None:
        source, full = ActiveSource(limits, PERIOD), round(limits.timing.handover_s / PERIOD)
        order = asks(torque=7.7, stiffness=3.0, damping=0.3, reference=0.1, speed=0.7)
        assert (order.stiffness[0] * 0.1) / order.stiffness[0] != 0.1, "a mix with nothing would be seen"
        fill(source, Mode.STAND)
        for _ in range(full):
            fill(source, Mode.TRAIN, order=order)
            assert source.reference != order.reference
        fill(source, Mode.TRAIN, order=order)
        passed = (source.torque, source.stiffness, source.damping, source.reference, source.speed)
        assert passed == (order.torque, order.stiffness, order.damping, order.reference, order.speed)

    @pytest.mark.parametrize("before", [Mode.ZERO, Mode.DAMP])
    def test_from_no_lock_the_order_has_it_all_at_once(self, source: ActiveSource, before: Mode) -> None:
        fill(source, before)
        fill(source, Mode.TRAIN, angle=THERE, order=self.ORDER)
        assert (source.torque, source.stiffness) == ([8.0] * 6, [100.0] * 6)

    def test_an_order_without_gains_and_a_permit_of_nothing(self, source: ActiveSource) -> None:
        fill(source, Mode.STAND)
        fill(source, Mode.TRAIN, 0.0, order=self.ORDER)
        assert (source.torque, source.stiffness, source.damping) == (NOTHING,) * 3
        assert (source.reference, source.speed) == (THERE, [0.6] * 6)

    def test_a_handover_shorter_than_a_tick_takes_one(self, limits: SafetyLimits) -> None:
        source = ActiveSource(with_timing(limits, handover_s=0.3 * PERIOD), PERIOD)
        fill(source, Mode.STAND)
        fill(source, Mode.TRAIN, order=self.ORDER)
        assert source.torque == NOTHING and source.reference == pytest.approx(HERE)
        fill(source, Mode.TRAIN, order=self.ORDER)
        assert source.torque == [8.0] * 6

    def test_only_once(self, source: ActiveSource) -> None:
        """A stop between standing and training leaves nothing of the lock."""
        for mode in (Mode.STAND, Mode.TRAIN, Mode.DAMP, Mode.TRAIN):
            fill(source, mode, order=self.ORDER)
        assert source.torque == [8.0] * 6


class TestHoldStance:
    @pytest.mark.parametrize("scale", [1.0, 0.5])
    def test_the_torque_carried_fades_within_a_quarter_of_the_longest_hold(
        self, source: ActiveSource, limits: SafetyLimits, scale: float
    ) -> None:
        fade = round(0.25 * limits.timing.hold_stance_s / PERIOD)
        for k in range(fade + 5):
            carried = CARRIED if k == 0 else [99.0] * 6
            fill(source, Mode.HOLD_STANCE, scale, angle=HERE if k == 0 else THERE, carried=carried)
            left = scale * max(0.0, 1.0 - k / fade)
            assert source.torque == pytest.approx([left * torque for torque in CARRIED], abs=1e-12), k
            assert (source.torque == NOTHING) is (k >= fade)
            assert source.reference == HERE and source.speed == NOTHING and source.bits == [0] * 6
        for name in ("stiffness", "damping"):
            whole = of_joints(limits, f"hold_{name}_{'nm_rad' if name == 'stiffness' else 'nms_rad'}")
            assert getattr(source, name) == [scale * value for value in whole]
        assert source.cap == of_joints(limits, "hold_nm")

    def test_what_is_carried_is_capped(self, source: ActiveSource, limits: SafetyLimits) -> None:
        most = of_joints(limits, "hold_nm")
        fill(source, Mode.HOLD_STANCE, carried=[1e3, -1e3] * 3)
        assert source.torque == [cap * (-1) ** i for i, cap in enumerate(most)]
        fill(source, Mode.DAMP)
        fill(source, Mode.HOLD_STANCE, 0.5, carried=[1.5 * cap for cap in most])
        assert source.torque == [0.75 * cap for cap in most], "the cap is on what is given"

    def test_a_swing_leg_is_let_go(self, source: ActiveSource, limits: SafetyLimits) -> None:
        load(source, 300.0, 300.0, 0.0, 0.0)
        fill(source, Mode.TRAIN, order=asks(torque=5.0, stiffness=50.0, damping=2.0))
        load(source, 0.0, 0.0, 300.0, 300.0)
        fill(source, Mode.HOLD_STANCE, carried=CARRIED)
        load(source, 300.0, 300.0, 300.0, 300.0)
        for _ in range(3):
            for row in (source.torque, source.stiffness, source.damping, source.cap):
                assert row[LEFT] == [0.0] * 3 and all(row[RIGHT])
            fill(source, Mode.HOLD_STANCE, carried=CARRIED)

    def test_a_fade_shorter_than_a_tick_takes_one(self, limits: SafetyLimits) -> None:
        source = ActiveSource(with_timing(limits, hold_stance_s=2.0 * PERIOD), PERIOD)
        torques = [fill(source, Mode.HOLD_STANCE, carried=CARRIED).torque for _ in range(2)]
        assert torques == [CARRIED, NOTHING]


class TestStand:
    @pytest.mark.parametrize("scale", [1.0, 0.5])
    def test_the_lock(self, source: ActiveSource, limits: SafetyLimits, scale: float) -> None:
        fill(source, Mode.STAND, scale, carried=[9.0] * 6)
        assert (source.torque, source.speed, source.reference) == (NOTHING, NOTHING, HERE)
        assert source.stiffness == [scale * v for v in of_joints(limits, "hold_stiffness_nm_rad")]
        assert source.damping == [scale * v for v in of_joints(limits, "hold_damping_nms_rad")]
        assert source.cap == of_joints(limits, "hold_nm") and source.bits == [0] * 6

    @pytest.mark.parametrize(
        ("loads", "lifted"), [((0.0, 0.0, 300.0, 0.0), LEFT), ((300.0, 0.0, 0.0, 0.0), RIGHT)]
    )
    def test_an_unloaded_leg_is_led_upright_at_its_speed(
        self, source: ActiveSource, limits: SafetyLimits, loads: tuple[float, ...], lifted: slice
    ) -> None:
        load(source, *loads)
        step, upright = limits.timing.stand_speed_rad_s * PERIOD, np.array(of_joints(limits, "stand_rad"))
        start = np.array(HERE)
        for k in range(1, 800):
            fill(source, Mode.STAND, angle=HERE if k == 1 else THERE)
            moved = start.copy()
            away = upright[lifted] - start[lifted]
            moved[lifted] += np.sign(away) * np.minimum(np.abs(away), k * step)
            np.testing.assert_allclose(source.reference, moved, atol=1e-12)
        np.testing.assert_allclose(np.array(source.reference)[lifted], upright[lifted])

    def test_the_posture_handed_out_is_not_written_on(self, source: ActiveSource) -> None:
        load(source, 0.0, 0.0, 0.0, 0.0)
        entered = list(HERE)
        source.fill(int(Mode.STAND), 1.0, entered, list(NOTHING), None)
        first = source.reference
        kept = list(first)
        fill(source, Mode.STAND)
        assert entered == HERE and first == kept and source.reference != kept


class TestHoming:
    @pytest.mark.parametrize("scale", [1.0, 0.5])
    def test_a_weak_lock_and_one_test_torque(
        self, source: ActiveSource, limits: SafetyLimits, scale: float
    ) -> None:
        schedule, weak = HomingSchedule(limits, PERIOD), of_joints(limits, "homing_nm")
        load(source, 0.0, 0.0, 0.0, 0.0)
        for k in range(schedule.end + 3):
            fill(source, Mode.HOMING, scale)
            joint, torque = schedule.torque(k)
            assert source.torque == [scale * torque if i == joint else 0.0 for i in range(6)], k
            assert source.reference == HERE, "no leg is led anywhere"
        assert source.cap == [3.0 * torque for torque in weak]
        assert source.stiffness == [scale * v for v in of_joints(limits, "hold_stiffness_nm_rad")]
        assert source.damping == [scale * v for v in of_joints(limits, "hold_damping_nms_rad")]

    @pytest.mark.parametrize("mode", list(Mode))
    def test_lines_of_the_emergency_stop_are_opened_in_homing_only(
        self, source: ActiveSource, limits: SafetyLimits, mode: Mode
    ) -> None:
        schedule = HomingSchedule(limits, PERIOD)
        for k in range(schedule.settle + 5):
            fill(source, mode)
            assert source.lines == (schedule.lines(k) if mode == Mode.HOMING else 0), k

    @pytest.mark.parametrize("mode", [mode for mode in Mode if mode != Mode.HOMING])
    @pytest.mark.parametrize("line", [1, 2])
    def test_another_mode_ends_the_turn_of_a_line(self, source: ActiveSource, mode: Mode, line: int) -> None:
        assert source.lines == 0
        while fill(source, Mode.HOMING).lines != line:
            pass
        # An order, which only training follows, ends it too.
        assert fill(source, mode, order=asks(torque=1.0)).lines == 0
        assert fill(source, Mode.HOMING).lines == 0, "and the next self-test begins with its calm"
