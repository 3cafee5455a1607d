"""No sequence of edits, deletions, moves and duplications of an audit log goes unseen."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exostride.safety.audit import AuditEntry, AuditLog
from exostride.safety.audit_chain import verify

plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8))
events = st.lists(
    st.builds(
        AuditEntry,
        st.integers(0, 10**6),
        st.floats(0.0, 1e5),
        st.sampled_from(["transition", "faults", "request"]),
        st.dictionaries(st.text(max_size=6), st.one_of(plain, st.lists(plain, max_size=2)), max_size=3),
    ),
    min_size=1,
    max_size=12,
)


@st.composite
def tampering(draw: st.DrawFn) -> list[tuple[str, float, float, str]]:
    """A few acts, each with two places as shares of the file and a text."""
    act = st.sampled_from(["delete", "move", "duplicate", "edit", "field", "insert", "cut", "swap hashes"])
    share = st.floats(0.0, 1.0, exclude_max=True)
    text = st.text(st.characters(codec="ascii", exclude_characters="\n"), min_size=1, max_size=3)
    return draw(st.lists(st.tuples(act, share, share, text), min_size=1, max_size=4))


def tamper(lines: list[str], acts: list[tuple[str, float, float, str]]) -> list[str]:
    lines = list(lines)
    for act, one, two, text in acts:
        if not lines:
            break
        at, to = int(one * len(lines)), int(two * len(lines))
        if act == "delete":
            del lines[at]
        elif act == "cut":
            del lines[at:]
        elif act == "move":
            lines.insert(to, lines.pop(at))
        elif act == "duplicate":
            lines.insert(to, lines[at])
        elif act == "insert":
            lines.insert(at, text)
        elif act == "edit":
            place = int(two * len(lines[at]))
            lines[at] = lines[at][:place] + text + lines[at][place + 1 :]
        else:
            lines[at] = rewritten(lines[at], lines[to], act, text)
    return lines


def rewritten(line: str, other: str, act: str, text: str) -> str:
    """Change a field and keep the form, or give a line another's hash: what a careful forger might try."""
    try:
        body, donor = json.loads(line), json.loads(other)
        changed = {**body, "detail": text} if act == "field" else {**body, "hash": donor["hash"]}
    except (ValueError, TypeError, KeyError):
        return line
    return json.dumps(changed, sort_keys=True, separators=(",", ":"))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(entries=events, acts=tampering())
def test_any_tampering_is_found(entries: list[AuditEntry], acts: list[tuple[str, float, float, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        with AuditLog(path, {"patient": "p"}) as log:
            log.append(entries)
        assert verify(path).intact
        before = path.read_text().splitlines()
        after = tamper(before, acts)
        assume(after != before)
        path.write_text("".join(f"{line}\n" for line in after))
        verdict = verify(path)
        assert not verdict.intact
        lines = len(after) + 1
        assert all(1 <= finding.line <= lines for finding in verdict.findings)
        if after != before[: len(after)]:
            assert verdict.findings, "more than a cut: it must be named"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(entries=events, cut=st.floats(0.0, 1.0, exclude_max=True), known=st.floats(0.0, 1.0))
def test_a_cut_behind_the_anchor_is_open_and_one_before_it_is_named(
    entries: list[AuditEntry], cut: float, known: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        anchors = []
        with AuditLog(path) as log:
            anchors.append(log.anchor)
            for entry in entries:
                log.append([entry])
                anchors.append(log.anchor)
        anchor = anchors[int(known * (len(anchors) - 1))]
        lines = path.read_text().splitlines(keepends=True)
        kept = int(cut * len(lines))
        path.write_text("".join(lines[:kept]))
        verdict = verify(path, anchor)
        assert not verdict.closed
        assert bool(verdict.findings) is (kept < anchor.entries)
        assert verdict.intact is (kept == anchor.entries)
