"""Inverse dynamics against closed form, against Pinocchio, and against a published reference solution."""

import numpy as np
import pytest
from scipy.io import loadmat

from exostride.analysis.planar import (
    LegChain,
    SegmentInertia,
    chain,
    merged,
    net_moments,
    second_derivative,
    segment_inertia,
    smooth,
    sole_point,
)
from exostride.model.anthropometry import BodyParameters
from exostride.model.dynamics import LegDynamics
from exostride.model.geometry import body_geometry

BODY = BodyParameters(height_m=1.7, mass_kg=65.0)


def test_mass_of_a_leg_is_that_of_the_description():
    inertia, masses = segment_inertia(BODY), dict(body_geometry(BODY).masses)
    leg = sum(
        masses[f"patient_{name}"] for name in ("thigh_left", "shank_left", "foot_left", "toe_left_link")
    )
    assert inertia.mass_kg.sum() == pytest.approx(leg, rel=1e-12)


@pytest.mark.parametrize("posture", [(0.0, 0.0, 0.0), (0.5, 0.9, -0.2), (-0.3, 0.2, 0.25)])
def test_moments_of_a_free_leg_equal_pinocchio(posture):
    """In the air, with any accelerations, two ways of computing must agree."""
    rng = np.random.default_rng(1)
    q, qd, qdd = np.array(posture), rng.normal(size=3), 5.0 * rng.normal(size=3)
    step = 1e-4
    t = step * np.arange(-4, 5)[:, None]
    angle = q + qd * t + 0.5 * qdd * t**2
    zero = np.zeros(len(t))
    inertia = segment_inertia(BODY)
    leg = chain(angle, zero, np.zeros((len(t), 2)), body_geometry(BODY), inertia)
    nothing = np.zeros((len(t), 2))
    ours = net_moments(
        leg,
        inertia,
        second_derivative(leg.com_m, step),
        second_derivative(leg.rotation_rad, step),
        nothing,
        nothing,
    )[4]
    both = [np.concatenate([v, np.zeros(3)]) for v in (q, qd, qdd)]
    reference = LegDynamics("patient", BODY).torque(*both)[:3]
    np.testing.assert_allclose(ours, reference, atol=2e-3 * max(1.0, float(np.abs(reference).max())))


def test_standing_load_in_front_of_the_ankle_asks_for_plantarflexion():
    inertia = segment_inertia(BODY)
    leg = chain(np.zeros((1, 3)), np.zeros(1), np.zeros((1, 2)), body_geometry(BODY), inertia)
    point = sole_point(leg, np.array([0.1]), body_geometry(BODY).foot.sole_z)
    still = np.zeros((1, 3, 2))
    moments = net_moments(leg, inertia, still, np.zeros((1, 3)), np.array([[0.0, 300.0]]), point)[0]
    weight = 9.81 * inertia.mass_kg[2] * inertia.com_m[2, 0]
    assert moments[2] == pytest.approx(-30.0 + weight, abs=1e-9)


def test_smoothing_keeps_slow_and_drops_fast():
    t = 0.005 * np.arange(2000)
    slow, fast = np.sin(2 * np.pi * 1.0 * t), np.sin(2 * np.pi * 40.0 * t)
    out = smooth(slow + fast, 0.005, 6.0)
    np.testing.assert_allclose(out[200:-200], slow[200:-200], atol=0.01)
    corner = np.abs(smooth(np.sin(2 * np.pi * 6.0 * t), 0.005, 6.0))[400:-400].max()
    assert corner == pytest.approx(np.sqrt(0.5), abs=0.02)


def both_ways(time_s, values, cutoff_hz):
    """The filter of the reference solution: Butterworth of second order, its state equation integrated by the
    midpoint rule, backward and then forward; returns value, rate and acceleration."""
    a, b = (2 * np.pi * cutoff_hz) ** 2, np.sqrt(2.0) * 2 * np.pi * cutoff_hz

    def one_way(t, x):
        y, rate = x[0].copy(), np.zeros_like(x[0])
        rows = [(y, rate, np.zeros_like(y))]
        for k in range(1, len(t)):
            h = t[k] - t[k - 1]
            drive = a * (0.5 * (x[k] + x[k - 1]) - y)
            new = (rate * (1 - h * h * a / 4 - h * b / 2) + h * drive) / (1 + h * h * a / 4 + h * b / 2)
            y, rate, bend = y + 0.5 * h * (rate + new), new, (new - rate) / h
            rows.append((y, rate, bend))
        return [np.array(column) for column in zip(*rows, strict=True)]

    back = one_way(-time_s[::-1], values[::-1])[0]
    return one_way(time_s, back[::-1])


def cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def test_reference_solution_of_a_published_recording(data):
    """A subject of 67.2 kg walks over a plate; moments within 0.2 % RMS of the stored solution (leg2d).

    The stored solution gives thigh and shank the foot's mass ratio and radius of gyration, as its own joint
    forces show (their differences divided by accelerations are 0.0145 for every segment), and was filtered
    at 5 Hz a pass: so does this test.
    """
    folder = data / "grf"
    raw = np.loadtxt(folder / "leg2d_rawdata.txt", comments="%")
    reference = loadmat(folder / "leg2d_refresults.mat")["refresults"][:, 6:9]
    time_s = raw[:, 0]
    marker = []
    for i in range(6):
        xy = raw[:, 1 + 2 * i : 3 + 2 * i]
        seen = np.isfinite(xy[:, 0])
        kept = both_ways(time_s[seen], xy[seen], 5.0)
        marker.append(
            [np.stack([np.interp(time_s, time_s[seen], c) for c in part.T], axis=1) for part in kept]
        )
    place, rate, bend = (np.stack([m[k] for m in marker], axis=1) for k in range(3))
    force = both_ways(time_s, raw[:, 13:16] / 67.2, 5.0)[0]
    ends, part = ((1, 2), (2, 3), (4, 5)), (0.433, 0.433, 0.5)
    axis, axis_rate, axis_bend = ([v[:, b] - v[:, a] for a, b in ends] for v in (place, rate, bend))
    square = [(r**2).sum(axis=1) for r in axis]
    turn = np.stack([np.arctan2(r[:, 1], r[:, 0]) for r in axis], axis=1)
    spin_up = np.stack(
        [
            cross(r, rdd) / s - 2 * cross(r, rd) * (r * rd).sum(axis=1) / s**2
            for r, rd, rdd, s in zip(axis, axis_rate, axis_bend, square, strict=True)
        ],
        axis=1,
    )
    com, com_bend = (
        np.stack([v[:, a] + p * r for (a, _), p, r in zip(ends, part, d, strict=True)], axis=1)
        for v, d in ((place, axis), (bend, axis_bend))
    )
    length = np.array([np.sqrt(s).mean() for s in square])
    mass = np.full(3, 0.0145)
    inertia = SegmentInertia(mass, np.zeros((3, 2)), mass * (0.475 * length) ** 2)
    leg = LegChain(place[:, [1, 2, 3]], com, turn)
    ours = net_moments(leg, inertia, com_bend, spin_up, force[:, :2], np.zeros((len(force), 2)))
    ours -= force[:, 2:] * np.array([1.0, -1.0, 1.0])
    ours[:, 2] *= -1.0
    inside = slice(40, -40)
    error = np.sqrt(np.mean((ours - reference)[inside] ** 2, axis=0))
    scale = np.sqrt(np.mean(reference[inside] ** 2, axis=0))
    assert (error / scale < 0.002).all(), (error / scale).round(5)


def test_a_measured_rate_takes_the_noise_out_of_an_acceleration_and_nothing_else():
    """Pelvis swaying at 0.4 and 3 Hz; noise of place and rate as of an optical and an inertial sensor."""
    random, period = np.random.default_rng(3), 0.005
    t = np.arange(4000) * period
    slow, quick = 2.0 * np.pi * 0.4, 2.0 * np.pi * 3.0
    place = 0.02 * np.sin(slow * t) + 0.005 * np.sin(quick * t)
    rate = 0.02 * slow * np.cos(slow * t) + 0.005 * quick * np.cos(quick * t)
    true = -0.02 * slow**2 * np.sin(slow * t) - 0.005 * quick**2 * np.sin(quick * t)
    noisy = place + random.normal(0.0, 0.0005, t.size)
    # An offset of the rate must not make the place drift.
    found = merged(noisy, rate + 0.002 + random.normal(0.0, 0.005, t.size), t, period)
    inner = slice(400, -400)
    assert np.abs(found - place)[inner].max() < 0.0005

    def error(values):
        return (second_derivative(smooth(values, period), period) - true)[inner].std()

    assert error(found) < 0.15 < 0.6 < error(noisy)
