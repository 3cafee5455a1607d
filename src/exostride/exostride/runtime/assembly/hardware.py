"""Builds device and kernel from names and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exostride import registry
from exostride.hardware.faulty import FaultyDevice
from exostride.interfaces import Device
from exostride.runtime.assembly.stack import StackConfig, safety_limits
from exostride.runtime.component import HardwareComponent
from exostride.runtime.faults import FaultyHardware
from exostride.safety.injection import parse
from exostride.safety.kernel import SafetyKernel


def make_hardware(config: StackConfig, device: Device) -> HardwareComponent:
    """Return device and kernel as one component; the device must have been configured."""
    kernel = SafetyKernel(safety_limits(config), config.period_s, paced=not config.lockstep)
    if isinstance(device, FaultyDevice):
        return FaultyHardware(device, kernel, config.period_s)
    return HardwareComponent(device, kernel, config.period_s)


def make_device(
    name: str, parameters: Mapping[str, Any], period_s: float, faults: Sequence[str] = ()
) -> Device:
    """Return the configured device ``name``, failing on purpose if ``faults`` are given.

    Raises
    ------
    InputError
        No such device, or a fault's text is wrong or not for this device.
    ConfigError
        A parameter is unknown or out of range.
    DeviceError
        The device does not answer.
    """
    device: Device = registry.load(registry.DEVICES, name)()
    if faults:
        device = FaultyDevice(device, [parse(text) for text in faults])
    device.configure(parameters, period_s)
    return device
