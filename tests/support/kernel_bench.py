"""Drives the kernel alone, tick by tick, and says what is safe of its outputs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from safety_world import PERIOD, exo_state

from exostride.safety.kernel import SafetyKernel
from exostride.safety.limits import SafetyLimits
from exostride.types import (
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    KernelOutput,
    Mode,
    SafetyPermit,
)


def env_state(seq: int, **changes: Any) -> EnvironmentState:
    return replace(EnvironmentState(seq=seq, time_s=seq * PERIOD), **changes)


def permit(seq: int, mode: int = Mode.TRAIN, **changes: Any) -> SafetyPermit:
    base = SafetyPermit(
        seq=seq, time_s=seq * PERIOD, mode=int(mode), scale=1.0, expiry_seq=seq + 4, belt_limit_m_s=2.0
    )
    return replace(base, **changes)


def order(seq: int, torque: float = 0.0, **changes: Any) -> AssistCommand:
    return replace(AssistCommand(seq=seq, time_s=seq * PERIOD, torque_nm=np.full(6, torque)), **changes)


def belt_order(seq: int, speed: float = 0.5, **changes: Any) -> EnvironmentCommand:
    base = EnvironmentCommand(
        seq=seq, time_s=seq * PERIOD, belt_speed_m_s=speed, belt_acceleration_m_s2=0.3, unloading_percent=30.0
    )
    return replace(base, **changes)


class Bench:
    """Drives a kernel tick by tick; a None factory leaves the message out."""

    def __init__(self, limits: SafetyLimits, **options: Any) -> None:
        self.kernel = SafetyKernel(limits, PERIOD, **options)
        self.seq = -1

    def tick(self, **given: Any) -> KernelOutput:
        self.seq += 1
        k = self.seq
        mode = given.pop("mode", Mode.TRAIN)
        exo = given.pop("exo", {})
        values = {
            "exo": exo_state(k, **exo) if isinstance(exo, dict) else exo,
            "env": env_state(k),
            "command": order(k, 10.0),
            "belt": belt_order(k),
            "permit": permit(k, mode),
            **given,
        }
        return self.kernel.step(
            k, values["exo"], values["env"], values["command"], values["belt"], values["permit"]
        )

    def run(self, ticks: int, **given: Any) -> KernelOutput:
        for _ in range(ticks):
            out = self.tick(**given)
        return out

    def train(self, ticks: int = 250) -> KernelOutput:
        self.run(3, mode=Mode.STAND)
        out = self.run(ticks)
        assert out.mode == Mode.TRAIN
        return out


def active_is_zero(out: KernelOutput) -> bool:
    return not (out.drive.low_nm.any() or out.drive.high_nm.any())


def safe(out: KernelOutput, limits: SafetyLimits) -> None:
    """Every number finite, every torque within limits, every message complete."""
    drive = out.drive
    for item in fields(drive):
        value = getattr(drive, item.name)
        if isinstance(value, np.ndarray):
            assert value.shape == (6,) and np.isfinite(value).all(), item.name
    for i, joint in enumerate(limits.joints):
        assert -joint.torque_nm <= drive.low_nm[i] <= drive.high_nm[i] <= joint.torque_nm
        assert abs(drive.protective_nm[i]) <= joint.protective_nm
        assert 0.0 <= drive.stiffness_nm_rad[i] <= joint.stiffness_nm_rad
        assert 0.0 <= drive.damping_nms_rad[i] <= joint.damping_nms_rad
        assert drive.protective_damping_nms_rad[i] in (0.0, joint.damp_nms_rad)
    belt = out.environment
    assert 0.0 <= belt.belt_speed_m_s <= limits.belt.speed_m_s
    assert 0.0 <= belt.belt_acceleration_m_s2 <= max(limits.belt.acceleration_m_s2, limits.belt.stop_m_s2)
    assert 0.0 <= belt.unloading_percent <= limits.belt.unloading_percent
    assert belt.harness_action in (0, 1, 2) and belt.support_kind in (0, 1, 2)
    assert np.isfinite(out.requested_nm).all() and out.reasons.dtype == np.uint32
    assert np.isfinite(out.tank_j) and out.mode in list(Mode)
