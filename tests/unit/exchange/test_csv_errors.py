"""A damaged table is refused in one line that says where and what."""

from __future__ import annotations

from pathlib import Path

import pytest

from exostride.errors import ExitCode, InputError
from exostride.exchange import load

GOOD = [f"{i * 0.01:.2f},{0.1 + i * 0.001:.4f},0.2" for i in range(50)]
HEAD = "t,hip_left,knee_left"


def table(rows: list[str], head: str = HEAD) -> str:
    return "\n".join([head, *rows]) + "\n"


def swapped(number: int, row: str) -> list[str]:
    return [*GOOD[:number], row, *GOOD[number + 1 :]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"x\.csv: empty file"),
        ("\n\n", r"x\.csv: empty file"),
        (HEAD + "\n", r"x\.csv: no rows below the header"),
        (table(GOOD[:1]), r"x\.csv:2: fewer than two samples"),
        (
            table(GOOD, "t,hip_left,kneee_left"),
            r"x\.csv:1: column 3 'kneee_left' is unknown; did you mean 'knee_left'",
        ),
        (table(GOOD, "t,hip_left,hip_angle_left"), r"x\.csv:1: column 3 'hip_angle_left' is there twice"),
        (table(GOOD, "t,hip_left,hip_left"), r"x\.csv:1: column 3 'hip_left' is there twice"),
        (table(GOOD, "hip_left,knee_left,ankle_left"), r"x\.csv:1: expected a column 't'"),
        (table([r.replace(",", ";") for r in GOOD], HEAD.replace(",", ";")), r"x\.csv:1: .*semicolons"),
        (table([r.replace(",", "\t") for r in GOOD], HEAD.replace(",", "\t")), r"x\.csv:1: .*tabs"),
        (table(swapped(7, "0.07,0.1")), r"x\.csv:9: 2 values; expected 3"),
        (table(swapped(7, "0.07,0.1,0.2,0.3")), r"x\.csv:9: 4 values; expected 3"),
        (table(swapped(7, "0.07,abc,0.2")), r"x\.csv:9: column 2 \(hip_left\): 'abc' is not a number"),
        (table(swapped(7, "0.07,,0.2")), r"x\.csv:9: column 2 \(hip_left\): missing value"),
        (table(swapped(7, "0.07,0.1,nan")), r"x\.csv:9: column 3 \(knee_left\): missing value"),
        (table(swapped(7, "0.07,0.1,inf")), r"x\.csv:9: column 3 \(knee_left\): missing value"),
        (
            table(swapped(7, "0.06,0.1,0.2")),
            r"x\.csv:9: column 1 \(t\): time 0\.06 s does not come after 0\.06 s",
        ),
        (table(swapped(7, "0.01,0.1,0.2")), r"x\.csv:9: column 1 \(t\): time .* does not come after"),
        (table([*GOOD[:20], *GOOD[30:]]), r"x\.csv:22: column 1 \(t\): gap of 0\.11 s after 0\.19 s"),
        (
            table(swapped(30, "0.30,35.5,0.2")),
            r"x\.csv:32: column 2 \(hip_left\): 35\.5 looks like deg; expected rad",
        ),
        (table([*GOOD[:9], "", *GOOD[9:]]), r"x\.csv:11: 1 values; expected 3"),
        (
            table(swapped(3, "0.03,0.1,90"), "t,hip_left,thigh_rate_left"),
            r"x\.csv:5: column 3 \(thigh_rate_left\): 90 looks like deg/s; expected rad/s",
        ),
    ],
)
def test_errors_name_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value) and caught.value.exit_code == ExitCode.BAD_INPUT
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"t,hip_left\n\xff\xfe")
    with pytest.raises(InputError, match="not a text file"):
        load(tmp_path / "x.csv")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_good_files_of_other_programs(tmp_path: Path, ending: str) -> None:
    text = "\ufeff" + table(GOOD, "t, hip_angle_left ,knee_left").replace("\n", ending) + ending
    (tmp_path / "x.csv").write_bytes(text.encode())
    found = load(tmp_path / "x.csv")
    assert len(found) == 50 and set(found.columns) == {"hip_left", "knee_left"} and found.events == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["t,leg,event"], "expected the header"),
        (["t,side,event", "0.1,left"], r"x\.events\.csv:2: 2 values"),
        (["t,side,event", "zero,left,toe_off"], r"x\.events\.csv:2: column 1"),
        (["t,side,event", "0.1,links,toe_off"], r"x\.events\.csv:2: column 2 \(side\): 'links'"),
        (
            ["t,side,event", "0.1,left,toe_off", "0.2,left,hop"],
            r"x\.events\.csv:3: column 3 \(event\): 'hop'",
        ),
        (["t,side,event", "nan,left,toe_off"], r"x\.events\.csv:2: column 1 \(t\): missing"),
    ],
)
def test_damaged_events_are_named(tmp_path: Path, rows: list[str], message: str) -> None:
    (tmp_path / "x.csv").write_text(table(GOOD))
    (tmp_path / "x.events.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match=message):
        load(tmp_path / "x.csv")
