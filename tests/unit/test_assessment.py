"""Assessment laws as pure functions: moves that fit together, bounds that hold, and a touch that stops."""

import numpy as np
import pytest

from exostride.control.assessment import BASE_DEG, Move, bounds, posture, standing
from exostride.control.context import ControlContext
from exostride.control.isometric_hold import IsometricHold
from exostride.control.passive_movement import PassiveMovement
from exostride.control.range_of_motion import RangeOfMotion
from exostride.conventions import N_JOINTS
from exostride.errors import ConfigError
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, GaitPhase, Signal, TherapySettings

PERIOD = 0.01
ALL = (1 << N_JOINTS) - 1


@pytest.fixture(scope="module")
def context():
    reference = load_reference(config_dir() / "norms" / "reference_gait.yaml")
    return ControlContext(PERIOD, 0.9, 72.0, np.full(N_JOINTS, 80.0), reference)


def follow(law, settings, cuff=lambda q: np.zeros(N_JOINTS), longest_s=200.0):
    """Run a law on a robot that follows at once; return its references (n, 6) and velocities."""
    q, references, rates = standing(), [], []
    for i in range(round(longest_s / PERIOD)):
        t = i * PERIOD
        state = ExoState(
            i,
            t,
            t,
            available=Signal.JOINT_ANGLE | Signal.CUFF,
            joint_valid=ALL,
            angle_rad=q,
            cuff_torque_nm=cuff(q),
        )
        command = law.step(t, state, GaitPhase(i, t), settings)
        q = command.reference_rad
        references.append(q)
        rates.append(command.reference_velocity_rad_s)
    return np.array(references), np.array(rates)


@pytest.mark.parametrize("speed", [0.0, 0.2, 1.0, 20.0])
@pytest.mark.parametrize("ramp", [0.0, 0.15])
def test_a_move_begins_and_ends_where_it_says(speed, ramp):
    start, end = standing(), posture(0, BASE_DEG["knee"], TherapySettings())
    move = Move(start, end, 1.5, speed, ramp)
    t = np.linspace(0.0, move.length_s, 4001)
    q, v = (np.array(part) for part in zip(*(move.at(x) for x in t), strict=True))
    np.testing.assert_allclose(q[0], start, atol=1e-9)
    np.testing.assert_allclose(q[-1], end, atol=1e-9)
    np.testing.assert_allclose(np.gradient(q, t, axis=0)[2:-2], v[2:-2], atol=0.02 * max(speed, 1.0))
    if speed:
        assert np.abs(v).max() == pytest.approx(speed, rel=1e-6)


def test_tone_goes_every_way_at_three_speeds_and_ends_standing(context):
    settings = TherapySettings()
    q, v = follow(PassiveMovement(context), settings, longest_s=150.0)
    np.testing.assert_allclose(q[-1], standing(), atol=1e-9)
    assert np.abs(np.diff(q, axis=0)).max() <= np.radians(120.0) * PERIOD * 1.001
    for column in range(N_JOINTS):
        low, high = bounds(column, settings)
        alone = np.abs(np.delete(v, column, axis=1)).max(axis=1) < 1e-9
        speeds = np.round(np.degrees(np.abs(v[alone, column])), 3)
        wanted = (15.0, 30.0, 60.0) if column % 3 == 0 else (30.0, 60.0, 120.0)
        assert all(np.count_nonzero(speeds == s) > 5 for s in wanted), (column, wanted)
        assert q[:, column].max() <= max(high, np.radians(65.0)) + 1e-9
        assert q[alone & (v[:, column] != 0.0), column].min() >= min(low, 0.0) - 1e-9


def test_the_therapists_bounds_are_kept(context):
    least, most = np.radians([-20.0, 0.0, -10.0] * 2), np.radians([45.0, 50.0, 5.0] * 2)
    settings = TherapySettings(range_min_rad=least, range_max_rad=most)
    for column in range(N_JOINTS):
        low, high = bounds(column, settings)
        assert least[column] <= low <= high <= most[column]
    q, v = follow(RangeOfMotion(context), settings)
    for column in (1, 2, 4, 5):
        alone = (np.abs(np.delete(v, column, axis=1)).max(axis=1) < 1e-9) & (v[:, column] != 0.0)
        assert (
            q[alone, column].max() <= most[column] + 1e-9 and q[alone, column].min() >= least[column] - 1e-9
        )


def test_a_way_ends_where_the_joint_resists(context):
    """A stiff stop at 50 degrees of the left knee; elsewhere the leg only weighs."""
    law = RangeOfMotion(context)

    def cuff(q):
        torque = law.leg.gravity(q)
        torque[1] += 200.0 * max(q[1] - np.radians(50.0), 0.0)
        return torque

    q, v = follow(law, TherapySettings(), cuff)
    alone = np.abs(np.delete(v, 1, axis=1)).max(axis=1) < 1e-9
    knee = np.degrees(q[alone & (np.abs(v[:, 1] - np.radians(12.0)) < 1e-6), 1])
    assert 50.0 < knee.max() < 50.0 + np.degrees(8.0 / 200.0) + 2.0
    assert np.degrees(q[:, 4].max()) > 69.0


def test_without_a_sense_of_touch_nothing_is_moved_to_its_end(context):
    law = RangeOfMotion(context)
    q, _ = follow(law, TherapySettings(), lambda q: np.full(N_JOINTS, np.nan), 60.0)
    assert np.degrees(q[:, 1].max()) <= 65.0 + 1e-6


def test_the_hold_pulls_no_harder_than_its_leash(context):
    law = IsometricHold(context)
    far = np.radians([70.0, 0.0, 20.0, 0.0, 0.0, 0.0])
    for i in range(600):
        t = i * PERIOD
        state = ExoState(i, t, t, available=Signal.JOINT_ANGLE, joint_valid=ALL, angle_rad=far)
        command = law.step(t, state, GaitPhase(i, t), TherapySettings())
        spring = command.stiffness_nm_rad * (command.reference_rad - far)
        assert np.abs(spring).max() <= 45.0
    with pytest.raises(ConfigError, match="hold_s"):
        IsometricHold(context, {"hold_s": 0.5})
