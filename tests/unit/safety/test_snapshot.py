"""What the detectors are given of a tick: read once, unmeasured things left out, damaged messages named."""

from __future__ import annotations

from dataclasses import replace
from math import atan2, cos, sin
from typing import Any

import numpy as np
import pytest
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.guard import SampleGuard
from exostride.safety.intake import PLACES
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Inputs, Snapshot, Standing, look
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    RecorderState,
    SessionState,
    Signal,
    SupervisorState,
)

S = SupervisorState
SIX = np.arange(1.0, 7.0)
COMMAND = AssistCommand(
    8,
    0.04,
    torque_nm=SIX,
    stiffness_nm_rad=SIX + 10.0,
    damping_nms_rad=SIX + 20.0,
    reference_rad=SIX + 30.0,
    reference_velocity_rad_s=SIX + 40.0,
    assistance=SIX + 50.0,
)
APPLIED = AppliedTorque(8, 0.04, requested_nm=SIX, applied_mean_nm=SIX + 60.0, applied_peak_nm=SIX + 70.0)
PHASE = GaitPhase(
    8,
    0.04,
    phase=np.array([0.1, 0.6]),
    rate_hz=np.array([0.7, 0.8]),
    stance_probability=np.array([0.2, 0.9]),
    confidence=np.array([0.3, 0.4]),
)
SESSION, RECORDER = SessionState(8, 0.04), RecorderState(8, 0.04)
INPUTS: Inputs = (APPLIED, PHASE, COMMAND, SESSION, RECORDER)
NOTHING: Inputs = (None, None, None, None, None)
TRAINING = Standing(S.TRAIN, 12, 34)
ENVIRONMENT = EnvironmentState(9, 0.045)
VECTORS = {
    name: np.arange(place.stop - place.start) * 0.01 + 0.001 * k
    for k, (name, place) in enumerate(PLACES.items())
}


def seen(
    limits: SafetyLimits,
    inputs: Inputs = NOTHING,
    standing: Standing = TRAINING,
    **changes: Any,
) -> tuple[Snapshot, SampleGuard, ExoState]:
    exo = exo_state(9, **{**VECTORS, **changes})
    guard = SampleGuard(limits, PERIOD)
    guard.step(9, exo)
    return look(9, exo, ENVIRONMENT, inputs, standing, guard), guard, exo


def test_everything_is_handed_on(limits: SafetyLimits) -> None:
    snap, guard, exo = seen(limits, INPUTS)
    assert snap.seq == 9 and snap.exo is exo and snap.environment is ENVIRONMENT
    assert (snap.applied, snap.phase, snap.command) == (APPLIED, PHASE, COMMAND)
    assert (snap.session, snap.recorder) == (SESSION, RECORDER)
    assert (snap.state, snap.ticks_in_state, snap.driven, snap.driven_ticks) == (S.TRAIN, 12, True, 34)
    assert snap.angle == list(exo.angle_rad) and snap.speed == list(exo.velocity_rad_s)
    assert snap.quality is guard.quality and snap.values is guard.values
    assert snap.damaged == ()


def test_messages_are_read_vector_after_vector(limits: SafetyLimits) -> None:
    snap, _, _ = seen(limits, INPUTS)
    assert snap.orders == [j + ten for ten in (0, 10, 20, 30, 40, 50) for j in range(1, 7)]
    assert snap.done == [j + ten for ten in (0, 60, 70) for j in range(1, 7)]
    assert snap.gait == [0.1, 0.6, 0.7, 0.8, 0.2, 0.9, 0.3, 0.4]


def test_messages_that_did_not_come_are_neither_read_nor_damaged(limits: SafetyLimits) -> None:
    snap, _, _ = seen(limits)
    assert (snap.orders, snap.done, snap.gait, snap.damaged) == ([], [], [], ())
    assert (snap.applied, snap.phase, snap.command, snap.session, snap.recorder) == NOTHING


class TestDamaged:
    SHAPES = (
        replace(APPLIED, applied_mean_nm=np.zeros(5)),
        replace(PHASE, confidence=np.zeros(3)),
        replace(COMMAND, assistance=np.zeros(7)),
    )
    NANS = (
        replace(APPLIED, applied_peak_nm=np.full(6, np.nan)),
        replace(PHASE, rate_hz=np.full(2, np.nan)),
        replace(COMMAND, torque_nm=np.full(6, np.nan)),
    )

    @pytest.mark.parametrize("broken", [SHAPES, NANS], ids=["shape", "not a number"])
    @pytest.mark.parametrize(
        ("which", "names"),
        [
            ((0,), ("AppliedTorque",)),
            ((1,), ("GaitPhase",)),
            ((2,), ("AssistCommand",)),
            ((0, 1), ("AppliedTorque", "GaitPhase")),
            ((0, 2), ("AssistCommand", "AppliedTorque")),
            ((1, 2), ("AssistCommand", "GaitPhase")),
            ((0, 1, 2), ("AssistCommand", "AppliedTorque", "GaitPhase")),
        ],
    )
    def test_each_is_named(
        self, limits: SafetyLimits, broken: tuple[Any, ...], which: tuple[int, ...], names: tuple[str, ...]
    ) -> None:
        inputs: Any = tuple(broken[i] if i in which else INPUTS[i] for i in range(5))
        assert seen(limits, inputs)[0].damaged == names

    def test_values_of_the_wrong_shape_are_not_there(self, limits: SafetyLimits) -> None:
        snap, _, _ = seen(limits, (*self.SHAPES, None, None))
        assert (snap.orders, snap.done, snap.gait) == ([], [], [])

    @pytest.mark.parametrize("i", [0, 1, 2])
    def test_what_is_missing_does_not_speak_for_the_others(self, limits: SafetyLimits, i: int) -> None:
        inputs: Any = tuple(self.NANS[j] if j == i else None for j in range(5))
        assert len(seen(limits, inputs)[0].damaged) == 1


class TestStanding:
    def test_the_phase_is_looked_at_only_where_somebody_acts_on_it(self, limits: SafetyLimits) -> None:
        bad = (*TestDamaged.NANS[:2], COMMAND, None, None)
        snap, _, _ = seen(limits, bad, Standing(S.STAND, 3))
        assert snap.gait == [] and snap.damaged == ("AppliedTorque",)
        assert snap.driven is False and snap.driven_ticks == 0
        assert snap.phase is bad[1]

    def test_commands_are_in_force_from_their_first_tick(self, limits: SafetyLimits) -> None:
        snap, _, _ = seen(limits, INPUTS, Standing(S.TRAIN, 0, 0))
        assert snap.driven is True and snap.driven_ticks == 0 and snap.gait != []


class TestMeasured:
    def test_each_vector_from_its_place(self, limits: SafetyLimits) -> None:
        snap, _, exo = seen(limits)
        assert snap.torque == list(exo.joint_torque_nm)
        assert snap.cuff == list(exo.cuff_torque_nm)
        assert snap.load == list(exo.foot_load_n)
        assert snap.pitch_rate == exo.pelvis_gyro_rad_s[1]

    @pytest.mark.parametrize(
        ("signal", "names"),
        [
            (Signal.JOINT_TORQUE, {"torque"}),
            (Signal.CUFF, {"cuff"}),
            (Signal.FOOT_LOAD, {"load"}),
            (Signal.PELVIS, {"pitch", "pitch_rate"}),
            (Signal.SEGMENT, set()),
        ],
    )
    def test_a_sensor_that_the_device_lacks_tells_nothing(
        self, limits: SafetyLimits, signal: Signal, names: set[str]
    ) -> None:
        tilted = np.array([0.0, sin(0.1), 0.0, cos(0.1)])
        full, _, _ = seen(limits, pelvis_orientation=tilted)
        snap, _, _ = seen(limits, pelvis_orientation=tilted, available=ALL & ~int(signal))
        alone, _, _ = seen(limits, pelvis_orientation=tilted, available=int(signal))
        for name in ("torque", "cuff", "load", "pitch", "pitch_rate"):
            nothing = 0.0 if name.startswith("pitch") else None
            value = getattr(full, name)
            assert value != nothing
            assert getattr(snap, name) == (nothing if name in names else value)
            assert getattr(alone, name) == (value if name in names else nothing)

    @pytest.mark.parametrize("bit", range(6))
    def test_cuffs_are_not_measured_while_a_segment_is_invalid(self, limits: SafetyLimits, bit: int) -> None:
        snap, _, _ = seen(limits, segment_valid=0b111111 & ~(1 << bit))
        assert snap.cuff is None and snap.load is not None

    @pytest.mark.parametrize("valid", [0b00, 0b01, 0b10])
    def test_load_is_not_measured_while_a_foot_is_invalid(self, limits: SafetyLimits, valid: int) -> None:
        snap, _, _ = seen(limits, foot_valid=valid)
        assert snap.load is None and snap.cuff is not None

    def test_a_state_that_cannot_be_read_measures_nothing(self, limits: SafetyLimits) -> None:
        snap, guard, _ = seen(limits, INPUTS, joint_torque_nm=np.zeros(5))
        assert guard.problem == "shape" and snap.values == []
        assert (snap.torque, snap.cuff, snap.load) == (None, None, None)
        assert (snap.pitch, snap.pitch_rate) == (0.0, 0.0)
        assert len(snap.orders) == 36, "the messages are read all the same"

    @pytest.mark.parametrize("heading", [0.0, 0.7, -2.5])
    @pytest.mark.parametrize("roll", [0.0, 0.3, -0.4])
    @pytest.mark.parametrize("pitch", [0.0, 0.2, -0.5, 1.2])
    def test_pitch_is_the_forward_tilt_whatever_the_heading(
        self, limits: SafetyLimits, heading: float, roll: float, pitch: float
    ) -> None:
        x, y, z, w = turn(turn(axis(2, heading), axis(1, pitch)), axis(0, roll))
        snap, _, _ = seen(limits, pelvis_orientation=np.array([x, y, z, w]))
        assert snap.pitch == pytest.approx(atan2(sin(pitch), cos(pitch) * cos(roll)), abs=1e-12)


def axis(i: int, angle: float) -> np.ndarray:
    """A turn about one axis; quaternions are x, y, z, w."""
    q = np.zeros(4)
    q[i], q[3] = sin(angle / 2.0), cos(angle / 2.0)
    return q


def turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One turn after another: the Hamilton product."""
    vector = a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3])
    return np.append(vector, a[3] * b[3] - a[:3] @ b[:3])
