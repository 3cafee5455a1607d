"""The patient's posture inside the robot, from the forces of the cuffs, against exact geometry."""

import numpy as np
import pytest

from exostride.control.cuffs import CuffParameters, CuffPosture, Recorded
from exostride.model.anthropometry import BodyParameters
from exostride.model.geometry import body_geometry
from exostride.plant.config import load_plant_config
from exostride.types import ExoState

T = 0.005
GEOMETRY = body_geometry(BodyParameters())
CUFFS = CuffParameters()
LT, LS = GEOMETRY.thigh, GEOMETRY.shank
FOOT = np.array([0.5 * GEOMETRY.foot.ball_x, 0.0, 0.5 * GEOMETRY.foot.sole_z])


def frame(pitch, lean=0.0):
    """Axes (columns) of a segment at an angle from the vertical in a leg that leans to the left."""
    c, s = np.cos(pitch), np.sin(pitch)
    turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    cl, sl = np.cos(lean), np.sin(lean)
    return np.array([[1, 0, 0], [0, cl, -sl], [0, sl, cl]]) @ turn


def leg(angle, pitch, hip=(0.0, 0.0, 0.0), lean=0.0):
    """Frames of the segments, places of the cuffs and of hip, knee and ankle in the world."""
    alpha = angle[0] - pitch
    beta = alpha - angle[1]
    axes = [frame(a, lean) for a in (alpha, beta, beta + angle[2])]
    hip = np.array(hip)
    knee = hip - LT * axes[0][:, 2]
    ankle = knee - LS * axes[1][:, 2]
    cuffs = [hip - 0.6 * LT * axes[0][:, 2], knee - 0.5 * LS * axes[1][:, 2], ankle + axes[2] @ FOOT]
    return axes, cuffs, (hip, knee, ankle)


def pressed(robot, patient, pitch, patient_pitch, hip, lean):
    """Forces in the robot's cuff frames, and their torque on the patient's joints."""
    r_axes, r_cuffs, _ = leg(robot, pitch)
    p_axes, p_cuffs, joints = leg(patient, patient_pitch, hip, -lean)
    force, world = [], []
    for axes, own, other, stiffness in zip(r_axes, r_cuffs, p_cuffs, CUFFS.stiffness_n_m, strict=True):
        local = -np.array(stiffness) * (axes.T @ (other - own))
        force.append(local)
        world.append(axes @ local)
    torque, side = [], p_axes[0][:, 1]
    for first, joint in enumerate(joints):
        moment = sum(np.cross(p_cuffs[k] - joint, world[k]) for k in range(first, 3))
        torque.append(-(moment @ side))
    return np.concatenate(force), np.array(torque) * [1.0, -1.0, 1.0]


def settle(robot, patient, pitch, patient_pitch, hip, lean):
    force, torque = pressed(robot, patient, pitch, patient_pitch, hip, lean)
    same, own = pressed(robot, robot, pitch, pitch, (0, 0, 0), 0.0)
    assert np.abs(same).max() < 1e-9 and np.abs(own).max() < 1e-9
    r_axes, r_cuffs, joints = leg(robot, pitch)
    world = [axes @ force[3 * k : 3 * k + 3] for k, axes in enumerate(r_axes)]
    on_robot = [
        -sum(np.cross(r_cuffs[k] - joint, world[k]) for k in range(first, 3))[1]
        for first, joint in enumerate(joints)
    ]
    belt = CUFFS.belt_nm_rad * (patient_pitch - pitch)
    state = ExoState(
        0,
        0.0,
        0.0,
        angle_rad=np.tile(robot, 2),
        cuff_force_n=np.concatenate([force, np.zeros(9)]),
        cuff_torque_nm=np.concatenate([np.array(on_robot) * [1.0, -1.0, 1.0], np.zeros(3)]),
        joint_torque_nm=np.array([CUFFS.frame_nm_rad * pitch - belt, 0, 0, 0, 0, 0]),
    )
    cuffs = CuffPosture(GEOMETRY, T)
    for _ in range(200):
        seen = cuffs.step(state, pitch)
    return seen, torque


@pytest.mark.parametrize("lean", [0.0, 0.17, -0.1])
@pytest.mark.parametrize("pitch", [0.0, 0.05])
@pytest.mark.parametrize("robot", [(0.4, 0.9, 0.1), (-0.2, 0.15, -0.1), (0.3, 0.05, 0.0)])
def test_patients_joints_are_found_in_the_robots(robot, pitch, lean):
    robot = np.array(robot)
    patient = robot + np.radians([1.0, -3.0, -4.0])
    seen, torque = settle(robot, patient, pitch, pitch + 0.02, (0.004, 0.0, 0.006), lean)
    # What is left is the prior's doing, six equations for five unknowns and a lean.
    error = np.degrees(np.abs(seen.angle_rad[:3] - patient))
    assert np.all(error < [0.03, 0.05, 0.1]), error
    assert seen.pitch_rad == pytest.approx(pitch + 0.02, abs=1e-6)
    assert np.abs(seen.giving_rad_s).max() < 1e-6, "a still leg does not move"
    assert seen.cuff_nm[:3] == pytest.approx(torque, abs=0.05)


def test_legs_that_lie_in_the_robots_stay_there():
    robot = np.array([0.3, 0.6, 0.0])
    seen, _ = settle(robot, robot, 0.0, 0.0, (0.0, 0.0, 0.0), 0.0)
    assert seen.angle_rad[:3] == pytest.approx(robot, abs=1e-9)
    assert seen.cuff_nm == pytest.approx(np.zeros(6), abs=1e-9)


def test_a_cuff_gives_as_slowly_as_its_damping_lets_it():
    cuffs = CuffPosture(GEOMETRY, T)
    still = ExoState(0, 0.0, 0.0)
    pushed = ExoState(1, T, T, cuff_force_n=np.array([0, 0, 0, -0.02, 0, 0] + [0.0] * 12))
    cuffs.step(still, 0.0)
    velocity = [cuffs.step(pushed, 0.0).velocity_rad_s[1] for _ in range(40)]
    decay = np.log(velocity[4] / velocity[0]) / (4 * T)
    assert decay == pytest.approx(-8000.0 / 100.0, rel=1e-4)


def test_the_machine_that_is_believed_is_the_machine_that_is_simulated():
    plant = load_plant_config()
    for k, cuff in enumerate((plant.cuffs.thigh, plant.cuffs.shank, plant.cuffs.foot)):
        assert CUFFS.stiffness_n_m[k] == pytest.approx(cuff.stiffness_n_m)
        assert CUFFS.damping_ns_m[k] == pytest.approx(cuff.damping_ns_m)
    belt, frame = plant.cuffs.pelvis, plant.guidance
    assert (CUFFS.belt_nm_rad, CUFFS.belt_nms_rad) == (belt.stiffness_nm_rad[1], belt.damping_nms_rad[1])
    assert CUFFS.frame_nm_rad == frame.attitude_stiffness_nm_rad[1]
    assert CUFFS.frame_nms_rad == frame.attitude_damping_nms_rad[1]


def test_a_record_gives_the_posture_that_its_ticks_gave():
    rng = np.random.default_rng(3)
    n = 40
    smooth = np.cumsum(rng.normal(0.0, 0.01, (n, 6)), axis=0)
    record = Recorded(
        angle_rad=smooth + 0.3,
        velocity_rad_s=rng.normal(0.0, 1.0, (n, 6)),
        cuff_torque_nm=rng.normal(0.0, 5.0, (n, 6)),
        joint_torque_nm=rng.normal(0.0, 5.0, (n, 6)),
        cuff_force_n=rng.normal(0.0, 30.0, (n, 18)),
        pitch_rad=rng.normal(0.0, 0.05, n),
        pitch_rate_rad_s=rng.normal(0.0, 0.2, n),
    )
    whole, ticks = CuffPosture(GEOMETRY, T).over_time(record), CuffPosture(GEOMETRY, T)
    for k in range(n):
        state = ExoState(
            k,
            k * T,
            k * T,
            angle_rad=record.angle_rad[k],
            velocity_rad_s=record.velocity_rad_s[k],
            cuff_torque_nm=record.cuff_torque_nm[k],
            joint_torque_nm=record.joint_torque_nm[k],
            cuff_force_n=record.cuff_force_n[k],
            pelvis_gyro_rad_s=np.array([0.0, record.pitch_rate_rad_s[k], 0.0]),
        )
        one = ticks.step(state, float(record.pitch_rad[k]))
        for name in ("angle_rad", "velocity_rad_s", "giving_rad_s", "cuff_nm", "pitch_rad"):
            assert getattr(whole, name)[k] == pytest.approx(getattr(one, name), abs=1e-7), (k, name)
