"""Registration, spreading and the honest choice in the fit of the reference gait."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from exostride.gait import fit_reference
from exostride.gait.fit_registration import (
    COMMON_DOUBLE_SUPPORT,
    GRID,
    double_support_law,
    from_common,
    periodic,
    spread,
    to_common,
    walker_of,
)
from exostride.gait.fit_tables import PHASE, Table
from exostride.gait.reference import FILE_NAME
from exostride.paths import config_dir


def shape(speed):
    """Angles of a made-up walker on the common time scale: straight lines of the speed."""
    u = 2 * np.pi * GRID[:, None] * np.array([1, 2, 1])
    return 20 * np.cos(u) + 10 * speed * np.sin(2 * u + 0.3) + np.array([5.0, 20.0, 0.0])


def table(speed, sd=0.0, law=(0.06, -0.6)):
    support = law[0] * speed ** law[1]
    mean = spread(shape(speed), support, sd)
    return Table(f"made-up {speed}", speed, mean, np.ones_like(mean), support, sd)


@pytest.fixture
def tables():
    return [table(v, 0.02) for v in (0.17, 0.3, 0.43, 0.56, 0.7)]


def test_registration_maps_events_onto_events_and_back():
    events = np.array([0.0, 0.18, 0.5, 0.68])
    np.testing.assert_allclose(
        to_common(events, 0.18), [0.0, COMMON_DOUBLE_SUPPORT, 0.5, 0.5 + COMMON_DOUBLE_SUPPORT]
    )
    np.testing.assert_allclose(from_common(to_common(PHASE, 0.18), 0.18), PHASE, atol=1e-12)


def test_spread_of_nothing_is_the_walker_and_of_much_is_flatter():
    walker = shape(0.3)
    alike = spread(walker, 0.12, 0.0)
    np.testing.assert_allclose(alike, periodic(walker)(to_common(PHASE, 0.12)), atol=1e-9)
    assert np.ptp(spread(walker, 0.12, 0.05), axis=0)[1] < np.ptp(alike, axis=0)[1] - 0.1


def test_the_walker_behind_a_table_spreads_to_the_table():
    one = table(0.3, sd=0.03)
    walker = walker_of(one)
    error = spread(walker, one.double_support, one.foot_off_sd) - one.mean_deg
    assert np.sqrt((error**2).mean(axis=0)).max() < 0.4
    assert np.sqrt(((walker - shape(0.3)) ** 2).mean(axis=0)).max() < 0.4
    assert np.ptp(walker[:, 1]) > np.ptp(one.mean_deg[:, 1]) + 0.1


def test_law_of_double_support_is_found(tables):
    assert double_support_law(tables) == pytest.approx((0.06, -0.6), rel=1e-6)


def test_speeds_left_out_are_found_again_where_the_gait_follows_the_model(tables):
    errors = fit_reference.leave_one_out(tables)
    assert max(errors["mean of all five"]) < 0.4


def test_a_left_out_speed_has_no_say(tables, monkeypatch):
    seen = []
    best = fit_reference.fit_best

    def spy(given):
        seen.append([t.name for t in given])
        return best(given)

    monkeypatch.setattr(fit_reference, "fit_best", spy)
    fit_reference.leave_one_out(tables)
    assert [len(s) for s in seen] == [4] * 5
    assert all(t.name not in s for t, s in zip(tables, seen, strict=True))


def test_written_series_is_the_model(tables):
    model = fit_reference.fit_best(tables)
    _, lost = fit_reference.write_series(model)
    assert lost < 0.6


def test_bridged_sources_meet_half_way(tables):
    other = [replace(t, mean_deg=t.mean_deg + np.array([4.0, -2.0, 6.0])) for t in tables[1:4]]
    moved = fit_reference.bridge_sources(tables, other)
    np.testing.assert_allclose((moved[0].mean_deg - tables[0].mean_deg).mean(axis=0), [2, -1, 3], atol=0.2)
    np.testing.assert_allclose((moved[-1].mean_deg - other[-1].mean_deg).mean(axis=0), [-2, 1, -3], atol=0.2)


def test_shipped_errors_say_what_was_reached():
    errors = yaml.safe_load((config_dir() / "norms" / FILE_NAME).read_text())["errors_deg"]
    hip, knee, ankle = errors["leave_one_speed_out"]["mean of all five"]
    assert hip < 1.0 and ankle < 1.1
    # The knee's goal of 1.2 deg is out of reach where the fastest class is left out; docs/phase.md says why.
    assert knee < 1.65
    assert errors["leave_one_speed_out"]["mean of the three inner speeds"][1] < 1.2
