"""A device that fails on purpose: wraps any device and injects the faults of the catalogue.

Faults of measurement act on the readings of any device. Faults of the physical world (spasm, push, obstacle,
drive, belt, harness) need the simulated plant and reach it through its seam. Faults of messages and processes
only begin here, where the walk is seen: :attr:`FaultyDevice.active` names them for the runner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from exostride.conventions import JOINTS, N_JOINTS, SIDES
from exostride.errors import InputError
from exostride.hardware.simulated import SimulatedDevice
from exostride.interfaces import Device
from exostride.patient.interface import DRIVEN_JOINTS, PatientAction, seized
from exostride.plant.seam import FaultSeam
from exostride.safety.injection import Gait, Injection, Layer, ReadingFault, Trigger
from exostride.types import DeviceReading, DriveApplied, KernelOutput, Mode, Vector

_SPASM_RISE_S = 0.04
"""Time constant with which a spasm's torque rises (activation of muscle)."""
_DROP_S = 8.0
"""In which the calf's tone comes: over some strides, for what comes at once would be a spasm."""
_DROP_PHASE = ((0.55, 0.65), (0.95, 1.0))
"""Parts of the walker's cycle in which that tone comes and goes: it spares the standing leg."""
_PUSH_BODY = "patient_pelvis"


class _PlantFaults(FaultSeam):
    """The plant's seam: applies what is active."""

    def __init__(self) -> None:
        self.active: dict[Injection, float] = {}
        """Active injections and the physics time at which they began."""

    def drive_torque(self, time_s: float, torque_nm: Vector) -> Vector:
        """F18 adds torque, F19 scales it."""
        for i in self.active:
            if i.fault == "F18":
                torque_nm = torque_nm.copy()
                torque_nm[i.joint] += i.size
            elif i.fault == "F19":
                torque_nm = torque_nm.copy()
                torque_nm[i.joint] *= i.size
        return torque_nm

    def patient(self, time_s: float, action: PatientAction) -> PatientAction:
        """F22 adds a flexor spasm; F24a the tone of a calf that pulls a swinging foot down."""
        for i, began in self.active.items():
            if i.fault == "F22":
                torque = np.zeros(N_JOINTS)
                torque[i.joint] = i.size * (1.0 - float(np.exp(-(time_s - began) / _SPASM_RISE_S)))
                action = seized(action, torque)
            elif i.fault == "F24a":
                share = min((time_s - began) / _DROP_S, 1.0) * _lifted(float(action.phase[i.side]))
                action = _with_muscle(action, 3 * i.side + 2, -i.size * share)
        return action


def _lifted(phase: float) -> float:
    """Return how much of a swinging foot's tone there is at a phase of the walker's own rhythm."""
    (low, full), (ends, over) = _DROP_PHASE
    return max(0.0, min((phase - low) / (full - low), (over - phase) / (over - ends), 1.0))


def _with_muscle(action: PatientAction, joint: int, torque: float) -> PatientAction:
    active = action.active.torque_nm.copy()
    active[DRIVEN_JOINTS.index(JOINTS[joint])] += torque
    return replace(action, active=replace(action.active, torque_nm=active))


class FaultyDevice:
    """``device`` with ``injections``; unless told otherwise they wait until training runs.

    Parameters
    ----------
    device
        The device to wrap, not yet configured.
    injections
        The faults.
    settle_s
        Time in TRAIN (or in STAND, for faults while standing) before a fault may begin [s].

    Raises
    ------
    InputError
        A fault needs the simulated plant and ``device`` is another one.
    """

    def __init__(self, device: Device, injections: Sequence[Injection], settle_s: float = 3.0) -> None:
        self._device = device
        self._injections = list(injections)
        self._settle_s = settle_s
        self._plant = device if isinstance(device, SimulatedDevice) else None
        self._check(self._injections)
        self.seam = _PlantFaults()
        self.began: dict[Injection, int] = {}
        """Tick in which each injection began."""
        self.active: dict[Injection, int] = {}
        """Faults that act in the tick last read, with the tick of the fault (0 in its first)."""

    def configure(self, parameters: Mapping[str, Any], period_s: float) -> None:
        """Configure the wrapped device; see there for errors."""
        if self._plant is not None:
            self._plant.seam = self.seam
        self._device.configure(parameters, period_s)
        self._period = period_s
        self._settle = round(self._settle_s / period_s)
        self._triggers = [Trigger(i, period_s) for i in self._injections]
        self._shapes = [
            ReadingFault(i, period_s) if i.layer == Layer.READING else None for i in self._injections
        ]
        self._mode, self._ticks = int(Mode.ZERO), 0
        self._armed: set[Injection] = set()

    def arm(self, injection: Injection) -> None:
        """Add a fault to a configured device; it may begin at once, when its gait state comes.

        Raises
        ------
        InputError
            It needs the simulated plant.
        """
        self._check((injection,))
        self._armed.add(injection)
        self._injections.append(injection)
        self._triggers.append(Trigger(injection, self._period))
        reads = injection.layer == Layer.READING
        self._shapes.append(ReadingFault(injection, self._period) if reads else None)

    def _check(self, injections: Sequence[Injection]) -> None:
        needy = [i.fault for i in injections if i.layer == Layer.PLANT]
        if needy and self._plant is None:
            raise InputError(f"fault {needy[0]} acts in the physical world: it needs the simulated device")

    def read(self, seq: int) -> DeviceReading:
        """Return the measurements of tick ``seq``, faults in them, their bits in the truth."""
        reading = self._device.read(seq)
        true, bits = reading, 0
        self.active = {}
        for injection, trigger, shape in zip(self._injections, self._triggers, self._shapes, strict=True):
            if trigger.began < 0 and not self._due(injection):
                continue
            k = trigger.step(seq, true)
            if k < 0:
                self._end(injection)
                continue
            self.began.setdefault(injection, seq)
            self.active[injection] = k
            bits |= injection.bit
            if shape is not None:
                reading = shape.apply(reading, k)
            elif injection.layer == Layer.PLANT and injection not in self.seam.active:
                self._begin(injection)
        if bits and reading.truth is not None:
            reading = replace(reading, truth=replace(reading.truth, fault_bits=bits))
        return reading

    def _due(self, injection: Injection) -> bool:
        if injection.start_s > 0.0 or injection in self._armed:
            return True
        needed = Mode.STAND if injection.gait == Gait.STANDING else Mode.TRAIN
        return self._mode == needed and self._ticks >= self._settle

    def _begin(self, i: Injection) -> None:
        assert self._plant is not None
        plant = self._plant.plant
        now = plant.time_s
        self.seam.active[i] = now
        if i.fault == "F10":
            plant.drives.link_up = plant.belt.link_up = plant.harness.link_up = False
        elif i.fault == "F23":
            side = 1.0 if i.side == SIDES.index("left") else -1.0
            force = np.array([0.3 * i.size, side * i.size, 0.0])
            plant.disturbances.push(_PUSH_BODY, force, np.zeros(3), now, i.duration_s)
        elif i.fault == "F24b":
            plant.disturbances.block_toe(i.side, plant.data, i.duration_s)
        elif i.fault == "F25":
            plant.belt.servo_error_m_s = i.size
        elif i.fault == "F26":
            self._harness(i, ok=False)

    def _end(self, i: Injection) -> None:
        if self.seam.active.pop(i, None) is None or self._plant is None:
            return
        plant = self._plant.plant
        if i.fault == "F10":
            plant.drives.link_up = plant.belt.link_up = plant.harness.link_up = True
        elif i.fault == "F25":
            plant.belt.servo_error_m_s = 0.0
        elif i.fault == "F26":
            self._harness(i, ok=True)

    def _harness(self, i: Injection, *, ok: bool) -> None:
        assert self._plant is not None
        harness = self._plant.plant.harness
        if i.kind == "cable":
            harness.cable_intact = ok
        elif i.kind == "cell":
            harness.load_cell_ok = ok
        else:
            harness.lift_ok = ok

    def write(self, output: KernelOutput) -> DriveApplied:
        """Hand the output on; the kernel's mode tells when faults may begin."""
        self._ticks = self._ticks + 1 if output.mode == self._mode else 0
        self._mode = output.mode
        return self._device.write(output)

    def finished(self) -> bool:
        """Return whether the wrapped device has nothing more to give."""
        return self._device.finished()

    def close(self) -> None:
        """Close the wrapped device."""
        self._device.close()
