"""The figures of ``exostride bench contribution`` on errors that are known, and its wrong legs."""

import numpy as np
import pytest

from exostride.bench.contribution import Contacts, Found, Pairs, by_joint, figures, lines, verdict
from exostride.control.contribution import STANCE, SWING, Share
from exostride.model.dynamics import LegDynamics


def found(errors, sd, part=SWING, joint=0):
    return [Found(0.0, part, joint, 50.0 + e, 50.0, sd) for e in errors]


def test_error_bias_and_coverage_of_one_part_of_the_step():
    f = figures(found([-8.0, *[1.0] * 19], sd=1.0) + found([30.0], 1.0, STANCE), "swing")
    assert f["n"] == 20
    assert f["within_percent"] == 95.0
    assert f["coverage_percent"] == 95.0
    assert f["bias_points"] == pytest.approx(11.0 / 20)
    (line,) = lines("x", found([2.0], 0.5))
    assert "95 % interval holds in   0.0 %" in line


def test_verdict_is_over_all_walks_and_says_in_how_many_it_holds():
    good, bad = found([*[1.0] * 19, 8.0], sd=1.0), found([9.0] * 20, sd=20.0)
    (line,) = verdict([good, bad])
    assert "95 % within 7 points: no, so in 1 of 2 walks" in line
    assert "90 to 99 %: yes, so in 1 of 2 walks" in line, "39 of 40, and 19 of 20; all of 20 are too many"


def test_joints_are_told_apart_over_both_sides():
    some = found([1.0], 1.0, joint=1) + found([2.0], 1.0, joint=4) + found([3.0], 1.0, joint=5)
    counts = {kind: len(of_joint) for kind, of_joint in by_joint(some)}
    assert counts == {"hip": 0, "knee": 2, "ankle": 1}


def test_scaled_segments_weigh_and_turn_as_much_more():
    known, wrong = LegDynamics("patient"), LegDynamics("patient")
    wrong.scale_segments(np.full(6, 1.2), np.ones(6), np.full(6, 1.2))
    q = np.array([0.4, 0.6, 0.1, -0.2, 0.3, 0.0])
    assert wrong.gravity(q) == pytest.approx(1.2 * known.gravity(q))
    wrong = LegDynamics("patient")
    wrong.scale_segments(np.ones(6), np.array([1.0, 1.0, 1.1] * 2), np.ones(6))
    assert wrong.gravity(q)[[2, 5]] == pytest.approx(1.1 * known.gravity(q)[[2, 5]])


def test_true_shares_without_an_estimate_are_counted():
    nothing = [Found(0.0, SWING, 0, np.nan, 50.0, np.nan)]
    f = figures(found([1.0] * 3, sd=1.0) + nothing, "swing")
    assert (f["n"], f["true"], f["told_percent"]) == (3, 4, 75.0)
    assert f["within_percent"] == 100.0, "of those that were told"
    (line,) = lines("x", nothing)
    assert "none of 1 shares told" in line
    (line,) = verdict([found([1.0] * 9, sd=1.0), nothing])
    assert "swing: 90.0 % of the true shares told" in line
    assert "yes, so in 1 of 2 walks" in line, "who told nothing did not hold it"


def shares(percent, sd=1.0):
    return Share(percent=np.array(percent, dtype=float), sd_percent=np.full(6, sd))


def test_estimates_are_paired_with_the_true_stance_that_ends_near():
    pairs, real = Pairs(), np.array([40.0, 50.0, np.nan, 0.0, 0.0, 0.0])
    pairs.told(1.00, 0, STANCE, shares([41.0, np.nan, 70.0, 0, 0, 0]))
    pairs.true(1.03, 0, STANCE, real)
    pairs.step(1.03)
    hip, knee = pairs.found
    assert (hip.joint, hip.percent, hip.true_percent, hip.told) == (0, 41.0, 40.0, True)
    assert (knee.joint, knee.told) == (1, False), "a true share whose estimate says nothing is not lost"
    pairs.true(2.00, 0, STANCE, real)
    pairs.step(2.00)
    assert len(pairs.found) == 2, "the estimate may still come"
    pairs.told(2.05, 0, STANCE, shares([42.0] * 6))
    pairs.step(2.05)
    assert [f.percent for f in pairs.found[2:]] == [42.0, 42.0]
    pairs.true(3.00, 0, STANCE, real)
    pairs.told(3.00, 1, STANCE, shares([42.0] * 6))
    pairs.step(3.2)
    assert [f.told for f in pairs.found[4:]] == [False, False], "the other leg's is none"


def test_true_contact_has_a_hysteresis():
    contacts = Contacts()
    seen = [contacts.step(np.array([0, 0, left, 0, 0, 500.0]))[0] for left in (20.0, 14.0, 20.0, 31.0, 16.0)]
    assert seen == [True, False, False, True, True]
