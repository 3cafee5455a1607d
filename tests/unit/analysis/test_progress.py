"""Progress over sessions: certain changes, warnings, an outlook that keeps its word, and the store."""

import sqlite3

import numpy as np
import pytest

from exostride.analysis.progress import (
    MILESTONES,
    PLATEAU,
    SETBACK,
    Course,
    Milestone,
    Verdict,
    backtest,
    forecast,
    measurement_error,
    minimal_detectable_change,
    reached,
    verdict,
    warning,
)
from exostride.analysis.registry import Better
from exostride.analysis.store import MIGRATIONS, Store, key_beside, pseudonym
from exostride.bench.progress import KINDS, on_made, on_store
from exostride.errors import InputError
from exostride.report.milestones import way


def course(values, better=Better.HIGHER):
    y = np.array(values, dtype=float)
    return Course(y, np.full(len(y), np.nan), better)


def test_measurement_error_is_that_of_the_noise_and_not_of_the_trend():
    rng = np.random.default_rng(0)
    x = np.arange(400.0)
    assert measurement_error(course(3.0 * x + rng.normal(size=400))) == pytest.approx(1.0, rel=0.1)
    assert minimal_detectable_change(course(2.0 * x)) == pytest.approx(0.0, abs=1e-9)


def test_verdicts_know_which_way_is_better():
    up = [1.0, 1.1, 1.9, 2.1, 2.9, 3.1]
    assert verdict(course(up)) == Verdict.BETTER
    assert verdict(course(up, Better.LOWER)) == Verdict.WORSE
    assert verdict(course([-12.0, -9.0, -7.0, -4.0, -2.0, -0.5], Better.ZERO)) == Verdict.BETTER
    assert verdict(course([1.0, 1.4, 0.9, 1.3, 1.1])) == Verdict.SAME
    assert verdict(course([1.0])) == Verdict.UNKNOWN


def test_plateau_and_setback():
    assert warning(course([1.0, 2.0, 3.0, 4.0, 5.0, 5.02, 4.98, 5.01, 5.0, 5.01])) == PLATEAU
    assert warning(course([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 0.7])) == SETBACK
    assert warning(course([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])) == ""


def recovery(rng, n=10):
    """A course as in rehabilitation: an exponential approach with day-to-day noise."""
    t = np.arange(n)
    return 1.0 - np.exp(-t / rng.uniform(3.0, 9.0)) + rng.normal(scale=0.05, size=n)


def test_the_outlook_beats_naive_ones_and_its_interval_holds():
    rng = np.random.default_rng(7)
    found = backtest([recovery(rng) for _ in range(200)])
    assert found is not None
    assert found.ours < found.last_value
    assert found.ours < found.straight_line
    assert 0.72 < found.covered < 0.95


def test_too_few_sessions_give_no_outlook():
    assert forecast(np.array([1.0, np.nan, 2.0])) is None
    assert backtest([np.array([1.0, 2.0])]) is None


def test_milestones_count_only_when_they_are_new():
    speed = Milestone("x", "speed_m_s", "", 0.4)
    assert reached(speed, np.array([0.3, np.nan, 0.41, 0.5]), Better.HIGHER) == 2
    assert reached(speed, np.array([0.5, 0.6]), Better.HIGHER) is None
    assert reached(Milestone("x", "s", "", 10.0), np.array([-15.0, -9.0]), Better.ZERO) == 1


def test_a_session_is_stored_once_and_forgotten_whole(tmp_path, analysis):
    with Store(tmp_path / "s.sqlite") as store:
        assert store.add(analysis, "P-1") is True
        assert store.add(analysis, "P-1") is False
        assert store.patients() == [("P-1", 1)]
        assert store.course("P-1", "speed_m_s").values[0] == pytest.approx(0.8, rel=0.01)
        assert store.forget("P-1") == 1
        assert store.patients() == []
        with pytest.raises(InputError, match="no sessions of 'P-1'"):
            store.sessions("P-1")


def test_no_name_and_no_path_is_in_the_store(tmp_path, analysis):
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        store.add(analysis, "P-1")
        with pytest.raises(InputError, match="pseudonym"):
            store.add(analysis, "Jane Doe")
    assert str(analysis.session.path).encode() not in path.read_bytes()


def test_old_files_are_brought_up_to_date(tmp_path, analysis):
    path = tmp_path / "old.sqlite"
    db = sqlite3.connect(path)
    db.executescript(MIGRATIONS[0] + "PRAGMA user_version = 1;")
    db.execute("INSERT INTO patient VALUES ('P-9')")
    db.commit()
    db.close()
    with Store(path) as store:
        assert store.patients() == [("P-9", 0)]
        store.add(analysis, "P-9")
        assert np.isfinite(store.course("P-9", "stride_time_s", "left").margins[0])


@pytest.mark.parametrize("damage", ["newer", "other", "text"])
def test_what_is_no_store_is_left_alone(tmp_path, damage):
    path = tmp_path / "x.sqlite"
    if damage == "text":
        path.write_text("not a database, but long enough to be taken for one " * 40)
    else:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE theirs (a)")
        db.execute(f"PRAGMA user_version = {99 if damage == 'newer' else 0}")
        db.commit()
        db.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=str(path)):
        Store(path)
    assert path.read_bytes() == before


def test_pseudonyms_need_the_key(tmp_path):
    key = key_beside(tmp_path / "s.sqlite")
    assert key == key_beside(tmp_path / "s.sqlite") and len(key) == 32
    assert pseudonym("Jane  Doe", key) == pseudonym("jane doe", key) != pseudonym("Jane Doe", b"other")
    assert (tmp_path / "s.key").stat().st_mode & 0o077 == 0


def test_the_outlook_is_better_than_naive_ones_on_made_patients():
    found = on_made(40, 15, seed=1)
    assert set(found) == {*KINDS, "all"}
    for name, result in found.items():
        assert result.n == 40 * 12 * (3 if name == "all" else 1)
        assert result.ours < min(result.last_value, result.straight_line), name
        assert 0.75 <= result.covered <= 0.95, (name, result.covered)


def test_bench_progress_on_a_store(tmp_path):
    with pytest.raises(InputError, match="no such store"):
        on_store(tmp_path / "none.sqlite")
    with Store(tmp_path / "s.sqlite"):
        pass
    with pytest.raises(InputError, match="nobody has four"):
        on_store(tmp_path / "s.sqlite")


def test_the_same_figure_twice_is_no_change():
    assert verdict(course([20.0, 20.0 + 1e-12, 20.0, 20.0, 20.0 + 2e-12])) == Verdict.SAME


def test_milestones_on_the_way():
    speed, even = MILESTONES[0], MILESTONES[-1]
    reached_in_third = way(speed, np.array([0.2, 0.3, 0.45]), Better.HIGHER)
    assert reached_in_third.session == 2 and reached_in_third.done == 1.0
    ahead = way(speed, np.array([0.2, 0.3]), Better.HIGHER)
    assert ahead.session is None and ahead.done == pytest.approx(0.75)
    assert way(speed, np.array([0.5, 0.6]), Better.HIGHER) is None
    assert way(even, np.array([30.0, 20.0]), Better.ZERO).done == pytest.approx(0.5)
    assert way(even, np.array([30.0, 40.0]), Better.ZERO).done == 0.0
