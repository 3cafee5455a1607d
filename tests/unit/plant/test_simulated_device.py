import dataclasses

import numpy as np
import pytest

from exostride.errors import DeviceError, InputError
from exostride.hardware.simulated import SimulatedDevice
from exostride.interfaces import Device
from exostride.plant.seam import FaultSeam
from exostride.types import DeviceFault, ExoState, Signal, SimTruth

PERIOD = 0.005


def device(seam=None, **parameters):
    made = SimulatedDevice()
    made.seam = seam
    made.configure({"patient": "stance", "seed": 3} | parameters, PERIOD)
    return made


def finite(value):
    return all(
        np.isfinite(np.asarray(getattr(value, f.name), dtype=float)).all() for f in dataclasses.fields(value)
    )


def test_is_a_device():
    assert isinstance(SimulatedDevice(), Device)


def test_reads_complete_finite_values_of_the_right_shape(output):
    made = device()
    for k in range(20):
        reading = made.read(k)
        made.write(output())
        assert reading.exo.seq == k
        assert reading.exo.time_s == pytest.approx(k * PERIOD)
    assert finite(reading.exo) and finite(reading.environment)
    assert finite(reading.physio) and finite(reading.truth)
    for kind, value in ((ExoState, reading.exo), (SimTruth, reading.truth)):
        blank = kind(0, 0.0, 0.0) if kind is ExoState else kind(0, 0.0)
        for field in dataclasses.fields(kind):
            assert np.shape(getattr(value, field.name)) == np.shape(getattr(blank, field.name)), field.name
    assert reading.exo.available == sum(Signal)
    assert reading.exo.joint_valid == 63


def test_without_a_robot_only_shoes_and_frame_measure(output):
    made = device(robot="none")
    for k in range(20):
        reading = made.read(k)
        made.write(output())
    exo = reading.exo
    assert exo.available == int(Signal.FOOT_LOAD | Signal.FOOT_WRENCH | Signal.PELVIS)
    assert exo.joint_valid == 0
    assert finite(exo)
    assert np.abs(exo.angle_rad).max() == np.abs(exo.cuff_force_n).max() == 0.0
    assert exo.foot_load_n.sum() == pytest.approx(made.plant.weight_n, rel=0.1)


def test_readings_of_one_seed_are_bit_identical(output):
    def history(seed):
        made = device(seed=seed)
        rows = []
        for k in range(30):
            exo = made.read(k).exo
            rows.append(
                np.concatenate([exo.angle_rad, exo.velocity_rad_s, exo.cuff_force_n, exo.foot_load_n])
            )
            made.write(output())
        return np.array(rows)

    assert np.array_equal(history(1), history(1))
    assert not np.array_equal(history(1), history(2))


def test_coasting_trips_the_drive_watchdog(output):
    made = device()
    made.write(output())
    assert not made.read(0).exo.device_faults & DeviceFault.DRIVE_WATCHDOG
    for _ in range(6):
        made.coast()
    assert made.read(7).exo.device_faults & DeviceFault.DRIVE_WATCHDOG


def lines(made, seq):
    exo = made.read(seq).exo
    return exo.estop_closed_a, exo.estop_closed_b


@pytest.mark.parametrize("robot", ["exoskeleton", "none"])
@pytest.mark.parametrize("tested", [0b00, 0b01, 0b10, 0b11])
def test_a_test_output_opens_its_line_for_one_tick(output, robot, tested):
    made = device(robot=robot)
    assert lines(made, 0) == (True, True)
    made.write(dataclasses.replace(output(), estop_test=tested))
    assert lines(made, 1) == (not tested & 1, not tested & 2)
    assert all(type(closed) is bool for closed in lines(made, 1))
    made.write(output())
    assert lines(made, 2) == (True, True)


def test_one_line_after_the_other(output):
    made = device()
    for seq, tested in enumerate((1, 1, 2, 0, 2, 1)):
        made.write(dataclasses.replace(output(), estop_test=tested))
        assert lines(made, seq + 1) == (tested != 1, tested != 2)


@pytest.mark.parametrize("tested", [1, 2])
def test_coasting_closes_both_lines(output, tested):
    made = device()
    made.write(dataclasses.replace(output(), estop_test=tested))
    assert lines(made, 1) != (True, True)
    made.coast()
    assert lines(made, 2) == (True, True)


def test_a_seam_reaches_channels_and_commands(output):
    class Stuck(FaultSeam):
        def channels(self, time_s, values, places):
            values[places["angle"].start] = 0.123
            return values

        def fault_bits(self, time_s):
            return 1 << 1

    made = device(seam=Stuck())
    reading = made.read(0)
    assert reading.exo.angle_rad[0] == 0.123
    assert reading.truth.fault_bits == 2
    assert reading.truth.exo_angle_rad[0] != 0.123


@pytest.mark.parametrize(
    "parameters, period, words",
    [
        ({"patient": "nobody"}, PERIOD, "nobody"),
        ({"patient": "stance", "robot": "horse"}, PERIOD, "robot"),
        ({"patient": "stance", "wings": 2}, PERIOD, "wings: unknown key"),
        ({"patient": "stance", "plant": "no/such.yaml"}, PERIOD, "no/such.yaml"),
        ({"patient": "stance"}, 0.0033, "multiple"),
    ],
)
def test_bad_parameters_are_one_clear_line(parameters, period, words):
    with pytest.raises(InputError, match=words) as caught:
        SimulatedDevice().configure(parameters, period)
    assert "\n" not in str(caught.value)


def test_unconfigured_device_says_so():
    with pytest.raises(DeviceError, match="configure"):
        SimulatedDevice().read(0)


def test_close_may_be_called_twice(output):
    made = device()
    made.close()
    made.close()
