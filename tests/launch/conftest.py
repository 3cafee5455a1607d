"""A ROS package of small programs, in an ament prefix of its own."""

import os
from pathlib import Path

import pytest

PROGRAMS = {
    "talk": 'echo two words; echo "domain $ROS_DOMAIN_ID $ROS_AUTOMATIC_DISCOVERY_RANGE"',
    "arguments": 'for word in "$@"; do echo "<$word>"; done; echo "V=$V"; pwd',
    "fail": "echo failing; exit 7",
    "wait": 'echo $$ >"$PIDS/wait.$$"; trap "echo told; exit 0" INT TERM; while :; do sleep 0.05; done',
    "stubborn": 'echo $$ >"$PIDS/stubborn.$$"; trap "" INT TERM; while :; do sleep 0.05; done',
    "parent": 'echo $$ >"$PIDS/parent.$$"; (trap "" INT TERM; echo child; exec sleep 300) & '
    'echo $! >"$PIDS/child.$!"; trap "exit 0" INT TERM; while :; do sleep 0.05; done',
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prefix of package ``dummy``; its programs leave their process ids in ``$PIDS``."""
    prefix = tmp_path / "prefix"
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "dummy").touch()
    (prefix / "share" / "dummy").mkdir()
    programs = prefix / "lib" / "dummy"
    programs.mkdir(parents=True)
    for name, body in PROGRAMS.items():
        program = programs / name
        program.write_text(f"#!/bin/bash\n{body}\n")
        program.chmod(0o755)
    pids = tmp_path / "pids"
    pids.mkdir()
    monkeypatch.setenv("PIDS", str(pids))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{prefix}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}")
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    return prefix
