"""Control laws against known answers."""

import numpy as np
import pytest

from exostride.control.context import ControlContext
from exostride.control.fading import FadingAssistance, FadingParameters
from exostride.control.guidance import GuidanceController, PositionController
from exostride.control.impedance import ImpedanceController
from exostride.control.pace import BeltPace
from exostride.control.path import ReferencePath
from exostride.control.rhythm import Rhythm
from exostride.control.treadmill import TreadmillLaw
from exostride.errors import ConfigError
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import EnvironmentState, ExoState, GaitPhase, GaitState, Signal, TherapySettings

T = 0.005


@pytest.fixture(scope="module")
def context() -> ControlContext:
    reference = load_reference(config_dir() / "norms" / "reference_gait.yaml")
    return ControlContext(T, 0.9, 75.0, np.full(6, 80.0), reference)


def state(seq: int, angle=None, **extra) -> ExoState:
    angle = np.zeros(6) if angle is None else np.asarray(angle, dtype=float)
    return ExoState(
        seq, seq * T, seq * T, available=Signal.JOINT_ANGLE, joint_valid=63, angle_rad=angle, **extra
    )


def walking(seq: int, phase=(0.0, 0.5), rate=0.9, confidence=1.0) -> GaitPhase:
    return GaitPhase(
        seq,
        seq * T,
        np.array(phase),
        np.full(2, rate),
        np.full(2, 0.5),
        np.full(2, confidence),
        GaitState.WALKING,
    )


def test_rhythm_follows_a_trusted_estimate_of_unequal_legs():
    rhythm = Rhythm(T)
    for k in range(2000):
        truth = np.array([0.9 * k * T % 1.0, (0.9 * k * T + 0.42) % 1.0])
        sample = rhythm.step(walking(k, truth), lead_hz=0.5)
    error = (sample.phase - truth + 0.5) % 1.0 - 0.5
    assert np.all(np.abs(error) < 0.01), error
    assert sample.rate_hz == pytest.approx([0.9, 0.9], abs=0.02)


def test_rhythm_leads_at_the_set_cadence_when_nobody_walks():
    rhythm = Rhythm(T)
    lost = GaitPhase(0, 0.0)
    phases = [rhythm.step(lost, lead_hz=0.7).phase[0] for _ in range(4000)]
    wraps = np.flatnonzero(np.diff(phases) < -0.5)
    assert np.diff(wraps) * T == pytest.approx(1 / 0.7, abs=2 * T)


def test_rhythm_never_runs_backwards_when_the_estimate_does():
    rhythm = Rhythm(T)
    before = rhythm.step(walking(0, (0.5, 0.0)), 0.9).phase
    after = rhythm.step(walking(1, (0.1, 0.6)), 0.9).phase
    assert np.all((after - before) % 1.0 < 0.5)


@pytest.mark.parametrize("off", [0.2, 0.3, 0.33, 0.4, 0.49])
def test_rhythm_finds_back_from_any_wrong_start(off):
    rhythm = Rhythm(T)
    rhythm.step(walking(0, (off % 1.0, (0.5 - off) % 1.0)), lead_hz=0.5)
    for k in range(1200):
        truth = np.array([0.5 * k * T % 1.0, (0.5 * k * T + 0.5) % 1.0])
        sample = rhythm.step(walking(k, truth, rate=0.5), lead_hz=0.5)
    error = (sample.phase - truth + 0.5) % 1.0 - 0.5
    assert np.abs(error).max() < 0.01


def test_hold_waits_for_a_phase_that_can_be_trusted():
    rhythm = Rhythm(T)
    for k in range(1000):
        guess = rhythm.step(walking(k, rate=0.0, confidence=0.5), 0.5).hold
    assert guess == pytest.approx([0.0, 0.0]), "a torque at the wrong moment fells who walks"
    for k in range(1500):
        sure = rhythm.step(walking(k, rate=0.0, confidence=0.9), 0.5).hold
    assert sure.min() > 0.95
    for k in range(200):
        lost = rhythm.step(walking(k, rate=0.0, confidence=0.2), 0.5).hold
    assert lost.max() < 0.1


def test_robot_leads_only_on_a_belt_that_moves_and_only_who_does_not_walk():
    standing = GaitPhase(0, 0.0, state=GaitState.STANDING)
    rhythm = Rhythm(T)
    for _ in range(1000):
        assert rhythm.step(standing, 0.5, moving=False).hold.max() == 0.0
    for _ in range(round(3.1 / T)):
        hold = rhythm.step(standing, 0.5).hold
    assert hold == pytest.approx([1.0, 1.0])
    ahead = (rhythm.step(standing, 0.5).phase + 0.3) % 1.0
    for k in range(round(1.1 / T)):
        hold = rhythm.step(walking(k, ahead + 0.5 * k * T, 0.5, 0.5), 0.5).hold
    assert hold.max() < 0.05, "who walks differently is not fought"


def test_reference_stays_within_the_patients_range_of_motion(context):
    path = ReferencePath(context)
    settings = TherapySettings(belt_speed_m_s=1.0, belt_acceleration_m_s2=0.5, range_max_rad=np.full(6, 0.6))
    rhythm = Rhythm(T)
    angles = []
    for _ in range(3000):
        lead = path.advance(settings)
        angles.append(path.sample(rhythm.step(GaitPhase(0, 0.0), lead))[0])
    assert np.max(angles) <= 0.6
    assert np.ptp(np.array(angles)[-400:, 1]) > 0.3, "the knee must still move"


def test_reference_velocity_is_the_derivative_of_its_angle(context):
    path = ReferencePath(context)
    settings = TherapySettings(belt_speed_m_s=1.0, belt_acceleration_m_s2=0.5)
    rhythm = Rhythm(T)
    rows = []
    for _ in range(3000):
        lead = path.advance(settings)
        rows.append(path.sample(rhythm.step(GaitPhase(0, 0.0), lead)))
    angle, velocity = np.array(rows)[-400:].transpose(1, 0, 2)
    inside = slice(5, -5)
    assert np.gradient(angle, T, axis=0)[inside] == pytest.approx(velocity[inside], abs=0.06)


def stride_levels(error: float, strides: int, parameters: FadingParameters, **settings) -> list[float]:
    fading = FadingAssistance(parameters)
    therapy = TherapySettings(**{"assistance": np.ones(6), **settings})
    levels = []
    for stride in range(strides):
        for phase in np.linspace(0, 0.99, 100):
            level = fading.step(np.full(6, error), np.array([phase, phase]), True, therapy)
        levels.append(float(level[1]))
        assert np.all(level == level[0]), stride
    return levels


def test_assistance_fades_geometrically_inside_the_dead_zone():
    levels = stride_levels(0.05, 12, FadingParameters(0.9, 1.0, 0.07))
    assert levels == pytest.approx([0.9**k for k in range(12)])


def test_assistance_settles_where_forgetting_and_error_balance():
    levels = stride_levels(0.17, 200, FadingParameters(0.9, 0.5, 0.07))
    assert levels[-1] == pytest.approx(0.5 * 0.10 / (1 - 0.9), rel=1e-3)


def test_assistance_keeps_the_therapists_bounds():
    low = stride_levels(0.0, 200, FadingParameters(0.9, 1.0, 0.07), assistance_min=np.full(6, 0.3))
    high = stride_levels(0.9, 50, FadingParameters(0.9, 1.0, 0.07), assistance_max=np.full(6, 0.6))
    assert low[-1] == pytest.approx(0.3)
    assert high[-1] == pytest.approx(0.6)


def total_torque(command, angle) -> np.ndarray:
    return command.torque_nm + command.stiffness_nm_rad * (command.reference_rad - angle)


def test_impedance_starts_without_a_bump_from_any_posture(context):
    law = ImpedanceController(context)
    angle = np.array([0.5, 1.0, -0.3, -0.2, 0.3, 0.2])
    command = law.step(0.0, state(0, angle), walking(0), TherapySettings(belt_speed_m_s=1.0))
    assert np.abs(total_torque(command, angle)) == pytest.approx(np.zeros(6), abs=1e-9)


def test_impedance_pulls_towards_the_reference_and_answers_the_state(context):
    law = ImpedanceController(context)
    settings = TherapySettings(belt_speed_m_s=0.0)
    for k in range(2000):
        command = law.step(k * T, state(k), walking(k), settings)
    assert command.seq == 1999
    flexed = np.full(6, 0.5)
    pulled = total_torque(law.step(10.0, state(2000, flexed), walking(2000), settings), flexed)
    assert np.all(pulled < 0)


@pytest.mark.parametrize("law_type", [GuidanceController, PositionController])
def test_stiff_law_holds_no_joint_more_than_the_therapist_allows(context, law_type):
    most = np.array([1.0, 0.5, 0.0] * 2)
    settings = TherapySettings(assistance=np.ones(6), assistance_max=most)
    bound, free = law_type(context), law_type(context)
    for k in range(400):
        command = bound.step(k * T, state(k), walking(k), settings)
        full = free.step(k * T, state(k), walking(k), TherapySettings(assistance=np.ones(6)))
    assert command.stiffness_nm_rad == pytest.approx(most * full.stiffness_nm_rad)
    assert command.damping_nms_rad == pytest.approx(most * full.damping_nms_rad)
    assert command.assistance == pytest.approx(most)


def test_joint_that_is_not_measured_gets_no_error(context):
    law = ImpedanceController(context)
    unseen = ExoState(0, 0.0, 0.0, joint_valid=0, angle_rad=np.full(6, np.nan))
    for k in range(400):
        command = law.step(k * T, unseen, walking(k), TherapySettings())
    for values in (command.reference_rad, command.stiffness_nm_rad, command.torque_nm):
        assert np.all(np.isfinite(values))


def test_unknown_parameter_is_named(context):
    with pytest.raises(ConfigError, match="stifness"):
        ImpedanceController(context, {"stifness": 3})


def test_belt_ramps_to_the_set_speed_and_no_further(context):
    law = TreadmillLaw(context)
    settings = TherapySettings(belt_speed_m_s=0.4, belt_acceleration_m_s2=0.1, unloading_percent=30.0)
    belt, unloading, seen = 0.0, 0.0, []
    for k in range(int(6 / T)):
        machine = EnvironmentState(k, k * T, belt, unloading_percent=unloading)
        seen.append(law.step(k * T, state(k), machine, walking(k), settings))
        belt, unloading = seen[-1].belt_speed_m_s, seen[-1].unloading_percent
    speed = np.array([c.belt_speed_m_s for c in seen])
    assert np.max(np.diff(speed)) <= 0.1 * T + 1e-12
    assert speed[int(4 / T) :] == pytest.approx(np.full(int(2 / T), 0.4))
    assert seen[-1].unloading_percent == pytest.approx(30.0, abs=0.1)


def test_belt_slows_for_a_walker_who_falls_behind(context):
    law = TreadmillLaw(context)
    settings = TherapySettings(belt_speed_m_s=0.4, belt_acceleration_m_s2=0.5)
    behind = {"pelvis_position_m": np.array([-0.4, 0.0, 0.9])}
    belt = 0.0
    for k in range(1000):
        place = {} if k < 500 else behind
        seen = state(k, **place)
        seen = ExoState(k, k * T, k * T, available=Signal.PELVIS, **place)
        command = law.step(k * T, seen, EnvironmentState(k, k * T, belt), walking(k), settings)
        belt = command.belt_speed_m_s
        if k == 499:
            assert command.belt_speed_m_s == pytest.approx(0.4)
    assert command.belt_speed_m_s == 0.0


def test_belt_command_waits_just_ahead_of_a_belt_that_is_held(context):
    law = TreadmillLaw(context)
    settings = TherapySettings(belt_speed_m_s=1.0, belt_acceleration_m_s2=0.5)
    for k in range(2000):
        command = law.step(k * T, state(k), EnvironmentState(k, k * T, 0.0), walking(k), settings)
    assert 0.0 < command.belt_speed_m_s <= 0.1


def test_reference_follows_the_belt_and_not_the_wish():
    pace, settings = BeltPace(), TherapySettings(belt_speed_m_s=0.8)
    standing = GaitPhase(0, 0.0, state=GaitState.STANDING)
    assert pace.step(settings, EnvironmentState(0, 0.0, 0.001), standing).belt_speed_m_s == 0.0
    assert pace.step(settings, EnvironmentState(1, T, 0.302), walking(1)).belt_speed_m_s == pytest.approx(0.3)
    assert pace.step(settings, EnvironmentState(2, T, 0.79), walking(2)) is settings
    over_ground = EnvironmentState(3, T, 0.0)
    assert pace.step(settings, over_ground, walking(3)) is settings
    assert pace.step(settings, EnvironmentState(4, T, np.nan), standing) is settings
