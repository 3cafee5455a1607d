"""The foot is lifted when it would drag, no further than needed, and left alone when it clears."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.foot_clearance import FootLift, FootLiftParameters
from exostride.control.foot_height import FootHeights
from exostride.control.kinematics import SagittalLeg
from exostride.control.tracking import Tracker
from exostride.gait.reference import load_reference
from exostride.model.anthropometry import BodyParameters
from exostride.model.engines import load_mujoco_spec
from exostride.model.geometry import body_geometry
from exostride.paths import config_dir
from exostride.types import ExoState, GaitPhase, GaitState, Signal, TherapySettings

T = 0.005
BODY = BodyParameters()
GEOMETRY = body_geometry(BODY)
REFERENCE = load_reference(config_dir() / "norms" / "reference_gait.yaml")
CONTEXT = ControlContext(T, GEOMETRY.leg_length, BODY.mass_kg, np.full(6, 80.0), REFERENCE, body=BODY)
SETTINGS = TherapySettings(belt_speed_m_s=0.8, belt_acceleration_m_s2=0.5)


@pytest.mark.parametrize("pitch", [0.0, 0.12])
def test_sole_is_where_the_engine_says(pitch):
    model = load_mujoco_spec("patient", BODY).compile()
    data = mujoco.MjData(model)
    angle = np.array([0.5, 0.8, -0.2])
    for name, value in zip(("hip", "knee", "ankle"), angle, strict=True):
        data.joint(f"patient_{name}_left").qpos[0] = value
    data.joint("patient_pelvis_free").qpos[3:] = [np.cos(pitch / 2), 0.0, np.sin(pitch / 2), 0.0]
    mujoco.mj_forward(model, data)
    hip = data.xanchor[model.joint("patient_hip_left").id]
    points = [data.site(f"patient_{p}_left").xpos for p in ("heel", "ball", "toe_tip")]
    expected = min(point[2] for point in points) - hip[2]
    leg = SagittalLeg(GEOMETRY)
    assert leg.lowest(angle[None], pitch)[0] == pytest.approx(expected, abs=2e-3)
    ankle = leg.ankle(angle[0], angle[1], pitch)
    foot = data.xpos[model.body("patient_foot_left").id] - hip
    assert (ankle.x, ankle.z) == pytest.approx((foot[0], foot[2]), abs=1e-9)


def test_arms_are_the_derivatives_of_the_lowest_point():
    leg, step = SagittalLeg(GEOMETRY), 1e-6
    for at in ([0.4, 0.7, -0.3], [0.5, 0.1, 0.2], [-0.2, 0.6, -0.1]):
        moved = np.array(at) + step * np.eye(3)
        numeric = (leg.lowest(moved, 0.05) - leg.lowest(np.array([at]), 0.05)) / step
        assert leg.arms(np.array(at), 0.05) == pytest.approx(numeric, abs=1e-5)


def test_jacobian_is_the_derivative_of_the_ankle():
    leg, step = SagittalLeg(GEOMETRY), 1e-6
    at = leg.ankle(0.4, 0.7, 0.05)
    hip, knee = leg.ankle(0.4 + step, 0.7, 0.05), leg.ankle(0.4, 0.7 + step, 0.05)
    numeric = [(hip.x - at.x) / step, (knee.x - at.x) / step, (hip.z - at.z) / step, (knee.z - at.z) / step]
    assert [at.x_hip, at.x_knee, at.z_hip, at.z_knee] == pytest.approx(numeric, abs=1e-5)


PRESSED = FootLiftParameters().pressed_m


def walk(lift, clearance_m, strides=25, change=lambda k, state: state):
    """Feed a walker on the reference whose sole clears the belt by so much in the middle of each swing.

    ``change`` makes of each tick's state what the sensors say.
    """
    tracker, leg, torques = Tracker(CONTEXT), SagittalLeg(GEOMETRY), []
    rate = 0.8
    for k in range(round(strides / rate / T)):
        phase = np.array([rate * k * T % 1.0, (rate * k * T + 0.5) % 1.0])
        gait = GaitPhase(k, k * T, phase, np.full(2, rate), np.zeros(2), np.ones(2), GaitState.WALKING)
        tracker.path.advance(SETTINGS)
        seen = ExoState(k, k * T, k * T, joint_valid=63, angle_rad=np.zeros(6))
        track = tracker.step(k * T, seen, gait, SETTINGS)
        stance = tracker.path.curve.stance_fraction
        swinging = phase >= stance
        # Left is the leg under test; the pelvis' height is what makes its clearance.
        angle = track.reference_rad
        swing = (phase[0] - stance) / (1.0 - stance)
        low = clearance_m if 0.2 <= swing <= 0.85 else 0.03
        height = (low if swinging[0] else -PRESSED) - leg.lowest(angle[None, :3])[0]
        force = np.zeros(6)
        force[[2, 5]] = np.where(swinging, 0.0, 500.0)
        state = ExoState(
            k,
            k * T,
            k * T,
            available=int(Signal.PELVIS | Signal.FOOT_WRENCH),
            joint_valid=63,
            foot_valid=3,
            angle_rad=angle,
            foot_force_n=force,
            pelvis_position_m=np.array([0.0, 0.0, height]),
        )
        track = tracker.step(k * T, change(k, state), gait, SETTINGS)
        torques.append(lift.step(track, tracker.path)[0][:3])
    return np.array(torques)


LEARNED = FootLiftParameters(prompt_per_m=0.0)
"""The walker above changes the pelvis' height with the posture, which no prediction can know."""


def test_foot_that_clears_is_left_alone():
    lift = FootLift(CONTEXT, LEARNED)
    torque = walk(lift, 0.025)
    assert np.abs(torque).max() < 0.5
    assert lift._own[0] == pytest.approx(0.025, abs=1e-3)


def test_foot_that_drags_is_lifted_and_the_lift_is_forgotten_when_it_clears():
    lift = FootLift(CONTEXT, LEARNED)
    torque = walk(lift, 0.002)
    assert lift.level(0) > 0.9
    assert np.all(torque[-300:].max(axis=0) > 4.0), "hip, knee and ankle all lift"
    assert np.all(torque >= 0.0), "it never pushes the foot down"
    walk(lift, 0.025)
    assert lift.level(0) < 0.05


class Told:
    """Soles that are as high as they are told, left and right [m]."""

    angle_rad = np.zeros(6)

    def __init__(self, *clearance_m):
        self.clearance_m = clearance_m

    def reset(self):
        """Nothing to forget."""

    def see(self, state):
        """Every state will do."""
        return True

    def stand(self, side, place):
        """The belt is known."""

    def known(self, side):
        """The belt is known."""
        return True

    def arms(self, side):
        """Every joint lifts."""
        return np.full(3, 0.1)

    def clearance(self, side, posture_rad):
        """Return what was told."""
        return np.full(len(posture_rad), self.clearance_m[side])


def told(lift, *clearance_m, strides=25):
    """Let both feet swing so high."""
    lift._heights = Told(*clearance_m)
    walk(lift, 0.0, strides)


def test_foot_that_stays_behind_its_fellow_is_helped_to_the_same_height():
    lift = FootLift(CONTEXT, LEARNED)
    told(lift, 0.017, 0.023)
    assert lift.level(0) > 0.9
    assert lift.level(1) == 0.0
    told(lift, 0.024, 0.023, strides=10)
    assert lift.level(0) > 0.5, "as high as the other is no reason to let go at once"
    told(lift, 0.032, 0.023)
    assert lift.level(0) == 0.0


def test_small_difference_between_the_feet_asks_for_no_help():
    lift = FootLift(CONTEXT, LEARNED)
    told(lift, 0.020, 0.023)
    assert [lift.level(0), lift.level(1)] == [0.0, 0.0]


def test_lifted_foot_sets_no_aim_for_the_other():
    lift = FootLift(CONTEXT, LEARNED)
    told(lift, 0.010, 0.010, strides=6)
    assert min(lift.level(0), lift.level(1)) > 0.2
    told(lift, 0.0155, 0.025, strides=3)
    assert lift.level(1) > 0.05
    assert lift._goal(0) == LEARNED.target_m


def test_lift_keeps_the_therapists_bound_and_can_be_switched_off():
    off = FootLift(CONTEXT, FootLiftParameters(enabled=False))
    assert np.all(walk(off, 0.0, strides=5) == 0.0)


ALL_SIGNALS = Signal.PELVIS | Signal.FOOT_WRENCH | Signal.CUFF | Signal.JOINT_TORQUE
SOUND = ExoState(
    0,
    0.0,
    0.0,
    available=int(ALL_SIGNALS),
    joint_valid=63,
    foot_valid=3,
    segment_valid=63,
    cuff_force_n=np.full(18, 20.0),
    pelvis_position_m=np.array([0.0, 0.0, 0.9]),
)


def heights():
    return FootHeights(GEOMETRY, T, LEARNED.cuffs, PRESSED)


@pytest.mark.parametrize("broken", [{"joint_valid": 0b111110}, {"foot_valid": 0b01}, {"available": 0}])
def test_reading_that_is_not_valid_places_no_foot(broken):
    seen = heights()
    assert seen.see(SOUND)
    assert not seen.see(replace(SOUND, **broken))


def test_cuffs_that_are_not_valid_place_no_leg_in_the_robots_and_the_belt_is_found_anew():
    seen = heights()
    assert seen.see(SOUND)
    assert np.abs(seen.angle_rad).max() > 0.0
    seen.stand(0, 0.5)
    assert seen.known(0)
    assert seen.see(replace(SOUND, segment_valid=0b011111)), "the robot's own legs still tell where it is"
    assert np.array_equal(seen.angle_rad, SOUND.angle_rad)
    assert not seen.known(0), "a zero that was seen through the cuffs is that of another measure"


def test_no_foot_is_lifted_while_a_joint_is_not_measured():
    lift, ticks = FootLift(CONTEXT, FootLiftParameters()), round(1 / 0.8 / T)

    def stale(k, state):
        hidden = replace(state, joint_valid=0b111011, angle_rad=np.zeros(6))
        return hidden if k >= 5 * ticks else state

    torque = walk(lift, 0.002, strides=8, change=stale)
    assert np.abs(torque[: 5 * ticks]).max() > 4.0
    assert np.array_equal(torque[5 * ticks :], np.zeros_like(torque[5 * ticks :]))


def test_nothing_is_learned_from_a_swing_of_which_a_part_was_not_seen():
    lift, ticks = FootLift(CONTEXT, LEARNED), round(1 / 0.8 / T)

    def blind(k, state):
        """Hide the first half of every swing of the left leg."""
        return replace(state, foot_valid=0) if 0.6 < k % ticks / ticks < 0.8 else state

    walk(lift, 0.002, strides=8, change=blind)
    assert lift.level(0) == 0.0


def test_foot_that_never_comes_down_is_in_no_swing_of_the_next_step():
    lift, ticks = FootLift(CONTEXT, LEARNED), round(1 / 0.8 / T)

    def hanging(k, state):
        return replace(state, foot_force_n=np.zeros(6)) if k >= 3 * ticks else state

    walk(lift, 0.025, strides=12, change=hanging)
    assert lift._swing == [None, None]
