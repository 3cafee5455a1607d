"""Random sensors, phases and therapy settings for tests of control laws."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exostride.control.settings import BOUNDS, problems
from exostride.types import ExoState, GaitPhase, GaitState, TherapySettings

anything = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf, 1e200, -1e308]))


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
