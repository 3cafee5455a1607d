"""Growth of resistance with speed, from ways of a joint whose tissue is known."""

import numpy as np
import pytest

from exostride.analysis.assessments import Pass, growth

DAMPING, STIFFNESS, CURVE = 0.8, 6.0, 15.0
SPEEDS = (0.25, 0.5, 1.0)


def way(speed, lag_s):
    """Return a way of constant speed against a spring that stiffens; a joint lags more when led faster."""
    angle = np.linspace(0.3, 0.7, round(0.4 / speed / 0.005)) - lag_s * speed
    resistance = 4.0 + STIFFNESS * angle + CURVE * (angle - 0.5) ** 2 + DAMPING * speed
    return Pass(1.0, speed, np.full(angle.size, speed), angle, resistance)


@pytest.mark.parametrize("lag_s", [0.0, 0.05, 0.1])
def test_the_growth_is_the_damping_however_much_a_led_joint_lags(lag_s):
    ways = [way(speed, lag_s) for speed in SPEEDS for _ in range(2)]
    slope, margin = growth(ways)
    assert slope == pytest.approx(DAMPING, abs=1e-9) and margin < 1e-6
    through_means = np.polyfit(
        [w.speed_rad_s.mean() for w in ways], [w.resistance_nm.mean() for w in ways], 1
    )[0]
    assert lag_s == 0.0 or abs(through_means - DAMPING) > 0.2


def test_the_margin_holds_the_scatter_of_the_ways():
    """Over many draws of ways that differ by chance the interval of 95 % holds the truth about as often."""
    random = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        ways = []
        for speed in SPEEDS:
            for _ in range(2):
                w = way(speed, 0.05)
                ways.append(
                    Pass(1.0, speed, w.speed_rad_s, w.angle_rad, w.resistance_nm + 0.1 * random.normal())
                )
        slope, margin = growth(ways)
        inside += abs(slope - DAMPING) <= margin
    assert inside >= 180


def test_a_joint_that_swings_more_than_it_is_moved_shakes():
    w = way(0.5, 0.0)
    assert not w.shakes
    swing = 3.0 * np.sin(np.arange(w.speed_rad_s.size) * 0.4)
    assert Pass(1.0, 0.5, w.speed_rad_s + swing, w.angle_rad, w.resistance_nm).shakes
