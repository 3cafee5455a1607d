"""A session's bag leaves as a file of other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from exostride import types
from exostride.cli import app
from exostride.errors import InputError
from exostride.exchange import frombag, load
from exostride.recording.writer import BagWriter, WriterOptions
from exostride.types import EventKind, Signal


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    options = WriterOptions(sync_interval_s=None, start_free_bytes=0, stop_free_bytes=0)
    with BagWriter(folder, options=options) as writer:
        for seq in range(200):
            state = types.ExoState(
                seq,
                seq * 0.005,
                seq * 0.005,
                available=Signal.JOINT_ANGLE | Signal.FOOT_LOAD | Signal.FOOT_WRENCH,
                joint_valid=0b111011 if seq == 50 else 0b111111,
                foot_valid=0b01,
                angle_rad=np.full(6, 0.001 * seq),
                velocity_rad_s=np.full(6, 0.2),
                foot_load_n=np.array([1.0, 2.0, 3.0, 4.0]),
                foot_force_n=np.array([5.0, 6.0, 700.0, 0.0, 0.0, 0.0]),
            )
            writer.write_value(state, seq * 5_000_000)
        for time_s, kind in ((0.5, EventKind.TOE_OFF), (0.25, EventKind.HEEL_STRIKE)):
            writer.write_value(types.GaitEvent(60, time_s, 0.55, 1, kind), 550_000_000)
    return folder


def test_columns_are_what_was_always_measured(bag: Path) -> None:
    found = frombag.load(bag)
    assert "ankle_left" not in found.columns and "ankle_right" in found.columns
    assert found.columns["hip_left"].tolist() == [0.001 * i for i in range(200)]
    assert set(found.columns) >= {"hip_velocity_left", "load_toe_left", "plate1_fz"}
    assert not {"thigh_angle_left", "load_heel_right", "plate2_fz"} & set(found.columns)
    assert [(e.time_s, e.side, e.kind) for e in found.events] == [(0.25, 1, 0), (0.5, 1, 1)]


@pytest.mark.parametrize(("to", "ending"), [("csv", "csv"), ("opensim", "mot"), ("c3d", "c3d")])
def test_the_command_writes_every_format(bag: Path, to: str, ending: str) -> None:
    done = CliRunner().invoke(app, ["export", str(bag), "--to", to])
    assert done.exit_code == 0, done.output
    assert "200 samples" in done.output
    assert load(bag.parent / f"session.{ending}").columns["knee_right"][-1] == pytest.approx(0.199, abs=1e-7)
    again = CliRunner().invoke(app, ["export", str(bag), "--to", to])
    assert isinstance(again.exception, InputError) and "exists already" in str(again.exception)


def test_a_wrong_ending_is_refused(bag: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(bag), "--to", "c3d", "--output", str(bag.parent / "x.csv")])
    assert isinstance(done.exception, InputError) and not (bag.parent / "x.csv").exists()


def test_recover_command_reports(bag: Path) -> None:
    whole = CliRunner().invoke(app, ["recover", str(bag)])
    assert whole.exit_code == 0 and "nothing to recover" in whole.output
    file = bag / "session_0.mcap"
    file.write_bytes(file.read_bytes()[:-100])
    hurt = CliRunner().invoke(app, ["recover", str(bag)])
    assert hurt.exit_code == 0 and "was not completed" in hurt.output and "202 messages" in hurt.output
    missing = CliRunner().invoke(app, ["recover", str(bag / "no"), str(bag)])
    assert missing.exit_code == 2
