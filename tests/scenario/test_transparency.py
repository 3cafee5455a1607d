"""The robot that carries itself must not ring against the elastic cuffs."""

import numpy as np
import pytest

from exostride.bench.control_rig import Rig, RigSetup


@pytest.mark.parametrize("parameters", [{}, {"cuff_gain": 0.0}, {"cuff_gain": 0.6}])
def test_a_standing_walker_feels_a_quiet_transparent_robot(parameters):
    rig = Rig(RigSetup("transparent", "stance", settings={"belt_speed_m_s": 0.0}, parameters=parameters))
    felt = np.array([rig.step().truth.cuff_torque_nm for _ in range(700)])
    rig.close()
    assert felt[-300:].std(axis=0).max() < 0.5
