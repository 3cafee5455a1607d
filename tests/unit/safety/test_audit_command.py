"""``exostride audit``: what it prints and with which code it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from exostride.cli import app
from exostride.commands.audit import anchor_in
from exostride.errors import InputError
from exostride.recording.cdr import Serializer
from exostride.recording.writer import BagWriter
from exostride.safety.audit import AuditEntry, AuditLog
from exostride.safety.audit_chain import Anchor


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, {"patient": "p1"}) as writer:
        writer.append([AuditEntry(20, 0.1, "transition", {"from": "IDLE", "to": "HOMING", "cause": ""})])
        writer.append([AuditEntry(90, 0.45, "faults", {"active": {"F20": {"level": "E_STOP"}}})])
    return path


def run(*arguments: Any) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["audit", *map(str, arguments)])
    if isinstance(done.exception, InputError):
        return int(done.exception.exit_code), str(done.exception)
    return done.exit_code, done.output


def bag_with(folder: Path, anchors: list[tuple[str, int, str]]) -> Path:
    """A bag with the hardware's diagnostics and these anchors."""
    serializer, name = Serializer(), "diagnostic_msgs/msg/DiagnosticArray"
    header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
    with BagWriter(folder) as writer:
        writer.add_topic("/diagnostics", name)
        for n, (file, entries, head) in enumerate(anchors):
            pairs = {"file": file, "entries": entries, "head": head}
            values = [{"key": key, "value": str(value)} for key, value in pairs.items()]
            for who, held in (("hardware", [{"key": "ticks", "value": "3"}]), ("audit", values)):
                status = {"level": 0, "name": f"exostride/{who}", "message": "", "hardware_id": "",
                          "values": held}  # fmt: skip
                writer.write(
                    "/diagnostics", serializer.message(name, {"header": header, "status": [status]}), n
                )
    return folder


def test_verify_of_a_whole_log(log: Path) -> None:
    code, text = run("verify", log)
    assert code == 0 and ": intact: 4 entries; 4:" in text


def test_show_prints_every_entry_and_checks(log: Path) -> None:
    code, text = run("show", log)
    assert code == 0
    assert "from IDLE, to HOMING" in text and '{"F20": {"level": "E_STOP"}}' in text and "cause" not in text
    assert [line.split()[0] for line in text.splitlines()[:4]] == ["0", "1", "2", "3"]
    log.write_text(log.read_text().replace("HOMING", "STAND"))
    code, text = run("show", log)
    assert code == 1 and f"{log}:2: entry 1 edited" in text and "to STAND" in text


def test_every_finding_has_its_line(log: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0] + lines[2].replace("F20", "F21") + lines[2] + lines[3])
    code, text = run("verify", log)
    assert code == 1 and "NOT INTACT" in text
    assert f"{log}:2: entry 1 missing" in text and f"{log}:3: entry 2 again" in text


def test_cut_end(log: Path) -> None:
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]))
    code, text = run("verify", log)
    assert code == 1 and "NOT COMPLETE" in text and "no closing record" in text


def test_anchor_by_hand(log: Path) -> None:
    _, text = run("verify", log)
    anchor = text.split()[-1]
    assert run("verify", log, "--anchor", anchor)[0] == 0
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]))
    code, text = run("verify", log, "--anchor", anchor)
    assert code == 1 and f"{log}:3: cut off: the log had 4 entries" in text


@pytest.mark.parametrize("anchor", ["4", "x:" + "0" * 64, "4:" + "0" * 63, "4:" + "G" * 64, ":"])
def test_bad_anchor_is_refused(log: Path, anchor: str) -> None:
    code, text = run("verify", log, "--anchor", anchor)
    assert code == 2 and "expected ENTRIES:HASH" in text


def test_anchor_from_the_bag(log: Path, tmp_path: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    _, text = run("verify", log)
    head = text.split(":")[-1].strip()
    bag = bag_with(tmp_path / "bag", [("audit.jsonl", 1, "a" * 64), ("audit.jsonl", 4, head)])
    assert anchor_in(bag, "audit.jsonl") == Anchor(4, head)
    assert run("verify", log, "--bag", bag)[0] == 0
    log.write_text("".join(lines[:3]))
    assert "cut off" in run("verify", log, "--bag", bag)[1]
    code, text = run("verify", log, "--bag", bag, "--anchor", "1:" + "0" * 64)
    assert code == 2 and "give one of them" in text


def test_killed_supervisor_is_told_from_a_cut(log: Path, tmp_path: Path) -> None:
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]))
    head = run("verify", log)[1].split(":")[-1].strip()
    code, text = run("verify", log, "--bag", bag_with(tmp_path / "bag", [("audit.jsonl", 3, head)]))
    assert code == 0 and "3 of them vouched for" in text


def test_bag_without_the_anchor(log: Path, tmp_path: Path) -> None:
    bag = bag_with(tmp_path / "bag", [("other.jsonl", 4, "0" * 64)])
    code, text = run("verify", log, "--bag", bag)
    assert code == 2 and "no anchor of audit.jsonl; it has those of: other.jsonl" in text


def test_missing_file(tmp_path: Path) -> None:
    code, text = run("verify", tmp_path / "none.jsonl")
    assert code == 2 and "can't be read" in text


def test_remark_on_an_earlier_session(log: Path) -> None:
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]))
    AuditLog(log).close()
    code, text = run("verify", log)
    assert code == 0 and f"{log}:4: note: the session before this was not closed" in text
