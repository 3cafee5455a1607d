"""A person under assessment: stands with weight, hangs limp without, pushes with all their muscles have."""

import numpy as np
import pytest

from exostride.patient.assessed import PUSH_S, AssessedPatient
from exostride.patient.interface import PatientSense
from exostride.patient.muscles import MAX_TORQUE_NM_KG
from exostride.patient.profiles import load_patient

PERIOD = 0.01
NAME = "hemiparetic_left_severe"
LIFTED = np.radians([0.0, 35.0, 50.0, 0.0, 0.0, 0.0, 3.0, 0.0])


@pytest.fixture
def patient():
    person, body = load_patient(NAME, PERIOD)
    return AssessedPatient(person, person.profile, PERIOD, 0), body


def torques(patient, weight_n, unloading, angle=LIFTED, gives=0.0, seconds=32.0):
    """Active torque (n, 8) of a body held still; ``gives`` [rad/(N m)] is how far a push moves."""
    out, torque = [], np.zeros(8)
    for i in range(round(seconds / PERIOD)):
        ground = np.zeros(6) if angle is LIFTED else np.tile([0.0, 0.0, 0.1 * weight_n], 2)
        moved = angle + gives * torque
        sense = PatientSense(
            i * PERIOD, angle_rad=moved, ground_force_n=ground, unloading_n=unloading * weight_n
        )
        active = patient.step(i * PERIOD, sense).active
        torque = active.torque_nm + active.stiffness_nm_rad * (active.reference_rad - moved)
        out.append(torque)
    return np.array(out)


def test_the_pushes_are_those_of_the_muscles(patient):
    person, body = patient
    found = torques(person, 9.81 * body.mass_kg, 0.8)
    side = person.person.profile.left.strength
    strongest = MAX_TORQUE_NM_KG * body.mass_kg
    for column, positive, negative in (
        (1, side.hip_flexion, side.hip_extension),
        (2, side.knee_flexion, side.knee_extension),
        (3, side.dorsiflexion, side.plantarflexion),
    ):
        assert found[:, column].max() == pytest.approx(positive * strongest[0, column], rel=0.1)
        assert -found[:, column].min() == pytest.approx(negative * strongest[1, column], rel=0.1)
    # The leg that stands does nothing, and nobody pushes before the leg was held still for a while.
    assert np.abs(found[300:, 5:]).max() < 1e-9 and np.abs(found[150:240]).max() < 1e-9


def test_a_person_pushes_less_hard_where_the_leg_gives_way(patient):
    person, body = patient
    found = torques(person, 9.81 * body.mass_kg, 0.8, gives=0.004, seconds=4.0 + PUSH_S)
    held = found[round((3.0 + 0.7 * PUSH_S) / PERIOD) : round((3.0 + 0.95 * PUSH_S) / PERIOD), 1]
    assert 25.0 < held.mean() < 0.22 / 0.004
    assert np.ptp(held) < 0.5 * held.mean()


def test_with_weight_on_the_legs_they_stand(patient):
    person, body = patient
    standing = torques(person, 9.81 * body.mass_kg, 0.3, np.zeros(8), seconds=3.0)
    assert np.abs(standing[-1]).max() > 0.1
