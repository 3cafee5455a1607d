"""Joiner, timeline, pacing: the small pure parts of the graph."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exostride.runtime.joiner import SequenceJoiner
from exostride.runtime.pacing import Pacer, Series
from exostride.runtime.timeline import Timeline


class TestJoiner:
    def test_joins_by_tick_in_any_order_of_arrival(self):
        joiner = SequenceJoiner(("a", "b"))
        joiner.put("b", 5, "b5")
        joiner.put("a", 6, "a6")
        assert not joiner.has(5, ("a", "b"))
        joiner.put("a", 5, "a5")
        assert joiner.has(5, ("a", "b"))
        assert (joiner.get("a", 5), joiner.get("b", 5), joiner.get("b", 6)) == ("a5", "b5", None)

    def test_drops_and_counts_stale_and_duplicate_values(self):
        joiner = SequenceJoiner(("a",))
        assert joiner.put("a", 3, "first")
        assert not joiner.put("a", 3, "second")
        assert joiner.get("a", 3) == "first"
        joiner.advance(4)
        assert not joiner.put("a", 3, "late")
        assert joiner.get("a", 3) is None
        assert (joiner.duplicates, joiner.stale) == (1, 1)

    def test_never_goes_back(self):
        joiner = SequenceJoiner(("a",))
        joiner.advance(10)
        joiner.advance(2)
        assert joiner.floor == 10

    def test_an_unknown_input_is_an_error(self):
        with pytest.raises(KeyError):
            SequenceJoiner(("a",)).put("b", 0, None)

    def test_capacity_must_be_positive(self):
        with pytest.raises(ValueError, match="capacity"):
            SequenceJoiner(("a",), capacity=0)

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.booleans()), max_size=200))
    def test_stays_bounded_and_holds_what_is_newest(self, moves):
        joiner = SequenceJoiner(("a", "b"), capacity=4)
        taken = {"a": [], "b": []}
        for name, seq, advance in moves:
            if joiner.put(name, seq, (name, seq)):
                taken[name].append(seq)
            if advance:
                joiner.advance(seq)
            kept = [s for s in range(70) if joiner.get(name, s) is not None]
            assert len(kept) <= 4
            assert all(s >= joiner.floor for s in kept)
            live = [s for s in taken[name] if s >= joiner.floor]
            assert kept == sorted(set(live))[-len(kept) :] if kept else True


class TestTimeline:
    def test_the_largest_start_not_after_the_tick_holds(self):
        line = Timeline()
        line.add(20, "later")
        line.add(0, "first")
        assert [line.at(seq) for seq in (0, 19, 20, 500)] == ["first", "first", "later", "later"]

    def test_nothing_holds_before_the_first(self):
        line = Timeline()
        line.add(5, "x")
        assert line.at(4) is None

    def test_of_two_with_one_start_the_later_added_holds(self):
        line = Timeline()
        line.add(5, "x")
        line.add(5, "y")
        assert line.at(5) == "y"

    @given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
    def test_agrees_with_a_search_over_everything(self, starts):
        line = Timeline()
        for i, start in enumerate(starts):
            line.add(start, (start, i))
        for seq in range(60):
            best = max((start for start in starts if start <= seq), default=None)
            wanted = None if best is None else (best, max(i for i, s in enumerate(starts) if s == best))
            assert line.at(seq) == wanted


class TestPacer:
    def test_deadlines_are_absolute(self):
        pacer = Pacer(0.01, 100.0)
        for k in range(50):
            assert pacer.deadline_s == pytest.approx(100.0 + 0.01 * k)
            pacer.begin(pacer.deadline_s + 0.004)
        assert pacer.missed == 0

    def test_a_tick_later_than_a_period_is_missed(self):
        pacer = Pacer(0.01, 0.0)
        pacer.begin(0.011)
        assert pacer.missed == 1
        assert pacer.deadline_s == pytest.approx(0.01), "one tick is made up for"

    def test_a_long_pause_moves_the_deadlines_instead_of_hurrying(self):
        pacer = Pacer(0.01, 0.0)
        pacer.begin(1.0)
        assert pacer.deadline_s == pytest.approx(1.01)


class TestSeries:
    def test_percentiles(self):
        series = Series()
        for value in range(1, 1001):
            series.add(value)
        spread = series.spread()
        assert (spread.count, spread.max) == (1000, 1000.0)
        assert spread.p50 == pytest.approx(500.5)
        assert spread.p99 == pytest.approx(990.01)

    def test_keeps_the_newest(self):
        series = Series(capacity=4)
        for value in (100.0, 1.0, 2.0, 3.0, 4.0):
            series.add(value)
        assert series.spread().max == 4.0

    def test_empty_is_not_a_number(self):
        assert np.isnan(Series().spread().p50)
