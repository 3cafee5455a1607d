"""Missing samples, spikes and jumps, groups that go, and the clock: each bound from both sides."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter
from types import SimpleNamespace
from typing import Any

import pytest
from safety_faults import looks
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.detect_sensors import ClockDetector, GuardDetector
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, DeviceFault, Signal

WARN, REDUCE, STOP = Action.WARN, Action.REDUCE, Action.SOFT_STOP
NAMES = ("hip left", "knee left", "ankle left", "hip right", "knee right", "ankle right")


class Samples:
    """Feeds a detector with a guard's verdict and a device's own bits."""

    def __init__(self, limits: SafetyLimits) -> None:
        self.limits, self.sensors = limits, limits.detect.sensors
        (self.snap,) = looks(limits, [exo_state(1)])
        self.renew()

    def renew(self) -> None:
        self.detector = GuardDetector(self.limits)
        self.seq = 4999  # in the middle of a session

    def tick(self, problem: str = "", **changes: Any) -> list[Finding]:
        """One tick: ``missing``, ``spike``, ``wrap`` and ``jump`` are the guard's, all else the device's."""
        self.seq += 1
        masks = {name: changes.pop(name, 0) for name in ("missing", "spike", "wrap", "jump")}
        guard: Any = SimpleNamespace(problem=problem, **masks)
        found: list[Finding] = []
        exo = replace(self.snap.exo, **changes)
        self.detector.step(replace(self.snap, seq=self.seq, exo=exo), guard, found)
        return found


@pytest.fixture
def samples(limits: SafetyLimits) -> Samples:
    return Samples(limits)


class TestJoints:
    def test_a_sound_tick_says_nothing(self, samples: Samples) -> None:
        assert samples.tick() == samples.tick() == []

    def test_a_state_that_cannot_be_read_says_nothing_else(self, samples: Samples) -> None:
        told = [Finding("F03", STOP, "ExoState.angle_rad[2]")]
        for _ in range(3):
            assert samples.tick("angle_rad[2]", missing=1, spike=2, jump=4, wrap=8, foot_valid=0) == told
        assert samples.tick(missing=1) == [Finding("F01", WARN, "hip left")], "nor is it counted"

    @pytest.mark.parametrize("joint", range(6))
    def test_a_sample_missing_once_and_twice(self, samples: Samples, joint: int) -> None:
        warned, stopped = Finding("F01", WARN, NAMES[joint]), Finding("F01", STOP, NAMES[joint])
        found = [samples.tick(missing=gone << joint) for gone in (1, 1, 0, 1)]
        assert found[:3] == [[warned], [stopped], []]
        assert found[3] == [warned, Finding("F01", REDUCE, NAMES[joint])], "the third within the window"

    def test_each_joint_is_counted_for_itself(self, samples: Samples) -> None:
        assert samples.tick(missing=0b000011) == [Finding("F01", WARN, "hip left, knee left")]
        assert samples.tick(missing=0b100010) == [Finding("F01", STOP, "knee left")]
        samples.renew()
        assert samples.tick(missing=0b000001) == [Finding("F01", WARN, "hip left")]
        assert samples.tick(missing=0b100000) == [Finding("F01", WARN, "ankle right")]
        samples.renew()
        assert samples.tick(missing=0b111111) == [Finding("F01", WARN, ", ".join(NAMES))]
        assert samples.tick(missing=0b111111) == [Finding("F01", STOP, ", ".join(NAMES))]

    def test_a_treadmill_without_a_robot_has_no_joints(self, samples: Samples) -> None:
        bare = {"available": int(Signal.PELVIS), "missing": 0b111111, "joint_valid": 0}
        assert [samples.tick(**bare) for _ in range(3)] == [[]] * 3
        assert samples.tick() == []
        assert samples.tick(**bare)[0] == Finding("F01", WARN, ", ".join(NAMES)), "it had them"

    @pytest.mark.parametrize("joint", range(6))
    def test_jumps_stop_and_wraps_warn(self, samples: Samples, joint: int) -> None:
        assert samples.tick(jump=1 << joint) == [Finding("F05", STOP, NAMES[joint])]
        assert samples.tick(wrap=1 << joint) == [Finding("F05", WARN, NAMES[joint])]

    def test_so_many_spikes_within_the_window_stop(self, samples: Samples) -> None:
        window, count = samples.sensors.spike_window_ticks, samples.sensors.spike_count
        warned, stopped = Finding("F04", WARN, "knee left"), Finding("F04", STOP, "knee left")
        for last, told in ((window - 1, [warned, stopped]), (window, [warned])):
            samples.renew()
            spikes = {0, *range(last - count + 2, last + 1)}
            found = [samples.tick(spike=2 * (n in spikes)) for n in range(last + 1)]
            assert found == [[warned] if n in spikes else [] for n in range(last)] + [told]

    def test_spikes_count_until_they_are_too_long_ago(self, samples: Samples) -> None:
        window, count = samples.sensors.spike_window_ticks, samples.sensors.spike_count
        found = [samples.tick(spike=2 * (n < count)) for n in range(window + 1)]
        assert found[count:] == [[Finding("F04", STOP)]] * (window - count) + [[]]


class TestGaps:
    def test_so_many_within_the_window_make_the_robot_give_way(self, samples: Samples) -> None:
        """Every other tick at the end, since two in a row would stop."""
        window, count = samples.sensors.spike_window_ticks, samples.sensors.spike_count
        assert count == 3
        warned, reduced = Finding("F01", WARN, "hip right"), Finding("F01", REDUCE, "hip right")
        for last, told in ((window - 1, [warned, reduced]), (window, [warned])):
            samples.renew()
            gaps = {0, last - 2, last}
            found = [samples.tick(missing=8 * (n in gaps)) for n in range(last + 1)]
            assert found == [[warned] if n in gaps else [] for n in range(last)] + [told]
            assert samples.tick() == [], "only as one more comes"

    def test_the_place_is_that_of_the_last_gap(self, samples: Samples) -> None:
        for change in ({"missing": 8}, {"foot_valid": 0b01}):
            samples.tick(**change)
            samples.tick()
        found = samples.tick(missing=8, segment_valid=0b111110, spike=1)
        assert [f for f in found if f.action == REDUCE] == [Finding("F01", REDUCE, "thigh left")]


class TestGroups:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"foot_valid": 0b10}, "foot left"),
            ({"foot_valid": 0b01}, "foot right"),
            ({"segment_valid": 0b111110}, "thigh left"),
            ({"segment_valid": 0b111101}, "shank left"),
            ({"segment_valid": 0b011111}, "foot right"),
            ({"available": ALL & ~2}, "joint torque"),
            ({"available": ALL & ~4}, "cuffs"),
            ({"available": ALL & ~8}, "foot load"),
            ({"available": ALL & ~16}, "foot force"),
            ({"available": ALL & ~32}, "pelvis"),
            ({"available": ALL & ~64}, "segments"),
            ({"device_faults": int(DeviceFault.SENSOR_MISSING)}, "a sensor the device names"),
            ({"foot_valid": 0, "segment_valid": 0b101111, "available": ALL & ~(2 | 32)},
             "foot left, foot right, shank right, joint torque, pelvis"),
        ],
    )  # fmt: skip
    def test_what_is_missing_once_and_twice(
        self, samples: Samples, change: dict[str, Any], words: str
    ) -> None:
        warned, stopped = Finding("F01", WARN, words), Finding("F01", STOP, words)
        assert samples.tick() == []
        found = [samples.tick(**now) for now in (change, change, {}, change)]
        assert found == [[warned], [stopped], [], [warned, Finding("F01", REDUCE, words)]]

    def test_a_gap_in_the_first_tick_is_one_as_well(self, samples: Samples) -> None:
        assert samples.tick(foot_valid=0b10) == [Finding("F01", WARN, "foot left")]

    def test_the_joints_group_is_the_guards(self, samples: Samples) -> None:
        samples.tick()
        assert samples.tick(available=ALL & ~1) == []

    @pytest.mark.parametrize(
        ("have", "field", "told"),
        [
            (0, "foot_valid", False),
            (8, "foot_valid", True),
            (16, "foot_valid", True),
            (0, "segment_valid", False),
            (4, "segment_valid", True),
            (64, "segment_valid", True),
        ],
    )
    def test_valid_bits_count_where_there_is_a_sensor(
        self, samples: Samples, have: int, field: str, told: bool
    ) -> None:
        assert bool(samples.tick(available=1 | have, **{field: 0})) is told

    def test_other_words_of_the_device_are_no_gap(self, samples: Samples) -> None:
        others = sum(DeviceFault) & ~DeviceFault.SENSOR_MISSING
        assert samples.tick(device_faults=int(others)) == []

    def test_what_a_device_never_had_is_not_missed(self, samples: Samples) -> None:
        assert [samples.tick(available=1) for _ in range(5)] == [[]] * 5


class TestClock:
    CONTROL = Finding("F07", STOP, "control time is not seq x period")

    def told(self, snap: Snapshot, detector: ClockDetector, stamp: float, **time: Any) -> list[Finding]:
        """One tick measured at ``stamp``; control time is right unless told otherwise."""
        seq, now = time.get("seq", 0), time.get("now", 0.0)
        exo = replace(snap.exo, stamp_s=stamp, time_s=seq * PERIOD + now)
        found: list[Finding] = []
        detector.step(replace(snap, seq=seq, exo=exo), found)
        return found

    def test_measurement_time_advances_by_a_few_periods_at_most(
        self, limits: SafetyLimits, samples: Samples
    ) -> None:
        most = limits.detect.sensors.clock_ticks * PERIOD
        assert f"{most * 1e3:.1f}" == "15.0"
        for step, words in (
            (most, None),
            (nextafter(most, inf), "step of 15.0 ms"),
            (1e-9, None),
            (0.0, "step of 0.0 ms"),
            (-0.1, "step of -100.0 ms"),
            (1.0, "step of 1000.0 ms"),
        ):
            detector = ClockDetector(limits, PERIOD)
            assert self.told(samples.snap, detector, 0.0) == []
            told = [] if words is None else [Finding("F07", STOP, words)]
            assert self.told(samples.snap, detector, step) == told
            assert self.told(samples.snap, detector, step + PERIOD) == [], "told once"

    def test_the_first_stamp_may_be_any(self, limits: SafetyLimits, samples: Samples) -> None:
        for stamp in (0.0, -7.0, 1e6):
            assert self.told(samples.snap, ClockDetector(limits, PERIOD), stamp) == []

    def test_control_time_is_the_number_of_the_tick(self, limits: SafetyLimits, samples: Samples) -> None:
        half = 0.5 * PERIOD
        for off, told in ((half, False), (nextafter(half, inf), True)):
            for now in (off, -off):
                found = self.told(samples.snap, ClockDetector(limits, PERIOD), 0.0, now=now)
                assert found == [self.CONTROL] * told
        detector = ClockDetector(limits, PERIOD)
        assert self.told(samples.snap, detector, 0.0, seq=400) == []
        assert self.told(samples.snap, detector, 0.005, seq=401, now=0.003) == [self.CONTROL]
        told = [Finding("F07", STOP, "step of -5.0 ms")]
        assert self.told(samples.snap, detector, 0.0, seq=402, now=0.003) == told, "one of both is enough"
