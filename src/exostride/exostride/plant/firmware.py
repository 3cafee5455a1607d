"""What drives, belt and harness do at every physics step, compiled; their classes hold what happens else.

Each machine's state and constants are one record. All is in SI units; flags are 0 or 1.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Final

import numpy as np

from exostride.compiled import In1, In2, Out1, Out2, Record, compiled
from exostride.conventions import GRAVITY_M_S2, N_JOINTS
from exostride.types import HarnessAction, SupportKind, Vector

_PER_JOINT = (N_JOINTS,)
_UNLOAD: Final = int(HarnessAction.UNLOAD)
_HOLD: Final = int(HarnessAction.HOLD)
_LIFT: Final = int(HarnessAction.LIFT)
_CONSTANT_FORCE: Final = int(SupportKind.CONSTANT_FORCE)
_COUNTERWEIGHT: Final = int(SupportKind.COUNTERWEIGHT)
_SPRING: Final = int(SupportKind.SPRING)

DRIVES: Final = np.dtype(
    [
        *(
            (name, "f8", _PER_JOINT)
            for name in (
                *("constant", "stiffness", "damping", "low", "high", "protective", "protective_damping"),
                *("torque", "rating", "derating_start", "derating_span", "watchdog_damping", "short_brake"),
            )
        ),
        ("unpowered", "i8", _PER_JOINT),
        *((name, "f8") for name in ("gain", "slew")),
        *((name, "i8") for name in ("silent_steps", "watchdog_steps", "tripped")),
    ],
    align=True,
)
"""The command in force, the electronics' torque and the constants of the six drives."""

BELT: Final = np.dtype(
    [
        *(
            (name, "f8")
            for name in (
                *("target_m_s", "set_speed_m_s", "acceleration_m_s2", "servo_error_m_s", "ramp"),
                *("dt", "stop_deceleration", "overspeed", "reverse", "overspeed_deceleration"),
                *("speed_max", "acceleration_max"),
            )
        ),
        *(
            (name, "i8")
            for name in ("silent_steps", "watchdog_steps", "tripped", "latched", "contactor", "braking")
        ),
    ],
    align=True,
)

HARNESS: Final = np.dtype(
    [
        *(
            (name, "f8")
            for name in (
                *("pull_n", "pull_stiffness_n_m", "pull_length_m", "hold_length_m", "inertia_kg"),
                *("target_n", "set_n", "actual_n", "spring_length", "wound_m", "settled_s"),
                *("dt", "gain", "slew_n", "weight", "force_max", "spring_stiffness", "rope_stiffness"),
                *("rope_damping", "lift_n", "lift_travel", "lift_step", "confirm_fraction", "confirm_s"),
                *("hold_n", "lifted_n"),
            )
        ),
        *(
            (name, "i8")
            for name in (
                *("locked", "action", "kind", "confirmed", "cable_intact", "load_cell_ok", "lift_ok"),
                *("brake_steps", "brake_time_steps", "silent_steps", "watchdog_steps", "tripped"),
            )
        ),
    ],
    align=True,
)
"""The cable's law (``pull_*``, ``hold_*``, ``locked``, ``inertia_kg``), the winch's state and constants."""


PLACES: Final = np.dtype(
    [(name, "i8") for name in ("drive", "belt", "belt_speed", "pull", "hold", "pelvis_speed")]
    + [("servo_ns_m", "f8"), ("dt", "f8")],
    align=True,
)
"""First control of the drives, control and speed of the belt (-1: none), cable's actuators, pelvis' speed."""

Drives = Annotated[Record, DRIVES]
Belt = Annotated[Record, BELT]
Harness = Annotated[Record, HARNESS]
Places = Annotated[Record, PLACES]


# ----------------------------------------------------------------------------- drives


@compiled
def drives_command(
    drives: Drives,
    torque: In1,
    stiffness: In1,
    damping: In1,
    reference: In1,
    reference_velocity: In1,
    low: In1,
    high: In1,
    protective: In1,
    protective_damping: In1,
) -> bool:
    """Take a command into force unless one of its values is not finite; return whether it was taken."""
    d = drives[0]
    for i in range(N_JOINTS):
        constant = torque[i] + stiffness[i] * reference[i] + damping[i] * reference_velocity[i]
        sound = isfinite(constant) and isfinite(stiffness[i]) and isfinite(damping[i])
        sound = sound and isfinite(low[i]) and isfinite(high[i])
        if not (sound and isfinite(protective[i]) and isfinite(protective_damping[i])):
            return False
    for i in range(N_JOINTS):
        # At a step only the measured state changes, so the constant part is summed once.
        d.constant[i] = torque[i] + stiffness[i] * reference[i] + damping[i] * reference_velocity[i]
        d.stiffness[i] = stiffness[i]
        d.damping[i] = damping[i]
        d.low[i] = low[i]
        d.high[i] = high[i]
        d.protective[i] = protective[i]
        d.protective_damping[i] = protective_damping[i]
    d.silent_steps = 0
    d.tripped = 0
    return True


@compiled
def drives_step(drives: Drives, q: In1, qd: In1) -> None:
    """Advance the drives' torque by one step, at the joints' angles and speeds."""
    d = drives[0]
    d.silent_steps += 1
    if d.silent_steps > d.watchdog_steps and d.tripped == 0:
        d.tripped = 1
        for i in range(N_JOINTS):
            d.constant[i] = d.stiffness[i] = d.damping[i] = 0.0
            d.low[i] = d.high[i] = d.protective[i] = 0.0
            d.protective_damping[i] = d.watchdog_damping[i]
    for i in range(N_JOINTS):
        v = qd[i]
        wish = d.constant[i] - d.stiffness[i] * q[i] - d.damping[i] * v
        if wish < d.low[i] or wish > d.high[i]:
            wish = min(max(wish, d.low[i]), d.high[i])
        wish = wish + d.protective[i] - d.protective_damping[i] * v
        wish = min(max(wish, -d.rating[i]), d.rating[i])
        if abs(v) > d.derating_start[i] and wish * v > 0.0:
            wish *= max(0.0, 1.0 - (abs(v) - d.derating_start[i]) / d.derating_span[i])
        change = d.gain * (wish - d.torque[i])
        d.torque[i] += min(max(change, -d.slew), d.slew)


# ----------------------------------------------------------------------------- belt


@compiled
def belt_command(belt: Belt, speed_m_s: float, acceleration_m_s2: float) -> None:
    """Take a commanded speed and ramp, clipped to the machine's own limits."""
    b = belt[0]
    b.silent_steps = 0
    if b.latched == 0:
        b.tripped = 0
        b.target_m_s = min(max(speed_m_s, 0.0), b.speed_max)
        b.ramp = min(max(acceleration_m_s2, 0.01), b.acceleration_max)


@compiled
def belt_step(belt: Belt, speed_m_s: float) -> float:
    """Return the servo's set speed for the coming step, given the measured belt speed [m/s]."""
    b = belt[0]
    b.silent_steps += 1
    if b.silent_steps > b.watchdog_steps and b.tripped == 0 and b.latched == 0:
        b.tripped = 1
        b.target_m_s = 0.0
        b.ramp = b.stop_deceleration
    if speed_m_s > b.overspeed or speed_m_s < -b.reverse:
        b.latched = 1
    if b.contactor or b.latched:
        # The speed loop, faulty or not, is cut; the belt brakes from the speed that is there.
        if b.braking == 0:
            b.braking = 1
            b.set_speed_m_s = speed_m_s
        b.target_m_s = 0.0
        step, error = b.overspeed_deceleration * b.dt, 0.0
    else:
        b.braking = 0
        step, error = b.ramp * b.dt, b.servo_error_m_s
    change = min(max(b.target_m_s - b.set_speed_m_s, -step), step)
    b.set_speed_m_s += change
    b.acceleration_m_s2 = change / b.dt
    speed: float = b.set_speed_m_s + error
    return speed


# ----------------------------------------------------------------------------- harness


@compiled
def harness_request(harness: Harness, action: int, length_m: float, tension_n: float) -> None:
    """Begin an action, if it is another one than before."""
    h = harness[0]
    if action == h.action:
        return
    locked_before = h.action != _UNLOAD
    h.action = action
    h.confirmed = 0
    h.settled_s = 0.0
    if action == _UNLOAD:
        # Take over bumpless from the braked cable.
        h.set_n = h.actual_n = min(max(tension_n, 0.0), h.force_max)
        h.spring_length = length_m
        h.locked = 0
    elif not locked_before:
        h.brake_steps = h.brake_time_steps
    if action == _LIFT:
        h.wound_m = 0.0


@compiled
def harness_command(
    harness: Harness, percent: float, kind: int, action: int, length_m: float, tension_n: float
) -> None:
    """Take unloading [% of body weight], kind of support and action."""
    h = harness[0]
    h.silent_steps = 0
    h.tripped = 0
    h.target_n = min(min(max(percent, 0.0), 100.0) / 100.0 * h.weight, h.force_max)
    if kind != h.kind:
        h.kind = kind
        h.spring_length = length_m
    harness_request(harness, action, length_m, tension_n)


@compiled
def harness_lock(harness: Harness, length_m: float, tension_n: float) -> None:
    """Brake the cable where it is, with the tension that is in it."""
    h = harness[0]
    h.locked = 1
    h.hold_length_m = length_m - max(tension_n, 0.0) / h.rope_stiffness
    h.set_n = h.actual_n = 0.0
    h.pull_n = h.pull_stiffness_n_m = h.inertia_kg = 0.0


@compiled
def _unload(harness: Harness, length_m: float) -> None:
    h = harness[0]
    if h.set_n != h.target_n:
        h.set_n += min(max(h.target_n - h.set_n, -h.slew_n), h.slew_n)
    h.actual_n += h.gain * (h.set_n - h.actual_n)
    h.pull_n = h.actual_n
    h.pull_length_m = h.spring_length
    h.pull_stiffness_n_m = h.spring_stiffness if h.kind == _SPRING else 0.0
    h.inertia_kg = h.actual_n / GRAVITY_M_S2 if h.kind == _COUNTERWEIGHT else 0.0
    # A slack spring or one set on a moving walker is re-tuned while its force is being changed.
    if abs(h.target_n - h.set_n) > 1e-9:
        h.spring_length = length_m


@compiled
def _confirm(harness: Harness, tension_n: float) -> None:
    h = harness[0]
    if h.action == _UNLOAD:
        tolerance = max(h.confirm_fraction * h.target_n, 0.02 * h.weight)
        # Spring and counterweight give the set force on average only.
        good = h.set_n == h.target_n and (
            h.kind != _CONSTANT_FORCE or abs(tension_n - h.target_n) < tolerance
        )
    else:
        good = h.locked != 0 and tension_n >= (h.hold_n if h.action == _HOLD else h.lifted_n)
    good = good and h.cable_intact != 0 and h.load_cell_ok != 0
    h.settled_s = h.settled_s + h.dt if good else 0.0
    h.confirmed = 1 if good and h.settled_s >= h.confirm_s else 0


@compiled
def harness_step(harness: Harness, length_m: float, tension_n: float) -> None:
    """Set the cable's law for the coming step, given cable length and the load cell's tension."""
    h = harness[0]
    h.silent_steps += 1
    if h.silent_steps > h.watchdog_steps and h.tripped == 0:
        h.tripped = 1
        if h.action == _UNLOAD:
            harness_request(harness, _HOLD, length_m, tension_n)
    if h.action == _UNLOAD:
        _unload(harness, length_m)
    elif h.locked == 0:
        h.brake_steps -= 1
        if h.brake_steps <= 0:
            harness_lock(harness, length_m, tension_n)
    elif h.action == _LIFT and h.lift_ok and tension_n < h.lift_n and h.wound_m < h.lift_travel:
        h.hold_length_m -= h.lift_step
        h.wound_m += h.lift_step
    _confirm(harness, tension_n)
    if h.cable_intact == 0:
        h.locked = 0
        h.pull_n = h.pull_stiffness_n_m = h.inertia_kg = 0.0


# ----------------------------------------------------------------------------- between firmware and engine


@compiled
def apply_drives(drives: Drives, places: Places, torque: In1, speed: In1, control: Out1) -> None:
    """Write the motors' torque; a joint without power is braked by its shorted windings only."""
    d, first = drives[0], places[0].drive
    for i in range(N_JOINTS):
        off = d.unpowered[i] != 0
        control[first + i] = -d.short_brake[i] * speed[i] if off else torque[i]


@compiled
def apply_belt(belt: Belt, places: Places, speed: In1, control: Out1) -> None:
    """Let the belt's firmware set its servo."""
    p = places[0]
    if p.belt_speed >= 0:
        control[p.belt] = -p.servo_ns_m * belt_step(belt, -speed[p.belt_speed])


@compiled
def apply_cable(harness: Harness, places: Places, control: Out1, bias: Out2, inertia: Out1) -> None:
    """Make the engine's cable follow the law."""
    h, p = harness[0], places[0]
    control[p.pull] = h.pull_stiffness_n_m * h.pull_length_m - h.pull_n
    bias[p.pull, 1] = -h.pull_stiffness_n_m
    stiffness = h.rope_stiffness if h.locked else 0.0
    control[p.hold] = stiffness * h.hold_length_m
    bias[p.hold, 1] = -stiffness
    bias[p.hold, 2] = -(h.rope_damping if h.locked else 0.0)
    inertia[0] = h.inertia_kg


@compiled
def before_step(
    drives: Drives,
    belt: Belt,
    harness: Harness,
    places: Places,
    exo_angle: In1,
    exo_speed: In1,
    speed: In1,
    length: In1,
    control: Out1,
    bias: Out2,
    inertia: Out1,
    tension_n: float,
) -> None:
    """Run all firmware for the coming step and write what it does into the engine's arrays."""
    if exo_angle.size > 0:
        drives_step(drives, exo_angle, exo_speed)
        apply_drives(drives, places, drives[0].torque, exo_speed, control)
    apply_belt(belt, places, speed, control)
    harness_step(harness, length[0], tension_n)
    apply_cable(harness, places, control, bias, inertia)


@compiled
def tension(
    places: Places,
    force: In1,
    inertia: In1,
    cable_jacobian: In1,
    cable_velocity: In1,
    speed: In1,
) -> float:
    """Return the tension of the step made: actuators plus, for a counterweight, what accelerates it [N]."""
    p = places[0]
    total: float = -force[p.pull] - force[p.hold]
    if inertia[0] > 0.0:
        now = 0.0
        for i in range(cable_jacobian.size):
            now += cable_jacobian[i] * speed[p.pelvis_speed + i]
        total += inertia[0] * (now - cable_velocity[0]) / p.dt
    return total


@compiled
def apply_muscles(
    torque: In1,
    stiffness: In1,
    damping: In1,
    reference: In1,
    reference_velocity: In1,
    tissue: In1,
    elastic: In1,
    viscous: In1,
    rest: In1,
    rest_velocity: In1,
    first: int,
    control: Out1,
    bias: Out2,
) -> None:
    """Let the muscles' actuators execute the sum of two sets, active and passive."""
    for i in range(torque.size):
        active = torque[i] + stiffness[i] * reference[i] + damping[i] * reference_velocity[i]
        passive = tissue[i] + elastic[i] * rest[i] + viscous[i] * rest_velocity[i]
        control[first + i] = active + passive
        bias[first + i, 1] = -(stiffness[i] + elastic[i])
        bias[first + i, 2] = -(damping[i] + viscous[i])


@compiled
def strain(rows: In2, drive: int, joint: int, squares: Out1) -> tuple[Vector, float]:
    """Return each drive's peak torque [N m] over some steps and the work rate put out, summed over them [W].

    ``rows`` of the tape have the drives' torque from column ``drive`` on and the joints' speed from ``joint``
    on; the torque's squares are added to ``squares``.
    """
    peak, power = np.zeros(N_JOINTS), 0.0
    for k in range(rows.shape[0]):
        for i in range(N_JOINTS):
            tau = rows[k, drive + i]
            if abs(tau) > abs(peak[i]):
                peak[i] = tau
            squares[i] += tau * tau
            power += max(tau * rows[k, joint + i], 0.0)
    return peak, power
