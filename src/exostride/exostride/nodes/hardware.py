"""Node ``hardware``: device and safety kernel, and the master clock of the graph.

In lock-step a tick is over as soon as both commands and the permit have come, or when the time-out
has passed; then the kernel acts on what is there. An input that has timed out is taken for lost and
waited for no longer than a control period, until it comes in time again: a dead node costs its
reaction, not half a second a tick. When paced, ticks begin at absolute deadlines and inputs have until
``answer_share`` of the period.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Final

from exostride.errors import ConfigError, DeviceError, ExitCode
from exostride.model.description import urdf
from exostride.nodes.base import IDLE_POLL_S, ManagedNode, nested
from exostride.nodes.process import run
from exostride.nodes.standard import Diagnostics, RobotDescription, StandardTopics
from exostride.runtime.assembly.hardware import make_device, make_hardware
from exostride.runtime.assembly.stack import SIMULATED, body_of
from exostride.runtime.component import TickInputs
from exostride.runtime.faults import graph_faults
from exostride.runtime.joiner import SequenceJoiner
from exostride.runtime.pacing import Pacer, Series
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    DeviceReading,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    PatientPhysio,
    SafetyPermit,
    SimTruth,
)

_INPUTS: Final = ("command", "environment", "permit")
_SHARE: Final = 0.8
_START_TICKS: Final = 20
"""First ticks, which wait for their answers even when paced: what a process does first, it does slowly."""
_WARM_UP_S: Final = 2.0
"""The timing figures begin here [s of control time]."""
_STOP_TICKS_S: Final = 1.5
"""Longest time that the kernel brakes belt and joints after a signal to end [s of control time]."""
_STILL_M_S: Final = 0.01
_ALONE_S: Final = 5.0
"""Wall time without any permit after which nobody is left to end this node [s]."""


class HardwareNode(ManagedNode):
    """See module."""

    def __init__(self) -> None:
        super().__init__("hardware")
        self._device_name = self.parameter("device", "simulated", "device, by name")
        self._patient = self.parameter("patient", "", "patient profile of a simulated device")
        self._robot = self.parameter("robot", "exoskeleton", "exoskeleton, or none")
        self._seed = self.parameter("seed", 0, "seed of all noise of a simulated device")
        self._faults = self.parameter("faults", "", "faults to inject, separated by blanks")
        self._recording = self.parameter("recording", "", "file that the replay device plays")
        self._timeout = self.parameter(
            "lockstep_timeout_s", 0.5, "longest wait for an input in lock-step [s]"
        )
        self._share = self.parameter("answer_share", _SHARE, "part of the period for the answers when paced")
        self._display_hz = self.parameter("display_hz", 50, "rate of joint_states and /clock [Hz]")
        self._reading: DeviceReading | None = None
        self._applied: AppliedTorque | None = None
        self._lost = dict.fromkeys(_INPUTS, False)
        self._missed_inputs = dict.fromkeys(_INPUTS, 0)
        self._period_ms, self._latency_ms = Series(), Series()

    # ------------------------------------------------------------------ course of life

    def setup(self) -> None:
        """Configure the device and build the endpoints."""
        if self._timeout <= 0.0 or not 0.1 <= self._share < 1.0:
            raise ConfigError("lockstep_timeout_s must be positive and answer_share from 0.1 to below 1")
        stack = self.stack(self._patient)
        self._period = stack.period_s
        faults = graph_faults(self._faults)
        device = make_device(self._device_name, self._device_parameters(), stack.period_s, faults)
        self._component = make_hardware(stack, device)
        self._joiner = SequenceJoiner(_INPUTS)
        self._send_exo = self.sender(ExoState, subscribers=4)
        self._send_applied = self.sender(AppliedTorque, subscribers=2)
        self._send_environment = self.sender(EnvironmentState, subscribers=3)
        self._send_physio = self.sender(PatientPhysio)
        self._send_truth = self.sender(SimTruth)
        self._standard = StandardTopics(self, round(self.rate_hz / self._display_hz), self.lockstep)
        self._description = RobotDescription(self, urdf("exoskeleton", body_of(stack.patient)))
        self._diagnostics = Diagnostics(self, "hardware")
        self.receive(AssistCommand, lambda value: self._take("command", value))
        self.receive(EnvironmentCommand, lambda value: self._take("environment", value))
        self.receive(SafetyPermit, lambda value: self._take("permit", value))

    def _device_parameters(self) -> dict[str, Any]:
        given: dict[str, Any] = nested(self.parameters_below("devices"), self._device_name)
        if self._device_name in SIMULATED:
            given = {"patient": self._patient, "robot": self._robot, "seed": self._seed, **given}
            return {key: value for key, value in given.items() if value != ""}
        if self._recording:
            given["file"] = self._recording
        return given

    def begin(self) -> None:
        """Start the clock at tick 0."""
        self._pacer = Pacer(self._period, time.monotonic())
        self._told_s = self._permitted_s = time.monotonic()
        self._begun_s: float | None = None
        self._tick(0)

    def end(self) -> None:
        """Stop the clock, brake, and leave the device without torque."""
        self._brake()
        self._component.close()
        self._reading = None

    def stop(self, code: ExitCode) -> None:
        """Brake and end."""
        if self.active:
            self.active = False
            self.end()
        super().stop(code)

    def close(self) -> None:
        """Leave the device without torque, however this ended."""
        if getattr(self, "_component", None) is not None:
            self._component.close()

    # ------------------------------------------------------------------ one tick

    def _tick(self, seq: int) -> None:
        """Read and publish tick ``seq``."""
        now = time.monotonic()
        if not self._waits(seq):
            if seq == _START_TICKS:
                self._pacer = Pacer(self._period, now)
            self._pacer.begin(now)
        if self._begun_s is not None:
            self._period_ms.add(1e3 * (now - self._begun_s))
        if seq == round(_WARM_UP_S * self.rate_hz):
            self._period_ms.clear()
            self._latency_ms.clear()
            self._pacer.missed = 0
        self._begun_s = now
        self._joiner.advance(seq)
        reading = self._component.read(seq)
        if self._applied is not None:
            self._send_applied.publish(self._applied)
        self._send_environment.publish(reading.environment)
        self._send_exo.publish(reading.exo)
        self._reading = reading
        self._answer_by = now + (self._timeout_for_tick() if self._waits(seq) else self._share * self._period)
        # What nobody waits for comes after what everybody waits for.
        if reading.physio is not None:
            self._send_physio.publish(reading.physio)
        if reading.truth is not None:
            self._send_truth.publish(reading.truth)
        self._standard.publish(reading.exo)

    def _waits(self, seq: int) -> bool:
        """Return whether tick ``seq`` waits for its answers, as all do in lock-step."""
        return self.lockstep or seq < _START_TICKS

    def _timeout_for_tick(self) -> float:
        return self._period if any(self._lost.values()) else self._timeout * self.patience

    def _take(self, name: str, value: AssistCommand | EnvironmentCommand | SafetyPermit) -> None:
        self._joiner.put(name, value.seq, value)
        if name == "permit":
            self._permitted_s = time.monotonic()
        reading = self._reading
        if reading is not None and self._joiner.has(reading.exo.seq, _INPUTS):
            self._answer(reading)

    def _answer(self, reading: DeviceReading) -> None:
        """Let the kernel act on what has come; in lock-step go on to the next tick."""
        seq = reading.exo.seq
        self._reading = None
        got = {name: self._joiner.get(name, seq) for name in _INPUTS}
        for name, value in got.items():
            self._lost[name] = value is None
            self._missed_inputs[name] += value is None
        refused = self._joiner.stale + self._joiner.duplicates
        self._latency_ms.add(1e3 * (time.monotonic() - (self._begun_s or 0.0)))
        try:
            self._applied = self._component.write(
                reading, TickInputs(got["command"], got["environment"], got["permit"], refused)
            )
        except DeviceError as error:
            self.fail(str(error), error.exit_code)
            return
        self._next_seq = seq + 1
        if self._component.finished():
            self.log.info("the device has nothing more to give")
            self.trigger_deactivate()
        elif self._waits(self._next_seq):
            self._tick(self._next_seq)

    def poll(self, now_s: float) -> float:
        """Answer without what has not come in time; begin the next tick when it is due."""
        if not self.active:
            return super().poll(now_s)
        if now_s - self._told_s >= 1.0:
            self._told_s = now_s
            self._tell()
        if now_s - self._permitted_s > _ALONE_S * self.patience:
            self.fail(f"no safety/permit for {_ALONE_S * self.patience:g} s: braking, and ending")
            self.active = False
            self.end()
            return 0.0
        if self._reading is not None:
            left = self._answer_by - now_s
            if left > 0.0:
                return min(left, IDLE_POLL_S)
            self._answer(self._reading)
            return 0.0
        left = self._pacer.deadline_s - now_s if self._next_seq > _START_TICKS else 0.0
        if left <= 0.0:
            self._tick(self._next_seq)
            return 0.0
        return min(left, IDLE_POLL_S)

    def _brake(self) -> None:
        """Let the kernel brake belt and joints by itself, without the graph."""
        seq = self._reading.exo.seq if self._reading is not None else getattr(self, "_next_seq", 0)
        reading = self._reading
        for step in range(round(_STOP_TICKS_S * self.rate_hz)):
            if reading is None:
                reading = self._component.read(seq + step)
            if abs(reading.environment.belt_speed_m_s) < _STILL_M_S and step >= 2:
                break
            self._applied = self._component.write(reading, TickInputs())
            reading = None
            if self._device_name not in SIMULATED:
                time.sleep(self._period)

    # ------------------------------------------------------------------ diagnostics

    def _tell(self) -> None:
        """Publish timing figures."""
        period, latency = self._period_ms.spread(), self._latency_ms.spread()
        values: dict[str, object] = {
            "lockstep": self.lockstep,
            "rate_hz": self.rate_hz,
            "scheduler": self.schedule,
            "ticks": period.count,
            "missed_deadlines": 0 if self.lockstep else self._pacer.missed,
        }
        for name, spread in (("period_ms", period), ("latency_ms", latency)):
            values |= {
                f"{name}_mean": f"{spread.mean:.4f}",
                f"{name}_p50": f"{spread.p50:.4f}",
                f"{name}_p99": f"{spread.p99:.4f}",
                f"{name}_p999": f"{spread.p999:.4f}",
                f"{name}_max": f"{spread.max:.4f}",
            }
        values |= {f"missed_{name}": count for name, count in self._missed_inputs.items()}
        lost = [name for name, is_lost in self._lost.items() if is_lost]
        level, message = ("warn", "no " + ", ".join(lost)) if lost else ("ok", "running")
        self._diagnostics.publish(self._reading.exo.time_s if self._reading else 0.0, level, message, values)


def main() -> None:
    """Run the node."""
    sys.exit(run(HardwareNode))
