"""The figures of ``exostride bench contribution`` on errors that are known, and its wrong legs."""

import numpy as np
import pytest

from exostride.bench.contribution import Found, by_joint, figures, lines, verdict
from exostride.control.contribution import STANCE, SWING
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
    assert "95 % of the shares within 7 points: no, so in 1 of 2 walks" in line
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
