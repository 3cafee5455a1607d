"""What a spasm adds to a joint, and what it takes from it."""

import numpy as np
import pytest

from exostride.patient.interface import SEIZED_NM, JointDrive, PatientAction, seized

KNEE, PLACE = 1, 2
"""The left knee among the six joints, and among the driven ones."""


def spasm(nm):
    torque = np.zeros(6)
    torque[KNEE] = nm
    return torque


@pytest.fixture
def holding():
    eight = np.arange(1.0, 9.0)
    return PatientAction(active=JointDrive(-10.0 * eight, 100.0 * eight, eight), passive=JointDrive(eight))


def test_a_whole_spasm_takes_all_hold_from_its_joint(holding):
    active = seized(holding, spasm(1.5 * SEIZED_NM)).active
    assert active.torque_nm[PLACE] == holding.active.torque_nm[PLACE] + 1.5 * SEIZED_NM
    assert active.stiffness_nm_rad[PLACE] == active.damping_nms_rad[PLACE] == 0.0


def test_half_a_spasm_leaves_half_and_other_joints_and_tissue_are_as_before(holding):
    whole = seized(holding, spasm(0.5 * SEIZED_NM))
    other = np.arange(8) != PLACE
    for name in ("torque_nm", "stiffness_nm_rad", "damping_nms_rad"):
        before, after = getattr(holding.active, name), getattr(whole.active, name)
        np.testing.assert_array_equal(after[other], before[other])
        meant = before[PLACE] + 0.5 * SEIZED_NM
        assert after[PLACE] == pytest.approx(meant if name == "torque_nm" else 0.5 * before[PLACE])
    assert whole.passive is holding.passive


def test_spasms_add_up_in_the_truth(holding):
    np.testing.assert_array_equal(
        seized(seized(holding, spasm(5.0)), spasm(7.0)).spasm_torque_nm, spasm(12.0)
    )
