"""Faults of messages and processes: what reaches the hardware, the supervisor and the laws of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from exostride.errors import InputError
from exostride.hardware.faulty import FaultyDevice
from exostride.runtime.component import TickInputs
from exostride.runtime.faults import MessageFaults, graph_faults
from exostride.safety.injection import parse
from exostride.types import (
    AssistCommand,
    DeviceReading,
    DriveApplied,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    KernelOutput,
    SafetyPermit,
    joints,
)

PERIOD = 0.005


class Still:
    """A device on which nothing happens."""

    def configure(self, parameters: Mapping[str, Any], period_s: float) -> None:
        pass

    def read(self, seq: int) -> DeviceReading:
        return DeviceReading(ExoState(seq, seq * PERIOD, seq * PERIOD), EnvironmentState(seq, seq * PERIOD))

    def write(self, output: KernelOutput) -> DriveApplied:
        return DriveApplied(joints(), joints())

    def finished(self) -> bool:
        return False

    def close(self) -> None:
        pass


class Line:
    """A shim with one fault from tick 3 on."""

    def __init__(self, text: str) -> None:
        self.device = FaultyDevice(Still(), [parse(text + ",start=0.015")])
        self.device.configure({}, PERIOD)
        self.faults = MessageFaults(self.device, PERIOD)

    def tick(self, seq: int) -> TickInputs:
        self.device.read(seq)
        return self.faults.inputs(
            TickInputs(
                AssistCommand(seq, seq * PERIOD),
                EnvironmentCommand(seq, seq * PERIOD),
                SafetyPermit(seq, seq * PERIOD),
            )
        )

    def came(self, ticks: int = 8) -> list[tuple[int | None, int | None, int | None]]:
        out = []
        for seq in range(ticks):
            i = self.tick(seq)
            out.append(tuple(None if m is None else m.seq for m in (i.command, i.environment, i.permit)))
        return out  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "from_third"),
    [
        ("F11", [(None, None, 3), (None, None, 4)]),
        ("F13", [(3, 3, None), (4, 4, None)]),
        ("F16", [(None, None, None)] * 2),
        ("F36", [(None, None, None)] * 2),
        ("F08", [(2, 3, 3), (3, 4, 4)]),
        ("F08,size=2,kind=environment", [(3, 1, 3), (4, 2, 4)]),
        ("F09", [(3, 3, 3), (3, 4, 4), (5, 5, 5), (5, 6, 6)]),
        ("F09,kind=swap", [(3, 3, 3), (1, 4, 4)]),
    ],
)
def test_what_arrives(text: str, from_third: list[tuple[int | None, int | None, int | None]]) -> None:
    came = Line(text).came()
    assert came[:3] == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
    assert came[3 : 3 + len(from_third)] == from_third


def test_a_pause_ends() -> None:
    assert Line("F36").came(9)[-1] == (8, 8, 8)


def test_a_late_message_at_the_very_start_is_none() -> None:
    line = Line("F08,size=9")
    assert [c for c, _, _ in line.came()][3:] == [None] * 5


def test_garbled_and_excessive_commands() -> None:
    bad, much = Line("F03,kind=command"), Line("F17@any:right:hip")
    for seq in range(4):
        a, b = bad.tick(seq), much.tick(seq)
    assert a.command is not None and np.isnan(a.command.torque_nm).all()
    assert b.command is not None and b.command.torque_nm.tolist() == [0.0, 0.0, 0.0, 120.0, 0.0, 0.0]


def test_phase_is_lost_garbled_or_jumps() -> None:
    phase = GaitPhase(0, 0.0, phase=np.array([0.2, 0.7]))
    silent, nan, jump = Line("F12"), Line("F12,kind=nan"), Line("F12,kind=jump")
    seen = []
    for seq in range(7):
        for line in (silent, nan, jump):
            line.tick(seq)
        assert silent.faults.silent("phase") == (seq >= 3)
        assert not nan.faults.silent("phase")
        seen.append(jump.faults.phase(phase).phase[0])  # type: ignore[union-attr]
        assert np.isnan(nan.faults.phase(phase).phase).all() == (seq >= 3)  # type: ignore[union-attr]
    assert seen == pytest.approx([0.2, 0.2, 0.2, 0.6, 0.6, 0.2, 0.2])
    assert jump.faults.phase(None) is None


def test_recorder_falls_silent_or_its_disk_fills() -> None:
    silent, full = Line("F14"), Line("F28")
    for seq in range(401):
        silent.tick(seq)
        full.tick(seq)
        a, b = silent.faults.recorder(seq), full.faults.recorder(seq)
    assert a is not None and a.seq == 0
    assert b is not None and b.seq == 400 and b.disk_free_bytes == 1e6


@pytest.mark.parametrize("text", ["F12", "F14@any", "F22 F37,start=3"])
def test_faults_of_other_processes_are_refused_by_the_hardware(text: str) -> None:
    with pytest.raises(InputError, match="lies in the process"):
        graph_faults(text)


def test_faults_of_the_hardware_are_listed() -> None:
    assert graph_faults(" F22@swing:left:knee  F25,size=1 ") == ("F22@swing:left:knee", "F25,size=1")
    assert graph_faults("") == ()
