"""All detectors together: each is asked, gets what it needs, and is left out where it cannot judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safety_faults import NAN, quaternion
from safety_world import ALL, PERIOD, exo_state

from exostride.safety.detectors import Detectors
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot, Standing
from exostride.safety.walker import Walker
from exostride.types import (
    Action,
    AppliedTorque,
    AssistCommand,
    DeviceFault,
    EnvironmentFault,
    EnvironmentState,
    GaitPhase,
    GaitState,
    Reason,
    RecorderState,
    SessionState,
    Signal,
    SupervisorState,
)

WARN, STOP, E_STOP = Action.WARN, Action.SOFT_STOP, Action.E_STOP
KNEE = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
TOE = np.array([0.0, 1.0, 0.0, 0.0])
MISSING = Finding("F01", WARN, "hip left")


class Rig:
    """Feeds all detectors with a walker who stands still in training, and whatever a test makes of it."""

    def __init__(self, limits: SafetyLimits) -> None:
        self.detectors = Detectors(limits, PERIOD, Walker())
        self.seq = 0

    def step(
        self, exo: Any, environment: Any, inputs: dict[str, Any], void: bool = False, belt: float = 1.0
    ) -> tuple[Snapshot, list[Finding]]:
        ready = {
            "applied": AppliedTorque(self.seq - 1, 0.0),
            "phase": GaitPhase(self.seq - 1, 0.0),
            "command": AssistCommand(self.seq - 1, 0.0),
            "session": SessionState(0, 0.0),
            "recorder": RecorderState(0, 0.0),
        } | inputs
        order = ("applied", "phase", "command", "session", "recorder")
        now = tuple(ready[name] for name in order)
        standing = Standing(SupervisorState.TRAIN, 900 + self.seq, 800 + self.seq)
        seq, self.seq = self.seq, self.seq + 1
        return self.detectors.step(seq, exo, environment, now, standing, void, belt)  # type: ignore[arg-type]

    def tick(
        self,
        env: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        void: bool = False,
        belt: float = 1.0,
        **changes: Any,
    ) -> list[Finding]:
        environment = EnvironmentState(self.seq, self.seq * PERIOD, **(env or {}))
        noise = self.seq % 2
        noisy = {
            "foot_load_n": np.array([200.0, 150.0, 200.0, 150.0]) + noise,
            "angle_rad": np.full(6, 1e-4 * noise),
        }
        return self.step(exo_state(self.seq, **(noisy | changes)), environment, inputs or {}, void, belt)[1]


@pytest.fixture
def rig(limits: SafetyLimits) -> Rig:
    return Rig(limits)


def test_the_snapshot_holds_what_came(rig: Rig) -> None:
    rig.tick()
    exo, environment = exo_state(1), EnvironmentState(1, PERIOD)
    inputs = {
        "applied": AppliedTorque(0, 0.0),
        "phase": GaitPhase(0, 0.0),
        "command": AssistCommand(0, 0.0),
        "session": SessionState(0, 0.0),
        "recorder": RecorderState(0, 0.0),
    }
    snap, found = rig.step(exo, environment, inputs)
    assert found == [] and snap.seq == 1 and snap.exo is exo and snap.environment is environment
    assert all(getattr(snap, name) is value for name, value in inputs.items())
    assert (snap.state, snap.ticks_in_state, snap.driven_ticks) == (SupervisorState.TRAIN, 901, 801)
    assert snap.quality == [0] * 6 and snap.values and not snap.damaged


def test_a_walker_who_stands_sound_is_left_alone(rig: Rig) -> None:
    assert [rig.tick() for _ in range(60)] == [[]] * 60


def test_a_tick_of_another_number_is_missing(rig: Rig) -> None:
    rig.tick()
    snap, found = rig.step(replace(exo_state(1), seq=0), EnvironmentState(1, PERIOD), {})
    assert [f.fault for f in found] == ["F01"] and snap.quality == [1] * 6


def turned(jump: float) -> dict[str, Any]:
    phase = GaitPhase(
        0, 0.0, phase=np.array([0.5 + jump, 0.5]), confidence=np.ones(2), state=GaitState.WALKING
    )
    return {"inputs": {"phase": phase}}


def kernel(reason: Reason, **changes: Any) -> dict[str, Any]:
    return {"inputs": {"applied": AppliedTorque(0, 0.0, reason=int(reason), **changes)}}


def joint(n: int, value: float) -> np.ndarray:
    return np.where(np.arange(6) == n, value, 0.0)


ONE_TICK: list[tuple[str, dict[str, Any], Finding]] = [
    ("samples", {"joint_valid": 0b111110}, MISSING),
    ("session", {"inputs": {"session": SessionState(-1, 0.0)}}, Finding("F03", STOP, "SessionState")),
    (
        "damage",
        {"inputs": {"command": AssistCommand(0, 0.0, torque_nm=np.zeros(5))}},
        Finding("F03", STOP, "AssistCommand"),
    ),
    ("links", kernel(Reason.PERMIT_MISSING), Finding("F13", STOP)),
    ("phase", turned(0.25), Finding("F12", WARN, "phase of the left leg jumped")),
    ("ages", {"inputs": {"recorder": RecorderState(-400, 0.0)}}, Finding("F14", WARN)),
    ("buttons", {"estop_closed_b": False}, Finding("F20", E_STOP)),
    ("clock", {"stamp_s": 0.5}, Finding("F07", STOP, "step of 495.0 ms")),
    ("drift", {"cuff_force_n": np.full(18, 1e4)}, Finding("F06", STOP, "cuff thigh left")),
    (
        "runaway",
        kernel(Reason.RESIDUAL, reasons=np.array([0, 4096, 0, 0, 0, 0], dtype=np.uint32)),
        Finding("F18", E_STOP, "knee left"),
    ),
    ("device", {"device_faults": int(DeviceFault.DRIVE_FAULT)}, Finding("F27", STOP, "drive fault")),
    ("belt", {"env": {"faults": int(EnvironmentFault.BELT_DRIVE)}},
     Finding("F25", STOP, "its drive reports a fault")),
    ("harness", {"env": {"faults": int(EnvironmentFault.HARNESS_LIFT)}}, Finding("F26", STOP, "lift")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "told"), ONE_TICK, ids=[row[0] for row in ONE_TICK])
def test_each_is_asked(rig: Rig, name: str, change: dict[str, Any], told: Finding) -> None:
    rig.tick(**turned(0.0))
    assert rig.tick(**turned(0.0)) == []
    found = rig.tick(**change)
    assert told in found and {f.fault for f in found} == {told.fault}


def test_what_needs_more_ticks_is_asked_in_each(rig: Rig) -> None:
    """A load cell that has been noisy and freezes, torque that is not given, and a tilted trunk."""
    for n in range(4):
        rig.tick(foot_load_n=TOE * (150.0 + n))
    frozen = [rig.tick(foot_load_n=TOE * 153.0) for _ in range(8)]
    assert frozen == [[]] * 7 + [[Finding("F02", STOP, "toe cell left")]]
    asked = {"applied": AppliedTorque(0, 0.0, requested_nm=60.0 * KNEE)}
    unfollowed = [rig.tick(inputs=asked) for _ in range(20)]
    assert unfollowed == [[]] * 19 + [[Finding("F17", Action.REDUCE, "knee left")]]
    tilted = [rig.tick(pelvis_orientation=quaternion(0.6)) for _ in range(2)]
    assert tilted == [[], [Finding("F23", E_STOP, "trunk tilted")]]


def test_a_dragging_foot(rig: Rig) -> None:
    rig.tick()
    swing = {"segment_rate_rad_s": np.array([1.5, 1.5, 0.0, 0.0, 0.0, 0.0]), "foot_load_n": 40.0 * TOE}
    found = [rig.tick(**swing) for _ in range(3)]
    assert found == [[], [], [Finding("F24a", WARN, "left foot")]]


def test_the_permits_limit_is_the_belts(limits: SafetyLimits) -> None:
    fast, told = {"belt_speed_m_s": 0.9, "belt_target_m_s": 0.8}, [Finding("F25", STOP, "0.90 m/s")]
    for permit, last in ((0.8, []), (0.5, told)):
        rig = Rig(limits)
        assert [rig.tick(env=fast, belt=permit) for _ in range(8)] == [[]] * 7 + [last]


def test_a_permit_withheld_on_purpose_is_not_missed(rig: Rig) -> None:
    rig.tick()
    assert rig.tick(**kernel(Reason.PERMIT_MISSING), void=True) == []


PRESSED = {"estop_closed_a": False, "device_faults": int(DeviceFault.DRIVE_FAULT)}


class TestWhatCannotBeJudged:
    LINK = Finding("F13", STOP)

    def test_a_state_that_is_none(self, rig: Rig) -> None:
        rig.tick()
        environment = EnvironmentState(1, PERIOD, faults=int(EnvironmentFault.HARNESS_LIFT))
        _, found = rig.step("garbage", environment, kernel(Reason.PERMIT_MISSING)["inputs"])
        told = [Finding("F03", STOP, "ExoState.shape"), self.LINK, Finding("F26", STOP, "lift")]
        assert found == told

    def test_a_state_that_is_no_number_still_has_its_buttons(self, rig: Rig) -> None:
        rig.tick()
        found = rig.tick(**PRESSED, cuff_force_n=np.full(18, NAN))
        assert found == [Finding("F03", STOP, "ExoState.cuff_force_n[0]"), Finding("F20", E_STOP)]
        assert Finding("F27", STOP, "drive fault") in rig.tick(**PRESSED)

    @pytest.mark.parametrize("environment", ["garbage", EnvironmentState(1, PERIOD, belt_speed_m_s=NAN)])
    def test_belt_and_harness_that_cannot_be_read(self, rig: Rig, environment: Any) -> None:
        rig.tick()
        _, found = rig.step(exo_state(1, **PRESSED), environment, {})
        drive, unread = Finding("F27", STOP, "drive fault"), Finding("F03", STOP, "EnvironmentState")
        assert found == [Finding("F20", E_STOP), drive, unread]


class TestSuddenTorque:
    """The same torque at the walker's right hip, by what else the detectors have just seen."""

    def told(self, rig: Rig, inputs: dict[str, Any] | None = None, **before: Any) -> set[str]:
        for _ in range(60):
            assert {f.fault for f in rig.tick(inputs=inputs, **before)} <= {"F17", "F24a"}
        pulled = [rig.tick(inputs=inputs, cuff_torque_nm=joint(3, 900.0), **before) for _ in range(8)]
        return {f.fault for found in pulled for f in found if f.where in ("hip right", "")}

    def test_alone_it_is_a_spasm(self, rig: Rig) -> None:
        assert self.told(rig) == {"F22"}

    def test_beside_a_drive_that_does_not_follow_the_drive_is_at_fault(self, rig: Rig) -> None:
        asked = {"applied": AppliedTorque(0, 0.0, requested_nm=joint(3, 60.0))}
        assert self.told(rig, asked) == {"F17"}

    def test_while_a_foot_is_caught_it_is_a_trip(self, rig: Rig) -> None:
        swing = {"segment_rate_rad_s": np.array([1.5, 1.5, 0.0, 0.0, 0.0, 0.0])}
        pressed = {"foot_force_n": np.array([0.0, 0.0, 40.0, 0.0, 0.0, 0.0])}
        sole = {"available": ALL & ~int(Signal.FOOT_LOAD), "foot_cop_m": np.full(4, 0.08)}
        assert self.told(rig, **sole, **swing, **pressed) == {"F24b"}
