import numpy as np
import pytest

from exostride.compiled import record
from exostride.plant import firmware
from exostride.plant.drives import DriveBank
from exostride.types import DeviceFault, DriveCommand, joints

DT = 0.001
FULL = np.full(6, 1e3)


@pytest.fixture
def bank(config):
    return DriveBank(config.drives, np.array([120.0, 90.0, 75.0] * 2), DT)


def settle(bank, command, q=None, qd=None, steps=60):
    q, qd = joints() if q is None else q, joints() if qd is None else qd
    for k in range(steps):
        if k % 5 == 0:
            bank.command(command)
        torque = bank.step(q, qd)
    return torque


def test_executes_torque_stiffness_and_damping(bank):
    command = DriveCommand(
        torque_nm=np.full(6, 2.0),
        stiffness_nm_rad=np.full(6, 40.0),
        damping_nms_rad=np.full(6, 3.0),
        reference_rad=np.full(6, 0.3),
        reference_velocity_rad_s=np.full(6, 0.5),
        low_nm=-FULL,
        high_nm=FULL,
    )
    torque = settle(bank, command, np.full(6, 0.1), np.full(6, 0.2))
    assert torque == pytest.approx(np.full(6, 2.0 + 40.0 * 0.2 + 3.0 * 0.3), abs=1e-9)


def test_clamps_the_active_part_and_leaves_the_protective_part_free(bank):
    command = DriveCommand(
        torque_nm=np.full(6, 50.0),
        low_nm=np.full(6, -5.0),
        high_nm=np.full(6, 5.0),
        protective_nm=np.full(6, -30.0),
        protective_damping_nms_rad=np.full(6, 10.0),
    )
    torque = settle(bank, command, qd=np.full(6, 1.0))
    assert torque == pytest.approx(np.full(6, 5.0 - 30.0 - 10.0), abs=1e-6)


def test_without_limits_from_the_kernel_there_is_no_active_torque(bank):
    assert settle(bank, DriveCommand(torque_nm=np.full(6, 50.0))) == pytest.approx(joints())


def test_never_exceeds_its_rating(bank, config):
    torque = settle(bank, DriveCommand(torque_nm=FULL, low_nm=-FULL, high_nm=FULL), steps=200)
    assert torque == pytest.approx(np.array(config.drives.rated_nm * 2), rel=1e-6)


def test_speed_limit_takes_driving_torque_only(bank, config):
    fast = np.array(config.drives.speed_limit_rad_s * 2)
    drive = DriveCommand(torque_nm=np.full(6, 20.0), low_nm=-FULL, high_nm=FULL)
    assert settle(bank, drive, qd=fast) == pytest.approx(joints(), abs=1e-6)
    assert settle(bank, drive, qd=-fast) == pytest.approx(np.full(6, 20.0), rel=1e-6)


def test_current_loop_is_first_order(bank, config):
    time_constant = 1.0 / (2.0 * np.pi * config.drives.bandwidth_hz)
    bank.command(DriveCommand(torque_nm=np.full(6, 5.0), low_nm=-FULL, high_nm=FULL))
    for k in range(1, 5):
        torque = bank.step(joints(), joints())
        assert torque == pytest.approx(np.full(6, 5.0 * (1.0 - np.exp(-k * DT / time_constant))), rel=1e-9)


def test_slew_is_limited(bank, config):
    bank.command(DriveCommand(torque_nm=np.full(6, 70.0), low_nm=-FULL, high_nm=FULL))
    assert bank.step(joints(), joints()) == pytest.approx(np.full(6, config.drives.slew_nm_s * DT))


def test_watchdog_damps_and_the_next_command_ends_it(bank, config):
    speed = np.full(6, 0.5)
    command = DriveCommand(torque_nm=np.full(6, 10.0), low_nm=-FULL, high_nm=FULL)
    settle(bank, command, qd=speed)
    bank.command(command)
    limit = round(config.drives.watchdog_s / DT)
    for _ in range(limit):
        bank.step(joints(), speed)
    assert not bank.faults & DeviceFault.DRIVE_WATCHDOG
    for _ in range(60):
        torque = bank.step(joints(), speed)
    assert bank.faults & DeviceFault.DRIVE_WATCHDOG
    assert torque == pytest.approx(-0.5 * np.array(config.drives.watchdog_damping_nms_rad * 2), rel=1e-6)
    assert settle(bank, command, qd=speed) == pytest.approx(np.full(6, 10.0), rel=1e-6)
    assert not bank.faults & DeviceFault.DRIVE_WATCHDOG


def test_a_cut_link_lets_the_watchdog_act(bank):
    bank.link_up = False
    settle(bank, DriveCommand(torque_nm=np.full(6, 10.0), low_nm=-FULL, high_nm=FULL))
    assert bank.faults & DeviceFault.DRIVE_WATCHDOG
    assert bank.faults & DeviceFault.BUS_OFF
    assert bank.torque_nm == pytest.approx(joints())


def test_safe_torque_off_brakes_only_the_named_joints_even_with_the_link_cut(bank, config):
    bank.link_up = False
    bank.command(DriveCommand(safe_off=0b000010))
    qd = np.full(6, 0.4)
    runaway = np.full(6, 60.0)
    torque = np.zeros(6)
    firmware.apply_drives(bank.record, record(firmware.PLACES, drive=0), runaway, qd, torque)
    c = config.drives
    brake = c.torque_constant_nm_a[1] ** 2 / (c.resistance_ohm + c.brake_resistance_ohm)
    assert torque[1] == pytest.approx(-0.4 * brake)
    assert np.delete(torque, 1) == pytest.approx(np.delete(runaway, 1))
    bank.command(DriveCommand())
    assert not bank.unpowered.any()


def test_winding_reaches_its_steady_temperature_and_reports_heat(bank, config):
    c = config.drives
    load = np.array([60.0, 0.0, 0.0] * 2)
    loss = c.resistance_ohm * (60.0 / c.torque_constant_nm_a[0]) ** 2
    for _ in range(100):
        bank.heat(load**2, 0.0, c.thermal_time_constant_s / 10.0)
    expected = c.ambient_c + loss * c.thermal_resistance_k_w
    assert bank.temperature_c[0] == pytest.approx(expected, rel=1e-3)
    assert bank.temperature_c[1] == pytest.approx(c.ambient_c)
    assert bool(bank.faults & DeviceFault.OVER_TEMPERATURE) == (expected > c.warning_c)


def test_an_empty_battery_takes_the_power_from_all_joints(bank, config):
    bank.heat(joints(), config.drives.battery_wh * 3600.0, 1.0)
    assert bank.faults & DeviceFault.SUPPLY_LOST
    assert bank.unpowered.all()
