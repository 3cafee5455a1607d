"""The drag that can be injected: a calf whose tone pulls a swinging foot down, and grows by and by."""

from __future__ import annotations

import numpy as np
import pytest

from exostride.hardware.faulty import FaultyDevice
from exostride.hardware.simulated import SimulatedDevice
from exostride.patient.interface import DRIVEN_JOINTS, PatientAction
from exostride.safety.injection import parse


def pulled(text: str, phase: float, after_s: float) -> dict[str, float]:
    """Return the torque [N m] put on each joint so long after the fault began, both legs at one phase."""
    seam = FaultyDevice(SimulatedDevice(), ()).seam
    seam.active[parse(text)] = 5.0
    action = seam.patient(5.0 + after_s, PatientAction(phase=np.full(2, phase)))
    torque = zip(DRIVEN_JOINTS, action.active.torque_nm.tolist(), strict=True)
    return {joint: nm for joint, nm in torque if nm}


@pytest.mark.parametrize(("phase", "share"), [(0.3, 0), (0.55, 0), (0.6, 0.5), (0.8, 1), (0.975, 0.5)])
def test_the_tone_spares_the_standing_leg(phase: float, share: float) -> None:
    torque = pulled("F24a@swing:right", phase, 60.0)
    assert torque == ({"ankle_right": pytest.approx(-25.0 * share)} if share else {})


@pytest.mark.parametrize(("after_s", "share"), [(2.0, 0.25), (4.0, 0.5), (8.0, 1.0), (20.0, 1.0)])
def test_it_comes_over_some_strides(after_s: float, share: float) -> None:
    assert pulled("F24a@swing:left,size=40", 0.8, after_s) == {"ankle_left": pytest.approx(-40.0 * share)}


def test_nobody_walks_nobody_drags() -> None:
    assert pulled("F24a@standing", 0.0, 60.0) == {}
