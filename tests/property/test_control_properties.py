"""Whatever the sensors, the phase and the settings say, a law stays finite, bounded and monotone in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exostride.control.adaptive_rbf import AdaptiveRbfController
from exostride.control.challenge import ErrorAugmentationController, ResistanceController
from exostride.control.context import ControlContext
from exostride.control.error_based import ErrorBasedController
from exostride.control.foot_drop import FootDropController
from exostride.control.force_field import ForceFieldController
from exostride.control.guidance import GuidanceController, PositionController
from exostride.control.impedance import ImpedanceController
from exostride.control.minimal import MinimalController
from exostride.control.path_control import PathController
from exostride.control.progressive import ProgressiveLaw
from exostride.control.self_paced import SelfPacedLaw
from exostride.control.settings import BOUNDS, problems
from exostride.control.subtasks import SubtaskController
from exostride.control.transparent import TransparentController
from exostride.control.treadmill import TreadmillLaw
from exostride.gait.reference import load_reference
from exostride.paths import config_dir
from exostride.types import EnvironmentState, ExoState, GaitPhase, GaitState, TherapySettings

T = 0.005
CONTEXT = ControlContext(
    T, 0.9, 75.0, np.full(6, 80.0), load_reference(config_dir() / "norms" / "reference_gait.yaml")
)

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

anything = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf]))


def vector(n, elements=anything):
    return arrays(np.float64, n, elements=elements)


phases = st.builds(
    GaitPhase,
    seq=st.just(0),
    time_s=st.just(0.0),
    phase=vector(2),
    rate_hz=vector(2),
    stance_probability=vector(2),
    confidence=vector(2),
    state=st.sampled_from(list(GaitState)),
)
states = st.builds(
    ExoState,
    seq=st.just(0),
    time_s=st.just(0.0),
    stamp_s=st.just(0.0),
    available=st.integers(0, 127),
    joint_valid=st.integers(0, 63),
    angle_rad=vector(6),
    velocity_rad_s=vector(6),
    cuff_torque_nm=vector(6),
    foot_force_n=vector(6),
    foot_cop_m=vector(4),
    pelvis_position_m=vector(3),
    pelvis_velocity_m_s=vector(3),
    pelvis_orientation=vector(4),
    pelvis_accel_m_s2=vector(3),
)


def bounded(name):
    return st.floats(BOUNDS[name].low, BOUNDS[name].high)


@st.composite
def valid_settings(draw):
    low = draw(vector(6, bounded("assistance_min")))
    settings = TherapySettings(
        belt_speed_m_s=draw(bounded("belt_speed_m_s")),
        belt_acceleration_m_s2=draw(bounded("belt_acceleration_m_s2")),
        self_paced=draw(st.booleans()),
        unloading_percent=draw(bounded("unloading_percent")),
        assistance=draw(vector(6, bounded("assistance"))),
        assistance_min=low,
        assistance_max=np.maximum(low, draw(vector(6, bounded("assistance_max")))),
        amplitude=draw(vector(6, bounded("amplitude"))),
        offset_rad=draw(vector(6, bounded("offset_rad"))),
        cadence_scale=draw(bounded("cadence_scale")),
        phase_offset=draw(vector(2, bounded("phase_offset"))),
    )
    assert problems(settings) == ()
    return settings


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
        if law_type not in (PositionController, TransparentController):
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
