"""Every shipped law behind the kernel, on random walks, sensors gone wrong and settings: limits hold."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from control_strategies import bounded, valid_settings, vector
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exostride import registry
from exostride.runtime.assembly.control import control_context
from exostride.runtime.assembly.stack import StackConfig, safety_limits
from exostride.safety.guard import LOST, SampleGuard
from exostride.safety.kernel import SafetyKernel
from exostride.types import (
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    GaitState,
    HarnessAction,
    Mode,
    Reason,
    SafetyPermit,
    Signal,
    TherapySettings,
)

# The largest numbers there are overflow on the way; what comes out must be finite all the same.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

T = 0.005
TICKS = 160
STACK = StackConfig(patient="unimpaired")
LIMITS = safety_limits(STACK)
LAWS = [name for name in registry.names(registry.CONTROLLERS) if not name.startswith("knee_swing")]
SIGNALS = int(
    Signal.JOINT_ANGLE
    | Signal.JOINT_TORQUE
    | Signal.CUFF
    | Signal.FOOT_LOAD
    | Signal.FOOT_WRENCH
    | Signal.PELVIS
)


@cache
def context():
    return control_context(STACK)


def a_walk(seed, swing, cuff_nm):
    """Yield states and phases of a leg that swings smoothly, with random pushes in the cuffs."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform([-0.1, 0.1, -0.1] * 2, [0.4, 1.0, 0.1] * 2)
    size, rate, start = swing * rng.uniform(0.1, 0.6, 6), rng.uniform(0.2, 1.8, 6), rng.uniform(0, 6.28, 6)
    walking = rng.uniform() < 0.8
    for k in range(TICKS):
        lost, even = rng.uniform() < 0.1, np.array([0.9 * k * T, 0.9 * k * T + 0.5]) % 1.0
        at = 2 * np.pi * rate * k * T + start
        load = rng.uniform(0, 700, 2)
        yield (
            ExoState(
                k,
                k * T,
                k * T,
                available=SIGNALS,
                joint_valid=63,
                foot_valid=3,
                segment_valid=63,
                angle_rad=centre + size * np.sin(at),
                velocity_rad_s=2 * np.pi * rate * size * np.cos(at),
                joint_torque_nm=rng.normal(0, 10, 6),
                cuff_torque_nm=rng.normal(0, 1, 6) * cuff_nm,
                foot_force_n=np.array([0, 0, load[0], 0, 0, load[1]]),
                pelvis_position_m=np.array([0.0, 0.0, 0.93]),
                pelvis_orientation=np.array([0.0, 0.0, 0.0, 1.0]),
                pelvis_accel_m_s2=np.array([0.0, 0.0, 9.81]),
            ),
            GaitPhase(
                k,
                k * T,
                rng.uniform(0, 1, 2) if lost else even,
                rng.uniform(0.3, 1.5, 2),
                rng.uniform(0, 1, 2),
                rng.uniform(0.5, 1.0, 2),
                GaitState.WALKING if walking else GaitState.STANDING,
            ),
        )


def answers(law, walk, settings):
    """Yield state, command, the kernel's word on it in TRAIN, and what can be believed, tick by tick."""
    kernel, guard = SafetyKernel(LIMITS, T), SampleGuard(LIMITS, T)
    for k, (state, phase) in enumerate(walk):
        command = law.step(k * T, state, phase, settings)
        mode = Mode.STAND if k < 3 else Mode.TRAIN
        permit = SafetyPermit(k, k * T, int(mode), 1.0, k + 4, 2.0, int(HarnessAction.UNLOAD))
        machine = EnvironmentState(k, k * T)
        wanted = EnvironmentCommand(
            seq=k,
            time_s=k * T,
            belt_speed_m_s=0.0,
            belt_acceleration_m_s2=0.1,
            unloading_percent=0.0,
            support_kind=0,
            harness_action=HarnessAction.UNLOAD,
        )
        guard.step(k, state)
        yield state, command, kernel.step(k, state, machine, command, wanted, permit), guard


def active(drive, state):
    """Torque that a drive gives at a state, without the protective part."""
    spring = drive.stiffness_nm_rad * (drive.reference_rad - state.angle_rad)
    damper = drive.damping_nms_rad * (drive.reference_velocity_rad_s - state.velocity_rad_s)
    return np.clip(drive.torque_nm + spring + damper, drive.low_nm, drive.high_nm)


def check(state, command, output, guard):
    """Assert the limits of torque, power and interaction of one tick.

    ``guard`` has judged the same sample as the kernel's own: a refused speed is no motion, so power
    is bounded at the speed that was believed, and a joint nobody can see has no power at all.
    """
    for name in ("torque_nm", "stiffness_nm_rad", "damping_nms_rad", "reference_rad", "low_nm", "high_nm"):
        assert np.all(np.isfinite(getattr(output.drive, name))), name
    for name in ("torque_nm", "stiffness_nm_rad", "damping_nms_rad", "reference_rad", "assistance"):
        assert np.all(np.isfinite(getattr(command, name))), name
    if not (np.isfinite(state.angle_rad).all() and np.isfinite(state.velocity_rad_s).all()):
        return
    torque, speed = active(output.drive, state), guard.speed
    for i, joint in enumerate(LIMITS.joints):
        assert abs(torque[i]) <= joint.torque_nm + 1e-9
        assert torque[i] * speed[i] <= joint.power_w + 1e-6
        if guard.quality[i] == LOST:
            assert torque[i] == 0.0
        assert output.drive.stiffness_nm_rad[i] <= joint.stiffness_nm_rad + 1e-9
        assert output.drive.damping_nms_rad[i] <= joint.damping_nms_rad + 1e-9
        if np.isfinite(state.cuff_torque_nm[i]) and abs(state.cuff_torque_nm[i]) >= joint.cuff_nm:
            assert torque[i] * state.cuff_torque_nm[i] <= 1e-9, "who presses on a cuff is not pressed back"


@pytest.mark.parametrize("name", LAWS)
@hypothesis_settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), settings=valid_settings(), pushed=bounded("assistance"))
def test_no_law_gets_more_through_the_kernel_than_the_limits(name, seed, settings, pushed):
    law = registry.load(registry.CONTROLLERS, name)(context(), {})
    for tick in answers(law, a_walk(seed, 1.0, 120.0 * pushed), settings):
        check(*tick)


@pytest.mark.parametrize("name", LAWS)
@hypothesis_settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), settings=valid_settings(), wrong=vector(6), at=st.integers(0, 63))
def test_nor_when_sensors_fail_in_the_middle_of_a_walk(name, seed, settings, wrong, at):
    law = registry.load(registry.CONTROLLERS, name)(context(), {})
    fields = ("angle_rad", "velocity_rad_s", "cuff_torque_nm", "joint_torque_nm", "foot_force_n")
    walk = [
        (replace(state, **{fields[at % len(fields)]: wrong}) if 80 <= k < 90 else state, phase)
        for k, (state, phase) in enumerate(a_walk(seed, 0.5, 10.0))
    ]
    for tick in answers(law, walk, settings):
        check(*tick)


def test_the_limits_are_reached_so_that_the_above_means_something():
    law = registry.load(registry.CONTROLLERS, "position")(context(), {})
    settings = TherapySettings(belt_speed_m_s=1.0, belt_acceleration_m_s2=0.5)
    bits = largest = 0
    for seed in range(6):
        for state, _, output, _ in answers(law, a_walk(seed, 1.0, 60.0), settings):
            bits |= output.reason
            largest = max(largest, float(np.abs(active(output.drive, state)).max()))
    assert largest > 10.0
    for reason in (Reason.TORQUE_LIMIT, Reason.SLEW_LIMIT, Reason.CUFF_LIMIT, Reason.OPPOSED):
        assert bits & reason, reason
