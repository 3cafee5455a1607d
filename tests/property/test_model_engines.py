"""Pinocchio and MuJoCo must be one model: mass, kinematics, inertia and inverse dynamics."""

from functools import cache

import mujoco
import numpy as np
import pinocchio as pin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exostride.model.anthropometry import BodyParameters
from exostride.model.convert import StateMap
from exostride.model.description import MODEL_NAMES, urdf
from exostride.model.engines import load_mujoco_spec, load_pinocchio
from exostride.model.geometry import link_masses

BODIES = (
    BodyParameters(),
    BodyParameters(height_m=1.62, mass_kg=58.0, sex="female"),
    BodyParameters(height_m=1.15, mass_kg=20.0, sex="female", ratios="dempster"),
    BodyParameters(height_m=1.92, mass_kg=110.0, thigh_length_m=0.50, shank_length_m=0.46, hip_spacing_m=0.2),
)
FREE_NAMES = {
    "exoskeleton": {"base_link_free"},
    "patient": {"patient_pelvis_free"},
    "coupled": {"base_link_free", "patient_pelvis_free"},
}


@cache
def engines(model, body):
    here = load_pinocchio(model, body)
    spec = load_mujoco_spec(model, body)
    there = spec.compile()
    # Compared is the rigid-body part: dissipation, stops and contacts belong to the plant.
    there.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    there.dof_damping[:] = 0.0
    there.dof_frictionloss[:] = 0.0
    return here, here.createData(), there, mujoco.MjData(there), StateMap(here, there)


def random_state(model, rng):
    q = pin.normalize(model, rng.uniform(-1.5, 1.5, model.nq))
    return q, rng.normal(0.0, 3.0, model.nv), rng.normal(0.0, 20.0, model.nv)


def agree(a, b, tolerance):
    scale = max(float(np.max(np.abs(a))), 1e-9)
    assert float(np.max(np.abs(a - b))) <= tolerance * scale


cases = given(
    model=st.sampled_from(MODEL_NAMES), body=st.sampled_from(BODIES), seed=st.integers(0, 2**32 - 1)
)
few = settings(max_examples=60, deadline=None, derandomize=True)


@few
@cases
def test_inverse_dynamics_agree_with_free_flyer_and_armature(model, body, seed):
    here, data, there, state, mapping = engines(model, body)
    q, v, a = random_state(here, np.random.default_rng(seed))
    tau = pin.rnea(here, data, q, v, a)
    state.qpos[:] = mapping.configuration_to_mujoco(q)
    state.qvel[:] = mapping.velocity_to_mujoco(q, v)
    state.qacc[:] = mapping.acceleration_to_mujoco(q, v, a)
    mujoco.mj_inverse(there, state)
    agree(mapping.force_to_mujoco(q, tau), state.qfrc_inverse, 1e-6)
    agree(tau, mapping.force_to_pinocchio(state.qpos, state.qfrc_inverse), 1e-6)
    hinges = np.array([here.joints[i].idx_v for i in range(1, here.njoints) if here.joints[i].nv == 1])
    back = mapping.force_to_pinocchio(state.qpos, state.qfrc_inverse)
    np.testing.assert_allclose(back[hinges], tau[hinges], rtol=1e-6, atol=1e-6)


@few
@cases
def test_mass_matrices_agree(model, body, seed):
    here, data, there, state, mapping = engines(model, body)
    q, _, _ = random_state(here, np.random.default_rng(seed))
    state.qpos[:] = mapping.configuration_to_mujoco(q)
    mujoco.mj_forward(there, state)
    dense = np.zeros((there.nv, there.nv))
    mujoco.mj_fullM(there, state, dense)
    inertia = pin.crba(here, data, q)
    inertia = np.triu(inertia) + np.triu(inertia, 1).T
    agree(mapping.mass_matrix_to_mujoco(q, inertia), dense, 1e-9)


@few
@cases
def test_links_and_frames_are_at_the_same_place(model, body, seed):
    here, data, there, state, mapping = engines(model, body)
    q, _, _ = random_state(here, np.random.default_rng(seed))
    state.qpos[:] = mapping.configuration_to_mujoco(q)
    mujoco.mj_kinematics(there, state)
    pin.framesForwardKinematics(here, data, q)
    seen = 0
    for index in range(1, there.nbody):
        frame = here.getFrameId(there.body(index).name)
        np.testing.assert_allclose(data.oMf[frame].translation, state.xpos[index], atol=1e-12)
        np.testing.assert_allclose(data.oMf[frame].rotation.ravel(), state.xmat[index], atol=1e-12)
        seen += 1
    for index in range(there.nsite):
        frame = here.getFrameId(there.site(index).name)
        np.testing.assert_allclose(data.oMf[frame].translation, state.site_xpos[index], atol=1e-12)
        np.testing.assert_allclose(data.oMf[frame].rotation.ravel(), state.site_xmat[index], atol=1e-12)
        seen += 1
    # Every link of the URDF is found again, as a body or as a site ("world" is neither).
    assert seen == urdf(model, body).count("<link name=") - (model == "coupled")


@few
@cases
def test_conversions_are_inverse_to_each_other(model, body, seed):
    here, _, _, _, mapping = engines(model, body)
    q, v, a = random_state(here, np.random.default_rng(seed))
    qpos = mapping.configuration_to_mujoco(q)
    qvel = mapping.velocity_to_mujoco(q, v)
    qacc = mapping.acceleration_to_mujoco(q, v, a)
    np.testing.assert_allclose(mapping.configuration_to_pinocchio(qpos), q, atol=1e-14)
    np.testing.assert_allclose(mapping.velocity_to_pinocchio(qpos, qvel), v, atol=1e-12)
    np.testing.assert_allclose(mapping.acceleration_to_pinocchio(qpos, qvel, qacc), a, atol=1e-11)


@few
@cases
def test_power_is_the_same_in_both_conventions(model, body, seed):
    here, _, _, _, mapping = engines(model, body)
    q, v, tau = random_state(here, np.random.default_rng(seed))
    power = mapping.force_to_mujoco(q, tau) @ mapping.velocity_to_mujoco(q, v)
    assert power == pytest.approx(tau @ v, rel=1e-9, abs=1e-9)


@few
@cases
def test_velocities_move_both_engines_alike(model, body, seed):
    """One short step along a velocity ends in the same place in both engines."""
    here, _, there, _, mapping = engines(model, body)
    q, v, _ = random_state(here, np.random.default_rng(seed))
    step = 1e-4
    qpos = mapping.configuration_to_mujoco(q)
    mujoco.mj_integratePos(there, qpos, mapping.velocity_to_mujoco(q, v), step)
    moved = mapping.configuration_to_pinocchio(qpos)
    # Pinocchio moves along a screw, MuJoCo moves and turns apart: they differ by (w x v) step / 2.
    bound = np.max(np.abs(v)) ** 2 * 3 * step
    np.testing.assert_allclose(pin.difference(here, q, moved) / step, v, atol=bound)


@pytest.mark.parametrize("model", MODEL_NAMES)
@pytest.mark.parametrize("body", BODIES)
def test_masses_are_equal_with_the_roots_counted(model, body):
    here, _, there, _, _ = engines(model, body)
    links = link_masses(urdf(model, body))
    total = sum(links.values())
    assert pin.computeTotalMass(here) == pytest.approx(total, rel=1e-12)
    assert there.body_mass.sum() == pytest.approx(total, rel=1e-12)
    if model != "patient":
        assert there.body("base_link").mass[0] >= links["base_link"] > 0
    assert {n for n in here.names if n.endswith("_free")} == FREE_NAMES[model]


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_rotor_inertia_is_in_both_engines(model):
    here, _, there, _, mapping = engines(model, BODIES[0])
    # The armature has no direction to turn: compare by degree of freedom.
    assert np.array_equal(mapping.velocity_to_mujoco(pin.neutral(here), here.armature), there.dof_armature)
    assert here.armature.any() == (model != "patient")
