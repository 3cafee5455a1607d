"""What the kernel lets in, at its boundaries: the last value that passes and the first that does not."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter

import numpy as np
import pytest
from safety_world import exo_state

from exostride.safety.intake import (
    PLACES,
    Rows,
    Sequence,
    environment_order_ok,
    exo_values,
    finite,
    joint_order,
    number,
    permit_ok,
    whole,
)
from exostride.types import (
    AssistCommand,
    EnvironmentCommand,
    ExoState,
    GaitPhase,
    SafetyPermit,
    Signal,
)

HUGE = 1e9
LARGEST_TICK = (1 << 62) - 1
NO_WORDS = (None, "1", 1.0, np.nan, np.zeros(2), np.ones(1), [1], object())
"""What is none of the numbers of an enumeration."""

GROUPS = {
    Signal.JOINT_ANGLE: ("angle_rad", "velocity_rad_s"),
    Signal.JOINT_TORQUE: ("joint_torque_nm", "motor_torque_nm"),
    Signal.CUFF: ("cuff_torque_nm", "cuff_force_n"),
    Signal.FOOT_LOAD: ("foot_load_n",),
    Signal.FOOT_WRENCH: ("foot_force_n", "foot_cop_m"),
    Signal.PELVIS: (
        "pelvis_position_m", "pelvis_velocity_m_s", "pelvis_orientation", "pelvis_gyro_rad_s",
        "pelvis_accel_m_s2",
    ),
    Signal.SEGMENT: ("segment_angle_rad", "segment_rate_rad_s", "segment_accel_m_s2"),
}  # fmt: skip
"""What a device that lacks a signal does not measure."""
OWNED = [
    ("joint_valid", 6, ("angle_rad", "velocity_rad_s", "joint_torque_nm", "motor_torque_nm",
                        "motor_temperature_c")),
    ("foot_valid", 2, ("foot_load_n", "foot_force_n", "foot_cop_m")),
    ("segment_valid", 6, ("cuff_torque_nm", "cuff_force_n", "segment_angle_rad", "segment_rate_rad_s",
                          "segment_accel_m_s2")),
]  # fmt: skip
"""Which valid bits speak for which values, and of how many joints, feet or segments."""


def poisoned(name: str, index: int | None = None, **changes: object) -> ExoState:
    """A state in which one value of a vector, or all of them, are no number."""
    state = exo_state(0)
    value = getattr(state, name).copy()
    value[slice(None) if index is None else index] = np.nan
    return replace(state, **{name: value, **changes})


class TestNumbers:
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_a_vector_is_sensible_up_to_a_billion(self, sign: float) -> None:
        assert finite(np.array([0.0, sign * nextafter(HUGE, 0.0)]), 2)
        assert not finite(np.array([0.0, sign * HUGE]), 2)

    @pytest.mark.parametrize("length", [0, 5, 7])
    def test_a_vector_of_another_length_is_none(self, length: int) -> None:
        assert finite(np.zeros(length), length) and not finite(np.zeros(length), 6)

    def test_a_number_may_stand_on_either_end(self) -> None:
        for value, good in ((-1.0, True), (nextafter(-1.0, -2.0), False), (2, True), (2.0, True)):
            assert number(value, -1.0, 2.0) is good
        assert not number(nextafter(2.0, inf), -1.0, 2.0) and not number(3, -1.0, 2.0)

    def test_ticks_that_fit_a_word(self) -> None:
        assert [whole(n) for n in (-1, 0, LARGEST_TICK, LARGEST_TICK + 1)] == [False, True, True, False]


class TestRows:
    def test_rows_are_sensible_up_to_a_billion(self) -> None:
        rows = Rows(2, "phase", "rate_hz")
        for most, sound in ((nextafter(HUGE, 0.0), True), (HUGE, False)):
            gait = GaitPhase(1, 0.0, phase=np.array([0.0, most]), rate_hz=np.zeros(2))
            assert rows.read(gait) == ([0.0, most, 0.0, 0.0], sound)

    @pytest.mark.parametrize("lengths", [(1, 3), (3, 1), (2, 3), (1, 1), (0, 4)])
    def test_each_row_has_its_length_not_only_all_together(self, lengths: tuple[int, int]) -> None:
        phase, rate = (np.zeros(length) for length in lengths)
        assert Rows(2, "phase", "rate_hz").read(GaitPhase(1, 0.0, phase=phase, rate_hz=rate)) == ([], False)


class TestState:
    @pytest.mark.parametrize("name", list(PLACES))
    def test_the_value_that_is_wrong_is_named(self, name: str) -> None:
        by_joint = not name.startswith("pelvis")
        for index in range(len(getattr(exo_state(0), name))):
            problem, values = exo_values(poisoned(name, index))
            assert problem == (f"{name}[{index}]" if by_joint else name)
            assert [n for n, value in enumerate(values) if np.isnan(value)] == [PLACES[name].start + index]

    @pytest.mark.parametrize("name", ["battery_fraction", "time_s", "stamp_s"])
    @pytest.mark.parametrize("value", [np.nan, inf, -inf])
    def test_so_is_a_single_number(self, name: str, value: float) -> None:
        problem, values = exo_values(replace(exo_state(0), **{name: value}))
        assert problem == name and len(values) == PLACES["motor_temperature_c"].stop

    @pytest.mark.parametrize(("bits", "count", "names"), OWNED, ids=[bits for bits, _, _ in OWNED])
    def test_a_valid_bit_speaks_for_its_own_values(
        self, bits: str, count: int, names: tuple[str, ...]
    ) -> None:
        everyone = (1 << count) - 1
        for name in names:
            each = len(getattr(exo_state(0), name)) // count
            for who in range(count):
                for index in range(who * each, (who + 1) * each):
                    silent = poisoned(name, index, **{bits: everyone & ~(1 << who)})
                    assert exo_values(silent)[0] == "", (name, index)
                    only = poisoned(name, index, **{bits: 1 << who})
                    assert exo_values(only)[0] == f"{name}[{index}]"

    @pytest.mark.parametrize(("group", "names"), list(GROUPS.items()))
    def test_what_a_device_lacks_is_no_fault(self, group: Signal, names: tuple[str, ...]) -> None:
        """Nor does it hide what is wrong with a value it has."""
        lacking = int(sum(Signal)) & ~group
        for name in names:
            state = poisoned(name, available=lacking)
            assert exo_values(state)[0] == ""
            assert exo_values(replace(state, stamp_s=np.nan))[0] == "stamp_s"
            warm = exo_state(0).motor_temperature_c.copy()
            warm[5] = np.nan
            assert exo_values(replace(state, motor_temperature_c=warm))[0] == "motor_temperature_c[5]"

    def test_a_temperature_needs_no_signal_but_its_joint(self) -> None:
        assert exo_values(poisoned("motor_temperature_c", 4, available=0))[0] == "motor_temperature_c[4]"
        assert exo_values(poisoned("motor_temperature_c", 4, available=0, joint_valid=0b101111))[0] == ""

    def test_huge_numbers_are_numbers(self) -> None:
        """Their squares are none, which must not be taken for damage."""
        state = exo_state(0, foot_force_n=np.full(6, 1e200))
        with np.errstate(over="ignore"):
            assert exo_values(state)[0] == ""

    @pytest.mark.parametrize("swapped", [("angle_rad", "cuff_force_n"), ("foot_cop_m", "pelvis_gyro_rad_s")])
    def test_vectors_that_only_together_are_long_enough(self, swapped: tuple[str, str]) -> None:
        state = exo_state(0)
        one, other = (getattr(state, name) for name in swapped)
        bad = replace(state, **{swapped[0]: other, swapped[1]: one})
        assert exo_values(bad) == ("shape", [])


class TestOrders:
    @pytest.mark.parametrize("name", ["stiffness_nm_rad", "damping_nms_rad"])
    @pytest.mark.parametrize(("least", "good"), [(0.0, True), (5e-324, True), (-5e-324, False)])
    def test_gains_from_nothing_on(self, name: str, least: float, good: bool) -> None:
        gains = np.full(6, 9.0)
        gains[2] = least
        assert (joint_order(replace(AssistCommand(seq=1, time_s=0.0), **{name: gains})) is not None) is good

    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [
            ("belt_speed_m_s", -HUGE, HUGE),
            ("belt_acceleration_m_s2", 0.0, HUGE),
            ("unloading_percent", -HUGE, HUGE),
        ],
    )
    def test_environment_numbers_between_their_ends(self, name: str, low: float, high: float) -> None:
        for value in (low, high):
            assert environment_order_ok(replace(EnvironmentCommand(seq=0, time_s=0.0), **{name: value}))
        for value in (nextafter(low, -inf), nextafter(high, inf)):
            assert not environment_order_ok(replace(EnvironmentCommand(seq=0, time_s=0.0), **{name: value}))

    @pytest.mark.parametrize("name", ["support_kind", "harness_action"])
    def test_environment_words(self, name: str) -> None:
        base = EnvironmentCommand(seq=0, time_s=0.0)
        good = [environment_order_ok(replace(base, **{name: word})) for word in (-1, 0, 1, 2, 3)]
        assert good == [False, True, True, True, False]
        assert not any(environment_order_ok(replace(base, **{name: word})) for word in NO_WORDS)


class TestPermit:
    GOOD = SafetyPermit(seq=10, time_s=0.05, mode=5, scale=1.0, expiry_seq=14)

    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            ("expiry_seq", (0, 9, 10, 14), (-1, 15, 16)),
            ("scale", (0.0, 0.5, 1.0), (-5e-324, nextafter(1.0, 2.0))),
            ("belt_limit_m_s", (0.0, 0.5, HUGE), (-5e-324, nextafter(HUGE, inf))),
        ],
    )
    def test_what_a_permit_may_say(
        self, name: str, good: tuple[object, ...], bad: tuple[object, ...]
    ) -> None:
        assert [value for value in good if not permit_ok(replace(self.GOOD, **{name: value}), 5)] == []
        assert [value for value in bad if permit_ok(replace(self.GOOD, **{name: value}), 5)] == []

    @pytest.mark.parametrize(("name", "words"), [("mode", 6), ("harness_action", 3)])
    def test_a_word_is_one_of_so_many_whole_numbers(self, name: str, words: int) -> None:
        taken = [n for n in range(-2, 9) if permit_ok(replace(self.GOOD, **{name: n}), 5)]
        assert taken == list(range(words))
        assert not any(permit_ok(replace(self.GOOD, **{name: word}), 5) for word in NO_WORDS)


class TestSequence:
    @staticmethod
    def message(seq: object) -> AssistCommand:
        return AssistCommand(seq=seq, time_s=0.0)  # type: ignore[arg-type]

    @pytest.mark.parametrize("seq", [0, 1])
    def test_the_first_message_may_be_of_the_first_tick(self, seq: int) -> None:
        box = Sequence()
        assert (box.last, box.rejected, box.age(seq)) == (-1, 0, seq + 1)
        assert box.accept(self.message(seq), seq, 0) is True
        assert (box.last, box.rejected, box.age(seq)) == (seq, 0, 0)

    @pytest.mark.parametrize(("seq", "taken"), [(7, False), (8, True), (10, True), (11, False)])
    def test_from_the_oldest_allowed_to_the_present(self, seq: int, taken: bool) -> None:
        box = Sequence()
        assert box.accept(self.message(seq), 10, 2) is taken
        assert (box.last, box.rejected) == ((seq, 0) if taken else (-1, 1))

    def test_what_is_refused_is_counted_and_leaves_the_last(self) -> None:
        box = Sequence()
        box.accept(self.message(5), 5, 2)
        for count, seq in enumerate((5, 4, 7.0, True, None, "6"), 1):
            assert box.accept(self.message(seq), 6, 9) is False
            assert (box.last, box.rejected) == (5, count)
        assert box.accept(None, 6, 9) is False and box.rejected == 7
