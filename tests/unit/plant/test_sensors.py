"""Latency, quantisation, noise and bias of the channels, and the torque made of measured cuff wrenches."""

import numpy as np
import pytest

from exostride.plant.config import ChannelConfig
from exostride.plant.sensors import SIZES, SensorPipeline
from exostride.types import DriveCommand, joints

FULL = np.full(6, 1e3)
IDEAL = ChannelConfig()


def pipeline(plant, config, seed=0, **channels):
    """Return a pipeline with perfect channels except those given."""
    perfect = dict.fromkeys(SIZES, IDEAL)
    sensors = config.sensors.model_copy(update=perfect | channels)
    return SensorPipeline(plant.world, plant.data, plant.tape, sensors, seed)


@pytest.fixture
def moving(make_plant, output, run):
    plant = make_plant()
    run(plant, 40, output(unloading_percent=30.0))
    drive = DriveCommand(torque_nm=np.array([25.0, 10, -8, -20, 12, 6]), low_nm=-FULL, high_nm=FULL)
    run(plant, 8, output(drive=drive, unloading_percent=30.0))
    return plant


def part(sensors, values, name):
    return values[sensors.places[name]]


def cuff_torque(sensors, values):
    names = ("angle", "cuff_force", "cuff_moment")
    return sensors.cuff_torque(*(part(sensors, values, name) for name in names))


@pytest.mark.parametrize("steps", [0, 1, 4, 9])
def test_latency_gives_the_value_of_so_many_steps_ago(moving, config, steps):
    sensors = pipeline(moving, config, angle=ChannelConfig(latency_s=steps * 0.001))
    got = part(sensors, sensors.measure(joints()), "angle")
    old = moving.tape.rows[-1 - steps, moving.tape.column("q", moving.world.exo_q)]
    assert got == pytest.approx(old, abs=1e-12)
    if steps:
        assert np.abs(got - moving.data.qpos[moving.world.exo_q]).max() > 1e-6


def test_perfect_channels_tell_the_truth(moving, config):
    sensors = pipeline(moving, config)
    values = sensors.measure(np.full(6, 30.0))
    truth = moving.truth(0, 0.0)
    assert part(sensors, values, "angle") == pytest.approx(truth.exo_angle_rad, abs=1e-12)
    assert part(sensors, values, "velocity") == pytest.approx(truth.exo_velocity_rad_s, abs=1e-12)
    assert part(sensors, values, "foot_force") == pytest.approx(truth.ground_force_n, abs=1e-9)
    assert part(sensors, values, "unloading")[0] == pytest.approx(moving.tension_n)
    assert part(sensors, values, "motor_temperature") == pytest.approx(np.full(6, 30.0))
    loads = part(sensors, values, "foot_load")
    assert loads.sum() == pytest.approx(truth.ground_force_n[[2, 5]].sum(), rel=0.02)
    rotation = sensors.orientation(np.zeros(3))
    q = moving.world.base_q
    assert rotation == pytest.approx(np.roll(moving.data.qpos[q + 3 : q + 7], -1), abs=1e-12)


def test_measured_cuff_torque_is_what_the_robots_joints_feel(moving, config):
    """Planar kinematics on measured wrenches give the engine's reaction on the robot's joints."""
    # Forces act on the configuration at the start of a step, so the angles of that instant go with them.
    sensors = pipeline(moving, config, angle=ChannelConfig(latency_s=0.001))
    values = sensors.measure(joints())
    torque = cuff_torque(sensors, values)
    w, row, columns = moving.world, moving.tape.rows[-1], moving.tape.columns
    reaction = row[columns["joint_force"]][w.exo_v] - row[moving.tape.column("force", w.a_drive)]
    assert torque == pytest.approx(-reaction, abs=1e-3)
    assert np.abs(torque).max() > 5.0


def test_cuff_torque_from_measurement_agrees_with_the_patients_side(moving, config):
    sensors = pipeline(moving, config)
    values = sensors.measure(joints())
    torque = cuff_torque(sensors, values)
    assert torque == pytest.approx(moving.truth(0, 0.0).cuff_torque_nm, abs=2.0)


def test_joint_torque_sensor_sits_behind_rotor_and_friction(make_plant, config, output, run):
    """At rest against the cuffs it shows the motor's torque within friction."""
    plant = make_plant()
    drive = DriveCommand(torque_nm=np.full(6, 8.0), low_nm=-FULL, high_nm=FULL)
    run(plant, 400, output(drive=drive, unloading_percent=30.0))
    sensors = pipeline(plant, config)
    values = sensors.measure(joints())
    motor, joint = part(sensors, values, "motor_torque"), part(sensors, values, "joint_torque")
    friction = np.array(plant.world.model.dof_frictionloss[plant.world.exo_v])
    assert motor == pytest.approx(np.full(6, 8.0), rel=1e-3)
    assert (np.abs(joint - motor) <= friction + 0.1).all()
    assert np.abs(joint - motor).max() > 0.02


def test_quantisation_noise_and_bias_are_as_configured(moving, config):
    channel = ChannelConfig(noise=0.02, bias=0.1, resolution=0.005)
    sensors = pipeline(moving, config, seed=5, velocity=channel)
    truth = moving.truth(0, 0.0).exo_velocity_rad_s
    samples = np.array([part(sensors, sensors.measure(joints()), "velocity") for _ in range(400)])
    assert samples / 0.005 == pytest.approx(np.rint(samples / 0.005), abs=1e-6)
    assert samples.std(axis=0) == pytest.approx(np.full(6, 0.02), rel=0.15)
    bias = samples.mean(axis=0) - truth
    assert 0.03 < bias.std() < 0.3
    assert np.abs(bias).max() > 0.02


def test_same_seed_same_noise_other_seed_other_noise(moving, config):
    first = SensorPipeline(moving.world, moving.data, moving.tape, config.sensors, 7)
    second = SensorPipeline(moving.world, moving.data, moving.tape, config.sensors, 7)
    third = SensorPipeline(moving.world, moving.data, moving.tape, config.sensors, 8)
    a, b, c = (s.measure(joints()) for s in (first, second, third))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    first.measure(joints())
    first.reset()
    assert np.array_equal(first.measure(joints()), a)


def test_an_imu_at_rest_shows_gravity_upwards(make_plant, config, output, run):
    plant = make_plant()
    run(plant, 300, output(unloading_percent=30.0))
    sensors = pipeline(plant, config)
    values = sensors.measure(joints())
    assert part(sensors, values, "pelvis_accel")[2] == pytest.approx(9.81, abs=0.1)
    assert part(sensors, values, "segment_accel")[2::3] == pytest.approx(np.full(6, 9.81), abs=0.15)


def test_segment_angles_follow_the_joints(make_plant, config, output, run):
    from exostride.plant.stance import StiffStance

    posture = np.array([0.0, 0.4, 0.5, -0.1, 0.0, 0.0, 0.0, 0.0])
    plant = make_plant(patient=StiffStance(posture))
    run(plant, 300, output(unloading_percent=50.0))
    sensors = pipeline(plant, config)
    values = sensors.measure(joints())
    segment = part(sensors, values, "segment_angle")
    hip, knee, ankle = part(sensors, values, "angle")[:3]
    x, y, z, w = sensors.orientation(np.zeros(3))
    pitch_back = -np.arctan2(2 * (w * y - z * x), 1 - 2 * (x * x + y * y))
    assert segment[0] == pytest.approx(pitch_back + hip, abs=0.01)
    assert segment[1] == pytest.approx(pitch_back + hip - knee, abs=0.01)
    assert segment[2] == pytest.approx(pitch_back + hip - knee + ankle, abs=0.01)
    assert hip > 0.25
