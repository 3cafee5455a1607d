"""The observer of the walker's torques against Lagrange's equation, whose derivatives are taken exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, pi

import numpy as np
import pytest
from safety_world import exo_state

from exostride.safety.intake import exo_values
from exostride.safety.walker import Segment, Walker, WalkerTorque

PERIOD = 0.005
AT_ONCE = 1e5
"""Bandwidth [Hz] at which the observer forgets all but the last tick."""
THIGH = Segment(0.41, 8.7, 0.0, -0.17, 0.21)
SHANK = Segment(0.39, 3.3, 0.0, -0.16, 0.045)
FOOT = Segment(0.0, 1.1, 0.06, -0.04, 0.0041)
SOLE = -0.09
PERSON = Walker(THIGH, SHANK, FOOT, SOLE)
PITCH = 0.3
# Of which segments' ways a point is the sum: (segment, forward, up).
KNEE = (0, 0.0, -THIGH.length_m)
ANKLE = (1, 0.0, -SHANK.length_m)
CENTRES = ([(0, 0.0, THIGH.z_m)], [KNEE, (1, 0.0, SHANK.z_m)], [KNEE, ANKLE, (2, FOOT.x_m, FOOT.z_m)])


def turned(angle: complex, x: float, z: float) -> np.ndarray:
    return np.array([x * np.cos(angle) - z * np.sin(angle), x * np.sin(angle) + z * np.cos(angle)])


def lagrangian(angle: np.ndarray, speed: np.ndarray, felt: np.ndarray) -> complex:
    """Kinetic less potential energy of a leg whose hip feels the specific force ``felt``."""
    energy = 0.0j
    for i, part in enumerate((THIGH, SHANK, FOOT)):
        place = sum(turned(angle[j], x, z) for j, x, z in CENTRES[i])
        velocity = sum(speed[j] * turned(angle[j] + pi / 2, x, z) for j, x, z in CENTRES[i])
        energy += 0.5 * part.mass_kg * (velocity @ velocity) + 0.5 * part.inertia_kg_m2 * speed[i] ** 2
        energy -= part.mass_kg * (felt @ place)
    return energy


def gradient(function: Callable[[np.ndarray], complex], at: np.ndarray) -> np.ndarray:
    """Return the derivatives of a function, exact to the last digits (complex step)."""
    return np.array([np.imag(function(at + 1e-30j * e)) / 1e-30 for e in np.eye(len(at))])


@dataclass
class Tick:
    """What one leg does and feels in a tick."""

    angle: np.ndarray
    speed: np.ndarray
    accel: np.ndarray
    """Of the pelvis, in its own frame."""
    cuff: np.ndarray
    force: np.ndarray
    """Of the ground, forward and up."""
    cop: float

    def felt(self) -> np.ndarray:
        x, z = self.accel
        return np.array([x * np.cos(PITCH) + z * np.sin(PITCH), z * np.cos(PITCH) - x * np.sin(PITCH)])

    def momentum(self) -> np.ndarray:
        return gradient(lambda v: lagrangian(self.angle.astype(complex), v, self.felt()), self.speed)

    def known(self) -> np.ndarray:
        """What changes the momenta of the segments beside the walker."""

        def pressed(angle: np.ndarray) -> complex:
            ways = [KNEE, ANKLE, (2, self.cop, SOLE)]
            return self.force @ sum(turned(angle[j], x, z) for j, x, z in ways)

        hip, knee, ankle = self.cuff
        given = np.array([hip + knee, -knee - ankle, ankle])
        own = gradient(lambda a: lagrangian(a, self.speed.astype(complex), self.felt()), self.angle)
        return own + gradient(pressed, self.angle) + given


def a_tick(rng: np.random.Generator, accel: np.ndarray) -> Tick:
    n = rng.normal
    return Tick(n(0.2, 0.7, 3), n(0.0, 3.0, 3), accel, n(0.0, 20.0, 3), n(100.0, 200.0, 2), n(0.05, 0.1))


def values(legs: list[Tick]) -> list[float]:
    left, right = legs
    exo = exo_state(
        0,
        segment_angle_rad=np.concatenate([left.angle, right.angle]),
        segment_rate_rad_s=np.concatenate([left.speed, right.speed]),
        pelvis_accel_m_s2=np.array([left.accel[0], 5.0, left.accel[1]]),
        foot_force_n=np.array([left.force[0], 7.0, left.force[1], right.force[0], -9.0, right.force[1]]),
        foot_cop_m=np.array([left.cop, 0.5, right.cop, -0.5]),
    )
    return exo_values(exo)[1]


def joints(segments: np.ndarray) -> np.ndarray:
    """Joint torques from those on the segments, each of which feels both its joints."""
    a, b, c = segments
    return np.array([a + b + c, -b - c, c])


@pytest.mark.parametrize("ticks", [1, 3])
def test_the_walkers_torque_is_what_lagranges_equation_leaves_over(ticks: int) -> None:
    rng = np.random.default_rng(8)
    observer = WalkerTorque(PERSON, PERIOD, AT_ONCE)
    before: list[Tick] | None = None
    for _ in range(4):
        accel = rng.normal([0.0, 9.81], 2.0)
        legs = [a_tick(rng, accel), a_tick(rng, accel)]
        cuff = np.concatenate([leg.cuff for leg in legs]).tolist()
        told = observer.step(values(legs), PITCH, cuff, ticks)
        if before is None:
            assert told == [0.0] * 6
        else:
            left = [
                (now.momentum() - last.momentum()) / (ticks * PERIOD) - now.known()
                for now, last in zip(legs, before, strict=True)
            ]
            want = np.concatenate([joints(one) for one in left])
            np.testing.assert_allclose(told, want, rtol=1e-9, atol=1e-7)
        before = legs


class TestFilter:
    """A still, weightless leg in a cuff that pushes: only the observer's own delay is left."""

    HZ = 15.0
    CUFF = (10.0, -20.0, 5.0, 30.0, 4.0, -8.0)

    def observer(self) -> WalkerTorque:
        observer = WalkerTorque(PERSON, PERIOD, self.HZ)
        assert self.step(observer) == [0.0] * 6, "there is no change in the first tick"
        return observer

    def step(self, observer: WalkerTorque, ticks: int = 1) -> list[float]:
        nothing = exo_state(0, foot_force_n=np.zeros(6), pelvis_accel_m_s2=np.zeros(3))
        return observer.step(exo_values(nothing)[1], 0.0, list(self.CUFF), ticks)

    def after(self, ticks: int) -> list[float]:
        """What is told of a steady push so long after it has begun."""
        share = 1.0 - exp(-2.0 * pi * self.HZ * PERIOD * ticks)
        return [-share * one for one in self.CUFF]

    def test_a_push_is_seen_with_the_delay_of_the_bandwidth(self) -> None:
        observer = self.observer()
        for k in range(1, 20):
            assert self.step(observer) == pytest.approx(self.after(k), rel=1e-12)

    @pytest.mark.parametrize("ticks", [2, 5])
    def test_a_gap_counts_as_the_ticks_it_was(self, ticks: int) -> None:
        observer = self.observer()
        assert self.step(observer, ticks) == pytest.approx(self.after(ticks), rel=1e-12)
        assert self.step(observer) == pytest.approx(self.after(ticks + 1), rel=1e-12)

    def test_without_a_word_it_is_one_tick_later(self) -> None:
        observer, whole = self.observer(), exo_values(exo_state(0, foot_force_n=np.zeros(6)))[1]
        assert observer.step(whole, 0.0, list(self.CUFF)) == pytest.approx(self.after(1), rel=1e-12)

    def test_it_begins_anew_after_a_reset(self) -> None:
        observer = self.observer()
        self.step(observer)
        observer.reset()
        assert self.step(observer) == [0.0] * 6
        assert self.step(observer) == pytest.approx(self.after(1), rel=1e-12)

    @pytest.mark.parametrize(("hz", "ticks"), [(15.0, 13), (5.0, 34), (AT_ONCE, 5)])
    def test_it_has_settled_after_five_time_constants(self, hz: float, ticks: int) -> None:
        assert WalkerTorque(PERSON, PERIOD, hz).settle_ticks == ticks
