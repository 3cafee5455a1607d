"""The chain of an audit log by itself: how its lines are written, and what its check says in full."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from exostride.errors import InputError
from exostride.safety.audit import AuditEntry, AuditLog
from exostride.safety.audit_chain import CLOSED, GENESIS, OPENED, Anchor, digest, entries_of, line_of, verify


def write(path: Path, *kinds: str) -> list[str]:
    """Write a sound chain of entries of these kinds; return its lines without their ends."""
    head, lines = GENESIS, []
    for n, kind in enumerate(kinds):
        body = {"n": n, "kind": kind}
        head = digest(head, body)
        lines.append(line_of({**body, "hash": head}))
    put(path, lines)
    return lines


def put(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def head_of(line: str) -> str:
    return json.loads(line)["hash"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


class TestLines:
    def test_a_log_to_the_last_character(self, path: Path) -> None:
        with AuditLog(path, {"patient": "p1"}) as log:
            log.append([AuditEntry(20, 0.1, "note", {"z": 1, "é": [True, None]})])
        bodies = [
            '{"detail":{"patient":"p1"},"kind":"opened","n":0,"seq":0,"time_s":0.0}',
            '{"detail":{"z":1,"\\u00e9":[true,null]},"kind":"note","n":1,"seq":20,"time_s":0.1}',
            '{"detail":{},"kind":"closed","n":2,"seq":20,"time_s":0.1}',
        ]
        head, lines = "0" * 64, []
        for body in bodies:
            head = hashlib.sha256((head + body).encode()).hexdigest()
            lines.append(body.replace(',"kind"', f',"hash":"{head}","kind"') + "\n")
        assert path.read_text() == "".join(lines)

    @pytest.mark.parametrize(
        "line",
        ['{"n":0,"hash":"x"}', '{"hash": "x","n":0}', '{"hash":"x", "n":0}', '{"hash":"x","n":0} ',
         ' {"hash":"x","n":0}', '{"hash":"\xe9","n":0}', '{"hash":"x","n":0,"n":0}'],
    )  # fmt: skip
    def test_an_entry_is_written_in_one_way_only(self, path: Path, line: str) -> None:
        put(path, [line])
        assert verify(path).findings == ((1, "edited: not written as the log writes"),)
        assert entries_of(path) == []

    @pytest.mark.parametrize(
        "line",
        [
            '{"n":0}',
            "{}",
            '{"hash":null,"n":0}',
            '{"hash":"HASH"}',
            *(f'{{"hash":"HASH","n":{n}}}' for n in ("1.0", "null", '"0"', "-1", "true")),
        ],
    )
    def test_an_entry_has_a_number_and_a_hash(self, path: Path, line: str) -> None:
        put(path, [line.replace("HASH", "0" * 64)])
        assert verify(path).findings == ((1, "edited: an entry without number or hash"),)

    @pytest.mark.parametrize("levels", [16, 17, 989, 990, 991, 100_000])
    def test_an_entry_is_not_nested_deeply(self, path: Path, levels: int) -> None:
        """Whatever stands in the file, the check ends with a verdict."""
        inner = levels - 1
        body = '{"detail":' + "[" * inner + "]" * inner + ',"hash":"' + "0" * 64 + '","n":0}'
        put(path, [body, body.replace('"n":0', '"n":1')])
        first = verify(path).findings[0].what
        if levels == 16:
            assert first.startswith("entry 0 edited")
        else:
            assert first in ("edited: nested as the log never nests", "edited: not JSON")

    @pytest.mark.parametrize("claimed", ["\\u00e9", "f" * 63, "f" * 65, "F" * 64, "g" * 64, "f" * 64 + "\\n"])
    def test_a_hash_is_sixty_four_hexadecimal_digits(self, path: Path, claimed: str) -> None:
        put(path, [f'{{"hash":"{claimed}","n":{n}}}' for n in (0, 1)])
        words = [finding.what for finding in verify(path).findings]
        assert words == ["edited: an entry without number or hash"] * 2

    def test_what_cant_be_read_says_why(self, tmp_path: Path) -> None:
        for missing in (tmp_path / "none.jsonl", tmp_path / "no" / "folder.jsonl"):
            with pytest.raises(InputError) as caught:
                verify(missing)
            assert str(caught.value) == f"{missing}: can't be read (No such file or directory)"
        with pytest.raises(InputError, match="can't be read"):
            entries_of(tmp_path)

    def test_an_empty_log(self, path: Path) -> None:
        verdict = verify(put(path, []))
        assert (verdict.entries, verdict.head, verdict.findings, verdict.remarks) == (0, GENESIS, (), ())
        assert verdict.unbroken and not verdict.closed and not verdict.complete
        path.write_text("x")
        assert verify(path).findings == ((1, "cut off within the line"),)


class TestEnd:
    @pytest.mark.parametrize("last", ["note", OPENED, CLOSED])
    def test_closed_is_a_log_whose_last_entry_says_so(self, path: Path, last: str) -> None:
        lines = write(path, OPENED, CLOSED, OPENED, "note", last)
        verdict = verify(path)
        assert verdict.closed is verdict.complete is (last == CLOSED)
        assert (verdict.entries, verdict.head) == (5, head_of(lines[-1]))

    def test_the_last_entry_is_the_one_with_the_highest_number(self, path: Path) -> None:
        lines = write(path, OPENED, "note", CLOSED)
        verdict = verify(put(path, [lines[0], lines[2], lines[1]]))
        assert verdict.closed and verdict.head == head_of(lines[2])
        assert verdict.findings == ((3, "entry 1 after entry 2: moved"),)

    def test_an_entry_without_a_kind_closes_nothing(self, path: Path) -> None:
        body: dict[str, Any] = {"n": 0}
        put(path, [line_of({**body, "hash": digest(GENESIS, body)})])
        verdict = verify(path)
        assert verdict.unbroken and not verdict.closed and verdict.remarks == ()

    def test_sessions_that_were_not_closed_are_remarked(self, path: Path) -> None:
        write(path, OPENED, OPENED, CLOSED, OPENED, "note", OPENED, CLOSED, "note", "note", CLOSED)
        words = "the session before this was not closed: killed, or its end cut off then"
        assert verify(path).remarks == ((2, words), (6, words))
        assert verify(path).intact


class TestOrder:
    def test_every_problem_is_told_once_and_by_line(self, path: Path) -> None:
        """A move, a copy, a gap of one, a gap of several, and a line that is none."""
        lines = write(path, *["note"] * 12)
        kept = [lines[n] for n in (2, 0, 1, 2, 4, 4, 8, 7)]
        put(path, [*kept, "x", lines[11]])
        assert verify(path).findings == (
            (2, "entry 0 after entry 2: moved"),
            (3, "entry 1 after entry 2: moved"),
            (4, "entry 2 again, as in line 1: inserted"),
            (5, "entry 3 missing before this line: deleted or no longer readable"),
            (6, "entry 4 again, as in line 5: inserted"),
            (8, "entries 5 to 6 missing before this line: deleted or no longer readable"),
            (8, "entry 7 after entry 8: moved"),
            (9, "edited: not JSON"),
            (10, "entries 9 to 10 missing before this line: deleted or no longer readable"),
        )

    def test_a_forged_entry_after_a_gap_is_told_by_the_next(self, path: Path) -> None:
        lines = write(path, *["note"] * 5)
        forged = lines[2].replace(head_of(lines[2]), digest(GENESIS, {"n": 2}))
        put(path, [lines[0], forged, lines[3], lines[4]])
        assert verify(path).findings == (
            (2, "entry 1 missing before this line: deleted or no longer readable"),
            (3, "entry 3 edited, or its hash or that of entry 2"),
        )

    @pytest.mark.parametrize("which", range(4))
    def test_an_edit_is_told_at_its_own_line(self, path: Path, which: int) -> None:
        lines = write(path, *["note"] * 4)
        lines[which] = lines[which].replace('"note"', '"fake"')
        what = f"entry {which} edited, or its hash or that of entry {which - 1}"
        assert verify(put(path, lines)).findings == ((which + 1, what),)

    def test_beside_a_forged_copy_the_rest_still_follows_the_true_one(self, path: Path) -> None:
        lines = write(path, *["note"] * 4)
        body = {"n": 1, "kind": "fake"}
        forged = line_of({**body, "hash": digest(head_of(lines[0]), body)})
        put(path, [lines[0], forged, *lines[1:]])
        assert verify(path).findings == ((3, "entry 1 again, as in line 2: inserted"),)
        put(path, [lines[0], lines[1], forged.replace("fake", "FAKE"), *lines[2:]])
        assert verify(path).findings == (
            (3, "entry 1 again, as in line 2: inserted"),
            (3, "entry 1 edited, or its hash or that of entry 0"),
        )


class TestAnchor:
    @pytest.mark.parametrize("entries", range(1, 5))
    def test_it_vouches_for_its_entry_and_all_before(self, path: Path, entries: int) -> None:
        lines = write(path, *["note"] * 4)
        true = Anchor(entries, head_of(lines[entries - 1]))
        verdict = verify(path, true)
        assert verdict.unbroken and verdict.anchored == entries and verdict.complete is (entries == 4)
        false = Anchor(entries, head_of(lines[entries - 2]))
        what = f"entry {entries - 1} is not the one anchored: chain written anew"
        assert verify(path, false).findings == ((entries, what),)

    def test_without_one_nothing_is_vouched_for(self, path: Path) -> None:
        write(path, "note")
        assert verify(path).anchored == 0

    def test_a_log_that_ends_too_early(self, path: Path) -> None:
        lines = write(path, *["note"] * 5)
        anchor = Anchor(5, head_of(lines[4]))
        known = "cut off: the log had 5 entries when its anchor was taken, entry 4 is not here"
        put(path, [*lines[:3], "x"])
        assert verify(path, anchor).findings == ((4, known), (4, "edited: not JSON"))
        put(path, ["x"])
        assert verify(path, anchor).findings == ((1, known), (1, "edited: not JSON"))

    def test_one_of_two_copies_may_be_the_one_anchored(self, path: Path) -> None:
        lines = write(path, *["note"] * 3)
        body = {"n": 2, "kind": "fake"}
        forged = line_of({**body, "hash": digest(head_of(lines[1]), body)})
        put(path, [*lines[:2], forged, lines[2]])
        again = (4, "entry 2 again, as in line 3: inserted")
        assert verify(path, Anchor(3, head_of(lines[2]))).findings == (again,)
        what = "entry 2 is not the one anchored: chain written anew"
        assert verify(path, Anchor(3, GENESIS)).findings == ((3, what), again)
