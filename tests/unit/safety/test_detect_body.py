"""Drag and trip of a foot, tick by tick: what counts as load, what a gap leaves, and where a bout begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from safety_faults import looks
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.detect_body import FootDetector
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.types import Action, Signal

SOLES = ALL & ~int(Signal.FOOT_LOAD)
SWING, BACK = np.array([1.5, 1.5, 0.0, 0.0, 0.0, 0.0]), np.array([-1.0, -1.0, 0.0, 0.0, 0.0, 0.0])


class Foot:
    """Feeds a detector with a left foot that swings forward under some load."""

    def __init__(self, limits: SafetyLimits) -> None:
        self.limits = limits
        self.detector = FootDetector(limits, PERIOD)

    def tick(self, driven: bool = True, **changes: Any) -> list[Finding]:
        state = {"segment_rate_rad_s": SWING, "foot_load_n": np.zeros(4), **changes}
        (snap,) = looks(self.limits, [exo_state(1, **state)])
        snap.driven = driven
        found: list[Finding] = []
        self.detector.step(snap, found)
        return found

    def drag(self, **changes: Any) -> list[Finding]:
        """One swing that scrapes along, and the foot's way back."""
        load = {"foot_load_n": np.array([0.0, 40.0, 0.0, 0.0])}
        found = [f for _ in range(4) for f in self.tick(**{**load, **changes})]
        self.tick(segment_rate_rad_s=BACK)
        return found


@pytest.fixture
def foot(limits: SafetyLimits) -> Foot:
    return Foot(limits)


def pressed(force_n: float, forward_m: float) -> dict[str, Any]:
    return {
        "available": SOLES,
        "foot_force_n": np.array([0.0, 0.0, force_n, 0.0, 0.0, 0.0]),
        "foot_cop_m": np.array([forward_m, 0.0, 0.0, 0.0]),
    }


def test_a_sole_without_cells_feels_a_drag_at_the_toe(foot: Foot) -> None:
    assert {(f.fault, f.where) for f in foot.drag(**pressed(40.0, 0.08))} == {("F24a", "left foot")}
    assert foot.drag(**pressed(40.0, -0.04)) == [], "a heel that lands"
    assert foot.drag(available=SOLES & ~int(Signal.FOOT_WRENCH)) == []


def test_a_sole_without_cells_feels_a_trip(foot: Foot) -> None:
    falls = {"pelvis_gyro_rad_s": np.array([0.0, 1.0, 0.0])}
    foot.tick(**pressed(0.0, 0.08))
    told = []
    for k in range(4):
        rate = SWING * (0.8 - 0.15 * k)
        told += foot.tick(**{**pressed(100.0, 0.08), **falls, "segment_rate_rad_s": rate})
    assert ("F24b", Action.SOFT_STOP) in {(f.fault, f.action) for f in told}


def test_drags_are_counted_within_a_bout(foot: Foot) -> None:
    body = foot.limits.detect.body
    levels = [max(f.action for f in foot.drag()) for _ in range(body.drag_stop_steps + 1)]
    assert levels[0] == Action.WARN and levels[body.drag_steps] == Action.REDUCE
    assert levels[-1] == Action.SOFT_STOP
    foot.tick(driven=False)
    assert [f.action for f in foot.drag()] == [Action.WARN] * 2, "a new bout"
    assert foot.detector.levels == [Action.WARN, Action.NONE]


def test_a_lost_sample_hides_no_drag(foot: Foot) -> None:
    load = {"foot_load_n": np.array([0.0, 40.0, 0.0, 0.0])}
    for lost in (
        {"foot_valid": 0b10},
        {"segment_valid": 0b111110},
        {"available": ALL & ~int(Signal.SEGMENT)},
    ):
        for gap, told in ((1, True), (2, False)):
            steps = [load, load, *[{**load, **lost}] * gap, load]
            assert any(foot.tick(**step) for step in steps) is told
            foot.tick(segment_rate_rad_s=BACK)


def test_how_a_swing_brakes_is_told_over_the_time_since(foot: Foot) -> None:
    """After a lost sample the change took two periods; after more of them nothing is known of it."""
    decel = foot.limits.detect.body.trip_decel_rad_s2
    falls = {"pelvis_gyro_rad_s": np.array([0.0, 1.0, 0.0]), "foot_load_n": np.array([0.0, 100.0, 0.0, 0.0])}
    for periods, braked, told in (
        (1, 1.1, True),
        (1, 0.9, False),
        (2, 2.2, True),
        (2, 1.8, False),
        (3, 9.0, False),
    ):
        foot.tick(driven=False)
        foot.tick()
        for _ in range(periods - 1):
            foot.tick(foot_valid=0)
        slower = np.array([1.5, 1.5 - braked * decel * PERIOD, 0.0, 0.0, 0.0, 0.0])
        found = [f for _ in range(2) for f in foot.tick(segment_rate_rad_s=slower, **falls)]
        assert ("F24b" in {f.fault for f in found}) is told, (periods, braked)
