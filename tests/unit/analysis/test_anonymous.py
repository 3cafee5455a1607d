"""What may be shared: nobody can be looked up, intervals stay, and a set of rare bodies is refused."""

import csv
import dataclasses
import json
from datetime import date

import numpy as np
import pytest
from typer.testing import CliRunner

from exostride.analysis.anonymous import Coarseness, band, check_k, shared, smallest
from exostride.analysis.summary import analyse
from exostride.bench.made_session import MadeSession, write
from exostride.cli import app
from exostride.errors import InputError
from exostride.exchange import load
from exostride.model.anthropometry import BodyParameters


def body(height=1.75, mass=75.0, sex="male"):
    return BodyParameters(height_m=height, mass_kg=mass, sex=sex)


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    made = []
    for i, (height, mass, days) in enumerate(((1.71, 71.0, (1, 8)), (1.74, 77.0, (3,)), (1.79, 73.0, (2,)))):
        for day in days:
            path = folder / f"secret_{i}_{day}"
            plan = MadeSession(
                duration_s=12.0,
                patient_id=f"secret{i}",
                started=f"2025-03-{day:02d}T10:30:00+00:00",
                body=body(height, mass),
                seed=i,
            )
            write(plan, path)
            made.append(path)
    return made


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_bands_hold_their_value():
    assert band(1.70, 0.1) == pytest.approx((1.7, 1.8)) and band(69.99, 10.0) == (60.0, 70.0)
    for value in np.linspace(1.2, 2.1, 91):
        low, high = band(float(value), 0.05)
        assert low - 1e-9 <= value < high + 1e-9


def test_a_rare_body_is_refused_with_what_would_help():
    crowd = [body(1.71 + 0.01 * i, 71.0 + i) for i in range(5)]
    check_k(crowd, Coarseness(), 5)
    rare = [*crowd, body(1.72, 73.0, "female")]
    with pytest.raises(InputError, match=r"k = 1, wanted 5: 1 of 6 patients have sex female.*--drop sex"):
        check_k(rare, Coarseness(), 5)
    check_k(rare, Coarseness(dropped=("sex",)), 5)
    with pytest.raises(InputError, match=r"--height-band 0\.2 --mass-band 20"):
        check_k([*crowd, body(1.62, 69.0)], Coarseness(), 5)
    with pytest.raises(InputError, match="no coarsening helps: the set has 3 patients"):
        check_k(crowd[:3], Coarseness(), 5)


def test_what_is_advised_is_enough():
    random = np.random.default_rng(3)
    for _ in range(40):
        people = [
            body(
                float(random.uniform(1.5, 2.0)),
                float(random.uniform(50, 110)),
                str(random.choice(["male", "female"])),
            )
            for _ in range(8)
        ]
        try:
            check_k(people, Coarseness(), 4)
        except InputError as error:
            words = str(error).split("coarsen it: ")[1].split()
            options = list(zip(words[::2], words[1::2], strict=True))
            coarse = Coarseness(
                float(dict(options).get("--height-band", 0.10)),
                float(dict(options).get("--mass-band", 10.0)),
                tuple(value for name, value in options if name == "--drop"),
            )
            assert smallest(people, coarse)[0] >= 4, error


def test_k_counts_people_not_sessions(bags):
    analyses = [analyse(bag) for bag in bags]
    with pytest.raises(InputError, match="k = 3, wanted 4"):
        shared(analyses, Coarseness(), 4, np.random.default_rng(0))


def test_intervals_stay_and_dates_go(bags):
    sessions = shared([analyse(bag) for bag in bags], Coarseness(), 3, np.random.default_rng(7))
    days = {}
    for s in sessions:
        days.setdefault(s.subject.number, []).append(date.fromisoformat(s.day))
    (twice,) = [d for d in days.values() if len(d) == 2]
    assert (twice[1] - twice[0]).days == 7
    assert {s.subject.number for s in sessions} == {"p001", "p002", "p003"}


def test_one_pseudonym_is_one_body(bags):
    analyses = [analyse(bag) for bag in bags[:2]]
    other = dataclasses.replace(analyses[1].session, body=body(1.5, 75.0))
    analyses[1] = dataclasses.replace(analyses[1], session=other)
    with pytest.raises(InputError, match="different bodies under one pseudonym"):
        shared(analyses, Coarseness(), 2, np.random.default_rng(0))


def test_the_command_writes_only_what_may_leave(bags, tmp_path, monkeypatch):
    # Shifts are drawn anew each time, and one in some thirty draws gives back a day of the same week.
    drawn = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda *seed: drawn(*seed or (1,)))
    out = tmp_path / "set"
    done = CliRunner().invoke(
        app, ["anonymize", *map(str, bags), "-o", str(out), "--k", "3", "--signals", "parquet"]
    )
    assert done.exit_code == 0, (done.output, done.exception)
    for path in out.rglob("*"):
        content = path.read_bytes()
        assert b"secret" not in content and b"2025-03-0" not in content and b"10:30" not in content, path
    people = {row["subject"]: row for row in rows(out / "subjects.csv")}
    assert {p["height_m"] for p in people.values()} == {"1.70-1.80"}
    assert {p["mass_kg"] for p in people.values()} == {"70-80"}
    assert json.loads((out / "about.json").read_text())["k"] == 3
    loads = []
    for row in rows(out / "sessions.csv"):
        recording = load(out / f"{row['subject']}_s{int(row['session']):02d}.parquet")
        assert recording.time_s[0] == 0.0
        loads.append(max(float(np.max(recording.columns[f"plate{i}_fz"])) for i in (1, 2)))
    # The forces tell the mass of the band, not that of the person: all three look alike.
    assert np.ptp(loads) < 0.02 * np.mean(loads)
    again = CliRunner().invoke(app, ["anonymize", str(bags[0]), "-o", str(out)])
    assert "exists already" in str(again.exception)


def test_a_refused_set_leaves_nothing(bags, tmp_path):
    done = CliRunner().invoke(app, ["anonymize", *map(str, bags), "-o", str(tmp_path / "set"), "--k", "5"])
    assert isinstance(done.exception, InputError) and not list(tmp_path.iterdir())
    for options, message in (
        (["--drop", "age"], "expected one of sex"),
        (["--mass-band", "0"], "above zero"),
    ):
        done = CliRunner().invoke(app, ["anonymize", str(bags[0]), "-o", str(tmp_path / "set"), *options])
        assert message in str(done.exception)
