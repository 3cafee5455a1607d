"""How the kernel may answer a fault: what must be true of the tick in which it does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from kernel_bench import active_is_zero
from kernel_scenes import QUICK, SIGN, limit

from exostride.safety.limits import SafetyLimits
from exostride.types import HarnessAction, KernelOutput, Mode

Answer = Callable[[KernelOutput, SafetyLimits], bool]


def rests(out: KernelOutput, limits: SafetyLimits) -> bool:
    """The belt is told to come to rest at the configured deceleration."""
    belt = out.environment
    return (belt.belt_speed_m_s, belt.belt_acceleration_m_s2) == (0.0, limits.belt.stop_m_s2)


def damped(out: KernelOutput, limits: SafetyLimits) -> bool:
    brake = (out.drive.protective_damping_nms_rad == limit(limits, "damp_nms_rad")).all()
    held_up = out.environment.harness_action == HarnessAction.HOLD
    return out.mode == Mode.DAMP and active_is_zero(out) and bool(brake) and held_up and rests(out, limits)


def carefully_damped(out: KernelOutput, limits: SafetyLimits) -> bool:
    """Damped, and the load that the harness has is not dropped."""
    return damped(out, limits) and out.environment.unloading_percent > 0.0


def held(out: KernelOutput, limits: SafetyLimits) -> bool:
    stiff = (out.drive.stiffness_nm_rad == limit(limits, "hold_stiffness_nm_rad")).all()
    return out.mode == Mode.HOLD_STANCE and bool(stiff) and rests(out, limits)


def trains_on(torque: float) -> Answer:
    """The order that holds is still this one."""
    return lambda out, limits: out.mode == Mode.TRAIN and bool((out.drive.torque_nm == torque).all())


def not_resumed(out: KernelOutput, limits: SafetyLimits) -> bool:
    return out.mode in (Mode.DAMP, Mode.HOLD_STANCE) and rests(out, limits)


def refused(out: KernelOutput, limits: SafetyLimits) -> bool:
    return out.rejected_messages == 1


def unmoved(out: KernelOutput, limits: SafetyLimits) -> bool:
    """Every joint is open, and what is asked of it is what was asked before."""
    return bool((out.drive.high_nm > 0.0).all() and np.allclose(out.requested_nm, 10.0))


def cut_off(*joints: int) -> Answer:
    """These joints are damped and do nothing else; the others work."""
    only = np.isin(np.arange(6), joints)

    def answer(out: KernelOutput, limits: SafetyLimits) -> bool:
        drive = out.drive
        closed = (drive.low_nm == 0.0) & (drive.high_nm == 0.0)
        brake = np.where(only, limit(limits, "damp_nms_rad"), 0.0)
        return bool((closed == only).all() and (drive.protective_damping_nms_rad == brake).all())

    return answer


def no_power(out: KernelOutput, limits: SafetyLimits) -> bool:
    """Joint 1, and only it, is without power."""
    return out.drive.safe_off == 0b10 and out.drive.low_nm[1] == out.drive.high_nm[1] == 0.0


def within(name: str, share: float = 1.0) -> Answer:
    """No window goes beyond a share of this limit."""

    def answer(out: KernelOutput, limits: SafetyLimits) -> bool:
        most = share * limit(limits, name) + 1e-9
        return bool((out.drive.high_nm <= most).all() and (out.drive.low_nm >= -most).all())

    return answer


def drives(field: str, *names: str) -> Answer:
    """What the drives are told lies between the first limit, or less than the only one, and the last."""

    def answer(out: KernelOutput, limits: SafetyLimits) -> bool:
        told = getattr(out.drive, field)
        low = limit(limits, names[0]) if len(names) > 1 else -limit(limits, names[0])
        return bool(((low <= told) & (told <= limit(limits, names[-1]))).all())

    return answer


def inward(out: KernelOutput, limits: SafetyLimits) -> bool:
    """Nothing acts along the sign of any joint."""
    return bool((np.where(SIGN > 0.0, out.drive.high_nm, -out.drive.low_nm) <= 0.0).all())


def pushed_back(out: KernelOutput, limits: SafetyLimits) -> bool:
    return np.allclose(out.drive.protective_nm, -SIGN * 0.5 * limit(limits, "protective_nm"))


def braked_in_time(out: KernelOutput, limits: SafetyLimits) -> bool:
    return bool(out.drive.protective_nm[0] < -0.6 * limits.joints[0].protective_nm)


def nothing_upward(out: KernelOutput, limits: SafetyLimits) -> bool:
    return bool((out.drive.high_nm <= 0.0).all())


def power_limited(out: KernelOutput, limits: SafetyLimits) -> bool:
    return bool(out.drive.high_nm[0] * QUICK[0] <= limits.joints[0].power_w)


def not_empty(out: KernelOutput, limits: SafetyLimits) -> bool:
    return out.tank_j > 0.0


def lives_on_its_budget(out: KernelOutput, limits: SafetyLimits) -> bool:
    """No more flows out of the tank any more than flows in."""
    return float(out.drive.high_nm @ QUICK) <= 1.1 * limits.tank.refill_w


def contactor_open(out: KernelOutput, limits: SafetyLimits) -> bool:
    return out.environment.belt_stop and rests(out, limits)


def belt_at(speed: float) -> Answer:
    return lambda out, limits: out.environment.belt_speed_m_s == speed


def ramp(low: float, high: float) -> Answer:
    return lambda out, limits: low <= out.environment.belt_acceleration_m_s2 <= high


def unloads_at_most(percent: float) -> Answer:
    return lambda out, limits: out.environment.unloading_percent <= percent + 1e-9


def harness_held(out: KernelOutput, limits: SafetyLimits) -> bool:
    return out.environment.harness_action == HarnessAction.HOLD


def told_in_bounds(out: KernelOutput, limits: SafetyLimits) -> bool:
    return bool((np.abs(out.requested_nm) <= 1e6).all())
