"""Whatever is commanded and measured, the machine's firmware stays inside its own limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exostride.plant.belt import BeltFirmware
from exostride.plant.config import load_plant_config
from exostride.plant.drives import DriveBank
from exostride.plant.harness import HarnessFirmware
from exostride.types import DriveCommand, EnvironmentCommand, HarnessAction, SupportKind

CONFIG = load_plant_config()
DT = 0.001
EFFORT = np.array([120.0, 90.0, 75.0] * 2)
anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
six = st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6).map(np.array)
wild_six = st.lists(anything, min_size=6, max_size=6).map(np.array)
speeds = st.lists(st.floats(-40.0, 40.0), min_size=6, max_size=6).map(np.array)


@settings(max_examples=150, deadline=None)
@given(torque=wild_six, stiffness=wild_six, low=six, high=six, protective=wild_six, q=speeds, qd=speeds)
def test_drives_stay_finite_within_rating_and_slew(torque, stiffness, low, high, protective, q, qd):
    bank = DriveBank(CONFIG.drives, EFFORT, DT)
    last = np.zeros(6)
    for _ in range(8):
        bank.command(
            DriveCommand(
                torque_nm=torque,
                stiffness_nm_rad=stiffness,
                low_nm=low,
                high_nm=high,
                protective_nm=protective,
            )
        )
        now = bank.step(q, qd)
        assert np.isfinite(now).all()
        assert (np.abs(now) <= bank.rating_nm + 1e-9).all()
        assert (np.abs(now - last) <= CONFIG.drives.slew_nm_s * DT + 1e-9).all()
        last = now


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(anything, anything, st.booleans(), st.floats(-1.0, 4.0)), min_size=1, max_size=60))
def test_belt_never_sets_more_than_its_limits(commands):
    belt = BeltFirmware(CONFIG.belt, DT)
    c = CONFIG.belt
    for speed, acceleration, stop, measured in commands:
        before = belt.set_speed_m_s
        belt.command(
            EnvironmentCommand(
                seq=0, time_s=0.0, belt_speed_m_s=speed, belt_acceleration_m_s2=acceleration, belt_stop=stop
            )
        )
        after = belt.step(measured)
        assert np.isfinite(after)
        if stop or belt.faults:
            # Braking begins at the speed that is there and never drives.
            assert abs(after) <= max(abs(measured), abs(before)) + 1e-12
        else:
            assert min(0.0, before) - 1e-12 <= after <= max(c.speed_max_m_s, before)
            assert abs(after - before) <= c.acceleration_max_m_s2 * DT + 1e-12


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            anything,
            st.sampled_from(list(SupportKind)),
            st.sampled_from(list(HarnessAction)),
            st.floats(0.8, 1.8),
            st.floats(0.0, 3000.0),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_harness_never_pushes_and_never_pulls_more_than_its_winch(commands):
    harness = HarnessFirmware(CONFIG.harness, 700.0, DT)
    harness.reset(1.4)
    for percent, kind, action, length, tension in commands:
        harness.command(
            EnvironmentCommand(
                seq=0, time_s=0.0, unloading_percent=percent, support_kind=kind, harness_action=action
            ),
            length,
            tension,
        )
        law = harness.step(length, tension)
        assert 0.0 <= law.pull_n <= CONFIG.harness.force_max_n
        assert law.inertia_kg >= 0.0
        assert np.isfinite([law.pull_n, law.pull_length_m, law.hold_length_m]).all()
        assert not (law.locked and law.pull_n > 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_command_that_is_not_finite_counts_as_none(value):
    bank = DriveBank(CONFIG.drives, EFFORT, DT)
    for _ in range(40):
        bank.command(DriveCommand(torque_nm=np.full(6, value), low_nm=-EFFORT, high_nm=EFFORT))
        bank.step(np.zeros(6), np.zeros(6))
    assert bank.faults
