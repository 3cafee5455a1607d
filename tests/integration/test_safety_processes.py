"""The tier of real processes: the plant outlives the hardware node, and a hang is damped in time."""

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

from exostride.bench.safety_processes import CASES, Stack, measure
from exostride.errors import ConfigError, DeviceError
from exostride.hardware.plant_process import PlantProcessDevice

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def case(fault, node, number):
    return next(c for c in CASES if (c.fault, c.node, c.number.name) == (fault, node, number))


def test_firmware_brakes_when_the_hardware_node_is_killed():
    out = measure(case("F10", "hardware", "SIGKILL"), paced=False, repetitions=1)
    assert out.passed, out
    assert max(out.detail[f"{part}_ms"][0] for part in ("drives", "belt", "harness")) <= 50.0
    assert out.detail["alone_s"][0] > 1.0 and out.detail["lowest_pelvis_m"][0] > 0.8


@pytest.mark.parametrize(("fault", "node"), [("F11", "controller"), ("F12", "gait_phase"), ("F13", "safety")])
def test_a_hang_is_damped_within_five_periods(fault, node):
    out = measure(case(fault, node, "SIGSTOP"), paced=False, repetitions=1)
    assert out.passed and out.periods[0] <= 5, out


def test_a_plant_that_does_not_come_up_is_not_left_behind(tmp_path, monkeypatch):
    stack = Stack(tmp_path, paced=False)

    def late(*_):
        raise DeviceError("late")

    monkeypatch.setattr(stack, "_until", late)
    with pytest.raises(DeviceError, match="late"), stack:
        pass
    assert stack.processes["plant"].poll() is not None


def test_device_says_what_is_wrong(tmp_path):
    device = PlantProcessDevice()
    with pytest.raises(ConfigError, match="socket"):
        device.configure({}, 0.005)
    with pytest.raises(DeviceError, match="no plant answers"):
        device.configure({"socket": str(tmp_path / "none")}, 0.005)
    with pytest.raises(DeviceError, match="not configured"):
        device.read(0)
    device.close()
