"""Walking backward is a state of its own, found by all estimators, and nobody calls it a phase."""

import numpy as np
import pytest
from gait_walker import Walker

from exostride import registry
from exostride.gait.phase.direction import LegDirection
from exostride.gait.phase.settings import ShellParameters
from exostride.types import GaitState

NAMES = ("individual", "adaptive_oscillator", "ekf", "phase_variable", "time_based")
TURN_S, BACK_S = 12.0, 24.0


class TurnsBack(Walker):
    """Walks forward, from TURN_S backward along the same path, from BACK_S forward again."""

    def cycle(self, t):
        backward = min(max(t - TURN_S, 0.0), BACK_S - TURN_S)
        return self.rate_hz * (t - 2.0 * backward)


def saw(share, cycles, period=0.01):
    """A thigh that goes forward during ``share`` of every second."""
    t = np.arange(0.0, cycles, period)
    return t, np.interp(t % 1.0, [0.0, share, 1.0], [-0.3, 0.4, -0.3])


@pytest.mark.parametrize(("share", "backward"), [(0.26, False), (0.44, False), (0.58, True), (0.74, True)])
def test_share_of_forward_motion_tells_the_direction(share, backward):
    leg = LegDirection(ShellParameters())
    t, usual = saw(0.36, 12)
    for now, angle in zip(t, np.where(t < 6.0, usual, saw(share, 12)[1]), strict=True):
        leg.step(now, angle, 0.7)
        assert not leg.backward or now > 6.0
    assert leg.backward is backward


def test_who_always_swings_slowly_walks_forward():
    leg, seen = LegDirection(ShellParameters()), []
    for t, angle in zip(*saw(0.6, 12), strict=True):
        leg.step(t, angle, 0.7)
        seen.append(leg.backward)
    assert not any(seen)


def test_one_slow_step_is_not_yet_walking_backward():
    leg, seen = LegDirection(ShellParameters()), []
    t, angle = saw(0.35, 12)
    slow = np.where((t >= 5.0) & (t < 6.0), saw(0.66, 12)[1], angle)
    for now, value in zip(t, slow, strict=True):
        leg.step(now, value, 0.7)
        seen.append(leg.backward)
    assert not any(seen)


@pytest.mark.parametrize("name", NAMES)
def test_a_walker_who_turns_back_has_no_phase_until_they_turn_again(name):
    estimator = registry.load(registry.PHASE_ESTIMATORS, name)(0.01, {})
    t, _, confidence, states, events = TurnsBack().walk(estimator, 33.0)
    states = np.array(states)
    stride = 1.0 / 0.9
    assert not (states[t < TURN_S] == GaitState.BACKWARD).any()
    known = (t > TURN_S + 3.5 * stride) & (t < BACK_S)
    assert (states[known] == GaitState.BACKWARD).all()
    assert (confidence[known] == 0.0).all()
    assert not [e for e in events if TURN_S + 3.5 * stride < e.detected_s < BACK_S]
    again = t > BACK_S + 3.5 * stride
    assert (states[again] == GaitState.WALKING).all()
    assert (confidence[again].min(axis=1) > 0.0).all()
    assert [e for e in events if e.detected_s > BACK_S + 3.5 * stride]


@pytest.mark.parametrize(("speed", "rate_hz"), [(0.2, 0.35), (0.5, 0.35), (0.5, 0.8), (1.0, 0.8), (1.8, 1.2)])
def test_nobody_who_walks_forward_is_called_backward(speed, rate_hz):
    estimator = registry.load(registry.PHASE_ESTIMATORS, "individual")(0.01, {})
    walker = Walker(rate_hz=rate_hz, speed=speed, lag=0.42)
    *_, states, _ = walker.walk(estimator, 20.0)
    assert GaitState.BACKWARD not in states
    assert states[-1] == GaitState.WALKING
