"""What is expected of a leg, to the last digit, on strides whose course stays where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, sin

import numpy as np
import pytest
from safety_world import exo_state

from exostride.safety.expected import BINS, LAG_TICKS, N_SIGNALS, ExpectedTorque, signals
from exostride.safety.intake import exo_values

UNITS = np.array(
    [0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 50.0, 100.0] * 2
    + [0.05, 0.05, 0.3, 0.3, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 1.0, 1.0]
)
STILL = np.zeros(N_SIGNALS)


def course(torque: np.ndarray, leg: ExpectedTorque | None = None, per_bin: int = 2, **keywords: bool):
    """Walk one stride of the torques of each bin; return what is said in each tick."""
    leg = ExpectedTorque() if leg is None else leg
    lifted = keywords.get("lifted", False)
    ticks = BINS * per_bin
    return [
        leg.step(torque[k // per_bin].tolist(), STILL.tolist(), (k + 0.5) / ticks, lifted)
        for k in range(ticks)
    ]


def flat(nm: float) -> np.ndarray:
    return np.full((BINS, 3), nm)


def ahead(said: list[np.ndarray | None]) -> np.ndarray:
    """Of each bin's two ticks the second, for which no bin of this stride has been learned yet."""
    return np.array(said[1:-2:2])


class TestCourse:
    """Signals that do not differ: what is expected is the course alone."""

    def test_a_walker_is_known_after_two_passes_and_three_steps(self) -> None:
        """A course needs two strides, then three more, each a step, are learned from as the next begins."""
        leg = ExpectedTorque()
        said = [one is not None for _ in range(7) for one in course(flat(0.0), leg)]
        assert said == [False] * (5 * 2 * BINS) + [True] * (2 * 2 * BINS)

    def test_the_course_is_the_mean_of_all_strides_and_then_of_about_eight(self) -> None:
        leg = ExpectedTorque()
        strides = [10.0, 20.0, 60.0, 30.0, 5.0, 70.0, 15.0, 40.0, 90.0, 25.0, 0.0, 50.0]
        mean = 0.0
        for n, nm in enumerate(strides):
            said = course(flat(nm), leg)
            if n >= 5:
                np.testing.assert_allclose(ahead(said), nm - mean, rtol=1e-12)
            mean += (nm - mean) / min(n + 1, 8)

    def test_between_the_middles_of_two_bins_it_lies_between_them(self) -> None:
        rng = np.random.default_rng(2)
        torque = rng.normal(0.0, 30.0, (BINS, 3))
        leg = ExpectedTorque()
        for _ in range(5):
            course(torque, leg, per_bin=4)
        said = np.array(course(torque, leg, per_bin=4))
        middles, phases = (np.arange(BINS) + 0.5) / BINS, (np.arange(4 * BINS) + 0.5) / (4 * BINS)
        want = [np.interp(phases, middles, torque[:, i], period=1.0) for i in range(3)]
        np.testing.assert_allclose(said, np.repeat(torque, 4, axis=0) - np.transpose(want), atol=1e-10)

    def test_a_bin_counts_by_the_mean_of_its_ticks(self) -> None:
        leg = ExpectedTorque()
        for _ in range(5):
            for k in range(3 * BINS):
                leg.step([3.0 * (k % 3)] * 3, STILL.tolist(), (k + 0.5) / (3 * BINS), False)
        np.testing.assert_allclose(ahead(course(flat(0.0), leg)), -3.0, rtol=1e-12)

    def test_what_is_taken_back_is_not_in_the_mean(self) -> None:
        leg = ExpectedTorque()
        for _ in range(6):
            for k in range(3 * BINS):
                out = k % 3 == 1
                leg.step([90.0 * out] * 3, STILL.tolist(), (k + 0.5) / (3 * BINS), False)
                if out:
                    leg.unlearn()
        np.testing.assert_allclose(np.array(course(flat(0.0), leg)), 0.0, atol=1e-12)

    def test_a_pass_that_is_taken_back_as_a_whole_is_none(self) -> None:
        leg = ExpectedTorque()
        for n in range(6):
            for k in range(2 * BINS):
                said = leg.step([5.0] * 3, STILL.tolist(), (k + 0.5) / (2 * BINS), False)
                if n > 0 and k // 2 == 20:
                    leg.unlearn()
        # Of bin 20 there is one pass: nothing is expected there, nor where it is mixed with its neighbours.
        said = [one is not None for one in course(flat(5.0), leg)]
        assert not any(said[39:43])

    def test_the_end_of_the_stride_is_its_beginning(self) -> None:
        leg, other = ExpectedTorque(), ExpectedTorque()
        torque = np.arange(BINS * 3.0).reshape(BINS, 3)
        for _ in range(6):
            course(torque, leg)
            course(torque, other)
        at_end = leg.step([7.0] * 3, STILL.tolist(), 1.0, False)
        at_start = other.step([7.0] * 3, STILL.tolist(), 0.0, False)
        assert at_end is not None and at_start is not None
        np.testing.assert_allclose(at_end, at_start, rtol=1e-12)
        np.testing.assert_allclose(at_start, 7.0 - 0.5 * (torque[0] + torque[-1]), rtol=1e-12)


@dataclass
class Answers:
    """Strides whose signals and torques differ by as much up as down in every bin: their course is zero.

    What is expected is worked out beside it, from the rows of each step: the deviations in units now and
    ``LAG_TICKS`` ago, each step's weight fading by a twentieth, and thirty ticks' worth of doubt.
    """

    lifts_at: float = 1.0
    lifts_until: float = 1.0
    pairs: int = 1
    size: float = 1.0
    leg: ExpectedTorque = field(default_factory=ExpectedTorque)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.past: list[np.ndarray] = []
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []
        n = 2 * N_SIGNALS
        self.square = [np.zeros((n, n)), np.zeros((n, n))]
        self.cross = [np.zeros((n, 3)), np.zeros((n, 3))]
        self.steps = [0, 0]
        self.was_lifted, self.strides = False, 0

    def learn(self, lifted: bool) -> None:
        """End a step that has taught more than the delay."""
        if len(self.rows) > LAG_TICKS:
            d, t = (np.array(part[:600]) for part in zip(*self.rows, strict=True))
            self.square[lifted] = 0.95 * self.square[lifted] + d.T @ d
            self.cross[lifted] = 0.95 * self.cross[lifted] + d.T @ t
            self.steps[lifted] += 1
        self.rows = []

    def expected(self, lifted: bool, row: np.ndarray) -> np.ndarray | None:
        if self.steps[lifted] < 3:
            return None
        n = 2 * N_SIGNALS
        matrix = np.linalg.solve(self.square[lifted] + 30.0 * np.eye(n), self.cross[lifted])
        return row @ matrix

    def stride(self, check: bool = True, unlearn: tuple[int, ...] = (), pause_at: int = -1) -> list[bool]:
        """Walk one; return in which ticks something was said."""
        ticks = 2 * self.pairs * BINS
        said = []
        if not self.was_lifted:
            self.learn(False)
        for k in range(ticks):
            if k % 2 == 0:
                signal = self.size * self.rng.normal(0.0, 1.0, N_SIGNALS)
                torque = self.rng.normal(0.0, 10.0, 3) + 5.0 * signal[:3]
            else:
                signal, torque = -signal, -torque
            p = (k + 0.5) / ticks
            lifted = self.lifts_at <= p < self.lifts_until
            if lifted != self.was_lifted:
                self.learn(self.was_lifted)
                self.was_lifted = lifted
            if k == pause_at:
                self.leg.pause()
                self.past = []
            got = self.leg.step(torque.tolist(), (signal * UNITS).tolist(), p, lifted)
            said.append(got is not None)
            if self.strides >= 2:
                self.past = [*self.past[-LAG_TICKS:], np.clip(signal, -4.0, 4.0)]
            if k in unlearn:
                self.leg.unlearn()
            if len(self.past) <= LAG_TICKS:
                assert got is None
                continue
            row = np.concatenate([self.past[-1], self.past[0]])
            want = self.expected(lifted, row) if check else None
            if check:
                assert (got is None) == (want is None), k
            if got is not None and want is not None:
                np.testing.assert_allclose(got, torque - want, rtol=1e-8, atol=1e-8)
            if k not in unlearn:
                self.rows.append((row, torque))
        self.strides += 1
        return said


@pytest.mark.parametrize("size", [1.0, 4.0])
def test_answers_are_a_ridge_regression_of_the_steps_so_far(size: float) -> None:
    """Four units and more count as four: a large deviation is not answered in proportion."""
    strides = Answers(size=size)
    for _ in range(8):
        said = strides.stride()
    assert all(said)


def test_lifted_and_standing_leg_answer_each_in_their_way() -> None:
    strides = Answers(lifts_at=0.6, lifts_until=1.0)
    for _ in range(8):
        said = strides.stride()
    assert all(said)


@pytest.mark.parametrize(("until", "learned"), [(0.625, False), (0.6375, True)])
def test_a_step_no_longer_than_the_delay_teaches_nothing(until: float, learned: bool) -> None:
    """A tick is an eightieth of the stride: the leg is lifted for ten of them, or eleven."""
    strides = Answers(lifts_at=0.5, lifts_until=until)
    for _ in range(8):
        said = strides.stride()
    assert said[40:50] == [learned] * 10


def test_of_a_long_step_the_first_600_ticks_are_learned() -> None:
    strides = Answers(pairs=8)
    for n in range(6):
        # What is taken back after them changes nothing.
        strides.stride(check=n > 4, unlearn=(622, 623) if n == 2 else ())


def test_a_tick_that_is_taken_back_is_not_learned() -> None:
    strides = Answers()
    for n in range(8):
        # Both ticks of a bin, so that its mean stays what it is.
        strides.stride(unlearn=(0, 1, 14, 15, 40, 41, 78, 79) if n > 2 else ())


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_tick_that_teaches_no_answers_is_taken_back_from_the_course_only(n: int) -> None:
    """It follows a pause in the middle of a step, of which the earlier ticks stay learned."""
    strides = Answers()
    for k in range(8):
        strides.stride(unlearn=(30, 31, 34, 35) if k >= n else (), pause_at=30)


def test_the_first_step_of_a_known_course_is_shorter_by_the_delay() -> None:
    """The course is known from the third stride, in which the leg stands for 20 ticks: ten are too few."""
    strides = Answers(lifts_at=0.25)
    said = [one for _ in range(8) for one in strides.stride()]
    # The lifted leg has had its three steps by the sixth stride, the standing one by the seventh.
    assert said[:420] == [False] * 420 and said[420:] == [True] * 220


def test_after_a_pause_it_is_silent_for_as_long_as_the_delay() -> None:
    strides = Answers()
    for _ in range(6):
        strides.stride()
    said = strides.stride(pause_at=30)
    assert [k for k, one in enumerate(said) if not one] == list(range(30, 30 + LAG_TICKS))


def test_signals_are_the_legs_and_the_pelvis() -> None:
    tilt = 0.1
    exo = exo_state(
        3,
        segment_angle_rad=np.arange(6.0),
        segment_rate_rad_s=10.0 + np.arange(6.0),
        foot_force_n=20.0 + np.arange(6.0),
        pelvis_orientation=np.array([0.0, np.sin(tilt / 2), 0.0, np.cos(tilt / 2)]),
        pelvis_gyro_rad_s=np.array([1.0, 2.0, 3.0]),
        pelvis_velocity_m_s=np.array([4.0, 5.0, 6.0]),
        pelvis_position_m=np.array([7.0, 8.0, 9.0]),
        pelvis_accel_m_s2=np.array([-1.0, -2.0, -3.0]),
    )
    left, right, pelvis = signals(exo_values(exo)[1], tilt)
    assert left == [0, 1, 2, 10, 11, 12, 20, 22]
    assert right == [3, 4, 5, 13, 14, 15, 23, 25]
    assert pelvis == pytest.approx([tilt, 0.0, 1, 2, 4, 5, 6, 7, 8, 9, -1, -3])
    assert len(left) + len(right) + len(pelvis) == N_SIGNALS


def test_roll_and_pitch_are_told_apart() -> None:
    roll, yaw, pitch = 0.3, 0.4, 0.2
    # About z, then y, then x, as quaternions (x, y, z, w) multiplied out.
    (sr, cr), (sp, cp), (sy, cy) = ((sin(a / 2), cos(a / 2)) for a in (roll, pitch, yaw))
    exo = exo_state(
        0,
        pelvis_orientation=np.array(
            [
                sr * cp * cy - cr * sp * sy,
                cr * sp * cy + sr * cp * sy,
                cr * cp * sy - sr * sp * cy,
                cr * cp * cy + sr * sp * sy,
            ]
        ),
    )
    pelvis = signals(exo_values(exo)[1], pitch)[2]
    assert pelvis[:2] == pytest.approx([pitch, roll], rel=1e-12)
