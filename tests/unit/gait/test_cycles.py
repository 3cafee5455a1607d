"""Strides from events, and the phase that is linear between heel strikes."""

import numpy as np
import pytest

from exostride.gait.cycles import CycleTracker, ideal_phase, normalise, strides
from exostride.types import EventKind, GaitEvent

STRIKE, OFF = EventKind.HEEL_STRIKE, EventKind.TOE_OFF


def event(t, side, kind):
    return GaitEvent(0, t, t, side, kind)


def walking(n=4, stride=1.0, stance=0.62, lag=0.5):
    out = []
    for k in range(n):
        for side in (0, 1):
            start = k * stride + lag * stride * side
            out += [event(start, side, STRIKE), event(start + stance * stride, side, OFF)]
    return sorted(out, key=lambda e: e.time_s)


def test_stride_of_even_walking():
    found = strides(walking())
    stride = [s for s in found if s.side == 0][1]
    assert (stride.start_s, stride.end_s) == (1.0, 2.0)
    assert stride.stance_fraction == pytest.approx(0.62)
    assert stride.swing_s == pytest.approx(0.38)
    assert stride.step_s == pytest.approx(0.5)
    # Each double support lasts from one heel strike to the other leg's toe off: 12 % twice.
    assert stride.double_support_fraction == pytest.approx(0.24)


def test_tracker_gives_the_same_strides_as_the_whole_list():
    events = walking()
    tracker = CycleTracker()
    streamed = [s for e in events if (s := tracker.add(e)) is not None]
    for a, b in zip(sorted(streamed, key=lambda s: (s.end_s, s.side)), strides(events), strict=True):
        assert (a.side, a.index, a.start_s, a.end_s) == (b.side, b.index, b.start_s, b.end_s)
        assert a.stance_s == pytest.approx(b.stance_s, nan_ok=True)
        assert a.double_support_s == pytest.approx(b.double_support_s, nan_ok=True)


def test_running_has_no_double_support():
    stride = next(s for s in strides(walking(stance=0.4)) if s.side == 0 and s.index == 1)
    assert stride.double_support_s == 0.0


def test_missing_toe_off_is_not_a_number():
    events = [e for e in walking() if not (e.side == 0 and e.kind == OFF)]
    stride = next(s for s in strides(events) if s.side == 0)
    assert np.isnan(stride.stance_s)
    assert np.isnan(stride.double_support_s)


@pytest.mark.parametrize("pause", [0.2, 6.0])
def test_interval_that_is_no_stride_is_left_out(pause):
    events = [event(t, 0, STRIKE) for t in (0.0, 1.0, 1.0 + pause, 2.0 + pause)]
    assert [s.duration_s for s in strides(events)] == pytest.approx([1.0, 1.0])
    tracker = CycleTracker()
    assert sum(tracker.add(e) is not None for e in events) == 2


def test_tracker_ignores_an_event_that_comes_back_in_time():
    tracker = CycleTracker()
    assert tracker.add(event(1.0, 0, STRIKE)) is None
    assert tracker.add(event(0.5, 0, STRIKE)) is None
    assert tracker.add(event(2.0, 0, STRIKE)).start_s == 1.0


def test_ideal_phase():
    t = np.array([-0.5, 0.0, 0.5, 0.999, 1.0, 2.0, 3.0])
    phase = ideal_phase(t, [0.0, 1.0, 3.0])
    np.testing.assert_allclose(phase[1:6], [0.0, 0.5, 0.999, 0.0, 0.5])
    assert np.isnan(phase[[0, 6]]).all()


def test_normalise_interpolates_and_leaves_the_outside_empty():
    t = np.linspace(0.0, 1.5, 151)
    stride = strides([event(0.0, 0, STRIKE), event(1.0, 0, STRIKE), event(2.0, 0, STRIKE)])
    np.testing.assert_allclose(normalise(t, t, stride[0], 5), [0.0, 0.25, 0.5, 0.75, 1.0])
    assert np.isnan(normalise(t, np.stack((t, t), axis=1), stride[1], 5)[-1]).all()
