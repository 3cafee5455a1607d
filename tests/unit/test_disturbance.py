"""Observers find a torque that nobody measures, and the contribution is formed from works that are known."""

import numpy as np
import pytest

from exostride.control.contribution import STANCE, STRIDE, SWING, ContributionMeter
from exostride.control.disturbance import KalmanObserver, MomentumObserver

T = 0.005


def pendulum(torque, steps=1200, noise=0.0):
    """One hinge with inertia 2 kg m² under gravity and a known torque; yields momentum and u."""
    rng = np.random.default_rng(5)
    q, qd, inertia = 0.1, 0.0, 2.0
    for k in range(steps):
        known = 3.0 * np.sin(2.0 * k * T)
        gravity = 15.0 * np.sin(q)
        yield np.array([inertia * (qd + noise * rng.normal())]), np.array([known - gravity])
        qd += T * (known - gravity + torque(k * T)) / inertia
        q += T * qd


@pytest.mark.parametrize(
    "observer", [MomentumObserver(T, 1, 8.0), KalmanObserver(T, np.array([50.0]), np.array([0.02]))]
)
def test_a_constant_torque_is_found_without_bias(observer):
    observer.reset()
    found = [float(observer.step(p, u)[0]) for p, u in pendulum(lambda t: 7.0)]
    assert found[-1] == pytest.approx(7.0, abs=0.05)


def test_an_estimate_is_late_by_what_the_observer_says():
    observer = KalmanObserver(T, np.array([20.0]), np.array([0.05]))
    found, real = [], []
    for k, (p, u) in enumerate(pendulum(lambda t: 10.0 * np.sin(6.0 * t), 3000)):
        found.append(float(observer.step(p, u)[0]))
        real.append(10.0 * np.sin(6.0 * k * T))
    errors = [
        np.std(np.array(found)[600 + lag :] - np.array(real)[600 : len(real) - lag]) for lag in range(20)
    ]
    assert int(np.argmin(errors)) * T == pytest.approx(observer.delay_s[0], abs=2 * T)


def walk(meter, patient, robot, steps=4):
    """Alternate 100 ticks of stance and 50 of swing on both legs."""
    for k in range(150 * steps):
        stance = (k % 150) < 100
        meter.step(patient(stance), robot(stance), (stance, stance))


def test_contribution_is_the_share_of_positive_work():
    meter = ContributionMeter(T, 1, 0.5, 0.0)
    patient = np.full((3, 6), 30.0) + np.array([[0.0], [3.0], [-3.0]])
    walk(meter, lambda stance: patient if stance else -patient, lambda stance: np.full((3, 6), 10.0))
    stance, swing, stride = (meter.shares[part] for part in (STANCE, SWING, STRIDE))
    assert stance.percent == pytest.approx(np.full(6, 75.0))
    assert swing.percent == pytest.approx(np.zeros(6)), "negative work is nobody's contribution"
    assert stride.percent == pytest.approx(np.full(6, 100 * 3000 / (3000 + 1500)))
    expected = 0.5 * (3300 / 4300 - 2700 / 3700) * 100
    assert stance.sd_percent == pytest.approx(np.full(6, expected))


def test_no_contribution_is_claimed_for_too_little_work():
    meter = ContributionMeter(T, 1, 5.0, 0.0)
    walk(meter, lambda stance: np.full((3, 6), 1.0), lambda stance: np.full((3, 6), 1.0))
    assert np.isnan(meter.shares[STANCE].percent).all()


def test_the_first_part_of_a_step_is_not_counted_when_its_start_was_not_seen():
    meter = ContributionMeter(T, 0, 0.0, 0.0)
    power = np.full((1, 6), 5.0)
    for k in range(60):
        meter.step(power, power, (k < 50, k < 50))
    assert np.isnan(meter.shares[STANCE].percent).all()


def test_no_part_of_a_step_is_counted_across_missing_ticks():
    meter, counted = ContributionMeter(T, 0, 0.0, 0.0), []
    power = np.full((1, 6), 5.0)
    for k in range(1050):
        if k in (330, 570):  # in the third stance and in the fourth swing
            meter.interrupt()
        before = list(meter.shares)
        stance = k % 150 < 100
        meter.step(power, power, (stance, stance))
        counted += [(k, part) for part in range(3) if meter.shares[part] is not before[part]]
    ends = [(150, SWING), (250, STANCE), (300, SWING), (300, STRIDE), (450, SWING), (550, STANCE)]
    ends += [
        (700, STANCE),
        (750, SWING),
        (750, STRIDE),
        (850, STANCE),
        (900, SWING),
        (900, STRIDE),
        (1000, STANCE),
    ]
    assert counted == ends
