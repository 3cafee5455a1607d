"""The patient's share is formed from whole steps: a tick that tells nothing cuts the step it falls in."""

from dataclasses import replace

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.contribution import PHASES
from exostride.control.effort import EffortMeter
from exostride.gait.reference import load_reference
from exostride.model.anthropometry import BodyParameters
from exostride.model.geometry import body_geometry
from exostride.paths import config_dir
from exostride.types import ExoState, Signal

T, STRIDE = 0.01, 120
BODY = BodyParameters()
CURVE = load_reference(config_dir() / "norms" / "reference_gait.yaml").curve(0.8, 0.9)
CONTEXT = ControlContext(
    T,
    body_geometry(BODY).leg_length,
    BODY.mass_kg,
    np.full(6, 80.0),
    load_reference(config_dir() / "norms" / "reference_gait.yaml"),
    body=BODY,
)
GRID = np.arange(STRIDE) / STRIDE
ONE_LEG = CURVE.angles(GRID)
ANGLE = np.hstack([ONE_LEG, np.roll(ONE_LEG, STRIDE // 2, axis=0)])
VELOCITY = (np.roll(ANGLE, -1, axis=0) - np.roll(ANGLE, 1, axis=0)) / (2.0 * T)
NEEDED = Signal.JOINT_ANGLE | Signal.JOINT_TORQUE | Signal.CUFF | Signal.FOOT_WRENCH | Signal.PELVIS


def state(k):
    place = k % STRIDE
    force = np.zeros(6)
    force[[2, 5]] = 400.0 * (np.array([place, (place + STRIDE // 2) % STRIDE]) < 72)
    return ExoState(
        k,
        k * T,
        k * T,
        available=int(NEEDED),
        joint_valid=63,
        foot_valid=3,
        segment_valid=63,
        angle_rad=ANGLE[place],
        velocity_rad_s=VELOCITY[place],
        # No two strides are alike, so that each shows in the shares.
        cuff_torque_nm=(8.0 + k / STRIDE) * np.sin(2.0 * np.pi * (place / STRIDE + np.arange(6) / 6.0)),
        foot_force_n=force,
        pelvis_orientation=np.array([0.0, 0.0, 0.0, 1.0]),
        pelvis_accel_m_s2=np.array([0.0, 0.0, 9.81]),
    )


def works(change):
    """Return tick, part, side and patient's work (3,) of every part of a step that was counted."""
    meter, found = EffortMeter(CONTEXT), []
    for k in range(8 * STRIDE):
        before = list(meter.shares)
        meter.step(change(k, state(k)))
        for part in range(len(PHASES)):
            new, old = meter.shares[part].patient_j.reshape(2, 3), before[part].patient_j.reshape(2, 3)
            ended = (new != old).any(axis=1) & ~np.isnan(new).any(axis=1)
            found += [(k, part, side, new[side]) for side in np.flatnonzero(ended)]
    return found


@pytest.mark.parametrize("lost", ["joint_valid", "foot_valid", "segment_valid", "available"])
@pytest.mark.parametrize("place", [30, 57, 70])
def test_dropout_leaves_the_shares_of_whole_steps_as_they_are(lost, place):
    cut = 4 * STRIDE + place
    whole = works(lambda k, seen: seen)
    gap = works(lambda k, seen: replace(seen, **{lost: 0}) if k == cut else seen)
    settled = [row for row in gap if row[0] > cut]
    assert [row[:3] for row in gap if row[0] <= cut] == [row[:3] for row in whole if row[0] <= cut]
    assert len(settled) < len([row for row in whole if row[0] > cut]), "what it falls in is not counted"
    truth = {(k, part, side): work for k, part, side, work in whole}
    for *place, work in settled:
        assert work == pytest.approx(truth[tuple(place)], abs=0.02)
