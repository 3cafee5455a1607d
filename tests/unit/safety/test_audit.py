"""The audit log: any edit, deletion, insertion, reordering or cut is found, with its line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from exostride.errors import InputError
from exostride.safety.audit import AuditEntry, AuditLog
from exostride.safety.audit_chain import GENESIS, Anchor, entries_of, verify


def entries(count: int) -> list[AuditEntry]:
    return [AuditEntry(n * 10, n * 0.05, "transition", {"to": f"S{n}", "é": n}) for n in range(count)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Six lines: opening, four events, closing."""
    path = tmp_path / "deep" / "audit.jsonl"
    with AuditLog(path, {"patient": "p1"}) as writer:
        for entry in entries(4):
            writer.append([entry])
    return path


def rewrite(path: Path, lines: list[str]) -> None:
    """Write a chain anew over changed lines, as a forger would."""
    last, out = GENESIS, []
    for n, line in enumerate(lines):
        body = {**json.loads(line), "n": n}
        body.pop("hash", None)
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        last = hashlib.sha256((last + text).encode()).hexdigest()
        out.append(json.dumps({**body, "hash": last}, sort_keys=True, separators=(",", ":")))
    path.write_text("".join(f"{line}\n" for line in out))


class TestWriting:
    def test_intact(self, log: Path) -> None:
        verdict = verify(log)
        assert verdict.intact and verdict.closed and verdict.entries == 6 and verdict.findings == ()
        assert json.loads(log.read_text().splitlines()[-1])["hash"] == verdict.head
        assert [entry["kind"] for entry in entries_of(log)] == ["opened", *["transition"] * 4, "closed"]
        assert entries_of(log)[0]["detail"] == {"patient": "p1"}
        assert [json.loads(line) for line in log.read_text().splitlines()] == entries_of(log)

    def test_opening_record_is_at_the_beginning_of_time(self, log: Path) -> None:
        first = entries_of(log)[0]
        assert (first["n"], first["seq"], first["time_s"]) == (0, 0, 0.0)

    def test_the_folders_of_a_log_are_made(self, tmp_path: Path) -> None:
        path = tmp_path / "patient" / "session" / "audit.jsonl"
        for entries_so_far in (2, 4):
            AuditLog(path).close()
            assert verify(path).entries == entries_so_far

    def test_closing_record_is_at_the_last_entrys_time(self, log: Path) -> None:
        last = entries_of(log)[-1]
        assert (last["seq"], last["time_s"], last["detail"]) == (30, 0.15000000000000002, {})

    def test_continues_where_it_ended(self, log: Path) -> None:
        with AuditLog(log) as writer:
            assert writer.path == log
            writer.append([AuditEntry(99, 1.0, "note")])
            anchor = writer.anchor
        writer.close()
        verdict = verify(log, anchor)
        assert verdict.intact and verdict.entries == 9 and anchor.entries == 8 and not verdict.remarks

    def test_log_without_events(self, tmp_path: Path) -> None:
        AuditLog(tmp_path / "a.jsonl").close()
        verdict = verify(tmp_path / "a.jsonl")
        assert verdict.intact and verdict.entries == 2

    def test_broken_log_is_not_written_on(self, log: Path) -> None:
        log.write_text("x\n")
        with pytest.raises(InputError, match=r"audit.jsonl:1: audit log is broken \(edited: not JSON\)"):
            AuditLog(log)
        assert log.read_text() == "x\n"

    def test_one_writer_at_a_time(self, log: Path) -> None:
        with AuditLog(log), pytest.raises(InputError, match="written by another process"):
            AuditLog(log)

    def test_missing_log(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="can't be read"):
            verify(tmp_path / "none.jsonl")

    def test_killed_session_is_remarked_in_the_next(self, log: Path) -> None:
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[:4]))
        AuditLog(log).close()
        verdict = verify(log)
        assert verdict.intact
        assert [(remark.line, remark.what.split(":")[0]) for remark in verdict.remarks] == [
            (5, "the session before this was not closed")
        ]


class TestEdits:
    @pytest.mark.parametrize("line", range(6))
    def test_every_edited_character_is_found(self, log: Path, line: int) -> None:
        lines = log.read_text().splitlines(keepends=True)
        for position in range(0, len(lines[line]) - 1):
            old = lines[line][position]
            new = "1" if old != "1" else "2"
            edited = lines[line][:position] + new + lines[line][position + 1 :]
            log.write_text("".join([*lines[:line], edited, *lines[line + 1 :]]))
            verdict = verify(log)
            assert not verdict.unbroken and line + 1 in {f.line for f in verdict.findings}, (position, old)

    def test_edit_is_told_from_a_move(self, log: Path) -> None:
        lines = log.read_text().splitlines(keepends=True)
        lines[2] = lines[2].replace("S1", "S9")
        lines[3], lines[4] = lines[4], lines[3]
        log.write_text("".join(lines))
        assert [(f.line, f.what) for f in verify(log).findings] == [
            (3, "entry 2 edited, or its hash or that of entry 1"),
            (5, "entry 3 after entry 4: moved"),
        ]

    def test_consistent_forgery_of_one_line_breaks_the_next(self, log: Path) -> None:
        lines = log.read_text().splitlines()
        body = json.loads(lines[0])
        del body["hash"]
        body["detail"] = {"to": "nothing happened"}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        body["hash"] = hashlib.sha256((GENESIS + text).encode()).hexdigest()
        lines[0] = json.dumps(body, sort_keys=True, separators=(",", ":"))
        log.write_text("\n".join(lines) + "\n")
        assert [f.line for f in verify(log).findings] == [2]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("nonsense", "edited: not JSON"),
            ("[]", "edited: not an entry"),
            ("\xff", "edited: not JSON"),
            ('{"a": 1}', "edited: not written as the log writes"),
            ('{"hash":"x"}', "edited: an entry without number or hash"),
            ('{"hash":"x","n":-1}', "edited: an entry without number or hash"),
            ('{"hash":"x","n":true}', "edited: an entry without number or hash"),
            ('{"hash":7,"n":0}', "edited: an entry without number or hash"),
            ("[" * 100_000, "edited: not JSON"),
        ],
    )
    def test_damage(self, tmp_path: Path, text: str, problem: str) -> None:
        path = tmp_path / "a.jsonl"
        path.write_bytes(text.encode("latin-1") + b"\n")
        verdict = verify(path)
        assert not verdict.intact and verdict.findings[0] == (1, problem)

    def test_an_absurd_number_takes_no_time(self, log: Path) -> None:
        lines = log.read_text().splitlines(keepends=True)
        lines[5] = lines[5].replace('"n":5', '"n":5000000000000000')
        log.write_text("".join(lines))
        assert "entries 5 to 4999999999999999 missing" in verify(log).findings[0].what


class TestLoss:
    @pytest.mark.parametrize("line", range(6))
    def test_deletion(self, log: Path, line: int) -> None:
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[:line] + lines[line + 1 :]))
        verdict = verify(log)
        assert not verdict.intact
        if line == 5:
            assert verdict.unbroken and not verdict.closed
        else:
            what = f"entry {line} missing before this line: deleted or no longer readable"
            assert verdict.findings == ((line + 1, what),)

    def test_several_deletions_are_all_named(self, log: Path) -> None:
        lines = log.read_text().splitlines(keepends=True)
        log.write_text(lines[2] + lines[5])
        assert [(f.line, f.what[:22]) for f in verify(log).findings] == [
            (1, "entries 0 to 1 missing"),
            (2, "entries 3 to 4 missing"),
        ]

    @pytest.mark.parametrize("line", range(6))
    def test_duplication(self, log: Path, line: int) -> None:
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[: line + 1] + lines[line:]))
        assert verify(log).findings == ((line + 2, f"entry {line} again, as in line {line + 1}: inserted"),)

    @pytest.mark.parametrize("line", range(5))
    def test_reordering(self, log: Path, line: int) -> None:
        lines = log.read_text().splitlines(keepends=True)
        lines[line], lines[line + 1] = lines[line + 1], lines[line]
        log.write_text("".join(lines))
        assert verify(log).findings == ((line + 2, f"entry {line} after entry {line + 1}: moved"),)

    @pytest.mark.parametrize("kept", range(6))
    def test_cut_off_end(self, log: Path, kept: int) -> None:
        anchor = Anchor(5, json.loads(log.read_text().splitlines()[4])["hash"])
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[:kept]))
        alone, backed = verify(log), verify(log, anchor)
        assert alone.unbroken and not alone.complete and not alone.intact
        assert backed.intact is (kept == 5)
        if kept < 5:
            known = "the log had 5 entries when its anchor was taken"
            assert backed.findings == ((kept + 1, f"cut off: {known}, entry 4 is not here"),)

    def test_cut_within_a_line(self, log: Path) -> None:
        log.write_bytes(log.read_bytes()[:-20])
        verdict = verify(log)
        assert (verdict.entries, verdict.findings) == (5, ((6, "cut off within the line"),))


class TestAnchor:
    def test_whole_chain_written_anew(self, log: Path) -> None:
        anchor = Anchor(4, json.loads(log.read_text().splitlines()[3])["hash"])
        assert verify(log, anchor).intact
        lines = log.read_text().splitlines()
        rewrite(log, [lines[0], *lines[2:]])
        assert verify(log).intact, "without an anchor a forger leaves no trace"
        verdict = verify(log, anchor)
        assert verdict.findings == ((4, "entry 3 is not the one anchored: chain written anew"),)

    def test_anchor_of_an_empty_log_says_nothing(self, log: Path) -> None:
        assert verify(log, Anchor(0, GENESIS)).intact
        log.write_text("")
        assert not verify(log, Anchor(0, GENESIS)).intact
