"""The observer of the walker's own torques against Pinocchio, and the bounds of a learned spread."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from safety_world import PERIOD, exo_state

from exostride.control.kinematics import SagittalLeg
from exostride.model.anthropometry import BodyParameters
from exostride.model.dynamics import LegDynamics
from exostride.model.geometry import body_geometry
from exostride.model.segments import leg_inertias
from exostride.runtime.assembly.safety import walker_of
from exostride.safety.detect_spasm import Spread
from exostride.safety.intake import exo_values
from exostride.safety.walker import Segment, Walker, WalkerTorque

BODY = BodyParameters(height_m=1.62, mass_kg=58.0, sex="female")
PITCH = 0.08


def motion(t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles, rates and accelerations of six joints that swing at different speeds."""
    w = 2.0 * np.pi * np.array([0.9, 1.1, 0.7, 0.8, 1.2, 1.0])
    size, shift = np.array([0.4, 0.5, 0.2, 0.3, 0.6, 0.15]), np.arange(6.0)
    mean = np.array([0.2, 0.6, 0.0, 0.1, 0.7, 0.05])
    angle = w * t + shift
    return mean + size * np.sin(angle), size * w * np.cos(angle), -size * w * w * np.sin(angle)


def segments(q: np.ndarray, pitch: float) -> np.ndarray:
    """Angles of thigh, shank and foot in the world of joints ``q``."""
    legs = q.reshape(2, 3)
    thigh = legs[:, 0] - pitch
    shank = thigh - legs[:, 1]
    return np.stack([thigh, shank, shank + legs[:, 2]], axis=1).ravel()


def observe(ground_n: float, cuff_nm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the observer says after a second, and what Pinocchio says the walker must have done."""
    dynamics = LegDynamics("patient", BODY)
    quaternion = np.array([0.0, np.sin(PITCH / 2), 0.0, np.cos(PITCH / 2)])
    dynamics.set_pelvis(quaternion)
    up = np.array([-9.81 * np.sin(PITCH), 0.0, 9.81 * np.cos(PITCH)])
    observer = WalkerTorque(walker_of_body(), PERIOD, 60.0)
    seen = np.zeros(6)
    for k in range(200):
        q, qd, _ = motion(k * PERIOD)
        exo = exo_state(
            k,
            segment_angle_rad=segments(q, PITCH),
            segment_rate_rad_s=segments(qd, 0.0),
            pelvis_orientation=quaternion,
            pelvis_accel_m_s2=up,
            foot_force_n=np.array([40.0, 0.0, ground_n, 0.0, 0.0, 0.0]) * (ground_n > 0.0),
            foot_cop_m=np.array([0.06, 0.0, 0.0, 0.0]),
        )
        seen = np.array(observer.step(exo_values(exo)[1], PITCH, cuff_nm.tolist()))
    # The estimate is one time constant and half a tick late.
    q, qd, qdd = motion(199 * PERIOD - 1.0 / (2.0 * np.pi * 60.0) - PERIOD / 2.0)
    true = dynamics.torque(q, qd, qdd) - cuff_nm
    if ground_n > 0.0:
        true[:3] -= ground_torque(q[:3], ground_n)
    return seen, true


def walker_of_body() -> Walker:
    geometry = body_geometry(BODY)
    lengths = (geometry.thigh, geometry.shank, 0.0)
    parts = [
        Segment(length, i.mass_kg, i.x_m, i.z_m, i.inertia_kg_m2)
        for length, i in zip(lengths, leg_inertias(BODY), strict=True)
    ]
    return Walker(*parts, geometry.foot.sole_z)


def ground_torque(q: np.ndarray, up_n: float) -> np.ndarray:
    """Torque of a force at the pressed point, by differences of where that point is."""
    geometry = body_geometry(BODY)
    leg = SagittalLeg(geometry)

    def point(q: np.ndarray) -> np.ndarray:
        ankle = leg.ankle(q[0], q[1], PITCH)
        c = q[0] - PITCH - q[1] + q[2]
        x, z = 0.06, geometry.foot.sole_z
        return np.array([ankle.x + x * np.cos(c) - z * np.sin(c), ankle.z + x * np.sin(c) + z * np.cos(c)])

    force, h = np.array([40.0, up_n]), 1e-6
    return np.array([(point(q + h * e) - point(q - h * e)) @ force / (2 * h) for e in np.eye(3)])


@pytest.mark.parametrize("ground_n", [0.0, 500.0])
@pytest.mark.parametrize("cuff", [np.zeros(6), np.array([10.0, -8.0, 3.0, -12.0, 6.0, 2.0])])
def test_observer_finds_the_torque_that_inverse_dynamics_asks_for(ground_n: float, cuff: np.ndarray) -> None:
    seen, true = observe(ground_n, cuff)
    np.testing.assert_allclose(seen, true, rtol=0.015, atol=0.6)
    assert np.abs(true).max() > 5.0


def test_average_man_is_the_models_average_man() -> None:
    default, average = Walker(), walker_of("stance")
    for a, b in (
        (default.thigh, average.thigh),
        (default.shank, average.shank),
        (default.foot, average.foot),
    ):
        np.testing.assert_allclose(
            [a.length_m, a.mass_kg, a.x_m, a.z_m, a.inertia_kg_m2],
            [b.length_m, b.mass_kg, b.x_m, b.z_m, b.inertia_kg_m2],
            rtol=0.01,
            atol=1e-3,
        )
    assert default.sole_m == pytest.approx(average.sole_m, abs=1e-3)
    assert walker_of("") == default


class TestSpread:
    def test_learns_mean_and_spread_of_passes(self) -> None:
        spread = Spread()
        for value in (10.0, 14.0, 10.0, 14.0):
            spread.gather(value)
            spread.gather(value)
            spread.close()
        assert spread.passes == 4
        assert spread.mean == pytest.approx(12.0)
        # The variance of passes (4), tripled for being known from four only.
        low, high = spread.bounds(0.0, 3.0)
        assert 0.5 * (low + high) == pytest.approx(12.0)
        assert high - low == pytest.approx(2.0 * 3.0 * sqrt(3.0 * spread.variance))
        assert 2.0 < spread.variance < 6.0

    def test_least_width_holds_for_a_steady_walker(self) -> None:
        spread = Spread()
        for _ in range(5):
            spread.gather(3.0)
            spread.close()
        assert spread.bounds(20.0, 5.0) == pytest.approx((-17.0, 23.0))

    def test_a_pass_without_samples_teaches_nothing(self) -> None:
        spread = Spread()
        spread.close()
        assert spread.passes == 0

    def test_a_signal_that_moves_within_a_bin_widens_it(self) -> None:
        spread = Spread()
        for _ in range(4):
            for value in (0.0, 20.0):
                spread.gather(value)
            spread.close()
        assert spread.variance == pytest.approx(100.0, rel=0.1)


def test_a_tick_that_was_not_measured_is_bridged() -> None:
    """Every tenth tick is lost: the change since the last one counts over both periods."""
    errors = {}
    for told in (True, False):
        whole, holed = (WalkerTorque(walker_of_body(), PERIOD, 60.0) for _ in range(2))
        since, worst = 1, 0.0
        for k in range(200):
            q, qd, _ = motion(k * PERIOD)
            state = exo_state(k, segment_angle_rad=segments(q, 0.0), segment_rate_rad_s=segments(qd, 0.0))
            values = exo_values(state)[1]
            want = whole.step(values, 0.0, [0.0] * 6)
            if k % 10 == 0:
                since += 1
                continue
            got = holed.step(values, 0.0, [0.0] * 6, since if told else 1)
            since = 1
            worst = max(worst, *(abs(a - b) for a, b in zip(got, want, strict=True))) if k > 50 else 0.0
        errors[told] = worst
    assert errors[True] < 1.0 < 10.0 < errors[False]
