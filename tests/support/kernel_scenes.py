"""Short scenes for the kernel alone, each up to the tick in which it must answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from kernel_bench import Bench, belt_order, env_state, order, permit
from safety_world import ALL, PERIOD

from exostride.safety.limits import SafetyLimits
from exostride.types import KernelOutput, Mode

BLIND = {"available": ALL & ~2}
"""No measured torque: that of a drive that does nothing would be a runaway."""
OPEN_A, OPEN_B = {"estop_closed_a": False}, {"estop_closed_b": False}
SIGN = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
MIDDLE = np.array([0.4, 0.8, 0.0] * 2)
QUICK = np.array([2.0, 3.0, 4.0] * 2)


def one(joint: int, value: float) -> np.ndarray:
    return value * np.eye(6)[joint]


def limit(limits: SafetyLimits, name: str) -> np.ndarray:
    """A limit of all joints."""
    return np.array([getattr(joint, name) for joint in limits.joints])


def of(bench: Bench, name: str) -> np.ndarray:
    return limit(bench.kernel._limits, name)


def edges(bench: Bench) -> np.ndarray:
    """The left leg at the upper ends of its range, the right at the lower."""
    return np.where(SIGN > 0.0, of(bench, "angle_max_rad"), of(bench, "angle_min_rad"))


def trained(bench: Bench) -> Bench:
    """Training at 10 N m."""
    bench.tick(mode=Mode.ZERO)
    out = bench.run(5)
    assert out.mode == Mode.TRAIN and (out.drive.high_nm > 0.0).all()
    return bench


def push(
    bench: Bench, ticks: int, torque: Any, exo: dict[str, Any] | None = None, **order_: Any
) -> KernelOutput:
    """Train for some ticks with this order, from ZERO if the kernel has not begun."""
    exo = {**BLIND, **(exo or {})}
    if bench.seq < 0:
        bench.run(2, mode=Mode.ZERO, exo=exo)
    given = {name: np.zeros(6) + value for name, value in {"torque_nm": torque, **order_}.items()}
    for _ in range(ticks):
        out = bench.tick(exo=exo, command=order(bench.seq + 1, **given))
    return out


def moved(bench: Bench, ticks: int, torque: Any, speed: Any, angle: Any = MIDDLE) -> KernelOutput:
    """Joints move, at one place, whatever the drives do."""
    return push(bench, ticks, torque, {"velocity_rad_s": np.zeros(6) + speed, "angle_rad": angle})


def upright(bench: Bench, ticks: int, **exo: Any) -> KernelOutput:
    """A spring and a damper hold a body upright; then the device measures something else."""
    gains = {"stiffness_nm_rad": 100.0, "damping_nms_rad": 4.0}
    push(bench, 5, 10.0, **gains)
    return push(bench, ticks, 10.0, exo, **gains)


def again(bench: Bench, name: str, message: Any, before: int = 0) -> KernelOutput:
    """A message comes, so many ticks after that of its number."""
    k = trained(bench).seq + 1
    return bench.tick(**{name: message(k - before)})


def late(bench: Bench, name: str, message: Any) -> KernelOutput:
    """A message comes three ticks after its own, the first since."""
    trained(bench).run(3, **{name: None})
    return bench.tick(**{name: message(bench.seq - 2)})


def cut(bench: Bench, mode: Mode, ticks: int = 5) -> KernelOutput:
    """Nothing comes any more."""
    bench.run(3, mode=mode)
    return bench.run(ticks, command=None, belt=None, permit=None)


def old_permit(bench: Bench) -> KernelOutput:
    """The supervisor has stopped training; then an earlier permit of it comes once more."""
    trained(bench).run(2, mode=Mode.DAMP)
    return bench.tick(permit=permit(bench.seq - 1))


def back(bench: Bench, ticks: int, **gone: Any) -> KernelOutput:
    """Something is wrong for a while, then all is as before."""
    trained(bench).run(ticks, **gone)
    return bench.tick()


def back_after_holding(bench: Bench) -> KernelOutput:
    """The emergency stop is released, and between it and training there is a permit to hold."""
    trained(bench).tick(exo=OPEN_A)
    bench.tick(mode=Mode.HOLD_STANCE)
    return bench.tick()


def broken_inside(bench: Bench) -> KernelOutput:
    trained(bench).kernel._source.fill = lambda *tick: 1 / 0  # type: ignore[method-assign]
    return bench.tick()


def roll(bench: Bench, ticks: int, speed: float, **given: Any) -> KernelOutput:
    """The belt has a speed for some ticks."""
    for _ in range(ticks):
        out = bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=speed), **given)
    return out


def hold(bench: Bench, seconds: float, speed: float = 0.0) -> KernelOutput:
    """The legs are held for so long and a tick more, on a belt of this speed."""
    bench.run(2, mode=Mode.STAND)
    return roll(bench, round(seconds / PERIOD) + 1, speed, mode=Mode.HOLD_STANCE)


def lean_in_homing(bench: Bench) -> KernelOutput:
    """The lock of the self-test is asked for more than it may do."""
    for angle in (0.0, -0.05, -0.1):
        out = bench.run(4, mode=Mode.HOMING, exo={"angle_rad": np.full(6, angle), **BLIND})
    return out


def strong_hip(bench: Bench) -> KernelOutput:
    """A hip that is pushed as hard as it may be begins to move that way."""
    moved(bench, 40, one(0, 80.0), 0.0)
    return moved(bench, 1, one(0, 80.0), one(0, QUICK[0]))


def resist(bench: Bench, share: float) -> KernelOutput:
    """The patient resists with so much of what lies between comfort and the cuff's limit."""
    comfort, most = of(bench, "comfort_nm"), of(bench, "cuff_nm")
    push(bench, 20, 50.0)
    return push(bench, 1, 50.0, {"cuff_torque_nm": comfort + share * (most - comfort)})


def fast_belt_again(bench: Bench) -> KernelOutput:
    """The belt is too fast, and then as fast as it should be."""
    roll(trained(bench), 4, 0.7)
    return roll(bench, 9, 0.5)


def around_it(bench: Bench, **changes: Any) -> KernelOutput:
    """Belt and harness measure something."""
    return trained(bench).tick(env=env_state(bench.seq + 1, **changes))


def tell_belt(bench: Bench, speed: float = 0.5, limit: float = 2.0, **changes: Any) -> KernelOutput:
    k = trained(bench).seq + 1
    return bench.tick(belt=belt_order(k, speed, **changes), permit=permit(k, belt_limit_m_s=limit))


def unload(bench: Bench, now: float, percent: float, ticks: int) -> KernelOutput:
    """The harness, which measures ``now`` at first, is told to carry ``percent``."""
    for _ in range(ticks):
        k = bench.seq + 1
        wish = belt_order(k, unloading_percent=percent)
        out = bench.tick(mode=Mode.STAND, env=env_state(k, unloading_percent=now), belt=wish)
    return out
