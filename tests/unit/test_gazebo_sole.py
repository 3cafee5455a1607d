"""The soles that Gazebo's ODE is given against MuJoCo's own contact, for a ball on a plane."""

import mujoco
import numpy as np
import pytest

from exostride.hardware.gz.sole import LEAST_M, Sole, impedance

DT_S = 0.001
BALL = """
<mujoco><option timestep="0.001" integrator="Euler" cone="elliptic"/><worldbody>
<geom name="ground" type="plane" size="1 1 1" solref="0.025 1" solimp="0.6 0.95 0.012 0.5 2" priority="1"/>
<body pos="0 0 {height}"><joint name="up" type="slide" axis="0 0 1"/>
<geom name="ball" type="sphere" size="0.02" mass="{mass}"/></body></worldbody></mujoco>
"""


def ball(mass, height):
    model = mujoco.MjModel.from_xml_string(BALL.format(mass=mass, height=height))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data, Sole(model, model.geom("ground").id, [model.geom("ball").id], DT_S)


def test_impedance_is_that_of_mujocos_documentation():
    solimp = np.array([0.6, 0.95, 0.012, 0.5, 2.0])
    depths = np.array([0.0, 0.003, 0.006, 0.009, 0.012, 0.03])
    assert impedance(solimp, depths) == pytest.approx([0.6, 0.64375, 0.775, 0.90625, 0.95, 0.95])


@pytest.mark.parametrize("mass", [0.5, 3.0, 20.0])
def test_a_ball_at_rest_is_carried_by_the_spring(mass):
    model, data, sole = ball(mass, 0.02)
    for _ in range(3000):
        mujoco.mj_step(model, data)
    depth = 0.02 - data.geom("ball").xpos[2]
    stiffness, _ = sole.at(np.array([depth]))
    assert stiffness[0] * depth == pytest.approx(mass * 9.81, rel=1e-4)


@pytest.mark.parametrize("height", [0.021, 0.05, 0.3])
def test_odes_equation_moves_a_falling_ball_as_mujoco_does(height):
    mass = 3.0
    model, data, sole = ball(mass, height)
    z, v, touched = height, 0.0, 0
    for _ in range(400):
        depth, force = 0.02 - z, 0.0
        if depth > LEAST_M:
            touched += 1
            kp, kd = sole.springs(np.array([depth]), np.array([-v]))[0]
            cfm = 1.0 / (DT_S * kp + kd)
            erp = DT_S * kp * cfm
            # v+ = v + h (f / m - g) and v+ + cfm f = erp r / h, unless the ball is let go.
            free = v - DT_S * 9.81
            force = max(0.0, (erp * depth / DT_S - free) / (DT_S / mass + cfm))
        v += DT_S * (force / mass - 9.81)
        z += DT_S * v
        mujoco.mj_step(model, data)
        assert z == pytest.approx(data.qpos[0] + height, abs=2e-5)
    assert touched > 50
