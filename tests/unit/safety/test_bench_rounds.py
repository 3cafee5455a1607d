"""The order in which the safety bench goes through its matrix."""

from __future__ import annotations

from exostride.bench.safety import _ROUND, _matrix_jobs
from exostride.bench.safety_cases import cases

SEEDS = 3


def parts(done: set[str], only: set[str] | None = None) -> list[list[str]]:
    return [[case.key for case in job.args[1]] for job in _matrix_jobs(done, only or set(), SEEDS)]  # type: ignore[attr-defined]


def test_every_case_comes_once_and_every_walk_has_its_turn() -> None:
    rounds = parts(set())
    assert sorted(key for part in rounds for key in part) == sorted(case.key for case in cases(SEEDS))
    assert [len(part) for part in rounds[: 2 * SEEDS]] == [_ROUND] * SEEDS + [2 * _ROUND] * SEEDS
    seed_of = {case.key: case.seed for case in cases(SEEDS)}
    assert [{seed_of[key] for key in part} for part in rounds] == [{n % SEEDS} for n in range(len(rounds))]


def test_what_is_known_or_not_asked_for_is_left_out() -> None:
    every = [case for case in cases(SEEDS) if case.fault == "F22"]
    done = {case.key for case in every if case.seed != 1}
    assert parts(done, {"F22"}) == [[case.key for case in every if case.seed == 1]]
    assert parts({case.key for case in every}, {"F22"}) == []
