import pytest

from exostride.plant.harness import HarnessFirmware
from exostride.types import EnvironmentCommand, EnvironmentFault, HarnessAction, SupportKind

DT = 0.001
WEIGHT = 700.0


@pytest.fixture
def harness(config):
    firmware = HarnessFirmware(config.harness, WEIGHT, DT)
    firmware.reset(1.5)
    return firmware


def command(**more):
    return EnvironmentCommand(seq=0, time_s=0.0, **more)


def drive(harness, steps, length=1.5, **more):
    """Run with an ideal cable whose tension follows the law at a fixed length."""
    tension = 0.0
    for k in range(steps):
        if k % 5 == 0 and more:
            harness.command(command(**more), length, tension)
        law = harness.step(length, tension)
        tension = max(0.0, law.pull_n + law.pull_stiffness_n_m * (length - law.pull_length_m))
        if law.locked:
            tension += max(0.0, harness._config.rope_stiffness_n_m * (length - law.hold_length_m))
    return tension


def test_starts_braked_and_slack(harness):
    assert harness.action is HarnessAction.HOLD
    assert harness.law.locked
    assert drive(harness, 10) == 0.0


@pytest.mark.parametrize("kind", list(SupportKind))
def test_unloads_to_the_set_force_and_confirms(harness, kind):
    tension = drive(harness, 1500, unloading_percent=30.0, support_kind=kind)
    assert tension == pytest.approx(0.3 * WEIGHT, rel=1e-3)
    assert harness.confirmed
    assert not harness.faults


def test_kinds_differ_in_inertia_and_stiffness(harness, config):
    drive(harness, 1500, unloading_percent=30.0, support_kind=SupportKind.COUNTERWEIGHT)
    assert harness.law.inertia_kg == pytest.approx(0.3 * WEIGHT / 9.81, rel=1e-3)
    drive(harness, 1500, unloading_percent=30.0, support_kind=SupportKind.SPRING)
    assert harness.law.inertia_kg == 0.0
    assert harness.law.pull_stiffness_n_m == config.harness.spring_stiffness_n_m


def test_force_rises_no_faster_than_its_slew(harness, config):
    drive(harness, 100, unloading_percent=0.0)
    tension = drive(harness, 200, unloading_percent=60.0)
    assert tension <= config.harness.force_slew_n_s * 0.2 + 1e-9


def test_hold_brakes_after_its_time_and_keeps_the_load(harness, config):
    drive(harness, 1500, unloading_percent=30.0)
    harness.command(command(harness_action=HarnessAction.HOLD), 1.5, 210.0)
    assert not harness.confirmed
    for _ in range(round(config.harness.brake_time_s / DT) - 1):
        harness.step(1.5, 210.0)
        assert not harness.law.locked
    harness.step(1.5, 210.0)
    assert harness.law.locked
    assert harness.law.hold_length_m == pytest.approx(1.5 - 210.0 / config.harness.rope_stiffness_n_m)


def test_lift_winds_until_it_carries_the_weight_and_confirms(harness, config):
    tension = drive(harness, 4000, harness_action=HarnessAction.LIFT)
    assert tension == pytest.approx(config.harness.lift_fraction * WEIGHT, rel=0.02)
    assert harness.confirmed


def test_lift_fault_neither_winds_nor_confirms(harness):
    harness.lift_ok = False
    assert drive(harness, 4000, harness_action=HarnessAction.LIFT) == 0.0
    assert not harness.confirmed
    assert harness.faults & EnvironmentFault.HARNESS_LIFT


def test_without_commands_the_winch_brakes(harness, config):
    drive(harness, 1500, unloading_percent=30.0)
    for _ in range(round((config.harness.watchdog_s + config.harness.brake_time_s) / DT) + 2):
        harness.step(1.5, 210.0)
    assert harness.faults & EnvironmentFault.HARNESS_WATCHDOG
    assert harness.law.locked
    assert harness.action is HarnessAction.HOLD


def test_a_torn_cable_carries_nothing_and_is_never_confirmed(harness):
    drive(harness, 1500, unloading_percent=30.0)
    harness.cable_intact = False
    assert drive(harness, 300, unloading_percent=30.0) == 0.0
    assert not harness.confirmed
    assert harness.faults & EnvironmentFault.HARNESS_CABLE


def test_taking_over_from_hold_is_bumpless(harness):
    harness.command(command(unloading_percent=30.0), 1.5, 150.0)
    assert harness.step(1.5, 150.0).pull_n == pytest.approx(150.0, rel=0.01)
