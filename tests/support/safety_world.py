"""A small, exact world for the safety tests: a body on a drive, and messages that are in order."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from exostride.gait.reference import load_reference
from exostride.safety.component import OperatorRequest, SafetyComponent
from exostride.safety.kernel import SafetyKernel
from exostride.safety.limits import SafetyLimits
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    GaitPhase,
    GaitState,
    HarnessAction,
    KernelOutput,
    SafetyPermit,
    SafetyState,
    SessionState,
    Signal,
    SupervisorState,
)

ROOT = Path(__file__).resolve().parents[2]
PERIOD = 0.005
ALL = int(sum(Signal)) & ~int(Signal.ESTOP_TEST)
"""Every measurement; lines of the emergency stop that can't be tested."""
_STARTED: dict[Any, World] = {}


def exo_state(seq: int, period: float = PERIOD, **changes: Any) -> ExoState:
    """A standing, healthy device with every signal."""
    state = ExoState(
        seq=seq,
        time_s=seq * period,
        stamp_s=seq * period,
        available=ALL,
        joint_valid=0b111111,
        foot_valid=0b11,
        segment_valid=0b111111,
        foot_load_n=np.array([200.0, 150.0, 200.0, 150.0]),
        pelvis_position_m=np.array([0.0, 0.0, 0.95]),
        motor_temperature_c=np.full(6, 30.0),
    )
    return replace(state, **changes)


def applied_from(
    seq: int, out: KernelOutput, mean: np.ndarray, flags: tuple[bool, bool, bool]
) -> AppliedTorque:
    return AppliedTorque(
        seq=seq,
        time_s=seq * PERIOD,
        requested_nm=out.requested_nm,
        applied_mean_nm=mean,
        applied_peak_nm=mean,
        reasons=out.reasons,
        reason=out.reason,
        mode=out.mode,
        tank_j=out.tank_j,
        command_received=flags[0],
        environment_received=flags[1],
        permit_received=flags[2],
        command_age_ticks=out.command_age_ticks,
        environment_age_ticks=out.environment_age_ticks,
        permit_age_ticks=out.permit_age_ticks,
        rejected_messages=out.rejected_messages,
    )


@dataclass
class World:
    """Legs that follow the reference gait on a belt, a harness and drives that obey exactly.

    ``fault`` may be replaced by a function that changes what the component and the kernel see:
    it gets a dict of the tick's values and returns it. With ``tests_lines`` the device has a test output
    for each line of the emergency stop, and opens them as the kernel tells.
    """

    limits: SafetyLimits
    seed: int = 0
    stride_s: float = 1.4
    noise: float = 1.0
    seq: int = 0
    phase: float = 0.0
    belt: float = 0.0
    belt_target: float = 0.0
    belt_ramp: float = 0.3
    request: int = int(SupervisorState.IDLE)
    fault: Any = None
    requests: tuple[OperatorRequest, ...] = ()
    harness: int = int(HarnessAction.HOLD)
    harness_ticks: int = 0
    wish_m_s: float = 0.6
    tests_lines: bool = False
    tested: int = 0
    history: list[tuple[SafetyPermit, SafetyState, KernelOutput]] = field(default_factory=list)
    audit: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.kernel = SafetyKernel(self.limits, PERIOD)
        self.component = SafetyComponent(self.limits, PERIOD)
        self.applied: AppliedTorque | None = None
        self.command: AssistCommand | None = None
        self.gait: GaitPhase | None = None
        curve = load_reference(ROOT / "config" / "norms" / "reference_gait.yaml").curve(0.6, 0.9)
        self.curve = curve
        self.torque = np.zeros(6)
        self.blend = 0.0

    def legs(self, phase: float) -> tuple[np.ndarray, np.ndarray]:
        angles, rates = [], []
        for offset in (0.0, 0.5):
            q, dq = self.curve.at((phase + offset) % 1.0)
            angles.append(q)
            rates.append(dq * self.belt / self.wish_m_s / self.stride_s)
        angle = self.blend * np.concatenate(angles)
        return angle, self.blend * np.concatenate(rates)

    def measure(self) -> ExoState:
        angle, speed = self.legs(self.phase)
        rng, noise = self.rng, self.noise
        load = []
        for offset in (0.0, 0.5):
            p = (self.phase + offset) % 1.0
            stance = p < 0.62
            total = 500.0 if stance else 2.0
            load += [total * (1.0 - p / 0.62 if stance else 0.5), total * (p / 0.62 if stance else 0.5)]
        load_n = np.maximum(0.0, np.array(load) + noise * rng.normal(0, 1.0, 4))
        thigh = angle[[0, 3]]
        shank = thigh - angle[[1, 4]]
        foot = shank + angle[[2, 5]]
        segment = np.array([thigh[0], shank[0], foot[0], thigh[1], shank[1], foot[1]])
        tr, kr, ar = (
            speed[[0, 3]],
            speed[[0, 3]] - speed[[1, 4]],
            speed[[0, 3]] - speed[[1, 4]] + speed[[2, 5]],
        )
        rate = np.array([tr[0], kr[0], ar[0], tr[1], kr[1], ar[1]])
        bob = 0.02 * self.blend * np.cos(4 * np.pi * self.phase)
        return exo_state(
            self.seq,
            available=ALL | (int(Signal.ESTOP_TEST) if self.tests_lines else 0),
            estop_closed_a=not self.tested & 1,
            estop_closed_b=not self.tested & 2,
            angle_rad=angle + noise * rng.normal(0, 3e-4, 6),
            velocity_rad_s=speed + noise * rng.normal(0, 0.03, 6),
            joint_torque_nm=self.torque + noise * rng.normal(0, 0.5, 6),
            motor_torque_nm=self.torque + noise * rng.normal(0, 0.5, 6),
            cuff_torque_nm=0.6 * self.torque + noise * rng.normal(0, 0.5, 6),
            cuff_force_n=noise * rng.normal(0, 5.0, 18),
            foot_load_n=load_n,
            segment_angle_rad=segment + noise * rng.normal(0, 0.01, 6),
            segment_rate_rad_s=rate + noise * rng.normal(0, 0.03, 6),
            pelvis_position_m=np.array([0.0, 0.0, 0.95 + bob]) + noise * rng.normal(0, 1e-3, 3),
            pelvis_velocity_m_s=noise * rng.normal(0, 0.02, 3),
            pelvis_gyro_rad_s=noise * rng.normal(0, 0.05, 3),
        )

    def tick(self) -> SafetyState:
        exo = self.measure()
        env = EnvironmentState(
            seq=self.seq,
            time_s=self.seq * PERIOD,
            belt_speed_m_s=self.belt,
            belt_target_m_s=self.belt_target,
            unloading_n=200.0,
            unloading_percent=27.0,
            harness_action=self.harness,
            harness_confirmed=self.harness_ticks > 100,
        )
        angle, speed = self.legs((self.phase + 0.01) % 1.0)
        command = AssistCommand(
            seq=self.seq,
            time_s=self.seq * PERIOD,
            stiffness_nm_rad=np.full(6, 100.0),
            damping_nms_rad=np.full(6, 4.0),
            reference_rad=angle + 0.05 * np.sin(2 * np.pi * self.phase),
            reference_velocity_rad_s=speed,
            assistance=np.ones(6),
        )
        env_command = EnvironmentCommand(
            seq=self.seq,
            time_s=self.seq * PERIOD,
            belt_speed_m_s=self.wish_m_s,
            belt_acceleration_m_s2=0.3,
            unloading_percent=27.0,
        )
        gait = GaitPhase(
            seq=self.seq,
            time_s=self.seq * PERIOD,
            phase=np.array([self.phase, (self.phase + 0.5) % 1.0]),
            rate_hz=np.full(2, self.belt / self.wish_m_s / self.stride_s),
            stance_probability=np.full(2, 0.5),
            confidence=np.ones(2),
            state=GaitState.WALKING if self.belt > 0.05 else GaitState.STANDING,
        )
        session_seq = max(0, (self.seq // 10 - 1) * 10)
        session = SessionState(
            seq=session_seq,
            time_s=session_seq * PERIOD,
            requested_state=self.request,
            effective_seq=session_seq,
        )
        now: dict[str, Any] = {
            "exo": exo,
            "env": env,
            "command": command,
            "env_command": env_command,
            "gait": gait,
            "session": session,
            "applied_prev": self.applied,
            "phase_prev": self.gait,
            "command_prev": self.command,
            "permit": True,
            "recorder": None,
        }
        if self.fault is not None:
            now = self.fault(self, now)
        permit: SafetyPermit | None = None
        if now["permit"]:
            permit, state, entries = self.component.step(
                self.seq,
                now["exo"],
                now["env"],
                now["applied_prev"],
                now["phase_prev"],
                now["command_prev"],
                now["session"],
                self.requests,
                recorder=now["recorder"],
            )
            self.audit += entries
            self.requests = ()
            self.safety = state
            if now["permit"] is not True:
                permit = now["permit"]
        out = self.kernel.step(self.seq, now["exo"], now["env"], now["command"], now["env_command"], permit)
        self._advance(out, exo)
        flags = (now["command"] is not None, now["env_command"] is not None, permit is not None)
        self.applied = applied_from(self.seq, out, self.torque, flags)
        self.command, self.gait = now["command"], now["gait"]
        self.history.append((permit, self.safety, out))
        self.seq += 1
        return self.safety

    def _advance(self, out: KernelOutput, exo: ExoState) -> None:
        d = out.drive
        active = d.torque_nm + d.stiffness_nm_rad * (d.reference_rad - exo.angle_rad)
        active = np.clip(
            active + d.damping_nms_rad * (d.reference_velocity_rad_s - exo.velocity_rad_s),
            d.low_nm,
            d.high_nm,
        )
        self.torque = active + d.protective_nm - d.protective_damping_nms_rad * exo.velocity_rad_s
        self.tested = out.estop_test if self.tests_lines else 0
        e = out.environment
        self.belt_target = e.belt_speed_m_s
        step = e.belt_acceleration_m_s2 * PERIOD
        self.belt += float(np.clip(e.belt_speed_m_s - self.belt, -step, step))
        self.blend += float(np.clip(min(1.0, self.belt / self.wish_m_s) - self.blend, -PERIOD, PERIOD))
        self.phase = (self.phase + self.belt / self.wish_m_s / self.stride_s * PERIOD) % 1.0
        self.harness_ticks = self.harness_ticks + 1 if e.harness_action == self.harness else 0
        self.harness = e.harness_action

    def run(self, ticks: int, until: int | None = None) -> SafetyState:
        for _ in range(ticks):
            state = self.tick()
            if until is not None and state.state == until:
                break
        return self.safety

    def start(self, walk_s: float = 4.0) -> World:
        """Go through HOMING and STAND to TRAIN and walk for a while; remembered: many tests begin so."""
        key = (id(self.limits), self.seed, self.stride_s, self.tests_lines, walk_s)
        if self.fault is None and self.seq == 0 and key in _STARTED:
            self.__dict__.update(_STARTED[key].twin().__dict__)
            return self
        self._start(walk_s)
        if self.fault is None:
            _STARTED[key] = self.twin()
        return self

    def twin(self) -> World:
        """Return a copy that goes its own way; what is past is shared, since nobody changes it."""
        past = self.history
        memo = {id(self.limits): self.limits, id(past): list(past), id(self.curve): self.curve}
        return deepcopy(self, memo)

    def _start(self, walk_s: float) -> World:
        self.request = int(SupervisorState.HOMING)
        assert self.run(2000, SupervisorState.STAND).state == SupervisorState.STAND, self.safety
        self.request = int(SupervisorState.TRAIN)
        assert self.run(200, SupervisorState.TRAIN).state == SupervisorState.TRAIN, self.safety
        self.run(round(walk_s / PERIOD))
        assert self.safety.state == SupervisorState.TRAIN, self.safety
        return self
