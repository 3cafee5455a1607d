"""The plant with its firmware as a process of its own, and the device that talks to it.

Device ``plant_process`` has the same plant behind it as ``simulated``, in another process: whoever kills or
stops the hardware node leaves the machine and the patient as they are, with the firmware of drives, belt and
harness to look after them. Start the plant first::

    python -m exostride.hardware.plant_process SOCKET --patient NAME [--paced] [--log FILE]

It advances by a control period with every command. When none comes it goes on without, in real time: at once
when paced; in lock-step, where a slow tick is no loss, after a grace of wall time in which nothing moves.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, ClassVar, TextIO

from exostride.config import StrictModel, validate
from exostride.errors import DeviceError
from exostride.hardware.simulated import SimulatedDevice
from exostride.types import DeviceFault, DeviceReading, DriveApplied, EnvironmentFault, KernelOutput

_GRACE_S = 0.6
"""Lock-step: longest wall time without a word from the hardware node in which the plant stands still; more
than that node's own time-out for its inputs."""
_PRIORITY = 60
"""Above that of the nodes, which wait for it."""
_START_S = 60.0
"""Wait for the first command."""
_SLACK = 1.5
"""Paced: periods after the last command by which the next one must have come."""


class PlantProcessParameters(StrictModel):
    """Parameters of the device: ``socket`` is the path that the plant's process listens on."""

    socket: str


class PlantProcessDevice:
    """Client of a plant in another process."""

    name: ClassVar[str] = "plant_process"

    def __init__(self) -> None:
        self._link: Connection | None = None

    def configure(self, parameters: Mapping[str, Any], period_s: float) -> None:
        """Connect to the plant's process.

        Raises
        ------
        ConfigError
            The parameter ``socket`` is missing.
        DeviceError
            Nobody listens there, or with another control period.
        """
        p = validate(PlantProcessParameters, dict(parameters), f"device {self.name}")
        try:
            self._link = Client(p.socket, family="AF_UNIX")
        except OSError as error:
            raise DeviceError(
                f"device {self.name}: {p.socket}: no plant answers ({error.strerror})"
            ) from None
        theirs = self._ask("period", period_s)
        if theirs != period_s:
            raise DeviceError(
                f"device {self.name}: the plant runs at {theirs:g} s, the graph at {period_s:g} s"
            )

    def _ask(self, what: str, value: Any) -> Any:
        if self._link is None:
            raise DeviceError(f"device {self.name}: not configured")
        try:
            self._link.send((what, value))
            return self._link.recv()
        except (OSError, EOFError):
            raise DeviceError(f"device {self.name}: the plant's process has ended") from None

    def read(self, seq: int) -> DeviceReading:
        """Return all measurements of tick ``seq``."""
        reading: DeviceReading = self._ask("read", seq)
        return reading

    def write(self, output: KernelOutput) -> DriveApplied:
        """Hand the kernel's output to the firmware; the plant advances by one period."""
        applied: DriveApplied = self._ask("write", output)
        return applied

    def finished(self) -> bool:
        """Return false: a simulation has no end of its own."""
        return False

    def close(self) -> None:
        """Hang up; the plant goes on by itself."""
        if self._link is not None:
            self._link.close()
            self._link = None


class PlantServer:
    """Owns the plant; serves one client and goes on without it.

    Parameters
    ----------
    device
        A configured simulated device.
    period_s
        Control period [s].
    paced
        Whether ticks follow real time.
    log
        One JSON object a tick: plant time, wall clock, whether a command came, and what the firmware reports.
    """

    def __init__(self, device: SimulatedDevice, period_s: float, paced: bool, log: TextIO) -> None:
        self._device, self._period, self._paced, self._log = device, period_s, paced, log
        self._seq = 0

    def serve(self, link: Connection, alone_s: float) -> None:
        """Serve until the client has been gone, or silent, for ``alone_s`` seconds of wall time."""
        heard = time.monotonic()
        due = heard + _START_S
        connected = True
        while time.monotonic() - heard < (alone_s if self._seq else _START_S):
            wait = max(due - time.monotonic(), 0.0)
            if connected and link.poll(wait):
                try:
                    what, value = link.recv()
                    link.send(self._answer(what, value))
                except (EOFError, OSError):
                    # The client is dead. In lock-step its death is no reason to wait any longer.
                    connected, due = False, time.monotonic()
                    continue
                heard = time.monotonic()
                due = heard + self._patience()
                continue
            time.sleep(0.0 if connected else wait)
            self._device.coast()
            self._tell(written=False)
            due = max(due + self._period, time.monotonic() - self._period)

    def _patience(self) -> float:
        """Return for how long the plant waits for the next word [s]."""
        if not self._seq:
            # The client makes the rest of its graph first.
            return _START_S
        return _SLACK * self._period if self._paced else _GRACE_S

    def _answer(self, what: str, value: Any) -> Any:
        if what == "period":
            return self._period
        if what == "read":
            return self._device.read(value)
        applied = self._device.write(value)
        self._tell(written=True)
        return applied

    def _tell(self, written: bool) -> None:
        """Note the tick; what the firmware reports is read only when nobody else reads."""
        self._seq += 1
        plant = self._device.plant
        row: dict[str, Any] = {"t": plant.time_s, "wall": time.time(), "written": written}
        if not written:
            reading = self._device.read(self._seq)
            row |= {
                "drives": bool(reading.exo.device_faults & DeviceFault.DRIVE_WATCHDOG),
                "belt": bool(reading.environment.faults & EnvironmentFault.BELT_WATCHDOG),
                "harness": bool(reading.environment.faults & EnvironmentFault.HARNESS_WATCHDOG),
                "belt_speed_m_s": reading.environment.belt_speed_m_s,
                "pelvis_height_m": float(reading.exo.pelvis_position_m[2]),
                "fastest_rad_s": float(abs(reading.exo.velocity_rad_s).max()),
            }
        self._log.write(json.dumps(row) + "\n")
        self._log.flush()


def _keep_pace() -> None:
    """Ask for real-time scheduling and leave garbage alone: a machine's firmware is never late."""
    gc.collect()
    gc.freeze()
    gc.disable()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))


def main(arguments: list[str] | None = None) -> int:
    """Run the plant's process; see the module."""
    parser = argparse.ArgumentParser(description="The plant with its firmware, as a process of its own.")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--patient", default="stance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=int, default=200, help="control rate [Hz]")
    parser.add_argument("--paced", action="store_true")
    parser.add_argument("--alone", type=float, default=2.0, help="go on for so long without a client [s]")
    parser.add_argument("--log", type=Path, default=None)
    given = parser.parse_args(arguments)
    device = SimulatedDevice()
    device.configure({"patient": given.patient, "seed": given.seed}, 1.0 / given.rate)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(given.log.open("w")) if given.log is not None else sys.stdout
        listener = stack.enter_context(Listener(str(given.socket), family="AF_UNIX"))
        print("the plant is ready", file=sys.stderr, flush=True)
        link = stack.enter_context(listener.accept())
        if given.paced:
            _keep_pace()
        PlantServer(device, 1.0 / given.rate, given.paced, log).serve(link, given.alone)
    return 0


if __name__ == "__main__":
    sys.exit(main())
