"""Faults of messages and processes: what the graph loses, delays, repeats or garbles on its way.

The device sees the walk and says which faults act now (:class:`exostride.hardware.faulty.FaultyDevice`); this
shim stands where answers reach the hardware, where the phase leaves its estimator, and where the recorder
reports, in both runners.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from exostride.conventions import N_JOINTS
from exostride.errors import InputError
from exostride.hardware.faulty import FaultyDevice
from exostride.runtime.component import HardwareComponent, Kernel, TickInputs
from exostride.safety.injection import Injection, Layer, parse
from exostride.types import AppliedTorque, AssistCommand, DeviceReading, GaitPhase, RecorderState

_KEPT: Final = 64
_DISK_BYTES: Final = 10**12
_ELSEWHERE: Final = {"F12": "gait_phase", "F14": "recorder", "F28": "recorder", "F37": "session"}
_EVERY_S: Final = 1.0
"""How often a recorder reports."""


def graph_faults(text: str) -> tuple[str, ...]:
    """Return the faults that ``text`` lists, separated by blanks, if the hardware process can inject them.

    Raises
    ------
    InputError
        A fault is unknown, or lies in another process of the ROS graph.
    """
    faults = tuple(text.split())
    for fault in faults:
        i = parse(fault)
        if i.fault in _ELSEWHERE:
            raise InputError(
                f"fault '{fault}': lies in the process {_ELSEWHERE[i.fault]} of the ROS graph; stop that "
                "process (kill -STOP) or use exostride simulate"
            )
    return faults


class MessageFaults:
    """Shim of one graph.

    Parameters
    ----------
    device
        Says which faults act.
    period_s
        Control period [s].
    """

    def __init__(self, device: FaultyDevice, period_s: float) -> None:
        self._device = device
        self._period = period_s
        self._every = round(_EVERY_S / period_s)
        self._past: deque[TickInputs] = deque(maxlen=_KEPT)
        self._recorder = RecorderState(seq=0, time_s=0.0, recording=True, disk_free_bytes=_DISK_BYTES)

    def _now(self, *faults: str) -> Iterable[tuple[Injection, int]]:
        return ((i, k) for i, k in self._device.active.items() if i.fault in faults)

    def silent(self, stage: str) -> bool:
        """Return whether a stage (``phase``, ``control``, ``safety``, ``session``) is dead in this tick."""
        return any(i.layer == Layer.STAGE and i.kind == stage for i in self._device.active)

    def phase(self, phase: GaitPhase | None) -> GaitPhase | None:
        """Return the phase as it leaves its estimator."""
        for i, k in self._now("F12"):
            if phase is not None and i.kind == "nan":
                phase = replace(phase, phase=np.full(2, np.nan))
            elif phase is not None and i.kind == "jump":
                # Back and forth: two ticks off, two ticks right.
                phase = replace(phase, phase=(phase.phase + i.size * (k % 4 < 2)) % 1.0)
        return phase

    def recorder(self, seq: int) -> RecorderState | None:
        """Return what the recorder last reported."""
        silent = any(True for _ in self._now("F14"))
        if seq % self._every == 0 and not silent:
            free = next((int(i.size) for i, _ in self._now("F28")), _DISK_BYTES)
            self._recorder = replace(self._recorder, seq=seq, time_s=seq * self._period, disk_free_bytes=free)
        return self._recorder

    def inputs(self, inputs: TickInputs) -> TickInputs:
        """Return what reaches the hardware of the answers to one state."""
        self._past.append(inputs)
        for i, k in self._device.active.items():
            inputs = self._changed(inputs, i, k)
        return inputs

    def _changed(self, inputs: TickInputs, i: Injection, k: int) -> TickInputs:
        if i.fault in ("F16", "F36"):
            return TickInputs(refused=inputs.refused)
        if i.fault == "F13":
            return replace(inputs, permit=None)
        if i.fault == "F11":
            return replace(inputs, command=None, environment=None)
        if i.fault == "F08":
            late = self._before(int(i.size)) or TickInputs()
            if i.kind == "command":
                return replace(inputs, command=late.command)
            return replace(inputs, environment=late.environment)
        return replace(inputs, command=self._command(inputs.command, i, k))

    def _command(self, command: AssistCommand | None, i: Injection, k: int) -> AssistCommand | None:
        """Return the command that arrives; every second one is an old one under F09."""
        if i.fault == "F09" and k % 2:
            return (self._before(1 if i.kind == "repeat" else 3) or TickInputs()).command
        if command is not None and i.fault == "F03" and i.kind == "command":
            return replace(command, torque_nm=np.full(N_JOINTS, np.nan))
        if command is not None and i.fault == "F17":
            torque = command.torque_nm.copy()
            torque[i.joint] += i.size
            return replace(command, torque_nm=torque)
        return command

    def _before(self, ticks: int) -> TickInputs | None:
        return self._past[-1 - ticks] if len(self._past) > ticks else None


class FaultyHardware(HardwareComponent):
    """Device and kernel with the faults of ``device`` in front of the kernel."""

    def __init__(self, device: FaultyDevice, kernel: Kernel, period_s: float) -> None:
        super().__init__(device, kernel, period_s)
        self.faults = MessageFaults(device, period_s)

    def write(self, reading: DeviceReading, inputs: TickInputs) -> AppliedTorque:
        """Run the kernel on what is left of the answers to ``reading``."""
        return super().write(reading, self.faults.inputs(inputs))
