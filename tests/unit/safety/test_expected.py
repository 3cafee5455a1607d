"""What is expected of a walker's leg, on made strides whose law is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from exostride.safety.expected import _PER_UNIT, LAG_TICKS, N_SIGNALS, ExpectedTorque

STRIDE = 200


@dataclass
class Strides:
    """Strides that differ, and whose torque answers what they differ by, at once and late."""

    noise: float = 1.0
    ticks: int = STRIDE
    lifts: bool = True
    leg: ExpectedTorque = field(default_factory=ExpectedTorque)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4))

    def __post_init__(self) -> None:
        self.now = self.rng.normal(0.0, 2.0, (N_SIGNALS, 3))
        self.late = self.rng.normal(0.0, 2.0, (N_SIGNALS, 3))
        self.off = np.zeros(N_SIGNALS)
        self.past = [self.off] * (LAG_TICKS + 1)

    def tick(self, k: int, extra: float = 0.0) -> tuple[np.ndarray | None, np.ndarray]:
        """Return what the leg says of tick ``k`` of a stride, and how its torque is off its course."""
        p = k / self.ticks
        self.off = 0.95 * self.off + self.noise * 0.3 * self.rng.standard_normal(N_SIGNALS)
        self.past = [*self.past[1:], self.off]
        answer = self.off @ self.now + self.past[0] @ self.late
        signal = np.sin(2.0 * np.pi * p + np.arange(N_SIGNALS)) + self.off / _PER_UNIT
        torque = 40.0 * np.cos(2.0 * np.pi * p) + answer + extra
        lifted = self.lifts and p >= 0.6
        return self.leg.step(torque.tolist(), signal.tolist(), p, lifted), answer

    def walk(self, strides: int) -> tuple[float, float, int]:
        """Return the RMS of what is unexpected and of what is off the course, and how many ticks."""
        left, off = [], []
        for _ in range(strides):
            for k in range(self.ticks):
                got, answer = self.tick(k)
                if got is not None:
                    left.append(got)
                    off.append(answer)
        rms = [float(np.sqrt(np.mean(np.square(v)))) if v else 0.0 for v in (left, off)]
        return rms[0], rms[1], len(left)


def test_answers_of_the_walker_are_expected_after_some_strides() -> None:
    strides = Strides()
    strides.walk(25)
    unexpected, off, known = strides.walk(10)
    assert known == 10 * STRIDE
    assert off > 2.0
    # The course is a mean over eight strides: its own error is what is left.
    assert unexpected < 0.5 * off


def test_nothing_is_said_of_an_unknown_walker() -> None:
    strides = Strides()
    assert strides.walk(3)[2] == 0
    assert strides.walk(6)[2] > 0


def test_a_torque_of_another_kind_stays_unexpected() -> None:
    strides = Strides()
    strides.walk(25)
    got = [strides.tick(k, extra=30.0 * (k >= 100))[0] for k in range(110)]
    assert got[99] is not None and got[109] is not None
    assert np.all(got[109] - got[99] > 20.0)


@pytest.mark.parametrize(("ticks", "lifts"), [(STRIDE, False), (900, True), (900, False)])
def test_a_foot_that_never_lifts_and_slow_strides_are_learned_too(ticks: int, lifts: bool) -> None:
    strides = Strides(ticks=ticks, lifts=lifts)
    strides.walk(12)
    assert strides.walk(1)[2] == ticks


def test_what_is_taken_back_is_not_learned() -> None:
    """A torque of another kind at the same place of every stride stays unexpected when it is taken back."""
    for taken, least, most in ((True, 20.0, 40.0), (False, 0.0, 6.0)):
        strides = Strides()
        strides.walk(25)
        for _ in range(12):
            for k in range(STRIDE):
                extra = 30.0 * (100 <= k < 110)
                got, _ = strides.tick(k, extra=extra)
                if extra and taken:
                    strides.leg.unlearn()
                if k == 105:
                    assert got is not None
                    last = float(np.abs(got).mean())
        assert least < last < most, taken


def test_a_tick_that_stands_too_long_to_teach_is_taken_back_too() -> None:
    strides = Strides(ticks=3000, lifts=False)
    strides.walk(3)
    for k in range(1500):
        strides.tick(k)
    before = strides.leg._ticks
    strides.leg.unlearn()
    assert strides.leg._ticks == before


def test_answers_after_a_pause_are_not_to_what_was_before() -> None:
    strides = Strides()
    strides.walk(25)
    assert strides.tick(0)[0] is not None
    strides.leg.pause()
    silent = [strides.tick(k)[0] is None for k in range(1, 1 + LAG_TICKS + 2)]
    assert silent == [True] * LAG_TICKS + [False] * 2
