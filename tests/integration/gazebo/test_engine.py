"""Bodies in Gazebo under the plant's laws: weight, agreement with MuJoCo, determinism."""

import numpy as np
import pytest

from exostride.bench.engines_free import no_contact
from exostride.hardware.gazebo import GazeboDevice
from exostride.hardware.simulated import SimulatedDevice

pytestmark = [pytest.mark.gazebo, pytest.mark.usefixtures("gazebo")]
PERIOD_S = 0.005


def device(**parameters):
    out = GazeboDevice()
    out.configure({"patient": "stance", "timeout_s": 20.0, **parameters}, PERIOD_S)
    return out


def coast(out, seconds):
    for _ in range(round(seconds / PERIOD_S)):
        out.coast()


def trace(seconds=0.4, **parameters):
    out = device(**parameters)
    rows = []
    try:
        plant = out.plant
        plant.disturbances.push("patient_pelvis", np.array([60.0, 20.0, 0.0]), np.zeros(3), 0.0, 0.2)
        for seq in range(round(seconds / PERIOD_S)):
            rows.append(out.read(seq).exo.angle_rad)
            out.coast()
        rows.append(plant.data.qpos.copy()[:6])
    finally:
        out.close()
    return np.array(rows).tobytes()


@pytest.mark.parametrize("robot", ["exoskeleton", "none"])
def test_the_feet_carry_the_body(robot):
    out = device(robot=robot)
    try:
        coast(out, 0.8)
        total, pelvis_belt = 0.0, 0.0
        plant = out.plant
        column = plant.tape.column("force", plant.world.a_pelvis_belt)
        cuffs = plant.tape.column("force", plant.world.a_cuff)
        for _ in range(20):
            out.coast()
            total += plant.sense().ground_force_n[2::3].sum() / 20
            if robot == "exoskeleton":
                vertical = plant.tape.mean[column][2] + plant.tape.mean[cuffs].reshape(6, 6)[:, 2].sum()
                pelvis_belt += vertical / 20
        carried = plant.weight_n - plant.tension_n - pelvis_belt
        assert total == pytest.approx(carried, rel=0.02)
        assert total == pytest.approx(plant.weight_n, rel=0.03)
    finally:
        out.close()


def test_two_runs_are_identical_to_the_bit():
    assert trace() == trace()


def test_joints_move_as_in_mujoco():
    result = no_contact(1e-4, 2.0)
    assert result["least_sweep_deg"] >= 30.0
    assert result["max_joint_error_rad"] < 1e-3


def bent(out):
    """Return the angle [rad] of the toes of a body that is pressed forward for 0.6 s."""
    try:
        model, data = out.plant.world.model, out.plant.data
        force = np.array([130.0, 0.0, 0.0])
        out.plant.disturbances.push("patient_pelvis", force, np.zeros(3), 0.0, 2.0)
        coast(out, 0.6)
        return data.qpos[[model.joint(f"patient_toe_{side}").qposadr[0] for side in ("left", "right")]]
    finally:
        out.close()


def test_toes_bend_under_load_as_in_mujoco():
    """Light links at the end of a leg are the last that ODE's iterations reach."""
    over_mujoco = SimulatedDevice()
    over_mujoco.configure({"patient": "stance"}, PERIOD_S)
    expected = bent(over_mujoco)
    assert expected.min() > np.radians(4.0)
    assert bent(device()) == pytest.approx(expected, rel=0.2)


def test_a_sideways_push_of_the_push_world_reaches_the_pelvis():
    out = device(world="push")
    try:
        plant = out.plant
        coast(out, 6.9)
        before = plant.sense().pelvis_position_m[1]
        coast(out, 0.3)
        assert abs(plant.sense().pelvis_position_m[1] - before) > 0.002
    finally:
        out.close()


@pytest.mark.parametrize(
    ("world", "forward"), [("slope", -1.0), ("uneven", None), ("stairs", None), ("ground", None)]
)
def test_a_body_stands_in_every_world(world, forward):
    out = device(world=world)
    try:
        coast(out, 0.6)
        sense = out.plant.sense()
        assert sense.pelvis_position_m[2] == pytest.approx(0.945, abs=0.02)
        if forward is not None:  # uphill, weight pulls backwards
            assert sense.ground_force_n[[0, 3]].sum() * forward < 0.0
    finally:
        out.close()
