"""Fast leg dynamics against the full engines and against physics."""

import numpy as np
import pinocchio as pin
import pytest

from exostride.conventions import GRAVITY_M_S2, JOINTS, N_JOINTS, side_slice
from exostride.errors import InputError
from exostride.model.anthropometry import BodyParameters
from exostride.model.convert import rotation_from_xyzw, wxyz_to_xyzw, xyzw_to_wxyz
from exostride.model.dynamics import LegDynamics
from exostride.model.engines import load_pinocchio

MODELS = ("exoskeleton", "patient")
BODY = BodyParameters(height_m=1.68, mass_kg=63.0, sex="female")
TILT = np.array([0.1, -0.2, 0.05, 0.97])


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def legs(name):
    return LegDynamics(name, BODY)


def motion(seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.8, 6), rng.normal(0, 3, 6), rng.normal(0, 30, 6)


def full_torques(name, q, qd, qdd, acceleration):
    """Inverse dynamics of the whole floating model, its pelvis forced to accelerate."""
    model = load_pinocchio(name, BODY)
    prefix = "patient_" if name == "patient" else ""
    index_v = [model.joints[model.getJointId(prefix + j)].idx_v for j in JOINTS]
    index_q = [model.joints[model.getJointId(prefix + j)].idx_q for j in JOINTS]
    configuration = pin.neutral(model)
    configuration[3:7] = TILT / np.linalg.norm(TILT)
    configuration[index_q] = q
    v, a = np.zeros(model.nv), np.zeros(model.nv)
    v[index_v], a[index_v] = qd, qdd
    a[:3] = rotation_from_xyzw(TILT).T @ acceleration
    return pin.rnea(model, model.createData(), configuration, v, a)[index_v]


def test_torques_equal_the_whole_models_on_a_tilted_accelerating_pelvis(name, legs):
    q, qd, qdd = motion()
    acceleration = np.array([0.7, -0.3, 1.9])
    legs.set_pelvis(TILT, acceleration)
    np.testing.assert_allclose(
        legs.torque(q, qd, qdd), full_torques(name, q, qd, qdd, acceleration), rtol=1e-9
    )


def test_torque_is_the_sum_of_its_parts_and_acceleration_inverts_it(legs):
    q, qd, qdd = motion(2)
    legs.set_pelvis(TILT)
    torque = legs.torque(q, qd, qdd)
    np.testing.assert_allclose(legs.bias(q, qd), legs.gravity(q) + legs.coriolis(q, qd), atol=1e-12)
    np.testing.assert_allclose(torque, legs.bias(q, qd) + legs.inertia_torque(q, qdd), atol=1e-9)
    np.testing.assert_allclose(legs.inertia_torque(q, qdd), legs.mass_matrix(q) @ qdd, atol=1e-9)
    np.testing.assert_allclose(legs.acceleration(q, qd, torque), qdd, rtol=1e-7, atol=1e-7)


def test_legs_do_not_load_each_other(legs):
    q, qd, qdd = motion(3)
    mass = legs.mass_matrix(q)
    assert np.array_equal(mass[side_slice(0), side_slice(1)], np.zeros((3, 3)))
    other = q.copy()
    other[side_slice(1)] += 0.3
    assert np.array_equal(legs.torque(q, qd, qdd)[side_slice(0)], legs.torque(other, qd, qdd)[side_slice(0)])
    assert np.array_equal(mass, mass.T)
    assert np.linalg.eigvalsh(mass).min() > 0


def test_gravity_is_the_slope_of_the_potential_energy(name, legs):
    q, _, _ = motion(4)
    model = load_pinocchio(name, BODY)
    data = model.createData()
    prefix = "patient_" if name == "patient" else ""

    def energy(angles):
        configuration = pin.neutral(model)
        for joint, angle in zip(JOINTS, angles, strict=True):
            configuration[model.joints[model.getJointId(prefix + joint)].idx_q] = angle
        return pin.computePotentialEnergy(model, data, configuration)

    step = 1e-5
    slope = [(energy(q + step * e) - energy(q - step * e)) / (2 * step) for e in np.eye(N_JOINTS)]
    np.testing.assert_allclose(legs.gravity(q), slope, atol=1e-6)


def test_a_flexed_hip_needs_flexion_torque_and_free_fall_none(legs):
    flexed = np.array([0.5, 0.0, 0.0, 0.5, 0.0, 0.0])
    assert legs.gravity(flexed)[0] > 1.0
    legs.set_pelvis(None, np.array([0.0, 0.0, -GRAVITY_M_S2]))
    np.testing.assert_allclose(legs.gravity(flexed), 0, atol=1e-12)
    legs.set_pelvis(None)
    assert legs.gravity(flexed)[0] > 1.0


def test_jacobian_is_the_slope_of_the_position(name, legs):
    q, _, _ = motion(5)
    prefix = "patient_" if name == "patient" else ""
    frame = legs.frame_id(f"{prefix}cuff_shank_right")
    step = 1e-6
    slope = [
        (legs.position(q + step * e, frame) - legs.position(q - step * e, frame)) / (2 * step)
        for e in np.eye(N_JOINTS)
    ]
    jacobian = legs.jacobian(q, frame)
    np.testing.assert_allclose(jacobian[:3], np.transpose(slope), atol=1e-8)
    assert np.array_equal(jacobian[:, side_slice(0)], np.zeros((6, 3)))
    # Flexion turns about the left-right axis only: hip about -y, knee about +y.
    np.testing.assert_allclose(jacobian[3:, 3:5], [[0, 0], [-1, 1], [0, 0]], atol=1e-12)


def test_unknown_frames_and_zero_quaternions_are_refused(legs):
    with pytest.raises(InputError, match="'elbow'"):
        legs.frame_id("elbow")
    for bad in (np.zeros(4), np.full(4, np.nan)):
        with pytest.raises(InputError, match="no rotation"):
            legs.set_pelvis(bad)


def test_quaternion_orders():
    quaternions = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    assert xyzw_to_wxyz(quaternions).tolist() == [[4, 1, 2, 3], [8, 5, 6, 7]]
    assert np.array_equal(wxyz_to_xyzw(xyzw_to_wxyz(quaternions)), quaternions)
    quarter = np.array([0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    np.testing.assert_allclose(rotation_from_xyzw(quarter) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(rotation_from_xyzw(5 * TILT), rotation_from_xyzw(TILT), atol=1e-15)
