"""Whatever the sensors, the phase and the settings say, a law stays finite, bounded and monotone in time."""

import numpy as np
import pytest
from control_strategies import phases, states, valid_settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exostride.control.adaptive_rbf import AdaptiveRbfController
from exostride.control.challenge import ErrorAugmentationController, ResistanceController
from exostride.control.error_based import ErrorBasedController
from exostride.control.foot_drop import FootDropController
from exostride.control.force_field import ForceFieldController
from exostride.control.guidance import GuidanceController, PositionController
from exostride.control.impedance import ImpedanceController
from exostride.control.minimal import MinimalController
from exostride.control.path_control import PathController
from exostride.control.progressive import ProgressiveLaw
from exostride.control.self_paced import SelfPacedLaw
from exostride.control.subtasks import SubtaskController
from exostride.control.transparent import TransparentController
from exostride.control.treadmill import TreadmillLaw
from exostride.runtime.assembly.control import control_context
from exostride.runtime.assembly.stack import StackConfig
from exostride.types import EnvironmentState

# The largest numbers there are overflow on the way; what comes out must be finite all the same.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

T = 0.005
CONTEXT = control_context(StackConfig(patient="unimpaired"))
"""That of a session, so that the robot's compensation is in every torque."""

LAWS = [
    AdaptiveRbfController,
    ErrorAugmentationController,
    ErrorBasedController,
    FootDropController,
    ForceFieldController,
    GuidanceController,
    ImpedanceController,
    MinimalController,
    PathController,
    PositionController,
    ResistanceController,
    SubtaskController,
    TransparentController,
]
STIFFEST_NM_RAD = 700.0


@pytest.mark.parametrize("law_type", LAWS)
@hypothesis_settings(max_examples=30, deadline=None)
@given(inputs=st.lists(st.tuples(states, phases), min_size=1, max_size=12), settings=valid_settings())
def test_assistance_is_finite_and_bounded_for_any_input(law_type, inputs, settings):
    law = law_type(CONTEXT)
    for k, (state, phase) in enumerate(inputs):
        command = law.step(k * T, state, phase, settings)
        for name in ("torque_nm", "stiffness_nm_rad", "damping_nms_rad", "reference_rad", "assistance"):
            assert np.all(np.isfinite(getattr(command, name))), name
        assert np.all(np.isfinite(command.reference_velocity_rad_s))
        assert np.all(np.abs(command.torque_nm) <= CONTEXT.torque_limit_nm)
        if law_type is not TransparentController:
            assert np.all(command.assistance >= settings.assistance_min - 1e-12)
            assert np.all(command.assistance <= settings.assistance_max + 1e-12)
        assert np.all(command.stiffness_nm_rad <= STIFFEST_NM_RAD)
        assert np.all(command.stiffness_nm_rad >= 0)


@pytest.mark.parametrize("law_type", [ProgressiveLaw, SelfPacedLaw, TreadmillLaw])
@hypothesis_settings(max_examples=40, deadline=None)
@given(inputs=st.lists(st.tuples(states, phases), min_size=2, max_size=12), settings=valid_settings())
def test_belt_command_never_outruns_its_ramp_or_the_set_speed(law_type, inputs, settings):
    law = law_type(CONTEXT)
    last = 0.0
    for k, (state, phase) in enumerate(inputs):
        command = law.step(k * T, state, EnvironmentState(k, k * T), phase, settings)
        assert 0.0 <= command.belt_speed_m_s <= settings.belt_speed_m_s + 1e-12
        assert abs(command.belt_speed_m_s - last) <= settings.belt_acceleration_m_s2 * T + 1e-12
        last = command.belt_speed_m_s
