"""Sensors that freeze, that leave their twin, and cuffs that press: to the tick and from both sides."""

from __future__ import annotations

from math import inf, nextafter
from typing import Any

import numpy as np
import pytest
from safety_faults import looks, quaternion
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.detect_sensors import DriftDetector, StuckDetector, segment_angles, segment_speeds
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, Signal

REDUCE, STOP = Action.REDUCE, Action.SOFT_STOP
NAMES = ("hip left", "knee left", "ankle left", "hip right", "knee right", "ankle right")
SEGMENTS = ("thigh left", "shank left", "foot left", "thigh right", "shank right", "foot right")
CELLS = ("heel cell left", "toe cell left", "heel cell right", "toe cell right")
FOREVER = 1e20
"""A period [s] that is endless to any time constant: a mean is what was measured last."""


def seen(limits: SafetyLimits, **changes: Any) -> Snapshot:
    (snap,) = looks(limits, [exo_state(1, **changes)])
    return snap


def at(n: int, value: float) -> np.ndarray:
    return np.where(np.arange(6) == n, value, 0.0)


def tell(detector: Any, snap: Snapshot) -> list[Finding]:
    found: list[Finding] = []
    detector.step(snap, found)
    return found


class TestTwins:
    ANGLES = np.array([0.5, 0.25, 0.0625, -1.0, -3.0, -10.0])

    def test_joints_follow_from_segments_and_pelvis(self, limits: SafetyLimits) -> None:
        speeds = seen(limits, segment_rate_rad_s=self.ANGLES, pelvis_gyro_rad_s=np.array([9.0, 2.0, 7.0]))
        assert segment_speeds(speeds) == [2.5, 0.25, -0.1875, 1.0, 2.0, -7.0]
        upright = seen(limits, segment_angle_rad=self.ANGLES)
        assert segment_angles(upright) == [0.5, 0.25, -0.1875, -1.0, 2.0, -7.0]
        forward = seen(limits, segment_angle_rad=self.ANGLES, pelvis_orientation=quaternion(0.25))
        assert segment_angles(forward) == pytest.approx([0.75, 0.25, -0.1875, -0.75, 2.0, -7.0])

    @pytest.mark.parametrize(
        "change",
        [
            {"available": ALL & ~int(Signal.SEGMENT)},
            {"available": ALL & ~int(Signal.PELVIS)},
            {"available": ALL & ~int(Signal.PELVIS | Signal.SEGMENT)},
            *({"segment_valid": 0b111111 & ~(1 << n)} for n in range(6)),
        ],
    )
    def test_there_is_no_angle_without_all_of_them(self, limits: SafetyLimits, change: Any) -> None:
        assert segment_angles(seen(limits, **change)) is None


class Encoders:
    """Feeds a detector with joints' angles, beside segments that all rotate."""

    def __init__(self, limits: SafetyLimits) -> None:
        self.limits = limits
        self.renew()

    def renew(self, period: float = PERIOD) -> None:
        self.detector, self.count = StuckDetector(self.limits, period), 0

    def tick(self, repeat: int = 0, rate: float = 1.0, pitch: bool = True, **changes: Any) -> list[Finding]:
        """One tick; the joints of the mask repeat. Hips move by the pelvis' rate, all others by none."""
        self.count += 1
        held = [bool(repeat >> i & 1) for i in range(6)]
        if pitch:
            changes["pelvis_gyro_rad_s"] = np.array([0.0, rate, 0.0])
        snap = seen(self.limits, foot_load_n=np.zeros(4), **changes)
        if self.count == 1:
            self.last = [0.0] * 6
        self.last = [old if h else 1e-3 * self.count + 1e-4 * i
                     for i, (old, h) in enumerate(zip(self.last, held, strict=True))]  # fmt: skip
        snap.values[0:6] = self.last
        return tell(self.detector, snap)

    def first(self, ticks: int, **changes: Any) -> int | None:
        """Return at which repetition it is told first."""
        self.tick()
        return next((n for n in range(1, ticks + 1) if self.tick(**changes)), None)


@pytest.fixture
def encoders(limits: SafetyLimits) -> Encoders:
    return Encoders(limits)


class TestStuckEncoders:
    @pytest.mark.parametrize("joint", range(6))
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_three_repetitions_at_least(self, encoders: Encoders, joint: int, sign: float) -> None:
        """However far the twin has moved; a thigh moves the hip, a shank the knee, a foot the ankle."""
        fast = {"segment_rate_rad_s": at(joint, sign * 20.0), "pitch": False}
        told = [Finding("F02", STOP, f"angle of {NAMES[joint]}")]
        encoders.tick(**fast)
        assert [encoders.tick(1 << joint, **fast) for _ in range(5)] == [[], [], told, told, told]
        assert encoders.tick(**fast) == []
        assert [encoders.tick(1 << joint, **fast) for _ in range(3)] == [[], [], told]

    def test_all_that_are_stuck_are_named(self, encoders: Encoders) -> None:
        encoders.tick(rate=20.0)
        found = [encoders.tick(0b001001, rate=20.0) for _ in range(3)]
        assert found[-1] == [Finding("F02", STOP, "angle of hip left, hip right")]

    def test_the_twin_must_have_moved(self, encoders: Encoders) -> None:
        """At 0.5 rad/s, less what is forgotten in 0.5 s: 0.25 (1 - 0.99^n) rad, beyond 0.02 in the 9th."""
        assert encoders.limits.detect.sensors.stuck_rad == 0.02
        for rate in (0.5, -0.5):
            encoders.renew()
            assert encoders.first(20, repeat=1, rate=rate) == 9

    def test_a_gyros_bias_does_not_add_up(self, encoders: Encoders) -> None:
        for rate, told in ((0.0380, False), (0.0420, True)):
            encoders.renew()
            assert (encoders.first(600, repeat=1, rate=rate) is not None) is told

    def test_how_far_from_both_sides(self, encoders: Encoders) -> None:
        """A clock so slow that all but the last tick is forgotten."""
        most = encoders.limits.detect.sensors.stuck_rad
        for rate, told in ((most, False), (nextafter(most, inf), True)):
            encoders.renew(1.0)
            assert (encoders.first(9, repeat=1, rate=rate) is not None) is told

    def test_a_change_between_begins_anew(self, encoders: Encoders) -> None:
        assert encoders.first(8, repeat=1, rate=0.5) is None
        encoders.tick(rate=0.5)
        assert [encoders.tick(1, rate=0.5) for _ in range(8)] == [[]] * 8
        assert encoders.tick(1, rate=0.5), "the ninth in a row"
        encoders.renew()
        assert encoders.first(8, repeat=0b001001, rate=0.5) is None
        encoders.tick(0b001000, rate=0.5)
        assert encoders.tick(0b001001, rate=0.5) == [Finding("F02", STOP, "angle of hip right")], "its own"

    def test_nothing_is_known_without_the_twin(self, encoders: Encoders) -> None:
        blind = {"available": ALL & ~int(Signal.SEGMENT)}
        assert encoders.first(40, repeat=0b111111, rate=20.0, **blind) is None


class Cells:
    """Feeds a detector with load cells and torque sensors; the joints all move."""

    def __init__(self, limits: SafetyLimits) -> None:
        self.limits, self.detector, self.count = limits, StuckDetector(limits, PERIOD), 0
        self.ticks = limits.detect.sensors.stuck_ticks

    def tick(self, load: list[float] | None = None, torque: list[float] | None = None) -> list[Finding]:
        self.count += 1
        available = ALL & ~(Signal.FOOT_LOAD * (load is None)) & ~(Signal.JOINT_TORQUE * (torque is None))
        snap = seen(self.limits, available=int(available))
        snap.load, snap.torque = load, torque
        snap.values[0:6] = [1e-3 * self.count] * 6
        return tell(self.detector, snap)


@pytest.fixture
def cells(limits: SafetyLimits) -> Cells:
    return Cells(limits)


@pytest.mark.parametrize("kind", ["load", "torque"])
class TestStuckCells:
    def noise(self, cells: Cells, kind: str, **stuck: float) -> list[float]:
        """Values of which none repeats, but for those given by their place."""
        n = 4 if kind == "load" else 6
        values = [100.0 + i + 0.01 * cells.count for i in range(n)]
        for place, value in stuck.items():
            values[int(place[1:])] = value
        return values

    def begin(self, cells: Cells, kind: str) -> None:
        """A device that is switched on: nothing at first, then what it measures."""
        cells.tick(**{kind: [0.0] * (4 if kind == "load" else 6)})
        assert [cells.tick(**{kind: self.noise(cells, kind)}) for _ in range(3)] == [[]] * 3

    def words(self, kind: str, *places: int) -> list[Finding]:
        names = [(CELLS if kind == "load" else NAMES)[n] for n in places]
        return [Finding("F02", STOP, ("" if kind == "load" else "torque of ") + ", ".join(names))]

    def test_one_that_repeats_for_so_long(self, cells: Cells, kind: str) -> None:
        for place in range(4 if kind == "load" else 6):
            cells.detector = StuckDetector(cells.limits, PERIOD)
            self.begin(cells, kind)
            for value in (1.0, -7.5):
                held = {f"n{place}": value}
                found = [
                    cells.tick(**{kind: self.noise(cells, kind, **held)}) for _ in range(cells.ticks + 3)
                ]
                assert found == [[]] * cells.ticks + [self.words(kind, place)] * 3
            assert cells.tick(**{kind: self.noise(cells, kind)}) == []

    def test_one_that_was_never_at_rest(self, cells: Cells, kind: str) -> None:
        for _ in range(2):
            assert cells.tick(**{kind: self.noise(cells, kind)}) == []
        found = [cells.tick(**{kind: self.noise(cells, kind, n1=42.0)}) for _ in range(cells.ticks + 1)]
        assert found == [[]] * cells.ticks + [self.words(kind, 1)]

    def test_one_that_has_never_moved(self, cells: Cells, kind: str) -> None:
        """Noise does not repeat a value; one that does from the first sample on is told as well."""
        held = {kind: [5.0 + i for i in range(4 if kind == "load" else 6)]}
        found = [cells.tick(**held) for _ in range(cells.ticks + 1)]
        assert found[:-1] == [[]] * cells.ticks and len(found[-1]) == 1

    def test_one_that_freezes_as_soon_as_it_measures(self, cells: Cells, kind: str) -> None:
        n = 4 if kind == "load" else 6
        cells.tick(**{kind: [0.0] * n})
        held = {kind: [5.0 + i for i in range(n)]}
        found = [cells.tick(**held) for _ in range(cells.ticks + 1)]
        assert found == [[]] * cells.ticks + [self.words(kind, *range(n))]

    def test_an_unloaded_one_rests(self, cells: Cells, kind: str) -> None:
        self.begin(cells, kind)
        for _ in range(3 * cells.ticks):
            assert cells.tick(**{kind: self.noise(cells, kind, n1=0.0)}) == []

    def test_all_that_are_stuck_are_named(self, cells: Cells, kind: str) -> None:
        self.begin(cells, kind)
        for _ in range(cells.ticks + 1):
            found = cells.tick(**{kind: self.noise(cells, kind, n0=3.0, n3=4.0)})
        assert found == self.words(kind, 0, 3)

    def test_a_change_between_begins_anew(self, cells: Cells, kind: str) -> None:
        self.begin(cells, kind)
        for _ in range(4):
            for _ in range(cells.ticks):
                assert cells.tick(**{kind: self.noise(cells, kind, n2=3.0)}) == []
            assert cells.tick(**{kind: self.noise(cells, kind)}) == []

    def test_each_is_counted_for_itself(self, cells: Cells, kind: str) -> None:
        self.begin(cells, kind)
        for k in range(cells.ticks + 1):
            held = {"n2": 3.0} if k == cells.ticks // 2 else {"n0": 2.0, "n2": 3.0}
            found = cells.tick(**{kind: self.noise(cells, kind, **held)})
        assert found == self.words(kind, 2)


class TestDrift:
    @pytest.mark.parametrize("joint", range(6))
    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_an_encoder_away_from_its_twin(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        reduce, stop = limits.detect.sensors.twin_reduce_rad, limits.detect.sensors.twin_stop_rad
        for off, level in (
            (reduce, None),
            (nextafter(reduce, inf), REDUCE),
            (stop, REDUCE),
            (nextafter(stop, inf), STOP),
        ):
            snap = seen(limits)
            snap.angle = list(at(joint, sign * off))
            told = [] if level is None else [Finding("F06", level, f"encoder of {NAMES[joint]}")]
            assert tell(DriftDetector(limits, FOREVER), snap) == told

    def test_all_that_are_away_are_told(self, limits: SafetyLimits) -> None:
        snap = seen(limits)
        snap.angle = [0.2, 0.0, -0.3, 0.0, 0.0, 0.15]
        told = [(REDUCE, "hip left"), (STOP, "ankle left"), (REDUCE, "ankle right")]
        found = tell(DriftDetector(limits, FOREVER), snap)
        assert found == [Finding("F06", level, f"encoder of {name}") for level, name in told]

    def test_beside_one_that_is_away_the_others_bound_is_the_same(self, limits: SafetyLimits) -> None:
        snap, reduce = seen(limits), limits.detect.sensors.twin_reduce_rad
        snap.angle = [reduce, 0.2, -reduce, 0.0, 0.0, 0.0]
        told = [Finding("F06", REDUCE, "encoder of knee left")]
        assert tell(DriftDetector(limits, FOREVER), snap) == told

    def test_it_is_the_twins_angle_that_counts(self, limits: SafetyLimits) -> None:
        bent = seen(limits, segment_angle_rad=np.array([0.0, -0.5, -0.5, 0.0, 0.0, 0.0]))
        bent.angle = list(at(1, 0.5))
        assert tell(DriftDetector(limits, FOREVER), bent) == []

    def test_the_mean_comes_as_its_time_constant_says(self, limits: SafetyLimits) -> None:
        """0.3 rad for n ticks is 0.3 (1 - (20/21)^n): above 0.14 in the 13th, above 0.22 in the 28th."""
        assert limits.detect.sensors.twin_s == 0.1
        snap, detector = seen(limits), DriftDetector(limits, PERIOD)
        snap.angle = list(at(4, 0.3))
        levels = [f[0].action if f else None for f in (tell(detector, snap) for _ in range(30))]
        assert levels == [None] * 12 + [REDUCE] * 15 + [STOP] * 3

    def test_what_was_seen_outlasts_a_gap_in_which_nothing_is_told(self, limits: SafetyLimits) -> None:
        detector, gap = DriftDetector(limits, 0.1), seen(limits, segment_valid=0b111110)
        away = seen(limits)
        away.angle = gap.angle = list(at(4, 0.24))
        assert [bool(tell(detector, snap)) for snap in (away, gap, gap, away)] == [False] * 3 + [True]


class TestCuffs:
    def pressed(self, limits: SafetyLimits, *force: float, cuff: int = 0, **changes: Any) -> Snapshot:
        """A cuff with a force along x, y and z."""
        vector = np.zeros(18)
        vector[3 * cuff : 3 * cuff + 3] = force
        return seen(limits, cuff_force_n=vector, **changes)

    @pytest.mark.parametrize("cuff", range(6))
    @pytest.mark.parametrize("axis", range(3))
    def test_how_hard_from_both_sides(self, limits: SafetyLimits, cuff: int, axis: int) -> None:
        reduce, stop = limits.detect.sensors.cuff_reduce_n, limits.detect.sensors.cuff_stop_n
        for force, level in (
            (reduce, None),
            (reduce + 1e-9, REDUCE),
            (-stop, REDUCE),
            (stop + 1e-9, STOP),
        ):
            snap = self.pressed(limits, *(force if i == axis else 0.0 for i in range(3)), cuff=cuff)
            told = [] if level is None else [Finding("F06", level, f"cuff {SEGMENTS[cuff]}")]
            assert tell(DriftDetector(limits, FOREVER), snap) == told

    def test_beside_one_that_presses_the_others_bound_is_the_same(self, limits: SafetyLimits) -> None:
        both, reduce = np.zeros(18), limits.detect.sensors.cuff_reduce_n
        both[0], both[3] = reduce, reduce + 50.0
        found = tell(DriftDetector(limits, FOREVER), seen(limits, cuff_force_n=both))
        assert found == [Finding("F06", REDUCE, "cuff shank left")]

    def test_the_mean_begins_at_nothing(self, limits: SafetyLimits) -> None:
        """At half a mean a tick twice the bound is the bound."""
        twice = 2.0 * limits.detect.sensors.cuff_reduce_n
        for force, told in ((twice, False), (twice + 0.1, True)):
            snap = self.pressed(limits, force, 0.0, 0.0, cuff=4)
            assert bool(tell(DriftDetector(limits, 0.1), snap)) is told

    def test_it_is_the_size_of_the_force(self, limits: SafetyLimits) -> None:
        """3, 4 and 12 make 13."""
        unit = limits.detect.sensors.cuff_reduce_n / 13.0
        for scale, told in ((0.999, False), (1.001, True)):
            snap = self.pressed(limits, *(scale * unit * part for part in (3.0, -4.0, 12.0)))
            assert bool(tell(DriftDetector(limits, FOREVER), snap)) is told

    def test_the_mean_comes_as_its_time_constant_says(self, limits: SafetyLimits) -> None:
        """600 N for n ticks is 600 (1 - (20/21)^n): above 220 N in the 10th, above 440 N in the 28th."""
        assert limits.detect.sensors.cuff_s == 0.1
        snap, detector = self.pressed(limits, 0.0, 600.0, 0.0, cuff=3), DriftDetector(limits, PERIOD)
        levels = [f[0].action if f else None for f in (tell(detector, snap) for _ in range(30))]
        assert levels == [None] * 9 + [REDUCE] * 18 + [STOP] * 3

    def test_one_that_is_not_measured_keeps_its_mean_and_is_not_told(self, limits: SafetyLimits) -> None:
        """At half a mean a tick: 300 N, then nothing known, then 250 N."""
        detector = DriftDetector(limits, 0.1)
        told = [Finding("F06", REDUCE, "cuff shank left")]
        assert tell(detector, self.pressed(limits, 600.0, 0.0, 0.0, cuff=1)) == told
        assert tell(detector, self.pressed(limits, 0.0, 0.0, 0.0, cuff=1, segment_valid=0b111101)) == []
        assert tell(detector, self.pressed(limits, 200.0, 0.0, 0.0, cuff=1)) == told

    def test_beside_one_that_is_not_measured_the_others_are(self, limits: SafetyLimits) -> None:
        detector = DriftDetector(limits, 0.1)
        snap = self.pressed(limits, 600.0, 0.0, 0.0, cuff=1, segment_valid=0b111011)
        assert tell(detector, snap) == [Finding("F06", REDUCE, "cuff shank left")]

    def test_a_device_without_cuffs(self, limits: SafetyLimits) -> None:
        snap = self.pressed(limits, 900.0, 0.0, 0.0, available=ALL & ~int(Signal.CUFF))
        assert tell(DriftDetector(limits, FOREVER), snap) == []

    def test_all_that_press_are_told(self, limits: SafetyLimits) -> None:
        both = np.zeros(18)
        both[6], both[15] = 300.0, 500.0
        found = tell(DriftDetector(limits, FOREVER), seen(limits, cuff_force_n=both))
        assert found == [Finding("F06", REDUCE, "cuff foot left"), Finding("F06", STOP, "cuff foot right")]
