"""A ROS package of small programs, in an ament prefix of its own.

Each leaves its process id when it is ready for signals, however long it takes to get there.
"""

import os
from pathlib import Path

import pytest

PROGRAMS = {
    "talk": 'echo two words; echo "domain $ROS_DOMAIN_ID $ROS_AUTOMATIC_DISCOVERY_RANGE"',
    "arguments": 'for word in "$@"; do echo "<$word>"; done; echo "V=$V"; pwd',
    "fail": "echo failing; exit 7",
    "wait": 'trap "echo told; exit 0" INT TERM; echo $$ >"$PIDS/wait.$$"; while :; do sleep 0.05; done',
    "stubborn": 'trap "" INT TERM; echo $$ >"$PIDS/stubborn.$$"; while :; do sleep 0.05; done',
    "unmoved": 'trap "echo heard INT" INT; trap "echo heard TERM" TERM; '
    'echo $$ >"$PIDS/unmoved.$$"; while :; do sleep 0.05; done',
    "parent": 'trap "exit 0" INT TERM; echo $$ >"$PIDS/parent.$$"; '
    '(trap "" INT TERM; echo $BASHPID >"$PIDS/child.$BASHPID"; exec sleep 300) & '
    "while :; do sleep 0.05; done",
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
