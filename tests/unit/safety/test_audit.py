"""The audit log: any edit, deletion, insertion or reordering is found, at the first broken line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exostride.errors import InputError
from exostride.safety.audit import GENESIS, AuditEntry, AuditLog, verify


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "audit.jsonl"
    with AuditLog(path) as writer:
        for n in range(6):
            writer.append(
                [AuditEntry(seq=n * 10, time_s=n * 0.05, kind="transition", detail={"to": f"S{n}", "é": n})]
            )
    return path


def test_intact(log: Path) -> None:
    verdict = verify(log)
    assert verdict.intact and verdict.entries == 6 and verdict.line == 0
    assert json.loads(log.read_text().splitlines()[-1])["hash"] == verdict.last_hash


def test_continues_where_it_ended(log: Path) -> None:
    with AuditLog(log) as writer:
        assert writer.last_hash == verify(log).last_hash
        writer.append([AuditEntry(99, 1.0, "note")])
        last = writer.last_hash
    verdict = verify(log)
    assert verdict.entries == 7 and verdict.last_hash == last
    writer.close()


def test_empty_log(tmp_path: Path) -> None:
    AuditLog(tmp_path / "a.jsonl").close()
    verdict = verify(tmp_path / "a.jsonl")
    assert verdict.intact and verdict.entries == 0 and verdict.last_hash == GENESIS


@pytest.mark.parametrize("line", range(6))
def test_every_edited_character_is_found(log: Path, line: int) -> None:
    lines = log.read_text().splitlines(keepends=True)
    for position in range(0, len(lines[line]) - 1):
        old = lines[line][position]
        new = "1" if old != "1" else "2"
        edited = lines[line][:position] + new + lines[line][position + 1 :]
        log.write_text("".join([*lines[:line], edited, *lines[line + 1 :]]))
        verdict = verify(log)
        assert not verdict.intact and verdict.line == line + 1, (position, old)


@pytest.mark.parametrize("line", range(5))
def test_deletion_insertion_and_reordering(log: Path, line: int) -> None:
    lines = log.read_text().splitlines(keepends=True)
    for changed, at in (
        (lines[:line] + lines[line + 1 :], line + 1),
        (lines[: line + 1] + lines[line:], line + 2),
        ([*lines[:line], lines[line + 1], lines[line], *lines[line + 2 :]], line + 1),
    ):
        log.write_text("".join(changed))
        verdict = verify(log)
        assert not verdict.intact
        assert verdict.line == at
        assert verdict.entries == at - 1
        assert "deleted, inserted or reordered" in verdict.problem


def test_consistent_forgery_of_one_line_breaks_the_next(log: Path) -> None:
    import hashlib

    lines = log.read_text().splitlines()
    body = json.loads(lines[0])
    del body["hash"]
    body["detail"] = {"to": "nothing happened"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    body["hash"] = hashlib.sha256((GENESIS + text).encode()).hexdigest()
    lines[0] = json.dumps(body, sort_keys=True, separators=(",", ":"))
    log.write_text("\n".join(lines) + "\n")
    verdict = verify(log)
    assert (verdict.intact, verdict.line) == (False, 2)
    assert "hash does not match" in verdict.problem


@pytest.mark.parametrize(
    ("text", "problem"), [("nonsense\n", "not JSON"), ("[]\n", "not an object"), ("\xff\n", "not JSON")]
)
def test_damage(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(text.encode("latin-1"))
    verdict = verify(path)
    assert (verdict.intact, verdict.line, verdict.problem) == (False, 1, problem)


def test_cut_off_line_is_named(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-20])
    verdict = verify(log)
    assert (verdict.intact, verdict.entries, verdict.line, verdict.problem) == (
        False,
        5,
        6,
        "last line is incomplete",
    )


def test_broken_log_is_not_written_on(log: Path) -> None:
    log.write_text("x\n")
    with pytest.raises(InputError, match="audit log is broken"):
        AuditLog(log)


def test_missing_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        verify(tmp_path / "none.jsonl")
