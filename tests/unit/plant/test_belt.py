import pytest

from exostride.plant.belt import BeltFirmware
from exostride.types import EnvironmentCommand, EnvironmentFault

DT = 0.001


@pytest.fixture
def belt(config):
    return BeltFirmware(config.belt, DT)


def command(**more):
    return EnvironmentCommand(seq=0, time_s=0.0, **more)


def drive(belt, steps, **more):
    speed = belt.set_speed_m_s
    for k in range(steps):
        if k % 5 == 0:
            belt.command(command(**more))
        speed = belt.step(speed)
    return speed


def test_ramps_with_the_commanded_acceleration(belt):
    assert drive(belt, 1000, belt_speed_m_s=1.0, belt_acceleration_m_s2=0.25) == pytest.approx(0.25)
    assert drive(belt, 4000, belt_speed_m_s=1.0, belt_acceleration_m_s2=0.25) == pytest.approx(1.0)


def test_never_ramps_faster_or_runs_faster_than_the_machine(belt, config):
    speed = drive(belt, 500, belt_speed_m_s=9.0, belt_acceleration_m_s2=50.0)
    assert speed == pytest.approx(0.5 * config.belt.acceleration_max_m_s2)
    assert drive(belt, 5000, belt_speed_m_s=9.0, belt_acceleration_m_s2=50.0) == pytest.approx(
        config.belt.speed_max_m_s
    )


def test_stops_by_itself_without_commands(belt, config):
    drive(belt, 4000, belt_speed_m_s=1.0, belt_acceleration_m_s2=1.0)
    belt.command(command(belt_speed_m_s=1.0, belt_acceleration_m_s2=1.0))
    wait = round(config.belt.watchdog_s / DT)
    for _ in range(wait):
        assert belt.step(1.0) == pytest.approx(1.0)
    assert not belt.faults
    speed = [belt.step(1.0) for _ in range(round(1.0 / config.belt.stop_deceleration_m_s2 / DT) + 5)]
    assert belt.faults & EnvironmentFault.BELT_WATCHDOG
    assert speed[0] < 1.0
    assert speed[-1] == 0.0
    belt.command(command())
    assert not belt.faults & EnvironmentFault.BELT_WATCHDOG


@pytest.mark.parametrize("measured", [2.5, -0.2])
def test_over_speed_and_reverse_stop_it_for_good(belt, measured):
    drive(belt, 2000, belt_speed_m_s=1.0, belt_acceleration_m_s2=1.0)
    belt.step(measured)
    assert belt.faults & EnvironmentFault.BELT_DRIVE
    assert drive(belt, 3000, belt_speed_m_s=1.0, belt_acceleration_m_s2=1.0) == 0.0
    belt.reset()
    assert not belt.faults


def test_contactor_stops_a_runaway_with_the_link_down(belt, config):
    drive(belt, 2000, belt_speed_m_s=1.0, belt_acceleration_m_s2=1.0)
    belt.servo_error_m_s = 0.8
    assert belt.step(1.0) == pytest.approx(1.8)
    belt.link_up = False
    belt.command(command(belt_speed_m_s=1.0, belt_stop=True))
    first = belt.step(1.8)
    assert first == pytest.approx(1.8 - config.belt.overspeed_deceleration_m_s2 * DT)
    for _ in range(2000):
        last = belt.step(first)
    assert last == 0.0
