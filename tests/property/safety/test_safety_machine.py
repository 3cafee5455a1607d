"""No sequence of messages, times and operator acts breaks the promises of the safety layer.

The whole safety layer (component and kernel) is driven by an adversary that chooses every message of
every tick, damaged ones included. Promises: torque within limits, no active torque without an authority
that is fresh, no motion after a reset without a start, stops stay latched, outputs always finite.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from safety_world import PERIOD, ROOT, applied_from, exo_state

from exostride.safety.component import OperatorRequest, SafetyComponent
from exostride.safety.kernel import SafetyKernel
from exostride.safety.limits import load_limits
from exostride.types import (
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    GaitPhase,
    HarnessAction,
    Mode,
    SessionState,
    SupervisorState,
)

LIMITS = load_limits(ROOT / "config" / "limits" / "default.yaml")
S = SupervisorState
wild = st.one_of(
    st.floats(-200.0, 200.0), st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e12, 0.0, 1e-300])
)
vectors = st.one_of(
    st.lists(wild, min_size=6, max_size=6).map(lambda v: np.array(v, dtype=float)),
    st.sampled_from([np.zeros(5), np.zeros((6, 1)), None, np.full(6, np.nan)]),
)
angles = st.lists(st.floats(-0.6, 1.9), min_size=6, max_size=6).map(np.array)
speeds = st.lists(st.floats(-12.0, 12.0), min_size=6, max_size=6).map(np.array)


class SafetyMachine(RuleBasedStateMachine):
    """The adversary."""

    @initialize(paced=st.booleans())
    def begin(self, paced: bool) -> None:
        self.kernel = SafetyKernel(LIMITS, PERIOD, paced=paced)
        self.component = SafetyComponent(LIMITS, PERIOD, paced=paced)
        self.seq = 0
        self.request = int(S.IDLE)
        self.exo: dict[str, Any] = {}
        self.env: dict[str, Any] = {}
        self.command: dict[str, Any] = {}
        self.belt: dict[str, Any] = {}
        self.lose: set[str] = set()
        self.applied = self.phase = self.sent = None
        self.operators: tuple[OperatorRequest, ...] = ()
        self.last_permit = -1000
        self.reset_done = False
        self.started_after_reset = True
        self.state: Any = None
        self.out: Any = None
        self.latched = False
        self.tick()

    # -------------------------------------------------------------- what the adversary may change

    @rule(request=st.sampled_from(list(S)))
    def session_asks(self, request: S) -> None:
        self.request = int(request)
        self.ticks(3)

    @rule(angle=angles, speed=speeds)
    def body_moves(self, angle: np.ndarray, speed: np.ndarray) -> None:
        self.exo = {"angle_rad": angle, "velocity_rad_s": speed}
        self.ticks(4)

    @rule(
        name=st.sampled_from(["angle_rad", "cuff_torque_nm", "motor_torque_nm", "motor_temperature_c"]),
        value=vectors,
    )
    def sensor_lies(self, name: str, value: Any) -> None:
        self.exo = {name: value}
        self.ticks(2)

    @rule(a=st.booleans(), b=st.booleans(), patient=st.booleans(), therapist=st.booleans())
    def buttons(self, a: bool, b: bool, patient: bool, therapist: bool) -> None:
        self.exo = {
            "estop_closed_a": a,
            "estop_closed_b": b,
            "patient_stop": patient,
            "therapist_stop": therapist,
        }
        self.ticks(2)

    @rule(speed=wild, faults=st.integers(0, 63), lifted=st.booleans())
    def world_changes(self, speed: float, faults: int, lifted: bool) -> None:
        action = int(HarnessAction.LIFT if lifted else HarnessAction.UNLOAD)
        self.env = {
            "belt_speed_m_s": speed,
            "faults": faults,
            "harness_action": action,
            "harness_confirmed": lifted,
        }
        self.ticks(3)

    @rule(
        name=st.sampled_from(["torque_nm", "stiffness_nm_rad", "damping_nms_rad", "reference_rad"]),
        value=vectors,
        shift=st.integers(-6, 3),
    )
    def controller_lies(self, name: str, value: Any, shift: int) -> None:
        self.command = {name: value, "seq": self.seq + shift}
        self.tick()
        self.command = {name: value}
        self.ticks(2)

    @rule(speed=wild, ramp=wild, percent=wild)
    def environment_lies(self, speed: float, ramp: float, percent: float) -> None:
        self.belt = {"belt_speed_m_s": speed, "belt_acceleration_m_s2": ramp, "unloading_percent": percent}
        self.ticks(2)

    @rule(
        names=st.sets(st.sampled_from(["command", "belt", "permit", "phase", "session"])),
        n=st.integers(1, 12),
    )
    def messages_lost(self, names: set[str], n: int) -> None:
        self.lose = names
        self.ticks(n)
        self.lose = set()

    @rule()
    def calm(self) -> None:
        self.exo, self.env, self.command, self.belt, self.lose = {}, {}, {}, {}, set()
        self.ticks(260)

    @rule(wish=st.sampled_from([S.IDLE, S.HOMING, S.STAND, S.TRAIN, S.STOPPING, S.SOFT_STOP, S.E_STOP]))
    def operator_asks(self, wish: S) -> None:
        self.operators = (OperatorRequest(state=int(wish), operator_id="x"),)
        self.tick()
        if wish not in (S.SOFT_STOP, S.E_STOP):
            self.started_after_reset = True

    @rule()
    def operator_resets(self) -> None:
        self.operators = (OperatorRequest(reset=True, operator_id="x"),)
        before = self.state.state
        self.tick()
        if self.component.replies[0].accepted:
            assert before == S.FAULT
            assert self.state.state in (S.IDLE, S.SOFT_STOP, S.E_STOP, S.FAULT)
            self.reset_done, self.started_after_reset = True, False
            self.latched = self.state.latched

    @rule()
    def walk_the_whole_path(self) -> None:
        """Help the adversary into TRAIN, where most can go wrong."""
        self.calm()
        for wish in (S.IDLE, S.HOMING):
            self.request = int(wish)
            self.ticks(2)
        self.ticks(640)
        self.request = int(S.TRAIN)
        self.ticks(30)

    # -------------------------------------------------------------- one tick

    def ticks(self, n: int) -> None:
        for _ in range(n):
            self.tick()

    def tick(self) -> None:
        k = self.seq
        exo = replace(exo_state(k), **self.exo)
        env = replace(EnvironmentState(seq=k, time_s=k * PERIOD), **self.env)
        command = replace(AssistCommand(seq=k, time_s=k * PERIOD, torque_nm=np.full(6, 30.0)), **self.command)
        belt = replace(
            EnvironmentCommand(seq=k, time_s=k * PERIOD, belt_speed_m_s=0.4, belt_acceleration_m_s2=0.3),
            **self.belt,
        )
        session = SessionState(seq=k, time_s=k * PERIOD, requested_state=self.request, effective_seq=k)
        if self.request == S.IDLE and "session" not in self.lose:
            self.started_after_reset = True
        permit = None
        if "permit" not in self.lose:
            permit, self.state, _ = self.component.step(
                k, exo, env, self.applied, None if "phase" in self.lose else self.phase,
                self.sent, None if "session" in self.lose else session, self.operators,
            )  # fmt: skip
            self.operators = ()
            if permit.expiry_seq >= k:
                self.last_permit = k
        given = None if "command" in self.lose else command
        self.out = self.kernel.step(k, exo, env, given, None if "belt" in self.lose else belt, permit)
        drive = self.out.drive
        mean = np.clip(drive.torque_nm, drive.low_nm, drive.high_nm)
        self.applied = applied_from(k, self.out, mean, (given is not None, True, permit is not None))
        self.sent = given
        self.phase = GaitPhase(seq=k, time_s=k * PERIOD)
        self.seq += 1
        self.promises(exo)

    def promises(self, exo: Any) -> None:
        out, drive = self.out, self.out.drive
        for i, joint in enumerate(LIMITS.joints):
            assert -joint.torque_nm <= drive.low_nm[i] <= drive.high_nm[i] <= joint.torque_nm
            assert abs(drive.protective_nm[i]) <= joint.protective_nm
            assert 0.0 <= drive.stiffness_nm_rad[i] <= joint.stiffness_nm_rad
        for value in (drive.torque_nm, drive.reference_rad, drive.reference_velocity_rad_s, out.requested_nm,
                      drive.protective_damping_nms_rad, drive.damping_nms_rad):  # fmt: skip
            assert value.shape == (6,) and np.isfinite(value).all()
        active = drive.low_nm.any() or drive.high_nm.any()
        if self.seq - 1 - self.last_permit > 4 and out.mode != Mode.HOLD_STANCE:
            assert not active, "active torque without a permit"
        if not (exo.estop_closed_a and exo.estop_closed_b):
            assert not active and out.mode == Mode.DAMP
        if out.mode in (Mode.ZERO, Mode.DAMP):
            assert not active
        if self.state.state not in (S.TRAIN, S.STOPPING) and "permit" not in self.lose:
            assert out.environment.belt_speed_m_s == 0.0 or out.mode == Mode.TRAIN
        if not self.started_after_reset:
            assert self.state.state in (S.IDLE, S.FAULT, S.SOFT_STOP, S.E_STOP), (
                "motion after reset without a start"
            )
            assert not active or out.mode == Mode.HOLD_STANCE
        if self.latched and not self.reset_done:
            assert self.state.latched, "a latched stop was left without a reset"
        self.latched, self.reset_done = self.state.latched, False

    @invariant()
    def energy(self) -> None:
        if hasattr(self, "kernel"):
            tank = self.kernel.tank
            given = tank.initial_j + tank.absorbed_j + tank.budget_j
            assert tank.injected_j <= given + max(0.0, -tank.energy_j) + 1e-6


SafetyMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestSafetyMachine = SafetyMachine.TestCase
